//! Counts what a core served: plain numbers of one core, which control collects in batches and adds up by name.
//!
//! A meter belongs to one plan, because it counts by that plan's ids; an exchange is recorded by the meter of the plan
//! that it began with, and a batch says which generation its ids are of. Draining moves the counts out instead of
//! copying them, so it costs the core one pointer per route that was used, however many there are.
//!
//! Not here: names, and anything about how the numbers are shown (that is `control::metrics`).

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::plan::Plan;
use crate::proto::head::Method;
use crate::words::fault::{self, Kind};
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

/// Counts of one core since the last batch. Only what was used is in it.
#[derive(Debug, Default)]
pub struct Batch {
    /// The plan whose ids are used here.
    pub generation: u64,
    /// Exchanges by listener and route; each pair at most once.
    pub routes: Vec<RouteCounts>,
    /// Upstream times; each upstream at most once.
    pub upstreams: Vec<UpstreamCounts>,
    /// Connections and overhead; each listener at most once.
    pub listeners: Vec<ListenerCounts>,
    /// Faults; each kind at most once.
    pub faults: Vec<(Kind, u64)>,
}

/// Exchanges of one route on one listener.
#[derive(Debug)]
pub struct RouteCounts {
    /// The listener.
    pub listener: ListenerId,
    /// The route; `None` where no route matched.
    pub route: Option<RouteId>,
    /// Answers by `Method as usize` and by class: 1 to 5 for 1xx to 5xx, 0 for everything else.
    pub answers: [[u64; CLASSES]; Method::COUNT],
    /// Request body bytes received.
    pub bytes_in: u64,
    /// Answer body bytes sent.
    pub bytes_out: u64,
    /// How long the exchanges took.
    pub durations: Times,
    /// Next entry of the same route in `Meter::routes`.
    next: u32,
}

/// Times of one upstream.
#[derive(Debug)]
pub struct UpstreamCounts {
    /// The upstream.
    pub upstream: UpstreamId,
    /// From the request sent to the answer's head.
    pub durations: Times,
}

/// What a listener counts beside its routes.
#[derive(Debug)]
pub struct ListenerCounts {
    /// The listener.
    pub listener: ListenerId,
    /// Connections opened.
    pub opened: u64,
    /// Connections closed. They may have been opened before this batch, or under an earlier plan: the number open now
    /// is the sum over all batches of a core.
    pub closed: u64,
    /// What the gateway added to exchanges that asked an upstream: their duration less the upstream's.
    pub overhead: Option<Times>,
}

/// Classes of statuses: five, and one for all that is none of them.
pub const CLASSES: usize = 6;

/// Longest time that is told apart; longer ones count as this one.
const TIME_MAX_US: u64 = 3_600_000_000;
/// A histogram starts with room for one second (7 KiB) and grows once, when something takes longer.
const TIME_USUAL_US: u64 = 1_000_000;
/// Significant decimal digits that a histogram keeps.
const DIGITS: u8 = 2;

/// A histogram of times from one microsecond to an hour, kept to two significant digits, with its exact sum.
#[derive(Clone, Debug)]
pub struct Times {
    microseconds: Histogram<u32>,
    sum_ns: u64,
}

impl Default for Times {
    fn default() -> Self {
        let mut microseconds =
            Histogram::new_with_bounds(1, TIME_USUAL_US, DIGITS).expect("constant bounds that the histogram accepts");
        microseconds.auto(true);
        Self { microseconds, sum_ns: 0 }
    }
}

impl Times {
    /// Counts one time.
    pub fn record(&mut self, time: Duration) {
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).min(TIME_MAX_US);
        self.microseconds.record(microseconds).expect("a histogram that grows by itself takes an hour");
        self.sum_ns = self.sum_ns.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// How many times were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.microseconds.len()
    }

    /// Their sum in nanoseconds.
    #[must_use]
    pub const fn sum_ns(&self) -> u64 {
        self.sum_ns
    }

    /// The counted times in ascending order: the shortest time in microseconds that a step stands for (at most one
    /// percent below what was measured), and how many.
    pub fn steps(&self) -> impl Iterator<Item = (u64, u64)> {
        self.microseconds.iter_recorded().map(|step| {
            (self.microseconds.lowest_equivalent(step.value_iterated_to()), u64::from(step.count_at_value()))
        })
    }
}

/// No entry yet.
const NONE: u32 = u32::MAX;

/// The counters of one core for one plan.
#[derive(Debug)]
pub struct Meter {
    generation: u64,
    /// By route, and one more for "none": its first entry in `routes`.
    route_heads: Vec<u32>,
    /// One entry per route and listener that was used since the last batch.
    routes: Vec<RouteCounts>,
    /// By upstream: its entry in `upstreams`.
    upstream_heads: Vec<u32>,
    upstreams: Vec<UpstreamCounts>,
    /// By listener.
    listeners: Vec<ListenerCounts>,
    faults: [u64; fault::TABLE.len()],
}

impl Meter {
    /// The meter for `plan`.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self::sized(plan.generation, plan.listeners.len(), plan.routes.len(), plan.upstreams.len())
    }

    fn sized(generation: u64, listeners: usize, routes: usize, upstreams: usize) -> Self {
        Self {
            generation,
            route_heads: vec![NONE; routes + 1],
            routes: Vec::new(),
            upstream_heads: vec![NONE; upstreams],
            upstreams: Vec::new(),
            listeners: (0..listeners).map(|index| ListenerCounts::new(ListenerId::new(index))).collect(),
            faults: [0; fault::TABLE.len()],
        }
    }

    /// Counts one exchange. Allocates only the first time since the last batch that a route or upstream is seen.
    ///
    /// # Panics
    /// When an id of the sample is not of this meter's plan.
    pub fn record(&mut self, sample: &Sample) {
        let counts = self.route(sample.listener, sample.route);
        counts.answers[sample.method as usize][class(sample.status)] += 1;
        counts.bytes_in += sample.bytes_in;
        counts.bytes_out += sample.bytes_out;
        counts.durations.record(sample.duration);
        if let Some((upstream, time)) = sample.upstream {
            self.upstream(upstream).durations.record(time);
            let overhead = sample.duration.saturating_sub(time);
            self.listeners[sample.listener.index()].overhead.get_or_insert_default().record(overhead);
        }
        if let Some(kind) = sample.fault {
            self.faults[kind as usize] += 1;
        }
    }

    /// A connection of `listener` opened. Counted once in its life: the meter of a later plan starts at zero, and
    /// connections that are open then are not opened again.
    pub fn opened(&mut self, listener: ListenerId) {
        self.listeners[listener.index()].opened += 1;
    }

    /// A connection of `listener` closed, whichever meter counted it as opened.
    pub fn closed(&mut self, listener: ListenerId) {
        self.listeners[listener.index()].closed += 1;
    }

    /// All counts since the last batch; the counters start again at zero.
    ///
    /// When a core takes up another plan it drains the meter of the old one and reports that batch before it reports
    /// the plan as applied; exchanges that still serve by the old plan go on counting there.
    pub fn drain(&mut self) -> Batch {
        for counts in &self.routes {
            let head = self.route_head(counts.route);
            self.route_heads[head] = NONE;
        }
        for counts in &self.upstreams {
            self.upstream_heads[counts.upstream.index()] = NONE;
        }
        let (routes, upstreams) = (self.routes.len(), self.upstreams.len());
        Batch {
            generation: self.generation,
            routes: std::mem::replace(&mut self.routes, Vec::with_capacity(routes)),
            upstreams: std::mem::replace(&mut self.upstreams, Vec::with_capacity(upstreams)),
            listeners: self.listeners.iter_mut().filter_map(ListenerCounts::take).collect(),
            faults: self.take_faults(),
        }
    }

    fn take_faults(&mut self) -> Vec<(Kind, u64)> {
        let counts = std::mem::replace(&mut self.faults, [0; fault::TABLE.len()]);
        fault::TABLE.iter().zip(counts).filter(|(_, count)| *count > 0).map(|(row, count)| (row.kind, count)).collect()
    }

    /// Where the entries of `route` begin.
    fn route_head(&self, route: Option<RouteId>) -> usize {
        route.map_or(self.route_heads.len() - 1, RouteId::index)
    }

    /// The entry of a route on a listener. A route rarely serves more than two listeners, so their chain is short.
    fn route(&mut self, listener: ListenerId, route: Option<RouteId>) -> &mut RouteCounts {
        let head = self.route_head(route);
        let first = self.route_heads[head];
        let mut entry = first;
        while entry != NONE && self.routes[entry as usize].listener != listener {
            entry = self.routes[entry as usize].next;
        }
        if entry == NONE {
            entry = position(self.routes.len());
            self.routes.push(RouteCounts::new(listener, route, first));
            self.route_heads[head] = entry;
        }
        &mut self.routes[entry as usize]
    }

    fn upstream(&mut self, upstream: UpstreamId) -> &mut UpstreamCounts {
        let head = &mut self.upstream_heads[upstream.index()];
        if *head == NONE {
            *head = position(self.upstreams.len());
            self.upstreams.push(UpstreamCounts { upstream, durations: Times::default() });
        }
        &mut self.upstreams[*head as usize]
    }
}

impl RouteCounts {
    fn new(listener: ListenerId, route: Option<RouteId>, next: u32) -> Self {
        let answers = [[0; CLASSES]; Method::COUNT];
        Self { listener, route, answers, bytes_in: 0, bytes_out: 0, durations: Times::default(), next }
    }
}

impl ListenerCounts {
    const fn new(listener: ListenerId) -> Self {
        Self { listener, opened: 0, closed: 0, overhead: None }
    }

    /// The counts, when there are any.
    fn take(&mut self) -> Option<Self> {
        let is_used = self.opened > 0 || self.closed > 0 || self.overhead.is_some();
        is_used.then(|| std::mem::replace(self, Self::new(self.listener)))
    }
}

fn class(status: u16) -> usize {
    match status / 100 {
        hundreds @ 1..=5 => usize::from(hundreds),
        _ => 0,
    }
}

fn position(length: usize) -> u32 {
    u32::try_from(length).expect("a plan has far fewer than 2^32 pairs of route and listener")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(listener: usize, route: Option<usize>) -> Sample {
        Sample {
            listener: ListenerId::new(listener),
            route: route.map(RouteId::new),
            method: Method::Get,
            status: 200,
            duration: Duration::from_millis(12),
            upstream: None,
            bytes_in: 3,
            bytes_out: 50,
            fault: None,
        }
    }

    #[test]
    fn exchanges_are_told_apart_by_route_listener_method_and_class() {
        let mut meter = Meter::sized(4, 2, 3, 0);
        meter.record(&sample(0, Some(1)));
        meter.record(&sample(1, Some(1)));
        meter.record(&sample(0, Some(1)));
        meter.record(&Sample { method: Method::Other, status: 404, ..sample(0, None) });
        let batch = meter.drain();
        assert_eq!(batch.generation, 4);
        let told: Vec<_> = batch.routes.iter().map(|counts| (counts.route, counts.listener.index())).collect();
        assert_eq!(told, [(Some(RouteId::new(1)), 0), (Some(RouteId::new(1)), 1), (None, 0)]);
        assert_eq!(batch.routes[0].answers[Method::Get as usize][2], 2);
        assert_eq!((batch.routes[0].bytes_in, batch.routes[0].bytes_out), (6, 100));
        assert_eq!(batch.routes[1].answers[Method::Get as usize][2], 1);
        assert_eq!(batch.routes[2].answers[Method::Other as usize][4], 1);
    }

    #[test]
    fn a_batch_holds_only_what_was_used_since_the_last() {
        let mut meter = Meter::sized(1, 1, 2, 1);
        meter.record(&sample(0, Some(0)));
        meter.record(&Sample { fault: Some(Kind::NotFound), ..sample(0, None) });
        meter.opened(ListenerId::new(0));
        assert_eq!(meter.drain().routes.len(), 2);
        meter.record(&sample(0, Some(1)));
        let second = meter.drain();
        assert_eq!(second.routes.len(), 1);
        assert_eq!(second.routes[0].route, Some(RouteId::new(1)));
        assert_eq!(second.routes[0].durations.count(), 1);
        assert!(second.faults.is_empty() && second.listeners.is_empty() && second.upstreams.is_empty());
        assert!(meter.drain().routes.is_empty());
    }

    #[test]
    fn an_upstream_time_is_taken_off_the_duration_to_give_the_overhead() {
        let mut meter = Meter::sized(1, 1, 1, 2);
        let upstream = Some((UpstreamId::new(1), Duration::from_millis(10)));
        meter.record(&Sample { upstream, ..sample(0, Some(0)) });
        meter.record(&Sample { upstream: Some((UpstreamId::new(1), Duration::MAX)), ..sample(0, Some(0)) });
        meter.record(&sample(0, Some(0)));
        let batch = meter.drain();
        assert_eq!(batch.upstreams.len(), 1);
        assert_eq!((batch.upstreams[0].upstream.index(), batch.upstreams[0].durations.count()), (1, 2));
        let overhead = batch.listeners[0].overhead.as_ref().unwrap();
        assert_eq!((overhead.count(), overhead.sum_ns()), (2, 2_000_000));
    }

    #[test]
    fn connections_are_counted_as_opened_and_closed() {
        let mut meter = Meter::sized(1, 2, 0, 0);
        meter.opened(ListenerId::new(1));
        meter.opened(ListenerId::new(1));
        meter.closed(ListenerId::new(1));
        let batch = meter.drain();
        assert_eq!(batch.listeners.len(), 1);
        assert_eq!((batch.listeners[0].opened, batch.listeners[0].closed), (2, 1));
    }

    #[test]
    fn every_fault_is_counted_under_its_kind() {
        let mut meter = Meter::sized(1, 1, 0, 0);
        for row in fault::TABLE {
            meter.record(&Sample { fault: Some(row.kind), ..sample(0, None) });
        }
        let faults = meter.drain().faults;
        assert_eq!(faults.len(), fault::TABLE.len());
        assert!(faults.iter().zip(fault::TABLE).all(|((kind, count), row)| *kind == row.kind && *count == 1));
    }

    #[test]
    fn times_keep_two_digits_and_saturate_at_an_hour() {
        let mut times = Times::default();
        for time in [Duration::ZERO, Duration::from_micros(7), Duration::from_secs(3), Duration::MAX] {
            times.record(time);
        }
        let steps: Vec<u64> = times.steps().map(|(value, _)| value).collect();
        assert_eq!(steps.len(), 4);
        assert_eq!((steps[0], steps[1]), (0, 7));
        for (step, exact) in [(steps[2], 3_000_000), (steps[3], TIME_MAX_US)] {
            assert!(step.abs_diff(exact) <= exact / 100, "{step} is not {exact} within one percent");
        }
    }

    #[test]
    fn statuses_outside_the_five_classes_have_their_own() {
        assert_eq!([100, 204, 308, 499, 599, 0, 99, 600, 999].map(class), [1, 2, 3, 4, 5, 0, 0, 0, 0]);
    }
}
