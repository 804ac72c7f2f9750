//! A request's head (RFC 9112 3, RFC 9110), rule by rule; all broken rules are found, not only the first.

use ringway::proto::h1::parse::HeadLimits;
use ringway::proto::head::{RequestBody, TargetForm};
use ringway::words::fault::Kind;

use super::Model;
use super::authority::is_authority;
use super::fields::{self, Connection, Cut, Field, Framing, is, is_token, members, values};

/// What a good head says. Slices are of the input.
#[derive(PartialEq, Eq, Debug)]
pub struct Request<'b> {
    pub method: &'b [u8],
    pub form: TargetForm,
    pub path: &'b [u8],
    pub query: Option<&'b [u8]>,
    pub host: Option<&'b [u8]>,
    pub is_11: bool,
    pub fields: Vec<Field<'b>>,
    pub body: RequestBody,
    pub length: Option<u64>,
    pub is_persistent: bool,
    pub expects_continue: bool,
    pub accepts_trailers: bool,
    pub asks_upgrade: bool,
    pub bytes: usize,
}

/// A request target by its parts.
struct Target<'b> {
    form: TargetForm,
    authority: Option<&'b [u8]>,
    path: &'b [u8],
    query: Option<&'b [u8]>,
}

/// Longest method.
const METHOD_BYTES: usize = 32;
/// Empty lines before the request line.
const BLANK_LINES: usize = 4;

/// Reads the head that `wire` begins with.
pub fn request<'b>(wire: &'b [u8], limits: &HeadLimits) -> Model<Request<'b>> {
    let window = &wire[..wire.len().min(limits.bytes)];
    let Ok(start) = blank_lines(window) else { return Model::Bad(vec![Kind::BadRequest]) };
    let (lines, length) = match fields::cut(&window[start..]) {
        Cut::Whole(lines, length) => (lines, length),
        Cut::Broken => return Model::Bad(any_kind()),
        Cut::Open if window.len() == limits.bytes => return Model::Bad(any_kind()),
        Cut::Open => return Model::Open,
    };
    let mut broken = Vec::new();
    let Some((method, target, is_11)) = request_line(lines[0], limits, &mut broken) else {
        // What is wrong with the other lines may be found first.
        broken.extend([Kind::BadRequest, Kind::HeadTooLarge]);
        return Model::Bad(broken);
    };
    let (fields, connection) = fields::read(&lines[1..], &mut broken);
    let is_too_long = lines.len() - 1 > limits.lines;
    if is_too_long || !broken.is_empty() && fields::may_be_too_many(&window[start..start + length], limits.lines) {
        broken.push(Kind::HeadTooLarge);
    }
    let host = host(&fields, target.authority, is_11, &mut broken);
    let framing = fields::framing(&fields, is_11).unwrap_or_else(|kind| {
        broken.push(kind);
        Framing::Nothing
    });
    if values(&fields, "expect").any(|value| !is(value, "100-continue")) {
        broken.push(Kind::ExpectationFailed);
    }
    if !broken.is_empty() {
        return Model::Bad(broken);
    }
    let head = Head { method, target, is_11, host, bytes: start + length };
    Model::Good(semantics(head, fields, &connection, framing))
}

/// What is known before the fields are judged.
struct Head<'b> {
    method: &'b [u8],
    target: Target<'b>,
    is_11: bool,
    host: Option<&'b [u8]>,
    bytes: usize,
}

fn semantics<'b>(head: Head<'b>, fields: Vec<Field<'b>>, connection: &Connection, framing: Framing) -> Request<'b> {
    let is_11 = head.is_11;
    let (body, length) = match framing {
        Framing::Nothing => (RequestBody::None, None),
        Framing::Length(0) => (RequestBody::None, Some(0)),
        Framing::Length(length) => (RequestBody::Length(length), Some(length)),
        Framing::Chunked => (RequestBody::Chunked, None),
    };
    let protocols: Vec<&[u8]> = members(&fields, "upgrade").collect();
    let is_upgrade = connection.upgrade && !protocols.is_empty() && !protocols.iter().any(|name| is(name, "h2c"));
    Request {
        method: head.method,
        form: head.target.form,
        path: head.target.path,
        query: head.target.query,
        host: head.host,
        is_11,
        body,
        length,
        is_persistent: !connection.close && (is_11 || connection.keep_alive),
        expects_continue: is_11 && body != RequestBody::None && values(&fields, "expect").next().is_some(),
        accepts_trailers: is_11 && members(&fields, "te").any(|member| is(member, "trailers")),
        asks_upgrade: is_11 && body == RequestBody::None && is_upgrade,
        bytes: head.bytes,
        fields,
    }
}

/// Where the request line begins. Unfinished empty lines are left to it.
fn blank_lines(window: &[u8]) -> Result<usize, ()> {
    let mut start = 0;
    while window[start..].starts_with(b"\r\n") && start < 2 * BLANK_LINES {
        start += 2;
    }
    match &window[start..] {
        [b'\r'] if start < 2 * BLANK_LINES => Ok(start),
        [b'\r' | b'\n', ..] => Err(()),
        _ => Ok(start),
    }
}

/// All that a head without an end may be refused for: a reader that takes a bare LF for a line end may have read more
/// of it than is there by the rules.
fn any_kind() -> Vec<Kind> {
    vec![
        Kind::BadRequest,
        Kind::BadTarget,
        Kind::BadHost,
        Kind::BadFraming,
        Kind::NotImplemented,
        Kind::TargetTooLong,
        Kind::VersionNotSupported,
        Kind::ExpectationFailed,
        Kind::HeadTooLarge,
    ]
}

/// Method, target, and whether the version is 1.1; `None` when the target is not known well enough to go on.
fn request_line<'b>(
    line: &'b [u8], limits: &HeadLimits, broken: &mut Vec<Kind>,
) -> Option<(&'b [u8], Target<'b>, bool)> {
    let words: Vec<&[u8]> = line.splitn(3, |byte| *byte == b' ').collect();
    let letters = line.iter().position(|byte| !is_token(&[*byte])).unwrap_or(line.len());
    let method = words[0];
    if !is_token(method) {
        broken.push(Kind::BadRequest);
    }
    if letters > METHOD_BYTES || method == b"CONNECT" {
        broken.push(Kind::NotImplemented);
    }
    let [_, target, version] = words[..] else {
        let long = words.get(1).is_some_and(|target| target.len() > limits.target_bytes);
        broken.extend([Kind::BadTarget, Kind::BadRequest]);
        broken.extend(long.then_some(Kind::TargetTooLong));
        return None;
    };
    if target.len() > limits.target_bytes {
        broken.push(Kind::TargetTooLong);
    }
    match version {
        b"HTTP/1.0" | b"HTTP/1.1" => {}
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor, rest @ ..]
            if major.is_ascii_digit() && minor.is_ascii_digit() && matches!(rest, [] | [b'\r', ..]) =>
        {
            broken.push(Kind::VersionNotSupported);
            broken.extend((!rest.is_empty()).then_some(Kind::BadRequest));
        }
        _ => broken.push(Kind::BadRequest),
    }
    let is_clean = target.iter().all(|byte| *byte > b' ' && *byte != 0x7f) && std::str::from_utf8(target).is_ok();
    let target = take_apart(target, method, broken).filter(|_| is_clean);
    if target.is_none() {
        broken.push(Kind::BadTarget);
    }
    Some((method, target?, version == b"HTTP/1.1"))
}

/// RFC 9112 3.2.
fn take_apart<'b>(target: &'b [u8], method: &[u8], broken: &mut Vec<Kind>) -> Option<Target<'b>> {
    if target == b"*" && method == b"OPTIONS" {
        return Some(Target { form: TargetForm::Asterisk, authority: None, path: target, query: None });
    }
    if target.contains(&b'#') {
        broken.push(Kind::BadTarget);
    }
    let (form, authority, rest) = if target.first() == Some(&b'/') {
        (TargetForm::Origin, None, target)
    } else {
        let lower = target.to_ascii_lowercase();
        let scheme = ["http://", "https://"].into_iter().find(|scheme| lower.starts_with(scheme.as_bytes()))?;
        let rest = &target[scheme.len()..];
        let end = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
        let authority = &rest[..end];
        if authority.is_empty() || authority.contains(&b'@') {
            broken.push(Kind::BadTarget);
        }
        if !is_authority(authority) {
            broken.push(Kind::BadHost);
        }
        (TargetForm::Absolute, Some(authority), &rest[end..])
    };
    let question = rest.iter().position(|byte| *byte == b'?');
    let path = &rest[..question.unwrap_or(rest.len())];
    Some(Target { form, authority, path, query: question.map(|at| &rest[at + 1..]) })
}

/// RFC 9112 3.2 and 3.2.2.
fn host<'b>(
    fields: &[Field<'b>], authority: Option<&'b [u8]>, is_11: bool, broken: &mut Vec<Kind>,
) -> Option<&'b [u8]> {
    let hosts: Vec<&[u8]> = values(fields, "host").collect();
    match hosts[..] {
        [] if is_11 => broken.push(Kind::BadHost),
        [] => {}
        [host] if is_authority(host) => {}
        _ => broken.push(Kind::BadHost),
    }
    authority.or(hosts.first().copied())
}
