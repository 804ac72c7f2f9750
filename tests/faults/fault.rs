//! The faulty endpoint of HTTP/1.1: what it does wrong, and what a client may see of it.

use std::sync::Arc;
use std::time::Duration;

use super::Trouble;
use super::tagged::{Ledger, Tag, Way, chunks};
use crate::support::Origin;
use crate::support::origin::Connection;

/// What one of the three endpoints does wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Refuses connections.
    Refuses,
    /// Lets connections wait for ever.
    BlackHole,
    /// Closes what it accepts.
    ClosesAtOnce,
    /// Resets what it accepts.
    ResetsAtOnce,
    /// Resets after some bytes of a request.
    ResetsInRequest,
    /// Reads a request and says nothing.
    Hangs,
    /// Resets within the head of its answer.
    ResetsInHead,
    /// Closes within the head of its answer.
    ClosesInHead,
    /// Closes within a body of known length.
    ClosesInBody,
    /// Resets within a body of known length.
    ResetsInBody,
    /// Closes within a chunk.
    ClosesInChunk,
    /// Says a chunk size that is none.
    BadChunkSize,
    /// Sends all chunks but the last, empty one, and closes.
    NoLastChunk,
    /// Sends something that is not HTTP.
    Garbage,
    /// Sends its answer's head a byte at a time.
    DripsHead,
    /// Sends its answer's body a byte at a time.
    DripsBody,
    /// Announces more than it sends, and waits.
    LengthTooLong,
    /// Announces less than it sends.
    LengthTooShort,
    /// Announces two lengths.
    TwoLengths,
    /// Announces a length and chunks.
    LengthAndChunks,
    /// Sends a second answer behind the first, in the same write: one that came later could not be told, by anybody,
    /// from the answer to the next request.
    SecondAnswer,
    /// Sends a thousand interim answers.
    InterimStorm,
    /// Sends a field of 64 KiB.
    HugeField,
    /// Sends a head without end.
    EndlessHead,
    /// Switches protocols unasked.
    Unasked101,
    /// Sends a body where none can be.
    BodyAfter204,
    /// Closes a connection when it is idle, without having said so.
    ClosesIdle,
    /// Closes an idle connection when the next request begins to come.
    ClosesOnNext,
    /// Reads the second request on a connection, and closes without a word.
    SwallowsNext,
    /// Answers before it has read the body, and resets.
    AnswersEarly,
}

/// How a connection ends after what was sent on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Close,
    Reset,
    /// By the gateway.
    Wait,
}

/// Between two bytes of a drip: never so long that the gateway would call it idle.
pub const DRIP: Duration = Duration::from_millis(30);

impl Trouble for Fault {
    const PROTOCOL: &'static str = "http/1.1";

    fn good(ledger: &Arc<Ledger>) -> Origin {
        let ledger = Arc::clone(ledger);
        Origin::playing(move |connection| serve(connection, &ledger))
    }

    fn origin(self, ledger: &Arc<Ledger>) -> Origin {
        match self {
            Self::Refuses => Origin::refusing(),
            Self::BlackHole => Origin::black_hole(),
            _ => {
                let ledger = Arc::clone(ledger);
                Origin::playing(move |connection| self.play(connection, &ledger))
            }
        }
    }

    fn is_silent(self) -> bool {
        matches!(self, Self::Refuses | Self::BlackHole)
    }

    fn timeouts(self) -> &'static str {
        match self {
            Self::BlackHole => "connect = \"100ms\"",
            Self::Hangs | Self::DripsHead => "first_byte = \"400ms\"",
            Self::DripsBody => "request = \"600ms\"",
            Self::LengthTooLong => "idle = \"400ms\"",
            _ => "",
        }
    }

    fn may_fail(self, method: &str) -> (&'static [u16], bool) {
        match self {
            Self::Refuses | Self::BlackHole | Self::LengthTooShort | Self::SecondAnswer => (&[], false),
            Self::ClosesAtOnce
            | Self::ResetsAtOnce
            | Self::ResetsInRequest
            | Self::ClosesIdle
            | Self::ClosesOnNext
            | Self::SwallowsNext => (if method == "POST" { &[502] } else { &[] }, false),
            Self::Hangs | Self::DripsHead => (&[504], false),
            Self::DripsBody | Self::LengthTooLong => (&[504], true),
            Self::ClosesInBody
            | Self::ResetsInBody
            | Self::ClosesInChunk
            | Self::BadChunkSize
            | Self::NoLastChunk
            | Self::AnswersEarly => (&[502], true),
            Self::ResetsInHead
            | Self::ClosesInHead
            | Self::Garbage
            | Self::TwoLengths
            | Self::LengthAndChunks
            | Self::InterimStorm
            | Self::HugeField
            | Self::EndlessHead
            | Self::Unasked101
            | Self::BodyAfter204 => (&[502], false),
        }
    }
}

impl Fault {
    /// One connection of the faulty endpoint: up to two good answers, then the fault.
    fn play(self, connection: &mut Connection, ledger: &Ledger) {
        if matches!(self, Self::ClosesAtOnce | Self::ResetsAtOnce) {
            ledger.fault();
            return if self == Self::ResetsAtOnce {
                connection.reset()
            };
        }
        for _ in 0..connection.number % 3 {
            let Some(tag) = receive(connection, ledger) else { return };
            connection.send(whole(tag));
        }
        match self {
            Self::ResetsInRequest => {
                let count = 1 + connection.number * 7 % 90;
                if connection.wire().bytes(count).is_ok() {
                    ledger.fault();
                    connection.reset();
                }
            }
            Self::AnswersEarly => {
                let request = connection.request_head();
                if let Some(tag) = request.ok().and_then(|request| Tag::of_target(&request.target)) {
                    ledger.fault();
                    connection.send(whole(tag));
                    connection.reset();
                }
            }
            Self::ClosesOnNext | Self::SwallowsNext => self.end_at_next(connection, ledger),
            _ => {
                if let Some(tag) = receive(connection, ledger) {
                    ledger.fault();
                    self.answer(tag, connection);
                }
            }
        }
    }

    /// Answers well once and badly never.
    fn end_at_next(self, connection: &mut Connection, ledger: &Ledger) {
        let Some(tag) = receive(connection, ledger) else { return };
        connection.send(whole(tag));
        let has_begun = match self {
            Self::ClosesOnNext => connection.wire().bytes(1).is_ok(),
            _ => receive(connection, ledger).is_some(),
        };
        if has_begun {
            ledger.fault();
        }
    }

    /// Answers badly.
    fn answer(self, tag: Tag, connection: &mut Connection) {
        if matches!(self, Self::DripsHead | Self::DripsBody) {
            let bytes = whole(tag);
            let quick = if self == Self::DripsBody { head_length(&bytes) } else { 0 };
            let mut goes_on = connection.send(&bytes[..quick]);
            for byte in &bytes[quick..] {
                std::thread::sleep(DRIP);
                goes_on = goes_on && connection.send([*byte]);
                if !goes_on {
                    return;
                }
            }
            return;
        }
        if self == Self::EndlessHead {
            connection.send("HTTP/1.1 200 OK\r\n");
            while connection.send("x-more: and more\r\n".repeat(500)) {}
            return;
        }
        let (bytes, end) = self.message(tag);
        connection.send(bytes);
        match end {
            End::Close => {}
            End::Reset => connection.reset(),
            End::Wait => connection.await_end(),
        }
    }

    /// What is sent for an answer, and how the connection ends.
    fn message(self, tag: Tag) -> (Vec<u8>, End) {
        let body = tag.body(Way::Down);
        let (length, half) = (body.len(), body.len() / 2);
        let head = |fields: &str| head(tag, "200 OK", &format!("x-broken: 1\r\n{fields}"));
        let plain = head(&format!("content-length: {length}\r\n"));
        let chunked = head("transfer-encoding: chunked\r\n");
        match self {
            Self::ResetsInHead => (plain[..plain.len() / 2].to_vec(), End::Reset),
            Self::ClosesInHead => (plain[..plain.len() - 3].to_vec(), End::Close),
            Self::ClosesInBody => ([&plain, &body[..half]].concat(), End::Close),
            Self::ResetsInBody => ([&plain, &body[..length - 1]].concat(), End::Reset),
            Self::ClosesInChunk => {
                let framed = chunks(&body);
                ([&chunked, &framed[..framed.len() - 9]].concat(), End::Close)
            }
            Self::BadChunkSize => ([&*chunked, &chunks(&body[..half]), b"-1\r\n"].concat(), End::Wait),
            Self::NoLastChunk => ([chunked, chunks(&body)].concat(), End::Close),
            Self::Garbage => (b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec(), End::Wait),
            Self::LengthTooLong => ([head(&format!("content-length: {}\r\n", length + 1)), body].concat(), End::Wait),
            Self::LengthTooShort => ([whole(tag), vec![b'+'; 99]].concat(), End::Wait),
            Self::TwoLengths => {
                let lengths = format!("content-length: {length}\r\ncontent-length: {}\r\n", length + 1);
                ([head(&lengths), body].concat(), End::Wait)
            }
            Self::LengthAndChunks => {
                let both = format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n");
                ([&*head(&both), &chunks(&body), b"0\r\n\r\n"].concat(), End::Wait)
            }
            Self::SecondAnswer => ([whole(tag), whole(tag.stranger())].concat(), End::Wait),
            Self::InterimStorm => {
                let storm = b"HTTP/1.1 102 Processing\r\n\r\n".repeat(1_000);
                ([storm, plain, body].concat(), End::Wait)
            }
            Self::HugeField => {
                let field = format!("x-huge: {}\r\ncontent-length: {length}\r\n", "h".repeat(64 << 10));
                ([head(&field), body].concat(), End::Wait)
            }
            Self::Unasked101 => {
                let switch = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
                ([&switch[..], &plain, &body].concat(), End::Wait)
            }
            Self::BodyAfter204 => {
                let none = self::head(tag, "204 No Content", &format!("content-length: {length}\r\n"));
                ([none, body].concat(), End::Wait)
            }
            Self::ClosesIdle => (whole(tag), End::Close),
            // It hangs; all others have been played by now.
            _ => (Vec::new(), End::Wait),
        }
    }
}

/// One connection of a good endpoint.
fn serve(connection: &mut Connection, ledger: &Ledger) {
    while let Some(tag) = receive(connection, ledger) {
        connection.send(whole(tag));
    }
}

/// Reads a whole request and enters it into the ledger.
fn receive(connection: &mut Connection, ledger: &Ledger) -> Option<Tag> {
    let request = connection.request_head().ok()?;
    let body = connection.wire().body(request.framing).ok()?;
    let tag = Tag::of_target(&request.target).expect("the client tags its requests");
    let is_good = if request.method == "POST" { body.bytes == tag.body(Way::Up) } else { body.bytes.is_empty() };
    ledger.received(tag, is_good);
    Some(tag)
}

/// The answer that belongs to `tag`.
fn whole(tag: Tag) -> Vec<u8> {
    let body = tag.body(Way::Down);
    if tag.is_chunked() {
        [&*head(tag, "200 OK", "transfer-encoding: chunked\r\n"), &chunks(&body), b"0\r\n\r\n"].concat()
    } else {
        [head(tag, "200 OK", &format!("content-length: {}\r\n", body.len())), body].concat()
    }
}

fn head(tag: Tag, status: &str, fields: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nx-tag: {}\r\n{fields}\r\n", tag.text()).into_bytes()
}

fn head_length(message: &[u8]) -> usize {
    message.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a whole answer has a head") + 4
}
