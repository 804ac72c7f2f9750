//! Plays cases against the parser: a connection in miniature, fed in pieces, that does what the data path does with
//! heads and bodies and nothing else.

use ringway::proto::h1::chunked::Decoder;
use ringway::proto::h1::parse::{self, HeadLimits, Progress};
use ringway::proto::head::{AnswerBody, AnswerHead, Line, Method, RequestBody, RequestHead, TargetForm};
use ringway::proto::path::{Canonical, canonicalise};
use ringway::words::limits::{HEADER_BYTES, HEADERS, INTERIM_ANSWERS, TARGET_BYTES};

use super::fixture::Case;

/// What one message came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    /// In the words of the fixtures.
    pub verdict: String,
    /// The parser's reason.
    pub detail: &'static str,
    /// The messages that would be passed on: one request; an answer and the interim ones before it.
    pub arrived: Vec<Arrived>,
}

/// A message as the other side would get it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Arrived {
    /// Method and target, or status.
    pub start: Vec<u8>,
    /// Names in lower case and values, without those that end at this hop.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The body.
    pub payload: Vec<u8>,
    /// As `fields`.
    pub trailers: Vec<(String, Vec<u8>)>,
}

/// The defaults.
const LIMITS: HeadLimits =
    HeadLimits { bytes: HEADER_BYTES as usize, lines: HEADERS as usize, target_bytes: TARGET_BYTES as usize };

/// Bytes that come in pieces.
struct Feed<'b> {
    pieces: Vec<&'b [u8]>,
    /// Received and not yet used.
    buffer: Vec<u8>,
}

impl<'b> Feed<'b> {
    fn cut(bytes: &'b [u8], cuts: &[usize]) -> Self {
        let mut ends = cuts.to_vec();
        ends.push(bytes.len());
        let mut start = 0;
        let mut pieces = Vec::new();
        for end in ends {
            pieces.push(&bytes[start..end]);
            start = end;
        }
        pieces.reverse();
        Self { pieces, buffer: Vec::new() }
    }

    /// Receives the next piece; false when there is none.
    fn more(&mut self) -> bool {
        let Some(piece) = self.pieces.pop() else { return false };
        self.buffer.extend_from_slice(piece);
        true
    }

    fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.pieces.iter().all(|piece| piece.is_empty())
    }

    /// Calls `read` with the bytes of a head and how many it saw before, until it is complete or nothing comes.
    fn head<E>(&mut self, mut read: impl FnMut(&[u8], usize) -> Result<Progress, E>) -> Result<Progress, E> {
        let mut seen = 0;
        loop {
            if read(&self.buffer, seen)? == Progress::Complete {
                return Ok(Progress::Complete);
            }
            seen = self.buffer.len();
            if !self.more() {
                return Ok(Progress::Partial);
            }
        }
    }

    /// Up to `length` bytes of body; true when all of them came.
    fn length(&mut self, length: u64, payload: &mut Vec<u8>) -> bool {
        loop {
            let count = self.buffer.len().min(usize::try_from(length).unwrap() - payload.len());
            payload.extend(self.buffer.drain(..count));
            if payload.len() as u64 == length {
                return true;
            }
            if !self.more() {
                return false;
            }
        }
    }

    /// A chunked body; true when it was complete, the reason when it is malformed.
    fn chunked(&mut self, message: &mut Arrived) -> Result<bool, &'static str> {
        let mut decoder = Decoder::default();
        loop {
            let decoded = decoder.decode(&mut self.buffer).map_err(|error| error.0)?;
            message.payload.extend_from_slice(&self.buffer[..decoded.payload]);
            self.buffer.drain(..decoded.consumed);
            if decoded.is_done {
                message.trailers = trailers(&decoder.trailers);
                return Ok(true);
            }
            if !self.more() {
                return Ok(false);
            }
        }
    }
}

/// What a connection makes of `bytes`, cut at `cuts`.
pub fn play_request(bytes: &[u8], cuts: &[usize]) -> Vec<Seen> {
    let mut feed = Feed::cut(bytes, cuts);
    let mut all = Vec::new();
    let mut head = RequestHead::default();
    while !feed.is_empty() {
        let seen = one_request(&mut feed, &mut head);
        let goes_on = seen.verdict == "accept";
        all.push(seen);
        if !goes_on {
            break;
        }
    }
    all
}

fn one_request(feed: &mut Feed<'_>, head: &mut RequestHead) -> Seen {
    let read = feed.head(|buffer, seen| parse::request(buffer, seen, &LIMITS, head));
    let mut message = match read {
        Err(fault) => return refused("reject", fault.kind.row().status, fault.detail),
        Ok(Progress::Partial) => return verdict("wait"),
        Ok(Progress::Complete) => match arrived_request(&feed.buffer, head) {
            Ok(message) => message,
            Err(detail) => return refused("reject", 400, detail),
        },
    };
    feed.buffer.drain(..head.bytes);
    let is_whole = match head.body {
        RequestBody::None => Ok(true),
        // Longer than any fixture: the gateway refuses it by its limit.
        RequestBody::Length(length) if length > 1 << 20 => Ok(false),
        RequestBody::Length(length) => Ok(feed.length(length, &mut message.payload)),
        RequestBody::Chunked => feed.chunked(&mut message),
    };
    match is_whole {
        Err(detail) => refused("break", 400, detail),
        Ok(false) => verdict("wait"),
        Ok(true) => Seen {
            verdict: if head.is_persistent { "accept" } else { "accept close" }.to_owned(),
            detail: "",
            arrived: vec![message],
        },
    }
}

/// The request as it would go upstream, but for what the gateway adds. The path is the canonical one.
fn arrived_request(buffer: &[u8], head: &RequestHead) -> Result<Arrived, &'static str> {
    let mut start = head.method_span.of(buffer).to_vec();
    start.push(b' ');
    let path = head.path.of(buffer);
    let is_canonical = head.form == TargetForm::Asterisk
        || canonicalise(path, &mut start).map_err(|error| error.0)? == Canonical::Already;
    if is_canonical {
        start.extend_from_slice(path);
    }
    if let Some(query) = head.query {
        start.push(b'?');
        start.extend_from_slice(query.of(buffer));
    }
    assert_eq!(head.method == Method::Head, head.method_span.of(buffer) == b"HEAD");
    Ok(Arrived { start, fields: kept(buffer, &head.lines), ..Arrived::default() })
}

/// What the gateway makes of an origin's bytes, cut at `cuts`.
pub fn play_answer(case: &Case, cuts: &[usize]) -> Vec<Seen> {
    let mut feed = Feed::cut(&case.bytes, cuts);
    let mut head = AnswerHead::default();
    let mut interim = Vec::new();
    loop {
        let read = feed.head(|buffer, seen| parse::answer(buffer, seen, &LIMITS, case.method == "HEAD", &mut head));
        match read {
            Err(fault) => return vec![Seen { verdict: "fail".to_owned(), detail: fault.detail, arrived: Vec::new() }],
            // The origin closed in the middle of a head, or the case forgot something.
            Ok(Progress::Partial) => return vec![verdict(if case.closes { "fail" } else { "wait" })],
            Ok(Progress::Complete) => {}
        }
        let fields = kept(&feed.buffer, &head.lines);
        feed.buffer.drain(..head.bytes);
        let message = Arrived { start: head.status.to_string().into_bytes(), fields, ..Arrived::default() };
        if head.status == 101 || interim.len() > INTERIM_ANSWERS as usize {
            return vec![verdict("refuse")];
        }
        if head.status >= 200 {
            return vec![final_answer(case, feed, &head, message, interim)];
        }
        interim.push(message);
    }
}

fn final_answer(
    case: &Case, mut feed: Feed<'_>, head: &AnswerHead, mut message: Arrived, mut interim: Vec<Arrived>,
) -> Seen {
    let is_whole = match head.body {
        AnswerBody::None => Ok(true),
        AnswerBody::Length(length) => Ok(feed.length(length, &mut message.payload)),
        AnswerBody::Chunked => feed.chunked(&mut message),
        AnswerBody::UntilClose => {
            while feed.more() {}
            message.payload = std::mem::take(&mut feed.buffer);
            Ok(case.closes)
        }
    };
    match is_whole {
        Err(detail) => return Seen { verdict: "cut".to_owned(), detail, arrived: Vec::new() },
        Ok(false) => return verdict("cut"),
        Ok(true) => {}
    }
    interim.push(message);
    let is_clean = head.is_persistent && feed.is_empty();
    Seen { verdict: if is_clean { "pass" } else { "pass discard" }.to_owned(), detail: "", arrived: interim }
}

fn kept(buffer: &[u8], lines: &[Line]) -> Vec<(String, Vec<u8>)> {
    let lines = lines.iter().filter(|line| !line.hop);
    lines.map(|line| (lower(line.name.of(buffer)), line.value.of(buffer).to_vec())).collect()
}

fn trailers(section: &[u8]) -> Vec<(String, Vec<u8>)> {
    let lines = section.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r\n").unwrap());
    lines
        .map(|line| {
            let colon = line.iter().position(|byte| *byte == b':').unwrap();
            (lower(&line[..colon]), line[colon + 1..].trim_ascii().to_vec())
        })
        .collect()
}

fn lower(name: &[u8]) -> String {
    String::from_utf8(name.to_ascii_lowercase()).unwrap()
}

fn refused(how: &str, status: u16, detail: &'static str) -> Seen {
    Seen { verdict: format!("{how} {status}"), detail, arrived: Vec::new() }
}

fn verdict(verdict: &str) -> Seen {
    Seen { verdict: verdict.to_owned(), ..Seen::default() }
}
