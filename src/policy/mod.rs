//! Floor 3: decisions. Synchronous functions over owned state; `now` is an argument.

pub mod client;
pub mod meter;
pub mod rewrite;
