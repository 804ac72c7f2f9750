//! Paths: what routes match and what rewrites write, in the one canonical form (docs/routing.md).

use std::ops::Range;

use crate::plan::code::Code;
use crate::plan::desk::Desk;
use crate::plan::read::{Item, Value, text};
use crate::plan::shape::Shape;
use crate::proto::path::{Canonical, canonicalise};
use crate::words::limits::{CAPTURES_MAX, PATH_SEGMENTS_MAX, TARGET_BYTES};

/// A route's path: literal segments, `{parameters}`, and perhaps `/*` at the end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PathPattern {
    /// As it stands in the text, which is canonical.
    pub text: String,
    /// Names of its parameters, in order.
    pub captures: Vec<String>,
    /// Literal segments before the first parameter or `/*`.
    pub literals: usize,
    /// It ends in `/*`.
    pub is_prefix: bool,
}

impl PathPattern {
    /// True when it matches exactly one path.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        !self.is_prefix && self.captures.is_empty()
    }
}

impl Value for PathPattern {
    const SHAPE: Shape = Shape::Text("^/[^?#\\s]*$");

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let text = text(item, "a path", desk)?;
        let mut pattern = Self { text: text.to_owned(), captures: Vec::new(), literals: 0, is_prefix: false };
        match pattern.parse(text) {
            Ok(None) => Some(pattern),
            Ok(Some(canonical)) => {
                desk.complain(Code::NotCanonical, item.place, format!("the path \"{text}\" is not canonical"))
                    .suggest(Some(&canonical));
                None
            }
            Err(Problem { at, hint }) => {
                let place = desk.inside(item.place, text, at.start, at.len());
                desk.complain(Code::BadPath, place, format!("\"{text}\" is not a path pattern")).hint(hint);
                None
            }
        }
    }
}

/// What is wrong with a pattern, and where in it.
struct Problem {
    at: Range<usize>,
    hint: String,
}

impl PathPattern {
    /// Reads the segments. Gives the canonical spelling when that is another one.
    fn parse(&mut self, text: &str) -> Result<Option<String>, Problem> {
        let problem = |hint: &str| Problem { at: 0..text.len(), hint: hint.to_owned() };
        let Some(rest) = text.strip_prefix('/') else {
            return Err(problem("a path begins with \"/\""));
        };
        if text.len() as u64 > TARGET_BYTES || rest.split('/').count() > PATH_SEGMENTS_MAX {
            return Err(problem(&format!("a path has at most {PATH_SEGMENTS_MAX} segments and {TARGET_BYTES} bytes")));
        }
        let mut canonical = String::with_capacity(text.len());
        let mut start = 1;
        for segment in rest.split('/') {
            let at = start..start + segment.len();
            start = at.end + 1;
            canonical.push('/');
            self.segment(segment, at.end == text.len(), &mut canonical).map_err(|hint| Problem { at, hint })?;
        }
        Ok(Some(canonical).filter(|canonical| canonical != text))
    }

    fn segment(&mut self, segment: &str, is_last: bool, canonical: &mut String) -> Result<(), String> {
        if segment == "*" && is_last {
            self.is_prefix = true;
            canonical.push('*');
        } else if segment.contains('*') {
            return Err("\"*\" stands only at the end, as a segment of its own: \"/files/*\"".to_owned());
        } else if let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            self.capture(name)?;
            canonical.push_str(segment);
        } else if segment.contains(['{', '}']) {
            return Err("a parameter is a whole segment: \"/orders/{id}\"".to_owned());
        } else if segment.contains(['?', '#']) {
            return Err("a path has no query and no fragment; use \"query\" to match one".to_owned());
        } else {
            self.literals += usize::from(self.captures.is_empty());
            canonical.push_str(&canonical_segment(segment)?);
        }
        Ok(())
    }

    fn capture(&mut self, name: &str) -> Result<(), String> {
        let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte));
        match () {
            () if !is_name => {
                Err("a parameter's name has lower-case letters, digits, \"_\" and \"-\": \"{order_id}\"".to_owned())
            }
            () if self.captures.iter().any(|known| known == name) => {
                Err(format!("there are two parameters \"{name}\""))
            }
            () if self.captures.len() == CAPTURES_MAX => Err(format!("a path has at most {CAPTURES_MAX} parameters")),
            () => {
                self.captures.push(name.to_owned());
                Ok(())
            }
        }
    }
}

/// The canonical form of one literal segment. A dot segment has none: it would take another one with it.
fn canonical_segment(segment: &str) -> Result<String, String> {
    if matches!(segment, "." | "..") {
        return Err("dot segments are removed from a request's path before it is matched".to_owned());
    }
    let path = canonical_path(&format!("/{segment}"))?;
    Ok(path.trim_start_matches('/').to_owned())
}

/// The canonical form of a literal path, or why there is none.
fn canonical_path(path: &str) -> Result<String, String> {
    let mut out = Vec::new();
    match canonicalise(path.as_bytes(), &mut out) {
        Err(error) => Err(format!("no request can have this path: {}", error.0)),
        Ok(Canonical::Already) => Ok(path.to_owned()),
        Ok(Canonical::Written) => Ok(String::from_utf8_lossy(&out).into_owned()),
    }
}

/// Why `path` cannot stand in a request target, if it cannot; the hint may name its canonical form.
#[must_use]
pub fn path_problem(path: &str) -> Option<String> {
    match () {
        () if !path.starts_with('/') => Some("a path begins with \"/\"".to_owned()),
        () if path.contains(['?', '#']) => {
            Some("a path has no query and no fragment; use \"query\" for one".to_owned())
        }
        () if !path.bytes().all(|byte| (b'!'..=b'~').contains(&byte)) => {
            Some("percent-encode white space and everything that is not ASCII".to_owned())
        }
        () => match canonical_path(path) {
            Err(hint) => Some(hint),
            Ok(canonical) if canonical != path => Some(format!("its canonical form is \"{canonical}\"")),
            Ok(_) => None,
        },
    }
}

/// A literal path that takes the place of a prefix: canonical, no trailing slash unless it is `/`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prefix(pub String);

impl Value for Prefix {
    const SHAPE: Shape = Shape::Text("^/[^?#{}\\s]*$");

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let text = text(item, "a path", desk)?;
        let problem = match () {
            () if text.contains(['{', '}', '*']) => Some("a prefix is literal; \"path\" takes parameters".to_owned()),
            () if text.len() > 1 && text.ends_with('/') => Some("a prefix has no slash at its end".to_owned()),
            () => path_problem(text),
        };
        if let Some(hint) = problem {
            desk.complain(Code::BadPath, item.place, format!("\"{text}\" is not a path prefix")).hint(hint);
            return None;
        }
        Some(Self(text.to_owned()))
    }
}
