//! The client that counts: it sends tagged requests over one kept connection and says of each what became of it.

use std::net::{SocketAddr, TcpStream};

use super::tagged::{Likeness, Tag, Way, chunks};
use crate::support::PATIENCE;
use crate::support::wire::{Broken, Framing, Head, Socket, Wire};

/// What became of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The answer that belongs to it, whole.
    Whole,
    /// The gateway's own answer, with this status.
    Refused(u16),
    /// An answer that ended early, and shows it.
    Cut,
    /// Nothing at all.
    Lost(String),
    /// An answer that looks complete and is not, or that was made of a broken one.
    False(String),
    /// Bytes of another exchange.
    Foreign(String),
}

/// One client with its connection.
pub struct Client {
    gateway: SocketAddr,
    wire: Option<Wire>,
}

/// An answer's body as far as it came, and whether its framing says that this is all.
struct Received {
    bytes: Vec<u8>,
    end: Result<(), Broken>,
}

impl Client {
    /// Of the gateway at this address.
    pub fn new(gateway: SocketAddr) -> Self {
        Self { gateway, wire: None }
    }

    /// Sends the request of this tag and waits for what becomes of it.
    pub fn ask(&mut self, tag: Tag, method: &str) -> Outcome {
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => match TcpStream::connect_timeout(&self.gateway, PATIENCE) {
                Ok(stream) => Wire::new(Socket::Tcp(stream)),
                Err(error) => return Outcome::Lost(format!("no connection: {error}")),
            },
        };
        // A gateway that has answered already may have stopped reading.
        let _ = wire.send(&request(tag, method));
        let (outcome, may_keep) = match answer(&mut wire, tag) {
            Ok(answered) => answered,
            Err(broken) => (broken, false),
        };
        if may_keep && wire.has_more() {
            return Outcome::Foreign("bytes behind an answer".to_owned());
        }
        self.wire = may_keep.then_some(wire);
        outcome
    }
}

fn request(tag: Tag, method: &str) -> Vec<u8> {
    let text = tag.text();
    let mut bytes = format!("{method} /{text} HTTP/1.1\r\nhost: test\r\nx-request-id: {text}\r\n").into_bytes();
    if method != "POST" {
        bytes.extend(b"\r\n");
        return bytes;
    }
    let body = tag.body(Way::Up);
    if tag.is_chunked() {
        bytes.extend(b"transfer-encoding: chunked\r\n\r\n");
        bytes.extend(chunks(&body));
        bytes.extend(b"0\r\n\r\n");
    } else {
        bytes.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
        bytes.extend(body);
    }
    bytes
}

/// Reads the answer; says what it is, and whether its connection may be kept.
fn answer(wire: &mut Wire, tag: Tag) -> Result<(Outcome, bool), Outcome> {
    let (head, status) = final_head(wire)?;
    if head.fields.all("x-request-id") != [&*tag.text()] {
        return Err(Outcome::Foreign(format!("an answer to {:?}", head.fields.all("x-request-id"))));
    }
    let framing = match head.fields.framing() {
        Ok(_) if status == 204 => Framing::Empty,
        Ok(Some(framing)) => framing,
        other => return Err(Outcome::False(format!("framed by {other:?}"))),
    };
    let received = body(wire, framing);
    let outcome =
        if head.fields.has("proxy-status") { own(status, &received) } else { passed_on(tag, &head, status, &received) };
    let says_close = head.fields.all("connection").contains(&"close");
    Ok((outcome, received.end.is_ok() && !says_close))
}

/// The head of the final answer; those before it are passed over.
fn final_head(wire: &mut Wire) -> Result<(Head, u16), Outcome> {
    loop {
        let head = wire.head().map_err(|broken| match broken {
            Broken::Cut => Outcome::Cut,
            Broken::Malformed(what) => Outcome::False(what),
            other => Outcome::Lost(format!("{other:?}")),
        })?;
        let status = head.start.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        match status {
            Some(100..200) => {}
            Some(status) => return Ok((head, status)),
            None => return Err(Outcome::False(head.start)),
        }
    }
}

fn body(wire: &mut Wire, framing: Framing) -> Received {
    let mut bytes = Vec::new();
    let end = match framing {
        Framing::Length(length) => wire.bytes(length as usize).map(|whole| bytes = whole),
        Framing::Chunked => loop {
            match wire.chunk() {
                Ok(Some(chunk)) => bytes.extend(chunk),
                Ok(None) => break wire.fields().map(|_| ()),
                Err(broken) => break Err(broken),
            }
        },
        Framing::Empty | Framing::UntilClose => Ok(()),
    };
    if end.is_err() {
        // What came of the piece that did not come whole.
        bytes.extend(wire.rest().unwrap_or_default());
    }
    Received { bytes, end }
}

/// An answer of the gateway's own.
fn own(status: u16, received: &Received) -> Outcome {
    match &received.end {
        Ok(()) => Outcome::Refused(status),
        Err(broken) => Outcome::Lost(format!("the gateway's own answer: {broken:?}")),
    }
}

/// An answer that came from an origin.
fn passed_on(tag: Tag, head: &Head, status: u16, received: &Received) -> Outcome {
    if head.fields.all("x-tag") != [&*tag.text()] {
        return Outcome::Foreign(format!("status {status}, tags {:?}", head.fields.all("x-tag")));
    }
    let end = match &received.end {
        Ok(()) => End::Whole,
        Err(Broken::Malformed(what)) => End::Malformed(what.clone()),
        Err(Broken::Silent) => End::Silent,
        Err(_) => End::Cut,
    };
    judge(tag, status, &received.bytes, head.fields.has("x-broken"), end)
}

/// How an answer ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// As its framing says that it is complete.
    Whole,
    /// In the middle, visibly.
    Cut,
    /// It stopped.
    Silent,
    /// Against the protocol.
    Malformed(String),
}

/// What an answer is that an origin gave to the request of this tag; an origin that broke it has said so.
pub fn judge(tag: Tag, status: u16, bytes: &[u8], is_broken: bool, end: End) -> Outcome {
    let likeness = match status {
        200 => tag.likeness(Way::Down, bytes),
        204 if bytes.is_empty() => Likeness::Whole,
        _ => Likeness::Other,
    };
    match (likeness, end) {
        (Likeness::Other, end) => Outcome::Foreign(format!("{} bytes, end: {end:?}", bytes.len())),
        (_, End::Malformed(what)) => Outcome::False(what),
        (_, End::Silent) => Outcome::Lost("an answer that stopped".to_owned()),
        (_, End::Cut) => Outcome::Cut,
        (Likeness::Part, End::Whole) => Outcome::False(format!("{} bytes that look like all", bytes.len())),
        (Likeness::More, End::Whole) => Outcome::False(format!("{} bytes, which are too many", bytes.len())),
        (Likeness::Whole, End::Whole) if is_broken => Outcome::False("a broken answer".to_owned()),
        (Likeness::Whole, End::Whole) => Outcome::Whole,
    }
}
