//! The page for Prometheus: text format 0.0.4, base units, labels from configured names only.
//!
//! The numbers come from two places: the ledger (what cores sent in batches) and the cores' rows (read in place, each
//! a single word that its core alone writes). Reading never stops a core.
#![expect(clippy::disallowed_types, reason = "reads counters of control's own threads")]

use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::certificates::Shown;
use super::cores::Cores;
use super::keeper::Keeper;
use super::ledger::{Buckets, DURATION_BOUNDS, Exchanges, Ledger, OVERHEAD_BOUNDS};
use super::logwriter::Written;
use crate::policy::again::Reason;
use crate::policy::meter::CLASSES;
use crate::proto::head::Method;
use crate::shell::mail::Row;
use crate::words::fault;

/// What the page shows.
#[derive(Clone, Copy, Debug)]
pub struct Figures<'a> {
    /// Totals of the exchanges.
    pub ledger: &'a Ledger,
    /// For their rows.
    pub cores: &'a Cores,
    /// The access log.
    pub log: &'a Written,
    /// Generation of the plan in force.
    pub generation: u64,
    /// The last reload succeeded; true when there was none.
    pub is_reload_fine: bool,
    /// For the certificates.
    pub(super) keeper: &'a Keeper,
}

/// The content type of the page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The page.
#[must_use]
pub fn page(figures: &Figures<'_>) -> String {
    let mut page = Page::default();
    gateway(&mut page, figures);
    certificates(&mut page, figures.keeper);
    requests(&mut page, figures.ledger);
    times(&mut page, figures.ledger);
    connections(&mut page, figures);
    workers(&mut page, figures.cores);
    access_log(&mut page, figures);
    page.text
}

fn gateway(page: &mut Page, figures: &Figures<'_>) {
    page.gauge("ringway_build_info", "The version that runs, as a label.");
    page.sample("ringway_build_info", &[("version", &env!("CARGO_PKG_VERSION"))], 1);
    page.gauge("ringway_workers", "Worker threads.");
    page.sample("ringway_workers", &[], figures.cores.iter().count());
    page.gauge("ringway_config_generation", "Counts up with each configuration that was put in force.");
    page.sample("ringway_config_generation", &[], figures.generation);
    page.gauge("ringway_config_last_reload_success", "1 when the last reload succeeded or none was asked for.");
    page.sample("ringway_config_last_reload_success", &[], u8::from(figures.is_reload_fine));
}

fn certificates(page: &mut Page, keeper: &Keeper) {
    let name = "ringway_tls_cert_expiry_seconds";
    page.gauge(name, "When the certificate ends, in seconds since the Unix epoch.");
    for (Shown { section, name: of, file }, end) in &keeper.certificates().ends {
        page.sample(name, &[(section, of), ("certificate", file)], end);
    }
    let name = "ringway_tls_reloads_total";
    page.counter(name, "Times that files of certificates were read again, by whether something in them was refused.");
    for (result, count) in [("taken", keeper.taken), ("refused", keeper.refused)] {
        page.sample(name, &[("result", &result)], count);
    }
}

fn requests(page: &mut Page, ledger: &Ledger) {
    let name = "ringway_requests_total";
    page.counter(name, "Requests answered, by class of status.");
    for (listener, route, exchanges) in by_route(ledger) {
        for (method, classes) in METHODS.iter().zip(&exchanges.answers) {
            for (class, count) in CLASS_LABELS.iter().zip(classes).filter(|(_, count)| **count > 0) {
                let labels: &[Label<'_>] =
                    &[("listener", listener), ("route", route), ("method", method), ("code", class)];
                page.sample(name, labels, count);
            }
        }
    }
    page.counter("ringway_request_body_bytes_total", "Bytes of request bodies received.");
    for (listener, route, exchanges) in by_route(ledger) {
        let labels: &[Label<'_>] = &[("listener", listener), ("route", route)];
        page.sample("ringway_request_body_bytes_total", labels, exchanges.bytes_in);
    }
    page.counter("ringway_response_body_bytes_total", "Bytes of answer bodies sent.");
    for (listener, route, exchanges) in by_route(ledger) {
        let labels: &[Label<'_>] = &[("listener", listener), ("route", route)];
        page.sample("ringway_response_body_bytes_total", labels, exchanges.bytes_out);
    }
    page.counter("ringway_faults_total", "Exchanges that went wrong, by problem type.");
    for (row, count) in fault::TABLE.iter().zip(ledger.faults) {
        page.sample("ringway_faults_total", &[("error", &row.slug)], count);
    }
}

fn by_route(ledger: &Ledger) -> impl Iterator<Item = (&String, &String, &Exchanges)> {
    ledger
        .exchanges
        .iter()
        .flat_map(|(listener, routes)| routes.iter().map(move |(route, exchanges)| (listener, route, exchanges)))
}

fn times(page: &mut Page, ledger: &Ledger) {
    let name = "ringway_request_duration_seconds";
    page.family(name, "histogram", "From a request's head complete to its answer's last byte sent.");
    for (route, buckets) in &ledger.durations {
        page.histogram(name, ("route", route), buckets, DURATION_BOUNDS);
    }
    let name = "ringway_upstream_duration_seconds";
    page.family(name, "histogram", "From the request sent upstream to its answer's head.");
    for (upstream, buckets) in &ledger.upstreams {
        page.histogram(name, ("upstream", upstream), buckets, DURATION_BOUNDS);
    }
    let name = "ringway_overhead_seconds";
    page.family(name, "histogram", "What is left of a request's duration without the upstream's.");
    for (listener, buckets) in &ledger.overhead {
        page.histogram(name, ("listener", listener), buckets, OVERHEAD_BOUNDS);
    }
}

fn connections(page: &mut Page, figures: &Figures<'_>) {
    let all = || {
        figures.ledger.connections.iter().flat_map(|(listener, cores)| {
            cores.iter().map(move |(core, connections)| (listener, core.index(), connections))
        })
    };
    page.gauge("ringway_connections", "Client connections open.");
    for (listener, worker, connections) in all() {
        let open = connections.opened.saturating_sub(connections.closed);
        page.sample("ringway_connections", &[("listener", listener), ("worker", &worker)], open);
    }
    page.counter("ringway_connections_opened_total", "Client connections accepted.");
    for (listener, worker, connections) in all() {
        let labels: &[Label<'_>] = &[("listener", listener), ("worker", &worker)];
        page.sample("ringway_connections_opened_total", labels, connections.opened);
    }
}

/// Name, type, help, and where it stands in a row.
type RowMetric = (&'static str, &'static str, &'static str, fn(&Row) -> &AtomicU64);

const ROW_METRICS: &[RowMetric] = &[
    ("ringway_requests_in_flight", "gauge", "Requests being served.", |row| &row.in_flight),
    ("ringway_connections_refused_total", "counter", "Client connections refused by a limit.", |row| &row.refused),
    ("ringway_proxy_headers_refused_total", "counter", "Connections closed for want of a good PROXY header.", |row| {
        &row.proxy_refused
    }),
    ("ringway_accept_pauses_total", "counter", "Pauses of accepting for want of descriptors or memory.", |row| {
        &row.accept_pauses
    }),
    ("ringway_tls_handshakes_total", "counter", "TLS handshakes of clients that came to their end.", |row| {
        &row.handshakes
    }),
    ("ringway_tls_handshakes_resumed_total", "counter", "Those that went on from an earlier connection.", |row| {
        &row.handshakes_resumed
    }),
    ("ringway_tls_handshakes_failed_total", "counter", "TLS handshakes of clients that failed.", |row| {
        &row.handshakes_failed
    }),
    (
        "ringway_tls_handshakes_evicted_total",
        "counter",
        "Those that gave way because too many were in flight.",
        |row| &row.handshakes_evicted,
    ),
    (
        "ringway_tls_broken_total",
        "counter",
        "TLS connections that an alert or a breach of the protocol ended.",
        |row| &row.tls_broken,
    ),
    ("ringway_tunnels", "gauge", "Connections switched to another protocol, open now.", |row| &row.tunnels),
    ("ringway_tunnels_opened_total", "counter", "Connections switched to another protocol.", |row| &row.tunnels_opened),
    ("ringway_upstream_connects_total", "counter", "Connections made to upstreams.", |row| &row.connects),
    ("ringway_upstream_idle_connections", "gauge", "Connections to upstreams kept for reuse.", |row| &row.idle),
    ("ringway_panics_total", "counter", "Panics, each of which cost one connection.", |row| &row.panics),
    ("ringway_worker_ticks_total", "counter", "Turns of the worker's clock, a hundred a second.", |row| &row.ticks),
];

fn workers(page: &mut Page, cores: &Cores) {
    for (name, kind, help, cell) in ROW_METRICS {
        page.family(name, kind, help);
        for core in cores.iter() {
            page.sample(name, &[("worker", &core.link.core.index())], Row::load(cell(&core.link.row)));
        }
    }
    page.counter("ringway_tunnel_bytes_total", "Bytes that went through tunnels.");
    for (position, direction) in ["up", "down"].iter().enumerate() {
        let bytes = cores.iter().map(|core| Row::load(&core.link.row.tunnel_bytes[position])).sum::<u64>();
        page.sample("ringway_tunnel_bytes_total", &[("direction", direction)], bytes);
    }
    page.counter("ringway_retries_total", "Requests sent again to an upstream, by reason.");
    for (position, reason) in Reason::ALL.iter().enumerate() {
        let retries = cores.iter().map(|core| Row::load(&core.link.row.retries[position])).sum::<u64>();
        page.sample("ringway_retries_total", &[("reason", &reason.word())], retries);
    }
    page.gauge("ringway_worker_loop_lag_seconds", "Longest delay of the worker's clock since start.");
    for core in cores.iter() {
        let lag = Row::load(&core.link.row.lag_max_ns) as f64 / 1e9;
        page.sample("ringway_worker_loop_lag_seconds", &[("worker", &core.link.core.index())], lag);
    }
}

fn access_log(page: &mut Page, figures: &Figures<'_>) {
    let dropped = figures.cores.iter().map(|core| Row::load(&core.link.row.log_dropped)).sum::<u64>();
    page.counter("ringway_access_log_dropped_total", "Lines dropped because the writer was behind.");
    page.sample("ringway_access_log_dropped_total", &[], dropped);
    page.counter("ringway_access_log_written_bytes_total", "Bytes written to the access log.");
    page.sample("ringway_access_log_written_bytes_total", &[], figures.log.bytes.load(Relaxed));
    page.counter("ringway_access_log_errors_total", "Failed writes of the access log; their lines are lost.");
    page.sample("ringway_access_log_errors_total", &[], figures.log.errors.load(Relaxed));
}

/// By `Method as usize`. Other methods share one label: a client could send any number of them.
const METHODS: [&str; Method::COUNT] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY", "_OTHER"];
/// As `RouteCounts::answers`.
const CLASS_LABELS: [&str; CLASSES] = ["other", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// One label: its name and its value.
type Label<'a> = (&'a str, &'a dyn Display);

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn gauge(&mut self, name: &str, help: &str) {
        self.family(name, "gauge", help);
    }

    fn counter(&mut self, name: &str, help: &str) {
        self.family(name, "counter", help);
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, name: &str, labels: &[Label<'_>], value: impl Display) {
        self.text.push_str(name);
        for (position, (label, value)) in labels.iter().enumerate() {
            let open = if position == 0 { '{' } else { ',' };
            self.write(format_args!("{open}{label}=\"{}\"", escaped(&value.to_string())));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        self.write(format_args!(" {value}\n"));
    }

    /// Buckets are cumulative in this format.
    fn histogram(&mut self, name: &str, label: Label<'_>, buckets: &Buckets, bounds: &[u64]) {
        let bucket = format!("{name}_bucket");
        let mut below = 0;
        for (bound, count) in bounds.iter().zip(&buckets.counts) {
            below += count;
            self.sample(&bucket, &[label, ("le", &(*bound as f64 / 1e6))], below);
        }
        self.sample(&bucket, &[label, ("le", &"+Inf")], buckets.count);
        self.sample(&format!("{name}_sum"), &[label], buckets.sum_ns as f64 / 1e9);
        self.sample(&format!("{name}_count"), &[label], buckets.count);
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        self.text.write_fmt(text).expect("a string takes every write");
    }
}

/// A label's value as the format wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::testing;
    use crate::policy::meter::{Meter, Sample};
    use crate::shell::mail::SharedPlan;
    use crate::words::fault::Kind;
    use crate::words::ids::{CoreId, ListenerId, RouteId, UpstreamId};
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    /// The page after one exchange of a route with a hostile name.
    fn page_of_one() -> String {
        let plan = testing::plan(&["a\"b\\c\nd"]);
        let mut meter = Meter::new(&plan);
        meter.opened(ListenerId::new(0));
        meter.record(&Sample {
            listener: ListenerId::new(0),
            route: Some(RouteId::new(0)),
            method: Method::Other,
            status: 502,
            duration: Duration::from_millis(300),
            upstream: Some((UpstreamId::new(0), Duration::from_millis(299))),
            bytes_in: 7,
            bytes_out: 9,
            fault: Some(Kind::UpstreamClosed),
        });
        let mut ledger = Ledger::default();
        ledger.add(CoreId::new(0), &meter.drain(), &plan);
        let sockets = vec![Vec::new()];
        let start = testing::mute_core;
        let mut cores = Cores::start(
            &SharedPlan::new(plan),
            &Default::default(),
            &[None],
            sockets,
            Default::default(),
            || {},
            start,
        )
        .unwrap();
        let log = Written::default();
        let keeper = Keeper::new(Default::default());
        let figures = Figures {
            ledger: &ledger,
            cores: &cores,
            log: &log,
            generation: 4,
            is_reload_fine: false,
            keeper: &keeper,
        };
        let page = page(&figures);
        cores.send(&crate::shell::mail::Note::Drain(Duration::ZERO));
        page
    }

    #[test]
    fn every_sample_belongs_to_a_family_that_was_announced_once() {
        let page = page_of_one();
        let mut families = BTreeMap::new();
        let mut samples = BTreeSet::new();
        for line in page.lines() {
            if let Some(family) = line.strip_prefix("# TYPE ") {
                let (name, kind) = family.split_once(' ').unwrap();
                assert!(families.insert(name, kind).is_none(), "{name} twice");
            } else if !line.starts_with("# HELP ") {
                let (series, value) = line.rsplit_once(' ').unwrap();
                assert!(samples.insert(series), "{series} twice");
                value.parse::<f64>().unwrap();
                let name = series.split('{').next().unwrap();
                let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
                let family = family.filter(|family| families.get(family) == Some(&"histogram")).unwrap_or(name);
                assert!(families.contains_key(family), "{name} is not announced");
            }
        }
        for (name, kind) in families {
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
        }
    }

    #[test]
    fn labels_are_escaped_and_other_methods_share_one() {
        let page = page_of_one();
        let line = r#"ringway_requests_total{listener="web",route="a\"b\\c\nd",method="_OTHER",code="5xx"} 1"#;
        assert!(page.lines().any(|other| other == line), "{page}");
        assert!(page.contains("ringway_faults_total{error=\"upstream-closed\"} 1\n"));
        assert!(page.contains("ringway_faults_total{error=\"no-route\"} 0\n"));
    }

    #[test]
    fn buckets_are_cumulative_and_in_seconds() {
        let page = page_of_one();
        let upstream =
            |le: &str| format!("ringway_upstream_duration_seconds_bucket{{upstream=\"origin\",le=\"{le}\"}}");
        for (le, count) in [("0.005", 0), ("0.25", 0), ("0.5", 1), ("10", 1), ("+Inf", 1)] {
            assert!(page.contains(&format!("{} {count}\n", upstream(le))), "{le}: {page}");
        }
        assert!(page.contains("ringway_upstream_duration_seconds_sum{upstream=\"origin\"} 0.299\n"));
        assert!(page.contains("ringway_overhead_seconds_bucket{listener=\"web\",le=\"0.0005\"} 0\n"));
        assert!(page.contains("ringway_overhead_seconds_bucket{listener=\"web\",le=\"0.001\"} 1\n"));
    }

    #[test]
    fn there_is_a_label_for_every_method() {
        assert_eq!(METHODS[Method::Get as usize], "GET");
        assert_eq!(METHODS[Method::Query as usize], "QUERY");
        assert_eq!(METHODS[Method::Other as usize], "_OTHER");
    }
}
