//! Attackers that make the gateway hold: what one connection holds is bounded, and whoever takes nothing loses his connection.

use ringway::words::limits::{H2_CONNECTION_WINDOW, H2_STREAMS};

use super::arena::Arena;
use crate::h2_frames::frame::*;
use crate::h2_frames::hpack::Block;
use crate::h2_frames::peer::{Peer, Target};
use crate::support::h2_script::playing;

/// Clients that do not move have little time.
const IMPATIENT: &str = "timeouts = { idle = \"400ms\" }";
/// As many streams as one connection may have.
const STREAMS: usize = H2_STREAMS as usize;

/// Waits until each stream is over, or the connection.
fn await_all(peer: &mut Peer) {
    let last = peer.last_stream();
    assert!(
        peer.wait(|peer| peer.end.is_some() || (1..=last).step_by(2).all(|stream| peer.on(stream).is_over())),
        "the gateway should have ended what does not move: {}",
        crate::h2_frames::case::found(peer)
    );
}

#[test]
fn a_client_without_a_window_does_not_keep_answers_waiting() {
    Arena::open(IMPATIENT).suffer(|target| {
        let mut peer = Peer::ready_with(target, &[(setting::INITIAL_WINDOW_SIZE, 0)]);
        (0..STREAMS).for_each(|_| {
            peer.get("/large");
        });
        await_all(&mut peer);
        let served = peer.said.values().filter(|said| said.is_ended).count();
        assert_eq!(served, 0, "nothing can have been sent");
        peer
    });
}

#[test]
fn a_client_without_a_window_for_its_connection_does_not_keep_answers_waiting() {
    Arena::open(IMPATIENT).suffer(|target| {
        let mut peer = Peer::ready_with(target, &[(setting::INITIAL_WINDOW_SIZE, MAX_31)]);
        (0..STREAMS).for_each(|_| {
            peer.get("/large");
        });
        await_all(&mut peer);
        peer
    });
}

#[test]
fn a_client_that_reads_nothing_loses_its_connection() {
    Arena::open(IMPATIENT).suffer(|target| {
        let mut peer = Peer::ready_with(target, &[(setting::INITIAL_WINDOW_SIZE, MAX_31)]);
        peer.send(window_update(0, MAX_31 - 65_535));
        let mut is_taken = true;
        for _ in 0..STREAMS {
            let request = last_headers(peer.fresh(), peer.request("GET", "/large")).bytes();
            is_taken &= peer.try_send_raw(&request);
        }
        // It goes on asking for replies until the gateway has had enough.
        let pings = ping([1; 8]).bytes().repeat(10);
        for _ in 0..20_000 {
            if !is_taken {
                break;
            }
            is_taken = peer.try_send_raw(&pings);
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert!(!is_taken, "the gateway still takes what nobody reads the answers of");
        peer
    });
}

/// Fills the table with one large field, and asks with it as often as the list may be long.
fn bomb(peer: &mut Peer, times: usize) -> u32 {
    let value = "v".repeat(3_900);
    let block = (1..times).fold(peer.request("POST", "/case").incremental("x-a", &value), |block, _| block.indexed(62));
    peer.begin(block)
}

#[test]
fn references_to_a_large_field_are_counted_as_what_they_become() {
    Arena::open("").suffer(|target| {
        let mut peer = Peer::ready_with(target, &[(setting::INITIAL_WINDOW_SIZE, 0)]);
        let first = bomb(&mut peer, 7);
        peer.round_trip();
        for _ in 1..STREAMS {
            let block = (0..7).fold(peer.request("POST", "/case"), |block, _| block.indexed(62));
            peer.begin(block);
            peer.look();
        }
        peer.round_trip();
        assert!(peer.on(first).reset.is_none() || peer.goaway.is_some(), "what is within the limits is served");
        peer
    });
}

#[test]
fn a_bomb_of_references_is_refused() {
    for times in [20, 1_000, 16_000] {
        Arena::open("").suffer(|target| {
            let mut peer = Peer::ready_with(target, &[(setting::INITIAL_WINDOW_SIZE, 0)]);
            for _ in 0..20 {
                // Ten thousand octets may become forty million; nothing reaches the origin.
                let value = "v".repeat(3_900);
                let block = peer.request("GET", "/case").incremental("x-a", &value);
                let block: Vec<u8> = (0..times).fold(block, |block, _| block.indexed(62)).into();
                send_block(&mut peer, &block);
                peer.look();
            }
            let last = peer.last_stream();
            peer.wait(|peer| peer.goaway.is_some() || (1..=last).step_by(2).all(|stream| peer.on(stream).is_over()));
            let is_refused = |stream| {
                let said = peer.on(stream);
                said.reset.is_some() || said.status() == Some(431)
            };
            assert!(peer.goaway.is_some() || (1..=last).step_by(2).all(is_refused), "{times} references");
            peer
        });
    }
}

/// HEADERS and as many CONTINUATION as it takes.
fn send_block(peer: &mut Peer, block: &[u8]) {
    let stream = peer.fresh();
    let pieces: Vec<&[u8]> = block.chunks(PAYLOAD_MAX).collect();
    for (at, piece) in pieces.iter().enumerate() {
        let kind = if at == 0 { kind::HEADERS } else { kind::CONTINUATION };
        let end_stream = if at == 0 { flag::END_STREAM } else { 0 };
        let end_headers = if at + 1 == pieces.len() { flag::END_HEADERS } else { 0 };
        peer.send(Frame::new(kind, end_stream | end_headers, stream, *piece));
    }
}

#[test]
fn more_fields_than_a_table_of_names_takes_are_refused() {
    // `http::HeaderMap` panics beyond 32,768 names. Short names of their own, and one name again and again.
    let arena = Arena::open("");
    let distinct: fn(&Peer) -> Block = |peer| {
        let name = |at: usize| format!("{:x}", at + 0x100);
        (0..9_000).fold(peer.request("GET", "/case"), |block, at| block.literal(name(at), ""))
    };
    let repeated: fn(&Peer) -> Block =
        |peer| (0..60_000).fold(peer.request("GET", "/case"), |block, _| block.indexed(16));
    let few: fn(&Peer) -> Block =
        |peer| (0..110).fold(peer.request("GET", "/case"), |block, at| block.literal(format!("x{at}"), ""));
    for fields in [distinct, repeated, few] {
        arena.suffer(|target| {
            let mut peer = Peer::ready(target);
            let block: Vec<u8> = fields(&peer).into();
            send_block(&mut peer, &block);
            peer.wait(|peer| peer.goaway.is_some() || peer.on(1).is_over());
            let said = peer.on(1);
            let is_refused = peer.goaway.is_some() || said.reset.is_some() || said.status() == Some(431);
            assert!(is_refused, "{said:?}");
            peer
        });
    }
}

/// A window full of these would be tens of megabytes, if each were held as a frame.
#[test]
fn bodies_in_frames_of_one_byte_that_nobody_takes_are_held_as_bytes() {
    Arena::open("").suffer(|target: &Target| {
        let mut peer = Peer::ready(target);
        let stream = peer.begin(peer.request("POST", "/hold"));
        fill(&mut peer, stream);
        let room = usize::try_from(peer.audit.room(stream)).unwrap();
        assert!(room > 8 * 1024, "the frames must be many for this to show anything: {room}");
        peer.send_raw(&data(stream, [b'x']).bytes().repeat(room));
        peer.round_trip();
        assert_eq!((peer.goaway, peer.end.is_some()), (None, false));
        peer
    });
}

/// Sends a body until the window stays closed: the kernel takes some megabytes for the origin before.
fn fill(peer: &mut Peer, stream: u32) {
    let mut waits = 0;
    while peer.end.is_none() && waits < 10 {
        if peer.audit.room(stream) >= PAYLOAD_MAX as i64 {
            peer.send(data(stream, [b'x'; PAYLOAD_MAX]));
            waits = 0;
        } else {
            peer.round_trip();
            waits += 1;
        }
    }
}

#[test]
fn bodies_of_all_streams_that_an_upstream_does_not_take_stay_within_the_windows() {
    let upstream = playing(&[(setting::INITIAL_WINDOW_SIZE, 0)], |script| script.rest());
    let keys = format!("protocol = \"h2c\"\nendpoints = [\"{}\"]", upstream.endpoint());
    Arena::before(&keys, "").suffer(|target: &Target| {
        let mut peer = Peer::ready(target);
        let streams: Vec<_> = (0..STREAMS).map(|_| peer.begin(peer.request("POST", "/case"))).collect();
        let (mut sent, mut waits) = (0, 0);
        while waits < 10 {
            peer.round_trip();
            waits += 1;
            for stream in &streams {
                if peer.audit.room(*stream) >= PIECE as i64 {
                    peer.send(data(*stream, [b'x'; PIECE]));
                    (sent, waits) = (sent + PIECE, 0);
                }
            }
        }
        // Beside the windows, what came right behind a head is read with it.
        assert!(sent <= H2_CONNECTION_WINDOW as usize + STREAMS * PIECE, "{sent} bytes were taken");
        assert!(sent > H2_CONNECTION_WINDOW as usize / 2, "the windows were used: {sent}");
        peer
    });
}

/// Bytes of a DATA frame that is one of many.
const PIECE: usize = 256;

#[test]
fn bodies_that_nobody_takes_stay_within_the_windows() {
    Arena::open("").suffer(|target: &Target| {
        let mut peer = Peer::ready(target);
        for _ in 0..2 {
            let stream = peer.begin(peer.request("POST", "/hold"));
            fill(&mut peer, stream);
        }
        peer.round_trip();
        peer
    });
}
