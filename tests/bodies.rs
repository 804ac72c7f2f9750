//! Bodies: delimited anew on each side, streamed with back-pressure, and never made to look complete when they are not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::support::wire::{Broken, Framing};
use super::support::{Gate, Gateway, Origin, Reply};

const CHUNKED_POST: &str = "POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n";

#[test]
fn a_chunked_body_goes_up_with_its_trailers_and_without_its_extensions() {
    let origin = Origin::answering(|_| Reply::status(204));
    let mut client = Gateway::before(&origin).into_client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: Chunked\r\ntrailer: x-sum\r\n\r\n");
    // The origin's parser takes no extension, so that one alone would fail this test.
    client.send("5;a=b;c=\"d;e\"\r\nhello\r\n00006\r\n world\r\n0;last\r\nX-Sum: 11\r\nx-other: 1\r\n\r\n");
    assert_eq!(client.answer().status, 204);
    let request = origin.request();
    assert_eq!((request.framing, request.body.as_slice()), (Framing::Chunked, b"hello world".as_slice()));
    assert_eq!((request.trailers.get("x-sum"), request.trailers.get("x-other")), (Some("11"), Some("1")));
    assert!(!request.fields.has("x-sum"), "a trailer is no header");
}

#[test]
fn a_chunked_answer_comes_down_with_its_trailers() {
    let origin = Origin::playing(|connection| {
        while connection.request().is_ok() {
            connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n");
            connection.send("5;x=y\r\nhello\r\n0\r\nx-sum: 5\r\n\r\n");
        }
    });
    let mut client = Gateway::before(&origin).into_client();
    for _ in 0..2 {
        let answer = client.ask("GET / HTTP/1.1\r\nhost: test\r\nte: trailers\r\nconnection: te\r\n\r\n");
        assert_eq!((answer.framing, answer.text()), (Framing::Chunked, "hello"));
        assert_eq!(answer.trailers.get("x-sum"), Some("5"));
        assert!(!answer.fields.has("x-sum"), "a trailer is no header");
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_trailer_cannot_frame_or_route_or_authenticate() {
    let origin = Origin::answering(|_| Reply::status(204));
    let gateway = Gateway::before(&origin);
    for field in [
        "content-length: 5",
        "transfer-encoding: chunked",
        "host: evil",
        "connection: close",
        "x-forwarded-for: 1.2.3.4",
    ] {
        let mut client = gateway.client();
        client.send(CHUNKED_POST).send(format!("1\r\nx\r\n0\r\n{field}\r\n\r\n"));
        assert!(matches!(client.answer().status, 204 | 400), "{field}");
    }
    for request in origin.requests() {
        assert_eq!(request.trailers.0, [], "RFC 9110 6.5.1");
    }
}

#[test]
fn an_empty_body_is_an_empty_body() {
    let origin = Origin::answering(|_| Reply::text(""));
    let mut client = Gateway::before(&origin).into_client();
    for request in
        ["POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n".to_owned(), format!("{CHUNKED_POST}0\r\n\r\n")]
    {
        assert_eq!(client.ask(&request).body, b"");
        assert_eq!(origin.requests().last().expect("it came").body, b"");
    }
}

#[test]
fn a_request_body_streams() {
    let origin = Origin::playing(|connection| {
        connection.request_head().expect("a head");
        let first = connection.wire().chunk();
        assert_eq!(first, Ok(Some(b"first".to_vec())));
        // Only now the client sends the rest: nothing on the way waited for it.
        connection.send("HTTP/1.1 103 Early Hints\r\n\r\n");
        assert_eq!(connection.wire().chunk(), Ok(Some(b"rest".to_vec())));
        assert_eq!(connection.wire().chunk(), Ok(None));
        connection.wire().fields().expect("the end of the trailers");
        connection.send("HTTP/1.1 204 No Content\r\n\r\n");
        connection.await_end();
    });
    let mut client = Gateway::before(&origin).into_client();
    client.send(CHUNKED_POST).send("5\r\nfirst\r\n");
    assert_eq!(client.answer().status, 103);
    client.send("4\r\nrest\r\n0\r\n\r\n");
    assert_eq!(client.answer().status, 204);
}

#[test]
fn an_answer_streams() {
    let gate = Arc::new(Gate::default());
    let way = Arc::clone(&gate);
    let origin = Origin::playing(move |connection| {
        while connection.request().is_ok() {
            connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n");
            way.pass();
            connection.send("4\r\nrest\r\n0\r\n\r\n");
        }
    });
    let mut client = Gateway::before(&origin).into_client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(client.answer_head().framing, Framing::Chunked);
    assert_eq!(client.wire().chunk(), Ok(Some(b"first".to_vec())));
    gate.open();
    assert_eq!(client.wire().chunk(), Ok(Some(b"rest".to_vec())));
    assert_eq!(client.wire().chunk(), Ok(None));
}

#[test]
fn large_bodies_of_both_framings_arrive_byte_for_byte() {
    let origin = Origin::answering(|request| Reply::text(request.body.clone()));
    let mut client = Gateway::before(&origin).into_client();
    let body: Vec<u8> = (0..3_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    client.send(format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n", body.len())).send(&body);
    assert!(client.answer().body == body, "by length");
    client.send(CHUNKED_POST);
    // Chunks of all sizes around the edges of buffers.
    let mut rest = body.as_slice();
    for size in [1, 2, 4095, 4096, 4097, 16_384, 65_535, 65_536, 65_537, 1_000_000].iter().cycle() {
        let (chunk, after) = rest.split_at(rest.len().min(*size));
        if chunk.is_empty() {
            break;
        }
        client.send(format!("{:x}\r\n", chunk.len())).send(chunk).send("\r\n");
        rest = after;
    }
    client.send("0\r\n\r\n");
    assert!(client.answer().body == body, "chunked");
}

#[test]
fn a_slow_reader_stops_a_fast_upstream() {
    const BODY_BYTES: u64 = 256 << 20;
    const PIECE: usize = 1 << 16;
    let sent = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&sent);
    let origin = Origin::playing(move |connection| {
        if connection.request().is_err() {
            return;
        }
        connection.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {BODY_BYTES}\r\n\r\n"));
        while count.load(Ordering::Relaxed) < BODY_BYTES && connection.send([b'x'; PIECE]) {
            count.fetch_add(PIECE as u64, Ordering::Relaxed);
        }
        connection.await_end();
    });
    let mut client = Gateway::before(&origin).into_client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    client.answer_head();
    let mut before = u64::MAX;
    let stopped = super::support::eventually("the upstream's stop", || {
        std::thread::sleep(std::time::Duration::from_millis(100));
        let now = sent.load(Ordering::Relaxed);
        (std::mem::replace(&mut before, now) == now).then_some(now)
    });
    // What lies between them are the kernel's socket buffers and the gateway's own; the body is many times that.
    assert!(stopped < BODY_BYTES / 2, "{stopped} bytes left the origin while the client read nothing");
    client.wire().skip(BODY_BYTES).expect("all of it comes once the client reads");
    assert_eq!(sent.load(Ordering::Relaxed), BODY_BYTES);
}

#[test]
fn a_slow_origin_stops_a_fast_client() {
    const BODY_BYTES: usize = 256 << 20;
    let gate = Arc::new(Gate::default());
    let way = Arc::clone(&gate);
    let origin = Origin::playing(move |connection| {
        connection.request_head().expect("a head");
        way.pass();
        connection.wire().skip(BODY_BYTES as u64).expect("all of it comes once the origin reads");
        connection.send("HTTP/1.1 204 No Content\r\n\r\n");
        connection.await_end();
    });
    let gateway = Gateway::before_with(&origin, "[defaults]\nlimits = { body = \"1GiB\" }\n");
    let mut client = gateway.client();
    client.send(format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {BODY_BYTES}\r\n\r\n"));
    // Fills every buffer on the way, then would block.
    client.wire().tcp().set_nonblocking(true).expect("a socket takes the option");
    let mut sent = 0;
    let mut refusals = 0;
    while refusals < 20 {
        match std::io::Write::write(&mut client.wire().tcp(), &[b'x'; 1 << 16]) {
            Ok(count) => (sent, refusals) = (sent + count, 0),
            Err(_) => {
                refusals += 1;
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
        assert!(sent < BODY_BYTES / 2, "the gateway takes all that the origin does not");
    }
    gate.open();
    client.wire().tcp().set_nonblocking(false).expect("a socket takes the option");
    while sent < BODY_BYTES {
        let piece = (BODY_BYTES - sent).min(1 << 16);
        client.send(vec![b'x'; piece]);
        sent += piece;
    }
    assert_eq!(client.answer().status, 204);
}

#[test]
fn a_body_that_the_client_ends_early_never_looks_complete() {
    let origin = Origin::answering(|_| Reply::status(204));
    let gateway = Gateway::before(&origin);
    for (number, partial) in [
        "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nhalf".to_owned(),
        format!("{CHUNKED_POST}4\r\nhalf\r\n"),
        format!("{CHUNKED_POST}4\r\nhalf\r\n0\r\nx-sum: 4\r\n"),
    ]
    .iter()
    .enumerate()
    {
        let mut client = gateway.client();
        client.send(partial).finish_sending();
        // RFC 9112 8: an incomplete request may be answered with an error.
        assert!(!matches!(client.try_answer(), Ok(answer) if answer.status < 400), "{partial:?}");
        origin.await_ended(number + 1);
    }
    assert_eq!(origin.requests(), []);
}

#[test]
fn a_malformed_chunk_never_reaches_the_origin() {
    let origin = Origin::answering(|_| Reply::status(204));
    let gateway = Gateway::before(&origin);
    for chunk in [
        "\r\n",
        "x\r\n",
        "-1\r\nx",
        "+1\r\nx",
        "0x1\r\nx",
        "1 \r\nx\r\n",
        " 1\r\nx\r\n",
        "1\nx\r\n",
        "1\r\nxx\r\n",
        "1\r\nx\n",
        "11111111111111111\r\n",
        "1;a\nb\r\nx\r\n",
        "1;\0\r\nx\r\n",
        "_1\r\nx\r\n",
    ] {
        let mut client = gateway.client();
        client.send(CHUNKED_POST).send("2\r\nok\r\n").send(chunk);
        client.try_send("0\r\n\r\n");
        assert_eq!(client.answer().status, 400, "{chunk:?}");
        client.expect_end();
    }
    assert_eq!(origin.requests(), []);
}

#[test]
fn an_answer_that_ends_early_never_looks_complete() {
    for wire in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n\r\n",
    ] {
        let origin = Origin::playing(move |connection| {
            if connection.request().is_ok() {
                connection.send(wire);
            }
        });
        let mut client = Gateway::before(&origin).into_client();
        client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
        match client.try_answer() {
            Err(Broken::Cut | Broken::Reset) => {}
            // All of it may have been in the gateway's hands before the first byte went out.
            Ok(answer) if answer.status == 502 => {}
            other => panic!("{wire:?}: {other:?}"),
        }
    }
}

#[test]
fn an_answer_that_is_reset_never_looks_complete() {
    let gate = Arc::new(Gate::default());
    let way = Arc::clone(&gate);
    let origin = Origin::playing(move |connection| {
        if connection.request().is_ok() {
            connection.send("HTTP/1.1 200 OK\r\n\r\nuntil close, but");
            way.pass();
            connection.reset();
        }
    });
    let mut client = Gateway::before(&origin).into_client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(client.answer_head().framing, Framing::Chunked);
    gate.open();
    assert!(matches!(client.wire().body(Framing::Chunked), Err(Broken::Cut)));
}

#[test]
fn an_answer_that_only_the_close_delimits_ends_early_by_a_reset() {
    let gate = Arc::new(Gate::default());
    let way = Arc::clone(&gate);
    let origin = Origin::playing(move |connection| {
        if connection.request().is_ok() {
            connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n");
            way.pass();
        }
    });
    let mut client = Gateway::before(&origin).into_client();
    client.send("GET / HTTP/1.0\r\nhost: test\r\n\r\n");
    assert_eq!(client.answer_head().framing, Framing::UntilClose);
    assert_eq!(client.wire().bytes(4).unwrap(), b"half");
    gate.open();
    // To a client of HTTP/1.0 no chunk tells the end; were this a plain close, half an answer would look whole.
    assert_eq!(client.wire().bytes(1), Err(Broken::Reset));
}

#[test]
fn bytes_after_an_answer_cost_the_upstream_connection() {
    let origin = Origin::playing(|connection| {
        while connection.request().is_ok() {
            connection
                .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil");
        }
    });
    let mut client = Gateway::before(&origin).into_client();
    for _ in 0..3 {
        assert_eq!(client.get("/").text(), "ok");
    }
    assert_eq!(origin.connections(), 3);
}

#[test]
fn an_answer_before_the_body_is_delivered() {
    let origin = Origin::playing(|connection| {
        if connection.request_head().is_ok() {
            connection.send("HTTP/1.1 413 Content Too Large\r\ncontent-length: 4\r\nconnection: close\r\n\r\nfull");
            connection.await_end();
        }
    });
    let mut client = Gateway::before(&origin).into_client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000\r\n\r\nfirst bytes");
    let answer = client.answer();
    assert_eq!((answer.status, answer.text()), (413, "full"));
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let origin = Origin::answering(|_| Reply::status(204));
    let gateway = Gateway::before_with(&origin, "[defaults]\nlimits = { body = \"10B\" }\n");
    let mut client = gateway.client();
    assert_eq!(client.ask("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\n0123456789").status, 204);
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 11\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.field("connection")), (413, Some("close")));
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn a_chunked_body_over_the_limit_is_cut_off() {
    let origin = Origin::answering(|_| Reply::status(204));
    let gateway = Gateway::before_with(&origin, "[defaults]\nlimits = { body = \"10B\" }\n");
    let mut client = gateway.client();
    client.send(CHUNKED_POST).send("8\r\n01234567\r\n").send("8\r\n01234567\r\n");
    client.try_send("0\r\n\r\n");
    assert_eq!(client.answer().status, 413);
    client.expect_end();
    assert_eq!(origin.requests(), []);
}
