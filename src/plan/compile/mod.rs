//! What was read becomes a plan: names become ids, settings are inherited, and what needs two sections at once is
//! checked.
//!
//! Sections that were complained about still lend their names, so that nobody complains of what follows from another
//! complaint; but only sound routes meet the router.

pub mod action;
pub mod inherit;
pub mod lint;
pub mod listener;
pub mod resolve;
pub mod route;
pub mod tls;
pub mod upstream;

use std::collections::HashMap;
use std::path::PathBuf;

use super::code::Code;
use super::desk::Desk;
use super::origin::Origins;
use super::raw::observe::Format;
use super::raw::server::Server as RawServer;
use super::raw::{Named, Raw};
use super::read::At;
use super::router::Router;
use super::source::Place;
use super::value::template::Needs;
use super::{AccessLog, Admin, LogFormat, Match, Plan, Server, Workers, raw};
use crate::words::ids::{ListenerId, RouteId, TlsId, UpstreamId};
use crate::words::limits::{DRAIN_TIMEOUT, LISTENERS_MAX, ROUTES_MAX, TLS_MAX, UPSTREAMS_MAX};

/// What compiling gives.
#[derive(Debug)]
pub struct Compiled {
    /// The plan.
    pub plan: Plan,
    /// What the router was compiled from.
    pub matches: Vec<Match>,
    /// Where settings came from; without the files' lines.
    pub origins: Origins,
    /// The files of certificates, and where they are named.
    pub files: tls::Files,
}

/// Names and what they stand for.
pub struct Names {
    listeners: HashMap<String, ListenerId>,
    upstreams: HashMap<String, UpstreamId>,
    tls: HashMap<String, TlsId>,
}

/// Compiles `raw`. `None` when files are missing or broken: then names may be missing too, and nothing can be said.
pub fn compile(raw: Raw, desk: &mut Desk<'_>) -> Option<Compiled> {
    if !desk.is_whole() {
        return None;
    }
    check_counts(&raw, desk);
    let names = Names {
        listeners: index(&raw.listeners, ListenerId::new),
        upstreams: index(&raw.upstreams, UpstreamId::new),
        tls: index(&raw.tls, TlsId::new),
    };
    let mut files = tls::Files::default();
    let tls = tls::compile(&raw.tls, &mut files, desk);
    let mut origins = Origins::default();
    let admin = raw.admin.as_ref().and_then(|admin| admin.address).map(|at| At { value: at.value.0, place: at.place });
    let listeners = listener::compile(&raw, &names, admin, &mut origins, desk);
    let mut upstreams = upstream::Upstreams::compile(&raw.upstreams, files, &mut origins, desk);
    let (routes, matches) = route::compile(&raw, &names, &mut upstreams, &mut origins, desk);
    let router = find_ties(&raw.routes, &matches, desk);
    if desk.errors() == 0 {
        lint::lint(&raw, &listeners, &routes, &matches, desk);
        lint::tls(&raw, &listeners, desk);
    }
    let plan = Plan {
        generation: 1,
        server: server(raw.server),
        listeners,
        routes,
        upstreams: upstreams.list,
        tls,
        router,
        admin: admin.map(|address| Admin { address: address.value }),
        access_log: raw.access_log.map(|log| access_log(log, desk)),
    };
    Some(Compiled { plan, matches, origins, files: upstreams.files })
}

fn check_counts(raw: &Raw, desk: &mut Desk<'_>) {
    let counts = [
        ("listeners", raw.listeners.len(), LISTENERS_MAX),
        ("routes", raw.routes.len(), ROUTES_MAX),
        ("upstreams", raw.upstreams.len(), UPSTREAMS_MAX),
        ("sections of [tls]", raw.tls.len(), TLS_MAX),
    ];
    for (what, count, max) in counts {
        if count > max {
            desk.complain_of_all(Code::TooMany, format!("there are {count} {what}; at most {max} are allowed"));
        }
    }
}

fn index<S, Id>(named: &[Named<S>], id: fn(usize) -> Id) -> HashMap<String, Id> {
    named.iter().enumerate().map(|(position, named)| (named.name.value.clone(), id(position))).collect()
}

fn server(raw: RawServer) -> Server {
    Server {
        name: raw.name.map_or_else(|| "ringway".to_owned(), |name| name.value.0),
        workers: raw.workers.map_or(Workers::Auto, |workers| workers.value),
        cpus: raw.cpus.map(|cpus| cpus.value.0.into_iter().collect()).unwrap_or_default(),
        steering: raw.steering.map(|steering| steering.value).unwrap_or_default(),
        drain_timeout: raw.drain_timeout.map_or(DRAIN_TIMEOUT, |span| span.value),
    }
}

fn access_log(raw: raw::observe::AccessLog, desk: &mut Desk<'_>) -> AccessLog {
    let file = raw.file.map(|file| file.value.0).filter(|file| file != "-" && file != "stdout");
    let format = match raw.format.map(|format| format.value) {
        None | Some(Format::Json) => LogFormat::Json,
        Some(Format::Combined) => LogFormat::Combined,
        Some(Format::Template(draft)) => LogFormat::Template(draft.compile(&[], Needs::End, desk).unwrap_or_default()),
    };
    AccessLog { file: file.map(PathBuf::from), format }
}

/// Complains that no `what` has the name that was used.
fn unknown<'n>(what: &str, name: &str, place: Place, names: impl Iterator<Item = &'n String>, desk: &mut Desk<'_>) {
    let nearest = desk.nearest(name, names.map(String::as_str));
    desk.complain(Code::UnknownName, place, format!("unknown {what} \"{name}\"")).suggest(nearest);
}

/// Compiles the router; a tie is an error at the route that stands later.
fn find_ties(routes: &[Named<raw::route::Route>], matches: &[Match], desk: &mut Desk<'_>) -> Router {
    let ties = match Router::compile(matches) {
        Ok(router) => return router,
        Err(ties) => ties,
    };
    let name = |id: RouteId| &routes[id.index()].name;
    for tie in ties {
        let (mut first, mut second) = (name(tie.0), name(tie.1));
        if second.place < first.place {
            std::mem::swap(&mut first, &mut second);
        }
        let message = format!(
            "routes \"{}\" and \"{}\" tie: both match the same requests and no rule prefers one",
            first.value, second.value
        );
        desk.complain(Code::Tie, second.place, message)
            .other(format!("\"{}\" is here", first.value), first.place)
            .hint("give one of them another host, path, method or predicate");
    }
    Router::default()
}
