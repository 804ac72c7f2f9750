//! Forwarding: chooses an endpoint, sends the request up, waits for the answer's head.
//!
//! A try that fails before the answer begins may be followed by another: `policy::again` says when.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::body::{Incoming, Outgoing};
use super::buffer::Buffer;
use super::buffers::SMALL_BYTES;
use super::connection::{Downstream, Expiry, make_little_room, make_room};
use super::exchange::{Admitted, Next, Story, client_of};
use super::h2::board;
use super::h2::down::step::{Lane, Step};
use super::h2::up::Failure;
use super::io::{Io, Stream};
use super::mail::Row;
use super::serving::{Choice, Serving};
use super::upload::Upload;
use super::wire::Wire;
use super::work::{Drafts, Work};
use super::{again, introduction, local, relay, secure, target, tunnel};
use crate::plan::{self, Address, Forward};
use crate::policy::again::{Failed, Tries};
use crate::policy::balance::by_weight;
use crate::policy::grpc;
use crate::policy::outgoing::{Connection, Downward, DownwardFraming, Upward};
use crate::proto::h1::encode::CHUNK_HEADER_BYTES;
use crate::proto::h1::parse::{self, HeadLimits, Progress};
use crate::proto::head::{Known, Method, RequestBody, RequestHead, Version};
use crate::proto::upgrade::{self, Asked};
use crate::words::fault::{Fault, Kind, Stage};
use crate::words::ids::UpstreamId;
use crate::words::limits::{INTERIM_ANSWERS, WATCH_AFTER};
use crate::words::time::Instant;

/// An upstream connection in use.
pub struct Up<S> {
    /// The stream.
    pub stream: S,
    /// Received bytes.
    pub buffer: Buffer,
    /// The endpoint.
    pub choice: Choice,
    is_reused: bool,
}

impl<S> Up<S> {
    /// A connection, or a stream of one, that has heard nothing of the exchange yet.
    pub fn new(stream: S, choice: Choice, is_reused: bool) -> Self {
        Self { stream, buffer: Buffer::default(), choice, is_reused }
    }
}

/// When the upstream must have done what.
pub struct Deadlines {
    /// When the exchange began.
    pub started: Instant,
    /// The whole exchange.
    pub request: Instant,
    first_byte: Duration,
    /// Longest time without a byte.
    pub idle: Duration,
    /// A fresh connection.
    pub connect: Duration,
    /// The request is gRPC, or gRPC-Web.
    is_grpc: bool,
}

/// Serves the exchange from the route's upstream.
///
/// What is rare, and would make the future of every exchange larger, is boxed: a connect, a tunnel's beginning, a fault.
pub async fn forward<I: Io>(
    down: &mut Downstream<I>, work: &mut Work, story: &mut Story<I>, admitted: &Admitted, forward: &Forward,
) -> Next {
    let plan = Rc::clone(&story.plan);
    let Some((mut choice, timeouts)) = select(down, story, forward) else {
        let fault = Fault::new(Kind::NoEndpoint, Stage::Select, "no endpoint of the upstream has weight");
        return Box::pin(local::fault(down, work, story, fault)).await;
    };
    let mut deadlines = Deadlines::new(story.started, timeouts, &work.request, down.inbound.data());
    let mut tries = Tries::default();
    down.shrink();
    loop {
        // The message first: a body that is broken from the start costs no connection.
        let mut upload = match begin(down, work, story, admitted, forward, choice, &deadlines) {
            Ok(upload) => upload,
            Err(fault) => return Box::pin(local::fault(down, work, story, fault)).await,
        };
        story.record.attempts += 1;
        let mut up = reuse(down, story, choice, tries.is_fresh());
        if up.is_none() {
            match open(down, story, choice, &deadlines, &mut upload).await {
                Ok(fresh) => up = Some(fresh),
                Err(fault) => {
                    let failed = Failed::to_connect(fault.kind);
                    let Some(next) = again::next(down, story, &mut tries, &failed, deadlines.request) else {
                        return Box::pin(local::fault(down, work, story, fault)).await;
                    };
                    choice = next;
                    continue;
                }
            }
        }
        let here = up.as_mut().expect("reused or connected above");
        let Some(fault) = ask(down, work, story, here, &mut upload, &deadlines, forward).await.err() else {
            let edits = &admitted.route(&plan).response;
            if let Some(up) = up.take_if(|_| work.answer.status == 101) {
                return Box::pin(tunnel::switch(down, work, story, up, forward, edits, deadlines.idle)).await;
            }
            if !forward.bounds_events && is_event_stream(work, up.as_ref()) {
                deadlines.request = Instant::NEVER;
            }
            let next = relay::relay(down, work, story, &mut up, &mut upload, &deadlines, edits).await;
            part(down, &mut up).await;
            return next;
        };
        let failed = failed(down, work, up.as_ref(), &upload, fault.kind);
        let Some(next) = again::next(down, story, &mut tries, &failed, deadlines.request) else {
            story.record.bytes_in = upload.received;
            let next = Box::pin(refuse(down, work, story, &upload, fault)).await;
            part(down, &mut up).await;
            return next;
        };
        choice = next;
    }
}

/// Closes a connection that serves no more. Those of many streams may end at once, and each has its turn.
async fn part<I: Io>(down: &Downstream<I>, up: &mut Option<Up<Wire<I::Stream>>>) {
    let Some(mut step) = down.stream.step(Lane::Close).filter(|_| up.as_ref().is_some_and(|up| !up.stream.is_shared()))
    else {
        return;
    };
    poll_fn(|cx| step.poll(cx)).await;
    *up = None;
    poll_fn(|cx| step.poll_turn(cx)).await;
}

/// Answers a fault after the upload began: what is left of the body can only be drained if none of it was read beyond
/// the head's buffer.
pub async fn refuse<I: Io>(
    down: &mut Downstream<I>, work: &mut Work, story: &mut Story<I>, upload: &Upload, fault: Fault,
) -> Next {
    if !upload.is_done || upload.is_broken || work.request.body == RequestBody::Chunked {
        story.must_close.set(true);
    } else {
        // The body was read completely; there is nothing to drain.
        work.request.body = RequestBody::None;
    }
    local::fault(down, work, story, fault).await
}

/// What a connection that failed leaves to another.
fn failed<I: Io>(
    down: &Downstream<I>, work: &Work, up: Option<&Up<Wire<I::Stream>>>, upload: &Upload, kind: Kind,
) -> Failed {
    let is_at_hand = upload.was_whole || (!upload.has_read && down.ahead.is_empty());
    Failed {
        kind,
        is_unprocessed: is_at_hand && up.is_some_and(|up| up.stream.failure() == Some(Failure::Unprocessed)),
        was_reused: up.is_some_and(|up| up.is_reused),
        // What was read ahead of a body that is not whole is body, and gone from where it would be read again.
        is_unsent: upload.is_unsent() && (upload.was_whole || down.ahead.is_empty()),
        is_repeatable: upload.was_whole && work.request.method.is_idempotent(),
    }
}

/// The endpoint to ask, and the timeouts that hold for it.
fn select<'f, I: Io>(
    down: &Downstream<I>, story: &mut Story<I>, forward: &'f Forward,
) -> Option<(Choice, &'f plan::Timeouts)> {
    let position = split(&forward.targets, || down.core.io.random())?;
    let choice = story.serving.borrow_mut().choose(forward.targets[position].0, down.core.io.random())?;
    story.record.choice = Some(choice);
    Some((choice, &forward.timeouts[position]))
}

fn split(targets: &[(UpstreamId, u32)], random: impl FnOnce() -> u64) -> Option<usize> {
    if targets.len() == 1 {
        return Some(0);
    }
    let weights = targets.iter().map(|(_, weight)| u64::from(*weight));
    by_weight(weights.clone(), weights.sum(), random())
}

impl Deadlines {
    fn new(started: Instant, timeouts: &plan::Timeouts, head: &RequestHead, bytes: &[u8]) -> Self {
        let is_grpc = grpc::kind(head, bytes).is_some();
        let own = if is_grpc { grpc::timeout(head, bytes) } else { None };
        Self {
            started,
            request: started.after(timeouts.request.min(own.unwrap_or(Duration::MAX))),
            is_grpc,
            first_byte: timeouts.first_byte,
            idle: timeouts.idle,
            connect: timeouts.connect,
        }
    }
}

/// An idle connection of the endpoint, or a stream of one that is shared; where idle ones may be stale, only the latter.
fn reuse<I: Io>(down: &Downstream<I>, story: &Story<I>, choice: Choice, is_fresh: bool) -> Option<Up<Wire<I::Stream>>> {
    let serving = &mut *story.serving.borrow_mut();
    if let Some(trunks) = serving.trunks(choice) {
        return trunks.take().map(|slot| board::up(slot, choice, is_fresh));
    }
    if is_fresh {
        return None;
    }
    let stream = serving.check_out(choice, introduction::whose(story, choice), down.core.io.now())?;
    Some(Up::new(stream, choice, true))
}

/// A fresh connection to the endpoint, or a stream of a shared one.
async fn open<I: Io>(
    down: &mut Downstream<I>, story: &Story<I>, choice: Choice, deadlines: &Deadlines, upload: &mut Upload,
) -> Result<Up<Wire<I::Stream>>, Fault> {
    let trunks = story.serving.borrow().trunks(choice);
    match trunks {
        Some(trunks) => board::board(down, story, choice, deadlines, &trunks, upload).await,
        None => {
            let step = queue(down, upload).await?;
            Box::pin(connect(down, story, choice, deadlines, step)).await
        }
    }
}

/// Waits until it is this stream's turn to connect, where others of the same client may want to; it holds little then.
async fn queue<I: Io>(down: &mut Downstream<I>, upload: &mut Upload) -> Result<Option<Step>, Fault> {
    let Some(mut step) = down.stream.step(Lane::Connect) else { return Ok(None) };
    let is_wanted = poll_fn(|cx| {
        let turn = step.poll(cx);
        // A reset spares the connection (CVE-2023-44487).
        if down.stream.is_reset(cx) {
            return Poll::Ready(false);
        }
        if turn.is_pending() {
            await_little(cx, down, upload);
        }
        turn.map(|()| true)
    });
    if !is_wanted.await {
        return Err(local::gone("the client left before its request did"));
    }
    Ok(Some(step))
}

/// Holds little while the exchange waits for what its endpoint is: a client may have many streams that do.
pub fn await_little<I: Io>(cx: &mut Context<'_>, down: &mut Downstream<I>, upload: &mut Upload) {
    if matches!(down.stream, Wire::Face(_)) {
        down.stream.gather(cx);
        down.tighten();
        upload.tighten(&down.core);
    }
}

/// A fresh connection to the endpoint.
async fn connect<I: Io>(
    down: &mut Downstream<I>, story: &Story<I>, choice: Choice, deadlines: &Deadlines, mut step: Option<Step>,
) -> Result<Up<Wire<I::Stream>>, Fault> {
    let io = down.core.io.clone();
    let header = introduction::header(down, story, choice);
    let mut connecting = pin!(dial(&io, Serving::<Wire<I::Stream>>::address(&story.plan, choice), header));
    let deadline = io.now().after(deadlines.connect).min(deadlines.request);
    let connected =
        poll_fn(|cx| {
            if let Poll::Ready(connected) = connecting.as_mut().poll(cx) {
                return Poll::Ready(connected.map_err(|_| {
                    Fault::new(Kind::ConnectRefused, Stage::Select, "the endpoint cannot be connected to")
                }));
            }
            step.take_if(|step| step.poll_turn(cx).is_ready());
            down.stream.gather(cx);
            down.poll_expiry(cx, deadline).map(|expiry| {
                Err(if deadline == deadlines.request {
                    expired(expiry, Kind::RequestTimeout, "timeouts.request is over")
                } else {
                    expired(expiry, Kind::ConnectTimeout, "timeouts.connect is over")
                })
            })
        })
        .await;
    let stream = secure::secure(down, story, choice, deadlines, connected?).await?;
    Row::add(&down.core.link.row.connects, 1);
    Ok(Up::new(stream, choice, false))
}

/// Connects, and sends the PROXY header if there is one.
async fn dial<I: Io>(io: &I, address: &Address, mut header: Buffer) -> io::Result<I::Stream> {
    let mut stream = io.connect(address).await?;
    if !header.is_empty() {
        poll_fn(|cx| stream.poll_write(cx, &mut header)).await?;
    }
    Ok(stream)
}

/// The fault for a wait that ended by its deadline, or by the core cutting it.
pub fn expired(expiry: Expiry, kind: Kind, detail: &'static str) -> Fault {
    match expiry {
        Expiry::Deadline => Fault::new(kind, Stage::Receive, detail),
        Expiry::Cut => local::gone("the gateway's drain timeout is over"),
    }
}

/// A buffer for a head and what of its body is there. It may wait long for a connection, and those of HTTP/2 are many:
/// they get no larger one than they need. Where the body is framed first, the head goes before it.
fn for_message<I: Io>(down: &Downstream<I>, head: usize, body: usize, chunked: bool) -> Buffer {
    if !matches!(down.stream, Wire::Face(_)) {
        return down.core.buffers.borrow_mut().at_least(head + body + Buffer::HEADROOM);
    }
    let needed = head + body + CHUNK_HEADER_BYTES + 2 * Buffer::TAILROOM;
    let mut buffer = if needed <= SMALL_BYTES {
        down.core.buffers.borrow_mut().small()
    } else {
        Buffer::with_capacity(needed + Buffer::HEADROOM)
    };
    if chunked {
        buffer.reserve(head);
    }
    buffer
}

/// Writes the head, and what has come of the body, into one message.
fn begin<I: Io>(
    down: &mut Downstream<I>, work: &mut Work, story: &mut Story<I>, admitted: &Admitted, forward: &Forward,
    choice: Choice, deadlines: &Deadlines,
) -> Result<Upload, Fault> {
    write_head(down, work, story, admitted, forward, choice, deadlines)?;
    let head = &down.core.drafts.borrow().head;
    let behind = &down.inbound.data()[work.request.bytes..];
    let chunked = work.request.body == RequestBody::Chunked;
    let body = if chunked { behind } else { &behind[..down.body_in_head] };
    let mut buffer = for_message(down, head.len(), body.len(), chunked);
    let mut incoming = Incoming::from(work.request.body);
    let mut received = body.len() as u64;
    let outgoing = if chunked { Outgoing::Chunked } else { Outgoing::Plain };
    if chunked {
        work.request_chunks.reset();
        received = append_chunks(&mut buffer, head, body, work, &mut incoming, &mut down.body_in_head)?;
    } else {
        let has_room = buffer.append(head) && buffer.append(body);
        debug_assert!(has_room, "the buffer was taken to hold both");
        if let Incoming::Length(left) = &mut incoming {
            *left -= received;
            if *left == 0 {
                incoming = Incoming::Done;
            }
        }
    }
    let limits = &admitted.route(&story.plan).limits;
    if received > limits.body {
        return Err(Fault::new(Kind::BodyTooLarge, Stage::Forward, "the body grew over limits.body"));
    }
    let mut upload = Upload::new(buffer, incoming, outgoing, received, limits, deadlines.idle, down.core.io.now());
    if deadlines.is_grpc {
        upload.take_time();
    }
    Ok(upload)
}

/// Decodes the chunks that came with the head and frames them anew behind it. Returns the payload's length.
fn append_chunks(
    buffer: &mut Buffer, head: &[u8], body: &[u8], work: &mut Work, incoming: &mut Incoming, body_in_head: &mut usize,
) -> Result<u64, Fault> {
    let has_room = buffer.append(body);
    debug_assert!(has_room, "the buffer was taken to hold it");
    let piece = incoming
        .take(&mut work.request_chunks, buffer)
        .map_err(|error| Fault::new(Kind::BadChunk, Stage::ReadHead, error.0))?;
    *body_in_head = piece.consumed;
    buffer.truncate(piece.payload);
    let trailers = &work.request_chunks.trailers;
    if !Outgoing::Chunked.frame(buffer, incoming.is_done(), trailers) {
        let has_room = buffer.append(&Outgoing::end(trailers));
        debug_assert!(has_room, "trailers came in the same buffer and fit again");
    }
    if !buffer.prepend(head) {
        let mut larger = Buffer::with_capacity(2 * Buffer::HEADROOM + head.len() + buffer.len());
        let is_whole = larger.append(head) && larger.append(buffer.data());
        debug_assert!(is_whole, "the larger buffer was made to hold both");
        *buffer = larger;
    }
    Ok(piece.payload as u64)
}

/// Drafts the head of the request.
fn write_head<I: Io>(
    down: &Downstream<I>, work: &Work, story: &Story<I>, admitted: &Admitted, forward: &Forward, choice: Choice,
    deadlines: &Deadlines,
) -> Result<(), Fault> {
    let has_deadline = deadlines.is_grpc && deadlines.request != Instant::NEVER;
    let asked = upgrade::asked(&work.request, down.inbound.data(), &forward.upgrade);
    let Drafts { head, target } = &mut *down.core.drafts.borrow_mut();
    head.clear();
    target.clear();
    target::upstream(down, work, story, forward, target)?;
    Upward {
        head: &work.request,
        bytes: down.inbound.data(),
        target,
        host: target::host(down, work, story, forward, choice),
        pseudonym: &story.plan.server.name,
        peer: down.peer.ip(),
        client: &client_of(down, &work.request, &story.plan),
        scheme: down.stream.scheme(),
        id: work.facts.id(),
        deadline: has_deadline.then(|| deadlines.request.since(down.core.io.now())),
        traceparent: work.facts.traceparent(),
        upgrade: asked.protocol(),
        edits: &admitted.route(&story.plan).request,
        fill: &|variable, out| target::fill(variable, down, work, story, out),
    }
    .write(head);
    Ok(())
}

/// Sends the request and waits for the head of the final answer, which is then in `work.answer` and `up.buffer`.
async fn ask<I: Io>(
    down: &mut Downstream<I>, work: &mut Work, story: &mut Story<I>, up: &mut Up<Wire<I::Stream>>, upload: &mut Upload,
    deadlines: &Deadlines, forward: &Forward,
) -> Result<(), Fault> {
    let limits = answer_limits(&story.plan.listeners[down.listener.index()].limits);
    let mut wait = Wait { sent: down.core.io.now(), seen: 0, is_sent: false, has_begun: false };
    for interims in 0..=INTERIM_ANSWERS {
        let answered = poll_fn(|cx| wait.poll(cx, down, work, up, upload, deadlines, &limits)).await;
        answered.map_err(|fault| board::blame(&up.stream, fault))?;
        if work.answer.status >= 200 || is_switch(down, work, up, upload, forward) {
            story.record.upstream_status = Some(work.answer.status);
            story.record.upstream_time = Some(down.core.io.now().since(wait.sent));
            return Ok(());
        }
        if work.answer.status == 101 {
            return Err(Fault::new(
                Kind::UpstreamUpgrade,
                Stage::Receive,
                "101 to a request that asked for no upgrade",
            ));
        }
        if work.request.version != Version::Http10 && interims < INTERIM_ANSWERS {
            interim(down, work, story, up, deadlines).await?;
        }
        up.buffer.consume(work.answer.bytes);
        (wait.seen, wait.has_begun) = (0, true);
    }
    Err(Fault::new(Kind::UpstreamInterim, Stage::Receive, "too many interim answers"))
}

/// True when the answer switches to the protocol that was asked for. A request that has not left whole has asked for
/// nothing yet (CVE-2026-2833).
fn is_switch<I: Io>(
    down: &Downstream<I>, work: &Work, up: &Up<Wire<I::Stream>>, upload: &Upload, forward: &Forward,
) -> bool {
    let Asked::Protocol(protocol) = upgrade::asked(&work.request, down.inbound.data(), &forward.upgrade) else {
        return false;
    };
    upload.is_done && !upload.is_broken && upgrade::switches(&work.answer, up.buffer.data(), protocol)
}

/// True when the answer is a stream of events (HTML, "Server-sent events"): one that is meant to go on.
fn is_event_stream<S>(work: &Work, up: Option<&Up<S>>) -> bool {
    let line = work.answer.lines.iter().find(|line| line.known == Known::ContentType);
    line.zip(up).is_some_and(|(line, up)| {
        let value = line.value.of(up.buffer.data());
        let media = value.split(|byte| *byte == b';').next().unwrap_or_default();
        media.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
    })
}

fn answer_limits(limits: &plan::Limits) -> HeadLimits {
    HeadLimits {
        bytes: usize::try_from(limits.header_bytes).unwrap_or(usize::MAX),
        lines: usize::try_from(limits.headers).unwrap_or(usize::MAX),
        target_bytes: 0,
    }
}

/// The wait for an answer's head.
struct Wait {
    sent: Instant,
    seen: usize,
    is_sent: bool,
    /// An interim answer came: the request is at work, and the client knows.
    has_begun: bool,
}

impl Wait {
    #[expect(clippy::too_many_arguments, reason = "each is borrowed from another owner for one poll")]
    fn poll<I: Io>(
        &mut self, cx: &mut Context<'_>, down: &mut Downstream<I>, work: &mut Work, up: &mut Up<Wire<I::Stream>>,
        upload: &mut Upload, deadlines: &Deadlines, limits: &HeadLimits,
    ) -> Poll<Result<(), Fault>> {
        let core = Rc::clone(&down.core);
        if !self.is_sent {
            match upload.poll(cx, &core, &mut down.stream, &mut up.stream, &mut work.request_chunks, &mut down.ahead) {
                Poll::Ready(sent) => {
                    sent?;
                    self.is_sent = true;
                    self.sent = core.io.now();
                }
                // The body is long in coming, or in going.
                Poll::Pending => down.tighten(),
            }
        }
        if let Poll::Ready(answered) = self.poll_head(cx, &core, &down.stream, work, up, limits) {
            return Poll::Ready(answered);
        }
        let (stalled, stall) = upload.deadline();
        let first_byte = if self.is_sent { self.sent.after(deadlines.first_byte) } else { Instant::NEVER };
        let deadline = deadlines.request.min(first_byte).min(stalled);
        watch(cx, down, work, self.is_sent, deadlines.started, deadline).map(|end| {
            Err(match end {
                End::Gone => local::gone("the client left before the answer"),
                End::Expired(Expiry::Deadline) if deadline == stalled => stall,
                End::Expired(expiry) if deadline == deadlines.request => {
                    expired(expiry, Kind::RequestTimeout, "timeouts.request is over")
                }
                End::Expired(expiry) => expired(expiry, Kind::FirstByteTimeout, "timeouts.first_byte is over"),
            })
        })
    }

    fn poll_head<I: Io>(
        &mut self, cx: &mut Context<'_>, core: &super::core::Core<I>, down: &Wire<I::Stream>, work: &mut Work,
        up: &mut Up<Wire<I::Stream>>, limits: &HeadLimits,
    ) -> Poll<Result<(), Fault>> {
        let to_head = work.request.method == Method::Head;
        let is_pressed = down.is_pressed();
        loop {
            if up.buffer.len() > self.seen {
                match parse::answer(up.buffer.data(), self.seen, limits, to_head, &mut work.answer) {
                    Ok(Progress::Complete) => return Poll::Ready(Ok(())),
                    Ok(Progress::Partial) => self.seen = up.buffer.len(),
                    Err(fault) => return Poll::Ready(Err(Fault { stage: Stage::Receive, ..fault })),
                }
            }
            ready!(up.stream.poll_readable(cx));
            if is_pressed {
                make_little_room(&mut up.buffer, core);
            } else {
                make_room(&mut up.buffer, core);
            }
            match up.stream.poll_read(cx, &mut up.buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(count)) if count > 0 => {}
                Poll::Ready(_) if up.buffer.is_empty() && !self.has_begun => {
                    let fault = Fault::new(Kind::UpstreamClosed, Stage::Receive, "closed before the answer");
                    return Poll::Ready(Err(fault));
                }
                Poll::Ready(_) => {
                    let fault = Fault::new(Kind::UpstreamIncomplete, Stage::Receive, "closed before the answer's end");
                    return Poll::Ready(Err(fault));
                }
            }
        }
    }
}

/// Why waiting for the upstream is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The client left.
    Gone,
    /// Time is over.
    Expired(Expiry),
}

/// Ready when the client has left, or when `deadline` is over.
///
/// The read that watches the client is the one that its next request will end, so it costs nothing extra. On a
/// connection that will carry no other request it would: there the watch begins only when the answer takes long.
pub fn watch<I: Io>(
    cx: &mut Context<'_>, down: &mut Downstream<I>, work: &Work, may_read: bool, started: Instant, deadline: Instant,
) -> Poll<End> {
    let now = down.core.io.now();
    let begins = if work.request.is_persistent { started } else { started.after(WATCH_AFTER) };
    if may_read && now >= begins && is_gone(cx, down, work) {
        return Poll::Ready(End::Gone);
    }
    let next = if may_read && now < begins { deadline.min(begins) } else { deadline };
    match down.poll_expiry(cx, next) {
        Poll::Pending => Poll::Pending,
        Poll::Ready(Expiry::Deadline) if down.core.io.now() < deadline => {
            watch(cx, down, work, may_read, started, deadline)
        }
        Poll::Ready(expiry) => Poll::Ready(End::Expired(expiry)),
    }
}

/// True when the client is seen to have left. Reads ahead to see it: what comes instead begins the next request.
///
/// Nothing is read behind a pipelined request, nor twice.
fn is_gone<I: Io>(cx: &mut Context<'_>, down: &mut Downstream<I>, work: &Work) -> bool {
    let has_more = down.inbound.len() > work.request.bytes + down.body_in_head;
    if has_more || !down.ahead.is_empty() || down.stream.poll_readable(cx).is_pending() {
        return false;
    }
    if down.stream.is_reset(cx) {
        return true;
    }
    make_room(&mut down.ahead, &down.core);
    match down.stream.poll_read(cx, &mut down.ahead) {
        Poll::Pending => false,
        Poll::Ready(Ok(count)) => count == 0,
        Poll::Ready(Err(_)) => true,
    }
}

/// Passes an interim answer (1xx) on.
async fn interim<I: Io>(
    down: &mut Downstream<I>, work: &Work, story: &Story<I>, up: &Up<Wire<I::Stream>>, deadlines: &Deadlines,
) -> Result<(), Fault> {
    let mut buffer = interim_head(down, work, story, up);
    poll_fn(|cx| {
        if let Poll::Ready(written) = down.stream.poll_write(cx, &mut buffer) {
            return Poll::Ready(written.map_err(|_| local::gone("the client left at an interim answer")));
        }
        down.poll_expiry(cx, deadlines.request)
            .map(|expiry| Err(expired(expiry, Kind::RequestTimeout, "timeouts.request is over")))
    })
    .await?;
    down.core.buffers.borrow_mut().give(buffer);
    Ok(())
}

/// The message of an interim answer.
fn interim_head<I: Io>(down: &Downstream<I>, work: &Work, story: &Story<I>, up: &Up<Wire<I::Stream>>) -> Buffer {
    let head = &mut down.core.drafts.borrow_mut().head;
    head.clear();
    Downward {
        head: &work.answer,
        bytes: up.buffer.data(),
        framing: DownwardFraming::AsAnnounced,
        pseudonym: &story.plan.server.name,
        via: up.stream.version(work.answer.version).number(),
        date: b"",
        id: b"",
        connection: Connection::Implied,
        upgrade: b"",
        edits: &plan::FieldEdits::default(),
        fill: &|_, _| {},
    }
    .write(head);
    down.core.buffers.borrow_mut().holding(head)
}
