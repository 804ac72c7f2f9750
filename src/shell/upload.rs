//! A request body on its way up: read, decoded, framed anew, written; one piece at a time, so a slow upstream slows
//! the client and no queue grows.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::body::{Incoming, Outgoing};
use super::buffer::Buffer;
use super::buffers::{LARGE_BYTES, SMALL_BYTES, STANDARD_BYTES};
use super::core::Core;
use super::io::{Io, Stream};
use super::wire::Wire;
use crate::plan::Limits;
use crate::proto::h1::chunked::Decoder;
use crate::words::fault::{Fault, Kind, Stage};
use crate::words::limits::BODY_RATE_GRACE;
use crate::words::time::Instant;

/// A request on its way to an upstream: the head first, then its body.
pub struct Upload {
    incoming: Incoming,
    outgoing: Outgoing,
    /// The piece being written, or room for the next.
    buffer: Buffer,
    state: State,
    /// Body bytes received, decoded.
    pub received: u64,
    limit: u64,
    rate: u64,
    idle: Duration,
    started: Instant,
    /// When a byte last came or went.
    moved: Instant,
    /// The head's message carried the whole body.
    pub was_whole: bool,
    /// Something of the body was read that was not in that message.
    pub has_read: bool,
    /// Bytes of that message.
    message: usize,
    /// Written completely.
    pub is_done: bool,
    /// The upstream took no more of it.
    pub is_broken: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The message that holds the head is being written.
    First,
    Reading,
    Writing,
}

impl Upload {
    /// Begins with `buffer`, which holds a head and the first part of the body, framed. `incoming` is what is still to
    /// come, `received` what came of the body already.
    pub fn new(
        buffer: Buffer, incoming: Incoming, outgoing: Outgoing, received: u64, limits: &Limits, idle: Duration,
        now: Instant,
    ) -> Self {
        Self {
            message: buffer.len(),
            incoming,
            outgoing,
            buffer,
            state: State::First,
            received,
            limit: limits.body,
            rate: limits.body_rate,
            idle,
            started: now,
            moved: now,
            was_whole: incoming.is_done(),
            has_read: false,
            is_done: false,
            is_broken: false,
        }
    }

    /// Lets the client take the time it wants between two bytes, as far as `timeouts.idle` goes: a conversation, not a
    /// file.
    pub fn take_time(&mut self) {
        self.rate = 0;
    }

    /// Keeps the message in no more memory than it needs while it waits to be sent.
    pub fn tighten<I: Io>(&mut self, core: &Core<I>) {
        core.buffers.borrow_mut().tighten(&mut self.buffer);
    }

    /// When a byte last came or went; while it is under way.
    pub fn moved(&self) -> Option<Instant> {
        (!self.is_done).then_some(self.moved)
    }

    /// True when the upstream took not a byte of the message that began it: the first write failed, and a socket that
    /// fails has taken nothing of what it was given.
    pub fn is_unsent(&self) -> bool {
        self.is_broken && self.state == State::First && self.buffer.len() == self.message
    }

    /// When it must have moved on, and the fault if it has not.
    pub fn deadline(&self) -> (Instant, Fault) {
        if self.is_done {
            return (Instant::NEVER, Fault::new(Kind::Internal, Stage::Forward, "a finished upload does not expire"));
        }
        let stalled = self.moved.after(self.idle);
        match self.state {
            State::First | State::Writing => {
                (stalled, Fault::new(Kind::UpstreamStalled, Stage::Forward, "the upstream takes no bytes"))
            }
            State::Reading => {
                let slow = self.slow_at();
                let fault = Fault::new(Kind::BodyTimeout, Stage::Forward, "the request body is too slow");
                (stalled.min(slow), fault)
            }
        }
    }

    /// When the bytes received so far are too few for the time they took.
    fn slow_at(&self) -> Instant {
        if self.rate == 0 {
            return Instant::NEVER;
        }
        let earned = Duration::from_secs(self.received / self.rate);
        self.started.after(BODY_RATE_GRACE).after(earned)
    }

    /// Moves on as far as it can. Ready when all is written, or when nothing more can be.
    ///
    /// # Errors
    /// The client's fault, or the limit it broke. A write that fails is no error: the upstream may have answered.
    pub fn poll<I: Io>(
        &mut self, cx: &mut Context<'_>, core: &Core<I>, down: &mut Wire<I::Stream>, up: &mut Wire<I::Stream>,
        decoder: &mut Decoder, surplus: &mut Buffer,
    ) -> Poll<Result<(), Fault>> {
        while !self.is_done {
            match self.state {
                State::First | State::Writing => match up.poll_write(cx, &mut self.buffer) {
                    Poll::Pending => {
                        if up.take_progress() > 0 {
                            self.moved = core.io.now();
                        }
                        self.wait(cx, core, down);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(())) => {
                        down.passed();
                        self.written(core);
                    }
                    Poll::Ready(Err(_)) => {
                        down.passed();
                        self.is_broken = true;
                        self.is_done = true;
                    }
                },
                State::Reading => match ready!(self.poll_read(cx, core, down)) {
                    Ok(count) if count > 0 => self.arrived(core, decoder, surplus)?,
                    _ => {
                        let fault = Fault::new(Kind::ClientGone, Stage::Forward, "the client left in its body");
                        return Poll::Ready(Err(fault));
                    }
                },
            }
        }
        Poll::Ready(Ok(()))
    }

    /// A client may have many streams whose upstreams take nothing: what is little is held in little.
    fn wait<I: Io>(&mut self, cx: &mut Context<'_>, core: &Core<I>, down: &mut Wire<I::Stream>) {
        down.gather(cx);
        if matches!(down, Wire::Face(_)) && self.buffer.capacity() > SMALL_BYTES.max(2 * self.buffer.len()) {
            self.tighten(core);
        }
    }

    fn written<I: Io>(&mut self, core: &Core<I>) {
        self.moved = core.io.now();
        if self.incoming.is_done() {
            self.is_done = true;
            core.buffers.borrow_mut().give(std::mem::take(&mut self.buffer));
            return;
        }
        self.state = State::Reading;
        self.buffer.clear();
    }

    /// Reads the next piece. While none is there no buffer is held: a client may be slow, and have many streams.
    fn poll_read<I: Io>(
        &mut self, cx: &mut Context<'_>, core: &Core<I>, down: &mut Wire<I::Stream>,
    ) -> Poll<io::Result<usize>> {
        let is_pending = down.poll_readable(cx).is_pending();
        if !is_pending && down.is_reset(cx) {
            // Many may be at once: none takes a buffer to hear of it.
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let is_shared = matches!(down, Wire::Face(_));
        let is_long = !is_shared && matches!(self.incoming, Incoming::Length(left) if left > LARGE_BYTES as u64 / 2);
        let wanted = if is_long { LARGE_BYTES } else { STANDARD_BYTES };
        if is_pending || self.buffer.capacity() < wanted {
            let buffers = &mut *core.buffers.borrow_mut();
            buffers.give(std::mem::take(&mut self.buffer));
            if is_pending {
                return Poll::Pending;
            }
            self.buffer = if is_long { buffers.large() } else { buffers.standard() };
        }
        down.poll_read(cx, &mut self.buffer)
    }

    fn arrived<I: Io>(&mut self, core: &Core<I>, decoder: &mut Decoder, surplus: &mut Buffer) -> Result<(), Fault> {
        self.moved = core.io.now();
        self.has_read = true;
        let piece = self
            .incoming
            .take(decoder, &mut self.buffer)
            .map_err(|error| Fault::new(Kind::BadChunk, Stage::Forward, error.0))?;
        self.received += piece.payload as u64;
        if self.received > self.limit {
            return Err(Fault::new(Kind::BodyTooLarge, Stage::Forward, "the body grew over limits.body"));
        }
        if piece.consumed < self.buffer.len() {
            keep_surplus(core, surplus, &self.buffer.data()[piece.consumed..]);
        }
        self.buffer.truncate(piece.payload);
        self.frame(&decoder.trailers);
        if !self.buffer.is_empty() {
            self.state = State::Writing;
        }
        Ok(())
    }

    fn frame(&mut self, trailers: &[u8]) {
        if !self.outgoing.frame(&mut self.buffer, self.incoming.is_done(), trailers) {
            let end = Outgoing::end(trailers);
            let mut larger = Buffer::with_capacity(2 * Buffer::HEADROOM + self.buffer.len() + end.len());
            let is_whole = larger.append(self.buffer.data()) && larger.append(&end);
            debug_assert!(is_whole, "the larger buffer was made to hold both");
            self.buffer = larger;
        }
    }
}

/// Keeps bytes that came behind a body: they begin the next request.
fn keep_surplus<I: Io>(core: &Core<I>, surplus: &mut Buffer, bytes: &[u8]) {
    *surplus = core.buffers.borrow_mut().holding(bytes);
}
