//! The rules once more: naive, slow, and written from the RFCs and the documentation instead of from the code, which it
//! shares nothing with but the words for what is found (`Kind`, `RequestBody`, `AnswerBody`, `Method`). Whole inputs
//! only; how they come in pieces is the business of the code under test.

/// The answer's head and all that follows it on an upstream connection.
pub mod answer;
/// `host[:port]`.
pub mod authority;
/// Chunked bodies.
pub mod chunked;
/// Field lines, and what they say about framing and connections.
pub mod fields;
/// The canonical path.
pub mod path;
/// Headers of the PROXY protocol.
pub mod proxy;
/// The request's head.
pub mod request;

use ringway::words::fault::Kind;

/// What the rules say about an input.
#[derive(Debug)]
pub enum Model<T> {
    /// It is this.
    Good(T),
    /// It breaks rules, of these kinds; at least one.
    Bad(Vec<Kind>),
    /// Its end is not there, and so far it breaks no rule that this model checks before the end.
    Open,
}
