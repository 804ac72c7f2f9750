//! Values that become JSON: the body of a fixed answer.

use serde_json::{Map, Number};
use toml::de::DeValue;

use crate::plan::code::Code;
use crate::plan::desk::Desk;
use crate::plan::read::{Item, Value};
use crate::plan::shape::Shape;
use crate::plan::source::Place;

/// A JSON document.
#[derive(Clone, PartialEq, Debug)]
pub struct Json(pub serde_json::Value);

impl Value for Json {
    const SHAPE: Shape = Shape::Json;

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        convert(item.value, item.place, desk).map(Self)
    }
}

/// Dates become text in RFC 3339, members come in the order of the alphabet. Depth is bounded by the TOML parser's own bound.
fn convert(value: &DeValue<'_>, place: Place, desk: &mut Desk<'_>) -> Option<serde_json::Value> {
    let at = |span| Place::new(place.file, span);
    let converted = match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Boolean(truth) => (*truth).into(),
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Integer(integer) => number(i64::from_str_radix(integer.as_str(), integer.radix()).ok(), place, desk)?,
        DeValue::Float(float) => number(float.as_str().parse().ok().and_then(Number::from_f64), place, desk)?,
        DeValue::Array(array) => {
            let elements = array.iter().map(|element| convert(element.get_ref(), at(element.span()), desk));
            elements.collect::<Option<Vec<_>>>()?.into()
        }
        DeValue::Table(table) => {
            let member = |(name, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
                let name: &std::borrow::Cow<'_, str> = name.get_ref();
                Some((name.clone().into_owned(), convert(value.get_ref(), at(value.span()), desk)?))
            };
            table.iter().map(member).collect::<Option<Map<_, _>>>()?.into()
        }
    };
    Some(converted)
}

fn number(number: Option<impl Into<Number>>, place: Place, desk: &mut Desk<'_>) -> Option<serde_json::Value> {
    if number.is_none() {
        desk.complain(Code::OutOfRange, place, "JSON has no such number");
    }
    number.map(|number| serde_json::Value::Number(number.into()))
}
