//! The words of the report: why a route lost, and the values of settings.

use std::time::Duration;

use crate::plan::explain::{Advantage, Loss};
use crate::plan::origin::Setting;
use crate::plan::value::quantity::{duration_text, rate_text, size_text};
use crate::plan::{
    Action, Balance, FieldEdits, Loaded, Match, ProxyProtocol, Route, Upstream, UpstreamProtocol, UpstreamTls,
    ValueMatch,
};
use crate::words::ids::UpstreamId;

/// `weight` of `all` in percent, to one decimal where it needs one.
pub(super) fn share(weight: u32, all: u64) -> String {
    let permille = (u64::from(weight) * 1000 + all / 2).checked_div(all).unwrap_or(0);
    match permille % 10 {
        0 => format!("{}%", permille / 10),
        tenth => format!("{}.{tenth}%", permille / 10),
    }
}

/// Why `wanted` lost, to `winner` if there is one.
pub(super) fn because(loss: Loss<'_>, wanted: &Match, winner: Option<&str>) -> String {
    match loss {
        Loss::Listener => "it does not serve this listener".to_owned(),
        Loss::Host => format!("host: it serves {}", wanted.hosts.join(", ")),
        Loss::Path => format!("path: it serves {}", wanted.path),
        Loss::PathRegex => format!("path_regex: {} does not match", wanted.path_regex.as_deref().unwrap_or_default()),
        Loss::Header(name) => format!("header {name}: {}", wish(&wanted.headers, name)),
        Loss::Query(name) => format!("query {name}: {}", wish(&wanted.query, name)),
        Loss::Method => format!("method: it serves {}", wanted.methods.join(", ")),
        Loss::Outranked(advantage) => {
            format!("it matches, but \"{}\" {}", winner.unwrap_or_default(), advantage_text(advantage))
        }
    }
}

fn wish(tests: &[(String, ValueMatch)], name: &str) -> String {
    tests.iter().filter(|(own, _)| own == name).map(|(_, test)| test_text(test)).collect::<Vec<_>>().join(", ")
}

fn test_text(test: &ValueMatch) -> String {
    match test {
        ValueMatch::Present => "must be there".to_owned(),
        ValueMatch::Exact(text) => format!("must be \"{text}\""),
        ValueMatch::Regex(text) => format!("must match {text}"),
    }
}

fn advantage_text(advantage: Advantage) -> &'static str {
    match advantage {
        Advantage::Host => "has the more specific host",
        Advantage::Path => "has the more specific path",
        Advantage::PathRegex => "has a path_regex",
        Advantage::Method => "names methods",
        Advantage::Headers => "asks for more fields",
        Advantage::Query => "asks for more query parameters",
        Advantage::Head => "names HEAD",
        Advantage::Order => "stands earlier, and the request satisfies tests that exclude each other",
    }
}

/// What `setting` of the winner is set to.
pub(super) fn route_value(setting: &Setting, route: &Route, wanted: &Match, loaded: &Loaded) -> String {
    let (timeouts, limits) = (&route.timeouts, &route.limits);
    match setting.key {
        "timeouts.head" => duration_text(timeouts.head),
        "timeouts.connect" => duration_text(timeouts.connect),
        "timeouts.first_byte" => duration_text(timeouts.first_byte),
        "timeouts.request" => duration_text(timeouts.request),
        "timeouts.idle" => duration_text(timeouts.idle),
        "limits.header_bytes" => size_text(limits.header_bytes),
        "limits.headers" => limits.headers.to_string(),
        "limits.target_bytes" => size_text(limits.target_bytes),
        "limits.body" => size_text(limits.body),
        "limits.body_rate" => rate_text(limits.body_rate),
        "limits.connections" => limits.connections.to_string(),
        "limits.connections_per_address" => limits.connections_per_address.to_string(),
        "hosts" => wanted.hosts.join(", "),
        "path" => wanted.path.clone(),
        "path_regex" => wanted.path_regex.clone().unwrap_or_default(),
        "methods" => wanted.methods.join(", "),
        "headers" => tests_text(&wanted.headers),
        "query" => tests_text(&wanted.query),
        _ => action_value(setting.key, route, loaded),
    }
}

/// What a key that has no value of one line is set for.
fn action_value(key: &str, route: &Route, loaded: &Loaded) -> String {
    match (key, &route.action) {
        ("upstream" | "split", Action::Forward(forward)) => {
            let name = |id: &UpstreamId| loaded.plan.upstreams[id.index()].name.as_str();
            forward.targets.iter().map(|(id, _)| name(id)).collect::<Vec<_>>().join(", ")
        }
        ("redirect", Action::Redirect(redirect)) => redirect.status.to_string(),
        ("respond", Action::Respond(respond)) => respond.status.to_string(),
        ("upgrade", Action::Forward(forward)) if forward.upgrade.is_empty() => "nothing".to_owned(),
        ("upgrade", Action::Forward(forward)) => forward.upgrade.join(", "),
        ("request", _) => edits_text(&route.request),
        ("response", _) => edits_text(&route.response),
        _ => "set".to_owned(),
    }
}

fn edits_text(edits: &FieldEdits) -> String {
    let removed = edits.remove.iter().map(|name| format!("-{name}"));
    let set = edits.set.iter().map(|(name, _)| format!("={name}"));
    let added = edits.add.iter().map(|(name, _)| format!("+{name}"));
    removed.chain(set).chain(added).collect::<Vec<_>>().join(" ")
}

fn tests_text(tests: &[(String, ValueMatch)]) -> String {
    tests.iter().map(|(name, test)| format!("{name} {}", test_text(test))).collect::<Vec<_>>().join(", ")
}

/// What `setting` of an upstream is set to.
pub(super) fn upstream_value(setting: &Setting, upstream: &Upstream) -> String {
    let span = |span: Option<Duration>| span.map(duration_text).unwrap_or_default();
    match setting.key {
        "endpoints" => upstream.endpoints.len().to_string(),
        "balance" => match upstream.balance {
            Balance::RoundRobin => "round_robin".to_owned(),
            Balance::Weighted => "weighted".to_owned(),
        },
        "idle_connections" => upstream.idle_connections.to_string(),
        "idle_timeout" => duration_text(upstream.idle_timeout),
        "protocol" => match upstream.protocol {
            UpstreamProtocol::Http1 => "http/1.1".to_owned(),
            UpstreamProtocol::H2 => "h2".to_owned(),
            UpstreamProtocol::H2c => "h2c".to_owned(),
        },
        "proxy_protocol" => match upstream.proxy_protocol {
            None => "none".to_owned(),
            Some(ProxyProtocol::V1) => "v1".to_owned(),
            Some(ProxyProtocol::V2) => "v2".to_owned(),
        },
        "tls" => tls_text(upstream.tls.as_ref()),
        "timeouts.connect" => span(upstream.timeouts.connect),
        "timeouts.first_byte" => span(upstream.timeouts.first_byte),
        "timeouts.idle" => span(upstream.timeouts.idle),
        _ => "set".to_owned(),
    }
}

/// Whom an upstream must show to be, and whom Ringway shows to be.
fn tls_text(tls: Option<&UpstreamTls>) -> String {
    let Some(UpstreamTls { ca, server_name, certificate, verify }) = tls else { return "none".to_owned() };
    let ca = ca.as_ref().map_or("the system's roots".to_owned(), |path| path.display().to_string());
    let mut words = vec![if *verify { ca } else { "unverified".to_owned() }];
    words.extend(server_name.as_ref().map(|name| format!("as {name}")));
    words.extend(certificate.as_ref().map(|own| format!("showing {}", own.cert.display())));
    words.join(", ")
}
