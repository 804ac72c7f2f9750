//! The answers that Ringway makes itself: their form, what they tell, what they keep to themselves, and what becomes of
//! a body that nobody will read.

use super::support::{Gateway, Origin, Reply};

/// A gateway with a route for `GET /here` and nothing else.
fn gateway(origin: &Origin) -> Gateway {
    let endpoint = origin.endpoint();
    Gateway::with(&format!(
        "[routes.here]\npath = \"/here\"\nmethods = [\"GET\", \"PUT\"]\nupstream = {{ endpoints = [\"{endpoint}\"] }}\n\
         [routes.fixed]\npath = \"/fixed\"\nrespond = {{ status = 200, text = \"fixed\" }}\n"
    ))
}

#[test]
fn an_error_is_a_problem_with_the_request_id() {
    let mut client = gateway(&Origin::refusing()).into_client();
    let answer = client.get("/nowhere");
    assert_eq!((answer.status, answer.field("content-type")), (404, Some("application/problem+json")));
    let problem = answer.json();
    assert_eq!(problem["type"], "tag:ringway,2026:problem/no-route");
    assert_eq!(
        (problem["status"].as_u64(), problem["title"].as_str()),
        (Some(404), Some("No route matches the request"))
    );
    assert_eq!(problem["instance"].as_str(), answer.field("x-request-id"));
    assert!(problem["instance"].as_str().is_some_and(|id| id.len() == 36), "{problem}");
    assert_eq!(answer.field("proxy-status"), Some("ringway; error=http_request_denied"));
    assert!(answer.fields.has("date") && !answer.fields.has("server"));
}

#[test]
fn an_error_comes_in_the_form_that_the_client_takes() {
    let mut client = gateway(&Origin::refusing()).into_client();
    for (accept, media) in [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("application/json, text/plain;q=0.5", "application/problem+json"),
        ("text/plain;q=0.1, text/html;q=0.9", "text/html; charset=utf-8"),
        ("*/*", "application/problem+json"),
        ("image/png", "application/problem+json"),
    ] {
        let answer = client.ask(&format!("GET /nowhere HTTP/1.1\r\nhost: test\r\naccept: {accept}\r\n\r\n"));
        assert_eq!((answer.status, answer.field("content-type")), (404, Some(media)), "{accept}");
        let id = answer.field("x-request-id").expect("it has an id").to_owned();
        assert!(answer.text().contains(&id) && answer.text().contains("404"), "{}", answer.text());
    }
}

#[test]
fn an_error_for_head_has_no_body() {
    let mut client = gateway(&Origin::refusing()).into_client();
    let answer = client.ask("HEAD /nowhere HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(answer.status, 404);
    assert!(answer.field("content-length").is_some_and(|length| length != "0"), "{:?}", answer.fields);
    assert_eq!(client.get("/nowhere").status, 404);
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    let origin = Origin::answering(|_| Reply::status(204));
    let mut client = gateway(&origin).into_client();
    let answer = client.ask("DELETE /here HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(answer.status, 405);
    let mut allowed: Vec<&str> = answer.field("allow").expect("405 has Allow").split(',').map(str::trim).collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "PUT"]);
    assert_eq!(client.ask("HEAD /here HTTP/1.1\r\nhost: test\r\n\r\n").status, 204);
}

#[test]
fn nothing_internal_leaks() {
    let origin = Origin::refusing();
    let mut client = gateway(&origin).into_client();
    for request in [
        "GET /here HTTP/1.1\r\nhost: test\r\n\r\n",
        "GET /here HTTP/1.1\r\nhost: test\r\naccept: text/html\r\n\r\n",
        "GET /here HTTP/1.1\r\nhost: test\r\naccept: text/plain\r\n\r\n",
    ] {
        let answer = client.ask(request);
        assert_eq!(answer.status, 502);
        let all = format!("{:?}{}", answer.fields, answer.text()).to_lowercase();
        let port = origin.authority().split(':').next_back().expect("it has a port").to_owned();
        for secret in [port.as_str(), "127.0.0.1", "here", "errno", "os error", "src/"] {
            assert!(!all.contains(secret), "{secret} leaks: {all}");
        }
    }
}

#[test]
fn a_short_body_that_nobody_reads_is_drained() {
    let mut client = gateway(&Origin::refusing()).into_client();
    for framed in
        ["content-length: 5\r\n\r\nhello", "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx: y\r\n\r\n"]
    {
        client
            .send(format!("POST /nowhere HTTP/1.1\r\nhost: test\r\n{framed}GET /fixed HTTP/1.1\r\nhost: test\r\n\r\n"));
        assert_eq!(client.answer().status, 404);
        assert_eq!(client.answer().text(), "fixed");
    }
}

#[test]
fn a_long_body_that_nobody_reads_ends_the_connection() {
    let gateway = gateway(&Origin::refusing());
    let mut client = gateway.client();
    client.send("POST /nowhere HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.field("connection")), (404, Some("close")));
    client.expect_end();
}

#[test]
fn a_client_that_sends_on_after_a_refusal_still_reads_the_answer() {
    let mut client = gateway(&Origin::refusing()).into_client();
    client.send("POST /nowhere HTTP/1.1\r\nhost: test\r\ncontent-length: 100000\r\n\r\n");
    // As much as the gateway lingers for; a reset here would destroy the answer on its way (RFC 9112 9.6).
    client.try_send(vec![b'x'; 100_000]);
    assert_eq!(client.answer().status, 404);
}

#[test]
fn a_client_that_waits_for_100_is_answered_at_once() {
    let mut client = gateway(&Origin::refusing()).into_client();
    client.send("PUT /nowhere HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.field("connection")), (404, Some("close")));
}

#[test]
fn a_malformed_request_is_answered_and_closed() {
    let gateway = gateway(&Origin::refusing());
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET\r\n\r\n",
        "\x16\x03\x01\x02\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    ] {
        let mut client = gateway.client();
        client.send(request);
        let answer = client.answer();
        assert_eq!((answer.status, answer.field("connection")), (400, Some("close")), "{request:?}");
        client.expect_end();
    }
    let mut client = gateway.client();
    client.send("GET / HTTP/2.0\r\nhost: a\r\n\r\n");
    assert_eq!(client.answer().status, 505);
}
