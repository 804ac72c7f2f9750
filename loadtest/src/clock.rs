//! Time as all threads of a run see it: nanoseconds since one common zero.

use std::time::{Duration, Instant};

/// Nanoseconds since the zero of a [`Clock`], or a span of them. `u64::MAX` stands for never.
pub type Nanos = u64;

/// One millisecond.
pub const MILLISECOND: Nanos = 1_000_000;
/// One second.
pub const SECOND: Nanos = 1_000_000_000;

/// A monotonic clock. Copies share their zero.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    zero: Instant,
}

impl Clock {
    /// A clock whose zero is now.
    #[must_use]
    pub fn start() -> Self {
        Self { zero: Instant::now() }
    }

    /// Nanoseconds since zero.
    #[must_use]
    pub fn now(&self) -> Nanos {
        nanos(self.zero.elapsed())
    }

    /// `at` as the standard library counts, for timers.
    #[must_use]
    pub fn instant(&self, at: Nanos) -> Instant {
        self.zero + Duration::from_nanos(at)
    }
}

/// `span` in nanoseconds; 584 years and more are never.
#[must_use]
pub fn nanos(span: Duration) -> Nanos {
    u64::try_from(span.as_nanos()).unwrap_or(Nanos::MAX)
}
