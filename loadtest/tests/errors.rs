//! A request that fails is counted, once, under its kind.

use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::{Value, json};

use crate::support::{OK, Script, Server, load, load_to_end};

/// Asserts that the only errors are `count` of `kind`, and that nothing was done right.
fn assert_all(results: &Value, kind: &str, count: u64) {
    let errors = results["errors"].as_object().unwrap();
    for (name, found) in errors {
        assert_eq!(*found, if name == kind { count } else { 0 }, "{name} in {results}");
    }
    assert_eq!(results["requests"], 0, "{results}");
}

/// What eight requests on two connections to a server that follows `script` give.
fn eight(script: Script, arguments: &[&str]) -> Value {
    let server = Server::start(script);
    let results = load(&server, &[&["--requests", "8", "--connections", "2"], arguments].concat());
    assert_eq!(server.await_requests(8), 8);
    results
}

#[test]
fn a_connection_that_is_refused() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let arguments = ["--json", "-", "--requests", "8", "--connections", "2"];
    let output = load_to_end(&format!("http://{address}/"), &arguments);
    assert_all(&serde_json::from_str(&output).unwrap(), "connect", 8);
}

#[test]
fn a_connection_that_nobody_accepts() {
    // A queue of one, which is full: what comes then is never answered, not even refused.
    let family = rustix::net::AddressFamily::INET;
    let listener = rustix::net::socket(family, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = TcpListener::from(listener.try_clone().unwrap()).local_addr().unwrap();
    let _queued = TcpStream::connect(address).unwrap();
    let arguments = ["--json", "-", "--requests", "4", "--connections", "2", "--new-connections", "--timeout", "50ms"];
    let output = load_to_end(&format!("http://{address}/"), &arguments);
    assert_all(&serde_json::from_str(&output).unwrap(), "timeout", 4);
}

#[test]
fn a_connection_that_ends_before_the_answer() {
    assert_all(&eight(Script::AnswerAndClose(""), &[]), "closed", 8);
}

#[test]
fn a_connection_that_ends_in_the_middle_of_the_answer() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nthree";
    assert_all(&eight(Script::AnswerAndClose(cut), &[]), "closed", 8);
}

#[test]
fn an_unexpected_status() {
    let answer = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    assert_all(&eight(Script::Answer(answer), &[]), "status", 8);
    let results = eight(Script::Answer(answer), &["--expect-status", "503"]);
    assert_eq!(results["requests"], 8, "{results}");
}

#[test]
fn a_body_that_is_too_short_or_too_long() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthree";
    assert_all(&eight(Script::Answer(answer), &["--expect-bytes", "6"]), "length", 8);
    assert_all(&eight(Script::Answer(answer), &["--expect-bytes", "4"]), "length", 8);
    let results = eight(Script::Answer(answer), &["--expect-bytes", "5"]);
    assert_eq!(results["requests"], 8, "{results}");
}

#[test]
fn an_answer_that_does_not_come() {
    assert_all(&eight(Script::Silence, &["--timeout", "50ms"]), "timeout", 8);
}

#[test]
fn an_answer_that_stops_halfway() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nthree";
    assert_all(&eight(Script::Answer(half), &["--timeout", "50ms"]), "timeout", 8);
}

#[test]
fn an_answer_that_is_none() {
    assert_all(&eight(Script::Answer("220 mail.example.com ESMTP\r\n\r\n"), &[]), "parse", 8);
}

#[test]
fn a_second_answer_that_nobody_asked_for() {
    let twice = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    assert_all(&eight(Script::Answer(twice), &[]), "parse", 8);
}

#[test]
fn a_request_that_finds_no_connection_in_time() {
    let server = Server::start(Script::Silence);
    let arguments = ["--rate", "100", "--requests", "30", "--connections", "1", "--timeout", "100ms"];
    let results = load(&server, &arguments);
    // The one connection takes a request each 100 ms; nine in ten find it taken, and most for too long.
    let (late, timeout) = (results["errors"]["late"].as_u64().unwrap(), results["errors"]["timeout"].as_u64().unwrap());
    assert_eq!((late + timeout, &results["requests"]), (30, &json!(0)), "{results}");
    assert!(late >= 10 && timeout > 0, "{results}");
    assert_eq!(server.await_requests(timeout as usize), timeout as usize, "{results}");
}

#[test]
fn a_server_that_closes_what_is_idle_does_no_wrong() {
    let server = Server::start(Script::AnswerAndClose(OK));
    // Each answer is complete before its connection ends, unannounced, and the next request comes an age later.
    let results = load(&server, &["--rate", "2", "--requests", "4", "--connections", "1"]);
    assert_eq!(results["requests"], 4, "{results}");
    assert_eq!(server.connections(), 4);
}
