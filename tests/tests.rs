//! The table of contents of Ringway's tests: one module and one sentence each, one binary.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "client and origin are threads with a clock")]
#![expect(unreachable_pub, reason = "nobody imports a test binary")]
#![allow(clippy::unwrap_used, reason = "a test's unwrap is its assertion")]

/// The three actors: client, gateway, origin.
mod support;
/// Random route tables and requests.
mod tables;

/// The actors are strict themselves.
mod actors;
/// The sources keep the architecture.
mod tidy;

/// Why a request goes where it goes, as `explain` tells it, is where it goes.
mod explain;
/// The Gateway API's conformance cases, as far as they speak of what is built.
mod gateway_api;
/// The router does what a naive model of the order does, on random tables.
mod routing;
