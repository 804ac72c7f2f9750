//! Finds a request's route (semantics: docs/routing.md).
//!
//! Hosts and paths are one tree (`tree`), whose places hold the routes that end there in the order of their
//! predicates. A look-up walks the tree, best place first, and takes the first route whose predicates hold. It
//! allocates nothing. Compiled once per plan; nothing in it changes.
//!
//! Not here: making hosts and paths canonical (`proto`), checking patterns (`plan` compiles them), and why a route
//! lost (`explain`, which is written independently on purpose, so that comparing the two means something).

use std::collections::BTreeSet;

use crate::plan::Match;
use crate::words::ids::{ListenerId, RouteId};
use crate::words::limits::CAPTURES_MAX;

mod index;
pub mod pattern;
mod predicate;
#[cfg(test)]
mod tests;
mod tie;
mod tree;

use index::NONE;
use predicate::{Methods, Patterns, Predicates, Rank};
use tree::{Place, Tree, Walk};

/// What the router asks about a request. Implemented by the data path over a parsed head and by `explain` over
/// command-line arguments.
pub trait Subject {
    /// The listener it came in by.
    fn listener(&self) -> ListenerId;
    /// Host in lower case, without port and trailing dot; empty when there is none.
    fn host(&self) -> &[u8];
    /// The canonical path, beginning with `/`; or `*`.
    fn path(&self) -> &[u8];
    /// The query without `?`.
    fn query(&self) -> Option<&[u8]>;
    /// The method, case-sensitive.
    fn method(&self) -> &[u8];
    /// True when some line of the field `name` (lower case) satisfies `test`.
    fn any_field(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool;
}

/// The answer to "which route?".
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// This one.
    Found(RouteId, Captures),
    /// Some match but for the method: 405, `Router::allowed` lists the methods.
    MethodNotAllowed,
    /// None.
    NotFound,
}

/// Where the path parameters of the winner lie in the canonical path.
#[derive(Clone, Copy, Debug)]
pub struct Captures {
    count: u8,
    spans: [(u32, u32); CAPTURES_MAX],
}

impl Captures {
    /// No captures.
    pub const NONE: Self = Self { count: 0, spans: [(0, 0); CAPTURES_MAX] };

    /// Becomes `other`; copies no more than is there, because this lies in memory of which every cache line counts.
    pub fn take_over(&mut self, other: &Self) {
        let count = usize::from(other.count);
        self.count = other.count;
        self.spans[..count].copy_from_slice(&other.spans[..count]);
    }

    /// The bytes of the parameter at `index` in `path`, if there is one.
    #[must_use]
    pub fn get<'p>(&self, index: usize, path: &'p [u8]) -> Option<&'p [u8]> {
        if index >= usize::from(self.count) {
            return None;
        }
        let (start, end) = self.spans[index];
        path.get(start as usize..end as usize)
    }
}

/// Two routes that no rule tells apart: a configuration error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tie(pub RouteId, pub RouteId);

/// A route at a place of the tree.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    route: RouteId,
    /// HEAD beside GET.
    methods: Methods,
    /// Position in `Router::predicates`; `NONE` when there is nothing but the method to ask.
    predicates: u32,
}

/// How much a router holds and what a look-up can cost, in counts that do not depend on the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// Nodes of the tree: at most one per segment and host of the configuration, and three.
    pub nodes: usize,
    /// Routes times their hosts.
    pub candidates: usize,
    /// The most nodes that any request can visit under one host.
    pub steps_max: usize,
}

/// The compiled router.
#[derive(Debug)]
pub struct Router {
    tree: Tree,
    candidates: Vec<Candidate>,
    predicates: Vec<Predicates>,
    patterns: Patterns,
}

impl Default for Router {
    fn default() -> Self {
        Self { tree: Tree::new(), candidates: Vec::new(), predicates: Vec::new(), patterns: Patterns::default() }
    }
}

impl Router {
    /// Compiles `matches`. An expression that does not compile (see [`pattern::Pattern::new`]) holds for no request.
    ///
    /// # Errors
    /// The ties: each route that ties with an earlier one, with the first such.
    pub fn compile(matches: &[Match]) -> Result<Self, Vec<Tie>> {
        let mut tree = Tree::new();
        let mut patterns = Patterns::default();
        let predicates: Vec<Predicates> = matches.iter().map(|wanted| Predicates::new(wanted, &mut patterns)).collect();
        patterns.seal();
        let mut entries = entries(matches, &predicates, &mut tree);
        // Best first: places in the tree's order, then the greater rank, then routes that name HEAD before those that
        // serve it by GET, then the plan's order, which only tells disjoint routes apart.
        entries.sort_by_key(|entry| {
            let names_head = predicates[entry.source as usize].methods.names_head();
            (entry.place, std::cmp::Reverse((entry.rank, names_head)), entry.source)
        });
        let ties = ties(&entries, matches, &predicates, &patterns);
        if !ties.is_empty() {
            return Err(ties);
        }
        for (start, end) in runs(&entries, |left, right| left.place == right.place) {
            tree.set_candidates(entries[start].place, start as u32, end as u32);
        }
        let (predicates, positions) = compact(predicates);
        let candidate = |entry: &Entry| Candidate {
            route: matches[entry.source as usize].route,
            methods: entry.methods,
            predicates: positions[entry.source as usize],
        };
        Ok(Self { tree, candidates: entries.iter().map(candidate).collect(), predicates, patterns })
    }

    /// The route for `subject`. Allocates nothing.
    #[must_use]
    pub fn find(&self, subject: &impl Subject) -> Outcome {
        let method = Methods::one(subject.method());
        let mut winner = None;
        let mut is_method_missing = false;
        let mut walk = Walk::new(&self.tree, subject.path(), |start, end| {
            for candidate in &self.candidates[start as usize..end as usize] {
                let is_allowed = self.allows(candidate, method, subject);
                // A route that the method rules out is asked for the rest only until 405 is certain.
                if (is_allowed || !is_method_missing) && self.holds(candidate, subject) {
                    if is_allowed {
                        winner = Some(candidate.route);
                        return true;
                    }
                    is_method_missing = true;
                }
            }
            false
        });
        walk.run(subject.host());
        let captures = walk.captures();
        match winner {
            Some(route) => Outcome::Found(route, captures),
            None if is_method_missing => Outcome::MethodNotAllowed,
            None => Outcome::NotFound,
        }
    }

    /// The methods that some route allows where `subject` goes, for `Allow`; HEAD beside GET.
    #[must_use]
    pub fn allowed(&self, subject: &impl Subject) -> Vec<String> {
        let mut names = BTreeSet::new();
        let mut walk = Walk::new(&self.tree, subject.path(), |start, end| {
            for candidate in &self.candidates[start as usize..end as usize] {
                if self.holds(candidate, subject) {
                    names.extend(predicate::method_names(candidate.methods).map(str::to_owned));
                    let others = self.predicates.get(candidate.predicates as usize);
                    names.extend(others.into_iter().flat_map(Predicates::other_methods).map(str::to_owned));
                }
            }
            false
        });
        walk.run(subject.host());
        names.into_iter().collect()
    }

    /// How much it holds.
    #[must_use]
    pub fn size(&self) -> Size {
        let (nodes, steps_max) = (self.tree.nodes(), self.tree.steps_max());
        Size { nodes, candidates: self.candidates.len(), steps_max }
    }

    fn allows(&self, candidate: &Candidate, method: Methods, subject: &impl Subject) -> bool {
        candidate.methods.may_hold(method)
            && (!method.is_other()
                || candidate.methods.is_any()
                || self.predicates[candidate.predicates as usize].allows_other(subject.method()))
    }

    /// True when everything but the method holds.
    fn holds(&self, candidate: &Candidate, subject: &impl Subject) -> bool {
        candidate.predicates == NONE || self.predicates[candidate.predicates as usize].holds(subject, &self.patterns)
    }
}

/// One route at one place, while compiling.
struct Entry {
    place: Place,
    rank: Rank,
    methods: Methods,
    /// Position in the list of matches.
    source: u32,
}

fn entries(matches: &[Match], predicates: &[Predicates], tree: &mut Tree) -> Vec<Entry> {
    let mut entries = Vec::with_capacity(matches.len());
    for (source, (wanted, predicates)) in (0..).zip(matches.iter().zip(predicates)) {
        let mut enter = |host| {
            let place = tree.insert(host, &wanted.path);
            entries.push(Entry { place, rank: predicates.rank(), methods: predicates.methods.with_head(), source });
        };
        match wanted.hosts.as_slice() {
            [] => enter(None),
            hosts => hosts.iter().for_each(|host| enter(Some(host))),
        }
    }
    entries
}

fn ties(entries: &[Entry], matches: &[Match], predicates: &[Predicates], patterns: &Patterns) -> Vec<Tie> {
    let mut pairs = Vec::new();
    for (start, end) in runs(entries, |left, right| (left.place, left.rank) == (right.place, right.rank)) {
        let mut group: Vec<u32> = entries[start..end].iter().map(|entry| entry.source).collect();
        group.sort_unstable();
        // A route that names one host twice is no tie with itself.
        group.dedup();
        tie::find(&group, predicates, patterns, &mut pairs);
    }
    let route = |source: u32| matches[source as usize].route;
    let ties: BTreeSet<Tie> = pairs.into_iter().map(|(first, second)| Tie(route(first), route(second))).collect();
    ties.into_iter().collect()
}

/// The bounds of the runs of `entries` that belong together.
fn runs<'e>(
    entries: &'e [Entry], is_same: impl Fn(&Entry, &Entry) -> bool + 'e,
) -> impl Iterator<Item = (usize, usize)> + 'e {
    entries.chunk_by(is_same).scan(0, |start, run| {
        let bounds = (*start, *start + run.len());
        *start = bounds.1;
        Some(bounds)
    })
}

/// Keeps the predicates that have something to ask, and tells each match where its own went.
fn compact(predicates: Vec<Predicates>) -> (Vec<Predicates>, Vec<u32>) {
    let mut kept = Vec::new();
    let mut positions = Vec::with_capacity(predicates.len());
    for own in predicates {
        positions.push(if own.is_trivial() { NONE } else { kept.len() as u32 });
        if !own.is_trivial() {
            kept.push(own);
        }
    }
    (kept, positions)
}
