//! Warnings: what is allowed, but hardly meant. Given only for a configuration without errors, so that none follows
//! from one. Everything here is linear in the configuration.
//!
//! Whether a route is shadowed is in general a question of covering sets; only what is certain and cheap is said.

use std::collections::HashSet;

use super::route::Wider;
use crate::plan::code::Code;
use crate::plan::desk::Desk;
use crate::plan::raw::action::UpstreamRef;
use crate::plan::raw::route::{Action as RawAction, Route as RawRoute};
use crate::plan::raw::setting::{Limits, Timeouts};
use crate::plan::raw::{Named, Raw};
use crate::plan::read::At;
use crate::plan::router::pattern::Pattern;
use crate::plan::source::Place;
use crate::plan::{Action, Listener, Match, On, Route};
use crate::words::ids::ListenerId;

/// Methods that the gateway answers itself: CONNECT is 501, TRACE is 405, whatever the routes say.
const OWN_METHODS: &[&str] = &["CONNECT", "TRACE"];

/// Warns about a sound configuration. `matches` stand in the order of the routes.
pub fn lint(raw: &Raw, listeners: &[Listener], routes: &[Route], matches: &[Match], desk: &mut Desk<'_>) {
    for (named, conditions) in raw.routes.iter().zip(matches) {
        if let Some(why) = unreachable(conditions, listeners) {
            desk.complain(
                Code::Unreachable,
                named.name.place,
                format!("route \"{}\" can never be reached: {why}", named.name.value),
            );
        }
        without_effect(named, desk);
    }
    unused_upstreams(raw, routes, desk);
    listeners_without_routes(raw, listeners, matches, desk);
    disagreements(raw, matches, desk);
    if let Some(address) = raw.admin.as_ref().and_then(|admin| admin.address)
        && !address.value.0.ip().is_loopback()
    {
        desk.complain(Code::OpenAdmin, address.place, "the admin server is not on a loopback address")
            .hint("listen on 127.0.0.1 or [::1]");
    }
}

fn unreachable(conditions: &Match, listeners: &[Listener]) -> Option<&'static str> {
    let redirects = |id: &ListenerId| listeners[id.index()].redirect.is_some();
    let is_redirected = match &conditions.on {
        On::All => listeners.iter().all(|listener| listener.redirect.is_some()),
        On::Some(ids) => ids.iter().all(redirects),
    };
    let methods = &conditions.methods;
    let is_literal = !conditions.path.contains(['{', '*']);
    let regex = conditions.path_regex.as_ref().filter(|_| is_literal);
    match () {
        () if is_redirected => Some("its listeners answer everything with a redirect"),
        () if !methods.is_empty() && methods.iter().all(|method| OWN_METHODS.contains(&method.as_str())) => {
            Some("the gateway itself answers CONNECT and TRACE")
        }
        () if regex
            .is_some_and(|regex| Pattern::new(regex).is_ok_and(|regex| !regex.is_match(conditions.path.bytes()))) =>
        {
            Some("its only path does not match its path_regex")
        }
        () => None,
    }
}

/// Settings that were decided before the route was known, and edits of requests that go nowhere.
fn without_effect(named: &Named<RawRoute>, desk: &mut Desk<'_>) {
    let RawRoute { timeouts, limits, request, action, .. } = &named.section;
    let early: [(&str, Option<Place>); 4] = [
        ("timeouts.head", timeouts.head.map(|at| at.place)),
        ("limits.target_bytes", limits.target_bytes.map(|at| at.place)),
        ("limits.connections", limits.connections.map(|at| at.place)),
        ("limits.connections_per_address", limits.connections_per_address.map(|at| at.place)),
    ];
    for (key, place) in early.into_iter().filter_map(|(key, place)| Some((key, place?))) {
        desk.complain(
            Code::NoEffect,
            place,
            format!("\"{key}\" has no effect on a route: it counts before the route is known"),
        )
        .hint("set it on the listener or in [defaults]");
    }
    if let (Some(request), Some(RawAction::Redirect(_) | RawAction::Respond(_))) = (request, action) {
        desk.complain(Code::NoEffect, request.place, "\"request\" has no effect: nothing is forwarded");
    }
}

/// Warns about certificates that nobody checks or shows.
pub fn tls(raw: &Raw, listeners: &[Listener], desk: &mut Desk<'_>) {
    for (position, named) in raw.tls.iter().enumerate() {
        if !listeners.iter().any(|listener| listener.tls.is_some_and(|id| id.index() == position)) {
            desk.complain(Code::Unused, named.name.place, format!("no listener uses tls \"{}\"", named.name.value));
        }
    }
    let in_place = raw.routes.iter().filter_map(|named| match &named.section.action {
        Some(RawAction::Upstream(At { value: UpstreamRef::InPlace(upstream), .. })) => Some(&**upstream),
        _ => None,
    });
    for upstream in raw.upstreams.iter().map(|named| &named.section).chain(in_place) {
        let verify = upstream.tls.as_ref().and_then(|tls| tls.value.verify);
        if let Some(verify) = verify.filter(|verify| !verify.value.0) {
            desk.complain(Code::Unverified, verify.place, "certificates of this upstream are not verified")
                .hint("whoever is on the way can read and change what is sent; name the roots to trust in \"ca\"");
        }
    }
}

fn unused_upstreams(raw: &Raw, routes: &[Route], desk: &mut Desk<'_>) {
    let mut used = vec![false; raw.upstreams.len()];
    for route in routes {
        let Action::Forward(forward) = &route.action else { continue };
        for (id, _) in &forward.targets {
            // Those written in place stand behind the named ones, and are used by nature.
            if let Some(used) = used.get_mut(id.index()) {
                *used = true;
            }
        }
    }
    for (named, _) in raw.upstreams.iter().zip(used).filter(|(_, used)| !used) {
        desk.complain(Code::Unused, named.name.place, format!("no route uses upstream \"{}\"", named.name.value));
    }
}

fn listeners_without_routes(raw: &Raw, listeners: &[Listener], matches: &[Match], desk: &mut Desk<'_>) {
    let mut served: HashSet<ListenerId> = HashSet::new();
    for conditions in matches {
        match &conditions.on {
            On::All => return,
            On::Some(ids) => served.extend(ids),
        }
    }
    for (position, (named, listener)) in raw.listeners.iter().zip(listeners).enumerate() {
        if listener.redirect.is_none() && !served.contains(&ListenerId::new(position)) {
            desk.complain(Code::NoRoutes, named.name.place, format!("listener \"{}\" has no routes", named.name.value));
        }
    }
}

/// Where a route's listeners set one key differently, its first listener counts: worth a word. Once for each key and
/// set of listeners; of the routes on all listeners only the first is looked at.
fn disagreements(raw: &Raw, matches: &[Match], desk: &mut Desk<'_>) {
    let mut told: HashSet<(Vec<ListenerId>, &str)> = HashSet::new();
    let mut all: Option<Vec<ListenerId>> = Some((0..raw.listeners.len()).map(ListenerId::new).collect());
    for (named, conditions) in raw.routes.iter().zip(matches) {
        let ids = match &conditions.on {
            On::Some(ids) => Some(ids.clone()),
            On::All => all.take(),
        };
        let Some(ids) = ids.filter(|ids| ids.len() > 1) else { continue };
        let first = Wider::of(raw, &On::Some(ids.clone()));
        for id in &ids {
            let other = &raw.listeners[id.index()].section;
            for (key, place) in differing(&named.section, &first, &other.timeouts, &other.limits) {
                if told.insert((ids.clone(), key)) {
                    let message = format!(
                        "listeners of route \"{}\" disagree about \"{key}\": the first that sets it counts",
                        named.name.value
                    );
                    desk.complain(Code::Ambiguous, place, message).hint("set it on the route");
                }
            }
        }
    }
}

/// The keys that count on routes, that `route` does not set, and that `timeouts` and `limits` set differently.
fn differing(route: &RawRoute, first: &Wider, timeouts: &Timeouts, limits: &Limits) -> Vec<(&'static str, Place)> {
    let (own_timeouts, own_limits) = (&route.timeouts, &route.limits);
    let timeouts = [
        ("timeouts.connect", own_timeouts.connect, first.timeouts.connect, timeouts.connect),
        ("timeouts.first_byte", own_timeouts.first_byte, first.timeouts.first_byte, timeouts.first_byte),
        ("timeouts.request", own_timeouts.request, first.timeouts.request, timeouts.request),
        ("timeouts.idle", own_timeouts.idle, first.timeouts.idle, timeouts.idle),
    ];
    let limits = [
        ("limits.body", own_limits.body, first.limits.body, limits.body),
        ("limits.body_rate", own_limits.body_rate, first.limits.body_rate, limits.body_rate),
    ];
    let mut found = Vec::new();
    for (key, own, first, other) in timeouts {
        let is_other = other.is_some() && first.map(|at| at.value) != other.map(|at| at.value);
        found.extend(other.filter(|_| own.is_none() && is_other).map(|other| (key, other.place)));
    }
    for (key, own, first, other) in limits {
        let is_other = other.is_some() && first.map(|at| at.value) != other.map(|at| at.value);
        found.extend(other.filter(|_| own.is_none() && is_other).map(|other| (key, other.place)));
    }
    found
}
