//! The answers that Ringway makes itself: faults, fixed answers and redirects. Nothing else makes error answers.
//!
//! A client learns the kind of a fault, its title and the request id; details go to the log.

use crate::policy::outgoing::Connection;
use crate::proto::grpc_web;
use crate::proto::h1::encode::push_decimal;
use crate::words::fault::{Kind, Row};

/// What every answer of ours has in common.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    /// `Date` of now.
    pub date: &'a [u8],
    /// The request id; empty when the request was not even read.
    pub id: &'a [u8],
    /// The gateway's pseudonym.
    pub pseudonym: &'a str,
    /// What `Connection` says.
    pub connection: Connection,
    /// The request was HEAD: the head says what GET would get, no body follows.
    pub is_head: bool,
}

/// The form in which a client takes an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ErrorForm {
    /// `application/problem+json` (RFC 9457).
    #[default]
    Problem,
    /// `text/html`.
    Html,
    /// `text/plain`.
    Text,
    /// The head of a gRPC answer that has nothing else ("Trailers-Only").
    Grpc(grpc_web::Kind),
}

impl ErrorForm {
    /// The status that an error of `kind` has in this form: gRPC says what went wrong in `grpc-status`.
    #[must_use]
    pub const fn status(self, kind: Kind) -> u16 {
        if matches!(self, Self::Grpc(_)) { 200 } else { kind.row().status }
    }

    /// The form for an `Accept` value: the first of our media types, by quality, that it names outright; else problem+json.
    #[must_use]
    pub fn of_accept(accept: &[u8]) -> Self {
        let mut best = (Self::Problem, 0);
        for range in accept.split(|byte| *byte == b',') {
            let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let form = match parts.next().unwrap_or_default().to_ascii_lowercase().as_slice() {
                b"application/problem+json" | b"application/json" => Self::Problem,
                b"text/html" => Self::Html,
                b"text/plain" => Self::Text,
                _ => continue,
            };
            let quality = parts.find_map(quality).unwrap_or(1000);
            if quality > best.1 {
                best = (form, quality);
            }
        }
        best.0
    }
}

/// `q=0.8` as 800; `None` for another parameter. A malformed weight counts as nothing.
fn quality(parameter: &[u8]) -> Option<u32> {
    let value = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="))?;
    let value: f32 = std::str::from_utf8(value).ok()?.parse().unwrap_or(0.0);
    Some((value.clamp(0.0, 1.0) * 1000.0) as u32)
}

/// Appends the whole answer for a fault of `kind`. `extra` are field lines with CRLF (`Allow`).
pub fn fault(out: &mut Vec<u8>, kind: Kind, frame: &Frame<'_>, form: ErrorForm, extra: &[u8]) {
    let row = kind.row();
    let mut body = Vec::with_capacity(256);
    let media = write_error(&mut body, row, frame.id, form);
    status_line(out, form.status(kind));
    line(out, "content-type", media.as_bytes());
    if let ErrorForm::Grpc(_) = form {
        grpc_status(out, kind);
    }
    // RFC 9209: the pseudonym, the error type; never where the upstream is.
    out.extend_from_slice(b"proxy-status: ");
    out.extend_from_slice(frame.pseudonym.as_bytes());
    out.extend_from_slice(b"; error=");
    out.extend_from_slice(row.token.as_bytes());
    out.extend_from_slice(b"\r\ncache-control: no-store\r\n");
    out.extend_from_slice(extra);
    finish(out, frame, Some(&body));
}

/// Appends the lines that say a fault to a gRPC client, as fields or as trailers.
pub fn grpc_status(out: &mut Vec<u8>, kind: Kind) {
    let row = kind.row();
    line_with(out, "grpc-status", |out| push_decimal(u64::from(row.grpc), out));
    // Titles are our own: nothing in them needs to be percent-encoded.
    line(out, "grpc-message", row.title.as_bytes());
}

/// Appends a fixed answer's head, and its body when that is short; true when the body is in `out`.
pub fn fixed(out: &mut Vec<u8>, status: u16, fields: &[(String, String)], body: &[u8], frame: &Frame<'_>) -> bool {
    status_line(out, status);
    for (name, value) in fields {
        line(out, name, value.as_bytes());
    }
    if matches!(status, 204 | 304) {
        finish(out, frame, None);
        return true;
    }
    let is_short = body.len() <= COPY_BYTES || frame.is_head;
    line_with(out, "content-length", |out| push_decimal(body.len() as u64, out));
    finish_head(out, frame);
    if is_short && !frame.is_head {
        out.extend_from_slice(body);
    }
    is_short
}

/// Appends a redirect to `location`.
pub fn redirect(out: &mut Vec<u8>, status: u16, location: &[u8], frame: &Frame<'_>) {
    status_line(out, status);
    line(out, "location", location);
    finish(out, frame, Some(b""));
}

/// Bodies up to this size are copied behind their head, so that one send carries both.
const COPY_BYTES: usize = 16 * 1024;

fn finish(out: &mut Vec<u8>, frame: &Frame<'_>, body: Option<&[u8]>) {
    if let Some(body) = body {
        line_with(out, "content-length", |out| push_decimal(body.len() as u64, out));
    }
    finish_head(out, frame);
    if let Some(body) = body.filter(|_| !frame.is_head) {
        out.extend_from_slice(body);
    }
}

fn finish_head(out: &mut Vec<u8>, frame: &Frame<'_>) {
    line(out, "date", frame.date);
    if !frame.id.is_empty() {
        line(out, "x-request-id", frame.id);
    }
    out.extend_from_slice(frame.connection.line());
    out.extend_from_slice(b"\r\n");
}

fn status_line(out: &mut Vec<u8>, status: u16) {
    out.extend_from_slice(b"HTTP/1.1 ");
    push_decimal(u64::from(status), out);
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    line_with(out, name, |out| out.extend_from_slice(value));
}

fn line_with(out: &mut Vec<u8>, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    value(out);
    out.extend_from_slice(b"\r\n");
}

/// Writes the body and says its media type.
fn write_error(body: &mut Vec<u8>, row: &Row, id: &[u8], form: ErrorForm) -> &'static str {
    // Titles and slugs are our own; an id is visible ASCII without quotes (checked where it is taken).
    let id = String::from_utf8_lossy(id);
    let (status, title, slug) = (row.status, row.title, row.slug);
    let (text, media) = match form {
        ErrorForm::Problem => (
            format!(
                "{{\"type\":\"tag:ringway,2026:problem/{slug}\",\"title\":\"{title}\",\"status\":{status},\
                 \"instance\":\"{id}\"}}\n"
            ),
            "application/problem+json",
        ),
        ErrorForm::Html => (
            format!(
                "<!doctype html>\n<title>{status} {title}</title>\n<h1>{status}</h1>\n<p>{title}.</p>\n\
                 <p><small>Request {id}</small></p>\n"
            ),
            "text/html; charset=utf-8",
        ),
        ErrorForm::Text => (format!("{status} {title}\nrequest {id}\n"), "text/plain; charset=utf-8"),
        ErrorForm::Grpc(grpc_web::Kind::Grpc) => (String::new(), "application/grpc"),
        ErrorForm::Grpc(grpc_web::Kind::Web(form)) => (String::new(), form.media()),
    };
    body.extend_from_slice(text.as_bytes());
    media
}

/// The reason phrase of a status (RFC 9110 15), empty for one that has none.
#[must_use]
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        418 => "I'm a teapot",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        508 => "Loop Detected",
        511 => "Network Authentication Required",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::fault::TABLE;

    const FRAME: Frame<'static> = Frame {
        date: b"Mon, 23 Nov 2026 00:00:00 GMT",
        id: b"id-1",
        pseudonym: "gw",
        connection: Connection::Close,
        is_head: false,
    };

    #[test]
    fn accept_chooses_the_form_by_quality() {
        let cases: [(&[u8], ErrorForm); 6] = [
            (b"*/*", ErrorForm::Problem),
            (b"text/html,application/xhtml+xml,*/*;q=0.8", ErrorForm::Html),
            (b"text/plain;q=0.5, application/json;q=0.4", ErrorForm::Text),
            (b"text/html;q=0.1, application/json", ErrorForm::Problem),
            (b"TEXT/HTML", ErrorForm::Html),
            (b"text/html;q=0", ErrorForm::Problem),
        ];
        for (accept, form) in cases {
            assert_eq!(ErrorForm::of_accept(accept), form, "{}", String::from_utf8_lossy(accept));
        }
    }

    #[test]
    fn every_fault_is_valid_json_that_says_its_status_and_nothing_internal() {
        for row in TABLE {
            let mut out = Vec::new();
            fault(&mut out, row.kind, &FRAME, ErrorForm::Problem, b"");
            let text = String::from_utf8(out).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let problem: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(problem["status"], row.status);
            assert_eq!(problem["instance"], "id-1");
            assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
            assert!(head.contains(&format!("proxy-status: gw; error={}", row.token)));
        }
    }

    #[test]
    fn a_grpc_client_is_told_by_fields_alone_with_status_200() {
        for row in TABLE {
            let mut out = Vec::new();
            let form = ErrorForm::Grpc(grpc_web::Kind::Web(grpc_web::Form::Text));
            fault(&mut out, row.kind, &FRAME, form, b"");
            let text = String::from_utf8(out).unwrap();
            assert!(text.starts_with("HTTP/1.1 200 OK\r\ncontent-type: application/grpc-web-text\r\n"), "{text}");
            assert!(text.contains(&format!("\r\ngrpc-status: {}\r\ngrpc-message: {}\r\n", row.grpc, row.title)));
            assert!(text.contains("\r\ncontent-length: 0\r\n") && text.ends_with("\r\n\r\n"), "{text}");
            assert!(row.title.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'%'), "{}", row.title);
        }
    }

    #[test]
    fn every_status_of_the_fault_table_that_is_sent_has_a_reason() {
        for row in TABLE.iter().filter(|row| row.status != 499) {
            assert!(!reason(row.status).is_empty(), "{}", row.status);
        }
    }
}
