//! The three actors of a behaviour test: a client, the gateway, an origin. A test is their play.
//!
//! ```text
//! let origin = Origin::answering(|_| Reply::text("hello"));
//! let gateway = Gateway::before(&origin);
//! let answer = gateway.client().get("/");
//! ```
//!
//! Client and origin are plain blocking sockets and threads, and share nothing with the gateway's own parser: a mistake
//! there cannot hide itself here. Nothing waits for time to pass: each wait is for a condition, and [`PATIENCE`] only
//! turns a hang into a failure. Every test runs on epoll too when `RINGWAY_DRIVER=epoll` is in its environment.

pub mod authority;
pub mod client;
pub mod gateway;
pub mod h2_client;
pub mod h2_origin;
pub mod h2_script;
pub mod handshake;
pub mod origin;
pub mod process;
pub mod tls;
pub mod wire;

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use authority::{Authority, Pair};
pub use client::Client;
pub use gateway::Gateway;
pub use origin::{Origin, Reply};

/// After this a wait for something that must happen is a failure. Far longer than any busy machine needs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A value that threads change and wait on.
#[derive(Debug, Default)]
pub struct Watched<T> {
    value: Mutex<T>,
    changed: Condvar,
}

impl<T> Watched<T> {
    /// Changes the value and wakes who waits.
    pub fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        // A thread that panicked while it held the lock has failed the test already.
        let mut value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut value);
        self.changed.notify_all();
        result
    }

    /// Waits until `pick` finds something in the value; `None` when [`PATIENCE`] is over.
    pub fn wait_for<R>(&self, mut pick: impl FnMut(&mut T) -> Option<R>) -> Option<R> {
        let deadline = Instant::now() + PATIENCE;
        let mut value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = pick(&mut value) {
                return Some(found);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            value = self.changed.wait_timeout(value, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A gate in an actor's way: closed until the test opens it.
#[derive(Debug, Default)]
pub struct Gate(Watched<bool>);

impl Gate {
    /// Lets everybody pass, now and later.
    pub fn open(&self) {
        self.0.change(|is_open| *is_open = true);
    }

    /// Waits until the gate is open.
    pub fn pass(&self) {
        self.0.wait_for(|is_open| is_open.then_some(())).expect("the test opens its gates");
    }
}

/// Asks again and again until `question` has an answer, for what can only be asked (a metric, a file, `/proc`).
pub fn eventually<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what} did not come true");
        std::thread::sleep(Duration::from_millis(5));
    }
}
