//! Messages (RFC 9113 8.1, 8.6, 8.7): how requests and answers lie in frames, and what is malformed as a whole.

use super::prelude::*;

/// A request with a body of `sent` octets that declares `declared`.
fn with_length(peer: &mut Peer, declared: &str, sent: &[&[u8]]) {
    let block = peer.request("POST", "/case").literal("content-length", declared);
    let Some((last, start)) = sent.split_last() else {
        peer.ask(block);
        return;
    };
    let stream = peer.begin(block);
    start.iter().for_each(|piece| {
        peer.send(data(stream, *piece));
    });
    peer.send(last_data(stream, *last));
}

pub const CASES: &[Case] = &[
    Case::new(
        "GET",
        "RFC 9113 8.1",
        |peer| {
            peer.get("/case");
        },
        Holds(|peer| {
            let text = peer.answer(1).text();
            holds(text.starts_with("GET /case\n") && text.contains(&format!("\nhost: {AUTHORITY}\n")), peer)
        }),
    ),
    Case::new(
        "HEAD is answered without a body",
        "RFC 9113 8.1",
        |peer| {
            let block = peer.request("HEAD", "/case");
            peer.ask(block);
        },
        Holds(|peer| {
            let said = peer.answer(1);
            holds(said.status() == Some(200) && said.is_ended && said.body.is_empty(), peer)
        }),
    ),
    Case::new(
        "POST in several pieces",
        "RFC 9113 8.1",
        |peer| {
            let stream = peer.post();
            peer.send(data(stream, *b"one ")).send(data(stream, *b"")).send(last_data(stream, *b"two"));
        },
        Holds(|peer| holds(peer.answer(1).text().ends_with("\n\none two"), peer)),
    ),
    Case::new(
        "POST without a body",
        "RFC 9113 8.1",
        |peer| {
            let block = peer.request("POST", "/case");
            peer.ask(block);
        },
        Answer(200),
    ),
    Case::new(
        "trailers",
        "RFC 9113 8.1",
        |peer| {
            let stream = peer.post();
            peer.send(data(stream, *b"body")).send(last_headers(stream, Block::of(&[("x-sum", "42")])));
        },
        Holds(|peer| {
            let text = peer.answer(1).text();
            holds(text.contains("\ntrailer x-sum: 42\n") && text.ends_with("\n\nbody"), peer)
        }),
    ),
    Case::new(
        "trailers without a body",
        "RFC 9113 8.1",
        |peer| {
            let stream = peer.post();
            peer.send(last_headers(stream, Block::of(&[("x-sum", "42")])));
        },
        Answer(200),
    ),
    Case::new(
        "trailers that do not end the stream",
        "RFC 9113 8.1",
        |peer| {
            let stream = peer.post();
            peer.send(data(stream, *b"body")).send(headers(stream, Block::of(&[("x-sum", "42")])));
        },
        Malformed,
    ),
    Case::new(
        "pseudo-fields in trailers",
        "RFC 9113 8.1",
        |peer| {
            let stream = peer.post();
            peer.send(data(stream, *b"body")).send(last_headers(stream, Block::of(&[(":path", "/case")])));
        },
        Malformed,
    ),
    Case::new(
        "an upper-case name in trailers",
        "RFC 9113 8.2.1",
        |peer| {
            let stream = peer.post();
            peer.send(data(stream, *b"body")).send(last_headers(stream, Block::of(&[("X-Sum", "42")])));
        },
        Malformed,
    ),
    Case::new(
        "a line end in trailers",
        "RFC 9113 8.2.1",
        |peer| {
            let stream = peer.post();
            peer.send(data(stream, *b"body")).send(last_headers(stream, Block::of(&[("x-sum", "4\r\n2")])));
        },
        Malformed,
    ),
    Case::new(
        "a field of the connection in trailers",
        "RFC 9113 8.2.2",
        |peer| {
            let stream = peer.post();
            peer.send(data(stream, *b"body"))
                .send(last_headers(stream, Block::of(&[("transfer-encoding", "chunked")])));
        },
        Malformed,
    ),
    Case::new(
        "trailers of an answer",
        "RFC 9113 8.1",
        |peer| {
            peer.get("/trailers");
        },
        Holds(|peer| {
            let said = peer.answer(1);
            let trailers = said.heads.last().is_some_and(|head| head.contains(&(b"x-sum".to_vec(), b"42".to_vec())));
            holds(said.heads.len() == 2 && trailers && said.text() == "with trailers" && said.is_ended, peer)
        }),
    ),
    Case::new(
        "interim answers",
        "RFC 9113 8.1",
        |peer| {
            peer.get("/interim");
        },
        Holds(|peer| {
            let statuses: Vec<u16> = peer.answer(1).heads.iter().map(|head| status_of(head)).collect();
            holds(statuses == [103, 103, 200], peer)
        }),
    ),
    Case::new(
        "an interim answer that a client waits for",
        "RFC 9113 8.1",
        |peer| {
            let block = peer.request("POST", "/expect").literal("expect", "100-continue");
            let stream = peer.begin(block);
            peer.wait(|peer| !peer.on(stream).heads.is_empty());
            peer.send(last_data(stream, *b"body"));
        },
        Holds(|peer| {
            let statuses: Vec<u16> = peer.answer(1).heads.iter().map(|head| status_of(head)).collect();
            holds(statuses == [100, 200], peer)
        }),
    ),
    Case::new(
        "101 reaches no client",
        "RFC 9113 8.6",
        |peer| {
            peer.get("/switch");
        },
        Holds(|peer| {
            let said = peer.answer(1);
            is_alive(peer)?;
            holds(said.reset.is_some() || said.status().is_some_and(|status| status >= 500), peer)
        }),
    ),
    Case::new(
        "fields of the connection in an answer are not passed on",
        "RFC 9113 8.2.2",
        |peer| {
            peer.get("/hop");
        },
        Holds(|peer| {
            let said = peer.answer(1);
            // The audit finds those that must not be sent at all.
            holds(
                said.status() == Some(200) && said.field("x-named").is_empty() && said.field("x-kept") == ["yes"],
                peer,
            )
        }),
    ),
    Case::new(
        "an answer that its server cuts is reset",
        "RFC 9113 8.1.1",
        |peer| {
            peer.get("/cut");
        },
        Holds(|peer| {
            let said = peer.answer(1);
            is_alive(peer)?;
            let is_visible = said.reset.is_some() || said.status().is_some_and(|status| status >= 500);
            holds(is_visible && !(said.status() == Some(200) && said.is_ended), peer)
        }),
    ),
    Case::new(
        "an answer without length that its server cuts is reset",
        "RFC 9113 8.1.1",
        |peer| {
            peer.get("/cut-chunked");
        },
        Holds(|peer| {
            let said = peer.answer(1);
            is_alive(peer)?;
            holds(said.reset.is_some() && !said.is_ended, peer)
        }),
    ),
    Case::new(
        "an answer before the request's end",
        "RFC 9113 8.1",
        |peer| {
            let block = peer.request("POST", "/early");
            let stream = peer.begin(block);
            peer.send(data(stream, *b"some"));
        },
        Holds(|peer| {
            let said = peer.answer(1);
            // What comes behind is an invitation to stop, not an error.
            peer.wait(|peer| peer.on(1).reset.is_some());
            let is_kind = peer.on(1).reset.is_none_or(|code| code == code::NO_ERROR || code == code::CANCEL);
            is_alive(peer)?;
            holds(said.status() == Some(413) && said.is_ended && is_kind, peer)
        }),
    ),
    Case::new("the declared length", "RFC 9113 8.1.1", |peer| with_length(peer, "4", &[b"bo", b"dy"]), Answer(200)),
    Case::new("a body longer than declared", "RFC 9113 8.1.1", |peer| with_length(peer, "3", &[b"body"]), Malformed),
    Case::new("a body shorter than declared", "RFC 9113 8.1.1", |peer| with_length(peer, "5", &[b"body"]), Malformed),
    Case::new(
        "a body longer than declared, in pieces",
        "RFC 9113 8.1.1",
        |peer| with_length(peer, "4", &[b"body", b"", b"!"]),
        Malformed,
    ),
    Case::new(
        "a body shorter than declared, in pieces",
        "RFC 9113 8.1.1",
        |peer| with_length(peer, "10", &[b"bo", b"dy", b""]),
        Malformed,
    ),
    Case::new("no body where one is declared", "RFC 9113 8.1.1", |peer| with_length(peer, "4", &[]), Malformed),
    Case::new("a body where none is declared", "RFC 9113 8.1.1", |peer| with_length(peer, "0", &[b"body"]), Malformed),
    Case::new("no body, as declared", "RFC 9113 8.1.1", |peer| with_length(peer, "0", &[]), Answer(200)),
    Case::new(
        "a body shorter than declared, with trailers",
        "RFC 9113 8.1.1",
        |peer| {
            let stream = peer.begin(peer.request("POST", "/case").literal("content-length", "10"));
            peer.send(data(stream, *b"body")).send(last_headers(stream, Block::of(&[("x-sum", "42")])));
        },
        Malformed,
    ),
    Case::new("a length that is no number", "RFC 9113 8.1.1", |peer| with_length(peer, "four", &[b"body"]), Malformed),
    Case::new("a length with a sign", "RFC 9113 8.1.1", |peer| with_length(peer, "+4", &[b"body"]), Malformed),
    Case::new("a list of lengths", "RFC 9113 8.1.1", |peer| with_length(peer, "4, 4", &[b"body"]), Malformed),
    Case::new(
        "two lengths",
        "RFC 9113 8.1.1",
        |peer| {
            let block = peer.request("POST", "/case").literal("content-length", "4").literal("content-length", "5");
            let stream = peer.begin(block);
            peer.send(last_data(stream, *b"body"));
        },
        Malformed,
    ),
    Case::new(
        "padding is no part of the declared length",
        "RFC 9113 8.1.1",
        |peer| {
            let stream = peer.begin(peer.request("POST", "/case").literal("content-length", "4"));
            peer.send(last_data(stream, *b"\x02body\0\0").with_flags(flag::PADDED));
        },
        Answer(200),
    ),
    Case::new(
        "a client that goes away in the middle of a request",
        "RFC 9113 8.7",
        |peer| {
            let stream = peer.post();
            peer.send(data(stream, *b"half")).send(reset(stream, code::CANCEL));
        },
        Nothing,
    ),
];
