//! When a request is sent again, and to whom: only while no answer can have been lost and no effect be doubled.
//!
//! This is what holds without any configuration. Not here: waiting between tries, budgets, answers that are judged by
//! their status; and a first byte that does not come in time is no reason, since the request may still be at work.

use crate::words::fault::Kind;
use crate::words::limits::ENDPOINTS_TRIED;

/// The endpoints that one exchange has tried in vain. Eight bytes, which nobody looks at until something fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tries {
    /// Positions in the upstream's list, which has no more than `limits::ENDPOINTS_MAX` entries.
    failed: [u16; ENDPOINTS_TRIED],
    count: u8,
    is_fresh: bool,
}

/// How a try failed.
#[derive(Clone, Copy, Debug)]
pub struct Failed {
    /// What went wrong.
    pub kind: Kind,
    /// The connection had carried an exchange before.
    pub was_reused: bool,
    /// Not a byte of the request has left.
    pub is_unsent: bool,
    /// The method is idempotent (RFC 9110 9.2.2), and the whole body is still at hand.
    pub is_repeatable: bool,
    /// The upstream has said that it did nothing with the request (RFC 9113 8.7), and all of it is still at hand.
    pub is_unprocessed: bool,
}

impl Failed {
    /// A connection that could not be made, for a fault of `kind`.
    #[must_use]
    pub const fn to_connect(kind: Kind) -> Self {
        Self { kind, was_reused: false, is_unsent: true, is_repeatable: false, is_unprocessed: false }
    }
}

/// Why a request is sent again; the label of `ringway_retries_total`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// A kept connection died before any answer, which says nothing of its endpoint: servers close idle connections.
    /// The same endpoint is asked over a fresh connection.
    StaleConnection,
    /// The endpoint could not be connected to. Another one is asked.
    ConnectFailure,
    /// A fresh connection ended before any answer. Another endpoint is asked.
    NoAnswer,
    /// The upstream said that it did nothing with the request. Another endpoint is asked, or the same where it is the
    /// only one: it may have closed one connection of several.
    Unprocessed,
}

impl Reason {
    /// All reasons, in the order of their positions.
    pub const ALL: [Self; 4] = [Self::StaleConnection, Self::ConnectFailure, Self::NoAnswer, Self::Unprocessed];

    /// Its word in the metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::StaleConnection => "stale_connection",
            Self::ConnectFailure => "connect_failure",
            Self::NoAnswer => "no_answer",
            Self::Unprocessed => "unprocessed",
        }
    }
}

impl Tries {
    /// Whether, and why, there may be another try.
    #[must_use]
    pub fn reason(&self, failed: &Failed) -> Option<Reason> {
        let may_be_sent = failed.is_unsent || failed.is_repeatable || failed.is_unprocessed;
        if !failed.kind.row().retryable || !may_be_sent {
            return None;
        }
        let has_left = usize::from(self.count) + 1 < ENDPOINTS_TRIED;
        if failed.is_unprocessed {
            return has_left.then_some(Reason::Unprocessed);
        }
        if failed.was_reused {
            return Some(Reason::StaleConnection);
        }
        let reason = if failed.kind == Kind::UpstreamClosed { Reason::NoAnswer } else { Reason::ConnectFailure };
        has_left.then_some(reason)
    }

    /// From now on no kept connection is used: where one was stale, others may be.
    pub fn freshen(&mut self) {
        self.is_fresh = true;
    }

    /// Only fresh connections are to be used.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    /// Leaves `endpoint` out of all further tries.
    ///
    /// # Panics
    /// When [`Tries::reason`] had none left.
    pub fn exclude(&mut self, endpoint: usize) {
        self.failed[usize::from(self.count)] =
            u16::try_from(endpoint).expect("an upstream has at most limits::ENDPOINTS_MAX endpoints");
        self.count += 1;
    }

    /// True when `endpoint` is left out.
    #[must_use]
    pub fn excludes(&self, endpoint: usize) -> bool {
        self.failed[..usize::from(self.count)].iter().any(|failed| usize::from(*failed) == endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::fault::TABLE;
    use crate::words::limits::ENDPOINTS_MAX;

    const REFUSED: Failed = Failed::to_connect(Kind::ConnectRefused);
    const CLOSED: Failed = Failed { is_unsent: false, is_repeatable: true, ..Failed::to_connect(Kind::UpstreamClosed) };

    #[test]
    fn what_was_not_sent_may_always_go_elsewhere_and_what_was_only_when_it_is_repeatable() {
        let tries = Tries::default();
        assert_eq!(tries.reason(&REFUSED), Some(Reason::ConnectFailure));
        assert_eq!(tries.reason(&Failed { kind: Kind::ConnectTimeout, ..REFUSED }), Some(Reason::ConnectFailure));
        assert_eq!(tries.reason(&CLOSED), Some(Reason::NoAnswer));
        assert_eq!(tries.reason(&Failed { is_repeatable: false, ..CLOSED }), None);
        assert_eq!(tries.reason(&Failed { is_repeatable: false, is_unsent: true, ..CLOSED }), Some(Reason::NoAnswer));
        let unprocessed = Failed { is_unprocessed: true, was_reused: true, is_repeatable: false, ..CLOSED };
        assert_eq!(tries.reason(&unprocessed), Some(Reason::Unprocessed));
        let stale = Failed { was_reused: true, ..CLOSED };
        assert_eq!(tries.reason(&stale), Some(Reason::StaleConnection));
        assert_eq!(tries.reason(&Failed { is_repeatable: false, ..stale }), None);
    }

    #[test]
    fn only_an_end_without_an_answer_is_a_reason() {
        let retryable = TABLE.iter().filter(|row| {
            let failed = Failed { is_repeatable: true, ..Failed::to_connect(row.kind) };
            Tries::default().reason(&failed).is_some()
        });
        let kinds: Vec<Kind> = retryable.map(|row| row.kind).collect();
        let no_connection = [Kind::TlsCertificate, Kind::TlsAlert, Kind::TlsProtocol, Kind::UpstreamClosed];
        let late = [Kind::ConnectTimeout, Kind::TlsTimeout];
        assert_eq!(kinds, [&[Kind::ConnectRefused], &no_connection[..], &late].concat());
    }

    #[test]
    fn there_are_no_more_tries_than_the_limit_and_a_stale_connection_uses_none_up() {
        let mut tries = Tries::default();
        tries.freshen();
        for endpoint in 1..ENDPOINTS_TRIED {
            let endpoint = ENDPOINTS_MAX - endpoint;
            assert!(tries.reason(&REFUSED).is_some() && !tries.excludes(endpoint));
            tries.exclude(endpoint);
            assert!(tries.excludes(endpoint) && !tries.excludes(0) && tries.is_fresh());
        }
        assert_eq!((tries.reason(&REFUSED), tries.reason(&CLOSED)), (None, None));
        assert_eq!(tries.reason(&Failed { was_reused: true, ..CLOSED }), Some(Reason::StaleConnection));
    }

    #[test]
    fn reasons_stand_in_their_order_and_have_words_of_their_own() {
        for (position, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, position);
            assert!(Reason::ALL[..position].iter().all(|other| other.word() != reason.word()));
        }
    }
}
