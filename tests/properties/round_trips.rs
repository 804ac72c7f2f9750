//! What is written reads as what was meant: answers and bodies made at random, encoded, parsed, and forwarded.
//! Requests are in `wire::random`; heads as the gateway forwards them, damaged ones too, in `fuzzing::forward`.

use proptest::prelude::*;
use ringway::plan::FieldEdits;
use ringway::policy::outgoing::{Connection, Downward, DownwardFraming};
use ringway::proto::h1::chunked::Decoder;
use ringway::proto::h1::encode::{CHUNK_END, LAST_CHUNK, push_chunk_header};
use ringway::proto::h1::parse::{self, HeadLimits, Progress};
use ringway::proto::head::{AnswerBody, AnswerHead};
use ringway::proto::path::{Canonical, canonicalise, is_canonical};

const LIMITS: HeadLimits = HeadLimits { bytes: 32 * 1024, lines: 100, target_bytes: 8 * 1024 };

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_good_answer_is_read_and_forwarded_as_it_was_meant(answer in good_answer()) {
        let read = Read::of(&answer.wire());
        prop_assert_eq!((read.status, &read.reason), (answer.status, &answer.reason));
        prop_assert_eq!(&read.lasting, &answer.fields);
        let forwarded = Read::of(&read.forwarded);
        prop_assert_eq!((forwarded.status, &forwarded.reason), (answer.status, &answer.reason));
        prop_assert_eq!(&forwarded.lasting[..answer.fields.len()], &answer.fields[..]);
        let nominated = |(name, _): &(String, Vec<u8>)| name == NOMINATED || name == "keep-alive";
        prop_assert!(!forwarded.all.iter().any(nominated), "{:?}", forwarded.all);
        // What went through one gateway goes through another as it is, but for what each adds.
        let again = Read::of(&forwarded.forwarded);
        prop_assert_eq!(&again.lasting[..answer.fields.len()], &answer.fields[..]);
        prop_assert_eq!(again.body, forwarded.body);
    }

    #[test]
    fn a_body_survives_any_chunks(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..6),
        sizes in prop::collection::vec(1..200_usize, 1..6),
        trailers in prop::collection::vec(("x-[a-z]{1,8}", "[!-~]{0,20}"), 0..4),
    ) {
        let body = pieces.concat();
        let section: String = trailers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let first = chunked(pieces.iter().map(Vec::as_slice), section.as_bytes());
        let (payload, kept) = decoded(first);
        prop_assert_eq!(&payload, &body);
        prop_assert_eq!(kept.as_slice(), section.as_bytes());
        // Written anew in other sizes, as a body is that is forwarded.
        let mut rest = body.as_slice();
        let mut others = Vec::new();
        for size in sizes.iter().cycle() {
            let Some((piece, behind)) = rest.split_at_checked(*size) else { break };
            others.push(piece);
            rest = behind;
        }
        others.extend((!rest.is_empty()).then_some(rest));
        prop_assert_eq!(decoded(chunked(others.into_iter(), &kept)), (body, kept));
    }

    #[test]
    fn a_canonical_path_is_a_fixed_point(path in "(/([a-zA-Z0-9._~;=%{|-]|%2[eEfF]|%[46][1-9a]|\\.\\.?|%c3%a9){0,6}){0,6}") {
        let mut form = Vec::new();
        match canonicalise(path.as_bytes(), &mut form) {
            Err(_) => prop_assert!(!is_canonical(path.as_bytes())),
            Ok(Canonical::Already) => prop_assert!(is_canonical(path.as_bytes()) && form.is_empty()),
            Ok(Canonical::Written) => {
                prop_assert!(is_canonical(&form));
                prop_assert_eq!(canonicalise(&form, &mut Vec::new()), Ok(Canonical::Already));
            }
        }
    }
}

/// A field that every made answer nominates in `Connection`.
const NOMINATED: &str = "x-of-this-hop";

/// Name in lower case and value.
type Pair = (String, Vec<u8>);

/// An answer as an upstream means it.
#[derive(Clone, Debug)]
struct Meant {
    status: u16,
    reason: Vec<u8>,
    fields: Vec<Pair>,
    /// `None`: chunked.
    length: Option<u64>,
}

prop_compose! {
    fn good_answer()(
        status in prop::sample::select(vec![200_u16, 201, 206, 301, 304, 404, 499, 503, 599]),
        reason in prop::collection::vec(prop_oneof![b' '..=b'~', 0x80..=0xff_u8], 0..20),
        fields in prop::collection::vec(("x-[a-z0-9!#$&'*+^`|~.]{1,10}", "([!-~]([ -~\t]{0,20}[!-~])?)?"), 0..12),
        length in prop::option::of(1..u64::MAX / 2),
    ) -> Meant {
        let fields = fields.into_iter().map(|(name, value)| (name, value.into_bytes()));
        Meant { status, reason, fields: fields.filter(|(name, _)| name != NOMINATED).collect(), length }
    }
}

impl Meant {
    fn wire(&self) -> Vec<u8> {
        let mut wire = format!("HTTP/1.1 {} ", self.status).into_bytes();
        wire.extend_from_slice(&self.reason);
        wire.extend(format!("\r\nConnection: keep-alive, {NOMINATED}\r\nKeep-Alive: x\r\n").bytes());
        for (name, value) in &self.fields {
            wire.extend(format!("{}: \t", name.to_uppercase()).bytes());
            wire.extend_from_slice(value);
            wire.extend(format!(" \r\n{}: 1\r\n", NOMINATED.to_uppercase()).bytes());
        }
        match self.length {
            Some(length) => wire.extend(format!("Content-Length: {length}\r\n\r\n").bytes()),
            None => wire.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n"),
        }
        wire
    }
}

/// An answer as it was read, and as it leaves.
#[derive(Debug)]
struct Read {
    status: u16,
    reason: Vec<u8>,
    body: AnswerBody,
    /// All field lines.
    all: Vec<Pair>,
    /// Those that do not end at this hop.
    lasting: Vec<Pair>,
    /// What the gateway writes.
    forwarded: Vec<u8>,
}

impl Read {
    fn of(wire: &[u8]) -> Self {
        let mut head = AnswerHead::default();
        let progress = parse::answer(wire, 0, &LIMITS, false, &mut head);
        assert_eq!(progress, Ok(Progress::Complete), "{}", wire.escape_ascii());
        let pair = |line: &ringway::proto::head::Line| {
            let name = String::from_utf8(line.name.of(wire).to_ascii_lowercase()).expect("a token is ASCII");
            (name, line.value.of(wire).to_vec())
        };
        Self {
            status: head.status,
            reason: head.reason.of(wire).to_vec(),
            body: head.body,
            all: head.lines.iter().map(pair).collect(),
            lasting: head.lines.iter().filter(|line| !line.hop).map(pair).collect(),
            forwarded: forwarded(wire, &head),
        }
    }
}

fn forwarded(wire: &[u8], head: &AnswerHead) -> Vec<u8> {
    let is_chunked = head.body == AnswerBody::Chunked;
    let mut out = Vec::new();
    Downward {
        head,
        bytes: wire,
        framing: if is_chunked { DownwardFraming::Chunked } else { DownwardFraming::AsAnnounced },
        pseudonym: "gw",
        via: "1.1",
        date: b"Sun, 06 Nov 1994 08:49:37 GMT",
        id: b"0198",
        connection: Connection::Implied,
        upgrade: b"",
        edits: &FieldEdits::default(),
        fill: &|_, _| {},
    }
    .write(&mut out);
    out
}

fn chunked<'p>(pieces: impl Iterator<Item = &'p [u8]>, trailers: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for piece in pieces {
        push_chunk_header(piece.len() as u64, &mut wire);
        wire.extend_from_slice(piece);
        wire.extend_from_slice(CHUNK_END);
    }
    [&wire, LAST_CHUNK, trailers, b"\r\n"].concat()
}

/// Payload and trailers of a body that is all there.
fn decoded(mut wire: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    let mut decoder = Decoder::default();
    let decoded = decoder.decode(&mut wire).expect("a good body");
    assert!(decoded.is_done && decoded.consumed == wire.len());
    wire.truncate(decoded.payload);
    (wire, decoder.trailers)
}
