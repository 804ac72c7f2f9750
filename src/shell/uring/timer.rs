//! Timers: one queue of deadlines per core, and one timer of the runtime for all of them.
//!
//! Most deadlines move on before they come, so the queue hears only of the earliest one of each timer. A timer of the
//! runtime is 640 bytes, which each connection at rest would hold; an entry of the queue is a tenth of that.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::Uring;
use crate::shell::io::{Io, Timer};
use crate::words::time::Instant;

/// The deadlines of one core.
pub(super) struct Deadlines {
    /// The zero of [`Instant`]s on this core.
    start: std::time::Instant,
    /// Whom to wake when; a timer is there once at most.
    queue: RefCell<BTreeMap<Key, Waker>>,
    /// The next timer's number.
    next: Cell<u64>,
    /// When the runtime wakes the keeper; [`Instant::NEVER`] when it does not.
    kept: Cell<Instant>,
    keeper: RefCell<Waker>,
    is_ended: Cell<bool>,
    is_over: Cell<bool>,
}

/// When, and which timer.
type Key = (Instant, u64);

/// See [`Timer`].
pub struct UringTimer {
    deadlines: Rc<Deadlines>,
    number: u64,
    /// When the queue wakes the task. In the past when it did, and [`Instant::NEVER`] when it was never asked to.
    armed: Instant,
}

impl Deadlines {
    /// An empty queue, whose clock shows zero at `start`.
    pub(super) fn new(start: std::time::Instant) -> Self {
        Self {
            start,
            queue: RefCell::default(),
            next: Cell::new(0),
            kept: Cell::new(Instant::NEVER),
            keeper: RefCell::new(Waker::noop().clone()),
            is_ended: Cell::new(false),
            is_over: Cell::new(false),
        }
    }

    /// Ends [`keep`].
    pub(super) fn end(&self) {
        self.is_ended.set(true);
        self.keeper.borrow().wake_by_ref();
    }

    /// True when [`keep`] is over.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// Timers in the queue.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.queue.borrow().len()
    }

    /// Wakes whom `now` concerns, and says when to look again.
    fn wake_due(&self, now: Instant) -> Instant {
        loop {
            let mut queue = self.queue.borrow_mut();
            let Some(first) = queue.first_entry() else { return Instant::NEVER };
            let (at, _) = *first.key();
            if at > now {
                return at;
            }
            let waker = first.remove();
            drop(queue);
            waker.wake();
        }
    }

    fn arm(&self, key: Key, waker: Waker) {
        let replaced = self.queue.borrow_mut().insert(key, waker);
        debug_assert!(replaced.is_none(), "a timer is in the queue once");
        if key.0 < self.kept.get() {
            self.kept.set(key.0);
            self.keeper.borrow().wake_by_ref();
        }
    }

    /// Takes a timer out, if it is there. Its waker may be the last that holds a task with timers of its own, so it is
    /// handed out instead of dropped under the queue's borrow.
    fn disarm(&self, key: Key) -> Option<Waker> {
        self.queue.borrow_mut().remove(&key)
    }
}

/// The task behind all timers, until [`Deadlines::end`]. It is the shell's own, and not wrapped like the others.
pub(super) async fn keep(shell: Uring) {
    let deadlines = &*shell.shared.deadlines;
    let mut sleep = pin!(monoio::time::sleep_until(monoio::time::Instant::from_std(deadlines.start)));
    poll_fn(|cx| {
        if deadlines.is_ended.get() {
            return Poll::Ready(());
        }
        deadlines.keeper.borrow_mut().clone_from(cx.waker());
        let next = deadlines.wake_due(shell.now());
        deadlines.kept.set(next);
        if next < Instant::NEVER {
            let at = deadlines.start + Duration::from_nanos(next.as_nanos());
            sleep.as_mut().reset(monoio::time::Instant::from_std(at));
            if sleep.as_mut().poll(cx).is_ready() {
                // It is time, but our clock stands still until the turn is over.
                shell.shared.ready.put_off(cx.waker().clone());
            }
        }
        Poll::Pending
    })
    .await;
    deadlines.is_over.set(true);
    shell.shared.main.wake_by_ref();
}

impl UringTimer {
    pub(super) fn new(deadlines: Rc<Deadlines>) -> Self {
        let number = deadlines.next.get();
        deadlines.next.set(number + 1);
        Self { deadlines, number, armed: Instant::NEVER }
    }

    #[cold]
    fn arm(&mut self, cx: &Context<'_>, deadline: Instant) {
        drop(self.deadlines.disarm((self.armed, self.number)));
        self.deadlines.arm((deadline, self.number), cx.waker().clone());
        self.armed = deadline;
    }
}

impl Timer for UringTimer {
    fn poll_at(&mut self, cx: &mut Context<'_>, now: Instant, deadline: Instant) -> Poll<()> {
        if now >= deadline {
            return Poll::Ready(());
        }
        let is_armed = now < self.armed && self.armed <= deadline;
        if !is_armed {
            self.arm(cx, deadline);
        }
        Poll::Pending
    }
}

impl Drop for UringTimer {
    fn drop(&mut self) {
        drop(self.deadlines.disarm((self.armed, self.number)));
    }
}
