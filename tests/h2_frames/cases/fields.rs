//! Fields (RFC 9113 8.2): names and values that must not pass, fields of the connection, cookies.

use super::prelude::*;

/// A request with one more field.
fn with(peer: &mut Peer, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
    let block = peer.request("GET", "/case").literal(name, value);
    peer.ask(block);
}

pub const CASES: &[Case] = &[
    Case::new("an upper-case name", "RFC 9113 8.2.1", |peer| with(peer, "X-Upper", "v"), Malformed),
    Case::new("one upper-case letter", "RFC 9113 8.2.1", |peer| with(peer, "x-uppeR", "v"), Malformed),
    Case::new("an empty name", "RFC 9113 8.2.1", |peer| with(peer, "", "v"), Malformed),
    Case::new("a space in a name", "RFC 9113 8.2.1", |peer| with(peer, "x a", "v"), Malformed),
    Case::new("a space before a name", "RFC 9113 8.2.1", |peer| with(peer, " x-a", "v"), Malformed),
    Case::new("a space behind a name", "RFC 9113 8.2.1", |peer| with(peer, "x-a ", "v"), Malformed),
    Case::new("a tab in a name", "RFC 9113 8.2.1", |peer| with(peer, "x\ta", "v"), Malformed),
    Case::new("a colon in a name", "RFC 9113 8.2.1", |peer| with(peer, "x:a", "v"), Malformed),
    Case::new("a colon behind a name", "RFC 9113 8.2.1", |peer| with(peer, "x-a:", "v"), Malformed),
    Case::new("a NUL in a name", "RFC 9113 8.2.1", |peer| with(peer, "x\0a", "v"), Malformed),
    Case::new("a line end in a name", "RFC 9113 8.2.1", |peer| with(peer, "x-a: v\r\nx-b", "v"), Malformed),
    Case::new("a line feed in a name", "RFC 9113 8.2.1", |peer| with(peer, "x\na", "v"), Malformed),
    Case::new("a delete in a name", "RFC 9113 8.2.1", |peer| with(peer, "x\x7fa", "v"), Malformed),
    Case::new("a name beyond ASCII", "RFC 9113 8.2.1", |peer| with(peer, "x-\u{e9}", "v"), Malformed),
    Case::new("the highest octet in a name", "RFC 9113 8.2.1", |peer| with(peer, b"x-\xff", "v"), Malformed),
    Case::new("a delimiter in a name", "RFC 9110 5.1", |peer| with(peer, "x(a)", "v"), Malformed),
    Case::new("a NUL in a value", "RFC 9113 8.2.1", |peer| with(peer, "x-a", "v\0w"), Malformed),
    Case::new("a carriage return in a value", "RFC 9113 8.2.1", |peer| with(peer, "x-a", "v\rw"), Malformed),
    Case::new("a line feed in a value", "RFC 9113 8.2.1", |peer| with(peer, "x-a", "v\nw"), Malformed),
    Case::new("a line end in a value", "RFC 9113 8.2.1", |peer| with(peer, "x-a", "v\r\nx-b: w"), Malformed),
    Case::new(
        "a whole request in a value",
        "RFC 9113 8.2.1",
        |peer| with(peer, "x-a", "v\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        Malformed,
    ),
    Case::new("a value that begins with a line feed", "RFC 9113 8.2.1", |peer| with(peer, "x-a", "\nv"), Malformed),
    Case::new("a value that ends with a carriage return", "RFC 9113 8.2.1", |peer| with(peer, "x-a", "v\r"), Malformed),
    Case::new("a value that begins with a space", "RFC 9113 8.2.1", |peer| with(peer, "x-a", " v"), Malformed),
    Case::new("a value that ends with a space", "RFC 9113 8.2.1", |peer| with(peer, "x-a", "v "), Malformed),
    Case::new("a value that begins with a tab", "RFC 9113 8.2.1", |peer| with(peer, "x-a", "\tv"), Malformed),
    Case::new("a value that ends with a tab", "RFC 9113 8.2.1", |peer| with(peer, "x-a", "v\t"), Malformed),
    Case::new(
        "a value with white space inside",
        "RFC 9113 8.2.1",
        |peer| with(peer, "x-a", "v \t w"),
        Holds(|peer| holds(peer.answer(1).text().contains("\nx-a: v \t w\n"), peer)),
    ),
    Case::new("a value beyond ASCII", "RFC 9113 8.2.1", |peer| with(peer, "x-a", b"\xe9\xff"), Answer(200)),
    Case::new("connection", "RFC 9113 8.2.2", |peer| with(peer, "connection", "keep-alive"), Malformed),
    Case::new("connection: close", "RFC 9113 8.2.2", |peer| with(peer, "connection", "close"), Malformed),
    Case::new("proxy-connection", "RFC 9113 8.2.2", |peer| with(peer, "proxy-connection", "keep-alive"), Malformed),
    Case::new("keep-alive", "RFC 9113 8.2.2", |peer| with(peer, "keep-alive", "timeout=5"), Malformed),
    Case::new("transfer-encoding", "RFC 9113 8.2.2", |peer| with(peer, "transfer-encoding", "chunked"), Malformed),
    Case::new(
        "transfer-encoding with a body",
        "RFC 9113 8.2.2",
        |peer| {
            let stream = peer.begin(peer.request("POST", "/case").literal("transfer-encoding", "chunked"));
            peer.send(last_data(stream, *b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n"));
        },
        Malformed,
    ),
    Case::new("upgrade", "RFC 9113 8.2.2", |peer| with(peer, "upgrade", "websocket"), Malformed),
    Case::new("upgrade to h2c", "RFC 9113 8.2.2", |peer| with(peer, "upgrade", "h2c"), Malformed),
    Case::new("te with anything but trailers", "RFC 9113 8.2.2", |peer| with(peer, "te", "gzip"), Malformed),
    Case::new("te with trailers and more", "RFC 9113 8.2.2", |peer| with(peer, "te", "trailers, gzip"), Malformed),
    Case::new("te: trailers", "RFC 9113 8.2.2", |peer| with(peer, "te", "trailers"), Answer(200)),
    Case::new(
        "http2-settings is not passed on",
        "RFC 9113 8.2.2",
        |peer| with(peer, "http2-settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
        OneOf(&[Answer(200), Malformed]),
    ),
    Case::new(
        "crumbs of a cookie become one field",
        "RFC 9113 8.2.3",
        |peer| {
            let block = peer.request("GET", "/case").literal("cookie", "a=1").literal("x-a", "v");
            peer.ask(block.literal("cookie", "b=2").literal_at(32, "c=3"));
        },
        Holds(|peer| {
            let text = peer.answer(1).text();
            holds(text.contains("\ncookie: a=1; b=2; c=3\n") && text.matches("cookie:").count() == 1, peer)
        }),
    ),
    Case::new(
        "a hundred fields",
        "RFC 9113 10.5.1",
        |peer| {
            let block = peer.request("GET", "/case");
            let block = (0..90).fold(block, |block, at| block.literal(format!("x-{at}"), "v"));
            peer.ask(block);
        },
        Answer(200),
    ),
    Case::new(
        "more fields than are taken",
        "RFC 9113 10.5.1",
        |peer| {
            let block = peer.request("GET", "/case");
            let block = (0..200).fold(block, |block, at| block.literal(format!("x-{at}"), "v"));
            peer.ask(block);
        },
        OneOf(&[Answer(431), Stream(PROTOCOL), Connection(&[code::ENHANCE_YOUR_CALM])]),
    ),
    Case::new(
        "larger fields than are taken",
        "RFC 9113 10.5.1",
        |peer| {
            let (stream, request) = (peer.fresh(), peer.request("GET", "/case"));
            peer.send(open_headers(stream, request).with_flags(flag::END_STREAM));
            for at in 0..3 {
                let field = Block::new().literal(format!("x-{at}"), vec![b'v'; 15_000]);
                let flags = if at == 2 { flag::END_HEADERS } else { 0 };
                peer.send(continuation(stream, field).with_flags(flags));
            }
        },
        OneOf(&[Answer(431), Answer(400), Stream(PROTOCOL), Connection(&[code::ENHANCE_YOUR_CALM])]),
    ),
];
