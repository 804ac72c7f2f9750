//! The origin answers what its paths say.

use std::time::{Duration, Instant};

use crate::support::Origin;

/// The body of `answer`, which must be a 200 with its length.
fn body(answer: &str) -> &str {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains(&format!("\r\ncontent-length: {}", body.len())), "{head}");
    body
}

#[test]
fn the_path_says_what_comes_back() {
    let origin = Origin::start("auto");
    let get = |path: &str| origin.ask(&format!("GET {path} HTTP/1.1\r\nHost: o\r\n\r\n"));
    for (path, bytes) in [("/", 100), ("/bytes/0", 0), ("/bytes/65537", 65_537), ("/bytes/3000000", 3_000_000)] {
        assert_eq!(body(&get(path)).len(), bytes, "{path}");
    }
    let answer = get("/headers/12");
    assert_eq!((body(&answer).len(), answer.matches("\r\nx-field-").count()), (100, 12));
}

#[test]
fn a_body_is_read_and_only_echoed_where_that_is_asked_for() {
    let origin = Origin::start("auto");
    let long = "x".repeat(2_000_000);
    let post = |path: &str, body: &str| {
        origin.ask(&format!("POST {path} HTTP/1.1\r\nHost: o\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    };
    assert_eq!(body(&post("/bytes/5", &long)).len(), 100);
    assert_eq!(body(&post("/echo", &long)), long);
    assert_eq!(body(&post("/echo", "")), "");
    let chunked =
        "POST /echo HTTP/1.1\r\nHost: o\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert_eq!(body(&origin.ask(chunked)), "abcde");
}

#[test]
fn a_connection_serves_until_the_client_wants_its_end() {
    let origin = Origin::start("auto");
    let get = "GET /bytes/1 HTTP/1.1\r\nHost: o\r\n\r\n";
    let last = "GET /bytes/1 HTTP/1.1\r\nHost: o\r\nConnection: close\r\n\r\n";
    assert_eq!(origin.ask(&get.repeat(5)).matches("HTTP/1.1 200 OK").count(), 5);
    assert_eq!(origin.ask(&format!("{get}{last}{get}")).matches("HTTP/1.1 200 OK").count(), 2);
}

#[test]
fn head_is_answered_without_a_body() {
    let answer = Origin::start("auto").ask("HEAD /bytes/70000 HTTP/1.1\r\nHost: o\r\n\r\n");
    assert!(answer.contains("content-length: 70000") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn a_stall_lasts_as_long_as_it_says() {
    let origin = Origin::start("auto");
    let start = Instant::now();
    let answer = origin.ask("GET /stall/150 HTTP/1.1\r\nHost: o\r\n\r\n");
    assert!(start.elapsed() >= Duration::from_millis(150));
    assert_eq!(body(&answer).len(), 100);
}
