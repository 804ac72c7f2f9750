//! What is known of an exchange when it is over: one record, from which metrics and the log line are made.

use std::cell::RefCell;
use std::net::IpAddr;
use std::time::Duration;

use super::connection::Downstream;
use super::core::Core;
use super::io::Io;
use super::serving::{Choice, Serving};
use super::wire::Wire;
use super::work::Work;
use crate::plan::{Address, Plan};
use crate::policy::journal::{self, Entry, Hop, Secured};
use crate::policy::meter::Sample;
use crate::proto::h1::encode::push_address;
use crate::proto::head::Known;
use crate::words::fault::Fault;
use crate::words::ids::RouteId;
use crate::words::time::Instant;

/// The record of one exchange.
#[derive(Clone, Debug)]
pub struct Record {
    started: Instant,
    /// The client's address and port by `trusted_proxies`; no port when a proxy spoke for it.
    pub client: (IpAddr, Option<u16>),
    /// The route that won.
    pub route: Option<RouteId>,
    /// Methods for `Allow`, when the fault is 405.
    pub allow: Vec<String>,
    /// Status sent; 499 when the client was gone before.
    pub status: u16,
    /// Request body bytes received.
    pub bytes_in: u64,
    /// Answer body bytes sent.
    pub bytes_out: u64,
    /// The endpoint that was asked last.
    pub choice: Option<Choice>,
    /// Status of its answer.
    pub upstream_status: Option<u16>,
    /// From the request sent to its answer's head.
    pub upstream_time: Option<Duration>,
    /// Tries at the upstream, failed connects among them.
    pub attempts: u32,
    /// What went wrong.
    pub fault: Option<Fault>,
    /// When a tunnel began.
    switched: Option<Instant>,
}

impl Record {
    /// A record of an exchange whose head was complete at `started`.
    #[must_use]
    pub fn begin(started: Instant, client: (IpAddr, Option<u16>)) -> Self {
        Self {
            started,
            client,
            route: None,
            allow: Vec::new(),
            status: 499,
            bytes_in: 0,
            bytes_out: 0,
            choice: None,
            upstream_status: None,
            upstream_time: None,
            attempts: 0,
            fault: None,
            switched: None,
        }
    }

    /// What follows is a tunnel. The metrics time exchanges: hours of a tunnel would drown them, so for them this one
    /// ends here. The log tells how long it was all in all.
    pub fn switch(&mut self, now: Instant) {
        self.switched = Some(now);
    }

    /// Counts the exchange and logs it.
    pub fn end<I: Io>(
        &self, down: &Downstream<I>, work: &Work, serving: &RefCell<Serving<Wire<I::Stream>>>, plan: &Plan,
    ) {
        let core = &*down.core;
        let duration = core.io.now().since(self.started);
        let sample = Sample {
            listener: down.listener,
            route: self.route,
            method: work.request.method,
            status: self.status,
            duration: self.switched.map_or(duration, |switched| switched.since(self.started)),
            upstream: self.choice.zip(self.upstream_time).map(|(choice, time)| (choice.upstream, time)),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            fault: self.fault.map(|fault| fault.kind),
        };
        serving.borrow_mut().meter.record(&sample);
        if let Some(log) = &plan.access_log {
            core.log(|out| {
                self.write(core, down, work, plan, duration, |entry| journal::write(entry, &log.format, out))
            });
        }
    }

    fn write<I: Io>(
        &self, core: &Core<I>, down: &Downstream<I>, work: &Work, plan: &Plan, duration: Duration,
        write: impl FnOnce(&Entry<'_>),
    ) {
        let bytes = down.inbound.data();
        let (request, facts) = (&work.request, &work.facts);
        let value = |known| {
            let line = request.lines.iter().find(|line| line.known == known);
            line.map_or(&b""[..], |line| line.value.of(bytes))
        };
        let mut address = Vec::new();
        let hop = self.choice.map(|choice| {
            let upstream = &plan.upstreams[choice.upstream.index()];
            write_endpoint(&mut address, &upstream.endpoints[choice.endpoint].address);
            upstream.name.as_bytes()
        });
        write(&Entry {
            time: core.io.wall(),
            id: facts.id(),
            trace: facts.trace(),
            client: self.client.0,
            client_port: self.client.1,
            listener: plan.listeners[down.listener.index()].name.as_bytes(),
            host: facts.host(),
            method: request.method_span.of(bytes),
            path: if facts.path().is_empty() { request.path.of(bytes) } else { facts.path() },
            query: request.query.map(|query| query.of(bytes)),
            scheme: down.stream.scheme().as_bytes(),
            version: request.version,
            route: self.route.map_or(b"", |route| plan.routes[route.index()].name.as_bytes()),
            server: plan.server.name.as_bytes(),
            tls: down.stream.told().map(|told| Secured {
                version: told.version_name(),
                suite: told.suite_name(),
                server_name: told.server_name.as_deref().unwrap_or_default().as_bytes(),
            }),
            status: self.status,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            duration,
            upstream: hop.map(|name| Hop {
                name,
                address: &address,
                status: self.upstream_status,
                duration: self.upstream_time,
            }),
            attempts: self.attempts,
            fault: self.fault,
            user_agent: value(Known::UserAgent),
            referer: value(Known::Referer),
        });
    }
}

fn write_endpoint(out: &mut Vec<u8>, address: &Address) {
    match address {
        Address::Tcp(address) => {
            if address.is_ipv6() {
                out.push(b'[');
            }
            push_address(address.ip(), out);
            if address.is_ipv6() {
                out.push(b']');
            }
            out.push(b':');
            crate::proto::h1::encode::push_decimal(u64::from(address.port()), out);
        }
        Address::Unix(path) => {
            out.extend_from_slice(b"unix:");
            out.extend_from_slice(path.as_os_str().as_encoded_bytes());
        }
    }
}
