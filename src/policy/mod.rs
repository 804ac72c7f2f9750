//! Floor 3: decisions. Synchronous functions over owned state; `now` is an argument.

pub mod journal;
pub mod meter;
