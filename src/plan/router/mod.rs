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
mod tie;
mod tree;

use index::NONE;
use predicate::{Methods, Predicates, Rank};
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
}

impl Default for Router {
    fn default() -> Self {
        Self { tree: Tree::new(), candidates: Vec::new(), predicates: Vec::new() }
    }
}

impl Router {
    /// Compiles `matches`. An expression that does not compile (see [`pattern::Pattern::new`]) holds for no request.
    ///
    /// # Errors
    /// The ties: each route that ties with an earlier one, with the first such.
    pub fn compile(matches: &[Match]) -> Result<Self, Vec<Tie>> {
        let mut tree = Tree::new();
        let predicates: Vec<Predicates> = matches.iter().map(Predicates::new).collect();
        let mut entries = entries(matches, &predicates, &mut tree);
        // Best first: places in the tree's order, then the greater rank, then routes that name HEAD before those that
        // serve it by GET, then the plan's order, which only tells disjoint routes apart.
        entries.sort_by_key(|entry| {
            let names_head = predicates[entry.source as usize].methods.names_head();
            (entry.place, std::cmp::Reverse((entry.rank, names_head)), entry.source)
        });
        let ties = ties(&entries, matches, &predicates);
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
        Ok(Self { tree, candidates: entries.iter().map(candidate).collect(), predicates })
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
        candidate.predicates == NONE || self.predicates[candidate.predicates as usize].holds(subject)
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

fn ties(entries: &[Entry], matches: &[Match], predicates: &[Predicates]) -> Vec<Tie> {
    let mut pairs = Vec::new();
    for (start, end) in runs(entries, |left, right| (left.place, left.rank) == (right.place, right.rank)) {
        let mut group: Vec<u32> = entries[start..end].iter().map(|entry| entry.source).collect();
        group.sort_unstable();
        // A route that names one host twice is no tie with itself.
        group.dedup();
        tie::find(&group, predicates, &mut pairs);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{On, ValueMatch};

    /// A request as the router sees it.
    struct Request<'r>(&'r str, &'r str, &'r str, &'r [(&'r str, &'r str)]);

    impl Subject for Request<'_> {
        fn listener(&self) -> ListenerId {
            ListenerId::new(0)
        }
        fn host(&self) -> &[u8] {
            self.1.as_bytes()
        }
        fn path(&self) -> &[u8] {
            self.2.split('?').next().unwrap_or_default().as_bytes()
        }
        fn query(&self) -> Option<&[u8]> {
            self.2.split_once('?').map(|(_, query)| query.as_bytes())
        }
        fn method(&self) -> &[u8] {
            self.0.as_bytes()
        }
        fn any_field(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
            self.3.iter().any(|(own, value)| *own == name && test(value.as_bytes()))
        }
    }

    fn wanted(route: usize, hosts: &[&str], path: &str, methods: &[&str]) -> Match {
        Match {
            route: RouteId::new(route),
            on: On::All,
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            path: path.to_owned(),
            path_regex: None,
            methods: methods.iter().map(|method| (*method).to_owned()).collect(),
            headers: Vec::new(),
            query: Vec::new(),
        }
    }

    fn paths(paths: &[&str]) -> Router {
        let matches: Vec<Match> = paths.iter().enumerate().map(|(route, path)| wanted(route, &[], path, &[])).collect();
        Router::compile(&matches).unwrap()
    }

    fn found(router: &Router, request: &Request<'_>) -> Option<usize> {
        match router.find(request) {
            Outcome::Found(route, _) => Some(route.index()),
            _ => None,
        }
    }

    #[test]
    fn literal_beats_parameter_beats_prefix_at_the_first_difference() {
        let router = paths(&["/*", "/a/*", "/a/{x}", "/a/b", "/{x}/b", "/a/{x}/c", "/a/b/*", "/{x}/{y}/{z}/*", "/"]);
        for (path, expected) in [
            ("/", 8),
            ("/a", 1),
            ("/a/", 1),
            ("/a/b", 3),
            ("/a/b/", 6),
            ("/a/x", 2),
            ("/x/b", 4),
            ("/x", 0),
            ("/a/x/c", 5),
            ("/a/x/d", 1),
            ("/a/b/c", 6),
            ("/x/y/z", 7),
            ("/x/y/z/1", 7),
            ("/x//z", 0),
            ("*", 0),
        ] {
            assert_eq!(found(&router, &Request("GET", "", path, &[])), Some(expected), "{path}");
        }
    }

    #[test]
    fn a_prefix_matches_by_segments() {
        let router = paths(&["/foo/*"]);
        for path in ["/foo", "/foo/", "/foo/x", "/foo//"] {
            assert_eq!(found(&router, &Request("GET", "", path, &[])), Some(0), "{path}");
        }
        for path in ["/foobar", "/fo", "/", "/FOO", "//foo", "*"] {
            assert_eq!(found(&router, &Request("GET", "", path, &[])), None, "{path}");
        }
    }

    #[test]
    fn hosts_rank_exact_then_longest_wildcard_then_none() {
        let hosts: [&[&str]; 4] = [&[], &["*.b.example"], &["*.example"], &["a.b.example"]];
        let matches: Vec<Match> =
            hosts.iter().enumerate().map(|(route, hosts)| wanted(route, hosts, "/*", &[])).collect();
        let router = Router::compile(&matches).unwrap();
        for (host, expected) in [
            ("a.b.example", 3),
            ("c.b.example", 1),
            ("x.a.b.example", 1),
            ("b.example", 2),
            ("example", 0),
            (".example", 0),
            ("xexample", 0),
            ("", 0),
        ] {
            assert_eq!(found(&router, &Request("GET", host, "/", &[])), Some(expected), "{host}");
        }
        let long = format!("{}.example", "a".repeat(300));
        assert_eq!(found(&router, &Request("GET", &long, "/", &[])), Some(0), "no DNS name, no pattern");
    }

    #[test]
    fn a_failing_predicate_does_not_hide_what_lies_behind_it() {
        let router =
            Router::compile(&[wanted(0, &["a.example"], "/orders/*", &["POST"]), wanted(1, &[], "/*", &["GET"])])
                .unwrap();
        assert_eq!(found(&router, &Request("POST", "a.example", "/orders/1", &[])), Some(0));
        assert_eq!(found(&router, &Request("GET", "a.example", "/orders/1", &[])), Some(1));
        assert!(matches!(router.find(&Request("PUT", "a.example", "/orders", &[])), Outcome::MethodNotAllowed));
        assert_eq!(router.allowed(&Request("PUT", "a.example", "/orders", &[])), ["GET", "HEAD", "POST"]);
        assert!(matches!(router.find(&Request("PUT", "a.example", "*", &[])), Outcome::MethodNotAllowed));
    }

    #[test]
    fn head_goes_to_a_route_that_names_it_else_to_one_that_serves_get() {
        let router =
            Router::compile(&[wanted(0, &[], "/a", &["GET"]), wanted(1, &[], "/a", &["HEAD", "BREW"])]).unwrap();
        assert_eq!(found(&router, &Request("HEAD", "", "/a", &[])), Some(1));
        assert_eq!(found(&router, &Request("BREW", "", "/a", &[])), Some(1));
        assert_eq!(found(&router, &Request("GET", "", "/a", &[])), Some(0));
        assert!(matches!(router.find(&Request("BREW2", "", "/a", &[])), Outcome::MethodNotAllowed));
        assert_eq!(router.allowed(&Request("PUT", "", "/a", &[])), ["BREW", "GET", "HEAD"]);
        let router = Router::compile(&[wanted(0, &[], "/a", &["GET"])]).unwrap();
        assert_eq!(found(&router, &Request("HEAD", "", "/a", &[])), Some(0));
    }

    #[test]
    fn a_route_whose_other_predicates_fail_is_no_reason_for_405() {
        let mut only = wanted(0, &[], "/a", &["POST"]);
        only.headers = vec![("x-key".to_owned(), ValueMatch::Present)];
        let router = Router::compile(&[only]).unwrap();
        assert!(matches!(router.find(&Request("GET", "", "/a", &[])), Outcome::NotFound));
        assert!(matches!(router.find(&Request("GET", "", "/a", &[("x-key", "")])), Outcome::MethodNotAllowed));
    }

    #[test]
    fn captures_are_the_segments_of_the_winner() {
        let router = paths(&["/a/{x}/b/{y}", "/{x}/q/{y}/*"]);
        let path = "/a/q/b/%2F";
        let Outcome::Found(_, captures) = router.find(&Request("GET", "", path, &[])) else { panic!("no route") };
        assert_eq!(captures.get(0, path.as_bytes()), Some(&b"q"[..]));
        assert_eq!(captures.get(1, path.as_bytes()), Some(&b"%2F"[..]));
        assert_eq!(captures.get(2, path.as_bytes()), None);
        let path = "/a/q/c/d";
        let Outcome::Found(_, captures) = router.find(&Request("GET", "", path, &[])) else { panic!("no route") };
        assert_eq!(captures.get(0, path.as_bytes()), Some(&b"a"[..]));
        assert_eq!(captures.get(1, path.as_bytes()), Some(&b"c"[..]));
    }

    #[test]
    fn routes_that_a_request_could_satisfy_both_tie() {
        let tie = |left: &Match, right: &Match| {
            let ties = Router::compile(&[left.clone(), right.clone()]).err();
            assert!(ties.as_ref().is_none_or(|ties| *ties == [Tie(RouteId::new(0), RouteId::new(1))]));
            ties.is_some()
        };
        let field = |value: &ValueMatch| {
            let mut wanted = wanted(0, &[], "/a", &[]);
            wanted.headers = vec![("x".to_owned(), value.clone())];
            wanted
        };
        let renamed = |mut wanted: Match| {
            wanted.route = RouteId::new(1);
            wanted
        };
        let exact = |text: &str| ValueMatch::Exact(text.to_owned());
        let regex = |text: &str| ValueMatch::Regex(text.to_owned());
        assert!(tie(&wanted(0, &[], "/a/{x}", &[]), &wanted(1, &[], "/a/{y}", &[])));
        assert!(!tie(&wanted(0, &[], "/a/{x}", &[]), &wanted(1, &[], "/a/{y}/*", &[])));
        assert!(tie(&wanted(0, &["h", "i"], "/a", &[]), &wanted(1, &["i", "j"], "/a", &[])));
        assert!(!tie(&wanted(0, &["h"], "/a", &[]), &wanted(1, &["*.h"], "/a", &[])));
        assert!(tie(&wanted(0, &[], "/a", &["GET", "PUT"]), &wanted(1, &[], "/a", &["PUT", "POST"])));
        assert!(tie(&wanted(0, &[], "/a", &["BREW"]), &wanted(1, &[], "/a", &["POST", "BREW"])));
        assert!(!tie(&wanted(0, &[], "/a", &["GET"]), &wanted(1, &[], "/a", &["BREW"])));
        assert!(tie(&wanted(0, &[], "/a", &["GET"]), &wanted(1, &[], "/a", &["GET", "HEAD"])));
        assert!(!tie(&wanted(0, &[], "/a", &["GET"]), &wanted(1, &[], "/a", &[])), "a method is a predicate more");
        assert!(tie(&field(&exact("1")), &renamed(field(&exact("1")))));
        assert!(!tie(&field(&exact("1")), &renamed(field(&exact("2")))));
        assert!(tie(&field(&exact("1")), &renamed(field(&ValueMatch::Present))));
        assert!(tie(&field(&exact("1")), &renamed(field(&regex("[0-9]")))));
        assert!(!tie(&field(&exact("a")), &renamed(field(&regex("[0-9]")))));
        assert!(!tie(&field(&regex("a+")), &renamed(field(&regex("b+")))));
        let mut on = [wanted(0, &[], "/a", &[]), wanted(1, &[], "/a", &[])];
        on[0].on = On::Some(vec![ListenerId::new(0), ListenerId::new(2)]);
        on[1].on = On::Some(vec![ListenerId::new(1)]);
        assert!(!tie(&on[0], &on[1]));
        on[1].on = On::Some(vec![ListenerId::new(2)]);
        assert!(tie(&on[0], &on[1]));
    }

    #[test]
    fn many_routes_of_one_place_are_told_apart_without_comparing_all_pairs() {
        let tenant = |route: usize, value: usize| {
            let mut wanted = wanted(route, &[], "/*", &[]);
            wanted.headers = vec![("x-tenant".to_owned(), ValueMatch::Exact(format!("t{value}")))];
            wanted
        };
        let mut matches: Vec<Match> = (0..20_000).map(|route| tenant(route, route)).collect();
        assert!(Router::compile(&matches).is_ok());
        matches.push(tenant(20_000, 7));
        assert_eq!(Router::compile(&matches).unwrap_err(), [Tie(RouteId::new(7), RouteId::new(20_000))]);
    }

    #[test]
    fn an_expression_that_does_not_compile_holds_for_nothing() {
        let mut broken = wanted(0, &[], "/*", &[]);
        broken.path_regex = Some("(".to_owned());
        assert_eq!(found(&Router::compile(&[broken]).unwrap(), &Request("GET", "", "/(", &[])), None);
    }

    #[test]
    fn nodes_grow_with_the_segments_and_steps_with_the_shape() {
        let count = 10_000;
        let paths: Vec<String> = (0..count).map(|number| format!("/svc-{number}/v1/{{id}}/items")).collect();
        let router = self::paths(&paths.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(router.size(), Size { nodes: 3 + 4 * count, candidates: count, steps_max: 5 });
        // Every mixture of literal and parameter, six deep: the worst shape there is for its number of nodes.
        let mixtures: Vec<String> = (0..64)
            .map(|mixture| (0..6).map(|depth| if mixture >> depth & 1 == 0 { "/a" } else { "/{x}" }).collect())
            .collect();
        let router = self::paths(&mixtures.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(router.size().steps_max, 127, "no more than its nodes");
    }
}
