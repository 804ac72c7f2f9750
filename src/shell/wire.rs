//! What a stream of the world carries: HTTP/1.1 bytes as they are, or as they come out of a protocol around them.
//!
//! Exchanges read and write HTTP/1.1 in this one form, whatever the peer speaks: one reader decides what a message means,
//! one story serves it, and the limits, records and laws of HTTP/1.1 hold for every other protocol.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::buffer::Buffer;
use super::h2::down::face::Face;
use super::h2::down::step::{Lane, Step};
use super::h2::up::{Failure, UpStream};
use super::io::Stream;
use super::tls::{TlsStream, Told};
use crate::proto::head::Version;

/// A stream, downstream or upstream, as exchanges see it.
pub enum Wire<S: Stream> {
    /// The bytes of the socket.
    Plain(S),
    /// A stream of an HTTP/2 connection to an upstream.
    H2Up(Box<UpStream>),
    /// One stream of a client's HTTP/2 connection.
    Face(Box<Face>),
    /// What TLS protects on it.
    Tls(Box<TlsStream<S>>),
}

impl<S: Stream> Wire<S> {
    /// It is one stream of a connection that others use too, and ends with its exchange.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::H2Up(_))
    }

    /// Why it failed, where more is known than that it did.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        match self {
            Self::H2Up(stream) => stream.failure(),
            Self::Plain(_) | Self::Tls(_) | Self::Face(_) => None,
        }
    }
}

/// Calls the same method of whatever is inside.
macro_rules! inside {
    ($wire:expr, $stream:ident => $call:expr) => {
        match $wire {
            Wire::Plain($stream) => $call,
            Wire::H2Up($stream) => $call,
            Wire::Face($stream) => $call,
            Wire::Tls($stream) => $call,
        }
    };
}

impl<S: Stream> Wire<S> {
    /// The version of what the peer says, whose head said `head`: streams of HTTP/2 say 1.1 in their stead.
    #[must_use]
    pub fn version(&self, head: Version) -> Version {
        match self {
            Self::Plain(_) | Self::Tls(_) => head,
            Self::Face(_) | Self::H2Up(_) => Version::Http2,
        }
    }

    /// True when the next piece of an answer should be small: what the client does not take is held in memory.
    #[must_use]
    pub fn is_pressed(&self) -> bool {
        match self {
            Self::Plain(_) | Self::Tls(_) | Self::H2Up(_) => false,
            Self::Face(face) => face.is_pressed() && !face.takes_piece(),
        }
    }

    /// Ready when the next piece of an answer can go on its way, where others that cannot are held in memory already.
    pub fn poll_taking(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Plain(_) | Self::Tls(_) | Self::H2Up(_) => Poll::Ready(()),
            Self::Face(face) => face.poll_taking(cx),
        }
    }

    /// A dear step for whom it belongs to, where others of the same client may want many.
    #[must_use]
    pub fn step(&self, lane: Lane) -> Option<Step> {
        match self {
            Self::Plain(_) | Self::Tls(_) | Self::H2Up(_) => None,
            Self::Face(face) => Some(face.step(lane)),
        }
    }

    /// What was read has gone on, or is dropped: its sender may send as much again.
    pub fn passed(&mut self) {
        if let Self::Face(face) = self {
            face.passed();
        }
    }

    /// Takes what small pieces have come into one, while what was read before is long in going.
    pub fn gather(&mut self, cx: &mut Context<'_>) {
        match self {
            Self::Plain(_) | Self::Tls(_) => {}
            Self::Face(face) => face.gather(cx),
            Self::H2Up(stream) => stream.gather(cx),
        }
    }

    /// True when the peer is known to have broken it off, without a look at what is to be read.
    pub fn is_reset(&mut self, cx: &mut Context<'_>) -> bool {
        match self {
            Self::Plain(_) | Self::Tls(_) | Self::H2Up(_) => false,
            Self::Face(face) => face.is_reset(cx),
        }
    }

    /// What the handshake agreed on, where TLS protects the stream.
    #[must_use]
    pub fn told(&self) -> Option<&Rc<Told>> {
        match self {
            Self::Plain(_) | Self::H2Up(_) => None,
            Self::Face(face) => face.told(),
            Self::Tls(stream) => stream.told(),
        }
    }

    /// The scheme of what comes over it (RFC 9110 4.2).
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        match self {
            Self::Plain(_) | Self::H2Up(_) => "http",
            Self::Face(face) if face.told().is_none() => "http",
            Self::Face(_) | Self::Tls(_) => "https",
        }
    }
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
        match self {
            Self::Plain(stream) => stream.local(),
            Self::Tls(stream) => stream.local(),
            Self::Face(_) | Self::H2Up(_) => None,
        }
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
