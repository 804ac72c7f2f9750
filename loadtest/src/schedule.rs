//! When requests of an open loop are due: a pure function of rate, share and seed.

use crate::clock::{Nanos, SECOND};

/// How arrivals are spread.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Arrivals {
    /// Evenly: one every 1/rate seconds.
    #[default]
    Fixed,
    /// As independent users come: exponential gaps, 1/rate seconds in the mean.
    Poisson,
}

/// The arrivals of one thread, in nanoseconds from the start, for ever.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// The k-th arrival at `(k + phase) * gap`; computed from k, so that no error adds up.
    Fixed {
        /// Nanoseconds between two arrivals of this thread.
        gap: f64,
        /// In parts of a gap: the threads take turns.
        phase: f64,
        /// Arrivals so far.
        count: u64,
    },
    /// Exponential gaps. Independent Poisson processes add up to one, so each thread has its own.
    Poisson {
        /// Mean nanoseconds between two arrivals of this thread.
        gap: f64,
        /// The last arrival.
        at: f64,
        /// The generator of the gaps.
        random: Random,
    },
}

impl Schedule {
    /// The share of thread `thread` of `threads` in `rate` arrivals a second. The same arguments give the same schedule.
    #[must_use]
    pub fn new(arrivals: Arrivals, rate: f64, thread: usize, threads: usize) -> Self {
        let gap = SECOND as f64 * threads as f64 / rate;
        match arrivals {
            Arrivals::Fixed => Self::Fixed { gap, phase: thread as f64 / threads as f64, count: 0 },
            Arrivals::Poisson => Self::Poisson { gap, at: 0.0, random: Random::seeded(thread as u64) },
        }
    }
}

impl Iterator for Schedule {
    type Item = Nanos;

    fn next(&mut self) -> Option<Nanos> {
        let at = match self {
            Self::Fixed { gap, phase, count } => {
                let at = (*count as f64 + *phase) * *gap;
                *count += 1;
                at
            }
            Self::Poisson { gap, at, random } => {
                // The inverse of the exponential distribution; 1 - u is never 0.
                *at -= (1.0 - random.fraction()).ln() * *gap;
                *at
            }
        };
        Some(at as Nanos)
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): repeatable, and good enough for gaps.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator whose numbers depend on `seed` alone.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 up to, not including, 1.
    pub fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        // 53 bits are what an f64 holds exactly.
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_arrivals_of_all_threads_together_are_even() {
        let threads = (0..3).map(|thread| Schedule::new(Arrivals::Fixed, 1000.0, thread, 3));
        let mut due: Vec<_> = threads.flat_map(|schedule| schedule.take(1000)).collect();
        due.sort_unstable();
        let even: Vec<_> = (0..3000).map(|count| count * 1_000_000).collect();
        assert_eq!(due, even);
    }

    #[test]
    fn an_uneven_gap_adds_up_no_error() {
        let due = Schedule::new(Arrivals::Fixed, 3.0, 0, 1).nth(3_000_000).unwrap();
        assert_eq!(due, 1_000_000 * SECOND);
    }

    #[test]
    fn poisson_gaps_have_the_mean_and_the_variance_of_their_rate() {
        let (rate, count) = (5000.0, 200_000);
        for thread in 0..4 {
            let schedule = Schedule::new(Arrivals::Poisson, rate, thread, 4);
            let due: Vec<f64> = schedule.take(count).map(|at| at as f64 / SECOND as f64).collect();
            let gaps: Vec<f64> = due.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
            let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
            // Of each thread a quarter; an exponential distribution deviates as much as it lasts. Three standard errors
            // of the mean are 0.7 %, of the variance 1.9 %.
            let expected = 4.0 / rate;
            assert!((mean / expected - 1.0).abs() < 0.007, "thread {thread}: mean {mean}");
            assert!((variance / expected.powi(2) - 1.0).abs() < 0.019, "thread {thread}: variance {variance}");
        }
    }

    #[test]
    fn threads_differ_and_runs_do_not() {
        let due = |thread| Schedule::new(Arrivals::Poisson, 100.0, thread, 2).take(50).collect::<Vec<_>>();
        assert_eq!(due(0), due(0));
        assert_ne!(due(0), due(1));
    }
}
