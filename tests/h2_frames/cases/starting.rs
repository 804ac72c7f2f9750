//! How a connection begins (RFC 9113 3), and how it is given up (5.4).

use super::prelude::*;

pub const CASES: &[Case] = &[
    Case::bare(
        "the server's first frame is SETTINGS",
        "RFC 9113 3.4",
        |peer| {
            peer.send_raw(PREFACE).send(settings(&[]));
        },
        Holds(|peer| {
            // That it comes first, the audit sees.
            holds(peer.wait(|peer| peer.acks == 1 && !peer.server_settings.is_empty()), peer)
        }),
    ),
    Case::bare(
        "requests may follow the preface at once",
        "RFC 9113 3.4",
        |peer| {
            peer.send_raw(PREFACE).send(settings(&[]));
            peer.get("/case");
        },
        Answer(200),
    ),
    Case::bare(
        "a preface may come octet by octet",
        "RFC 9113 3.4",
        |peer| {
            peer.audit.sent(&settings(&[]));
            for octet in [PREFACE, &settings(&[]).bytes()].concat() {
                peer.send_raw(&[octet]);
            }
            peer.get("/case");
        },
        Answer(200),
    ),
    Case::bare(
        "preface, SETTINGS and a request may come in one piece",
        "RFC 9113 3.4",
        |peer| {
            let stream = peer.fresh();
            let request = last_headers(stream, peer.request("GET", "/case"));
            peer.audit.sent(&settings(&[]));
            peer.audit.sent(&request);
            peer.send_raw(&[PREFACE, &settings(&[]).bytes(), &request.bytes()].concat());
        },
        Answer(200),
    ),
    Case::bare(
        "a preface that is not one",
        "RFC 9113 3.4",
        |peer| {
            peer.send_raw(b"PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n").send(settings(&[]));
        },
        Ends,
    ),
    Case::bare(
        "a preface that ends in the middle",
        "RFC 9113 3.4",
        |peer| {
            peer.send_raw(&PREFACE[..20]);
            peer.finish_sending();
        },
        Ends,
    ),
    Case::bare(
        "a preface for another version",
        "RFC 9113 3.4",
        |peer| {
            peer.send_raw(b"PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n").send(settings(&[]));
        },
        Ends,
    ),
    Case::bare(
        "octets that are no frame behind the preface",
        "RFC 9113 3.4",
        |peer| {
            peer.send_raw(PREFACE).send_raw(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
        },
        Connection(&[code::PROTOCOL_ERROR, code::FRAME_SIZE_ERROR]),
    ),
    Case::bare(
        "PING before SETTINGS",
        "RFC 9113 3.4",
        |peer| {
            peer.send_raw(PREFACE).send(ping([0; 8]));
        },
        Connection(&[code::PROTOCOL_ERROR]),
    ),
    Case::bare(
        "HEADERS before SETTINGS",
        "RFC 9113 3.4",
        |peer| {
            peer.send_raw(PREFACE);
            peer.get("/case");
        },
        Connection(&[code::PROTOCOL_ERROR]),
    ),
    Case::bare(
        "an acknowledgement before SETTINGS",
        "RFC 9113 3.4",
        |peer| {
            peer.send_raw(PREFACE).send(settings_ack());
        },
        Connection(&[code::PROTOCOL_ERROR]),
    ),
    Case::new(
        "the preface a second time",
        "RFC 9113 3.4",
        |peer| {
            peer.send_raw(PREFACE);
        },
        Connection(&[code::PROTOCOL_ERROR, code::FRAME_SIZE_ERROR]),
    ),
    Case::new(
        "GOAWAY names the last stream that was taken",
        "RFC 9113 5.4.1",
        |peer| {
            let stream = peer.get("/case");
            peer.answer(stream);
            peer.send(Frame::new(kind::PING, 0, 0, *b"seven.."));
        },
        Holds(|peer| {
            peer.await_end();
            holds(peer.goaway == Some((1, code::FRAME_SIZE_ERROR)), peer)
        }),
    ),
    Case::new(
        "a reset is not answered with a reset",
        "RFC 9113 5.4.2",
        |peer| {
            let stream = peer.post();
            peer.send(reset(stream, code::CANCEL));
        },
        Nothing,
    ),
    Case::new(
        "a stream error leaves other streams alone",
        "RFC 9113 5.4.2",
        |peer| {
            let good = peer.post();
            peer.begin(Block::of(&[(":method", "GET")]));
            peer.round_trip();
            peer.send(last_data(good, *b"body"));
        },
        Holds(|peer| {
            let (good, bad) = (peer.answer(1), peer.answer(3));
            holds(good.status() == Some(200) && is_malformed(&bad), peer)
        }),
    ),
];
