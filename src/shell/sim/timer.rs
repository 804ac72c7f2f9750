//! A lazy timer, as the runtime's is: it hears only of the earliest deadline, and it is never quite on time.

use std::task::{Context, Poll};
use std::time::Duration;

use super::world::{Due, World};
use crate::shell::io::Timer;
use crate::words::time::Instant;

/// A simulated timer.
pub struct SimTimer {
    world: World,
    /// When the task will be woken; [`Instant::NEVER`] while nothing is armed.
    armed: Instant,
}

impl SimTimer {
    pub(super) const fn new(world: World) -> Self {
        Self { world, armed: Instant::NEVER }
    }
}

impl Timer for SimTimer {
    fn poll_at(&mut self, cx: &mut Context<'_>, now: Instant, deadline: Instant) -> Poll<()> {
        if now >= deadline {
            return Poll::Ready(());
        }
        let is_armed = self.armed > now && self.armed <= deadline.after(SLACK);
        if deadline == Instant::NEVER || is_armed {
            return Poll::Pending;
        }
        // Early as well as late: a task that is woken before its deadline has to wait again.
        let wheel = self.world.draw(|random| random.within(self.world.inner.weather.timer_us));
        let is_early = self.world.draw(|random| random.chance(EARLY_PER_MILLE)) && wheel > 0;
        self.armed = if is_early { before(deadline, wheel, now) } else { deadline.after(Duration::from_micros(wheel)) };
        self.world.due_at(self.armed, Due::Wake(cx.waker().clone()));
        Poll::Pending
    }
}

/// `micros` before `deadline`, but after `now`.
fn before(deadline: Instant, micros: u64, now: Instant) -> Instant {
    let early = deadline.as_nanos().saturating_sub(micros * 1000);
    Instant::from_nanos(early.max(now.as_nanos() + 1)).min(deadline)
}

/// How late a timer may be: what is armed within it counts as armed in time.
const SLACK: Duration = Duration::from_millis(1);
/// How many of a thousand timers are early.
const EARLY_PER_MILLE: u64 = 100;
