//! Reads TOML tables by their description, with all complaints and the place of every value.
//!
//! serde's derive is deliberately not used for reading: it stops at the first error, while `check` owes all errors of
//! all files in one run; and `flatten`, `untagged` and `tag` lose the places of what they fail on. So a section lists
//! its keys ([`Section::KEYS`]) and takes them one by one; what it does not take is unknown.

use std::collections::HashMap;

use toml::de::{DeTable, DeValue};

use super::code::Code;
use super::desk::Desk;
use super::shape::{Described, Key, Shape};
use super::source::{FileId, Place};

/// A value and where it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub place: Place,
}

impl<T> At<T> {
    /// The same place with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> At<U> {
        At { value: change(self.value), place: self.place }
    }
}

/// A TOML value that is to be read.
#[derive(Clone, Copy, Debug)]
pub struct Item<'t> {
    /// The value.
    pub value: &'t DeValue<'t>,
    /// Where it stands.
    pub place: Place,
    /// The key it stands under; what is missing inside is reported here.
    pub key: Place,
}

/// Something that can be read from a TOML value.
pub trait Value: Sized {
    /// What it looks like.
    const SHAPE: Shape;

    /// Reads it; `None` after at least one complaint.
    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self>;
}

/// A table with a fixed set of keys.
pub trait Section: Sized {
    /// Its keys, in the order in which the reference shows them.
    const KEYS: &'static [Described];
    /// Keys that are in the language and have no meaning yet.
    const LATER: &'static [&'static str] = &[];

    /// Reads it from `table`, taking every key of `KEYS`.
    fn read(table: &mut Table<'_>, desk: &mut Desk<'_>) -> Self;
}

impl<S: Section> Value for S {
    const SHAPE: Shape = Shape::Table(S::KEYS);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let mut table = Table::of(item, desk)?;
        let section = <S as Section>::read(&mut table, desk);
        table.finish::<S>(desk);
        Some(section)
    }
}

impl<T: Value> Value for Vec<At<T>> {
    const SHAPE: Shape = Shape::List(&T::SHAPE, false);

    /// Reads as many elements as can be read.
    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let DeValue::Array(array) = item.value else {
            wrong_type(item, "a list", desk);
            return None;
        };
        let elements = array.iter().filter_map(|element| {
            let place = Place::new(item.place.file, element.span());
            let value = T::read(Item { value: element.get_ref(), place, key: place }, desk)?;
            Some(At { value, place })
        });
        Some(elements.collect())
    }
}

/// A list that must not be empty.
#[derive(Clone, Debug)]
pub struct AtLeastOne<T>(pub Vec<At<T>>);

impl<T: Value> Value for AtLeastOne<T> {
    const SHAPE: Shape = Shape::List(&T::SHAPE, true);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        if item.value.as_array().is_some_and(|array| array.is_empty()) {
            desk.complain(Code::Empty, item.place, "the list is empty").hint("leave the key out, or name at least one");
            return None;
        }
        Vec::read(item, desk).map(Self)
    }
}

/// A table that is being read: each key is taken at most once.
#[derive(Debug)]
pub struct Table<'t> {
    /// Where the table stands: its header, or its braces.
    pub place: Place,
    /// The key it stands under.
    pub key: Place,
    entries: Vec<Entry<'t>>,
}

#[derive(Clone, Copy, Debug)]
struct Entry<'t> {
    name: &'t str,
    item: Item<'t>,
    is_taken: bool,
}

impl<'t> Table<'t> {
    /// The table in `item`, or a complaint.
    pub fn of(item: Item<'t>, desk: &mut Desk<'_>) -> Option<Self> {
        match item.value {
            DeValue::Table(table) => Some(Self::new(item.place, item.key, item.place.file, table)),
            _ => {
                wrong_type(item, "a table", desk);
                None
            }
        }
    }

    /// A table at `place` under `key`.
    #[must_use]
    pub fn new(place: Place, key: Place, file: FileId, table: &'t DeTable<'t>) -> Self {
        let entries = table.iter().map(|(name, value)| Entry {
            name: name.get_ref(),
            item: Item {
                value: value.get_ref(),
                place: Place::new(file, value.span()),
                key: Place::new(file, name.span()),
            },
            is_taken: false,
        });
        Self { place, key, entries: entries.collect() }
    }

    /// Joins what was not taken of the same table of another file to this one. A key that both have is an error naming both places; the
    /// first counts.
    pub fn join(&mut self, other: Self, desk: &mut Desk<'_>) {
        let known: HashMap<&str, Place> = self.entries.iter().map(|entry| (entry.name, entry.item.key)).collect();
        for entry in other.entries.into_iter().filter(|entry| !entry.is_taken) {
            match known.get(entry.name) {
                None => self.entries.push(entry),
                Some(first) => {
                    desk.complain(Code::Twice, entry.item.key, format!("\"{}\" is defined twice", entry.name))
                        .other("it is defined here too", *first);
                }
            }
        }
    }

    /// Takes the key `name` as it is.
    pub fn take_item(&mut self, name: &str) -> Option<Item<'t>> {
        let entry = self.entries.iter_mut().find(|entry| entry.name == name)?;
        entry.is_taken = true;
        Some(entry.item)
    }

    /// Takes what `key` holds; `None` when it is absent, or after a complaint when it cannot be read.
    pub fn take<T: Value>(&mut self, key: &Key<T>, desk: &mut Desk<'_>) -> Option<At<T>> {
        match self.take_item(key.name()) {
            Some(item) => T::read(item, desk).map(|value| At { value, place: item.place }),
            None => {
                if key.describe().is_required {
                    desk.complain(Code::Missing, self.key, format!("\"{}\" is missing", key.name()));
                }
                None
            }
        }
    }

    /// True when the key `name` is there, taken or not.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.name == name)
    }

    /// The names that are there and their places.
    pub fn names(&self) -> impl Iterator<Item = (&'t str, Item<'t>)> + '_ {
        self.entries.iter().map(|entry| (entry.name, entry.item))
    }

    /// Complains of every key that was not taken.
    pub fn finish<S: Section>(self, desk: &mut Desk<'_>) {
        for entry in self.entries.iter().filter(|entry| !entry.is_taken) {
            unknown(entry.name, entry.item, S::KEYS, S::LATER, desk);
        }
    }
}

/// Complains of a key that no section takes.
pub fn unknown(name: &str, item: Item<'_>, keys: &[Described], later: &[&str], desk: &mut Desk<'_>) {
    if later.contains(&name) {
        return not_supported(item.key, &format!("\"{name}\""), desk);
    }
    let names = keys.iter().map(|key| key.name).chain(later.iter().copied());
    let nearest = desk.nearest(name, names);
    desk.complain(Code::UnknownKey, item.key, format!("unknown key \"{name}\"")).suggest(nearest);
}

/// Complains that `what` is in the language, but not built.
pub fn not_supported(place: Place, what: &str, desk: &mut Desk<'_>) {
    desk.complain(Code::NotSupported, place, format!("{what} is not supported yet"));
}

/// Complains that `item` is not `expected`.
pub fn wrong_type(item: Item<'_>, expected: &str, desk: &mut Desk<'_>) {
    let found = match item.value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    desk.complain(Code::WrongType, item.place, format!("expected {expected}, found {found}"));
}

/// The text in `item`, or a complaint that `expected` was expected.
pub fn text<'t>(item: Item<'t>, expected: &str, desk: &mut Desk<'_>) -> Option<&'t str> {
    let text = item.value.as_str();
    if text.is_none() {
        wrong_type(item, expected, desk);
    }
    text
}
