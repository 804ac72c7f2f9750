//! config/reference.toml: every supported key with its default and its meaning, made from the descriptions that the
//! reader uses.
//!
//! It is a configuration itself: what is written out is what counts anyway, and what has no default is commented out.

use super::raw::SECTIONS;
use super::shape::{Described, Shape};

/// Where a line ends and the next begins.
const WIDTH: usize = 118;

const HEADING: &str = "\
# Every key that Ringway supports, with its default and its meaning.
# Made by `ringway reference`; do not edit.
#
# A key that is written out stands at its default, or must be there. A key behind \"#\" has no default of its own.
# Durations are \"250ms\", \"15s\", \"10m\", \"2h\", \"1d\"; sizes \"512B\", \"32KiB\", \"10MiB\", \"1GiB\".
# Templates are text with {variables}: docs/configuration.md lists them.
";

/// The text of config/reference.toml.
#[must_use]
pub fn text() -> String {
    let mut page = Page { text: HEADING.to_owned() };
    for section in SECTIONS {
        page.ruler(section);
        let (path, keys) = match section.shape {
            Shape::Named(_, Shape::Table(keys)) => (format!("{}.{}", section.name, sample(section.name)), *keys),
            Shape::Table(keys) => (section.name.to_owned(), keys),
            _ => continue,
        };
        page.line("");
        page.table(&path, keys, section.is_shown);
    }
    page.text
}

/// The name under which a section with names is shown. The route's example refers to the upstream's.
fn sample(section: &str) -> &'static str {
    match section {
        "listeners" => "web",
        "tls" => "edge",
        "routes" => "orders-by-id",
        _ => "orders",
    }
}

struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn ruler(&mut self, section: &Described) {
        self.line("");
        self.line(&format!("# {} {}", "-".repeat(64), section.name));
        self.wrapped(section.meaning);
    }

    /// Plain keys first: behind the header of an inner table they would belong to that.
    fn table(&mut self, path: &str, keys: &[Described], is_active: bool) {
        self.line(&format!("{}[{path}]", mark(is_active)));
        let is_table = |key: &&Described| matches!(key.shape, Shape::Table(_));
        for key in keys.iter().filter(|key| !is_table(key)) {
            self.key(key, is_active);
        }
        for key in keys.iter().filter(is_table) {
            let Shape::Table(inner) = key.shape else { continue };
            self.line("");
            self.wrapped(&described(key));
            self.table(&format!("{path}.{}", key.name), inner, is_active && key.default.is_empty());
        }
    }

    fn key(&mut self, key: &Described, is_active: bool) {
        self.line("");
        self.wrapped(&described(key));
        self.elements(key);
        let (value, is_written) = match key.toml_default() {
            Some(default) => (default, true),
            None => (key.example, key.is_shown),
        };
        self.line(&format!("{}{} = {value}", mark(is_active && is_written), key.name));
        // A default that shows nothing of the form: "[]" or "{}".
        if !key.example.is_empty() && key.toml_default().is_some() {
            self.line(&format!("#{} = {}", key.name, key.example));
        }
    }

    /// The keys of tables in a list.
    fn elements(&mut self, key: &Described) {
        let tables = match &key.shape {
            Shape::List(Shape::Table(keys), _) => *keys,
            Shape::List(Shape::Any([_, Shape::Table(keys)]), _) => *keys,
            _ => return,
        };
        for inner in tables {
            self.wrapped(&format!("  {}: {}", inner.name, described(inner)));
        }
    }

    fn wrapped(&mut self, text: &str) {
        let indent = text.len() - text.trim_start().len();
        let mut line = format!("#{}", " ".repeat(indent));
        for word in text.split_whitespace() {
            if line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.line(&line);
                line = format!("#{}", " ".repeat(indent));
            }
            line.push(' ');
            line.push_str(word);
        }
        self.line(&line);
    }
}

fn mark(is_active: bool) -> &'static str {
    if is_active { "" } else { "#" }
}

/// Meaning, range and default in words.
fn described(key: &Described) -> String {
    let mut text = key.meaning.to_owned();
    if let Shape::Integer(min, max) = key.shape {
        text.push_str(&format!(" {min} to {max}."));
    }
    if key.is_required {
        text.push_str(" Required.");
    }
    if let Some(words) = key.default.strip_prefix('(').and_then(|words| words.strip_suffix(')')) {
        text.push_str(&format!(" Default: {words}."));
    }
    text
}
