//! Chunked bodies against the model, whole and in pieces, and written anew.

use ringway::proto::h1::chunked::Decoder;
use ringway::proto::h1::encode::{CHUNK_END, LAST_CHUNK, push_chunk_header};

use super::corpus;
use super::driver::{Outcome, Target, Verdict};
use super::head::cuts;
use super::model::chunked::{Chunked, chunked};
use crate::tables::Random;

/// What edits put into bodies.
const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b";",
    b"0\r\n\r\n",
    b"\r\n0\r\n\r\n",
    b"1\r\na\r\n",
    b"5\r\nhello\r\n",
    b"0000000000000001\r\na\r\n",
    b"00000000000000001\r\na\r\n",
    b"ffffffffffffffff\r\n",
    b"7fffffffffffffff\r\n",
    b"1;a=\"b\"\r\na\r\n",
    b";aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    b"0x1",
    b"+1",
    b" 1",
    b"0\r\n",
    b"X-A: b\r\n",
    b"Content-Length: 1\r\n",
    b"Transfer_Encoding: chunked\r\n",
    b"X-Forwarded-For: 1\r\n",
    b"Set-Cookie: a=b\r\n",
    b" folded\r\n",
    b"X : a\r\n",
    b": a\r\n",
    b"\x00",
    b"\x7f",
    b"\x80",
];

pub fn run() {
    let target = Target { name: "chunked", slice: 40_000, seeds: corpus::chunked_bodies(), words: WORDS };
    let mut decoder = Decoder::default();
    let mut room = Vec::new();
    target.run(|input, random| check(input, random, &mut decoder, &mut room));
}

fn check(input: &[u8], random: &mut Random, decoder: &mut Decoder, room: &mut Vec<u8>) -> Outcome {
    let expected = chunked(input);
    for cuts in [Vec::new(), cuts(input.len(), random)] {
        let found = decode(input, &cuts, decoder, room);
        let is_right = match (&expected, &found) {
            // Decided before its end: then no end may make it good.
            (Chunked::Open, Chunked::Bad) => is_hopeless(input),
            (expected, found) => expected == found,
        };
        if !is_right {
            return Err(format!("{found:?} where the rules say {expected:?} (cut at {cuts:?})"));
        }
    }
    let Chunked::Whole { payload, trailers, .. } = expected else { return Ok(Verdict::Refused) };
    let anew = encode(&payload, &trailers, random);
    match chunked(&anew) {
        Chunked::Whole { payload: again, trailers: kept, bytes }
            if again == payload && kept == trailers && bytes == anew.len() =>
        {
            Ok(Verdict::Accepted)
        }
        other => Err(format!("written anew as {}, it is {other:?}", anew.escape_ascii())),
    }
}

/// What the decoder makes of `input`.
fn decode(input: &[u8], cuts: &[usize], decoder: &mut Decoder, room: &mut Vec<u8>) -> Chunked {
    decoder.reset();
    let mut payload = Vec::new();
    let mut bytes = 0;
    let mut start = 0;
    for end in cuts.iter().copied().chain([input.len()]) {
        room.clear();
        room.extend_from_slice(&input[start..end]);
        let Ok(decoded) = decoder.decode(room) else { return Chunked::Bad };
        payload.extend_from_slice(&room[..decoded.payload]);
        bytes += decoded.consumed;
        if decoded.is_done {
            return Chunked::Whole { payload, trailers: decoder.trailers.clone(), bytes };
        }
        assert_eq!(decoded.consumed, end - start, "an unfinished body takes all there is");
        start = end;
    }
    Chunked::Open
}

fn is_hopeless(input: &[u8]) -> bool {
    let ends: [&[u8]; 8] = [
        b"\r\n\r\n",
        b"\n\r\n",
        b"\r\n0\r\n\r\n",
        b"\n0\r\n\r\n",
        b"0\r\n\r\n",
        b"\r\na\r\n0\r\n\r\n",
        b"a\r\n0\r\n\r\n",
        b"a: b\r\n\r\n",
    ];
    let is_good = |end: &&[u8]| matches!(chunked(&[input, *end].concat()), Chunked::Whole { .. });
    !ends.iter().any(is_good)
}

/// `payload` in chunks of other sizes.
fn encode(payload: &[u8], trailers: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + trailers.len() + 64);
    for piece in payload.chunks(1 + random.below(64)) {
        push_chunk_header(piece.len() as u64, &mut out);
        out.extend_from_slice(piece);
        out.extend_from_slice(CHUNK_END);
    }
    out.extend_from_slice(LAST_CHUNK);
    out.extend_from_slice(trailers);
    out.extend_from_slice(b"\r\n");
    out
}
