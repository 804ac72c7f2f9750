//! Names for an exchange: the request id and the W3C trace context.

use crate::words::time::Wall;

/// Longest request id that is taken over from a trusted peer.
const ID_BYTES_MAX: usize = 128;

/// True when `id` can be taken over: visible ASCII without quotes, backslashes and commas, not too long. It goes into
/// fields, JSON and logs as it is.
#[must_use]
pub fn is_good_id(id: &[u8]) -> bool {
    (1..=ID_BYTES_MAX).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b',' | b'<' | b'>' | b'&'))
}

/// Appends a UUIDv7 (RFC 9562 5.7): 48 bits of milliseconds, then `random`.
pub fn write_uuid7(out: &mut Vec<u8>, now: Wall, random: [u64; 2]) {
    let high = (now.as_millis() << 16) | 0x7000 | (random[0] & 0x0FFF);
    let low = (random[1] & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000;
    let (second, fourth) = (eight_digits(high as u32), eight_digits((low >> 32) as u32));
    let mut id = [b'-'; 36];
    id[..8].copy_from_slice(&eight_digits((high >> 32) as u32));
    id[9..13].copy_from_slice(&second[..4]);
    id[14..18].copy_from_slice(&second[4..]);
    id[19..23].copy_from_slice(&fourth[..4]);
    id[24..28].copy_from_slice(&fourth[4..]);
    id[28..].copy_from_slice(&eight_digits(low as u32));
    out.extend_from_slice(&id);
}

/// The trace id in a `traceparent` of version 00 (W3C Trace Context 3.2.2); `None` when it is malformed. A version
/// above 00 is read by its first four parts.
#[must_use]
pub fn trace_id(traceparent: &[u8]) -> Option<&[u8]> {
    let is_hex = |range: std::ops::Range<usize>| {
        traceparent.get(range).is_some_and(|part| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
    };
    let is_dash = |at: usize| traceparent.get(at) == Some(&b'-');
    let has_shape =
        is_hex(0..2) && is_dash(2) && is_hex(3..35) && is_dash(35) && is_hex(36..52) && is_dash(52) && is_hex(53..55);
    let has_length = traceparent.len() == 55 || (&traceparent[..2.min(traceparent.len())] != b"00" && is_dash(55));
    if !has_shape || !has_length || traceparent.starts_with(b"ff") {
        return None;
    }
    let is_zero = |range: std::ops::Range<usize>| traceparent[range].iter().all(|byte| *byte == b'0');
    (!is_zero(3..35) && !is_zero(36..52)).then_some(&traceparent[3..35])
}

/// Appends a `traceparent` that begins a trace: not sampled, its id random (level 2 flag 02).
pub fn write_traceparent(out: &mut Vec<u8>, random: [u64; 3]) {
    let mut text = *b"00-????????????????????????????????-????????????????-02";
    // An id of zeroes is invalid; a bit set by force costs one of 128.
    hexadecimal(random[0] | 1, &mut text[3..19]);
    hexadecimal(random[1], &mut text[19..35]);
    hexadecimal(random[2] | 1, &mut text[36..52]);
    out.extend_from_slice(&text);
}

/// Writes the 16 hex digits of `number`.
fn hexadecimal(number: u64, digits: &mut [u8]) {
    digits[..8].copy_from_slice(&eight_digits((number >> 32) as u32));
    digits[8..].copy_from_slice(&eight_digits(number as u32));
}

/// Eight lower-case hex digits, all at once: the nibbles are spread over the bytes of a word, and those above 9 get
/// the distance from `0` to `a` on top. A loop over digits costs ten times as much, on every request.
fn eight_digits(number: u32) -> [u8; 8] {
    let spread = u64::from(number);
    let spread = (spread | (spread << 16)) & 0x0000_FFFF_0000_FFFF;
    let spread = (spread | (spread << 8)) & 0x00FF_00FF_00FF_00FF;
    let spread = (spread | (spread << 4)) & 0x0F0F_0F0F_0F0F_0F0F;
    let letters = ((spread + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    (spread + 0x3030_3030_3030_3030 + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_sorts_by_time_and_says_its_version() {
        let mut id = Vec::new();
        write_uuid7(&mut id, Wall::from_nanos(0x0123_4567_89AB * 1_000_000), [u64::MAX, 0]);
        assert_eq!(id, b"01234567-89ab-7fff-8000-000000000000");
    }

    #[test]
    fn only_a_well_formed_traceparent_has_a_trace_id() {
        let good = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(trace_id(good), Some(&b"4bf92f3577b34da6a3ce929d0e0e4736"[..]));
        for cut in 0..good.len() {
            assert_eq!(trace_id(&good[..cut]), None, "{cut}");
        }
        for bad in [
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            assert_eq!(trace_id(bad.as_bytes()), None, "{bad}");
        }
        let newer = b"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more";
        assert!(trace_id(newer).is_some());
    }

    #[test]
    fn digits_are_what_the_formatter_writes() {
        for number in [0, 9, 10, 15, 16, 0x0123_4567, 0x89AB_CDEF, u32::MAX] {
            assert_eq!(eight_digits(number), format!("{number:08x}").as_bytes());
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut out = Vec::new();
        write_traceparent(&mut out, [0, 0, 0]);
        assert_eq!(trace_id(&out), Some(&b"00000000000000010000000000000000"[..]));
    }

    #[test]
    fn ids_that_could_break_out_of_a_field_are_refused() {
        assert!(is_good_id(b"a-1_b.C~=/+"));
        for bad in [&b""[..], b"a b", b"a\"b", b"a\r\n", b"a\xff", &[b'a'; 129]] {
            assert!(!is_good_id(bad), "{bad:?}");
        }
    }
}
