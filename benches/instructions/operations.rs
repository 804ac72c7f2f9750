//! What is measured: a line each, with its name in the budgets.

use std::hint::black_box;

use ringway::plan::{LogFormat, load_text};
use ringway::policy::journal;
use ringway::policy::meter::Meter;
use ringway::proto::h1::chunked::Decoder;
use ringway::proto::h1::parse;
use ringway::proto::head::{AnswerHead, RequestHead};
use ringway::proto::path::canonicalise;
use ringway::shell::body::Outgoing;
use ringway::shell::buffer::Buffer;

use crate::play::{Lines, Play};
use crate::samples::{ANSWER, BROWSER, EDITED, LIMITS, SHORT, entry, sample};
use crate::{Operation, measured};

/// All of them. An exchange is from the client's bytes to the answer's, on a connection that both sides keep.
pub const OPERATIONS: &[Operation] = &[
    Operation { name: "exchange_get", set: || exchange(GET) },
    Operation { name: "exchange_browser", set: || exchange(Lines { request: BROWSER, ..GET }) },
    Operation { name: "exchange_post", set: || exchange(POST) },
    Operation { name: "exchange_chunked", set: || exchange(Lines { answer: CHUNKED, ..GET }) },
    Operation { name: "exchange_edited", set: || exchange(Lines { request: BROWSER, plan: EDITS, ..GET }) },
    Operation { name: "exchange_logged", set: || exchange(Lines { plan: "[access_log]\n", ..GET }) },
    Operation { name: "head_short", set: || request_head(SHORT) },
    Operation { name: "head_browser", set: || request_head(BROWSER) },
    Operation { name: "head_answer", set: answer_head },
    Operation { name: "path_canonical", set: || path(b"/api/v1/orders/4711/items") },
    Operation { name: "path_changed", set: || path(b"/%61pi/../v1/caf%c3%a9/./{x}") },
    Operation { name: "chunks_decoded", set: chunks_decoded },
    Operation { name: "chunk_framed", set: chunk_framed },
    Operation { name: "counted", set: counted },
    Operation { name: "logged_json", set: || logged(&LogFormat::Json) },
    Operation { name: "logged_combined", set: || logged(&LogFormat::Combined) },
];

/// A GET with an answer of 100 bytes.
const GET: Lines = Lines {
    plan: "",
    request: b"GET /index.html HTTP/1.1\r\nhost: example.com\r\naccept: */*\r\n\r\n",
    end: b"\r\n\r\n",
    answer: b"HTTP/1.1 200 OK\r\nserver: origin\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
        content-type: text/plain\r\ncontent-length: 100\r\n\r\n\
        0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
};

const POST: Lines = Lines {
    request: b"POST /orders HTTP/1.1\r\nhost: example.com\r\ncontent-length: 16\r\n\r\n{\"name\": \"value\"",
    end: b"\"value\"",
    ..GET
};

const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";

/// Edits for the route of every play.
const EDITS: &str = "[routes.all.rewrite]\nprefix = \"/v2\"\nquery = \"source={client.ip}\"\n\
[routes.all.request]\nset = { x-route = \"{route.name}\" }\nremove = [\"cookie\"]\n\
[routes.all.response]\nset = { x-served-by = \"{server.name}\" }\nremove = [\"server\"]\n";

fn exchange(lines: Lines) -> Box<dyn FnMut()> {
    let mut play = Play::new(lines);
    Box::new(move || play.round())
}

fn request_head(wire: &'static [u8]) -> Box<dyn FnMut()> {
    let mut head = RequestHead::default();
    Box::new(move || {
        measured(&mut || {
            let parsed = parse::request(black_box(wire), 0, &LIMITS, &mut head);
            assert!(black_box(parsed).is_ok());
        });
    })
}

fn answer_head() -> Box<dyn FnMut()> {
    let mut head = AnswerHead::default();
    Box::new(move || {
        measured(&mut || {
            let parsed = parse::answer(black_box(ANSWER), 0, &LIMITS, false, &mut head);
            assert!(black_box(parsed).is_ok());
        });
    })
}

fn path(path: &'static [u8]) -> Box<dyn FnMut()> {
    let mut out = Vec::with_capacity(256);
    Box::new(move || {
        out.clear();
        measured(&mut || assert!(canonicalise(black_box(path), &mut out).is_ok()));
    })
}

/// 16 chunks of 64 bytes.
fn chunks_decoded() -> Box<dyn FnMut()> {
    let chunk = [b"40\r\n", &[b'x'; 64][..], b"\r\n"].concat();
    let wire = [&chunk.repeat(16)[..], b"0\r\n\r\n"].concat();
    let mut decoder = Decoder::default();
    Box::new(move || {
        let mut wire = wire.clone();
        measured(&mut || {
            decoder.reset();
            assert!(decoder.decode(black_box(&mut wire)).is_ok_and(|decoded| decoded.is_done));
        });
    })
}

fn chunk_framed() -> Box<dyn FnMut()> {
    let mut buffer = Buffer::with_capacity(32 * 1024);
    Box::new(move || {
        buffer.clear();
        assert!(buffer.append(&[b'x'; 64]));
        measured(&mut || assert!(Outgoing::Chunked.frame(black_box(&mut buffer), true, b"")));
    })
}

fn counted() -> Box<dyn FnMut()> {
    let plan = load_text("operation.toml", EDITED).expect("a good configuration").plan;
    let mut meter = Meter::new(&plan);
    let sample = sample();
    Box::new(move || measured(&mut || meter.record(black_box(&sample))))
}

fn logged(format: &'static LogFormat) -> Box<dyn FnMut()> {
    let entry = entry();
    let mut line = Vec::with_capacity(4096);
    Box::new(move || {
        line.clear();
        measured(&mut || journal::write(black_box(&entry), format, &mut line));
    })
}
