//! Sets of networks.

use std::net::IpAddr;

/// A set of networks, v4 and v6; v4-mapped v6 addresses count as v4 (RFC 4291 2.5.5.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CidrSet {
    /// Network address and prefix length, canonical.
    networks: Vec<(IpAddr, u8)>,
}

impl CidrSet {
    /// From canonical networks.
    #[must_use]
    pub fn new(networks: Vec<(IpAddr, u8)>) -> Self {
        Self { networks }
    }

    /// True when no network is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// True when `address` is in one of the networks.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|(network, length)| covers(*network, *length, address))
    }
}

fn covers(network: IpAddr, length: u8, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let shift = 32 - u32::from(length.min(32));
            u32::from(network).checked_shr(shift).unwrap_or(0) == u32::from(address).checked_shr(shift).unwrap_or(0)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let shift = 128 - u32::from(length.min(128));
            u128::from(network).checked_shr(shift).unwrap_or(0) == u128::from(address).checked_shr(shift).unwrap_or(0)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(networks: &[(&str, u8)]) -> CidrSet {
        CidrSet::new(networks.iter().map(|(network, length)| (network.parse().unwrap(), *length)).collect())
    }

    #[test]
    fn networks_cover_their_addresses_and_no_others() {
        let set = set(&[("10.0.0.0", 8), ("192.0.2.7", 32), ("2001:db8::", 32)]);
        for inside in ["10.255.0.1", "192.0.2.7", "::ffff:10.1.2.3", "2001:db8:1::1"] {
            assert!(set.contains(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["11.0.0.1", "192.0.2.8", "2001:db9::1"] {
            assert!(!set.contains(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn a_prefix_of_zero_covers_everything_of_its_family() {
        let all = set(&[("0.0.0.0", 0)]);
        assert!(all.contains("203.0.113.9".parse().unwrap()));
        assert!(!all.contains("2001:db8::1".parse().unwrap()));
    }
}
