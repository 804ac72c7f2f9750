//! The access log: one exchange becomes one line.
//!
//! Everything a client can write ends up here, so this is an encoder first: whatever bytes it is given, a JSON line
//! parses as JSON, no field leaves its quotes, and there is exactly one line break, at the end. Lines are bounded by
//! [`LOG_LINE_BYTES`]; each field has its own share of that, measured after escaping, and longer ones are cut and end
//! in `...`.
//!
//! Not here: buffers, files and what is dropped when the writer is behind (`shell`, `control::logwriter`).

use std::net::IpAddr;
use std::time::Duration;

use crate::plan::LogFormat;
use crate::plan::template::{Piece, Template, Variable};
use crate::proto::head::Version;
use crate::words::fault::Fault;
use crate::words::limits::LOG_LINE_BYTES;
use crate::words::time::Wall;

pub mod text;

use text::{address, common_time, decimal, escape_cut, hex_escape, is_continuation, json_escape, rfc3339, seconds};

/// All that is known of one exchange when it is over. Text is borrowed, unescaped, and may be any bytes; what does not
/// apply is empty or `None`.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// When the request's head was complete.
    pub time: Wall,
    /// Request id.
    pub id: &'a [u8],
    /// Trace id: 32 hex digits.
    pub trace: &'a [u8],
    /// The client's address by `trusted_proxies`.
    pub client: IpAddr,
    /// The peer's port; `None` when a proxy spoke for the client.
    pub client_port: Option<u16>,
    /// Name of the listener.
    pub listener: &'a [u8],
    /// Host in lower case, without port.
    pub host: &'a [u8],
    /// The method; empty when the head could not be read.
    pub method: &'a [u8],
    /// The canonical path; as it came when it could not be made canonical; empty when the head could not be read.
    pub path: &'a [u8],
    /// The query without `?`; `None` when there was no `?`.
    pub query: Option<&'a [u8]>,
    /// `http` or `https`.
    pub scheme: &'a [u8],
    /// Version of the request.
    pub version: Version,
    /// Name of the route; empty when none matched.
    pub route: &'a [u8],
    /// `server.name`.
    pub server: &'a [u8],
    /// How the client's connection is protected, if it is.
    pub tls: Option<Secured<'a>>,
    /// Status sent (499: the client was gone).
    pub status: u16,
    /// Request body bytes received.
    pub bytes_in: u64,
    /// Answer body bytes sent.
    pub bytes_out: u64,
    /// From the request's head complete to the answer's last byte sent.
    pub duration: Duration,
    /// The upstream that was asked last.
    pub upstream: Option<Hop<'a>>,
    /// Times an upstream was asked.
    pub attempts: u32,
    /// What went wrong.
    pub fault: Option<Fault>,
    /// `User-Agent`; empty when absent.
    pub user_agent: &'a [u8],
    /// `Referer`; empty when absent.
    pub referer: &'a [u8],
}

/// What TLS agreed on.
#[derive(Clone, Copy, Debug)]
pub struct Secured<'a> {
    /// The version: `TLSv1.3`.
    pub version: &'static str,
    /// The suite by its registered name.
    pub suite: &'static str,
    /// The name that the client asked for; empty when it named none.
    pub server_name: &'a [u8],
}

/// The upstream's part of an exchange.
#[derive(Clone, Copy, Debug)]
pub struct Hop<'a> {
    /// Name of the upstream.
    pub name: &'a [u8],
    /// The endpoint's address; empty when none was chosen.
    pub address: &'a [u8],
    /// Status of its answer, if one came.
    pub status: Option<u16>,
    /// From the request sent to its answer's head, if one came.
    pub duration: Option<Duration>,
}

/// Appends the line of `entry`, line break included: at most [`LOG_LINE_BYTES`]. Allocates only when `out` has to grow.
pub fn write(entry: &Entry<'_>, format: &LogFormat, out: &mut Vec<u8>) {
    match format {
        LogFormat::Json => json(entry, out),
        LogFormat::Combined => combined(entry, out),
        LogFormat::Template(template) => by_template(entry, template, out),
    }
    out.push(b'\n');
}

/// Bytes that a field may take in a line, after escaping. Their sum, with names and punctuation, stays below
/// [`LOG_LINE_BYTES`]; a test holds that.
mod share {
    pub(super) const ID: usize = 64;
    pub(super) const NAME: usize = 128;
    pub(super) const METHOD: usize = 32;
    pub(super) const HOST: usize = 260;
    pub(super) const PATH: usize = 2_048;
    pub(super) const QUERY: usize = 2_048;
    pub(super) const REFERER: usize = 1_024;
    pub(super) const USER_AGENT: usize = 512;
    pub(super) const ADDRESS: usize = 128;
    pub(super) const DETAIL: usize = 128;
}

// ------------------------------------------------------------------------------------------ JSON

fn json(entry: &Entry<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"time\":\"");
    rfc3339(entry.time, out);
    out.push(b'"');
    json_request(entry, out);
    number("status", entry.status.into(), out);
    number("bytes_in", entry.bytes_in, out);
    number("bytes_out", entry.bytes_out, out);
    json_seconds("duration", entry.duration, out);
    if let Some(hop) = &entry.upstream {
        json_hop(hop, out);
    }
    number("attempts", entry.attempts.into(), out);
    if let Some(fault) = entry.fault {
        text("error", fault.kind.row().slug.as_bytes(), share::NAME, out);
        text_if("detail", fault.detail.as_bytes(), share::DETAIL, out);
    }
    text_if("user_agent", entry.user_agent, share::USER_AGENT, out);
    text_if("referer", entry.referer, share::REFERER, out);
    out.push(b'}');
}

fn json_request(entry: &Entry<'_>, out: &mut Vec<u8>) {
    text("id", entry.id, share::ID, out);
    text_if("trace", entry.trace, share::ID, out);
    key("client", out);
    out.push(b'"');
    address(entry.client, out);
    out.push(b'"');
    if let Some(port) = entry.client_port {
        number("client_port", port.into(), out);
    }
    text("listener", entry.listener, share::NAME, out);
    text_if("host", entry.host, share::HOST, out);
    text_if("method", entry.method, share::METHOD, out);
    text_if("path", entry.path, share::PATH, out);
    if let Some(query) = entry.query {
        text("query", query, share::QUERY, out);
    }
    text("protocol", protocol(entry.version), share::ID, out);
    if let Some(tls) = &entry.tls {
        text("tls", tls.version.as_bytes(), share::ID, out);
        text("tls_cipher", tls.suite.as_bytes(), share::ID, out);
        text_if("tls_server_name", tls.server_name, share::HOST, out);
    }
    text_if("route", entry.route, share::NAME, out);
}

fn json_hop(hop: &Hop<'_>, out: &mut Vec<u8>) {
    text("upstream", hop.name, share::NAME, out);
    text_if("upstream_address", hop.address, share::ADDRESS, out);
    if let Some(status) = hop.status {
        number("upstream_status", status.into(), out);
    }
    if let Some(duration) = hop.duration {
        json_seconds("upstream_duration", duration, out);
    }
}

fn key(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn number(name: &str, value: u64, out: &mut Vec<u8>) {
    key(name, out);
    decimal(value, out);
}

fn json_seconds(name: &str, value: Duration, out: &mut Vec<u8>) {
    key(name, out);
    seconds(value, out);
}

fn text(name: &str, value: &[u8], share: usize, out: &mut Vec<u8>) {
    key(name, out);
    out.push(b'"');
    escape_cut(value, share, json_escape, out);
    out.push(b'"');
}

fn text_if(name: &str, value: &[u8], share: usize, out: &mut Vec<u8>) {
    if !value.is_empty() {
        text(name, value, share, out);
    }
}

// ------------------------------------------------------------------------------------------ combined

/// `address - - [time] "request" status bytes "referer" "user agent"`, as Apache and nginx write it.
fn combined(entry: &Entry<'_>, out: &mut Vec<u8>) {
    address(entry.client, out);
    out.extend_from_slice(b" - - [");
    common_time(entry.time, out);
    out.extend_from_slice(b"] \"");
    request_line(entry, out);
    out.extend_from_slice(b"\" ");
    decimal(entry.status.into(), out);
    out.push(b' ');
    decimal(entry.bytes_out, out);
    for (value, share) in [(entry.referer, share::REFERER), (entry.user_agent, share::USER_AGENT)] {
        out.extend_from_slice(b" \"");
        escape_cut(or_dash(value), share, hex_escape, out);
        out.push(b'"');
    }
}

fn request_line(entry: &Entry<'_>, out: &mut Vec<u8>) {
    if entry.method.is_empty() {
        return out.push(b'-');
    }
    escape_cut(entry.method, share::METHOD, hex_escape, out);
    out.push(b' ');
    escape_cut(entry.path, share::PATH, hex_escape, out);
    if let Some(query) = entry.query {
        out.push(b'?');
        escape_cut(query, share::QUERY, hex_escape, out);
    }
    out.push(b' ');
    out.extend_from_slice(protocol(entry.version));
}

// ------------------------------------------------------------------------------------------ template

/// The operator's own text may be longer than a line, so this format is cut as a whole.
fn by_template(entry: &Entry<'_>, template: &Template, out: &mut Vec<u8>) {
    let line = out.len();
    for piece in &template.pieces {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
            Piece::Variable(name) => variable(entry, *name, out),
        }
        if out.len() - line >= LOG_LINE_BYTES {
            break;
        }
    }
    let mut end = out.len().min(line + LOG_LINE_BYTES - 1);
    while end < out.len() && is_continuation(out[end]) {
        end -= 1;
    }
    out.truncate(end);
}

fn variable(entry: &Entry<'_>, name: Variable, out: &mut Vec<u8>) {
    let (value, share) = match name {
        Variable::RequestId => (entry.id, share::ID),
        Variable::RequestMethod => (entry.method, share::METHOD),
        Variable::RequestScheme => (entry.scheme, share::NAME),
        Variable::RequestHost => (entry.host, share::HOST),
        Variable::RequestPath => (entry.path, share::PATH),
        Variable::RequestQuery => (entry.query.unwrap_or_default(), share::QUERY),
        Variable::RequestVersion => (protocol(entry.version), share::ID),
        Variable::TraceId => (entry.trace, share::ID),
        Variable::ServerName => (entry.server, share::NAME),
        Variable::ListenerName => (entry.listener, share::NAME),
        Variable::RouteName => (entry.route, share::NAME),
        Variable::UserAgent => (entry.user_agent, share::USER_AGENT),
        Variable::Referer => (entry.referer, share::REFERER),
        Variable::UpstreamName => (entry.upstream.map_or(&b""[..], |hop| hop.name), share::NAME),
        Variable::UpstreamAddress => (entry.upstream.map_or(&b""[..], |hop| hop.address), share::ADDRESS),
        Variable::Error => (entry.fault.map_or("", |fault| fault.kind.row().slug).as_bytes(), share::NAME),
        // A log template has no captures: the plan's compiler refuses them there.
        Variable::Capture(_) => (&b""[..], share::NAME),
        _ => return numeric(entry, name, out),
    };
    escape_cut(or_dash(value), share, hex_escape, out);
}

/// The variables that need no escaping.
fn numeric(entry: &Entry<'_>, name: Variable, out: &mut Vec<u8>) {
    match name {
        Variable::ClientIp => address(entry.client, out),
        Variable::ClientPort => decimal_or_dash(entry.client_port.map(u64::from), out),
        Variable::ResponseStatus => decimal(entry.status.into(), out),
        Variable::ResponseBytes => decimal(entry.bytes_out, out),
        Variable::RequestBytes => decimal(entry.bytes_in, out),
        Variable::Duration => seconds(entry.duration, out),
        Variable::Time => rfc3339(entry.time, out),
        Variable::Attempts => decimal(entry.attempts.into(), out),
        Variable::UpstreamStatus => decimal_or_dash(entry.upstream.and_then(|hop| hop.status).map(u64::from), out),
        Variable::UpstreamDuration => match entry.upstream.and_then(|hop| hop.duration) {
            Some(time) => seconds(time, out),
            None => out.push(b'-'),
        },
        _ => out.push(b'-'),
    }
}

const fn or_dash(value: &[u8]) -> &[u8] {
    if value.is_empty() { b"-" } else { value }
}

fn decimal_or_dash(value: Option<u64>, out: &mut Vec<u8>) {
    match value {
        Some(value) => decimal(value, out),
        None => out.push(b'-'),
    }
}

const fn protocol(version: Version) -> &'static [u8] {
    match version {
        Version::Http10 => b"HTTP/1.0",
        Version::Http11 => b"HTTP/1.1",
        Version::Http2 => b"HTTP/2.0",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::fault::{Kind, Stage};

    const PLAIN: Entry<'static> = Entry {
        time: Wall::from_nanos(1_795_444_887_042_999_999),
        id: b"0198",
        trace: b"",
        client: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)),
        client_port: Some(4711),
        listener: b"web",
        host: b"api.example.com",
        method: b"GET",
        path: b"/orders/7",
        query: Some(b"a=1"),
        scheme: b"http",
        version: Version::Http11,
        route: b"orders",
        server: b"ringway",
        tls: None,
        status: 200,
        bytes_in: 0,
        bytes_out: 512,
        duration: Duration::from_micros(1_250),
        upstream: None,
        attempts: 0,
        fault: None,
        user_agent: b"curl/8",
        referer: b"",
    };

    fn line(entry: &Entry<'_>, format: &LogFormat) -> String {
        let mut out = b"earlier line\n".to_vec();
        write(entry, format, &mut out);
        let line = String::from_utf8(out).unwrap().strip_prefix("earlier line\n").unwrap().to_owned();
        assert!(line.len() <= LOG_LINE_BYTES, "{} bytes", line.len());
        assert_eq!(line.find('\n'), Some(line.len() - 1), "one line: {line}");
        line
    }

    fn parsed(entry: &Entry<'_>) -> serde_json::Value {
        serde_json::from_str(&line(entry, &LogFormat::Json)).unwrap()
    }

    /// Every text field says `text`.
    fn everywhere(text: &[u8]) -> Entry<'_> {
        let hop = Hop { name: text, address: text, status: Some(999), duration: Some(Duration::MAX) };
        let fault = Fault::new(Kind::UpstreamHeadTooLarge, Stage::Receive, "a detail of this program");
        Entry {
            id: text,
            trace: text,
            client: IpAddr::V6(std::net::Ipv6Addr::from_bits(u128::MAX)),
            client_port: Some(u16::MAX),
            listener: text,
            host: text,
            method: text,
            path: text,
            query: Some(text),
            scheme: text,
            route: text,
            server: text,
            tls: Some(Secured {
                version: "TLSv1.3",
                suite: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
                server_name: text,
            }),
            status: u16::MAX,
            bytes_in: u64::MAX,
            bytes_out: u64::MAX,
            duration: Duration::MAX,
            upstream: Some(hop),
            attempts: u32::MAX,
            fault: Some(fault),
            user_agent: text,
            referer: text,
            ..PLAIN
        }
    }

    const TEXTS: [&str; 13] = [
        "id",
        "trace",
        "listener",
        "host",
        "method",
        "path",
        "query",
        "route",
        "upstream",
        "upstream_address",
        "user_agent",
        "referer",
        "client",
    ];

    fn template_of_all() -> LogFormat {
        use Variable as V;
        let all = [
            V::ClientIp,
            V::ClientPort,
            V::RequestId,
            V::RequestMethod,
            V::RequestScheme,
            V::RequestHost,
            V::RequestPath,
            V::RequestQuery,
            V::TraceId,
            V::ServerName,
            V::ListenerName,
            V::RouteName,
            V::Capture(0),
            V::UpstreamName,
            V::UpstreamStatus,
            V::UpstreamDuration,
            V::UpstreamAddress,
            V::ResponseStatus,
            V::ResponseBytes,
            V::RequestBytes,
            V::RequestVersion,
            V::UserAgent,
            V::Referer,
            V::Duration,
            V::Time,
            V::Attempts,
            V::Error,
        ];
        let pieces = all.into_iter().flat_map(|name| [Piece::Variable(name), Piece::Text("|".to_owned())]).collect();
        LogFormat::Template(Template { pieces })
    }

    #[test]
    fn a_json_line_says_what_is_known_and_leaves_out_what_is_not() {
        assert_eq!(
            line(&PLAIN, &LogFormat::Json),
            "{\"time\":\"2026-11-23T14:41:27.042Z\",\"id\":\"0198\",\"client\":\"192.0.2.7\",\"client_port\":4711,\
             \"listener\":\"web\",\"host\":\"api.example.com\",\"method\":\"GET\",\"path\":\"/orders/7\",\"query\":\"a=1\",\
             \"protocol\":\"HTTP/1.1\",\"route\":\"orders\",\"status\":200,\"bytes_in\":0,\"bytes_out\":512,\
             \"duration\":0.001250,\"attempts\":0,\"user_agent\":\"curl/8\"}\n"
        );
    }

    #[test]
    fn a_json_line_names_the_upstream_and_the_fault() {
        let hop = Hop { name: b"orders", address: b"10.0.0.1:80", status: None, duration: None };
        let fault = Fault::new(Kind::ConnectRefused, Stage::Forward, "refused");
        let said = parsed(&Entry { upstream: Some(hop), attempts: 2, fault: Some(fault), ..PLAIN });
        assert_eq!(said["upstream"], "orders");
        assert_eq!(said["upstream_address"], "10.0.0.1:80");
        assert_eq!(said.get("upstream_status"), None);
        assert_eq!(said["attempts"], 2);
        assert_eq!((&said["error"], &said["detail"]), (&"connection-refused".into(), &"refused".into()));
    }

    #[test]
    fn every_byte_in_every_field_gives_one_parseable_line() {
        for byte in 0..=255_u8 {
            for text in
                [vec![byte], vec![byte; 3], vec![b'a', byte, b'"'], vec![0xe2, byte, 0xa8], vec![0xf0, 0x9f, byte]]
            {
                let said = parsed(&everywhere(&text));
                for field in TEXTS {
                    assert!(said[field].is_string(), "{byte:#04x} {field}");
                }
                line(&everywhere(&text), &LogFormat::Combined);
                line(&everywhere(&text), &template_of_all());
            }
        }
    }

    #[test]
    fn text_comes_back_as_it_was() {
        for text in ["plain", "a\"b\\c\n\r\t\u{0}\u{7f}\u{85}\u{2028}\u{2029}", "Grüße, 世界 🌍"] {
            assert_eq!(parsed(&everywhere(text.as_bytes()))["path"], text);
        }
        assert_eq!(parsed(&everywhere(b"a\xff\xc3"))["path"], "a\\xff\\xc3");
    }

    #[test]
    fn no_line_is_longer_than_its_bound_whatever_is_in_it() {
        for text in ["a", "\u{0}", "\"", "世", "🌍", "ü\u{85}"] {
            let long = text.repeat(40_000);
            for cut in 0..8 {
                let entry = everywhere(&long.as_bytes()[cut.min(long.len())..]);
                let said = parsed(&entry);
                assert!(said["path"].as_str().unwrap().ends_with("..."));
                line(&entry, &LogFormat::Combined);
                line(&entry, &template_of_all());
            }
        }
    }

    #[test]
    fn a_field_that_just_fits_is_not_cut() {
        let fits = "p".repeat(share::PATH);
        assert_eq!(parsed(&Entry { path: fits.as_bytes(), ..PLAIN })["path"], fits);
        let fits = "\"".repeat(share::PATH / 2);
        assert_eq!(parsed(&Entry { path: fits.as_bytes(), ..PLAIN })["path"], fits);
        let long = "p".repeat(share::PATH + 1);
        let said = format!("{}...", "p".repeat(share::PATH - 3));
        assert_eq!(parsed(&Entry { path: long.as_bytes(), ..PLAIN })["path"], said);
    }

    #[test]
    fn combined_is_what_log_readers_know() {
        assert_eq!(
            line(&PLAIN, &LogFormat::Combined),
            "192.0.2.7 - - [23/Nov/2026:14:41:27 +0000] \"GET /orders/7?a=1 HTTP/1.1\" 200 512 \"-\" \"curl/8\"\n"
        );
        let hostile = Entry { user_agent: b"\"x\\\n\xff", ..PLAIN };
        assert!(line(&hostile, &LogFormat::Combined).ends_with("\"\\x22x\\x5C\\x0A\\xFF\"\n"));
        let unread = Entry { method: b"", path: b"", query: None, status: 400, ..PLAIN };
        assert!(line(&unread, &LogFormat::Combined).contains("] \"-\" 400 "));
    }

    #[test]
    fn a_template_fills_in_dashes_for_what_is_not_there() {
        let pieces = vec![
            Piece::Variable(Variable::ClientIp),
            Piece::Text(" says ".to_owned()),
            Piece::Variable(Variable::RequestPath),
            Piece::Text(" ".to_owned()),
            Piece::Variable(Variable::UpstreamDuration),
            Piece::Variable(Variable::Error),
            Piece::Variable(Variable::RequestId),
        ];
        let format = LogFormat::Template(Template { pieces });
        let entry = Entry { id: b"", path: b"/a b", ..PLAIN };
        assert_eq!(line(&entry, &format), "192.0.2.7 says /a b ---\n");
    }

    #[test]
    fn a_template_of_any_length_gives_a_bounded_line() {
        let format = LogFormat::Template(Template::text(&"世".repeat(LOG_LINE_BYTES)));
        let line = line(&PLAIN, &format);
        assert!(line.len() > LOG_LINE_BYTES - 4);
    }
}
