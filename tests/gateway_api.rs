//! The Gateway API's HTTPRoute conformance cases that speak of matching, redirects and rewrites, run against the router
//! and the rewriter. Deviations are pinned here, each with its reason.

use ringway::plan::explain::Question;
use ringway::plan::router::{Captures, Outcome, Router};
use ringway::plan::template::{Template, Variable};
use ringway::plan::{HostRewrite, Match, On, PathRewrite, Redirect, Rewrite, ValueMatch};
use ringway::policy::rewrite::{Asked, Reached, authority, location, target};
use ringway::words::ids::{ListenerId, RouteId};
use serde_json::Value;

/// How many cases, to which gateway, on which port.
type Share = (usize, &'static str, u64);

/// What is run: the test, and where its cases go, in order.
const RUN: &[(&str, &[Share])] = &[
    ("httproute-303-redirect", &[(1, "same-namespace", 80)]),
    ("httproute-307-redirect", &[(1, "same-namespace", 80)]),
    ("httproute-308-redirect", &[(1, "same-namespace", 80)]),
    ("httproute-cross-namespace", &[(1, "backend-namespaces", 80)]),
    ("httproute-exact-path-matching", &[(6, "same-namespace", 80)]),
    ("httproute-header-matching", &[(11, "same-namespace", 80)]),
    (
        "httproute-hostname-intersection",
        &[(27, "httproute-hostname-intersection", 80), (6, "httproute-hostname-intersection-all", 80)],
    ),
    ("httproute-listener-hostname-matching", &[(8, "httproute-listener-hostname-matching", 80)]),
    (
        "httproute-listener-port-matching",
        &[
            (1, "httproute-listener-port-matching", 80),
            (2, "httproute-listener-port-matching", 8080),
            (2, "httproute-listener-port-matching", 8090),
        ],
    ),
    ("httproute-matching", &[(9, "same-namespace", 80)]),
    ("httproute-matching-across-routes", &[(8, "same-namespace", 80)]),
    ("httproute-method-matching", &[(12, "same-namespace", 80)]),
    ("httproute-multiple-gateways", &[(2, "same-namespace", 80), (2, "all-namespaces", 80)]),
    ("httproute-named-rule", &[(2, "same-namespace", 80)]),
    ("httproute-path-match-order", &[(6, "same-namespace", 80)]),
    ("httproute-query-param-matching", &[(19, "same-namespace", 80)]),
    ("httproute-redirect-host-and-status", &[(2, "same-namespace", 80)]),
    ("httproute-redirect-path", &[(6, "same-namespace", 80)]),
    ("httproute-redirect-port", &[(4, "same-namespace", 80)]),
    (
        "httproute-redirect-port-and-scheme",
        &[
            (6, "same-namespace", 80),
            (3, "same-namespace-with-http-listener-on-8080", 8080),
            (6, "same-namespace-with-https-listener", 443),
        ],
    ),
    ("httproute-redirect-scheme", &[(4, "same-namespace", 80)]),
    ("httproute-rewrite-host", &[(3, "same-namespace", 80)]),
    ("httproute-rewrite-path", &[(6, "same-namespace", 80)]),
    ("httproute-simple-same-namespace", &[(1, "same-namespace", 80)]),
];

/// What is not run, and why.
const NOT_RUN: &[(&str, &str)] = &[
    ("httproute-backend-protocol-h2c", "HTTP/2"),
    ("httproute-backend-request-redirect", "redirects of one backend: a route has one action"),
    ("httproute-backend-url-rewrite", "rewrites of one backend: a route has one rewrite"),
    ("httproute-cors", "CORS"),
    ("httproute-https-listener", "TLS; its case is a template"),
    ("httproute-https-listener-detect-misdirected-requests", "TLS"),
    ("httproute-invalid-backendref-unknown-kind", "a configuration error here"),
    ("httproute-invalid-cross-namespace-backend-ref", "Kubernetes namespaces"),
    ("httproute-invalid-nonexistent-backendref", "a configuration error here"),
    ("httproute-invalid-reference-grant", "Kubernetes namespaces"),
    ("httproute-omitted-backendrefs", "a configuration error here"),
    ("httproute-partially-invalid-via-invalid-reference-grant", "Kubernetes namespaces"),
    ("httproute-reference-grant", "Kubernetes namespaces"),
    ("httproute-request-header-modifier", "field edits"),
    ("httproute-request-header-modifier-backend-weights", "field edits"),
    ("httproute-request-mirror", "mirroring"),
    ("httproute-request-multiple-mirrors", "mirroring"),
    ("httproute-request-percentage-mirror", "mirroring"),
    ("httproute-response-header-modifier", "field edits"),
    ("httproute-retry", "retries"),
    ("httproute-service-types", "Kubernetes services"),
    ("httproute-timeout-backend-request", "timeouts"),
    ("httproute-timeout-request", "timeouts"),
    ("httproute-weight", "balancing"),
];

/// Tests whose routes tie by our rule, which makes them configuration errors; the Gateway API falls back to the order
/// of the list.
const TIES: &[&str] = &["httproute-header-matching", "httproute-query-param-matching"];

/// Cases that end otherwise here: HEAD is served by a route with GET (RFC 9110 9.3.2), there it is 404.
const DEVIATIONS: &[(&str, usize)] = &[("httproute-method-matching", 2)];

/// Real query tests count this often, so that the extra ones which make the list's order decide weigh less.
const WEIGHT: usize = 100;

/// A rule of an HTTPRoute, as far as it is looked at.
#[derive(Default)]
struct Rule {
    backend: Option<String>,
    rewrite: Rewrite,
    redirect: Option<Redirect>,
}

/// One test's table.
struct Table {
    /// `(gateway, port)`, by listener.
    listeners: Vec<(String, u64)>,
    rules: Vec<Rule>,
    matches: Vec<Match>,
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Where a route is attached: listener and the hosts that both sides allow; empty means any.
fn attachments(route: &Value, objects: &[Value], table: &mut Table) -> Vec<(ListenerId, Vec<String>)> {
    let own: Vec<String> = list(&route["spec"]["hostnames"]).iter().filter_map(text).collect();
    let mut found = Vec::new();
    for parent in list(&route["spec"]["parentRefs"]) {
        let gateway = text(&parent["name"]).unwrap();
        let object = objects.iter().find(|object| object["kind"] == "Gateway" && object["name"] == gateway.as_str());
        // Gateways of the suite's base set have one listener without a host name.
        let default = [serde_json::json!({ "port": if gateway.contains("https") { 443 } else { 80 } })];
        for listener in object.map_or(&default[..], |object| list(&object["spec"]["listeners"])) {
            let is_named = parent["sectionName"].is_null() || parent["sectionName"] == listener["name"];
            let has_port = parent["port"].is_null() || parent["port"] == listener["port"];
            let Some(hosts) = intersection(&own, listener["hostname"].as_str()) else { continue };
            if is_named && has_port {
                let key = (gateway.clone(), listener["port"].as_u64().unwrap());
                let known = table.listeners.iter().position(|known| *known == key);
                let position = known.unwrap_or(table.listeners.len());
                if known.is_none() {
                    table.listeners.push(key);
                }
                found.push((ListenerId::new(position), hosts));
            }
        }
    }
    found
}

/// The hosts that a route and a listener both allow; `None` when there are none.
fn intersection(route: &[String], listener: Option<&str>) -> Option<Vec<String>> {
    let Some(listener) = listener else { return Some(route.to_vec()) };
    if route.is_empty() {
        return Some(vec![listener.to_owned()]);
    }
    let covers = |wide: &str, narrow: &str| {
        wide == narrow || wide.strip_prefix('*').is_some_and(|suffix| narrow.trim_start_matches('*').ends_with(suffix))
    };
    let both = route.iter().filter_map(|host| match () {
        () if covers(listener, host) => Some(host.clone()),
        () if covers(host, listener) => Some(listener.to_owned()),
        () => None,
    });
    Some(both.collect::<Vec<_>>()).filter(|hosts| !hosts.is_empty())
}

fn read_table(objects: &[Value]) -> Table {
    let mut table = Table { listeners: Vec::new(), rules: Vec::new(), matches: Vec::new() };
    for route in objects.iter().filter(|object| object["kind"] == "HTTPRoute") {
        let attachments = attachments(route, objects, &mut table);
        for rule in list(&route["spec"]["rules"]) {
            let conditions =
                if rule["matches"].is_null() { vec![Value::Null] } else { list(&rule["matches"]).to_vec() };
            for condition in &conditions {
                let prefix = condition["path"]["value"].as_str().unwrap_or("/").trim_matches('/').to_owned();
                let segments = prefix.split('/').filter(|segment| !segment.is_empty()).count();
                table.rules.push(read_rule(rule, segments));
                for (listener, hosts) in &attachments {
                    let route = RouteId::new(table.rules.len() - 1);
                    table.matches.push(read_match(condition, route, *listener, hosts.clone()));
                }
            }
        }
    }
    table
}

fn read_match(condition: &Value, route: RouteId, listener: ListenerId, hosts: Vec<String>) -> Match {
    let tests = |list_of: &Value, lower: bool| -> Vec<(String, ValueMatch)> {
        let test = |entry: &Value| {
            let (name, value) = (text(&entry["name"]).unwrap(), text(&entry["value"]).unwrap());
            (if lower { name.to_lowercase() } else { name }, ValueMatch::Exact(value))
        };
        list(list_of).iter().map(test).collect()
    };
    let value = condition["path"]["value"].as_str().unwrap_or("/");
    let path = match condition["path"]["type"].as_str() {
        Some("Exact") => value.to_owned(),
        _ => format!("{}/*", value.trim_end_matches('/')),
    };
    Match {
        route,
        on: On::Some(vec![listener]),
        hosts,
        path,
        path_regex: None,
        methods: text(&condition["method"]).into_iter().collect(),
        headers: tests(&condition["headers"], true),
        query: tests(&condition["queryParams"], false),
    }
}

fn read_rule(rule: &Value, segments: usize) -> Rule {
    let mut read = Rule { backend: text(&rule["backendRefs"][0]["name"]), ..Rule::default() };
    for filter in list(&rule["filters"]) {
        match filter["type"].as_str() {
            Some("URLRewrite") => {
                let rewrite = &filter["urlRewrite"];
                read.rewrite.path = path_rewrite(&rewrite["path"], segments);
                read.rewrite.host = text(&rewrite["hostname"]).map_or(HostRewrite::Preserve, HostRewrite::Literal);
            }
            Some("RequestRedirect") => {
                let redirect = &filter["requestRedirect"];
                read.redirect = Some(Redirect {
                    status: redirect["statusCode"].as_u64().unwrap_or(302) as u16,
                    scheme: text(&redirect["scheme"]),
                    host: text(&redirect["hostname"]),
                    port: redirect["port"].as_u64().map(|port| port as u16),
                    path: path_rewrite(&redirect["path"], segments),
                    query: None,
                });
            }
            _ => {}
        }
    }
    read
}

fn path_rewrite(path: &Value, segments: usize) -> Option<PathRewrite> {
    let full = text(&path["replaceFullPath"]).map(|full| PathRewrite::Template(Template::text(&full)));
    full.or_else(|| text(&path["replacePrefixMatch"]).map(|with| PathRewrite::Prefix { segments, with }))
}

/// The table with the list's order as the last word: the earlier a route stands, the more query tests it gets that
/// every request passes.
fn in_list_order(matches: &[Match]) -> Vec<Match> {
    let ordered = matches.iter().map(|wanted| {
        let mut wanted = wanted.clone();
        let real = std::mem::take(&mut wanted.query);
        wanted.query = real.iter().flat_map(|test| vec![test.clone(); WEIGHT]).collect();
        let extra = matches.len() - wanted.route.index();
        assert!(extra < WEIGHT);
        wanted.query.extend(vec![("in-list-order".to_owned(), ValueMatch::Present); extra]);
        wanted
    });
    ordered.collect()
}

fn question(case: &Value, listener: ListenerId) -> Question {
    let request = &case["Request"];
    let target = request["Path"].as_str().unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let host = request["Host"].as_str().unwrap_or("gateway.example");
    let fields = request["Headers"].as_object().into_iter().flatten();
    Question {
        listener,
        host: host.split(':').next().unwrap().to_owned(),
        path: path.to_owned(),
        query: Some(format!("{query}&in-list-order")),
        method: request["Method"].as_str().unwrap_or("GET").to_owned(),
        fields: fields.map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap().to_owned())).collect(),
    }
}

/// Why a case does not end as expected.
fn complaint(case: &Value, table: &Table, router: &Router, listener: ListenerId) -> Option<String> {
    let question = question(case, listener);
    let expects_none = case["Response"]["StatusCode"] == 404;
    match router.find(&question) {
        Outcome::Found(..) if expects_none => Some("a route was found".to_owned()),
        Outcome::Found(route, captures) => {
            let rule = &table.rules[route.index()];
            let port = table.listeners[listener.index()].1 as u16;
            let backend = text(&case["Backend"]);
            if backend.is_some() && backend != rule.backend {
                return Some(format!("{:?} instead of {backend:?}", rule.backend));
            }
            wrong_redirect(case, rule, &question, &captures, port)
                .or_else(|| wrong_target(case, rule, &question, &captures))
        }
        // 405 where a route matches but for the method: the Gateway API knows only 404.
        _ if expects_none => None,
        outcome => Some(format!("{outcome:?}")),
    }
}

fn fill(_variable: Variable, _out: &mut Vec<u8>) {}

fn wrong_redirect(case: &Value, rule: &Rule, question: &Question, captures: &Captures, port: u16) -> Option<String> {
    let expected = case["RedirectRequest"].as_object()?;
    let redirect = rule.redirect.as_ref().expect("the rule redirects");
    let scheme = if port == 443 { "https" } else { "http" };
    let asked = Asked { path: question.path.as_bytes(), query: None, captures };
    let reached = Reached { scheme, host: question.host.as_bytes(), port: Some(port) };
    let mut out = Vec::new();
    location(redirect, &asked, &reached, &fill, &mut out).unwrap();
    let part = |name: &str| expected.get(name).and_then(Value::as_str);
    let expected_port = part("Port").map(|port| format!(":{port}")).unwrap_or_default();
    let wanted = format!(
        "{}://{}{expected_port}{}",
        part("Scheme").unwrap_or(scheme),
        part("Host").unwrap_or(&question.host),
        part("Path").unwrap_or(&question.path)
    );
    let is_right = out == wanted.as_bytes() && case["Response"]["StatusCode"] == redirect.status;
    (!is_right).then(|| format!("{} {} instead of {wanted}", redirect.status, String::from_utf8_lossy(&out)))
}

fn wrong_target(case: &Value, rule: &Rule, question: &Question, captures: &Captures) -> Option<String> {
    let expected = &case["ExpectedRequest"]["Request"];
    let asked = Asked { path: question.path.as_bytes(), query: None, captures };
    let mut out = Vec::new();
    target(&rule.rewrite, &asked, &fill, &mut out).unwrap();
    let host = authority(&rule.rewrite.host, question.host.as_bytes(), "");
    let is_as = |part: &str, found: &[u8]| expected[part].as_str().is_none_or(|wanted| wanted.as_bytes() == found);
    let is_right = is_as("Path", &out) && is_as("Host", host);
    (!is_right)
        .then(|| format!("{} {} instead of {expected}", String::from_utf8_lossy(host), String::from_utf8_lossy(&out)))
}

#[test]
fn the_gateway_api_agrees_about_matching_redirects_and_rewrites() {
    let suite: Value = serde_json::from_str(include_str!("data/gateway_api_httproute.json")).unwrap();
    let mut names: Vec<&str> = RUN.iter().map(|(name, _)| *name).chain(NOT_RUN.iter().map(|(name, _)| *name)).collect();
    names.sort_unstable();
    let mut all: Vec<&str> = suite.as_object().unwrap().keys().map(String::as_str).collect();
    all.sort_unstable();
    assert_eq!(names, all, "every test is run or has its reason");
    let mut cases_run = 0;
    for (name, gateways) in RUN {
        let test = &suite[*name];
        let table = read_table(list(&test["objects"]));
        assert_eq!(Router::compile(&table.matches).is_err(), TIES.contains(name), "{name}: ties");
        let router = Router::compile(&in_list_order(&table.matches)).unwrap();
        let cases = list(&test["cases"]);
        assert_eq!(cases.len(), gateways.iter().map(|(count, ..)| count).sum::<usize>(), "{name}");
        let gateways = gateways.iter().flat_map(|(count, gateway, port)| vec![(*gateway, *port); *count]);
        for (position, (case, (gateway, port))) in cases.iter().zip(gateways).enumerate() {
            let listener =
                table.listeners.iter().position(|known| (known.0.as_str(), known.1) == (gateway, port)).unwrap();
            let complaint = complaint(case, &table, &router, ListenerId::new(listener));
            let is_deviation = DEVIATIONS.contains(&(name, position));
            assert_eq!(complaint.is_some(), is_deviation, "{name} {position}: {complaint:?}\n{case}");
            cases_run += 1;
        }
    }
    assert_eq!(cases_run, 168);
}
