//! Attackers that make the gateway work: each is told to calm down, within a bounded number of frames.

use ringway::words::limits::{H2_CONTROL_FRAMES, H2_RESETS, H2_STREAMS};

use super::arena::Arena;
use crate::h2_frames::frame::*;
use crate::h2_frames::hpack::Block;
use crate::h2_frames::peer::{Peer, Target};

/// What an attacker does again and again.
pub struct Flood {
    pub name: &'static str,
    /// Before.
    pub begin: fn(&mut Peer),
    /// Again and again.
    pub round: fn(&mut Peer),
    /// Frames of a round that count.
    pub frames: u32,
    /// How many of them may be taken.
    pub taken_max: u32,
}

/// Nothing before.
const fn nothing(_: &mut Peer) {}

/// Resets, and the streams that were open when the last one came.
const RESETS_MAX: u32 = H2_RESETS + H2_STREAMS + 50;
/// Control frames, and what the streams of the attack explain.
const CONTROL_MAX: u32 = H2_CONTROL_FRAMES + 200;

const fn resets(name: &'static str, round: fn(&mut Peer)) -> Flood {
    Flood { name, begin: nothing, round, frames: 1, taken_max: RESETS_MAX }
}

const fn control(name: &'static str, begin: fn(&mut Peer), round: fn(&mut Peer)) -> Flood {
    Flood { name, begin, round, frames: 1, taken_max: CONTROL_MAX }
}

/// All of them.
pub const FLOODS: &[Flood] = &[
    resets("rapid reset (CVE-2023-44487)", |peer| {
        let stream = peer.get("/case");
        peer.send(reset(stream, code::CANCEL));
    }),
    resets("rapid reset of uploads", |peer| {
        let stream = peer.post();
        peer.send(data(stream, [b'x'; 100])).send(reset(stream, code::CANCEL));
    }),
    resets("rapid reset without an error", |peer| {
        let stream = peer.get("/case");
        peer.send(reset(stream, code::NO_ERROR));
    }),
    resets("made you reset (CVE-2025-8671): no path", |peer| {
        peer.ask(Block::of(&[(":method", "GET")]));
    }),
    resets("made you reset: a window beyond the greatest", |peer| {
        let stream = peer.post();
        peer.send(window_update(stream, MAX_31));
    }),
    resets("made you reset: a body longer than declared", |peer| {
        let stream = peer.begin(peer.request("POST", "/case").literal("content-length", "1"));
        peer.send(last_data(stream, *b"two"));
    }),
    resets("made you reset: trailers that do not end the stream", |peer| {
        let stream = peer.post();
        peer.send(headers(stream, Block::of(&[("x-a", "v")])));
    }),
    resets("made you reset: a stream that depends on itself", |peer| {
        let stream = peer.fresh();
        let block = [priority_octets(stream, 3), peer.request("GET", "/case").into()].concat();
        peer.send(last_headers(stream, block).with_flags(flag::PRIORITY));
    }),
    resets("made you reset: a path that is none", |peer| {
        let block = Block::of(&[(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "x")]);
        peer.ask(block);
    }),
    resets("more streams than allowed", |peer| {
        peer.post();
    }),
    control("a flood of PING", nothing, |peer| {
        peer.send(ping([7; 8]));
    }),
    control("a flood of acknowledged PING", nothing, |peer| {
        peer.send(ping([7; 8]).with_flags(flag::ACK));
    }),
    control("a flood of SETTINGS", nothing, |peer| {
        peer.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 65_535)]));
    }),
    control("a flood of empty SETTINGS", nothing, |peer| {
        peer.send(settings(&[]));
    }),
    control("a flood of PRIORITY", nothing, |peer| {
        peer.send(priority(1_001, 0));
    }),
    control("a flood of WINDOW_UPDATE on the connection", nothing, |peer| {
        peer.send(window_update(0, 1));
    }),
    control(
        "a flood of WINDOW_UPDATE on a stream",
        |peer| {
            peer.post();
        },
        |peer| {
            peer.send(window_update(1, 1));
        },
    ),
    control(
        "a flood of empty DATA",
        |peer| {
            peer.post();
        },
        |peer| {
            peer.send(data(1, *b""));
        },
    ),
    control("a flood of unknown frames", nothing, |peer| {
        peer.send(Frame::new(0xee, 0, 0, *b"x"));
    }),
    control("a flood of unknown frames of the greatest length", nothing, |peer| {
        peer.send(Frame::new(0xee, 0, 0, vec![0; PAYLOAD_MAX]));
    }),
    Flood {
        name: "a flood of CONTINUATION (CVE-2024-27316)",
        begin: |peer| {
            let (stream, request) = (peer.fresh(), peer.request("GET", "/case"));
            peer.send(open_headers(stream, request));
        },
        round: |peer| {
            peer.send(continuation(1, Block::of(&[("x-a", "v")])));
        },
        frames: 1,
        taken_max: 100,
    },
    Flood {
        name: "a flood of empty CONTINUATION",
        begin: |peer| {
            let (stream, request) = (peer.fresh(), peer.request("GET", "/case"));
            peer.send(open_headers(stream, request));
        },
        round: |peer| {
            peer.send(continuation(1, *b""));
        },
        frames: 1,
        taken_max: 100,
    },
    Flood {
        name: "a flood of CONTINUATION of the greatest length",
        begin: |peer| {
            let (stream, request) = (peer.fresh(), peer.request("GET", "/case"));
            peer.send(open_headers(stream, request));
        },
        round: |peer| {
            let field = Block::new().literal("x-a", vec![b'v'; PAYLOAD_MAX - 20]);
            peer.send(continuation(1, field));
        },
        frames: 1,
        taken_max: 100,
    },
];

/// Rounds between two looks at what the gateway says.
const ROUNDS: u32 = 20;

/// Goes on until the gateway ends the connection; says how many rounds were sent.
pub fn run(flood: &Flood, target: &Target) -> (Peer, u32) {
    let mut peer = Peer::ready(target);
    (flood.begin)(&mut peer);
    let mut rounds = 0;
    // A gateway that is slow to speak is waited for; what it has taken meanwhile it has not read.
    while peer.goaway.is_none() && peer.end.is_none() && rounds * flood.frames < 20 * flood.taken_max {
        (0..ROUNDS).for_each(|_| (flood.round)(&mut peer));
        rounds += ROUNDS;
        peer.look();
    }
    peer.await_end();
    (peer, rounds)
}

#[test]
fn a_flood_ends_with_the_advice_to_calm_down() {
    let arena = Arena::open("");
    for flood in FLOODS {
        println!("{}", flood.name);
        arena.suffer(|target| {
            let (peer, rounds) = run(flood, target);
            let (last_stream, code) = peer.goaway.unwrap_or_else(|| panic!("{}: {rounds} rounds, no word", flood.name));
            assert_eq!(code, code::ENHANCE_YOUR_CALM, "{}", flood.name);
            // What was taken of a flood of streams, the gateway says itself.
            assert!(last_stream / 2 <= flood.taken_max, "{}: {last_stream} is the last stream", flood.name);
            assert!(peer.pings.len() + peer.acks <= flood.taken_max as usize, "{}", flood.name);
            assert_eq!(peer.audit.breaches, [""; 0], "{}", flood.name);
            peer
        });
    }
}
