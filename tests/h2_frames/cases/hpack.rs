//! Field compression (RFC 7541): what a decoder must take, and what it must not.

use super::prelude::*;

const COMPRESSION: &[u32] = &[code::COMPRESSION_ERROR];

/// The request has arrived with this line.
fn arrives(peer: &mut Peer, line: &str) -> Verdict {
    let last = peer.last_stream();
    holds(peer.answer(last).text().contains(&format!("\n{line}\n")), peer)
}

/// A request with these representations behind its pseudo-fields.
fn ask_with(peer: &mut Peer, more: fn(Block) -> Block) {
    let request = peer.request("GET", "/case");
    peer.ask(more(request));
}

/// A request with size updates before its fields and more fields behind.
fn ask_behind(peer: &mut Peer, updates: Block, more: Block) {
    let request: Vec<u8> = peer.request("GET", "/case").into();
    let stream = peer.fresh();
    peer.send(last_headers(stream, [updates.into(), request, more.into()].concat()));
}

pub const CASES: &[Case] = &[
    Case::new(
        "fields of the static table",
        "RFC 7541 6.1",
        |peer| {
            // :method GET, :scheme, :path /, accept-encoding: gzip, deflate
            let scheme = if peer.scheme() == "http" { 6 } else { 7 };
            let block = Block::new().indexed(2).indexed(scheme).indexed(4).literal_at(1, AUTHORITY).indexed(16);
            peer.ask(block);
        },
        Holds(|peer| arrives(peer, "accept-encoding: gzip, deflate")),
    ),
    Case::new(
        "a field that entered the dynamic table in the same block",
        "RFC 7541 2.3.2",
        |peer| ask_with(peer, |block| block.incremental("x-a", "1").indexed(62)),
        Holds(|peer| {
            let text = peer.answer(1).text();
            holds(text.matches("x-a: 1\n").count() == 2 || text.contains("x-a: 1, 1\n"), peer)
        }),
    ),
    Case::new(
        "a field that entered the dynamic table in an earlier request",
        "RFC 7541 2.3.2",
        |peer| {
            ask_with(peer, |block| block.incremental("x-a", "1").incremental("x-b", "2"));
            ask_with(peer, |block| block.indexed(63));
        },
        Holds(|peer| arrives(peer, "x-a: 1")),
    ),
    Case::new(
        "a literal with indexing under an indexed name",
        "RFC 7541 6.2.1",
        |peer| {
            ask_with(peer, |block| block.incremental_at(58, "agent"));
            ask_with(peer, |block| block.indexed(62));
        },
        Holds(|peer| arrives(peer, "user-agent: agent")),
    ),
    Case::new(
        "a literal with indexing under a name of the dynamic table",
        "RFC 7541 6.2.1",
        |peer| ask_with(peer, |block| block.incremental("x-a", "1").incremental_at(62, "2")),
        Holds(|peer| {
            let text = peer.answer(1).text();
            holds(text.contains("x-a: 1\nx-a: 2\n") || text.contains("x-a: 1, 2\n"), peer)
        }),
    ),
    Case::new(
        "a literal without indexing",
        "RFC 7541 6.2.2",
        |peer| ask_with(peer, |block| block.literal("x-a", "1").literal_at(58, "agent")),
        Holds(|peer| {
            arrives(peer, "x-a: 1")?;
            arrives(peer, "user-agent: agent")
        }),
    ),
    Case::new(
        "a literal without indexing enters no table",
        "RFC 7541 6.2.2",
        |peer| ask_with(peer, |block| block.literal("x-a", "1").indexed(62)),
        Connection(COMPRESSION),
    ),
    Case::new(
        "a literal that is never indexed",
        "RFC 7541 6.2.3",
        |peer| ask_with(peer, |block| block.never_indexed("x-a", "1").never_indexed_at(58, "agent")),
        Holds(|peer| {
            arrives(peer, "x-a: 1")?;
            arrives(peer, "user-agent: agent")
        }),
    ),
    Case::new(
        "a literal that is never indexed enters no table",
        "RFC 7541 6.2.3",
        |peer| ask_with(peer, |block| block.never_indexed("x-a", "1").indexed(62)),
        Connection(COMPRESSION),
    ),
    Case::new(
        "strings in Huffman code",
        "RFC 7541 5.2",
        |peer| ask_with(peer, |block| block.huffman("x-coded", "~}|{ The Quick <brown> fox #1 {^_^}")),
        Holds(|peer| arrives(peer, "x-coded: ~}|{ The Quick <brown> fox #1 {^_^}")),
    ),
    Case::new(
        "every octet of a value in Huffman code",
        "RFC 7541 5.2",
        |peer| {
            let all: Vec<u8> = (0x21..0x7f).chain(0x80..=0xff).collect();
            let code = crate::h2_frames::huffman::encode(&all);
            let block = peer.request("GET", "/case").integer(0, 4, 0).string(b"x-all").coded(&code);
            peer.ask(block);
        },
        Answer(200),
    ),
    Case::new(
        "an empty string",
        "RFC 7541 5.2",
        |peer| ask_with(peer, |block| block.literal("x-empty", "").literal("x-a", "1")),
        Holds(|peer| arrives(peer, "x-a: 1")),
    ),
    Case::new(
        "an empty string in Huffman code",
        "RFC 7541 5.2",
        |peer| ask_with(peer, |block| block.integer(0, 4, 0).string(b"x-empty").coded(b"").literal("x-a", "1")),
        Holds(|peer| arrives(peer, "x-a: 1")),
    ),
    Case::new("index 0", "RFC 7541 6.1", |peer| ask_with(peer, |block| block.indexed(0)), Connection(COMPRESSION)),
    Case::new(
        "an index behind the tables",
        "RFC 7541 2.3.3",
        |peer| ask_with(peer, |block| block.indexed(70)),
        Connection(COMPRESSION),
    ),
    Case::new(
        "a name's index behind the tables",
        "RFC 7541 2.3.3",
        |peer| ask_with(peer, |block| block.literal_at(70, "v")),
        Connection(COMPRESSION),
    ),
    Case::new(
        "a name's index behind the tables, to be indexed",
        "RFC 7541 2.3.3",
        |peer| ask_with(peer, |block| block.incremental_at(70, "v")),
        Connection(COMPRESSION),
    ),
    Case::new(
        "an index that is a large number",
        "RFC 7541 5.1",
        |peer| ask_with(peer, |block| block.indexed(u64::from(u32::MAX) + 1)),
        Connection(COMPRESSION),
    ),
    Case::new(
        "a number without measure",
        "RFC 7541 5.1",
        |peer| ask_with(peer, |block| block.raw(&[0xff]).raw(&[0xff; 20]).raw(&[0x01])),
        Connection(COMPRESSION),
    ),
    Case::new(
        "a number that only zeros make long",
        "RFC 7541 5.1",
        |peer| ask_with(peer, |block| block.raw(&[0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00])),
        Connection(COMPRESSION),
    ),
    Case::new(
        "a number that the block's end cuts",
        "RFC 7541 5.1",
        |peer| ask_with(peer, |block| block.raw(&[0xff, 0x80])),
        Connection(COMPRESSION),
    ),
    Case::new(
        "a string that the block's end cuts",
        "RFC 7541 5.2",
        |peer| ask_with(peer, |block| block.raw(&[0x00, 0x03, b'x', b'-', b'a', 0x0a, b'v'])),
        Connection(COMPRESSION),
    ),
    Case::new(
        "a string that claims to be larger than memory",
        "RFC 7541 5.2",
        |peer| ask_with(peer, |block| block.integer(0, 4, 0).integer(0, 7, u64::from(u32::MAX)).raw(b"x")),
        Connection(COMPRESSION),
    ),
    Case::new(
        "a literal that is a name alone",
        "RFC 7541 6.2.2",
        |peer| ask_with(peer, |block| block.integer(0, 4, 0).string(b"x-a")),
        Connection(COMPRESSION),
    ),
    Case::new(
        "Huffman code with more than seven bits of padding",
        "RFC 7541 5.2",
        |peer| ask_with(peer, |block| block.integer(0, 4, 0).string(b"x-a").coded(&[0x1f, 0xff])),
        Connection(COMPRESSION),
    ),
    Case::new(
        "Huffman code that is padded with zeros",
        "RFC 7541 5.2",
        |peer| ask_with(peer, |block| block.integer(0, 4, 0).string(b"x-a").coded(&[0x18])),
        Connection(COMPRESSION),
    ),
    Case::new(
        "Huffman code with the end of string",
        "RFC 7541 5.2",
        |peer| ask_with(peer, |block| block.integer(0, 4, 0).string(b"x-a").coded(&[0x1f, 0xff, 0xff, 0xff, 0xff])),
        Connection(COMPRESSION),
    ),
    Case::new(
        "a smaller table",
        "RFC 7541 6.3",
        |peer| {
            ask_behind(peer, Block::new().size_update(100), Block::new().incremental("x-a", "1"));
            ask_with(peer, |block| block.indexed(62));
        },
        Holds(|peer| arrives(peer, "x-a: 1")),
    ),
    Case::new(
        "a smaller table forgets",
        "RFC 7541 4.3",
        |peer| {
            ask_with(peer, |block| block.incremental("x-a", "1"));
            ask_behind(peer, Block::new().size_update(0).size_update(4_096), Block::new().indexed(62));
        },
        Connection(COMPRESSION),
    ),
    Case::new(
        "two size updates at the beginning of a block",
        "RFC 7541 4.2",
        |peer| {
            ask_behind(peer, Block::new().size_update(0).size_update(4_096), Block::new());
        },
        Answer(200),
    ),
    Case::new(
        "a size update behind a field",
        "RFC 7541 4.2",
        |peer| ask_with(peer, |block| block.size_update(100)),
        Connection(COMPRESSION),
    ),
    Case::new(
        "a size update between fields",
        "RFC 7541 4.2",
        |peer| ask_with(peer, |block| block.size_update(0).literal("x-a", "1")),
        Connection(COMPRESSION),
    ),
    Case::new(
        "a table larger than the server allows",
        "RFC 7541 6.3",
        |peer| {
            let set = peer.server_settings.iter().rev().find(|(id, _)| *id == setting::HEADER_TABLE_SIZE);
            let allowed = u64::from(set.map_or(4_096, |(_, value)| *value));
            ask_behind(peer, Block::new().size_update(allowed + 1), Block::new());
        },
        Connection(COMPRESSION),
    ),
    Case::new(
        "a field larger than the table empties it",
        "RFC 7541 4.4",
        |peer| {
            let large = "v".repeat(5_000);
            let request = peer.request("GET", "/case").incremental("x-a", "1").incremental("x-large", &large);
            peer.ask(request);
            peer.answer(1);
            ask_with(peer, |block| block.indexed(62));
        },
        Connection(COMPRESSION),
    ),
    Case::new(
        "the oldest field leaves first",
        "RFC 7541 4.4",
        |peer| {
            // Each costs 32 + 3 + 997: with the fourth the first must go.
            let value = "v".repeat(997);
            let request = ["x-a", "x-b", "x-c", "x-d"]
                .iter()
                .fold(peer.request("GET", "/case"), |block, name| block.incremental(name, &value));
            peer.ask(request);
            ask_with(peer, |block| block.indexed(64));
            peer.answer(3);
            ask_with(peer, |block| block.indexed(65));
        },
        Holds(|peer| {
            let is_kept = peer.answer(3).text().contains("\nx-b: vvv");
            peer.await_end();
            holds(is_kept && peer.goaway.is_some_and(|(_, code)| code == code::COMPRESSION_ERROR), peer)
        }),
    ),
    Case::new(
        "a name of a field that its own entry evicts",
        "RFC 7541 4.4",
        |peer| {
            let value = "v".repeat(3_900);
            let request = peer.request("GET", "/case").incremental("x-a", &value).incremental_at(62, "2");
            peer.ask(request);
            ask_with(peer, |block| block.indexed(62));
        },
        Holds(|peer| {
            let text = peer.answer(3).text();
            // The second has pushed out the first, or stands beside it: 62 is the second in any case.
            holds(text.contains("x-a: 2\n"), peer)
        }),
    ),
    Case::new(
        "the same field twice in the table",
        "RFC 7541 2.3.2",
        |peer| {
            ask_with(peer, |block| block.incremental("x-a", "1").incremental("x-a", "1"));
            ask_with(peer, |block| block.indexed(63));
        },
        Holds(|peer| arrives(peer, "x-a: 1")),
    ),
];
