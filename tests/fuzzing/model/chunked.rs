//! Chunked bodies (RFC 9112 7.1), line by line.

use super::fields::{field, is, is_text};

/// What the rules say about a body at the beginning of some bytes.
#[derive(PartialEq, Eq, Debug)]
pub enum Chunked {
    /// Its payload, the trailer lines that may be passed on, and its bytes.
    Whole { payload: Vec<u8>, trailers: Vec<u8>, bytes: usize },
    /// It breaks a rule.
    Bad,
    /// It is not all there.
    Open,
}

/// A line without its CRLF, and what is behind it.
type Split<'b> = (&'b [u8], &'b [u8]);

/// Trailer fields that are dropped (RFC 9110 6.5.1): everything about framing, routing, the hop, authentication,
/// conditions, caching, and what is guarded in a header section.
const DROPPED: &str = " accept age authentication-info authorization cache-control connection content-encoding \
    content-length content-range content-type cookie expect expires forwarded host http2-settings if-match \
    if-modified-since if-none-match if-range if-unmodified-since keep-alive location max-forwards pragma \
    proxy-authenticate proxy-authentication-info proxy-authorization proxy-connection range referer retry-after \
    set-cookie te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate x-real-ip \
    x-request-id ";

/// Reads the body that `wire` begins with.
pub fn chunked(wire: &[u8]) -> Chunked {
    let mut rest = wire;
    let mut payload = Vec::new();
    let mut extensions = 0;
    loop {
        let (line, behind) = match line(rest) {
            Ok(Some(found)) => found,
            Ok(None) => return Chunked::Open,
            Err(()) => return Chunked::Bad,
        };
        rest = behind;
        let Some((size, extension)) = size_line(line) else { return Chunked::Bad };
        extensions += extension;
        if extension > 256 || extensions > 16 * 1024 {
            return Chunked::Bad;
        }
        if size == 0 {
            return trailers(rest, payload, wire.len());
        }
        let Some((data, behind)) = usize::try_from(size).ok().and_then(|size| rest.split_at_checked(size)) else {
            return Chunked::Open;
        };
        payload.extend_from_slice(data);
        match behind {
            [b'\r', b'\n', behind @ ..] => rest = behind,
            [] | [b'\r'] => return Chunked::Open,
            _ => return Chunked::Bad,
        }
    }
}

/// The first line without its CRLF, and what is behind it; an error when it ends in a bare LF.
fn line(bytes: &[u8]) -> Result<Option<Split<'_>>, ()> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    match &bytes[..end] {
        [line @ .., b'\r'] => Ok(Some((line, &bytes[end + 1..]))),
        _ => Err(()),
    }
}

/// The size and the bytes of its extensions, the first semicolon apart.
fn size_line(line: &[u8]) -> Option<(u64, usize)> {
    let (size, extension) = match line.iter().position(|byte| *byte == b';') {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, &line[line.len()..]),
    };
    let is_size = (1..=16).contains(&size.len()) && size.iter().all(u8::is_ascii_hexdigit);
    let is_extension = extension.iter().all(|byte| is_text(*byte));
    let digits = std::str::from_utf8(size).ok().filter(|_| is_size && is_extension)?;
    Some((u64::from_str_radix(digits, 16).expect("16 digits are 64 bits"), extension.len()))
}

fn trailers(section: &[u8], payload: Vec<u8>, whole: usize) -> Chunked {
    let mut rest = section;
    let mut trailers = Vec::new();
    for count in 0.. {
        let (line, behind) = match line(rest) {
            Ok(Some(found)) => found,
            Ok(None) => return Chunked::Open,
            Err(()) => return Chunked::Bad,
        };
        rest = behind;
        if section.len() - rest.len() > 8 * 1024 {
            return Chunked::Bad;
        }
        if line.is_empty() {
            break;
        }
        let Some(field) = field(line).filter(|_| count < 32) else { return Chunked::Bad };
        if !is_dropped(field.name) {
            trailers.extend_from_slice(line);
            trailers.extend_from_slice(b"\r\n");
        }
    }
    Chunked::Whole { payload, trailers, bytes: whole - rest.len() }
}

fn is_dropped(name: &[u8]) -> bool {
    let lower = String::from_utf8(name.to_ascii_lowercase()).expect("a token is ASCII");
    let dashed = lower.replace('_', "-");
    let is_forwarded = dashed.strip_prefix("x-forwarded-").is_some_and(|rest| !rest.is_empty());
    let twins = ["content-length", "transfer-encoding", "x-real-ip", "x-request-id"];
    let is_twin = lower.contains('_') && twins.iter().any(|twin| is(dashed.as_bytes(), twin));
    is_forwarded || is_twin || DROPPED.contains(&format!(" {lower} "))
}
