//! Clients that make more work than they have: they are told to calm down, or are not heard at all.

use super::before;
use super::before_with;
use super::peer::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GET, HEADERS, PING, RST_STREAM, Raw, SETTINGS, WINDOW_UPDATE, frame,
};
use crate::support::{Origin, Reply, eventually};

const ENHANCE_YOUR_CALM: u32 = 11;

/// Floods a connection with `piece`, numbered from 0, behind one request, until it is told to calm down.
fn calmed(piece: impl Fn(u32) -> Vec<u8>) {
    let origin = Origin::answering(|_| Reply::text("ok"));
    let gateway = before(&origin);
    let mut raw = Raw::greet(&gateway, &[]);
    raw.frame(HEADERS, END_HEADERS, 1, b"\x83\x84\x86\x41\x04test");
    for number in 0..20_000 {
        if !raw.send(&piece(number)) {
            break;
        }
    }
    assert_eq!(raw.await_goaway(), ENHANCE_YOUR_CALM);
    assert_eq!(gateway.client().get("/").text(), "ok");
}

#[test]
fn a_flood_of_pings_is_calmed() {
    calmed(|_| frame(PING, 0, 0, &[0; 8]));
}

#[test]
fn a_flood_of_settings_is_calmed() {
    calmed(|_| frame(SETTINGS, 0, 0, &[]));
}

#[test]
fn a_flood_of_priorities_is_calmed() {
    calmed(|_| frame(2, 0, 1, &[0, 0, 0, 3, 1]));
}

#[test]
fn a_flood_of_window_updates_is_calmed() {
    calmed(|_| frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]));
}

#[test]
fn a_flood_of_empty_data_is_calmed() {
    calmed(|_| frame(DATA, 0, 1, &[]));
}

#[test]
fn a_flood_of_unknown_frames_is_calmed() {
    calmed(|_| frame(0x42, 0, 0, &[0; 4]));
}

#[test]
fn rapid_resets_are_calmed() {
    calmed(|number| {
        let stream = 3 + 2 * number;
        [frame(HEADERS, END_STREAM | END_HEADERS, stream, GET), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    });
}

#[test]
fn resets_that_the_client_provokes_are_calmed() {
    // CVE-2025-8671: a window beyond the greatest makes us reset the stream.
    calmed(|number| {
        let stream = 3 + 2 * number;
        let update = frame(WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff]);
        [frame(HEADERS, END_STREAM | END_HEADERS, stream, GET), update].concat()
    });
}

#[test]
fn a_header_block_without_end_is_calmed() {
    calmed(|number| match number {
        0 => frame(HEADERS, END_STREAM, 3, GET),
        _ => frame(CONTINUATION, 0, 3, b""),
    });
}

#[test]
fn a_client_that_resets_what_it_must_is_left_alone() {
    let origin = Origin::answering(|_| Reply::text("ok"));
    let gateway = before(&origin);
    let mut raw = Raw::greet(&gateway, &[]);
    for stream in (1..400).step_by(2) {
        raw.frame(HEADERS, END_STREAM | END_HEADERS, stream, GET);
        if stream % 4 == 1 {
            raw.frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
        } else {
            while raw.await_frame(DATA).unwrap().stream != stream {}
        }
    }
    raw.frame(HEADERS, END_STREAM | END_HEADERS, 401, GET);
    while raw.await_frame(DATA).unwrap().stream != 401 {}
}

#[test]
fn a_client_that_begins_and_does_not_go_on_is_left() {
    let origin = Origin::answering(|_| Reply::text("ok"));
    let gateway = before_with(&origin, "timeouts = { head = \"200ms\" }", "");
    // Nothing, a part of the preface, the preface alone, a part of a frame, a part of a header block.
    let beginnings: [&[u8]; 5] =
        [b"", b"PRI * HT", PREFACE, b"\0\0\x04\x04\0\0", b"\0\0\x03\x01\0\0\0\0\x01\x82\x84\x86"];
    for (number, beginning) in beginnings.into_iter().enumerate() {
        let mut raw = Raw::connect(&gateway);
        if number > 2 {
            raw.send(PREFACE);
            raw.frame(SETTINGS, 0, 0, &[]);
        }
        raw.send(beginning);
        while raw.next().is_some() {}
    }
    eventually("nothing is left", || (gateway.metric("ringway_connections") == 0.0).then_some(()));
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[test]
fn a_client_that_takes_no_bytes_is_left_when_its_time_is_over() {
    let origin = Origin::answering(|_| Reply::text(vec![b'x'; 4_000_000]));
    let gateway = before_with(&origin, "timeouts = { idle = \"300ms\" }", "");
    // Windows without end, and nobody who reads.
    let mut raw = Raw::greet(&gateway, b"\0\x04\x7f\xff\xff\xff");
    raw.frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0, 0, 0]);
    for stream in (1..40).step_by(2) {
        raw.frame(HEADERS, END_STREAM | END_HEADERS, stream, GET);
    }
    eventually("it is cut", || (gateway.metric("ringway_connections") == 0.0).then_some(()));
    drop(raw);
}
