//! What an exchange's record costs: its counts and its line in the access log. `cargo bench --bench observation`
#![expect(unreachable_pub, reason = "nobody imports a benchmark")]

mod samples;

use divan::{Bencher, black_box};
use ringway::plan::{LogFormat, load_text};
use ringway::policy::journal;
use ringway::policy::meter::Meter;
use samples::{EDITED, entry, sample};

fn main() {
    divan::main();
}

#[divan::bench]
fn count(bencher: Bencher<'_, '_>) {
    let plan = load_text("bench.toml", EDITED).expect("a good configuration").plan;
    let mut meter = Meter::new(&plan);
    let sample = sample();
    bencher.bench_local(|| meter.record(black_box(&sample)));
}

#[divan::bench]
fn log_json(bencher: Bencher<'_, '_>) {
    log(bencher, &LogFormat::Json);
}

#[divan::bench]
fn log_combined(bencher: Bencher<'_, '_>) {
    log(bencher, &LogFormat::Combined);
}

#[divan::bench]
fn log_by_template(bencher: Bencher<'_, '_>) {
    let text = format!(
        "{EDITED}[access_log]\nformat = \"{{time}} {{request.method}} {{request.path}} {{response.status}}\"\n"
    );
    let plan = load_text("bench.toml", &text).expect("a good configuration").plan;
    log(bencher, &plan.access_log.expect("it was asked for").format);
}

fn log(bencher: Bencher<'_, '_>, format: &LogFormat) {
    let entry = entry();
    let mut line = Vec::with_capacity(4096);
    bencher.bench_local(|| {
        line.clear();
        journal::write(black_box(&entry), format, &mut line);
        line.len()
    });
}
