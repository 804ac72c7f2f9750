//! Ringway: an API gateway for Linux. Thread-per-core, share-nothing, on io_uring.
//!
//! The floors, imports running downwards only, are in ARCHITECTURE.md.

pub mod cli;
pub mod control;
pub mod plan;
pub mod policy;
pub mod proto;
pub mod shell;
pub mod words;
