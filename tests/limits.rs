//! Limits: each has its status, is reached exactly, and leaves the origin alone.

use super::support::{Client, Gateway, Origin, Reply};

fn gateway(origin: &Origin, limits: &str) -> Gateway {
    Gateway::before_with(origin, &format!("[defaults]\nlimits = {{ {limits} }}\n"))
}

/// The status of a request with this target and these fields, on a connection of its own.
fn status(gateway: &Gateway, target: &str, fields: &str) -> u16 {
    gateway.client().ask(&format!("GET {target} HTTP/1.1\r\nhost: test\r\n{fields}\r\n")).status
}

#[test]
fn a_target_may_be_this_long_and_no_longer() {
    let origin = Origin::answering(|_| Reply::status(204));
    let gateway = gateway(&origin, "target_bytes = \"100B\"");
    assert_eq!(status(&gateway, &format!("/{}", "x".repeat(99)), ""), 204);
    assert_eq!(status(&gateway, &format!("/{}", "x".repeat(100)), ""), 414);
    assert_eq!(status(&gateway, &format!("/?{}", "x".repeat(99)), ""), 414);
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn a_head_may_have_this_many_fields_and_no_more() {
    let origin = Origin::answering(|_| Reply::status(204));
    let gateway = gateway(&origin, "headers = 20");
    // Host is the first of them.
    assert_eq!(status(&gateway, "/", &"x: y\r\n".repeat(19)), 204);
    assert_eq!(status(&gateway, "/", &"x: y\r\n".repeat(20)), 431);
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn a_head_may_be_this_large_and_no_larger() {
    let origin = Origin::answering(|_| Reply::status(204));
    let gateway = gateway(&origin, "header_bytes = \"1KiB\"");
    let head_of = |bytes: usize| "x".repeat(bytes - "GET / HTTP/1.1\r\nhost: test\r\nx: \r\n\r\n".len());
    assert_eq!(status(&gateway, "/", &format!("x: {}\r\n", head_of(1024))), 204);
    assert_eq!(status(&gateway, "/", &format!("x: {}\r\n", head_of(1025))), 431);
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn a_head_without_end_is_refused_while_it_comes() {
    let origin = Origin::answering(|_| Reply::status(204));
    let gateway = Gateway::before(&origin);
    for (endless, refusal) in [("x-field: value\r\n", 431), ("x", 431)] {
        let mut client = gateway.client();
        client.send("GET / HTTP/1.1\r\nhost: test\r\n");
        while client.try_send(endless.repeat(1000)) {
            client.wire().tcp().set_nonblocking(true).expect("a socket takes the option");
            let is_answered = client.wire().tcp().peek(&mut [0]).is_ok();
            client.wire().tcp().set_nonblocking(false).expect("a socket takes the option");
            if is_answered {
                break;
            }
        }
        assert_eq!(client.answer().status, refusal, "{endless:?}");
        client.expect_end();
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn large_heads_within_the_limits_pass_both_ways() {
    let origin =
        Origin::answering(|request| Reply::status(204).with("x-back", request.field("x-large").expect("it was sent")));
    let mut client = Gateway::before(&origin).into_client();
    let large = "v".repeat(30_000);
    let request = format!("GET / HTTP/1.1\r\nhost: test\r\nx-large: {large}\r\n\r\n");
    for _ in 0..3 {
        assert_eq!(client.ask(&request).field("x-back"), Some(large.as_str()));
    }
    client.send(request.repeat(3));
    for _ in 0..3 {
        assert_eq!(client.answer().field("x-back"), Some(large.as_str()));
    }
}

#[test]
fn an_upstream_head_over_the_limit_is_502() {
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.send("HTTP/1.1 200 OK\r\n");
            while connection.send("x-field: value\r\n".repeat(1000)) {}
        }
    });
    let answer = Gateway::before(&origin).into_client().get("/");
    assert_eq!(answer.status, 502);
    assert_eq!(answer.field("proxy-status"), Some("ringway; error=http_response_header_section_size"));
}

#[test]
fn one_address_may_hold_this_many_connections() {
    let origin = Origin::answering(|_| Reply::status(204));
    let gateway = gateway(&origin, "connections_per_address = 2");
    let mut first = gateway.client();
    let mut second = gateway.client();
    assert_eq!([first.get("/").status, second.get("/").status], [204, 204]);
    let mut third = gateway.client();
    third.try_send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(third.answer().status, 429);
    third.expect_end();
    drop(first);
    // The place is free again once the gateway has seen the end.
    super::support::eventually("a place for another connection", || another(&gateway, 429));
    assert_eq!(second.get("/").status, 204);
}

#[test]
fn a_worker_may_hold_this_many_connections() {
    let origin = Origin::answering(|_| Reply::status(204));
    let gateway = gateway(&origin, "connections = 2");
    let mut first = gateway.client();
    let mut second = gateway.client();
    assert_eq!([first.get("/").status, second.get("/").status], [204, 204]);
    let mut third = gateway.client();
    third.try_send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(third.answer().status, 503);
    third.expect_end();
    drop(second);
    super::support::eventually("a place for another connection", || another(&gateway, 503));
    assert_eq!(first.get("/").status, 204);
}

/// A connection that is served; `None` when it was refused with `refusal`.
fn another(gateway: &Gateway, refusal: u16) -> Option<Client> {
    let mut client = gateway.client();
    client.try_send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    match client.answer().status {
        204 => Some(client),
        status => {
            assert_eq!(status, refusal);
            None
        }
    }
}
