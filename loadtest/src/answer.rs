//! Reads an HTTP/1.1 answer as far as a load generator must: status, length, whether the connection stays.
//!
//! Bodies are counted and thrown away. Not here: what an answer's fields say otherwise. The peer is trusted; a malformed
//! answer is an error to count, and nothing of it is kept beyond a head of [`HEAD_BYTES_MAX`].

use std::mem::MaybeUninit;

use crate::chunked::Chunks;

/// A head longer than this is malformed.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// A head with more fields than this is malformed.
pub const FIELDS_MAX: usize = 128;

/// One answer after another of one connection.
#[derive(Default, Debug)]
pub struct Answer {
    state: State,
    /// The front of a head that came in pieces.
    partial: Vec<u8>,
    status: u16,
    body_bytes: u64,
    is_kept: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum State {
    #[default]
    Head,
    Length(u64),
    Chunked(Chunks),
    UntilClose,
    Over,
}

/// A complete answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Complete {
    /// Its status.
    pub status: u16,
    /// Bytes of its content, without the framing of chunks.
    pub body_bytes: u64,
    /// Another request may follow on the connection.
    pub is_kept: bool,
}

/// The bytes are no HTTP/1.1 answer, or more than one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// What of a head matters.
struct Head {
    bytes: usize,
    status: u16,
    state: State,
    is_kept: bool,
}

impl Answer {
    /// True when no byte of an answer has come since the last complete one.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.state == State::Head && self.partial.is_empty()
    }

    /// Forgets the answer in progress: for the next connection.
    pub fn reset(&mut self) {
        self.partial.clear();
        self.body_bytes = 0;
        self.state = State::Head;
    }

    /// Reads `bytes`, which are what came next. `is_head_only`: the request was a HEAD.
    ///
    /// # Errors
    /// [`Malformed`], also when bytes follow the end: nobody asked for a second answer.
    pub fn read(&mut self, mut bytes: &[u8], is_head_only: bool) -> Result<Option<Complete>, Malformed> {
        while self.state == State::Head {
            let Some(rest) = self.read_head(bytes, is_head_only)? else { return Ok(None) };
            bytes = rest;
        }
        let rest = self.read_body(bytes)?;
        if self.state != State::Over {
            return Ok(None);
        }
        if rest == 0 { Ok(Some(self.complete())) } else { Err(Malformed) }
    }

    /// The connection ended: an answer that ends with it is complete now.
    pub fn end(&mut self) -> Option<Complete> {
        (self.state == State::UntilClose).then(|| self.complete())
    }

    fn complete(&mut self) -> Complete {
        let complete = Complete { status: self.status, body_bytes: self.body_bytes, is_kept: self.is_kept };
        self.reset();
        complete
    }

    /// Reads a head and returns what follows it, or `None` when it is not all there.
    fn read_head<'b>(&mut self, bytes: &'b [u8], is_head_only: bool) -> Result<Option<&'b [u8]>, Malformed> {
        let held = self.partial.len();
        let parsed = if held == 0 {
            parse(bytes, is_head_only)?
        } else {
            self.partial.extend_from_slice(bytes);
            parse(&self.partial, is_head_only)?
        };
        let Some(head) = parsed else {
            if held == 0 {
                self.partial.extend_from_slice(bytes);
            }
            return if self.partial.len() > HEAD_BYTES_MAX { Err(Malformed) } else { Ok(None) };
        };
        self.partial.clear();
        self.status = head.status;
        self.state = head.state;
        self.is_kept = head.is_kept;
        // What was held was no complete head, so the head ends in `bytes`.
        let rest = &bytes[head.bytes - held..];
        // An interim answer: the final one's head is next, maybe not yet here.
        Ok((head.state != State::Head || !rest.is_empty()).then_some(rest))
    }

    /// Counts the body's bytes and returns how many are left behind its end.
    fn read_body(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let given = bytes.len() as u64;
        match &mut self.state {
            State::Length(left) => {
                let taken = given.min(*left);
                *left -= taken;
                self.body_bytes += taken;
                if *left == 0 {
                    self.state = State::Over;
                }
                Ok((given - taken) as usize)
            }
            State::Chunked(chunks) => {
                let read = chunks.read(bytes).ok_or(Malformed)?;
                self.body_bytes += read.content;
                if read.is_over {
                    self.state = State::Over;
                }
                Ok(bytes.len() - read.taken)
            }
            State::UntilClose => {
                self.body_bytes += given;
                Ok(0)
            }
            State::Head | State::Over => unreachable!("a body follows a head and ends once"),
        }
    }
}

/// Parses the head at the front of `bytes`, or `None` when its end is not there.
fn parse(bytes: &[u8], is_head_only: bool) -> Result<Option<Head>, Malformed> {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let parsed =
        httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut response, bytes, &mut fields);
    let bytes = match parsed {
        Ok(httparse::Status::Complete(bytes)) => bytes,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Malformed),
    };
    let status = response.code.ok_or(Malformed)?;
    let (mut length, mut is_chunked, mut is_kept) = (None, false, response.version == Some(1));
    for field in response.headers.iter() {
        let name = field.name;
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(number(field.value).ok_or(Malformed)?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            is_chunked = ends_with_chunked(field.value);
        } else if name.eq_ignore_ascii_case("connection") {
            is_kept = (is_kept || has_token(field.value, b"keep-alive")) && !has_token(field.value, b"close");
        }
    }
    // RFC 9112 6.3, in its order.
    let state = match status {
        // A 101 has no request of ours behind it: it ends what this connection is good for.
        101 => return Err(Malformed),
        100..=199 => State::Head,
        204 | 304 => State::Length(0),
        _ if is_head_only => State::Length(0),
        _ if is_chunked => State::Chunked(Chunks::default()),
        _ => length.map_or(State::UntilClose, State::Length),
    };
    Ok(Some(Head { bytes, status, is_kept: is_kept && state != State::UntilClose, state }))
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.trim().parse().ok()
}

fn has_token(value: &[u8], token: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token))
}

fn ends_with_chunked(value: &[u8]) -> bool {
    value.rsplit(|byte| *byte == b',').next().is_some_and(|last| last.trim_ascii().eq_ignore_ascii_case(b"chunked"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What reading `wire` in pieces of `size` and then the end gives.
    fn fed(wire: &[u8], size: usize) -> Result<Option<Complete>, Malformed> {
        let mut answer = Answer::default();
        for piece in wire.chunks(size) {
            if let Some(complete) = answer.read(piece, false)? {
                assert!(answer.is_untouched());
                return Ok(Some(complete));
            }
        }
        Ok(answer.end())
    }

    #[test]
    fn an_answer_is_measured_however_it_is_split() {
        let complete = |status, body_bytes, is_kept| Ok(Some(Complete { status, body_bytes, is_kept }));
        let wires: &[(&str, Result<Option<Complete>, Malformed>)] = &[
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", complete(200, 3, true)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, Close\r\n\r\n", complete(200, 0, false)),
            ("HTTP/1.1 503 No\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", complete(503, 2, true)),
            ("HTTP/1.1 204 No Content\r\n\r\n", complete(204, 0, true)),
            ("HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n", complete(304, 0, true)),
            (
                "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
                complete(200, 1, true),
            ),
            ("HTTP/1.1 200 OK\r\n\r\nuntil the end", complete(200, 13, false)),
            ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", complete(200, 1, false)),
            ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\na", complete(200, 1, true)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", Ok(None)),
            ("HTTP/1.1 200 OK\r\nContent-Le", Ok(None)),
            ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", Err(Malformed)),
            ("HTTP/1.1 101 Switching Protocols\r\n\r\n", Err(Malformed)),
            ("SSH-2.0-OpenSSH\r\n\r\n", Err(Malformed)),
        ];
        for (wire, expected) in wires {
            for size in 1..=wire.len() {
                assert_eq!(fed(wire.as_bytes(), size), *expected, "{wire:?} by {size}");
            }
        }
    }

    #[test]
    fn bytes_behind_an_answer_are_malformed() {
        let wire = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc";
        assert_eq!(Answer::default().read(wire, false), Err(Malformed));
    }

    #[test]
    fn an_answer_to_head_has_no_body() {
        let wire = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
        let complete = Answer::default().read(wire, true).unwrap().unwrap();
        assert_eq!((complete.body_bytes, complete.is_kept), (0, true));
    }

    #[test]
    fn an_endless_head_is_malformed() {
        let mut answer = Answer::default();
        let mut verdict = answer.read(b"HTTP/1.1 200 OK\r\nX: ", false);
        for _ in 0..=HEAD_BYTES_MAX / 1024 {
            if verdict.is_err() {
                break;
            }
            verdict = answer.read(&[b'x'; 1024], false);
        }
        assert_eq!(verdict, Err(Malformed));
    }
}
