//! An answer's head, written by an exchange as HTTP/1.1, as a head of HTTP/2 (RFC 9113 8.2, 8.3.2).
//!
//! What is read here we have written ourselves, from what the strict parser has read before; so it is scanned, once,
//! and whatever does not look as we write it ends the stream.

use http::{HeaderMap, HeaderValue, Response, StatusCode};
use memchr::memchr;

use crate::proto::h1::trim;
use crate::proto::head::Known;
use crate::shell::h2::field::{self, Unsayable};

/// A head, and what follows it.
#[derive(Debug)]
pub struct Head {
    /// As HTTP/2 says it; 101 is 200 there (RFC 8441 5).
    pub response: Response<()>,
    /// As the exchange said it.
    pub status: u16,
    /// Bytes of the head.
    pub bytes: usize,
    /// What `Content-Length` said.
    pub length: Option<u64>,
    /// The body comes in chunks.
    pub is_chunked: bool,
}

/// Reads the head that `bytes` begin with. Names go in lower case, and what belongs to one hop stays behind, but for the
/// length.
///
/// # Errors
/// When it is not as we write heads, or a status, name or value is none of HTTP/2's.
pub fn read(bytes: &[u8]) -> Result<Head, Unsayable> {
    let digits = bytes.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3)).ok_or(Unsayable)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(Unsayable);
    }
    let status = digits.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0'));
    let said = if status == SWITCHING { 200 } else { status };
    let mut head = Head { response: Response::new(()), status, bytes: 0, length: None, is_chunked: false };
    *head.response.status_mut() = StatusCode::from_u16(said).map_err(|_| Unsayable)?;
    let mut fields = HeaderMap::with_capacity(USUAL_FIELDS);
    let (_, mut at) = line(bytes, 0)?;
    loop {
        let (text, next) = line(bytes, at)?;
        at = next;
        if text.is_empty() {
            break;
        }
        let colon = memchr(b':', text).ok_or(Unsayable)?;
        let (name, value) = (&text[..colon], trim(&text[colon + 1..]));
        let known = Known::of(name);
        match known {
            // RFC 9113 8.2.2.
            Known::Connection | Known::KeepAlive | Known::ProxyConnection | Known::Upgrade => continue,
            // Of ours it says chunked.
            Known::TransferEncoding => {
                head.is_chunked = true;
                continue;
            }
            Known::ContentLength => {
                let number = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
                head.length = Some(number.ok_or(Unsayable)?);
            }
            // It means nothing in HTTP/2 (RFC 8441 5).
            Known::Other if status == SWITCHING && name.eq_ignore_ascii_case(b"sec-websocket-accept") => continue,
            _ => {}
        }
        put(&mut fields, known, name, value)?;
    }
    head.bytes = at;
    *head.response.headers_mut() = fields;
    Ok(head)
}

/// The trailer section `lines`: field lines with CRLF.
///
/// # Errors
/// When a name or value is none of HTTP/2's.
pub fn trailers(lines: &[u8]) -> Result<HeaderMap, Unsayable> {
    let mut fields = HeaderMap::new();
    let mut at = 0;
    while at < lines.len() {
        let (text, next) = line(lines, at)?;
        at = next;
        let colon = memchr(b':', text).ok_or(Unsayable)?;
        let name = &text[..colon];
        put(&mut fields, Known::of(name), name, trim(&text[colon + 1..]))?;
    }
    Ok(fields)
}

/// The line that begins at `at`, without its CRLF, and where the next begins.
fn line(bytes: &[u8], at: usize) -> Result<(&[u8], usize), Unsayable> {
    let length = memchr(b'\r', &bytes[at..]).ok_or(Unsayable)?;
    let end = at + length;
    if bytes.get(end + 1) == Some(&b'\n') { Ok((&bytes[at..end], end + 2)) } else { Err(Unsayable) }
}

fn put(fields: &mut HeaderMap, known: Known, name: &[u8], value: &[u8]) -> Result<(), Unsayable> {
    let value = HeaderValue::from_bytes(value).map_err(|_| Unsayable)?;
    let (name, value) = field::named(known, name, value)?;
    fields.append(name, value);
    Ok(())
}

/// For so many fields there is room at first.
const USUAL_FIELDS: usize = 12;

const SWITCHING: u16 = 101;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_said_in_http_2() {
        let text = b"HTTP/1.1 200 OK\r\nServer: x\r\nDate:  y \r\nconnection: close\r\nContent-Length: 5\r\n\
            set-cookie: a\r\nset-cookie: b\r\nX-Request-Id: z\r\nempty:\r\n\r\nhello";
        let head = read(text).unwrap();
        assert_eq!((head.status, head.length, head.is_chunked), (200, Some(5), false));
        assert_eq!(&text[head.bytes..], b"hello");
        let fields = head.response.headers();
        assert_eq!(
            (&fields["server"], &fields["date"], &fields["empty"]),
            (&"x".parse().unwrap(), &"y".parse().unwrap(), &"".parse().unwrap())
        );
        assert_eq!(fields.get_all("set-cookie").iter().count(), 2);
        assert!(fields["x-request-id"].is_sensitive() && !fields["server"].is_sensitive());
        assert!(!fields.contains_key("connection"));
    }

    #[test]
    fn what_belongs_to_one_hop_stays_there() {
        let head = read(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
            Sec-WebSocket-Accept: x\r\nsec-websocket-protocol: chat\r\n\r\n",
        )
        .unwrap();
        assert_eq!((head.status, head.response.status().as_u16()), (101, 200));
        assert_eq!(head.response.headers().len(), 1);
        assert!(read(b"HTTP/1.1 200 \r\ntransfer-encoding: chunked\r\n\r\n").unwrap().is_chunked);
    }

    #[test]
    fn what_we_do_not_write_is_not_read() {
        for wrong in [
            "",
            "HTTP/1.1 200",
            "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 2x0 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\na\r\n\r\n",
            "HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: b\n\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        ] {
            assert!(read(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn trailers_are_lines() {
        let fields = trailers(b"X-Sum: 7\r\na:b\r\n").unwrap();
        assert_eq!((&fields["x-sum"], &fields["a"]), (&"7".parse().unwrap(), &"b".parse().unwrap()));
        assert!(trailers(b"x").is_err());
    }
}
