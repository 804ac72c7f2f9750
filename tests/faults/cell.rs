//! One cell of the table: a fault and a method, under load, counted.

use std::env;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::super::support::process::Process;
use super::super::support::{Gateway, Origin};
use super::client::{Client, Outcome};
use super::fault::{Fault, serve};
use super::tagged::{Ledger, Tag};

/// Connections that a cell keeps busy.
const CLIENTS: usize = 32;

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
    /// Times the fault was played, where an origin can tell.
    faults: usize,
    /// The first few outcomes that should not have been.
    complaints: Vec<String>,
}

/// The gateway under test.
enum Under {
    Here(Gateway),
    There(Process),
}

/// Loads a gateway that has one endpoint with this fault and two good ones, and counts.
pub fn run(fault: Fault, method: &str) -> Tally {
    let ledger = Arc::new(Ledger::default());
    let good = || {
        let ledger = Arc::clone(&ledger);
        Origin::playing(move |connection| serve(connection, &ledger))
    };
    let origins = [good(), fault.origin(&ledger), good()];
    let gateway = Under::test(&config(&origins, fault.timeouts()));
    let mut tally = ask_all(gateway.address(), fault, method);
    drop(gateway);
    tally.faults = ledger.faults();
    tally.foreign += ledger.foreign();
    // What is idempotent may be asked twice.
    tally.doubled = if method == "POST" { ledger.doubled() } else { 0 };
    tally
}

fn config(origins: &[Origin], timeouts: &str) -> String {
    let endpoints: Vec<&str> = origins.iter().map(Origin::endpoint).collect();
    format!(
        r#"
        [server]
        workers = 1
        [defaults]
        timeouts = {{ {timeouts} }}
        [listeners.web]
        address = "127.0.0.1:0"
        # The clients name their requests, and each answer says whose it is.
        trusted_proxies = ["127.0.0.1"]
        [upstreams.three]
        endpoints = {endpoints:?}
        # Below the patience of the origins, which would close idle connections too.
        idle_timeout = "5s"
        [routes.all]
        path = "/*"
        upstream = "three"
        "#
    )
}

/// Asks by [`CLIENTS`] connections at the same time until the load is done.
fn ask_all(gateway: SocketAddr, fault: Fault, method: &str) -> Tally {
    let load = Load::from_environment();
    let (next, begun) = (AtomicUsize::new(0), Instant::now());
    let tallies: Vec<Tally> = thread::scope(|scope| {
        let clients = (0..CLIENTS).map(|_| scope.spawn(|| ask_some(gateway, fault, method, load, &next, begun)));
        let clients: Vec<_> = clients.collect();
        clients.into_iter().map(|client| client.join().expect("a client counts, it does not panic")).collect()
    });
    let mut sum = Tally::default();
    tallies.into_iter().for_each(|tally| sum.add(tally));
    sum
}

fn ask_some(gateway: SocketAddr, fault: Fault, method: &str, load: Load, next: &AtomicUsize, begun: Instant) -> Tally {
    let mut client = Client::new(gateway);
    let mut tally = Tally::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let due = load.rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(number as f64 / rate));
        if number >= load.requests || begun.elapsed().max(due) > load.time {
            return tally;
        }
        // The load's pace; nothing depends on it.
        thread::sleep(due.saturating_sub(begun.elapsed()));
        tally.count(fault, method, client.ask(Tag::new(number), method));
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
}

impl Tally {
    /// Fails unless nothing was lost, doubled, falsely complete or foreign, and the fault was met.
    pub fn check(&self, fault: Fault, method: &str) {
        let wrong = self.lost + self.doubled + self.false_answers + self.foreign;
        assert_eq!(wrong, 0, "{fault:?} {method}: {self:?}");
        let shows_itself = !matches!(fault, Fault::Refuses | Fault::BlackHole);
        assert!(self.faults > 0 || !shows_itself, "{fault:?} {method}: the fault was never met");
        assert!(self.whole * 3 > self.requests, "{fault:?} {method}: two endpoints of three are good: {self:?}");
    }

    fn count(&mut self, fault: Fault, method: &str, outcome: Outcome) {
        self.requests += 1;
        if !fault.allows(method, &outcome) && self.complaints.len() < 5 {
            self.complaints.push(format!("{outcome:?}"));
        }
        match outcome {
            Outcome::Whole => self.whole += 1,
            Outcome::Refused(502) if fault.allows(method, &outcome) => self.bad_gateway += 1,
            Outcome::Refused(504) if fault.allows(method, &outcome) => self.timed_out += 1,
            Outcome::Cut if fault.allows(method, &outcome) => self.cut += 1,
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
