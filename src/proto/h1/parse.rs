//! Reads request and answer heads: httparse's one fast pass over the bytes, then one pass of our stricter rules over
//! the lines (`fields`, `framing`, `target`). A head is complete and obeys every rule, or there is a fault.
//!
//! Steady state allocates nothing: heads keep their vectors, httparse works in an array on the stack. On an error or
//! a partial head what stands in the head is meaningless.
//!
//! Not here: bodies (`chunked`), the canonical path (`proto::path`), limits of bodies, and what an answer to the
//! request should be.

use std::mem::MaybeUninit;

use memchr::memchr;

use super::fields::{self, Facts, is_token_byte, span_in};
use super::framing::Declared;
use super::scan;
use super::swift::{self, RequestLine, Swift};
use super::target::{Target, check_request_line};
use crate::proto::authority;
use crate::proto::head::{AnswerBody, AnswerHead, Line, Method, RequestBody, RequestHead, Span, Version};
use crate::words::fault::{Fault, Kind, Stage};
use crate::words::limits::{HEADERS_MAX, METHOD_BYTES};

/// Bounds of one head.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Bytes of the whole head, empty lines before it included; at most `limits::HEADER_BYTES_MAX`.
    pub bytes: usize,
    /// Field lines; at most `limits::HEADERS_MAX`.
    pub lines: usize,
    /// Bytes of the request target.
    pub target_bytes: usize,
}

/// How far a head is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Complete; `bytes` of the head says how long it was.
    Complete,
    /// More bytes are needed.
    Partial,
}

/// Reads a request head from the front of `buffer`. `seen` is how many bytes an earlier call with the same buffer
/// had already looked at (0 at first), so that a head that drips in costs linear time.
///
/// # Errors
/// The fault to answer with, as early as it is certain: `BadRequest`, `BadTarget`, `BadHost`, `BadFraming`,
/// `TargetTooLong`, `HeadTooLarge`, `NotImplemented`, `ExpectationFailed`, `VersionNotSupported`.
pub fn request(buffer: &[u8], seen: usize, limits: &HeadLimits, head: &mut RequestHead) -> Result<Progress, Fault> {
    let window = &buffer[..buffer.len().min(limits.bytes)];
    let start = scan::skip_blank_lines(window).map_err(bad_request)?;
    // A byte that begins no method, a TLS ClientHello's for one, needs no second look.
    if window.get(start).is_some_and(|byte| !is_token_byte(*byte)) {
        return Err(bad_request("the request does not begin with a method"));
    }
    let is_full = window.len() == limits.bytes;
    if seen > 0 && !is_full && !scan::has_end(window, start, seen).map_err(bad_request)? {
        check_early(window, start, seen, limits)?;
        return Ok(Progress::Partial);
    }
    if let Some((line, Swift { end, facts })) = swift::request(window, start, limits.lines, &mut head.lines) {
        head.bytes = end;
        judge_request(window, &line, limits, head, |_| Ok(facts))?;
        return Ok(Progress::Complete);
    }
    let progress = if limits.lines <= USUAL_LINES {
        read_request::<USUAL_LINES>(window, start, limits, head)?
    } else {
        read_request::<MOST_LINES>(window, start, limits, head)?
    };
    if progress == Progress::Partial {
        scan::has_end(window, start, 0).map_err(bad_request)?;
        check_request_line(&window[start..], limits)?;
        if is_full {
            return Err(request_fault(Kind::HeadTooLarge, "the head is over limits.header_bytes"));
        }
    }
    Ok(progress)
}

/// Reads an answer head. `seen` as for [`request`]; `to_head` says that the request was HEAD.
///
/// # Errors
/// The fault to answer with: `UpstreamProtocol` or `UpstreamHeadTooLarge`.
pub fn answer(
    buffer: &[u8], seen: usize, limits: &HeadLimits, to_head: bool, head: &mut AnswerHead,
) -> Result<Progress, Fault> {
    let window = &buffer[..buffer.len().min(limits.bytes)];
    // httparse would skip empty lines; RFC 9112 2.2 allows them before requests only.
    if window.first().is_some_and(|byte| *byte != b'H') {
        return Err(bad_answer("the answer does not begin with HTTP/"));
    }
    let is_full = window.len() == limits.bytes;
    if seen > 0 && !is_full && !scan::has_end(window, 0, seen).map_err(bad_answer)? {
        return Ok(Progress::Partial);
    }
    if let Some((status, version, Swift { end, facts })) = swift::answer(window, limits.lines, &mut head.lines) {
        (head.status, head.version, head.bytes) = (status, version, end);
        judge_answer(window, &facts, to_head, head)?;
        return Ok(Progress::Complete);
    }
    let progress = if limits.lines <= USUAL_LINES {
        read_answer::<USUAL_LINES>(window, limits, to_head, head)?
    } else {
        read_answer::<MOST_LINES>(window, limits, to_head, head)?
    };
    if progress == Progress::Partial {
        scan::has_end(window, 0, 0).map_err(bad_answer)?;
        if is_full {
            return Err(answer_fault(Kind::UpstreamHeadTooLarge, "the head is over limits.header_bytes"));
        }
    }
    Ok(progress)
}

/// Lines for which the small array on the stack is enough (4 KiB); more configured lines take the large one (32 KiB).
const USUAL_LINES: usize = 128;
const MOST_LINES: usize = HEADERS_MAX as usize;

fn read_request<const LINES: usize>(
    window: &[u8], start: usize, limits: &HeadLimits, head: &mut RequestHead,
) -> Result<Progress, Fault> {
    let mut headers = [const { MaybeUninit::uninit() }; LINES];
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse_with_uninit_headers(&window[start..], &mut headers[..limits.lines.min(LINES)]) {
        Ok(httparse::Status::Complete(length)) => {
            head.bytes = start + length;
            let end = head.bytes;
            judge_request(window, &request_line(window, &parsed), limits, head, |lines| {
                fields::collect(window, end, parsed.headers, lines)
            })?;
            Ok(Progress::Complete)
        }
        Ok(httparse::Status::Partial) => Ok(Progress::Partial),
        Err(error) => blame_request(&window[start..], error, limits),
    }
}

fn request_line(buffer: &[u8], parsed: &httparse::Request<'_, '_>) -> RequestLine {
    RequestLine {
        method: span_in(buffer, parsed.method.unwrap_or_default().as_bytes()),
        target: span_in(buffer, parsed.path.unwrap_or_default().as_bytes()),
        version: version(parsed.version),
    }
}

/// Fills `head` from what was read, or finds what the readers do not look for. `head.bytes` is set; `collect` gives the
/// facts of the lines, and the lines with them.
fn judge_request(
    buffer: &[u8], line: &RequestLine, limits: &HeadLimits, head: &mut RequestHead,
    collect: impl FnOnce(&mut Vec<Line>) -> Result<Facts, Fault>,
) -> Result<(), Fault> {
    let (method, target) = (line.method.of(buffer), line.target.of(buffer));
    if method.len() > METHOD_BYTES {
        return Err(request_fault(Kind::NotImplemented, "the method is too long"));
    }
    if target.len() > limits.target_bytes {
        return Err(request_fault(Kind::TargetTooLong, "the target is over limits.target_bytes"));
    }
    head.method = Method::of(method);
    head.method_span = line.method;
    head.version = line.version;
    if head.method == Method::Connect {
        return Err(request_fault(Kind::NotImplemented, "CONNECT"));
    }
    let target = Target::of(buffer, line.target, head.method)?;
    head.form = target.form;
    head.path = target.path;
    head.query = target.query;
    let facts = collect(&mut head.lines)?;
    head.host = host(buffer, &facts, target.authority, head.version)?;
    judge_semantics(buffer, &facts, head)
}

/// Framing first: an answer to a request whose end is unknown must close, whatever else is wrong with it.
fn judge_semantics(buffer: &[u8], facts: &Facts, head: &mut RequestHead) -> Result<(), Fault> {
    let declared = Declared::of(facts, head.version, buffer)?;
    if facts.expects_other {
        return Err(request_fault(Kind::ExpectationFailed, "an expectation other than 100-continue"));
    }
    let is_11 = head.version == Version::Http11;
    head.body = declared.of_request();
    head.length = declared.length();
    head.is_persistent = is_persistent(facts, head.version);
    head.expects_continue = facts.expects_continue && is_11 && head.body != RequestBody::None;
    head.accepts_trailers = facts.trailers && is_11;
    let is_protocol_change = facts.upgrade && facts.protocols && !facts.h2c;
    head.asks_upgrade = is_protocol_change && is_11 && head.body == RequestBody::None;
    Ok(())
}

/// RFC 9112 3.2: exactly one Host in HTTP/1.1, at most one in HTTP/1.0, and a valid one even where the target's
/// authority replaces it (3.2.2).
fn host(buffer: &[u8], facts: &Facts, authority: Option<Span>, version: Version) -> Result<Option<Span>, Fault> {
    match facts.hosts {
        0 if version == Version::Http11 => return Err(request_fault(Kind::BadHost, "Host is missing")),
        0 => return Ok(authority),
        1 => {}
        _ => return Err(request_fault(Kind::BadHost, "Host is repeated")),
    }
    authority::check(facts.host.of(buffer)).map_err(|detail| request_fault(Kind::BadHost, detail))?;
    Ok(Some(authority.unwrap_or(facts.host)))
}

/// RFC 9112 9.3. `close` wins over `keep-alive`.
fn is_persistent(facts: &Facts, version: Version) -> bool {
    !facts.close && (version == Version::Http11 || facts.keep_alive)
}

/// Translates httparse's refusal of `head`. The request line is read again, in order, because its faults have
/// statuses of their own.
#[cold]
fn blame_request(head: &[u8], error: httparse::Error, limits: &HeadLimits) -> Result<Progress, Fault> {
    use httparse::Error;
    check_request_line(head, limits)?;
    Err(match error {
        // A beginning of a version that may yet become 505 or 400.
        Error::Version => return Ok(Progress::Partial),
        Error::TooManyHeaders => request_fault(Kind::HeadTooLarge, "more lines than limits.headers"),
        Error::Token => request_fault(Kind::BadTarget, "the target is not UTF-8"),
        Error::HeaderName => bad_request(NAME_DETAIL),
        Error::HeaderValue => bad_request(VALUE_DETAIL),
        Error::NewLine | Error::Status => bad_request("a line does not end in CRLF"),
    })
}

/// Of a head without end: is its request line too long already, or complete and malformed? Asked only in the calls in
/// which a bound may have been crossed or the line ended, so that dripping stays linear.
fn check_early(window: &[u8], start: usize, seen: usize, limits: &HeadLimits) -> Result<(), Fault> {
    let crossed = |from: usize, to: usize| seen <= to && window.len() > from;
    let method = start + METHOD_BYTES;
    let target = start + limits.target_bytes;
    let has_new_line = memchr(b'\n', &window[seen.min(window.len())..]).is_some();
    let is_first = has_new_line && memchr(b'\n', &window[start..]).is_some_and(|at| start + at >= seen);
    if is_first || crossed(method, method) || crossed(target, target + METHOD_BYTES + 1) {
        check_request_line(&window[start..], limits)?;
    }
    Ok(())
}

fn read_answer<const LINES: usize>(
    window: &[u8], limits: &HeadLimits, to_head: bool, head: &mut AnswerHead,
) -> Result<Progress, Fault> {
    let mut headers = [const { MaybeUninit::uninit() }; LINES];
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let lines = &mut headers[..limits.lines.min(LINES)];
    match config.parse_response_with_uninit_headers(&mut parsed, window, lines) {
        Ok(httparse::Status::Complete(length)) => {
            head.bytes = length;
            head.status = parsed.code.unwrap_or_default();
            if !(100..=599).contains(&head.status) {
                // RFC 9110 15: values outside are invalid.
                return Err(bad_answer("the status is not from 100 to 599"));
            }
            head.version = version(parsed.version);
            let facts = fields::collect(window, length, parsed.headers, &mut head.lines).map_err(of_answer)?;
            judge_answer(window, &facts, to_head, head)?;
            Ok(Progress::Complete)
        }
        Ok(httparse::Status::Partial) => Ok(Progress::Partial),
        Err(error) => Err(blame_answer(error)),
    }
}

/// Fills the rest of `head` from the `facts` of its lines. Status, version, lines and `head.bytes` are set.
fn judge_answer(buffer: &[u8], facts: &Facts, to_head: bool, head: &mut AnswerHead) -> Result<(), Fault> {
    head.reason = reason(head);
    let declared = Declared::of(facts, head.version, buffer).map_err(of_answer)?;
    head.body = declared.of_answer(head.status, to_head).map_err(of_answer)?;
    head.length = declared.length();
    let ends_open = head.status != 101 && head.body != AnswerBody::UntilClose;
    head.is_persistent = ends_open && is_persistent(facts, head.version);
    Ok(())
}

/// What stands between `HTTP/1.1 200 ` and the end of the line; httparse shows only phrases in ASCII. Line ends are
/// checked by then, so the status line ends two bytes before the first field or the empty line.
fn reason(head: &AnswerHead) -> Span {
    let next = head.lines.first().map_or(head.bytes as u32 - 2, |line| line.name.start);
    let end = next - 2;
    Span { start: (STATUS_LINE_PREFIX + 1).min(end), end }
}

/// Bytes of `HTTP/1.1 200`.
const STATUS_LINE_PREFIX: u32 = 12;

#[cold]
fn blame_answer(error: httparse::Error) -> Fault {
    use httparse::Error;
    match error {
        Error::TooManyHeaders => answer_fault(Kind::UpstreamHeadTooLarge, "more lines than limits.headers"),
        Error::HeaderName => bad_answer(NAME_DETAIL),
        Error::HeaderValue => bad_answer(VALUE_DETAIL),
        Error::Version | Error::Status | Error::Token | Error::NewLine => bad_answer("the status line is malformed"),
    }
}

const NAME_DETAIL: &str = "a field name is empty or no token, has a space before its colon, or a line is folded";
const VALUE_DETAIL: &str = "a field value has a control character";

const fn version(minor: Option<u8>) -> Version {
    match minor {
        Some(0) => Version::Http10,
        _ => Version::Http11,
    }
}

const fn request_fault(kind: Kind, detail: &'static str) -> Fault {
    Fault::new(kind, Stage::ReadHead, detail)
}

const fn bad_request(detail: &'static str) -> Fault {
    request_fault(Kind::BadRequest, detail)
}

const fn answer_fault(kind: Kind, detail: &'static str) -> Fault {
    Fault::new(kind, Stage::Receive, detail)
}

const fn bad_answer(detail: &'static str) -> Fault {
    answer_fault(Kind::UpstreamProtocol, detail)
}

/// The rules are the same for both directions; in an answer the upstream is to blame.
const fn of_answer(fault: Fault) -> Fault {
    bad_answer(fault.detail)
}

/// What the reader over httparse makes of a head, for the comparison with the swift one.
#[cfg(test)]
pub(super) mod unhurried {
    use super::*;

    pub(crate) fn request(window: &[u8], limits: &HeadLimits) -> Result<(Progress, RequestHead), Fault> {
        let mut head = RequestHead::default();
        let start = scan::skip_blank_lines(window).map_err(bad_request)?;
        read_request::<USUAL_LINES>(window, start, limits, &mut head).map(|progress| (progress, head))
    }

    pub(crate) fn answer(window: &[u8], limits: &HeadLimits) -> Result<(Progress, AnswerHead), Fault> {
        let mut head = AnswerHead::default();
        read_answer::<USUAL_LINES>(window, limits, false, &mut head).map(|progress| (progress, head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::head::{Known, TargetForm};

    const LIMITS: HeadLimits = HeadLimits { bytes: 1024, lines: 10, target_bytes: 100 };

    fn read(head: &[u8]) -> Result<RequestHead, Fault> {
        let mut found = RequestHead::default();
        match request(head, 0, &LIMITS, &mut found)? {
            Progress::Complete => Ok(found),
            Progress::Partial => panic!("partial: {}", head.escape_ascii()),
        }
    }

    fn refusal(head: &str) -> Kind {
        read(head.as_bytes()).expect_err(head).kind
    }

    fn read_up(head: &[u8], to_head: bool) -> Result<AnswerHead, Fault> {
        let mut found = AnswerHead::default();
        match answer(head, 0, &LIMITS, to_head, &mut found)? {
            Progress::Complete => Ok(found),
            Progress::Partial => panic!("partial: {}", head.escape_ascii()),
        }
    }

    const FULL: &[u8] = b"\r\nPOST http://Api.example:80/a/b?c=d HTTP/1.1\r\nHost: other\r\nContent-Length: 5\r\n\
        Connection: close, X-Mine\r\nx-mine:\t1 \r\nExpect: 100-Continue\r\nEmpty:\r\nTE: gzip, trailers\r\n\r\nhello";

    #[test]
    fn a_request_head_is_taken_apart() {
        let head = read(FULL).unwrap();
        assert_eq!((head.method, head.form, head.version), (Method::Post, TargetForm::Absolute, Version::Http11));
        assert_eq!(head.path.of(FULL), b"/a/b");
        assert_eq!(head.query.unwrap().of(FULL), b"c=d");
        assert_eq!(head.host.unwrap().of(FULL), b"Api.example:80");
        assert_eq!((head.body, head.length), (RequestBody::Length(5), Some(5)));
        assert!(head.expects_continue && head.accepts_trailers && !head.is_persistent && !head.asks_upgrade);
        assert_eq!(&FULL[head.bytes..], b"hello");
        let lines: Vec<_> = head.lines.iter().map(|line| (line.known, line.value.of(FULL), line.hop)).collect();
        assert_eq!(lines[0], (Known::Host, &b"other"[..], false));
        assert_eq!(lines[3], (Known::Other, &b"1"[..], true));
        assert_eq!(lines[5], (Known::Other, &b""[..], false));
        assert_eq!(head.lines[3].name.of(FULL), b"x-mine");
    }

    #[test]
    fn every_prefix_of_a_good_head_is_partial_and_every_split_ends_the_same() {
        let end = FULL.len() - 5;
        for length in 0..end {
            let mut head = RequestHead::default();
            assert_eq!(request(&FULL[..length], 0, &LIMITS, &mut head), Ok(Progress::Partial), "{length}");
            assert_eq!(request(FULL, length, &LIMITS, &mut head), Ok(Progress::Complete), "{length}");
            assert_eq!(head.bytes, end);
        }
        let mut head = RequestHead::default();
        for length in 0..end {
            assert_eq!(request(&FULL[..length], length.max(1) - 1, &LIMITS, &mut head), Ok(Progress::Partial));
        }
    }

    #[test]
    fn a_request_that_can_no_longer_be_good_is_refused_before_its_end() {
        for (head, seen, kind) in [
            (&b"\x16\x03\x01"[..], 0, Kind::BadRequest),
            (b"\r\n\x16", 2, Kind::BadRequest),
            (b" GET / HTTP/1.1\r\n", 0, Kind::BadRequest),
            (b"GET / HTTP/1.1\n", 0, Kind::BadRequest),
            (b"GET / HTTP/1.1\r\nHost: a\n", 20, Kind::BadRequest),
            (b"PRI * HTTP/2.0\r\n", 0, Kind::VersionNotSupported),
            (b"GET / HTTP/x", 0, Kind::BadRequest),
        ] {
            let refused = request(head, seen, &LIMITS, &mut RequestHead::default()).expect_err("refused");
            assert_eq!(refused.kind, kind, "{}", head.escape_ascii());
        }
    }

    /// One byte at a time, each call told what the one before has seen.
    fn drip(head: &[u8]) -> (usize, Kind) {
        for length in 1..=head.len() {
            let seen = if length == 1 { 0 } else { length - 1 };
            if let Err(fault) = request(&head[..length], seen, &LIMITS, &mut RequestHead::default()) {
                return (length, fault.kind);
            }
        }
        panic!("nothing was refused");
    }

    #[test]
    fn bounds_are_enforced_at_the_byte_that_crosses_them() {
        let long_target = format!("GET /{}", "a".repeat(200));
        assert_eq!(drip(long_target.as_bytes()), (4 + LIMITS.target_bytes + 1, Kind::TargetTooLong));
        assert_eq!(refusal(&long_target), Kind::TargetTooLong);
        assert_eq!(drip(&[b'A'; 100]), (METHOD_BYTES + 1, Kind::NotImplemented));
        let long_head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "a".repeat(2_000));
        assert_eq!(drip(long_head.as_bytes()), (LIMITS.bytes, Kind::HeadTooLarge));
        assert_eq!(refusal(&long_head), Kind::HeadTooLarge);
        let lines = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count - 1));
        assert!(read(lines(LIMITS.lines).as_bytes()).is_ok());
        assert_eq!(refusal(&lines(LIMITS.lines + 1)), Kind::HeadTooLarge);
    }

    #[test]
    fn more_lines_than_usual_are_read_when_configured() {
        let limits = HeadLimits { bytes: 32_768, lines: 1_000, target_bytes: 100 };
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(999));
        let mut found = RequestHead::default();
        assert_eq!(request(head.as_bytes(), 0, &limits, &mut found), Ok(Progress::Complete));
        assert_eq!(found.lines.len(), 1_000);
    }

    #[test]
    fn a_head_of_exactly_the_limit_passes() {
        let start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
        let head = format!("{start}{}\r\n\r\n", "a".repeat(LIMITS.bytes - start.len() - 4));
        assert_eq!(read(head.as_bytes()).unwrap().bytes, LIMITS.bytes);
        let body = format!("{head}GET / HTTP/1.1\r\n");
        assert_eq!(read(body.as_bytes()).unwrap().bytes, LIMITS.bytes);
    }

    #[test]
    fn nominations_end_at_this_hop_but_not_for_guarded_fields() {
        let wire = b"GET / HTTP/1.1\r\nX-Forwarded-For: 1\r\nConnection: x-forwarded-for,, HOST\r\nA: 1\r\na: 2\r\n\
            Connection: A\r\nHost: h\r\nX_Real_IP: 9\r\n\r\n";
        let head = read(wire).unwrap();
        let kept: Vec<_> = head.lines.iter().filter(|line| !line.hop).map(|line| line.name.of(wire)).collect();
        assert_eq!(kept, [&b"X-Forwarded-For"[..], b"Host"]);
        let many = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {}\r\n\r\n", "a,".repeat(17));
        assert_eq!(refusal(&many), Kind::BadRequest);
        assert_eq!(refusal("GET / HTTP/1.1\r\nHost: a\r\nConnection: a b\r\n\r\n"), Kind::BadRequest);
    }

    #[test]
    fn an_upgrade_needs_its_token_its_version_and_no_body() {
        let asks =
            |rest: &str| read(format!("GET / HTTP/1.{rest}\r\nHost: a\r\n\r\n").as_bytes()).unwrap().asks_upgrade;
        assert!(asks("1\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade"));
        assert!(!asks("1\r\nUpgrade: websocket"));
        assert!(!asks("0\r\nUpgrade: websocket\r\nConnection: Upgrade"));
        assert!(!asks("1\r\nUpgrade: h2c\r\nConnection: Upgrade"));
        assert!(!asks("1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 1"));
    }

    #[test]
    fn persistence_follows_version_and_options() {
        let persists =
            |rest: &str| read(format!("GET / HTTP/1.{rest}\r\nHost: a\r\n\r\n").as_bytes()).unwrap().is_persistent;
        assert!(persists("1"));
        assert!(!persists("1\r\nConnection: keep-alive, Close"));
        assert!(!persists("0"));
        assert!(persists("0\r\nConnection: Keep-Alive"));
        assert!(!persists("0\r\nProxy-Connection: keep-alive"));
    }

    #[test]
    fn an_answer_head_is_taken_apart() {
        let wire = b"HTTP/1.1 200 Tr\xe8s bien\r\nServer: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        let head = read_up(wire, false).unwrap();
        assert_eq!((head.status, head.body, head.is_persistent), (200, AnswerBody::Chunked, true));
        assert_eq!(head.reason.of(wire), b"Tr\xe8s bien");
        for (line, reason) in
            [("HTTP/1.0 404\r\n\r\n", ""), ("HTTP/1.1 404 \r\n\r\n", ""), ("HTTP/1.1 404 a\r\n\r\n", "a")]
        {
            let head = read_up(line.as_bytes(), false).unwrap();
            assert_eq!(head.reason.of(line.as_bytes()), reason.as_bytes());
            assert_eq!((head.body, head.is_persistent), (AnswerBody::UntilClose, false));
        }
        let wire = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
        let head = read_up(wire, true).unwrap();
        assert_eq!((head.body, head.length, head.is_persistent), (AnswerBody::None, Some(9), true));
    }

    #[test]
    fn every_prefix_of_a_good_answer_is_partial() {
        let wire = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 3\r\n\r\nabc";
        for length in 0..wire.len() - 3 {
            let mut head = AnswerHead::default();
            assert_eq!(answer(&wire[..length], 0, &LIMITS, false, &mut head), Ok(Progress::Partial));
            assert_eq!(answer(wire, length, &LIMITS, false, &mut head), Ok(Progress::Complete));
            assert_eq!((head.bytes, head.body), (wire.len() - 3, AnswerBody::Length(3)));
        }
    }

    #[test]
    fn a_bad_answer_is_the_upstreams_fault() {
        for wire in
            ["\r\nHTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\n\n", "HTTP/1.1 600 X\r\n\r\n", "HTTP/2 200\r\n\r\n"]
        {
            let fault = read_up(wire.as_bytes(), false).expect_err(wire);
            assert_eq!((fault.kind, fault.stage), (Kind::UpstreamProtocol, Stage::Receive), "{wire}");
        }
        let long = format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(2_000));
        assert_eq!(read_up(long.as_bytes(), false).expect_err("long").kind, Kind::UpstreamHeadTooLarge);
    }
}
