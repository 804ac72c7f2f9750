//! HTTP/1.x (RFC 9112).

pub mod chunked;
pub mod encode;
mod fields;
mod framing;
pub mod parse;
mod scan;
mod swift;
mod target;

pub use fields::{members, trim};
