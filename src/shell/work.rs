//! What one exchange works with: indexes and scratch memory, reused from exchange to exchange.

use crate::proto::h1::chunked::Decoder;
use crate::proto::head::{AnswerHead, RequestHead};

/// A workspace. Its vectors keep their memory, so a steady stream of exchanges allocates nothing.
#[derive(Debug, Default)]
pub struct Work {
    /// The request's head: offsets into the connection's receive buffer.
    pub request: RequestHead,
    /// The answer's head: offsets into the upstream connection's receive buffer.
    pub answer: AnswerHead,
    /// The facts that routing and forwarding use.
    pub facts: Facts,
    /// The target that goes upstream.
    pub target: Vec<u8>,
    /// A head on its way out.
    pub head: Vec<u8>,
    /// Decodes a chunked request body.
    pub request_chunks: Decoder,
    /// Decodes a chunked answer body.
    pub answer_chunks: Decoder,
}

/// Facts about a request that are not in its bytes as they came.
#[derive(Debug, Default)]
pub struct Facts {
    /// The canonical path: the one spelling that routing, forwarding and the log use.
    pub path: Vec<u8>,
    /// Host in lower case, without port and trailing dot.
    pub host: Vec<u8>,
    /// The request id: ours, or a trusted peer's.
    pub id: Vec<u8>,
    /// The trace id of `traceparent`: 32 lower-case hex digits.
    pub trace: Vec<u8>,
    /// The whole `traceparent` to send up.
    pub traceparent: Vec<u8>,
}

impl Facts {
    /// Forgets everything; keeps the memory.
    pub fn clear(&mut self) {
        self.path.clear();
        self.host.clear();
        self.id.clear();
        self.trace.clear();
        self.traceparent.clear();
    }
}
