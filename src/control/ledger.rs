//! The totals: batches of all cores, added up by name, so that they outlive reloads in which ids change.
//!
//! Not here: how totals are shown (`metrics`), and numbers that are read in place (a core's row).

use std::collections::BTreeMap;

use crate::plan::Plan;
use crate::policy::meter::{Batch, CLASSES, ListenerCounts, RouteCounts, Times};
use crate::proto::head::Method;
use crate::words::fault;
use crate::words::ids::CoreId;

/// Upper bounds of the buckets of request and upstream durations, in microseconds: OpenTelemetry's for
/// `http.server.request.duration`.
pub const DURATION_BOUNDS: &[u64] = &[
    5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000, 1_000_000, 2_500_000, 5_000_000,
    7_500_000, 10_000_000,
];
/// Upper bounds of the buckets of the overhead, in microseconds. It is measured in tens of microseconds, where
/// OpenTelemetry's bounds see nothing.
pub const OVERHEAD_BOUNDS: &[u64] = &[
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];
/// The route label of exchanges that no route matched.
pub const NO_ROUTE: &str = "-";

/// All totals since start.
#[derive(Debug)]
pub struct Ledger {
    /// By listener, then by route.
    pub exchanges: BTreeMap<String, BTreeMap<String, Exchanges>>,
    /// By route.
    pub durations: BTreeMap<String, Buckets>,
    /// By upstream.
    pub upstreams: BTreeMap<String, Buckets>,
    /// By listener.
    pub overhead: BTreeMap<String, Buckets>,
    /// By listener, then by core.
    pub connections: BTreeMap<String, BTreeMap<CoreId, Connections>>,
    /// By `fault::Kind as usize`.
    pub faults: [u64; fault::TABLE.len()],
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            exchanges: BTreeMap::new(),
            durations: BTreeMap::new(),
            upstreams: BTreeMap::new(),
            overhead: BTreeMap::new(),
            connections: BTreeMap::new(),
            faults: [0; fault::TABLE.len()],
        }
    }
}

/// Exchanges of one route on one listener.
#[derive(Debug, Default)]
pub struct Exchanges {
    /// As `RouteCounts::answers`.
    pub answers: [[u64; CLASSES]; Method::COUNT],
    /// Request body bytes.
    pub bytes_in: u64,
    /// Answer body bytes.
    pub bytes_out: u64,
}

/// Connections of one listener on one core.
#[derive(Clone, Copy, Debug, Default)]
pub struct Connections {
    /// Opened since start.
    pub opened: u64,
    /// Closed since start.
    pub closed: u64,
}

/// Times, counted by upper bounds.
#[derive(Debug, Default)]
pub struct Buckets {
    /// By bound, and one more for all longer times; not cumulative.
    pub counts: Vec<u64>,
    /// All times, in nanoseconds.
    pub sum_ns: u128,
    /// How many there were.
    pub count: u64,
}

impl Buckets {
    /// Adds a batch's times. The histogram keeps two digits, so a time within one percent above a bound may count as
    /// being within it.
    fn add(&mut self, times: &Times, bounds: &[u64]) {
        self.counts.resize(bounds.len() + 1, 0);
        for (microseconds, count) in times.steps() {
            self.counts[bounds.partition_point(|bound| *bound < microseconds)] += count;
        }
        self.sum_ns += u128::from(times.sum_ns());
        self.count += times.count();
    }
}

impl Ledger {
    /// Adds what `core` counted; `plan` is the one whose ids the batch uses.
    pub fn add(&mut self, core: CoreId, batch: &Batch, plan: &Plan) {
        for counts in &batch.routes {
            self.add_route(counts, plan);
        }
        for counts in &batch.upstreams {
            let upstream = &plan.upstreams[counts.upstream.index()].name;
            entry(&mut self.upstreams, upstream).add(&counts.durations, DURATION_BOUNDS);
        }
        for counts in &batch.listeners {
            self.add_listener(core, counts, plan);
        }
        for (kind, count) in &batch.faults {
            self.faults[*kind as usize] += count;
        }
    }

    fn add_route(&mut self, counts: &RouteCounts, plan: &Plan) {
        let listener = &plan.listeners[counts.listener.index()].name;
        let route = counts.route.map_or(NO_ROUTE, |route| &plan.routes[route.index()].name);
        let total = entry(entry(&mut self.exchanges, listener), route);
        for (sums, counts) in total.answers.iter_mut().zip(&counts.answers) {
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        total.bytes_in += counts.bytes_in;
        total.bytes_out += counts.bytes_out;
        entry(&mut self.durations, route).add(&counts.durations, DURATION_BOUNDS);
    }

    fn add_listener(&mut self, core: CoreId, counts: &ListenerCounts, plan: &Plan) {
        let listener = &plan.listeners[counts.listener.index()].name;
        let total = entry(&mut self.connections, listener).entry(core).or_default();
        total.opened += counts.opened;
        total.closed += counts.closed;
        if let Some(times) = &counts.overhead {
            entry(&mut self.overhead, listener).add(times, OVERHEAD_BOUNDS);
        }
    }

    /// Forgets routes and upstreams that `plan` does not know, or a gateway that is reloaded for years would remember
    /// every name it ever had.
    pub fn forget_all_but(&mut self, plan: &Plan) {
        let routes: std::collections::BTreeSet<&str> =
            plan.routes.iter().map(|route| &*route.name).chain([NO_ROUTE]).collect();
        for by_route in self.exchanges.values_mut() {
            by_route.retain(|name, _| routes.contains(&**name));
        }
        self.durations.retain(|name, _| routes.contains(&**name));
        let upstreams: std::collections::BTreeSet<&str> =
            plan.upstreams.iter().map(|upstream| &*upstream.name).collect();
        self.upstreams.retain(|name, _| upstreams.contains(&**name));
    }
}

/// The entry of `name`; its name is copied only the first time.
fn entry<'m, T: Default>(map: &'m mut BTreeMap<String, T>, name: &str) -> &'m mut T {
    if !map.contains_key(name) {
        map.insert(name.to_owned(), T::default());
    }
    map.get_mut(name).expect("it was there or has just been inserted")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::testing;
    use crate::policy::meter::{Meter, Sample};
    use crate::words::fault::Kind;
    use crate::words::ids::{ListenerId, RouteId, UpstreamId};
    use std::time::Duration;

    fn sample(route: Option<usize>, milliseconds: u64) -> Sample {
        Sample {
            listener: ListenerId::new(0),
            route: route.map(RouteId::new),
            method: Method::Post,
            status: 201,
            duration: Duration::from_millis(milliseconds),
            upstream: None,
            bytes_in: 1,
            bytes_out: 2,
            fault: None,
        }
    }

    fn add(ledger: &mut Ledger, core: usize, plan: &Plan, samples: &[Sample]) {
        let mut meter = Meter::new(plan);
        samples.iter().for_each(|sample| meter.record(sample));
        ledger.add(CoreId::new(core), &meter.drain(), plan);
    }

    #[test]
    fn totals_go_on_under_their_names_when_ids_change() {
        let mut ledger = Ledger::default();
        let (before, after) = (testing::plan(&["a", "b"]), testing::plan(&["b"]));
        add(&mut ledger, 0, &before, &[sample(Some(0), 1), sample(Some(1), 1)]);
        add(&mut ledger, 1, &after, &[sample(Some(0), 1)]);
        let by_route = &ledger.exchanges["web"];
        assert_eq!(by_route["a"].answers[Method::Post as usize][2], 1);
        assert_eq!(by_route["b"].answers[Method::Post as usize][2], 2);
        assert_eq!((by_route["b"].bytes_in, by_route["b"].bytes_out), (2, 4));
        ledger.forget_all_but(&after);
        assert_eq!(ledger.durations.keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(ledger.exchanges["web"].keys().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn a_time_at_a_bound_counts_within_it() {
        let mut ledger = Ledger::default();
        let plan = testing::plan(&["a"]);
        let times = [0, 5, 6, 10, 10_000, 10_200, 60_000];
        add(&mut ledger, 0, &plan, &times.map(|time| sample(Some(0), time)));
        let buckets = &ledger.durations["a"];
        assert_eq!(buckets.counts, [2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(buckets.count, 7);
        assert_eq!(buckets.sum_ns, u128::from(times.iter().sum::<u64>()) * 1_000_000);
    }

    #[test]
    fn upstream_times_connections_and_faults_are_added() {
        let mut ledger = Ledger::default();
        let plan = testing::plan(&["a"]);
        for core in 0..2 {
            let mut meter = Meter::new(&plan);
            meter.opened(ListenerId::new(0));
            let upstream = Some((UpstreamId::new(0), Duration::from_millis(3)));
            meter.record(&Sample { upstream, fault: Some(Kind::ConnectRefused), ..sample(None, 4) });
            ledger.add(CoreId::new(core), &meter.drain(), &plan);
        }
        assert_eq!(ledger.upstreams["origin"].count, 2);
        assert_eq!((ledger.overhead["web"].count, ledger.overhead["web"].sum_ns), (2, 2_000_000));
        assert_eq!(ledger.connections["web"].len(), 2);
        assert_eq!(ledger.faults[Kind::ConnectRefused as usize], 2);
        assert_eq!(ledger.exchanges["web"].keys().collect::<Vec<_>>(), [NO_ROUTE]);
    }
}
