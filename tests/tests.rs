//! The table of contents of Ringway's tests: one module and one sentence each, one binary.

/// The router does what a naive model of the order does, on random tables.
mod routing;
/// Random route tables and requests.
mod tables;
