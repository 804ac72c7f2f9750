//! The life of a stream (RFC 9113 5): states, identifiers, concurrency, priorities.

use super::prelude::*;

/// A stream whose request is complete and whose answer waits for a window: half-closed on the client's side.
fn half_closed(peer: &mut Peer) -> u32 {
    peer.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 0)]));
    let stream = peer.get("/case");
    peer.wait(|peer| peer.on(stream).status() == Some(200));
    stream
}

/// A stream that ended in order on both sides.
fn closed(peer: &mut Peer) -> u32 {
    let stream = peer.get("/case");
    peer.answer(stream);
    stream
}

/// A stream that the server has reset.
fn refused(peer: &mut Peer) -> u32 {
    let stream = peer.begin(Block::of(&[(":method", "GET")]));
    peer.wait(|peer| peer.on(stream).is_over());
    stream
}

/// 5.1, closed: whoever sends on a stream that ended long ago is told so, or not heard.
const TOO_LATE: Expect =
    OneOf(&[Connection(&[code::STREAM_CLOSED, code::PROTOCOL_ERROR]), Stream(&[code::STREAM_CLOSED]), Answer(200)]);

pub const CASES: &[Case] = &[
    Case::new(
        "DATA on an idle stream",
        "RFC 9113 5.1",
        |peer| {
            peer.send(data(1, *b"x"));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "RST_STREAM on an idle stream",
        "RFC 9113 5.1",
        |peer| {
            peer.send(reset(1, code::CANCEL));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "WINDOW_UPDATE on an idle stream",
        "RFC 9113 5.1",
        |peer| {
            peer.send(window_update(1, 100));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "CONTINUATION on an idle stream",
        "RFC 9113 5.1",
        |peer| {
            let request = peer.request("GET", "/case");
            peer.send(last_continuation(1, request));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "PRIORITY on an idle stream",
        "RFC 9113 5.1",
        |peer| {
            peer.send(priority(101, 0));
        },
        Nothing,
    ),
    Case::new(
        "DATA on a stream of the server's that was never promised",
        "RFC 9113 5.1",
        |peer| {
            peer.send(data(2, *b"x"));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "RST_STREAM on a stream of the server's that was never promised",
        "RFC 9113 5.1",
        |peer| {
            peer.send(reset(2, code::CANCEL));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "WINDOW_UPDATE on a stream of the server's that was never promised",
        "RFC 9113 5.1",
        |peer| {
            peer.send(window_update(2, 1));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "DATA behind the end of a request",
        "RFC 9113 5.1",
        |peer| {
            let stream = half_closed(peer);
            peer.send(data(stream, *b"more"));
        },
        OneOf(&[Stream(&[code::STREAM_CLOSED]), Connection(&[code::STREAM_CLOSED])]),
    ),
    Case::new(
        "HEADERS behind the end of a request",
        "RFC 9113 5.1",
        |peer| {
            let stream = half_closed(peer);
            let request = peer.request("GET", "/case");
            peer.send(last_headers(stream, request));
        },
        OneOf(&[Stream(&[code::STREAM_CLOSED]), Connection(&[code::STREAM_CLOSED])]),
    ),
    Case::new(
        "CONTINUATION behind the end of a request",
        "RFC 9113 5.1",
        |peer| {
            let stream = half_closed(peer);
            peer.send(last_continuation(stream, Block::of(&[("x", "y")])));
        },
        Connection(&[code::PROTOCOL_ERROR, code::STREAM_CLOSED]),
    ),
    Case::new(
        "WINDOW_UPDATE behind the end of a request",
        "RFC 9113 5.1",
        |peer| {
            let stream = half_closed(peer);
            peer.send(window_update(stream, 60_000));
        },
        // The runner's own requests get no window here.
        Holds(|peer| holds(peer.answer(1).is_ended && peer.on(1).reset.is_none(), peer)),
    ),
    Case::new(
        "PRIORITY behind the end of a request",
        "RFC 9113 5.1",
        |peer| {
            let stream = half_closed(peer);
            peer.send(priority(stream, 0)).send(window_update(stream, 60_000));
        },
        Holds(|peer| holds(peer.answer(1).is_ended && peer.on(1).reset.is_none(), peer)),
    ),
    Case::new(
        "RST_STREAM behind the end of a request",
        "RFC 9113 5.1",
        |peer| {
            let stream = half_closed(peer);
            peer.send(reset(stream, code::CANCEL)).send(settings(&[(setting::INITIAL_WINDOW_SIZE, 65_535)]));
        },
        Holds(|peer| {
            is_alive(peer)?;
            holds(peer.on(1).body.is_empty() && !peer.on(1).is_over(), peer)
        }),
    ),
    Case::new(
        "DATA on a stream that ended",
        "RFC 9113 5.1",
        |peer| {
            let stream = closed(peer);
            peer.send(data(stream, *b"late"));
        },
        TOO_LATE,
    ),
    Case::new(
        "HEADERS on a stream that ended",
        "RFC 9113 5.1",
        |peer| {
            let stream = closed(peer);
            let request = peer.request("GET", "/case");
            peer.send(last_headers(stream, request));
            peer.round_trip();
        },
        OneOf(&[Connection(&[code::STREAM_CLOSED, code::PROTOCOL_ERROR]), Stream(&[code::STREAM_CLOSED])]),
    ),
    Case::new(
        "CONTINUATION on a stream that ended",
        "RFC 9113 5.1",
        |peer| {
            let stream = closed(peer);
            peer.send(last_continuation(stream, Block::of(&[("x", "y")])));
        },
        Connection(&[code::PROTOCOL_ERROR, code::STREAM_CLOSED]),
    ),
    Case::new(
        "WINDOW_UPDATE on a stream that ended",
        "RFC 9113 5.1",
        |peer| {
            let stream = closed(peer);
            peer.send(window_update(stream, 10));
        },
        Nothing,
    ),
    Case::new(
        "RST_STREAM on a stream that ended",
        "RFC 9113 5.1",
        |peer| {
            let stream = closed(peer);
            peer.send(reset(stream, code::CANCEL));
        },
        Nothing,
    ),
    Case::new(
        "PRIORITY on a stream that ended",
        "RFC 9113 5.1",
        |peer| {
            let stream = closed(peer);
            peer.send(priority(stream, 0));
        },
        Nothing,
    ),
    Case::new(
        "DATA on a stream that the client has reset",
        "RFC 9113 5.1",
        |peer| {
            let stream = peer.post();
            peer.send(reset(stream, code::CANCEL)).send(data(stream, *b"late"));
            peer.round_trip();
        },
        OneOf(&[Stream(&[code::STREAM_CLOSED]), Connection(&[code::STREAM_CLOSED])]),
    ),
    Case::new(
        "HEADERS on a stream that the client has reset",
        "RFC 9113 5.1",
        |peer| {
            let stream = peer.post();
            peer.send(reset(stream, code::CANCEL)).send(last_headers(stream, Block::of(&[("x", "y")])));
            peer.round_trip();
        },
        OneOf(&[Stream(&[code::STREAM_CLOSED]), Connection(&[code::STREAM_CLOSED, code::PROTOCOL_ERROR])]),
    ),
    Case::new(
        "frames on a stream that the server has reset are discarded",
        "RFC 9113 5.1",
        |peer| {
            let stream = refused(peer);
            peer.send(data(stream, *b"in flight")).send(window_update(stream, 5));
            peer.send(last_headers(stream, Block::of(&[("x-trailer", "in flight")])));
        },
        Holds(is_alive),
    ),
    Case::new(
        "DATA on streams that the server has reset counts for the connection's window",
        "RFC 9113 5.1",
        |peer| {
            // Far more than the connection's window in all, each stream within its own.
            for _ in 0..20 {
                let stream = refused(peer);
                for _ in 0..3 {
                    peer.send(data(stream, vec![b'x'; PAYLOAD_MAX]));
                    peer.round_trip();
                }
            }
        },
        Holds(is_alive),
    ),
    Case::new(
        "a stream with an even identifier",
        "RFC 9113 5.1.1",
        |peer| {
            let request = peer.request("GET", "/case");
            peer.send(last_headers(2, request));
        },
        Connection(PROTOCOL),
    ),
    Case::new(
        "a stream below the last one",
        "RFC 9113 5.1.1",
        |peer| {
            peer.skip_to(5);
            peer.get("/case");
            let request = peer.request("GET", "/case");
            peer.send(last_headers(3, request));
        },
        Connection(&[code::PROTOCOL_ERROR, code::STREAM_CLOSED]),
    ),
    Case::new(
        "DATA on a stream that was skipped",
        "RFC 9113 5.1.1",
        |peer| {
            peer.skip_to(5);
            peer.get("/case");
            peer.send(data(3, *b"x"));
        },
        Connection(&[code::PROTOCOL_ERROR, code::STREAM_CLOSED]),
    ),
    Case::new(
        "streams may be skipped",
        "RFC 9113 5.1.1",
        |peer| {
            peer.get("/case");
            peer.skip_to(4_711);
            peer.get("/case");
        },
        Answer(200),
    ),
    Case::new(
        "the greatest identifier",
        "RFC 9113 5.1.1",
        |peer| {
            peer.skip_to(MAX_31);
            peer.get("/case");
        },
        Holds(|peer| holds(peer.answer(MAX_31).status() == Some(200), peer)),
    ),
    Case::new(
        "streams beyond the allowed number",
        "RFC 9113 5.1.2",
        |peer| {
            let allowed = concurrency(peer);
            (0..allowed).for_each(|_| {
                peer.post();
            });
            peer.post();
        },
        Holds(|peer| {
            let last = peer.last_stream();
            let refused = peer.answer(last).reset;
            // The others go on, and one that ends makes room for the runner's.
            peer.send(reset(1, code::CANCEL));
            is_alive(peer)?;
            holds(refused.is_some_and(|code| [code::REFUSED_STREAM, code::PROTOCOL_ERROR].contains(&code)), peer)
        }),
    ),
    Case::new(
        "streams up to the allowed number",
        "RFC 9113 5.1.2",
        |peer| {
            let streams: Vec<u32> = (0..concurrency(peer)).map(|_| peer.post()).collect();
            streams.into_iter().for_each(|stream| {
                peer.send(last_data(stream, *b"x"));
            });
        },
        Holds(|peer| {
            let last = peer.last_stream();
            for stream in (1..=last).step_by(2) {
                let said = peer.answer(stream);
                holds(said.status() == Some(200), peer)?;
            }
            Ok(())
        }),
    ),
    Case::new(
        "streams that ended make room",
        "RFC 9113 5.1.2",
        |peer| {
            let allowed = concurrency(peer);
            let streams: Vec<u32> = (0..allowed).map(|_| peer.post()).collect();
            peer.send(last_data(streams[0], *b"x")).send(reset(streams[1], code::CANCEL));
            peer.answer(streams[0]);
            peer.round_trip();
            peer.get("/case");
        },
        Holds(|peer| {
            let last = peer.last_stream();
            holds(peer.answer(last).status() == Some(200), peer)
        }),
    ),
    Case::new(
        "a stream that depends on itself, by PRIORITY",
        "RFC 9113 5.3.1",
        |peer| {
            let stream = peer.post();
            peer.send(priority(stream, stream)).send(last_data(stream, *b"x"));
        },
        // RFC 7540 made this a stream error; RFC 9113 has no such rule any more.
        OneOf(&[Answer(200), Stream(PROTOCOL)]),
    ),
    Case::new(
        "a stream that depends on itself, by HEADERS",
        "RFC 9113 5.3.1",
        |peer| {
            let stream = peer.fresh();
            let block = [priority_octets(stream, 3), peer.request("GET", "/case").into()].concat();
            peer.send(last_headers(stream, block).with_flags(flag::PRIORITY));
        },
        OneOf(&[Answer(200), Stream(PROTOCOL)]),
    ),
    Case::new(
        "priorities between streams that are and are not",
        "RFC 9113 5.3.2",
        |peer| {
            peer.send(priority(3, 1)).send(priority(5, RESERVED | 3)).send(priority(1, 5));
            peer.get("/case");
        },
        Answer(200),
    ),
    Case::new(
        "PRIORITY_UPDATE",
        "RFC 9218 7.1",
        |peer| {
            let element = [&1_u32.to_be_bytes()[..], b"u=0, i"].concat();
            peer.send(Frame::new(kind::PRIORITY_UPDATE, 0, 0, element));
            peer.get("/case");
        },
        Answer(200),
    ),
    Case::new(
        "no priorities of RFC 7540",
        "RFC 9218 2.1",
        |peer| {
            peer.send(settings(&[(setting::NO_RFC7540_PRIORITIES, 1)]));
        },
        Nothing,
    ),
    Case::new(
        "a priority field is passed on",
        "RFC 9218 5",
        |peer| {
            let request = peer.request("GET", "/case").literal("priority", "u=1, i");
            peer.ask(request);
        },
        Holds(|peer| holds(peer.answer(1).text().contains("priority: u=1, i\n"), peer)),
    ),
];

/// How many streams the server allows.
fn concurrency(peer: &Peer) -> u32 {
    let value = peer.server_settings.iter().rev().find(|(id, _)| *id == setting::MAX_CONCURRENT_STREAMS);
    value.expect("5.1.2: a server that bounds nothing is not a careful one").1
}
