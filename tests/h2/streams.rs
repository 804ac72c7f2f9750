//! Streams beside each other: each has its own answer, its own pace and its own end.

use std::sync::Arc;

use bytes::Bytes;
use h2::Reason;

use super::peer::{self, DATA, END_HEADERS, END_STREAM, GET, HEADERS, Peer, RST_STREAM, Raw, SETTINGS, WINDOW_UPDATE};
use super::peer::{frame, get, read, request};
use super::{before, before_h2c, before_with};
use crate::support::h2_script::playing;
use crate::support::process::Directory;
use crate::support::{Gate, Origin, Reply, eventually};

#[test]
fn each_of_many_streams_gets_its_own_answer() {
    let origin = Origin::answering(|request| Reply::text(request.target.repeat(200)));
    let gateway = before(&origin);
    peer::with(&gateway, |peer: Peer| async move {
        for round in 0..3 {
            let asks: Vec<_> = (0..100)
                .map(|number| {
                    let peer = peer.clone();
                    let path = format!("/{round}/{number}");
                    tokio::spawn(async move { (peer.get(&path).await, path) })
                })
                .collect();
            for ask in asks {
                let (answer, path) = ask.await.unwrap();
                assert_eq!(answer.text(), path.repeat(200));
            }
        }
    });
    assert_eq!(gateway.metric("ringway_requests_total"), 300.0);
    eventually("one connection, and it has left", || (gateway.metric("ringway_connections") == 0.0).then_some(()));
}

#[test]
fn a_stream_that_nobody_reads_holds_only_itself_up() {
    let origin =
        Origin::answering(|request| Reply::text(vec![b'x'; if request.target == "/big" { 100_000 } else { 9 }]));
    peer::with(&before(&origin), |peer: Peer| async move {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(1_000).initial_connection_window_size(1 << 20);
        let peer = peer.another(builder).await;
        let stalled: Vec<_> = futures(&peer, 10).await;
        for _ in 0..20 {
            assert_eq!(peer.get("/small").await.body.len(), 9);
        }
        for response in stalled {
            assert_eq!(read(response).await.unwrap().body.len(), 100_000);
        }
    });
}

/// Answers whose bodies are not read.
async fn futures(peer: &Peer, count: usize) -> Vec<http::Response<h2::RecvStream>> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(peer.begin(get("/big"), true).await.0.await.unwrap());
    }
    all
}

#[test]
fn a_client_that_gives_no_window_is_reset_when_its_time_is_over() {
    let origin = Origin::answering(|_| Reply::text(vec![b'x'; 2_000_000]));
    let gateway = before_with(&origin, "", "timeouts = { idle = \"300ms\" }\n");
    peer::with(&gateway, |peer: Peer| async move {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(1_000);
        let peer = peer.another(builder).await;
        let response = peer.begin(get("/"), true).await.0.await.unwrap();
        let mut body = response.into_body();
        assert_eq!(body.data().await.unwrap().unwrap().len(), 1_000);
        let failed = body.data().await.unwrap().unwrap_err();
        assert_eq!(peer::reset(&failed), Some(Reason::INTERNAL_ERROR), "{failed}");
        assert_eq!(peer.begin(get("/"), true).await.0.await.unwrap().status(), 200, "the connection goes on");
    });
}

#[test]
fn an_upload_is_not_read_faster_than_its_upstream_takes_it() {
    let gate = Arc::new(Gate::default());
    let way = Arc::clone(&gate);
    let origin = Origin::playing(move |connection| {
        let head = connection.request_head().unwrap();
        if head.method == "POST" {
            way.pass();
        }
        connection.wire().skip(if head.method == "POST" { 9_000_000 } else { 0 }).unwrap();
        connection.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
    });
    peer::with(&before(&origin), |peer: Peer| async move {
        let mut post = request("POST", "/");
        post.headers_mut().insert("content-length", 9_000_000.into());
        let (response, mut stream) = peer.begin(post, false).await;
        let sending = tokio::spawn(async move {
            let mut left = 9_000_000;
            while left > 0 {
                stream.reserve_capacity(left);
                let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap();
                left -= room;
                stream.send_data(Bytes::from(vec![0; room]), left == 0).unwrap();
            }
        });
        for _ in 0..5 {
            assert_eq!(peer.get("/").await.text(), "ok");
        }
        assert!(!sending.is_finished(), "the upstream has taken nothing yet");
        gate.open();
        sending.await.unwrap();
        assert_eq!(read(response.await.unwrap()).await.unwrap().text(), "ok");
    });
}

#[test]
fn a_stream_that_the_client_resets_is_cancelled_upstream_and_logged() {
    let directory = Directory::new();
    let log = directory.path().join("access.log");
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.await_end();
        }
    });
    let more = format!("[access_log]\nfile = \"{}\"\nformat = \"json\"\n", log.display());
    let gateway = before_with(&origin, "", &more);
    let mut raw = Raw::greet(&gateway, &[]);
    raw.frame(HEADERS, END_STREAM | END_HEADERS, 1, GET);
    origin.await_request(1);
    raw.frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]);
    origin.await_ended(1);
    let line = eventually("its line", || std::fs::read_to_string(&log).ok().filter(|text| text.ends_with('\n')));
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["status"], &line["protocol"]), (&499.into(), &"HTTP/2.0".into()), "{line}");
}

#[test]
fn streams_of_a_connection_that_is_lost_are_cancelled_upstream() {
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.await_end();
        }
    });
    let gateway = before(&origin);
    let mut raw = Raw::greet(&gateway, &[]);
    for stream in [1, 3, 5] {
        raw.frame(HEADERS, END_STREAM | END_HEADERS, stream, GET);
    }
    origin.await_request(3);
    drop(raw);
    origin.await_ended(3);
    eventually("nothing is left", || (gateway.metric("ringway_connections") == 0.0).then_some(()));
    assert_eq!(gateway.metric("ringway_requests_in_flight"), 0.0);
}

#[test]
fn the_frames_of_a_turn_leave_together_and_the_last_data_ends_the_stream() {
    let origin = Origin::answering(|_| Reply::text("hello"));
    let gateway = before(&origin);
    let mut raw = Raw::greet(&gateway, &[]);
    raw.frame(HEADERS, END_STREAM | END_HEADERS, 1, GET);
    let head = raw.await_frame(HEADERS).unwrap();
    assert_eq!(head.flags, END_HEADERS);
    let body = raw.next().unwrap();
    assert_eq!((body.kind, body.flags, &*body.payload), (DATA, END_STREAM, &b"hello"[..]));
}

#[test]
fn the_window_of_a_body_opens_as_it_is_passed_on() {
    let origin = Origin::answering(|request| Reply::text(request.body.len().to_string()));
    let gateway = before(&origin);
    let mut raw = Raw::greet(&gateway, &[]);
    raw.frame(HEADERS, END_HEADERS, 1, b"\x83\x84\x86\x41\x04test");
    let mut opened = 0;
    for _ in 0..3 {
        raw.frame(DATA, 0, 1, &[0; 16_000]);
    }
    while opened < 32_000 {
        let update = raw.await_frame(WINDOW_UPDATE).unwrap();
        opened += if update.stream == 1 { u32::from_be_bytes(update.payload.try_into().unwrap()) } else { 0 };
    }
    raw.frame(DATA, END_STREAM, 1, &[0; 1_000]);
    assert_eq!(raw.await_frame(DATA).unwrap().payload, b"49000");
}

/// `POST / HTTP/2` of `http://test`, in HPACK.
const POST: &[u8] = b"\x83\x84\x86\x41\x04test";

#[test]
fn a_small_request_that_came_whole_is_sent_again_when_nobody_touched_it() {
    for way in ["refused", "left out"] {
        let upstream = playing(&[], move |script| {
            while let Some(stream) = script.request() {
                if script.number == 1 && way == "left out" {
                    script.go_away(0, 0);
                    return script.rest();
                }
                if stream == 1 && way == "refused" {
                    script.reset(stream, 7);
                    continue;
                }
                script.until(DATA);
                script.answer(stream, "served");
            }
        });
        let gateway = before_h2c(&upstream);
        let mut raw = Raw::greet(&gateway, &[]);
        // In one write, so that it is there in one read.
        let request = [frame(HEADERS, END_HEADERS, 1, POST), frame(0, 0, 1, b"bo"), frame(0, END_STREAM, 1, b"dy")];
        assert!(raw.send(&request.concat()));
        let head = raw.await_frame(HEADERS).expect("an answer");
        assert_eq!(head.payload[0], 0x88, "{way}: 200");
        assert_eq!(raw.await_frame(0).expect("a body").payload, b"served", "{way}");
        assert_eq!(gateway.metric("ringway_retries_total{reason=\"unprocessed\"}") as u64, 1, "{way}");
    }
}

#[test]
fn many_small_pieces_of_a_body_may_come_at_once() {
    let origin = Origin::answering(|request| Reply::text(request.body.len().to_string()));
    let gateway = before(&origin);
    let mut raw = Raw::greet(&gateway, &[]);
    let pieces = (0..3_000).flat_map(|_| frame(DATA, 0, 1, b"0123456789"));
    let request: Vec<u8> = frame(HEADERS, END_HEADERS, 1, POST).into_iter().chain(pieces).collect();
    assert!(raw.send(&request) && raw.frame(DATA, END_STREAM, 1, b""));
    assert_eq!(raw.await_frame(DATA).expect("an answer").payload, b"30000");
}

#[test]
fn clients_that_take_nothing_of_many_small_pieces_leave_the_others_their_connection() {
    let upstream = playing(&[], |script| {
        // Of eight streams a window full each, and of the others a little.
        while let Some(stream) = script.request() {
            let count = if stream < 17 { 12_000 } else { 1 };
            let pieces = (0..count).flat_map(|_| frame(DATA, 0, stream, b"0123456789"));
            let answer: Vec<u8> = frame(HEADERS, END_HEADERS, stream, b"\x88").into_iter().chain(pieces).collect();
            assert!(script.raw(&answer) && script.raw(&frame(DATA, END_STREAM, stream, b"")));
        }
    });
    let gateway = before_h2c(&upstream);
    let mut stalled = Raw::greet(&gateway, &[0, 4, 0, 0, 0, 0]);
    for stream in (1..17).step_by(2) {
        stalled.frame(HEADERS, END_HEADERS | END_STREAM, stream, GET);
    }
    let heads = (0..8).filter(|_| stalled.await_frame(HEADERS).is_some()).count();
    assert_eq!(heads, 8);
    let mut other = gateway.client();
    for _ in 0..50 {
        assert_eq!(other.get("/").body.len(), 10, "a connection of its own");
    }
    assert_eq!(gateway.metric("ringway_upstream_connects_total") as u64, 1);
    // What waited is whole.
    assert!(stalled.frame(SETTINGS, 0, 0, &[&[0, 4][..], &1_000_000_u32.to_be_bytes()].concat()));
    assert!(stalled.frame(WINDOW_UPDATE, 0, 0, &2_000_000_u32.to_be_bytes()));
    let (mut bytes, mut ends) = (0, 0);
    while ends < 8 {
        let data = stalled.await_frame(DATA).expect("more of the bodies");
        bytes += data.payload.len();
        ends += usize::from(data.flags & END_STREAM > 0);
    }
    assert_eq!(bytes, 8 * 120_000);
}
