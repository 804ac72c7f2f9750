//! What `h2` reads from and writes to: a wire of ours behind tokio's traits, with one send for each turn of the
//! connection's task.
//!
//! `h2` flushes after many a frame. A flush sends nothing here: frames gather, and the task that drives the connection
//! sends them all by [`Line::poll_send`] when `h2` has nothing more to say. A connection at rest holds no buffer.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::proto::h2::Reason;
use crate::proto::h2::watch::Watch;
use crate::shell::buffer::Buffer;
use crate::shell::connection::{Downstream, Expiry};
use crate::shell::core::Core;
use crate::shell::io::{Io, Stream};
use crate::shell::wire::Wire;
use crate::words::time::Instant;

/// The end that `h2` owns.
pub struct Adapter<I: Io>(Rc<RefCell<Pipe<I>>>);

/// The end that the connection's task keeps.
pub struct Line<I: Io>(Rc<RefCell<Pipe<I>>>);

/// A wire, and what is on its way to and from it. At most two standard buffers wait to be sent: one that is being
/// written, and one in which frames gather meanwhile; then `h2` waits.
struct Pipe<I: Io> {
    core: Rc<Core<I>>,
    carrier: Carrier<I>,
    /// Over what a client sends.
    watch: Option<Watch>,
    /// Received and not yet taken.
    inbound: Buffer,
    /// Where frames gather.
    outbound: Buffer,
    /// What is being written; the wire holds its storage while the write is in flight.
    sending: Buffer,
    is_sending: bool,
    /// Frames found no room in this turn.
    is_full: bool,
    /// Bytes that went either way since the last [`Line::take_progress`].
    progress: u64,
    /// Bytes received, ever.
    received: u64,
    /// Buffers written since the last [`Line::take_written`].
    written: u64,
}

/// Whose wire it is.
enum Carrier<I: Io> {
    /// A client's, with all that its connection is.
    Client(Box<Downstream<I>>),
    /// A connection to an upstream.
    Upstream(Wire<I::Stream>),
}

/// Both ends of a pipe over `wire`. `received` is what was read from it before.
pub fn connect<I: Io>(core: &Rc<Core<I>>, wire: Wire<I::Stream>, received: Buffer) -> (Adapter<I>, Line<I>) {
    pipe(core, Carrier::Upstream(wire), received, None)
}

/// Both ends of a pipe over a client's connection, whose frames are watched.
pub fn accept<I: Io>(mut client: Box<Downstream<I>>) -> (Adapter<I>, Line<I>) {
    let core = Rc::clone(&client.core);
    let received = std::mem::take(&mut client.inbound);
    let watch = Watch::new(core.io.now());
    pipe(&core, Carrier::Client(client), received, Some(watch))
}

fn pipe<I: Io>(
    core: &Rc<Core<I>>, carrier: Carrier<I>, received: Buffer, watch: Option<Watch>,
) -> (Adapter<I>, Line<I>) {
    let pipe = Rc::new(RefCell::new(Pipe {
        core: Rc::clone(core),
        carrier,
        watch,
        inbound: received,
        outbound: Buffer::default(),
        sending: Buffer::default(),
        is_sending: false,
        is_full: false,
        progress: 0,
        received: 0,
        written: 0,
    }));
    (Adapter(Rc::clone(&pipe)), Line(pipe))
}

impl<I: Io> Line<I> {
    /// Sends what has gathered. Ready when nothing waits any more.
    ///
    /// # Errors
    /// When the peer takes no more.
    pub fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_send(cx)
    }

    /// Bytes that wait to be sent, those in flight aside; zero while none is in flight means that all is out.
    #[must_use]
    pub fn is_sending(&self) -> bool {
        let pipe = self.0.borrow();
        pipe.is_sending || !pipe.outbound.is_empty()
    }

    /// A turn begins.
    pub fn begin_turn(&self) {
        self.0.borrow_mut().is_full = false;
    }

    /// True when `h2` had more to say in this turn than there was room for.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.borrow().is_full
    }

    /// Bytes that the peer sent or took since the last call: progress for stall deadlines.
    #[must_use]
    pub fn take_progress(&self) -> u64 {
        let pipe = &mut *self.0.borrow_mut();
        std::mem::take(&mut pipe.progress) + pipe.wire().take_progress()
    }

    /// Bytes received, ever.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.0.borrow().received
    }

    /// Ends both directions at once.
    pub fn abort(&self) {
        self.0.borrow_mut().wire().abort();
    }

    /// Buffers written since the last call: progress that only a peer that reads can make.
    #[must_use]
    pub fn take_written(&self) -> u64 {
        std::mem::take(&mut self.0.borrow_mut().written)
    }

    /// Why the client's connection has to end, if it has to.
    #[must_use]
    pub fn ends(&self) -> Option<Reason> {
        self.0.borrow().watch.as_ref().and_then(Watch::ends)
    }

    /// Lets the client's next header blocks pass; true when some wait.
    #[must_use]
    pub fn next_turn(&self) -> bool {
        self.0.borrow_mut().watch.as_mut().is_some_and(Watch::next_turn)
    }

    /// Since when the client has owed the rest of what it began.
    #[must_use]
    pub fn waits_since(&self) -> Option<Instant> {
        self.0.borrow().watch.as_ref().and_then(Watch::waits_since)
    }

    /// As [`Downstream::poll_expiry`] of the client; the task is woken when something happens to its core, too.
    pub fn poll_expiry(&self, cx: &mut Context<'_>, deadline: Instant) -> Poll<Expiry> {
        let pipe = &mut *self.0.borrow_mut();
        match &mut pipe.carrier {
            Carrier::Client(client) => {
                client.remember(cx.waker());
                client.poll_expiry(cx, deadline)
            }
            Carrier::Upstream(_) => Poll::Pending,
        }
    }

    /// Reads and drops what still comes, `left` bytes at most. Ready when the peer has ended, or sent more.
    pub fn poll_drain(&self, cx: &mut Context<'_>, left: &mut usize) -> Poll<()> {
        let pipe = &mut *self.0.borrow_mut();
        loop {
            let mut buffer = pipe.core.buffers.borrow_mut().standard();
            let read = pipe.wire().poll_read(cx, &mut buffer);
            let count = buffer.len();
            pipe.core.buffers.borrow_mut().give(buffer);
            match ready!(read) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) if count >= *left => return Poll::Ready(()),
                Ok(_) => *left -= count,
            }
        }
    }
}

impl<I: Io> Pipe<I> {
    fn wire(&mut self) -> &mut Wire<I::Stream> {
        match &mut self.carrier {
            Carrier::Client(client) => &mut client.stream,
            Carrier::Upstream(wire) => wire,
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.is_sending {
                let wire = match &mut self.carrier {
                    Carrier::Client(client) => &mut client.stream,
                    Carrier::Upstream(wire) => wire,
                };
                let sent = ready!(wire.poll_write(cx, &mut self.sending));
                self.is_sending = false;
                self.written += 1;
                self.core.buffers.borrow_mut().give(std::mem::take(&mut self.sending));
                sent?;
            }
            if self.outbound.is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.sending = std::mem::take(&mut self.outbound);
            self.is_sending = true;
        }
    }

    /// Gathers what of `bytes` has room; waits while a whole buffer waits behind the one in flight.
    fn poll_gather(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.outbound.room() == 0 {
            if self.outbound.capacity() > 0 {
                // Whatever becomes of this send, frames gather in another buffer, unless one was in flight before.
                if let Poll::Ready(sent) = self.poll_send(cx) {
                    sent?;
                }
                if !self.outbound.is_empty() {
                    self.is_full = true;
                    return Poll::Pending;
                }
            }
            self.outbound = self.core.buffers.borrow_mut().standard();
        }
        let count = bytes.len().min(self.outbound.room());
        let now = self.core.io.now();
        let correction = self.watch.as_mut().and_then(|watch| watch.send(&bytes[..count], now));
        let fits = match correction {
            Some((at, reason)) => {
                let parts = [&bytes[..at], &reason.code().to_be_bytes(), &bytes[at + 4..count]];
                parts.iter().all(|part| self.outbound.append(part))
            }
            None => self.outbound.append(&bytes[..count]),
        };
        debug_assert!(fits, "the room was measured");
        Poll::Ready(Ok(count))
    }

    fn poll_take(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.inbound.is_empty() {
            if self.wire().poll_readable(cx).is_pending() {
                self.rest();
                return Poll::Pending;
            }
            if self.inbound.capacity() == 0 {
                self.inbound = self.core.buffers.borrow_mut().standard();
            }
            self.inbound.clear();
            let wire = match &mut self.carrier {
                Carrier::Client(client) => &mut client.stream,
                Carrier::Upstream(wire) => wire,
            };
            match wire.poll_read(cx, &mut self.inbound) {
                Poll::Pending => {
                    self.rest();
                    return Poll::Pending;
                }
                Poll::Ready(read) => {
                    let count = read?;
                    if count == 0 {
                        return Poll::Ready(Ok(()));
                    }
                    self.received += count as u64;
                }
            }
        }
        let mut count = self.inbound.len().min(into.remaining());
        if let Some(watch) = &mut self.watch {
            count = watch.receive(&self.inbound.data()[..count], self.core.io.now());
            // The turn is over, or the connection is: its task knows. None would be the end.
            if count == 0 {
                return Poll::Pending;
            }
        }
        into.put_slice(&self.inbound.data()[..count]);
        self.inbound.consume(count);
        Poll::Ready(Ok(()))
    }

    /// Gives the receive buffer back: nothing is in it, and more may be long in coming.
    fn rest(&mut self) {
        if self.inbound.capacity() > 0 {
            self.core.buffers.borrow_mut().give(std::mem::take(&mut self.inbound));
        }
    }
}

impl<I: Io> Drop for Pipe<I> {
    fn drop(&mut self) {
        let buffers = &mut *self.core.buffers.borrow_mut();
        for buffer in [&mut self.inbound, &mut self.outbound, &mut self.sending] {
            buffers.give(std::mem::take(buffer));
        }
    }
}

impl<I: Io> AsyncRead for Adapter<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_take(cx, into)
    }
}

impl<I: Io> AsyncWrite for Adapter<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_gather(cx, bytes)
    }

    /// Ready at once: the connection's task sends.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Sends what is left, then ends our direction.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let pipe = &mut *self.0.borrow_mut();
        ready!(pipe.poll_send(cx))?;
        pipe.wire().shut_write();
        Poll::Ready(Ok(()))
    }
}
