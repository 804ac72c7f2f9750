//! gRPC as a gateway sees it (PROTOCOL-HTTP2.md of grpc/grpc): whose requests are gRPC, and how long they may take.
//!
//! Not here: messages, which nobody on the way reads, and gRPC-Web's form (`proto::grpc_web`).

use std::time::Duration;

use crate::proto::grpc_web::Kind;
use crate::proto::h1::encode::push_decimal;
use crate::proto::head::{Known, Line, Method, RequestHead};

/// The field that says how long a request may take.
pub const TIMEOUT: &[u8] = b"grpc-timeout";

/// Which gRPC a request is, if any.
#[must_use]
pub fn kind(head: &RequestHead, bytes: &[u8]) -> Option<Kind> {
    if head.method != Method::Post {
        return None;
    }
    let media = head.lines.iter().find(|line| line.known == Known::ContentType)?;
    Kind::of(media.value.of(bytes))
}

/// How long a gRPC request may take by its own word. Of two lines the shorter time holds.
#[must_use]
pub fn timeout(head: &RequestHead, bytes: &[u8]) -> Option<Duration> {
    let lines = head.lines.iter().filter(|line| is_timeout(line, bytes));
    lines.filter_map(|line| read_timeout(line.value.of(bytes))).min()
}

/// True when `line` is `grpc-timeout`.
#[must_use]
pub fn is_timeout(line: &Line, bytes: &[u8]) -> bool {
    line.known == Known::Other && line.name.of(bytes).eq_ignore_ascii_case(TIMEOUT)
}

/// One to eight digits and a unit. What is malformed sets no time, as gRPC's own servers differ about it; the upstream
/// judges it by what we send instead.
fn read_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count = digits.iter().fold(0, |count, digit| count * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(count * 3_600),
        b'M' => Duration::from_secs(count * 60),
        b'S' => Duration::from_secs(count),
        b'm' => Duration::from_millis(count),
        b'u' => Duration::from_micros(count),
        b'n' => Duration::from_nanos(count),
        _ => return None,
    })
}

/// Appends `left` as a timeout, in the finest unit for which eight digits are enough; rounded up, for a time of
/// nothing is no deadline that anybody could keep.
pub fn write_timeout(left: Duration, out: &mut Vec<u8>) {
    let nanos = left.as_nanos().max(1);
    let units: [(u128, u8); 5] =
        [(1, b'n'), (1_000, b'u'), (1_000_000, b'm'), (1_000_000_000, b'S'), (60_000_000_000, b'M')];
    let fitting = units.into_iter().map(|(unit, letter)| (nanos.div_ceil(unit), letter));
    let (count, letter) = fitting.into_iter().find(|(count, _)| *count < 100_000_000).unwrap_or((99_999_999, b'H'));
    push_decimal(u64::try_from(count).unwrap_or(u64::MAX), out);
    out.push(letter);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_digits_and_a_unit() {
        for (value, expected) in [
            ("1S", Some(Duration::from_secs(1))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("250m", Some(Duration::from_millis(250))),
            ("7u", Some(Duration::from_micros(7))),
            ("2M", Some(Duration::from_secs(120))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3_600))),
            ("0S", Some(Duration::ZERO)),
            ("", None),
            ("S", None),
            ("1", None),
            ("123456789m", None),
            ("-1S", None),
            ("+1S", None),
            ("1 S", None),
            ("1s", None),
            ("1.5S", None),
        ] {
            assert_eq!(read_timeout(value.as_bytes()), expected, "{value:?}");
        }
    }

    #[test]
    fn what_is_left_is_written_in_the_finest_unit_that_fits() {
        for (left, expected) in [
            (Duration::ZERO, "1n"),
            (Duration::from_nanos(1_500), "1500n"),
            (Duration::from_millis(99), "99000000n"),
            (Duration::from_millis(100), "100000u"),
            (Duration::from_secs(15), "15000000u"),
            (Duration::from_secs(3_600), "3600000m"),
            (Duration::from_nanos(100_000_001), "100001u"),
            (Duration::from_secs(366 * 86_400), "31622400S"),
        ] {
            let mut out = Vec::new();
            write_timeout(left, &mut out);
            assert_eq!(String::from_utf8(out.clone()).unwrap(), expected);
            assert!(read_timeout(&out).is_some_and(|read| read >= left && read.saturating_sub(left).as_micros() <= 1));
        }
    }
}
