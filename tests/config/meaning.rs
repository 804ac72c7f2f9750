//! What a good configuration means: names, inheritance, origins, values.

use std::fs;
use std::path::Path;
use std::time::Duration;

use ringway::plan::template::{Piece, Variable};
use ringway::plan::{self, Loaded, Protocol, ProxyProtocol, TlsVersion, UpstreamProtocol, ValueMatch};
use ringway::words::ids::RouteId;

use super::folder;

fn edge(text: &str) -> Loaded {
    plan::load_text("edge.toml", text).unwrap_or_else(|complaints| panic!("{complaints}"))
}

#[test]
fn a_key_of_the_route_beats_upstream_listener_and_defaults_each_key_by_itself() {
    let loaded = edge(
        r#"
        [defaults]
        timeouts = { connect = "1ms", first_byte = "2ms", request = "3ms", idle = "4ms" }
        limits = { body = "1KiB", body_rate = "none" }
        [listeners.web]
        address = "127.0.0.1:8080"
        timeouts = { connect = "10ms", first_byte = "20ms", request = "30ms" }
        limits = { body = "2KiB" }
        [upstreams.app]
        endpoints = ["http://127.0.0.1:9000"]
        timeouts = { connect = "100ms", first_byte = "200ms" }
        [routes.all]
        path = "/*"
        upstream = "app"
        timeouts = { connect = "1s" }
        "#,
    );
    let millis = |timeouts: &plan::Timeouts| {
        [timeouts.head, timeouts.connect, timeouts.first_byte, timeouts.request, timeouts.idle]
            .map(|duration| duration.as_millis())
    };
    let listener = &loaded.plan.listeners[0];
    assert_eq!(millis(&listener.timeouts), [10_000, 10, 20, 30, 4]);
    let route = &loaded.plan.routes[0];
    assert_eq!(millis(&route.timeouts), [10_000, 1_000, 200, 30, 4]);
    assert_eq!((route.limits.body, route.limits.body_rate, route.limits.headers), (2048, 0, 100));
    let origins: Vec<(&str, String)> = loaded
        .origins
        .route(RouteId::new(0))
        .iter()
        .map(|setting| (setting.key, loaded.origins.text(setting)))
        .collect();
    for (key, origin) in [
        ("timeouts.head", "default"),
        ("timeouts.connect", "edge.toml:15"),
        ("timeouts.first_byte", "edge.toml:11"),
        ("timeouts.request", "edge.toml:7"),
        ("timeouts.idle", "edge.toml:3"),
        ("limits.body", "edge.toml:8"),
        ("limits.body_rate", "edge.toml:4"),
        ("limits.headers", "default"),
        ("path", "edge.toml:13"),
        ("upstream", "edge.toml:14"),
    ] {
        assert!(origins.contains(&(key, origin.to_owned())), "{key} {origin}: {origins:?}");
    }
}

#[test]
fn each_target_of_a_split_has_its_own_timeouts() {
    let loaded = edge(
        r#"
        [listeners.web]
        address = "127.0.0.1:8080"
        [upstreams.fast]
        endpoints = ["http://127.0.0.1:9000"]
        timeouts = { connect = "10ms", first_byte = "10ms", idle = "7s" }
        [upstreams.slow]
        endpoints = ["http://127.0.0.1:9001"]
        timeouts = { connect = "20ms", first_byte = "20ms", idle = "7s" }
        [routes.all]
        path = "/*"
        split = [{ upstream = "slow", weight = 1 }, { upstream = "fast", weight = 3 }]
        timeouts = { first_byte = "99ms" }
        "#,
    );
    let route = &loaded.plan.routes[0];
    let plan::Action::Forward(forward) = &route.action else { panic!("{route:?}") };
    let weights: Vec<u32> = forward.targets.iter().map(|(_, weight)| *weight).collect();
    let connects: Vec<u128> = forward.timeouts.iter().map(|timeouts| timeouts.connect.as_millis()).collect();
    assert_eq!((weights, connects), (vec![1, 3], vec![20, 10]));
    assert!(forward.timeouts.iter().all(|timeouts| timeouts.first_byte.as_millis() == 99));
    // Where the targets differ the route as a whole knows no better than its listener; where they agree it does.
    assert_eq!((route.timeouts.connect.as_millis(), route.timeouts.idle.as_secs()), (1_000, 7));
}

#[test]
fn tls_protocols_and_upgrades_have_their_defaults_and_paths_begin_at_the_file_that_names_them() {
    let loaded = edge(
        r#"
        [listeners.a]
        address = "127.0.0.1:1"
        [listeners.b]
        address = "127.0.0.1:2"
        tls = "edge"
        [listeners.c]
        address = "127.0.0.1:3"
        tls = "mutual"
        protocols = ["http/1.1"]
        proxy_protocol = "v2"
        trusted_proxies = ["10.0.0.0/8"]
        [tls.edge]
        certificates = [{ cert = "a.pem", key = "/etc/a.key" }]
        [tls.mutual]
        certificates = [{ cert = "a.pem", key = "a.key" }]
        min_version = "1.3"
        client_ca = "ca.pem"
        [upstreams.plain]
        endpoints = ["http://127.0.0.1"]
        protocol = "h2c"
        [upstreams.safe]
        endpoints = ["https://LocalHost", { url = "https://[::1]:9443", weight = 2 }]
        tls = { ca = "ca.pem", server_name = "Up.Example", cert = "own.pem", key = "own.key" }
        [routes.all]
        path = "/*"
        split = [{ upstream = "plain", weight = 1 }, { upstream = "safe", weight = 1 }]
        [routes.chat]
        path = "/chat"
        upstream = { endpoints = ["https://127.0.0.1"], protocol = "h2" }
        upgrade = ["websocket", "chat/1"]
        "#,
    );
    let plan = &loaded.plan;
    let protocols: Vec<&[Protocol]> = plan.listeners.iter().map(|listener| &*listener.protocols).collect();
    assert_eq!(protocols, [&[Protocol::Http1][..], &[Protocol::H2, Protocol::Http1], &[Protocol::Http1]]);
    let tls: Vec<Option<usize>> = plan.listeners.iter().map(|listener| listener.tls.map(|id| id.index())).collect();
    assert_eq!(tls, [None, Some(0), Some(1)]);
    assert_eq!(plan.listeners[2].proxy_protocol, Some(ProxyProtocol::V2));
    assert_eq!((plan.tls[0].min_version, plan.tls[1].min_version), (TlsVersion::V12, TlsVersion::V13));
    assert!(plan.tls[0].clients.is_none() && plan.tls[1].clients.as_ref().is_some_and(|clients| clients.is_required));
    let [plain, safe, own] = plan.upstreams.as_slice() else { panic!("{:?}", plan.upstreams) };
    assert_eq!((plain.protocol, &plain.tls), (UpstreamProtocol::H2c, &None));
    let endpoints: Vec<(String, &str, bool)> = safe
        .endpoints
        .iter()
        .map(|endpoint| (format!("{:?}", endpoint.address), endpoint.authority.as_str(), endpoint.is_tls))
        .collect();
    assert_eq!(
        endpoints,
        [("Tcp(127.0.0.1:443)".to_owned(), "localhost", true), ("Tcp([::1]:9443)".to_owned(), "[::1]:9443", true)]
    );
    let tls = safe.tls.as_ref().unwrap();
    assert_eq!((tls.server_name.as_deref(), tls.verify), (Some("up.example"), true));
    assert_eq!(tls.certificate.as_ref().unwrap().key, Path::new("own.key"));
    let tls = own.tls.as_ref().unwrap();
    assert_eq!((own.protocol, &tls.ca, tls.verify), (UpstreamProtocol::H2, &None, true));
    let upgrades: Vec<&[String]> = plan
        .routes
        .iter()
        .map(|route| match &route.action {
            plan::Action::Forward(forward) => &*forward.upgrade,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(upgrades, [&["websocket".to_owned()][..], &["websocket".to_owned(), "chat/1".to_owned()]]);
}

#[test]
fn names_become_ids_and_texts_become_values() {
    let text = fs::read_to_string(folder("config/edge.toml")).unwrap().replace("include ", "# include ");
    let Loaded { plan, matches, .. } = edge(&text);
    let names: Vec<&str> = plan.upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
    assert_eq!(names, ["files", "invoices", "orders", "orders-canary", "web", "routes.events.upstream"]);
    assert_eq!(matches.len(), plan.routes.len());
    let route = |name: &str| plan.routes.iter().position(|route| route.name == name).unwrap();
    let invoice = &plan.routes[route("invoice")];
    let plan::Action::Forward(forward) = &invoice.action else { panic!("{invoice:?}") };
    assert_eq!(plan.upstreams[forward.targets[0].0.index()].name, "invoices");
    let Some(plan::PathRewrite::Template(path)) = &forward.rewrite.path else { panic!("{forward:?}") };
    assert_eq!(path.pieces, [Piece::Text("/render/".to_owned()), Piece::Variable(Variable::Capture(1))]);
    let orders = &matches[route("orders")];
    assert_eq!((orders.hosts[0].as_str(), orders.path.as_str()), ("api.example.com", "/orders/*"));
    let canary = &matches[route("orders-canary")];
    assert_eq!(canary.headers, [("x-env".to_owned(), ValueMatch::Exact("canary".to_owned()))]);
    let nothing = &plan.routes[route("nothing-here")];
    let plan::Action::Respond(respond) = &nothing.action else { panic!("{nothing:?}") };
    assert_eq!((respond.status, &respond.body[..]), (404, &br#"{"error":"no such resource"}"#[..]));
    assert_eq!(respond.fields, [("content-type".to_owned(), "application/json".to_owned())]);
    let events = &plan.routes[route("events")];
    assert_eq!((events.timeouts.request, events.timeouts.first_byte), (Duration::MAX, Duration::MAX));
}
