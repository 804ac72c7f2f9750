//! `[routes.<name>]`.

use super::action::{Edits, Part, Redirect, Respond, Rewrite, UpstreamRef};
use super::setting::{Limits, Timeouts};
use crate::plan::ValueMatch;
use crate::plan::code::Code;
use crate::plan::desk::Desk;
use crate::plan::read::{At, AtLeastOne, Section, Table};
use crate::plan::shape::{Described, Key};
use crate::plan::source::Place;
use crate::plan::value::field::{Fields, Method, UpgradeToken};
use crate::plan::value::host::HostPattern;
use crate::plan::value::path::PathPattern;
use crate::plan::value::pattern::{Parameters, Pattern};
use crate::plan::value::word::Name;

const LISTENERS: Key<AtLeastOne<Name>> =
    Key::new("listeners", "(all)", "Names of the listeners it serves.").example("[\"public\"]");
const HOSTS: Key<AtLeastOne<HostPattern>> =
    Key::new("hosts", "(any)", "Hosts it serves: exact, or \"*.example.com\" for one or more labels in its place.")
        .example("[\"api.example.com\"]");
const PATH: Key<PathPattern> =
    Key::required("path", "Literal segments, {name} for one segment, /* at the end for the rest.")
        .example("\"/orders/{id}/*\"");
const PATH_REGEX: Key<Pattern> =
    Key::new("path_regex", "(any)", "The whole path must match this too, once \"path\" does.")
        .example("\"/orders/[0-9]+/.*\"");
const METHODS: Key<AtLeastOne<Method>> =
    Key::new("methods", "(any)", "Methods it serves; HEAD is served where GET is.").example("[\"GET\", \"POST\"]");
const HEADERS: Key<Fields<ValueMatch>> =
    Key::new("headers", "{}", "Fields that must be there: a text, { regex = … }, or true for any value.")
        .example("{ x-env = \"canary\", x-id = { regex = \"[0-9]+\" }, x-any = true }");
const QUERY: Key<Parameters> =
    Key::new("query", "{}", "Query parameters that must be there, in the same way.").example("{ preview = true }");
const UPSTREAM: Key<UpstreamRef> =
    Key::new("upstream", "(none)", "Action: sends requests to this upstream, by name or written in place.")
        .example("\"orders\"")
        .shown();
const SPLIT: Key<AtLeastOne<Part>> = Key::new("split", "(none)", "Action: divides requests among upstreams by weight.")
    .example("[{ upstream = \"orders\", weight = 95 }, { upstream = \"orders-canary\", weight = 5 }]");
const REDIRECT: Key<Redirect> = Key::new("redirect", "(none)", "Action: answers with a redirect.");
const RESPOND: Key<Respond> = Key::new("respond", "(none)", "Action: answers by itself.");
const REWRITE: Key<Rewrite> = Key::new("rewrite", "", "How target and Host change on the way to the upstream.");
const REQUEST: Key<Edits> =
    Key::new("request", "", "Edits of the request's fields on the way up: remove, then set, then add.");
const RESPONSE: Key<Edits> =
    Key::new("response", "", "Edits of the answer's fields on the way down: remove, then set, then add.");
const UPGRADE: Key<Vec<At<UpgradeToken>>> =
    Key::new("upgrade", "[\"websocket\"]", "What a connection may be upgraded to, and nothing else; [] forbids all.");
const TIMEOUTS: Key<Timeouts> =
    Key::new("timeouts", "(inherited)", "Timeouts here; each key beats upstream, listener and [defaults].");
const LIMITS: Key<Limits> = Key::new("limits", "(inherited)", "Limits here; each key beats listener and [defaults].");

/// The keys of which a route has exactly one.
const ACTIONS: &[&str] = &[UPSTREAM.name(), SPLIT.name(), REDIRECT.name(), RESPOND.name(), "aggregate"];

/// `[routes.<name>]`.
#[derive(Debug)]
pub struct Route {
    /// `listeners`.
    pub listeners: Option<At<AtLeastOne<Name>>>,
    /// `hosts`.
    pub hosts: Option<At<AtLeastOne<HostPattern>>>,
    /// `path`.
    pub path: Option<At<PathPattern>>,
    /// `path_regex`.
    pub path_regex: Option<At<Pattern>>,
    /// `methods`.
    pub methods: Option<At<AtLeastOne<Method>>>,
    /// `headers`.
    pub headers: Option<At<Fields<ValueMatch>>>,
    /// `query`.
    pub query: Option<At<Parameters>>,
    /// What it does.
    pub action: Option<Action>,
    /// `rewrite` and where its key stands.
    pub rewrite: Option<At<Rewrite>>,
    /// `upgrade`.
    pub upgrade: Option<At<Vec<At<UpgradeToken>>>>,
    /// `request`.
    pub request: Option<At<Edits>>,
    /// `response`.
    pub response: Option<At<Edits>>,
    /// `timeouts`.
    pub timeouts: Timeouts,
    /// `limits`.
    pub limits: Limits,
}

/// What a route does.
#[derive(Debug)]
pub enum Action {
    /// `upstream`.
    Upstream(At<UpstreamRef>),
    /// `split`.
    Split(At<AtLeastOne<Part>>),
    /// `redirect`.
    Redirect(At<Redirect>),
    /// `respond`.
    Respond(At<Respond>),
}

impl Action {
    /// The key it stands under.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Upstream(_) => UPSTREAM.name(),
            Self::Split(_) => SPLIT.name(),
            Self::Redirect(_) => REDIRECT.name(),
            Self::Respond(_) => RESPOND.name(),
        }
    }

    /// Where it stands.
    #[must_use]
    pub const fn place(&self) -> Place {
        match self {
            Self::Upstream(at) => at.place,
            Self::Split(at) => at.place,
            Self::Redirect(at) => at.place,
            Self::Respond(at) => at.place,
        }
    }
}

impl Section for Route {
    const KEYS: &'static [Described] = &[
        LISTENERS.describe(),
        HOSTS.describe(),
        PATH.describe(),
        PATH_REGEX.describe(),
        METHODS.describe(),
        HEADERS.describe(),
        QUERY.describe(),
        UPSTREAM.describe(),
        SPLIT.describe(),
        REDIRECT.describe(),
        RESPOND.describe(),
        REWRITE.describe(),
        UPGRADE.describe(),
        REQUEST.describe(),
        RESPONSE.describe(),
        TIMEOUTS.describe(),
        LIMITS.describe(),
    ];
    const LATER: &'static [&'static str] = &[
        "api",
        "versions",
        "auth",
        "cors",
        "ip",
        "rate_limit",
        "validate",
        "cache",
        "retry",
        "hedge",
        "mirror",
        "sticky",
        "fallback",
        "aggregate",
        "cost",
        "compress",
        "priority",
    ];

    fn read(table: &mut Table<'_>, desk: &mut Desk<'_>) -> Self {
        check_one_action(table, desk);
        Self {
            listeners: table.take(&LISTENERS, desk),
            hosts: table.take(&HOSTS, desk),
            path: table.take(&PATH, desk),
            path_regex: table.take(&PATH_REGEX, desk),
            methods: table.take(&METHODS, desk),
            headers: table.take(&HEADERS, desk),
            query: table.take(&QUERY, desk),
            action: read_action(table, desk),
            rewrite: table.take(&REWRITE, desk),
            upgrade: table.take(&UPGRADE, desk),
            request: table.take(&REQUEST, desk),
            response: table.take(&RESPONSE, desk),
            timeouts: table.take(&TIMEOUTS, desk).map(|at| at.value).unwrap_or_default(),
            limits: table.take(&LIMITS, desk).map(|at| at.value).unwrap_or_default(),
        }
    }
}

/// All actions are read for their complaints; the first counts.
fn read_action(table: &mut Table<'_>, desk: &mut Desk<'_>) -> Option<Action> {
    let actions = [
        table.take(&UPSTREAM, desk).map(Action::Upstream),
        table.take(&SPLIT, desk).map(Action::Split),
        table.take(&REDIRECT, desk).map(Action::Redirect),
        table.take(&RESPOND, desk).map(Action::Respond),
    ];
    actions.into_iter().flatten().next()
}

fn check_one_action(table: &Table<'_>, desk: &mut Desk<'_>) {
    let mut found: Vec<(&str, Place)> =
        table.names().filter(|(name, _)| ACTIONS.contains(name)).map(|(name, item)| (name, item.key)).collect();
    found.sort_by_key(|(_, place)| *place);
    if let [(first, first_place), rest @ ..] = found.as_slice() {
        for (name, place) in rest {
            desk.complain(Code::TwoActions, *place, format!("\"{name}\" is a second action beside \"{first}\""))
                .other("the first is here", *first_place);
        }
    }
}
