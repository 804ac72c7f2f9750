//! The head of an upstream's HTTP/2 answer as HTTP/1.1 text, for the one parser that judges all heads.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use http::response::Parts;

use crate::policy::respond::reason;
use crate::proto::grpc_web::{self, Form, Kind};
use crate::proto::h1::encode::{DECIMAL_BYTES, decimal};

/// How the body of an answer is delimited in the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// There is none, by its status or the request's method.
    None,
    /// As `Content-Length` says: this much is still to come.
    Length(u64),
    /// In chunks, and whatever trailers come can follow.
    Chunked,
}

/// How the body of this answer is delimited: `is_over` says that END_STREAM came with the head.
#[must_use]
pub fn framing(parts: &Parts, to_head: bool, is_over: bool) -> Framing {
    let status = parts.status.as_u16();
    if to_head || status < 200 || status == 204 || status == 304 {
        return Framing::None;
    }
    // A length leaves no place for trailers, which are what gRPC is about. Without a body there is no length to make up
    // either: a client that gets one would not take the head for trailers.
    if is_grpc(&parts.headers) {
        return Framing::Chunked;
    }
    match parts.headers.get(CONTENT_LENGTH) {
        // A value that is no number is refused by the parser.
        Some(length) => Framing::Length(length.to_str().ok().and_then(|length| length.parse().ok()).unwrap_or(0)),
        None if is_over => Framing::Length(0),
        None => Framing::Chunked,
    }
}

fn is_grpc(fields: &HeaderMap) -> bool {
    let media = fields.get(CONTENT_TYPE);
    media.is_some_and(|media| Kind::of(media.as_bytes()) == Some(Kind::Grpc))
}

/// Writes the head with `put`, piece by piece.
pub fn write(parts: &Parts, framing: Framing, web: Option<Form>, mut put: impl FnMut(&[u8])) {
    let status = parts.status;
    put(b"HTTP/1.1 ");
    put(status.as_str().as_bytes());
    put(b" ");
    put(reason(status.as_u16()).as_bytes());
    put(b"\r\n");
    for (name, value) in &parts.headers {
        if name == CONTENT_LENGTH && framing == Framing::Chunked {
            continue;
        }
        put(name.as_str().as_bytes());
        put(b": ");
        match web.filter(|_| name == CONTENT_TYPE) {
            Some(form) => {
                let mut media = Vec::new();
                grpc_web::write_media(form, value.as_bytes(), &mut media);
                put(&media);
            }
            None => put(value.as_bytes()),
        }
        put(b"\r\n");
    }
    match framing {
        Framing::Chunked => put(b"transfer-encoding: chunked\r\n"),
        Framing::Length(length) if !parts.headers.contains_key(CONTENT_LENGTH) => {
            put(b"content-length: ");
            put(decimal(length, &mut [0; DECIMAL_BYTES]));
            put(b"\r\n");
        }
        Framing::Length(_) | Framing::None => {}
    }
    put(b"\r\n");
}

/// Appends `trailers` as field lines.
pub fn write_trailers(trailers: &HeaderMap, out: &mut Vec<u8>) {
    for (name, value) in trailers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    fn text(status: u16, fields: &[(&str, &str)], to_head: bool, is_over: bool, web: Option<Form>) -> String {
        let mut response = Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        let (parts, ()) = response.body(()).unwrap().into_parts();
        let mut out = Vec::new();
        write(&parts, framing(&parts, to_head, is_over), web, |piece| out.extend_from_slice(piece));
        String::from_utf8(out).unwrap().replace("\r\n", "|")
    }

    #[test]
    fn a_body_is_delimited_by_what_is_known_of_it() {
        let with_length = [("content-length", "5")];
        let grpc = [("content-type", "application/grpc"), ("content-length", "5")];
        for (status, fields, to_head, is_over, expected) in [
            (200, &[][..], false, false, "HTTP/1.1 200 OK|transfer-encoding: chunked||"),
            (200, &[], false, true, "HTTP/1.1 200 OK|content-length: 0||"),
            (200, &with_length, false, false, "HTTP/1.1 200 OK|content-length: 5||"),
            (200, &[], true, true, "HTTP/1.1 200 OK||"),
            (200, &with_length, true, true, "HTTP/1.1 200 OK|content-length: 5||"),
            (204, &[], false, true, "HTTP/1.1 204 No Content||"),
            (304, &with_length, false, true, "HTTP/1.1 304 Not Modified|content-length: 5||"),
            (103, &[("link", "</a>")], false, false, "HTTP/1.1 103 |link: </a>||"),
            (599, &[], false, true, "HTTP/1.1 599 |content-length: 0||"),
            (200, &grpc, false, false, "HTTP/1.1 200 OK|content-type: application/grpc|transfer-encoding: chunked||"),
            (
                200,
                &grpc[..1],
                false,
                true,
                "HTTP/1.1 200 OK|content-type: application/grpc|transfer-encoding: chunked||",
            ),
        ] {
            assert_eq!(text(status, fields, to_head, is_over, None), expected);
        }
    }

    #[test]
    fn grpc_web_is_told_its_own_content_type() {
        let answer = text(200, &[("content-type", "application/grpc+proto")], false, false, Some(Form::Text));
        assert_eq!(
            answer,
            "HTTP/1.1 200 OK|content-type: application/grpc-web-text+proto|transfer-encoding: chunked||"
        );
    }
}
