//! A downstream HTTP/1.x connection: reads heads, runs their exchanges one after the other, and ends politely.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::buffer::Buffer;
use super::buffers::SMALL_BYTES;
use super::core::{Core, Phase, Seat};
use super::exchange::{Next, exchange, refuse};
use super::io::{Io, Stream, Timer};
use super::stage::Exit;
use super::work::Work;
use crate::plan::Listener;
use crate::proto::h1::parse::{self, HeadLimits, Progress};
use crate::words::fault::{Fault, Kind, Stage};
use crate::words::ids::ListenerId;
use crate::words::limits;
use crate::words::time::Instant;

/// One client connection and what it holds.
pub struct Downstream<I: Io> {
    /// The core it lives on.
    pub core: Rc<Core<I>>,
    /// The stream.
    pub stream: I::Stream,
    /// Received bytes: the head of the exchange that runs, what came behind it, and room for more.
    pub inbound: Buffer,
    /// Body bytes of the exchange that runs, behind its head in `inbound`. What follows them begins the next request.
    pub body_in_head: usize,
    /// Where bytes land that arrive while an exchange runs and nothing of them is expected yet.
    pub ahead: Buffer,
    /// The client, or a proxy in front of it.
    pub peer: SocketAddr,
    /// The listener that it came in by.
    pub listener: ListenerId,
    timer: I::Timer,
    seat: Seat<I>,
    is_first: bool,
}

/// What a wait for bytes ended with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Read {
    Bytes,
    /// The peer closed or reset.
    End,
    Expired,
    /// The core does not want to wait any more.
    Draining,
}

/// What a wait for a head ended with.
enum Arrival {
    Head,
    Refused(Fault),
    Over,
}

/// Why waiting is over although nothing happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expiry {
    /// The deadline came.
    Deadline,
    /// The core cuts what is left.
    Cut,
}

/// Serves `stream` until it ends.
pub async fn serve<I: Io>(core: Rc<Core<I>>, stream: I::Stream, seat: Seat<I>, listener: ListenerId, peer: SocketAddr) {
    let timer = core.io.timer();
    let mut downstream = Box::new(Downstream {
        core,
        stream,
        inbound: Buffer::default(),
        body_in_head: 0,
        ahead: Buffer::default(),
        peer,
        listener,
        timer,
        seat,
        is_first: true,
    });
    while downstream.first_bytes().await {
        let core = Rc::clone(&downstream.core);
        let mut stage = core.stage();
        let (back, next) = stage.run(downstream).await;
        downstream = back;
        core.give_stage(stage);
        downstream.is_first = false;
        match next {
            Next::Keep => downstream.settle(),
            Next::Close | Next::Linger => break,
        }
    }
    downstream.end();
}

/// Reads a head and runs its exchange, to the last byte that the connection has to send.
pub async fn converse<I: Io>(mut downstream: Box<Downstream<I>>) -> Exit<I> {
    let mut work = downstream.core.buffers.borrow_mut().work();
    let next = match downstream.head(&mut work).await {
        Arrival::Head => exchange(&mut downstream, &mut work).await,
        Arrival::Refused(fault) => refuse(&mut downstream, &mut work, fault).await,
        Arrival::Over => Next::Close,
    };
    downstream.core.buffers.borrow_mut().give_work(work);
    if next == Next::Linger {
        downstream.linger().await;
    }
    (downstream, next)
}

impl<I: Io> Downstream<I> {
    /// Ready when `deadline` is over or the core cuts; otherwise the task will be woken for either.
    pub fn poll_expiry(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<Expiry> {
        if self.core.phase() == Phase::Cutting {
            return Poll::Ready(Expiry::Cut);
        }
        self.timer.poll_at(cx, self.core.io.now(), deadline).map(|()| Expiry::Deadline)
    }

    /// Waits for the first bytes of a head; false when there will be none. Holds no buffer while it waits.
    async fn first_bytes(&mut self) -> bool {
        if !self.inbound.is_empty() {
            return true;
        }
        let plan = self.core.plan();
        let timeouts = &plan.listeners[self.listener.index()].timeouts;
        let deadline = self.core.io.now().after(if self.is_first { timeouts.head } else { timeouts.idle });
        drop(plan);
        match self.read(deadline, true).await {
            Read::Bytes => true,
            // A request may have come since the kernel was asked last.
            Read::Draining => {
                self.inbound = self.core.buffers.borrow_mut().standard();
                self.stream.try_read(&mut self.inbound).is_ok_and(|count| count > 0)
            }
            Read::End | Read::Expired => false,
        }
    }

    /// Reads the rest of a head and parses it.
    async fn head(&mut self, work: &mut Work) -> Arrival {
        let plan = self.core.plan();
        let listener = &plan.listeners[self.listener.index()];
        let deadline = self.core.io.now().after(listener.timeouts.head);
        let limits = head_limits(listener);
        let mut seen = 0;
        loop {
            match parse::request(self.inbound.data(), seen, &limits, &mut work.request) {
                Ok(Progress::Complete) => return Arrival::Head,
                Err(fault) => return Arrival::Refused(fault),
                Ok(Progress::Partial) => {}
            }
            seen = self.inbound.len();
            match self.read(deadline, false).await {
                Read::Bytes => {}
                Read::Expired => {
                    return Arrival::Refused(Fault::new(Kind::HeadTimeout, Stage::ReadHead, "timeouts.head is over"));
                }
                _ => return Arrival::Over,
            }
        }
    }

    async fn read(&mut self, deadline: Instant, ends_on_drain: bool) -> Read {
        poll_fn(|cx| {
            if self.stream.poll_readable(cx).is_ready() {
                make_room(&mut self.inbound, &self.core);
                match self.stream.poll_read(cx, &mut self.inbound) {
                    Poll::Ready(Ok(count)) if count > 0 => return Poll::Ready(Read::Bytes),
                    Poll::Ready(_) => return Poll::Ready(Read::End),
                    Poll::Pending => {}
                }
            }
            self.seat.remember(cx.waker());
            if ends_on_drain && self.core.phase() != Phase::Serving {
                return Poll::Ready(Read::Draining);
            }
            self.poll_expiry(cx, deadline).map(|_| Read::Expired)
        })
        .await
    }

    /// Moves a usual head into a small buffer: it is still needed, but only some lines of the cache for each exchange in
    /// flight, and the buffer that the kernel fills is the same hot one for all.
    pub fn shrink(&mut self) {
        if self.inbound.capacity() == SMALL_BYTES || self.inbound.len() > SMALL_BYTES {
            return;
        }
        let buffers = &mut *self.core.buffers.borrow_mut();
        let mut small = buffers.small();
        let is_whole = small.append(self.inbound.data());
        debug_assert!(is_whole, "it was measured before");
        buffers.give(std::mem::replace(&mut self.inbound, small));
    }

    /// Makes ready for the next head: what came behind this exchange stays, in whichever buffer it is.
    fn settle(&mut self) {
        if self.inbound.is_empty() {
            let used = std::mem::replace(&mut self.inbound, std::mem::take(&mut self.ahead));
            self.core.buffers.borrow_mut().give(used);
        } else {
            // Nothing is read ahead behind bytes that wait already: they would change places.
            debug_assert!(self.ahead.is_empty());
            self.inbound.compact();
        }
    }

    /// Ends our direction and reads what still comes, so that the client sees our last bytes and not a reset
    /// (RFC 9112 9.6).
    async fn linger(&mut self) {
        self.stream.shut_write();
        let deadline = self.core.io.now().after(limits::LINGER_TIME);
        let mut left = limits::DRAIN_BYTES as usize * 4;
        self.inbound.clear();
        while self.read(deadline, false).await == Read::Bytes {
            let count = self.inbound.len();
            if count >= left {
                return;
            }
            left -= count;
            self.inbound.clear();
        }
    }

    fn end(mut self) {
        let buffers = &mut *self.core.buffers.borrow_mut();
        buffers.give(std::mem::take(&mut self.inbound));
        buffers.give(std::mem::take(&mut self.ahead));
    }
}

/// Makes room behind the data, by moving it to the front or into a larger buffer.
pub fn make_room<I: Io>(buffer: &mut Buffer, core: &Core<I>) {
    if buffer.room() > 0 {
        return;
    }
    buffer.compact();
    if buffer.room() == 0 {
        let mut larger = core.buffers.borrow_mut().at_least(buffer.len() * 2);
        let has_moved = larger.append(buffer.data());
        debug_assert!(has_moved, "a larger buffer holds what a smaller one held");
        core.buffers.borrow_mut().give(std::mem::replace(buffer, larger));
    }
}

fn head_limits(listener: &Listener) -> HeadLimits {
    let bytes = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    HeadLimits {
        bytes: bytes(listener.limits.header_bytes),
        lines: bytes(listener.limits.headers),
        target_bytes: bytes(listener.limits.target_bytes),
    }
}
