//! A request of HTTP/2 as the text of an HTTP/1.1 head, which the one strict parser reads: what it refuses is refused
//! here too (RFC 9113 8.2, 8.3; RFC 8441 for WebSocket).

use h2::ext::Protocol;
use http::header::{CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Method};

use crate::shell::buffer::Buffer;

/// How the body of a request is given to its exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Intake {
    /// There is none.
    Nothing,
    /// So many bytes, as `content-length` said; `h2` makes sure of it (RFC 9113 8.1.1).
    Length(u64),
    /// In chunks. So comes a body that is announced to be empty and has not ended: until it has, the request is not whole.
    Chunks,
    /// The bytes of a tunnel (RFC 8441 5).
    Tunnel,
}

/// The request breaks a rule of HTTP/2 that `h2` leaves to us: its stream is reset with `PROTOCOL_ERROR`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// What `RFC 8441` makes of the request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks {
    /// No CONNECT.
    Answer,
    /// `:protocol` is `websocket`.
    WebSocket,
    /// A tunnel of another kind: the parser answers CONNECT with 501.
    Connect,
}

/// How the body will come. `is_whole` says that no DATA follows.
///
/// # Errors
/// When a rule is broken.
pub fn intake(parts: &Parts, is_whole: bool) -> Result<Intake, Malformed> {
    check(parts)?;
    Ok(match asks(parts) {
        Asks::WebSocket => Intake::Tunnel,
        _ if is_whole => Intake::Nothing,
        _ => match length(parts) {
            Some(length) if length > 0 => Intake::Length(length),
            _ => Intake::Chunks,
        },
    })
}

/// What `content-length` says; `h2` has refused what is no number.
fn length(parts: &Parts) -> Option<u64> {
    parts.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn asks(parts: &Parts) -> Asks {
    if parts.method != Method::CONNECT {
        return Asks::Answer;
    }
    match parts.extensions.get::<Protocol>() {
        Some(protocol) if protocol.as_str().eq_ignore_ascii_case("websocket") => Asks::WebSocket,
        _ => Asks::Connect,
    }
}

fn check(parts: &Parts) -> Result<(), Malformed> {
    let path = path(parts);
    // RFC 9113 8.3.1. A whole URI there would be read as absolute-form, and name another host.
    let is_path = path.starts_with('/') || path == "*" && parts.method == Method::OPTIONS;
    if asks(parts) != Asks::Connect && !is_path {
        return Err(Malformed);
    }
    // RFC 9113 8.2.1.
    if parts.headers.values().any(is_padded) {
        return Err(Malformed);
    }
    // RFC 9113 8.3.1: both may come, and must say the same.
    let Some(authority) = parts.uri.authority() else { return Ok(()) };
    let mut hosts = parts.headers.get_all(HOST).iter();
    let is_other = |host: &HeaderValue| !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes());
    if hosts.next().is_some_and(is_other) || hosts.next().is_some() {
        return Err(Malformed);
    }
    // `h2` leaves an empty scheme out.
    let needs_scheme = asks(parts) != Asks::Connect;
    if needs_scheme && parts.uri.scheme_str().is_none_or(str::is_empty) { Err(Malformed) } else { Ok(()) }
}

fn is_padded(value: &HeaderValue) -> bool {
    let is_space = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b' ' | b'\t'));
    is_space(value.as_bytes().first()) || is_space(value.as_bytes().last())
}

fn path(parts: &Parts) -> &str {
    parts.uri.path_and_query().map_or("", |target| target.as_str())
}

/// Writes the head into `buffer`, which is empty. When it does not fit, says how many bytes are needed in all; then
/// what stands in the buffer is no head. `key` is what a WebSocket handshake of HTTP/1.1 carries and HTTP/2's does not.
///
/// # Errors
/// The bytes needed.
pub fn write_head(buffer: &mut Buffer, parts: &Parts, intake: Intake, key: &[u8]) -> Result<(), usize> {
    let mut text = Text { buffer, missing: 0 };
    let asks = asks(parts);
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    match asks {
        Asks::Answer => text.put(&[parts.method.as_str().as_bytes(), b" ", path(parts).as_bytes()]),
        Asks::WebSocket => text.put(&[b"GET ", path(parts).as_bytes()]),
        Asks::Connect => text.put(&[b"CONNECT ", authority.unwrap_or_default()]),
    }
    text.put(&[b" HTTP/1.1\r\n"]);
    if let Some(authority) = authority {
        text.put(&[b"host: ", authority, b"\r\n"]);
    }
    text.put_fields(&parts.headers, authority.is_some(), asks, intake);
    match (asks, intake) {
        (Asks::WebSocket, _) => {
            text.put(&[b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: ", key, b"\r\n"]);
        }
        (_, Intake::Chunks) => text.put(&[b"transfer-encoding: chunked\r\n"]),
        _ => {}
    }
    text.put(&[b"\r\n"]);
    if text.missing > 0 { Err(text.missing + text.buffer.len()) } else { Ok(()) }
}

/// Text on its way into a buffer, and the bytes for which it had no room.
struct Text<'b> {
    buffer: &'b mut Buffer,
    missing: usize,
}

impl Text<'_> {
    fn put(&mut self, parts: &[&[u8]]) {
        for part in parts {
            if self.missing > 0 || !self.buffer.append(part) {
                self.missing += part.len();
            }
        }
    }

    fn put_fields(&mut self, fields: &HeaderMap, has_authority: bool, asks: Asks, intake: Intake) {
        let mut has_cookie = false;
        for (name, value) in fields {
            let is_replaced = match name {
                &HOST => has_authority,
                &COOKIE => {
                    has_cookie = true;
                    true
                }
                &CONTENT_LENGTH if intake == Intake::Chunks => true,
                // A tunnel is no body, and the key is ours.
                name => asks == Asks::WebSocket && (*name == CONTENT_LENGTH || *name == KEY),
            };
            if !is_replaced {
                self.put(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
            }
        }
        if has_cookie {
            // RFC 9113 8.2.3: they were one field, and must be one again.
            let mut lead: &[u8] = b"cookie: ";
            for cookie in fields.get_all(COOKIE) {
                self.put(&[lead, cookie.as_bytes()]);
                lead = b"; ";
            }
            self.put(&[b"\r\n"]);
        }
    }
}

const KEY: HeaderName = http::header::SEC_WEBSOCKET_KEY;
