//! How a scenario is drawn from its seed: which troubles there are, and how often they come.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ringway::shell::sim::{Random, Weather};

use super::message::Pace;
use super::scenario::{Answer, Ask, Body, Leaving, Manner, Route, Scenario, Settings, Shape, Treatment, Visit};

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
            tunnels: Vec::new(),
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
        if seed.is_multiple_of(TUNNELS_EVERY) {
            scenario.add_tunnels(seed);
        }
        scenario
    }

    /// The scenario of `seed`, where most clients speak HTTP/2. What it has no words for they do not do.
    pub fn of_streams(seed: u64) -> Self {
        let mut random = Random::new(!seed);
        let mut scenario = Self::of(seed);
        for visit in &mut scenario.clients {
            visit.is_shared = random.chance(800);
            if !visit.is_shared {
                continue;
            }
            visit.is_pipelined = random.chance(600);
            for id in &visit.asks {
                let ask = &mut scenario.asks[*id as usize];
                ask.is_old = false;
                if matches!(ask.manner, Manner::Malformed(_) | Manner::Finishes | Manner::BreaksChunk) {
                    ask.manner = Manner::Prompt;
                }
            }
        }
        scenario
    }

    /// The same, with TLS on both sides. Who is one too many is not told so before a handshake, so nobody is.
    #[must_use]
    pub fn secured(mut self) -> Self {
        self.settings = Settings { connections: 100, connections_per_address: 100, is_secure: true, ..self.settings };
        self
    }

    /// The scenario of `seed`, where origins speak HTTP/2, and many clients.
    pub fn of_trunks(seed: u64) -> Self {
        let mut scenario = Self::of_streams(seed);
        scenario.settings.has_trunks = true;
        // It bounds connections that serve one request at a time.
        scenario.settings.idle_connections = 1_000;
        for ask in &mut scenario.asks {
            if matches!(ask.treatment, Treatment::Appends(_) | Treatment::Speaks(..) | Treatment::Garbage(_)) {
                ask.treatment = Treatment::Good;
            }
            if ask.answer.framing == Shape::UntilClose {
                ask.answer.framing = Shape::Chunked;
            }
        }
        scenario
    }

    /// One request, to an origin that speaks HTTP/2 and falls silent, and no time that bounds it soon.
    pub fn of_a_dead_trunk(seed: u64) -> Self {
        let mut scenario = Self::of_trunks(seed);
        scenario.weather = Weather::calm();
        scenario.is_stormy = false;
        (scenario.settings.has_trunks, scenario.settings.die, scenario.settings.endpoints) = (true, true, 1);
        let long = Duration::from_secs(60);
        (scenario.settings.first_byte, scenario.settings.request, scenario.settings.idle) = (long, long, long);
        (scenario.settings.connections, scenario.settings.connections_per_address) = (100, 100);
        scenario.reloads.clear();
        scenario.drain_at = None;
        scenario.clients.truncate(1);
        scenario.clients[0].asks = vec![0];
        scenario.clients[0].pace = Pace::Prompt;
        scenario.clients[0].leaving = Leaving::Close;
        scenario.asks.truncate(1);
        let ask = &mut scenario.asks[0];
        (ask.route, ask.method, ask.body, ask.expects) = (Route::Main, "GET", Body::None, false);
        (ask.manner, ask.treatment) = (Manner::Prompt, Treatment::Hangs);
        scenario
    }

    /// A client that pipelines, nothing that goes wrong, and a drain after `drain_at`.
    pub fn of_a_drained_pipeline(seed: u64, drain_at: Duration) -> Self {
        let mut random = Random::new(seed);
        let mut scenario = Self::of(seed);
        scenario.weather = Weather { accept_failures: 0, ..Weather::of(&mut random) };
        scenario.settings = Settings { connections: 100, connections_per_address: 100, ..scenario.settings };
        scenario.settings = scenario.settings.with_timeouts(Duration::from_secs(4));
        (scenario.cores, scenario.is_stormy, scenario.reloads) = (1, false, Vec::new());
        (scenario.clients, scenario.asks, scenario.drain_at) = (Vec::new(), Vec::new(), Some(drain_at));
        scenario.tunnels.clear();
        scenario.add_visit(&mut random, 0);
        let visit = &mut scenario.clients[0];
        (visit.is_pipelined, visit.pace, visit.asks) = (true, Pace::Prompt, (0..4).collect());
        scenario.asks = (0..4).map(|_| Ask::of(&mut random, 1_000, 1_000)).collect();
        for ask in &mut scenario.asks {
            (ask.route, ask.manner, ask.is_old, ask.expects) = (Route::Main, Manner::Prompt, false, false);
            (ask.method, ask.body) = ("PUT", Body::Length(random.within((0, 900))));
            ask.treatment = Treatment::Slow(millis(&mut random, (20, 60)));
        }
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
            is_shared: false,
            pace: match random.below(20) {
                0 | 1 => Pace::Slow(*random.pick(&[64, 500, 5000]), millis(random, (0, 5))),
                2 => Pace::Never,
                _ => Pace::Prompt,
            },
            leaving: *random.pick(&[Leaving::Close, Leaving::Close, Leaving::Reset, Leaving::Wait]),
        });
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
            is_secure: false,
            has_trunks: false,
            die: false,
        }
    }

    /// The same with this for every timeout.
    fn with_timeouts(self, time: Duration) -> Self {
        Self { head: time, connect: time, first_byte: time, request: time, idle: time, drain: time, ..self }
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

/// One run in so many has tunnels.
const TUNNELS_EVERY: u64 = 5;

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
