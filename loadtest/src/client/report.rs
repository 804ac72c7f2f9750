//! The results: as a table for people, as JSON for scripts, as a log for HDR tools.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;
use serde::Serialize;

use super::tally::{Failure, Tally};
use crate::arguments::Run;
use crate::clock::Nanos;

/// What a run found, under the names it has in JSON.
#[derive(Serialize, Debug)]
pub struct Results {
    /// `closed` or `open`.
    pub mode: &'static str,
    /// How long was measured.
    pub seconds: f64,
    /// Right answers in that time; in an open loop, to the requests that were due in it.
    pub requests: u64,
    /// Requests that failed, by kind.
    pub errors: BTreeMap<&'static str, u64>,
    /// Bytes received for all of them, heads included.
    pub bytes_read: u64,
    /// Handshakes of TLS, those before the measuring among them.
    pub handshakes: Handshakes,
    /// Right answers a second.
    pub requests_per_second: f64,
    /// How long right answers took, in microseconds.
    pub latency_us: Latency,
    /// Open loop: how late the generator itself was, in microseconds.
    pub send_late_us: Option<Late>,
    /// CPU time of the generator, user and system, in microseconds.
    pub cpu_us: u64,
    /// Connections.
    pub connections: usize,
}

/// Handshakes of TLS.
#[derive(Serialize, Debug)]
#[expect(missing_docs, reason = "they are called what they are")]
pub struct Handshakes {
    pub full: u64,
    pub resumed: u64,
}

/// A distribution, in microseconds.
#[derive(Serialize, Debug)]
#[expect(missing_docs, reason = "they are called what they are")]
pub struct Latency {
    pub min: f64,
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

/// The generator's own error, in microseconds: from when a request was due to when the generator came to it.
#[derive(Serialize, Debug)]
#[expect(missing_docs, reason = "they are called what they are")]
pub struct Late {
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

impl Results {
    /// The results of `run`, which measured `total` in `span` and spent `cpu`.
    #[must_use]
    pub fn of(run: &Run, total: &Tally, span: Duration, cpu: Duration) -> Self {
        let requests = total.latency.len();
        let late = &total.send_late;
        let send_late_us = run.rate.map(|_| Late { p50: at(late, 0.5), p99: at(late, 0.99), max: micros(late.max()) });
        Self {
            mode: if run.rate.is_some() { "open" } else { "closed" },
            seconds: span.as_secs_f64(),
            requests,
            errors: Failure::ALL.iter().map(|kind| (kind.name(), total.errors[*kind as usize])).collect(),
            bytes_read: total.bytes_read,
            handshakes: Handshakes { full: total.handshakes[0], resumed: total.handshakes[1] },
            requests_per_second: requests as f64 / span.as_secs_f64().max(1e-9),
            latency_us: Latency::of(&total.latency),
            send_late_us,
            cpu_us: u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX),
            connections: run.connections,
        }
    }
}

impl Latency {
    fn of(nanos: &Histogram<u64>) -> Self {
        Self {
            min: micros(nanos.min()),
            mean: rounded(nanos.mean()),
            p50: at(nanos, 0.5),
            p90: at(nanos, 0.9),
            p99: at(nanos, 0.99),
            p999: at(nanos, 0.999),
            max: micros(nanos.max()),
        }
    }
}

fn at(nanos: &Histogram<u64>, quantile: f64) -> f64 {
    micros(nanos.value_at_quantile(quantile))
}

fn micros(nanos: u64) -> f64 {
    rounded(nanos as f64)
}

/// Nanoseconds in microseconds, to a tenth.
fn rounded(nanos: f64) -> f64 {
    (nanos / 100.0).round() / 10.0
}

/// Prints and writes `results` where `run` says.
///
/// # Errors
/// When a file cannot be written.
pub fn publish(run: &Run, results: &Results) -> Result<(), String> {
    let json = || serde_json::to_string_pretty(results).expect("plain numbers and names") + "\n";
    let is_stdout = run.json.as_deref().is_some_and(|path| path == Path::new("-"));
    let mut output = String::new();
    if is_stdout {
        output = json();
    } else if !run.quiet {
        write!(output, "{results}").expect("a string takes everything");
    }
    io::stdout().write_all(output.as_bytes()).map_err(|error| format!("standard output: {error}"))?;
    match run.json.as_deref().filter(|_| !is_stdout) {
        Some(path) => std::fs::write(path, json()).map_err(|error| format!("{}: {error}", path.display())),
        None => Ok(()),
    }
}

impl fmt::Display for Results {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency { min, mean, p50, p90, p99, p999, max } = self.latency_us;
        let (requests, seconds) = (self.requests, self.seconds);
        writeln!(out, "{} loop, {} connections, {seconds:.2} s", self.mode, self.connections)?;
        writeln!(out, "  requests    {requests:>12}   {:.0} a second", self.requests_per_second)?;
        let failed: Vec<_> = self.errors.iter().filter(|(_, count)| **count > 0).collect();
        let kinds: Vec<_> = failed.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        writeln!(out, "  errors      {:>12}   {}", self.errors.values().sum::<u64>(), kinds.join(", "))?;
        let per_second = self.bytes_read as f64 / seconds.max(1e-9) / 1e6;
        writeln!(out, "  bytes read  {:>12}   {per_second:.1} MB a second", self.bytes_read)?;
        let each = self.cpu_us as f64 / requests.max(1) as f64;
        writeln!(out, "  CPU         {:>9.2} s    {each:.2} µs a request, of this program", self.cpu_us as f64 / 1e6)?;
        writeln!(out, "  latency, µs          min       mean        p50        p90        p99      p99.9        max")?;
        write!(out, "            ")?;
        for value in [min, mean, p50, p90, p99, p999, max] {
            write!(out, " {value:>10.1}")?;
        }
        writeln!(out)?;
        if let Some(Late { p50, p99, max }) = &self.send_late_us {
            writeln!(out, "  of which this program was late: p50 {p50:.1}, p99 {p99:.1}, max {max:.1}")?;
        }
        Ok(())
    }
}

/// An HDR interval log: a histogram of nanoseconds for each second, compressed as all HDR tools read it.
pub struct Log {
    path: String,
    file: BufWriter<File>,
    serializer: V2DeflateSerializer,
}

impl Log {
    /// Creates the file.
    ///
    /// # Errors
    /// When that cannot be.
    pub fn create(path: &Path) -> Result<Self, String> {
        let name = path.display().to_string();
        let file = File::create(path).map_err(|error| format!("{name}: {error}"))?;
        Ok(Self { path: name, file: BufWriter::new(file), serializer: V2DeflateSerializer::new() })
    }

    /// Begins the log: the first interval starts now.
    pub(super) fn begin(&mut self) -> Result<(), String> {
        let now = SystemTime::now();
        let mut header = IntervalLogWriterBuilder::new();
        header.add_comment("[Histogram log format version 1.3]").add_comment("[Latencies in nanoseconds]");
        let header = header.with_base_time(now).with_start_time(now);
        let begun = header.begin_log_with(&mut self.file, &mut self.serializer).map(drop);
        begun.map_err(|error| format!("{}: {error}", self.path))
    }

    /// Writes an interval that began `start` after the log did and took `length`.
    pub(super) fn write(&mut self, start: Nanos, length: Nanos, nanos: &Histogram<u64>) -> Result<(), String> {
        let (start, length) = (Duration::from_nanos(start), Duration::from_nanos(length));
        // The crate's writer only borrows what it writes to, and without a header it begins with nothing.
        let writer = IntervalLogWriterBuilder::new().begin_log_with(&mut self.file, &mut self.serializer);
        let mut writer = writer.map_err(|error| format!("{}: {error}", self.path))?;
        writer.write_histogram(nanos, start, length, None).map_err(|error| format!("{}: {error}", self.path))
    }

    pub(super) fn close(mut self) -> Result<(), String> {
        self.file.flush().map_err(|error| format!("{}: {error}", self.path))
    }
}
