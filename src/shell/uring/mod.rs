//! The io_uring shell: [`Io`] by monoio 0.2.4, with its epoll driver as the fallback.
//!
//! All that is particular to monoio stays in this folder. Its known edges and the cure for each:
//! a panic in a task would end the core (`spawn` catches it); a task that wakes itself starves the others (`spawn`
//! puts the wake off); a dropped accept loses a connection (`listener` cancels and waits); a dropped read loses data,
//! and each wait for readiness is an operation (`ready` waits for all streams at once, and `stream` reads when something
//! is there).

mod listener;
mod ready;
mod runtime;
mod slot;
mod spawn;
mod stream;
#[cfg(test)]
mod tests;
mod timer;

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::task::Waker;

use super::io::Io;
use crate::plan::Address;
use crate::words::time::{Instant, Wall};

pub use listener::UringListener;
use ready::ReadySet;
pub use runtime::{Preference, RingFlags, Runtime};
pub use stream::UringStream;
use timer::Deadlines;
pub use timer::UringTimer;

/// The shell of one core. Cloning it clones a handle.
#[derive(Clone)]
pub struct Uring {
    shared: Rc<Shared>,
}

/// What all handles of one core's shell share.
struct Shared {
    /// The zero of [`Instant`]s on this core.
    start: std::time::Instant,
    /// The clock of this loop turn; `None` until somebody asks.
    turn: Cell<Option<Clock>>,
    /// Wakes the main future, which runs when the run queue is empty and so ends a turn.
    main: Waker,
    /// Whether the main future is to return once no task of the shell itself is left.
    is_stopped: Cell<bool>,
    /// State of the random generator.
    random: Cell<u64>,
    /// Streams that have something, and tasks whose wake was put off.
    ready: Rc<ReadySet>,
    /// Tasks that wait for a time.
    deadlines: Rc<Deadlines>,
    /// Panics that cost a task.
    panics: Cell<u64>,
}

/// Both clocks, read once per loop turn.
#[derive(Clone, Copy)]
struct Clock {
    now: Instant,
    wall: Wall,
}

impl Uring {
    /// Panics that cost a task since start.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.shared.panics.get()
    }

    /// Ends the core's event loop once the run queue is empty. Tasks that still wait then are dropped with it.
    pub fn stop(&self) {
        self.shared.is_stopped.set(true);
        self.shared.ready.end();
        self.shared.deadlines.end();
        self.shared.main.wake_by_ref();
    }

    /// Takes over a listening socket.
    ///
    /// # Errors
    /// When the driver cannot register it.
    pub fn listener(&self, socket: std::net::TcpListener) -> io::Result<UringListener> {
        UringListener::new(socket, Rc::clone(&self.shared.ready))
    }

    #[expect(clippy::disallowed_methods, reason = "this is where the clocks are read")]
    fn clock(&self) -> Clock {
        if let Some(clock) = self.shared.turn.get() {
            return clock;
        }
        let nanos = self.shared.start.elapsed().as_nanos();
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let clock = Clock {
            now: Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)),
            wall: Wall::from_nanos(u64::try_from(wall).unwrap_or(u64::MAX)),
        };
        self.shared.turn.set(Some(clock));
        // The main future forgets the clock at the end of the turn.
        self.shared.main.wake_by_ref();
        clock
    }
}

impl Io for Uring {
    type Stream = UringStream;
    type Listener = UringListener;
    type Timer = UringTimer;

    fn now(&self) -> Instant {
        self.clock().now
    }

    fn wall(&self) -> Wall {
        self.clock().wall
    }

    /// SplitMix64 (Steele, Lea, Flood 2014), seeded by the kernel.
    fn random(&self) -> u64 {
        let state = self.shared.random.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.shared.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        spawn::spawn(&self.shared, task);
    }

    fn timer(&self) -> UringTimer {
        UringTimer::new(Rc::clone(&self.shared.deadlines))
    }

    fn connect(&self, address: &Address) -> impl Future<Output = io::Result<UringStream>> {
        stream::connect(address, Rc::clone(&self.shared.ready))
    }
}
