//! A stream of a trunk as exchanges see it: the HTTP/1.1 text of a request goes in, that of its answer comes out.
//!
//! A body waits for the windows of its stream, on both ways: what is received is acknowledged as it is taken, so a
//! client that does not read stops its own stream and no other. Dropping it before its end cancels the stream.
//! Not here: the text of heads (`ask`, `answer`), and how the body of a request goes (`sending`).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream};
use http::HeaderMap;
use http::response::Parts;

use super::answer::{self, Framing};
use super::ask;
use super::sending::Sending;
use super::trunk::Slot;
use crate::proto::grpc_web::{self, Form};
use crate::proto::h1::encode::{BODY_END, CHUNK_END, CHUNK_HEADER_BYTES, LAST_CHUNK, chunk_header};
use crate::proto::head::RequestBody;
use crate::shell::buffer::Buffer;
use crate::shell::io::Stream;

/// Why a stream of an upstream failed, beyond that it did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The upstream has not touched the request (RFC 9113 8.7): REFUSED_STREAM, or a GOAWAY that leaves it out.
    Unprocessed,
    /// The upstream broke the protocol.
    Protocol,
    /// The request is none that could be sent: a gRPC-Web body that is not the base64 it claims to be, for one.
    Request,
}

/// One exchange with an upstream over HTTP/2.
pub struct UpStream {
    /// Room on the trunk; given away with what remains of the stream.
    slot: Option<Slot>,
    /// How far the request is; `None` before its head.
    sending: Option<Sending>,
    receiving: Receiving,
    /// Text that did not fit where it was to go.
    text: Bytes,
    /// What was received and not yet put into text.
    stash: Stash,
    /// Came in pieces while nobody took any, and follows `stash`.
    gathered: Vec<u8>,
    is_head: bool,
    web: Option<Form>,
    /// Bytes sent since they were asked for.
    progress: u64,
    failure: Option<Failure>,
}

enum Receiving {
    /// The request has not left.
    Nothing,
    Head(ResponseFuture),
    Body(RecvStream, Framing),
    /// All was received.
    Over,
    Failed,
}

/// What one look at the stream brought.
enum Stash {
    Nothing,
    Head(Box<Parts>, Framing),
    Data(Bytes),
    End(Option<HeaderMap>),
}

/// The shortest chunk, with all that goes round it: one byte, which is four in base64.
const CHUNK_MIN: usize = CHUNK_HEADER_BYTES + 4 + CHUNK_END.len();

impl UpStream {
    /// A stream that will open with the head that is written first.
    #[must_use]
    pub fn new(slot: Slot) -> Self {
        Self {
            slot: Some(slot),
            sending: None,
            receiving: Receiving::Nothing,
            text: Bytes::new(),
            stash: Stash::Nothing,
            gathered: Vec::new(),
            is_head: false,
            web: None,
            progress: 0,
            failure: None,
        }
    }

    /// Why it failed, beyond that it did.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// Takes what has come of the answer out of `h2`: the client takes nothing now, and its upstream's other streams go on.
    pub fn gather(&mut self, cx: &mut Context<'_>) {
        if let Receiving::Body(stream, _) = &mut self.receiving {
            super::gather(stream, cx, &mut self.gathered, usize::MAX);
        }
    }

    /// Opens the stream with the head at the front of `from`.
    fn open(&mut self, cx: &mut Context<'_>, from: &mut Buffer) -> Poll<io::Result<()>> {
        let Some(slot) = &self.slot else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
        let trunk = slot.trunk();
        match trunk.with_sender(|sender| sender.poll_ready(cx)) {
            Some(Poll::Ready(Ok(()))) => {}
            Some(Poll::Pending) => return Poll::Pending,
            Some(Poll::Ready(Err(_))) | None => return Poll::Ready(Err(self.unprocessed())),
        }
        let asked = match ask::read(from.data(), &mut trunk.scratch.borrow_mut(), trunk.is_tls) {
            Ok(asked) => asked,
            Err(error) => {
                self.receiving = Receiving::Failed;
                self.failure = Some(Failure::Request);
                return Poll::Ready(Err(error));
            }
        };
        from.consume(asked.bytes);
        let is_whole = match asked.body {
            RequestBody::None => true,
            RequestBody::Length(_) => false,
            RequestBody::Chunked => from.data() == BODY_END,
        };
        let sent = trunk.with_sender(|sender| sender.send_request(asked.request, is_whole));
        let Some(Ok((answer, stream))) = sent else { return Poll::Ready(Err(self.unprocessed())) };
        self.progress += asked.bytes as u64;
        self.is_head = asked.is_head;
        self.web = asked.web;
        self.receiving = Receiving::Head(answer);
        self.sending = Some(Sending::new(stream, asked.body, asked.web == Some(Form::Text), is_whole));
        if is_whole {
            from.clear();
        }
        Poll::Ready(Ok(()))
    }

    /// The trunk took no stream: nothing of the request has left.
    fn unprocessed(&mut self) -> io::Error {
        if let Some(slot) = &self.slot {
            slot.retire();
        }
        self.receiving = Receiving::Failed;
        self.failure = Some(Failure::Unprocessed);
        io::ErrorKind::NotConnected.into()
    }

    /// Looks at the stream; Ready when that brought something, or when nothing more will come.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let next = match &mut self.receiving {
            Receiving::Nothing => return Poll::Pending,
            Receiving::Over | Receiving::Failed => return Poll::Ready(()),
            Receiving::Head(answer) => match ready!(answer.poll_informational(cx)) {
                Some(interim) => interim.map(|interim| Stash::Head(Box::new(interim.into_parts().0), Framing::None)),
                None => ready!(Pin::new(answer).poll(cx)).map(|answer| self.began(answer)),
            },
            Receiving::Body(..) if !self.gathered.is_empty() => {
                Ok(Stash::Data(std::mem::take(&mut self.gathered).into()))
            }
            Receiving::Body(stream, _) => loop {
                match ready!(stream.poll_data(cx)) {
                    // Frames of DATA may be empty; a chunk that is would end the body.
                    Some(Ok(data)) if data.is_empty() => {}
                    Some(data) => break data.map(Stash::Data),
                    None => break ready!(stream.poll_trailers(cx)).map(Stash::End),
                }
            },
        };
        match next {
            Ok(stash) => self.stash = stash,
            Err(error) => self.fail(&error),
        }
        Poll::Ready(())
    }

    fn began(&mut self, answer: http::Response<RecvStream>) -> Stash {
        let (parts, stream) = answer.into_parts();
        let framing = answer::framing(&parts, self.is_head, stream.is_end_stream());
        if let Some(slot) = &self.slot {
            slot.served();
        }
        self.receiving = Receiving::Body(stream, framing);
        Stash::Head(Box::new(parts), framing)
    }

    fn fail(&mut self, error: &h2::Error) {
        let is_refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
        if error.is_remote() && (is_refused || error.is_go_away()) {
            self.failure = Some(Failure::Unprocessed);
        } else if error.is_library() {
            self.failure = Some(Failure::Protocol);
        }
        self.receiving = Receiving::Failed;
    }

    fn put_text(&mut self, into: &mut Buffer) {
        let count = self.text.len().min(into.room());
        into.free_mut()[..count].copy_from_slice(&self.text[..count]);
        into.commit(count);
        self.text.advance(count);
    }

    fn put_head(&mut self, parts: &Parts, framing: Framing, into: &mut Buffer) {
        let room = into.free_mut();
        let mut length = 0;
        answer::write(parts, framing, self.web, |piece| {
            if let Some(place) = room.get_mut(length..length + piece.len()) {
                place.copy_from_slice(piece);
            }
            length += piece.len();
        });
        if length <= room.len() {
            into.commit(length);
            return;
        }
        let mut text = Vec::with_capacity(length);
        answer::write(parts, framing, self.web, |piece| text.extend_from_slice(piece));
        self.text = Bytes::from(text);
    }

    /// Puts what fits of a piece of the body, and lets the peer send as much again.
    fn put_data(&mut self, mut data: Bytes, into: &mut Buffer) {
        let Receiving::Body(stream, framing) = &mut self.receiving else { return };
        let count = match framing {
            Framing::None => data.len(),
            Framing::Length(left) => {
                let count = data.len().min(into.room());
                into.free_mut()[..count].copy_from_slice(&data[..count]);
                into.commit(count);
                *left = left.saturating_sub(count as u64);
                count
            }
            Framing::Chunked if into.room() < CHUNK_MIN => {
                let mut room = Buffer::with_capacity(2 * CHUNK_MIN + Buffer::TAILROOM);
                let count = put_chunk(&data, self.web, &mut room);
                self.text = Bytes::copy_from_slice(room.data());
                count
            }
            Framing::Chunked => put_chunk(&data, self.web, into),
        };
        // A peer that counts wrongly was ended by `h2` before.
        let _: Result<(), h2::Error> = stream.flow_control().release_capacity(count);
        data.advance(count);
        if !data.is_empty() {
            self.stash = Stash::Data(data);
        }
    }

    fn put_end(&mut self, trailers: Option<&HeaderMap>) {
        let is_chunked = matches!(self.receiving, Receiving::Body(_, Framing::Chunked));
        self.receiving = Receiving::Over;
        if !is_chunked {
            return;
        }
        let mut lines = Vec::new();
        if let Some(trailers) = trailers {
            answer::write_trailers(trailers, &mut lines);
        }
        self.text = match self.web {
            Some(form) if !lines.is_empty() => grpc_web::body_end(form, &lines).into(),
            _ => [LAST_CHUNK, &lines, b"\r\n"].concat().into(),
        };
    }

    /// True when the answer is whole for whoever reads it, and so was the request.
    fn is_complete(&self) -> bool {
        let is_read =
            matches!(self.receiving, Receiving::Body(_, Framing::None | Framing::Length(0)) | Receiving::Over);
        is_read && self.sending.as_ref().is_some_and(Sending::is_done)
    }
}

impl Stream for UpStream {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.stash {
            Stash::Nothing if self.text.is_empty() => self.poll_next(cx),
            _ => Poll::Ready(()),
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut Buffer) -> Poll<io::Result<usize>> {
        let before = into.len();
        while into.room() > 0 {
            if !self.text.is_empty() {
                self.put_text(into);
                continue;
            }
            match std::mem::replace(&mut self.stash, Stash::Nothing) {
                Stash::Head(parts, framing) => self.put_head(&parts, framing, into),
                Stash::Data(bytes) => self.put_data(bytes, into),
                Stash::End(trailers) => self.put_end(trailers.as_ref()),
                Stash::Nothing if matches!(self.receiving, Receiving::Over | Receiving::Failed) => break,
                Stash::Nothing if self.poll_next(cx).is_ready() => {}
                Stash::Nothing if into.len() > before => break,
                Stash::Nothing => return Poll::Pending,
            }
        }
        // What was read comes before an error that is behind it.
        if into.len() == before && matches!(self.receiving, Receiving::Failed) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Ready(Ok(into.len() - before))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, from: &mut Buffer) -> Poll<io::Result<()>> {
        if self.sending.is_none() {
            if from.is_empty() {
                return Poll::Ready(Ok(()));
            }
            ready!(self.open(cx, from))?;
        }
        let Some(sending) = &mut self.sending else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
        let sent = sending.poll(cx, from, &mut self.progress);
        if matches!(sent, Poll::Ready(Err(_))) && sending.is_not_base64() {
            self.abort();
            self.failure = Some(Failure::Request);
        }
        sent
    }

    fn take_progress(&mut self) -> u64 {
        std::mem::take(&mut self.progress)
    }

    fn abort(&mut self) {
        if let Some(sending) = &mut self.sending {
            sending.reset(Reason::CANCEL);
        }
        self.receiving = Receiving::Failed;
        self.stash = Stash::Nothing;
    }

    fn try_read(&mut self, into: &mut Buffer) -> io::Result<usize> {
        match self.poll_read(&mut Context::from_waker(Waker::noop()), into) {
            Poll::Ready(read) => read,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// What was taken is `h2`'s; what was not is still the caller's.
    fn is_writing(&self) -> bool {
        false
    }

    fn poll_write_bytes(&mut self, cx: &mut Context<'_>, from: &mut Bytes) -> Poll<io::Result<()>> {
        let mut buffer = Buffer::with_capacity(from.len() + Buffer::TAILROOM);
        let fits = buffer.append(from);
        debug_assert!(fits, "the buffer was made to hold it");
        let sent = self.poll_write(cx, &mut buffer);
        from.advance(from.len() - buffer.len());
        sent
    }

    /// A request says itself where it ends.
    fn shut_write(&mut self) {}
}

impl Drop for UpStream {
    fn drop(&mut self) {
        let is_complete = self.is_complete();
        let receiving = std::mem::replace(&mut self.receiving, Receiving::Over);
        if let Receiving::Body(stream, _) = receiving
            && is_complete
            && !stream.is_end_stream()
            && let Some(slot) = self.slot.take()
        {
            slot.finish(stream);
        }
    }
}

/// Puts what fits of `data` as one chunk, and says how much that was. There is room for [`CHUNK_MIN`].
fn put_chunk(data: &[u8], web: Option<Form>, into: &mut Buffer) -> usize {
    let room = into.room() - CHUNK_HEADER_BYTES - CHUNK_END.len();
    let is_text = web == Some(Form::Text);
    let count = data.len().min(if is_text { room / 4 * 3 } else { room });
    let length = if is_text { grpc_web::encoded_length(count) } else { count };
    let mut place = [0; CHUNK_HEADER_BYTES];
    let header = chunk_header(length as u64, &mut place);
    let free = into.free_mut();
    free[..header.len()].copy_from_slice(header);
    let body = &mut free[header.len()..header.len() + length + CHUNK_END.len()];
    if is_text {
        grpc_web::encode(&data[..count], body);
    } else {
        body[..length].copy_from_slice(&data[..count]);
    }
    body[length..].copy_from_slice(CHUNK_END);
    let whole = header.len() + length + CHUNK_END.len();
    into.commit(whole);
    count
}
