//! Floor 2: the plan. Configuration text becomes an immutable [`Plan`] with ids instead of names, or a list of
//! complaints with places. Nothing in a plan changes; reloading makes another one.
//!
//! Not here: any state that serving changes (that belongs to a core) and any decision about a request except where
//! it goes (`router`).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::words::ids::{ListenerId, RouteId, TlsId, UpstreamId};

pub mod cidr;
pub mod code;
pub mod compile;
pub mod complaint;
pub mod desk;
pub mod explain;
pub mod load;
pub mod mention;
pub mod origin;
pub mod raw;
pub mod read;
pub mod reference;
pub mod router;
pub mod schema;
pub mod shape;
pub mod source;
pub mod template;
pub mod value;

use cidr::CidrSet;
pub use load::{Loaded, load, load_text};
use template::Template;

/// Everything the cores need to serve, resolved and checked.
#[derive(Debug)]
pub struct Plan {
    /// Counts up with each plan of this process; 1 is the first.
    pub generation: u64,
    /// `[server]`.
    pub server: Server,
    /// By [`ListenerId`].
    pub listeners: Vec<Listener>,
    /// By [`RouteId`].
    pub routes: Vec<Route>,
    /// By [`UpstreamId`].
    pub upstreams: Vec<Upstream>,
    /// By [`TlsId`].
    pub tls: Vec<Tls>,
    /// Finds a request's route.
    pub router: router::Router,
    /// `[admin]`, when configured.
    pub admin: Option<Admin>,
    /// `[access_log]`, when configured.
    pub access_log: Option<AccessLog>,
}

/// `[server]`.
#[derive(Clone, Debug)]
pub struct Server {
    /// Pseudonym in `Via`, `Proxy-Status` and `Server`-like fields: an RFC 9110 token.
    pub name: String,
    /// How many workers run.
    pub workers: Workers,
    /// CPUs that workers may be pinned to; empty means the process's affinity mask.
    pub cpus: Vec<usize>,
    /// Which worker gets a new connection.
    pub steering: Steering,
    /// How long a drain waits for requests in flight.
    pub drain_timeout: Duration,
}

/// `server.steering`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Steering {
    /// Any, by a hash of the connection's addresses and ports.
    #[default]
    Hash,
    /// The one on the CPU that its first packet came to; by hash where none is.
    Cpu,
}

impl Steering {
    /// Its word in the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::Cpu => "cpu",
        }
    }
}

/// `server.workers`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Workers {
    /// One per allowed CPU.
    Auto,
    /// Exactly this many, at least one.
    Count(usize),
}

/// `[listeners.<name>]`.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its name in the configuration.
    pub name: String,
    /// Where it listens. Port 0 asks the kernel for a free one.
    pub address: SocketAddr,
    /// Answer everything with this redirect instead of routing.
    pub redirect: Option<Redirect>,
    /// Peers that may speak for a client.
    pub trusted_proxies: CidrSet,
    /// Resolved limits (defaults < listener).
    pub limits: Limits,
    /// Resolved timeouts (defaults < listener).
    pub timeouts: Timeouts,
    /// How it speaks TLS; `None` for plain text.
    pub tls: Option<TlsId>,
    /// What it speaks, most preferred first; never empty. With TLS it is offered by ALPN, without it HTTP/2 comes by
    /// prior knowledge (RFC 9113 3.3).
    pub protocols: Vec<Protocol>,
    /// Connections begin with a PROXY header of this version, and none is served without.
    pub proxy_protocol: Option<ProxyProtocol>,
}

/// A protocol of a listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// HTTP/2.
    H2,
    /// HTTP/1.1 and HTTP/1.0.
    Http1,
}

/// A version of the PROXY protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProxyProtocol {
    /// The text line.
    V1,
    /// The binary header.
    V2,
}

/// `[tls.<name>]`: how listeners speak TLS. Files are named here and read by control.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tls {
    /// Its name in the configuration.
    pub name: String,
    /// Chosen by SNI among the names that they are for; the first is the default. Never empty.
    pub certificates: Vec<CertificateFiles>,
    /// The lowest version that is spoken.
    pub min_version: TlsVersion,
    /// Whose certificates clients may show; `None` asks for none.
    pub clients: Option<ClientCertificates>,
}

/// A certificate chain and its key, in PEM.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CertificateFiles {
    /// The certificate, and what leads to its root.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A version of TLS.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum TlsVersion {
    /// RFC 5246.
    #[default]
    V12,
    /// RFC 8446.
    V13,
}

/// Certificates of clients.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ClientCertificates {
    /// Roots that sign them, in PEM.
    pub ca: PathBuf,
    /// Revocation lists, in PEM.
    pub crl: Option<PathBuf>,
    /// A client without one is refused.
    pub is_required: bool,
}

/// Limits as resolved for a listener or a route. Byte counts unless said otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Request line and header section; and an upstream's header section.
    pub header_bytes: u64,
    /// Fields in a head.
    pub headers: u64,
    /// Request target.
    pub target_bytes: u64,
    /// Request body; `u64::MAX` means none.
    pub body: u64,
    /// Bytes per second a request body must keep up after its grace; 0 means none.
    pub body_rate: u64,
    /// Connections of the listener on one worker.
    pub connections: u64,
    /// Connections of one client address on one worker.
    pub connections_per_address: u64,
}

/// Timeouts as resolved for a listener, a route or an upstream. [`Duration::MAX`] means "none".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timeouts {
    /// A request head complete.
    pub head: Duration,
    /// Upstream connection made.
    pub connect: Duration,
    /// Upstream's head begun after the request was sent.
    pub first_byte: Duration,
    /// The whole exchange, from the request's head to the answer's last byte.
    pub request: Duration,
    /// No byte moved; between requests, in bodies, in stalled writes.
    pub idle: Duration,
}

/// `[routes.<name>]`, resolved.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name in the configuration.
    pub name: String,
    /// The one thing it does.
    pub action: Action,
    /// Edits of the request's fields on the way up.
    pub request: FieldEdits,
    /// Edits of the answer's fields on the way down.
    pub response: FieldEdits,
    /// Resolved limits (defaults < listener < route). Listener part: the route's first listener that sets it.
    pub limits: Limits,
    /// Resolved timeouts (defaults < listener < upstream < route). The upstream part: the route's only target, or what
    /// all targets of a split agree on; where they differ, `Forward::timeouts` knows.
    pub timeouts: Timeouts,
}

/// What a route does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Sends the request to an upstream.
    Forward(Forward),
    /// Answers with a redirect.
    Redirect(Redirect),
    /// Answers by itself.
    Respond(Respond),
}

/// Forwarding: where to, and under which target.
#[derive(Clone, Debug)]
pub struct Forward {
    /// Weighted choices; one entry for a plain upstream. Weights are ≥ 0 with a sum > 0.
    pub targets: Vec<(UpstreamId, u32)>,
    /// By target: what counts once it is chosen (defaults < listener < upstream < route). With one target the same as
    /// `Route::timeouts`.
    pub timeouts: Vec<Timeouts>,
    /// How the target and Host change on the way.
    pub rewrite: Rewrite,
    /// What a connection may be upgraded to (RFC 9110 7.8), in lower case.
    pub upgrade: Vec<String>,
    /// The route sets `timeouts.request` itself: it means event streams (`text/event-stream`) too, which otherwise may
    /// go on for ever.
    pub bounds_events: bool,
}

/// `rewrite`: each part is absent where the request's own is kept.
#[derive(Clone, Debug, Default)]
pub struct Rewrite {
    /// New path.
    pub path: Option<PathRewrite>,
    /// New query without `?`; an empty template removes the query.
    pub query: Option<Template>,
    /// What Host says upstream.
    pub host: HostRewrite,
}

impl Rewrite {
    /// True when the request's target and Host go through unchanged.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.path.is_none() && self.query.is_none() && matches!(self.host, HostRewrite::Preserve)
    }
}

/// A new path.
#[derive(Clone, Debug)]
pub enum PathRewrite {
    /// Replace the first `segments` segments of the canonical path (the route's literal prefix) by `with`, by the
    /// slash rules of Gateway API's ReplacePrefixMatch.
    Prefix {
        /// Segments of the matched prefix.
        segments: usize,
        /// Replacement, beginning with `/`, without a trailing slash unless it is `/`.
        with: String,
    },
    /// A template over the route's captures and the closed list of variables; begins with `/`.
    Template(Template),
}

/// What Host says upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HostRewrite {
    /// The client's.
    #[default]
    Preserve,
    /// The chosen endpoint's authority.
    Upstream,
    /// This one.
    Literal(String),
}

/// A redirect; absent parts are kept from the request.
#[derive(Clone, Debug)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// `http` or `https`.
    pub scheme: Option<String>,
    /// Host without port.
    pub host: Option<String>,
    /// Port; a scheme's default port is left out of `Location`.
    pub port: Option<u16>,
    /// New path.
    pub path: Option<PathRewrite>,
    /// New query without `?`; an empty template removes it.
    pub query: Option<Template>,
}

/// A fixed answer.
#[derive(Clone, Debug)]
pub struct Respond {
    /// 200 to 599.
    pub status: u16,
    /// Extra fields, name in lower case; `content-type` is among them when the body has one. Never a framing field.
    pub fields: Vec<(String, String)>,
    /// The body; shared by all exchanges that send it.
    pub body: bytes::Bytes,
}

/// Edits of header fields, in the order remove, set, add. Names are lower case and never framing or hop-by-hop.
#[derive(Clone, Debug, Default)]
pub struct FieldEdits {
    /// Fields to remove.
    pub remove: Vec<String>,
    /// Fields to replace (all incoming copies are removed, one is added).
    pub set: Vec<(String, Template)>,
    /// Fields to add beside those that are there.
    pub add: Vec<(String, Template)>,
}

impl FieldEdits {
    /// True when nothing is to be edited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }
}

/// `[upstreams.<name>]`, resolved.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its name; for one written in place, `routes.<route>.upstream`.
    pub name: String,
    /// At least one.
    pub endpoints: Vec<Endpoint>,
    /// How an endpoint is chosen.
    pub balance: Balance,
    /// Idle connections kept per worker, all endpoints together.
    pub idle_connections: usize,
    /// How long one may stay idle.
    pub idle_timeout: Duration,
    /// What is spoken to its endpoints.
    pub protocol: UpstreamProtocol,
    /// How TLS is spoken to its `https` endpoints; `None` when there are none.
    pub tls: Option<UpstreamTls>,
    /// The PROXY header that connections begin with.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// What the upstream sets for all its routes. Already resolved into `Forward::timeouts`; here for those who ask.
    pub timeouts: UpstreamTimeouts,
}

/// What is spoken to the endpoints of an upstream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 over TLS, by ALPN.
    H2,
    /// HTTP/2 without TLS, by prior knowledge.
    H2c,
}

/// How TLS is spoken to an upstream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpstreamTls {
    /// Roots to trust, in PEM; `None` for those of the system.
    pub ca: Option<PathBuf>,
    /// The name that certificates must be for, and SNI; `None` for the endpoint's host.
    pub server_name: Option<String>,
    /// What Ringway shows when it is asked who it is.
    pub certificate: Option<CertificateFiles>,
    /// False accepts every certificate: only when the configuration says so in a key of its own.
    pub verify: bool,
}

/// Timeouts that an upstream sets for all its routes; a route that sets the same key itself wins.
#[derive(Clone, Copy, Debug, Default)]
pub struct UpstreamTimeouts {
    /// `timeouts.connect`.
    pub connect: Option<Duration>,
    /// `timeouts.first_byte`.
    pub first_byte: Option<Duration>,
    /// `timeouts.idle`.
    pub idle: Option<Duration>,
}

/// One endpoint of an upstream.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Where to connect.
    pub address: Address,
    /// `host[:port]` for `Host` when `rewrite.host = "upstream"`; `localhost` for a Unix socket.
    pub authority: String,
    /// Share of requests, ≥ 0 (0 takes none).
    pub weight: u32,
    /// It is an `https` endpoint.
    pub is_tls: bool,
}

/// Where to connect. Names are resolved by control, never on a core.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Address {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix stream socket.
    Unix(PathBuf),
}

/// `balance`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Balance {
    /// Smooth weighted round robin; with equal weights plain round robin.
    #[default]
    RoundRobin,
    /// Random by weight.
    Weighted,
}

/// `[admin]`.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Where it listens.
    pub address: SocketAddr,
}

/// `[access_log]`.
#[derive(Clone, Debug)]
pub struct AccessLog {
    /// File to append to; `None` is standard output.
    pub file: Option<PathBuf>,
    /// How a line looks.
    pub format: LogFormat,
}

/// `access_log.format`.
#[derive(Clone, Debug)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// The "combined" format of the Apache and nginx worlds.
    Combined,
    /// A template over the closed list of log variables.
    Template(Template),
}

/// The listeners a route serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    /// All of them.
    All,
    /// These.
    Some(Vec<ListenerId>),
}

/// What a router needs to know of one route.
#[derive(Clone, Debug)]
pub struct Match {
    /// The route that this leads to.
    pub route: RouteId,
    /// The listeners it serves.
    pub on: On,
    /// Host patterns, lower case: `api.example.com` or `*.example.com`; empty means any.
    pub hosts: Vec<String>,
    /// Path pattern in canonical form: `/a/{b}/*`.
    pub path: String,
    /// A predicate under the path, over the whole canonical path.
    pub path_regex: Option<String>,
    /// Methods; empty means any.
    pub methods: Vec<String>,
    /// Field predicates, name in lower case.
    pub headers: Vec<(String, ValueMatch)>,
    /// Query predicates, name as it stands after percent-decoding.
    pub query: Vec<(String, ValueMatch)>,
}

/// What a field or query value must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueMatch {
    /// There, whatever it says.
    Present,
    /// Exactly this.
    Exact(String),
    /// Matches this linear-time regular expression, as a whole.
    Regex(String),
}
