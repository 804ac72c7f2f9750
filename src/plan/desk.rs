//! Where complaints are handed in while a configuration is read and compiled, and from where they leave sorted and
//! with their text.

use std::collections::HashSet;

use super::code::{Code, Severity};
use super::complaint::{Complaint, Spot};
use super::source::{FileId, Place, Sources};
use crate::words::limits::{COMPLAINTS_MAX, NAMES_COMPARED_MAX};

/// Characters of a line that a complaint shows.
const SHOWN_CHARACTERS: usize = 160;
/// Characters of a message: it may quote a value of any length.
const MESSAGE_CHARACTERS: usize = 300;

/// One complaint before its place is looked up.
#[derive(Debug)]
pub struct Found {
    code: Code,
    place: Option<Place>,
    message: String,
    hint: Option<String>,
    other: Option<(String, Place)>,
}

impl Found {
    /// Adds what to do about it.
    pub fn hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds another place that is part of it.
    pub fn other(&mut self, what: impl Into<String>, place: Place) -> &mut Self {
        self.other = Some((what.into(), place));
        self
    }

    /// Adds "did you mean" when there is a suggestion.
    pub fn suggest(&mut self, name: Option<&str>) -> &mut Self {
        if let Some(name) = name {
            self.hint = Some(format!("did you mean \"{name}\"?"));
        }
        self
    }
}

/// Collects complaints about the configuration in `sources`.
#[derive(Debug)]
pub struct Desk<'s> {
    /// The files that are complained about.
    pub sources: &'s Sources,
    found: Vec<Found>,
    /// Complaints beyond the bound land here, one over the other.
    overflow: Option<Found>,
    unlisted: usize,
    errors: usize,
    /// Lines with a syntax error, and the files they are in.
    broken_lines: HashSet<(FileId, u32)>,
    broken_files: HashSet<FileId>,
    /// A file that was to be included is not there.
    has_gaps: bool,
    /// Regular expressions already found good: the same one often stands in thousands of routes.
    good_regexes: HashSet<String>,
    names_compared: usize,
}

impl<'s> Desk<'s> {
    /// An empty desk.
    #[must_use]
    pub fn new(sources: &'s Sources) -> Self {
        Self {
            sources,
            found: Vec::new(),
            overflow: None,
            unlisted: 0,
            errors: 0,
            broken_lines: HashSet::new(),
            broken_files: HashSet::new(),
            has_gaps: false,
            good_regexes: HashSet::new(),
            names_compared: 0,
        }
    }

    /// Hands in a complaint about `place`.
    pub fn complain(&mut self, code: Code, place: Place, message: impl Into<String>) -> &mut Found {
        self.push(Found { code, place: Some(place), message: message.into(), hint: None, other: None })
    }

    /// Hands in a complaint about the whole.
    pub fn complain_of_all(&mut self, code: Code, message: impl Into<String>) -> &mut Found {
        self.push(Found { code, place: None, message: message.into(), hint: None, other: None })
    }

    fn push(&mut self, found: Found) -> &mut Found {
        self.errors += usize::from(found.code.severity() == Severity::Error);
        if self.found.len() >= COMPLAINTS_MAX {
            self.unlisted += 1;
            return self.overflow.insert(found);
        }
        self.found.push(found);
        self.found.last_mut().expect("one was pushed just now")
    }

    /// Hands in a complaint about something that could not be included.
    pub fn complain_of_gap(&mut self, code: Code, place: Place, message: String) {
        self.has_gaps = true;
        self.complain(code, place, message);
    }

    /// Hands in a syntax error at `place`: the first of each line, the others follow from it.
    pub fn complain_of_syntax(&mut self, place: Place, message: &str) {
        let (line, _) = self.sources.position(place);
        self.broken_files.insert(place.file);
        if self.broken_lines.insert((place.file, line)) {
            self.complain(Code::Syntax, place, message);
        }
    }

    /// How many errors there are so far.
    #[must_use]
    pub const fn errors(&self) -> usize {
        self.errors
    }

    /// True when every file was there and is TOML. If not, names may be missing that the configuration defines.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.broken_files.is_empty() && !self.has_gaps
    }

    /// The place of `bytes` bytes at `index` of the string `text` at `place`: exact when the file spells the string
    /// without escapes, else the whole string.
    #[must_use]
    pub fn inside(&self, place: Place, text: &str, index: usize, bytes: usize) -> Place {
        let (start, end) = (place.start as usize, place.end as usize);
        let spelled = self.sources.text(place.file).get(start..end).unwrap_or_default();
        let quotes = if spelled.starts_with("\"\"\"") || spelled.starts_with("'''") { 3 } else { 1 };
        let exact = spelled.len() == text.len() + 2 * quotes && spelled.get(quotes..quotes + text.len()) == Some(text);
        if !exact || bytes == 0 {
            return place;
        }
        let start = start + quotes + index;
        Place::new(place.file, start..start + bytes)
    }

    /// Checks the regular expression `text`, unless it was found good before.
    ///
    /// # Errors
    /// Those of `check`.
    pub fn check_regex<E>(&mut self, text: &str, check: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        if self.good_regexes.contains(text) {
            return Ok(());
        }
        check()?;
        self.good_regexes.insert(text.to_owned());
        Ok(())
    }

    /// The name among `names` that `text` was perhaps meant to be. All searches of one run together are bounded.
    pub fn nearest<'n>(&mut self, text: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
        let length = text.chars().count();
        let farthest = (length / 3).clamp(1, 3);
        let mut best: Option<(usize, &str)> = None;
        for name in names {
            if self.names_compared >= NAMES_COMPARED_MAX {
                break;
            }
            self.names_compared += 1;
            if name.len().abs_diff(text.len()) > 2 * farthest {
                continue;
            }
            let distance = strsim::damerau_levenshtein(text, name);
            // Of several at one distance the first by the alphabet, so that the suggestion does not depend on order.
            if distance <= farthest && best.is_none_or(|best| (distance, name) < best) {
                best = Some((distance, name));
            }
        }
        best.map(|(_, name)| name)
    }

    /// All complaints by file and position, and how many could not be listed.
    #[must_use]
    pub fn into_complaints(mut self) -> (Vec<Complaint>, usize) {
        let broken = (std::mem::take(&mut self.broken_files), std::mem::take(&mut self.broken_lines));
        let mut found = std::mem::take(&mut self.found);
        found.retain(|found| self.stands(found, &broken.0, &broken.1));
        found.sort_by_key(|found| (found.place.is_none(), found.place, found.code));
        (found.into_iter().map(|found| self.resolve(found)).collect(), self.unlisted)
    }

    /// In a file whose syntax is broken, tables may have lost their headers: what is said about unknown, missing or
    /// doubled keys there would follow from the syntax, not from the text. What is said about a single value stands.
    fn stands(&self, found: &Found, files: &HashSet<FileId>, lines: &HashSet<(FileId, u32)>) -> bool {
        let Some(place) = found.place.filter(|place| files.contains(&place.file)) else { return true };
        let (line, _) = self.sources.position(place);
        // The parser puts a value where it found none, at no place.
        let is_written = place.start < place.end;
        found.code == Code::Syntax || (found.code.row().is_local && is_written && !lines.contains(&(place.file, line)))
    }

    fn resolve(&self, found: Found) -> Complaint {
        Complaint {
            code: found.code,
            spot: found.place.map(|place| self.spot(place)),
            message: shown(&found.message),
            hint: found.hint.as_deref().map(shown),
            other: found.other.map(|(what, place)| (shown(&what), self.spot(place))),
        }
    }

    /// `place` as people read it.
    #[must_use]
    pub fn spot(&self, place: Place) -> Spot {
        let (line, column) = self.sources.position(place);
        let text = self.sources.line(place.file, line);
        let before = column as usize - 1;
        let skipped = before.saturating_sub(SHOWN_CHARACTERS / 2);
        let shown: String = text.chars().skip(skipped).take(SHOWN_CHARACTERS).map(printable).collect();
        let left = shown.chars().count().saturating_sub(before - skipped);
        let covered = self.sources.text(place.file).get(place.start as usize..place.end as usize).unwrap_or_default();
        let covered = covered.lines().next().unwrap_or_default().chars().count();
        Spot {
            file: self.sources.name(place.file).to_owned(),
            line,
            column,
            width: u32::try_from(covered.min(left).max(1)).unwrap_or(1),
            text: shown,
            indent: u32::try_from(before - skipped).unwrap_or(0),
        }
    }
}

/// A message as one line of bounded length.
fn shown(message: &str) -> String {
    let mut text: String = message.chars().take(MESSAGE_CHARACTERS).map(printable).collect();
    if message.chars().nth(MESSAGE_CHARACTERS).is_some() {
        text.push('…');
    }
    text
}

/// A terminal must not obey a configuration file.
fn printable(letter: char) -> char {
    if letter.is_control() && letter != '\t' { '\u{FFFD}' } else { letter }
}
