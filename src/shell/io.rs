//! The seam between the data path and the world.
//!
//! Two shells stand behind it: io_uring by monoio (`uring`) and the simulator (`sim`, for tests and benches). Everything
//! else of the data path is generic over [`Io`] and knows no socket, clock or runtime.
//!
//! Operations are polled and stay with their stream, and a write in flight owns its buffer: dropping a future that
//! waits for one never loses a byte, and the next poll finds its result. A wait for bytes needs no buffer at all.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::buffer::Buffer;
use crate::plan::Address;
use crate::words::time::{Instant, Wall};

/// What the data path asks of the world.
pub trait Io: Clone + 'static {
    /// A connection, downstream or upstream.
    type Stream: Stream;
    /// A listening socket.
    type Listener: Listener<Stream = Self::Stream>;
    /// A timer that one task waits on.
    type Timer: Timer;

    /// The monotonic clock, read at most once per loop turn.
    fn now(&self) -> Instant;
    /// The wall clock, read at most once per loop turn.
    fn wall(&self) -> Wall;
    /// 64 random bits; not for secrets.
    fn random(&self) -> u64;
    /// Runs `task` on this core. A panic in it ends that task alone.
    fn spawn(&self, task: impl Future<Output = ()> + 'static);
    /// A timer.
    fn timer(&self) -> Self::Timer;
    /// Connects. The caller bounds the time by dropping the future.
    fn connect(&self, address: &Address) -> impl Future<Output = io::Result<Self::Stream>>;
}

/// A listening socket of one core.
pub trait Listener: 'static {
    /// What it accepts.
    type Stream: Stream;

    /// The next connection. Never drop this future while it is pending: cancel it first, or the connection it
    /// accepts is lost. After [`Listener::cancel`] it ends with [`io::ErrorKind::Interrupted`] when nothing was accepted.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>>;
    /// Ends all accepts that are in flight, and every later one.
    fn cancel(&self);
}

/// A byte stream in both directions. At most one write is in flight; waiting for bytes holds no buffer.
pub trait Stream: 'static {
    /// Ready when a read is worth trying: bytes, the end or an error are likely there. What is waited for stays with
    /// the stream, so a caller that goes away loses nothing.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Reads into the free space of `into` (which must have some) and says how many bytes came; 0 is the end. Waits as
    /// [`Stream::poll_readable`] when nothing is there.
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut Buffer) -> Poll<io::Result<usize>>;

    /// As [`Stream::poll_read`], without waiting.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when nothing is there.
    fn try_read(&mut self, into: &mut Buffer) -> io::Result<usize>;

    /// The address that the peer connected to, as far as the stream knows.
    fn local(&self) -> Option<SocketAddr> {
        None
    }

    /// True while a write is in flight.
    fn is_writing(&self) -> bool;

    /// Writes from the front of `from` and consumes what was written; Ready when `from` is empty.
    ///
    /// While a write is in flight the stream holds the storage of `from`.
    fn poll_write(&mut self, cx: &mut Context<'_>, from: &mut Buffer) -> Poll<io::Result<()>>;

    /// Writes from the front of `from` what goes at once, and consumes it: for last words, which no task waits for. Never
    /// while a write is in flight. Where nothing can go at once, nothing does.
    ///
    /// # Errors
    /// When the peer takes no more.
    fn try_write(&mut self, _from: &mut Buffer) -> io::Result<()> {
        Ok(())
    }

    /// As [`Stream::poll_write`] for shared bytes; on completion `from` is empty.
    fn poll_write_bytes(&mut self, cx: &mut Context<'_>, from: &mut Bytes) -> Poll<io::Result<()>>;

    /// Bytes written since the last call: progress for stall deadlines.
    fn take_progress(&mut self) -> u64;

    /// Ends our direction (FIN).
    fn shut_write(&mut self);

    /// Ends both directions at once (RST): the peer cannot take what it got for all there is. What was written and is
    /// not at the peer yet is lost.
    fn abort(&mut self);
}

/// A lazy timer: moving the deadline costs nothing, and the runtime is asked only when none is armed early enough.
pub trait Timer: 'static {
    /// Ready once `now` reached `deadline`; otherwise the task is woken at the deadline or earlier.
    fn poll_at(&mut self, cx: &mut Context<'_>, now: Instant, deadline: Instant) -> Poll<()>;
}
