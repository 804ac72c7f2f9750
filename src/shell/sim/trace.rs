//! What happened in a run, in order: a hash of all of it, and on request a line for each event.

use std::fmt;

use crate::words::time::Instant;

/// Something that happened. The numbers are ids in order of birth, and byte counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Event {
    /// A task ran.
    Poll(u64),
    /// A task ended.
    End(u64),
    /// A link was made.
    Link(u64),
    /// Bytes left on a link, from one side.
    Sent(u64, u64, u64),
    /// Bytes arrived at the other side.
    Arrived(u64, u64, u64),
    /// One side ended its direction.
    Finished(u64, u64),
    /// One side ended both by a reset.
    Reset(u64, u64),
    /// A connection was refused.
    Refused(u64),
    /// A connection was accepted.
    Accepted(u64),
    /// An accept failed with this error.
    AcceptFailed(u64),
}

/// Hashes events; prints them too when asked to.
#[derive(Debug)]
pub(super) struct Trace {
    hash: u64,
    events: u64,
    is_printed: bool,
}

impl Trace {
    /// An empty trace.
    pub(super) const fn new(is_printed: bool) -> Self {
        Self { hash: 0xCBF2_9CE4_8422_2325, events: 0, is_printed }
    }

    /// Adds an event.
    pub(super) fn add(&mut self, now: Instant, event: Event) {
        self.events += 1;
        let (kind, words) = event.words();
        self.mix(now.as_nanos());
        self.mix(kind);
        words.iter().for_each(|word| self.mix(*word));
        if self.is_printed {
            println!("{now:?} {event}");
        }
    }

    /// Prints a remark between the events.
    pub(super) fn say(&self, now: Instant, words: fmt::Arguments<'_>) {
        if self.is_printed {
            println!("{now:?} {words}");
        }
        // Not hashed: formatting costs, and the events around it tell runs apart.
    }

    /// The hash of all events so far: equal runs have equal hashes.
    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }

    /// Events so far.
    pub(super) const fn events(&self) -> u64 {
        self.events
    }

    const fn mix(&mut self, word: u64) {
        self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(23);
    }
}

impl Event {
    /// The event as numbers: which kind, and what it names.
    const fn words(self) -> (u64, [u64; 3]) {
        match self {
            Self::Poll(task) => (1, [task, 0, 0]),
            Self::End(task) => (2, [task, 0, 0]),
            Self::Link(link) => (3, [link, 0, 0]),
            Self::Sent(link, side, count) => (4, [link, side, count]),
            Self::Arrived(link, side, count) => (5, [link, side, count]),
            Self::Finished(link, side) => (6, [link, side, 0]),
            Self::Reset(link, side) => (7, [link, side, 0]),
            Self::Refused(asked) => (8, [asked, 0, 0]),
            Self::Accepted(link) => (9, [link, 0, 0]),
            Self::AcceptFailed(error) => (10, [error, 0, 0]),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poll(task) => write!(f, "task {task} runs"),
            Self::End(task) => write!(f, "task {task} ends"),
            Self::Link(link) => write!(f, "link {link} is made"),
            Self::Sent(link, side, count) => write!(f, "link {link}: {count} bytes leave side {side}"),
            Self::Arrived(link, side, count) => write!(f, "link {link}: {count} bytes reach side {side}"),
            Self::Finished(link, side) => write!(f, "link {link}: side {side} finishes"),
            Self::Reset(link, side) => write!(f, "link {link}: side {side} resets"),
            Self::Refused(link) => write!(f, "link {link} is refused"),
            Self::Accepted(link) => write!(f, "link {link} is accepted"),
            Self::AcceptFailed(error) => write!(f, "an accept fails with error {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_events_other_times_and_another_order_make_another_hash() {
        let hash = |events: &[(u64, Event)]| {
            let mut trace = Trace::new(false);
            events.iter().for_each(|(at, event)| trace.add(Instant::from_nanos(*at), *event));
            trace.hash()
        };
        let (one, two) = ((1, Event::Poll(1)), (1, Event::Link(1)));
        let all = [hash(&[one]), hash(&[two]), hash(&[(2, Event::Poll(1))]), hash(&[one, two]), hash(&[two, one])];
        for (position, value) in all.iter().enumerate() {
            assert!(!all[..position].contains(value));
        }
        assert_eq!(hash(&[one, two]), all[3]);
    }
}
