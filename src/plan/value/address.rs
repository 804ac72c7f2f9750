//! Addresses to listen on, networks to trust, and endpoints to connect to.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::host::{host_problem, server_name, split_port};
use crate::plan::code::Code;
use crate::plan::desk::Desk;
use crate::plan::read::{Item, Value, text};
use crate::plan::shape::Shape;

/// Longest path of a Unix socket: `sockaddr_un` of Linux with its closing zero.
const UNIX_PATH_BYTES_MAX: usize = 107;

/// An IP address and a port to listen on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listen(pub SocketAddr);

impl Value for Listen {
    const SHAPE: Shape = Shape::Text("^([0-9.]+|\\[[0-9a-fA-F:.%]+\\]):[0-9]+$");

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let text = text(item, "an address like \"0.0.0.0:8080\"", desk)?;
        if let Ok(address) = text.parse() {
            return Some(Self(address));
        }
        let hint = match text.rsplit_once(':') {
            _ if text.parse::<IpAddr>().is_ok() => "the port is missing, as in \"0.0.0.0:8080\"",
            Some(("" | "*", _)) => "\"0.0.0.0:8080\" is every IPv4 address, \"[::]:8080\" every address",
            Some(("localhost", _)) => "write \"127.0.0.1\" or \"[::1]\" for localhost",
            _ => "an IP address and a port, as in \"0.0.0.0:8080\" or \"[::]:8080\"",
        };
        desk.complain(Code::BadAddress, item.place, format!("\"{text}\" is not an address to listen on")).hint(hint);
        None
    }
}

/// A network: `10.0.0.0/8`; an address alone is a network of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network(pub IpAddr, pub u8);

impl Value for Network {
    const SHAPE: Shape = Shape::Text("^[0-9a-fA-F:.]+(/[0-9]{1,3})?$");

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let text = text(item, "a network like \"10.0.0.0/8\"", desk)?;
        let Some((address, length)) = parse_network(text) else {
            desk.complain(Code::BadNetwork, item.place, format!("\"{text}\" is not a network"))
                .hint("an IP address, or one with a prefix length, as in \"10.0.0.0/8\" or \"2001:db8::/32\"");
            return None;
        };
        let network = masked(address, length);
        if network != address {
            desk.complain(Code::BadNetwork, item.place, format!("\"{text}\" has bits behind its prefix"))
                .suggest(Some(&format!("{network}/{length}")));
            return None;
        }
        Some(Self(network, length))
    }
}

/// v4-mapped networks become v4 ones: addresses are compared in that form (RFC 4291 2.5.5.2).
fn parse_network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let length: u8 = match length {
        None => bits,
        Some(digits) if digits.len() <= 3 && digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        Some(_) => return None,
    };
    match address.to_canonical() {
        _ if length > bits => None,
        IpAddr::V4(mapped) if address.is_ipv6() && length >= 96 => Some((mapped.into(), length - 96)),
        _ => Some((address, length)),
    }
}

fn masked(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            IpAddr::from((u32::from(address) & mask).to_be_bytes())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            IpAddr::from((u128::from(address) & mask).to_be_bytes())
        }
    }
}

/// Where an endpoint is, as far as the text says it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EndpointUrl {
    /// `http://host:port` or `https://host:port`.
    Http {
        /// A name, an IPv4 address, or an IPv6 address in brackets.
        host: String,
        /// 80 when it is not written, 443 with TLS.
        port: u16,
        /// Host and port as they were written, in lower case.
        authority: String,
        /// It is `https`.
        is_tls: bool,
    },
    /// `unix:/path`.
    Unix(PathBuf),
}

impl Value for EndpointUrl {
    const SHAPE: Shape = Shape::Text("^(https?://[^/?#@\\s]+/?|unix:/.+)$");

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let text = text(item, "an endpoint like \"http://10.0.0.1:8080\"", desk)?;
        let endpoint = match text.strip_prefix("unix:") {
            Some(path) => unix(path),
            None => http(text),
        };
        endpoint
            .map_err(|hint| {
                desk.complain(Code::BadEndpoint, item.place, format!("\"{text}\" is not an endpoint")).hint(hint);
            })
            .ok()
    }
}

fn unix(path: &str) -> Result<EndpointUrl, &'static str> {
    match () {
        () if !path.starts_with('/') => {
            Err("the path of a Unix socket begins with \"/\", as in \"unix:/run/app.sock\"")
        }
        () if path.len() > UNIX_PATH_BYTES_MAX || path.contains('\0') => {
            Err("the path of a Unix socket has at most 107 bytes")
        }
        () => Ok(EndpointUrl::Unix(PathBuf::from(path))),
    }
}

fn http(text: &str) -> Result<EndpointUrl, &'static str> {
    let (rest, is_tls) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
        (Some(rest), _) => (rest, false),
        (None, Some(rest)) => (rest, true),
        (None, None) => return Err("an endpoint begins with \"http://\", \"https://\" or \"unix:/\""),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#']) {
        return Err("an endpoint has no path; say what the path becomes with \"rewrite\" on the route");
    }
    if authority.contains('@') {
        return Err("an endpoint has no user name");
    }
    let (host, port) = split_port(authority).ok_or("the port is a number from 1 to 65535")?;
    if let Some(hint) = host_problem(host) {
        return Err(hint);
    }
    if is_tls && server_name(host).is_none() {
        return Err("certificates are for names and IP addresses; this is neither");
    }
    let authority = authority.to_ascii_lowercase();
    let port = port.unwrap_or(if is_tls { 443 } else { 80 });
    Ok(EndpointUrl::Http { host: host.to_ascii_lowercase(), port, authority, is_tls })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_no_bits_behind_their_prefix() {
        for (text, address, length) in [
            ("10.0.0.0/8", "10.0.0.0", 8),
            ("192.0.2.7", "192.0.2.7", 32),
            ("2001:db8::/32", "2001:db8::", 32),
            ("::ffff:10.0.0.0/104", "10.0.0.0", 8),
            ("0.0.0.0/0", "0.0.0.0", 0),
            ("::/0", "::", 0),
        ] {
            let network = parse_network(text).unwrap();
            assert_eq!(network, (address.parse().unwrap(), length), "{text}");
            assert_eq!(masked(network.0, length), network.0, "{text}");
        }
        assert_eq!(masked("10.1.2.3".parse().unwrap(), 8), "10.0.0.0".parse::<IpAddr>().unwrap());
        for bad in ["10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/+8", "a/8", ""] {
            assert_eq!(parse_network(bad), None, "{bad}");
        }
    }
}
