//! Request heads against the model, whole and in pieces.

use ringway::proto::h1::parse::{self, HeadLimits, Progress};
use ringway::proto::head::{Line, RequestHead, Version};
use ringway::words::fault::Fault;

use super::corpus;
use super::driver::{Outcome, Target, Verdict};
use super::model::Model;
use super::model::fields::Field;
use super::model::request::{Request, request};
use crate::tables::Random;

pub fn run() {
    let target = Target { name: "head", slice: 15_000, seeds: corpus::requests(), words: corpus::HTTP };
    let mut found = RequestHead::default();
    target.run(|input, random| check(input, &limits(random), random, &mut found));
}

/// Low limits, so that short inputs reach them; now and then so low that good ones do, and now and then so many lines
/// that the parser takes its large array.
pub fn limits(random: &mut Random) -> HeadLimits {
    match random.below(8) {
        0 => {
            HeadLimits { bytes: 64 + random.below(128), lines: 1 + random.below(6), target_bytes: 1 + random.below(16) }
        }
        1 => HeadLimits { bytes: 8_192, lines: 300, target_bytes: 4_096 },
        _ => HeadLimits { bytes: 2_048, lines: 32, target_bytes: 512 },
    }
}

fn check(input: &[u8], limits: &HeadLimits, random: &mut Random, found: &mut RequestHead) -> Outcome {
    let model = request(input, limits);
    let whole = parse::request(input, 0, limits, found);
    judge(input, limits, &model, &whole, found).map_err(|what| format!("{what} (whole, {limits:?})"))?;
    let cuts = cuts(input.len(), random);
    let (seen, in_pieces) = in_pieces(input, &cuts, |bytes, seen| parse::request(bytes, seen, limits, found));
    judge(&input[..seen], limits, &model, &in_pieces, found)
        .map_err(|what| format!("{what} (cut at {cuts:?}, {limits:?})"))?;
    Ok(if matches!(model, Model::Good(_)) { Verdict::Accepted } else { Verdict::Refused })
}

/// Compares what was found in `input` with the model of all of it.
fn judge(
    input: &[u8], limits: &HeadLimits, model: &Model<Request<'_>>, progress: &Result<Progress, Fault>,
    found: &RequestHead,
) -> Result<(), String> {
    match (model, progress) {
        (Model::Good(expected), Ok(Progress::Complete)) => same(input, found, expected),
        (Model::Bad(kinds), Err(fault)) if kinds.contains(&fault.kind) => Ok(()),
        (Model::Open, Ok(Progress::Partial)) => Ok(()),
        (Model::Open, Err(fault)) => hopeless(input, |longer| matches!(request(longer, limits), Model::Good(_)))
            .map_err(|end| format!("{fault:?}, but it goes on well with {}", end.escape_ascii())),
        _ => Err(format!("{progress:?} where the rules say {model:?}")),
    }
}

fn same(input: &[u8], found: &RequestHead, expected: &Request<'_>) -> Result<(), String> {
    let read = as_read(input, found);
    let last = found.lines.iter().map(|line| line.value.end).max().unwrap_or(0);
    if read != *expected {
        return Err(format!("read as {read:?} instead of {expected:?}"));
    }
    if last as usize > found.bytes { Err("a field ends behind the head".to_owned()) } else { Ok(()) }
}

/// What the parser found, in the model's words.
pub fn as_read<'b>(input: &'b [u8], head: &RequestHead) -> Request<'b> {
    Request {
        method: head.method_span.of(input),
        form: head.form,
        path: head.path.of(input),
        query: head.query.map(|query| query.of(input)),
        host: head.host.map(|host| host.of(input)),
        is_11: head.version == Version::Http11,
        fields: fields(input, &head.lines),
        body: head.body,
        length: head.length,
        is_persistent: head.is_persistent,
        expects_continue: head.expects_continue,
        accepts_trailers: head.accepts_trailers,
        asks_upgrade: head.asks_upgrade,
        bytes: head.bytes,
    }
}

/// Field lines in the model's words.
pub fn fields<'b>(input: &'b [u8], lines: &[Line]) -> Vec<Field<'b>> {
    let field = |line: &Line| Field { name: line.name.of(input), value: line.value.of(input), ends_here: line.hop };
    lines.iter().map(field).collect()
}

/// Where an input of `length` bytes is cut: nowhere, in two, in four, or everywhere.
pub fn cuts(length: usize, random: &mut Random) -> Vec<usize> {
    let count = match random.below(32) {
        0 => return (1..length).collect(),
        1..20 => 1,
        _ => 3,
    };
    let mut cuts: Vec<usize> = (0..count).map(|_| random.below(length + 1)).collect();
    cuts.sort_unstable();
    cuts
}

/// Feeds a head in pieces until it is decided; says how many bytes had come by then, and the decision.
fn in_pieces(
    input: &[u8], cuts: &[usize], mut read: impl FnMut(&[u8], usize) -> Result<Progress, Fault>,
) -> (usize, Result<Progress, Fault>) {
    let mut seen = 0;
    for end in cuts.iter().copied().chain([input.len()]) {
        let progress = read(&input[..end], seen);
        if progress != Ok(Progress::Partial) {
            return (end, progress);
        }
        seen = end;
    }
    (input.len(), Ok(Progress::Partial))
}

/// Ways in which an unfinished head may go on.
const ENDS: &[&[u8]] = &[
    b"\r\n\r\n",
    b"\n\r\n",
    b"\n",
    b" / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HTTP/1.1\r\nHost: a\r\n\r\n",
    b"1\r\nHost: a\r\n\r\n",
    b"\r\nHost: a\r\n\r\n",
    b"\nHost: a\r\n\r\n",
    b": a\r\nHost: a\r\n\r\n",
    b"a\r\n\r\n",
    b" 200 OK\r\n\r\n",
    b"00 OK\r\n\r\n",
];

/// Checks that what was refused before its end cannot end well: `is_good` never holds for a longer input.
pub fn hopeless(input: &[u8], is_good: impl Fn(&[u8]) -> bool) -> Result<(), &'static [u8]> {
    let mut longer = input.to_vec();
    for end in ENDS {
        longer.extend_from_slice(end);
        if is_good(&longer) {
            return Err(end);
        }
        longer.truncate(input.len());
    }
    Ok(())
}
