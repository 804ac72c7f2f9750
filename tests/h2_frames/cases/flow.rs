//! Flow control (RFC 9113 5.2, 6.9), in both directions. That the server keeps within all windows, the audit sees.

use super::prelude::*;

/// The stream's body is complete and as long as the origin made it.
fn is_whole(peer: &mut Peer, stream: u32) -> Verdict {
    let said = peer.answer(stream);
    holds(said.is_ended && said.body.len() == LARGE_BYTES, peer)
}

pub const CASES: &[Case] = &[
    Case::new(
        "a window of one octet",
        "RFC 9113 6.9.1",
        |peer| {
            peer.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 1)]));
            let stream = peer.get("/case");
            for count in 1..=5 {
                peer.wait(|peer| peer.on(stream).body.len() == count);
                peer.send(window_update(stream, 1));
            }
            peer.send(window_update(stream, 60_000));
        },
        Holds(|peer| holds(peer.answer(1).is_ended, peer)),
    ),
    Case::new(
        "heads need no window, and neither do ends",
        "RFC 9113 6.9.1",
        |peer| {
            peer.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 0)]));
            let head = peer.request("HEAD", "/case");
            peer.ask(head);
            peer.get("/empty");
        },
        Holds(|peer| {
            let (head, empty) = (peer.answer(1), peer.answer(3));
            holds(head.status() == Some(200) && head.is_ended && empty.status() == Some(200) && empty.is_ended, peer)
        }),
    ),
    Case::new(
        "a stream's window",
        "RFC 9113 6.9.1",
        |peer| {
            peer.send(window_update(0, 1_000_000));
            let stream = peer.get("/large");
            peer.wait(|peer| peer.on(stream).body.len() == 65_535);
            peer.round_trip();
            peer.send(window_update(stream, 1_000_000));
        },
        Holds(|peer| is_whole(peer, 1)),
    ),
    Case::new(
        "the connection's window is shared",
        "RFC 9113 6.9.1",
        |peer| {
            for _ in 0..3 {
                peer.get("/large");
            }
            let all = |peer: &Peer| [1, 3, 5].iter().map(|stream| peer.on(*stream).body.len()).sum::<usize>();
            peer.wait(|peer| all(peer) == 65_535);
            peer.round_trip();
            peer.send(window_update(0, 1_000_000));
            [1, 3, 5].iter().for_each(|stream| {
                peer.send(window_update(*stream, 1_000_000));
            });
        },
        Holds(|peer| [1, 3, 5].iter().try_for_each(|stream| is_whole(peer, *stream))),
    ),
    Case::new(
        "SETTINGS leave the connection's window alone",
        "RFC 9113 6.9.2",
        |peer| {
            peer.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 1_000_000)]));
            peer.get("/large");
            peer.wait(|peer| peer.on(1).body.len() == 65_535);
            peer.round_trip();
            peer.send(window_update(0, 1_000_000));
        },
        Holds(|peer| is_whole(peer, 1)),
    ),
    Case::new(
        "a window that SETTINGS enlarge while a stream waits",
        "RFC 9113 6.9.2",
        |peer| {
            peer.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 0)]));
            peer.get("/case");
            peer.wait(|peer| peer.on(1).status().is_some());
            peer.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 1)]));
            peer.wait(|peer| !peer.on(1).body.is_empty());
            peer.round_trip();
        },
        Holds(|peer| holds(peer.on(1).body.len() == 1, peer)),
    ),
    Case::new(
        "a window that SETTINGS make negative",
        "RFC 9113 6.9.2",
        |peer| {
            peer.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 20)]));
            peer.get("/large");
            peer.wait(|peer| peer.on(1).body.len() == 20);
            // 20 were sent, so the window is -15 now.
            peer.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 5)]));
            peer.wait(|peer| peer.acks == 3);
            peer.send(window_update(1, 15));
            peer.round_trip();
            let silent = peer.on(1).body.len();
            peer.send(window_update(1, 1));
            peer.wait(|peer| peer.on(1).body.len() > silent);
            peer.round_trip();
        },
        Holds(|peer| holds(peer.on(1).body.len() == 21, peer)),
    ),
    Case::new(
        "frames stay within the client's maximum",
        "RFC 9113 4.2",
        |peer| {
            peer.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 1_000_000)])).send(window_update(0, 1_000_000));
            peer.get("/large");
        },
        Holds(|peer| is_whole(peer, 1)),
    ),
    Case::new(
        "a stalled stream stops no other",
        "RFC 9113 5.2",
        |peer| {
            peer.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 0)]));
            peer.get("/large");
            peer.wait(|peer| peer.on(1).status().is_some());
            peer.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 65_535)])).send(reset(1, code::CANCEL));
            peer.get("/large");
            peer.get("/case");
        },
        Holds(|peer| {
            peer.send(window_update(0, 1_000_000));
            let last = peer.last_stream();
            holds(peer.answer(last).status() == Some(200), peer)
        }),
    ),
    Case::new(
        "a body larger than every window comes through",
        "RFC 9113 5.2.2",
        |peer| {
            let stream = peer.post();
            for _ in 0..60 {
                peer.send_body(stream, &[b'x'; 10_000]);
            }
            peer.send(last_data(stream, *b""));
        },
        Holds(|peer| {
            holds(peer.answer(1).status() == Some(200) && peer.on(1).text().contains("\nbody 600000\n"), peer)
        }),
    ),
    Case::new(
        "a body beyond the server's window",
        "RFC 9113 6.9.1",
        |peer| {
            // More than any server allows before it has seen it.
            let stream = peer.post();
            let burst = data(stream, vec![b'x'; PAYLOAD_MAX]).bytes().repeat(64);
            for _ in 0..32 {
                if !peer.try_send_raw(&burst) || peer.goaway.is_some() || peer.on(stream).reset.is_some() {
                    break;
                }
                peer.look();
            }
        },
        OneOf(&[Connection(&[code::FLOW_CONTROL_ERROR]), Stream(&[code::FLOW_CONTROL_ERROR])]),
    ),
];
