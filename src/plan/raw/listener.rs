//! `[listeners.<name>]`.

use super::action::Redirect;
use super::setting::{Limits, Timeouts};
use crate::plan::desk::Desk;
use crate::plan::read::{At, Section, Table};
use crate::plan::shape::{Described, Key};
use crate::plan::value::address::{Listen, Network};

const ADDRESS: Key<Listen> =
    Key::required("address", "IP address and port to listen on; port 0 takes a free one.").example("\"0.0.0.0:8080\"");
const REDIRECT: Key<Redirect> =
    Key::new("redirect", "(none)", "Answers every request with this redirect instead of finding a route.");
const TRUSTED_PROXIES: Key<Vec<At<Network>>> = Key::new(
    "trusted_proxies",
    "[]",
    "Networks of peers that may speak for a client by Forwarded and X-Forwarded-*; from others these are dropped.",
)
.example("[\"10.0.0.0/8\", \"2001:db8::/32\"]");
const LIMITS: Key<Limits> = Key::new("limits", "(inherited)", "Limits here; each key beats the one of [defaults].");
const TIMEOUTS: Key<Timeouts> =
    Key::new("timeouts", "(inherited)", "Timeouts here; each key beats the one of [defaults].");

/// `[listeners.<name>]`.
#[derive(Debug)]
pub struct Listener {
    /// `address`.
    pub address: Option<At<Listen>>,
    /// `redirect`.
    pub redirect: Option<At<Redirect>>,
    /// `trusted_proxies`.
    pub trusted_proxies: Option<At<Vec<At<Network>>>>,
    /// `limits`.
    pub limits: Limits,
    /// `timeouts`.
    pub timeouts: Timeouts,
}

impl Section for Listener {
    const KEYS: &'static [Described] =
        &[ADDRESS.describe(), REDIRECT.describe(), TRUSTED_PROXIES.describe(), LIMITS.describe(), TIMEOUTS.describe()];
    const LATER: &'static [&'static str] =
        &["protocols", "tls", "proxy_protocol", "auth", "cors", "ip", "rate_limit", "compress"];

    fn read(table: &mut Table<'_>, desk: &mut Desk<'_>) -> Self {
        Self {
            address: table.take(&ADDRESS, desk),
            redirect: table.take(&REDIRECT, desk),
            trusted_proxies: table.take(&TRUSTED_PROXIES, desk),
            limits: table.take(&LIMITS, desk).map(|at| at.value).unwrap_or_default(),
            timeouts: table.take(&TIMEOUTS, desk).map(|at| at.value).unwrap_or_default(),
        }
    }
}
