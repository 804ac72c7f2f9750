//! An answer on its way down: one piece at a time, through one buffer, so a slow client slows the upstream.
//!
//! The head is written in front of the first piece of the body, in the buffer where that piece already lies: a head and
//! a small body leave in one send, uncopied.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::body::{Incoming, Outgoing, Piece};
use super::buffer::Buffer;
use super::buffers::{LARGE_BYTES, STANDARD_BYTES};
use super::connection::{Downstream, Expiry};
use super::core::Phase;
use super::exchange::{Next, Story, connection_of};
use super::forward::{Deadlines, End, Up, expired, refuse, watch};
use super::io::{Io, Stream};
use super::upload::Upload;
use super::wire::Wire;
use super::work::Work;
use super::{introduction, local, target};
use crate::plan::FieldEdits;
use crate::policy::outgoing::{Downward, DownwardFraming};
use crate::policy::{grpc, respond};
use crate::proto::grpc_web;
use crate::proto::h1::encode::CHUNK_HEADER_BYTES;
use crate::proto::head::{AnswerBody, Version};
use crate::words::fault::{Fault, Kind, Stage};
use crate::words::time::Instant;

/// The answer's body on its way.
struct Relay<'u, I: Io> {
    /// The upstream connection, until it is given back.
    up: &'u mut Option<Up<Wire<I::Stream>>>,
    incoming: Incoming,
    outgoing: Outgoing,
    /// The piece on its way down; empty between two pieces.
    buffer: Buffer,
    /// The end of the body, when it did not fit behind the last piece.
    end: Option<Box<Buffer>>,
    /// When a byte last came or went.
    moved: Instant,
    /// The last read filled its buffer.
    is_flowing: bool,
    /// The connection can serve again.
    is_reusable: bool,
}

/// Sends the answer whose head is in `work.answer` down, with its body, which comes from `up`.
pub async fn relay<I: Io>(
    down: &mut Downstream<I>, work: &mut Work, story: &mut Story<I>, up: &mut Option<Up<Wire<I::Stream>>>,
    upload: &mut Upload, deadlines: &Deadlines, edits: &FieldEdits,
) -> Next {
    // The rest of a body that nobody waits for makes the connection useless; the client is told.
    let is_last = story.must_close.get() || !upload.is_done || upload.is_broken || down.core.phase() != Phase::Serving;
    story.must_close.set(is_last);
    let framing = framing(work);
    if framing == DownwardFraming::Close {
        story.must_close.set(true);
    }
    story.record.status = work.answer.status;
    write_head(down, work, story, up.as_ref(), framing, edits);
    let mut relay = match Relay::begin(down, work, up, framing) {
        Ok((relay, payload)) => {
            story.record.bytes_out = payload;
            relay
        }
        // Nothing has left yet, so the client can still be told.
        Err(fault) => return Box::pin(refuse(down, work, story, upload, fault)).await,
    };
    let sent = poll_fn(|cx| relay.poll(cx, down, work, story, upload, deadlines)).await;
    if let Err(fault) = &sent
        && let Some(kind) = relay.grpc_to_tell(down, work, fault.kind)
    {
        poll_fn(|cx| tell_status(cx, down, kind, fault.kind)).await;
    }
    down.core.buffers.borrow_mut().give(std::mem::take(&mut relay.buffer));
    story.record.bytes_in = upload.received;
    match sent {
        Err(fault) => broken(down, story, framing, fault),
        Ok(()) if !upload.is_done || upload.is_broken => Next::Linger,
        // RFC 9112 9.6: a client that was not told before may have sent more; closing over it would reset the answer away.
        Ok(()) if story.must_close.get() && work.request.is_persistent => Next::Linger,
        Ok(()) if story.must_close.get() => Next::Close,
        Ok(()) => Next::Keep,
    }
}

/// An answer that cannot be finished is cut, never ended as if it were whole: where its end is the close, only a reset
/// tells (RFC 9112 8).
fn broken<I: Io>(down: &mut Downstream<I>, story: &mut Story<I>, framing: DownwardFraming, fault: Fault) -> Next {
    if framing == DownwardFraming::Close {
        down.stream.abort();
    }
    story.record.fault = Some(fault);
    Next::Close
}

/// Ends a gRPC answer with the status of a fault. gRPC's clients would take a reset for a failure of ours, and of a
/// deadline they often hear before their own clock tells them. A client that cannot take the trailers now is reset
/// nevertheless.
fn tell_status<I: Io>(cx: &mut Context<'_>, down: &mut Downstream<I>, kind: grpc_web::Kind, fault: Kind) -> Poll<()> {
    let mut trailers = Vec::new();
    respond::grpc_status(&mut trailers, fault);
    let end = match kind {
        grpc_web::Kind::Grpc => Outgoing::end(&trailers),
        grpc_web::Kind::Web(form) => grpc_web::body_end(form, &trailers),
    };
    let mut buffer = down.core.buffers.borrow_mut().holding(&end);
    // Taken or not, what follows is the end of the stream.
    let _ = down.stream.poll_write(cx, &mut buffer);
    down.core.buffers.borrow_mut().give(buffer);
    Poll::Ready(())
}

fn framing(work: &Work) -> DownwardFraming {
    match (work.answer.body, work.request.version) {
        (AnswerBody::None | AnswerBody::Length(_), _) => DownwardFraming::AsAnnounced,
        (_, Version::Http11 | Version::Http2) => DownwardFraming::Chunked,
        // RFC 9112 6.1: no chunks for HTTP/1.0.
        (_, Version::Http10) => DownwardFraming::Close,
    }
}

/// Drafts the head of the answer.
fn write_head<I: Io>(
    down: &Downstream<I>, work: &Work, story: &Story<I>, up: Option<&Up<Wire<I::Stream>>>, framing: DownwardFraming,
    edits: &FieldEdits,
) {
    let head = &mut down.core.drafts.borrow_mut().head;
    head.clear();
    Downward {
        head: &work.answer,
        bytes: up.map_or(&[], |up| up.buffer.data()),
        framing,
        pseudonym: &story.plan.server.name,
        via: up.map_or(work.answer.version, |up| up.stream.version(work.answer.version)).number(),
        date: &*down.core.date(),
        id: work.facts.id(),
        connection: connection_of(&work.request, story.must_close.get()),
        upgrade: b"",
        edits,
        fill: &|variable, out| target::fill(variable, down, work, story, out),
    }
    .write(head);
}

impl<'u, I: Io> Relay<'u, I> {
    /// Puts the drafted head into the place of the one that came, and frames what came of the body behind it. Says how
    /// many bytes that are.
    fn begin(
        down: &Downstream<I>, work: &mut Work, up: &'u mut Option<Up<Wire<I::Stream>>>, framing: DownwardFraming,
    ) -> Result<(Self, u64), Fault> {
        // A body of known length has no chunks on either side; every other may end with trailers.
        if !matches!(work.answer.body, AnswerBody::None | AnswerBody::Length(_)) {
            work.answer_chunks.reset();
        }
        let mut buffer = up.as_mut().map_or_else(Buffer::default, |up| std::mem::take(&mut up.buffer));
        buffer.consume(work.answer.bytes);
        let mut relay = Self {
            incoming: Incoming::from(work.answer.body),
            outgoing: if framing == DownwardFraming::Chunked { Outgoing::Chunked } else { Outgoing::Plain },
            buffer,
            end: None,
            moved: down.core.io.now(),
            is_flowing: false,
            is_reusable: work.answer.is_persistent,
            up,
        };
        let payload = relay.take(work)?;
        let head = &down.core.drafts.borrow().head;
        down.core.buffers.borrow_mut().put_before(&mut relay.buffer, head);
        Ok((relay, payload))
    }

    /// The kind of a gRPC answer that can end with the status of `fault`: the client is there and has taken all pieces so
    /// far, so trailers may follow. A status that is not OK says that the answer is not whole.
    fn grpc_to_tell(&self, down: &Downstream<I>, work: &Work, fault: Kind) -> Option<grpc_web::Kind> {
        let is_idle = self.buffer.is_empty() && self.end.is_none() && self.outgoing == Outgoing::Chunked;
        grpc::kind(&work.request, down.inbound.data()).filter(|_| is_idle && fault != Kind::ClientGone)
    }

    /// Decodes what the buffer holds and frames it for the client; says how many bytes of payload that are.
    fn take(&mut self, work: &mut Work) -> Result<u64, Fault> {
        let was_done = self.incoming.is_done();
        let Piece { payload, consumed } = self
            .incoming
            .take(&mut work.answer_chunks, &mut self.buffer)
            .map_err(|error| Fault::new(Kind::UpstreamProtocol, Stage::Receive, error.0))?;
        // Bytes behind the answer that nobody asked for: the connection cannot be trusted (CVE-2026-1642).
        self.is_reusable &= consumed == self.buffer.len();
        self.buffer.truncate(payload);
        if !was_done {
            self.frame(work);
        }
        Ok(payload as u64)
    }

    fn frame(&mut self, work: &Work) {
        let trailers = &work.answer_chunks.trailers;
        if !self.outgoing.frame(&mut self.buffer, self.incoming.is_done(), trailers) {
            let end = Outgoing::end(trailers);
            let mut last = Buffer::with_capacity(2 * Buffer::HEADROOM + end.len());
            let fits = last.append(&end);
            debug_assert!(fits, "the buffer was made to hold it");
            self.end = Some(Box::new(last));
        }
    }

    fn poll(
        &mut self, cx: &mut Context<'_>, down: &mut Downstream<I>, work: &mut Work, story: &mut Story<I>,
        upload: &mut Upload, deadlines: &Deadlines,
    ) -> Poll<Result<(), Fault>> {
        self.poll_upload(cx, down, work, upload);
        loop {
            self.give_back(down, story, upload);
            match down.stream.poll_write(cx, &mut self.buffer) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Err(local::gone("the client left in the answer"))),
                Poll::Pending => {
                    if down.stream.take_progress() > 0 {
                        self.moved = down.core.io.now();
                    }
                    down.tighten();
                    self.up.iter_mut().for_each(|up| up.stream.gather(cx));
                    break;
                }
            }
            if let Some(end) = self.end.take() {
                self.buffer = *end;
                continue;
            }
            if self.incoming.is_done() {
                return Poll::Ready(Ok(()));
            }
            match self.poll_piece(cx, down, work, story) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault)),
                Poll::Pending => break,
            }
        }
        self.poll_end(cx, down, work, upload, deadlines)
    }

    /// Ready when the client has left or the time is over.
    fn poll_end(
        &self, cx: &mut Context<'_>, down: &mut Downstream<I>, work: &Work, upload: &Upload, deadlines: &Deadlines,
    ) -> Poll<Result<(), Fault>> {
        // Over HTTP/2 both ways stay open, and either keeps the exchange alive.
        let is_shared = self.up.as_ref().is_some_and(|up| up.stream.is_shared());
        let moved = upload.moved().filter(|_| is_shared).map_or(self.moved, |moved| moved.max(self.moved));
        let stalled = moved.after(deadlines.idle);
        // While the client only has to take what is there already, a write tells soon enough that it left.
        let may_read = upload.is_done && self.up.is_some();
        let deadline = stalled.min(deadlines.request);
        watch(cx, down, work, may_read, deadlines.started, deadline).map(|end| {
            Err(match end {
                End::Gone => local::gone("the client left in the answer"),
                End::Expired(Expiry::Deadline) if stalled < deadlines.request => {
                    let detail = "timeouts.idle is over within the answer";
                    expired(Expiry::Deadline, Kind::UpstreamStalled, detail)
                }
                End::Expired(expiry) => {
                    expired(expiry, Kind::RequestTimeout, "timeouts.request is over within the answer")
                }
            })
        })
    }

    /// A request body that is still on its way goes on beside the answer.
    fn poll_upload(&mut self, cx: &mut Context<'_>, down: &mut Downstream<I>, work: &mut Work, upload: &mut Upload) {
        let Some(up) = self.up.as_mut().filter(|_| !upload.is_done) else { return };
        let core = Rc::clone(&down.core);
        let sent = upload.poll(cx, &core, &mut down.stream, &mut up.stream, &mut work.request_chunks, &mut down.ahead);
        if let Poll::Ready(Err(_)) = sent {
            // The answer may still be whole; the request is not, so neither connection serves again.
            upload.is_broken = true;
            upload.is_done = true;
        }
    }

    /// Reads the next piece and frames it.
    fn poll_piece(
        &mut self, cx: &mut Context<'_>, down: &mut Downstream<I>, work: &mut Work, story: &mut Story<I>,
    ) -> Poll<Result<(), Fault>> {
        let Some(up) = self.up.as_mut() else {
            let fault = Fault::new(Kind::Internal, Stage::Receive, "an answer went on after its connection");
            return Poll::Ready(Err(fault));
        };
        if up.stream.poll_readable(cx).is_pending() {
            // The next piece may be long in coming.
            down.core.buffers.borrow_mut().give(std::mem::take(&mut self.buffer));
            return Poll::Pending;
        }
        // Under pressure nothing is read that the client does not take. Only a body of known length is sure to have something
        // for it; another may have nothing but its end, and that needs no room.
        if matches!(self.incoming, Incoming::Length(_)) && down.stream.is_pressed() {
            down.core.buffers.borrow_mut().give(std::mem::take(&mut self.buffer));
            if down.stream.poll_taking(cx).is_pending() {
                up.stream.gather(cx);
                return Poll::Pending;
            }
        }
        self.buffer = fitting(down, std::mem::take(&mut self.buffer), self.incoming, self.is_flowing);
        match up.stream.poll_read(cx, &mut self.buffer) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(count)) if count > 0 => {}
            Poll::Ready(Ok(_)) if self.incoming == Incoming::UntilClose => {
                self.incoming = Incoming::Done;
                self.is_reusable = false;
            }
            Poll::Ready(_) => {
                let fault = Fault::new(Kind::UpstreamIncomplete, Stage::Receive, "the answer's body ended early");
                return Poll::Ready(Err(fault));
            }
        }
        self.moved = down.core.io.now();
        self.is_flowing = self.buffer.room() == 0;
        if self.incoming.is_done() {
            self.frame(work);
            return Poll::Ready(Ok(()));
        }
        story.record.bytes_out += self.take(work)?;
        Poll::Ready(Ok(()))
    }

    /// Gives the upstream connection back as soon as its answer was read and the request was written, completely.
    fn give_back(&mut self, down: &Downstream<I>, story: &Story<I>, upload: &Upload) {
        if !self.incoming.is_done() || !upload.is_done {
            return;
        }
        let Some(up) = self.up.take() else { return };
        // A shared connection took its stream back when that ended.
        if self.is_reusable && !upload.is_broken && !up.stream.is_shared() {
            let whose = introduction::whose(story, up.choice);
            story.serving.borrow_mut().check_in(up.choice, up.stream, whose, down.core.io.now());
        }
    }
}

/// A buffer for the next piece: a large one where much is to come, or where the last read filled a small one.
fn fitting<I: Io>(down: &Downstream<I>, mut buffer: Buffer, incoming: Incoming, is_flowing: bool) -> Buffer {
    if down.stream.is_pressed() {
        let buffers = &mut *down.core.buffers.borrow_mut();
        buffers.give(buffer);
        let mut small = buffers.small();
        // It has no headroom of its own, and a chunk's header goes before what it is filled with.
        small.reserve(CHUNK_HEADER_BYTES);
        return small;
    }
    let is_long = match incoming {
        // What HTTP/2 does not take at once it holds, and for many streams.
        _ if matches!(down.stream, Wire::Face(_)) => false,
        Incoming::Length(left) => left > STANDARD_BYTES as u64,
        _ => is_flowing,
    };
    if buffer.capacity() < if is_long { LARGE_BYTES } else { STANDARD_BYTES } {
        let buffers = &mut *down.core.buffers.borrow_mut();
        buffers.give(buffer);
        return if is_long { buffers.large() } else { buffers.standard() };
    }
    buffer.clear();
    buffer
}
