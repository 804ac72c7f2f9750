//! One cell of the table: a fault, a method and what clients speak, under load, counted.

use std::env;
use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use super::client::{Client, Outcome};
use super::tagged::{Ledger, Tag, Way};
use super::{Trouble, h2_client};
use crate::support::process::Process;
use crate::support::{Gateway, Origin};

/// Clients that a cell keeps busy.
const CLIENTS: usize = 32;
/// Connections that clients share where they speak HTTP/2.
const SHARED: usize = 4;

/// What the clients of a cell speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speaks {
    /// HTTP/1.1, each over a kept connection of its own.
    Http1,
    /// HTTP/2 without TLS, eight over one connection.
    Http2,
}

/// How much load a cell gets.
#[derive(Clone, Copy, Debug)]
struct Load {
    requests: usize,
    /// Requests begun in a second; no bound: as fast as they are answered.
    rate: Option<f64>,
    /// No request begins after this.
    time: Duration,
}

/// What became of a cell's requests.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    requests: usize,
    whole: usize,
    bad_gateway: usize,
    timed_out: usize,
    cut: usize,
    lost: usize,
    doubled: usize,
    false_answers: usize,
    foreign: usize,
    /// Times the fault was played.
    faults: usize,
    /// The first few outcomes that should not have been.
    complaints: Vec<String>,
}

/// The gateway under test.
enum Under {
    Here(Gateway),
    There(Process),
}

/// Loads a gateway that has one endpoint with this trouble and two good ones, and counts.
pub fn run<T: Trouble>(trouble: T, method: &str, speaks: Speaks) -> Tally {
    let ledger = Arc::new(Ledger::default());
    let origins = [T::good(&ledger), trouble.origin(&ledger), T::good(&ledger)];
    let gateway = Under::test(&config(&origins, T::PROTOCOL, speaks, trouble.timeouts()));
    let scene =
        Scene { trouble, method, load: Load::from_environment(), next: AtomicUsize::new(0), begun: Instant::now() };
    let mut tally = match speaks {
        Speaks::Http1 => scene.play(CLIENTS, || scene.ask_over_http1(gateway.address())),
        Speaks::Http2 => scene.play(SHARED, || scene.ask_over_http2(gateway.address())),
    };
    tally.faults = if trouble.is_silent() { gateway.connect_failures() } else { ledger.faults() };
    drop(gateway);
    tally.foreign += ledger.foreign();
    // What is idempotent may be asked twice.
    tally.doubled = if method == "POST" { ledger.doubled() } else { 0 };
    tally
}

fn config(origins: &[Origin], protocol: &str, speaks: Speaks, timeouts: &str) -> String {
    let endpoints: Vec<&str> = origins.iter().map(Origin::endpoint).collect();
    let protocols = if speaks == Speaks::Http2 { "protocols = [\"h2\"]" } else { "" };
    format!(
        r#"
        [server]
        workers = 1
        [listeners.web]
        address = "127.0.0.1:0"
        {protocols}
        # The clients name their requests, and each answer says whose it is.
        trusted_proxies = ["127.0.0.1"]
        [admin]
        address = "127.0.0.1:0"
        [upstreams.three]
        endpoints = {endpoints:?}
        protocol = "{protocol}"
        # Below the patience of the origins, which would close idle connections too.
        idle_timeout = "5s"
        [routes.all]
        path = "/*"
        upstream = "three"
        # Of the route alone: the clients may take their time between two requests.
        timeouts = {{ {timeouts} }}
        "#
    )
}

/// What all clients of a cell do together.
struct Scene<'m, T> {
    trouble: T,
    method: &'m str,
    load: Load,
    /// The number of the next request.
    next: AtomicUsize,
    begun: Instant,
}

impl<T: Trouble> Scene<'_, T> {
    /// Runs `ask` on so many threads until the load is done.
    fn play(&self, threads: usize, ask: impl Fn() -> Tally + Sync) -> Tally {
        let tallies: Vec<Tally> = thread::scope(|scope| {
            let clients: Vec<_> = (0..threads).map(|_| scope.spawn(&ask)).collect();
            clients.into_iter().map(|client| client.join().expect("a client counts, it does not panic")).collect()
        });
        let mut sum = Tally::default();
        tallies.into_iter().for_each(|tally| sum.add(tally));
        sum
    }

    /// The next request, and how long it has to wait: that is the load's pace, and nothing depends on it.
    fn next(&self) -> Option<(Tag, Duration)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let due = self.load.rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(number as f64 / rate));
        let elapsed = self.begun.elapsed();
        if number >= self.load.requests || elapsed.max(due) > self.load.time {
            return None;
        }
        Some((Tag::new(number), due.saturating_sub(elapsed)))
    }

    fn ask_over_http1(&self, gateway: SocketAddr) -> Tally {
        let mut client = Client::new(gateway);
        let mut tally = Tally::default();
        while let Some((tag, wait)) = self.next() {
            thread::sleep(wait);
            let outcome = client.ask(tag, self.method);
            // Head and body come at once, and fit in one buffer.
            let is_held = self.method == "GET" || tag.body(Way::Up).len() < 1_000;
            tally.count(self.trouble.allows(self.method, is_held, &outcome), outcome);
        }
        tally
    }

    fn ask_over_http2(&self, gateway: SocketAddr) -> Tally {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let client = h2_client::Client::connect(gateway).await;
            let streams = (0..CLIENTS / SHARED).map(|_| self.ask_by_streams(client.clone()));
            let mut streams: Vec<_> = streams.map(|asking| Some(Box::pin(asking))).collect();
            let mut sum = Tally::default();
            poll_fn(|cx| {
                for place in &mut streams {
                    if let Some(Poll::Ready(tally)) = place.as_mut().map(|asking| asking.as_mut().poll(cx)) {
                        sum.add(tally);
                        *place = None;
                    }
                }
                if streams.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            sum
        })
    }

    async fn ask_by_streams(&self, mut client: h2_client::Client) -> Tally {
        let mut tally = Tally::default();
        while let Some((tag, wait)) = self.next() {
            tokio::time::sleep(wait).await;
            let outcome = client.ask(tag, self.method).await;
            // A body comes in frames of its own.
            let is_held = self.method == "GET";
            tally.count(self.trouble.allows(self.method, is_held, &outcome), outcome);
        }
        tally
    }
}

impl Load {
    /// What continuous integration can afford, or what `scripts/faults` asks for.
    fn from_environment() -> Self {
        let number = |name: &str| {
            let text = env::var(name).ok()?;
            Some(text.parse::<f64>().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
        };
        Self {
            requests: number("FAULTS_REQUESTS").map_or(160, |requests| requests as usize),
            rate: number("FAULTS_RATE"),
            time: Duration::from_secs_f64(number("FAULTS_SECONDS").unwrap_or(20.0)),
        }
    }
}

impl Under {
    /// In this process, or the binary that the environment names.
    fn test(config: &str) -> Self {
        match env::var_os("RINGWAY_BINARY") {
            Some(_) => Self::There(Process::run(config)),
            None => Self::Here(Gateway::start(config)),
        }
    }

    fn address(&self) -> SocketAddr {
        match self {
            Self::Here(gateway) => gateway.address(),
            Self::There(process) => process.address("web"),
        }
    }

    /// Requests that went on to another endpoint because one could not be connected to.
    fn connect_failures(&self) -> usize {
        let name = "ringway_retries_total{reason=\"connect_failure\"}";
        let count = match self {
            Self::Here(gateway) => gateway.metric(name),
            Self::There(process) => {
                crate::support::Client::connect(process.address_of("admin listening ")).metric(name)
            }
        };
        count as usize
    }
}

impl Tally {
    /// Fails unless nothing was lost, doubled, falsely complete or foreign, and the fault was met.
    pub fn check(&self, cell: &str) {
        let wrong = self.lost + self.doubled + self.false_answers + self.foreign;
        assert_eq!(wrong, 0, "{cell}: {self:?}");
        assert!(self.faults > 0, "{cell}: the fault was never met");
        assert!(self.whole * 3 > self.requests, "{cell}: two endpoints of three are good: {self:?}");
    }

    fn count(&mut self, is_allowed: bool, outcome: Outcome) {
        self.requests += 1;
        if !is_allowed && self.complaints.len() < 5 {
            self.complaints.push(format!("{outcome:?}"));
        }
        match outcome {
            Outcome::Whole => self.whole += 1,
            Outcome::Refused(502) if is_allowed => self.bad_gateway += 1,
            Outcome::Refused(504) if is_allowed => self.timed_out += 1,
            Outcome::Cut if is_allowed => self.cut += 1,
            Outcome::Refused(_) | Outcome::Cut | Outcome::Lost(_) => self.lost += 1,
            Outcome::False(_) => self.false_answers += 1,
            Outcome::Foreign(_) => self.foreign += 1,
        }
    }

    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.whole += other.whole;
        self.bad_gateway += other.bad_gateway;
        self.timed_out += other.timed_out;
        self.cut += other.cut;
        self.lost += other.lost;
        self.false_answers += other.false_answers;
        self.foreign += other.foreign;
        self.complaints.extend(other.complaints);
    }
}

/// A row of the table that `scripts/faults` prints.
impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, whole, bad_gateway, timed_out, cut, lost, doubled, false_answers, foreign, .. } = self;
        write!(
            formatter,
            "{:6} | {requests:8} | {whole:8} | {bad_gateway:5} | {timed_out:5} | {cut:5} | {lost:4} | {doubled:7} | {false_answers:5} | {foreign:7}",
            self.faults
        )
    }
}
