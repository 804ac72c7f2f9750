//! A lazy timer: most deadlines move on before they come, so the runtime hears only of the earliest one.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::shell::io::Timer;
use crate::words::time::Instant;

/// See [`Timer`]. One box per timer, made when the first deadline is armed.
pub struct UringTimer {
    start: std::time::Instant,
    sleep: Option<Pin<Box<monoio::time::Sleep>>>,
    /// When the runtime will wake the task; [`Instant::NEVER`] while nothing is armed.
    armed: Instant,
}

impl UringTimer {
    pub(super) const fn new(start: std::time::Instant) -> Self {
        Self { start, sleep: None, armed: Instant::NEVER }
    }

    fn arm(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let at = monoio::time::Instant::from_std(self.start + Duration::from_nanos(deadline.as_nanos()));
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                sleep.as_mut().reset(at);
                sleep
            }
            None => self.sleep.insert(Box::pin(monoio::time::sleep_until(at))),
        };
        self.armed = deadline;
        sleep.as_mut().poll(cx)
    }
}

impl Timer for UringTimer {
    fn poll_at(&mut self, cx: &mut Context<'_>, now: Instant, deadline: Instant) -> Poll<()> {
        if now >= deadline {
            return Poll::Ready(());
        }
        if deadline == Instant::NEVER {
            return Poll::Pending;
        }
        // The runtime rounds to milliseconds, so its timer may have fired while our clock is still just before it.
        let is_armed = self.armed <= deadline && self.sleep.as_ref().is_some_and(|sleep| !sleep.is_elapsed());
        if is_armed { Poll::Pending } else { self.arm(cx, deadline) }
    }
}
