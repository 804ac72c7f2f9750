//! An answer's head, written by an exchange as HTTP/1.1, as a head of HTTP/2 (RFC 9113 8.2, 8.3.2).

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::proto::head::{AnswerHead, Known, Line};

/// What an exchange wrote cannot be said in HTTP/2. It does not happen: exchanges write what their parser reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unsayable;

/// The answer whose `head` was read from `bytes`. Names go in lower case, and what belongs to one hop stays behind, but
/// for the length.
///
/// # Errors
/// When a status, name or value is none of HTTP/2's.
pub fn response(bytes: &[u8], head: &AnswerHead) -> Result<Response<()>, Unsayable> {
    let mut fields = HeaderMap::with_capacity(head.lines.len());
    let is_tunnel = head.status == SWITCHING;
    for line in head.lines.iter().filter(|line| passes(line, is_tunnel, bytes)) {
        let name = HeaderName::from_bytes(line.name.of(bytes)).map_err(|_| Unsayable)?;
        let value = HeaderValue::from_bytes(line.value.of(bytes)).map_err(|_| Unsayable)?;
        fields.append(name, value);
    }
    let mut response = Response::new(());
    // RFC 8441 5: a tunnel of HTTP/2 begins with 200.
    let status = if is_tunnel { 200 } else { head.status };
    *response.status_mut() = StatusCode::from_u16(status).map_err(|_| Unsayable)?;
    *response.headers_mut() = fields;
    Ok(response)
}

/// The trailer section `lines`: field lines with CRLF.
///
/// # Errors
/// When a name or value is none of HTTP/2's.
pub fn trailers(lines: &[u8]) -> Result<HeaderMap, Unsayable> {
    let mut fields = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty()) {
        let colon = memchr::memchr(b':', line).ok_or(Unsayable)?;
        let name = HeaderName::from_bytes(&line[..colon]).map_err(|_| Unsayable)?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).map_err(|_| Unsayable)?;
        fields.append(name, value);
    }
    Ok(fields)
}

fn passes(line: &Line, is_tunnel: bool, bytes: &[u8]) -> bool {
    if is_tunnel {
        return !line.hop && !line.name.of(bytes).eq_ignore_ascii_case(b"sec-websocket-accept");
    }
    !line.hop || line.known == Known::ContentLength
}

const SWITCHING: u16 = 101;
