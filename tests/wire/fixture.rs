//! Reads `tests/wire/**/*.http`. The format is described in `tests/wire/README.md`.

use std::fs;
use std::path::Path;

use super::parser::{Arrived, Seen};

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// File, line and name.
    pub place: String,
    /// The section of the RFC, or the CVE, that it comes from.
    pub source: String,
    /// The method of the request that an answer answers; empty for a request.
    pub method: String,
    /// One for each message, in order.
    pub verdicts: Vec<String>,
    /// What goes over the wire.
    pub bytes: Vec<u8>,
    /// The sender closes behind the bytes.
    pub closes: bool,
    /// What must arrive, in order.
    pub expected: Vec<Expected>,
}

/// A message that must arrive.
#[derive(Clone, Default, Debug)]
pub struct Expected {
    /// Method and target, or status.
    pub start: Vec<u8>,
    /// What must hold for fields and trailers.
    pub rules: Vec<Rule>,
    /// The body.
    pub payload: Vec<u8>,
}

/// One rule about a message's fields.
#[derive(Clone, Debug)]
pub struct Rule {
    /// In lower case.
    pub name: String,
    /// `None`: there must be no such field.
    pub value: Option<Vec<u8>>,
    /// It speaks of the trailer section.
    pub in_trailers: bool,
    /// Holds over sockets only.
    pub is_live: bool,
}

/// All cases of a directory below `tests/wire`, file by file.
pub fn load(directory: &str) -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire").join(directory);
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "http"));
    files.sort();
    files.iter().flat_map(|file| read(file)).collect()
}

fn read(file: &Path) -> Vec<Case> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let name = file.file_name().unwrap().to_string_lossy();
    let mut cases: Vec<Case> = Vec::new();
    for (line, text) in text.lines().enumerate() {
        let place = format!("{name}:{}", line + 1);
        assert_eq!(text, text.trim_end(), "{place}: white space at the end is written \\x20");
        if let Some(title) = text.strip_prefix("### ") {
            cases.push(Case::titled(&place, title));
        } else if !text.is_empty() && !text.starts_with('#') {
            cases.last_mut().unwrap_or_else(|| panic!("{place}: no title yet")).add(&place, text);
        }
    }
    cases
}

impl Case {
    fn titled(place: &str, title: &str) -> Self {
        let parts: Vec<&str> = title.split('|').map(str::trim).collect();
        let (name, source, method, verdicts) = match parts[..] {
            [name, source, verdicts] => (name, source, "", verdicts),
            [name, source, method, verdicts] => (name, source, method, verdicts),
            _ => panic!("{place}: a title is name | source | verdict"),
        };
        Self {
            place: format!("{place} {name}"),
            source: source.to_owned(),
            method: method.to_owned(),
            verdicts: verdicts.split(',').map(|verdict| verdict.trim().to_owned()).collect(),
            bytes: Vec::new(),
            closes: false,
            expected: Vec::new(),
        }
    }

    fn add(&mut self, place: &str, text: &str) {
        if let Some(rule) = text.strip_prefix(">> ") {
            self.expect(place, rule, true);
        } else if let Some(rule) = text.strip_prefix("> ") {
            self.expect(place, rule, false);
        } else {
            assert!(self.expected.is_empty() && !self.closes, "{place}: bytes behind what they lead to");
            let bytes = text.strip_suffix(r"\{close}");
            self.closes = bytes.is_some();
            self.bytes.extend(unescape(place, bytes.unwrap_or(text)));
        }
    }

    fn expect(&mut self, place: &str, text: &str, is_live: bool) {
        let (space, colon) = (text.find(' '), text.find(':'));
        let is_payload = text.starts_with("= ");
        let is_start = !is_payload
            && match (space, colon) {
                (Some(space), Some(colon)) => space < colon,
                (Some(_), None) => true,
                (None, None) => text.bytes().all(|byte| byte.is_ascii_digit()),
                (None, Some(_)) => false,
            };
        if is_start {
            self.expected.push(Expected { start: unescape(place, text), ..Expected::default() });
            return;
        }
        let message = self.expected.last_mut().unwrap_or_else(|| panic!("{place}: no message yet"));
        if is_payload {
            message.payload = unescape(place, &text[2..]);
        } else {
            message.rules.push(Rule::read(place, text, is_live));
        }
    }

    /// Compares what was seen with what this case wants.
    pub fn judge(&self, seen: &[Seen]) -> Result<(), String> {
        let mut expected = self.expected.iter();
        for (index, verdict) in self.verdicts.iter().enumerate() {
            // What only the gateway decides looks good, or unfinished, to the parser.
            if verdict.starts_with("answer ") || verdict == "refuse" {
                return Ok(());
            }
            let Some(seen) = seen.get(index) else { return Err(format!("nothing was seen for `{verdict}`")) };
            if seen.verdict != *verdict {
                return Err(format!("`{}` instead of `{verdict}` ({})", seen.verdict, seen.detail));
            }
            for arrived in &seen.arrived {
                let expected = expected.next().ok_or_else(|| format!("{arrived:?} is not described"))?;
                expected.judge(arrived)?;
            }
        }
        if seen.len() > self.verdicts.len() {
            return Err(format!("more was seen: {:?}", &seen[self.verdicts.len()..]));
        }
        expected.next().map_or(Ok(()), |expected| Err(format!("{} did not arrive", expected.start.escape_ascii())))
    }
}

impl Expected {
    fn judge(&self, arrived: &Arrived) -> Result<(), String> {
        if arrived.start != self.start {
            return Err(format!("{} instead of {}", arrived.start.escape_ascii(), self.start.escape_ascii()));
        }
        if arrived.payload != self.payload {
            return Err(format!("payload {}", arrived.payload.escape_ascii()));
        }
        self.rules.iter().filter(|rule| !rule.is_live).try_for_each(|rule| rule.judge(arrived))
    }
}

impl Rule {
    fn read(place: &str, text: &str, is_live: bool) -> Self {
        let (in_trailers, text) = text.strip_prefix('~').map_or((false, text), |rest| (true, rest));
        let (name, value) = match text.split_once(':') {
            Some((name, value)) => (name, Some(unescape(place, value.strip_prefix(' ').unwrap_or(value)))),
            None => (text.strip_prefix('!').unwrap_or_else(|| panic!("{place}: what does this mean?")), None),
        };
        assert_eq!(name, name.to_lowercase(), "{place}: names are written in lower case");
        Self { name: name.to_owned(), value, in_trailers, is_live }
    }

    /// Checks this rule on a message.
    pub fn judge(&self, arrived: &Arrived) -> Result<(), String> {
        let fields = if self.in_trailers { &arrived.trailers } else { &arrived.fields };
        let name = &self.name;
        let found: Vec<_> = fields.iter().filter(|field| field.0 == *name).map(|field| field.1.as_slice()).collect();
        match (&self.value, found.as_slice()) {
            (None, []) => Ok(()),
            (Some(value), [found]) if value == found => Ok(()),
            _ => Err(format!("{name} is {:?}", found.iter().map(|value| value.escape_ascii()).collect::<Vec<_>>())),
        }
    }
}

/// The bytes that `text` stands for.
fn unescape(place: &str, text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let (escape, behind) = rest.split_first().unwrap_or_else(|| panic!("{place}: an escape ends early"));
        rest = behind;
        match escape {
            b'r' => out.push(b'\r'),
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'0' => out.push(0),
            b'\\' => out.push(b'\\'),
            b'x' => {
                let digits = std::str::from_utf8(&rest[..2]).unwrap();
                out.push(u8::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("{place}: \\x{digits}")));
                rest = &rest[2..];
            }
            b'{' => {
                let end = rest.iter().position(|byte| *byte == b'}').unwrap_or_else(|| panic!("{place}: no }}"));
                let inside = std::str::from_utf8(&rest[..end]).unwrap();
                let (count, text) = inside.split_once(' ').unwrap_or_else(|| panic!("{place}: {{COUNT TEXT}}"));
                out.extend(unescape(place, text).repeat(count.parse().unwrap()));
                rest = &rest[end + 1..];
            }
            other => panic!("{place}: what is \\{}?", char::from(*other)),
        }
    }
    out
}
