//! Regular expressions (linear time, bounded automata), and predicates on values.

use toml::de::DeValue;

use crate::plan::ValueMatch;
use crate::plan::code::Code;
use crate::plan::desk::Desk;
use crate::plan::read::{At, Item, Section, Table, Value, text, wrong_type};
use crate::plan::router::pattern::Pattern as Automaton;
use crate::plan::shape::{Described, Key, Shape};

/// A regular expression that the router can compile.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Pattern(pub String);

impl Value for Pattern {
    const SHAPE: Shape = Shape::Text("^[\\s\\S]+$");

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let text = text(item, "a regular expression", desk)?;
        if text.is_empty() {
            desk.complain(Code::Empty, item.place, "the regular expression is empty");
            return None;
        }
        if let Err(error) = desk.check_regex(text, || Automaton::new(text).map(drop)) {
            desk.complain(Code::BadRegex, item.place, "the regular expression cannot be used")
                .hint(reason(&error).to_owned());
            return None;
        }
        Some(Self(text.to_owned()))
    }
}

/// The last line of the message: the others draw the expression, which the complaint shows anyway.
fn reason(message: &str) -> &str {
    message.lines().last().unwrap_or_default().trim_start_matches("error: ")
}

/// `"exactly this"`, `{ regex = "…" }`, or `true` for "is there".
impl Value for ValueMatch {
    const SHAPE: Shape = Shape::Any(&[Shape::Text(""), Shape::Boolean(true), Shape::Table(Whole::KEYS)]);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        match item.value {
            DeValue::String(text) => Some(Self::Exact(text.clone().into_owned())),
            DeValue::Boolean(true) => Some(Self::Present),
            DeValue::Boolean(false) => {
                desk.complain(Code::BadChoice, item.place, "a predicate cannot ask for absence")
                    .hint("true means: is there, whatever it says");
                None
            }
            DeValue::Table(_) => <Whole as Value>::read(item, desk)?.0.map(Self::Regex),
            _ => {
                wrong_type(item, "a text, { regex = \"…\" }, or true", desk);
                None
            }
        }
    }
}

const REGEX: Key<Pattern> = Key::required("regex", "Matches the whole value.");

/// `{ regex = "…" }`.
#[derive(Debug)]
struct Whole(Option<String>);

impl Section for Whole {
    const KEYS: &'static [Described] = &[REGEX.describe()];

    fn read(table: &mut Table<'_>, desk: &mut Desk<'_>) -> Self {
        Self(table.take(&REGEX, desk).map(|pattern| pattern.value.0))
    }
}

/// Predicates on query parameters, by name.
#[derive(Clone, Debug)]
pub struct Parameters(pub Vec<(At<String>, At<ValueMatch>)>);

impl Value for Parameters {
    const SHAPE: Shape = Shape::Named("parameter", &ValueMatch::SHAPE);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let table = Table::of(item, desk)?;
        let read = table.names().filter_map(|(name, item)| {
            let value = ValueMatch::read(item, desk)?;
            Some((At { value: name.to_owned(), place: item.key }, At { value, place: item.place }))
        });
        Some(Self(read.collect()))
    }
}
