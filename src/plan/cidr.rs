//! Sets of networks.

use std::net::IpAddr;

/// A set of networks, v4 and v6; v4-mapped v6 addresses count as v4 (RFC 4291 2.5.5.2).
///
/// Kept as sorted ranges that do not touch, so that a look-up is one binary search, however the networks overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CidrSet {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl CidrSet {
    /// From networks: an address and a prefix length. Bits behind the prefix do not matter.
    #[must_use]
    pub fn new(networks: Vec<(IpAddr, u8)>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (network, length) in networks {
            match (network, network.to_canonical()) {
                (IpAddr::V4(network), _) => v4.push(range_v4(network.into(), length)),
                // A part of ::ffff:0:0/96 is a v4 network.
                (IpAddr::V6(_), IpAddr::V4(network)) if length >= 96 => v4.push(range_v4(network.into(), length - 96)),
                (IpAddr::V6(network), _) => v6.push(range_v6(network.into(), length)),
            }
        }
        Self { v4: merged(v4), v6: merged(v6) }
    }

    /// True when no network is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// True when `address` is in one of the networks.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => covers(&self.v4, address.into()),
            IpAddr::V6(address) => covers(&self.v6, address.into()),
        }
    }
}

fn range_v4(network: u32, length: u8) -> (u32, u32) {
    let host = u32::MAX.checked_shr(length.into()).unwrap_or(0);
    (network & !host, network | host)
}

fn range_v6(network: u128, length: u8) -> (u128, u128) {
    let host = u128::MAX.checked_shr(length.into()).unwrap_or(0);
    (network & !host, network | host)
}

/// Sorts `ranges` and joins those that overlap. Networks overlap only by one lying in the other.
fn merged<T: Ord + Copy>(mut ranges: Vec<(T, T)>) -> Vec<(T, T)> {
    ranges.sort_unstable_by_key(|range| (range.0, std::cmp::Reverse(range.1)));
    ranges.dedup_by(|later, earlier| later.1 <= earlier.1);
    ranges
}

fn covers<T: Ord>(ranges: &[(T, T)], address: T) -> bool {
    let behind = ranges.partition_point(|range| range.0 <= address);
    behind.checked_sub(1).is_some_and(|position| address <= ranges[position].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(networks: &[(&str, u8)]) -> CidrSet {
        CidrSet::new(networks.iter().map(|(network, length)| (network.parse().unwrap(), *length)).collect())
    }

    #[test]
    fn networks_cover_their_addresses_and_no_others() {
        let set = set(&[
            ("10.0.0.0", 8),
            ("10.7.0.0", 16),
            ("192.0.2.7", 32),
            ("2001:db8::", 32),
            ("::ffff:198.51.100.0", 120),
        ]);
        for inside in [
            "10.0.0.0",
            "10.255.0.1",
            "10.255.255.255",
            "192.0.2.7",
            "::ffff:10.1.2.3",
            "2001:db8:1::1",
            "198.51.100.9",
        ] {
            assert!(set.contains(inside.parse().unwrap()), "{inside}");
        }
        for outside in
            ["11.0.0.0", "9.255.255.255", "192.0.2.8", "192.0.2.6", "2001:db9::", "2001:db7::", "198.51.101.0"]
        {
            assert!(!set.contains(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn a_prefix_of_zero_covers_everything_of_its_family() {
        let all = set(&[("0.0.0.0", 0)]);
        assert!(all.contains("203.0.113.9".parse().unwrap()));
        assert!(!all.contains("2001:db8::1".parse().unwrap()));
        assert!(!set(&[("::", 0)]).contains("203.0.113.9".parse().unwrap()));
        assert!(!set(&[]).contains("::".parse().unwrap()));
        assert!(set(&[]).is_empty());
    }

    #[test]
    fn many_networks_answer_like_each_of_them() {
        let networks: Vec<(IpAddr, u8)> = (0..200_u32)
            .map(|seed| {
                let bits = seed.wrapping_mul(2_654_435_761);
                (IpAddr::V4((bits & 0x0F0F_0000).into()), 8 + (bits >> 5 & 15) as u8)
            })
            .collect();
        let all = CidrSet::new(networks.clone());
        let singles: Vec<CidrSet> = networks.iter().map(|network| CidrSet::new(vec![*network])).collect();
        let mut inside = 0;
        for step in 0..20_000_u32 {
            let address = IpAddr::V4((step.wrapping_mul(0x000D_1234) & 0x0FFF_FFFF).into());
            let expected = singles.iter().any(|single| single.contains(address));
            assert_eq!(all.contains(address), expected, "{address}");
            inside += usize::from(expected);
        }
        assert!((100..19_900).contains(&inside), "{inside}");
    }
}
