//! Rewriting: the target that goes upstream, and the `Location` of a redirect.
//!
//! Whatever a request puts into a template stays data: in a path a captured segment stays one segment, in a query it
//! stays one value. What comes out is checked again, because a template can build what none of its parts is: a dot
//! segment, for one. Not here: field edits (`outgoing`), and which rewrites a configuration may ask for (`plan`).

use std::io::Write;

use crate::plan::router::Captures;
use crate::plan::template::{Piece, Template, Variable};
use crate::plan::{HostRewrite, PathRewrite, Redirect, Rewrite};
use crate::proto::path;
use crate::words::fault::{Fault, Kind, Stage};

/// How a template's other variables are filled in, raw.
pub type Fill<'a> = dyn Fn(Variable, &mut Vec<u8>) + 'a;

/// What the request asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The canonical path, or `*`.
    pub path: &'a [u8],
    /// The query without `?`, as the parser let it through: no control byte, no space, no `#`.
    pub query: Option<&'a [u8]>,
    /// The winner's path parameters.
    pub captures: &'a Captures,
}

/// How the client reached this gateway.
#[derive(Clone, Copy, Debug)]
pub struct Reached<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host without port, IPv6 in brackets; empty when the request (HTTP/1.0) named none.
    pub host: &'a [u8],
    /// The port it named; `None` is the scheme's default.
    pub port: Option<u16>,
}

/// Appends the target for the upstream: path, then `?` and query. `*` names the server, not a path: it stays.
///
/// # Errors
/// The request made a path or query that may not go out (400), or the configuration alone did (500); `out` is then
/// to be thrown away.
pub fn target(rewrite: &Rewrite, asked: &Asked<'_>, fill: &Fill<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let writer = Writer { asked, fill, stage: Stage::Forward };
    writer.path(rewrite.path.as_ref(), out)?;
    match (&rewrite.query, asked.query) {
        (Some(template), _) => writer.query(template, out)?,
        (None, Some(query)) => {
            out.push(b'?');
            out.extend_from_slice(query);
        }
        (None, None) => {}
    }
    Ok(())
}

/// What Host says upstream: `client` is the request's own, `endpoint` the chosen endpoint's authority.
#[must_use]
pub fn authority<'a>(rewrite: &'a HostRewrite, client: &'a [u8], endpoint: &'a str) -> &'a [u8] {
    match rewrite {
        HostRewrite::Preserve => client,
        HostRewrite::Upstream => endpoint.as_bytes(),
        HostRewrite::Literal(host) => host.as_bytes(),
    }
}

/// Appends the value of `Location`: an absolute URI (a path alone that begins with `//` would name another host),
/// without the scheme's default port. A new scheme brings its default port unless the redirect names one.
///
/// # Errors
/// As for [`target`]; and 400 when neither the redirect nor the request names a host.
pub fn location(
    redirect: &Redirect, asked: &Asked<'_>, reached: &Reached<'_>, fill: &Fill<'_>, out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let host = redirect.host.as_deref().map_or(reached.host, str::as_bytes);
    if host.is_empty() || !host.iter().all(|byte| is_host_byte(*byte)) {
        return Err(Fault::new(Kind::BadHost, Stage::Respond, "no host to redirect to"));
    }
    let scheme = redirect.scheme.as_deref().unwrap_or(reached.scheme);
    let kept_port = if redirect.scheme.is_some() { None } else { reached.port };
    out.extend_from_slice(scheme.as_bytes());
    out.extend_from_slice(b"://");
    out.extend_from_slice(host);
    if let Some(port) = redirect.port.or(kept_port).filter(|port| *port != default_port(scheme)) {
        write!(out, ":{port}").expect("writing to a vector cannot fail");
    }
    let writer = Writer { asked, fill, stage: Stage::Respond };
    if asked.path != b"*" {
        writer.path(redirect.path.as_ref(), out)?;
    }
    match (&redirect.query, asked.query) {
        (Some(template), _) => writer.query(template, out)?,
        (None, Some(query)) => {
            out.push(b'?');
            write_encoded(query, out);
        }
        (None, None) => {}
    }
    Ok(())
}

fn default_port(scheme: &str) -> u16 {
    if scheme == "https" { 443 } else { 80 }
}

const fn is_host_byte(byte: u8) -> bool {
    path::is_unreserved(byte) || matches!(byte, b':' | b'[' | b']')
}

/// The part of a target that a template makes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Path,
    Query,
}

/// Writes the parts of one request's new target.
struct Writer<'a> {
    asked: &'a Asked<'a>,
    fill: &'a Fill<'a>,
    /// Where a fault happens.
    stage: Stage,
}

impl Writer<'_> {
    /// Appends the new path, canonical.
    fn path(&self, rewrite: Option<&PathRewrite>, out: &mut Vec<u8>) -> Result<(), Fault> {
        let start = out.len();
        let asked = self.asked.path;
        match rewrite.filter(|_| asked != b"*") {
            None => {
                out.extend_from_slice(asked);
                return Ok(());
            }
            Some(PathRewrite::Prefix { segments, with }) => replace_prefix(*segments, with, asked, out),
            Some(PathRewrite::Template(template)) => self.render(template, Place::Path, out),
        }
        if path::is_canonical(&out[start..]) {
            return Ok(());
        }
        let is_constant = !matches!(rewrite, Some(PathRewrite::Template(template)) if has_variables(template));
        Err(self.refusal(is_constant, "the rewritten path is not canonical"))
    }

    /// Appends `?` and the rendered query; nothing when it comes out empty.
    fn query(&self, template: &Template, out: &mut Vec<u8>) -> Result<(), Fault> {
        let start = out.len();
        out.push(b'?');
        self.render(template, Place::Query, out);
        if out.len() == start + 1 {
            out.truncate(start);
        }
        if out[start..].iter().all(|byte| is_query_byte(*byte)) {
            return Ok(());
        }
        Err(self.refusal(!has_variables(template), "the rewritten query has a byte that no query has"))
    }

    /// What a configuration does by itself is not the client's fault.
    fn refusal(&self, is_constant: bool, detail: &'static str) -> Fault {
        Fault::new(if is_constant { Kind::Internal } else { Kind::BadTarget }, self.stage, detail)
    }

    fn render(&self, template: &Template, place: Place, out: &mut Vec<u8>) {
        template.render(out, |variable, out| self.substitute(variable, place, out));
    }

    /// Writes one variable so that it stays data. Canonical segments go into a path as they are: they hold no delimiter
    /// of a path. A query has more delimiters (`&`, `=`, `+`, `;`): there all but unreserved characters are encoded.
    fn substitute(&self, variable: Variable, place: Place, out: &mut Vec<u8>) {
        let asked = self.asked;
        match (variable, place) {
            (Variable::RequestPath, Place::Path) => out.extend_from_slice(asked.path),
            (Variable::RequestPath, Place::Query) => recode(asked.path, out),
            (Variable::RequestQuery, Place::Path) => recode(asked.query.unwrap_or_default(), out),
            (Variable::RequestQuery, Place::Query) => write_encoded(asked.query.unwrap_or_default(), out),
            (Variable::Capture(index), place) => {
                let value = asked.captures.get(usize::from(index), asked.path).unwrap_or_default();
                if place == Place::Path { out.extend_from_slice(value) } else { recode(value, out) }
            }
            _ => {
                let start = out.len();
                (self.fill)(variable, out);
                encode_tail(out, start);
            }
        }
    }
}

fn has_variables(template: &Template) -> bool {
    template.pieces.iter().any(|piece| matches!(piece, Piece::Variable(_)))
}

/// The slash rules of Gateway API's ReplacePrefixMatch: what stands behind the prefix keeps its slash, there is never
/// one slash too many or too few between the two, and the empty path is `/`.
fn replace_prefix(segments: usize, with: &str, path: &[u8], out: &mut Vec<u8>) {
    let ends = memchr::memchr_iter(b'/', path).skip(segments);
    let rest = ends.take(1).last().map_or(&path[path.len()..], |end| &path[end..]);
    let with = with.strip_suffix('/').unwrap_or(with);
    out.extend_from_slice(with.as_bytes());
    out.extend_from_slice(rest);
    if with.is_empty() && rest.is_empty() {
        out.push(b'/');
    }
}

/// Appends a query as it came, but for bytes that no query has: those are encoded.
fn write_encoded(query: &[u8], out: &mut Vec<u8>) {
    for byte in query {
        if is_query_byte(*byte) { out.push(*byte) } else { path::encode(*byte, out) }
    }
}

/// Visible and no fragment: nothing that could end a field line or a target.
const fn is_query_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'#'
}

/// Appends `text`, whose triplets stand for bytes, with everything but unreserved characters encoded.
fn recode(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        let triplet = path::triplet(rest);
        let byte = triplet.unwrap_or(*first);
        if path::is_unreserved(byte) {
            out.push(byte)
        } else {
            path::encode(byte, out)
        }
        rest = if triplet.is_some() { &rest[3..] } else { behind };
    }
}

/// Encodes all but unreserved characters of `out` from `start` on, in place, from the end backwards.
fn encode_tail(out: &mut Vec<u8>, start: usize) {
    let mut from = out.len();
    let encoded = out[start..].iter().filter(|byte| !path::is_unreserved(**byte)).count();
    let mut to = from + 2 * encoded;
    out.resize(to, 0);
    while from < to {
        from -= 1;
        let byte = out[from];
        if path::is_unreserved(byte) {
            to -= 1;
            out[to] = byte;
        } else {
            to -= 3;
            out[to..to + 3].copy_from_slice(&path::encoded(byte));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::router::{Outcome, Router, Subject};
    use crate::plan::{Match, On};
    use crate::words::ids::{ListenerId, RouteId};

    struct Path<'p>(&'p str);

    impl Subject for Path<'_> {
        fn listener(&self) -> ListenerId {
            ListenerId::new(0)
        }
        fn host(&self) -> &[u8] {
            b""
        }
        fn path(&self) -> &[u8] {
            self.0.as_bytes()
        }
        fn query(&self) -> Option<&[u8]> {
            None
        }
        fn method(&self) -> &[u8] {
            b"GET"
        }
        fn any_field(&self, _name: &str, _test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
            false
        }
    }

    /// The captures of `path` under `pattern`.
    fn captures(pattern: &str, path: &str) -> Captures {
        let (hosts, methods, headers, query) = Default::default();
        let path_regex = None;
        let wanted = Match {
            route: RouteId::new(0),
            on: On::All,
            hosts,
            path: pattern.to_owned(),
            path_regex,
            methods,
            headers,
            query,
        };
        match Router::compile(&[wanted]).unwrap().find(&Path(path)) {
            Outcome::Found(_, captures) => captures,
            _ => panic!("{pattern} does not match {path}"),
        }
    }

    fn template(pieces: &[Piece]) -> Template {
        Template { pieces: pieces.to_vec() }
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    const ONE: Piece = Piece::Variable(Variable::Capture(0));
    const TWO: Piece = Piece::Variable(Variable::Capture(1));

    /// Every other variable is filled with what hurts most.
    fn fill(_variable: Variable, out: &mut Vec<u8>) {
        out.extend_from_slice(b"a/b?c#d\r\n %..\xff");
    }

    fn written(rewrite: &Rewrite, pattern: &str, path: &str, query: Option<&str>) -> Result<String, Kind> {
        let captures = captures(pattern, path);
        let asked = Asked { path: path.as_bytes(), query: query.map(str::as_bytes), captures: &captures };
        let mut out = b">".to_vec();
        target(rewrite, &asked, &fill, &mut out).map_err(|fault| fault.kind)?;
        assert_eq!(out.remove(0), b'>');
        Ok(String::from_utf8(out).unwrap())
    }

    fn to_path(pieces: &[Piece]) -> Rewrite {
        Rewrite { path: Some(PathRewrite::Template(template(pieces))), ..Rewrite::default() }
    }

    fn to_query(pieces: &[Piece]) -> Rewrite {
        Rewrite { query: Some(template(pieces)), ..Rewrite::default() }
    }

    #[test]
    fn prefixes_are_replaced_without_a_slash_too_many_or_too_few() {
        for (segments, with, path, expected) in [
            (1, "/xyz", "/foo/bar", "/xyz/bar"),
            (1, "/xyz/", "/foo/bar", "/xyz/bar"),
            (1, "/xyz", "/foo", "/xyz"),
            (1, "/xyz", "/foo/", "/xyz/"),
            (1, "/", "/foo/bar", "/bar"),
            (1, "/", "/foo/", "/"),
            (1, "/", "/foo", "/"),
            (0, "/v2", "/", "/v2/"),
            (0, "/v2", "/a/b", "/v2/a/b"),
            (2, "/v2", "/a/b", "/v2"),
            (2, "/v2", "/a/b//c", "/v2//c"),
            (1, "/x/y", "/a/%2F/", "/x/y/%2F/"),
        ] {
            let rewrite =
                Rewrite { path: Some(PathRewrite::Prefix { segments, with: with.to_owned() }), ..Rewrite::default() };
            assert_eq!(written(&rewrite, "/*", path, None).as_deref(), Ok(expected), "{segments} {with} {path}");
            let kept = format!("{expected}?a=1");
            assert_eq!(written(&rewrite, "/*", path, Some("a=1")), Ok(kept), "{segments} {with} {path}");
        }
    }

    #[test]
    fn a_star_stays_a_star() {
        for rewrite in [
            Rewrite::default(),
            to_path(&[text("/a")]),
            Rewrite { path: Some(PathRewrite::Prefix { segments: 0, with: "/v2".to_owned() }), ..Rewrite::default() },
        ] {
            assert_eq!(written(&rewrite, "/*", "*", None).as_deref(), Ok("*"));
        }
    }

    #[test]
    fn captures_stay_one_segment_of_a_path_and_one_value_of_a_query() {
        let pattern = "/u/{one}/{two}/*";
        for (path, expected) in [
            ("/u/a/b/c", "/x/b/a"),
            ("/u/%2F/b%3Fc%23/", "/x/b%3Fc%23/%2F"),
            ("/u/%0D%0Aa/b;v=1&c", "/x/b;v=1&c/%0D%0Aa"),
            ("/u/.../~", "/x/~/..."),
        ] {
            assert_eq!(
                written(&to_path(&[text("/x/"), TWO, text("/"), ONE]), pattern, path, None).as_deref(),
                Ok(expected)
            );
        }
        for (path, expected) in [
            ("/u/a/b", "?a=a&b=b"),
            ("/u/a&b=2/c+d", "?a=a%26b%3D2&b=c%2Bd"),
            ("/u/%2F%20/%E2%82%AC;", "?a=%2F%20&b=%E2%82%AC%3B"),
        ] {
            let query = to_query(&[text("a="), ONE, text("&b="), TWO]);
            assert_eq!(written(&query, pattern, path, Some("old=1")), Ok(format!("{path}{expected}")));
        }
    }

    #[test]
    fn a_template_cannot_build_a_dot_segment() {
        for (pieces, path) in [
            (&[text("/."), ONE][..], "/;v"),
            (&[text("/.."), ONE], "/%3Bv"),
            (&[text("/a%2F."), ONE], "/;"),
            (&[text("/"), ONE, text("/..")], "/a"),
        ] {
            assert_eq!(written(&to_path(pieces), "/{one}", path, None), Err(Kind::BadTarget), "{path}");
        }
        assert_eq!(written(&to_path(&[text("/a/..")]), "/*", "/a", None), Err(Kind::Internal), "nobody's request");
        assert_eq!(written(&to_query(&[text("a b")]), "/*", "/a", None), Err(Kind::Internal));
    }

    #[test]
    fn other_variables_are_encoded_whatever_they_say() {
        let host = Piece::Variable(Variable::RequestHost);
        let encoded = "a%2Fb%3Fc%23d%0D%0A%20%25..%FF";
        assert_eq!(written(&to_query(std::slice::from_ref(&host)), "/*", "/", None), Ok(format!("/?{encoded}")));
        // Not UTF-8, so no path; a path of it is refused rather than sent.
        assert_eq!(written(&to_path(&[text("/"), host]), "/*", "/", None), Err(Kind::BadTarget));
        let mut out = b"/a ".to_vec();
        encode_tail(&mut out, 1);
        assert_eq!(out, b"/a%20");
    }

    #[test]
    fn the_request_path_and_query_can_be_moved_whole() {
        let (path, query) = (Piece::Variable(Variable::RequestPath), Piece::Variable(Variable::RequestQuery));
        assert_eq!(
            written(&to_path(&[text("/v2"), path.clone()]), "/*", "/a/%2F", Some("q")).as_deref(),
            Ok("/v2/a/%2F?q")
        );
        assert_eq!(
            written(&to_query(&[query.clone(), text("&x=1")]), "/*", "/", Some("a=%20\u{e9}")).as_deref(),
            Ok("/?a=%20%C3%A9&x=1")
        );
        assert_eq!(written(&to_query(&[text("p="), path]), "/*", "/a%20b", None).as_deref(), Ok("/a%20b?p=%2Fa%20b"));
        assert_eq!(
            written(&to_path(&[text("/"), query]), "/*", "/", Some("a=1/2%")).as_deref(),
            Ok("/a%3D1%2F2%25?a=1/2%")
        );
        assert_eq!(written(&to_query(&[]), "/*", "/a", Some("q")).as_deref(), Ok("/a"));
    }

    fn redirected(redirect: &Redirect, reached: &Reached<'_>, path: &str, query: Option<&str>) -> Result<String, Kind> {
        let asked = Asked { path: path.as_bytes(), query: query.map(str::as_bytes), captures: &Captures::NONE };
        let mut out = Vec::new();
        location(redirect, &asked, reached, &fill, &mut out).map_err(|fault| fault.kind)?;
        Ok(String::from_utf8(out).unwrap())
    }

    const TO_HTTPS: Redirect = Redirect { scheme: None, host: None, port: None, path: None, query: None, status: 308 };

    #[test]
    fn locations_are_absolute_and_leave_default_ports_out() {
        for (scheme, port, reached_port, expected) in [
            (Some("https"), None, Some(8080), "https://a.example/p?q=1"),
            (Some("https"), Some(443), None, "https://a.example/p?q=1"),
            (Some("https"), Some(8443), None, "https://a.example:8443/p?q=1"),
            (None, None, None, "http://a.example/p?q=1"),
            (None, None, Some(8080), "http://a.example:8080/p?q=1"),
            (None, Some(80), Some(8080), "http://a.example/p?q=1"),
            (None, Some(443), None, "http://a.example:443/p?q=1"),
        ] {
            let redirect = Redirect { scheme: scheme.map(str::to_owned), port, ..TO_HTTPS };
            let reached = Reached { scheme: "http", host: b"a.example", port: reached_port };
            assert_eq!(redirected(&redirect, &reached, "/p", Some("q=1")).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn a_location_names_the_host_it_should_or_there_is_none() {
        let reached = |host: &'static [u8]| Reached { scheme: "http", host, port: None };
        assert_eq!(
            redirected(&TO_HTTPS, &reached(b"[::1]"), "//evil.example/", None).as_deref(),
            Ok("http://[::1]//evil.example/")
        );
        assert_eq!(redirected(&TO_HTTPS, &reached(b"a"), "*", None).as_deref(), Ok("http://a"));
        assert_eq!(redirected(&TO_HTTPS, &reached(b"a"), "/", Some("\u{e9}\"")).as_deref(), Ok("http://a/?%C3%A9\""));
        for host in [&b""[..], b"a@b", b"a/b", b"a\r\nx", b"a b"] {
            assert_eq!(redirected(&TO_HTTPS, &reached(host), "/", None), Err(Kind::BadHost));
        }
        let elsewhere = Redirect { host: Some("b.example".to_owned()), ..TO_HTTPS };
        assert_eq!(redirected(&elsewhere, &reached(b""), "/a", None).as_deref(), Ok("http://b.example/a"));
    }

    #[test]
    fn host_rewrites_say_what_they_are_told() {
        let say = |rewrite: &HostRewrite| authority(rewrite, b"client:1", "10.0.0.1:80").to_vec();
        assert_eq!(say(&HostRewrite::Preserve), b"client:1");
        assert_eq!(say(&HostRewrite::Upstream), b"10.0.0.1:80");
        assert_eq!(say(&HostRewrite::Literal("x.example".to_owned())), b"x.example");
    }
}
