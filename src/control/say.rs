//! The gateway's own log: one line per event on standard error, for people and for `grep`.
//!
//! `2026-11-23T14:41:27.042Z info  listening listener=web address=0.0.0.0:8080`. Values that are not one plain word
//! are quoted and escaped, so that an event is always one line. What clients do is not here but in the access log.
#![expect(clippy::disallowed_types, reason = "control's threads share the collected lines of a test")]
#![expect(clippy::disallowed_methods, reason = "control reads the wall clock for its own lines")]

use std::fmt::{Display, Write as _};
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::policy::journal::text::rfc3339;
use crate::words::fault::Level;
use crate::words::time::Wall;

/// Says what happens. Clones say it to the same place.
#[derive(Clone, Debug, Default)]
pub struct Say {
    to: To,
}

#[derive(Clone, Debug, Default)]
enum To {
    #[default]
    StandardError,
    Nobody,
    Memory(Arc<Mutex<Vec<String>>>),
}

/// One fact of an event: its name and its value.
pub type Fact<'a> = (&'a str, &'a dyn Display);

impl Say {
    /// To standard error.
    #[must_use]
    pub fn to_standard_error() -> Self {
        Self { to: To::StandardError }
    }

    /// To nobody: for gateways embedded in a program that has a log of its own.
    #[must_use]
    pub fn to_nobody() -> Self {
        Self { to: To::Nobody }
    }

    /// To memory, from where [`Say::said`] reads it.
    #[must_use]
    pub fn to_memory() -> Self {
        Self { to: To::Memory(Arc::default()) }
    }

    /// All lines said so far to memory, each without its time; elsewhere nothing is kept.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        match &self.to {
            To::Memory(lines) => lines.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            To::StandardError | To::Nobody => Vec::new(),
        }
    }

    /// Worth a line.
    pub fn info(&self, event: &str, facts: &[Fact<'_>]) {
        self.say(Level::Info, event, facts);
    }

    /// An operator may want to act.
    pub fn warn(&self, event: &str, facts: &[Fact<'_>]) {
        self.say(Level::Warn, event, facts);
    }

    /// An operator must act.
    pub fn error(&self, event: &str, facts: &[Fact<'_>]) {
        self.say(Level::Error, event, facts);
    }

    fn say(&self, level: Level, event: &str, facts: &[Fact<'_>]) {
        let line = line(level, event, facts);
        match &self.to {
            // Standard error may be gone; there is nobody left to tell.
            To::StandardError => drop(std::io::stderr().lock().write_all(stamped(&line).as_bytes())),
            To::Nobody => {}
            To::Memory(lines) => lines.lock().unwrap_or_else(PoisonError::into_inner).push(line),
        }
    }
}

/// The wall clock.
#[must_use]
pub fn wall() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

fn stamped(line: &str) -> String {
    let mut time = Vec::with_capacity(24);
    rfc3339(wall(), &mut time);
    format!("{} {line}\n", String::from_utf8_lossy(&time))
}

fn line(level: Level, event: &str, facts: &[Fact<'_>]) -> String {
    let mut line = format!("{:<5} {}", word(level), event.escape_debug());
    for (name, value) in facts {
        let value = value.to_string();
        let is_plain =
            !value.is_empty() && value.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\'));
        let written = if is_plain {
            write!(line, " {name}={value}")
        } else {
            write!(line, " {name}=\"{}\"", value.escape_debug())
        };
        written.expect("a string takes every write");
    }
    line
}

const fn word(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_with_its_facts() {
        let say = Say::to_memory();
        say.info("listening", &[("listener", &"web"), ("address", &"127.0.0.1:80")]);
        say.warn("two words", &[("why", &"it said \"no\"\nand left"), ("empty", &"")]);
        say.error("a\nb", &[]);
        assert_eq!(
            say.said(),
            [
                "info  listening listener=web address=127.0.0.1:80",
                r#"warn  two words why="it said \"no\"\nand left" empty="""#,
                r"error a\nb",
            ]
        );
    }

    #[test]
    fn a_stamped_line_begins_with_the_time_and_ends_the_line() {
        let line = stamped("info  x");
        assert!(line.ends_with("Z info  x\n") && line.starts_with("20"), "{line}");
    }
}
