//! What a route asks of a request beyond host and path, compiled.

use std::collections::HashMap;

use super::Subject;
use super::pattern::Pattern;
use crate::plan::{Match, On, ValueMatch};
use crate::words::ids::ListenerId;

/// Methods that have a bit of their own; all others share `OTHER` and are compared by name.
const METHODS: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"];
const GET: u16 = 1;
const HEAD: u16 = 1 << 1;
const OTHER: u16 = 1 << METHODS.len();

/// A set of methods; empty means any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Methods(u16);

impl Methods {
    fn of(names: &[String]) -> Self {
        Self(names.iter().fold(0, |set, name| set | bit(name.as_bytes())))
    }

    /// The set that holds one request's method.
    pub(super) fn one(name: &[u8]) -> Self {
        Self(bit(name))
    }

    pub(super) fn is_any(self) -> bool {
        self.0 == 0
    }

    pub(super) fn names_head(self) -> bool {
        self.0 & HEAD != 0
    }

    /// With HEAD beside GET (RFC 9110 9.3.2: HEAD is GET without the content).
    pub(super) fn with_head(self) -> Self {
        Self(if self.0 & GET != 0 { self.0 | HEAD } else { self.0 })
    }

    /// True when `one`, a request's method, may be in this set; for a method without a bit the names decide.
    pub(super) fn may_hold(self, one: Self) -> bool {
        self.is_any() || self.0 & one.0 != 0
    }

    /// True when this request's method has no bit of its own.
    pub(super) fn is_other(self) -> bool {
        self.0 == OTHER
    }
}

fn bit(name: &[u8]) -> u16 {
    METHODS.iter().position(|method| method.as_bytes() == name).map_or(OTHER, |position| 1 << position)
}

/// One value's test.
#[derive(Debug)]
enum Test {
    Present,
    Exact(Vec<u8>),
    /// Position in [`Patterns`].
    Pattern(u32),
    /// An expression that does not compile holds for nothing: without `check` in front a router fails closed.
    Never,
}

/// The expressions of a whole table, each kept once however many routes use it.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    list: Vec<Pattern>,
    /// While compiling: where each went; `None` for one that does not compile.
    known: HashMap<String, Option<u32>>,
}

impl Patterns {
    fn test(&mut self, text: &str) -> Test {
        let position = match self.known.get(text) {
            Some(position) => *position,
            None => {
                let position = Pattern::new(text).ok().map(|pattern| {
                    self.list.push(pattern);
                    self.list.len() as u32 - 1
                });
                self.known.insert(text.to_owned(), position);
                position
            }
        };
        position.map_or(Test::Never, Test::Pattern)
    }

    /// Forgets what only compiling needs.
    pub(super) fn seal(&mut self) {
        self.known = HashMap::new();
    }

    fn get(&self, position: u32) -> &Pattern {
        &self.list[position as usize]
    }
}

impl Test {
    fn new(value: &ValueMatch, patterns: &mut Patterns) -> Self {
        match value {
            ValueMatch::Present => Self::Present,
            ValueMatch::Exact(text) => Self::Exact(text.clone().into_bytes()),
            ValueMatch::Regex(text) => patterns.test(text),
        }
    }

    fn holds(&self, mut value: impl Iterator<Item = u8>, patterns: &Patterns) -> bool {
        match self {
            Self::Present => true,
            Self::Exact(bytes) => bytes.iter().all(|byte| value.next() == Some(*byte)) && value.next().is_none(),
            Self::Pattern(position) => patterns.get(*position).is_match(value),
            Self::Never => false,
        }
    }

    /// True when no value can satisfy both.
    fn is_disjoint(&self, other: &Self, patterns: &Patterns) -> bool {
        match (self, other) {
            (Self::Never, _) | (_, Self::Never) => true,
            (Self::Present, _) | (_, Self::Present) => false,
            (Self::Exact(bytes), test) | (test, Self::Exact(bytes)) => !test.holds(bytes.iter().copied(), patterns),
            (Self::Pattern(left), Self::Pattern(right)) => {
                left != right && patterns.get(*left).is_disjoint(patterns.get(*right))
            }
        }
    }
}

/// The predicates of one route.
#[derive(Debug)]
pub(super) struct Predicates {
    /// Sorted; `None` means all.
    listeners: Option<Vec<ListenerId>>,
    /// As configured, without the HEAD that GET implies.
    pub(super) methods: Methods,
    /// Names of methods that share `OTHER`.
    others: Vec<String>,
    path: Option<Test>,
    headers: Vec<(String, Test)>,
    query: Vec<(String, Test)>,
}

/// Predicates in the order of their weight, heaviest first; the greater rank wins.
pub(super) type Rank = (bool, bool, usize, usize);

impl Predicates {
    pub(super) fn new(source: &Match, patterns: &mut Patterns) -> Self {
        let mut tests = |list: &[(String, ValueMatch)]| -> Vec<(String, Test)> {
            list.iter().map(|(name, value)| (name.clone(), Test::new(value, patterns))).collect()
        };
        let (headers, query) = (tests(&source.headers), tests(&source.query));
        let listeners = match &source.on {
            On::All => None,
            On::Some(list) => {
                let mut list = list.clone();
                list.sort_unstable();
                Some(list)
            }
        };
        Self {
            listeners,
            methods: Methods::of(&source.methods),
            others: source.methods.iter().filter(|name| bit(name.as_bytes()) == OTHER).cloned().collect(),
            path: source.path_regex.as_deref().map(|text| patterns.test(text)),
            headers,
            query,
        }
    }

    pub(super) fn rank(&self) -> Rank {
        (self.path.is_some(), !self.methods.is_any(), self.headers.len(), self.query.len())
    }

    /// True when `holds` and `allows_other` have nothing to ask.
    pub(super) fn is_trivial(&self) -> bool {
        let is_trivial = self.listeners.is_none() && self.others.is_empty() && self.path.is_none();
        is_trivial && self.headers.is_empty() && self.query.is_empty()
    }

    /// True when everything but the method is as the route asks.
    pub(super) fn holds(&self, subject: &impl Subject, patterns: &Patterns) -> bool {
        let holds = |test: &Test, value: &[u8]| test.holds(value.iter().copied(), patterns);
        self.listeners.as_ref().is_none_or(|list| list.contains(&subject.listener()))
            && self.path.as_ref().is_none_or(|test| holds(test, subject.path()))
            && self.headers.iter().all(|(name, test)| subject.any_field(name, &mut |value| holds(test, value)))
            && self.query.iter().all(|(name, test)| any_query(subject.query(), name, test, patterns))
    }

    /// True when the route names `method`, which has no bit of its own.
    pub(super) fn allows_other(&self, method: &[u8]) -> bool {
        self.others.iter().any(|name| name.as_bytes() == method)
    }

    /// The names of methods without a bit of their own.
    pub(super) fn other_methods(&self) -> impl Iterator<Item = &str> {
        self.others.iter().map(String::as_str)
    }

    /// True when no request can satisfy both.
    pub(super) fn is_disjoint(&self, other: &Self, patterns: &Patterns) -> bool {
        self.has_other_listeners(other)
            || self.has_other_methods(other)
            || is_disjoint_somewhere(&self.headers, &other.headers, patterns)
            || is_disjoint_somewhere(&self.query, &other.query, patterns)
            || matches!((&self.path, &other.path), (Some(left), Some(right)) if left.is_disjoint(right, patterns))
    }

    /// The value that the field or query parameter `name` must have, if it is one.
    pub(super) fn exact(&self, part: Part, name: &str) -> Option<&[u8]> {
        self.tests(part).iter().find_map(|(own, test)| match test {
            Test::Exact(value) if own == name => Some(&**value),
            _ => None,
        })
    }

    /// The names in `part` that must have one value.
    pub(super) fn exact_names(&self, part: Part) -> impl Iterator<Item = &str> {
        self.tests(part).iter().filter(|(_, test)| matches!(test, Test::Exact(_))).map(|(name, _)| name.as_str())
    }

    fn tests(&self, part: Part) -> &[(String, Test)] {
        match part {
            Part::Headers => &self.headers,
            Part::Query => &self.query,
        }
    }

    fn has_other_listeners(&self, other: &Self) -> bool {
        match (&self.listeners, &other.listeners) {
            (Some(left), Some(right)) => left.iter().all(|listener| !right.contains(listener)),
            _ => false,
        }
    }

    fn has_other_methods(&self, other: &Self) -> bool {
        let shared = self.methods.0 & other.methods.0;
        let is_shared = shared & !OTHER != 0 || self.others.iter().any(|name| other.others.contains(name));
        !self.methods.is_any() && !other.methods.is_any() && !is_shared
    }
}

/// A part of the request that has names and values.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Headers,
    Query,
}

/// The names of the methods in `methods` that have a bit of their own.
pub(super) fn method_names(methods: Methods) -> impl Iterator<Item = &'static str> {
    METHODS.iter().enumerate().filter(move |(position, _)| methods.0 & 1 << position != 0).map(|(_, name)| *name)
}

/// True when a name in both lists has tests that no one value satisfies. A request with two lines of that name could
/// still satisfy both; the router's order decides then (docs/routing.md, "Ties").
fn is_disjoint_somewhere(left: &[(String, Test)], right: &[(String, Test)], patterns: &Patterns) -> bool {
    left.iter()
        .any(|(name, test)| right.iter().any(|(other, their)| name == other && test.is_disjoint(their, patterns)))
}

/// True when some parameter `name` of `query` satisfies `test`.
fn any_query(query: Option<&[u8]>, name: &str, test: &Test, patterns: &Patterns) -> bool {
    let Some(query) = query else { return false };
    query.split(|byte| *byte == b'&').any(|pair| {
        let (own, value) = match memchr::memchr(b'=', pair) {
            Some(equals) => (&pair[..equals], &pair[equals + 1..]),
            None => (pair, &pair[pair.len()..]),
        };
        decoded(own).eq(name.bytes()) && test.holds(decoded(value), patterns)
    })
}

/// The bytes of one name or value of a query: `application/x-www-form-urlencoded`, in which `+` is a space. A `%` that
/// no two hex digits follow stands for itself.
fn decoded(text: &[u8]) -> impl Iterator<Item = u8> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let byte = *text.get(at)?;
        let triplet = crate::proto::path::triplet(&text[at..]);
        at += if triplet.is_some() { 3 } else { 1 };
        Some(triplet.unwrap_or(if byte == b'+' { b' ' } else { byte }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_text_is_decoded_once_and_malformed_triplets_stay() {
        for (text, expected) in
            [("a+b", "a b"), ("%41%2B", "A+"), ("%2541", "%41"), ("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("", "")]
        {
            assert_eq!(decoded(text.as_bytes()).collect::<Vec<_>>(), expected.as_bytes(), "{text}");
        }
    }

    #[test]
    fn any_occurrence_of_a_query_parameter_counts() {
        let exact = Test::Exact(b"2".to_vec());
        let none = Patterns::default();
        for (query, expected) in [
            ("a=1&a=2", true),
            ("%61=2", true),
            ("a=1", false),
            ("b=2", false),
            ("a=2x", false),
            ("a", false),
            ("", false),
        ] {
            assert_eq!(any_query(Some(query.as_bytes()), "a", &exact, &none), expected, "{query}");
        }
        assert!(any_query(Some(b"x&a"), "a", &Test::Present, &none));
        assert!(!any_query(None, "a", &Test::Present, &none));
    }
}
