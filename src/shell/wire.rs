//! What a stream of the world carries: HTTP/1.1 bytes as they are, or as they come out of a protocol around them.
//!
//! Exchanges read and write HTTP/1.1 in this one form, whatever the peer speaks: one reader decides what a message means,
//! one story serves it, and the limits, records and laws of HTTP/1.1 hold for every other protocol.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::buffer::Buffer;
use super::io::Stream;

/// A stream, downstream or upstream, as exchanges see it.
pub enum Wire<S> {
    /// The bytes of the socket.
    Plain(S),
}

/// Calls the same method of whatever is inside.
macro_rules! inside {
    ($wire:expr, $stream:ident => $call:expr) => {
        match $wire {
            Wire::Plain($stream) => $call,
        }
    };
}

impl<S: Stream> Stream for Wire<S> {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        inside!(self, stream => stream.poll_readable(cx))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut Buffer) -> Poll<io::Result<usize>> {
        inside!(self, stream => stream.poll_read(cx, into))
    }

    fn try_read(&mut self, into: &mut Buffer) -> io::Result<usize> {
        inside!(self, stream => stream.try_read(into))
    }

    fn local(&self) -> Option<SocketAddr> {
        inside!(self, stream => stream.local())
    }

    fn is_writing(&self) -> bool {
        inside!(self, stream => stream.is_writing())
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, from: &mut Buffer) -> Poll<io::Result<()>> {
        inside!(self, stream => stream.poll_write(cx, from))
    }

    fn poll_write_bytes(&mut self, cx: &mut Context<'_>, from: &mut Bytes) -> Poll<io::Result<()>> {
        inside!(self, stream => stream.poll_write_bytes(cx, from))
    }

    fn take_progress(&mut self) -> u64 {
        inside!(self, stream => stream.take_progress())
    }

    fn shut_write(&mut self) {
        inside!(self, stream => stream.shut_write());
    }

    fn abort(&mut self) {
        inside!(self, stream => stream.abort());
    }
}
