//! Another try: counts it and finds its endpoint. Whether there may be one is decided in `policy::again`.

use super::connection::Downstream;
use super::exchange::Story;
use super::io::Io;
use super::mail::Row;
use super::serving::Choice;
use crate::policy::again::{Failed, Reason, Tries};
use crate::words::time::Instant;

/// Where to try next after a try that failed; `None` when the exchange has failed with it. All tries together have
/// until `deadline`.
pub fn next<I: Io>(
    down: &Downstream<I>, story: &mut Story<I>, tries: &mut Tries, failed: &Failed, deadline: Instant,
) -> Option<Choice> {
    let last = story.record.choice?;
    if down.core.io.now() >= deadline {
        return None;
    }
    let reason = tries.reason(failed)?;
    let next = if reason == Reason::StaleConnection {
        tries.freshen();
        last
    } else {
        tries.exclude(last.endpoint);
        let other = story.serving.borrow_mut().choose_but(last.upstream, tries, down.core.io.random());
        other.or((reason == Reason::Unprocessed).then_some(last))?
    };
    story.record.choice = Some(next);
    Row::add(&down.core.link.row.retries[reason as usize], 1);
    Some(next)
}
