//! What a run is made of, drawn from its seed before it begins: the configuration, the weather, who asks for what, and
//! how each origin treats each request.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ringway::shell::sim::{Random, Weather};

use super::message::Pace;

/// Everything that happens in a run and is not chance of the world itself.
#[derive(Debug)]
pub struct Scenario {
    pub cores: usize,
    pub weather: Weather,
    pub settings: Settings,
    pub clients: Vec<Visit>,
    /// By exchange.
    pub asks: Vec<Ask>,
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
    /// The scenario of `seed`.
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let is_stormy = random.chance(250);
        let weather = if is_stormy { Weather::storm(&mut random) } else { Weather::of(&mut random) };
        let settings = Settings::of(&mut random);
        let mut scenario = Self {
            cores: *random.pick(&[1, 1, 2, 3]),
            weather,
            settings,
            clients: Vec::new(),
            asks: Vec::new(),
            reloads: Vec::new(),
            drain_at: None,
            is_stormy,
        };
        let most = *random.pick(&[2, 6, 6, 20]);
        let visits = random.within((1, most));
        let span = *random.pick(&[30, 100, 300]);
        for _ in 0..visits {
            scenario.add_visit(&mut random, span);
        }
        scenario.reloads = (0..*random.pick(&[0, 0, 1, 3])).map(|_| millis(&mut random, (0, 400))).collect();
        scenario.drain_at = random.chance(400).then(|| millis(&mut random, (1, 400)));
        scenario
    }

    /// Adds a client that comes within `span` milliseconds.
    fn add_visit(&mut self, random: &mut Random, span: u64) {
        let host = *random.pick(&[1, 1, 2, 3]);
        let own = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 9, 0, host)), 40_000 + self.clients.len() as u16);
        let room = self.weather.link_bytes.0;
        let is_model = random.chance(400);
        let asks: Vec<u32> = (0..*random.pick(&[1, 1, 2, 3, 6]))
            .map(|_| {
                let mut ask = Ask::of(random, room, self.settings.body_limit);
                if is_model {
                    ask.behave(random);
                }
                self.asks.push(ask);
                self.asks.len() as u32 - 1
            })
            .collect();
        // Nobody may send a request behind one that ends the connection.
        let may_pipeline = !asks.iter().any(|id| self.asks[*id as usize].is_old);
        self.clients.push(Visit {
            at: millis(random, (0, span)),
            own,
            asks,
            is_pipelined: random.chance(300) && may_pipeline,
            pace: match random.below(20) {
                0 | 1 => Pace::Slow(*random.pick(&[64, 500, 5000]), millis(random, (0, 5))),
                2 => Pace::Never,
                _ => Pace::Prompt,
            },
            leaving: *random.pick(&[Leaving::Close, Leaving::Close, Leaving::Reset, Leaving::Wait]),
        });
    }

    /// The client of `exchange` reads as fast as it can.
    pub fn is_reader_prompt(&self, exchange: u32) -> bool {
        self.clients.iter().any(|visit| visit.asks.contains(&exchange) && visit.pace == Pace::Prompt)
    }

    /// The configuration as text.
    pub fn config(&self, generation: u64) -> String {
        let Settings { head, connect, first_byte, request, idle, drain, upstream_idle, .. } = &self.settings;
        let Settings { body_limit, header_limit, connections, connections_per_address, idle_connections, .. } =
            &self.settings;
        // Another plan has its endpoints in another order, so that an index means something else, or one less.
        let mut endpoints = self.endpoints();
        let turn = generation as usize % endpoints.len();
        endpoints.rotate_left(turn);
        if generation.is_multiple_of(3) && endpoints.len() > 1 {
            endpoints.pop();
        }
        format!(
            r#"
            [server]
            workers = {}
            drain_timeout = "{}ms"
            [listeners.web]
            address = "{GATEWAY}"
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
            [upstreams.main]
            endpoints = {endpoints:?}
            idle_connections = {idle_connections}
            idle_timeout = "{}ms"
            [upstreams.doubtful]
            endpoints = ["http://10.1.0.1:80", "http://{REFUSING}", "http://{SILENT}"]
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
            "#,
            self.cores,
            drain.as_millis(),
            head.as_millis(),
            connect.as_millis(),
            first_byte.as_millis(),
            request.as_millis(),
            idle.as_millis(),
            upstream_idle.as_millis(),
            upstream_idle.as_millis(),
        )
    }

    fn endpoints(&self) -> Vec<String> {
        ENDPOINTS[..self.settings.endpoints].iter().map(|endpoint| (*endpoint).to_owned()).collect()
    }
}

impl Settings {
    fn of(random: &mut Random) -> Self {
        let is_tight = random.chance(300);
        let limits: (u64, u64) = if is_tight { (50, 400) } else { (2_000, 4_000) };
        Self {
            head: millis(random, limits),
            connect: millis(random, limits),
            first_byte: millis(random, limits),
            request: millis(random, limits) * 2,
            idle: millis(random, limits),
            drain: millis(random, (10, 1_000)),
            upstream_idle: millis(random, (5, 500)),
            body_limit: *random.pick(&[1_000, 30_000, 1_000_000]),
            header_limit: 2_000,
            connections: *random.pick(&[2, 100, 100, 100]),
            connections_per_address: *random.pick(&[1, 100, 100, 100]),
            idle_connections: *random.pick(&[0, 1, 2, 8]),
            endpoints: random.within((1, 3)) as usize,
        }
    }

    /// The shortest time that the configuration gives anything.
    pub fn shortest(&self) -> Duration {
        self.head.min(self.connect).min(self.first_byte).min(self.request).min(self.idle)
    }
}

impl Ask {
    fn of(random: &mut Random, room: u64, body_limit: u64) -> Self {
        let method = *random.pick(&["GET", "GET", "POST", "POST", "PUT", "HEAD", "DELETE"]);
        let bytes = size(random, room);
        let body = match method {
            "POST" | "PUT" if random.chance(100) => Body::Length(body_limit + 1),
            "POST" | "PUT" => *random.pick(&[Body::Length(bytes), Body::Chunked(bytes), Body::None]),
            _ => Body::None,
        };
        let is_old = random.chance(80);
        let treatment = treatment(random);
        let framing = *random.pick(&[Shape::Length, Shape::Length, Shape::Chunked, Shape::UntilClose]);
        Self {
            route: *random.pick(&[
                Route::Main,
                Route::Main,
                Route::Main,
                Route::Main,
                Route::Doubtful,
                Route::Local,
                Route::Lost,
            ]),
            method,
            is_old,
            // RFC 9112 6.1: no chunks from HTTP/1.0.
            body: if is_old && matches!(body, Body::Chunked(_)) { Body::Length(bytes) } else { body },
            expects: !is_old && random.chance(200),
            manner: manner(random),
            treatment,
            answer: Answer {
                status: *random.pick(&[200, 200, 200, 404, 204, 304, 500]),
                // Behind an answer that only the end delimits nothing can follow.
                framing: if matches!(treatment, Treatment::Appends(_)) { Shape::Length } else { framing },
                bytes: size(random, room),
                interims: *random.pick(&[0, 0, 0, 1, 3]),
                is_last: random.chance(100),
            },
        }
    }

    /// Long talks in which nothing is wrong are rare among so much that is, and pools and pipelines live on them.
    fn behave(&mut self, random: &mut Random) {
        self.manner = Manner::Prompt;
        self.route = *random.pick(&[Route::Main, Route::Main, Route::Main, Route::Local, Route::Lost]);
        self.treatment = match random.below(5) {
            0 => Treatment::Slow(millis(random, (0, 60))),
            1 => Treatment::Early,
            _ => Treatment::Good,
        };
        if self.treatment == Treatment::Early && random.chance(500) {
            // An answer long before the end of its request: whoever takes the one for the other is seen here.
            (self.method, self.body) = ("POST", Body::Length(random.within((100, 900))));
            self.manner = Manner::Slow(random.within((1, 100)) as usize, millis(random, (1, 10)));
        }
    }

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

fn manner(random: &mut Random) -> Manner {
    if random.chance(750) {
        return Manner::Prompt;
    }
    let some = random.within((0, 300)) as usize;
    match random.below(9) {
        0 | 1 => Manner::Slow(random.within((1, 200)) as usize, millis(random, (0, 10))),
        2 => Manner::StopsAfter(some),
        3 => Manner::ClosesAfter(some),
        4 => Manner::ResetsAfter(some),
        5 => Manner::Finishes,
        6 => Manner::BreaksChunk,
        7 => Manner::Malformed(random.pick::<&'static [u8]>(MALFORMED)),
        _ => Manner::Oversized,
    }
}

fn treatment(random: &mut Random) -> Treatment {
    if random.chance(600) {
        return Treatment::Good;
    }
    let some = random.within((0, 400)) as usize;
    match random.below(15) {
        0 | 1 => Treatment::Slow(millis(random, (0, 30))),
        2 => Treatment::ClosesAfter(millis(random, (0, 30))),
        3 => Treatment::Early,
        4 => Treatment::Refuses,
        5 => Treatment::Hangs,
        6 => Treatment::StopsAfter(some),
        7 => Treatment::CutsAfter(some),
        8 => Treatment::ResetsAfter(some),
        9 => Treatment::Closes,
        10 => Treatment::Appends(random.pick::<&[u8]>(APPENDED)),
        11 => Treatment::Speaks(random.pick::<&[u8]>(&APPENDED[..2]), millis(random, (0, 60))),
        12 => Treatment::Oversized,
        13 => Treatment::Garbage(random.pick::<&[u8]>(GARBAGE)),
        _ => Treatment::Interims(random.within((5, 12)) as u32),
    }
}

/// Sizes around nothing, a cell, and what a link and a buffer hold; bounded so that slow links get done in time.
fn size(random: &mut Random, room: u64) -> u64 {
    let most = match random.below(10) {
        0 => 0,
        1..=5 => 100,
        6..=8 => 2_000,
        _ => 8 * room,
    };
    random.within((0, most))
}

fn millis(random: &mut Random, range: (u64, u64)) -> Duration {
    Duration::from_millis(random.within(range))
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

/// Requests that are none, each complete in itself.
const MALFORMED: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    b"GET / HTTP/3.0\r\nhost: a\r\n\r\n",
    b"POST /main/ HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /main/ HTTP/1.1\r\nhost: a\r\ncontent-length: 1, 2\r\n\r\nabc",
    b"GET /main/ HTTP/1.1\r\nhost : a\r\n\r\n",
    b"GET /%00 HTTP/1.1\r\nhost: a\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"GET /main/ HTTP/1.1\nhost: a\n\n",
];

/// What an origin sends behind an answer: bytes that nobody asked for.
const APPENDED: &[&[u8]] = &[b"x", b"\r\n", b"HTTP/1.1 200 OK\r\nx-poison: 1\r\ncontent-length: 6\r\n\r\npoison"];

/// What an origin sends instead of an answer.
const GARBAGE: &[&[u8]] = &[
    b"HTTP/1.1 abc\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
    b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked, chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nbad name: 1\r\n\r\n",
    b"HTTP/2 200\r\n\r\n",
    b"\x00\x01\x02\x03",
    b"220 mail.example.com ESMTP\r\n",
];
