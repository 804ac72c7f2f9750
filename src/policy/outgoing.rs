//! Writes the heads that leave: the request's on its way up, the answer's on its way down.
//!
//! Unchanged field lines are copied from the receive buffer in runs; what belongs to this hop is dropped first, then
//! the gateway adds its own (RFC 9110 7.6). Nothing here decides where a message goes or how its body is framed.

use std::net::IpAddr;
use std::time::Duration;

use crate::plan::FieldEdits;
use crate::plan::template::Variable;
use crate::policy::client::{self, Client};
use crate::policy::grpc;
use crate::proto::h1::encode::push_decimal;
use crate::proto::head::{AnswerHead, Known, Line, Method, RequestBody, RequestHead, Span};

/// How a template's variables are filled in.
pub type Fill<'a> = dyn Fn(Variable, &mut Vec<u8>) + 'a;

/// A request on its way up.
pub struct Upward<'a> {
    /// The head as it came.
    pub head: &'a RequestHead,
    /// The bytes that `head` points into.
    pub bytes: &'a [u8],
    /// The target: origin-form, or `*`.
    pub target: &'a [u8],
    /// What Host says.
    pub host: &'a [u8],
    /// The gateway's pseudonym.
    pub pseudonym: &'a str,
    /// The address at the other end of the downstream connection.
    pub peer: IpAddr,
    /// Who the client is; what an untrusted peer says of that is dropped.
    pub client: &'a Client<'a>,
    /// `http` or `https`: how the client reached this gateway.
    pub scheme: &'a str,
    /// The request id.
    pub id: &'a [u8],
    /// What is left of a gRPC request's time.
    pub deadline: Option<Duration>,
    /// A `traceparent` to add; empty when the request has a good one of its own.
    pub traceparent: &'a [u8],
    /// The protocol to ask for (RFC 9110 7.8); empty for none.
    pub upgrade: &'a [u8],
    /// The route's edits.
    pub edits: &'a FieldEdits,
    /// Fills the edits' templates.
    pub fill: &'a Fill<'a>,
}

impl Upward<'_> {
    /// Appends the head to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let method = self.head.method_span.of(self.bytes);
        put(out, &[method, b" ", self.target, b" HTTP/1.1\r\nhost: ", self.host, b"\r\n"]);
        copy_lines(out, self.bytes, &self.head.lines, self.head.bytes, |line| self.keeps(line));
        self.write_framing(out);
        self.write_identity(out);
        write_edits(out, self.edits, self.fill);
        out.extend_from_slice(b"\r\n");
    }

    fn keeps(&self, line: &Line) -> bool {
        if self.deadline.is_none() && is_untouched(line, self.edits) {
            return true;
        }
        let is_ours = match line.known {
            Known::Host | Known::XRequestId | Known::XRealIp => true,
            Known::Forwarded | Known::XForwardedFor | Known::XForwardedProto | Known::XForwardedHost => true,
            Known::XForwardedOther => !self.client.is_trusted_peer,
            Known::Traceparent | Known::Tracestate => !self.traceparent.is_empty(),
            // One that goes up no more is dropped where it is used up: OPTIONS and TRACE count it down.
            Known::MaxForwards => matches!(self.head.method, Method::Options | Method::Trace),
            // RFC 9110 10.1.1: not without content, and nothing from HTTP/1.0 asks for it. A server that takes it at its
            // word would wait for a body that never comes.
            Known::Expect => !self.head.expects_continue,
            Known::Other => self.deadline.is_some() && grpc::is_timeout(line, self.bytes),
            _ => false,
        };
        // A length is framing too, but the parser has made sure that it is the only one and true.
        let passes = !line.hop || line.known == Known::ContentLength;
        passes && !is_ours && !touches(self.edits, line.name.of(self.bytes))
    }

    /// Framing is written anew, never copied (security: "re-chunk"). A length is end-to-end and was copied.
    fn write_framing(&self, out: &mut Vec<u8>) {
        if self.head.body == RequestBody::Chunked {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
        }
        if !self.upgrade.is_empty() {
            write_upgrade(out, self.upgrade);
        } else if self.head.accepts_trailers {
            // RFC 9110 10.1.4: TE is connection-specific, so it is nominated.
            out.extend_from_slice(b"te: trailers\r\nconnection: te\r\n");
        }
        if matches!(self.head.method, Method::Options | Method::Trace)
            && let Some(left) = max_forwards(self.head, self.bytes)
        {
            out.extend_from_slice(b"max-forwards: ");
            push_decimal(left.saturating_sub(1), out);
            out.extend_from_slice(b"\r\n");
        }
    }

    fn write_identity(&self, out: &mut Vec<u8>) {
        // RFC 9110 7.6.3: the version that the message was received in, not the one it leaves in.
        let version = self.head.version.number().as_bytes();
        put(out, &[b"via: ", version, b" ", self.pseudonym.as_bytes(), b"\r\nx-forwarded-for: "]);
        client::write_forwarded_for(self.peer, self.chain(Known::XForwardedFor), out);
        let scheme = self.client.scheme.unwrap_or(self.scheme);
        put(out, &[b"\r\nx-forwarded-proto: ", scheme.as_bytes()]);
        let own_host = self.head.host.map(|host| host.of(self.bytes));
        if let Some(host) = self.client.host.or(own_host) {
            put(out, &[b"\r\nx-forwarded-host: ", host]);
        }
        // A chain of RFC 7239 that a trusted peer began goes on; we do not begin a second one.
        if self.chain(Known::Forwarded).next().is_some() {
            out.extend_from_slice(b"\r\nforwarded: ");
            client::write_forwarded(self.peer, self.scheme, own_host, self.chain(Known::Forwarded), out);
        }
        if let Some(left) = self.deadline {
            put(out, &[b"\r\n", grpc::TIMEOUT, b": "]);
            grpc::write_timeout(left, out);
        }
        let label: &[u8] = if self.traceparent.is_empty() { b"" } else { b"\r\ntraceparent: " };
        put(out, &[b"\r\nx-request-id: ", self.id, label, self.traceparent, b"\r\n"]);
    }

    /// What a trusted peer says in its lines of `known`.
    fn chain(&self, known: Known) -> impl Iterator<Item = &[u8]> {
        let lines = self.head.lines.iter().filter(move |line| line.known == known && !line.hop);
        lines.filter(|_| self.client.is_trusted_peer).map(|line| line.value.of(self.bytes))
    }
}

/// Appends `parts`, one behind the other. One loop for all of them keeps the code short: on the data path the
/// instruction cache is what is short.
#[inline(never)]
fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// The digits of a status from 100 to 599.
const fn three_digits(status: u16) -> [u8; 3] {
    [b'0' + (status / 100) as u8, b'0' + (status / 10 % 10) as u8, b'0' + (status % 10) as u8]
}

/// How the body of an answer is framed on its way down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DownwardFraming {
    /// As the upstream announced it: a length, or none.
    AsAnnounced,
    /// Chunked.
    Chunked,
    /// By closing the connection.
    Close,
}

/// An answer on its way down.
pub struct Downward<'a> {
    /// The head as it came.
    pub head: &'a AnswerHead,
    /// The bytes that `head` points into.
    pub bytes: &'a [u8],
    /// How the body is framed.
    pub framing: DownwardFraming,
    /// The gateway's pseudonym.
    pub pseudonym: &'a str,
    /// The version that the answer was received in, as `Via` writes it.
    pub via: &'static str,
    /// `Date` of now, for an answer without one (RFC 9110 6.6.1).
    pub date: &'a [u8],
    /// The request id; empty leaves it out (interim answers).
    pub id: &'a [u8],
    /// What `Connection` says.
    pub connection: Connection,
    /// The protocol that the connection switches to; empty for none.
    pub upgrade: &'a [u8],
    /// The route's edits.
    pub edits: &'a FieldEdits,
    /// Fills the edits' templates.
    pub fill: &'a Fill<'a>,
}

/// What `Connection` says to the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Connection {
    /// Nothing: HTTP/1.1 keeps the connection.
    Implied,
    /// `keep-alive`, for HTTP/1.0.
    KeepAlive,
    /// `close`.
    Close,
}

impl Connection {
    /// The field line, or nothing.
    #[must_use]
    pub const fn line(self) -> &'static [u8] {
        match self {
            Self::Implied => b"",
            Self::KeepAlive => b"connection: keep-alive\r\n",
            Self::Close => b"connection: close\r\n",
        }
    }
}

impl Downward<'_> {
    /// Appends the head to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        put(out, &[b"HTTP/1.1 ", &three_digits(self.head.status), b" ", self.head.reason.of(self.bytes), b"\r\n"]);
        let mut has_date = false;
        copy_lines(out, self.bytes, &self.head.lines, self.head.bytes, |line| {
            // One that ends at this hop is none (RFC 9110 6.6.1: what is forwarded without a Date gets one).
            has_date |= line.known == Known::Date && !line.hop;
            self.keeps(line)
        });
        if self.framing == DownwardFraming::Chunked {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
        }
        if !has_date && self.head.status >= 200 {
            put(out, &[b"date: ", self.date, b"\r\n"]);
        }
        // RFC 9110 7.6.3: the version that the message was received in, not the one it leaves in.
        put(out, &[b"via: ", self.via.as_bytes(), b" ", self.pseudonym.as_bytes(), b"\r\n"]);
        if !self.id.is_empty() {
            put(out, &[b"x-request-id: ", self.id, b"\r\n"]);
        }
        out.extend_from_slice(self.connection.line());
        write_upgrade(out, self.upgrade);
        write_edits(out, self.edits, self.fill);
        out.extend_from_slice(b"\r\n");
    }

    fn keeps(&self, line: &Line) -> bool {
        if is_untouched(line, self.edits) {
            return true;
        }
        let is_ours = match line.known {
            Known::XRequestId => !self.id.is_empty(),
            // RFC 9110 8.6: neither has a body to speak of.
            Known::ContentLength => self.head.status < 200 || self.head.status == 204,
            _ => false,
        };
        let passes = !line.hop || line.known == Known::ContentLength;
        passes && !is_ours && !touches(self.edits, line.name.of(self.bytes))
    }
}

/// RFC 9110 7.8: `Upgrade` is connection-specific too, so it is nominated.
fn write_upgrade(out: &mut Vec<u8>, protocol: &[u8]) {
    if !protocol.is_empty() {
        put(out, &[b"connection: upgrade\r\nupgrade: ", protocol, b"\r\n"]);
    }
}

/// Copies the lines that `keeps` says yes to, neighbours in one piece. `head_bytes` is where the head ends, its empty
/// line included.
fn copy_lines(
    out: &mut Vec<u8>, bytes: &[u8], lines: &[Line], head_bytes: usize, mut keeps: impl FnMut(&Line) -> bool,
) {
    let mut run = Span::default();
    for (position, line) in lines.iter().enumerate() {
        if !keeps(line) {
            continue;
        }
        let end = lines.get(position + 1).map_or(head_bytes - 2, |next| next.name.start as usize);
        if run.end != line.name.start || run.is_empty() {
            out.extend_from_slice(run.of(bytes));
            run.start = line.name.start;
        }
        run.end = u32::try_from(end).expect("heads are bounded far below 4 GiB");
    }
    out.extend_from_slice(run.of(bytes));
}

/// True for a line that no rule speaks of: most lines, so this is asked first.
#[inline]
fn is_untouched(line: &Line, edits: &FieldEdits) -> bool {
    line.known == Known::Other && !line.hop && edits.remove.is_empty() && edits.set.is_empty()
}

/// True when the edits remove or replace the field `name`.
fn touches(edits: &FieldEdits, name: &[u8]) -> bool {
    if edits.remove.is_empty() && edits.set.is_empty() {
        return false;
    }
    edits
        .remove
        .iter()
        .chain(edits.set.iter().map(|(name, _)| name))
        .any(|edit| edit.as_bytes().eq_ignore_ascii_case(name))
}

fn write_edits(out: &mut Vec<u8>, edits: &FieldEdits, fill: &Fill<'_>) {
    for (name, value) in edits.set.iter().chain(&edits.add) {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        let start = out.len();
        value.render(out, fill);
        // Computed values are checked again: nothing that a client sent may end a line or hide in one.
        out[start..].iter_mut().filter(|byte| byte.is_ascii_control() && **byte != b'\t').for_each(|byte| *byte = b' ');
        out.extend_from_slice(b"\r\n");
    }
}

/// The value of a single `Max-Forwards` of digits (RFC 9110 7.6.2). Of two lines neither counts: the next reader could
/// take the other one.
#[must_use]
pub fn max_forwards(head: &RequestHead, bytes: &[u8]) -> Option<u64> {
    let mut lines = head.lines.iter().filter(|line| line.known == Known::MaxForwards);
    let (line, None) = (lines.next()?, lines.next()) else { return None };
    let digits = line.value.of(bytes);
    // The standard library's numbers may have a sign.
    std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_digit))?.parse().ok()
}
