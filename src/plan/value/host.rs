//! Hosts: patterns that routes match, and literal hosts that redirects and rewrites write.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::plan::HostRewrite;
use crate::plan::code::Code;
use crate::plan::desk::Desk;
use crate::plan::read::{Item, Value, text};
use crate::plan::shape::Shape;

/// Longest host name (RFC 1035 2.3.4).
const HOST_BYTES_MAX: usize = 253;
/// Longest label of one (RFC 1035 2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// `api.example.com`, `*.example.com`, or an IP literal; lower case, no port, no trailing dot.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct HostPattern(pub String);

impl Value for HostPattern {
    const SHAPE: Shape = Shape::Text("^(\\*\\.)?[^*/:\\s]+$|^\\[[0-9a-fA-F:.]+\\]$");

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let text = text(item, "a host", desk)?;
        let name = text.strip_prefix("*.").unwrap_or(text);
        let problem = match () {
            () if text == "*" => Some("leave \"hosts\" out to match any host"),
            () if name.contains('*') => Some("the wildcard stands only at the beginning, as in \"*.example.com\""),
            () => host_problem(name),
        };
        if let Some(hint) = problem {
            desk.complain(Code::BadHost, item.place, format!("\"{text}\" is not a host pattern")).hint(hint);
            return None;
        }
        Some(Self(text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase()))
    }
}

/// A host without a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Host(pub String);

impl Value for Host {
    const SHAPE: Shape = Shape::Text("^[^*/:\\s]+$|^\\[[0-9a-fA-F:.]+\\]$");

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let text = text(item, "a host", desk)?;
        if let Some(hint) = host_problem(text) {
            desk.complain(Code::BadHost, item.place, format!("\"{text}\" is not a host")).hint(hint);
            return None;
        }
        Some(Self(text.to_ascii_lowercase()))
    }
}

/// A host that a certificate can be for: a name, or an IP address without brackets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerName(pub String);

impl Value for ServerName {
    const SHAPE: Shape = Shape::Text("^[^*/\\s]+$");

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let text = text(item, "a host or an IP address", desk)?;
        let name = server_name(text);
        if name.is_none() {
            desk.complain(Code::BadHost, item.place, format!("\"{text}\" is nothing that a certificate is for"))
                .hint("a host or an IP address, without scheme and port");
        }
        name.map(Self)
    }
}

/// What certificates for `host` must be for: a name in lower case, or an IP address without brackets. `None` when TLS
/// knows no such name.
#[must_use]
pub fn server_name(host: &str) -> Option<String> {
    let name = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_ascii_lowercase();
    rustls::pki_types::ServerName::try_from(name.as_str()).is_ok().then_some(name)
}

/// `"preserve"`, `"upstream"`, or a literal host with or without a port.
impl Value for HostRewrite {
    const SHAPE: Shape = Shape::Any(&[Shape::Words(&["preserve", "upstream"]), Shape::Text("^[^*/\\s]+$")]);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        match text(item, "\"preserve\", \"upstream\" or a host", desk)? {
            "preserve" => Some(Self::Preserve),
            "upstream" => Some(Self::Upstream),
            text => {
                let host = split_port(text).map(|(host, _)| host);
                let hint = host.map_or(Some("a host, or host:port"), host_problem);
                if let Some(hint) = hint {
                    desk.complain(Code::BadHost, item.place, format!("\"{text}\" is not a host")).hint(hint);
                    return None;
                }
                Some(Self::Literal(text.to_ascii_lowercase()))
            }
        }
    }
}

/// Host and port of `host`, `host:port`, `[v6]` or `[v6]:port`; `None` when the port is none.
#[must_use]
pub fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let host_bytes = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (host, rest) = text.split_at(host_bytes);
    if rest.is_empty() {
        return Some((host, None));
    }
    let digits = rest.strip_prefix(':')?;
    let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|port| is_plain && *port != 0).map(|port| (host, Some(port)))
}

/// What is wrong with a host, if anything.
#[must_use]
pub fn host_problem(host: &str) -> Option<&'static str> {
    if let Some(literal) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return literal
            .parse::<Ipv6Addr>()
            .err()
            .map(|_| "an IPv6 address stands in the brackets, as in \"[2001:db8::1]\"");
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    match () {
        () if name.contains("://") => Some("only the host: no scheme and no path"),
        () if name.contains('/') => Some("only the host: no path"),
        () if name.parse::<Ipv6Addr>().is_ok() => Some("an IPv6 address stands in brackets, as in \"[2001:db8::1]\""),
        () if name.contains(':') => Some("only the host: no port"),
        () if !name.is_ascii() => {
            Some("write international names in their ASCII form, as in \"xn--bcher-kva.example\"")
        }
        () if name.is_empty() || name.len() > HOST_BYTES_MAX => Some("a host has 1 to 253 letters"),
        () if name.split('.').any(|label| label.is_empty() || label.len() > LABEL_BYTES_MAX) => {
            Some("between the dots of a host stand 1 to 63 letters")
        }
        () if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) => {
            Some("a host has letters, digits, hyphens and dots")
        }
        // 999.0.0.1 and 1.2.3 read as addresses by some and as names by others: refuse what only looks like one.
        () if name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && name.parse::<Ipv4Addr>().is_err() => {
            Some("it looks like an IPv4 address and is none")
        }
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_split_from_hosts() {
        for (text, expected) in [
            ("a", Some(("a", None))),
            ("a:80", Some(("a", Some(80)))),
            ("[::1]", Some(("[::1]", None))),
            ("[::1]:8080", Some(("[::1]", Some(8080)))),
            ("a:", None),
            ("a:0", None),
            ("a:+1", None),
            ("a:65536", None),
            ("[::1", None),
            ("[::1]x", None),
        ] {
            assert_eq!(split_port(text), expected, "{text}");
        }
    }

    #[test]
    fn hosts_are_names_or_literals() {
        for good in ["localhost", "a.b-c.example", "127.0.0.1", "[::1]", "_dmarc.example.", "a1"] {
            assert_eq!(host_problem(good), None, "{good}");
        }
        for bad in ["", ".", "a..b", "a b", "bücher.example", "a:1", "::1", "[zz]", "1.2.3", "http://a", "a/b"] {
            assert!(host_problem(bad).is_some(), "{bad}");
        }
    }
}
