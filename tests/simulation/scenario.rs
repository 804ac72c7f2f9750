//! What a run is made of, drawn from its seed before it begins (`draw`): the configuration, the weather, who asks for
//! what, and how each origin treats each request.

use std::net::SocketAddr;
use std::time::Duration;

use ringway::shell::sim::Weather;

use super::line::NAME;
use super::message::Pace;
use super::tunnel::Tunnel;
use super::{shared, trunk};

/// Everything that happens in a run and is not chance of the world itself.
#[derive(Debug)]
pub struct Scenario {
    pub cores: usize,
    pub weather: Weather,
    pub settings: Settings,
    pub clients: Vec<Visit>,
    /// By exchange.
    pub asks: Vec<Ask>,
    /// Connections that ask to be upgraded.
    pub tunnels: Vec<Tunnel>,
    /// When the plan is exchanged for another one.
    pub reloads: Vec<Duration>,
    /// When the drain begins; `None` waits for all clients to be done.
    pub drain_at: Option<Duration>,
    /// Links may break and connects may fail for no reason.
    pub is_stormy: bool,
}

/// What the configuration says.
#[derive(Clone, Debug)]
pub struct Settings {
    pub head: Duration,
    pub connect: Duration,
    pub first_byte: Duration,
    pub request: Duration,
    pub idle: Duration,
    pub drain: Duration,
    pub upstream_idle: Duration,
    pub body_limit: u64,
    pub header_limit: u64,
    pub connections: u64,
    pub connections_per_address: u64,
    pub idle_connections: usize,
    /// Endpoints of the upstream `main`, all sound.
    pub endpoints: usize,
    /// Clients and endpoints speak TLS.
    pub is_secure: bool,
    /// Origins speak HTTP/2.
    pub has_trunks: bool,
    /// They fall silent for ever with the first request of a connection.
    pub die: bool,
}

/// One client connection.
#[derive(Clone, Debug)]
pub struct Visit {
    pub at: Duration,
    pub own: SocketAddr,
    /// Indexes into the scenario's asks, in the order of the requests.
    pub asks: Vec<u32>,
    /// Requests are sent without waiting for answers.
    pub is_pipelined: bool,
    /// They are streams of HTTP/2.
    pub is_shared: bool,
    pub pace: Pace,
    pub leaving: Leaving,
}

/// What a client does after its last answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leaving {
    /// Closes.
    Close,
    /// Resets.
    Reset,
    /// Waits until the gateway closes.
    Wait,
}

/// One request and how it is treated.
#[derive(Clone, Debug)]
pub struct Ask {
    pub route: Route,
    pub method: &'static str,
    pub is_old: bool,
    pub body: Body,
    pub expects: bool,
    pub manner: Manner,
    pub treatment: Treatment,
    pub answer: Answer,
}

/// Where a request goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// To endpoints that are all there.
    Main,
    /// To endpoints of which some refuse and some say nothing.
    Doubtful,
    /// Nowhere: the gateway answers.
    Local,
    /// Nowhere: no route matches.
    Lost,
}

/// A request's body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body {
    None,
    Length(u64),
    Chunked(u64),
}

/// How a client sends its request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    Prompt,
    /// In small pieces with pauses.
    Slow(usize, Duration),
    /// Stops for good after so many bytes.
    StopsAfter(usize),
    /// Closes after so many bytes.
    ClosesAfter(usize),
    /// Resets after so many bytes.
    ResetsAfter(usize),
    /// Ends its direction behind the request and reads on.
    Finishes,
    /// Sends this instead of a request.
    Malformed(&'static [u8]),
    /// Sends a field too long for the limit.
    Oversized,
    /// Sends something else where a chunk should begin.
    BreaksChunk,
}

/// How an origin treats a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Treatment {
    Good,
    /// Answers well after a pause, and in pieces with pauses.
    Slow(Duration),
    /// Answers well, then closes the connection after a pause, whatever happens on it.
    ClosesAfter(Duration),
    /// Answers well before it has read the body, reads on.
    Early,
    /// Refuses with 413 before it has read the body, and closes.
    Refuses,
    /// Says nothing.
    Hangs,
    /// Stops for good after so many bytes of the answer.
    StopsAfter(usize),
    /// Closes after so many bytes of the answer.
    CutsAfter(usize),
    /// Resets after so many bytes of the answer.
    ResetsAfter(usize),
    /// Closes without an answer.
    Closes,
    /// Sends this behind a good answer.
    Appends(&'static [u8]),
    /// Answers well, and sends this when nothing was asked for so long.
    Speaks(&'static [u8], Duration),
    /// Sends a head too large for the limit.
    Oversized,
    /// Sends this instead of an answer.
    Garbage(&'static [u8]),
    /// Sends more interim answers than anybody should.
    Interims(u32),
}

/// A good answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    pub status: u16,
    pub framing: Shape,
    pub bytes: u64,
    pub interims: u32,
    pub is_last: bool,
}

/// How an answer's body is delimited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    Length,
    Chunked,
    UntilClose,
}

impl Scenario {
    /// The client of `exchange` reads as fast as it can.
    pub fn is_reader_prompt(&self, exchange: u32) -> bool {
        self.clients.iter().any(|visit| visit.asks.contains(&exchange) && visit.pace == Pace::Prompt)
    }

    /// What goes each way, to an origin and to the client of `exchange`, before the other side has to be heard: the
    /// smallest windows of those that speak HTTP/2.
    pub fn windows(&self, exchange: u32) -> (u64, u64) {
        let mut visits = self.clients.iter().enumerate();
        let of_client = visits
            .find(|(_, visit)| visit.asks.contains(&exchange) && visit.is_shared)
            .map_or(u64::MAX, |(number, _)| shared::window(number).into());
        (if self.settings.has_trunks { trunk::WINDOW_MIN.into() } else { u64::MAX }, of_client)
    }

    /// The configuration as text.
    pub fn config(&self, generation: u64) -> String {
        let Settings { drain, upstream_idle, idle_connections, .. } = &self.settings;
        // Another plan has its endpoints in another order, so that an index means something else, or one less.
        let mut endpoints = self.endpoints();
        let turn = generation as usize % endpoints.len();
        endpoints.rotate_left(turn);
        if generation.is_multiple_of(3) && endpoints.len() > 1 {
            endpoints.pop();
        }
        let (defaults, tunnels) = (self.settings.defaults(), self.tunnel_config(generation));
        let (listener, section, scheme, upstream) = self.security();
        let protocol = if self.settings.has_trunks { "h2c" } else { "http/1.1" };
        format!(
            r#"
            [server]
            workers = {}
            drain_timeout = "{}ms"
            [listeners.web]
            address = "{GATEWAY}"
            {listener}
            {section}
            {defaults}
            [upstreams.main]
            protocol = "{protocol}"
            endpoints = {endpoints:?}
            {upstream}
            idle_connections = {idle_connections}
            idle_timeout = "{}ms"
            [upstreams.doubtful]
            protocol = "{protocol}"
            endpoints = ["{scheme}://10.1.0.1:80", "{scheme}://{REFUSING}", "{scheme}://{SILENT}"]
            {upstream}
            idle_connections = {idle_connections}
            idle_timeout = "{}ms"
            [routes.main]
            path = "/main/*"
            upstream = "main"
            [routes.doubtful]
            path = "/doubtful/*"
            upstream = "doubtful"
            [routes.local]
            path = "/local/*"
            [routes.local.respond]
            status = 200
            text = "{LOCAL_TEXT}"
            {tunnels}
            "#,
            self.cores,
            drain.as_millis(),
            upstream_idle.as_millis(),
            upstream_idle.as_millis(),
        )
    }

    /// What the configuration says of TLS: of the listener, in a section of its own, in endpoints, of upstreams.
    fn security(&self) -> (&'static str, &'static str, &'static str, String) {
        if !self.settings.is_secure {
            return ("protocols = [\"h2\", \"http/1.1\"]", "", "http", String::new());
        }
        (
            "tls = \"edge\"\nprotocols = [\"http/1.1\"]",
            "[tls.edge]\ncertificates = [{ cert = \"a.pem\", key = \"a.key\" }]",
            "https",
            format!("tls = {{ server_name = \"{NAME}\" }}"),
        )
    }

    fn endpoints(&self) -> Vec<String> {
        let endpoints = ENDPOINTS[..self.settings.endpoints].iter();
        if self.settings.is_secure {
            let tcp = endpoints.filter_map(|endpoint| endpoint.strip_prefix("http"));
            return tcp.map(|rest| format!("https{rest}")).collect();
        }
        endpoints.map(|endpoint| (*endpoint).to_owned()).collect()
    }
}

impl Settings {
    /// `[defaults]` as text.
    fn defaults(&self) -> String {
        let Self { head, connect, first_byte, request, idle, .. } = self;
        let Self { body_limit, header_limit, connections, connections_per_address, .. } = self;
        format!(
            r#"
            [defaults.timeouts]
            head = "{}ms"
            connect = "{}ms"
            first_byte = "{}ms"
            request = "{}ms"
            idle = "{}ms"
            [defaults.limits]
            body = "{body_limit}B"
            header_bytes = "{header_limit}B"
            target_bytes = "512B"
            connections = {connections}
            connections_per_address = {connections_per_address}
            "#,
            head.as_millis(),
            connect.as_millis(),
            first_byte.as_millis(),
            request.as_millis(),
            idle.as_millis(),
        )
    }

    /// The shortest time that the configuration gives anything.
    pub fn shortest(&self) -> Duration {
        self.head.min(self.connect).min(self.first_byte).min(self.request).min(self.idle)
    }
}

impl Ask {
    /// Bytes of the request's body.
    pub fn body_bytes(&self) -> u64 {
        match self.body {
            Body::None => 0,
            Body::Length(bytes) | Body::Chunked(bytes) => bytes,
        }
    }

    /// True when the good answer has no body, whatever its fields say (RFC 9110 6.4.1).
    pub fn is_bodiless(&self) -> bool {
        self.method == "HEAD" || matches!(self.answer.status, 204 | 304)
    }

    /// True when sending it twice does what sending it once does (RFC 9110 9.2.2).
    pub fn is_idempotent(&self) -> bool {
        self.method != "POST"
    }
}

/// The endpoints of the upstream `main`, as far as a scenario has them.
pub const ENDPOINTS: [&str; 3] = ["http://10.1.0.1:80", "unix:/run/simulated.sock", "http://10.1.0.3:80"];
/// Where the gateway listens.
pub const GATEWAY: &str = "10.0.0.1:80";
/// An endpoint where nobody listens.
pub const REFUSING: &str = "10.1.0.8:80";
/// An endpoint that does not even refuse.
pub const SILENT: &str = "10.1.0.9:80";
/// What the gateway answers itself.
pub const LOCAL_TEXT: &str = "here";
