//! `[upstreams.<name>]`.

use std::time::Duration;

use toml::de::DeValue;

use super::setting::UpstreamTimeouts;
use super::tls::UpstreamTls;
use crate::plan::desk::Desk;
use crate::plan::read::{At, AtLeastOne, Item, Section, Table, Value};
use crate::plan::shape::{Described, Key, Shape};
use crate::plan::value::address::EndpointUrl;
use crate::plan::value::number::Count;
use crate::plan::value::quantity::Timeout;
use crate::plan::{Balance, ProxyProtocol, UpstreamProtocol};
use crate::words::limits::WEIGHT_MAX;

const ENDPOINTS: Key<AtLeastOne<Endpoint>> = Key::required(
    "endpoints",
    "Where to connect: \"http://host:port\", \"https://host:port\" or \"unix:/path\", or { url = …, weight = … }; names are resolved at load.",
)
.example("[\"http://127.0.0.1:9000\", { url = \"unix:/run/app.sock\", weight = 2 }]");
const BALANCE: Key<Balance> = Key::new(
    "balance",
    "\"round_robin\"",
    "How an endpoint is chosen: \"round_robin\" (smooth, by weight) or \"weighted\" (random, by weight).",
);
const IDLE_CONNECTIONS: Key<Count<0, 1_000_000>> =
    Key::new("idle_connections", "128", "Idle connections kept by each worker, all endpoints together; 0 keeps none.");
const IDLE_TIMEOUT: Key<Timeout> = Key::new("idle_timeout", "\"30s\"", "An idle connection is closed after this.");
const PROTOCOL: Key<UpstreamProtocol> = Key::new(
    "protocol",
    "\"http/1.1\"",
    "What is spoken: \"http/1.1\", \"h2\" (HTTP/2 to https endpoints) or \"h2c\" (HTTP/2 without TLS, by prior knowledge).",
);
const TLS: Key<UpstreamTls> =
    Key::new("tls", "(the system's roots, the endpoint's host)", "How TLS is spoken to https endpoints.");
const PROXY_PROTOCOL: Key<ProxyProtocol> = Key::new(
    "proxy_protocol",
    "(none)",
    "Each connection begins with a PROXY header of this version, \"v1\" or \"v2\"; only with \"http/1.1\".",
)
.example("\"v2\"");
const TIMEOUTS: Key<UpstreamTimeouts> = Key::new(
    "timeouts",
    "(inherited)",
    "Timeouts of every route to this upstream; each key beats listener and [defaults], and a route's own beats it.",
);
/// Of the language, without a meaning yet; stands for `endpoints`.
const DISCOVER: &str = "discover";

/// `[upstreams.<name>]`.
#[derive(Debug)]
pub struct Upstream {
    /// `endpoints`.
    pub endpoints: Option<At<AtLeastOne<Endpoint>>>,
    /// `balance`.
    pub balance: Option<At<Balance>>,
    /// `idle_connections`.
    pub idle_connections: Option<At<Count<0, 1_000_000>>>,
    /// `idle_timeout`.
    pub idle_timeout: Option<At<Duration>>,
    /// `protocol`.
    pub protocol: Option<At<UpstreamProtocol>>,
    /// `tls`.
    pub tls: Option<At<UpstreamTls>>,
    /// `proxy_protocol`.
    pub proxy_protocol: Option<At<ProxyProtocol>>,
    /// `timeouts`.
    pub timeouts: UpstreamTimeouts,
}

impl Section for Upstream {
    const KEYS: &'static [Described] = &[
        ENDPOINTS.describe(),
        PROTOCOL.describe(),
        PROXY_PROTOCOL.describe(),
        BALANCE.describe(),
        IDLE_CONNECTIONS.describe(),
        IDLE_TIMEOUT.describe(),
        TLS.describe(),
        TIMEOUTS.describe(),
    ];
    const LATER: &'static [&'static str] = &[
        DISCOVER,
        "concurrency",
        "health",
        "outlier",
        "breaker",
        "retry",
        "hedge",
        "hash_by",
        "slow_start",
        "max_connections",
    ];

    fn read(table: &mut Table<'_>, desk: &mut Desk<'_>) -> Self {
        let is_discovered = table.has(DISCOVER) && !table.has(ENDPOINTS.name());
        Self {
            endpoints: if is_discovered { None } else { table.take(&ENDPOINTS, desk) },
            balance: table.take(&BALANCE, desk),
            idle_connections: table.take(&IDLE_CONNECTIONS, desk),
            idle_timeout: table.take(&IDLE_TIMEOUT, desk).map(|timeout| timeout.map(|timeout| timeout.0)),
            protocol: table.take(&PROTOCOL, desk),
            tls: table.take(&TLS, desk),
            proxy_protocol: table.take(&PROXY_PROTOCOL, desk),
            timeouts: table.take(&TIMEOUTS, desk).map(|at| at.value).unwrap_or_default(),
        }
    }
}

const URL: Key<EndpointUrl> = Key::required("url", "Where to connect.").example("\"http://127.0.0.1:9000\"");
const WEIGHT: Key<Count<0, WEIGHT_MAX>> = Key::new("weight", "1", "Its share of the requests; 0 takes none.");

/// One endpoint: a URL, or a URL with a weight.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Where it is.
    pub url: At<EndpointUrl>,
    /// Its share.
    pub weight: u32,
}

impl Value for Endpoint {
    const SHAPE: Shape = Shape::Any(&[EndpointUrl::SHAPE, Shape::Table(Weighted::KEYS)]);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        if let DeValue::Table(_) = item.value {
            let Weighted { url, weight } = <Weighted as Value>::read(item, desk)?;
            return Some(Self { url: url?, weight });
        }
        EndpointUrl::read(item, desk).map(|value| Self { url: At { value, place: item.place }, weight: 1 })
    }
}

/// `{ url = …, weight = … }`.
#[derive(Debug)]
struct Weighted {
    url: Option<At<EndpointUrl>>,
    weight: u32,
}

impl Section for Weighted {
    const KEYS: &'static [Described] = &[URL.describe(), WEIGHT.describe()];

    fn read(table: &mut Table<'_>, desk: &mut Desk<'_>) -> Self {
        let weight = table.take(&WEIGHT, desk).map_or(1, |weight| weight.value.0);
        Self { url: table.take(&URL, desk), weight: u32::try_from(weight).unwrap_or(u32::MAX) }
    }
}
