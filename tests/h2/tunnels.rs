//! WebSocket over HTTP/2 (RFC 8441): a stream becomes a tunnel to an upstream that speaks HTTP/1.1.

use bytes::Bytes;
use h2::ext::Protocol;
use http::Request;

use super::peer::{self, Peer, get, read};
use super::{before, before_with};
use crate::support::{Origin, Reply};

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";

fn handshake(protocol: &'static str) -> Request<()> {
    let request = Request::builder().method("CONNECT").uri("http://test/chat?room=1");
    let request = request.header("sec-websocket-version", "13").header("sec-websocket-protocol", "chat");
    request.extension(Protocol::from_static(protocol)).body(()).unwrap()
}

#[test]
fn a_stream_becomes_a_tunnel_and_others_go_on_beside_it() {
    let origin = Origin::playing(|connection| {
        while let Ok(request) = connection.request() {
            if request.target == "/" {
                connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
                continue;
            }
            connection.send(format!("{SWITCH}hello"));
            while let Ok(byte) = connection.wire().bytes(1) {
                connection.send(byte);
            }
            return;
        }
    });
    peer::with(&before(&origin), |peer: Peer| async move {
        peer.get("/").await;
        let (response, mut stream) = peer.begin(handshake("websocket"), false).await;
        let response = response.await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
        for gone in ["sec-websocket-accept", "upgrade", "connection"] {
            assert!(!response.headers().contains_key(gone), "{gone}");
        }
        let mut body = response.into_body();
        let mut said = Vec::new();
        for word in ["one", "two"] {
            stream.send_data(word.into(), false).unwrap();
            assert_eq!(peer.get("/").await.text(), "ok");
        }
        while said.len() < 11 {
            let piece: Bytes = body.data().await.unwrap().unwrap();
            said.extend_from_slice(&piece);
        }
        assert_eq!(said, b"helloonetwo");
        // An end goes through as an end.
        stream.send_data(Bytes::new(), true).unwrap();
        let end = body.data().await.transpose().unwrap();
        assert!(end.is_none_or(|last| last.is_empty()) && body.is_end_stream());
    });
    let request = origin.requests().into_iter().find(|request| request.target != "/").unwrap();
    assert_eq!((&*request.method, &*request.target), ("GET", "/chat?room=1"));
    assert_eq!((request.field("upgrade"), request.field("connection")), (Some("websocket"), Some("upgrade")));
    let key = request.field("sec-websocket-key").unwrap();
    assert_eq!((key.len(), &key[22..]), (24, "=="));
}

#[test]
fn an_upstream_that_does_not_switch_answers_as_it_likes() {
    let origin = Origin::answering(|_| Reply::status(403));
    peer::with(&before(&origin), |peer: Peer| async move {
        let (response, _stream) = peer.begin(handshake("websocket"), false).await;
        assert_eq!(read(response.await.unwrap()).await.unwrap().status, 403);
    });
}

#[test]
fn another_protocol_is_not_implemented() {
    let origin = Origin::answering(|_| Reply::text("ok"));
    peer::with(&before(&origin), |peer: Peer| async move {
        peer.get("/").await;
        let (response, _stream) = peer.begin(handshake("connect-udp"), false).await;
        assert_eq!(read(response.await.unwrap()).await.unwrap().status, 501);
    });
}

#[test]
fn a_route_that_allows_no_upgrade_refuses_a_tunnel() {
    let origin = Origin::answering(|_| Reply::text("ok"));
    let gateway = before_with(&origin, "", "upgrade = []\n");
    peer::with(&gateway, |peer: Peer| async move {
        peer.ask(get("/")).await;
        let (response, _stream) = peer.begin(handshake("websocket"), false).await;
        let answer = read(response.await.unwrap()).await.unwrap();
        assert_eq!(answer.status, 403);
    });
    assert_eq!(origin.requests().len(), 1);
}
