//! Pseudo-fields (RFC 9113 8.3), CONNECT (8.5), and CONNECT that is extended (RFC 8441).

use super::prelude::*;

/// A request of exactly these fields.
fn of(peer: &mut Peer, fields: &[(&str, &str)]) {
    let scheme = peer.scheme();
    // The case writes `S` for the scheme of its connection.
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (*name, if *value == "S" { scheme } else { *value })).collect();
    peer.ask(Block::of(&fields));
}

/// A request for this path.
fn path(peer: &mut Peer, path: impl AsRef<[u8]>) {
    let start = Block::of(&[(":method", "GET"), (":scheme", peer.scheme()), (":authority", AUTHORITY)]);
    peer.ask(start.literal(":path", path));
}

/// A request with this method.
fn method(peer: &mut Peer, method: &str) {
    let block = peer.request(method, "/case");
    peer.ask(block);
}

/// A request for this authority.
fn authority(peer: &mut Peer, authority: &str) {
    of(peer, &[(":method", "GET"), (":scheme", "S"), (":authority", authority), (":path", "/case")]);
}

/// The server has said that CONNECT may be extended.
fn is_extended(peer: &Peer) -> bool {
    peer.server_settings.contains(&(setting::ENABLE_CONNECT_PROTOCOL, 1))
}

/// CONNECT is off, and whoever asks for it is told so.
const NO_TUNNEL: Expect = OneOf(&[Malformed, Answer(501), Stream(&[code::REFUSED_STREAM, code::CANCEL])]);

pub const CASES: &[Case] = &[
    Case::new(
        "an unknown pseudo-field",
        "RFC 9113 8.3",
        |peer| {
            let block = peer.request("GET", "/case").literal(":unknown", "v");
            peer.ask(block);
        },
        Malformed,
    ),
    Case::new(
        "a pseudo-field of answers",
        "RFC 9113 8.3",
        |peer| {
            let block = peer.request("GET", "/case").literal(":status", "200");
            peer.ask(block);
        },
        Malformed,
    ),
    Case::new(
        "a pseudo-field behind a field",
        "RFC 9113 8.3",
        |peer| {
            of(
                peer,
                &[(":method", "GET"), (":scheme", "S"), ("x-a", "v"), (":authority", "localhost"), (":path", "/case")],
            )
        },
        Malformed,
    ),
    Case::new(
        "a pseudo-field of no name",
        "RFC 9113 8.3",
        |peer| {
            let block = peer.request("GET", "/case").literal(":", "v");
            peer.ask(block);
        },
        Malformed,
    ),
    Case::new(
        "an upper-case pseudo-field",
        "RFC 9113 8.3",
        |peer| of(peer, &[(":Method", "GET"), (":scheme", "S"), (":authority", "localhost"), (":path", "/case")]),
        Malformed,
    ),
    Case::new(
        "no method",
        "RFC 9113 8.3.1",
        |peer| of(peer, &[(":scheme", "S"), (":authority", "localhost"), (":path", "/case")]),
        Malformed,
    ),
    Case::new(
        "no scheme",
        "RFC 9113 8.3.1",
        |peer| of(peer, &[(":method", "GET"), (":authority", "localhost"), (":path", "/case")]),
        Malformed,
    ),
    Case::new(
        "no path",
        "RFC 9113 8.3.1",
        |peer| of(peer, &[(":method", "GET"), (":scheme", "S"), (":authority", "localhost")]),
        Malformed,
    ),
    Case::new(
        "two methods",
        "RFC 9113 8.3.1",
        |peer| {
            of(
                peer,
                &[
                    (":method", "GET"),
                    (":method", "GET"),
                    (":scheme", "S"),
                    (":authority", "localhost"),
                    (":path", "/case"),
                ],
            )
        },
        Malformed,
    ),
    Case::new(
        "two schemes",
        "RFC 9113 8.3.1",
        |peer| {
            of(
                peer,
                &[
                    (":method", "GET"),
                    (":scheme", "S"),
                    (":scheme", "S"),
                    (":authority", "localhost"),
                    (":path", "/case"),
                ],
            )
        },
        Malformed,
    ),
    Case::new(
        "two paths",
        "RFC 9113 8.3.1",
        |peer| {
            of(
                peer,
                &[
                    (":method", "GET"),
                    (":scheme", "S"),
                    (":authority", "localhost"),
                    (":path", "/case"),
                    (":path", "/case"),
                ],
            )
        },
        Malformed,
    ),
    Case::new(
        "two authorities",
        "RFC 9113 8.3.1",
        |peer| {
            of(
                peer,
                &[
                    (":method", "GET"),
                    (":scheme", "S"),
                    (":authority", "localhost"),
                    (":authority", "localhost"),
                    (":path", "/case"),
                ],
            )
        },
        Malformed,
    ),
    Case::new("an empty path", "RFC 9113 8.3.1", |peer| path(peer, ""), Malformed),
    Case::new("a path without its slash", "RFC 9113 8.3.1", |peer| path(peer, "case"), Malformed),
    Case::new("a path that is a URL", "RFC 9113 8.3.1", |peer| path(peer, "http://localhost/case"), Malformed),
    Case::new("a path that is an asterisk, for GET", "RFC 9113 8.3.1", |peer| path(peer, "*"), Malformed),
    Case::new("a path with a space", "RFC 9113 8.3.1", |peer| path(peer, "/case HTTP/1.1"), Malformed),
    Case::new(
        "a path with a whole request",
        "RFC 9113 8.3.1",
        |peer| path(peer, "/case HTTP/1.1\r\nhost: localhost\r\n\r\nGET /smuggled"),
        Malformed,
    ),
    Case::new("a path with a line feed", "RFC 9113 8.3.1", |peer| path(peer, "/ca\nse"), Malformed),
    Case::new("a path with a carriage return", "RFC 9113 8.3.1", |peer| path(peer, "/ca\rse"), Malformed),
    Case::new("a path with a NUL", "RFC 9113 8.3.1", |peer| path(peer, "/ca\0se"), Malformed),
    Case::new("a path with a tab", "RFC 9113 8.3.1", |peer| path(peer, "/ca\tse"), Malformed),
    Case::new(
        "a path with a fragment",
        "RFC 9113 8.3.1",
        |peer| path(peer, "/case#part"),
        Holds(|peer| {
            // RFC 9110 7.1: it is no part of a target. Refused or dropped, it must reach nobody.
            let said = peer.answer(1);
            holds(is_malformed(&said) || said.text().starts_with("GET /case\n"), peer)
        }),
    ),
    Case::new(
        "a query is passed on",
        "RFC 9113 8.3.1",
        |peer| {
            peer.get("/case?a=1&b=/?");
        },
        Holds(|peer| holds(peer.answer(1).text().starts_with("GET /case?a=1&b=/?\n"), peer)),
    ),
    Case::new(
        "an asterisk, for OPTIONS",
        "RFC 9113 8.3.1",
        |peer| of(peer, &[(":method", "OPTIONS"), (":scheme", "S"), (":authority", "localhost"), (":path", "*")]),
        OneOf(&[Answer(200), Answer(204)]),
    ),
    Case::new("an empty method", "RFC 9113 8.3.1", |peer| method(peer, ""), Malformed),
    Case::new("a method with a space", "RFC 9113 8.3.1", |peer| method(peer, "GET /smuggled"), Malformed),
    Case::new(
        "a method with a line end",
        "RFC 9113 8.3.1",
        |peer| method(peer, "GET / HTTP/1.1\r\nx: y\r\n\r\nGET"),
        Malformed,
    ),
    Case::new("a method with a NUL", "RFC 9113 8.3.1", |peer| method(peer, "GE\0T"), Malformed),
    Case::new("a method with a delimiter", "RFC 9110 9.1", |peer| method(peer, "G(E)T"), Malformed),
    Case::new(
        "a method that nobody knows",
        "RFC 9110 9.1",
        |peer| method(peer, "BREW"),
        OneOf(&[Answer(200), Answer(405), Answer(501)]),
    ),
    Case::new(
        "an empty scheme",
        "RFC 9113 8.3.1",
        |peer| of(peer, &[(":method", "GET"), (":scheme", ""), (":authority", "localhost"), (":path", "/case")]),
        Malformed,
    ),
    Case::new(
        "a scheme with a line end",
        "RFC 9113 8.3.1",
        |peer| {
            of(
                peer,
                &[(":method", "GET"), (":scheme", "http\r\nx: y"), (":authority", "localhost"), (":path", "/case")],
            )
        },
        Malformed,
    ),
    Case::new(
        "a scheme with a space",
        "RFC 9113 8.3.1",
        |peer| of(peer, &[(":method", "GET"), (":scheme", "ht tp"), (":authority", "localhost"), (":path", "/case")]),
        Malformed,
    ),
    Case::new("an authority with a user", "RFC 9113 8.3.1", |peer| authority(peer, "user:secret@localhost"), Malformed),
    Case::new("an authority with a space", "RFC 9113 8.3.1", |peer| authority(peer, "local host"), Malformed),
    Case::new("an authority with a slash", "RFC 9113 8.3.1", |peer| authority(peer, "localhost/case"), Malformed),
    Case::new("an authority with a line end", "RFC 9113 8.3.1", |peer| authority(peer, "localhost\r\nx: y"), Malformed),
    Case::new("an authority with a NUL", "RFC 9113 8.3.1", |peer| authority(peer, "local\0host"), Malformed),
    Case::new("an empty authority", "RFC 9113 8.3.1", |peer| authority(peer, ""), Malformed),
    Case::new(
        "an authority with a port",
        "RFC 9113 8.3.1",
        |peer| authority(peer, "localhost:8443"),
        Holds(|peer| holds(peer.answer(1).text().contains("\nhost: localhost:8443\n"), peer)),
    ),
    Case::new(
        "host in the place of an authority",
        "RFC 9113 8.3.1",
        |peer| of(peer, &[(":method", "GET"), (":scheme", "S"), (":path", "/case"), ("host", "localhost")]),
        Answer(200),
    ),
    Case::new(
        "neither authority nor host",
        "RFC 9113 8.3.1",
        |peer| of(peer, &[(":method", "GET"), (":scheme", "S"), (":path", "/case")]),
        Malformed,
    ),
    Case::new(
        "an authority and the same host",
        "RFC 9113 8.3.1",
        |peer| {
            let block = peer.request("GET", "/case").literal("host", AUTHORITY);
            peer.ask(block);
        },
        Holds(|peer| {
            let text = peer.answer(1).text();
            holds(text.matches("\nhost: ").count() == 1, peer)
        }),
    ),
    Case::new(
        "an authority and another host",
        "RFC 9113 8.3.1",
        |peer| {
            let block = peer.request("GET", "/case").literal("host", "elsewhere.example");
            peer.ask(block);
        },
        Malformed,
    ),
    Case::new(
        "an authority and two hosts",
        "RFC 9113 8.3.1",
        |peer| {
            let block = peer.request("GET", "/case").literal("host", AUTHORITY).literal("host", AUTHORITY);
            peer.ask(block);
        },
        Malformed,
    ),
    Case::new(
        "CONNECT",
        "RFC 9113 8.5",
        |peer| {
            peer.begin(Block::of(&[(":method", "CONNECT"), (":authority", "localhost:443")]));
        },
        NO_TUNNEL,
    ),
    Case::new(
        "CONNECT with scheme and path",
        "RFC 9113 8.5",
        |peer| {
            let block = peer.request("CONNECT", "/case");
            peer.begin(block);
        },
        NO_TUNNEL,
    ),
    Case::new(
        "CONNECT to nowhere",
        "RFC 9113 8.5",
        |peer| {
            peer.begin(Block::of(&[(":method", "CONNECT")]));
        },
        NO_TUNNEL,
    ),
    Case::new(
        "a protocol without CONNECT",
        "RFC 8441 4",
        |peer| {
            let block = Block::of(&[(":method", "GET"), (":protocol", "websocket"), (":scheme", peer.scheme())]);
            peer.ask(block.literal(":authority", AUTHORITY).literal(":path", "/case"));
        },
        Malformed,
    ),
    Case::new(
        "extended CONNECT without a path",
        "RFC 8441 4",
        |peer| {
            let block = Block::of(&[(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", peer.scheme())]);
            peer.begin(block.literal(":authority", AUTHORITY));
        },
        NO_TUNNEL,
    ),
    Case::new(
        "extended CONNECT without a scheme",
        "RFC 8441 4",
        |peer| {
            let block = Block::of(&[(":method", "CONNECT"), (":protocol", "websocket"), (":path", "/case")]);
            peer.begin(block.literal(":authority", AUTHORITY));
        },
        NO_TUNNEL,
    ),
    Case::new(
        "extended CONNECT for a protocol that nobody knows",
        "RFC 8441 4",
        |peer| {
            let block =
                Block::of(&[(":method", "CONNECT"), (":protocol", "carrier-pigeon"), (":scheme", peer.scheme())]);
            peer.begin(block.literal(":authority", AUTHORITY).literal(":path", "/case"));
        },
        NO_TUNNEL,
    ),
    Case::new(
        "a setting that extends CONNECT means nothing to a server",
        "RFC 8441 3",
        |peer| {
            peer.send(settings(&[(setting::ENABLE_CONNECT_PROTOCOL, 1)]));
        },
        Nothing,
    ),
    Case::new(
        "extended CONNECT for a WebSocket",
        "RFC 8441 5",
        |peer| {
            let block = Block::of(&[(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", peer.scheme())]);
            let block = block.literal(":authority", AUTHORITY).literal(":path", "/socket");
            let stream = peer.begin(block.literal("sec-websocket-version", "13").literal("origin", "http://localhost"));
            peer.wait(|peer| peer.on(stream).status().is_some());
            peer.send(data(stream, *b"echo")).send(last_data(stream, *b" this"));
        },
        Holds(|peer| {
            let said = peer.answer(1);
            // A server that does not offer it must not serve it.
            let is_served = said.status() == Some(200) && said.text() == "echo this" && said.is_ended;
            holds(is_served == is_extended(peer), peer)
        }),
    ),
];
