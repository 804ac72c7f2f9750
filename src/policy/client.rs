//! Who the client is, when proxies stand between it and us; and what we say about it ourselves.
//!
//! Only a peer in the listener's `trusted_proxies` may speak for a client. The hops it lists are walked from the right,
//! that is from the nearest, for as long as each is trusted itself; the first that is not is the client. Everything
//! left of it was said by the client and means nothing. A malformed element ends the walk at the hop that reported it.
//!
//! `X-Forwarded-For` decides where there is one, else `Forwarded` (RFC 7239). Not the other way round: nearly every
//! proxy writes the former and passes the latter through, so that a client could name itself anything in it. A proxy
//! that writes `Forwarded` alone has to remove `X-Forwarded-For`.
//!
//! Not here: PROXY protocol, rules about addresses, and copying other fields (`outgoing`).

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::plan::cidr::CidrSet;
use crate::proto::authority;
use crate::proto::h1::encode::push_address;
use crate::proto::head::Known;

/// The client, as far as trusted hops tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Client<'a> {
    /// Its address; v4-mapped addresses are v4.
    pub address: IpAddr,
    /// The peer may speak for clients. If not, its `Forwarded`, `X-Forwarded-*` and `X-Real-IP` are to be dropped.
    pub is_trusted_peer: bool,
    /// The address was told by a proxy; the client's port is then unknown.
    pub is_told: bool,
    /// How the client reached the first trusted hop, if told: `http` or `https`.
    pub scheme: Option<&'static str>,
    /// The host it asked for there, with port, if told.
    pub host: Option<&'a [u8]>,
}

/// Finds the client of a request from `peer`. `lines` are its field lines in order, without those that belong to the
/// hop: a client may not take a proxy's word away by nominating it in `Connection`.
#[must_use]
pub fn identify<'a, I>(peer: IpAddr, trusted: &CidrSet, lines: I) -> Client<'a>
where
    I: DoubleEndedIterator<Item = (Known, &'a [u8])> + Clone,
{
    let address = peer.to_canonical();
    let mut client =
        Client { address, is_trusted_peer: trusted.contains(address), is_told: false, scheme: None, host: None };
    if !client.is_trusted_peer {
        return client;
    }
    let of = |known| lines.clone().filter(move |line| line.0 == known).map(|line| line.1);
    if of(Known::XForwardedFor).next().is_none() && of(Known::Forwarded).next().is_some() {
        client.walk(trusted, of(Known::Forwarded).rev().flat_map(|line| Elements { rest: Some(line) }).map(element));
        return client;
    }
    client.walk(trusted, of(Known::XForwardedFor).rev().flat_map(|line| Elements { rest: Some(line) }).map(bare));
    // One value each, so only as good as being alone.
    client.scheme = only(of(Known::XForwardedProto)).and_then(scheme);
    client.host = only(of(Known::XForwardedHost)).filter(|host| is_authority(host));
    client
}

/// Appends the value of our own `X-Forwarded-For`: the chain as a trusted peer told it, then the peer.
pub fn write_forwarded_for<'a>(peer: IpAddr, chain: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    write_chain(chain, out);
    push_address(peer, out);
}

/// Appends the value of our own `Forwarded`: the chain as a trusted peer told it, then an element for the peer (RFC
/// 7239 4). `host` is the Host field of the request, checked by the parser.
pub fn write_forwarded<'a>(
    peer: IpAddr, scheme: &str, host: Option<&[u8]>, chain: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>,
) {
    write_chain(chain, out);
    match peer.to_canonical() {
        IpAddr::V4(address) => write!(out, "for={address};proto={scheme}"),
        // RFC 7239 6: colons and brackets are no token characters, so the node is quoted.
        IpAddr::V6(address) => write!(out, "for=\"[{address}]\";proto={scheme}"),
    }
    .expect("writing to a vector cannot fail");
    if let Some(host) = host.filter(|host| is_authority(host)) {
        out.extend_from_slice(b";host=\"");
        out.extend_from_slice(host);
        out.push(b'"');
    }
}

fn write_chain<'a>(chain: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    for line in chain.filter(|line| !line.is_empty()) {
        out.extend_from_slice(line);
        out.extend_from_slice(b", ");
    }
}

/// What one hop says.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Hop<'a> {
    address: Option<IpAddr>,
    scheme: Option<&'static str>,
    host: Option<&'a [u8]>,
}

impl<'a> Client<'a> {
    /// Takes what `hops`, nearest first, say. `None` is a malformed element. Each step goes one element to the left, so
    /// the header section's limit bounds the walk.
    fn walk(&mut self, trusted: &CidrSet, hops: impl Iterator<Item = Option<Hop<'a>>>) {
        for hop in hops {
            let Some(hop) = hop else { return };
            (self.scheme, self.host) = (hop.scheme, hop.host);
            let Some(address) = hop.address else { return };
            self.address = address;
            self.is_told = true;
            if !trusted.contains(address) {
                return;
            }
        }
    }
}

/// The elements of one list line from the right. Reading from the right keeps what the nearest hop appended apart
/// from what stood there before it, however malformed that is. Empty elements are skipped (RFC 9110 5.6.1.2).
#[derive(Clone)]
struct Elements<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let rest = self.rest?;
            let element = match last_comma(rest) {
                Some(comma) => {
                    self.rest = Some(&rest[..comma]);
                    &rest[comma + 1..]
                }
                None => {
                    self.rest = None;
                    rest
                }
            };
            if !element.trim_ascii().is_empty() {
                return Some(element.trim_ascii());
            }
        }
    }
}

/// The last comma outside of quotes, read from the end: a quote there closes a string, and the next one to its left
/// that is not escaped opens it.
fn last_comma(text: &[u8]) -> Option<usize> {
    let mut is_quoted = false;
    for (position, byte) in text.iter().enumerate().rev() {
        match byte {
            b',' if !is_quoted => return Some(position),
            b'"' if !is_quoted => is_quoted = true,
            b'"' => is_quoted = text[..position].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1,
            _ => {}
        }
    }
    None
}

/// An element of `X-Forwarded-For`: an address, by some proxies with port.
fn bare(element: &[u8]) -> Option<Hop<'_>> {
    Some(Hop { address: Some(node(element)?), ..Hop::default() })
}

/// An element of `Forwarded` (RFC 7239 4): parameters, each at most once.
fn element(element: &[u8]) -> Option<Hop<'_>> {
    let mut hop = Hop::default();
    let mut seen: [Option<&[u8]>; 4] = [None; 4];
    let mut rest = element;
    while !rest.is_empty() {
        let (name, value, behind) = parameter(rest)?;
        rest = behind;
        let names: [&[u8]; 4] = [b"for", b"by", b"proto", b"host"];
        let Some(known) = names.iter().position(|own| own.eq_ignore_ascii_case(name)) else { continue };
        if seen[known].replace(value).is_some() {
            return None;
        }
    }
    // `unknown` and obfuscated nodes (RFC 7239 6.2, 6.3) are well-formed and tell no address.
    if let Some(value) = seen[0].filter(|value| !is_nameless(value)) {
        hop.address = Some(node(value)?);
    }
    hop.scheme = seen[2].and_then(scheme);
    hop.host = seen[3].filter(|host| is_authority(host));
    Some(hop)
}

/// The parameter at the beginning of `text`: name, value without its quotes, and what stands behind its semicolon.
fn parameter(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let equals = memchr::memchr(b'=', text)?;
    let name = text[..equals].trim_ascii();
    let is_token = !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    let (value, behind) = match &text[equals + 1..] {
        // A value with an escape in it is none that we could use: addresses and hosts have no such characters.
        [b'"', quoted @ ..] => quoted.split_at_checked(memchr::memchr2(b'"', b'\\', quoted)?)?,
        plain => plain.split_at_checked(memchr::memchr(b';', plain).unwrap_or(plain.len()))?,
    };
    let behind = match behind {
        [b'"', behind @ ..] => behind.trim_ascii_start(),
        [b'\\', ..] => return None,
        behind => behind,
    };
    let behind = match behind {
        [] => behind,
        [b';', behind @ ..] => behind.trim_ascii_start(),
        _ => return None,
    };
    let value = value.trim_ascii_end();
    // RFC 9110 5.6.4: a quoted string may have white space in it, a token may not.
    let is_quoted = text[equals + 1..].starts_with(b"\"");
    let is_text = |byte: &u8| byte.is_ascii_graphic() || (is_quoted && matches!(byte, b' ' | b'\t'));
    let is_sound = is_token && value.iter().all(|byte| is_text(byte) && *byte != b'"');
    is_sound.then_some((name, value, behind))
}

fn is_nameless(node: &[u8]) -> bool {
    let name = memchr::memchr(b':', node).map_or(node, |colon| &node[..colon]);
    let is_obfuscated = matches!(name, [b'_', rest @ ..] if !rest.is_empty()
        && rest.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')));
    is_obfuscated || name.eq_ignore_ascii_case(b"unknown")
}

/// An address with an optional port (RFC 7239 6, and read generously: without its quotes too): `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]`, `[2001:db8::1]:80`, and the bare
/// `2001:db8::1` of `X-Forwarded-For`.
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?;
    let address = match text.strip_prefix('[') {
        Some(literal) => {
            let (address, port) = literal.split_once(']')?;
            is_port(port).then(|| address.parse::<Ipv6Addr>().ok()).flatten()?.into()
        }
        None => match text.split_once(':') {
            Some((address, port)) if !port.contains(':') => {
                is_port(&text[address.len()..]).then(|| address.parse::<Ipv4Addr>().ok()).flatten()?.into()
            }
            _ => text.parse::<IpAddr>().ok()?,
        },
    };
    Some(address.to_canonical())
}

/// Empty, or a colon and a port; RFC 7239 6 lets the port be obfuscated.
fn is_port(text: &str) -> bool {
    let is_obfuscated = |port: &str| {
        let rest = port.strip_prefix('_').unwrap_or_default();
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let is_number = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| is_number(port) || is_obfuscated(port))
}

fn scheme(value: &[u8]) -> Option<&'static str> {
    ["http", "https"].into_iter().find(|scheme| scheme.as_bytes().eq_ignore_ascii_case(value))
}

fn is_authority(value: &[u8]) -> bool {
    authority::check(value).is_ok()
}

/// The only line, if there is exactly one.
fn only<'a>(mut lines: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let only = lines.next()?;
    lines.next().is_none().then_some(only)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn trusted() -> CidrSet {
        CidrSet::new(vec![("10.0.0.0".parse().unwrap(), 8), ("2001:db8::".parse().unwrap(), 32)])
    }

    fn client<'a>(peer: &str, lines: &'a [(Known, &'a str)]) -> Client<'a> {
        let lines = lines.iter().map(|(known, value)| (*known, value.as_bytes()));
        identify(peer.parse().unwrap(), &trusted(), lines)
    }

    fn address(lines: &[(Known, &str)]) -> String {
        client(PROXY, lines).address.to_string()
    }

    const XFF: Known = Known::XForwardedFor;
    const FORWARDED: Known = Known::Forwarded;

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_says() {
        let lines =
            [(XFF, "1.1.1.1"), (FORWARDED, "for=2.2.2.2;proto=https;host=x"), (Known::XForwardedProto, "https")];
        let found = client("192.0.2.9", &lines);
        let address = "192.0.2.9".parse().unwrap();
        assert_eq!(found, Client { address, is_trusted_peer: false, is_told: false, scheme: None, host: None });
    }

    #[test]
    fn hops_are_walked_from_the_right_while_they_are_trusted() {
        for (value, expected) in [
            ("1.1.1.1", "1.1.1.1"),
            ("6.6.6.6, 1.1.1.1", "1.1.1.1"),
            ("6.6.6.6, 1.1.1.1, 10.0.0.2, 10.0.0.3", "1.1.1.1"),
            ("10.0.0.9, 10.0.0.2", "10.0.0.9"),
            ("2001:db8:9::1 , ::ffff:10.0.0.2", "2001:db8:9::1"),
            ("2001:db9::1,10.0.0.2", "2001:db9::1"),
            ("[2001:db9::1]:443", "2001:db9::1"),
            ("1.1.1.1:5555, ,", "1.1.1.1"),
            ("", PROXY),
            (" , ,", PROXY),
        ] {
            assert_eq!(address(&[(XFF, value)]), expected, "{value}");
        }
        assert_eq!(address(&[(XFF, "6.6.6.6, 1.1.1.1"), (XFF, "10.0.0.2")]), "1.1.1.1", "later lines are nearer");
        assert_eq!(address(&[]), PROXY);
    }

    #[test]
    fn a_malformed_element_ends_the_walk_where_it_stands() {
        for value in [
            "1.1.1.1, evil",
            "1.1.1.1, unknown",
            "1.1.1.1,10.0.0.2.3",
            "1.1.1.1, 1.1.1.1:99999",
            "1.1.1.1, [::1",
            "1.1.1.1 10.0.0.2",
        ] {
            assert_eq!(address(&[(XFF, value)]), PROXY, "{value}");
            assert_eq!(address(&[(XFF, &format!("{value}, 10.0.0.7"))]), "10.0.0.7", "{value}");
        }
    }

    #[test]
    fn forwarded_elements_are_read_as_their_rfc_has_them() {
        for (value, expected) in [
            ("for=1.1.1.1", "1.1.1.1"),
            ("For=\"1.1.1.1:80\";proto=http", "1.1.1.1"),
            ("for=\"[2001:db9::1]:_x\"", "2001:db9::1"),
            ("for=6.6.6.6, by=10.0.0.1; for=1.1.1.1", "1.1.1.1"),
            ("for=1.1.1.1;ext=\"a,b;c\", for=10.0.0.5", "1.1.1.1"),
            ("for=6.6.6.6, for=1.1.1.1;ext=\"two words, for=10.0.0.9\"", "1.1.1.1"),
            ("for=6.6.6.6, for=\"1.1.1.1 2\"", PROXY),
            ("for=6.6.6.6, for=1.1.1.1 2", PROXY),
            ("for=6.6.6.6,for=unknown", PROXY),
            ("for=6.6.6.6,for=_hidden", PROXY),
            ("for=6.6.6.6,for=_hidden:80", PROXY),
            ("for=6.6.6.6,proto=https", PROXY),
            ("for=6.6.6.6, for=1.1.1.1;for=2.2.2.2", PROXY),
            ("for=2001:db9::1", "2001:db9::1"),
            ("for=6.6.6.6, for=\"1.1.1.1", PROXY),
            ("for=6.6.6.6, for=\"1.1.1.\\1\"", PROXY),
            ("for=6.6.6.6, for", PROXY),
            ("for=6.6.6.6, for=\"1.1.1.1\"x", PROXY),
            ("for=\"6.6.6.6, for=1.1.1.1", "1.1.1.1"),
            ("x=\"\\\", for=1.1.1.1", "1.1.1.1"),
        ] {
            assert_eq!(address(&[(FORWARDED, value)]), expected, "{value}");
        }
        assert_eq!(address(&[(FORWARDED, "for=6.6.6.6"), (XFF, "1.1.1.1")]), "1.1.1.1", "X-Forwarded-For decides");
    }

    #[test]
    fn scheme_and_host_come_from_the_hop_nearest_to_the_client() {
        let lines = [(
            FORWARDED,
            "for=9.9.9.9;host=spoof;proto=http, for=1.1.1.1;proto=HTTPS;host=\"a.example:8443\", for=10.0.0.4;proto=http;host=inner",
        )];
        let found = client(PROXY, &lines);
        assert_eq!((found.scheme, found.host), (Some("https"), Some(&b"a.example:8443"[..])));
        let lines = [(XFF, "1.1.1.1"), (Known::XForwardedProto, "https"), (Known::XForwardedHost, "a.example")];
        let found = client(PROXY, &lines);
        assert_eq!((found.scheme, found.host), (Some("https"), Some(&b"a.example"[..])));
        for wrong in ["https, http", "gopher", ""] {
            assert_eq!(client(PROXY, &[(Known::XForwardedProto, wrong)]).scheme, None, "{wrong}");
        }
        let twice = [(Known::XForwardedHost, "a"), (Known::XForwardedHost, "b")];
        assert_eq!(client(PROXY, &twice).host, None);
        assert_eq!(client(PROXY, &[(Known::XForwardedHost, "a, b")]).host, None);
        let mixed = [(FORWARDED, "for=1.1.1.1"), (Known::XForwardedProto, "https")];
        assert_eq!(client(PROXY, &mixed).scheme, None, "who writes Forwarded may pass a client's X-Forwarded-Proto on");
    }

    #[test]
    fn what_we_write_is_what_we_read() {
        for peer in ["192.0.2.1", "2001:db9::7", "::ffff:192.0.2.1"] {
            let peer: IpAddr = peer.parse().unwrap();
            let (mut forwarded, mut list) = (Vec::new(), Vec::new());
            let chain = [&b"for=6.6.6.6"[..], b""];
            write_forwarded(peer, "https", Some(b"a.example:1"), chain.into_iter(), &mut forwarded);
            write_forwarded_for(peer, [&b"6.6.6.6, 10.0.0.2"[..]].into_iter(), &mut list);
            for (known, value) in [(FORWARDED, forwarded), (XFF, list)] {
                let value = String::from_utf8(value).unwrap();
                let lines = [(known, value.as_str())];
                let found = client(PROXY, &lines);
                assert_eq!(found.address, peer.to_canonical(), "{value}");
                if known == FORWARDED {
                    assert_eq!((found.scheme, found.host), (Some("https"), Some(&b"a.example:1"[..])));
                }
            }
        }
        let mut out = Vec::new();
        write_forwarded("::1".parse().unwrap(), "http", Some(b"a\"b"), std::iter::empty(), &mut out);
        assert_eq!(out, b"for=\"[::1]\";proto=http", "no host that is none");
    }

    /// The nearest trusted hop appends to whatever the client sent: its word is found behind every prefix of it.
    #[test]
    fn nothing_that_a_client_sends_hides_what_a_proxy_appends() {
        let hostile = "for=\"[::1]:1\";by=x\\\";host=\"\\\\\",,;=\"\"\\, for=_a;\"";
        for end in 0..=hostile.len() {
            let sent = &hostile[..end];
            for (known, own) in [(FORWARDED, "for=\"[2001:db9::5]\";proto=https"), (XFF, "2001:db9::5")] {
                assert_eq!(address(&[(known, &format!("{sent}, {own}"))]), "2001:db9::5", "{sent}");
                assert_eq!(address(&[(known, sent), (known, own)]), "2001:db9::5", "{sent}");
            }
            let alone = [(FORWARDED, sent)];
            let _ = client(PROXY, &alone);
        }
    }
}
