//! The sections of the language, one description each: keys, defaults, meanings; and what was read, with places.
//!
//! Not here: what names refer to, inheritance, and anything that needs two sections at once (`compile`).

use toml::de::{DeTable, DeValue};

pub mod action;
pub mod listener;
pub mod observe;
pub mod route;
pub mod server;
pub mod setting;
pub mod tls;
pub mod upstream;

use super::code::Code;
use super::desk::Desk;
use super::read::{At, Item, Section, Table, Value, not_supported, unknown, wrong_type};
use super::shape::{Described, Shape};
use super::source::{FileId, Place};
use super::value::word::{is_name, name_from};
use listener::Listener;
use observe::{AccessLog, Admin};
use route::Route;
use server::{Defaults, Server};
use tls::Tls;
use upstream::Upstream;

/// The sections of a configuration. The first column of the reference.
pub const SECTIONS: &[Described] = &[
    section("server", Shape::Table(Server::KEYS), "The process as a whole."),
    section("defaults", Shape::Table(Defaults::KEYS), "What listeners and routes inherit."),
    section("listeners", named(&Listener::SHAPE), "Where connections come in."),
    Described { is_shown: false, ..section("tls", named(&Tls::SHAPE), "How listeners speak TLS.") },
    section("routes", named(&Route::SHAPE), "Which requests go where; the most specific one wins."),
    section("upstreams", named(&Upstream::SHAPE), "Where requests are sent to."),
    section(
        "admin",
        Shape::Table(Admin::KEYS),
        "Metrics and health for operators, never on a public address. Without it there are none.",
    ),
    section("access_log", Shape::Table(AccessLog::KEYS), "One line for each exchange. Without it there is none."),
];

/// Sections that are in the language and have no meaning yet, and how many names deep their tables lie.
const LATER: &[(&str, usize)] =
    &[("apis", 1), ("policies", 2), ("consumers", 1), ("plans", 1), ("usage", 0), ("tracing", 0)];

const fn section(name: &'static str, shape: Shape, meaning: &'static str) -> Described {
    Described { name, shape, default: "", example: "", meaning, is_required: false, is_shown: true }
}

const fn named(shape: &'static Shape) -> Shape {
    Shape::Named("name", shape)
}

/// A section under a name of the user's.
#[derive(Debug)]
pub struct Named<S> {
    /// The name and where it stands.
    pub name: At<String>,
    /// What was read.
    pub section: S,
    /// Nothing in it was complained about, so what follows from it can be trusted.
    pub is_sound: bool,
}

/// All that was read from all files.
#[derive(Debug, Default)]
pub struct Raw {
    /// `[server]`.
    pub server: Server,
    /// `[defaults]`.
    pub defaults: Defaults,
    /// `[listeners.*]` by name.
    pub listeners: Vec<Named<Listener>>,
    /// `[tls.*]` by name.
    pub tls: Vec<Named<Tls>>,
    /// `[routes.*]` by name.
    pub routes: Vec<Named<Route>>,
    /// `[upstreams.*]` by name.
    pub upstreams: Vec<Named<Upstream>>,
    /// `[admin]`.
    pub admin: Option<Admin>,
    /// `[access_log]`.
    pub access_log: Option<AccessLog>,
}

/// Reads the documents of all files as one configuration.
pub fn read(documents: &[(FileId, DeTable<'_>)], desk: &mut Desk<'_>) -> Raw {
    let mut parts = Parts::default();
    for (file, document) in documents {
        for (name, value) in document {
            let (key, place) = (Place::new(*file, name.span()), Place::new(*file, value.span()));
            let item = Item { value: value.get_ref(), place, key };
            parts.sort_in(name.get_ref(), item, desk);
        }
    }
    Raw {
        server: single(parts.server, server::take_include, desk).unwrap_or_default(),
        defaults: single(parts.defaults, |_, _| (), desk).unwrap_or_default(),
        listeners: names(parts.listeners, desk),
        tls: names(parts.tls, desk),
        routes: names(parts.routes, desk),
        upstreams: names(parts.upstreams, desk),
        admin: single(parts.admin, |_, _| (), desk),
        access_log: single(parts.access_log, |_, _| (), desk),
    }
}

/// The pieces of each section, one from each file that has it.
#[derive(Default)]
struct Parts<'t> {
    server: Vec<Item<'t>>,
    defaults: Vec<Item<'t>>,
    listeners: Vec<Item<'t>>,
    tls: Vec<Item<'t>>,
    routes: Vec<Item<'t>>,
    upstreams: Vec<Item<'t>>,
    admin: Vec<Item<'t>>,
    access_log: Vec<Item<'t>>,
}

impl<'t> Parts<'t> {
    fn sort_in(&mut self, name: &str, item: Item<'t>, desk: &mut Desk<'_>) {
        match name {
            "server" => self.server.push(item),
            "defaults" => self.defaults.push(item),
            "listeners" => self.listeners.push(item),
            "tls" => self.tls.push(item),
            "routes" => self.routes.push(item),
            "upstreams" => self.upstreams.push(item),
            "admin" => self.admin.push(item),
            "access_log" => self.access_log.push(item),
            _ => match LATER.iter().find(|(later, _)| *later == name) {
                Some((_, depth)) => later(item, name, *depth, desk),
                None => {
                    let later: Vec<&str> = LATER.iter().map(|(later, _)| *later).collect();
                    unknown(name, item, SECTIONS, &later, desk);
                }
            },
        }
    }
}

/// Complains once for each table that the user named, so that each gets its place.
fn later(item: Item<'_>, name: &str, depth: usize, desk: &mut Desk<'_>) {
    match item.value {
        DeValue::Table(table) if depth > 0 && !table.is_empty() => {
            for (key, value) in table {
                let place = Place::new(item.place.file, value.span());
                let item = Item { value: value.get_ref(), place, key: Place::new(item.place.file, key.span()) };
                later(item, &format!("{name}.{}", key.get_ref()), depth - 1, desk);
            }
        }
        _ => not_supported(item.key, &format!("\"{name}\""), desk),
    }
}

/// Joins the pieces of a section that has fixed keys, and reads it. `alone` takes what each file has for itself.
fn single<S: Section>(
    parts: Vec<Item<'_>>, alone: fn(&mut Table<'_>, &mut Desk<'_>), desk: &mut Desk<'_>,
) -> Option<S> {
    let mut joined: Option<Table<'_>> = None;
    for item in parts {
        let Some(mut table) = Table::of(item, desk) else { continue };
        alone(&mut table, desk);
        match &mut joined {
            Some(first) => first.join(table, desk),
            None => joined = Some(table),
        }
    }
    let mut table = joined?;
    let section = S::read(&mut table, desk);
    table.finish::<S>(desk);
    Some(section)
}

/// Joins the pieces of a section whose keys are the user's names, and reads each.
fn names<S: Section>(parts: Vec<Item<'_>>, desk: &mut Desk<'_>) -> Vec<Named<S>> {
    let mut list: Vec<(&str, Item<'_>)> = Vec::new();
    for item in parts {
        match item.value {
            DeValue::Table(table) => list.extend(table.iter().map(|(name, value)| {
                let (key, place) =
                    (Place::new(item.place.file, name.span()), Place::new(item.place.file, value.span()));
                (name.get_ref().as_ref(), Item { value: value.get_ref(), place, key })
            })),
            _ => wrong_type(item, "a table of named tables", desk),
        }
    }
    // Stable: of two with one name the file that was read first comes first.
    list.sort_by_key(|(name, _)| *name);
    let mut read: Vec<Named<S>> = Vec::with_capacity(list.len());
    for (name, item) in list {
        if let Some(first) = read.last().filter(|last| last.name.value == name) {
            let first = first.name.place;
            desk.complain(Code::Twice, item.key, format!("\"{name}\" is defined twice"))
                .other("it is defined here too", first);
            continue;
        }
        let errors = desk.errors();
        check_name(name, item.key, desk);
        let Some(section) = <S as Value>::read(item, desk) else { continue };
        let name = At { value: name.to_owned(), place: item.key };
        read.push(Named { name, section, is_sound: desk.errors() == errors });
    }
    read
}

fn check_name(name: &str, place: Place, desk: &mut Desk<'_>) {
    if !is_name(name) {
        let found = desk.complain(Code::BadName, place, format!("the name \"{name}\" is not in kebab-case"));
        match name_from(name) {
            Some(better) => found.suggest(Some(&better)),
            None => found.hint("lower-case letters, digits and inner hyphens, at most 100, as in \"orders-v2\""),
        };
    }
}
