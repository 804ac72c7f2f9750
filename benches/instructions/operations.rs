//! What is measured: a line each, with its name in the budgets.

use std::hint::black_box;

use ringway::proto::h1::parse;
use ringway::proto::head::{AnswerHead, RequestHead};

use crate::play::{Lines, Play};
use crate::samples::{ANSWER, BROWSER, LIMITS, SHORT};
use crate::{Operation, measured};

/// All of them.
pub const OPERATIONS: &[Operation] = &[
    Operation { name: "head_short", set: || request_head(SHORT) },
    Operation { name: "head_browser", set: || request_head(BROWSER) },
    Operation { name: "head_answer", set: answer_head },
    Operation { name: "exchange_get", set: || exchange(GET) },
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
