//! What routes do and change: `redirect`, `respond`, `rewrite`, field edits, the parts of a `split`.

use toml::de::DeValue;

use super::upstream::Upstream;
use crate::plan::HostRewrite;
use crate::plan::code::Code;
use crate::plan::desk::Desk;
use crate::plan::read::{At, Item, Section, Table, Value, wrong_type};
use crate::plan::shape::{Described, Key, Shape};
use crate::plan::value::field::{EditableField, EditableFields, FieldText};
use crate::plan::value::host::Host;
use crate::plan::value::json::Json;
use crate::plan::value::number::Count;
use crate::plan::value::path::Prefix;
use crate::plan::value::template::Draft;
use crate::plan::value::word::{AnyText, Name, Scheme, Text};
use crate::words::limits::WEIGHT_MAX;

const PATH: Key<Draft> =
    Key::new("path", "(kept)", "The new path: a template; excludes prefix.").example("\"/v2/{id}\"");
const PREFIX: Key<Prefix> =
    Key::new("prefix", "(kept)", "Takes the place of what the route's path says before /*; excludes path.")
        .example("\"/v2\"");
const QUERY: Key<Draft> = Key::new("query", "(kept)", "The new query without \"?\": a template; \"\" removes it.")
    .example("\"source={client.ip}\"");
const STATUS: Key<RedirectStatus> = Key::new("status", "308", "301, 302, 303, 307 or 308.");
const SCHEME: Key<Scheme> = Key::new("scheme", "(kept)", "\"http\" or \"https\".").example("\"https\"");
const HOST: Key<Host> = Key::new("host", "(kept)", "The new host, without a port.").example("\"www.example.com\"");
const PORT: Key<Count<1, 65535>> =
    Key::new("port", "(kept; the new scheme's own when scheme is given)", "The new port.").example("8443");

/// `redirect`.
#[derive(Clone, Debug)]
pub struct Redirect {
    /// `status`.
    pub status: Option<At<RedirectStatus>>,
    /// `scheme`.
    pub scheme: Option<At<Scheme>>,
    /// `host`.
    pub host: Option<At<Host>>,
    /// `port`.
    pub port: Option<At<Count<1, 65535>>>,
    /// `path`.
    pub path: Option<At<Draft>>,
    /// `prefix`.
    pub prefix: Option<At<Prefix>>,
    /// `query`.
    pub query: Option<At<Draft>>,
}

impl Section for Redirect {
    const KEYS: &'static [Described] = &[
        STATUS.describe(),
        SCHEME.describe(),
        HOST.describe(),
        PORT.describe(),
        PATH.describe(),
        PREFIX.describe(),
        QUERY.describe(),
    ];

    fn read(table: &mut Table<'_>, desk: &mut Desk<'_>) -> Self {
        if !table.names().any(|(name, _)| name != STATUS.name()) {
            desk.complain(Code::Missing, table.key, "the redirect goes where the request already is")
                .hint("give at least one of scheme, host, port, path, prefix, query");
        }
        exclude(table, PATH.name(), PREFIX.name(), desk);
        Self {
            status: table.take(&STATUS, desk),
            scheme: table.take(&SCHEME, desk),
            host: table.take(&HOST, desk),
            port: table.take(&PORT, desk),
            path: table.take(&PATH, desk),
            prefix: table.take(&PREFIX, desk),
            query: table.take(&QUERY, desk),
        }
    }
}

/// Complains when both keys are there.
fn exclude(table: &Table<'_>, one: &str, other: &str, desk: &mut Desk<'_>) {
    let place = |wanted: &str| table.names().find(|(name, _)| *name == wanted).map(|(_, item)| item.key);
    if let (Some(first), Some(second)) = (place(one), place(other)) {
        desk.complain(Code::Conflict, second, format!("\"{other}\" and \"{one}\" exclude each other"))
            .other(format!("\"{one}\" is here"), first);
    }
}

/// The status of a redirect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RedirectStatus(pub u16);

impl Value for RedirectStatus {
    const SHAPE: Shape = Shape::Any(&[Shape::Integer(301, 303), Shape::Integer(307, 308)]);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        match status(item, desk)? {
            status @ (301 | 302 | 303 | 307 | 308) => Some(Self(status)),
            _ => {
                desk.complain(
                    Code::BadStatus,
                    item.place,
                    "a redirect has one of the statuses 301, 302, 303, 307, 308",
                );
                None
            }
        }
    }
}

fn status(item: Item<'_>, desk: &mut Desk<'_>) -> Option<u16> {
    let DeValue::Integer(integer) = item.value else {
        wrong_type(item, "a status code", desk);
        return None;
    };
    // What is no number of 16 bits is no status either: 0 is refused by both callers.
    Some(u16::from_str_radix(integer.as_str(), integer.radix()).unwrap_or(0))
}

/// The status of a fixed answer: final ones only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FinalStatus(pub u16);

impl Value for FinalStatus {
    const SHAPE: Shape = Shape::Integer(200, 599);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        match status(item, desk)? {
            status @ 200..=599 => Some(Self(status)),
            _ => {
                desk.complain(Code::BadStatus, item.place, "the status of an answer is between 200 and 599");
                None
            }
        }
    }
}

const RESPOND_STATUS: Key<FinalStatus> = Key::new("status", "200", "Its status.");
const TEXT: Key<AnyText> =
    Key::new("text", "(none)", "The body as text/plain; excludes json, html and file.").example("\"pong\\n\"");
const JSON: Key<Json> =
    Key::new("json", "(none)", "The body as application/json; excludes text, html and file.").example("{ ok = true }");
const HTML: Key<AnyText> = Key::new("html", "(none)", "The body as text/html; excludes text, json and file.")
    .example("\"<h1>Back soon</h1>\"");
const FILE: Key<Text> = Key::new(
    "file",
    "(none)",
    "The body from a file, read once when the configuration is loaded; relative to this one; excludes text, json and html.",
)
.example("\"maintenance.html\"");
const HEADERS: Key<EditableFields<FieldText>> =
    Key::new("headers", "{}", "More fields; a content-type here beats the body's own.")
        .example("{ cache-control = \"no-store\" }");

/// `respond`.
#[derive(Clone, Debug)]
pub struct Respond {
    /// `status`.
    pub status: Option<At<FinalStatus>>,
    /// The body, when there is one.
    pub body: Option<At<Body>>,
    /// `headers`.
    pub headers: Option<At<EditableFields<FieldText>>>,
}

/// The body of a fixed answer.
#[derive(Clone, Debug)]
pub enum Body {
    /// `text`.
    Text(String),
    /// `json`.
    Json(serde_json::Value),
    /// `html`.
    Html(String),
    /// `file`.
    File(String),
}

impl Section for Respond {
    const KEYS: &'static [Described] = &[
        RESPOND_STATUS.describe(),
        TEXT.describe(),
        JSON.describe(),
        HTML.describe(),
        FILE.describe(),
        HEADERS.describe(),
    ];

    fn read(table: &mut Table<'_>, desk: &mut Desk<'_>) -> Self {
        let kinds = [TEXT.name(), JSON.name(), HTML.name(), FILE.name()];
        for (position, kind) in kinds.iter().enumerate() {
            if let Some(first) = kinds[..position].iter().find(|first| table.has(first)) {
                exclude(table, first, kind, desk);
            }
        }
        let bodies = [
            table.take(&TEXT, desk).map(|text| text.map(|text| Body::Text(text.0))),
            table.take(&JSON, desk).map(|json| json.map(|json| Body::Json(json.0))),
            table.take(&HTML, desk).map(|html| html.map(|html| Body::Html(html.0))),
            table.take(&FILE, desk).map(|file| file.map(|file| Body::File(file.0))),
        ];
        Self {
            status: table.take(&RESPOND_STATUS, desk),
            body: bodies.into_iter().flatten().next(),
            headers: table.take(&HEADERS, desk),
        }
    }
}

const REWRITE_HOST: Key<HostRewrite> = Key::new(
    "host",
    "\"preserve\"",
    "Host upstream: \"preserve\" (the client's), \"upstream\" (the endpoint's), or a literal one.",
);

/// `rewrite`.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// `prefix`.
    pub prefix: Option<At<Prefix>>,
    /// `path`.
    pub path: Option<At<Draft>>,
    /// `host`.
    pub host: Option<At<HostRewrite>>,
    /// `query`.
    pub query: Option<At<Draft>>,
}

impl Section for Rewrite {
    const KEYS: &'static [Described] = &[PREFIX.describe(), PATH.describe(), REWRITE_HOST.describe(), QUERY.describe()];

    fn read(table: &mut Table<'_>, desk: &mut Desk<'_>) -> Self {
        exclude(table, PATH.name(), PREFIX.name(), desk);
        Self {
            prefix: table.take(&PREFIX, desk),
            path: table.take(&PATH, desk),
            host: table.take(&REWRITE_HOST, desk),
            query: table.take(&QUERY, desk),
        }
    }
}

const SET: Key<EditableFields<Draft>> =
    Key::new("set", "{}", "Fields to replace, or to add where they are missing; values are templates.")
        .example("{ x-route = \"{route.name}\" }");
const ADD: Key<EditableFields<Draft>> =
    Key::new("add", "{}", "Fields to add beside those that are there; values are templates.")
        .example("{ x-seen-by = \"{server.name}\" }");
const REMOVE: Key<Vec<At<EditableField>>> =
    Key::new("remove", "[]", "Fields to remove; done first.").example("[\"cookie\"]");

/// `request` and `response`: edits of fields.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    /// `set`.
    pub set: Option<At<EditableFields<Draft>>>,
    /// `add`.
    pub add: Option<At<EditableFields<Draft>>>,
    /// `remove`.
    pub remove: Option<At<Vec<At<EditableField>>>>,
}

impl Section for Edits {
    const KEYS: &'static [Described] = &[SET.describe(), ADD.describe(), REMOVE.describe()];
    const LATER: &'static [&'static str] = &["rename", "query", "json"];

    fn read(table: &mut Table<'_>, desk: &mut Desk<'_>) -> Self {
        Self { set: table.take(&SET, desk), add: table.take(&ADD, desk), remove: table.take(&REMOVE, desk) }
    }
}

const PART_UPSTREAM: Key<Name> = Key::required("upstream", "Name of an upstream.").example("\"orders\"");
const PART_WEIGHT: Key<Count<0, WEIGHT_MAX>> = Key::required("weight", "Its share of the requests.").example("95");

/// One part of a `split`.
#[derive(Clone, Debug)]
pub struct Part {
    /// `upstream`.
    pub upstream: Option<At<Name>>,
    /// `weight`.
    pub weight: Option<At<Count<0, WEIGHT_MAX>>>,
}

impl Section for Part {
    const KEYS: &'static [Described] = &[PART_UPSTREAM.describe(), PART_WEIGHT.describe()];

    fn read(table: &mut Table<'_>, desk: &mut Desk<'_>) -> Self {
        Self { upstream: table.take(&PART_UPSTREAM, desk), weight: table.take(&PART_WEIGHT, desk) }
    }
}

/// `upstream` of a route: a name, or an upstream written in place.
#[derive(Debug)]
pub enum UpstreamRef {
    /// By name.
    Name(String),
    /// In place.
    InPlace(Box<Upstream>),
}

impl Value for UpstreamRef {
    const SHAPE: Shape = Shape::Any(&[Name::SHAPE, Shape::Table(Upstream::KEYS)]);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        match item.value {
            DeValue::String(name) => Some(Self::Name(name.clone().into_owned())),
            DeValue::Table(_) => {
                <Upstream as Value>::read(item, desk).map(|upstream| Self::InPlace(Box::new(upstream)))
            }
            _ => {
                wrong_type(item, "an upstream's name, or an upstream written in place", desk);
                None
            }
        }
    }
}
