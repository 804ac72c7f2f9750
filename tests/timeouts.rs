//! Deadlines: each one ends what it bounds, with its own status where an answer is still possible.
//!
//! The deadline under test is short, all others are the defaults. No test measures how long it took.

use super::support::wire::Broken;
use super::support::{Client, Gateway, Origin, Reply};

/// A gateway with these `timeouts` as defaults.
fn gateway(origin: &Origin, timeouts: &str) -> Gateway {
    Gateway::before_with(origin, &format!("[defaults]\ntimeouts = {{ {timeouts} }}\n"))
}

/// Fails unless `client` gets this status with this problem, and whatever `Proxy-Status` says of it.
fn expect_problem(client: &mut Client, status: u16, slug: &str, error: &str) {
    let answer = client.answer();
    assert_eq!(
        (answer.status, answer.json()["type"].as_str()),
        (status, Some(&*format!("tag:ringway,2026:problem/{slug}")))
    );
    assert_eq!(answer.field("proxy-status"), Some(&*format!("ringway; error={error}")));
}

#[test]
fn a_head_that_does_not_end_is_408() {
    let origin = Origin::answering(|_| Reply::status(204));
    let mut client = gateway(&origin, "head = \"200ms\"").into_client();
    client.send("GET / HTTP/1.1\r\nhost: te");
    expect_problem(&mut client, 408, "head-timeout", "http_request_error");
    client.expect_close();
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_connection_that_never_says_anything_is_closed() {
    let origin = Origin::answering(|_| Reply::status(204));
    let mut client = gateway(&origin, "head = \"200ms\"").into_client();
    client.expect_close();
}

#[test]
fn an_idle_connection_is_closed_between_requests() {
    let origin = Origin::answering(|_| Reply::status(204));
    let mut client = gateway(&origin, "idle = \"300ms\"").into_client();
    assert_eq!(client.get("/").status, 204);
    client.expect_close();
}

#[test]
fn a_request_body_that_stalls_is_408() {
    let origin = Origin::answering(|_| Reply::status(204));
    let mut client = gateway(&origin, "idle = \"300ms\"").into_client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nhalf");
    expect_problem(&mut client, 408, "body-timeout", "http_request_error");
    client.expect_end();
    origin.await_cut();
    assert_eq!(origin.requests(), []);
}

#[test]
fn a_request_body_that_drips_is_408() {
    let origin = Origin::answering(|_| Reply::status(204));
    let mut client = Gateway::before(&origin).into_client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000\r\n\r\n");
    // Never idle, never fast: a byte now and then, until the gateway has had enough (10 s of grace, then 240 B/s).
    client.wire().tcp().set_read_timeout(Some(std::time::Duration::from_millis(100))).expect("a timeout above zero");
    while client.wire().tcp().peek(&mut [0]).is_err() {
        client.try_send("x");
    }
    client.wire().tcp().set_read_timeout(Some(super::support::PATIENCE)).expect("a timeout above zero");
    expect_problem(&mut client, 408, "body-timeout", "http_request_error");
    client.expect_end();
    assert_eq!(origin.requests(), []);
}

#[test]
fn a_connect_that_is_refused_is_502() {
    let mut client = Gateway::before(&Origin::refusing()).into_client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    expect_problem(&mut client, 502, "connection-refused", "connection_refused");
    // It is not the client's fault: its connection stays.
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    expect_problem(&mut client, 502, "connection-refused", "connection_refused");
}

#[test]
fn a_connect_that_never_ends_is_504() {
    let hole = Origin::black_hole();
    let mut client = gateway(&hole, "connect = \"200ms\"").into_client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    expect_problem(&mut client, 504, "connect-timeout", "connection_timeout");
}

#[test]
fn an_upstream_that_says_nothing_is_504() {
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.await_end();
        }
    });
    let mut client = gateway(&origin, "first_byte = \"200ms\"").into_client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    expect_problem(&mut client, 504, "first-byte-timeout", "http_response_timeout");
    // The upstream connection was given up, and the next request gets another.
    origin.await_ended(1);
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 1\r\n\r\nx");
    expect_problem(&mut client, 504, "first-byte-timeout", "http_response_timeout");
    assert_eq!(origin.requests().len(), 2);
}

#[test]
fn an_exchange_that_takes_too_long_is_504() {
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.send("HTTP/1.1 103 Early Hints\r\n\r\n");
            connection.await_end();
        }
    });
    let mut client = gateway(&origin, "request = \"300ms\"").into_client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(client.answer().status, 103);
    expect_problem(&mut client, 504, "request-timeout", "http_response_timeout");
}

#[test]
fn an_exchange_that_takes_too_long_in_its_body_is_cut() {
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun");
            connection.await_end();
        }
    });
    let mut client = gateway(&origin, "request = \"300ms\"").into_client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    assert!(matches!(client.try_answer(), Err(Broken::Cut)));
    origin.await_ended(1);
}

#[test]
fn an_answer_that_stalls_is_cut() {
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegun\r\n");
            connection.await_end();
        }
    });
    let mut client = gateway(&origin, "idle = \"300ms\"").into_client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    assert!(matches!(client.try_answer(), Err(Broken::Cut)));
    origin.await_ended(1);
}

#[test]
fn a_client_that_does_not_read_is_given_up_and_its_upstream_too() {
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.send("HTTP/1.1 200 OK\r\n\r\n");
            while connection.send([b'x'; 1 << 16]) {}
        }
    });
    let mut client = gateway(&origin, "idle = \"300ms\"").into_client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    origin.await_ended(1);
    client.answer_head();
    assert_eq!(client.wire().body(super::support::wire::Framing::Chunked).err(), Some(Broken::Cut));
}

#[test]
fn a_client_that_goes_away_cancels_its_exchange() {
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.await_end();
        }
    });
    let gateway = gateway(&origin, "request = \"none\", first_byte = \"none\"");
    for (number, leave) in [Client::reset as fn(Client), drop].into_iter().enumerate() {
        let mut client = gateway.client();
        client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
        origin.await_request(number + 1);
        leave(client);
        origin.await_ended(number + 1);
    }
}

#[test]
fn a_client_that_goes_away_in_an_answer_cancels_its_exchange() {
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nbegun");
            connection.await_end();
        }
    });
    let gateway = gateway(&origin, "request = \"none\"");
    let mut client = gateway.client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    client.answer_head();
    client.reset();
    origin.await_ended(1);
}

#[test]
fn a_client_that_only_finished_sending_still_gets_its_answer() {
    let gate = std::sync::Arc::new(super::support::Gate::default());
    let way = std::sync::Arc::clone(&gate);
    let origin = Origin::answering(move |_| {
        way.pass();
        Reply::text("for you")
    });
    let mut client = Gateway::before(&origin).into_client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").finish_sending();
    gate.open();
    match client.try_answer() {
        Ok(answer) => assert_eq!(answer.text(), "for you"),
        // A FIN may mean that the client is gone (RFC 9112 9.6 leaves it open): then nothing, but never a fragment.
        Err(broken) => assert!(matches!(broken, Broken::Closed | Broken::Reset), "{broken:?}"),
    }
}

#[test]
fn a_route_may_have_deadlines_of_its_own() {
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.await_end();
        }
    });
    let endpoint = origin.endpoint();
    let gateway = Gateway::with(&format!(
        "[defaults]\ntimeouts = {{ first_byte = \"none\" }}\n\
         [upstreams.slow]\nendpoints = [\"{endpoint}\"]\n\
         [routes.hasty]\npath = \"/hasty\"\nupstream = \"slow\"\ntimeouts = {{ first_byte = \"200ms\" }}\n"
    ));
    assert_eq!(gateway.client().get("/hasty").status, 504);
}

#[test]
fn an_upstream_may_have_deadlines_of_its_own() {
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.await_end();
        }
    });
    let endpoint = origin.endpoint();
    let gateway = Gateway::with(&format!(
        "[upstreams.slow]\nendpoints = [\"{endpoint}\"]\ntimeouts = {{ first_byte = \"200ms\" }}\n\
         [routes.all]\npath = \"/*\"\nupstream = \"slow\"\n"
    ));
    assert_eq!(gateway.client().get("/").status, 504);
}
