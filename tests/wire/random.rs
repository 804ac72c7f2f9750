//! Messages nobody thought of: valid ones at random, which must come through whole, and fixtures damaged at random,
//! which must never panic and whose verdict must never depend on how they are cut.

use proptest::prelude::*;
use ringway::proto::h1::encode::{BODY_END, CHUNK_END, push_chunk_header, push_decimal};

use super::fixture::{Case, load};
use super::parser::{Arrived, Seen, play_answer, play_request};
use crate::tables::Random;

/// Damaged fixtures per run; each is played whole and cut.
const DAMAGED: u64 = 10_000;

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_encoded_is_parsed_to_itself(samples in proptest::collection::vec(sample(), 1..4), cut in 0.0..1.0_f64) {
        let wire: Vec<u8> = samples.iter().flat_map(|sample| sample.wire.clone()).collect();
        let cut = (wire.len() as f64 * cut) as usize;
        let seen = play_request(&wire, &[cut]);
        prop_assert!(seen.iter().all(|seen| seen.verdict == "accept"), "{seen:?}");
        let arrived: Vec<Arrived> = seen.into_iter().flat_map(|seen| seen.arrived).collect();
        let sent: Vec<Arrived> = samples.into_iter().map(|sample| sample.message).collect();
        prop_assert_eq!(arrived, sent);
    }
}

/// A valid request and its bytes.
#[derive(Clone, Debug)]
struct Sample {
    wire: Vec<u8>,
    message: Arrived,
}

prop_compose! {
    fn sample()(
        method in "[A-Z]{1,12}".prop_filter("CONNECT is refused", |method| method != "CONNECT"),
        path in "(/[a-z0-9_~-]{1,8}){1,4}",
        query in proptest::option::of("[a-z0-9=&%?/]{0,20}"),
        fields in proptest::collection::vec(("x-[a-z0-9!#$&'*+^`|~.]{1,10}", "([!-~]([ -~\t]{0,20}[!-~])?)?"), 0..12),
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..5),
        is_chunked in any::<bool>(),
    ) -> Sample {
        let target = query.map_or(path.clone(), |query| format!("{path}?{query}"));
        let mut wire = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n").into_bytes();
        let mut message = Arrived { start: format!("{method} {target}").into_bytes(), ..Arrived::default() };
        message.fields.push(("host".to_owned(), b"a".to_vec()));
        for (name, value) in fields {
            wire.extend(format!("{}: \t{value} \r\n", name.to_uppercase()).bytes());
            message.fields.push((name, value.into_bytes()));
        }
        message.payload = pieces.concat();
        encode_body(&pieces, is_chunked, &mut wire);
        Sample { wire, message }
    }
}

/// Appends the framing field, the empty line and the body.
fn encode_body(pieces: &[Vec<u8>], is_chunked: bool, wire: &mut Vec<u8>) {
    if is_chunked {
        wire.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        for piece in pieces {
            push_chunk_header(piece.len() as u64, wire);
            wire.extend_from_slice(piece);
            wire.extend_from_slice(CHUNK_END);
        }
        wire.extend_from_slice(BODY_END);
    } else {
        wire.extend_from_slice(b"Content-Length: ");
        push_decimal(pieces.iter().map(|piece| piece.len() as u64).sum(), wire);
        wire.extend_from_slice(b"\r\n\r\n");
        wire.extend(pieces.iter().flatten());
    }
}

#[test]
fn damaged_requests_never_panic_and_never_depend_on_how_they_are_cut() {
    try_damaged("requests", |case, cuts| play_request(&case.bytes, cuts));
}

#[test]
fn damaged_answers_never_panic_and_never_depend_on_how_they_are_cut() {
    try_damaged("answers", play_answer);
}

fn try_damaged(directory: &str, play: impl Fn(&Case, &[usize]) -> Vec<Seen>) {
    let mut cases = load(directory);
    cases.retain(|case| case.bytes.len() < 2_000);
    for seed in 0..DAMAGED {
        let mut random = Random::new(seed);
        let mut case = cases[random.below(cases.len())].clone();
        let cuts = damage(&mut case.bytes, &mut random);
        if outline(&play(&case, &[])) != outline(&play(&case, &cuts)) {
            // A head without end that came at once may be refused at once, while a dripping one waits for its end.
            case.bytes.extend_from_slice(b"\r\n\r\n");
        }
        let (whole, cut) = (play(&case, &[]), play(&case, &cuts));
        assert_eq!(outline(&whole), outline(&cut), "seed {seed}, cut at {cuts:?}: {}", case.bytes.escape_ascii());
    }
}

/// What must not depend on cuts: what arrives, and whether the rest is refused. Which of two faults comes first may.
fn outline(seen: &[Seen]) -> Vec<(&str, &[Arrived])> {
    let word = |seen: &Seen| seen.verdict.find(' ').unwrap_or(seen.verdict.len());
    seen.iter().map(|seen| (&seen.verdict[..word(seen)], seen.arrived.as_slice())).collect()
}

/// Changes, inserts, removes or repeats a few bytes, with a liking for those that mean something. Returns some cuts.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) -> Vec<usize> {
    const MEANINGFUL: &[u8] = b"\r\n\0 \t:;,/?#%*@[]\"0159afxX\x0b\x7f\x80\xff";
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len() + 1);
        let byte = MEANINGFUL[random.below(MEANINGFUL.len())];
        match random.below(5) {
            0 => bytes.insert(at, byte),
            1 if at < bytes.len() => bytes[at] = byte,
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 => bytes.truncate(at.max(1)),
            _ => {
                let piece = bytes[at..bytes.len().min(at + 1 + random.below(20))].to_vec();
                let to = random.below(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
        }
    }
    let mut cuts: Vec<usize> = (0..random.below(4)).map(|_| random.below(bytes.len() + 1)).collect();
    cuts.sort_unstable();
    cuts
}
