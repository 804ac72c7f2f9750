//! Frames of any kind (RFC 9113 4), field blocks (4.3), and what extensions may do (5.5).

use super::prelude::*;

/// A type that means nothing to anybody.
const UNKNOWN: u8 = 0xee;

pub const CASES: &[Case] = &[
    Case::new(
        "a frame of an unknown type on the connection",
        "RFC 9113 4.1",
        |peer| {
            peer.send(Frame::new(UNKNOWN, 0xff, 0, *b"anything"));
        },
        Nothing,
    ),
    Case::new(
        "a frame of an unknown type on an open stream",
        "RFC 9113 5.5",
        |peer| {
            let stream = peer.post();
            peer.send(Frame::new(UNKNOWN, 0, stream, *b"anything")).send(last_data(stream, *b"body"));
        },
        Answer(200),
    ),
    Case::new(
        "a frame of an unknown type on an idle stream",
        "RFC 9113 4.1",
        |peer| {
            peer.send(Frame::new(UNKNOWN, 0, 77, *b"anything"));
        },
        Nothing,
    ),
    Case::new(
        "a frame of an unknown type without payload",
        "RFC 9113 5.5",
        |peer| {
            peer.send(Frame::new(UNKNOWN, 0, 0, *b""));
        },
        Nothing,
    ),
    Case::new(
        "a frame of an unknown type and the greatest length",
        "RFC 9113 4.2",
        |peer| {
            peer.send(Frame::new(UNKNOWN, 0, 0, vec![0; PAYLOAD_MAX]));
        },
        Nothing,
    ),
    Case::new(
        "undefined flags on PING",
        "RFC 9113 4.1",
        |peer| {
            peer.send(ping(*b"flagged!").with_flags(0xfe));
        },
        Holds(|peer| holds(peer.wait(|peer| peer.pings.contains(&b"flagged!".to_vec())), peer)),
    ),
    Case::new(
        "undefined flags on SETTINGS",
        "RFC 9113 4.1",
        |peer| {
            peer.send(settings(&[]).with_flags(0xfe));
        },
        Holds(|peer| holds(peer.wait(|peer| peer.acks == 2), peer)),
    ),
    Case::new(
        "undefined flags on HEADERS",
        "RFC 9113 4.1",
        |peer| {
            let stream = peer.fresh();
            let request = peer.request("GET", "/case");
            peer.send(last_headers(stream, request).with_flags(0xd2));
        },
        Answer(200),
    ),
    Case::new(
        "undefined flags on DATA",
        "RFC 9113 4.1",
        |peer| {
            let stream = peer.post();
            peer.send(last_data(stream, *b"body").with_flags(0xf6));
        },
        Answer(200),
    ),
    Case::new(
        "undefined flags on WINDOW_UPDATE, PRIORITY and RST_STREAM",
        "RFC 9113 4.1",
        |peer| {
            let stream = peer.post();
            peer.send(window_update(stream, 1).with_flags(0xff)).send(priority(stream, 0).with_flags(0xff));
            peer.send(reset(stream, code::CANCEL).with_flags(0xff));
        },
        Nothing,
    ),
    Case::new(
        "the reserved bit on PING",
        "RFC 9113 4.1",
        |peer| {
            peer.send(ping(*b"reserved").with_reserved_bit());
        },
        Holds(|peer| holds(peer.wait(|peer| peer.pings.contains(&b"reserved".to_vec())), peer)),
    ),
    Case::new(
        "the reserved bit on HEADERS and DATA",
        "RFC 9113 4.1",
        |peer| {
            let stream = peer.fresh();
            let request = peer.request("POST", "/case");
            peer.send(headers(stream, request).with_reserved_bit());
            peer.send(last_data(stream, *b"body").with_reserved_bit());
        },
        Answer(200),
    ),
    Case::new(
        "DATA of the greatest length",
        "RFC 9113 4.2",
        |peer| {
            let stream = peer.post();
            peer.send(last_data(stream, vec![b'x'; PAYLOAD_MAX]));
        },
        Answer(200),
    ),
    Case::new(
        "HEADERS of the greatest length",
        "RFC 9113 4.2",
        |peer| {
            let block: Vec<u8> = peer.request("GET", "/case").into();
            let left = PAYLOAD_MAX - block.len() - 11;
            let field = "v".repeat(left);
            let block = peer.request("GET", "/case").literal("x-long", field);
            assert_eq!(Vec::from(block.clone()).len(), PAYLOAD_MAX, "the frame is full");
            peer.ask(block);
        },
        // A smaller server may find its fields too large, but not the frame.
        OneOf(&[Answer(200), Answer(431)]),
    ),
    Case::new(
        "DATA that is too long",
        "RFC 9113 4.2",
        |peer| {
            let stream = peer.post();
            peer.send(data(stream, vec![b'x'; PAYLOAD_MAX + 1]));
        },
        OneOf(&[Connection(&[code::FRAME_SIZE_ERROR]), Stream(&[code::FRAME_SIZE_ERROR])]),
    ),
    Case::new(
        "HEADERS that are too long",
        "RFC 9113 4.2",
        |peer| {
            let block = peer.request("GET", "/case").literal("x-long", vec![b'v'; PAYLOAD_MAX]);
            peer.ask(block);
        },
        Connection(&[code::FRAME_SIZE_ERROR]),
    ),
    Case::new(
        "CONTINUATION that is too long",
        "RFC 9113 4.2",
        |peer| {
            let (stream, request) = (peer.fresh(), peer.request("GET", "/case"));
            peer.send(open_headers(stream, request));
            peer.send(last_continuation(stream, Block::new().literal("x-long", vec![b'v'; PAYLOAD_MAX])));
        },
        Connection(&[code::FRAME_SIZE_ERROR]),
    ),
    Case::new(
        "SETTINGS that are too long",
        "RFC 9113 4.2",
        |peer| {
            peer.send(Frame::new(kind::SETTINGS, 0, 0, [0, 0x99, 0, 0, 0, 0].repeat(2_731)));
        },
        Connection(&[code::FRAME_SIZE_ERROR]),
    ),
    Case::new(
        "a GOAWAY that is too long",
        "RFC 9113 4.2",
        |peer| {
            peer.send(goaway(0, code::NO_ERROR, &[b'd'; PAYLOAD_MAX]));
        },
        Connection(&[code::FRAME_SIZE_ERROR]),
    ),
    Case::new(
        "a frame of an unknown type that is too long",
        "RFC 9113 4.2",
        |peer| {
            peer.send(Frame::new(UNKNOWN, 0, 0, vec![0; PAYLOAD_MAX + 1]));
        },
        Connection(&[code::FRAME_SIZE_ERROR]),
    ),
    Case::new(
        "a length of 24 bits, announced and not sent",
        "RFC 9113 4.2",
        |peer| {
            let stream = peer.post().to_be_bytes();
            peer.send_raw(&[&[0xff, 0xff, 0xff, kind::DATA, 0], &stream[..]].concat());
        },
        OneOf(&[Connection(&[code::FRAME_SIZE_ERROR]), Stream(&[code::FRAME_SIZE_ERROR])]),
    ),
    Case::new(
        "a block that is no field block",
        "RFC 9113 4.3",
        |peer| {
            peer.ask(Block::new().raw(&[0xff; 30]));
        },
        Connection(&[code::COMPRESSION_ERROR]),
    ),
    Case::new(
        "a trailer block that is no field block",
        "RFC 9113 4.3",
        |peer| {
            let stream = peer.post();
            peer.send(last_headers(stream, [0xff; 30]));
        },
        Connection(&[code::COMPRESSION_ERROR]),
    ),
    Case::new(
        "a field block that is cut in the middle of a field",
        "RFC 9113 4.3",
        |peer| {
            let stream = peer.fresh();
            let block: Vec<u8> = peer.request("GET", "/case").literal("x-cut", "in two").into();
            let (first, rest) = block.split_at(block.len() - 9);
            peer.send(open_headers(stream, first).with_flags(flag::END_STREAM)).send(last_continuation(stream, rest));
        },
        Holds(|peer| holds(peer.answer(1).text().contains("x-cut: in two\n"), peer)),
    ),
    Case::new(
        "a field block of one octet per frame",
        "RFC 9113 4.3",
        |peer| {
            let stream = peer.fresh();
            // Seven frames: what a server takes of them is its own affair, but eight it should.
            let block = Block::new().indexed(2).indexed(if peer.scheme() == "http" { 6 } else { 7 });
            let block: Vec<u8> = block.indexed(4).literal_at(1, "a").into();
            let (last, start) = block.split_last().expect("a block");
            peer.send(open_headers(stream, &start[..1]).with_flags(flag::END_STREAM));
            for octet in &start[1..] {
                peer.send(continuation(stream, [*octet]));
            }
            peer.send(last_continuation(stream, [*last]));
        },
        OneOf(&[Answer(200), Answer(421)]),
    ),
    Case::new(
        "fields of a refused request are in the table",
        "RFC 9113 4.3",
        |peer| {
            // Without a method, so refused; what it taught the table is valid for what follows.
            let authority = Block::of(&[(":path", "/case")]).incremental("x-taught", "by a refused request");
            peer.begin(authority);
            peer.round_trip();
            let request = peer.request("GET", "/case").indexed(62);
            peer.ask(request);
        },
        Holds(|peer| holds(peer.answer(3).text().contains("x-taught: by a refused request\n"), peer)),
    ),
    Case::new(
        "fields of trailers are in the table",
        "RFC 9113 4.3",
        |peer| {
            let stream = peer.post();
            peer.send(last_headers(stream, Block::new().incremental("x-taught", "by trailers")));
            let request = peer.request("GET", "/case").indexed(62);
            peer.ask(request);
        },
        Holds(|peer| holds(peer.answer(3).text().contains("x-taught: by trailers\n"), peer)),
    ),
    Case::new(
        "the server's encoder obeys a table of no size",
        "RFC 9113 4.3.1",
        |peer| {
            peer.send(settings(&[(setting::HEADER_TABLE_SIZE, 0)]));
        },
        // The decoder demands the update, and refuses any index into the table.
        Holds(|peer| {
            peer.wait(|peer| peer.acks == 2);
            for _ in 0..3 {
                is_alive(peer)?;
            }
            Ok(())
        }),
    ),
    Case::new(
        "the server's encoder obeys a table that shrinks and grows again",
        "RFC 9113 4.3.1",
        |peer| {
            peer.get("/case");
            peer.answer(1);
            peer.send(settings(&[(setting::HEADER_TABLE_SIZE, 0)]));
            peer.send(settings(&[(setting::HEADER_TABLE_SIZE, 4_096)]));
        },
        Holds(|peer| {
            peer.wait(|peer| peer.acks == 3);
            for _ in 0..3 {
                is_alive(peer)?;
            }
            Ok(())
        }),
    ),
    Case::new(
        "a frame of an unknown type inside a field block",
        "RFC 9113 5.5",
        |peer| {
            let (stream, request) = (peer.fresh(), peer.request("GET", "/case"));
            peer.send(open_headers(stream, request)).send(Frame::new(UNKNOWN, 0, stream, *b"x"));
        },
        Connection(&[code::PROTOCOL_ERROR]),
    ),
    Case::new(
        "unknown settings",
        "RFC 9113 5.5",
        |peer| {
            peer.send(settings(&[(0x99, 7), (0xffff, u32::MAX)]));
        },
        Holds(|peer| {
            holds(peer.wait(|peer| peer.acks == 2), peer)?;
            is_alive(peer)
        }),
    ),
];
