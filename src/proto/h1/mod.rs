//! HTTP/1.x (RFC 9112).

pub mod chunked;
pub mod parse;
