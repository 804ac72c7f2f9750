//! Host names of endpoints become addresses, once, when the configuration is loaded. Cores never resolve.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};

/// Asks the system's resolver, each name once.
#[derive(Debug, Default)]
pub struct Resolver {
    known: HashMap<String, Result<Vec<IpAddr>, String>>,
}

impl Resolver {
    /// The addresses of `host`: itself when it is a literal, 127.0.0.1 for `localhost`, else all that the system
    /// knows, of the family that it names first (a host may have addresses of a family that this one cannot reach).
    ///
    /// # Errors
    /// What the system's resolver says, or that it knows no address.
    pub fn addresses(&mut self, host: &str) -> Result<Vec<IpAddr>, String> {
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = literal.parse() {
            return Ok(vec![address]);
        }
        if host == "localhost" {
            return Ok(vec![Ipv4Addr::LOCALHOST.into()]);
        }
        self.known.entry(host.to_owned()).or_insert_with(|| ask(host)).clone()
    }
}

fn ask(host: &str) -> Result<Vec<IpAddr>, String> {
    let found = (host, 0).to_socket_addrs().map_err(|error| error.to_string())?;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found.map(|address| address.ip()) {
        let is_same_family = addresses.first().is_none_or(|first| first.is_ipv4() == address.is_ipv4());
        if is_same_family && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err("it has no address".to_owned()) } else { Ok(addresses) }
}
