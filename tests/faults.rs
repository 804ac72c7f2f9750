//! Upstream faults under load: one endpoint of three misbehaves, and no answer is lost, doubled, or complete to look at
//! when it is not.
//!
//! Each fault is met by GET and by POST, from 32 clients at the same time: with a kept connection of HTTP/1.1 each, and
//! with eight streams of HTTP/2 on each of four. Every request and every answer is tagged to the last byte (`tagged`),
//! so the clients (`client`, `h2_client`) can say what became of each, and the fault says what may: an error or a
//! visible cut where the answer broke, and nothing at all where another endpoint had to be asked. Here are the endpoints
//! that speak HTTP/1.1 (`fault`), in `h2` those that speak HTTP/2.
//!
//! This is the short form; `scripts/faults` runs thousands of requests per cell against a released binary
//! (`FAULTS_REQUESTS`, `FAULTS_RATE`, `FAULTS_SECONDS`, `RINGWAY_BINARY`) and prints the rows as a table.

mod cell;
mod client;
mod fault;
mod h2;
mod h2_client;
mod tagged;

use std::fmt::Debug;
use std::sync::Arc;

use cell::Speaks;
use client::{Client, Outcome};
use fault::Fault;
use tagged::{Ledger, Tag, Way, chunks};

use super::support::Origin;

/// What is wrong with one endpoint, in one protocol.
trait Trouble: Copy + Debug + Send + Sync {
    /// The upstream's `protocol`.
    const PROTOCOL: &'static str;

    /// An endpoint with which nothing is wrong.
    fn good(ledger: &Arc<Ledger>) -> Origin;

    /// The faulty endpoint.
    fn origin(self, ledger: &Arc<Ledger>) -> Origin;

    /// True when no origin is there that could tell how often it happened.
    fn is_silent(self) -> bool;

    /// Timeouts that make it show soon, and change nothing for others.
    fn timeouts(self) -> &'static str;

    /// With which statuses a request may be refused, and whether its answer may be cut.
    ///
    /// Where no byte of an answer came, only what cannot be repeated may fail; where an answer broke, the client must
    /// see it; where an answer was whole but its connection was not, nobody may notice.
    fn may_fail(self, method: &str) -> (&'static [u16], bool);

    /// True when it leaves out requests that came, so that they have to go elsewhere, whatever their method.
    fn leaves_out(self) -> bool {
        false
    }

    /// True when `outcome`, of a request that any of the endpoints may have had, is as it must be. `is_held` says that
    /// the gateway cannot have let go of any of the request before its answer.
    fn allows(self, method: &str, is_held: bool, outcome: &Outcome) -> bool {
        let (statuses, is_cut) = self.may_fail(method);
        match outcome {
            Outcome::Whole => true,
            // A body is not kept, so it cannot be sent again.
            Outcome::Refused(502) if self.leaves_out() && !is_held => true,
            Outcome::Refused(status) => statuses.contains(status),
            Outcome::Cut => is_cut,
            Outcome::Lost(_) | Outcome::False(_) | Outcome::Foreign(_) => false,
        }
    }
}

/// Runs the cells of a fault, prints their rows and fails when something went wrong in one.
fn withstand<T: Trouble>(trouble: T) {
    let upstream = T::PROTOCOL;
    for (speaks, client) in [(Speaks::Http1, "http/1.1"), (Speaks::Http2, "h2c")] {
        for method in ["GET", "POST"] {
            let tally = cell::run(trouble, method, speaks);
            let name = format!("{trouble:?}");
            println!("faults: {name:18} | {client:8} | {upstream:8} | {method:4} | {tally}");
            tally.check(&format!("{name} {client} {upstream} {method}"));
        }
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
    assert!(!Fault::Refuses.allows("POST", false, &refused));
    assert!(!Fault::ClosesAtOnce.allows("GET", true, &refused) && Fault::ClosesAtOnce.allows("POST", true, &refused));
    assert!(!Fault::ClosesInHead.allows("GET", true, &Outcome::Cut));
    assert!(Fault::ClosesInBody.allows("GET", true, &Outcome::Cut));
    assert!(!Fault::Garbage.allows("GET", true, &Outcome::Refused(504)));
    assert!(!h2::Fault::GoawayCalm.allows("POST", true, &refused));
    assert!(h2::Fault::GoawayCalm.allows("POST", false, &refused));
}
