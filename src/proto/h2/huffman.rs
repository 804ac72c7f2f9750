//! The Huffman code of HPACK (RFC 7541 5.2 and Appendix B), for judging a block that was refused already: short rather
//! than fast. The code is canonical, so the lengths of its codes say all.

/// The symbol that ends strings, and must not occur.
const EOS: usize = 256;
/// The longest code.
const BITS_MAX: u32 = 30;

/// Bits of each symbol's code.
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

/// The text behind `code`; `None` when it is broken: the end of string, more than seven bits of padding, other than ones.
pub(super) fn decode(code: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let (mut value, mut bits) = (0_u32, 0);
    for bit in code.iter().flat_map(|octet| (0..8).rev().map(move |at| octet >> at & 1)) {
        (value, bits) = (value << 1 | u32::from(bit), bits + 1);
        if let Some(symbol) = symbol_of(value, bits) {
            text.push(u8::try_from(symbol).ok()?);
            (value, bits) = (0, 0);
        }
        if bits > BITS_MAX {
            return None;
        }
    }
    (bits < 8 && value == (1 << bits) - 1).then_some(text)
}

/// The symbol whose code are these bits.
fn symbol_of(value: u32, bits: u32) -> Option<usize> {
    // Codes of one length follow each other; those of the next begin behind the last, with a bit more.
    let shorter = (1..bits).fold(0, |first, length| (first + count_of(length)) << 1);
    let at = value.checked_sub(shorter)?;
    let is_of_length = |symbol: &usize| u32::from(LENGTHS[*symbol]) == bits;
    (0..=EOS).filter(is_of_length).nth(at as usize)
}

fn count_of(length: u32) -> u32 {
    LENGTHS.iter().filter(|other| u32::from(**other) == length).count() as u32
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn text_comes_out_and_bad_padding_does_not() {
        // RFC 7541 C.4.1 and C.4.3.
        let host = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(decode(&host).as_deref(), Some(&b"www.example.com"[..]));
        assert_eq!(
            decode(&[0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf]).as_deref(),
            Some(&b"custom-value"[..])
        );
        assert_eq!(decode(b"").as_deref(), Some(&b""[..]));
        assert_eq!(decode(&[0b0001_1111]).as_deref(), Some(&b"a"[..]));
        for broken in [&[0b0001_1000][..], &[0xff], &[0x1f, 0xff], &[0xff; 4], &[0x1f, 0xff, 0xff, 0xff, 0xff]] {
            assert_eq!(decode(broken), None, "{broken:?}");
        }
    }
}
