//! Plays cases over sockets: a raw client, the gateway, and an origin that forgives nothing.
//!
//! One gateway and one origin serve all cases, one after the other, so that what one case leaves behind, another one
//! would find. A request that should reach nobody is known to have reached nobody once its connection has ended.

use std::sync::Arc;

use super::fixture::{Case, Expected, load};
use super::parser::Arrived;
use crate::support::client::Answer;
use crate::support::origin::{Connection, Request};
use crate::support::wire::{Broken, Fields};
use crate::support::{Client, Gateway, Origin, Reply};

/// How bytes are sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    AtOnce,
    /// Byte by byte; long cases are left to the other pace.
    Dripping,
}

impl Pace {
    fn suits(self, case: &Case) -> bool {
        self == Self::AtOnce || case.bytes.len() < 500
    }

    fn pieces(self, bytes: &[u8]) -> std::slice::Chunks<'_, u8> {
        bytes.chunks(if self == Self::AtOnce { bytes.len().max(1) } else { 1 })
    }
}

#[test]
fn every_request_arrives_exactly_as_it_should_or_not_at_all() {
    play_requests(Pace::AtOnce);
}

#[test]
fn every_dripping_request_arrives_exactly_as_it_should_or_not_at_all() {
    play_requests(Pace::Dripping);
}

fn play_requests(pace: Pace) {
    let origin = Origin::answering(|_| Reply::text("ok"));
    let gateway = Gateway::before(&origin);
    let mut failures = Vec::new();
    for case in load("requests").into_iter().filter(|case| pace.suits(case)) {
        let before = origin.requests().len();
        let outcome = play(&case, pace, gateway.client());
        let arrived = origin.requests().split_off(before);
        let outcome = outcome.and_then(|()| judge(&case, &arrived));
        failures.extend(outcome.err().map(|what| format!("{}: {what}", case.place)));
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// Sends the bytes and reads what the verdicts promise, then the end where there must be one.
fn play(case: &Case, pace: Pace, mut client: Client) -> Result<(), String> {
    // The gateway may refuse and close before all was sent.
    let _sent_all = pace.pieces(&case.bytes).all(|piece| client.try_send(piece));
    let mut messages = case.expected.iter();
    for verdict in &case.verdicts {
        let (word, rest) = verdict.split_once(' ').unwrap_or((verdict, ""));
        match word {
            "accept" => {
                let is_head = messages.next().is_some_and(|message| message.start.starts_with(b"HEAD "));
                expect_status(&mut client, is_head, "200")?;
                if rest == "close" {
                    expect_end(&mut client)?;
                }
            }
            "reject" => {
                expect_status(&mut client, false, rest)?;
                expect_end(&mut client)?;
            }
            "break" => expect_break(&mut client, rest)?,
            "answer" => expect_status(&mut client, false, rest)?,
            "wait" => expect_nothing(&mut client)?,
            other => return Err(format!("what does {other:?} mean?")),
        }
    }
    Ok(())
}

/// The next final answer has this status.
fn expect_status(client: &mut Client, is_head: bool, status: &str) -> Result<(), String> {
    match final_answer(client, is_head) {
        Ok((answer, _)) if answer.status.to_string() == status => Ok(()),
        Ok((answer, _)) => Err(format!("{} instead of {status}: {}", answer.status, answer.body.escape_ascii())),
        Err(broken) => Err(format!("{broken:?} instead of {status}")),
    }
}

/// A final answer and the interim ones before it.
fn final_answer(client: &mut Client, is_head: bool) -> Result<(Answer, Vec<Answer>), Broken> {
    let mut interim = Vec::new();
    loop {
        let answer = if is_head { client.try_answer_to_head()? } else { client.try_answer()? };
        if answer.status >= 200 {
            return Ok((answer, interim));
        }
        interim.push(answer);
    }
}

fn expect_end(client: &mut Client) -> Result<(), String> {
    match client.wire().rest() {
        Ok(bytes) if bytes.is_empty() => Ok(()),
        Err(Broken::Reset) => Ok(()),
        other => Err(format!("the connection should have ended, but: {other:?}")),
    }
}

/// The status, if the answer had not begun, and the end in any case.
fn expect_break(client: &mut Client, status: &str) -> Result<(), String> {
    match client.try_answer() {
        Ok(answer) if answer.status.to_string() == status => expect_end(client),
        Err(Broken::Closed | Broken::Reset | Broken::Cut) => Ok(()),
        other => Err(format!("{other:?} instead of {status} or the end")),
    }
}

/// The client gives up in the middle: whatever it is told, it is no success.
fn expect_nothing(client: &mut Client) -> Result<(), String> {
    match client.finish_sending().try_answer() {
        Ok(answer) if answer.status < 400 => Err(format!("{} for half a request", answer.status)),
        Err(Broken::Malformed(what)) => Err(what),
        _ => Ok(()),
    }
}

/// Compares what reached the origin with what should have.
fn judge(case: &Case, requests: &[Request]) -> Result<(), String> {
    if requests.len() != case.expected.len() {
        return Err(format!("{} requests arrived: {requests:?}", requests.len()));
    }
    case.expected.iter().zip(requests).try_for_each(|(expected, request)| {
        let start = format!("{} {}", request.method, request.target);
        judge_message(expected, &arrived(&start, &request.fields, &request.body, &request.trailers))
    })
}

fn judge_message(expected: &Expected, arrived: &Arrived) -> Result<(), String> {
    if arrived.start != expected.start {
        return Err(format!("{} instead of {}", arrived.start.escape_ascii(), expected.start.escape_ascii()));
    }
    if arrived.payload != expected.payload {
        return Err(format!("payload {}", arrived.payload.escape_ascii()));
    }
    expected.rules.iter().try_for_each(|rule| rule.judge(arrived))
}

fn arrived(start: &str, fields: &Fields, payload: &[u8], trailers: &Fields) -> Arrived {
    // The actors show each byte as the character of the same number.
    let bytes = |text: &str| text.chars().map(|character| character as u8).collect::<Vec<u8>>();
    let all = |fields: &Fields| fields.0.iter().map(|(name, value)| (name.to_lowercase(), bytes(value))).collect();
    Arrived { start: bytes(start), fields: all(fields), payload: payload.to_vec(), trailers: all(trailers) }
}

#[test]
fn every_answer_is_passed_on_exactly_as_it_should_be_or_not_at_all() {
    play_answers(Pace::AtOnce);
}

#[test]
fn every_dripping_answer_is_passed_on_exactly_as_it_should_be_or_not_at_all() {
    play_answers(Pace::Dripping);
}

fn play_answers(pace: Pace) {
    let cases = Arc::new(load("answers"));
    let script = Arc::clone(&cases);
    let origin = Origin::playing(move |connection| while serve(&script, pace, connection) {});
    let gateway = Gateway::before(&origin);
    let mut failures = Vec::new();
    for (number, case) in cases.iter().enumerate().filter(|(_, case)| pace.suits(case)) {
        let outcome = ask(case, number, pace, gateway.client());
        failures.extend(outcome.err().map(|what| format!("{}: {what}", case.place)));
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// Answers one request with the case that its target names; false when the connection is over.
fn serve(cases: &[Case], pace: Pace, connection: &mut Connection) -> bool {
    let Ok(request) = connection.request() else { return false };
    if request.target == PLAIN {
        return connection.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nplain");
    }
    let case = &cases[request.target[1..].parse::<usize>().expect("targets are numbers of cases")];
    // The gateway may give up before all was sent.
    let _sent_all = pace.pieces(&case.bytes).all(|piece| connection.send(piece));
    if case.closes {
        return false;
    }
    if case.verdicts[0] != "pass" {
        // Whatever the gateway thinks of the answer, it must not use this connection again.
        connection.await_end();
        return false;
    }
    true
}

/// A target that is always answered well.
const PLAIN: &str = "/plain";

fn ask(case: &Case, number: usize, pace: Pace, mut client: Client) -> Result<(), String> {
    client.send(format!("{} /{number} HTTP/1.1\r\nhost: a\r\n\r\n", case.method));
    let outcome = final_answer(&mut client, case.method == "HEAD");
    match (case.verdicts[0].as_str(), outcome) {
        (verdict @ ("pass" | "pass discard"), Ok((answer, interim))) => {
            let all = interim.iter().chain([&answer]);
            let all: Vec<Arrived> =
                all.map(|one| arrived(&one.status.to_string(), &one.fields, &one.body, &one.trailers)).collect();
            if all.len() != case.expected.len() {
                return Err(format!("{} answers arrived: {all:?}", all.len()));
            }
            case.expected.iter().zip(&all).try_for_each(|(expected, arrived)| judge_message(expected, arrived))?;
            // What drips in behind an answer may come when the connection is in use again: nobody could tell then.
            if verdict == "pass" || pace == Pace::AtOnce { expect_plain(&mut client) } else { Ok(()) }
        }
        // The head may not have left yet when the body broke: then there is a 502, or no answer at all.
        ("fail" | "refuse" | "cut", Ok((answer, _))) if answer.status == 502 => {
            is_our_own(&answer, case.method == "HEAD")?;
            if answer.field("connection") == Some("close") {
                expect_end(&mut client)
            } else {
                expect_plain(&mut client)
            }
        }
        ("cut", Err(Broken::Cut | Broken::Closed)) => Ok(()),
        (verdict, outcome) => Err(format!("{outcome:?} instead of `{verdict}`")),
    }
}

/// The next thing on the client's connection is the answer to its next request, and nothing that the upstream sent
/// before.
fn expect_plain(client: &mut Client) -> Result<(), String> {
    client.send(format!("GET {PLAIN} HTTP/1.1\r\nhost: a\r\n\r\n"));
    match client.try_answer() {
        Ok(answer) if answer.status == 200 && answer.body == b"plain" => Ok(()),
        other => Err(format!("the next answer on the connection is {other:?}")),
    }
}

/// Every byte of a 502 is the gateway's: no field and no word of the upstream is in it.
fn is_our_own(answer: &Answer, to_head: bool) -> Result<(), String> {
    const FIELDS: [&str; 8] = [
        "content-type",
        "proxy-status",
        "cache-control",
        "content-length",
        "date",
        "via",
        "x-request-id",
        "connection",
    ];
    let foreign = answer.fields.0.iter().find(|(name, _)| !FIELDS.contains(&name.as_str()));
    let is_good = if to_head { answer.body.is_empty() } else { is_problem(&answer.json()) };
    match foreign {
        Some(field) => Err(format!("{field:?} came through")),
        None if !is_good || !answer.trailers.0.is_empty() => Err(format!("{answer:?} is not the gateway's own")),
        None => Ok(()),
    }
}

fn is_problem(problem: &serde_json::Value) -> bool {
    let names: Vec<&String> = problem.as_object().map(|object| object.keys().collect()).unwrap_or_default();
    problem["status"] == 502
        && problem["type"].as_str().is_some_and(|kind| kind.starts_with("tag:ringway,2026:problem/upstream-"))
        && names == ["instance", "status", "title", "type"]
}
