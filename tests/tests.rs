//! The table of contents of Ringway's tests: one module and one sentence each, one binary.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "client and origin are threads with a clock")]
#![expect(unreachable_pub, reason = "nobody imports a test binary")]
#![allow(clippy::unwrap_used, reason = "a test's unwrap is its assertion")]

/// The three actors: client, gateway, origin.
mod support;

/// The actors are strict themselves.
mod actors;
/// The sources keep the architecture.
mod tidy;

/// The router does what a naive model of the order does, on random tables.
mod routing;
/// Random route tables and requests.
mod tables;

/// A gateway ends, and nothing that was begun is lost.
mod drain;
/// What the metrics say when things go wrong, take long, or are made up by a client.
mod metrics;
/// Another configuration comes into force while the gateway serves.
mod reload;
