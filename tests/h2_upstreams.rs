//! HTTP/1.1 clients reach origins that speak HTTP/2: heads, bodies, trailers and ends are the same on both sides.

use std::sync::Arc;

use h2::Reason;

use crate::support::h2_origin::{Call, H2Origin};
use crate::support::process::Directory;
use crate::support::wire::{Broken, Framing};
use crate::support::{Authority, Gate, Gateway, Origin, Reply};

/// Forwards everything to `origin` over h2c; `more` holds further tables of the configuration.
fn before(origin: &H2Origin, more: &str) -> Gateway {
    let endpoint = origin.endpoint();
    Gateway::with(&format!(
        "[upstreams.origin]\nendpoints = [\"{endpoint}\"]\nprotocol = \"h2c\"\n\
         [routes.all]\npath = \"/*\"\nupstream = \"origin\"\n{more}"
    ))
}

#[test]
fn a_request_and_its_answer_keep_their_meaning() {
    let origin = H2Origin::serving(|mut call: Call| async move {
        call.read().await;
        call.answer(201, &[("content-length", "5"), ("x-a", "1"), ("set-cookie", "a=1"), ("set-cookie", "b=2")])
            .end("hello");
    });
    let gateway = before(&origin, "");
    let answer = gateway.client().ask(
        "POST /a%2Fb?q=%20 HTTP/1.1\r\nhost: api.test\r\ncontent-length: 4\r\nx-one: 1\r\ncookie: a=1; b=2\r\n\
         te: trailers\r\nconnection: te, x-gone\r\nx-gone: 1\r\n\r\nbody",
    );
    assert_eq!((answer.status, answer.text()), (201, "hello"));
    assert_eq!((answer.fields.get("x-a"), answer.fields.all("set-cookie")), (Some("1"), vec!["a=1", "b=2"]));
    assert_eq!(answer.fields.get("via"), Some("2.0 ringway"));
    let asked = origin.request();
    assert_eq!((asked.method.as_str(), asked.uri.as_str()), ("POST", "http://api.test/a%2Fb?q=%20"));
    assert_eq!(asked.body, b"body");
    for (name, value) in [
        ("x-one", Some("1")),
        ("cookie", Some("a=1; b=2")),
        ("te", Some("trailers")),
        ("content-length", Some("4")),
        ("host", None),
        ("x-gone", None),
        ("connection", None),
        ("via", Some("1.1 ringway")),
    ] {
        assert_eq!(asked.field(name), value, "{name}");
    }
}

#[test]
fn a_request_without_a_body_has_none_and_one_of_unknown_length_keeps_its_trailers() {
    let origin = H2Origin::serving(|mut call: Call| async move {
        call.read().await;
        call.answer_bodiless(200, &[]);
    });
    let gateway = before(&origin, "");
    let mut client = gateway.client();
    assert_eq!(client.get("/1").fields.get("content-length"), Some("0"));
    client.ask("POST /2 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n");
    client.ask(
        "POST /3 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nx-sum: 7\r\n\r\n",
    );
    client.ask("POST /4 HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
    let asked = origin.requests();
    assert!(asked[0].is_bodiless && asked[1].is_bodiless && asked[3].is_bodiless);
    assert_eq!(asked[2].body, b"abcde");
    assert_eq!(asked[2].trailers.get("x-sum").unwrap(), "7");
    assert_eq!(asked[2].field("transfer-encoding"), None);
    assert_eq!(asked[3].field("content-length"), Some("0"));
}

#[test]
fn trailers_behind_an_announced_length_are_dropped_and_cost_nothing_else() {
    let origin = H2Origin::serving(|mut call: Call| async move {
        call.read().await;
        let mut body = call.answer(200, &[("content-length", "4")]);
        body.send("body");
        body.trailers(&[("x-sum", "7")]);
    });
    let gateway = before(&origin, "");
    let mut client = gateway.client();
    for _ in 0..2 {
        let answer = client.get("/");
        assert_eq!((answer.text(), answer.trailers.get("x-sum")), ("body", None));
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn an_answer_of_unknown_length_comes_in_chunks_with_its_trailers() {
    let origin = H2Origin::serving(|mut call: Call| async move {
        call.read().await;
        let mut body = call.answer(200, &[("trailer", "x-sum")]);
        body.send("one");
        body.send("");
        body.send("two");
        body.trailers(&[("x-sum", "7"), ("x-bin", "a\tb")]);
    });
    let answer = before(&origin, "").client().get("/");
    assert_eq!((answer.framing, answer.text()), (Framing::Chunked, "onetwo"));
    assert_eq!((answer.trailers.get("x-sum"), answer.trailers.get("x-bin")), (Some("7"), Some("a\tb")));
}

#[test]
fn answers_without_a_body_have_none() {
    let origin = H2Origin::serving(|mut call: Call| async move {
        call.read().await;
        match call.asked.uri.rsplit_once('/').unwrap().1 {
            "204" => call.answer_bodiless(204, &[]),
            "304" => call.answer_bodiless(304, &[("content-length", "5"), ("etag", "\"a\"")]),
            "length" => call.answer_bodiless(200, &[("content-length", "5")]),
            // END_STREAM in a frame of its own.
            "late" => call.answer(200, &[("content-length", "5")]).end(""),
            _ => call.answer_bodiless(200, &[]),
        }
    });
    let gateway = before(&origin, "");
    let mut client = gateway.client();
    assert_eq!(client.get("/204").fields.get("content-length"), None);
    assert_eq!(client.get("/304").fields.get("content-length"), Some("5"));
    for (target, length) in [("length", Some("5")), ("late", Some("5")), ("none", None)] {
        let answer = client.ask(&format!("HEAD /{target} HTTP/1.1\r\nhost: a\r\n\r\n"));
        assert_eq!((answer.fields.get("content-length"), answer.fields.has("transfer-encoding")), (length, false));
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn interim_answers_pass_and_a_body_waits_for_its_100() {
    let origin = H2Origin::serving(|mut call: Call| async move {
        call.interim(103, &[("link", "</a>")]);
        call.interim(100, &[]);
        call.read().await;
        call.answer_text("done");
    });
    let gateway = before(&origin, "");
    let mut client = gateway.client();
    client.send("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n");
    let early = client.answer();
    assert_eq!((early.status, early.fields.get("link")), (103, Some("</a>")));
    assert_eq!(client.answer().status, 100);
    assert_eq!(client.ask("body").text(), "done");
    assert_eq!(origin.request().body, b"body");
    assert_eq!(origin.request().field("expect"), Some("100-continue"));
}

#[test]
fn long_bodies_pass_both_ways_over_many_windows() {
    let length = 5_000_000;
    let origin = H2Origin::serving(move |mut call: Call| async move {
        let asked = call.read().await;
        let mut body = call.answer(200, &[]);
        for piece in asked.body.chunks(60_000) {
            body.send(piece.to_vec());
        }
        body.end("!");
    });
    let gateway = before(&origin, "");
    let mut client = gateway.client();
    let sent: Vec<u8> = (0..length).map(|at: u32| (at % 251) as u8).collect();
    for framing in ["chunked", "length"] {
        if framing == "chunked" {
            client.send("POST /1 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
            for piece in sent.chunks(100_000) {
                client.send(format!("{:x}\r\n", piece.len())).send(piece).send("\r\n");
            }
            client.send("0\r\n\r\n");
        } else {
            client.send(format!("POST /2 HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n")).send(&sent);
        }
        let answer = client.answer();
        assert_eq!(answer.body.len(), sent.len() + 1, "{framing}");
        assert!(answer.body.starts_with(&sent) && answer.body.ends_with(b"!"), "{framing}");
    }
}

#[test]
fn first_requests_share_one_connect_and_later_ones_its_connection() {
    let gate = Arc::new(Gate::default());
    let (held, count) = (Arc::clone(&gate), 40);
    let origin = H2Origin::serving(move |mut call: Call| {
        let gate = Arc::clone(&held);
        async move {
            call.read().await;
            tokio::task::spawn_blocking(move || gate.pass()).await.unwrap();
            call.answer_text("done");
        }
    });
    let gateway = before(&origin, "");
    let mut clients: Vec<_> = (0..count).map(|_| gateway.client()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(format!("GET /{number} HTTP/1.1\r\nhost: a\r\n\r\n"));
    }
    origin.await_request(count);
    gate.open();
    clients.iter_mut().for_each(|client| assert_eq!(client.answer().text(), "done"));
    assert_eq!(clients[0].get("/again").text(), "done");
    assert_eq!((origin.connections(), gateway.metric("ringway_upstream_connects_total") as usize), (1, 1));
}

#[test]
fn an_answer_that_is_cut_never_looks_whole() {
    let origin = H2Origin::serving(|mut call: Call| async move {
        call.read().await;
        match call.asked.uri.rsplit_once('/').unwrap().1 {
            "chunked-reset" => {
                let mut body = call.answer(200, &[]);
                body.send("part");
                tokio::task::yield_now().await;
                body.reset(Reason::INTERNAL_ERROR);
            }
            "length-reset" => {
                let mut body = call.answer(200, &[("content-length", "9")]);
                body.send("part");
                tokio::task::yield_now().await;
                body.reset(Reason::CANCEL);
            }
            "lost" => {
                let mut body = call.answer(200, &[]);
                body.send("part");
                tokio::task::yield_now().await;
                call.hang_up();
            }
            // A reset with NO_ERROR before END_STREAM is no end either.
            "no-error" => {
                let mut body = call.answer(200, &[]);
                body.send("part");
                tokio::task::yield_now().await;
                body.reset(Reason::NO_ERROR);
            }
            _ => call.answer_text("whole"),
        }
    });
    let gateway = before(&origin, "");
    for target in ["chunked-reset", "length-reset", "lost", "no-error"] {
        let mut client = gateway.client();
        client.send(format!("GET /{target} HTTP/1.1\r\nhost: a\r\n\r\n"));
        // Where the cut came before the head had left, the client is told.
        match client.try_answer() {
            Ok(answer) => assert_eq!(answer.status, 502, "{target}"),
            Err(broken) => assert!(matches!(broken, Broken::Cut | Broken::Reset), "{target}: {broken:?}"),
        }
    }
    assert_eq!(gateway.client().get("/whole").text(), "whole");
}

#[test]
fn a_client_that_leaves_cancels_its_stream_and_no_other() {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let origin = H2Origin::serving(move |mut call: Call| {
        let gate = Arc::clone(&held);
        async move {
            if call.asked.uri.ends_with("/leaves") {
                call.await_reset().await;
                gate.open();
                return;
            }
            tokio::task::spawn_blocking(move || gate.pass()).await.unwrap();
            call.answer_text("stays");
        }
    });
    let gateway = before(&origin, "");
    let (mut leaves, mut stays) = (gateway.client(), gateway.client());
    leaves.send("GET /leaves HTTP/1.1\r\nhost: a\r\n\r\n");
    stays.send("GET /stays HTTP/1.1\r\nhost: a\r\n\r\n");
    origin.await_request(2);
    drop(leaves);
    assert_eq!(stays.answer().text(), "stays");
    assert_eq!((origin.await_cut().as_str(), origin.connections()), ("CANCEL", 1));
}

#[test]
fn what_was_refused_is_sent_again_whatever_its_method() {
    let origin = H2Origin::serving(|mut call: Call| async move {
        let asked = call.read().await;
        if asked.field("x-request-id").is_some_and(|_| call.asked.uri.ends_with("/always")) || call.is_first() {
            call.reset(Reason::REFUSED_STREAM);
            return;
        }
        call.answer_text(&String::from_utf8_lossy(&asked.body));
    });
    let gateway = before(&origin, "");
    let answer = gateway.client().ask("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody");
    assert_eq!((answer.status, answer.text()), (200, "body"));
    assert_eq!(origin.requests().len(), 2);
    assert_eq!(gateway.metric("ringway_retries_total{reason=\"unprocessed\"}") as u64, 1);
    // And not for ever.
    assert_eq!(gateway.client().ask("POST /always HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").status, 502);
    assert_eq!(origin.requests().len(), 5);
}

#[test]
fn a_connection_that_goes_away_finishes_its_streams_and_takes_no_more() {
    let origin = H2Origin::serving(|mut call: Call| async move {
        call.read().await;
        call.go_away();
        tokio::task::yield_now().await;
        let number = call.asked.connection.to_string();
        call.answer_text(&number);
    });
    let gateway = before(&origin, "");
    let mut client = gateway.client();
    for number in ["1", "2", "3"] {
        let answer = client.ask("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody");
        assert_eq!((answer.status, answer.text()), (200, number));
    }
    origin.await_ended(2);
}

#[test]
fn a_peer_that_takes_few_streams_gets_no_more_and_others_wait() {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(2);
    let origin = H2Origin::built(builder, move |mut call: Call| {
        let gate = Arc::clone(&held);
        async move {
            call.read().await;
            tokio::task::spawn_blocking(move || gate.pass()).await.unwrap();
            call.answer_text("done");
        }
    });
    let gateway = before(&origin, "");
    let mut clients: Vec<_> = (0..40).map(|_| gateway.client()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    // As many connections as there may be, with two streams each; eight requests wait.
    origin.await_request(32);
    assert_eq!(origin.connections(), 16);
    gate.open();
    clients.iter_mut().for_each(|client| assert_eq!(client.answer().text(), "done"));
    assert_eq!(origin.connections(), 16);
}

#[test]
fn a_peer_that_takes_no_stream_is_given_up_in_the_time_of_a_connect() {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(0);
    let none = H2Origin::built(builder, |mut call: Call| async move { call.answer_text("none") });
    let other = H2Origin::serving(|mut call: Call| async move {
        call.read().await;
        call.answer_text("other");
    });
    let gateway = Gateway::with(&format!(
        "[upstreams.origin]\nendpoints = [\"{}\", \"{}\"]\nprotocol = \"h2c\"\ntimeouts.connect = \"100ms\"\n\
         [routes.all]\npath = \"/*\"\nupstream = \"origin\"",
        none.endpoint(),
        other.endpoint()
    ));
    for _ in 0..4 {
        let answer = gateway.client().ask("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody");
        assert_eq!(answer.text(), "other");
    }
    assert_eq!(none.requests().len(), 0);
}

#[test]
fn a_server_of_http_1_is_no_server_of_http_2() {
    let origin = Origin::playing(|connection| {
        connection.send("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        let _ = connection.wire().rest();
    });
    let gateway = Gateway::with(&format!(
        "[upstreams.origin]\nendpoints = [\"{}\"]\nprotocol = \"h2c\"\n[routes.all]\npath = \"/*\"\nupstream = \"origin\"",
        origin.endpoint()
    ));
    assert_eq!(gateway.client().get("/").status, 502);
}

#[test]
fn a_client_that_does_not_read_stalls_its_stream_alone() {
    let origin = H2Origin::serving(|mut call: Call| async move {
        call.read().await;
        if call.asked.uri.ends_with("/stalls") {
            let mut body = call.answer(200, &[]);
            // Far more than sockets hold: the rest waits here, for windows that do not open.
            for _ in 0..400 {
                body.send(vec![b'x'; 100_000]);
            }
            body.end("");
            return;
        }
        call.answer_text(&"y".repeat(100_000));
    });
    let gateway = before(&origin, "");
    let (mut stalls, mut other) = (gateway.client(), gateway.client());
    stalls.send("GET /stalls HTTP/1.1\r\nhost: a\r\n\r\n");
    stalls.answer_head();
    for _ in 0..20 {
        assert_eq!(other.get("/other").body.len(), 100_000);
    }
    assert_eq!(origin.connections(), 1);
    // What waited was not lost.
    let mut count = 0;
    while let Some(chunk) = stalls.wire().chunk().expect("the answer goes on") {
        count += chunk.len();
    }
    assert_eq!(count, 40_000_000);
}

#[test]
fn connections_stay_across_a_reload_while_their_endpoint_does() {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let origin = H2Origin::serving(move |mut call: Call| {
        let gate = Arc::clone(&held);
        async move {
            call.read().await;
            if call.asked.uri.ends_with("/waits") {
                tokio::task::spawn_blocking(move || gate.pass()).await.unwrap();
            }
            call.answer_text("done");
        }
    });
    let endpoint = origin.endpoint();
    let config = |name: &str, protocol: &str| {
        format!(
            "[server]\nworkers = 1\n[listeners.web]\naddress = \"127.0.0.1:0\"\n\
             [upstreams.{name}]\nendpoints = [\"{endpoint}\"]\nprotocol = \"{protocol}\"\n\
             [routes.all]\npath = \"/*\"\nupstream = \"{name}\""
        )
    };
    let gateway = Gateway::start(&config("one", "h2c"));
    let mut waits = gateway.client();
    waits.send("GET /waits HTTP/1.1\r\nhost: a\r\n\r\n");
    origin.await_request(1);
    gateway.reload(&config("one", "h2c"));
    assert_eq!(gateway.client().get("/").text(), "done");
    assert_eq!(origin.connections(), 1);
    // Another upstream has its own; the old one's ends with its last stream.
    gateway.reload(&config("two", "h2c"));
    assert_eq!(gateway.client().get("/").text(), "done");
    assert_eq!(origin.connections(), 2);
    gate.open();
    assert_eq!(waits.answer().text(), "done");
    origin.await_ended(1);
}

#[test]
fn a_connection_at_rest_is_closed_after_its_time() {
    let origin = H2Origin::serving(|mut call: Call| async move {
        call.read().await;
        call.answer_text("done");
    });
    let endpoint = origin.endpoint();
    let gateway = Gateway::with(&format!(
        "[upstreams.origin]\nendpoints = [\"{endpoint}\"]\nprotocol = \"h2c\"\nidle_timeout = \"100ms\"\n\
         [routes.all]\npath = \"/*\"\nupstream = \"origin\""
    ));
    assert_eq!(gateway.client().get("/").text(), "done");
    origin.await_ended(1);
    assert_eq!(gateway.client().get("/").text(), "done");
    assert_eq!(origin.connections(), 2);
}

/// A gateway that takes HTTP/2 over TLS for `a.test`, before an origin of HTTP/1.1.
fn inner(folder: &Directory, authority: &Authority, origin: &Origin, protocols: &str) -> Gateway {
    authority.sign(&["a.test"]).write(folder.path(), "a");
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    let path = folder.path().display();
    Gateway::start(&format!(
        "[server]\nworkers = 1\n[listeners.web]\naddress = \"127.0.0.1:0\"\ntls = \"edge\"\nprotocols = [{protocols}]\n\
         [tls.edge]\ncertificates = [{{ cert = \"{path}/a.pem\", key = \"{path}/a.key\" }}]\n\
         [upstreams.origin]\nendpoints = [\"{}\"]\n[routes.all]\npath = \"/*\"\nupstream = \"origin\"",
        origin.endpoint()
    ))
}

#[test]
fn over_tls_requests_share_a_connection_too() {
    let (folder, authority) = (Directory::new(), Authority::new("us"));
    let origin = Origin::answering(|request| Reply::text(request.body.clone()).with("x-length", "known"));
    let inner = inner(&folder, &authority, &origin, "\"h2\"");
    let (address, path) = (inner.address(), folder.path().display());
    let outer = |name: &str| {
        Gateway::with(&format!(
            "[upstreams.inner]\nendpoints = [\"https://{address}\"]\nprotocol = \"h2\"\n\
             tls = {{ ca = \"{path}/ca.pem\", server_name = \"{name}\" }}\n\
             [routes.all]\npath = \"/*\"\nupstream = \"inner\"\nrewrite.host = \"a.test\""
        ))
    };
    let gateway = outer("a.test");
    let body = "z".repeat(300_000);
    for _ in 0..3 {
        let length = body.len();
        let answer =
            gateway.client().ask(&format!("POST / HTTP/1.1\r\nhost: b\r\ncontent-length: {length}\r\n\r\n{body}"));
        assert_eq!((answer.status, answer.text() == body), (200, true));
    }
    assert_eq!(gateway.metric("ringway_upstream_connects_total") as u64, 1);
    assert_eq!(origin.requests()[0].field("x-forwarded-proto"), Some("https"));
    assert_eq!(outer("other.test").client().get("/").status, 502);
}

#[test]
fn an_endpoint_that_speaks_no_http_2_over_tls_gets_no_request() {
    let (folder, authority) = (Directory::new(), Authority::new("us"));
    let origin = Origin::answering(|_| Reply::text("never"));
    let inner = inner(&folder, &authority, &origin, "\"http/1.1\"");
    let (address, path) = (inner.address(), folder.path().display());
    let gateway = Gateway::with(&format!(
        "[upstreams.inner]\nendpoints = [\"https://{address}\"]\nprotocol = \"h2\"\n\
         tls = {{ ca = \"{path}/ca.pem\", server_name = \"a.test\" }}\n\
         [routes.all]\npath = \"/*\"\nupstream = \"inner\""
    ));
    assert_eq!(gateway.client().get("/").status, 502);
    assert_eq!(origin.requests().len(), 0);
}
