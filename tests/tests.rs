//! The table of contents of Ringway's tests: one module and one sentence each, one binary.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "client and origin are threads with a clock")]
#![expect(unreachable_pub, reason = "nobody imports a test binary")]
#![allow(clippy::unwrap_used, reason = "a test's unwrap is its assertion")]

/// The three actors: client, gateway, origin.
mod support;

/// The actors are strict themselves.
mod actors;
/// Bodies are delimited anew, streamed with back-pressure, and never look complete when they are not.
mod bodies;
/// Certificates and keys: what is said of bad ones, which one a client sees, and how others take their place.
mod certificates;
/// What an exchange costs: allocations and sends, held exactly.
mod costs;
/// Many exchanges, all sizes, every pace.
mod crowd;
/// Real HTTP/1.1 servers behind the gateway see the requests that were meant.
mod differential;
/// Endpoints that fail, and who is asked instead.
mod endpoints;
/// The gateway's own answers tell enough and nothing internal.
mod errors;
/// Thirty upstream faults under load: nothing is lost, doubled or falsely complete.
mod faults;
/// What of a message goes through, what goes, what is added.
mod forwarding;
/// gRPC and gRPC-Web, from the client's message to the server's status.
mod grpc;
/// HTTP/2 from clients.
mod h2;
/// Attacks over HTTP/2, beside a good client.
mod h2_attacks;
/// Origins that break HTTP/2, or make use of its ways to refuse: nothing is lost, doubled or falsely complete.
mod h2_faults;
/// HTTP/2 at the level of frames: every rule that a client can see.
mod h2_frames;
/// HTTP/1.1 clients reach origins that speak HTTP/2, and nothing is lost or made up on the way.
mod h2_upstreams;
/// Who the client is, and what an exchange is called.
mod identity;
/// What a connection at rest holds.
mod idle;
/// What comes before the final answer.
mod interim;
/// How long connections live, and that no message bleeds into the next.
mod keepalive;
/// The process obeys signals, takes new configurations, drains, and stays small.
mod lifecycle;
/// Each limit has its status and is reached exactly.
mod limits;
/// Access log, metrics, health.
mod observation;
/// A panic costs one connection.
mod panics;
/// Upstream connections are used again when that is safe, and never otherwise.
mod pooling;
/// Whose connection it is, as a proxy in front of the gateway says it, and as the gateway says it.
mod proxy_protocol;
/// Where requests go, and how they change on the way.
mod routes;
/// The whole gateway in virtual time, by the seed.
mod simulation;
/// Event streams and bodies without an announced end: each piece arrives before the next is sent.
mod streams;
/// The sources keep the architecture.
mod tidy;
/// Each deadline ends what it bounds.
mod timeouts;
/// Handshakes, records and ends of TLS, on both sides.
mod tls;
/// Connections that become WebSockets: who may, and that their bytes go through whole or visibly not.
mod upgrade;

/// Why a request goes where it goes, as `explain` tells it, is where it goes.
mod explain;
/// Damaged inputs by the thousand, and what must hold for each.
mod fuzzing;
/// The Gateway API's conformance cases, as far as they speak of what is built.
mod gateway_api;
/// No parser cares how its bytes come, and what is written reads as what was meant.
mod properties;
/// The router does what a naive model of the order does, on random tables.
mod routing;
/// Random route tables and requests.
mod tables;
/// What comes over the wire gets its verdict: hundreds of fixtures.
mod wire;

/// Every mistake in a configuration is reported, with its place; what is generated from the language is fresh.
mod config;

/// The command line: what it prints, where, and with which exit code.
mod cli;
/// A gateway ends, and nothing that was begun is lost.
mod drain;
/// What the metrics say when things go wrong, take long, or are made up by a client.
mod metrics;
/// Another configuration comes into force while the gateway serves.
mod reload;
