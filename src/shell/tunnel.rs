//! A tunnel: what a connection is once an answer has switched it to another protocol. Bytes go both ways as they come.
//!
//! Each direction moves one piece at a time: what cannot be written is not read either, so a slow side slows the other
//! and nothing grows. A direction at rest holds no buffer. An end (FIN) is carried to the other side, behind all that
//! came before it; whatever else goes wrong ends both sides by a reset, so that a part never looks like the whole.
//!
//! Not here: who may have a tunnel (`proto::upgrade`, `exchange`), and what is said in it.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::buffer::Buffer;
use super::buffers::LARGE_BYTES;
use super::connection::{Downstream, Expiry};
use super::core::Core;
use super::exchange::{InFlight, Next, Story, connection_of};
use super::forward::Up;
use super::io::{Io, Stream};
use super::mail::Row;
use super::tunnels::Through;
use super::wire::Wire;
use super::work::Work;
use super::{local, target};
use crate::plan::{FieldEdits, Forward};
use crate::policy::outgoing::{Downward, DownwardFraming};
use crate::proto::upgrade::asked;
use crate::words::fault::{Fault, Kind, Stage};
use crate::words::ids::RouteId;
use crate::words::limits::UPGRADE_EARLY_BYTES;
use crate::words::time::Instant;

/// What an answer that switches protocols leaves behind of its exchange.
pub struct Switched<I: Io> {
    up: Wire<I::Stream>,
    upward: Flow,
    downward: Flow,
    idle: Duration,
}

/// A connection that carries another protocol, with the exchange that led to it.
pub struct Tunnel<I: Io> {
    down: Box<Downstream<I>>,
    work: Box<Work>,
    story: Story<I>,
    up: Wire<I::Stream>,
    upward: Flow,
    downward: Flow,
    idle: Duration,
    /// When a byte last moved.
    moved: Instant,
    through: Rc<Through>,
    route: RouteId,
    _in_flight: InFlight<I>,
}

/// One direction.
struct Flow {
    /// The piece on its way; without an allocation when there is none.
    buffer: Buffer,
    /// A piece is being written. The buffer may be with the stream meanwhile.
    is_writing: bool,
    /// The last read filled its buffer.
    is_flowing: bool,
    /// The sender has ended its direction.
    has_ended: bool,
    /// The end was passed on, too.
    is_done: bool,
    bytes: u64,
    /// Those of them that were counted already.
    counted: u64,
}

/// Which side of a flow failed.
enum Failed {
    Sender,
    Receiver,
}

/// Ends an exchange whose answer, in `work.answer` and `up.buffer`, switches protocols: what is left of it goes into
/// `story.switched`.
///
/// The answer's head and what the upstream said behind it leave as one message, and so does what the client said
/// before it knew.
pub async fn switch<I: Io>(
    down: &mut Downstream<I>, work: &mut Work, story: &mut Story<I>, mut up: Up<Wire<I::Stream>>, forward: &Forward,
    edits: &FieldEdits, idle: Duration,
) -> Next {
    let early = early(down, work);
    if early.len() > UPGRADE_EARLY_BYTES {
        let fault = Fault::new(Kind::UpgradeEarly, Stage::Receive, "more was sent ahead of 101 than is held");
        return local::fault(down, work, story, fault).await;
    }
    story.record.status = work.answer.status;
    write_head(down, work, story, &up, forward, edits);
    let head = &down.core.drafts.borrow().head;
    up.buffer.consume(work.answer.bytes);
    let payload = up.buffer.len() as u64;
    down.core.buffers.borrow_mut().put_before(&mut up.buffer, head);
    let count = early.len() as u64;
    let (upward, downward) = (Flow::new(early, count), Flow::new(up.buffer, payload));
    story.switched = Some(Box::new(Switched { up: up.stream, upward, downward, idle }));
    Next::Close
}

/// What the client sent behind the request's head.
fn early<I: Io>(down: &mut Downstream<I>, work: &Work) -> Buffer {
    let behind = &down.inbound.data()[work.request.bytes..];
    if behind.is_empty() {
        return std::mem::take(&mut down.ahead);
    }
    debug_assert!(down.ahead.is_empty(), "nothing is read ahead behind bytes that wait already");
    down.core.buffers.borrow_mut().holding(behind)
}

/// Drafts the head of the answer.
fn write_head<I: Io>(
    down: &Downstream<I>, work: &Work, story: &Story<I>, up: &Up<Wire<I::Stream>>, forward: &Forward,
    edits: &FieldEdits,
) {
    let asked = asked(&work.request, down.inbound.data(), &forward.upgrade);
    let head = &mut down.core.drafts.borrow_mut().head;
    head.clear();
    Downward {
        head: &work.answer,
        bytes: up.buffer.data(),
        framing: DownwardFraming::AsAnnounced,
        pseudonym: &story.plan.server.name,
        via: work.answer.version.number(),
        date: b"",
        id: work.facts.id(),
        connection: connection_of(&work.request, false),
        upgrade: asked.protocol(),
        edits,
        fill: &|variable, out| target::fill(variable, down, work, story, out),
    }
    .write(head);
}

impl<I: Io> Tunnel<I> {
    /// Goes on from where the exchange of `story` has ended.
    pub fn new(mut down: Box<Downstream<I>>, work: Box<Work>, mut story: Story<I>, in_flight: InFlight<I>) -> Self {
        // The head stays for the log, in no more memory than it needs: nothing else comes into this buffer any more.
        let mut head = Buffer::with_capacity(work.request.bytes + Buffer::TAILROOM);
        let is_whole = head.append(&down.inbound.data()[..work.request.bytes]);
        debug_assert!(is_whole, "the buffer was made to hold it");
        let core = Rc::clone(&down.core);
        core.buffers.borrow_mut().give(std::mem::replace(&mut down.inbound, head));
        core.buffers.borrow_mut().give(std::mem::take(&mut down.ahead));
        let route = story.record.route.expect("only an exchange with a route is forwarded");
        let through = core.begin_tunnel(&story.plan.routes[route.index()].name, down.seat());
        story.record.switch(core.io.now());
        let switched = story.switched.take().expect("only an exchange that has switched goes on as a tunnel");
        let Switched { up, upward, downward, idle } = *switched;
        let moved = core.io.now();
        Self { down, work, story, up, upward, downward, idle, moved, through, route, _in_flight: in_flight }
    }

    /// The core that it is on.
    pub fn core(&self) -> &Core<I> {
        &self.down.core
    }

    /// Moves what can be moved. Ready when the tunnel is over, and both its connections with it.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.down.remember(cx.waker());
        let end = if self.through.is_gone() {
            Err(local::gone("the tunnel's route is not in the configuration any more"))
        } else {
            ready!(self.poll_end(cx))
        };
        if let Err(fault) = end {
            self.down.stream.abort();
            self.up.abort();
            self.story.record.fault = Some(fault);
        }
        self.close();
        Poll::Ready(())
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let core = Rc::clone(&self.down.core);
        let upward = self.upward.poll(cx, &core, &mut self.down.stream, &mut self.up);
        let downward = self.downward.poll(cx, &core, &mut self.up, &mut self.down.stream);
        self.count(&core);
        match (upward, downward) {
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(Ok(())),
            (Poll::Ready(Err(Failed::Sender)), _) | (_, Poll::Ready(Err(Failed::Receiver))) => {
                return Poll::Ready(Err(local::gone("the client broke off the tunnel")));
            }
            (Poll::Ready(Err(Failed::Receiver)), _) | (_, Poll::Ready(Err(Failed::Sender))) => {
                let detail = "the upstream broke off the tunnel";
                return Poll::Ready(Err(Fault::new(Kind::UpstreamIncomplete, Stage::Receive, detail)));
            }
            _ => {}
        }
        if self.down.stream.take_progress() + self.up.take_progress() > 0 {
            self.moved = core.io.now();
        }
        self.down.poll_expiry(cx, self.moved.after(self.idle)).map(|expiry| {
            Err(match expiry {
                Expiry::Deadline => Fault::new(Kind::TunnelIdle, Stage::Receive, "timeouts.idle is over in a tunnel"),
                Expiry::Cut => local::gone("the gateway's drain timeout is over"),
            })
        })
    }

    fn count(&mut self, core: &Core<I>) {
        for (counter, flow) in core.link.row.tunnel_bytes.iter().zip([&mut self.upward, &mut self.downward]) {
            if flow.bytes > flow.counted {
                Row::add(counter, flow.bytes - flow.counted);
                flow.counted = flow.bytes;
            }
        }
    }

    /// Gives back what the tunnel has, and records its exchange.
    fn close(&mut self) {
        let Self { down, work, story, upward, downward, .. } = self;
        (story.record.bytes_in, story.record.bytes_out) = (upward.bytes, downward.bytes);
        story.record.end(down, work, &story.serving, &story.plan);
        let buffers = &mut *down.core.buffers.borrow_mut();
        for flow in [upward, downward] {
            buffers.give(std::mem::take(&mut flow.buffer));
        }
        buffers.give_work(std::mem::take(work));
    }
}

/// Also when the task ends by a panic.
impl<I: Io> Drop for Tunnel<I> {
    fn drop(&mut self) {
        let name = &self.story.plan.routes[self.route.index()].name;
        self.down.core.end_tunnel(name, &self.through, self.down.seat());
    }
}

impl Flow {
    /// A direction in which `first` is to be written before anything is read; `bytes` of it are the tunnel's.
    fn new(first: Buffer, bytes: u64) -> Self {
        let is_writing = !first.is_empty();
        Self { buffer: first, is_writing, is_flowing: false, has_ended: false, is_done: false, bytes, counted: 0 }
    }

    /// Moves on as far as it can. Ready when the end was passed on, or when a side failed.
    fn poll<I: Io>(
        &mut self, cx: &mut Context<'_>, core: &Core<I>, from: &mut Wire<I::Stream>, to: &mut Wire<I::Stream>,
    ) -> Poll<Result<(), Failed>> {
        while !self.is_done {
            if self.is_writing {
                let Poll::Ready(written) = to.poll_write(cx, &mut self.buffer) else {
                    from.gather(cx);
                    return Poll::Pending;
                };
                written.map_err(|_| Failed::Receiver)?;
                from.passed();
                self.is_writing = false;
            }
            if self.has_ended {
                to.shut_write();
                self.is_done = true;
            } else {
                let read = self.poll_piece(cx, core, from, to);
                if !self.is_writing {
                    // The next piece may be long in coming.
                    core.buffers.borrow_mut().give(std::mem::take(&mut self.buffer));
                }
                ready!(read).map_err(|_| Failed::Sender)?;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads a piece, to be written next, or the end.
    fn poll_piece<I: Io>(
        &mut self, cx: &mut Context<'_>, core: &Core<I>, from: &mut Wire<I::Stream>, to: &Wire<I::Stream>,
    ) -> Poll<io::Result<()>> {
        ready!(from.poll_readable(cx));
        self.make_room(core, to);
        let count = ready!(from.poll_read(cx, &mut self.buffer))?;
        self.is_flowing = self.buffer.room() == 0;
        self.bytes += count as u64;
        (self.is_writing, self.has_ended) = (count > 0, count == 0);
        Poll::Ready(Ok(()))
    }

    /// A buffer for the next piece: a large one where the last read filled a small one, but not to a stream of HTTP/2,
    /// which holds what is not taken at once, and for many streams.
    fn make_room<I: Io>(&mut self, core: &Core<I>, to: &Wire<I::Stream>) {
        let is_large = self.is_flowing && !matches!(to, Wire::Face(_));
        let is_fitting = self.buffer.capacity() > 0 && (!is_large || self.buffer.capacity() >= LARGE_BYTES);
        if is_fitting && !to.is_pressed() {
            return self.buffer.clear();
        }
        let buffers = &mut *core.buffers.borrow_mut();
        let next = match (to.is_pressed(), is_large) {
            (true, _) => buffers.small(),
            (false, true) => buffers.large(),
            (false, false) => buffers.standard(),
        };
        buffers.give(std::mem::replace(&mut self.buffer, next));
    }
}
