//! A request of HTTP/2 becomes one of HTTP/1.1, and its answer one of HTTP/2: nothing is lost, nothing is added.

use std::sync::Arc;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderValue, Request};

use super::peer::{self, Peer, get, read, request, reset};
use super::{before, before_with};
use crate::support::process::Directory;
use crate::support::wire::Framing;
use crate::support::{Gate, Gateway, Origin, Reply, eventually};

#[test]
fn a_request_arrives_as_one_of_http_1_and_its_answer_comes_back() {
    let origin = Origin::answering(|_| Reply::text("hello").with("X-Mine", "1").with("Keep-Alive", "timeout=5"));
    peer::with(&before(&origin), |peer: Peer| async move {
        let answer = peer.get("/a/../b?q=1").await;
        assert_eq!((answer.status, answer.text()), (200, "hello"));
        assert_eq!((answer.field("x-mine"), answer.field("content-length")), (Some("1"), Some("5")));
        for hop in ["connection", "keep-alive", "transfer-encoding", "upgrade"] {
            assert!(!answer.fields.contains_key(hop), "{hop}");
        }
    });
    let request = origin.request();
    assert_eq!((&*request.method, &*request.target), ("GET", "/b?q=1"));
    assert_eq!((request.field("host"), request.field("via")), (Some("test"), Some("2.0 ringway")));
    assert_eq!((request.framing, request.body.len()), (Framing::Empty, 0));
}

#[test]
fn a_body_of_any_length_and_its_trailers_go_through() {
    let origin = Origin::answering(|request| {
        let sum = request.trailers.get("x-sum").unwrap_or("none").to_owned();
        Reply::text(request.body.clone()).with("x-sum", &sum)
    });
    peer::with(&before(&origin), |peer: Peer| async move {
        for (length, is_declared) in [(1_usize, true), (300_000, true), (1, false), (300_000, false)] {
            let mut request = request("POST", "/");
            if is_declared {
                request.headers_mut().insert("content-length", HeaderValue::from(length));
            }
            let body = Bytes::from(vec![b'x'; length]);
            let (response, mut stream) = peer.begin(request, false).await;
            stream.send_data(body.clone(), is_declared).unwrap();
            if !is_declared {
                stream.send_trailers(HeaderMap::from_iter([("x-sum".parse().unwrap(), 7.into())])).unwrap();
            }
            let answer = read(response.await.unwrap()).await.unwrap();
            assert_eq!(answer.body, body, "{length} {is_declared}");
            assert_eq!(answer.field("x-sum"), Some(if is_declared { "none" } else { "7" }));
        }
    });
    let framings: Vec<_> = origin.requests().iter().map(|request| request.framing).collect();
    assert_eq!(framings, [Framing::Length(1), Framing::Length(300_000), Framing::Chunked, Framing::Chunked]);
}

#[test]
fn an_answer_of_chunks_ends_with_its_trailers() {
    let origin = Origin::playing(|connection| {
        while connection.request().is_ok() {
            connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n3\r\nabc\r\n");
            connection.send("3;x=y\r\ndef\r\n0\r\nX-Sum: 6\r\nX-Other: 7\r\n\r\n");
        }
    });
    peer::with(&before(&origin), |peer: Peer| async move {
        let answer = peer.get("/").await;
        assert_eq!(answer.text(), "abcdef");
        let trailers = answer.trailers.as_ref().unwrap();
        assert_eq!((&trailers["x-sum"], &trailers["x-other"]), (&"6".parse().unwrap(), &"7".parse().unwrap()));
        assert_eq!(answer.field("content-length"), None);
    });
}

#[test]
fn an_answer_without_content_ends_with_its_head() {
    let origin = Origin::playing(|connection| {
        while let Ok(request) = connection.request() {
            connection.send(match &*request.target {
                "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
                "/304" => "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\netag: \"a\"\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n",
            });
        }
    });
    peer::with(&before(&origin), |peer: Peer| async move {
        for (method, path, status) in [("GET", "/204", 204), ("GET", "/304", 304), ("HEAD", "/", 200)] {
            let response = peer.begin(request(method, path), true).await.0.await.unwrap();
            assert_eq!((response.status().as_u16(), response.body().is_end_stream()), (status, true), "{path}");
        }
    });
}

#[test]
fn an_answer_that_breaks_off_is_reset_and_never_ended() {
    let origin = Origin::playing(|connection| {
        if let Ok(request) = connection.request() {
            connection.send(match &*request.target {
                "/length" => "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
                "/chunks" => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
                _ => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nzz",
            });
        }
    });
    peer::with(&before(&origin), |peer: Peer| async move {
        for path in ["/length", "/chunks"] {
            let failed = peer.try_ask(get(path)).await.unwrap_err();
            assert_eq!(reset(&failed), Some(Reason::INTERNAL_ERROR), "{path}: {failed}");
        }
        assert_eq!(peer.get("/nonsense").await.status, 502, "nothing had left yet");
    });
}

#[test]
fn cookies_are_one_field_again() {
    let origin = Origin::answering(|_| Reply::text("ok"));
    peer::with(&before(&origin), |peer: Peer| async move {
        let request = Request::get("http://test/").header("cookie", "a=1").header("cookie", "b=2; c=3");
        peer.ask(request.body(()).unwrap()).await;
    });
    assert_eq!(origin.request().fields.all("cookie"), ["a=1; b=2; c=3"]);
}

#[test]
fn a_request_that_contradicts_itself_is_reset() {
    let origin = Origin::answering(|_| Reply::text("ok"));
    peer::with(&before(&origin), |peer: Peer| async move {
        for (name, value) in [("host", "other"), ("x-padded", " a"), ("x-padded", "a\t"), ("content-length", "5")] {
            let request = Request::get("http://test/").header(name, value);
            let failed = peer.try_ask(request.body(()).unwrap()).await.unwrap_err();
            assert_eq!(reset(&failed), Some(Reason::PROTOCOL_ERROR), "{name}: {value:?}");
        }
        let same = Request::get("http://test/").header("host", "TEST");
        assert_eq!(peer.ask(same.body(()).unwrap()).await.status, 200);
    });
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn the_parser_refuses_what_it_refuses_of_http_1() {
    let origin = Origin::answering(|_| Reply::text("ok"));
    peer::with(&before(&origin), |peer: Peer| async move {
        assert_eq!(peer.get("/a%00b").await.status, 400);
        assert_eq!(peer.ask(request("TRACE", "/")).await.status, 405);
        assert_eq!(peer.get(&format!("/{}", "a".repeat(9_000))).await.status, 414);
        let mut many = get("/");
        (0..101).for_each(|number| {
            many.headers_mut().insert(http::HeaderName::try_from(format!("x-{number}")).unwrap(), 1.into());
        });
        assert_eq!(peer.ask(many).await.status, 431);
        let long = Request::get("http://test/").header("x", "a".repeat(40_000)).body(()).unwrap();
        assert_eq!(peer.ask(long).await.status, 431, "h2 answers this one");
        assert_eq!(peer.get("/").await.status, 200);
    });
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn a_header_list_that_h2_refuses_is_counted_and_logged_as_any_other() {
    let origin = Origin::answering(|_| Reply::text("ok"));
    let directory = Directory::new();
    let log = directory.path().join("access.log");
    let gateway = before_with(&origin, "", &format!("[access_log]\nfile = \"{}\"\nformat = \"json\"\n", log.display()));
    peer::with(&gateway, |peer: Peer| async move {
        let long = || Request::get("http://test/").header("x", "a".repeat(40_000)).body(()).unwrap();
        for _ in 0..3 {
            assert_eq!(peer.ask(long()).await.status, 431);
        }
        // Neither what is served in between nor what is reset has anything to do with it.
        assert_eq!(peer.get("/").await.status, 200);
        let malformed = Request::get("http://test/").header("te", "gzip").body(()).unwrap();
        assert!(peer.try_ask(malformed).await.is_err());
        assert_eq!(peer.get("/").await.status, 200);
    });
    let faults = |gateway: &Gateway| gateway.metric("ringway_faults_total{error=\"head-too-large\"}") as u64;
    assert_eq!(faults(&gateway), 3);
    let lines = eventually("the access log's lines", || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        (text.matches('\n').count() >= 5).then_some(text)
    });
    let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!((&first["status"], &first["protocol"]), (&431.into(), &"HTTP/2.0".into()), "{first}");
    assert_eq!((&first["client"], &first["listener"]), (&"127.0.0.1".into(), &"web".into()), "{first}");
    // Of the request itself nothing is known.
    assert_eq!((&first["error"], first.get("path")), (&"head-too-large".into(), None), "{first}");
}

#[test]
fn interim_answers_come_before_the_final_one() {
    let gate = Arc::new(Gate::default());
    let way = Arc::clone(&gate);
    let origin = Origin::playing(move |connection| {
        while connection.request_head().is_ok() {
            connection.send("HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
            assert_eq!(connection.wire().bytes(4).as_deref(), Ok(b"body".as_slice()));
            way.pass();
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        }
    });
    peer::with(&before(&origin), |peer: Peer| async move {
        let request = Request::post("http://test/").header("expect", "100-continue").header("content-length", 4);
        let (mut response, mut stream) = peer.begin(request.body(()).unwrap(), false).await;
        let mut next = async || std::future::poll_fn(|cx| response.poll_informational(cx)).await.unwrap().unwrap();
        let (hint, go_on) = (next().await, next().await);
        assert_eq!((hint.status().as_u16(), &hint.headers()["link"]), (103, &"</a.css>".parse().unwrap()));
        assert_eq!(go_on.status().as_u16(), 100);
        stream.send_data("body".into(), true).unwrap();
        gate.open();
        assert_eq!(response.await.unwrap().status().as_u16(), 200);
    });
}

#[test]
fn an_answer_ahead_of_the_body_is_whole_and_the_body_is_refused_without_error() {
    let origin = Origin::answering(|_| Reply::text("ok"));
    let gateway =
        before_with(&origin, "", "[routes.fixed]\npath = \"/fixed\"\nrespond = { status = 200, text = \"early\" }\n");
    peer::with(&gateway, |peer: Peer| async move {
        let (response, mut stream) = peer.begin(request("POST", "/fixed"), false).await;
        stream.send_data(Bytes::from(vec![0; 60_000]), false).unwrap();
        let answer = response.await.unwrap();
        assert_eq!(read(answer).await.unwrap().text(), "early");
        let reason = std::future::poll_fn(|cx| stream.poll_reset(cx)).await.unwrap();
        assert_eq!(reason, Reason::NO_ERROR);
        assert_eq!(peer.get("/").await.text(), "ok");
    });
}

#[test]
fn a_connection_is_not_made_into_a_tunnel_by_connect() {
    let origin = Origin::answering(|_| Reply::text("ok"));
    peer::with(&before(&origin), |peer: Peer| async move {
        let connect = Request::builder().method("CONNECT").uri("test:443").body(()).unwrap();
        assert_eq!(peer.ask(connect).await.status, 501);
    });
    assert!(origin.requests().is_empty());
}

#[test]
fn both_versions_are_spoken_on_one_listener_and_only_those_that_it_names() {
    let origin = Origin::answering(|_| Reply::text("ok"));
    let gateway = before(&origin);
    assert_eq!(gateway.client().get("/").text(), "ok");
    peer::with(&gateway, |peer: Peer| async move { assert_eq!(peer.get("/").await.text(), "ok") });
    // A head that begins as the preface does.
    assert_eq!(gateway.client().ask("PRIVATE / HTTP/1.1\r\nhost: test\r\n\r\n").status, 200);
    assert_eq!(gateway.client().ask("PRI * HTTP/1.1\r\nhost: test\r\n\r\n").status, 400);
    let only_old = Gateway::before(&origin);
    let mut raw = only_old.client();
    raw.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert_eq!(raw.answer().status, 505);
}

#[test]
fn a_listener_that_speaks_only_http_2_answers_nothing_else() {
    let origin = Origin::answering(|_| Reply::text("ok"));
    let gateway = Gateway::start(&format!(
        "[listeners.web]\naddress = \"127.0.0.1:0\"\nprotocols = [\"h2\"]\n[admin]\naddress = \"127.0.0.1:0\"\n\
         [upstreams.origin]\nendpoints = [\"{}\"]\n[routes.all]\npath = \"/*\"\nupstream = \"origin\"\n",
        origin.endpoint()
    ));
    let mut old = gateway.client();
    old.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    let said = old.wire().rest().unwrap();
    assert!(!said.starts_with(b"HTTP/1"), "{}", said.escape_ascii());
    peer::with(&gateway, |peer: Peer| async move { assert_eq!(peer.get("/").await.text(), "ok") });
    assert_eq!(origin.requests().len(), 1);
}
