//! Upstream connections: when they are used again, when never, and what happens when an idle one has died.

use std::sync::Arc;

use super::support::{Gate, Gateway, Origin, Reply, eventually};

/// An origin whose connections die silently after their first answer, as idle ones do: the second request on one
/// finds it closed (or reset) without an answer byte.
fn forgetful(resets: bool) -> Origin {
    Origin::playing(move |connection| {
        let Ok(request) = connection.request_head() else { return };
        let _ = connection.wire().body(request.framing);
        connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        // The next request is read whole and then dropped, so the gateway has sent all of it.
        if let Ok(request) = connection.request_head() {
            let _ = connection.wire().body(request.framing);
            if resets {
                connection.reset();
            }
        }
    })
}

#[test]
fn a_get_that_met_a_dead_connection_is_sent_again_on_a_fresh_one() {
    for resets in [false, true] {
        let origin = forgetful(resets);
        let mut client = Gateway::before(&origin).into_client();
        for number in 1..=3 {
            assert_eq!(client.get("/").text(), "ok", "request {number}");
        }
        assert_eq!(origin.connections(), 3);
    }
}

#[test]
fn a_post_that_met_a_dead_connection_is_never_repeated() {
    for resets in [false, true] {
        let origin = forgetful(resets);
        let mut client = Gateway::before(&origin).into_client();
        let post = "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\nmoney";
        assert_eq!(client.ask(post).text(), "ok");
        let answer = client.ask(post);
        assert_eq!((answer.status, answer.field("proxy-status")), (502, Some("ringway; error=connection_terminated")));
        assert_eq!(origin.connections(), 1);
    }
}

#[test]
fn a_fresh_connection_that_dies_is_not_tried_again() {
    let origin = Origin::playing(|connection| {
        let _ = connection.request_head();
    });
    let mut client = Gateway::before(&origin).into_client();
    assert_eq!(client.get("/").status, 502);
    assert_eq!(origin.connections(), 1);
}

#[test]
fn an_answer_that_has_begun_is_never_asked_for_again() {
    let origin = Origin::playing(|connection| {
        if connection.request_head().is_ok() {
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
        if connection.request_head().is_ok() {
            connection.send("HTTP/1.1 200 OK\r\ncontent-");
        }
    });
    let mut client = Gateway::before(&origin).into_client();
    assert_eq!(client.get("/").text(), "ok");
    assert_eq!(client.get("/").status, 502);
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_connection_whose_request_was_not_all_taken_is_not_used_again() {
    let origin = Origin::playing(|connection| {
        while connection.request_head().is_ok_and(|request| request.method == "GET") {
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
        // The answer comes before the body did, and the connection stays open.
        connection.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly");
        connection.await_end();
    });
    let gateway = Gateway::before(&origin);
    let mut client = gateway.client();
    assert_eq!(client.get("/").text(), "ok");
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000\r\n\r\nbegun");
    assert_eq!(client.answer().text(), "early");
    origin.await_ended(1);
    assert_eq!(gateway.client().get("/").text(), "ok");
    assert_eq!(origin.connections(), 2);
}

#[test]
fn the_connection_used_last_is_used_first() {
    let gate = Arc::new(Gate::default());
    let way = Arc::clone(&gate);
    let origin = Origin::answering(move |request| {
        if request.target == "/wait" {
            way.pass();
        }
        Reply::text(request.connection.to_string())
    });
    let gateway = Gateway::before(&origin);
    let mut slow = gateway.client();
    slow.send("GET /wait HTTP/1.1\r\nhost: test\r\n\r\n");
    origin.await_request(1);
    let mut quick = gateway.client();
    assert_eq!(quick.get("/").text(), "2");
    gate.open();
    assert_eq!(slow.answer().text(), "1");
    // Both are idle; the first came back last.
    eventually("both connections idle", || (gateway.metric("ringway_upstream_idle_connections") == 2.0).then_some(()));
    for _ in 0..3 {
        assert_eq!(quick.get("/").text(), "1");
    }
    assert_eq!(origin.connections(), 2);
}

#[test]
fn no_more_idle_connections_are_kept_than_allowed() {
    let gate = Arc::new(Gate::default());
    let way = Arc::clone(&gate);
    let origin = Origin::answering(move |_| {
        way.pass();
        Reply::status(204)
    });
    let endpoint = origin.endpoint();
    let gateway = Gateway::with(&format!(
        "[upstreams.origin]\nendpoints = [\"{endpoint}\"]\nidle_connections = 1\n[routes.all]\npath = \"/*\"\nupstream = \"origin\"\n"
    ));
    let mut clients: Vec<_> = (0..3).map(|_| gateway.client()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    }
    origin.await_request(3);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.answer().status, 204);
    }
    origin.await_ended(2);
}

#[test]
fn an_idle_connection_is_closed_after_its_time() {
    let origin = Origin::answering(|_| Reply::status(204));
    let endpoint = origin.endpoint();
    let gateway = Gateway::with(&format!(
        "[upstreams.origin]\nendpoints = [\"{endpoint}\"]\nidle_timeout = \"200ms\"\n[routes.all]\npath = \"/*\"\nupstream = \"origin\"\n"
    ));
    let mut client = gateway.client();
    assert_eq!(client.get("/").status, 204);
    origin.await_ended(1);
    assert_eq!(client.get("/").status, 204);
    assert_eq!(origin.connections(), 2);
}

#[test]
fn what_an_idle_connection_says_unasked_is_nobodys_answer() {
    let gate = Arc::new(Gate::default());
    let way = Arc::clone(&gate);
    let said = Arc::new(Gate::default());
    let done = Arc::clone(&said);
    let origin = Origin::playing(move |connection| {
        let is_first = connection.number == 1;
        while connection.request().is_ok() {
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood");
            if is_first {
                way.pass();
                connection.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil");
                done.open();
            }
        }
    });
    let mut client = Gateway::before(&origin).into_client();
    assert_eq!(client.get("/1").text(), "good");
    gate.open();
    // When the origin's send is over, its bytes are in the gateway's socket: that is loopback.
    said.pass();
    for number in 2..5 {
        assert_eq!(client.get(&format!("/{number}")).text(), "good");
    }
    assert_eq!(origin.connections(), 2);
}

#[test]
fn a_post_does_not_go_out_on_a_connection_that_is_known_to_be_dead() {
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let mut client = Gateway::before(&origin).into_client();
    for number in 1..=3 {
        assert_eq!(client.ask("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\nmoney").text(), "ok");
        // The origin's close has reached the gateway before the next request does.
        origin.await_ended(number);
    }
    assert_eq!(origin.requests().len(), 3);
}

#[test]
fn a_body_where_none_can_be_is_not_the_next_answer() {
    for (request, answer) in [
        ("HEAD / HTTP/1.1\r\nhost: test\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"),
        (
            "GET / HTTP/1.1\r\nhost: test\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
        ),
        ("GET / HTTP/1.1\r\nhost: test\r\n\r\n", "HTTP/1.1 304 Not Modified\r\ncontent-length: 4\r\n\r\nevil"),
    ] {
        let origin = Origin::playing(move |connection| {
            let is_first = connection.number == 1;
            while connection.request().is_ok() {
                connection.send(if is_first { answer } else { "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood" });
            }
        });
        let mut client = Gateway::before(&origin).into_client();
        let status = client.ask(request).status;
        assert!(matches!(status, 200 | 204 | 304), "{answer:?}");
        assert_eq!(client.get("/next").text(), "good", "{answer:?}");
    }
}
