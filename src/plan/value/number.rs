//! Whole numbers with bounds, and the few values that are numbers in disguise.

use std::collections::BTreeSet;

use toml::de::DeValue;

use crate::plan::Workers;
use crate::plan::code::Code;
use crate::plan::desk::Desk;
use crate::plan::read::{At, Item, Value, wrong_type};
use crate::plan::shape::Shape;

/// Most CPUs and workers there may be: what `cpu_set_t` of Linux holds.
pub const CPUS_MAX: u64 = 1024;

/// A whole number between two bounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Count<const MIN: u64, const MAX: u64>(pub u64);

impl<const MIN: u64, const MAX: u64> Value for Count<MIN, MAX> {
    const SHAPE: Shape = Shape::Integer(MIN, MAX);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let DeValue::Integer(integer) = item.value else {
            wrong_type(item, "a whole number", desk);
            return None;
        };
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|number| (MIN..=MAX).contains(number));
        if number.is_none() {
            desk.complain(Code::OutOfRange, item.place, format!("the number must be between {MIN} and {MAX}"));
        }
        number.map(Self)
    }
}

/// `"auto"` or a number of workers.
impl Value for Workers {
    const SHAPE: Shape = Shape::Any(&[Shape::Words(&["auto"]), Shape::Integer(1, CPUS_MAX)]);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        match item.value {
            DeValue::String(text) if text == "auto" => Some(Self::Auto),
            DeValue::String(text) => {
                desk.complain(Code::BadChoice, item.place, format!("\"{text}\" is neither \"auto\" nor a number"));
                None
            }
            _ => {
                let count = Count::<1, CPUS_MAX>::read(item, desk)?;
                Some(Self::Count(usize::try_from(count.0).unwrap_or(1)))
            }
        }
    }
}

/// CPUs by number and by range: `[0, "2-3"]`.
#[derive(Clone, Debug)]
pub struct Cpus(pub BTreeSet<usize>);

impl Value for Cpus {
    const SHAPE: Shape = Shape::List(&CpuRange::SHAPE, true);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let list = crate::plan::read::AtLeastOne::<CpuRange>::read(item, desk)?;
        let mut cpus = BTreeSet::new();
        for At { value: CpuRange(first, last), place } in list.0 {
            for cpu in first..=last {
                if !cpus.insert(cpu) {
                    desk.complain(Code::Repeated, place, format!("CPU {cpu} is listed twice"));
                    break;
                }
            }
        }
        Some(Self(cpus))
    }
}

/// One CPU or a range of them, both ends included.
#[derive(Clone, Copy, Debug)]
struct CpuRange(usize, usize);

impl Value for CpuRange {
    const SHAPE: Shape = Shape::Any(&[Shape::Integer(0, CPUS_MAX - 1), Shape::Text("^[0-9]+(-[0-9]+)?$")]);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let max = usize::try_from(CPUS_MAX).unwrap_or(usize::MAX);
        let range = match item.value {
            DeValue::Integer(number) => {
                usize::from_str_radix(number.as_str(), number.radix()).ok().map(|cpu| (cpu, cpu))
            }
            DeValue::String(text) => parse_range(text),
            _ => {
                wrong_type(item, "a CPU's number or a range like \"0-3\"", desk);
                return None;
            }
        };
        let range = range.filter(|(first, last)| first <= last && *last < max);
        if range.is_none() {
            desk.complain(
                Code::BadCpus,
                item.place,
                format!("not a CPU from 0 to {}, and not a range of them", max - 1),
            )
            .hint("a number like 2, or a range like \"0-3\"");
        }
        range.map(|(first, last)| Self(first, last))
    }
}

fn parse_range(text: &str) -> Option<(usize, usize)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((digits(first)?, digits(last)?))
}

/// Digits only: `parse` alone would take "+1".
fn digits(text: &str) -> Option<usize> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}
