//! `timeouts` and `limits`: the plain tables that are inherited key by key.

use std::time::Duration;

use crate::plan::desk::Desk;
use crate::plan::read::{At, Section, Table};
use crate::plan::shape::{Described, Key};
use crate::plan::value::number::Count;
use crate::plan::value::quantity::{RateOrNone, Size, SizeOrNone, Span, Timeout};
use crate::words::limits::{HEADER_BYTES_MAX, HEADERS_MAX};

const HEAD: Key<Span> = Key::new("head", "\"10s\"", "A request's head must be complete in this time, else 408.");
const CONNECT: Key<Span> =
    Key::new("connect", "\"1s\"", "A connection to an endpoint must be made in this time, else 504.");
const FIRST_BYTE: Key<Timeout> = Key::new(
    "first_byte",
    "\"10s\"",
    "The upstream must begin its answer in this time after the request was sent, else 504.",
);
const REQUEST: Key<Timeout> = Key::new(
    "request",
    "\"15s\"",
    "The whole exchange must be done in this time, else 504. Event streams: only if their route sets it.",
);
const IDLE: Key<Timeout> = Key::new("idle", "\"60s\"", "No connection stays without a moving byte for longer.");

/// `timeouts` of defaults, listeners and routes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timeouts {
    /// `head`.
    pub head: Option<At<Duration>>,
    /// `connect`.
    pub connect: Option<At<Duration>>,
    /// `first_byte`.
    pub first_byte: Option<At<Duration>>,
    /// `request`.
    pub request: Option<At<Duration>>,
    /// `idle`.
    pub idle: Option<At<Duration>>,
}

/// Of the language, without a meaning yet.
const TIMEOUTS_LATER: &[&str] = &["tls", "attempt"];

impl Timeouts {
    /// These, and where a key is absent the one of `wider`.
    #[must_use]
    pub fn or(self, wider: Self) -> Self {
        Self {
            head: self.head.or(wider.head),
            connect: self.connect.or(wider.connect),
            first_byte: self.first_byte.or(wider.first_byte),
            request: self.request.or(wider.request),
            idle: self.idle.or(wider.idle),
        }
    }
}

impl From<UpstreamTimeouts> for Timeouts {
    fn from(upstream: UpstreamTimeouts) -> Self {
        let UpstreamTimeouts { connect, first_byte, idle } = upstream;
        Self { connect, first_byte, idle, ..Self::default() }
    }
}

impl Section for Timeouts {
    const KEYS: &'static [Described] =
        &[HEAD.describe(), CONNECT.describe(), FIRST_BYTE.describe(), REQUEST.describe(), IDLE.describe()];
    const LATER: &'static [&'static str] = TIMEOUTS_LATER;

    fn read(table: &mut Table<'_>, desk: &mut Desk<'_>) -> Self {
        Self {
            head: table.take(&HEAD, desk).map(|span| span.map(|span| span.0)),
            connect: table.take(&CONNECT, desk).map(|span| span.map(|span| span.0)),
            first_byte: table.take(&FIRST_BYTE, desk).map(|span| span.map(|span| span.0)),
            request: table.take(&REQUEST, desk).map(|span| span.map(|span| span.0)),
            idle: table.take(&IDLE, desk).map(|span| span.map(|span| span.0)),
        }
    }
}

/// `timeouts` of upstreams: only what concerns their side.
#[derive(Clone, Copy, Debug, Default)]
pub struct UpstreamTimeouts {
    /// `connect`.
    pub connect: Option<At<Duration>>,
    /// `first_byte`.
    pub first_byte: Option<At<Duration>>,
    /// `idle`.
    pub idle: Option<At<Duration>>,
}

impl Section for UpstreamTimeouts {
    const KEYS: &'static [Described] = &[CONNECT.describe(), FIRST_BYTE.describe(), IDLE.describe()];
    const LATER: &'static [&'static str] = TIMEOUTS_LATER;

    fn read(table: &mut Table<'_>, desk: &mut Desk<'_>) -> Self {
        Self {
            connect: table.take(&CONNECT, desk).map(|span| span.map(|span| span.0)),
            first_byte: table.take(&FIRST_BYTE, desk).map(|span| span.map(|span| span.0)),
            idle: table.take(&IDLE, desk).map(|span| span.map(|span| span.0)),
        }
    }
}

/// A head needs some room even for the smallest request that browsers make.
const HEADER_BYTES_MIN: u64 = 1024;
const TARGET_BYTES_MIN: u64 = 64;

const HEADER_BYTES: Key<Size<HEADER_BYTES_MIN, HEADER_BYTES_MAX>> =
    Key::new("header_bytes", "\"32KiB\"", "Bytes of a head; more is 431.");
const HEADERS: Key<Count<1, HEADERS_MAX>> = Key::new("headers", "100", "Fields of a head; more is 431.");
const TARGET_BYTES: Key<Size<TARGET_BYTES_MIN, HEADER_BYTES_MAX>> =
    Key::new("target_bytes", "\"8KiB\"", "Bytes of a request target; more is 414.");
const BODY: Key<SizeOrNone> = Key::new("body", "\"10MiB\"", "Bytes of a request body; more is 413.");
const BODY_RATE: Key<RateOrNone> =
    Key::new("body_rate", "\"240B/s\"", "A request body must not come more slowly, after a grace of 10s; else 408.");
const CONNECTIONS: Key<Count<1, 10_000_000>> =
    Key::new("connections", "100000", "Connections of a listener on one worker; more get 503.");
const CONNECTIONS_PER_ADDRESS: Key<Count<1, 10_000_000>> =
    Key::new("connections_per_address", "10000", "Connections of one client address on one worker; more get 429.");

/// `limits`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// `header_bytes`.
    pub header_bytes: Option<At<u64>>,
    /// `headers`.
    pub headers: Option<At<u64>>,
    /// `target_bytes`.
    pub target_bytes: Option<At<u64>>,
    /// `body`.
    pub body: Option<At<u64>>,
    /// `body_rate`.
    pub body_rate: Option<At<u64>>,
    /// `connections`.
    pub connections: Option<At<u64>>,
    /// `connections_per_address`.
    pub connections_per_address: Option<At<u64>>,
}

impl Limits {
    /// These, and where a key is absent the one of `wider`.
    #[must_use]
    pub fn or(self, wider: Self) -> Self {
        Self {
            header_bytes: self.header_bytes.or(wider.header_bytes),
            headers: self.headers.or(wider.headers),
            target_bytes: self.target_bytes.or(wider.target_bytes),
            body: self.body.or(wider.body),
            body_rate: self.body_rate.or(wider.body_rate),
            connections: self.connections.or(wider.connections),
            connections_per_address: self.connections_per_address.or(wider.connections_per_address),
        }
    }
}

impl Section for Limits {
    const KEYS: &'static [Described] = &[
        HEADER_BYTES.describe(),
        HEADERS.describe(),
        TARGET_BYTES.describe(),
        BODY.describe(),
        BODY_RATE.describe(),
        CONNECTIONS.describe(),
        CONNECTIONS_PER_ADDRESS.describe(),
    ];

    fn read(table: &mut Table<'_>, desk: &mut Desk<'_>) -> Self {
        Self {
            header_bytes: table.take(&HEADER_BYTES, desk).map(|size| size.map(|size| size.0)),
            headers: table.take(&HEADERS, desk).map(|count| count.map(|count| count.0)),
            target_bytes: table.take(&TARGET_BYTES, desk).map(|size| size.map(|size| size.0)),
            body: table.take(&BODY, desk).map(|size| size.map(|size| size.0)),
            body_rate: table.take(&BODY_RATE, desk).map(|rate| rate.map(|rate| rate.0)),
            connections: table.take(&CONNECTIONS, desk).map(|count| count.map(|count| count.0)),
            connections_per_address: table.take(&CONNECTIONS_PER_ADDRESS, desk).map(|count| count.map(|count| count.0)),
        }
    }
}
