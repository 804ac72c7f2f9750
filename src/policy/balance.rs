//! Chooses an endpoint of an upstream.

use crate::plan::{Balance, Upstream};

/// The balancing state of one upstream on one core.
#[derive(Debug)]
pub struct Balancer {
    balance: Balance,
    /// Weights of the endpoints; 0 takes nothing.
    weights: Vec<i64>,
    /// Smooth weighted round robin: what each endpoint has saved up.
    credits: Vec<i64>,
    total: i64,
}

impl Balancer {
    /// A balancer for `upstream`.
    #[must_use]
    pub fn new(upstream: &Upstream) -> Self {
        let weights: Vec<i64> = upstream.endpoints.iter().map(|endpoint| i64::from(endpoint.weight)).collect();
        let total = weights.iter().sum();
        Self { balance: upstream.balance, credits: vec![0; weights.len()], weights, total }
    }

    /// The next endpoint; `None` when no endpoint has weight. `random` is 64 random bits.
    pub fn next(&mut self, random: u64) -> Option<usize> {
        if self.total == 0 {
            return None;
        }
        if self.weights.len() == 1 {
            return Some(0);
        }
        match self.balance {
            Balance::RoundRobin => self.smooth(|_| false, self.total),
            Balance::Weighted => by_weight(self.weights.iter().map(|weight| *weight as u64), self.total as u64, random),
        }
    }

    /// The next endpoint among those that `is_out` does not exclude; `None` when none of them has weight.
    ///
    /// These share the turn by their weights as if there were no others, so that the neighbours of a dead endpoint
    /// carry its load evenly.
    pub fn next_but(&mut self, is_out: impl Fn(usize) -> bool, random: u64) -> Option<usize> {
        let in_turn = |(position, weight): (usize, &i64)| if is_out(position) { 0 } else { *weight };
        let total: i64 = self.weights.iter().enumerate().map(in_turn).sum();
        match self.balance {
            Balance::RoundRobin => self.smooth(is_out, total),
            Balance::Weighted => {
                let weights = self.weights.iter().enumerate().map(|each| in_turn(each) as u64);
                by_weight(weights, total as u64, random)
            }
        }
    }

    /// Smooth weighted round robin, as nginx made it known: each endpoint saves its weight, the richest is chosen and
    /// pays the total. Spreads a heavy endpoint's turns evenly. `total` is that of the weights that are not `is_out`.
    fn smooth(&mut self, is_out: impl Fn(usize) -> bool, total: i64) -> Option<usize> {
        let mut richest: Option<usize> = None;
        for position in 0..self.weights.len() {
            if self.weights[position] == 0 || is_out(position) {
                continue;
            }
            self.credits[position] += self.weights[position];
            if richest.is_none_or(|best| self.credits[position] > self.credits[best]) {
                richest = Some(position);
            }
        }
        self.credits[richest?] -= total;
        richest
    }
}

/// The position that `random` falls on when each takes a share by its weight; `None` when `total` is 0.
pub fn by_weight(weights: impl Iterator<Item = u64>, total: u64, random: u64) -> Option<usize> {
    if total == 0 {
        return None;
    }
    // Multiply-shift maps 64 random bits to 0..total with a bias below 2^-32 for totals below 2^32.
    let mut left = ((u128::from(random) * u128::from(total)) >> 64) as u64;
    for (position, weight) in weights.enumerate() {
        if left < weight {
            return Some(position);
        }
        left -= weight;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Address, Endpoint, UpstreamProtocol, UpstreamTimeouts};
    use crate::words::limits;

    fn upstream(balance: Balance, weights: &[u32]) -> Upstream {
        Upstream {
            name: "test".to_owned(),
            endpoints: weights
                .iter()
                .map(|weight| Endpoint {
                    address: Address::Tcp(([127, 0, 0, 1], 1).into()),
                    authority: "127.0.0.1:1".to_owned(),
                    weight: *weight,
                    is_tls: false,
                })
                .collect(),
            balance,
            idle_connections: 1,
            idle_timeout: limits::UPSTREAM_IDLE_TIME,
            protocol: UpstreamProtocol::Http1,
            tls: None,
            proxy_protocol: None,
            timeouts: UpstreamTimeouts::default(),
        }
    }

    #[test]
    fn round_robin_takes_turns_and_spreads_a_heavy_endpoint() {
        let mut even = Balancer::new(&upstream(Balance::RoundRobin, &[1, 1, 1]));
        let turns: Vec<_> = (0..6).map(|_| even.next(0).unwrap()).collect();
        assert_eq!(turns, [0, 1, 2, 0, 1, 2]);
        let mut heavy = Balancer::new(&upstream(Balance::RoundRobin, &[5, 1, 1]));
        let turns: Vec<_> = (0..7).map(|_| heavy.next(0).unwrap()).collect();
        assert_eq!(turns, [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn chance_follows_the_weights_and_a_weight_of_zero_takes_nothing() {
        let mut balancer = Balancer::new(&upstream(Balance::Weighted, &[3, 0, 1]));
        let mut counts = [0_u32; 3];
        for step in 0..4096_u64 {
            counts[balancer.next(step << 52).unwrap()] += 1;
        }
        assert_eq!(counts, [3072, 0, 1024]);
    }

    #[test]
    fn nobody_is_chosen_where_nobody_has_weight() {
        assert_eq!(Balancer::new(&upstream(Balance::RoundRobin, &[0, 0])).next(7), None);
    }

    #[test]
    fn the_neighbours_of_a_dead_endpoint_share_its_turns() {
        let mut balancer = Balancer::new(&upstream(Balance::RoundRobin, &[1, 1, 1, 0]));
        let mut counts = [0_u32; 4];
        for _ in 0..600 {
            let first = balancer.next(0).unwrap();
            let last = if first == 1 { balancer.next_but(|position| position == 1, 0).unwrap() } else { first };
            counts[last] += 1;
        }
        assert_eq!(counts, [300, 0, 300, 0]);
    }

    #[test]
    fn who_was_tried_is_not_chosen_again() {
        for balance in [Balance::RoundRobin, Balance::Weighted] {
            let mut balancer = Balancer::new(&upstream(balance, &[1, 2, 0, 3]));
            for step in 0..64_u64 {
                let random = step << 58;
                assert!(matches!(balancer.next_but(|position| position == 3, random), Some(0 | 1)));
                assert_eq!(balancer.next_but(|position| position != 1, random), Some(1));
                assert_eq!(balancer.next_but(|position| position != 2, random), None);
            }
        }
    }
}
