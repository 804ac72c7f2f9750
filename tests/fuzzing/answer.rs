//! What upstreams send, from the first interim answer to the last byte, against the model, whole and in pieces.

use ringway::proto::h1::chunked::Decoder;
use ringway::proto::h1::parse::{self, HeadLimits, Progress};
use ringway::proto::head::{AnswerBody, AnswerHead, Version};
use ringway::words::fault::Kind;
use ringway::words::limits::INTERIM_ANSWERS;

use super::corpus;
use super::driver::{Outcome, Target, Verdict};
use super::head::{cuts, fields, hopeless, limits};
use super::model::Model;
use super::model::answer::{self as model, Answer, Passed, Stream};
use crate::tables::Random;

pub fn run() {
    let target = Target { name: "answer", slice: 15_000, seeds: corpus::answers(), words: corpus::HTTP };
    let mut connection = Connection::default();
    target.run(|input, random| {
        let question = Question { to_head: random.once_in(8), closes: random.once_in(2), limits: limits(random) };
        check(input, &question, random, &mut connection)
    });
}

/// What the answers depend on.
#[derive(Debug)]
struct Question {
    to_head: bool,
    /// The upstream closes behind the bytes.
    closes: bool,
    limits: HeadLimits,
}

fn check(input: &[u8], question: &Question, random: &mut Random, connection: &mut Connection) -> Outcome {
    let Question { to_head, closes, ref limits } = *question;
    let expected = model::stream(input, to_head, closes, limits);
    for cuts in [Vec::new(), cuts(input.len(), random)] {
        let found = connection.play(input, &cuts, question);
        let what = match (&expected, &found) {
            (expected, Ok(found)) if expected == found => continue,
            (Stream::Open, Ok(Stream::Refused)) => {
                let ends_well = |longer: &[u8]| {
                    !matches!(model::stream(longer, to_head, closes, limits), Stream::Refused | Stream::Open)
                };
                let Err(end) = hopeless(input, ends_well) else { continue };
                format!("refused, but it goes on well with {}", end.escape_ascii())
            }
            (_, Err(what)) => what.clone(),
            (expected, Ok(found)) => format!("{found:?} where the rules say {expected:?}"),
        };
        return Err(format!("{what} (cut at {cuts:?}, {question:?})"));
    }
    Ok(if matches!(expected, Stream::Passed(_)) { Verdict::Accepted } else { Verdict::Refused })
}

/// An upstream connection in miniature, with the parts that the gateway has.
#[derive(Default)]
struct Connection {
    head: AnswerHead,
    decoder: Decoder,
    room: Vec<u8>,
}

/// Bytes that have come, and bytes that will.
struct Feed<'b> {
    bytes: &'b [u8],
    /// Used up.
    at: usize,
    /// Came, and one behind it.
    end: usize,
    cuts: std::slice::Iter<'b, usize>,
}

impl<'b> Feed<'b> {
    fn new(bytes: &'b [u8], cuts: &'b [usize]) -> Self {
        let mut cuts = cuts.iter();
        let end = cuts.next().copied().unwrap_or(bytes.len());
        Self { bytes, at: 0, end, cuts }
    }

    fn came(&self) -> &'b [u8] {
        &self.bytes[self.at..self.end]
    }

    fn more(&mut self) -> bool {
        let has_more = self.end < self.bytes.len();
        self.end = self.cuts.next().copied().unwrap_or(self.bytes.len());
        has_more
    }
}

impl Connection {
    /// What becomes of `input`; an error when a head is not what the model says.
    fn play(&mut self, input: &[u8], cuts: &[usize], question: &Question) -> Result<Stream, String> {
        let mut feed = Feed::new(input, cuts);
        let mut interim = 0;
        loop {
            match self.read_head(&mut feed, question)? {
                Some(Progress::Complete) => {}
                Some(Progress::Partial) => return Ok(Stream::Open),
                None => return Ok(Stream::Refused),
            }
            feed.at += self.head.bytes;
            if self.head.status == 101 || interim > INTERIM_ANSWERS as usize {
                return Ok(Stream::Refused);
            }
            if self.head.status >= 200 {
                return Ok(self.last(&mut feed, interim, question.closes));
            }
            interim += 1;
        }
    }

    /// A head and its comparison with the model; `None` when it is refused.
    fn read_head(&mut self, feed: &mut Feed<'_>, question: &Question) -> Result<Option<Progress>, String> {
        let mut seen = 0;
        loop {
            match parse::answer(feed.came(), seen, &question.limits, question.to_head, &mut self.head) {
                Err(fault) => return blamed(feed, question, fault.kind),
                Ok(Progress::Complete) => break,
                Ok(Progress::Partial) => seen = feed.came().len(),
            }
            if !feed.more() {
                return Ok(Some(Progress::Partial));
            }
        }
        match model::answer(feed.came(), question.to_head, &question.limits) {
            Model::Good(expected) if expected == as_read(feed.came(), &self.head) => Ok(Some(Progress::Complete)),
            other => Err(format!("read as {:?} where the rules say {other:?}", as_read(feed.came(), &self.head))),
        }
    }

    fn last(&mut self, feed: &mut Feed<'_>, interim: usize, closes: bool) -> Stream {
        let mut payload = Vec::new();
        self.decoder.reset();
        let is_whole = match self.head.body {
            AnswerBody::None => true,
            AnswerBody::Length(length) => {
                while ((feed.end - feed.at) as u64) < length && feed.more() {}
                let count = feed.came().len().min(usize::try_from(length).unwrap_or(usize::MAX));
                payload.extend_from_slice(&feed.came()[..count]);
                feed.at += count;
                count as u64 == length
            }
            AnswerBody::Chunked => self.chunked(feed, &mut payload),
            AnswerBody::UntilClose => {
                while feed.more() {}
                payload.extend_from_slice(feed.came());
                feed.at = feed.end;
                closes
            }
        };
        if !is_whole {
            return Stream::Cut;
        }
        let is_reusable = self.head.is_persistent && feed.at == feed.bytes.len() && !closes;
        let trailers = self.decoder.trailers.clone();
        Stream::Passed(Passed { interim, status: self.head.status, payload, trailers, is_reusable })
    }

    fn chunked(&mut self, feed: &mut Feed<'_>, payload: &mut Vec<u8>) -> bool {
        loop {
            self.room.clear();
            self.room.extend_from_slice(feed.came());
            let Ok(decoded) = self.decoder.decode(&mut self.room) else { return false };
            payload.extend_from_slice(&self.room[..decoded.payload]);
            feed.at += decoded.consumed;
            if decoded.is_done {
                return true;
            }
            if !feed.more() {
                return false;
            }
        }
    }
}

/// A refusal must be for a rule that is broken, where the model knows all of the head.
fn blamed(feed: &Feed<'_>, question: &Question, kind: Kind) -> Result<Option<Progress>, String> {
    match model::answer(feed.came(), question.to_head, &question.limits) {
        Model::Bad(kinds) if kinds.contains(&kind) => Ok(None),
        Model::Open => Ok(None),
        other => Err(format!("{kind:?} where the rules say {other:?}")),
    }
}

/// What the parser found, in the model's words.
pub fn as_read<'b>(input: &'b [u8], head: &AnswerHead) -> Answer<'b> {
    Answer {
        status: head.status,
        reason: head.reason.of(input),
        is_11: head.version == Version::Http11,
        fields: fields(input, &head.lines),
        body: head.body,
        length: head.length,
        is_persistent: head.is_persistent,
        bytes: head.bytes,
    }
}
