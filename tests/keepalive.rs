//! Connections on both sides: how long they live, what ends them, and that no message bleeds into the next.

use std::sync::Arc;

use super::support::wire::Framing;
use super::support::{Gate, Gateway, Origin, Reply};

#[test]
fn many_requests_on_one_connection_share_one_upstream_connection() {
    let origin = Origin::answering(|request| Reply::text(request.target.clone()));
    let mut client = Gateway::before(&origin).into_client();
    for number in 0..20 {
        assert_eq!(client.get(&format!("/{number}")).text(), format!("/{number}"));
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let origin = Origin::answering(|request| Reply::text(request.target.clone()));
    let mut client = Gateway::before(&origin).into_client();
    let requests: String = (0..50).map(|number| format!("GET /{number} HTTP/1.1\r\nhost: test\r\n\r\n")).collect();
    client.send(requests);
    for number in 0..50 {
        assert_eq!(client.answer().text(), format!("/{number}"));
    }
    assert_eq!(origin.requests().len(), 50);
}

#[test]
fn pipelined_requests_with_bodies_do_not_bleed_into_each_other() {
    let origin = Origin::answering(|request| Reply::text(request.body.clone()));
    let mut client = Gateway::before(&origin).into_client();
    client.send(
        "POST /1 HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\nfirst\
         POST /2 HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nsec\r\n3\r\nond\r\n0\r\n\r\n\
         GET /3 HTTP/1.1\r\nhost: test\r\n\r\n",
    );
    let answers = [client.answer(), client.answer(), client.answer()];
    assert_eq!(answers.each_ref().map(|answer| answer.text()), ["first", "second", ""]);
}

#[test]
fn an_answer_to_head_keeps_its_length_and_has_no_body() {
    let origin = Origin::answering(|_| Reply::text("twelve bytes"));
    let mut client = Gateway::before(&origin).into_client();
    let answer = client.ask("HEAD /x HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!((answer.status, answer.field("content-length")), (200, Some("12")));
    assert_eq!(client.get("/y").text(), "twelve bytes");
    assert_eq!(origin.requests()[0].method, "HEAD");
    assert_eq!(origin.connections(), 1);
}

#[test]
fn answers_without_a_body_leave_the_connection_usable() {
    let origin = Origin::playing(|connection| {
        while let Ok(request) = connection.request() {
            // RFC 9110 8.6: a 304 may say the length of the body it does not have.
            connection.send(match request.target.as_str() {
                "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
                "/304" => "HTTP/1.1 304 Not Modified\r\ncontent-length: 500\r\netag: \"x\"\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            });
        }
    });
    let mut client = Gateway::before(&origin).into_client();
    for _ in 0..2 {
        let no_content = client.get("/204");
        assert_eq!((no_content.status, no_content.fields.has("content-length")), (204, false));
        assert!(!no_content.fields.has("transfer-encoding"));
        let not_modified = client.get("/304");
        assert_eq!((not_modified.status, not_modified.field("etag")), (304, Some("\"x\"")));
        assert_eq!(client.get("/200").text(), "ok");
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_client_that_says_close_is_answered_and_closed() {
    let origin = Origin::answering(|_| Reply::text("last"));
    let gateway = Gateway::before(&origin);
    let mut client = gateway.client();
    let answer = client.ask("GET / HTTP/1.1\r\nhost: test\r\nConnection: Close\r\n\r\n");
    assert_eq!((answer.text(), answer.field("connection")), ("last", Some("close")));
    client.expect_close();
    // Only the client asked for the end: the upstream connection stays.
    gateway.client().get("/");
    assert_eq!(origin.connections(), 1);
}

#[test]
fn an_http_1_0_client_is_answered_in_full_and_closed() {
    let origin = Origin::playing(|connection| {
        while connection.request().is_ok() {
            connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n");
        }
    });
    let mut client = Gateway::before(&origin).into_client();
    // RFC 9112 6.1: no transfer coding to a client that did not say HTTP/1.1.
    let answer = client.ask("GET / HTTP/1.0\r\n\r\n");
    assert_eq!((answer.framing, answer.text()), (Framing::UntilClose, "abcdef"));
    assert!(!answer.fields.has("transfer-encoding"));
}

#[test]
fn an_http_1_0_client_may_ask_to_keep_the_connection() {
    let origin = Origin::answering(|_| Reply::text("ok"));
    let mut client = Gateway::before(&origin).into_client();
    let answer = client.ask("GET / HTTP/1.0\r\nhost: test\r\nconnection: keep-alive\r\n\r\n");
    if answer.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("keep-alive")) {
        assert_eq!(client.ask("GET / HTTP/1.0\r\nhost: test\r\n\r\n").text(), "ok");
    }
    client.expect_close();
}

#[test]
fn an_upstream_that_says_close_ends_its_own_connection_only() {
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        }
    });
    let mut client = Gateway::before(&origin).into_client();
    for _ in 0..3 {
        let answer = client.get("/");
        assert_eq!((answer.text(), answer.fields.has("connection")), ("ok", false));
    }
    assert_eq!(origin.connections(), 3);
}

#[test]
fn an_answer_that_ends_with_its_connection_is_delivered_whole() {
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.send("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nall of it");
        }
    });
    let mut client = Gateway::before(&origin).into_client();
    for _ in 0..2 {
        let answer = client.get("/");
        assert_eq!((answer.text(), answer.framing), ("all of it", Framing::Chunked));
    }
}

#[test]
fn an_http_1_0_upstream_is_understood() {
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.send("HTTP/1.0 200 OK\r\n\r\nold");
        }
    });
    let answer = Gateway::before(&origin).into_client().get("/");
    assert_eq!((answer.version.as_str(), answer.text()), ("HTTP/1.1", "old"));
}

#[test]
fn a_request_that_came_in_two_pieces_around_another_is_whole() {
    for comes_before_the_answer in [false, true] {
        for first in [
            "GET /1 HTTP/1.1\r\nhost: test\r\n\r\n",
            "POST /1 HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\nhello",
            "POST /1 HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ] {
            let gate = Arc::new(Gate::default());
            let way = Arc::clone(&gate);
            let origin = Origin::answering(move |request| {
                way.pass();
                Reply::text(request.target.clone())
            });
            let mut client = Gateway::before(&origin).into_client();
            client.send(format!("{first}GET /2?GET-/evil-HT"));
            origin.await_request(1);
            let rest = "TP HTTP/1.1\r\nhost: test\r\n\r\nGET /3 HTTP/1.1\r\nhost: test\r\n\r\n";
            if comes_before_the_answer {
                client.send(rest);
            }
            gate.open();
            assert_eq!(client.answer().text(), "/1", "{first:?}");
            if !comes_before_the_answer {
                client.send(rest);
            }
            assert_eq!(client.answer().text(), "/2?GET-/evil-HTTP", "{first:?} {comes_before_the_answer}");
            assert_eq!(client.answer().text(), "/3", "{first:?} {comes_before_the_answer}");
        }
    }
}

#[test]
fn a_client_that_asks_without_reading_is_not_read_either() {
    let gateway = Gateway::with("[routes.all]\npath = \"/*\"\nrespond = { status = 200, text = \"0123456789\" }\n");
    let mut client = gateway.client();
    let requests = "GET / HTTP/1.1\r\nhost: test\r\n\r\n".repeat(1000);
    client.wire().tcp().set_nonblocking(true).expect("a socket takes the option");
    let mut sent = 0;
    let mut refusals = 0;
    // Answers pile up in the sockets' buffers, then nothing more may be taken.
    while refusals < 20 {
        match std::io::Write::write(&mut client.wire().tcp(), &requests.as_bytes()[sent % requests.len()..]) {
            Ok(count) => (sent, refusals) = (sent + count, 0),
            Err(_) => {
                refusals += 1;
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
        assert!(sent < 256 << 20, "the gateway takes requests whose answers nobody reads");
    }
    client.wire().tcp().set_nonblocking(false).expect("a socket takes the option");
    for _ in 0..sent / "GET / HTTP/1.1\r\nhost: test\r\n\r\n".len() {
        assert_eq!(client.answer().text(), "0123456789");
    }
}
