//! The head of a request on its way to an upstream: from the HTTP/1.1 text that `forward` writes to an HTTP/2 one.

use std::io;

use bytes::Bytes;
use http::header::{HeaderValue, TE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method, Request, Uri, Version, uri};

use crate::proto::grpc_web::{self, Form};
use crate::proto::h1::parse::{self, HeadLimits, Progress};
use crate::proto::head::{self, Known, Line, RequestBody, RequestHead};
use crate::proto::path;
use crate::shell::h2::field;
use crate::words::limits::{HEADER_BYTES_MAX, HEADERS_MAX};

/// A request, ready to be sent, and what its answer and body need to know of it.
pub struct Asked {
    /// The request.
    pub request: Request<()>,
    /// How its body is delimited in the text.
    pub body: RequestBody,
    /// Its answer has no body, whatever it says.
    pub is_head: bool,
    /// It is gRPC-Web, and the answer is to be too.
    pub web: Option<Form>,
    /// Bytes of the text.
    pub bytes: usize,
}

/// What `forward` wrote was bounded when it was read; edits make it longer.
const LIMITS: HeadLimits =
    HeadLimits { bytes: 2 * HEADER_BYTES_MAX as usize, lines: HEADERS_MAX as usize, target_bytes: usize::MAX / 2 };

/// Reads the head at the front of `text`.
///
/// # Errors
/// When there is none that HTTP/2 can carry.
pub fn read(text: &[u8], head: &mut RequestHead, is_tls: bool) -> io::Result<Asked> {
    match parse::request(text, 0, &LIMITS, head) {
        Ok(Progress::Complete) => {}
        Ok(Progress::Partial) | Err(_) => return Err(io::ErrorKind::InvalidInput.into()),
    }
    // One copy for all of it; what is kept of it shares it.
    let bytes = Bytes::copy_from_slice(&text[..head.bytes]);
    let web = head.lines.iter().find(|line| line.known == Known::ContentType);
    let web = web.and_then(|line| Form::of(line.value.of(text)));
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(head.method_span.of(text)).map_err(invalid)?;
    *request.uri_mut() = uri(&bytes, head, is_tls)?;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = fields(&bytes, head, web)?;
    let is_head = head.method == head::Method::Head;
    Ok(Asked { request, body: head.body, is_head, web, bytes: head.bytes })
}

/// RFC 9113 8.3.1: the authority is what Host said, the scheme that of the connection.
fn uri(bytes: &Bytes, head: &RequestHead, is_tls: bool) -> io::Result<Uri> {
    let mut parts = uri::Parts::default();
    let end = head.query.map_or(head.path.end, |query| query.end);
    parts.path_and_query = Some(path_and_query(bytes.slice(head.path.start as usize..end as usize))?);
    let host = head.host.map_or(0..0, |host| host.start as usize..host.end as usize);
    parts.authority = Some(Authority::from_maybe_shared(bytes.slice(host)).map_err(invalid)?);
    parts.scheme = Some(if is_tls { Scheme::HTTPS } else { Scheme::HTTP });
    Uri::from_parts(parts).map_err(invalid)
}

/// Bytes that a URI must not have and HTTP/1.1 readers let pass (RFC 3986 2) are encoded: they mean the same then.
fn path_and_query(target: Bytes) -> io::Result<PathAndQuery> {
    if let Ok(found) = PathAndQuery::from_maybe_shared(target.clone()) {
        return Ok(found);
    }
    let mut encoded = Vec::with_capacity(2 * target.len());
    for byte in target {
        if matches!(byte, b'"' | b'<' | b'>' | b'`' | 0x80..) {
            path::encode(byte, &mut encoded);
        } else {
            encoded.push(byte);
        }
    }
    PathAndQuery::from_maybe_shared(Bytes::from(encoded)).map_err(invalid)
}

/// RFC 9113 8.2.2: nothing that belongs to the connection; of `TE` only `trailers`.
fn fields(bytes: &Bytes, head: &RequestHead, web: Option<Form>) -> io::Result<HeaderMap> {
    let mut map = HeaderMap::with_capacity(head.lines.len() + 1);
    for line in head.lines.iter().filter(|line| passes(line, web)) {
        let (name, mut value) = field::of(line, bytes).map_err(invalid)?;
        if web.is_some() && line.known == Known::ContentType {
            value = HeaderValue::from_bytes(&grpc_web::to_grpc(line.value.of(bytes))).map_err(invalid)?;
        }
        map.append(name, value);
    }
    if head.accepts_trailers || web.is_some() {
        map.insert(TE, HeaderValue::from_static("trailers"));
    }
    Ok(map)
}

fn passes(line: &Line, web: Option<Form>) -> bool {
    match line.known {
        Known::Host => false,
        // A text body has another length when it is decoded.
        Known::ContentLength => web != Some(Form::Text),
        _ => !line.hop,
    }
}

fn invalid<E>(_: E) -> io::Error {
    io::ErrorKind::InvalidInput.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Asked {
        read(text.as_bytes(), &mut RequestHead::default(), false).unwrap()
    }

    fn text_of(asked: &Asked) -> String {
        let fields = asked.request.headers().iter();
        let fields: Vec<String> =
            fields.map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))).collect();
        format!("{} {}\n{}", asked.request.method(), asked.request.uri(), fields.join("\n"))
    }

    #[test]
    fn what_belongs_to_the_connection_stays_behind() {
        let asked = asked(
            "POST /a%2Fb?x=1 HTTP/1.1\r\nHost: api.test:8080\r\nX-One: 1\r\nCookie: a=1; b=2\r\nX-One: 2\r\n\
             Transfer-Encoding: chunked\r\nTE: trailers\r\nConnection: te, x-gone\r\nX-Gone: 1\r\nKeep-Alive: 5\r\n\
             Expect: 100-continue\r\n\r\n5\r\nhello",
        );
        assert_eq!(
            text_of(&asked),
            "POST http://api.test:8080/a%2Fb?x=1\nx-one: 1\nx-one: 2\ncookie: a=1; b=2\nexpect: 100-continue\n\
             te: trailers"
        );
        assert_eq!((asked.body, asked.is_head, asked.web), (RequestBody::Chunked, false, None));
    }

    #[test]
    fn a_length_stays_where_the_body_does() {
        let grpc = |kind: &str| {
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: 8\r\n\r\n");
            text_of(&asked(&head))
        };
        assert_eq!(grpc("a/b"), "POST http://a/\ncontent-type: a/b\ncontent-length: 8");
        let binary = "POST http://a/\ncontent-type: application/grpc+proto\ncontent-length: 8\nte: trailers";
        assert_eq!(grpc("application/grpc-web+proto"), binary);
        let text = "POST http://a/\ncontent-type: application/grpc\nte: trailers";
        assert_eq!(grpc("application/grpc-web-text"), text);
    }

    #[test]
    fn targets_that_no_uri_has_are_encoded() {
        for (target, expected) in [
            ("/a\"b<c>?d=\"<>", "/a%22b%3Cc%3E?d=%22%3C%3E"),
            ("/`?`", "/%60?%60"),
            ("/[]|^?{}|", "/[]|^?{}|"),
            ("*", "*"),
        ] {
            let method = if target == "*" { "OPTIONS" } else { "GET" };
            let asked = asked(&format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
            assert_eq!(asked.request.uri().path_and_query().unwrap().as_str(), expected);
        }
    }
}
