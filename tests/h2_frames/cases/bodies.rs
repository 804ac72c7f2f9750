//! DATA, HEADERS, PRIORITY, RST_STREAM, PUSH_PROMISE and CONTINUATION (RFC 9113 6.1 to 6.4, 6.6, 6.10).

use super::prelude::*;

/// HEADERS whose field section is to go on.
fn unfinished(peer: &mut Peer) -> u32 {
    let (stream, request) = (peer.fresh(), peer.request("GET", "/case"));
    peer.send(open_headers(stream, request).with_flags(flag::END_STREAM));
    stream
}

pub const CASES: &[Case] = &[
    Case::new(
        "DATA on stream 0",
        "RFC 9113 6.1",
        |peer| {
            peer.send(data(0, *b"x"));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "padded DATA",
        "RFC 9113 6.1",
        |peer| {
            let stream = peer.post();
            peer.send(last_data(stream, *b"\x05body\0\0\0\0\0").with_flags(flag::PADDED));
        },
        Holds(|peer| holds(peer.answer(1).text().ends_with("\n\nbody"), peer)),
    ),
    Case::new(
        "DATA of padding alone",
        "RFC 9113 6.1",
        |peer| {
            let stream = peer.post();
            peer.send(data(stream, *b"\x03\0\0\0").with_flags(flag::PADDED)).send(last_data(stream, *b"body"));
        },
        Holds(|peer| holds(peer.answer(1).text().ends_with("\n\nbody"), peer)),
    ),
    Case::new(
        "DATA with more padding than payload",
        "RFC 9113 6.1",
        |peer| {
            let stream = peer.post();
            peer.send(data(stream, *b"\x05\0\0\0\0").with_flags(flag::PADDED));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "DATA with padding and without its length",
        "RFC 9113 4.2",
        |peer| {
            let stream = peer.post();
            peer.send(data(stream, *b"").with_flags(flag::PADDED));
        },
        Connection(&[code::FRAME_SIZE_ERROR, code::PROTOCOL_ERROR]),
    ),
    Case::new(
        "padding counts for the window, and comes back",
        "RFC 9113 6.1",
        |peer| {
            let stream = peer.post();
            for _ in 0..600 {
                let payload = [&[255][..], b"x", &[0; 255]].concat();
                if peer.wait(|peer| peer.audit.room(stream) >= payload.len() as i64) {
                    peer.send(data(stream, payload).with_flags(flag::PADDED));
                }
            }
            peer.send(last_data(stream, *b"body"));
        },
        Holds(|peer| holds(peer.answer(1).text().contains("\nbody 604\n"), peer)),
    ),
    Case::new(
        "empty DATA that ends the stream",
        "RFC 9113 6.1",
        |peer| {
            let stream = peer.post();
            peer.send(last_data(stream, *b""));
        },
        Answer(200),
    ),
    Case::new(
        "HEADERS on stream 0",
        "RFC 9113 6.2",
        |peer| {
            let request = peer.request("GET", "/case");
            peer.send(last_headers(0, request));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "padded HEADERS",
        "RFC 9113 6.2",
        |peer| {
            let stream = peer.fresh();
            let block = [vec![3], peer.request("GET", "/case").into(), vec![0; 3]].concat();
            peer.send(last_headers(stream, block).with_flags(flag::PADDED));
        },
        Answer(200),
    ),
    Case::new(
        "HEADERS with a priority",
        "RFC 9113 6.2",
        |peer| {
            let stream = peer.fresh();
            let block = [priority_octets(0, 255), peer.request("GET", "/case").into()].concat();
            peer.send(last_headers(stream, block).with_flags(flag::PRIORITY));
        },
        Answer(200),
    ),
    Case::new(
        "padded HEADERS with a priority",
        "RFC 9113 6.2",
        |peer| {
            let stream = peer.fresh();
            let request = peer.request("GET", "/case").into();
            let block = [vec![2], priority_octets(RESERVED, 0), request, vec![0; 2]].concat();
            peer.send(last_headers(stream, block).with_flags(flag::PRIORITY | flag::PADDED));
        },
        Answer(200),
    ),
    Case::new(
        "HEADERS with more padding than payload",
        "RFC 9113 6.2",
        |peer| {
            let stream = peer.fresh();
            let block = [vec![255], peer.request("GET", "/case").into()].concat();
            peer.send(last_headers(stream, block).with_flags(flag::PADDED));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "HEADERS whose padding reaches into the priority",
        "RFC 9113 6.2",
        |peer| {
            let stream = peer.fresh();
            let block = [vec![3], priority_octets(0, 1), vec![0; 2]].concat();
            peer.send(last_headers(stream, block).with_flags(flag::PADDED | flag::PRIORITY));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "HEADERS that are too short for their priority",
        "RFC 9113 4.2",
        |peer| {
            let stream = peer.fresh();
            peer.send(last_headers(stream, [0; 3]).with_flags(flag::PRIORITY));
        },
        Connection(&[code::FRAME_SIZE_ERROR, code::PROTOCOL_ERROR]),
    ),
    Case::new(
        "HEADERS with padding and without its length",
        "RFC 9113 4.2",
        |peer| {
            let stream = peer.fresh();
            peer.send(last_headers(stream, *b"").with_flags(flag::PADDED));
        },
        Connection(&[code::FRAME_SIZE_ERROR, code::PROTOCOL_ERROR]),
    ),
    Case::new(
        "HEADERS without a field",
        "RFC 9113 8.3.1",
        |peer| {
            peer.ask(Block::new());
        },
        Malformed,
    ),
    Case::new(
        "HEADERS, and HEADERS of another stream inside",
        "RFC 9113 6.2",
        |peer| {
            unfinished(peer);
            peer.get("/case");
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "HEADERS, and HEADERS of the same stream inside",
        "RFC 9113 6.2",
        |peer| {
            let stream = unfinished(peer);
            peer.send(last_headers(stream, Block::of(&[("x", "y")])));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "PRIORITY on stream 0",
        "RFC 9113 6.3",
        |peer| {
            peer.send(priority(0, 1));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "PRIORITY that is too short",
        "RFC 9113 6.3",
        |peer| {
            let stream = peer.post();
            peer.send(Frame::new(kind::PRIORITY, 0, stream, [0; 4]));
        },
        OneOf(&[Stream(&[code::FRAME_SIZE_ERROR]), Connection(&[code::FRAME_SIZE_ERROR])]),
    ),
    Case::new(
        "PRIORITY that is too long",
        "RFC 9113 6.3",
        |peer| {
            let stream = peer.post();
            peer.send(Frame::new(kind::PRIORITY, 0, stream, [0; 6]));
        },
        OneOf(&[Stream(&[code::FRAME_SIZE_ERROR]), Connection(&[code::FRAME_SIZE_ERROR])]),
    ),
    Case::new(
        "RST_STREAM on stream 0",
        "RFC 9113 6.4",
        |peer| {
            peer.send(reset(0, code::CANCEL));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "RST_STREAM that is too short",
        "RFC 9113 6.4",
        |peer| {
            let stream = peer.post();
            peer.send(Frame::new(kind::RST_STREAM, 0, stream, [0; 3]));
        },
        Connection(&[code::FRAME_SIZE_ERROR]),
    ),
    Case::new(
        "RST_STREAM that is too long",
        "RFC 9113 6.4",
        |peer| {
            let stream = peer.post();
            peer.send(Frame::new(kind::RST_STREAM, 0, stream, [0; 5]));
        },
        Connection(&[code::FRAME_SIZE_ERROR]),
    ),
    Case::new(
        "RST_STREAM with an unknown code",
        "RFC 9113 7",
        |peer| {
            let stream = peer.post();
            peer.send(reset(stream, 0xdead_beef));
        },
        Nothing,
    ),
    Case::new(
        "nothing comes on a stream that the client has reset",
        "RFC 9113 6.4",
        |peer| {
            peer.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 10)]));
            let stream = peer.get("/large");
            peer.wait(|peer| peer.on(stream).body.len() == 10);
            peer.send(reset(stream, code::CANCEL)).send(settings(&[(setting::INITIAL_WINDOW_SIZE, 65_535)]));
        },
        Holds(|peer| {
            is_alive(peer)?;
            holds(peer.on(1).body.len() == 10 && !peer.on(1).is_over(), peer)
        }),
    ),
    Case::new(
        "PUSH_PROMISE from a client",
        "RFC 9113 8.4",
        |peer| {
            let stream = peer.post();
            let block = [2_u32.to_be_bytes().to_vec(), peer.request("GET", "/case").into()].concat();
            peer.send(Frame::new(kind::PUSH_PROMISE, flag::END_HEADERS, stream, block));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "PUSH_PROMISE on stream 0",
        "RFC 9113 6.6",
        |peer| {
            let block = [2_u32.to_be_bytes().to_vec(), peer.request("GET", "/case").into()].concat();
            peer.send(Frame::new(kind::PUSH_PROMISE, flag::END_HEADERS, 0, block));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "CONTINUATION",
        "RFC 9113 6.10",
        |peer| {
            let stream = unfinished(peer);
            peer.send(continuation(stream, Block::of(&[("x-a", "1")])));
            peer.send(continuation(stream, *b""));
            peer.send(last_continuation(stream, Block::of(&[("x-b", "2")])));
        },
        Holds(|peer| {
            let text = peer.answer(1).text();
            holds(text.contains("x-a: 1\n") && text.contains("x-b: 2\n"), peer)
        }),
    ),
    Case::new(
        "CONTINUATION of trailers",
        "RFC 9113 6.10",
        |peer| {
            let stream = peer.post();
            peer.send(open_headers(stream, Block::of(&[("x-a", "1")])).with_flags(flag::END_STREAM));
            peer.send(last_continuation(stream, Block::of(&[("x-b", "2")])));
        },
        Answer(200),
    ),
    Case::new(
        "CONTINUATION on stream 0",
        "RFC 9113 6.10",
        |peer| {
            unfinished(peer);
            peer.send(last_continuation(0, Block::new()));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "CONTINUATION on another stream",
        "RFC 9113 6.10",
        |peer| {
            let stream = unfinished(peer);
            peer.send(last_continuation(stream + 2, Block::new()));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "CONTINUATION behind complete HEADERS",
        "RFC 9113 6.10",
        |peer| {
            let stream = peer.post();
            peer.send(last_continuation(stream, Block::of(&[("x", "y")])));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "CONTINUATION behind the last CONTINUATION",
        "RFC 9113 6.10",
        |peer| {
            let (stream, request) = (peer.fresh(), peer.request("POST", "/case"));
            peer.send(open_headers(stream, request)).send(last_continuation(stream, *b""));
            peer.send(last_continuation(stream, *b""));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "CONTINUATION behind DATA",
        "RFC 9113 6.10",
        |peer| {
            let stream = peer.post();
            peer.send(data(stream, *b"x")).send(last_continuation(stream, *b""));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "DATA inside a field section",
        "RFC 9113 6.10",
        |peer| {
            let stream = unfinished(peer);
            peer.send(data(stream, *b"x"));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "PING inside a field section",
        "RFC 9113 6.10",
        |peer| {
            unfinished(peer);
            peer.send(ping([0; 8]));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "SETTINGS inside a field section",
        "RFC 9113 6.10",
        |peer| {
            unfinished(peer);
            peer.send(settings(&[]));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "PRIORITY inside a field section",
        "RFC 9113 6.10",
        |peer| {
            let stream = unfinished(peer);
            peer.send(priority(stream, 0));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "RST_STREAM inside a field section",
        "RFC 9113 6.10",
        |peer| {
            let stream = unfinished(peer);
            peer.send(reset(stream, code::CANCEL));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "WINDOW_UPDATE inside a field section",
        "RFC 9113 6.10",
        |peer| {
            unfinished(peer);
            peer.send(window_update(0, 1));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "GOAWAY inside a field section",
        "RFC 9113 6.10",
        |peer| {
            unfinished(peer);
            peer.send(goaway(0, code::NO_ERROR, b""));
        },
        Connection(PROTOCOL),
    ),
];
