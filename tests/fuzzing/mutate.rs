//! Makes an input from a good one by few edits that mean something: lines, words, numbers, cuts; and now and then by
//! any byte at all.

use crate::tables::Random;

/// No input is longer.
pub const INPUT_BYTES_MAX: usize = 8 * 1024;

/// Bytes that decide something in one of the grammars.
const BYTES: &[u8] = b"\r\n\0 \t:;,/?#%*@[]{}\"'\\=.&_-+0159afxX\x0b\x0c\x7f\x80\xc3\xff";

/// Numbers at the edges of what lengths, sizes, ports and statuses can be.
const NUMBERS: &[&[u8]] = &[
    b"0",
    b"1",
    b"2",
    b"5",
    b"16",
    b"99",
    b"100",
    b"204",
    b"255",
    b"256",
    b"304",
    b"599",
    b"600",
    b"65535",
    b"65536",
    b"4294967295",
    b"4294967296",
    b"7fffffffffffffff",
    b"ffffffffffffffff",
    b"9223372036854775807",
    b"9223372036854775808",
    b"9999999999999999999",
    b"18446744073709551615",
    b"18446744073709551616",
    b"99999999999999999999",
    b"0000000000000000001",
    b"00000000000000000001",
    b"-1",
    b"+1",
];

/// Makes `out` from one of `seeds`: with no edit (so that good inputs are cut in every way), one, or several.
pub fn derive(seeds: &[Vec<u8>], words: &[&[u8]], random: &mut Random, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&seeds[random.below(seeds.len())]);
    let edits = match random.below(16) {
        0 => 0,
        1..9 => 1,
        9..13 => 2,
        13..15 => 4,
        _ => 8,
    };
    for _ in 0..edits {
        edit(seeds, words, random, out);
        out.truncate(INPUT_BYTES_MAX);
    }
}

fn edit(seeds: &[Vec<u8>], words: &[&[u8]], random: &mut Random, out: &mut Vec<u8>) {
    let at = random.below(out.len() + 1);
    match random.below(20) {
        0 => {
            let bit = 1 << random.below(8);
            out.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bit);
        }
        1 => out.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 0x20),
        2 => out.insert(at, random.below(256) as u8),
        3..5 => out.insert(at, any(BYTES, random)),
        5 => {
            let byte = any(BYTES, random);
            out.iter_mut().skip(at).take(1).for_each(|old| *old = byte);
        }
        6..9 => put(out, at, at, any(words, random)),
        9 => {
            let word = any(words, random);
            put(out, at, (at + word.len()).min(out.len()), word);
        }
        10 => {
            let end = (at + 1 + random.below(8)).min(out.len());
            out.drain(at..end);
        }
        11 => out.truncate(at),
        12 => edit_line(out, at, random),
        13 => edit_line(out, at, random),
        14 => {
            let other = &seeds[random.below(seeds.len())];
            out.truncate(at);
            out.extend_from_slice(&other[random.below(other.len() + 1)..]);
        }
        15 => repeat(out, at, random),
        _ => edit_number(out, at, random),
    }
}

fn any<T: Copy>(from: &[T], random: &mut Random) -> T {
    from[random.below(from.len())]
}

fn put(out: &mut Vec<u8>, from: usize, to: usize, piece: &[u8]) {
    out.splice(from..to, piece.iter().copied());
}

/// Doubles, removes or moves the line that `at` lies in.
fn edit_line(out: &mut Vec<u8>, at: usize, random: &mut Random) {
    let start = out[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |before| before + 1);
    let end = out[at..].iter().position(|byte| *byte == b'\n').map_or(out.len(), |behind| at + behind + 1);
    let line = out[start..end].to_vec();
    match random.below(3) {
        0 => put(out, start, start, &line),
        1 => drop(out.drain(start..end)),
        _ => {
            out.drain(start..end);
            let to = random.below(out.len() + 1);
            let to = out[..to].iter().rposition(|byte| *byte == b'\n').map_or(0, |before| before + 1);
            put(out, to, to, &line);
        }
    }
}

/// Says a short piece again, a few times or very often.
fn repeat(out: &mut Vec<u8>, at: usize, random: &mut Random) {
    let piece = out[at..(at + 1 + random.below(24)).min(out.len())].to_vec();
    let times = if random.once_in(4) { 1 + random.below(300) } else { 1 + random.below(3) };
    put(out, at, at, &piece.repeat(times));
}

/// Puts another number in the place of the first one behind `at`.
fn edit_number(out: &mut Vec<u8>, at: usize, random: &mut Random) {
    let Some(start) = out[at..].iter().position(u8::is_ascii_digit).map(|digit| at + digit) else { return };
    let end = out[start..].iter().position(|byte| !byte.is_ascii_hexdigit()).map_or(out.len(), |more| start + more);
    put(out, start, end, any(NUMBERS, random));
}
