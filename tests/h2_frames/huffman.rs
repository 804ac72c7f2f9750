//! The Huffman code of HPACK (RFC 7541 5.2 and Appendix B), from the lengths of its codes alone: it is canonical, so
//! codes of one length count up in the order of their symbols.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The symbol that may never occur.
const EOS: usize = 256;
/// The longest code.
const BITS_MAX: usize = 30;

/// Bits of each symbol's code, the end of string last.
#[rustfmt::skip]
const LENGTHS: [u8; EOS + 1] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// Symbols in the order of their codes, with their codes.
fn codes() -> Vec<(usize, u32, usize)> {
    let mut symbols: Vec<usize> = (0..=EOS).collect();
    symbols.sort_by_key(|symbol| (LENGTHS[*symbol], *symbol));
    let mut next = 0;
    let mut bits = usize::from(LENGTHS[symbols[0]]);
    let code_of = |symbol: usize| {
        next <<= usize::from(LENGTHS[symbol]) - bits;
        bits = usize::from(LENGTHS[symbol]);
        next += 1;
        (symbol, next - 1, bits)
    };
    symbols.into_iter().map(code_of).collect()
}

/// The code of `text`, padded with the beginning of the end of string.
pub fn encode(text: &[u8]) -> Vec<u8> {
    let codes = codes();
    let code_of =
        |byte: &u8| codes.iter().find(|(symbol, ..)| *symbol == usize::from(*byte)).expect("all bytes are symbols");
    let bits =
        text.iter().map(code_of).flat_map(|(_, code, bits)| (0..*bits).rev().map(move |bit| code >> bit & 1 == 1));
    pack(bits.collect())
}

/// `bits` in octets, the last one filled with ones.
fn pack(mut bits: Vec<bool>) -> Vec<u8> {
    bits.resize(bits.len().next_multiple_of(8), true);
    bits.chunks(8).map(|octet| octet.iter().fold(0, |octet, bit| octet << 1 | u8::from(*bit))).collect()
}

/// The text behind `code`; `None` when it is not canonical (RFC 7541 5.2: seven bits of padding at most, all ones).
pub fn decode(code: &[u8]) -> Option<Vec<u8>> {
    static SYMBOLS: LazyLock<HashMap<(usize, u32), usize>> =
        LazyLock::new(|| codes().into_iter().map(|(symbol, code, bits)| ((bits, code), symbol)).collect());
    let mut text = Vec::new();
    let (mut value, mut bits) = (0_u32, 0_usize);
    for bit in code.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1)) {
        value = value << 1 | u32::from(bit);
        bits += 1;
        if let Some(symbol) = SYMBOLS.get(&(bits, value)) {
            text.push(u8::try_from(*symbol).ok()?);
            (value, bits) = (0, 0);
        }
        if bits > BITS_MAX {
            return None;
        }
    }
    let is_padding = bits < 8 && value == (1 << bits) - 1;
    is_padding.then_some(text)
}

#[test]
fn the_code_is_that_of_the_rfc() {
    // RFC 7541 C.4.1, C.4.3 and C.6.1.
    let known: [(&str, &[u8]); 3] = [
        ("www.example.com", &[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff]),
        ("custom-value", &[0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf]),
        ("private", &[0xae, 0xc3, 0x77, 0x1a, 0x4b]),
    ];
    for (text, code) in known {
        assert_eq!(encode(text.as_bytes()), code);
        assert_eq!(decode(code).as_deref(), Some(text.as_bytes()));
    }
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(decode(&encode(&all)), Some(all));
    assert_eq!(codes().last(), Some(&(EOS, 0x3fff_ffff, 30)));
}

#[test]
fn bad_padding_is_refused() {
    assert_eq!(decode(&[0xff]), None, "eight bits");
    assert_eq!(decode(&[0b0001_1000]), None, "zeros");
    assert_eq!(decode(&[0xff, 0xff, 0xff, 0xff]), None, "the end of string");
    assert_eq!(decode(&[0b0001_1111]).as_deref(), Some(&b"a"[..]));
}
