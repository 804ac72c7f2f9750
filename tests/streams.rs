//! Streams: what an origin sends piece by piece arrives piece by piece, for as long as it likes.

use std::sync::Arc;

use super::support::origin::Connection;
use super::support::wire::{Broken, Framing};
use super::support::{Client, Gate, Gateway, Origin};

/// A gate for each piece but the first.
fn gates(count: usize) -> Arc<Vec<Gate>> {
    Arc::new((0..count).map(|_| Gate::default()).collect())
}

/// An origin that answers with `head` and then sends each of `pieces` once its gate is open.
fn streaming(head: &'static str, pieces: &'static [&'static str], gates: &Arc<Vec<Gate>>) -> Origin {
    let gates = Arc::clone(gates);
    Origin::playing(move |connection: &mut Connection| {
        if connection.request().is_err() {
            return;
        }
        connection.send(head);
        for (piece, gate) in pieces.iter().zip(&*gates) {
            gate.pass();
            connection.send(piece);
        }
    })
}

/// Waits until a time has passed that is a deadline of the gateway's: another connection that says nothing runs into it.
fn outlast_a_deadline(client: &mut Client) {
    Client::connect(client.wire().tcp().peer_addr().unwrap()).expect_close();
}

#[test]
fn each_event_arrives_before_the_next_is_sent() {
    let gates = gates(3);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let pieces = &["9\r\ndata: 1\n\n\r\n", "9\r\ndata: 2\n\n\r\n", "0\r\n\r\n"];
    let origin = streaming(head, pieces, &gates);
    let mut client = Gateway::before(&origin).into_client();
    client.send("GET /events HTTP/1.1\r\nhost: test\r\naccept: text/event-stream\r\n\r\n");
    // The head is there before any event is.
    let head = client.answer_head();
    assert_eq!((head.status, head.framing), (200, Framing::Chunked));
    assert_eq!(head.field("content-type"), Some("text/event-stream"));
    for (gate, event) in gates.iter().zip([Some("data: 1\n\n"), Some("data: 2\n\n"), None]) {
        gate.open();
        assert_eq!(client.wire().chunk().unwrap(), event.map(|event| event.as_bytes().to_vec()));
    }
    assert_eq!(client.wire().fields().unwrap().0, []);
}

#[test]
fn each_event_of_a_stream_that_only_its_close_ends_arrives_before_the_next() {
    let gates = gates(2);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let origin = streaming(head, &["data: 1\n\n", "data: 2\n\n"], &gates);
    let mut client = Gateway::before(&origin).into_client();
    client.send("GET /events HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(client.answer_head().framing, Framing::Chunked);
    for (gate, event) in gates.iter().zip([b"data: 1\n\n", b"data: 2\n\n"]) {
        gate.open();
        assert_eq!(client.wire().chunk().unwrap().unwrap(), event);
    }
    assert_eq!(client.wire().chunk().unwrap(), None);
    assert_eq!(client.wire().fields().unwrap().0, []);
}

#[test]
fn each_piece_of_a_long_body_arrives_before_the_next_whatever_its_type() {
    let gates = gates(2);
    let origin = streaming("HTTP/1.1 200 OK\r\ncontent-length: 1000006\r\n\r\n", &["one", "two"], &gates);
    let mut client = Gateway::before(&origin).into_client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(client.answer_head().framing, Framing::Length(1_000_006));
    for (gate, piece) in gates.iter().zip([b"one", b"two"]) {
        gate.open();
        assert_eq!(client.wire().bytes(3).unwrap(), piece);
    }
    // And an end that comes too early is seen.
    assert!(matches!(client.wire().bytes(1), Err(Broken::Closed | Broken::Cut)));
}

#[test]
fn each_event_goes_to_a_client_of_http_1_0_too() {
    let gates = gates(2);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let origin = streaming(head, &["2\r\n1\n\r\n", "2\r\n2\n\r\n0\r\n\r\n"], &gates);
    let mut client = Gateway::before(&origin).into_client();
    client.send("GET /events HTTP/1.0\r\nhost: test\r\n\r\n");
    assert_eq!(client.answer_head().framing, Framing::UntilClose);
    for (gate, event) in gates.iter().zip([b"1\n", b"2\n"]) {
        gate.open();
        assert_eq!(client.wire().bytes(2).unwrap(), event);
    }
    client.expect_close();
}

#[test]
fn an_upload_in_pieces_goes_up_piece_by_piece() {
    let (say, hear) = std::sync::mpsc::channel();
    let origin = Origin::playing(move |connection| {
        let Ok(request) = connection.request_head() else { return };
        assert_eq!(request.framing, Framing::Chunked);
        while let Ok(Some(piece)) = connection.wire().chunk() {
            say.send(piece).unwrap();
        }
        assert_eq!(connection.wire().fields().unwrap().0, []);
        connection.send("HTTP/1.1 204 No Content\r\n\r\n");
    });
    let mut client = Gateway::before(&origin).into_client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n");
    for piece in ["first", "second"] {
        client.send(format!("{:x}\r\n{piece}\r\n", piece.len()));
        assert_eq!(hear.recv_timeout(super::support::PATIENCE).unwrap(), piece.as_bytes());
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.answer().status, 204);
}

/// All deadlines but `idle` are short.
const SHORT: &str = "[defaults]\ntimeouts = { head = \"300ms\", request = \"300ms\", first_byte = \"300ms\" }\n";

#[test]
fn an_event_stream_outlives_the_time_of_a_request_that_its_route_did_not_set() {
    for kind in ["text/event-stream", "Text/Event-Stream ; charset=utf-8"] {
        let gates = gates(2);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n");
        let origin = streaming(head.leak(), &["2\r\n1\n\r\n", "2\r\n2\n\r\n"], &gates);
        let mut client = Gateway::before_with(&origin, SHORT).into_client();
        client.send("GET /events HTTP/1.1\r\nhost: test\r\n\r\n");
        assert_eq!(client.answer_head().status, 200);
        gates[0].open();
        assert_eq!(client.wire().chunk().unwrap().unwrap(), b"1\n");
        outlast_a_deadline(&mut client);
        gates[1].open();
        assert_eq!(client.wire().chunk().unwrap().unwrap(), b"2\n");
    }
}

#[test]
fn an_event_stream_ends_with_the_time_that_its_route_sets() {
    let gates = gates(1);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let origin = streaming(head, &["2\r\n1\n\r\n"], &gates);
    let endpoint = origin.endpoint();
    let gateway = Gateway::with(&format!(
        "[routes.all]\npath = \"/*\"\nupstream = {{ endpoints = [\"{endpoint}\"] }}\ntimeouts = {{ request = \"200ms\" }}\n"
    ));
    let mut client = gateway.client();
    client.send("GET /events HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(client.answer_head().status, 200);
    assert!(matches!(client.wire().chunk(), Err(Broken::Closed | Broken::Cut)));
    assert_eq!(gateway.metric("ringway_faults_total{error=\"request-timeout\"}"), 1.0);
    gates[0].open();
}

#[test]
fn another_stream_ends_with_the_time_of_a_request() {
    let gates = gates(1);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-streams\r\ntransfer-encoding: chunked\r\n\r\n";
    let origin = streaming(head, &["2\r\n1\n\r\n"], &gates);
    let mut client = Gateway::before_with(&origin, SHORT).into_client();
    client.send("GET /events HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(client.answer_head().status, 200);
    assert!(matches!(client.wire().chunk(), Err(Broken::Closed | Broken::Cut)));
    gates[0].open();
}

#[test]
fn an_event_stream_in_which_nothing_happens_is_idle() {
    let gates = gates(1);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let origin = streaming(head, &["2\r\n1\n\r\n"], &gates);
    let gateway = Gateway::before_with(&origin, "[defaults]\ntimeouts = { idle = \"200ms\" }\n");
    let mut client = gateway.client();
    client.send("GET /events HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(client.answer_head().status, 200);
    assert!(matches!(client.wire().chunk(), Err(Broken::Closed | Broken::Cut)));
    assert_eq!(gateway.metric("ringway_faults_total{error=\"upstream-stalled\"}"), 1.0);
    gates[0].open();
}
