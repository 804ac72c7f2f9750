//! Writes the small pieces of HTTP/1.x that are computed: chunk headers, numbers, dates. Nothing allocates beyond the
//! room that the caller's vector has.

use std::net::IpAddr;

use crate::words::time::Wall;

/// Room for the longest chunk header: 16 hex digits and CRLF.
pub const CHUNK_HEADER_BYTES: usize = 18;
/// Room for the longest decimal number of 64 bits.
pub const DECIMAL_BYTES: usize = 20;
/// Length of an IMF-fixdate.
pub const DATE_BYTES: usize = 29;
/// Stands behind the payload of every chunk.
pub const CHUNK_END: &[u8] = b"\r\n";
/// The last chunk of a body; trailer lines and an empty line follow.
pub const LAST_CHUNK: &[u8] = b"0\r\n";
/// The last chunk of a body without trailers.
pub const BODY_END: &[u8] = b"0\r\n\r\n";

/// The header of a chunk of `size` bytes, written to the end of `room`.
///
/// # Panics
/// When `size` is 0: that would end the body ([`LAST_CHUNK`]).
pub fn chunk_header(size: u64, room: &mut [u8; CHUNK_HEADER_BYTES]) -> &[u8] {
    assert!(size > 0, "an empty chunk ends the body");
    let digits = (u64::BITS - size.leading_zeros()).div_ceil(4) as usize;
    let start = CHUNK_HEADER_BYTES - 2 - digits;
    for (position, byte) in room[start..start + digits].iter_mut().rev().enumerate() {
        *byte = b"0123456789abcdef"[(size >> (4 * position)) as usize & 15];
    }
    room[CHUNK_HEADER_BYTES - 2..].copy_from_slice(b"\r\n");
    &room[start..]
}

/// Appends the header of a chunk of `size` bytes.
///
/// # Panics
/// When `size` is 0, as [`chunk_header`].
pub fn push_chunk_header(size: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(chunk_header(size, &mut [0; CHUNK_HEADER_BYTES]));
}

/// `number` in decimal digits, written to the end of `room`.
pub fn decimal(mut number: u64, room: &mut [u8; DECIMAL_BYTES]) -> &[u8] {
    let mut start = DECIMAL_BYTES;
    loop {
        start -= 1;
        room[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &room[start..];
        }
    }
}

/// Appends `number` in decimal digits.
pub fn push_decimal(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(decimal(number, &mut [0; DECIMAL_BYTES]));
}

/// Appends `address` in its usual text form.
pub fn push_address(address: IpAddr, out: &mut Vec<u8>) {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            for (position, octet) in address.octets().into_iter().enumerate() {
                if position > 0 {
                    out.push(b'.');
                }
                push_decimal(u64::from(octet), out);
            }
        }
        IpAddr::V6(address) => {
            use std::io::Write;
            write!(out, "{address}").expect("writing to memory does not fail");
        }
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 5.6.7). [`Wall`] ends in the year 2554, so four digits are enough.
#[must_use]
pub fn date(at: Wall) -> [u8; DATE_BYTES] {
    let seconds = at.as_secs();
    let days = seconds / 86_400;
    let (year, month, day) = civil(days);
    let mut out = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    out[..3].copy_from_slice(&b"ThuFriSatSunMonTueWed"[3 * (days % 7) as usize..][..3]);
    out[5..7].copy_from_slice(&two(day));
    out[8..11].copy_from_slice(&b"JanFebMarAprMayJunJulAugSepOctNovDec"[3 * (month as usize - 1)..][..3]);
    out[12..14].copy_from_slice(&two(year / 100));
    out[14..16].copy_from_slice(&two(year % 100));
    out[17..19].copy_from_slice(&two(seconds / 3_600 % 24));
    out[20..22].copy_from_slice(&two(seconds / 60 % 60));
    out[23..25].copy_from_slice(&two(seconds % 60));
    out
}

/// Year, month (1 to 12) and day (1 to 31) of a day since 1970-01-01. Years are counted from March, so that the leap
/// day comes last and the months before it have a fixed pattern: 153 days in five.
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + (month <= 2) as u64, month, day)
}

const fn two(number: u64) -> [u8; 2] {
    [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::h1::chunked::Decoder;

    #[test]
    fn numbers_are_written_as_the_standard_library_writes_them() {
        let mut number = 1_u64;
        for _ in 0..2_000 {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            for value in [number, number >> 20, number >> 50, 0, u64::MAX, 9, 10, 15, 16] {
                assert_eq!(decimal(value, &mut [0; DECIMAL_BYTES]), value.to_string().as_bytes());
                if value > 0 {
                    let hex = format!("{value:x}\r\n");
                    assert_eq!(chunk_header(value, &mut [0; CHUNK_HEADER_BYTES]), hex.as_bytes());
                }
            }
        }
    }

    fn date_of(seconds: u64) -> String {
        String::from_utf8(date(Wall::from_nanos(seconds * 1_000_000_000)).to_vec()).unwrap()
    }

    #[test]
    fn dates_are_imf_fixdates() {
        for (seconds, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] {
            assert_eq!(date_of(seconds), text);
        }
    }

    #[test]
    fn dates_agree_with_a_calendar_library() {
        for day in (0..200_000_u64).step_by(13) {
            let seconds = day * 86_400 + day * 7 % 86_400;
            let expected = jiff::Timestamp::from_second(seconds as i64).unwrap();
            let expected = expected.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            assert_eq!(date_of(seconds), expected);
        }
    }

    #[test]
    fn what_is_encoded_decodes_to_itself() {
        let mut wire = Vec::new();
        for piece in [&b"hello, "[..], b"chunked ", b"world"] {
            push_chunk_header(piece.len() as u64, &mut wire);
            wire.extend_from_slice(piece);
            wire.extend_from_slice(CHUNK_END);
        }
        wire.extend_from_slice(BODY_END);
        let decoded = Decoder::default().decode(&mut wire).unwrap();
        assert!(decoded.is_done && decoded.consumed == wire.len());
        assert_eq!(&wire[..decoded.payload], b"hello, chunked world");
    }
}
