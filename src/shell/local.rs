//! Answers that Ringway makes itself: sent in one piece where they are short, and the request's body is drained or the
//! connection ends. An unread body must never be taken for the next request (CVE-2025-4366 and its kin).

use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;

use super::body::Incoming;
use super::buffer::Buffer;
use super::connection::{Downstream, Expiry};
use super::core::Phase;
use super::exchange::{Next, Story, connection_of, is_worth_draining};
use super::io::{Io, Stream};
use super::work::Work;
use crate::plan::{Redirect, Respond};
use crate::policy::grpc;
use crate::policy::respond::{self, ErrorForm, Frame};
use crate::proto::head::{Known, Method, RequestBody, RequestHead};
use crate::words::fault::{Fault, Kind, Stage};
use crate::words::limits::{DRAIN_BYTES, DRAIN_TIME};
use crate::words::time::Instant;

/// Answers with a fault.
pub async fn fault<I: Io>(down: &mut Downstream<I>, work: &mut Work, story: &mut Story<I>, fault: Fault) -> Next {
    story.record.fault = Some(fault);
    if fault.kind == Kind::ClientGone {
        return Next::Close;
    }
    if fault.kind.row().closes {
        story.must_close.set(true);
    }
    let form = error_form(&work.request, down.inbound.data());
    let extra = match fault.kind {
        Kind::MethodNotAllowed => [b"allow: ", story.record.allow.join(", ").as_bytes(), b"\r\n"].concat(),
        Kind::WorkerConnections | Kind::AddressConnections | Kind::NoEndpoint => b"retry-after: 1\r\n".to_vec(),
        _ => Vec::new(),
    };
    answer(down, work, story, form.status(fault.kind), |out, frame| {
        respond::fault(out, fault.kind, frame, form, &extra);
        None
    })
    .await
}

/// The form in which the client of `request` takes an error.
fn error_form(request: &RequestHead, bytes: &[u8]) -> ErrorForm {
    if let Some(kind) = grpc::kind(request, bytes) {
        return ErrorForm::Grpc(kind);
    }
    let accept = request.lines.iter().find(|line| line.known == Known::Accept);
    accept.map_or(ErrorForm::Problem, |line| ErrorForm::of_accept(line.value.of(bytes)))
}

/// Answers with a fixed answer of the configuration.
pub async fn respond<I: Io>(down: &mut Downstream<I>, work: &mut Work, story: &mut Story<I>, fixed: &Respond) -> Next {
    answer(down, work, story, fixed.status, |out, frame| {
        let is_whole = respond::fixed(out, fixed.status, &fixed.fields, &fixed.body, frame);
        (!is_whole).then(|| fixed.body.clone())
    })
    .await
}

/// Answers OPTIONS that goes no further (RFC 9110 7.6.2).
pub async fn options<I: Io>(down: &mut Downstream<I>, work: &mut Work, story: &mut Story<I>) -> Next {
    answer(down, work, story, 200, |out, frame| {
        respond::fixed(out, 200, &[], b"", frame);
        None
    })
    .await
}

/// Answers with a redirect.
pub async fn redirect<I: Io>(
    down: &mut Downstream<I>, work: &mut Work, story: &mut Story<I>, redirect: &Redirect,
) -> Next {
    let mut location = Vec::new();
    let written = super::target::location(down, work, story, redirect, &mut location);
    if let Err(problem) = written {
        return fault(down, work, story, problem).await;
    }
    answer(down, work, story, redirect.status, |out, frame| {
        respond::redirect(out, redirect.status, &location, frame);
        None
    })
    .await
}

/// Sends what `write` writes, and the long body that it returns; then drains the request's body, or ends.
async fn answer<I: Io>(
    down: &mut Downstream<I>, work: &mut Work, story: &mut Story<I>, status: u16,
    write: impl FnOnce(&mut Vec<u8>, &Frame<'_>) -> Option<Bytes>,
) -> Next {
    let is_serving = down.core.phase() == Phase::Serving;
    let is_keeping = is_serving && !story.must_close.get() && is_worth_draining(&work.request);
    story.must_close.set(!is_keeping);
    let (buffer, body) = {
        let head = &mut down.core.drafts.borrow_mut().head;
        head.clear();
        let date = down.core.date();
        let frame = Frame {
            date: &*date,
            id: work.facts.id(),
            pseudonym: &story.plan.server.name,
            connection: connection_of(&work.request, !is_keeping),
            is_head: work.request.method == Method::Head,
        };
        let body = write(head, &frame).unwrap_or_default();
        story.record.bytes_out = (head.len() - head_length(head) + body.len()) as u64;
        (down.core.buffers.borrow_mut().holding(head), body)
    };
    story.record.status = status;
    if send(down, story, buffer, body).await.is_err() {
        return Next::Close;
    }
    finish(down, work, story).await
}

/// Sends the head (and short body) in `buffer`, then `body`.
async fn send<I: Io>(
    down: &mut Downstream<I>, story: &Story<I>, mut buffer: Buffer, mut body: Bytes,
) -> Result<(), ()> {
    let idle = story.plan.listeners[down.listener.index()].timeouts.idle;
    let mut moved = down.core.io.now();
    let mut is_head_out = false;
    let sent = poll_fn(|cx| {
        if !is_head_out {
            match down.stream.poll_write(cx, &mut buffer) {
                Poll::Ready(Ok(())) => is_head_out = true,
                Poll::Ready(Err(_)) => return Poll::Ready(Err(())),
                Poll::Pending => {}
            }
        }
        if is_head_out && let Poll::Ready(written) = down.stream.poll_write_bytes(cx, &mut body) {
            return Poll::Ready(written.map_err(|_| ()));
        }
        if down.stream.take_progress() > 0 {
            moved = down.core.io.now();
        }
        down.poll_expiry(cx, moved.after(idle)).map(|_| Err(()))
    })
    .await;
    down.core.buffers.borrow_mut().give(buffer);
    sent
}

/// Where the head ends in `message`.
fn head_length(message: &[u8]) -> usize {
    memchr::memmem::find(message, b"\r\n\r\n").map_or(message.len(), |end| end + 4)
}

/// Drains what is left of the request's body when the connection is kept.
async fn finish<I: Io>(down: &mut Downstream<I>, work: &mut Work, story: &mut Story<I>) -> Next {
    let has_unread = work.request.body != RequestBody::None || down.inbound.len() > work.request.bytes;
    if story.must_close.get() || down.core.phase() != Phase::Serving {
        // RFC 9112 9.6: what the client may still send must not reset the answer away.
        let may_send = has_unread || work.request.is_persistent || story.record.fault.is_some();
        return if may_send { Next::Linger } else { Next::Close };
    }
    match drain(down, work, story).await {
        Ok(()) => Next::Keep,
        Err(()) => Next::Linger,
    }
}

async fn drain<I: Io>(down: &mut Downstream<I>, work: &mut Work, story: &mut Story<I>) -> Result<(), ()> {
    let mut incoming = Incoming::from(work.request.body);
    let behind = &mut down.inbound.data_mut()[work.request.bytes..];
    let mut drained = behind.len() as u64;
    match &mut incoming {
        Incoming::Done => return Ok(()),
        Incoming::Chunked => {
            work.request_chunks.reset();
            let decoded = work.request_chunks.decode(behind).map_err(|_| ())?;
            down.body_in_head = decoded.consumed;
            if decoded.is_done {
                return Ok(());
            }
        }
        _ => {
            let left = match work.request.body {
                RequestBody::Length(length) => length - down.body_in_head as u64,
                _ => 0,
            };
            if left == 0 {
                return Ok(());
            }
            incoming = Incoming::Length(left);
        }
    }
    let deadline = down.core.io.now().after(DRAIN_TIME);
    while !incoming.is_done() {
        drained += discard(down, work, &mut incoming, deadline).await?;
        if drained > DRAIN_BYTES {
            return Err(());
        }
    }
    story.record.bytes_in = drained;
    Ok(())
}

/// Reads once and throws the payload away; what is behind the body stays for the next request.
async fn discard<I: Io>(
    down: &mut Downstream<I>, work: &mut Work, incoming: &mut Incoming, deadline: Instant,
) -> Result<u64, ()> {
    let mut buffer = down.core.buffers.borrow_mut().standard();
    let count = poll_fn(|cx| {
        if let Poll::Ready(read) = down.stream.poll_read(cx, &mut buffer) {
            return Poll::Ready(read.ok().filter(|count| *count > 0).ok_or(()));
        }
        down.poll_expiry(cx, deadline).map(|_: Expiry| Err(()))
    })
    .await?;
    let piece = incoming.take(&mut work.request_chunks, &mut buffer).map_err(|_| ())?;
    if piece.consumed < buffer.len() {
        buffer.consume(piece.consumed);
        down.ahead = buffer;
    } else {
        down.core.buffers.borrow_mut().give(buffer);
    }
    Ok(count as u64)
}

/// The fault of a client that is gone.
pub const fn gone(detail: &'static str) -> Fault {
    Fault::new(Kind::ClientGone, Stage::Receive, detail)
}
