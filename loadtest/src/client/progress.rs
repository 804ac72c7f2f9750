//! A progress bar on a terminal; nothing where nobody looks.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::tally::Tally;
use super::worker::Times;
use crate::arguments::Run;
use crate::clock::{MILLISECOND, Nanos};

/// The bar of one run.
pub(super) struct Progress {
    bar: ProgressBar,
    times: Times,
}

impl Progress {
    pub(super) fn show(run: &Run, times: Times) -> Self {
        let target = if run.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let length = run.requests.unwrap_or_else(|| (times.end - times.start) / MILLISECOND);
        let bar = ProgressBar::with_draw_target(Some(length), target);
        let style = ProgressStyle::with_template("{elapsed:>4} {wide_bar} {msg}").expect("the template is a constant");
        bar.set_style(style);
        bar.tick();
        Self { bar, times }
    }

    pub(super) fn show_at(&self, now: Nanos, total: &Tally) {
        let done = total.latency.len() + total.failures();
        let is_by_count = self.times.end == Nanos::MAX;
        self.bar.set_position(if is_by_count { done } else { now.saturating_sub(self.times.start) / MILLISECOND });
        if now < self.times.begin {
            self.bar.set_message("warming up");
        } else {
            let measured = Duration::from_nanos(now - self.times.begin).as_secs_f64();
            let rate = total.latency.len() as f64 / measured.max(1.0);
            self.bar.set_message(format!("{rate:.0} requests/s, {} errors", total.failures()));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
