//! Heads that leave: what is written for a head that came in, read again by the model. Nothing of a hop survives, the
//! rest arrives as it was and in its order, and a second gateway changes nothing but what every gateway adds.

use std::net::IpAddr;

use ringway::plan::FieldEdits;
use ringway::plan::cidr::CidrSet;
use ringway::policy::client::{Client, identify};
use ringway::policy::outgoing::{Connection, Downward, DownwardFraming, Upward};
use ringway::proto::h1::parse::{self, HeadLimits, Progress};
use ringway::proto::head::{AnswerBody, AnswerHead, RequestBody, RequestHead, TargetForm};
use ringway::proto::path::{Canonical, canonicalise};

use super::driver::{Outcome, Target, Verdict};
use super::head::as_read;
use super::model::answer::{Answer, answer};
use super::model::fields::{Field, is, is_forwarded, values};
use super::model::request::{Request, request};
use super::model::{Model, authority};
use super::{answer as answers, corpus};
use crate::tables::Random;

/// Wide enough for every input and for what is added to it.
const LIMITS: HeadLimits = HeadLimits { bytes: 64 * 1024, lines: 1_000, target_bytes: 32 * 1024 };

/// A field line that must arrive: name and value.
type Pair = (Vec<u8>, Vec<u8>);

pub fn run() {
    let seeds = corpus::requests().into_iter().chain(corpus::answers()).collect();
    let target = Target { name: "forward", slice: 6_000, seeds, words: corpus::HTTP };
    let mut parts = Parts { trusted: CidrSet::new(vec![([10, 0, 0, 0].into(), 8)]), ..Parts::default() };
    target.run(|input, random| {
        let is_answer = input.starts_with(b"HTTP/");
        if is_answer { parts.down(input, random.once_in(8)) } else { parts.up(input, random) }
    });
}

#[derive(Default)]
struct Parts {
    trusted: CidrSet,
    request: RequestHead,
    answer: AnswerHead,
    edits: FieldEdits,
}

impl Parts {
    fn up(&mut self, input: &[u8], random: &mut Random) -> Outcome {
        let peer = if random.once_in(2) { [10, 0, 0, 9] } else { [192, 0, 2, 7] };
        let Some(first) = self.pass(input, peer.into())? else { return Ok(Verdict::Refused) };
        let second = self.pass(&first, [10, 0, 0, 1].into())?.ok_or("what was sent is not taken")?;
        let (Model::Good(first), Model::Good(second)) = (request(&first, &LIMITS), request(&second, &LIMITS)) else {
            return Err("what was sent is no good head".to_owned());
        };
        let of_both = |one: &Request<'_>| {
            let lasting = one.fields.iter().filter(|field| !is_added(field.name));
            lasting.map(|field| (field.name.to_vec(), field.value.to_vec())).collect::<Vec<Pair>>()
        };
        let is_same = (first.method, first.path, first.query, first.body)
            == (second.method, second.path, second.query, second.body);
        if !is_same || of_both(&first) != of_both(&second) {
            return Err(format!("a second gateway makes {second:?} of {first:?}"));
        }
        Ok(Verdict::Accepted)
    }

    /// What one gateway sends for `input`; `None` when it refuses it.
    fn pass(&mut self, input: &[u8], peer: IpAddr) -> Result<Option<Vec<u8>>, String> {
        if parse::request(input, 0, &LIMITS, &mut self.request) != Ok(Progress::Complete) {
            return Ok(None);
        }
        let head = &self.request;
        let Some(target) = target(input, head) else { return Ok(None) };
        let lines = head.lines.iter().filter(|line| !line.hop).map(|line| (line.known, line.value.of(input)));
        let client = identify(peer, &self.trusted, lines);
        let host = head.host.map_or(&b"origin.example"[..], |host| host.of(input));
        let mut out = Vec::with_capacity(input.len() + 512);
        Upward {
            head,
            bytes: input,
            target: &target,
            host,
            pseudonym: "gw",
            peer,
            client: &client,
            scheme: "http",
            id: b"0198",
            deadline: None,
            traceparent: b"",
            upgrade: b"",
            edits: &self.edits,
            fill: &|_, _| {},
        }
        .write(&mut out);
        let came = as_read(input, head);
        let Model::Good(sent) = request(&out, &LIMITS) else {
            return Err(format!("what was sent is no good head: {}", out.escape_ascii()));
        };
        let expected = expected_up(&came, &client, peer, host);
        let is_right = sent.method == came.method
            && out[came.method.len() + 1..].starts_with(&target)
            && sent.bytes == out.len()
            && (sent.body, sent.is_11, sent.is_persistent) == (came.body, true, true)
            && sent.accepts_trailers == came.accepts_trailers
            && pairs(&sent.fields) == expected;
        if !is_right {
            return Err(format!("sent {}, expected {}", out.escape_ascii(), shown(&expected)));
        }
        Ok(Some(out))
    }

    fn down(&mut self, input: &[u8], to_head: bool) -> Outcome {
        if parse::answer(input, 0, &LIMITS, to_head, &mut self.answer) != Ok(Progress::Complete) {
            return Ok(Verdict::Refused);
        }
        let head = &self.answer;
        let came = answers::as_read(input, head);
        let is_anew = matches!(head.body, AnswerBody::Chunked | AnswerBody::UntilClose);
        let framing = if is_anew { DownwardFraming::Chunked } else { DownwardFraming::AsAnnounced };
        let id: &[u8] = if head.status < 200 { b"" } else { b"0198" };
        let mut out = Vec::with_capacity(input.len() + 256);
        Downward {
            head,
            bytes: input,
            framing,
            pseudonym: "gw",
            via: head.version.number(),
            date: b"Sun, 06 Nov 1994 08:49:37 GMT",
            id,
            connection: Connection::Implied,
            upgrade: b"",
            edits: &self.edits,
            fill: &|_, _| {},
        }
        .write(&mut out);
        let Model::Good(sent) = answer(&out, to_head, &LIMITS) else {
            return Err(format!("what was sent is no good head: {}", out.escape_ascii()));
        };
        let body = if is_anew { AnswerBody::Chunked } else { came.body };
        let expected = expected_down(&came, is_anew, id);
        let is_right = (sent.status, sent.reason, sent.is_11) == (came.status, came.reason, true)
            && sent.bytes == out.len()
            && (to_head || sent.body == body || body == AnswerBody::None)
            && pairs(&sent.fields) == expected;
        if !is_right {
            return Err(format!("sent {}, expected {}", out.escape_ascii(), shown(&expected)));
        }
        Ok(Verdict::Accepted)
    }
}

/// The target as the exchange makes it: the canonical path and the query.
fn target(input: &[u8], head: &RequestHead) -> Option<Vec<u8>> {
    let path = head.path.of(input);
    if head.form == TargetForm::Asterisk {
        return Some(b"*".to_vec());
    }
    let mut out = Vec::new();
    if canonicalise(path, &mut out).ok()? == Canonical::Already {
        out.extend_from_slice(path);
    }
    if let Some(query) = head.query {
        out.push(b'?');
        out.extend_from_slice(query.of(input));
    }
    Some(out)
}

/// True for what each gateway writes itself.
fn is_added(name: &[u8]) -> bool {
    let own = ["via", "forwarded", "max-forwards", "te", "connection", "x-request-id", "transfer-encoding"];
    is_forwarded(name) || own.iter().any(|own| is(name, own))
}

/// The field lines that go up for `came`.
fn expected_up(came: &Request<'_>, client: &Client<'_>, peer: IpAddr, host: &[u8]) -> Vec<Pair> {
    let mut expected = vec![pair("host", host)];
    let counts_hops = came.method == b"OPTIONS" || came.method == b"TRACE";
    let replaced = ["host", "x-request-id", "x-real-ip", "forwarded"];
    let named = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
    for field in &came.fields {
        let stays = !field.ends_here || is(field.name, "content-length");
        let is_ours = replaced.iter().chain(&named).any(|name| is(field.name, name))
            || (is_forwarded(field.name) && !client.is_trusted_peer)
            || (is(field.name, "max-forwards") && counts_hops)
            || (is(field.name, "expect") && !(came.is_11 && came.body != RequestBody::None));
        if stays && !is_ours {
            expected.push((field.name.to_vec(), field.value.to_vec()));
        }
    }
    if came.body == RequestBody::Chunked {
        expected.push(pair("transfer-encoding", b"chunked"));
    }
    if came.accepts_trailers {
        expected.extend([pair("te", b"trailers"), pair("connection", b"te")]);
    }
    if let Some(left) = counts_hops.then(|| hops_left(came)).flatten() {
        expected.push(pair("max-forwards", left.to_string().as_bytes()));
    }
    expected.extend(identity(came, client, peer));
    expected
}

/// RFC 9110 7.6.2: one number, one less.
fn hops_left(came: &Request<'_>) -> Option<u64> {
    let mut values = values(&came.fields, "max-forwards");
    let (value, None) = (values.next()?, values.next()) else { return None };
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let number: u64 = std::str::from_utf8(value).ok().filter(|_| is_number)?.parse().ok()?;
    Some(number.saturating_sub(1))
}

/// What every gateway says of itself and of the client.
fn identity(came: &Request<'_>, client: &Client<'_>, peer: IpAddr) -> Vec<Pair> {
    let chain = |name: &'static str| {
        let lines = came.fields.iter().filter(move |field| is(field.name, name) && client.is_trusted_peer);
        lines.map(|field| field.value).collect::<Vec<&[u8]>>()
    };
    let joined = |name: &'static str, own: String| {
        let mut all: Vec<&[u8]> = chain(name).into_iter().filter(|value| !value.is_empty()).collect();
        all.push(own.as_bytes());
        all.join(&b", "[..])
    };
    let mut added = vec![
        pair("via", if came.is_11 { b"1.1 gw" } else { b"1.0 gw" }),
        pair("x-forwarded-for", &joined("x-forwarded-for", peer.to_string())),
        pair("x-forwarded-proto", client.scheme.unwrap_or("http").as_bytes()),
    ];
    added.extend(client.host.or(came.host).map(|host| pair("x-forwarded-host", host)));
    if !chain("forwarded").is_empty() {
        let host = came.host.filter(|host| authority::is_authority(host));
        let host = host.map_or(String::new(), |host| format!(";host=\"{}\"", String::from_utf8_lossy(host)));
        added.push(pair("forwarded", &joined("forwarded", format!("for={peer};proto=http{host}"))));
    }
    added.push(pair("x-request-id", b"0198"));
    added
}

/// The field lines that go down for `came`.
fn expected_down(came: &Answer<'_>, is_anew: bool, id: &[u8]) -> Vec<Pair> {
    let is_bodiless = came.status < 200 || came.status == 204;
    let stays = |field: &&Field<'_>| match field.name {
        name if is(name, "content-length") => !is_bodiless,
        name if is(name, "x-request-id") => id.is_empty() && !field.ends_here,
        _ => !field.ends_here,
    };
    let mut expected: Vec<Pair> =
        came.fields.iter().filter(stays).map(|field| (field.name.to_vec(), field.value.to_vec())).collect();
    let has_date = expected.iter().any(|(name, _)| is(name, "date"));
    if is_anew {
        expected.push(pair("transfer-encoding", b"chunked"));
    }
    if !has_date && came.status >= 200 {
        expected.push(pair("date", b"Sun, 06 Nov 1994 08:49:37 GMT"));
    }
    expected.push(pair("via", if came.is_11 { b"1.1 gw" } else { b"1.0 gw" }));
    expected.extend((!id.is_empty()).then(|| pair("x-request-id", id)));
    expected
}

fn pair(name: &str, value: &[u8]) -> Pair {
    (name.as_bytes().to_vec(), value.to_vec())
}

fn pairs(fields: &[Field<'_>]) -> Vec<Pair> {
    fields.iter().map(|field| (field.name.to_vec(), field.value.to_vec())).collect()
}

fn shown(pairs: &[Pair]) -> String {
    let shown = pairs.iter().map(|(name, value)| format!("{}: {}", name.escape_ascii(), value.escape_ascii()));
    shown.collect::<Vec<_>>().join(" | ")
}
