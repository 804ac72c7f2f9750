//! A request and its answer on their way through: what stays, what goes, what is added.

use super::support::wire::Framing;
use super::support::{Gateway, Origin, Reply};

#[test]
fn a_request_and_its_answer_arrive_as_they_were_sent() {
    let origin = Origin::answering(|_| Reply::text("here").with("X-Answer", "a, b").with("x-answer", "c"));
    let mut client = Gateway::before(&origin).into_client();
    let answer =
        client.ask("PUT /a/b?c=d&e HTTP/1.1\r\nHost: Shop.example:81\r\nX-One: 1\r\nx-two: 2\r\nX-One: 3\r\ncontent-length: 4\r\n\r\nbody");
    assert_eq!((answer.status, answer.text()), (200, "here"));
    assert_eq!(answer.fields.all("x-answer"), ["a, b", "c"]);
    let request = origin.request();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("PUT", "/a/b?c=d&e"));
    assert_eq!((request.body.as_slice(), request.framing), (b"body".as_slice(), Framing::Length(4)));
    assert_eq!(request.field("host"), Some("Shop.example:81"));
    assert_eq!(request.fields.all("x-one"), ["1", "3"]);
    assert_eq!(request.field("x-two"), Some("2"));
}

#[test]
fn bytes_beyond_ascii_in_a_field_value_pass_through() {
    let origin = Origin::answering(|request| Reply::status(200).with("x-echo", request.field("x-name").unwrap_or("")));
    let mut client = Gateway::before(&origin).into_client();
    client.send(b"GET / HTTP/1.1\r\nhost: test\r\nx-name: caf\xe9\r\n\r\n");
    client.answer();
    assert_eq!(origin.request().field("x-name"), Some("caf\u{e9}"));
}

#[test]
fn a_method_that_nobody_registered_is_forwarded() {
    let origin = Origin::answering(|_| Reply::status(204));
    let mut client = Gateway::before(&origin).into_client();
    assert_eq!(client.ask("PURGE-all /x HTTP/1.1\r\nhost: test\r\n\r\n").status, 204);
    assert_eq!(origin.request().method, "PURGE-all");
}

#[test]
fn a_query_carries_its_body() {
    let origin = Origin::answering(|request| Reply::text(request.body.clone()));
    let mut client = Gateway::before(&origin).into_client();
    let answer = client.ask("QUERY /search HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\n\r\na=b");
    assert_eq!((answer.text(), origin.request().method.as_str()), ("a=b", "QUERY"));
}

#[test]
fn fields_of_one_hop_stay_on_it() {
    let origin = Origin::playing(|connection| {
        while connection.request().is_ok() {
            connection.send(
                "HTTP/1.1 200 OK\r\nConnection: x-private, keep-alive\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\n\
                 Proxy-Connection: keep-alive\r\nUpgrade: h2c\r\nx-public: 1\r\ncontent-length: 0\r\n\r\n",
            );
        }
    });
    let mut client = Gateway::before(&origin).into_client();
    let answer = client.ask(
        "GET / HTTP/1.1\r\nhost: test\r\nconnection: X-Secret , ,keep-alive\r\nx-secret: 1\r\nKeep-Alive: 5\r\n\
         Proxy-Connection: keep-alive\r\nTE: trailers, deflate\r\nUpgrade: websocket\r\nx-public: 1\r\n\r\n",
    );
    let request = origin.request();
    for name in ["x-secret", "keep-alive", "proxy-connection", "upgrade", "x-private"] {
        assert!(!request.fields.has(name), "{name} went up");
        assert!(!answer.fields.has(name), "{name} came down");
    }
    assert!(request.fields.all("te").iter().all(|value| *value == "trailers"), "{:?}", request.fields);
    assert_eq!((request.field("x-public"), answer.field("x-public")), (Some("1"), Some("1")));
}

#[test]
fn a_client_cannot_nominate_what_the_gateway_sets() {
    let origin = Origin::answering(|_| Reply::status(204));
    let mut client = Gateway::before(&origin).into_client();
    client.ask(
        "GET / HTTP/1.1\r\nhost: test\r\n\
         connection: x-forwarded-for, x-forwarded-host, X-Forwarded-Proto, via, x-request-id, host, traceparent\r\n\r\n",
    );
    let request = origin.request();
    for name in
        ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "via", "x-request-id", "host", "traceparent"]
    {
        assert!(request.fields.has(name), "{name} was nominated away: {:?}", request.fields);
    }
}

#[test]
fn via_grows_by_one_entry_in_each_direction() {
    let origin = Origin::answering(|_| Reply::status(200).with("via", "1.1 inner"));
    let mut client = Gateway::before(&origin).into_client();
    let answer = client.ask("GET / HTTP/1.1\r\nhost: test\r\nvia: 1.0 edge\r\n\r\n");
    assert_eq!(entries(&origin.request().fields.all("via")), ["1.0 edge", "1.1 ringway"]);
    assert_eq!(entries(&answer.fields.all("via")), ["1.1 inner", "1.1 ringway"]);
}

/// A list field's entries, over all its lines (RFC 9110 5.6.1).
fn entries<'a>(values: &[&'a str]) -> Vec<&'a str> {
    values.iter().flat_map(|value| value.split(',').map(str::trim)).collect()
}

#[test]
fn a_request_that_went_round_in_circles_is_stopped() {
    let origin = Origin::answering(|_| Reply::status(204));
    let mut client = Gateway::before(&origin).into_client();
    assert_eq!(
        client.ask("GET / HTTP/1.1\r\nhost: test\r\nvia: 1.1 ringway, 1.1 ringway, 1.1 ringway\r\n\r\n").status,
        204
    );
    let looped =
        "GET / HTTP/1.1\r\nhost: test\r\nvia: 1.1 ringway, 1.1 x, 1.1 ringway\r\nvia: 1.1 ringway,1.1 ringway\r\n\r\n";
    assert_eq!(client.ask(looped).status, 508);
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn date_is_added_where_the_origin_has_none() {
    let origin = Origin::answering(|request| match request.target.as_str() {
        "/dated" => Reply::status(200).with("date", "Tue, 15 Nov 1994 08:12:31 GMT"),
        _ => Reply::status(200),
    });
    let mut client = Gateway::before(&origin).into_client();
    assert_eq!(client.get("/dated").field("date"), Some("Tue, 15 Nov 1994 08:12:31 GMT"));
    let answer = client.get("/undated");
    let date = answer.field("date").expect("a date was added");
    assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
}

#[test]
fn one_canonical_path_is_routed_and_forwarded() {
    let origin = Origin::answering(|_| Reply::status(204));
    let endpoint = origin.endpoint();
    let gateway = Gateway::with(&format!(
        "[routes.a]\npath = \"/a/*\"\nupstream = {{ endpoints = [\"{endpoint}\"] }}\n\
         [routes.secret]\npath = \"/secret/*\"\nrespond = {{ status = 403 }}\n"
    ));
    let mut client = gateway.client();
    for (sent, arrives) in [
        ("/a/%7Euser/./b/../c?x=%7e/../y", "/a/~user/c?x=%7e/../y"),
        ("/x/../a/b", "/a/b"),
        ("/%61/b", "/a/b"),
        ("/a//b/", "/a//b/"),
        ("/a/%2f%2F", "/a/%2F%2F"),
        ("/a/b/..", "/a/"),
    ] {
        assert_eq!(client.get(sent).status, 204, "{sent}");
        assert_eq!(origin.requests().last().expect("it came").target, arrives, "{sent}");
    }
    for sent in ["/a/../secret/x", "/%73ecret/x", "/./secret/./x"] {
        assert_eq!(client.get(sent).status, 403, "{sent}");
    }
    for sent in [
        "/../a",
        "/a/%00",
        "/a/%zz",
        "/a/%4",
        "/a\\b",
        "/a/../../b",
        "/a/%2e%2e/secret/x",
        "/a/..%2fsecret/x",
        "/a/..;/secret/x",
        "/a/%5c..",
        "/a/%c0%ae/x",
    ] {
        assert_eq!(gateway.client().get(sent).status, 400, "{sent}");
    }
}

#[test]
fn an_absolute_target_says_the_host() {
    let origin = Origin::answering(|_| Reply::status(204));
    let mut client = Gateway::before(&origin).into_client();
    assert_eq!(client.ask("GET http://real.example/p?q HTTP/1.1\r\nhost: other.example\r\n\r\n").status, 204);
    let request = origin.request();
    assert_eq!((request.target.as_str(), request.field("host")), ("/p?q", Some("real.example")));
}

#[test]
fn an_asterisk_is_for_options_only() {
    let origin = Origin::answering(|_| Reply::status(204));
    let gateway = Gateway::before(&origin);
    assert_eq!(gateway.client().ask("GET * HTTP/1.1\r\nhost: test\r\n\r\n").status, 400);
    assert_eq!(origin.requests().len(), 0);
}

#[test]
fn connect_and_trace_go_nowhere() {
    let origin = Origin::answering(|_| Reply::status(204));
    let gateway = Gateway::before(&origin);
    assert_eq!(gateway.client().ask("CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:443\r\n\r\n").status, 501);
    assert_eq!(gateway.client().ask("TRACE / HTTP/1.1\r\nhost: test\r\n\r\n").status, 405);
    assert_eq!(origin.connections(), 0);
}

#[test]
fn what_is_no_http_answer_is_the_upstreams_fault() {
    for wire in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 200 OK\nx: y\n\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nokk",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nxx",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx : y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: y\r\n folded\r\n\r\n",
    ] {
        let origin = Origin::playing(move |connection| {
            if connection.request().is_ok() {
                connection.send(wire);
                connection.wire().finish_sending();
                connection.await_end();
            }
        });
        let mut client = Gateway::before(&origin).into_client();
        // The fault is behind the gateway: the client's connection goes on.
        assert_eq!([client.get("/").status, client.get("/").status], [502, 502], "{wire:?}");
    }
}

#[test]
fn a_unix_socket_is_an_endpoint_like_any_other() {
    let directory = super::support::process::Directory::new();
    let origin = Origin::answering_at(&directory.path().join("origin.sock"), |_| Reply::text("local"));
    let mut client = Gateway::before(&origin).into_client();
    assert_eq!(client.get("/").text(), "local");
    assert_eq!(client.get("/").text(), "local");
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_request_that_may_go_no_further_is_answered_here() {
    let origin = Origin::answering(|_| Reply::status(204));
    let mut client = Gateway::before(&origin).into_client();
    let answer = client.ask("OPTIONS / HTTP/1.1\r\nhost: test\r\nmax-forwards: 0\r\n\r\n");
    assert_eq!((answer.status, origin.connections()), (200, 0));
    client.ask("OPTIONS / HTTP/1.1\r\nhost: test\r\nmax-forwards: 7\r\n\r\n");
    // RFC 9110 7.6.2 counts for OPTIONS and TRACE only.
    client.ask("GET / HTTP/1.1\r\nhost: test\r\nmax-forwards: 0\r\n\r\n");
    let requests = origin.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].field("max-forwards"), Some("6"));
}

#[test]
fn hops_are_counted_only_by_one_line_of_digits() {
    let origin = Origin::answering(|_| Reply::status(204));
    let mut client = Gateway::before(&origin).into_client();
    for lines in ["max-forwards: +7", "max-forwards: 7\r\nmax-forwards: 7", "max-forwards: 0\r\nmax-forwards: 9"] {
        let answer = client.ask(&format!("OPTIONS / HTTP/1.1\r\nhost: test\r\n{lines}\r\n\r\n"));
        assert_eq!(answer.status, 204, "{lines}");
    }
    assert!(origin.requests().iter().all(|request| request.field("max-forwards").is_none()));
}

#[test]
fn an_answer_whose_date_ends_at_this_hop_gets_another() {
    let origin = Origin::answering(|_| Reply::text("a").with("date", "yesterday").with("connection", "date"));
    let answer = Gateway::before(&origin).into_client().get("/");
    assert!(answer.field("date").is_some_and(|date| date.ends_with(" GMT")), "{answer:?}");
}
