//! `[server]` and `[defaults]`.

use std::time::Duration;

use super::setting::{Limits, Timeouts};
use crate::plan::desk::Desk;
use crate::plan::read::{At, Section, Table};
use crate::plan::shape::{Described, Key};
use crate::plan::value::field::Token;
use crate::plan::value::number::Cpus;
use crate::plan::value::quantity::Span;
use crate::plan::value::word::Text;
use crate::plan::{Steering, Workers};

const NAME: Key<Token> = Key::new("name", "\"ringway\"", "Pseudonym of the gateway in Via and Proxy-Status: a token.");
const WORKERS: Key<Workers> = Key::new(
    "workers",
    "\"auto\"",
    "Workers, each a pinned event loop that shares nothing; \"auto\" is one per allowed CPU.",
);
const CPUS: Key<Cpus> =
    Key::new("cpus", "(all that the process may use)", "CPUs that workers are pinned to.").example("[0, \"2-3\"]");
const STEERING: Key<Steering> = Key::new(
    "steering",
    "\"hash\"",
    "Who gets a new connection: \"hash\" deals them out evenly; \"cpu\" is the worker on the CPU that its packets come to.",
);
const DRAIN_TIMEOUT: Key<Span> =
    Key::new("drain_timeout", "\"30s\"", "How long SIGTERM waits for the requests in flight.");
/// Read ahead by `load`, which needs the files before anything else; read again here for its complaints.
pub const INCLUDE: Key<Vec<At<Text>>> = Key::new(
    "include",
    "[]",
    "More files of the same language, merged by name; relative to this file, with * and ? in names.",
)
.example("[\"conf.d/*.toml\"]");

/// `[server]`.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// `name`.
    pub name: Option<At<Token>>,
    /// `workers`.
    pub workers: Option<At<Workers>>,
    /// `cpus`.
    pub cpus: Option<At<Cpus>>,
    /// `steering`.
    pub steering: Option<At<Steering>>,
    /// `drain_timeout`.
    pub drain_timeout: Option<At<Duration>>,
}

/// Takes `include`, which each file has for itself, before the files' `[server]` are joined.
pub fn take_include(table: &mut Table<'_>, desk: &mut Desk<'_>) {
    table.take(&INCLUDE, desk);
}

impl Section for Server {
    const KEYS: &'static [Described] = &[
        NAME.describe(),
        WORKERS.describe(),
        CPUS.describe(),
        STEERING.describe(),
        DRAIN_TIMEOUT.describe(),
        INCLUDE.describe(),
    ];
    const LATER: &'static [&'static str] = &["memory_limit", "pre_stop_delay"];

    fn read(table: &mut Table<'_>, desk: &mut Desk<'_>) -> Self {
        Self {
            name: table.take(&NAME, desk),
            workers: table.take(&WORKERS, desk),
            cpus: table.take(&CPUS, desk),
            steering: table.take(&STEERING, desk),
            drain_timeout: table.take(&DRAIN_TIMEOUT, desk).map(|span| span.map(|span| span.0)),
        }
    }
}

const TIMEOUTS: Key<Timeouts> =
    Key::new("timeouts", "", "Timeouts of every listener and route that does not say otherwise.");
const LIMITS: Key<Limits> = Key::new("limits", "", "Limits of every listener and route that does not say otherwise.");

/// `[defaults]`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Defaults {
    /// `timeouts`.
    pub timeouts: Timeouts,
    /// `limits`.
    pub limits: Limits,
}

impl Section for Defaults {
    const KEYS: &'static [Described] = &[TIMEOUTS.describe(), LIMITS.describe()];
    const LATER: &'static [&'static str] = &["rate_limit", "compress", "auth", "cors", "retry", "cache", "ip"];

    fn read(table: &mut Table<'_>, desk: &mut Desk<'_>) -> Self {
        Self {
            timeouts: table.take(&TIMEOUTS, desk).map(|at| at.value).unwrap_or_default(),
            limits: table.take(&LIMITS, desk).map(|at| at.value).unwrap_or_default(),
        }
    }
}
