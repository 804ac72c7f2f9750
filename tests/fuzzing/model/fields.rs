//! Field lines (RFC 9112 5), `Connection` (RFC 9110 7.6.1) and framing (RFC 9112 6), line by line.

use ringway::words::fault::Kind;

/// A head cut into lines.
pub enum Cut<'b> {
    /// The lines before the empty one, without their CRLF, and the bytes of it all.
    Whole(Vec<&'b [u8]>, usize),
    /// There is no empty line yet.
    Open,
    /// There is none yet, and a line ends in a bare LF already.
    Broken,
}

/// One field line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field<'b> {
    pub name: &'b [u8],
    pub value: &'b [u8],
    /// It is for this hop only.
    pub ends_here: bool,
}

/// What the fields say about the connection.
#[derive(Default, Debug)]
pub struct Connection {
    pub close: bool,
    pub keep_alive: bool,
    pub upgrade: bool,
}

/// What the fields say about the body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    Nothing,
    Length(u64),
    Chunked,
}

/// Fields that end at this hop whatever `Connection` says, `Content-Length` among them: each hop frames anew.
const HOP: [&str; 7] =
    ["connection", "content-length", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];

/// Fields that `Connection` cannot take away.
const GUARDED: [&str; 6] = ["forwarded", "host", "max-forwards", "via", "x-real-ip", "x-request-id"];

/// Cuts `bytes` at CRLF up to the first empty line.
pub fn cut(bytes: &[u8]) -> Cut<'_> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        let is_broken = (0..bytes.len()).any(|at| bytes[at] == b'\n' && (at == 0 || bytes[at - 1] != b'\r'));
        return if is_broken { Cut::Broken } else { Cut::Open };
    };
    let mut lines = Vec::new();
    let mut rest = &bytes[..end + 2];
    while let Some(at) = rest.windows(2).position(|window| window == b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    Cut::Whole(lines, end + 4)
}

/// True when a reader that takes a bare LF for a line end could find more than `limit` field lines in `head`. Such a head
/// is refused for it or for the LF, whichever is seen first.
pub fn may_be_too_many(head: &[u8], limit: usize) -> bool {
    // The start line and the empty line have one each.
    head.iter().filter(|byte| **byte == b'\n').count() > limit + 2
}

/// Reads the lines behind the first; pushes what is wrong to `broken`.
pub fn read<'b>(lines: &[&'b [u8]], broken: &mut Vec<Kind>) -> (Vec<Field<'b>>, Connection) {
    let mut fields: Vec<Field<'b>> = Vec::with_capacity(lines.len());
    for line in lines {
        match field(line) {
            Some(field) => fields.push(field),
            None => broken.push(Kind::BadRequest),
        }
    }
    let mut connection = Connection::default();
    let mut nominated: Vec<&[u8]> = Vec::new();
    for option in members(&fields, "connection") {
        match option {
            option if is(option, "close") => connection.close = true,
            option if is(option, "keep-alive") => connection.keep_alive = true,
            option if is(option, "upgrade") => connection.upgrade = true,
            option if is(option, "te") => {}
            option if !is_token(option) => broken.push(Kind::BadRequest),
            option => nominated.push(option),
        }
    }
    if nominated.len() > 16 {
        broken.push(Kind::BadRequest);
    }
    for field in &mut fields {
        let is_nominated = nominated.iter().any(|name| name.eq_ignore_ascii_case(field.name));
        field.ends_here = ends_here(field.name) || (is_nominated && !is_guarded(field.name));
    }
    (fields, connection)
}

/// RFC 9112 5: `name ":" OWS value OWS`.
pub fn field(line: &[u8]) -> Option<Field<'_>> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
    let is_good = is_token(name) && value.iter().all(|byte| is_text(*byte));
    is_good.then_some(Field { name, value, ends_here: false })
}

/// The values of all fields called `name`, in lower case.
pub fn values<'f, 'b>(fields: &'f [Field<'b>], name: &'f str) -> impl Iterator<Item = &'b [u8]> + 'f {
    fields.iter().filter(move |field| is(field.name, name)).map(|field| field.value)
}

/// The members of the list that all fields called `name` make together (RFC 9110 5.6.1).
pub fn members<'f, 'b>(fields: &'f [Field<'b>], name: &'f str) -> impl Iterator<Item = &'b [u8]> + 'f {
    values(fields, name)
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(trim)
        .filter(|member| !member.is_empty())
}

/// RFC 9112 6.3, with every ambiguity refused.
pub fn framing(fields: &[Field<'_>], is_11: bool) -> Result<Framing, Kind> {
    let lengths: Vec<&[u8]> = values(fields, "content-length").collect();
    let codings: Vec<&[u8]> = values(fields, "transfer-encoding").collect();
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Ok(Framing::Nothing),
        ([length], []) => {
            let digits = std::str::from_utf8(length).map_err(|_| Kind::BadFraming)?;
            let is_number = (1..=19).contains(&digits.len()) && digits.chars().all(|digit| digit.is_ascii_digit());
            let number = digits.parse().ok().filter(|_| is_number);
            number.map(Framing::Length).ok_or(Kind::BadFraming)
        }
        ([], [coding]) if is_11 => {
            let codings: Vec<&[u8]> = coding.split(|byte| *byte == b',').map(trim).collect();
            let chunked = codings.iter().filter(|coding| is(coding, "chunked")).count();
            let is_last = codings.last().is_some_and(|last| is(last, "chunked"));
            match chunked {
                1 if codings.len() == 1 => Ok(Framing::Chunked),
                _ if !codings.iter().all(|coding| is_token(coding)) => Err(Kind::BadFraming),
                0 => Err(Kind::NotImplemented),
                1 if is_last => Err(Kind::NotImplemented),
                _ => Err(Kind::BadFraming),
            }
        }
        _ => Err(Kind::BadFraming),
    }
}

/// Compares a name without case; `lower` is in lower case.
pub fn is(name: &[u8], lower: &str) -> bool {
    name.eq_ignore_ascii_case(lower.as_bytes())
}

/// RFC 9110 5.6.2.
pub fn is_token(bytes: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(is_letter)
}

/// RFC 9110 5.5: visible characters, space, tab, and what is beyond ASCII.
pub const fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..=0xff)
}

/// Without the optional white space of RFC 9110 5.6.3.
pub fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

fn ends_here(name: &[u8]) -> bool {
    HOP.iter().any(|hop| is(name, hop)) || is_twin(name)
}

/// A name that CGI makes the same variable of as a guarded or framing field's.
fn is_twin(name: &[u8]) -> bool {
    if !name.contains(&b'_') {
        return false;
    }
    let dashed: Vec<u8> =
        name.iter().map(|byte| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() }).collect();
    let whole = ["content-length", "transfer-encoding", "x-real-ip", "x-request-id"];
    let forwarded = dashed.strip_prefix(b"x-forwarded-").is_some_and(|rest| !rest.is_empty());
    forwarded || whole.iter().any(|whole| dashed == whole.as_bytes())
}

fn is_guarded(name: &[u8]) -> bool {
    GUARDED.iter().any(|guarded| is(name, guarded)) || is_forwarded(name)
}

/// `X-Forwarded-` and anything.
pub fn is_forwarded(name: &[u8]) -> bool {
    name.len() > 12 && is(&name[..12], "x-forwarded-")
}
