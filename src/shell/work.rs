//! What one exchange works with: indexes and scratch memory, reused from exchange to exchange.

use crate::plan::router::Captures;
use crate::proto::h1::chunked::Decoder;
use crate::proto::head::{AnswerHead, RequestHead, Span};

/// A workspace. Its vectors keep their memory, so a steady stream of exchanges allocates nothing.
#[derive(Debug)]
pub struct Work {
    /// The request's head: offsets into the connection's receive buffer.
    pub request: RequestHead,
    /// The answer's head: offsets into the upstream connection's receive buffer.
    pub answer: AnswerHead,
    /// The facts that routing and forwarding use.
    pub facts: Facts,
    /// Where the path's parameters lie in the canonical path.
    pub captures: Captures,
    /// Decodes a chunked request body.
    pub request_chunks: Decoder,
    /// Decodes a chunked answer body.
    pub answer_chunks: Decoder,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            request: RequestHead::default(),
            answer: AnswerHead::default(),
            facts: Facts::default(),
            captures: Captures::NONE,
            request_chunks: Decoder::default(),
            answer_chunks: Decoder::default(),
        }
    }
}

/// What is written and used up within one poll: one for a whole core, so it stays in the cache.
#[derive(Debug, Default)]
pub struct Drafts {
    /// A head on its way out.
    pub head: Vec<u8>,
    /// The target that goes upstream.
    pub target: Vec<u8>,
}

/// Facts about a request that are not in its bytes as they came. They lie in one piece of memory: each connection
/// in flight has its own, and every cache line of it counts.
#[derive(Debug, Default)]
pub struct Facts {
    text: Vec<u8>,
    path: Span,
    host: Span,
    id: Span,
    trace: Span,
    traceparent: Span,
}

impl Facts {
    /// Forgets everything; keeps the memory.
    pub fn clear(&mut self) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        *self = Self { text, ..Self::default() };
    }

    /// The canonical path: the one spelling that routing, forwarding and the log use.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        self.path.of(&self.text)
    }

    /// Host in lower case, without port and trailing dot.
    #[must_use]
    pub fn host(&self) -> &[u8] {
        self.host.of(&self.text)
    }

    /// The request id: ours, or a trusted peer's.
    #[must_use]
    pub fn id(&self) -> &[u8] {
        self.id.of(&self.text)
    }

    /// The trace id of `traceparent`: 32 lower-case hex digits.
    #[must_use]
    pub fn trace(&self) -> &[u8] {
        self.trace.of(&self.text)
    }

    /// The whole `traceparent` to send up; empty when the request has a good one of its own.
    #[must_use]
    pub fn traceparent(&self) -> &[u8] {
        self.traceparent.of(&self.text)
    }

    /// Lets `write` append the path.
    ///
    /// # Errors
    /// Those of `write`.
    pub fn set_path<E>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        let start = self.end();
        write(&mut self.text)?;
        self.path = Span { start, end: self.end() };
        Ok(())
    }

    /// Lets `write` append the host.
    pub fn set_host(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.host = self.append(write);
    }

    /// Lets `write` append the request id.
    pub fn set_id(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.id = self.append(write);
    }

    /// Lets `write` append the trace id of the request's own `traceparent`.
    pub fn set_trace(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.trace = self.append(write);
    }

    /// Lets `write` append a new `traceparent`; the trace id is part of it (W3C Trace Context 3.2.2).
    pub fn set_traceparent(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.traceparent = self.append(write);
        let start = self.traceparent.start;
        self.trace = Span { start: start + 3, end: start + 35 };
    }

    fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Span {
        let start = self.end();
        write(&mut self.text);
        Span { start, end: self.end() }
    }

    fn end(&self) -> u32 {
        u32::try_from(self.text.len()).expect("a head's bounds keep its facts far below 4 GiB")
    }
}
