//! Wire fixtures: bytes on a connection and what the gateway must make of them (`tests/wire/README.md`).
//!
//! Every case is played against the parser alone, whole, byte by byte and cut in two everywhere. Over sockets the same
//! cases run between a raw client, the gateway and an origin that forgives nothing: see `live`.

/// Reads the fixtures.
pub mod fixture;
/// Plays them over sockets.
mod live;
/// Plays them against the parser.
mod parser;
/// Valid and damaged messages at random.
mod random;
/// Each comes from somewhere.
mod sources;

use fixture::{Case, load};
use parser::{Seen, play_answer, play_request};

#[test]
fn there_are_enough_cases_and_each_has_its_own_name() {
    let (requests, answers) = (load("requests"), load("answers"));
    assert!(requests.len() >= 400, "{} requests", requests.len());
    assert!(answers.len() >= 220, "{} answers", answers.len());
    let mut names: Vec<&str> = requests.iter().chain(&answers).map(|case| case.place.as_str()).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn every_request_gets_its_verdict_however_it_is_cut() {
    let mut failures = Vec::new();
    for case in load("requests") {
        failures.extend(check(&case, |cuts| play_request(&case.bytes, cuts)));
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_answer_gets_its_verdict_however_it_is_cut() {
    let mut failures = Vec::new();
    for case in load("answers") {
        failures.extend(check(&case, |cuts| play_answer(&case, cuts)));
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn no_prefix_of_a_request_is_taken_for_more_than_it_is() {
    for case in load("requests") {
        let whole = play_request(&case.bytes, &[]);
        for length in prefixes(case.bytes.len()) {
            let part = play_request(&case.bytes[..length], &[]);
            let place = format!("{} up to {length}", case.place);
            for (seen, whole) in part.iter().zip(&whole) {
                let is_on_its_way = seen.verdict == "wait";
                assert!(seen.verdict == whole.verdict || is_on_its_way, "{place}: {} {}", seen.verdict, whole.verdict);
                assert!(seen.arrived == whole.arrived || is_on_its_way, "{place}");
            }
            assert!(part.len() <= whole.len(), "{place}");
        }
    }
}

#[test]
fn no_prefix_of_a_good_answer_is_refused() {
    let is_good = |case: &Case| case.verdicts[0].starts_with("pass");
    for mut case in load("answers").into_iter().filter(is_good) {
        case.closes = false;
        let bytes = std::mem::take(&mut case.bytes);
        for length in prefixes(bytes.len()) {
            case.bytes = bytes[..length].to_vec();
            let seen = play_answer(&case, &[]);
            let verdict = seen[0].verdict.as_str();
            assert!(!matches!(verdict, "fail" | "refuse"), "{} up to {length}: {seen:?}", case.place);
        }
    }
}

/// Plays `case` in every way of cutting; the first way that goes wrong is reported.
fn check(case: &Case, play: impl Fn(&[usize]) -> Vec<Seen>) -> Option<String> {
    let whole = play(&[]);
    if let Err(what) = case.judge(&whole) {
        return Some(format!("{}: {what}", case.place));
    }
    let length = case.bytes.len();
    let single: Vec<usize> = (1..length).collect();
    let ways = std::iter::once(single).chain(prefixes(length).map(|cut| vec![cut]));
    for cuts in ways {
        let seen = play(&cuts);
        if seen != whole {
            let cuts = &cuts[..cuts.len().min(3)];
            return Some(format!("{}: cut at {cuts:?}… it is {seen:?}, whole it is {whole:?}", case.place));
        }
    }
    None
}

/// Every length below `whole`; of very long cases, those near both ends and some between.
fn prefixes(whole: usize) -> impl Iterator<Item = usize> {
    (0..whole).filter(move |length| *length < 300 || whole - length < 50 || length % 1_009 == 0)
}
