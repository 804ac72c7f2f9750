//! How a log writes text, numbers and times: straight into the line, without allocation.

use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use crate::words::time::Wall;

/// How one character, or one byte that is part of none, is written: its escape's length is at most 6.
pub(super) type Escape = fn(&[u8], &mut Vec<u8>);

const ELLIPSIS: &[u8] = b"...";

/// Appends `value`, escaped, in at most `share` bytes; never half a character or half an escape.
pub(super) fn escape_cut(value: &[u8], share: usize, escape: Escape, out: &mut Vec<u8>) {
    let field = out.len();
    // Nearly always the value is short and plain: one pass to see it, one copy.
    if value.len() <= share && value.iter().all(|byte| is_plain(*byte)) {
        return out.extend_from_slice(value);
    }
    let mut cut = field;
    let mut rest = value;
    while !rest.is_empty() {
        if out.len() - field <= share - ELLIPSIS.len() {
            cut = out.len();
        }
        let (character, behind) = rest.split_at(character(rest));
        escape(character, out);
        if out.len() - field > share {
            out.truncate(cut);
            return out.extend_from_slice(ELLIPSIS);
        }
        rest = behind;
    }
}

/// Goes out as it is in every format.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\'
}

/// Length of the UTF-8 character that `bytes` begin with; 1 for a byte that begins none.
fn character(bytes: &[u8]) -> usize {
    let length = match bytes[0] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return 1,
    };
    match bytes.get(..length) {
        Some(candidate) if std::str::from_utf8(candidate).is_ok() => length,
        _ => 1,
    }
}

/// JSON (RFC 8259 7). Beyond what it asks, everything is escaped that some reader takes for the end of a line or a
/// terminal for a command: DEL, C1 controls, U+2028 and U+2029. A byte that is not UTF-8 becomes the text `\xNN`.
pub(super) fn json_escape(character: &[u8], out: &mut Vec<u8>) {
    match character {
        [byte] if is_plain(*byte) => out.push(*byte),
        [byte @ (b'"' | b'\\')] => out.extend_from_slice(&[b'\\', *byte]),
        [byte @ ..=0x7f] => out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]),
        [byte] => out.extend_from_slice(&[b'\\', b'\\', b'x', hex(byte >> 4), hex(byte & 15)]),
        [0xc2, byte @ 0x80..=0x9f] => {
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
        }
        [0xe2, 0x80, 0xa8] => out.extend_from_slice(b"\\u2028"),
        [0xe2, 0x80, 0xa9] => out.extend_from_slice(b"\\u2029"),
        other => out.extend_from_slice(other),
    }
}

/// Quotes, backslashes and everything outside printable ASCII as `\xNN`, byte by byte, as nginx does.
pub(super) fn hex_escape(character: &[u8], out: &mut Vec<u8>) {
    for byte in character {
        if is_plain(*byte) {
            out.push(*byte);
        } else {
            out.extend_from_slice(&[b'\\', b'x', hex_upper(byte >> 4), hex_upper(byte & 15)]);
        }
    }
}

const fn hex(digit: u8) -> u8 {
    b"0123456789abcdef"[digit as usize]
}

const fn hex_upper(digit: u8) -> u8 {
    b"0123456789ABCDEF"[digit as usize]
}

pub(super) const fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

pub(super) fn decimal(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = digit(value % 10);
        value /= 10;
        if value == 0 {
            return out.extend_from_slice(&digits[start..]);
        }
    }
}

/// `value`, which has at most `width` digits, with leading zeros.
fn padded(value: u64, width: u32, out: &mut Vec<u8>) {
    out.extend((0..width).rev().map(|place| digit(value / 10_u64.pow(place) % 10)));
}

fn digit(value: u64) -> u8 {
    b"0123456789"[value as usize]
}

/// Seconds with microseconds: `0.001250`.
pub(super) fn seconds(value: Duration, out: &mut Vec<u8>) {
    decimal(value.as_secs(), out);
    out.push(b'.');
    padded(value.subsec_micros().into(), 6, out);
}

/// IPv4 by hand, because it is on every line; IPv6 by the standard library, which does not allocate either.
pub(super) fn address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(v4) => {
            for (position, octet) in v4.octets().into_iter().enumerate() {
                if position > 0 {
                    out.push(b'.');
                }
                decimal(octet.into(), out);
            }
        }
        IpAddr::V6(v6) => write!(out, "{v6}").expect("a vector takes every write"),
    }
}

/// `2026-11-23T14:41:27.042Z`: RFC 3339 with milliseconds, 24 bytes.
pub fn rfc3339(time: Wall, out: &mut Vec<u8>) {
    let (date, second) = (Date::of(time), time.as_secs() % 86_400);
    padded(date.year, 4, out);
    for (mark, value) in [(b'-', date.month), (b'-', date.day), (b'T', second / 3_600)] {
        out.push(mark);
        padded(value, 2, out);
    }
    for value in [second / 60 % 60, second % 60] {
        out.push(b':');
        padded(value, 2, out);
    }
    out.push(b'.');
    padded(time.as_millis() % 1_000, 3, out);
    out.push(b'Z');
}

/// `23/Nov/2026:14:41:27 +0000`: the Common Log Format's time, in UTC.
pub(super) fn common_time(time: Wall, out: &mut Vec<u8>) {
    const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let (date, second) = (Date::of(time), time.as_secs() % 86_400);
    padded(date.day, 2, out);
    out.push(b'/');
    let month = (date.month as usize - 1) * 3;
    out.extend_from_slice(&MONTHS[month..month + 3]);
    out.push(b'/');
    padded(date.year, 4, out);
    for value in [second / 3_600, second / 60 % 60, second % 60] {
        out.push(b':');
        padded(value, 2, out);
    }
    out.extend_from_slice(b" +0000");
}

/// A day of the Gregorian calendar.
struct Date {
    year: u64,
    /// 1 to 12.
    month: u64,
    /// 1 to 31.
    day: u64,
}

impl Date {
    /// The day of `time`. The calendar repeats every 400 years (146,097 days); counted in years that begin in March,
    /// the leap day comes last and the months' lengths follow a straight line.
    fn of(time: Wall) -> Self {
        // 0000-03-01 is 719,468 days before 1970-01-01.
        let days = time.as_secs() / 86_400 + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        Self { year: era * 400 + year + next, month, day }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dates_are_right_over_leap_days_and_centuries() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_709_164_800, "2024-02-29T00:00:00.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(said(|out| rfc3339(Wall::from_nanos(seconds * 1_000_000_000), out)), date);
        }
    }

    #[test]
    fn dates_agree_with_the_calendar_of_a_library() {
        // One day and some seconds at a time from 1970 over the leap years 2000 and 2400.
        for day in 0..180_000_u64 {
            let seconds = day * 86_400 + day % 86_400;
            let ours = said(|out| rfc3339(Wall::from_nanos(seconds * 1_000_000_000), out));
            let theirs = jiff::Timestamp::from_second(i64::try_from(seconds).unwrap()).unwrap();
            assert_eq!(ours, format!("{theirs:.3}"));
        }
    }

    #[test]
    fn numbers_are_written_whole() {
        for value in [0, 7, 10, 99, 100, 12_345, u64::MAX] {
            assert_eq!(said(|out| decimal(value, out)), value.to_string());
        }
        assert_eq!(said(|out| seconds(Duration::from_nanos(61_000_007_999), out)), "61.000007");
    }

    #[test]
    fn addresses_are_written_as_the_standard_library_does() {
        for text in ["0.0.0.0", "255.10.9.1", "::", "2001:db8::1", "::ffff:192.0.2.1"] {
            assert_eq!(said(|out| address(text.parse().unwrap(), out)), text);
        }
    }
}
