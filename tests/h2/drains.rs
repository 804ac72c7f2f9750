//! The ends of connections: announced, and no stream is lost by them.

use std::sync::Arc;

use ringway::control::{End, Gateway, Options, Source};

use super::before_with;
use super::peer::{DATA, END_HEADERS, END_STREAM, GET, GOAWAY, HEADERS, PING, Raw, SETTINGS};
use crate::support::{Gate, Origin, Reply};

fn start(origin: &Origin, server: &str) -> Gateway {
    let text = format!(
        "{server}[listeners.web]\naddress = \"127.0.0.1:0\"\nprotocols = [\"h2\"]\n[upstreams.origin]\n\
         endpoints = [\"{}\"]\n[routes.all]\npath = \"/*\"\nupstream = \"origin\"\n\
         timeouts = {{ request = \"none\", first_byte = \"none\" }}\n",
        origin.endpoint()
    );
    Gateway::start(Source::text(text), Options::embedded().unwrap()).unwrap_or_else(|failure| panic!("{failure}"))
}

fn greet(gateway: &Gateway) -> Raw {
    let mut raw = Raw::connect_to(gateway.address("web").unwrap());
    raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    raw.frame(SETTINGS, 0, 0, &[]);
    raw
}

/// The last stream and the code of a GOAWAY.
fn goaway(raw: &mut Raw) -> (u32, u32) {
    let payload = raw.await_frame(GOAWAY).expect("GOAWAY comes").payload;
    let number = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
    (number(0), number(4))
}

#[test]
fn a_drain_says_so_twice_and_loses_no_stream() {
    let gate = Arc::new(Gate::default());
    let way = Arc::clone(&gate);
    let origin = Origin::answering(move |_| {
        way.pass();
        Reply::text("finished")
    });
    let gateway = start(&origin, "");
    let mut raw = greet(&gateway);
    raw.frame(HEADERS, END_STREAM | END_HEADERS, 1, GET);
    origin.await_request(1);
    gateway.begin_drain();
    assert_eq!(goaway(&mut raw), (0x7fff_ffff, 0), "no more, but what is on its way is served");
    // A stream that was on its way.
    raw.frame(HEADERS, END_STREAM | END_HEADERS, 3, GET);
    let ping = raw.await_frame(PING).unwrap();
    raw.frame(PING, 1, 0, &ping.payload);
    assert_eq!(goaway(&mut raw), (3, 0));
    gate.open();
    let mut answered = Vec::new();
    while let Some(frame) = raw.next() {
        if frame.kind == DATA {
            assert_eq!(frame.payload, b"finished");
            answered.push(frame.stream);
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, [1, 3]);
    assert_eq!(gateway.wait(), End::Drained);
}

#[test]
fn a_drain_does_not_wait_for_a_client_that_does_not_answer() {
    let origin = Origin::answering(|_| Reply::text("ok"));
    let gateway = start(&origin, "");
    let mut raw = greet(&gateway);
    raw.frame(HEADERS, END_STREAM | END_HEADERS, 1, GET);
    raw.await_frame(DATA).unwrap();
    gateway.begin_drain();
    assert_eq!(goaway(&mut raw), (0x7fff_ffff, 0));
    assert_eq!(goaway(&mut raw).1, 0);
    while raw.next().is_some() {}
    assert_eq!(gateway.wait(), End::Drained);
}

#[test]
fn a_drain_cuts_what_is_left_when_its_time_is_over() {
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.await_end();
        }
    });
    let gateway = start(&origin, "[server]\nworkers = 1\ndrain_timeout = \"100ms\"\n");
    let mut raw = greet(&gateway);
    raw.frame(HEADERS, END_STREAM | END_HEADERS, 1, GET);
    origin.await_request(1);
    gateway.begin_drain();
    while let Some(frame) = raw.next() {
        assert!(frame.kind != DATA && frame.kind != HEADERS, "{frame:?}");
    }
    assert_eq!(gateway.wait(), End::Drained);
    origin.await_ended(1);
}

#[test]
fn a_connection_without_streams_is_ended_when_its_time_is_over() {
    let origin = Origin::answering(|_| Reply::text("ok"));
    let gateway = before_with(&origin, "timeouts = { idle = \"200ms\" }", "");
    let mut raw = Raw::greet(&gateway, &[]);
    raw.frame(HEADERS, END_STREAM | END_HEADERS, 1, GET);
    raw.await_frame(DATA).unwrap();
    assert_eq!(goaway(&mut raw), (0x7fff_ffff, 0));
    let ping = raw.await_frame(PING).unwrap();
    raw.frame(PING, 1, 0, &ping.payload);
    assert_eq!(goaway(&mut raw), (1, 0));
    while raw.next().is_some() {}
}
