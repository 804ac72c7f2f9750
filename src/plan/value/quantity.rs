//! Durations (`"15s"`), sizes (`"10MiB"`) and rates (`"240B/s"`): a whole number and a unit.

use std::time::Duration;

use crate::plan::code::Code;
use crate::plan::desk::Desk;
use crate::plan::read::{Item, Value, text};
use crate::plan::shape::Shape;
use crate::words::limits::DURATION_MAX;

/// The word for "without a limit".
const NONE: &str = "none";

const DURATION_UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZE_UNITS: &[(&str, u64)] = &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// A duration of at least a millisecond.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span(pub Duration);

impl Value for Span {
    const SHAPE: Shape = Shape::Text("^[0-9]+(ms|s|m|h|d)$");

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let expected = "a duration like \"15s\" or \"250ms\"";
        duration(item, text(item, expected, desk)?, expected, desk).map(Self)
    }
}

/// A duration, or "none", which is [`Duration::MAX`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timeout(pub Duration);

impl Value for Timeout {
    const SHAPE: Shape = Shape::Text("^([0-9]+(ms|s|m|h|d)|none)$");

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let expected = "a duration like \"15s\", or \"none\"";
        match text(item, expected, desk)? {
            NONE => Some(Self(Duration::MAX)),
            text => duration(item, text, expected, desk).map(Self),
        }
    }
}

fn duration(item: Item<'_>, text: &str, expected: &str, desk: &mut Desk<'_>) -> Option<Duration> {
    let max = u64::try_from(DURATION_MAX.as_millis()).unwrap_or(u64::MAX);
    match quantity(text, DURATION_UNITS) {
        Some(0) => {
            let found = desk.complain(Code::OutOfRange, item.place, "the duration is zero");
            if expected.contains(NONE) {
                found.hint("\"none\" is the word for no limit");
            }
            None
        }
        Some(millis) if millis > max => {
            desk.complain(
                Code::OutOfRange,
                item.place,
                format!("the duration is longer than {} days", max / 86_400_000),
            );
            None
        }
        Some(millis) => Some(Duration::from_millis(millis)),
        None => {
            desk.complain(Code::BadDuration, item.place, format!("\"{text}\" is not {expected}"))
                .hint("a whole number and one of ms, s, m, h, d, with nothing between");
            None
        }
    }
}

/// A number of bytes between two bounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size<const MIN: u64, const MAX: u64>(pub u64);

impl<const MIN: u64, const MAX: u64> Value for Size<MIN, MAX> {
    const SHAPE: Shape = Shape::Text("^[0-9]+(B|KiB|MiB|GiB|TiB)$");

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let expected = "a size like \"32KiB\"";
        let bytes = size(item, text(item, expected, desk)?, expected, desk)?;
        if (MIN..=MAX).contains(&bytes) {
            return Some(Self(bytes));
        }
        let message = format!("the size must be between {} and {}", size_text(MIN), size_text(MAX));
        desk.complain(Code::OutOfRange, item.place, message);
        None
    }
}

/// A number of bytes, or "none", which is `u64::MAX`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SizeOrNone(pub u64);

impl Value for SizeOrNone {
    const SHAPE: Shape = Shape::Text("^([0-9]+(B|KiB|MiB|GiB|TiB)|none)$");

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let expected = "a size like \"10MiB\", or \"none\"";
        match text(item, expected, desk)? {
            NONE => Some(Self(u64::MAX)),
            text => size(item, text, expected, desk).map(Self),
        }
    }
}

/// Bytes per second, or "none", which is 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateOrNone(pub u64);

impl Value for RateOrNone {
    const SHAPE: Shape = Shape::Text("^([0-9]+(B|KiB|MiB|GiB|TiB)/s|none)$");

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let expected = "a rate like \"240B/s\", or \"none\"";
        match text(item, expected, desk)? {
            NONE => Some(Self(0)),
            // Without "/s" there is no unit that fits, which is the complaint to make.
            text => size(item, text.strip_suffix("/s").unwrap_or(""), expected, desk).map(Self),
        }
    }
}

fn size(item: Item<'_>, text: &str, expected: &str, desk: &mut Desk<'_>) -> Option<u64> {
    let bytes = quantity(text, SIZE_UNITS);
    if bytes.is_none() {
        let written = item.value.as_str().unwrap_or(text);
        desk.complain(Code::BadSize, item.place, format!("\"{written}\" is not {expected}"))
            .hint("a whole number and one of B, KiB, MiB, GiB, TiB (powers of 1024), with nothing between");
    }
    bytes
}

/// A whole number and its unit, multiplied; `None` when it is neither, or more than 64 bits hold.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = units.iter().find(|(name, _)| *name == unit)?.1;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// A duration as the configuration writes it.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    if duration == Duration::MAX {
        return NONE.to_owned();
    }
    unit_text(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), DURATION_UNITS)
}

/// A number of bytes as the configuration writes it; `u64::MAX` is "none".
#[must_use]
pub fn size_text(bytes: u64) -> String {
    if bytes == u64::MAX { NONE.to_owned() } else { unit_text(bytes, SIZE_UNITS) }
}

/// A rate as the configuration writes it; 0 is "none".
#[must_use]
pub fn rate_text(bytes: u64) -> String {
    if bytes == 0 { NONE.to_owned() } else { format!("{}/s", size_text(bytes)) }
}

/// In the largest unit that leaves a whole number; minutes and above only from two on: "60s" reads better than "1m".
fn unit_text(amount: u64, units: &[(&str, u64)]) -> String {
    let fits = |unit: &&(&str, u64)| amount >= unit.1 && amount.is_multiple_of(unit.1);
    let (name, factor) = units.iter().rev().find(fits).unwrap_or(&units[0]);
    if *name == "m" && amount == *factor { "60s".to_owned() } else { format!("{}{name}", amount / factor) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_written_as_they_are_read() {
        for text in ["250ms", "15s", "60s", "10m", "2h", "3d"] {
            let millis = quantity(text, DURATION_UNITS).unwrap();
            assert_eq!(duration_text(Duration::from_millis(millis)), text);
        }
        for text in ["1B", "1KiB", "32KiB", "10MiB", "1GiB", "1025B"] {
            assert_eq!(size_text(quantity(text, SIZE_UNITS).unwrap()), text);
        }
        assert_eq!(
            (duration_text(Duration::MAX), size_text(u64::MAX), rate_text(0)),
            ("none".into(), "none".into(), "none".into())
        );
    }

    #[test]
    fn a_quantity_is_a_number_and_a_unit_and_nothing_else() {
        for text in
            ["", "s", "1", "1 s", "-1s", "+1s", "1.5s", "1S", "1s1ms", "99999999999999999999s", "18446744073709551615s"]
        {
            assert_eq!(quantity(text, DURATION_UNITS), None, "{text}");
        }
    }
}
