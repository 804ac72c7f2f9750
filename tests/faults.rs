//! Upstream faults under load: one endpoint of three misbehaves, and no answer is lost, doubled, or complete to look at
//! when it is not.
//!
//! Each fault is met by GET and by POST, from 32 kept connections at the same time. Every request and every answer is
//! tagged to the last byte (`tagged`), so the client (`client`) can say what became of each, and `fault` says what
//! may: an error or a visible cut where the answer broke, and nothing at all where another endpoint had to be asked.
//!
//! This is the short form; `scripts/faults` runs thousands of requests per cell against a released binary
//! (`FAULTS_REQUESTS`, `FAULTS_RATE`, `FAULTS_SECONDS`, `RINGWAY_BINARY`) and prints the rows as a table.

mod cell;
mod client;
mod fault;
mod tagged;

use client::{Client, Outcome};
use fault::Fault;
use tagged::{Ledger, Tag, Way, chunks};

use super::support::Origin;

/// Runs both cells of a fault, prints their rows and fails when something went wrong in one.
fn withstand(fault: Fault) {
    for method in ["GET", "POST"] {
        let tally = cell::run(fault, method);
        println!("faults: {:16} | {method:4} | {tally}", format!("{fault:?}"));
        tally.check(fault, method);
    }
}

#[test]
fn an_endpoint_that_refuses() {
    withstand(Fault::Refuses);
}

#[test]
fn an_endpoint_that_cannot_be_reached() {
    withstand(Fault::BlackHole);
}

#[test]
fn connections_closed_at_once() {
    withstand(Fault::ClosesAtOnce);
}

#[test]
fn connections_reset_at_once() {
    withstand(Fault::ResetsAtOnce);
}

#[test]
fn connections_reset_in_the_request() {
    withstand(Fault::ResetsInRequest);
}

#[test]
fn an_endpoint_that_hangs() {
    withstand(Fault::Hangs);
}

#[test]
fn a_reset_in_the_head() {
    withstand(Fault::ResetsInHead);
}

#[test]
fn a_close_in_the_head() {
    withstand(Fault::ClosesInHead);
}

#[test]
fn a_close_in_the_body() {
    withstand(Fault::ClosesInBody);
}

#[test]
fn a_reset_in_the_body() {
    withstand(Fault::ResetsInBody);
}

#[test]
fn a_close_in_a_chunk() {
    withstand(Fault::ClosesInChunk);
}

#[test]
fn a_bad_chunk_size() {
    withstand(Fault::BadChunkSize);
}

#[test]
fn a_missing_last_chunk() {
    withstand(Fault::NoLastChunk);
}

#[test]
fn garbage_for_a_status_line() {
    withstand(Fault::Garbage);
}

#[test]
fn a_head_that_drips() {
    withstand(Fault::DripsHead);
}

#[test]
fn a_body_that_drips() {
    withstand(Fault::DripsBody);
}

#[test]
fn a_length_that_is_too_long() {
    withstand(Fault::LengthTooLong);
}

#[test]
fn a_length_that_is_too_short() {
    withstand(Fault::LengthTooShort);
}

#[test]
fn two_lengths() {
    withstand(Fault::TwoLengths);
}

#[test]
fn a_length_and_chunks() {
    withstand(Fault::LengthAndChunks);
}

#[test]
fn a_second_answer_behind_the_first() {
    withstand(Fault::SecondAnswer);
}

#[test]
fn a_thousand_interim_answers() {
    withstand(Fault::InterimStorm);
}

#[test]
fn a_field_of_64_kib() {
    withstand(Fault::HugeField);
}

#[test]
fn a_head_without_end() {
    withstand(Fault::EndlessHead);
}

#[test]
fn a_switch_of_protocols_unasked() {
    withstand(Fault::Unasked101);
}

#[test]
fn a_body_after_204() {
    withstand(Fault::BodyAfter204);
}

#[test]
fn idle_connections_that_close() {
    withstand(Fault::ClosesIdle);
}

#[test]
fn idle_connections_that_close_on_the_next_request() {
    withstand(Fault::ClosesOnNext);
}

#[test]
fn connections_that_swallow_a_request() {
    withstand(Fault::SwallowsNext);
}

#[test]
fn an_answer_before_the_body_and_a_reset() {
    withstand(Fault::AnswersEarly);
}

// ------------------------------------------------------------------------------------------ the client sees it

/// What the client makes of a gateway that answers the request of tag 7 with these bytes.
fn outcome_of(answer: &[u8]) -> Outcome {
    let answer = answer.to_vec();
    let origin = Origin::playing(move |connection| {
        if connection.request().is_ok() {
            connection.send(&answer);
        }
    });
    let address = origin.authority().parse().expect("an address");
    Client::new(address).ask(Tag::new(7), "POST")
}

#[test]
fn the_client_tells_whole_answers_from_all_others() {
    let (seven, eight) = (Tag::new(7), Tag::new(8));
    let head = |tag: Tag, length: usize| {
        let text = tag.text();
        format!("HTTP/1.1 200 OK\r\nx-request-id: {text}\r\nx-tag: {text}\r\ncontent-length: {length}\r\n\r\n")
    };
    let body = seven.body(Way::Down);
    let other = eight.body(Way::Down);
    let good = head(seven, body.len()).into_bytes();
    let short = head(seven, body.len() - 1).into_bytes();
    let stranger = head(eight, other.len());
    let is_false = |outcome: &Outcome| matches!(outcome, Outcome::False(_));
    let is_foreign = |outcome: &Outcome| matches!(outcome, Outcome::Foreign(_));
    let is_lost = |outcome: &Outcome| matches!(outcome, Outcome::Lost(_));
    let is = |wanted: Outcome| move |outcome: &Outcome| *outcome == wanted;
    let text = seven.text();
    let refusal = format!("HTTP/1.1 502 x\r\nx-request-id: {text}\r\nproxy-status: r\r\ncontent-length: 2\r\n\r\n{{}}");
    let broken = String::from_utf8(good.clone()).expect("ASCII").replace("x-tag", "x-broken: 1\r\nx-tag");
    let chunked =
        format!("HTTP/1.1 200 OK\r\nx-request-id: {text}\r\nx-tag: {text}\r\ntransfer-encoding: chunked\r\n\r\n");
    type Case<'a> = (&'a [&'a [u8]], &'a dyn Fn(&Outcome) -> bool);
    let cases: &[Case<'_>] = &[
        (&[&good, &body], &is(Outcome::Whole)),
        (&[b"HTTP/1.1 103 Early Hints\r\n\r\n", &good, &body], &is(Outcome::Whole)),
        (&[chunked.as_bytes(), &chunks(&body), b"0\r\n\r\n"], &is(Outcome::Whole)),
        (&[refusal.as_bytes()], &is(Outcome::Refused(502))),
        (&[&good, &body[1..]], &is_foreign),
        (&[&good, &body[..9]], &is(Outcome::Cut)),
        (&[chunked.as_bytes(), &chunks(&body)], &is(Outcome::Cut)),
        (&[&good[..20]], &is(Outcome::Cut)),
        (&[], &is_lost),
        (&[&short, &body[..body.len() - 1]], &is_false),
        (&[chunked.as_bytes(), &chunks(&body[..9]), b"0\r\n\r\n"], &is_false),
        (&[broken.as_bytes(), &body], &is_false),
        (&[&good, &other[..9]], &is_foreign),
        (&[stranger.as_bytes(), &other], &is_foreign),
        (&[&good, &body, b"HTTP/1.1 200 OK\r\n"], &is_foreign),
        (&[chunked.as_bytes(), b"zz\r\n"], &is_false),
    ];
    for (number, (pieces, is_right)) in cases.iter().enumerate() {
        let outcome = outcome_of(&pieces.concat());
        assert!(is_right(&outcome), "case {number}: {outcome:?}");
    }
}

#[test]
fn the_ledger_counts_what_was_received_twice_and_what_was_not_sent() {
    let ledger = Ledger::default();
    for (tag, is_good) in [(1, true), (2, true), (1, true), (3, false)] {
        ledger.received(Tag::new(tag), is_good);
    }
    assert_eq!((ledger.doubled(), ledger.foreign(), ledger.faults()), (1, 1, 0));
}

#[test]
fn only_where_nothing_else_was_possible_may_a_request_fail() {
    let refused = Outcome::Refused(502);
    assert!(!Fault::Refuses.allows("POST", &refused));
    assert!(!Fault::ClosesAtOnce.allows("GET", &refused) && Fault::ClosesAtOnce.allows("POST", &refused));
    assert!(!Fault::ClosesInHead.allows("GET", &Outcome::Cut) && Fault::ClosesInBody.allows("GET", &Outcome::Cut));
    assert!(!Fault::Garbage.allows("GET", &Outcome::Refused(504)));
}
