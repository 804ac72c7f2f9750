//! Floor 3: decisions. Synchronous functions over owned state; `now` is an argument.

pub mod again;
pub mod balance;
pub mod client;
pub mod grpc;
pub mod identity;
pub mod journal;
pub mod meter;
pub mod names;
pub mod outgoing;
pub mod respond;
pub mod rewrite;
