//! The one-pass reader of heads without anything unusual, which nearly all are: `name: value` lines in CRLF, ASCII in
//! the target, no more lines than allowed. It accepts a part of what the reader over httparse (`h1::parse`) accepts, and
//! reads it as that one does; everything else, every error and every head that is not complete, is left to that one.
//! So it can save time and never change a verdict: tests compare the two on whatever the fuzzers make.
//!
//! Spans, names and facts come out of the same pass over the bytes. For twenty lines that is a third of the
//! instructions of a pass by httparse and one over its headers.

use super::fields::{Facts, is_token_byte, mark_nominated};
use crate::proto::head::{Known, Line, Span, Version};

/// A start line and the lines behind it, as far as any head needs them read.
pub(super) struct Swift {
    /// Behind the empty line.
    pub(super) end: usize,
    /// What the lines say.
    pub(super) facts: Facts,
}

/// A request line.
pub(super) struct RequestLine {
    pub(super) method: Span,
    pub(super) target: Span,
    pub(super) version: Version,
}

/// Reads a request head that begins at `start` of `window`; `None` when it is not a usual one, or not complete.
pub(super) fn request(window: &[u8], start: usize, most: usize, lines: &mut Vec<Line>) -> Option<(RequestLine, Swift)> {
    let method = token(window, start);
    if method == start || window.get(method) != Some(&b' ') {
        return None;
    }
    let target = target(window, method + 1);
    let (version, at) = version(window, target + 1)?;
    if target == method + 1 || window.get(target) != Some(&b' ') {
        return None;
    }
    let at = line_end(window, at)?;
    let line = RequestLine { method: span(start, method), target: span(method + 1, target), version };
    Some((line, fields(window, at, most, lines)?))
}

/// Reads an answer head at the front of `window`; `None` when it is not a usual one, or not complete.
pub(super) fn answer(window: &[u8], most: usize, lines: &mut Vec<Line>) -> Option<(u16, Version, Swift)> {
    let (version, at) = version(window, 0)?;
    let [b' ', a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', b' '] = window.get(at..at + 5)? else { return None };
    let status = [a, b, c].into_iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
    let at = line_end(window, value_end(window, at + 5)?)?;
    Some((status, version, fields(window, at, most, lines)?))
}

fn fields(window: &[u8], mut at: usize, most: usize, lines: &mut Vec<Line>) -> Option<Swift> {
    lines.clear();
    let mut facts = Facts::default();
    loop {
        let colon = token(window, at);
        if colon == at {
            let end = line_end(window, at)?;
            if facts.nominates() {
                mark_nominated(window, lines);
            }
            return Some(Swift { end, facts });
        }
        if window.get(colon) != Some(&b':') || lines.len() == most {
            return None;
        }
        let from = skip_space(window, colon + 1);
        let stop = value_end(window, from)?;
        let value = span(from, trim_end(window, from, stop));
        let known = Known::of(&window[at..colon]);
        if known != Known::Other {
            facts.note(known, value, window).ok()?;
        }
        lines.push(Line { name: span(at, colon), value, known, hop: known.is_hop() });
        at = line_end(window, stop)?;
    }
}

/// Where the token that begins at `at` ends. Letters and hyphens, of which names consist, eight at a time.
#[inline]
fn token(window: &[u8], mut at: usize) -> usize {
    while let Some(block) = window.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let others = neither_letter_nor_hyphen(u64::from_le_bytes(*block));
        if others == 0 {
            at += 8;
            continue;
        }
        at += (others.trailing_zeros() / 8) as usize;
        if !is_token_byte(window[at]) {
            return at;
        }
        at += 1;
    }
    let rest = window.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(rest.len())
}

/// The top bit of each byte that is neither an ASCII letter nor `-`. The sums never carry into the next byte.
const fn neither_letter_nor_hyphen(word: u64) -> u64 {
    let low = (word | (ONES * 0x20)) & (ONES * 0x7f);
    let letters = (low + ONES * (0x80 - b'a' as u64)) & !(low + ONES * (0x7f - b'z' as u64));
    let apart = (word ^ (ONES * b'-' as u64)) & (ONES * 0x7f);
    let hyphens = !(apart + ONES * 0x7f);
    (!(letters | hyphens) | word) & (ONES * 0x80)
}

/// Where the visible ASCII that begins at `at` ends.
#[inline]
fn target(window: &[u8], at: usize) -> usize {
    let rest = &window[at..];
    at + rest.iter().position(|byte| !byte.is_ascii_graphic()).unwrap_or(rest.len())
}

#[inline]
fn version(window: &[u8], at: usize) -> Option<(Version, usize)> {
    let version = match window.get(at..at + 8)? {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        _ => return None,
    };
    Some((version, at + 8))
}

#[inline]
fn line_end(window: &[u8], at: usize) -> Option<usize> {
    (window.get(at..at + 2)? == b"\r\n").then_some(at + 2)
}

#[inline]
fn skip_space(window: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t') = window.get(at) {
        at += 1;
    }
    at
}

#[inline]
fn trim_end(window: &[u8], from: usize, mut stop: usize) -> usize {
    while stop > from && matches!(window[stop - 1], b' ' | b'\t') {
        stop -= 1;
    }
    stop
}

/// Where the value that begins at `at` ends: at a CR. `None` when another control byte or the end of the window comes
/// first. Eight bytes at a time: a subtraction borrows only towards later bytes, so the first that is flagged is right.
#[inline]
fn value_end(window: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let Some(block) = window.get(at..).and_then(|rest| rest.first_chunk::<8>()) else {
            let byte = *window.get(at)?;
            match byte {
                b'\r' => return Some(at),
                b'\t' => {}
                0..0x20 | 0x7f => return None,
                _ => {}
            }
            at += 1;
            continue;
        };
        let word = u64::from_le_bytes(*block);
        let controls = word.wrapping_sub(ONES * 0x20) & !word;
        let is_delete = word ^ (ONES * 0x7f);
        let deletes = is_delete.wrapping_sub(ONES) & !is_delete;
        let flags = (controls | deletes) & (ONES * 0x80);
        if flags == 0 {
            at += 8;
            continue;
        }
        at += (flags.trailing_zeros() / 8) as usize;
        match window[at] {
            b'\r' => return Some(at),
            b'\t' => at += 1,
            _ => return None,
        }
    }
}

/// A one in each byte.
const ONES: u64 = u64::MAX / 255;

/// A head's bounds keep its offsets far below 4 GiB.
const fn span(start: usize, end: usize) -> Span {
    Span { start: start as u32, end: end as u32 }
}

#[cfg(test)]
mod tests {
    use super::super::parse::{self, HeadLimits, unhurried};
    use super::super::scan;
    use crate::proto::head::{AnswerHead, RequestHead};

    const LIMITS: HeadLimits = HeadLimits { bytes: 4096, lines: 12, target_bytes: 60 };
    const REQUESTS: &[&str] = &[
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\nPOST /a?b=c HTTP/1.0\r\nhost:\t a.example:80 \t\r\nContent-Length: 12\r\n\r\nhello, world",
        "PUT http://b.example/x HTTP/1.1\r\nHost: b.example\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n0\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close, x-mine\r\nX-Mine: 1\r\nEmpty:\r\nExpect: 100-continue\r\n\r\n",
        "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX_Forwarded_For: 1\r\nCaf\u{e9}: \u{e9}\r\n\r\n",
        "GET /ws HTTP/1.1\r\nHost: a\r\nCookie: a=\u{e9}; long=0123456789abcdef0123456789abcdef\t.\r\nVia: 1.1 b\r\n\r\n",
    ];
    const ANSWERS: &[&str] = &[
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\nhello",
        "HTTP/1.1 204 \r\nConnection: keep-alive, x\r\nX: y\r\n\r\n",
        "HTTP/1.0 404 Not here, \u{e9}\tyet\r\nserver: s\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: a\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n",
    ];

    /// Where the swift reader reads a head, the other one gives the same verdict, span for span.
    fn compare(is_request: bool, head: &[u8]) {
        let mut lines = Vec::new();
        let start = scan::skip_blank_lines(head).unwrap_or(0);
        if is_request && super::request(head, start, LIMITS.lines, &mut lines).is_some() {
            let mut found = RequestHead::default();
            let verdict = parse::request(head, 0, &LIMITS, &mut found).map(|progress| (progress, found));
            let expected = unhurried::request(head, &LIMITS);
            assert_eq!(format!("{verdict:?}"), format!("{expected:?}"), "{}", head.escape_ascii());
        }
        if !is_request && super::answer(head, LIMITS.lines, &mut lines).is_some() {
            let mut found = AnswerHead::default();
            let verdict = parse::answer(head, 0, &LIMITS, false, &mut found).map(|progress| (progress, found));
            let expected = unhurried::answer(head, &LIMITS);
            assert_eq!(format!("{verdict:?}"), format!("{expected:?}"), "{}", head.escape_ascii());
        }
    }

    /// Each head with each byte replaced, left out, or put before, by bytes of every kind; and each prefix.
    fn damage(head: &[u8], mut look: impl FnMut(&[u8])) {
        for at in 0..head.len() {
            look(&head[..at]);
            let (before, after) = head.split_at(at);
            look(&[before, &after[1..]].concat());
            for byte in *b"\0\x01\t\n\x0b\r\x1f !\",-/059:;?@AZ[^_az{~\x7f\x80\xc3\xff" {
                look(&[before, &[byte], &after[1..]].concat());
                look(&[before, &[byte], after].concat());
            }
        }
        look(head);
    }

    #[test]
    fn both_readers_give_one_verdict_on_requests() {
        REQUESTS.iter().for_each(|head| damage(head.as_bytes(), |head| compare(true, head)));
    }

    #[test]
    fn both_readers_give_one_verdict_on_answers() {
        ANSWERS.iter().for_each(|head| damage(head.as_bytes(), |head| compare(false, head)));
    }

    #[test]
    fn letters_and_hyphens_are_known_whatever_is_beside_them() {
        for byte in 0..=255_u8 {
            let is_one = byte.is_ascii_alphabetic() || byte == b'-';
            for beside in [0, b'-', b'a', 0x7f, 0xff] {
                let word = u64::from_le_bytes([beside, byte, beside, 0, 0, 0, 0, 0]);
                let flagged = super::neither_letter_nor_hyphen(word) >> 15 & 1 == 1;
                assert_eq!(flagged, !is_one, "{byte:#x} beside {beside:#x}");
            }
        }
    }

    #[test]
    fn usual_heads_are_read_swiftly() {
        let mut lines = Vec::new();
        for head in &REQUESTS[..4] {
            let start = head.find(|letter: char| letter.is_ascii_uppercase()).unwrap();
            assert!(super::request(head.as_bytes(), start, LIMITS.lines, &mut lines).is_some(), "{head}");
        }
        for head in ANSWERS {
            assert!(super::answer(head.as_bytes(), LIMITS.lines, &mut lines).is_some(), "{head}");
        }
    }
}
