//! The clock of an open loop: begins each request when it is due.
//!
//! The event loop's own timers count milliseconds, so this waits on a timer descriptor, which counts nanoseconds. It does
//! not spin: the origin often shares the CPU, and spinning would take from it what is to be measured. How late the
//! generator itself is shows in the results (`send_late_us`).

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use monoio::net::UnixStream;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use super::worker::Worker;
use crate::clock::{Nanos, SECOND};

/// Requests begun in one go. Then answers are received, even when the generator cannot keep up.
const BATCH: usize = 32;

/// Begins requests as their schedule says, until it, the tickets or the run is over.
pub(super) async fn pace(worker: Rc<Worker>) {
    let alarm = Alarm::new().expect("a timer descriptor can be had: connections could");
    let times = worker.times.get();
    let schedule = worker.task.schedule.clone().expect("only an open loop is paced");
    let mut last = times.start;
    let mut begun = 0;
    for due in schedule.map(|offset| times.start + offset) {
        if due >= times.end || worker.is_over() || !worker.take_ticket() {
            break;
        }
        let now = worker.now();
        if now < due || begun == BATCH {
            alarm.wait(due.saturating_sub(now)).await;
            begun = 0;
        }
        worker.arrive(due, worker.now());
        last = due;
        begun += 1;
    }
    worker.arrived_last(last);
}

/// A timer of the operating system.
struct Alarm {
    timer: OwnedFd,
    /// The same timer as the event loop sees it; the type is only what monoio lends its waiting by.
    waited: UnixStream,
}

impl Alarm {
    fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let waited = UnixStream::from_std(timer.try_clone()?.into())?;
        Ok(Self { timer, waited })
    }

    /// Returns once `span` has passed, and not before the event loop has been through the kernel.
    async fn wait(&self, span: Nanos) {
        // Zero would disarm it. Setting it also forgets that it fired.
        let span = span.max(1);
        let it_value = Timespec { tv_sec: (span / SECOND) as i64, tv_nsec: (span % SECOND) as i64 };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once).expect("the span is a valid one");
        self.waited.readable(false).await.expect("a timer can be waited for");
    }
}
