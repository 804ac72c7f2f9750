//! What the origin answers: the path decides, and a small answer is made once.

use std::collections::HashMap;
use std::rc::Rc;

use http::Method;

/// Up to here head and body lie together and leave in one send.
const WHOLE_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of a longer body go out in pieces of this.
pub(super) const PIECE_BYTES: usize = 256 * 1024;
/// Answers that are kept ready; one more is made anew each time.
const READY_MAX: usize = 64;
/// gRPC's own limit, unless both sides say otherwise.
const MESSAGE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// More fields than any peer takes.
const FIELDS_MAX: u64 = 10_000;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Page {
    /// So many bytes.
    Bytes(u64),
    /// A small answer with so many more fields.
    Headers(u64),
    /// A small answer after so many milliseconds.
    Stall(u64),
    /// A gRPC message of so many bytes; over HTTP/2 with the status of success behind it.
    Grpc(u64),
    /// The request's body.
    Echo,
}

/// The bytes of an answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// Head, and body if it is short.
    pub(super) front: Rc<[u8]>,
    /// Bytes of the body that follow, in pieces.
    pub(super) rest: u64,
}

impl Page {
    /// The answer to what asks for nothing in particular.
    pub(super) const SMALL_BYTES: u64 = 100;

    /// The page at `path` for a request by `method`. What asks for too much or for no number gets the small answer.
    pub(super) fn at(path: &str, method: &Method) -> Self {
        let (name, number) = path[path.len().min(1)..].split_once('/').unwrap_or((&path[path.len().min(1)..], ""));
        match (name, number.parse()) {
            ("echo", _) => Self::Echo,
            ("grpc", Ok(count)) => Self::Grpc(u64::min(count, MESSAGE_BYTES_MAX)),
            _ if *method == Method::POST => Self::Bytes(Self::SMALL_BYTES),
            ("bytes", Ok(count)) => Self::Bytes(count),
            ("headers", Ok(count)) => Self::Headers(u64::min(count, FIELDS_MAX)),
            ("stall", Ok(millis)) => Self::Stall(millis),
            _ => Self::Bytes(Self::SMALL_BYTES),
        }
    }
}

/// Answers that were made already.
#[derive(Default)]
pub(super) struct Pages {
    ready: HashMap<(Page, bool), Answer>,
}

impl Pages {
    /// The answer to a request for `page`, without its body for a HEAD.
    pub(super) fn answer(&mut self, page: Page, is_head_only: bool) -> Answer {
        let key = (page, is_head_only);
        if let Some(answer) = self.ready.get(&key) {
            return answer.clone();
        }
        let answer = make(page, is_head_only);
        if self.ready.len() < READY_MAX {
            self.ready.insert(key, answer.clone());
        }
        answer
    }
}

fn make(page: Page, is_head_only: bool) -> Answer {
    let (bytes, fields) = match page {
        Page::Bytes(bytes) | Page::Grpc(bytes) => (bytes, 0),
        Page::Headers(fields) => (Page::SMALL_BYTES, fields),
        Page::Stall(_) | Page::Echo => (Page::SMALL_BYTES, 0),
    };
    let mut front = head(bytes, fields);
    let rest = if is_head_only { 0 } else { bytes };
    let is_whole = rest <= WHOLE_BYTES_MAX;
    if is_whole {
        front.resize(front.len() + rest as usize, b'o');
    }
    Answer { front: front.into(), rest: if is_whole { 0 } else { rest } }
}

/// The head of an answer of `bytes` with `fields` more fields.
pub(super) fn head(bytes: u64, fields: u64) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {bytes}\r\n");
    for field in 0..fields {
        head.push_str(&format!("x-field-{field}: the value of field {field}\r\n"));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_decides() {
        let cases = [
            ("/bytes/0", Page::Bytes(0)),
            ("/bytes/1048576", Page::Bytes(1_048_576)),
            ("/bytes/x", Page::Bytes(100)),
            ("/bytes/-1", Page::Bytes(100)),
            ("/headers/3", Page::Headers(3)),
            ("/headers/99999999", Page::Headers(FIELDS_MAX)),
            ("/stall/200", Page::Stall(200)),
            ("/echo", Page::Echo),
            ("/grpc/70", Page::Grpc(70)),
            ("/", Page::Bytes(100)),
            ("", Page::Bytes(100)),
            ("*", Page::Bytes(100)),
            ("/deep/path/7", Page::Bytes(100)),
        ];
        for (path, page) in cases {
            assert_eq!(Page::at(path, &Method::GET), page, "{path}");
        }
        assert_eq!(Page::at("/bytes/5", &Method::POST), Page::Bytes(100));
        assert_eq!(Page::at("/echo", &Method::POST), Page::Echo);
    }

    #[test]
    fn a_short_answer_is_whole_and_a_long_one_is_not() {
        let mut pages = Pages::default();
        let short = pages.answer(Page::Bytes(5), false);
        assert!(short.front.ends_with(b"content-length: 5\r\n\r\nooooo"));
        assert_eq!(short.rest, 0);
        let long = pages.answer(Page::Bytes(u64::MAX), false);
        assert!(long.front.ends_with(b"\r\n\r\n"));
        assert_eq!(long.rest, u64::MAX);
        assert_eq!(pages.answer(Page::Bytes(u64::MAX), true).rest, 0);
    }

    #[test]
    fn the_answers_kept_ready_are_bounded() {
        let mut pages = Pages::default();
        (0..1000).for_each(|bytes| drop(pages.answer(Page::Bytes(bytes), false)));
        assert_eq!(pages.ready.len(), READY_MAX);
    }
}
