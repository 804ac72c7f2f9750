//! The table of contents: one module and one sentence each, one binary.
#![expect(unreachable_pub, reason = "nobody imports a test binary")]
#![allow(clippy::unwrap_used, reason = "a test's unwrap is its assertion")]

/// The two actors: the program under test, and a server that follows a script.
mod support;

/// A request that fails is counted, once, under its kind.
mod errors;
/// The origin answers what its paths say.
mod origin;
/// What stalls is seen by an open loop, and hidden by a closed one.
mod proof;
/// What a run sends and reports: exactly what it was told to.
mod runs;
/// The highest rate within the limits is found, however the attempts fluctuate.
mod saturate;
/// Over TLS the same, and each handshake is counted.
mod secure;
/// Over HTTP/2 the same, with several requests at a time on each connection.
mod streams;
