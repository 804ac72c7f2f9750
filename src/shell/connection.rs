//! A downstream HTTP/1.x connection: reads heads, runs their exchanges one after the other, and ends politely.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use super::buffer::Buffer;
use super::buffers::{SMALL_BYTES, STANDARD_BYTES};
use super::core::{Core, Phase, Seat};
use super::exchange::{Ended, Next, exchange, refuse};
use super::greeting::{self, Greeting};
use super::h2::down::connection::Connection;
use super::h2::down::face::Face;
use super::io::{Io, Stream, Timer};
use super::stage::{self, Exit};
use super::tunnel::Tunnel;
use super::wire::Wire;
use super::work::Work;
use crate::plan::{Listener, Protocol, Timeouts};
use crate::proto::h1::parse::{self, HeadLimits, Progress};
use crate::proto::h2::PREFACE;
use crate::proto::head::RequestBody;
use crate::words::fault::{Fault, Kind, Stage};
use crate::words::ids::ListenerId;
use crate::words::limits;
use crate::words::time::Instant;

/// One client connection and what it holds.
pub struct Downstream<I: Io> {
    /// The core it lives on.
    pub core: Rc<Core<I>>,
    /// The stream.
    pub stream: Wire<I::Stream>,
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
    seat: Seat,
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

/// A connection's task, until it ends. Written out and not `async`, because what it holds every idle connection holds.
pub struct Serve<I: Io>(Place<I>);

/// Where a connection is.
enum Place<I: Io> {
    /// Shaking hands, until the deadline.
    Greeting(Box<Downstream<I>>, Instant),
    /// At rest: it may begin to speak until the deadline.
    Resting(Box<Downstream<I>>, Instant),
    /// Fresh, where HTTP/2 is spoken too: what comes first decides, until the deadline.
    Hearing(Box<Downstream<I>>, Instant),
    /// On a stage.
    Playing(stage::Stage<I>),
    /// It speaks HTTP/2.
    Sharing(Box<Connection<I>>),
    /// It carries another protocol, to its end.
    Tunnelling(Box<Tunnel<I>>),
    /// Gone.
    Left,
}

/// Reads a head and runs its exchange, to the last byte that the connection has to send.
pub async fn converse<I: Io>(mut downstream: Box<Downstream<I>>) -> Exit<I> {
    let mut work = downstream.core.buffers.borrow_mut().work();
    let next = match downstream.head(&mut work).await {
        Arrival::Head => match exchange(&mut downstream, &mut work).await {
            Ended::Http(next) => next,
            Ended::Switched(story, in_flight) => {
                return Exit::Tunnel(Box::new(Tunnel::new(downstream, work, *story, in_flight)));
            }
        },
        Arrival::Refused(fault) => refuse(&mut downstream, &mut work, fault).await,
        Arrival::Over => Next::Close,
    };
    downstream.core.buffers.borrow_mut().give_work(work);
    if next == Next::Linger || next == Next::Close && downstream.owes_a_goodbye() {
        downstream.linger().await;
    }
    Exit::Http(downstream, next)
}

impl<I: Io> Serve<I> {
    /// The task of a connection that has just come in.
    #[must_use]
    pub fn new(downstream: Box<Downstream<I>>) -> Self {
        let deadline = downstream.core.io.now().after(limits::TLS_ACCEPT_TIME);
        Self(match downstream.stream {
            Wire::Plain(_) | Wire::Face(_) | Wire::H2Up(_) => Place::first(downstream),
            Wire::Tls(_) => Place::Greeting(downstream, deadline),
        })
    }
}

impl<I: Io> Future for Serve<I> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.0 = match std::mem::replace(&mut self.0, Place::Left) {
                Place::Greeting(mut downstream, deadline) => match greeting::poll(&mut downstream, cx, deadline) {
                    Poll::Ready(greeting) => Place::greeted(downstream, greeting),
                    Poll::Pending => {
                        self.0 = Place::Greeting(downstream, deadline);
                        return Poll::Pending;
                    }
                },
                Place::Resting(mut downstream, deadline) => match downstream.poll_first_bytes(cx, deadline) {
                    Poll::Ready(true) => Place::playing(downstream),
                    Poll::Ready(false) => {
                        downstream.end();
                        Place::Left
                    }
                    Poll::Pending => {
                        self.0 = Place::Resting(downstream, deadline);
                        return Poll::Pending;
                    }
                },
                Place::Hearing(mut downstream, deadline) => match downstream.poll_preface(cx, deadline) {
                    Poll::Ready(protocol) => Place::heard(downstream, protocol),
                    Poll::Pending => {
                        self.0 = Place::Hearing(downstream, deadline);
                        return Poll::Pending;
                    }
                },
                Place::Sharing(mut connection) => match connection.poll(cx) {
                    Poll::Ready(()) => Place::Left,
                    Poll::Pending => {
                        self.0 = Place::Sharing(connection);
                        return Poll::Pending;
                    }
                },
                Place::Playing(mut stage) => match stage.poll(cx) {
                    Poll::Ready(Exit::Http(downstream, next)) => {
                        downstream.core.give_stage(stage);
                        Place::after(downstream, next)
                    }
                    Poll::Ready(Exit::Tunnel(tunnel)) => {
                        tunnel.core().give_stage(stage);
                        Place::Tunnelling(tunnel)
                    }
                    Poll::Pending => {
                        self.0 = Place::Playing(stage);
                        return Poll::Pending;
                    }
                },
                Place::Tunnelling(mut tunnel) => {
                    if tunnel.poll(cx).is_pending() {
                        self.0 = Place::Tunnelling(tunnel);
                        return Poll::Pending;
                    }
                    Place::Left
                }
                Place::Left => return Poll::Ready(()),
            };
        }
    }
}

impl<I: Io> Place<I> {
    /// Where a connection begins: HTTP/2 without TLS is spoken by prior knowledge (RFC 9113 3.3), and only a listener
    /// that speaks it looks for its preface.
    fn first(downstream: Box<Downstream<I>>) -> Self {
        let plan = downstream.core.plan();
        let listener = &plan.listeners[downstream.listener.index()];
        if !listener.protocols.contains(&Protocol::H2) {
            return Self::resting(downstream, |timeouts| timeouts.head);
        }
        if !listener.protocols.contains(&Protocol::Http1) {
            return Self::sharing(downstream);
        }
        let deadline = downstream.core.io.now().after(listener.timeouts.head);
        Self::Hearing(downstream, deadline)
    }

    fn heard(mut downstream: Box<Downstream<I>>, protocol: Option<Protocol>) -> Self {
        match protocol {
            Some(Protocol::H2) => Self::sharing(downstream),
            Some(Protocol::Http1) => Self::playing(downstream),
            None => {
                downstream.end();
                Self::Left
            }
        }
    }

    fn sharing(downstream: Box<Downstream<I>>) -> Self {
        Self::Sharing(Box::new(Connection::new(downstream)))
    }

    /// At rest, for as long as `timeout` says of a listener's timeouts.
    fn resting(downstream: Box<Downstream<I>>, timeout: impl FnOnce(&Timeouts) -> Duration) -> Self {
        let deadline = {
            let plan = downstream.core.plan();
            downstream.core.io.now().after(timeout(&plan.listeners[downstream.listener.index()].timeouts))
        };
        Self::Resting(downstream, deadline)
    }

    /// Where a connection goes whose handshake is over.
    fn greeted(mut downstream: Box<Downstream<I>>, greeting: Greeting) -> Self {
        match greeting {
            Greeting::Http1 => Self::resting(downstream, |timeouts| timeouts.head),
            Greeting::H2 => Self::sharing(downstream),
            Greeting::Over => {
                downstream.end();
                Self::Left
            }
        }
    }

    fn playing(downstream: Box<Downstream<I>>) -> Self {
        let mut stage = downstream.core.stage();
        stage.enter(downstream);
        Self::Playing(stage)
    }

    fn after(mut downstream: Box<Downstream<I>>, next: Next) -> Self {
        match next {
            Next::Keep => {
                downstream.settle();
                Self::resting(downstream, |timeouts| timeouts.idle)
            }
            Next::Close | Next::Linger => {
                downstream.end();
                Self::Left
            }
        }
    }
}

impl<I: Io> Downstream<I> {
    /// A connection that came in by `listener`, with its place in `core`.
    ///
    /// # Errors
    /// Which limit is reached.
    pub fn open(
        core: &Rc<Core<I>>, stream: Wire<I::Stream>, listener: ListenerId, peer: SocketAddr,
    ) -> Result<Box<Self>, (Wire<I::Stream>, Kind)> {
        match core.seat(listener, peer.ip().to_canonical()) {
            Ok(seat) => Ok(Self::seated(core, stream, listener, peer, seat)),
            Err(kind) => Err((stream, kind)),
        }
    }

    /// As [`Downstream::open`], at a place that it has already.
    pub fn seated(
        core: &Rc<Core<I>>, stream: Wire<I::Stream>, listener: ListenerId, peer: SocketAddr, seat: Seat,
    ) -> Box<Self> {
        Box::new(Self {
            core: Rc::clone(core),
            stream,
            inbound: Buffer::default(),
            body_in_head: 0,
            ahead: Buffer::default(),
            peer,
            listener,
            timer: core.io.timer(),
            seat,
        })
    }

    /// A stream of a connection that has a place already.
    pub fn of_stream(core: &Rc<Core<I>>, face: Face, listener: ListenerId, peer: SocketAddr) -> Box<Self> {
        Self::seated(core, Wire::Face(Box::new(face)), listener, peer, core.side_seat())
    }

    /// The connection's place in its core.
    pub const fn seat(&self) -> Seat {
        self.seat
    }

    /// Says how to wake the connection's task when something happens to its core.
    pub fn remember(&self, waker: &Waker) {
        self.core.remember(self.seat, waker);
    }

    /// Ready when `deadline` is over or the core cuts; otherwise the task will be woken for either.
    pub fn poll_expiry(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<Expiry> {
        if self.core.phase() == Phase::Cutting {
            return Poll::Ready(Expiry::Cut);
        }
        self.timer.poll_at(cx, self.core.io.now(), deadline).map(|()| Expiry::Deadline)
    }

    /// Ready when the first bytes of a head are there; false when there will be none. Holds no buffer while it waits.
    fn poll_first_bytes(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<bool> {
        if !self.inbound.is_empty() {
            return Poll::Ready(true);
        }
        self.poll_bytes(cx, deadline, true).map(|read| match read {
            Read::Bytes => true,
            // A request may have come since the kernel was asked last.
            Read::Draining => {
                self.inbound = self.core.buffers.borrow_mut().standard();
                self.stream.try_read(&mut self.inbound).is_ok_and(|count| count > 0)
            }
            Read::End | Read::Expired => false,
        })
    }

    /// Ready when the first bytes tell HTTP/2's preface from a request of HTTP/1.1; `None` when there will be none.
    fn poll_preface(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<Option<Protocol>> {
        loop {
            let data = self.inbound.data();
            let count = data.len().min(PREFACE.len());
            if data[..count] != PREFACE[..count] {
                return Poll::Ready(Some(Protocol::Http1));
            }
            if count == PREFACE.len() {
                return Poll::Ready(Some(Protocol::H2));
            }
            if ready!(self.poll_bytes(cx, deadline, true)) != Read::Bytes {
                return Poll::Ready(None);
            }
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
                Ok(Progress::Complete) => {
                    work.request.version = self.stream.version(work.request.version);
                    if matches!(self.stream, Wire::Face(_)) && work.request.body != RequestBody::None {
                        poll_fn(|cx| self.poll_what_came_along(cx)).await;
                    }
                    return Arrival::Head;
                }
                Err(fault) => return Arrival::Refused(fault),
                Ok(Progress::Partial) => {}
            }
            seen = self.inbound.len();
            match poll_fn(|cx| self.poll_bytes(cx, deadline, false)).await {
                Read::Bytes => {}
                Read::Expired => {
                    return Arrival::Refused(Fault::new(Kind::HeadTimeout, Stage::ReadHead, "timeouts.head is over"));
                }
                _ => return Arrival::Over,
            }
        }
    }

    /// Takes what has come already of the body behind a head of HTTP/2, and fits beside it: so a small request leaves in
    /// one message, and can be sent again (RFC 9113 8.7). Over HTTP/1.1 it came with the same read.
    fn poll_what_came_along(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.inbound.room() > 0 && self.stream.poll_readable(cx).is_ready() {
            match self.stream.poll_read(cx, &mut self.inbound) {
                Poll::Ready(Ok(count)) if count > 0 => {}
                _ => break,
            }
        }
        Poll::Ready(())
    }

    /// Ready when bytes came, or when none will.
    fn poll_bytes(&mut self, cx: &mut Context<'_>, deadline: Instant, ends_on_drain: bool) -> Poll<Read> {
        if self.stream.poll_readable(cx).is_ready() {
            make_room(&mut self.inbound, &self.core);
            match self.stream.poll_read(cx, &mut self.inbound) {
                Poll::Ready(Ok(count)) if count > 0 => return Poll::Ready(Read::Bytes),
                Poll::Ready(_) => return Poll::Ready(Read::End),
                Poll::Pending => {}
            }
        }
        self.core.remember(self.seat, cx.waker());
        if ends_on_drain && self.core.phase() != Phase::Serving {
            return Poll::Ready(Read::Draining);
        }
        self.poll_expiry(cx, deadline).map(|_| Read::Expired)
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

    /// Keeps the head of a stream in no more memory than it needs: the exchange waits, and a client may have many that do.
    pub fn tighten(&mut self) {
        if matches!(self.stream, Wire::Face(_)) {
            self.core.buffers.borrow_mut().tighten(&mut self.inbound);
        }
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

    /// Announces the end where TLS wants that, and says whether the announcement still waits for room to go: closing now
    /// would lose it, and an answer that ends with its connection would look cut (RFC 8446 6.1).
    fn owes_a_goodbye(&mut self) -> bool {
        if matches!(self.stream, Wire::Tls(_)) {
            self.stream.shut_write();
            return self.stream.is_writing();
        }
        false
    }

    /// Ends our direction and reads what still comes, so that the client sees our last bytes and not a reset
    /// (RFC 9112 9.6).
    async fn linger(&mut self) {
        self.stream.shut_write();
        let deadline = self.core.io.now().after(limits::LINGER_TIME);
        let mut left = limits::DRAIN_BYTES as usize * 4;
        self.inbound.clear();
        while poll_fn(|cx| self.poll_bytes(cx, deadline, false)).await == Read::Bytes {
            let count = self.inbound.len();
            if count >= left {
                return;
            }
            left -= count;
            self.inbound.clear();
        }
    }

    /// Gives back what the connection has.
    pub fn end(&mut self) {
        let buffers = &mut *self.core.buffers.borrow_mut();
        buffers.give(std::mem::take(&mut self.inbound));
        buffers.give(std::mem::take(&mut self.ahead));
    }
}

impl<I: Io> Drop for Downstream<I> {
    fn drop(&mut self) {
        match self.stream {
            Wire::Face(_) => self.core.leave_side(self.seat),
            _ => self.core.leave(self.seat, self.listener, self.peer.ip().to_canonical()),
        }
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

/// As [`make_room`], where many buffers may wait: no more than twice what came.
pub fn make_little_room<I: Io>(buffer: &mut Buffer, core: &Core<I>) {
    if buffer.capacity() == 0 {
        *buffer = core.buffers.borrow_mut().small();
    } else if buffer.room() == 0 && buffer.capacity() < STANDARD_BYTES {
        let mut larger = Buffer::with_capacity(2 * buffer.len() + Buffer::HEADROOM);
        let has_moved = larger.append(buffer.data());
        debug_assert!(has_moved, "a larger buffer holds what a smaller one held");
        core.buffers.borrow_mut().give(std::mem::replace(buffer, larger));
    } else {
        make_room(buffer, core);
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
