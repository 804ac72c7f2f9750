//! What comes before the final answer: hints, permissions to go on, and upgrades that nobody asked for.

use super::support::{Gateway, Origin, Reply};

#[test]
fn interim_answers_are_forwarded_before_the_final_one() {
    let origin = Origin::playing(|connection| {
        while connection.request().is_ok() {
            connection.send("HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n");
            connection.send("HTTP/1.1 103 Early Hints\r\nlink: </b.css>; rel=preload\r\n\r\n");
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let gateway = Gateway::before(&origin);
    let mut client = gateway.client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    let hints = [client.answer(), client.answer()];
    assert_eq!(hints.each_ref().map(|hint| hint.status), [103, 103]);
    assert_eq!(hints[1].field("link"), Some("</b.css>; rel=preload"));
    assert_eq!(client.answer().text(), "ok");
    // RFC 9110 15.2: a client of HTTP/1.0 knows no interim answer.
    assert_eq!(gateway.client().ask("GET / HTTP/1.0\r\nhost: test\r\n\r\n").status, 200);
}

#[test]
fn a_storm_of_interim_answers_is_the_upstreams_fault() {
    let origin = Origin::playing(|connection| {
        while connection.request().is_ok() {
            connection.send("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000));
        }
    });
    let mut client = Gateway::before(&origin).into_client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    let mut hints = 0;
    let last = loop {
        match client.answer() {
            answer if answer.status == 103 => hints += 1,
            answer => break answer,
        }
    };
    assert_eq!((last.status, hints), (502, 8));
}

#[test]
fn a_client_that_waits_for_100_gets_the_origins() {
    let origin = Origin::playing(|connection| {
        let request = connection.request_head().expect("a head comes before its body");
        assert_eq!(request.field("expect"), Some("100-continue"));
        connection.send("HTTP/1.1 100 Continue\r\n\r\n");
        assert_eq!(connection.wire().bytes(4).as_deref(), Ok(b"body".as_slice()));
        connection.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        connection.await_end();
    });
    let mut client = Gateway::before(&origin).into_client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n");
    assert_eq!(client.answer().status, 100);
    client.send("body");
    assert_eq!(client.answer().status, 200);
}

#[test]
fn a_client_that_waits_for_100_may_be_refused_instead() {
    let origin = Origin::playing(|connection| {
        if connection.request_head().is_ok() {
            connection.send("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno");
            connection.await_end();
        }
    });
    let mut client = Gateway::before(&origin).into_client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.text()), (403, "no"));
}

#[test]
fn an_unknown_expectation_is_refused() {
    let origin = Origin::answering(|_| Reply::status(204));
    let mut client = Gateway::before(&origin).into_client();
    assert_eq!(client.ask("GET / HTTP/1.1\r\nhost: test\r\nexpect: the-unexpected\r\n\r\n").status, 417);
    assert_eq!(origin.connections(), 0);
}

#[test]
fn an_upgrade_nobody_asked_for_is_not_a_tunnel() {
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.send("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nraw bytes");
            connection.await_end();
        }
    });
    assert_eq!(Gateway::before(&origin).into_client().get("/").status, 502);
}
