//! `[listeners.<name>]`.

use super::action::Redirect;
use super::setting::{Limits, Timeouts};
use crate::plan::desk::Desk;
use crate::plan::read::{At, AtLeastOne, Section, Table};
use crate::plan::shape::{Described, Key};
use crate::plan::value::address::{Listen, Network};
use crate::plan::value::word::Name;
use crate::plan::{Protocol, ProxyProtocol};

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
const TLS: Key<Name> =
    Key::new("tls", "(none: plain text)", "Connections are TLS, as [tls.<name>] says.").example("\"edge\"");
const PROTOCOLS: Key<AtLeastOne<Protocol>> = Key::new(
    "protocols",
    "(\"h2\" and \"http/1.1\" with tls, \"http/1.1\" without)",
    "What is spoken, most preferred first. With tls clients choose by ALPN; without it \"h2\" is h2c by prior knowledge.",
)
.example("[\"h2\", \"http/1.1\"]");
const PROXY_PROTOCOL: Key<ProxyProtocol> = Key::new(
    "proxy_protocol",
    "(none)",
    "Each connection begins with a PROXY header of this version, \"v1\" or \"v2\"; needs trusted_proxies, and only they may connect.",
)
.example("\"v2\"");
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
    /// `tls`.
    pub tls: Option<At<Name>>,
    /// `protocols`.
    pub protocols: Option<At<AtLeastOne<Protocol>>>,
    /// `proxy_protocol`.
    pub proxy_protocol: Option<At<ProxyProtocol>>,
    /// `limits`.
    pub limits: Limits,
    /// `timeouts`.
    pub timeouts: Timeouts,
}

impl Section for Listener {
    const KEYS: &'static [Described] = &[
        ADDRESS.describe(),
        TLS.describe(),
        PROTOCOLS.describe(),
        PROXY_PROTOCOL.describe(),
        REDIRECT.describe(),
        TRUSTED_PROXIES.describe(),
        LIMITS.describe(),
        TIMEOUTS.describe(),
    ];
    const LATER: &'static [&'static str] = &["auth", "cors", "ip", "rate_limit", "compress"];

    fn read(table: &mut Table<'_>, desk: &mut Desk<'_>) -> Self {
        Self {
            address: table.take(&ADDRESS, desk),
            redirect: table.take(&REDIRECT, desk),
            trusted_proxies: table.take(&TRUSTED_PROXIES, desk),
            tls: table.take(&TLS, desk),
            protocols: table.take(&PROTOCOLS, desk),
            proxy_protocol: table.take(&PROXY_PROTOCOL, desk),
            limits: table.take(&LIMITS, desk).map(|at| at.value).unwrap_or_default(),
            timeouts: table.take(&TIMEOUTS, desk).map(|at| at.value).unwrap_or_default(),
        }
    }
}
