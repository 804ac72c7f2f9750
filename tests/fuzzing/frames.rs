//! What clients send over HTTP/2: frames, good and damaged, to a gateway that serves. Whatever comes, it speaks in whole
//! frames, ends the connection once the client has, never panics, and forgets whom it has served.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};

use super::driver::{Outcome, Target, Verdict};
use crate::h2_frames::frame::*;
use crate::h2_frames::hpack::Block;
use crate::h2_frames::origin::Echo;
use crate::support::{Gateway, PATIENCE, eventually};
use crate::tables::Random;

/// What edits put into frames: heads of every kind, fields of every representation, numbers at their edges.
const WORDS: &[&[u8]] = &[
    b"\0\0\0\x04\0\0\0\0\0",
    b"\0\0\0\x04\x01\0\0\0\0",
    b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0",
    b"\0\0\x06\x04\0\0\0\0\0\0\x04\x7f\xff\xff\xff",
    b"\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\0\0",
    b"\0\0\x08\x06\0\0\0\0\0pingpong",
    b"\0\0\x04\x08\0\0\0\0\0\0\0\0\x01",
    b"\0\0\x04\x08\0\0\0\0\x01\x7f\xff\xff\xff",
    b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08",
    b"\0\0\x05\x02\0\0\0\0\x03\0\0\0\x01\x0f",
    b"\0\0\0\0\x01\0\0\0\x01",
    b"\0\0\x01\0\0\0\0\0\x01x",
    b"\0\0\0\x01\x05\0\0\0\x03",
    b"\0\0\0\x09\x04\0\0\0\x01",
    b"\0\0\x01\x01\x05\0\0\0\x05\x82",
    b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0",
    b"\0\0\x03\xee\xff\0\0\0\0abc",
    b"\x82",
    b"\x84",
    b"\x87",
    b"\xbe",
    b"\xbf",
    b"\x20",
    b"\x3f\xe1\x1f",
    b"\x00\x01a\x01b",
    b"\x40\x01a\x01b",
    b"\x10\x82\x1d\x17\x00",
    b"\x00\x0econtent-length\x014",
    b"\xff\xff\xff\xff\x0f",
    b"\x80\0\0\0",
    b"\x7f\xff\xff\xff",
];

pub fn run() {
    let echo = Echo::on((Ipv4Addr::LOCALHOST, 0).into());
    let gateway = Gateway::start(&format!(
        "[server]\nworkers = 1\n[listeners.web]\naddress = \"127.0.0.1:0\"\nprotocols = [\"h2\"]\n\
         [admin]\naddress = \"127.0.0.1:0\"\n[upstreams.origin]\nendpoints = [\"{}\"]\n[routes.case]\npath = \"/case\"\nupstream = \"origin\"\n\
         [routes.all]\npath = \"/*\"\nrespond = {{ status = 200, text = \"here\" }}\n",
        echo.origin.endpoint()
    ));
    let address = gateway.address();
    let target = Target { name: "frames", slice: 5_000, seeds: seeds(), words: WORDS };
    target.run(|input, random| check(address, input, random));
    assert_eq!(gateway.metric("ringway_panics_total"), 0.0);
    eventually("nobody is left", || (gateway.metric("ringway_connections") == 0.0).then_some(()));
    eventually("nothing is left", || (gateway.metric("ringway_requests_in_flight") == 0.0).then_some(()));
}

/// The four fields of a request.
fn request(method: &str, path: &str) -> Block {
    Block::of(&[(":method", method), (":scheme", "http"), (":authority", "test"), (":path", path)])
}

/// Connections behind their preface and SETTINGS.
fn seeds() -> Vec<Vec<u8>> {
    let indexed = || Block::new().indexed(2).indexed(6).indexed(4).incremental_at(1, "test");
    let long = Block::of(&[("x-long", &"v".repeat(3_000))]);
    let connections: [Vec<Frame>; 12] = [
        vec![last_headers(1, request("GET", "/")), last_headers(3, request("GET", "/case"))],
        vec![headers(1, request("POST", "/case")), data(1, *b"some "), last_data(1, *b"body")],
        vec![headers(1, request("POST", "/case").literal("content-length", "4")), last_data(1, *b"body")],
        vec![headers(1, request("POST", "/case")), data(1, *b"x"), last_headers(1, Block::of(&[("x-sum", "1")]))],
        vec![open_headers(1, request("GET", "/")).with_flags(flag::END_STREAM), last_continuation(1, long)],
        vec![last_headers(1, indexed()), last_headers(3, indexed().indexed(62)), last_headers(5, indexed())],
        vec![
            settings(&[(setting::INITIAL_WINDOW_SIZE, 3)]),
            last_headers(1, request("GET", "/case")),
            window_update(1, 5),
        ],
        vec![headers(1, request("POST", "/case")), reset(1, code::CANCEL), ping(*b"pingpong"), priority(3, 1)],
        vec![last_headers(1, request("GET", "/").huffman("x-a", "coded")), goaway(0, code::NO_ERROR, b"bye")],
        vec![
            headers(1, request("POST", "/case")),
            last_data(1, *b"\x03padded\0\0\0").with_flags(flag::PADDED),
            Frame::new(0xee, 0xff, 1, *b"unknown"),
        ],
        vec![
            settings(&[(setting::HEADER_TABLE_SIZE, 0), (setting::MAX_FRAME_SIZE, 20_000)]),
            window_update(0, 1 << 20),
            last_headers(
                1,
                request("GET", "/").literal("cookie", "a=1").literal("cookie", "b=2").literal("te", "trailers"),
            ),
        ],
        vec![
            headers(
                1,
                Block::of(&[(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http")])
                    .literal(":authority", "test")
                    .literal(":path", "/case")
                    .literal("sec-websocket-version", "13"),
            ),
            last_data(1, *b"tunnel"),
        ],
    ];
    connections.into_iter().map(|frames| frames.iter().flat_map(Frame::bytes).collect()).collect()
}

/// Plays a connection to its end.
fn check(address: SocketAddr, input: &[u8], random: &mut Random) -> Outcome {
    let mut stream =
        TcpStream::connect_timeout(&address, PATIENCE).map_err(|error| format!("no connection: {error}"))?;
    stream
        .set_nodelay(true)
        .and_then(|()| stream.set_read_timeout(Some(PATIENCE)))
        .expect("a socket takes the options");
    let opening = [PREFACE, &settings(&[]).bytes()].concat();
    let cut = random.below(input.len() + 1);
    // A gateway that has had enough does not read to the end.
    let _ = stream.write_all(&[&opening, &input[..cut]].concat()).and_then(|()| stream.write_all(&input[cut..]));
    let _ = stream.shutdown(Shutdown::Write);
    let mut said = Vec::new();
    let mut piece = [0; 16_384];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => said.extend(&piece[..count]),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                return Err("the connection does not end".to_owned());
            }
            // It was ended in the middle of what we sent.
            Err(_) => break,
        }
    }
    judge(&said)
}

/// The gateway speaks in whole frames, SETTINGS first.
fn judge(mut said: &[u8]) -> Outcome {
    let mut verdict = Verdict::Accepted;
    let mut is_first = true;
    while let Some((frame, length)) = Frame::parse(said) {
        if std::mem::take(&mut is_first) && (frame.kind != kind::SETTINGS || frame.has(flag::ACK)) {
            return Err(format!("begins with {frame:?}"));
        }
        if frame.payload.len() > PAYLOAD_MAX || frame.stream & RESERVED != 0 || frame.kind > kind::CONTINUATION {
            return Err(format!("says {frame:?}"));
        }
        if frame.kind == kind::GOAWAY && frame.word(4) != Some(code::NO_ERROR) {
            verdict = Verdict::Refused;
        }
        said = &said[length..];
    }
    if said.is_empty() { Ok(verdict) } else { Err(format!("ends within a frame: {}", said.escape_ascii())) }
}
