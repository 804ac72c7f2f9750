//! An upstream's answer: its head (RFC 9112 4), which body follows (RFC 9112 6.3), and the whole of what comes on a
//! connection for one request.

use ringway::proto::h1::parse::HeadLimits;
use ringway::proto::head::AnswerBody;
use ringway::words::fault::Kind;

use super::Model;
use super::chunked::{Chunked, chunked};
use super::fields::{self, Cut, Field, Framing, is_text};

/// What a good head says. Slices are of the input.
#[derive(PartialEq, Eq, Debug)]
pub struct Answer<'b> {
    pub status: u16,
    pub reason: &'b [u8],
    pub is_11: bool,
    pub fields: Vec<Field<'b>>,
    pub body: AnswerBody,
    pub length: Option<u64>,
    pub is_persistent: bool,
    pub bytes: usize,
}

/// What becomes of an upstream's bytes.
#[derive(PartialEq, Eq, Debug)]
pub enum Stream {
    /// A malformed head, an unasked 101, or too many interim answers: the client gets 502.
    Refused,
    /// A head is not all there.
    Open,
    /// A good head, and a body that breaks off or breaks a rule.
    Cut,
    /// Goes to the client.
    Passed(Passed),
}

/// What goes to the client.
#[derive(PartialEq, Eq, Debug)]
pub struct Passed {
    pub interim: usize,
    pub status: u16,
    pub payload: Vec<u8>,
    pub trailers: Vec<u8>,
    /// The connection may carry another request: nothing came behind the answer, and nothing ends it.
    pub is_reusable: bool,
}

/// Interim answers to one request.
pub const INTERIM_MAX: usize = 8;

/// Reads the head that `wire` begins with.
pub fn answer<'b>(wire: &'b [u8], to_head: bool, limits: &HeadLimits) -> Model<Answer<'b>> {
    let window = &wire[..wire.len().min(limits.bytes)];
    let bad = |kind| Model::Bad(vec![kind]);
    if window.first().is_some_and(|byte| *byte != b'H') {
        return bad(Kind::UpstreamProtocol);
    }
    let (lines, bytes) = match fields::cut(window) {
        Cut::Whole(lines, bytes) => (lines, bytes),
        Cut::Broken => return Model::Bad(vec![Kind::UpstreamProtocol, Kind::UpstreamHeadTooLarge]),
        Cut::Open if window.len() == limits.bytes => {
            return Model::Bad(vec![Kind::UpstreamProtocol, Kind::UpstreamHeadTooLarge]);
        }
        Cut::Open => return Model::Open,
    };
    let mut broken = Vec::new();
    let (fields, connection) = fields::read(&lines[1..], &mut broken);
    let status_line = status_line(lines[0]);
    let is_11 = status_line.is_none_or(|(is_11, ..)| is_11);
    let status = status_line.map_or(0, |(_, status, _)| status);
    let framing = fields::framing(&fields, is_11);
    let is_bodiless = status < 200 || status == 204;
    let promises = matches!(framing, Ok(Framing::Length(1..) | Framing::Chunked));
    if lines.len() - 1 > limits.lines
        || !broken.is_empty()
        || !(100..600).contains(&status)
        || framing.is_err()
        || is_bodiless && promises
    {
        broken = vec![Kind::UpstreamProtocol];
    }
    if !broken.is_empty() && fields::may_be_too_many(&window[..bytes], limits.lines) {
        broken.push(Kind::UpstreamHeadTooLarge);
    }
    let (Some((is_11, status, reason)), Ok(framing), []) = (status_line, framing, broken.as_slice()) else {
        return Model::Bad(broken);
    };
    let body = body(framing, is_bodiless || to_head || status == 304);
    let keeps = !connection.close && (is_11 || connection.keep_alive);
    Model::Good(Answer {
        status,
        reason,
        is_11,
        fields,
        body,
        length: if let Framing::Length(length) = framing { Some(length) } else { None },
        is_persistent: keeps && status != 101 && body != AnswerBody::UntilClose,
        bytes,
    })
}

fn body(framing: Framing, is_bodiless: bool) -> AnswerBody {
    match framing {
        _ if is_bodiless => AnswerBody::None,
        Framing::Nothing => AnswerBody::UntilClose,
        Framing::Length(0) => AnswerBody::None,
        Framing::Length(length) => AnswerBody::Length(length),
        Framing::Chunked => AnswerBody::Chunked,
    }
}

/// RFC 9112 4: whether the version is 1.1, the status, the reason, which may be missing with its space.
fn status_line(line: &[u8]) -> Option<(bool, u16, &[u8])> {
    let is_11 = match line.get(..9)? {
        b"HTTP/1.1 " => true,
        b"HTTP/1.0 " => false,
        _ => return None,
    };
    let code = line.get(9..12)?;
    let reason = match &line[12..] {
        [] => &line[12..],
        [b' ', reason @ ..] => reason,
        _ => return None,
    };
    let is_good = code.iter().all(u8::is_ascii_digit) && reason.iter().all(|byte| is_text(*byte));
    let status = std::str::from_utf8(code).ok()?.parse().ok()?;
    is_good.then_some((is_11, status, reason))
}

/// What becomes of `wire`, all that an upstream sends for one request; it `closes` behind it, or stays.
pub fn stream(wire: &[u8], to_head: bool, closes: bool, limits: &HeadLimits) -> Stream {
    let mut rest = wire;
    let mut interim = 0;
    loop {
        let head = match answer(rest, to_head, limits) {
            Model::Bad(_) => return Stream::Refused,
            Model::Open => return Stream::Open,
            Model::Good(head) => head,
        };
        rest = &rest[head.bytes..];
        if head.status == 101 || interim > INTERIM_MAX {
            return Stream::Refused;
        }
        if head.status >= 200 {
            return last(&head, rest, interim, closes);
        }
        interim += 1;
    }
}

fn last(head: &Answer<'_>, rest: &[u8], interim: usize, closes: bool) -> Stream {
    let (payload, trailers, behind) = match head.body {
        AnswerBody::None => (Vec::new(), Vec::new(), rest),
        AnswerBody::Length(length) => match usize::try_from(length).ok().and_then(|at| rest.split_at_checked(at)) {
            Some((body, behind)) => (body.to_vec(), Vec::new(), behind),
            None => return Stream::Cut,
        },
        AnswerBody::Chunked => match chunked(rest) {
            Chunked::Whole { payload, trailers, bytes } => (payload, trailers, &rest[bytes..]),
            Chunked::Bad | Chunked::Open => return Stream::Cut,
        },
        AnswerBody::UntilClose if closes => (rest.to_vec(), Vec::new(), &rest[rest.len()..]),
        AnswerBody::UntilClose => return Stream::Cut,
    };
    let is_reusable = head.is_persistent && behind.is_empty() && !closes;
    Stream::Passed(Passed { interim, status: head.status, payload, trailers, is_reusable })
}
