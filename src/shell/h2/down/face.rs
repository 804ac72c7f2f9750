//! A client's HTTP/2 stream, as its exchange sees it: HTTP/1.1 bytes both ways.
//!
//! Reading gives the request's body in the framing that its head announced, and then the end of the stream when the
//! client resets it. Writing takes heads and bodies as an exchange sends them and hands them to `h2` as the client's
//! windows allow. An answer that is not finished is reset, never ended.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};

use super::answer;
use super::purse::{Piece, Purse};
use super::request::Intake;
use super::step::{Lane, Step};
use crate::proto::h1::chunked::Decoder;
use crate::proto::h1::encode::{BODY_END, CHUNK_END, CHUNK_HEADER_BYTES, LAST_CHUNK, chunk_header};
use crate::shell::buffer::Buffer;
use crate::shell::buffers::{SMALL_BYTES, STANDARD_BYTES};
use crate::shell::h2::gather;
use crate::shell::tls::Told;

/// One stream of a client's connection. It is used for one after the other.
pub struct Face {
    purse: Rc<Purse>,
    /// What the handshake of the connection agreed on.
    told: Option<Rc<Told>>,
    request: Request,
    answer: Answer,
    /// The request was HEAD: its answer has no body, whatever it announces.
    to_head: bool,
    /// The client reset the stream, or its connection is gone.
    is_gone: bool,
    /// Our direction is over, and nothing more of the request is wanted.
    is_shut: bool,
    progress: u64,
    /// What the request's head counts for in the purse.
    head: usize,
    /// It counts as a stream of its purse.
    is_live: bool,
    chunks: Decoder,
}

/// The request's body.
struct Request {
    stream: Option<RecvStream>,
    intake: Intake,
    /// Came and is not given on yet.
    data: Bytes,
    /// What is missing of the length that was announced.
    left: u64,
    /// Completes that length, before the stream's end came. It waits for that: were there more, an upstream would have
    /// had a whole request of one that is malformed (RFC 9113 8.1.1).
    withheld: Bytes,
    /// Came in small pieces, and follows `data`.
    gathered: Vec<u8>,
    /// Was given on, and its window is not: what the exchange holds still counts.
    owed: usize,
    /// Framing that is to be given on before `data`.
    due: Vec<u8>,
    /// How much of `due` was.
    due_at: usize,
    /// Within a chunk.
    is_in_chunk: bool,
    /// All of it came.
    is_over: bool,
}

/// The answer.
struct Answer {
    place: Place,
    framing: Framing,
    /// Payload that the exchange has sent and `h2` has not taken.
    held: Buffer,
    /// A message of the exchange is in `held`, or was, and its last effect is to come.
    is_writing: bool,
    /// That message was read.
    is_taken: bool,
    /// `held` ends the answer.
    is_last: bool,
    /// What `held` counts for in the purse.
    counted: usize,
}

/// How far the answer is.
enum Place {
    /// No stream is here.
    Away,
    /// The final head is to come.
    Head(SendResponse<Piece>),
    /// The body is to come.
    Body(SendStream<Piece>),
    /// `h2` has all of it. While a handle is there, the stream is not reset.
    Over(#[expect(dead_code, reason = "held until the exchange is over")] SendStream<Piece>),
}

/// How an exchange delimits the body that it sends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunks,
    Tunnel,
}

impl Face {
    /// A face without a stream, for connections that hold by `purse`.
    #[must_use]
    pub fn new(purse: Rc<Purse>) -> Self {
        Self {
            purse,
            told: None,
            request: Request {
                stream: None,
                intake: Intake::Nothing,
                data: Bytes::new(),
                left: 0,
                withheld: Bytes::new(),
                gathered: Vec::new(),
                owed: 0,
                due: Vec::new(),
                due_at: 0,
                is_in_chunk: false,
                is_over: true,
            },
            answer: Answer {
                place: Place::Away,
                framing: Framing::Length(0),
                held: Buffer::default(),
                is_writing: false,
                is_taken: false,
                is_last: false,
                counted: 0,
            },
            to_head: false,
            is_gone: false,
            is_shut: false,
            progress: 0,
            head: 0,
            is_live: false,
            chunks: Decoder::default(),
        }
    }

    /// Begins with a stream whose request's head was written elsewhere, and counted in `purse` as `head` bytes.
    /// [`Face::end`] came before.
    pub fn begin(
        &mut self, purse: &Rc<Purse>, (stream, respond): (RecvStream, SendResponse<Piece>), intake: Intake,
        to_head: bool, head: usize,
    ) {
        self.purse = Rc::clone(purse);
        self.purse.begin();
        self.is_live = true;
        self.head = head;
        let request = &mut self.request;
        request.is_over = intake == Intake::Nothing;
        request.intake = intake;
        request.left = if let Intake::Length(length) = intake { length } else { 0 };
        request.stream = Some(stream);
        self.answer.place = Place::Head(respond);
        self.to_head = to_head;
    }

    /// Ends with its stream: one that was not answered completely is reset; one whose request was not read completely
    /// is reset without an error behind its answer, by `h2` itself (RFC 9113 8.1).
    pub fn end(&mut self) {
        let reason = Reason::INTERNAL_ERROR;
        match std::mem::replace(&mut self.answer.place, Place::Away) {
            Place::Head(mut respond) => respond.send_reset(reason),
            Place::Body(mut stream) => stream.send_reset(reason),
            Place::Over(_) | Place::Away => {}
        }
        self.purse.pool.borrow_mut().give(std::mem::take(&mut self.answer.held));
        self.purse.wait(&mut self.answer.counted, 0);
        self.purse.give_head(std::mem::take(&mut self.head));
        if std::mem::take(&mut self.is_live) {
            self.purse.end();
        }
        (self.answer.is_writing, self.answer.is_last) = (false, false);
        let request = &mut self.request;
        self.told = None;
        request.release();
        request.stream = None;
        (request.data, request.withheld, request.gathered) = (Bytes::new(), Bytes::new(), Vec::new());
        request.due.clear();
        (request.due_at, request.is_in_chunk, request.is_over) = (0, false, true);
        (self.is_gone, self.is_shut, self.progress) = (false, false, 0);
    }

    /// What the handshake of its connection agreed on, where TLS protects it.
    #[must_use]
    pub const fn told(&self) -> Option<&Rc<Told>> {
        self.told.as_ref()
    }

    /// Says what the handshake of its connection agreed on.
    pub fn tell(&mut self, told: Option<Rc<Told>>) {
        self.told = told;
    }

    /// True when the streams of the connection hold so much that the next piece of an answer should be small.
    #[must_use]
    pub fn is_pressed(&self) -> bool {
        self.purse.is_pressed()
    }

    /// A dear step for this stream, which it has to wait for.
    #[must_use]
    pub fn step(&self, lane: Lane) -> Step {
        Step::of(&self.purse, lane)
    }

    /// True when the client has reset the stream, or lost its connection.
    pub fn is_reset(&mut self, cx: &mut Context<'_>) -> bool {
        self.is_gone |= self.poll_reset(cx).is_ready();
        self.is_gone
    }

    /// Ready when something of the next piece of the answer would be taken, or when a write will say that nothing ever is.
    pub fn poll_taking(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_room(cx, STANDARD_BYTES).map(drop)
    }

    /// True when a whole piece would be taken at once.
    #[must_use]
    pub fn takes_piece(&self) -> bool {
        let Place::Body(stream) = &self.answer.place else { return false };
        self.purse.has_room(STANDARD_BYTES) && stream.capacity() >= STANDARD_BYTES
    }

    /// As [`crate::shell::io::Stream::poll_readable`].
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.is_gone || self.is_shut || self.request.has_bytes() {
                return Poll::Ready(());
            }
            if self.request.is_over {
                if self.request.intake == Intake::Tunnel {
                    return Poll::Ready(());
                }
                ready!(self.poll_reset(cx));
                self.is_gone = true;
                return Poll::Ready(());
            }
            if ready!(self.request.poll_more(cx)).is_err() {
                self.is_gone = true;
            }
        }
    }

    /// Ready when the client has reset the stream, or lost its connection.
    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.answer.place {
            Place::Head(respond) => respond.poll_reset(cx).map(|_| ()),
            Place::Body(stream) => stream.poll_reset(cx).map(|_| ()),
            Place::Away | Place::Over(_) => Poll::Pending,
        }
    }

    /// As [`crate::shell::io::Stream::poll_read`].
    pub fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut Buffer) -> Poll<io::Result<usize>> {
        ready!(self.poll_readable(cx));
        Poll::Ready(self.read(into))
    }

    /// As [`crate::shell::io::Stream::try_read`].
    pub fn try_read(&mut self, into: &mut Buffer) -> io::Result<usize> {
        if self.is_gone || self.is_shut || self.request.has_bytes() {
            return self.read(into);
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// What was read of the request is held no more: the client may send as much again.
    pub fn passed(&mut self) {
        self.request.release();
    }

    /// Takes what has come of the request out of `h2`: what was read before is long in going.
    pub fn gather(&mut self, cx: &mut Context<'_>) {
        self.request.gather(cx, usize::MAX);
    }

    fn read(&mut self, into: &mut Buffer) -> io::Result<usize> {
        if self.is_gone {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if self.is_shut {
            return Ok(0);
        }
        let count = self.request.give(into);
        self.progress += count as u64;
        Ok(count)
    }

    /// True while a message of the exchange is not taken by `h2`.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        self.answer.is_writing
    }

    /// As [`crate::shell::io::Stream::poll_write`].
    pub fn poll_write(&mut self, cx: &mut Context<'_>, from: &mut Buffer) -> Poll<io::Result<()>> {
        if !self.answer.is_writing {
            if from.is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.answer.held = std::mem::take(from);
            (self.answer.is_writing, self.answer.is_taken) = (true, false);
        }
        match self.poll_held(cx) {
            Poll::Pending => {
                self.wait();
                Poll::Pending
            }
            Poll::Ready(given) => {
                self.purse.wait(&mut self.answer.counted, 0);
                *from = std::mem::take(&mut self.answer.held);
                from.clear();
                self.answer.is_writing = false;
                Poll::Ready(given)
            }
        }
    }

    /// As [`crate::shell::io::Stream::poll_write_bytes`]: a long body of known length.
    pub fn poll_write_bytes(&mut self, cx: &mut Context<'_>, from: &mut Bytes) -> Poll<io::Result<()>> {
        while !from.is_empty() {
            let count = ready!(self.poll_room(cx, from.len()))?;
            let piece = self.purse.shared(from, count);
            let Framing::Length(left) = &mut self.answer.framing else { return Poll::Ready(Err(broken())) };
            *left = left.checked_sub(count as u64).ok_or_else(broken)?;
            let is_last = *left == 0;
            self.send(piece, is_last)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Bytes that went either way since the last call.
    pub fn take_progress(&mut self) -> u64 {
        std::mem::take(&mut self.progress)
    }

    /// Ends our direction: of a tunnel really, of an answer only what is read.
    pub fn shut_write(&mut self) {
        if self.answer.framing == Framing::Tunnel && matches!(self.answer.place, Place::Body(_)) {
            let ended = self.end_stream();
            self.is_gone |= ended.is_err();
        } else {
            self.is_shut = true;
        }
    }

    /// Resets the stream.
    pub fn abort(&mut self) {
        match &mut self.answer.place {
            Place::Head(respond) => respond.send_reset(Reason::INTERNAL_ERROR),
            Place::Body(stream) => stream.send_reset(Reason::INTERNAL_ERROR),
            Place::Away | Place::Over(_) => {}
        }
        self.is_gone = true;
    }

    /// Hands over the message that is in `held`. A head waits too while `h2` holds much: it is held without a window.
    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.answer.is_taken {
            if matches!(self.answer.place, Place::Head(_)) {
                ready!(self.purse.poll_room(cx));
            }
            self.answer.is_taken = true;
            self.take()?;
        }
        self.poll_give(cx)
    }

    /// Reads what `held` begins with: a head, or a part of the body.
    fn take(&mut self) -> io::Result<()> {
        self.answer.is_last = false;
        if matches!(self.answer.place, Place::Head(_)) {
            return self.take_head();
        }
        self.take_body()
    }

    fn take_head(&mut self) -> io::Result<()> {
        let head = answer::read(self.answer.held.data()).map_err(|_| broken())?;
        self.progress += head.bytes as u64;
        self.answer.held.consume(head.bytes);
        self.purse.queue_head(head.response.headers().capacity(), head.bytes);
        let Place::Head(respond) = &mut self.answer.place else { return Err(broken()) };
        let is_tunnel = head.status == SWITCHING;
        if head.status < 200 && !is_tunnel {
            return respond.send_informational(head.response).map_err(gone);
        }
        // A head that is all there is ends the stream itself: gRPC takes it for trailers then.
        let is_empty = head.length == Some(0) || head.is_chunked && self.answer.held.data() == BODY_END;
        if is_empty {
            self.answer.held.clear();
        }
        let has_body = !self.to_head && !matches!(head.status, 204 | 304) && !is_empty;
        let is_last = !is_tunnel && !has_body;
        self.answer.framing = match head.length {
            _ if is_tunnel && self.request.intake == Intake::Tunnel => Framing::Tunnel,
            _ if is_tunnel => return Err(broken()),
            _ if is_last => Framing::Length(0),
            Some(length) => Framing::Length(length),
            None if head.is_chunked => {
                self.chunks.reset();
                Framing::Chunks
            }
            // An exchange of HTTP/1.1 tells its end in another way.
            None => return Err(broken()),
        };
        let stream = respond.send_response(head.response, is_last).map_err(gone)?;
        self.answer.place = if is_last { Place::Over(stream) } else { Place::Body(stream) };
        // A tunnel that was not opened carries no body that its exchange would read.
        if self.request.intake == Intake::Tunnel && !is_tunnel {
            self.request.intake = Intake::Nothing;
            self.request.is_over = true;
        }
        self.take_body()
    }

    /// Strips what `held` has of the framing.
    fn take_body(&mut self) -> io::Result<()> {
        let held = &mut self.answer.held;
        match &mut self.answer.framing {
            Framing::Tunnel => {}
            Framing::Length(left) => {
                *left = left.checked_sub(held.len() as u64).ok_or_else(broken)?;
                self.answer.is_last = *left == 0;
            }
            Framing::Chunks => {
                let decoded = self.chunks.decode(held.data_mut()).map_err(|_| broken())?;
                if decoded.consumed < held.len() {
                    return Err(broken());
                }
                held.truncate(decoded.payload);
                self.answer.is_last = decoded.is_done;
            }
        }
        Ok(())
    }

    /// Hands `held` to `h2`, as far as the client's windows and the purse allow.
    fn poll_give(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.answer.held.is_empty() {
            let length = self.answer.held.len();
            let count = ready!(self.poll_room(cx, length))?;
            let piece = self.purse.piece(&mut self.answer.held, count);
            let is_end = count == length && self.answer.is_last && !self.has_trailers();
            self.send(piece, is_end)?;
        }
        if self.answer.is_last && matches!(self.answer.place, Place::Body(_)) {
            self.end_stream()?;
        }
        Poll::Ready(Ok(()))
    }

    fn has_trailers(&self) -> bool {
        self.answer.framing == Framing::Chunks && !self.chunks.trailers.is_empty()
    }

    /// How much of `wanted` bytes may be sent now, at least one.
    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        let Place::Body(stream) = &mut self.answer.place else { return Poll::Ready(Err(broken())) };
        let room = ready!(self.purse.poll_room(cx));
        stream.reserve_capacity(wanted);
        let mut capacity = stream.capacity();
        if capacity == 0 {
            capacity = match ready!(stream.poll_capacity(cx)) {
                Some(Ok(capacity)) => capacity,
                Some(Err(error)) => return Poll::Ready(Err(gone(error))),
                None => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            };
        }
        Poll::Ready(Ok(wanted.min(capacity).min(room)))
    }

    fn send(&mut self, piece: Piece, is_last: bool) -> io::Result<()> {
        let Place::Body(stream) = &mut self.answer.place else { return Err(broken()) };
        self.progress += piece.remaining() as u64;
        stream.send_data(piece, is_last).map_err(gone)?;
        if is_last {
            self.is_over();
        }
        Ok(())
    }

    /// Ends the stream, with trailers if there are any.
    fn end_stream(&mut self) -> io::Result<()> {
        let trailers = self.has_trailers().then(|| answer::trailers(&self.chunks.trailers));
        let Place::Body(stream) = &mut self.answer.place else { return Err(broken()) };
        match trailers {
            Some(trailers) => stream.send_trailers(trailers.map_err(|_| broken())?).map_err(gone)?,
            None => stream.send_data(self.purse.shared(&mut Bytes::new(), 0), true).map_err(gone)?,
        }
        self.is_over();
        Ok(())
    }

    fn is_over(&mut self) {
        if let Place::Body(stream) = std::mem::replace(&mut self.answer.place, Place::Away) {
            self.answer.place = Place::Over(stream);
        }
    }

    /// Counts what is held while the client's windows are full, in no larger buffer than it needs.
    fn wait(&mut self) {
        let held = &mut self.answer.held;
        // What is left of a piece in transit is not worth copying once more; a head in front of one may wait long.
        let is_less = held.len() <= SMALL_BYTES || !self.answer.is_taken;
        if is_less && held.capacity() > SMALL_BYTES.max(2 * held.len()) {
            let pool = &mut *self.purse.pool.borrow_mut();
            let is_small = held.len() <= SMALL_BYTES;
            let mut less = if is_small { pool.small() } else { Buffer::without_headroom(held.len()) };
            let fits = less.append(held.data());
            debug_assert!(fits, "it was measured before");
            pool.give(std::mem::replace(held, less));
        }
        let capacity = held.capacity();
        self.purse.wait(&mut self.answer.counted, capacity);
    }
}

impl Drop for Face {
    fn drop(&mut self) {
        self.end();
    }
}

impl Request {
    /// Gives the client window for what was given on.
    fn release(&mut self) {
        let count = std::mem::take(&mut self.owed);
        if count > 0
            && let Some(stream) = &mut self.stream
        {
            // A stream that was reset meanwhile has no window any more.
            stream.flow_control().release_capacity(count).ok();
        }
    }

    fn has_bytes(&self) -> bool {
        self.due_at < self.due.len() || !self.data.is_empty()
    }

    /// Waits for DATA; nothing when there is none any more. Small pieces that are there come as one.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        if self.gathered.is_empty() {
            let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
            let first = match ready!(stream.poll_data(cx)) {
                Some(Ok(data)) if data.len() < GATHERED_BELOW && !stream.is_end_stream() => data,
                other => return Poll::Ready(other),
            };
            let Poll::Ready(Some(Ok(second))) = stream.poll_data(cx) else { return Poll::Ready(Some(Ok(first))) };
            self.gathered.extend_from_slice(&first);
            self.gathered.extend_from_slice(&second);
        }
        self.gather(cx, STANDARD_BYTES);
        Poll::Ready(Some(Ok(std::mem::take(&mut self.gathered).into())))
    }

    /// Gathers what DATA is there, until it is `enough`.
    fn gather(&mut self, cx: &mut Context<'_>, enough: usize) {
        if !self.is_over
            && let Some(stream) = &mut self.stream
        {
            gather(stream, cx, &mut self.gathered, enough);
        }
    }

    /// Waits for DATA, trailers or the end, and frames what came. Whether anything is to be read is asked again.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        let data = ready!(self.poll_data(cx));
        let Some(stream) = &mut self.stream else {
            self.is_over = true;
            return Poll::Ready(Ok(()));
        };
        match data {
            Some(data) => {
                self.data = data?;
                if let Intake::Length(_) = self.intake {
                    self.left = self.left.saturating_sub(self.data.len() as u64);
                    if self.left == 0 && !self.data.is_empty() && !stream.is_end_stream() {
                        self.withheld = std::mem::take(&mut self.data);
                    }
                }
                if self.intake == Intake::Chunks && !self.data.is_empty() {
                    let mut room = [0; CHUNK_HEADER_BYTES];
                    self.owe(&[chunk_header(self.data.len() as u64, &mut room)]);
                    self.is_in_chunk = true;
                }
            }
            None => {
                let trailers = ready!(stream.poll_trailers(cx))?;
                self.is_over = true;
                self.data = std::mem::take(&mut self.withheld);
                if self.intake == Intake::Chunks {
                    self.owe(&[LAST_CHUNK]);
                    // With a length there is no place for them in HTTP/1.1; RFC 9110 6.5.2 lets them be dropped.
                    for (name, value) in trailers.iter().flatten() {
                        self.owe(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
                    }
                    self.owe(&[b"\r\n"]);
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn owe(&mut self, parts: &[&[u8]]) {
        if self.due_at == self.due.len() {
            self.due.clear();
            self.due_at = 0;
        }
        parts.iter().for_each(|part| self.due.extend_from_slice(part));
    }

    /// Moves into `into` what has room there. Who asks for more has done with what it got before.
    fn give(&mut self, into: &mut Buffer) -> usize {
        self.release();
        let before = into.len();
        while into.room() > 0 && self.has_bytes() {
            if self.due_at < self.due.len() {
                let count = put(into, &self.due[self.due_at..]);
                self.due_at += count;
                continue;
            }
            let count = put(into, &self.data);
            self.data.advance(count);
            self.owed += count;
            if self.data.is_empty() && std::mem::take(&mut self.is_in_chunk) {
                self.owe(&[CHUNK_END]);
            }
        }
        into.len() - before
    }
}

fn put(into: &mut Buffer, bytes: &[u8]) -> usize {
    let count = bytes.len().min(into.room());
    into.free_mut()[..count].copy_from_slice(&bytes[..count]);
    into.commit(count);
    count
}

/// Shorter pieces of a request's body are put together: each costs its upstream a message.
const GATHERED_BELOW: usize = 4 * 1024;

/// The exchange wrote what no answer is. It does not happen; if it did, the stream would be reset.
fn broken() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

fn gone(_: h2::Error) -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

const SWITCHING: u16 = 101;
