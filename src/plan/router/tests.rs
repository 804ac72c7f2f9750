//! What the router promises, rule by rule. tests/routing.rs holds it against a model.

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
    let matches: Vec<Match> = hosts.iter().enumerate().map(|(route, hosts)| wanted(route, hosts, "/*", &[])).collect();
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
        Router::compile(&[wanted(0, &["a.example"], "/orders/*", &["POST"]), wanted(1, &[], "/*", &["GET"])]).unwrap();
    assert_eq!(found(&router, &Request("POST", "a.example", "/orders/1", &[])), Some(0));
    assert_eq!(found(&router, &Request("GET", "a.example", "/orders/1", &[])), Some(1));
    assert!(matches!(router.find(&Request("PUT", "a.example", "/orders", &[])), Outcome::MethodNotAllowed));
    assert_eq!(router.allowed(&Request("PUT", "a.example", "/orders", &[])), ["GET", "HEAD", "POST"]);
    assert!(matches!(router.find(&Request("PUT", "a.example", "*", &[])), Outcome::MethodNotAllowed));
}

#[test]
fn head_goes_to_a_route_that_names_it_else_to_one_that_serves_get() {
    let router = Router::compile(&[wanted(0, &[], "/a", &["GET"]), wanted(1, &[], "/a", &["HEAD", "BREW"])]).unwrap();
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
