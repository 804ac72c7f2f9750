//! HTTP/2 as far as `h2` leaves it to us: what may pass before it, sans I/O.

pub mod watch;

/// What a client says first (RFC 9113 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
