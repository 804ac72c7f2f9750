//! Counts what a core served. Plain numbers of one core; control merges the cores' batches.

use std::time::Duration;

use crate::proto::head::Method;
use crate::words::fault::Kind;
use crate::words::ids::{ListenerId, RouteId, UpstreamId};

/// One exchange, as counted.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The listener it came in by.
    pub listener: ListenerId,
    /// The route that won, if any.
    pub route: Option<RouteId>,
    /// The method.
    pub method: Method,
    /// Status sent (499: the client was gone).
    pub status: u16,
    /// From the request's head complete to the answer's last byte sent.
    pub duration: Duration,
    /// The upstream asked, and the time from the request sent to its answer's head.
    pub upstream: Option<(UpstreamId, Duration)>,
    /// Request body bytes received.
    pub bytes_in: u64,
    /// Answer body bytes sent.
    pub bytes_out: u64,
    /// What went wrong, if something did.
    pub fault: Option<Kind>,
}

/// Counts of one core since the last batch.
#[derive(Debug, Default)]
pub struct Batch {}

/// The counters of one core.
#[derive(Debug, Default)]
pub struct Meter {}

impl Meter {
    /// A meter for a plan with this many listeners, routes and upstreams.
    #[must_use]
    pub fn new(_listeners: usize, _routes: usize, _upstreams: usize) -> Self {
        Self {}
    }

    /// Counts one exchange. Allocates only the first time a route or upstream is seen.
    pub fn record(&mut self, _sample: &Sample) {}

    /// A connection of `listener` opened.
    pub fn opened(&mut self, _listener: ListenerId) {}

    /// A connection of `listener` closed.
    pub fn closed(&mut self, _listener: ListenerId) {}

    /// All counts since the last batch; the counters start again at zero (gauges stay).
    pub fn drain(&mut self) -> Batch {
        Batch {}
    }
}
