//! Routes: what they match, what they do, and under which timeouts and limits.

use std::collections::HashSet;

use super::upstream::Upstreams;
use super::{Names, action, inherit, unknown};
use crate::plan::code::Code;
use crate::plan::desk::Desk;
use crate::plan::origin::{Origins, Setting};
use crate::plan::raw::action::{Part, UpstreamRef};
use crate::plan::raw::route::{Action as RawAction, Route as RawRoute};
use crate::plan::raw::setting::{Limits as RawLimits, Timeouts as RawTimeouts};
use crate::plan::raw::{Named, Raw};
use crate::plan::read::{At, AtLeastOne};
use crate::plan::source::Place;
use crate::plan::value::template::Needs;
use crate::plan::{Action, Forward, Match, On, Respond, Route, Timeouts, ValueMatch};
use crate::words::ids::{ListenerId, RouteId, UpstreamId};
use crate::words::limits::SPLIT_MAX;

/// Compiles all routes. Those that were complained about have no entry in the matches.
pub fn compile(
    raw: &Raw, names: &Names, upstreams: &mut Upstreams, origins: &mut Origins, desk: &mut Desk<'_>,
) -> (Vec<Route>, Vec<Match>) {
    let mut compiler = Compiler { raw, names, upstreams, origins, everywhere: Wider::of(raw, &On::All) };
    let mut routes = Vec::with_capacity(raw.routes.len());
    let mut matches = Vec::with_capacity(raw.routes.len());
    for (position, named) in raw.routes.iter().enumerate() {
        let errors = desk.errors();
        let on = compiler.listeners(&named.section, desk);
        routes.push(compiler.route(named, &on, desk));
        if named.is_sound && desk.errors() == errors {
            matches.extend(conditions(RouteId::new(position), on, &named.section));
        }
    }
    (routes, matches)
}

struct Compiler<'c> {
    raw: &'c Raw,
    names: &'c Names,
    upstreams: &'c mut Upstreams,
    origins: &'c mut Origins,
    /// What routes on all listeners inherit: the same for all of them.
    everywhere: Wider,
}

/// What a route inherits from its listeners and `[defaults]`.
#[derive(Clone, Copy)]
pub struct Wider {
    /// Timeouts, with their places.
    pub timeouts: RawTimeouts,
    /// Limits, with their places.
    pub limits: RawLimits,
}

impl Wider {
    /// Of the listeners the first that sets a key counts.
    #[must_use]
    pub fn of(raw: &Raw, on: &On) -> Self {
        let none = Self { timeouts: RawTimeouts::default(), limits: RawLimits::default() };
        let join = |wider: Self, listener: &Named<crate::plan::raw::listener::Listener>| Self {
            timeouts: wider.timeouts.or(listener.section.timeouts),
            limits: wider.limits.or(listener.section.limits),
        };
        let listeners = match on {
            On::All => raw.listeners.iter().fold(none, join),
            On::Some(list) => list.iter().map(|id| &raw.listeners[id.index()]).fold(none, join),
        };
        Self {
            timeouts: listeners.timeouts.or(raw.defaults.timeouts),
            limits: listeners.limits.or(raw.defaults.limits),
        }
    }
}

impl Compiler<'_> {
    fn listeners(&self, raw: &RawRoute, desk: &mut Desk<'_>) -> On {
        let Some(list) = &raw.listeners else { return On::All };
        let mut ids: Vec<ListenerId> = Vec::new();
        for name in &list.value.0 {
            match self.names.listeners.get(&name.value.0) {
                Some(id) if ids.contains(id) => {
                    desk.complain(Code::Repeated, name.place, format!("listener \"{}\" is named twice", name.value.0));
                }
                Some(id) => ids.push(*id),
                None => unknown("listener", &name.value.0, name.place, self.names.listeners.keys(), desk),
            }
        }
        On::Some(ids)
    }

    fn route(&mut self, named: &Named<RawRoute>, on: &On, desk: &mut Desk<'_>) -> Route {
        let raw = &named.section;
        let path = raw.path.as_ref().map(|path| &path.value);
        let wider = if *on == On::All { self.everywhere } else { Wider::of(self.raw, on) };
        let (action, timeouts) = self.action(named, wider.timeouts, desk);
        let limits = raw.limits.or(wider.limits);
        self.origins.routes.push(settings(raw, &timeouts, &limits));
        check_repeated(raw, desk);
        Route {
            name: named.name.value.clone(),
            action,
            request: action::edits(raw.request.as_ref(), path, Needs::Route, desk),
            response: action::edits(raw.response.as_ref(), path, Needs::Answer, desk),
            limits: inherit::limits(&limits),
            timeouts: inherit::timeouts(&timeouts),
        }
    }

    /// The action, and the route's timeouts with what its upstreams set.
    fn action(&mut self, named: &Named<RawRoute>, wider: RawTimeouts, desk: &mut Desk<'_>) -> (Action, RawTimeouts) {
        let raw = &named.section;
        let plain = raw.timeouts.or(wider);
        let path = raw.path.as_ref().map(|path| &path.value);
        let targets = match &raw.action {
            Some(RawAction::Upstream(target)) => {
                self.target(named, target, desk).into_iter().map(|id| (id, 1)).collect()
            }
            Some(RawAction::Split(parts)) => self.split(parts, desk),
            Some(RawAction::Redirect(redirect)) => {
                refuse_forwarding(raw, "redirect", desk);
                return (action::redirect(redirect, path, desk).map_or(nothing(), Action::Redirect), plain);
            }
            Some(RawAction::Respond(respond)) => {
                refuse_forwarding(raw, "respond", desk);
                return (Action::Respond(action::respond(respond, desk)), plain);
            }
            None => {
                if named.is_sound {
                    desk.complain(
                        Code::NoAction,
                        named.name.place,
                        format!("route \"{}\" does nothing", named.name.value),
                    )
                    .hint("give it one of upstream, split, redirect, respond");
                }
                return (nothing(), plain);
            }
        };
        let rewrite = action::rewrite(raw.rewrite.as_ref(), path, desk);
        let (own, timeouts) = self.timeouts(&raw.timeouts, wider, &targets);
        let bounds_events = raw.timeouts.request.is_some();
        (Action::Forward(Forward { targets, timeouts, rewrite, upgrade: upgrade(raw), bounds_events }), own)
    }

    /// The timeouts of the route as a whole, and those for each target.
    fn timeouts(
        &self, own: &RawTimeouts, wider: RawTimeouts, targets: &[(UpstreamId, u32)],
    ) -> (RawTimeouts, Vec<Timeouts>) {
        let resolved: Vec<RawTimeouts> =
            targets.iter().map(|(id, _)| own.or(self.upstreams.timeouts(*id)).or(wider)).collect();
        let each: Vec<Timeouts> = resolved.iter().map(inherit::timeouts).collect();
        let agree =
            |pick: fn(&Timeouts) -> std::time::Duration| each.windows(2).all(|pair| pick(&pair[0]) == pick(&pair[1]));
        let plain = own.or(wider);
        let first = resolved.first().copied().unwrap_or(plain);
        let whole = RawTimeouts {
            connect: if agree(|timeouts| timeouts.connect) { first.connect } else { plain.connect },
            first_byte: if agree(|timeouts| timeouts.first_byte) { first.first_byte } else { plain.first_byte },
            idle: if agree(|timeouts| timeouts.idle) { first.idle } else { plain.idle },
            ..plain
        };
        (whole, each)
    }

    fn target(&mut self, named: &Named<RawRoute>, target: &At<UpstreamRef>, desk: &mut Desk<'_>) -> Option<UpstreamId> {
        match &target.value {
            UpstreamRef::Name(name) => self.named_upstream(name, target.place, desk),
            UpstreamRef::InPlace(upstream) => {
                let name = format!("routes.{}.upstream", named.name.value);
                Some(self.upstreams.add(name, upstream, target.place, self.origins, desk))
            }
        }
    }

    fn split(&self, parts: &At<AtLeastOne<Part>>, desk: &mut Desk<'_>) -> Vec<(UpstreamId, u32)> {
        let list = &parts.value.0;
        if list.len() > SPLIT_MAX {
            desk.complain(Code::TooMany, parts.place, format!("a split has at most {SPLIT_MAX} parts"));
            return Vec::new();
        }
        let mut targets: Vec<(UpstreamId, u32)> = Vec::with_capacity(list.len());
        for part in list.iter().map(|part| &part.value) {
            let Some(name) = &part.upstream else { continue };
            let weight = part.weight.map_or(1, |weight| weight.value.0);
            if let Some(zero) = part.weight.filter(|weight| weight.value.0 == 0) {
                let message = format!("\"{}\" has weight 0 and gets no request", name.value.0);
                desk.complain(Code::ZeroWeight, zero.place, message);
            }
            let Some(id) = self.named_upstream(&name.value.0, name.place, desk) else { continue };
            if targets.iter().any(|(known, _)| *known == id) {
                desk.complain(Code::Repeated, name.place, format!("\"{}\" is in the split twice", name.value.0));
            }
            targets.push((id, u32::try_from(weight).unwrap_or(u32::MAX)));
        }
        if !targets.is_empty() && targets.iter().all(|(_, weight)| *weight == 0) {
            desk.complain(Code::NoWeight, parts.place, "all parts have weight 0, so none can be chosen");
        }
        targets
    }

    fn named_upstream(&self, name: &str, place: Place, desk: &mut Desk<'_>) -> Option<UpstreamId> {
        let id = self.names.upstreams.get(name).copied();
        if id.is_none() {
            unknown("upstream", name, place, self.names.upstreams.keys(), desk);
        }
        id
    }
}

/// Stands where a complaint was made; no plan comes of it.
fn nothing() -> Action {
    Action::Respond(Respond { status: 500, fields: Vec::new(), body: bytes::Bytes::new() })
}

/// Complains of keys that only forwarding heeds.
fn refuse_forwarding(raw: &RawRoute, action: &str, desk: &mut Desk<'_>) {
    let keys = [
        ("rewrite", raw.rewrite.as_ref().map(|rewrite| rewrite.place)),
        ("upgrade", raw.upgrade.as_ref().map(|upgrade| upgrade.place)),
    ];
    for (key, place) in keys.into_iter().filter_map(|(key, place)| Some((key, place?))) {
        let message = format!("\"{key}\" has no meaning beside \"{action}\": nothing is forwarded");
        desk.complain(Code::Conflict, place, message);
    }
}

/// What connections may be upgraded to.
fn upgrade(raw: &RawRoute) -> Vec<String> {
    match &raw.upgrade {
        None => vec!["websocket".to_owned()],
        Some(list) => list.value.iter().map(|token| token.value.0.clone()).collect(),
    }
}

fn check_repeated(raw: &RawRoute, desk: &mut Desk<'_>) {
    let hosts = raw.hosts.iter().flat_map(|hosts| &hosts.value.0).map(|host| (&host.value.0, host.place));
    let methods = raw.methods.iter().flat_map(|methods| &methods.value.0).map(|method| (&method.value.0, method.place));
    let upgrades = raw.upgrade.iter().flat_map(|upgrade| &upgrade.value).map(|token| (&token.value.0, token.place));
    let mut seen = HashSet::new();
    for (word, place) in hosts.chain(methods).chain(upgrades) {
        if !seen.insert(word) {
            desk.complain(Code::Repeated, place, format!("\"{word}\" is named twice"));
        }
    }
}

/// What the router needs to know.
fn conditions(route: RouteId, on: On, raw: &RawRoute) -> Option<Match> {
    let pairs = |list: &[(At<String>, At<ValueMatch>)]| {
        list.iter().map(|(name, value)| (name.value.clone(), value.value.clone())).collect::<Vec<_>>()
    };
    Some(Match {
        route,
        on,
        hosts: raw.hosts.iter().flat_map(|hosts| &hosts.value.0).map(|host| host.value.0.clone()).collect(),
        path: raw.path.as_ref()?.value.text.clone(),
        path_regex: raw.path_regex.as_ref().map(|regex| regex.value.0.clone()),
        methods: raw.methods.iter().flat_map(|methods| &methods.value.0).map(|method| method.value.0.clone()).collect(),
        headers: raw.headers.as_ref().map(|fields| pairs(&fields.value.0)).unwrap_or_default(),
        query: raw.query.as_ref().map(|parameters| pairs(&parameters.value.0)).unwrap_or_default(),
    })
}

fn settings(raw: &RawRoute, timeouts: &RawTimeouts, limits: &RawLimits) -> Vec<Setting> {
    let mut list = inherit::settings(timeouts, limits);
    inherit::note(&mut list, "listeners", raw.listeners.as_ref());
    inherit::note(&mut list, "hosts", raw.hosts.as_ref());
    inherit::note(&mut list, "path", raw.path.as_ref());
    inherit::note(&mut list, "path_regex", raw.path_regex.as_ref());
    inherit::note(&mut list, "methods", raw.methods.as_ref());
    inherit::note(&mut list, "headers", raw.headers.as_ref());
    inherit::note(&mut list, "query", raw.query.as_ref());
    list.extend(raw.action.as_ref().map(|action| Setting { key: action.key(), place: Some(action.place()) }));
    inherit::note(&mut list, "rewrite", raw.rewrite.as_ref());
    inherit::note(&mut list, "upgrade", raw.upgrade.as_ref());
    inherit::note(&mut list, "request", raw.request.as_ref());
    inherit::note(&mut list, "response", raw.response.as_ref());
    list
}
