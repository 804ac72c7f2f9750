//! The shape of the language: which keys there are, what they hold, what they mean.
//!
//! One description of each section drives four things: reading with all complaints (`read`), "did you mean" for
//! unknown keys, the JSON Schema (`schema`) and config/reference.toml (`reference`). None of them knows a key by itself.

use std::marker::PhantomData;

use super::read::Value;

/// What a value looks like, for the schema and the reference.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Text, with a regular expression that the schema may hold it to; empty when there is none.
    Text(&'static str),
    /// One of these words.
    Words(&'static [&'static str]),
    /// A whole number in this range.
    Integer(u64, u64),
    /// Only this truth value.
    Boolean(bool),
    /// Any value that JSON can say.
    Json,
    /// A list; `true` when it must not be empty.
    List(&'static Shape, bool),
    /// A table of these keys.
    Table(&'static [Described]),
    /// A table whose keys are the user's names; the text is how the reference calls such a name.
    Named(&'static str, &'static Shape),
    /// Any of these.
    Any(&'static [Shape]),
}

/// One key as it is described to people and tools.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// The key.
    pub name: &'static str,
    /// What it holds.
    pub shape: Shape,
    /// What counts when it is absent: TOML text, or words in parentheses; empty for tables whose keys have defaults.
    pub default: &'static str,
    /// An example, as TOML text; shown by the reference where the default is no TOML.
    pub example: &'static str,
    /// What it means, in one line.
    pub meaning: &'static str,
    /// It must be there.
    pub is_required: bool,
    /// The reference writes its example out, because one such key must be there.
    pub is_shown: bool,
}

impl Described {
    /// Its default as TOML text; `None` where words stand for it.
    #[must_use]
    pub fn toml_default(&self) -> Option<&'static str> {
        Some(self.default).filter(|default| !default.is_empty() && !default.starts_with('('))
    }
}

/// One key as it is read: `T` is what comes out.
#[derive(Debug)]
pub struct Key<T> {
    described: Described,
    of: PhantomData<fn() -> T>,
}

impl<T: Value> Key<T> {
    /// A key that may be absent, with what counts then.
    #[must_use]
    pub const fn new(name: &'static str, default: &'static str, meaning: &'static str) -> Self {
        let described =
            Described { name, shape: T::SHAPE, default, example: "", meaning, is_required: false, is_shown: false };
        Self { described, of: PhantomData }
    }

    /// A key that must be there.
    #[must_use]
    pub const fn required(name: &'static str, meaning: &'static str) -> Self {
        let described =
            Described { name, shape: T::SHAPE, default: "", example: "", meaning, is_required: true, is_shown: true };
        Self { described, of: PhantomData }
    }

    /// The same with an example.
    #[must_use]
    pub const fn example(mut self, example: &'static str) -> Self {
        self.described.example = example;
        self
    }

    /// The same, written out by the reference.
    #[must_use]
    pub const fn shown(mut self) -> Self {
        self.described.is_shown = true;
        self
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.described.name
    }

    /// Its description.
    #[must_use]
    pub const fn describe(&self) -> Described {
        self.described
    }
}
