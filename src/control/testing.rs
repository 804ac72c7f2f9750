//! Plans made by hand, and a core that serves nobody, for the tests of this floor.

use std::io;
use std::time::Duration;

use crate::plan::cidr::CidrSet;
use crate::plan::router::Router;
use crate::plan::{
    Action, Address, Balance, Endpoint, FieldEdits, Limits, Listener, Plan, Protocol, Respond, Route, Server, Steering,
    Timeouts, Upstream, UpstreamProtocol, UpstreamTimeouts, Workers,
};
use crate::policy::meter::{Meter, Sample};
use crate::proto::head::Method;
use crate::shell::mail::{Note, Report, Row, SharedLink, SharedPlan};
use crate::shell::worker::{Setup, Worker};
use crate::words::ids::ListenerId;
use crate::words::limits;

/// One listener `web` on a free port, one upstream `origin`, two workers, and these routes.
pub(super) fn plan(routes: &[&str]) -> Plan {
    Plan {
        generation: 1,
        server: Server {
            name: "ringway".to_owned(),
            workers: Workers::Count(2),
            cpus: Vec::new(),
            steering: Steering::Hash,
            drain_timeout: Duration::from_secs(30),
        },
        listeners: vec![listener("web", "127.0.0.1:0")],
        routes: routes.iter().map(|name| route(name)).collect(),
        upstreams: vec![upstream()],
        tls: Vec::new(),
        router: Router::default(),
        admin: None,
        access_log: None,
    }
}

pub(super) fn listener(name: &str, address: &str) -> Listener {
    Listener {
        name: name.to_owned(),
        address: address.parse().unwrap(),
        redirect: None,
        trusted_proxies: CidrSet::default(),
        limits: LIMITS,
        timeouts: TIMEOUTS,
        tls: None,
        protocols: vec![Protocol::Http1],
        proxy_protocol: None,
    }
}

fn route(name: &str) -> Route {
    let answer = Respond { status: 200, fields: Vec::new(), body: bytes::Bytes::new() };
    Route {
        name: name.to_owned(),
        action: Action::Respond(answer),
        request: FieldEdits::default(),
        response: FieldEdits::default(),
        limits: LIMITS,
        timeouts: TIMEOUTS,
    }
}

fn upstream() -> Upstream {
    let address = Address::Tcp("127.0.0.1:9".parse().unwrap());
    Upstream {
        name: "origin".to_owned(),
        endpoints: vec![Endpoint { address, authority: "127.0.0.1:9".to_owned(), weight: 1, is_tls: false }],
        balance: Balance::RoundRobin,
        idle_connections: 1,
        idle_timeout: limits::UPSTREAM_IDLE_TIME,
        protocol: UpstreamProtocol::Http1,
        tls: None,
        proxy_protocol: None,
        timeouts: UpstreamTimeouts::default(),
    }
}

const LIMITS: Limits = Limits {
    header_bytes: limits::HEADER_BYTES,
    headers: limits::HEADERS,
    target_bytes: limits::TARGET_BYTES,
    body: limits::BODY_BYTES,
    body_rate: limits::BODY_RATE,
    connections: limits::CONNECTIONS,
    connections_per_address: limits::CONNECTIONS_PER_ADDRESS,
};

const TIMEOUTS: Timeouts = Timeouts {
    head: limits::HEAD_TIME,
    connect: limits::CONNECT_TIME,
    first_byte: limits::FIRST_BYTE_TIME,
    request: limits::REQUEST_TIME,
    idle: limits::IDLE_TIME,
};

/// Starts a core that keeps to the protocol of the mail and counts one exchange without a route per generation.
pub(super) fn quiet_core(setup: Setup) -> io::Result<Worker> {
    start(setup, |link, (served, meter), note| match note {
        Note::Publish => link.report(Report::Batch(Box::new(meter.drain()))),
        Note::Plan(plan, _) => {
            link.report(Report::Batch(Box::new(meter.drain())));
            *meter = Meter::new(&plan);
            meter.record(&sample());
            link.report(Report::Applied(plan.generation));
            *served = plan;
        }
        Note::Keyring(_) => {}
        Note::Drain(_) => {
            assert!(link.push_log(&mut b"the last line\n".to_vec()));
            link.report(Report::Drained);
        }
    })
}

/// Starts a core that never answers but to be drained.
pub(super) fn mute_core(setup: Setup) -> io::Result<Worker> {
    start(setup, |link, _, note| {
        if matches!(note, Note::Drain(_)) {
            link.report(Report::Drained);
        }
    })
}

/// Starts a core whose thread ends at once.
pub(super) fn dying_core(_setup: Setup) -> io::Result<Worker> {
    Ok(Worker { driver: "none".to_owned(), thread: std::thread::spawn(|| {}) })
}

/// The plan a core serves by and its counts.
type Serving = (SharedPlan, Meter);

fn start(setup: Setup, obey: fn(&SharedLink, &mut Serving, Note)) -> io::Result<Worker> {
    let body = move || {
        let Setup { plan, link, sockets: _held, .. } = setup;
        let mut meter = Meter::new(&plan);
        meter.opened(ListenerId::new(0));
        meter.record(&sample());
        let mut serving = (plan, meter);
        loop {
            Row::add(&link.row.ticks, 1);
            for note in link.take_notes() {
                let is_last = matches!(note, Note::Drain(_));
                obey(&link, &mut serving, note);
                if is_last {
                    return;
                }
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
    };
    Ok(Worker { driver: "a stand-in".to_owned(), thread: std::thread::spawn(body) })
}

fn sample() -> Sample {
    Sample {
        listener: ListenerId::new(0),
        route: None,
        method: Method::Get,
        status: 404,
        duration: Duration::from_millis(1),
        upstream: None,
        bytes_in: 0,
        bytes_out: 10,
        fault: None,
    }
}

/// A directory for one test, removed when dropped.
pub(super) struct Folder(std::path::PathBuf);

impl Folder {
    /// A fresh one.
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ringway-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
