//! Complaints: what is wrong with a configuration, where, and what was perhaps meant; as text and as JSON.
//!
//! Not here: finding anything wrong (`read`, `value`, `compile`) or the codes' meanings (`code`).

use std::fmt;

use serde_json::json;

use super::code::{Code, Severity};

/// One complaint, with everything needed to show it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Complaint {
    /// Which rule.
    pub code: Code,
    /// Where; `None` when it is about no place in particular.
    pub spot: Option<Spot>,
    /// What is wrong, in one line.
    pub message: String,
    /// What to do about it, in one line: `did you mean "orders"?`.
    pub hint: Option<String>,
    /// Another place that is part of it: what is there, and where.
    pub other: Option<(String, Spot)>,
}

/// A place as people read it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spot {
    /// The file as it was named.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// Characters to underline, at least one.
    pub width: u32,
    /// The line itself, or a stretch of it when it is very long.
    pub text: String,
    /// Characters of `text` before the place.
    pub indent: u32,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// `file:line:col: error[E012]: …`, the line, a caret, and the hint.
impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(spot) = &self.spot {
            write!(f, "{spot}: ")?;
        }
        writeln!(f, "{}[{}]: {}", self.code.severity().word(), self.code.row().text, self.message)?;
        if let Some(spot) = &self.spot {
            underline(f, spot)?;
        }
        if let Some((what, spot)) = &self.other {
            writeln!(f, "{spot}: {what}")?;
            underline(f, spot)?;
        }
        if let Some(hint) = &self.hint {
            writeln!(f, "    {hint}")?;
        }
        Ok(())
    }
}

fn underline(f: &mut fmt::Formatter<'_>, spot: &Spot) -> fmt::Result {
    writeln!(f, "    {}", spot.text)?;
    // Tabs stay tabs, so that the caret stands under its letter whatever a tab's width.
    let indent: String =
        spot.text.chars().take(spot.indent as usize).map(|letter| if letter == '\t' { '\t' } else { ' ' }).collect();
    writeln!(f, "    {indent}{}", "^".repeat(spot.width as usize))
}

impl Complaint {
    /// As a JSON object.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let place =
            |spot: &Spot| json!({ "file": spot.file, "line": spot.line, "column": spot.column, "width": spot.width });
        json!({
            "severity": self.code.severity().word(),
            "code": self.code.row().text,
            "message": self.message,
            "hint": self.hint,
            "place": self.spot.as_ref().map(place),
            "other": self.other.as_ref().map(|(what, spot)| json!({ "message": what, "place": place(spot) })),
        })
    }
}

/// All that is wrong, by file and position; at least one of them is an error. Warnings stand among them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Complaints {
    /// In the order of files and positions.
    pub list: Vec<Complaint>,
    /// How many more there were beyond `limits::COMPLAINTS_MAX`.
    pub unlisted: usize,
}

impl Complaints {
    /// The errors among them.
    pub fn errors(&self) -> impl Iterator<Item = &Complaint> {
        self.list.iter().filter(|complaint| complaint.code.severity() == Severity::Error)
    }
}

impl fmt::Display for Complaints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list.iter().try_for_each(|complaint| complaint.fmt(f))
    }
}

impl std::error::Error for Complaints {}
