//! Why a request goes where it goes: every route judged by itself, in plain words and plain loops.
//!
//! On purpose not built on the router: each route is held against the request as docs/routing.md reads, and those that
//! hold are sorted by its order. So that the two agree, on random tables, says something about both. Not for serving:
//! it allocates, and looks at every route.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use super::router::Subject;
use super::router::pattern::Pattern;
use super::{Match, On, ValueMatch};
use crate::words::ids::ListenerId;
use crate::words::limits::HOST_BYTES;

/// The request that is asked about.
#[derive(Clone, Debug)]
pub struct Question {
    /// The listener it comes in by.
    pub listener: ListenerId,
    /// Host in lower case, without port and trailing dot; empty when there is none.
    pub host: String,
    /// The canonical path; or `*`.
    pub path: String,
    /// The query without `?`.
    pub query: Option<String>,
    /// The method.
    pub method: String,
    /// Fields, names in lower case.
    pub fields: Vec<(String, String)>,
}

impl Subject for Question {
    fn listener(&self) -> ListenerId {
        self.listener
    }

    fn host(&self) -> &[u8] {
        self.host.as_bytes()
    }

    fn path(&self) -> &[u8] {
        self.path.as_bytes()
    }

    fn query(&self) -> Option<&[u8]> {
        self.query.as_deref().map(str::as_bytes)
    }

    fn method(&self) -> &[u8] {
        self.method.as_bytes()
    }

    fn any_field(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.fields.iter().any(|(own, value)| own == name && test(value.as_bytes()))
    }
}

/// What became of a request among the routes.
#[derive(Clone, Debug)]
pub struct Explanation<'m> {
    /// The route that serves it, if one does.
    pub winner: Option<Winner<'m>>,
    /// All others, the nearest misses first.
    pub losers: Vec<(&'m Match, Loss<'m>)>,
    /// Without a winner: what `Allow` says; empty means that nothing matches at all (404).
    pub allowed: BTreeSet<String>,
}

/// The route that serves a request.
#[derive(Clone, Debug)]
pub struct Winner<'m> {
    /// The route.
    pub wanted: &'m Match,
    /// Names and values of its path parameters.
    pub captures: Vec<(&'m str, String)>,
}

/// Why a route does not serve a request. Ordered from the nearest miss to the farthest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Loss<'m> {
    /// It matches, and the winner is better in this.
    Outranked(Advantage),
    /// Another method.
    Method,
    /// The query parameter of this name.
    Query(&'m str),
    /// The field of this name.
    Header(&'m str),
    /// `path_regex` does not match.
    PathRegex,
    /// Another path.
    Path,
    /// Another host.
    Host,
    /// It does not serve this listener.
    Listener,
}

/// In what a winner is better than a route that matches too; in the order of weight.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Advantage {
    /// Its host is exact, or a longer wildcard, or there is one at all.
    Host,
    /// Its path is literal where the other's is not, or longer.
    Path,
    /// It has a `path_regex`.
    PathRegex,
    /// It names methods.
    Method,
    /// It asks for more fields.
    Headers,
    /// It asks for more query parameters.
    Query,
    /// It names HEAD, which the other serves by GET.
    Head,
    /// Nothing but its place in the plan: the request repeats a name and satisfies tests that exclude each other.
    Order,
}

/// How well a route's host matches; the smaller the better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum HostFit {
    Exact,
    Wildcard { suffix: Reverse<usize> },
    Any,
}

/// One step of a path pattern; the smaller the better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Step {
    Literal,
    Parameter,
    Rest,
}

/// How well a route that holds fits; the smaller the better, in the order of docs/routing.md.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Fit {
    host: HostFit,
    path: Vec<Step>,
    path_regex: Reverse<bool>,
    methods: Reverse<bool>,
    headers: Reverse<usize>,
    query: Reverse<usize>,
    names_head: Reverse<bool>,
    position: usize,
}

/// Explains requests to one table of routes.
#[derive(Debug)]
pub struct Explainer<'m> {
    matches: &'m [Match],
    /// Every expression of the table, compiled once. One that does not compile matches nothing.
    patterns: HashMap<&'m str, Option<Pattern>>,
}

impl<'m> Explainer<'m> {
    /// Prepares to explain `matches`.
    #[must_use]
    pub fn new(matches: &'m [Match]) -> Self {
        let tests = |list: &'m [(String, ValueMatch)]| list.iter().map(|(_, test)| test);
        let expressions = matches.iter().flat_map(|wanted| {
            let values = tests(&wanted.headers).chain(tests(&wanted.query)).filter_map(|test| match test {
                ValueMatch::Regex(text) => Some(text.as_str()),
                _ => None,
            });
            values.chain(wanted.path_regex.as_deref())
        });
        let distinct: BTreeSet<&str> = expressions.collect();
        Self { matches, patterns: distinct.into_iter().map(|text| (text, Pattern::new(text).ok())).collect() }
    }

    /// Judges every route.
    #[must_use]
    pub fn explain(&self, question: &Question) -> Explanation<'m> {
        let parameters = parameters(question.query.as_deref());
        let mut fitting = Vec::new();
        let mut losers = Vec::new();
        for (position, wanted) in self.matches.iter().enumerate() {
            match self.judge(question, &parameters, position, wanted) {
                Ok(fit) => fitting.push((fit, wanted)),
                Err(loss) => losers.push((wanted, loss)),
            }
        }
        fitting.sort_by(|left, right| left.0.cmp(&right.0));
        let mut fitting = fitting.into_iter();
        let best = fitting.next();
        if let Some((best, _)) = &best {
            losers.extend(fitting.map(|(fit, wanted)| (wanted, Loss::Outranked(advantage(best, &fit)))));
        }
        losers.sort_by_key(|(wanted, loss)| (*loss, wanted.route));
        let allowed = if best.is_some() { BTreeSet::new() } else { allowed(&losers) };
        let winner = best.map(|(_, wanted)| Winner { wanted, captures: captures(wanted, &question.path) });
        Explanation { winner, losers, allowed }
    }

    /// Holds one route against the request; the method last, since 405 speaks of routes that match but for it.
    fn judge(
        &self, question: &Question, parameters: &[(Vec<u8>, Vec<u8>)], position: usize, wanted: &'m Match,
    ) -> Result<Fit, Loss<'m>> {
        if matches!(&wanted.on, On::Some(listeners) if !listeners.contains(&question.listener)) {
            return Err(Loss::Listener);
        }
        let host = host_fit(&wanted.hosts, &question.host).ok_or(Loss::Host)?;
        let path = path_fit(&wanted.path, &question.path).ok_or(Loss::Path)?;
        if wanted.path_regex.as_deref().is_some_and(|text| !self.is_whole(text, question.path.as_bytes())) {
            return Err(Loss::PathRegex);
        }
        for (name, test) in &wanted.headers {
            if !question.fields.iter().any(|(own, value)| own == name && self.holds(test, value.as_bytes())) {
                return Err(Loss::Header(name));
            }
        }
        for (name, test) in &wanted.query {
            if !parameters.iter().any(|(own, value)| own == name.as_bytes() && self.holds(test, value)) {
                return Err(Loss::Query(name));
            }
        }
        let served = served_methods(wanted);
        if !served.is_empty() && !served.contains(question.method.as_str()) {
            return Err(Loss::Method);
        }
        Ok(Fit {
            host,
            path,
            path_regex: Reverse(wanted.path_regex.is_some()),
            methods: Reverse(!wanted.methods.is_empty()),
            headers: Reverse(wanted.headers.len()),
            query: Reverse(wanted.query.len()),
            names_head: Reverse(wanted.methods.iter().any(|method| method == "HEAD")),
            position,
        })
    }

    fn holds(&self, test: &ValueMatch, value: &[u8]) -> bool {
        match test {
            ValueMatch::Present => true,
            ValueMatch::Exact(text) => text.as_bytes() == value,
            ValueMatch::Regex(text) => self.is_whole(text, value),
        }
    }

    fn is_whole(&self, text: &str, value: &[u8]) -> bool {
        let pattern = self.patterns.get(text).and_then(Option::as_ref);
        pattern.is_some_and(|pattern| pattern.is_match(value.iter().copied()))
    }
}

fn host_fit(patterns: &[String], host: &str) -> Option<HostFit> {
    if patterns.is_empty() {
        return Some(HostFit::Any);
    }
    let fit = |pattern: &String| match pattern.strip_prefix('*') {
        // `*` stands for one or more labels: there must be something in front of the suffix's dot.
        Some(suffix) => (host.len() > suffix.len() && host.ends_with(suffix))
            .then_some(HostFit::Wildcard { suffix: Reverse(suffix.len()) }),
        None => (host == pattern).then_some(HostFit::Exact),
    };
    patterns.iter().filter_map(fit).min().filter(|_| host.len() <= HOST_BYTES)
}

fn path_fit(pattern: &str, path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut segments = path.split('/').skip(1);
    for wanted in pattern.split('/').skip(1) {
        if wanted == "*" {
            steps.push(Step::Rest);
            return Some(steps);
        }
        let segment = segments.next()?;
        match parameter_name(wanted) {
            Some(_) if segment.is_empty() => return None,
            Some(_) => steps.push(Step::Parameter),
            None if wanted == segment => steps.push(Step::Literal),
            None => return None,
        }
    }
    segments.next().is_none().then_some(steps)
}

fn parameter_name(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

fn captures<'m>(wanted: &'m Match, path: &str) -> Vec<(&'m str, String)> {
    let pairs = wanted.path.split('/').zip(path.split('/'));
    pairs.filter_map(|(wanted, segment)| Some((parameter_name(wanted)?, segment.to_owned()))).collect()
}

/// Names and values of a query, decoded: `+` is a space, a `%` that no two hex digits follow stands for itself.
fn parameters(query: Option<&str>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    };
    query.map(|query| query.split('&').map(pair).collect()).unwrap_or_default()
}

fn decode(text: &str) -> Vec<u8> {
    let mut parts = text.split('%');
    let mut out: Vec<u8> = parts.next().unwrap_or_default().replace('+', " ").into_bytes();
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                out.extend_from_slice(part[2..].replace('+', " ").as_bytes());
            }
            None => {
                out.push(b'%');
                out.extend_from_slice(part.replace('+', " ").as_bytes());
            }
        }
    }
    out
}

/// The methods that a route serves: HEAD beside GET; empty means any.
fn served_methods(wanted: &Match) -> BTreeSet<&str> {
    let mut served: BTreeSet<&str> = wanted.methods.iter().map(String::as_str).collect();
    if served.contains("GET") {
        served.insert("HEAD");
    }
    served
}

fn allowed(losers: &[(&Match, Loss<'_>)]) -> BTreeSet<String> {
    let misses = losers.iter().filter(|(_, loss)| *loss == Loss::Method);
    misses.flat_map(|(wanted, _)| served_methods(wanted)).map(str::to_owned).collect()
}

/// The first thing in which `best` is better than `other`.
fn advantage(best: &Fit, other: &Fit) -> Advantage {
    let differences = [
        (best.host != other.host, Advantage::Host),
        (best.path != other.path, Advantage::Path),
        (best.path_regex != other.path_regex, Advantage::PathRegex),
        (best.methods != other.methods, Advantage::Method),
        (best.headers != other.headers, Advantage::Headers),
        (best.query != other.query, Advantage::Query),
        (best.names_head != other.names_head, Advantage::Head),
    ];
    differences.into_iter().find(|(differs, _)| *differs).map_or(Advantage::Order, |(_, advantage)| advantage)
}
