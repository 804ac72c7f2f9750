//! What was measured, by one thread in one interval or by all in all: it only adds up.

use hdrhistogram::Histogram;

use crate::clock::{Nanos, SECOND};

/// Longer latencies count as this.
const LATENCY_MAX: Nanos = 3600 * SECOND;
/// Significant digits: a value is told from one that differs by a thousandth.
const DIGITS: u8 = 3;

/// Why a request failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// No connection could be made.
    Connect,
    /// The request could not be sent.
    Write,
    /// The answer could not be received.
    Read,
    /// The connection ended before the answer did.
    Closed,
    /// The answer did not come in time.
    Timeout,
    /// The answer's status was another one than expected.
    Status,
    /// The answer's content was longer or shorter than expected.
    Length,
    /// What came was no answer.
    Parse,
    /// The answer to a gRPC call did not end with the status of success.
    Trailers,
    /// Open loop: due, but no connection became free for it in time.
    Late,
}

impl Failure {
    /// Every kind, in the order of the results.
    pub const ALL: [Self; 10] = [
        Self::Connect,
        Self::Write,
        Self::Read,
        Self::Closed,
        Self::Timeout,
        Self::Status,
        Self::Length,
        Self::Parse,
        Self::Trailers,
        Self::Late,
    ];

    /// Its name in the results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Write => "write",
            Self::Read => "read",
            Self::Closed => "closed",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::Length => "length",
            Self::Parse => "parse",
            Self::Trailers => "trailers",
            Self::Late => "late",
        }
    }
}

/// Counts and latencies. Histograms are merged, never averaged.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Nanoseconds of each right answer; their number is the number of requests done.
    pub latency: Histogram<u64>,
    /// Open loop: nanoseconds from when a request was due to when the generator came to it.
    pub send_late: Histogram<u64>,
    /// Failed requests, in the order of [`Failure::ALL`].
    pub errors: [u64; Failure::ALL.len()],
    /// Bytes received, heads included.
    pub bytes_read: u64,
    /// Handshakes of TLS that were full, and that resumed a session: in the warm-up as well.
    pub handshakes: [u64; 2],
    /// When the last request ended.
    pub last: Nanos,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            latency: histogram(),
            send_late: histogram(),
            errors: Default::default(),
            bytes_read: 0,
            handshakes: [0; 2],
            last: 0,
        }
    }
}

impl Tally {
    /// Adds a right answer.
    pub fn done(&mut self, latency: Nanos, now: Nanos) {
        self.latency.saturating_record(latency);
        self.last = now;
    }

    /// Adds a failed request.
    pub fn failed(&mut self, why: Failure, now: Nanos) {
        self.errors[why as usize] += 1;
        self.last = now;
    }

    /// Adds a handshake, if there was one.
    pub fn shook(&mut self, is_resumed: Option<bool>) {
        is_resumed.into_iter().for_each(|is_resumed| self.handshakes[usize::from(is_resumed)] += 1);
    }

    /// Requests that failed, of any kind.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.errors.iter().sum()
    }

    /// Adds what another thread or interval measured.
    pub fn merge(&mut self, other: &Self) {
        self.latency.add(&other.latency).expect("both have the same bounds");
        self.send_late.add(&other.send_late).expect("both have the same bounds");
        self.errors.iter_mut().zip(other.errors).for_each(|(mine, more)| *mine += more);
        self.handshakes.iter_mut().zip(other.handshakes).for_each(|(mine, more)| *mine += more);
        self.bytes_read += other.bytes_read;
        self.last = self.last.max(other.last);
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX, DIGITS).expect("the bounds are constants that make sense")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_counted_at_their_place() {
        for (place, kind) in Failure::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
        }
    }

    #[test]
    fn tallies_add_up() {
        let (mut one, mut other) = (Tally::default(), Tally::default());
        one.done(1_000, 5);
        one.failed(Failure::Late, 7);
        other.done(3_000, 6);
        other.failed(Failure::Connect, 4);
        other.bytes_read = 10;
        one.shook(Some(true));
        other.shook(Some(false));
        other.shook(None);
        one.merge(&other);
        assert_eq!((one.latency.len(), one.latency.max(), one.failures(), one.bytes_read), (2, 3_001, 2, 10));
        assert_eq!(one.handshakes, [1, 1]);
        assert_eq!((one.errors[0], one.errors[9], one.last), (1, 1, 7));
    }
}
