//! SETTINGS, PING, GOAWAY and WINDOW_UPDATE (RFC 9113 6.5, 6.7 to 6.9).

use super::prelude::*;

pub const CASES: &[Case] = &[
    Case::new(
        "SETTINGS on a stream",
        "RFC 9113 6.5",
        |peer| {
            let stream = peer.post();
            peer.send(Frame::new(kind::SETTINGS, 0, stream, *b""));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "SETTINGS of a length that is no multiple of six",
        "RFC 9113 6.5",
        |peer| {
            peer.send(Frame::new(kind::SETTINGS, 0, 0, [0, 3, 0]));
        },
        Connection(&[code::FRAME_SIZE_ERROR]),
    ),
    Case::new(
        "an acknowledgement with settings",
        "RFC 9113 6.5",
        |peer| {
            peer.send(settings(&[(setting::ENABLE_PUSH, 0)]).with_flags(flag::ACK));
        },
        Connection(&[code::FRAME_SIZE_ERROR]),
    ),
    Case::new(
        "a setting that allows push neither nor",
        "RFC 9113 6.5.2",
        |peer| {
            peer.send(settings(&[(setting::ENABLE_PUSH, 2)]));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "a window beyond the greatest",
        "RFC 9113 6.5.2",
        |peer| {
            peer.send(settings(&[(setting::INITIAL_WINDOW_SIZE, MAX_31 + 1)]));
        },
        Connection(&[code::FLOW_CONTROL_ERROR]),
    ),
    Case::new(
        "the greatest window",
        "RFC 9113 6.5.2",
        |peer| {
            peer.send(settings(&[(setting::INITIAL_WINDOW_SIZE, MAX_31)]));
        },
        Nothing,
    ),
    Case::new(
        "frames shorter than the shortest maximum",
        "RFC 9113 6.5.2",
        |peer| {
            peer.send(settings(&[(setting::MAX_FRAME_SIZE, 16_383)]));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "frames longer than the longest maximum",
        "RFC 9113 6.5.2",
        |peer| {
            peer.send(settings(&[(setting::MAX_FRAME_SIZE, 1 << 24)]));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "the longest maximum",
        "RFC 9113 6.5.2",
        |peer| {
            peer.send(settings(&[(setting::MAX_FRAME_SIZE, (1 << 24) - 1)]));
        },
        Nothing,
    ),
    Case::new(
        "no streams of the server's",
        "RFC 9113 6.5.2",
        |peer| {
            peer.send(settings(&[(setting::MAX_CONCURRENT_STREAMS, 0)]));
        },
        Nothing,
    ),
    Case::new(
        "no limits of fields",
        "RFC 9113 6.5.2",
        |peer| {
            {
                peer.send(settings(&[
                    (setting::MAX_HEADER_LIST_SIZE, u32::MAX),
                    (setting::HEADER_TABLE_SIZE, u32::MAX),
                ]));
            };
        },
        Nothing,
    ),
    Case::new(
        "the last of several values counts",
        "RFC 9113 6.5.3",
        |peer| {
            peer.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 100), (setting::INITIAL_WINDOW_SIZE, 1)]));
            peer.get("/case");
            peer.wait(|peer| !peer.on(1).body.is_empty());
            peer.round_trip();
        },
        Holds(|peer| holds(peer.on(1).body.len() == 1, peer)),
    ),
    Case::new(
        "each SETTINGS is acknowledged",
        "RFC 9113 6.5.3",
        |peer| {
            for _ in 0..5 {
                peer.send(settings(&[(setting::ENABLE_PUSH, 0)]));
            }
        },
        Holds(|peer| {
            peer.round_trip();
            holds(peer.acks == 6, peer)
        }),
    ),
    Case::bare(
        "a client need not acknowledge at once",
        "RFC 9113 6.5.3",
        |peer| {
            peer.is_polite = false;
            peer.send_raw(PREFACE).send(settings(&[]));
            peer.get("/case");
        },
        Answer(200),
    ),
    Case::new(
        "PING",
        "RFC 9113 6.7",
        |peer| {
            peer.send(ping(*b"\0\x01\xff ping"));
        },
        Holds(|peer| holds(peer.wait(|peer| peer.pings == [b"\0\x01\xff ping"]), peer)),
    ),
    Case::new(
        "an acknowledgement of PING is not acknowledged",
        "RFC 9113 6.7",
        |peer| {
            peer.send(ping(*b"answered").with_flags(flag::ACK)).send(ping(*b"question"));
        },
        Holds(|peer| {
            peer.wait(|peer| !peer.pings.is_empty());
            holds(peer.pings == [b"question"], peer)
        }),
    ),
    Case::new(
        "PING on a stream",
        "RFC 9113 6.7",
        |peer| {
            let stream = peer.post();
            peer.send(Frame::new(kind::PING, 0, stream, [0; 8]));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "PING that is too short",
        "RFC 9113 6.7",
        |peer| {
            peer.send(Frame::new(kind::PING, 0, 0, [0; 7]));
        },
        Connection(&[code::FRAME_SIZE_ERROR]),
    ),
    Case::new(
        "PING that is too long",
        "RFC 9113 6.7",
        |peer| {
            peer.send(Frame::new(kind::PING, 0, 0, [0; 9]));
        },
        Connection(&[code::FRAME_SIZE_ERROR]),
    ),
    Case::new(
        "an empty acknowledgement of PING",
        "RFC 9113 6.7",
        |peer| {
            peer.send(Frame::new(kind::PING, flag::ACK, 0, *b""));
        },
        Connection(&[code::FRAME_SIZE_ERROR]),
    ),
    Case::new(
        "GOAWAY on a stream",
        "RFC 9113 6.8",
        |peer| {
            let stream = peer.post();
            peer.send(Frame::new(kind::GOAWAY, 0, stream, [0; 8]));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "GOAWAY that is too short",
        "RFC 9113 4.2",
        |peer| {
            peer.send(Frame::new(kind::GOAWAY, 0, 0, [0; 7]));
        },
        Connection(&[code::FRAME_SIZE_ERROR]),
    ),
    Case::new(
        "a client that says GOAWAY gets what it asked for",
        "RFC 9113 6.8",
        |peer| {
            let stream = peer.post();
            peer.send(goaway(0, code::NO_ERROR, b"leaving")).send(last_data(stream, *b"body"));
        },
        Holds(|peer| holds(peer.answer(1).status() == Some(200), peer)),
    ),
    Case::new(
        "GOAWAY with an unknown code",
        "RFC 9113 7",
        |peer| {
            let stream = peer.post();
            peer.send(goaway(0, 0xdead_beef, b"")).send(last_data(stream, *b"body"));
        },
        // A connection that is given up may end; it must not be answered with an error of our own.
        Holds(|peer| {
            peer.answer(1);
            holds(peer.goaway.is_none_or(|(_, code)| code == code::NO_ERROR || code == 0xdead_beef), peer)
        }),
    ),
    Case::new(
        "WINDOW_UPDATE by nothing on the connection",
        "RFC 9113 6.9",
        |peer| {
            peer.send(window_update(0, 0));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "WINDOW_UPDATE by nothing on a stream",
        "RFC 9113 6.9",
        |peer| {
            let stream = peer.post();
            peer.send(window_update(stream, 0));
        },
        OneOf(&[Stream(PROTOCOL), Connection(PROTOCOL)]),
    ),
    Case::new(
        "WINDOW_UPDATE with the reserved bit",
        "RFC 9113 6.9",
        |peer| {
            peer.send_raw(&window_update(0, RESERVED | 1).bytes());
        },
        Nothing,
    ),
    Case::new(
        "WINDOW_UPDATE that is too short",
        "RFC 9113 6.9",
        |peer| {
            peer.send(Frame::new(kind::WINDOW_UPDATE, 0, 0, [0; 3]));
        },
        Connection(&[code::FRAME_SIZE_ERROR]),
    ),
    Case::new(
        "WINDOW_UPDATE on a stream that is too long",
        "RFC 9113 6.9",
        |peer| {
            let stream = peer.post();
            peer.send(Frame::new(kind::WINDOW_UPDATE, 0, stream, [0, 0, 0, 1, 0]));
        },
        Connection(&[code::FRAME_SIZE_ERROR]),
    ),
    Case::new(
        "a window of the connection that grows beyond the greatest",
        "RFC 9113 6.9.1",
        |peer| {
            peer.send(window_update(0, MAX_31)).send(window_update(0, MAX_31));
        },
        Connection(&[code::FLOW_CONTROL_ERROR]),
    ),
    Case::new(
        "a window of a stream that grows beyond the greatest",
        "RFC 9113 6.9.1",
        |peer| {
            let stream = peer.post();
            peer.send(window_update(stream, MAX_31));
        },
        Stream(&[code::FLOW_CONTROL_ERROR]),
    ),
    Case::new(
        "a window of a stream that SETTINGS make grow beyond the greatest",
        "RFC 9113 6.9.2",
        |peer| {
            let stream = peer.post();
            peer.send(window_update(stream, MAX_31 - 65_535));
            peer.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 65_536)]));
        },
        Connection(&[code::FLOW_CONTROL_ERROR]),
    ),
];
