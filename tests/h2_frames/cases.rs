//! All cases, by what they are about.

use super::case::Case;

mod bodies;
mod control;
mod fields;
mod flow;
mod framing;
mod hpack;
mod messages;
mod pseudo;
mod starting;
mod streams;

/// What every chapter needs.
mod prelude {
    pub use super::super::case::Expect::{self, Answer, Connection, Ends, Holds, Malformed, Nothing, OneOf, Stream};
    pub use super::super::case::{Case, Verdict, found, is_alive, is_malformed};
    pub use super::super::frame::*;
    pub use super::super::hpack::Block;
    pub use super::super::origin::LARGE_BYTES;
    pub use super::super::peer::{AUTHORITY, Peer, status_of};

    /// The code that is meant most often.
    pub const PROTOCOL: &[u32] = &[code::PROTOCOL_ERROR];

    /// A verdict from a condition.
    pub fn holds(condition: bool, peer: &Peer) -> Verdict {
        if condition { Ok(()) } else { Err(found(peer)) }
    }
}

/// The chapters, each with its name.
pub const CHAPTERS: &[(&str, &[Case])] = &[
    ("starting", starting::CASES),
    ("framing", framing::CASES),
    ("streams", streams::CASES),
    ("bodies", bodies::CASES),
    ("control", control::CASES),
    ("flow", flow::CASES),
    ("messages", messages::CASES),
    ("fields", fields::CASES),
    ("pseudo", pseudo::CASES),
    ("hpack", hpack::CASES),
];
