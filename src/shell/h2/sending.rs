//! The body of a request on its way to an upstream: out of its HTTP/1.1 framing, which is our own, into DATA.
//!
//! A piece is taken only where the peer's windows have room for it, and copied once, into what `h2` sends from.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::{Reason, SendStream};
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use crate::proto::grpc_web::Decoder;
use crate::proto::h1::encode::{BODY_END, CHUNK_END, LAST_CHUNK};
use crate::proto::head::RequestBody;
use crate::shell::buffer::Buffer;

/// The rest of one request.
pub struct Sending {
    stream: SendStream<Bytes>,
    state: State,
    /// The body's base64, for gRPC-Web's text.
    text: Option<Decoder>,
    /// Of it, what was decoded and waits for room, and whether it is the last.
    decoded: Bytes,
    is_broken: bool,
}

/// What is expected next of the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// So many bytes of a body, at least one, after which it is over if it `is_only`.
    Data { left: u64, is_only: bool },
    /// The end of a chunk.
    ChunkEnd,
    /// The size of a chunk.
    ChunkSize,
    /// Nothing: END_STREAM was sent.
    Done,
}

impl Sending {
    /// What follows the head on `stream`; `is_whole` when nothing does.
    #[must_use]
    pub fn new(stream: SendStream<Bytes>, body: RequestBody, is_text: bool, is_whole: bool) -> Self {
        let state = match body {
            _ if is_whole => State::Done,
            RequestBody::None => State::Done,
            RequestBody::Length(left) => State::Data { left, is_only: true },
            RequestBody::Chunked => State::ChunkSize,
        };
        Self { stream, state, text: is_text.then(Decoder::default), decoded: Bytes::new(), is_broken: false }
    }

    /// END_STREAM was sent, or is `h2`'s to send.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done && self.decoded.is_empty()
    }

    /// The body was to be base64 and is not.
    #[must_use]
    pub fn is_not_base64(&self) -> bool {
        self.is_broken
    }

    /// Ends the stream.
    pub fn reset(&mut self, reason: Reason) {
        self.stream.send_reset(reason);
    }

    /// Sends from the front of `from`; Ready when it is empty and nothing waits. Adds to `sent` what was taken.
    pub fn poll(&mut self, cx: &mut Context<'_>, from: &mut Buffer, sent: &mut u64) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_decoded(cx, sent))?;
            match self.state {
                _ if from.is_empty() => return Poll::Ready(Ok(())),
                State::Data { left, is_only } => ready!(self.poll_piece(cx, from, left, is_only, sent))?,
                State::ChunkEnd => {
                    skip(from, CHUNK_END)?;
                    self.state = State::ChunkSize;
                }
                State::ChunkSize => self.read_size(from)?,
                State::Done => return Poll::Ready(Err(broken())),
            }
        }
    }

    fn poll_piece(
        &mut self, cx: &mut Context<'_>, from: &mut Buffer, left: u64, is_only: bool, sent: &mut u64,
    ) -> Poll<io::Result<()>> {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(from.len());
        let piece = &from.data()[..most];
        let behind = &from.data()[most..];
        let is_end = most as u64 == left && (is_only || is_body_end(behind));
        let count = if self.text.is_some() {
            self.decode(most, from, is_end)?
        } else {
            let room = ready!(self.poll_room(cx, most))?;
            let count = room.min(most);
            let is_last = is_end && count == most;
            self.stream.send_data(Bytes::copy_from_slice(&piece[..count]), is_last).map_err(|_| broken())?;
            *sent += count as u64;
            count
        };
        let left = left - count as u64;
        let is_last = is_end && count == most;
        from.consume(count);
        self.state = match left {
            _ if is_last && !is_only => {
                from.clear();
                State::Done
            }
            0 if is_only => State::Done,
            0 => State::ChunkEnd,
            left => State::Data { left, is_only },
        };
        Poll::Ready(Ok(()))
    }

    /// Room for at least one of `wanted` bytes in the peer's windows.
    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        self.stream.reserve_capacity(wanted);
        loop {
            let room = self.stream.capacity();
            if room > 0 {
                return Poll::Ready(Ok(room));
            }
            match ready!(self.stream.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(Err(broken())),
            }
        }
    }

    /// Decodes the first `count` bytes of `from` into what waits.
    fn decode(&mut self, count: usize, from: &Buffer, is_end: bool) -> io::Result<usize> {
        let Some(decoder) = &mut self.text else { return Err(broken()) };
        let mut out = Vec::with_capacity(count / 4 * 3 + 3);
        let decoded = decoder.decode(&from.data()[..count], &mut out);
        if decoded.is_err() || (is_end && !decoder.is_whole()) {
            self.is_broken = true;
            return Err(broken());
        }
        self.decoded = Bytes::from(out);
        Ok(count)
    }

    /// Sends what was decoded. The end of the body goes with its last bytes, or alone where they decode to none.
    fn poll_decoded(&mut self, cx: &mut Context<'_>, sent: &mut u64) -> Poll<io::Result<()>> {
        if self.text.is_none() {
            return Poll::Ready(Ok(()));
        }
        while !self.decoded.is_empty() {
            let room = ready!(self.poll_room(cx, self.decoded.len()))?;
            let piece = self.decoded.split_to(room.min(self.decoded.len()));
            *sent += piece.remaining() as u64;
            let is_last = self.decoded.is_empty() && self.state == State::Done;
            self.stream.send_data(piece, is_last).map_err(|_| broken())?;
            if is_last {
                self.text = None;
            }
        }
        if self.state == State::Done && self.text.take().is_some() {
            self.stream.send_data(Bytes::new(), true).map_err(|_| broken())?;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads the size of a chunk, or the end of the body.
    fn read_size(&mut self, from: &mut Buffer) -> io::Result<()> {
        if from.data().starts_with(LAST_CHUNK) {
            return self.end(from);
        }
        let data = from.data();
        let line = memchr::memchr(b'\n', data).and_then(|end| data[..end].strip_suffix(b"\r")).ok_or_else(broken)?;
        let digits = std::str::from_utf8(line).map_err(|_| broken())?;
        let left = u64::from_str_radix(digits, 16).ok().filter(|left| *left > 0).ok_or_else(broken)?;
        let length = line.len() + CHUNK_END.len();
        from.consume(length);
        self.state = State::Data { left, is_only: false };
        Ok(())
    }

    /// Reads the last chunk, with its trailers, which stand whole in `from`.
    fn end(&mut self, from: &mut Buffer) -> io::Result<()> {
        if self.text.as_ref().is_some_and(|decoder| !decoder.is_whole()) {
            self.is_broken = true;
            return Err(broken());
        }
        let lines = from.data()[LAST_CHUNK.len()..].strip_suffix(b"\r\n").ok_or_else(broken)?;
        let trailers = trailers(lines)?;
        if trailers.is_empty() {
            self.stream.send_data(Bytes::new(), true).map_err(|_| broken())?;
        } else {
            self.stream.send_trailers(trailers).map_err(|_| broken())?;
        }
        self.text = None;
        from.clear();
        self.state = State::Done;
        Ok(())
    }
}

/// True when nothing follows the chunk but the end of its body, without trailers.
fn is_body_end(behind: &[u8]) -> bool {
    behind.strip_prefix(CHUNK_END) == Some(BODY_END)
}

fn skip(from: &mut Buffer, expected: &[u8]) -> io::Result<()> {
    if !from.data().starts_with(expected) {
        return Err(broken());
    }
    from.consume(expected.len());
    Ok(())
}

/// The trailers that stand in `lines`, each with its CRLF. The chunk decoder has checked them.
fn trailers(lines: &[u8]) -> io::Result<HeaderMap> {
    let mut map = HeaderMap::new();
    let mut rest = lines;
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        let colon = memchr::memchr(b':', line).ok_or_else(broken)?;
        let name = HeaderName::from_bytes(&line[..colon]).map_err(|_| broken())?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).map_err(|_| broken())?;
        map.append(name, value);
        rest = &rest[end + 1..];
    }
    Ok(map)
}

fn broken() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}
