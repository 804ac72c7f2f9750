//! Messages in pieces: every prefix of a good one waits for more, and every way of cutting ends in the same facts.

use std::net::IpAddr;

use ringway::plan::cidr::CidrSet;
use ringway::policy::client::identify;
use ringway::proto::h1::chunked::{ChunkError, Decoder};
use ringway::proto::h1::parse::{self, HeadLimits, Progress};
use ringway::proto::head::{AnswerHead, Known, RequestHead};

use crate::fuzzing::{answer, corpus, head};

const LIMITS: HeadLimits = HeadLimits { bytes: 4_096, lines: 64, target_bytes: 1_024 };

const REQUESTS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET",
    b"\r\n\r\nGET /a%2Fb?c=d?e HTTP/1.1\r\nhost:[2001:db8::1]:443\r\nX:\r\nY: \t a b \t\r\n\r\nbody",
    b"POST http://B.example:80/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close, X-A,,te\r\nX-A: 1\r\nTE: trailers\r\n\r\n",
    b"PUT /caf\xc3\xa9 HTTP/1.0\r\nConnection: keep-alive\r\nX: \xff\x80\r\n\r\n",
    b"BREW / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n0\r\n",
];

const ANSWERS: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: x\r\n\r\nhello",
    b"HTTP/1.0 404\r\n\r\n",
    b"HTTP/1.1 503 Tr\xe8s occup\xe9\r\nConnection: close, X-A\r\nX-A: 1\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 204 \r\nContent-Length: 0\r\n\r\n",
];

#[test]
fn a_good_request_waits_for_its_end_and_then_is_the_same_however_it_came() {
    for wire in REQUESTS {
        let mut whole = RequestHead::default();
        assert_eq!(parse::request(wire, 0, &LIMITS, &mut whole), Ok(Progress::Complete), "{}", wire.escape_ascii());
        every_way(wire, whole.bytes, |bytes, seen| {
            let mut found = RequestHead::default();
            let progress = parse::request(bytes, seen, &LIMITS, &mut found).expect("no prefix is refused");
            let is_whole = progress == Progress::Complete;
            is_whole.then(|| assert_eq!(head::as_read(bytes, &found), head::as_read(wire, &whole))).is_some()
        });
    }
}

#[test]
fn a_good_answer_waits_for_its_end_and_then_is_the_same_however_it_came() {
    for wire in ANSWERS {
        let mut whole = AnswerHead::default();
        assert_eq!(parse::answer(wire, 0, &LIMITS, false, &mut whole), Ok(Progress::Complete));
        every_way(wire, whole.bytes, |bytes, seen| {
            let mut found = AnswerHead::default();
            let progress = parse::answer(bytes, seen, &LIMITS, false, &mut found).expect("no prefix is refused");
            let is_whole = progress == Progress::Complete;
            is_whole.then(|| assert_eq!(answer::as_read(bytes, &found), answer::as_read(wire, &whole))).is_some()
        });
    }
}

/// Shows `read` the bytes in every two and three pieces, and byte by byte: it must want more until the head's `end` is
/// there, and no more then.
fn every_way(wire: &[u8], end: usize, read: impl Fn(&[u8], usize) -> bool) {
    for first in 0..wire.len() {
        assert_eq!(read(&wire[..first], 0), first >= end, "{first} of {}", wire.escape_ascii());
        // What was complete is not asked about again.
        let seen = if first < end { first } else { 0 };
        assert!(read(wire, seen), "{} behind {first}", wire.escape_ascii());
        for second in (first..end).step_by(3) {
            assert!(!read(&wire[..second], seen.min(second)), "{first} and {second} of {}", wire.escape_ascii());
            assert!(read(wire, second));
        }
    }
    for length in 1..=end {
        assert_eq!(read(&wire[..length], length - 1), length == end);
    }
}

#[test]
fn what_a_head_is_refused_for_does_not_depend_on_how_it_came() {
    for wire in corpus::requests().into_iter().filter(|wire| wire.len() < 200) {
        let mut found = RequestHead::default();
        let Err(whole) = parse::request(&wire, 0, &LIMITS, &mut found) else { continue };
        for first in 0..wire.len() {
            match parse::request(&wire[..first], 0, &LIMITS, &mut found) {
                Ok(Progress::Complete) => panic!("{first} of {} are complete", wire.escape_ascii()),
                Err(early) => assert!(early.kind.row().status >= 400),
                Ok(Progress::Partial) => {
                    let late = parse::request(&wire, first, &LIMITS, &mut found);
                    // A head without an end may wait for it when it drips in.
                    let is_unfinished = !wire.windows(4).any(|window| window == b"\r\n\r\n");
                    assert!(
                        late == Err(whole) || late.is_err() || (is_unfinished && late == Ok(Progress::Partial)),
                        "{late:?} behind {first} of {}",
                        wire.escape_ascii()
                    );
                }
            }
        }
    }
}

/// Payload, trailers, bytes used up, and whether the end was there.
type Body = (Vec<u8>, Vec<u8>, usize, bool);

fn decode(pieces: &[&[u8]]) -> Result<Body, ChunkError> {
    let mut decoder = Decoder::default();
    let (mut payload, mut used) = (Vec::new(), 0);
    for piece in pieces {
        let mut room = piece.to_vec();
        let decoded = decoder.decode(&mut room)?;
        payload.extend_from_slice(&room[..decoded.payload]);
        used += decoded.consumed;
        if decoded.is_done {
            return Ok((payload, decoder.trailers, used, true));
        }
    }
    Ok((payload, Vec::new(), used, false))
}

#[test]
fn every_chunked_fixture_is_the_same_body_or_the_same_error_at_every_split() {
    let mut good = 0;
    for wire in corpus::chunked_bodies().into_iter().filter(|wire| wire.len() < 400) {
        let whole = decode(&[&wire]);
        let single: Vec<&[u8]> = wire.chunks(1).collect();
        assert_eq!(decode(&single), whole, "byte by byte: {}", wire.escape_ascii());
        for first in 0..=wire.len() {
            let (front, back) = wire.split_at(first);
            assert_eq!(decode(&[front, back]), whole, "{first} of {}", wire.escape_ascii());
            let middle = back.len() / 2;
            assert_eq!(decode(&[front, &back[..middle], &back[middle..]]), whole);
            let prefix = decode(&[front]);
            if let Ok((payload, _, used, is_done)) = &whole {
                let (begun, _, came, is_early) = prefix.expect("no prefix of a good body is refused");
                assert!(payload.starts_with(&begun) && came <= *used);
                assert_eq!(is_early, *is_done && first >= *used, "{first} of {}", wire.escape_ascii());
            }
        }
        good += usize::from(whole.is_ok_and(|(.., is_done)| is_done));
    }
    assert!(good > 10, "{good} good bodies");
}

/// RFC 9110 5.3: lines of one name are one list, wherever it is cut between members.
#[test]
fn hops_in_several_lines_are_hops_in_one() {
    let trusted = CidrSet::new(vec![([10, 0, 0, 0].into(), 8)]);
    let peer: IpAddr = [10, 0, 0, 1].into();
    for (known, list) in [
        (Known::XForwardedFor, "6.6.6.6, 192.0.2.1:80 ,, [2001:db8::1], 10.0.0.3,10.0.0.2"),
        (Known::XForwardedFor, "192.0.2.1, evil, 10.0.0.2"),
        (
            Known::Forwarded,
            "for=6.6.6.6;host=a;proto=http, For=\"[2001:db8::1]:443\";proto=https;host=\"b:1\", for=10.0.0.2",
        ),
        (Known::Forwarded, "for=192.0.2.1;ext=\"x\", for=_hidden, for=\"10.0.0.4:_p\""),
        (Known::Forwarded, "for=192.0.2.1, for, for=10.0.0.2"),
    ] {
        let whole = identify(peer, &trusted, [(known, list.as_bytes())].into_iter());
        let commas = list.match_indices(',').map(|(at, _)| at);
        for comma in commas {
            let lines = [(known, &list.as_bytes()[..comma]), (known, &list.as_bytes()[comma + 1..])];
            assert_eq!(identify(peer, &trusted, lines.into_iter()), whole, "cut at {comma}: {list}");
        }
        for end in 0..=list.len() {
            // A list that was cut off says less, never something else: an address of the list, or the peer's.
            let found = identify(peer, &trusted, [(known, &list.as_bytes()[..end])].into_iter());
            let text = found.address.to_string();
            let is_prefix = list
                .match_indices(['=', '"', '[', ' ', ','])
                .any(|(at, _)| list[at + 1..].starts_with(&text) || list.starts_with(&text));
            assert!(!found.is_told || is_prefix, "{end} of {list}: {text}");
        }
    }
}
