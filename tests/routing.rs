//! The compiled router against a naive model: keep every route that holds, sort them by the order as written in
//! docs/routing.md, take the first. The model shares no code with the router; expressions run on the `regex` crate.

use std::collections::BTreeSet;

use ringway::plan::explain::Question;
use ringway::plan::router::{Outcome, Router};
use ringway::plan::template::{Piece, Template, Variable};
use ringway::plan::{Match, On, PathRewrite, Rewrite, ValueMatch};
use ringway::policy::rewrite::{Asked, target};
use ringway::proto::path::canonicalise;

use crate::costs::allocations_of;
use crate::tables::{self, Random, table};

/// What the model says: the route and its captures, or the methods that would be allowed (empty: not found).
#[derive(Debug, PartialEq)]
enum Verdict {
    Found(usize, Vec<String>),
    Refused(BTreeSet<String>),
}

/// How good a match is; the smaller the better.
type Order = (HostOrder, Vec<SegmentOrder>, std::cmp::Reverse<(bool, bool, usize, usize, bool)>, usize);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum HostOrder {
    Exact,
    /// By the negative length of the suffix.
    Wildcard(isize),
    Any,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum SegmentOrder {
    Literal,
    Parameter,
    Rest,
}

fn model(table: &[Match], request: &Question) -> Verdict {
    let mut holding: Vec<(Order, &Match, Vec<String>)> = Vec::new();
    for wanted in table {
        let hosts = hosts(wanted, &request.host);
        let Some((segments, captures)) = path(&wanted.path, &request.path) else { continue };
        if !predicates(wanted, request) {
            continue;
        }
        let names_head = wanted.methods.iter().any(|method| method == "HEAD");
        let has_method = !wanted.methods.is_empty();
        let rank = (wanted.path_regex.is_some(), has_method, wanted.headers.len(), wanted.query.len(), names_head);
        for host in hosts {
            let order = (host, segments.clone(), std::cmp::Reverse(rank), wanted.route.index());
            holding.push((order, wanted, captures.clone()));
        }
    }
    holding.sort_by(|left, right| left.0.cmp(&right.0));
    let allowed = |wanted: &Match| {
        let mut methods: BTreeSet<String> = wanted.methods.iter().cloned().collect();
        if methods.contains("GET") {
            methods.insert("HEAD".to_owned());
        }
        methods
    };
    let winner =
        holding.iter().find(|(_, wanted, _)| wanted.methods.is_empty() || allowed(wanted).contains(&request.method));
    match winner {
        Some((_, wanted, captures)) => Verdict::Found(wanted.route.index(), captures.clone()),
        None => Verdict::Refused(holding.iter().flat_map(|(_, wanted, _)| allowed(wanted)).collect()),
    }
}

fn hosts(wanted: &Match, host: &str) -> Vec<HostOrder> {
    if wanted.hosts.is_empty() {
        return vec![HostOrder::Any];
    }
    let order = |pattern: &String| match pattern.strip_prefix('*') {
        Some(suffix) if host.ends_with(suffix) && host.len() > suffix.len() => {
            Some(HostOrder::Wildcard(-(suffix.len() as isize)))
        }
        None if host == pattern => Some(HostOrder::Exact),
        _ => None,
    };
    wanted.hosts.iter().filter_map(order).collect()
}

fn path(pattern: &str, path: &str) -> Option<(Vec<SegmentOrder>, Vec<String>)> {
    let mut left: Vec<&str> = path.split('/').skip(1).collect();
    let (mut order, mut captures) = (Vec::new(), Vec::new());
    for segment in pattern.split('/').skip(1) {
        match segment {
            "*" => {
                order.push(SegmentOrder::Rest);
                return Some((order, captures));
            }
            parameter if parameter.starts_with('{') => {
                let value = left.first().filter(|value| !value.is_empty())?;
                captures.push((*value).to_owned());
                order.push(SegmentOrder::Parameter);
            }
            literal => {
                left.first().filter(|value| **value == literal)?;
                order.push(SegmentOrder::Literal);
            }
        }
        left.remove(0);
    }
    (left.is_empty() && path != "*").then_some((order, captures))
}

/// Everything but the method.
fn predicates(wanted: &Match, request: &Question) -> bool {
    let listener = match &wanted.on {
        On::All => true,
        On::Some(listeners) => listeners.contains(&request.listener),
    };
    let pairs: Vec<(String, String)> = match &request.query {
        None => Vec::new(),
        Some(query) => query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(decoded).collect(),
    };
    let any = |pairs: &[(String, String)], (name, test): &(String, ValueMatch)| {
        pairs.iter().any(|(own, value)| own == name && holds(test, value))
    };
    listener
        && wanted.path_regex.as_ref().is_none_or(|text| whole(text, &request.path))
        && wanted.headers.iter().all(|test| any(&request.fields, test))
        && wanted.query.iter().all(|test| any(&pairs, test))
}

fn decoded((name, value): (&str, &str)) -> (String, String) {
    let decode = |text: &str| text.replace(['+'], " ").replace("%20", " ").replace("%31", "1").replace("%C3%A9", "é");
    (decode(name), decode(value))
}

fn holds(test: &ValueMatch, value: &str) -> bool {
    match test {
        ValueMatch::Present => true,
        ValueMatch::Exact(text) => text == value,
        ValueMatch::Regex(text) => whole(text, value),
    }
}

/// Compiled once per test thread: compiling dominates otherwise.
fn whole(text: &str, value: &str) -> bool {
    use std::cell::RefCell;
    use std::collections::HashMap;
    thread_local!(static COMPILED: RefCell<HashMap<String, regex::bytes::Regex>> = RefCell::default());
    COMPILED.with_borrow_mut(|compiled| {
        let compile =
            || regex::bytes::Regex::new(&format!("^(?-u:{text})$")).expect("the tables hold valid expressions");
        compiled.entry(text.to_owned()).or_insert_with(compile).is_match(value.as_bytes())
    })
}

fn routed(router: &Router, request: &Question) -> Verdict {
    match router.find(request) {
        Outcome::Found(route, captures) => {
            let values = (0..).map_while(|index| captures.get(index, request.path.as_bytes()));
            Verdict::Found(route.index(), values.map(|value| String::from_utf8_lossy(value).into_owned()).collect())
        }
        Outcome::MethodNotAllowed => Verdict::Refused(router.allowed(request).into_iter().collect()),
        Outcome::NotFound => Verdict::Refused(BTreeSet::new()),
    }
}

#[test]
fn the_router_agrees_with_a_naive_model_on_random_tables() {
    let (mut found, mut refused, mut total) = (0, 0, 0);
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let size = 1 + random.below(40);
        let (table, router) = table(&mut random, size);
        for _ in 0..300 {
            let request = tables::request(&mut random);
            let expected = model(&table, &request);
            assert_eq!(routed(&router, &request), expected, "seed {seed}: {request:?}\n{table:#?}");
            match expected {
                Verdict::Found(..) => found += 1,
                Verdict::Refused(methods) => refused += usize::from(!methods.is_empty()),
            }
            total += 1;
        }
    }
    assert!(total >= 100_000);
    assert!(found > total / 5 && refused > total / 50, "the tables exercise all outcomes: {found} {refused} {total}");
}

#[test]
fn without_a_tie_no_request_sees_two_best_routes() {
    // The converse of the tie rule: among routes that compile, two that hold with the same order differ in something
    // that the rule counts as disjoint, which a request with repeated fields may still satisfy. No such repeats here.
    for seed in 1_000..1_050 {
        let mut random = Random::new(seed);
        let (table, _) = table(&mut random, 30);
        for _ in 0..200 {
            let mut request = tables::request(&mut random);
            request.fields.truncate(1);
            request.query = request.query.map(|query| query.split('&').next().unwrap_or_default().to_owned());
            let best = |without: Option<usize>| {
                let left: Vec<Match> =
                    table.iter().filter(|wanted| Some(wanted.route.index()) != without).cloned().collect();
                (model(&left, &request), left)
            };
            let (Verdict::Found(first, _), _) = best(None) else { continue };
            let (Verdict::Found(second, _), _) = best(Some(first)) else { continue };
            let by = |route: usize| table.iter().find(|wanted| wanted.route.index() == route).unwrap();
            let order = |wanted: &Match| {
                let rank =
                    (wanted.path_regex.is_some(), !wanted.methods.is_empty(), wanted.headers.len(), wanted.query.len());
                let host = hosts(wanted, &request.host).into_iter().min();
                let names_head = request.method == "HEAD" && wanted.methods.iter().any(|method| method == "HEAD");
                (host, path(&wanted.path, &request.path).map(|found| found.0), rank, names_head)
            };
            assert_ne!(order(by(first)), order(by(second)), "seed {seed}: {request:?}");
        }
    }
}

#[test]
fn a_look_up_allocates_nothing() {
    let mut found = 0;
    for seed in 2_000..2_020 {
        let mut random = Random::new(seed);
        let (_, router) = table(&mut random, 60);
        let questions: Vec<Question> = (0..200).map(|_| tables::request(&mut random)).collect();
        for question in &questions {
            let (outcome, allocations) = allocations_of(|| router.find(question));
            assert_eq!(allocations, 0, "{question:?}");
            found += usize::from(matches!(outcome, Outcome::Found(..)));
        }
    }
    assert!(found > 500, "{found}");
}

#[test]
fn canonical_paths_and_rewrites_allocate_nothing_once_their_buffers_have_grown() {
    let mut out = Vec::with_capacity(1024);
    let template = |pieces: &[Piece]| Template { pieces: pieces.to_vec() };
    let capture = Piece::Variable(Variable::Capture(0));
    let rewrite = Rewrite {
        path: Some(PathRewrite::Template(template(&[Piece::Text("/v2/".to_owned()), capture.clone()]))),
        query: Some(template(&[Piece::Text("q=".to_owned()), capture, Piece::Variable(Variable::ClientIp)])),
        ..Rewrite::default()
    };
    let mut wanted = tables::route(&mut Random::new(1), 0);
    (wanted.on, wanted.hosts, wanted.path, wanted.path_regex) = (On::All, Vec::new(), "/{x}/*".to_owned(), None);
    (wanted.methods, wanted.headers, wanted.query) = Default::default();
    let router = Router::compile(&[wanted]).unwrap();
    let mut question = tables::request(&mut Random::new(1));
    question.path = "/caf%C3%A9;a=1/b".to_owned();
    let Outcome::Found(_, captures) = router.find(&question) else { panic!("no route") };
    let asked = Asked { path: question.path.as_bytes(), query: None, captures: &captures };
    let fill = |_, out: &mut Vec<u8>| out.extend_from_slice(b"2001:db8::1");
    let (written, allocations) = allocations_of(|| target(&rewrite, &asked, &fill, &mut out));
    assert_eq!((written, allocations), (Ok(()), 0));
    assert_eq!(out, b"/v2/caf%C3%A9;a=1?q=caf%C3%A9%3Ba%3D12001%3Adb8%3A%3A1");
    for path in ["/a/b", "/a/../%7e", "/.well-known", "/%C3%A9", "/a/%2e%2e"] {
        out.clear();
        assert_eq!(allocations_of(|| canonicalise(path.as_bytes(), &mut out)).1, 0, "{path}");
    }
}
