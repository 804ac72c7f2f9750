//! The header of the PROXY protocol: what a proxy in front of us says about the connection that it passes on.
//!
//! A connection begins with it, before TLS and before HTTP, so a reader must take exactly its bytes: what follows in the
//! same packet belongs to somebody else. [`Progress::Need`] never asks for more than the header has, whatever is still
//! to come; a reader that takes no more than that ends exactly behind it. Source: HAProxy's `doc/proxy-protocol.txt`.
//!
//! Not here: who may send one (`trusted_proxies`), and how long that may take.

use std::net::SocketAddr;

pub mod v1;
pub mod v2;

/// What a header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// Who is at the other end, when that is known and has an IP address.
    pub source: Option<SocketAddr>,
    /// Where they connected to.
    pub destination: Option<SocketAddr>,
}

/// How far a header is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// At least so many bytes more, at least one.
    Need(usize),
    /// Complete, so many bytes long.
    Done(Told, usize),
}

/// What is wrong with a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed(pub &'static str);

/// Both addresses in one family, as every header has them: of IPv4 and IPv6 the former becomes v4-mapped.
fn of_one_family(source: SocketAddr, destination: SocketAddr) -> (SocketAddr, SocketAddr) {
    let plain = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    let (source, destination) = (plain(source), plain(destination));
    if source.is_ipv4() == destination.is_ipv4() {
        return (source, destination);
    }
    let mapped = |address: SocketAddr| match address {
        SocketAddr::V4(four) => SocketAddr::new(four.ip().to_ipv6_mapped().into(), four.port()),
        SocketAddr::V6(_) => address,
    };
    (mapped(source), mapped(destination))
}
