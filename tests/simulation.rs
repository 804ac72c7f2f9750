//! The whole gateway in virtual time: cores with their mail, clients, origins and faults, all from one seed.
//!
//! A seed is a run: `SIM_SEED=n cargo nextest run simulation` repeats one and prints all that happens in it. `SIM_SEEDS=n`
//! says how many are run, `SIM_FROM=n` where they begin; `scripts/soak` goes on for hours.

mod client;
mod draw;
mod laws;
mod ledger;
mod line;
mod message;
mod origin;
mod play;
mod scenario;
mod shared;
mod tags;
mod trunk;
mod tunnel;

use std::time::Duration;

use play::{perform, run};
use scenario::Scenario;

/// Runs every `SLICES`th seed from `slice` on.
fn run_slice(slice: u64) {
    if let Some(seed) = number("SIM_SEED") {
        if slice == 0 {
            let broken = run(seed, true).broken;
            report(&Vec::from_iter((!broken.is_empty()).then_some((seed, broken))));
        }
        return;
    }
    let (from, count) = (number("SIM_FROM").unwrap_or(1), number("SIM_SEEDS").unwrap_or(SEEDS));
    let mut failing = Vec::new();
    for seed in (from..from + count).filter(|seed| seed % SLICES == slice) {
        let broken = run_twice(seed, seed % TWICE_EVERY < SLICES);
        if !broken.is_empty() {
            failing.push((seed, broken));
        }
        if failing.len() == FAILURES_MAX {
            break;
        }
    }
    report(&failing);
}

/// Runs a seed; again if `is_doubted`, to see the same.
fn run_twice(seed: u64, is_doubted: bool) -> Vec<String> {
    let mut verdict = run(seed, false);
    if is_doubted && run(seed, false).hash != verdict.hash {
        verdict.broken.push("law same_seed_same_trace".to_owned());
    }
    verdict.broken
}

fn report(failing: &[(u64, Vec<String>)]) {
    let Some((first, _)) = failing.first() else { return };
    for (seed, broken) in failing {
        println!("seed {seed} breaks the law:\n  {}", broken.join("\n  "));
    }
    panic!("again, with all that happens: SIM_SEED={first} cargo nextest run simulation --no-capture");
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// Seeds that broke a law once, and what was wrong. A seed is that run only as long as scenarios are drawn as they are
/// now: who changes that, plants the bug again and takes the seed that finds it then.
const REGRESSIONS: &[(u64, &str)] = &[
    (6, "a core said it was drained while it still turned a client away"),
    (489, "half an answer to a client of HTTP/1.0 ended in the close that ends a whole one"),
    (19, "a connection came back to the pool of a plan that was no longer in force, and stayed"),
];
/// As [`REGRESSIONS`], over TLS.
const SECURE_REGRESSIONS: &[(u64, &str)] =
    &[(1385, "the announcement of an end that found no room to go was lost, and the answer before it looked cut")];
/// Seeds that are run when nobody says how many.
const SEEDS: u64 = 10_000;
/// Seeds that are run over TLS when nobody says how many.
const SECURE_SEEDS: u64 = 300;
/// Tests that the seeds are divided among.
const SLICES: u64 = 8;
/// Of so many seeds one in each slice is run twice.
const TWICE_EVERY: u64 = 100;
/// So many failing seeds tell enough.
const FAILURES_MAX: usize = 10;

#[test]
fn what_broke_a_law_once_keeps_it() {
    for (seed, what) in REGRESSIONS {
        let broken = run(*seed, false).broken;
        assert!(broken.is_empty(), "seed {seed}, once {what}:\n{}", broken.join("\n"));
    }
    for (seed, what) in SECURE_REGRESSIONS {
        let broken = perform(Scenario::of(*seed).secured(), *seed, false).broken;
        assert!(broken.is_empty(), "seed {seed} over TLS, once {what}:\n{}", broken.join("\n"));
    }
}

#[test]
fn a_drain_at_any_moment_of_a_pipeline_costs_no_answer_that_was_begun() {
    for seed in 1..=200 {
        let drain_at = Duration::from_millis(5 * (seed % 80));
        let broken = perform(Scenario::of_a_drained_pipeline(seed, drain_at), seed, false).broken;
        assert!(broken.is_empty(), "seed {seed}:\n{}", broken.join("\n"));
    }
}

/// As [`run_slice`], for scenarios of another kind: `variable` repeats one of them, and one in `share` of the seeds is run.
fn run_slice_of(scenario: fn(u64) -> Scenario, variable: &str, share: u64, slice: u64) {
    let run = |seed, is_printed| perform(scenario(seed), seed, is_printed);
    if let Some(seed) = number(variable) {
        if slice == 0 {
            let broken = run(seed, true).broken;
            assert!(broken.is_empty(), "{}", broken.join("\n"));
        }
        return;
    }
    let (from, count) = (number("SIM_FROM").unwrap_or(1), number("SIM_SEEDS").unwrap_or(SEEDS) / share);
    for seed in (from..from + count).filter(|seed| seed % STREAM_SLICES == slice) {
        let mut verdict = run(seed, false);
        if seed % TWICE_EVERY < STREAM_SLICES && run(seed, false).hash != verdict.hash {
            verdict.broken.push("law same_seed_same_trace".to_owned());
        }
        let broken = verdict.broken.join("\n  ");
        assert!(broken.is_empty(), "seed {seed} breaks the law; again with {variable}={seed}:\n  {broken}");
    }
}

/// Scenarios whose clients speak HTTP/2.
fn run_streams(slice: u64) {
    run_slice_of(Scenario::of_streams, "SIM_STREAMS", 4, slice);
}

/// Scenarios whose origins speak HTTP/2.
fn run_trunks(slice: u64) {
    run_slice_of(Scenario::of_trunks, "SIM_TRUNKS", 16, slice);
}

/// Tests that the seeds of streams are divided among.
const STREAM_SLICES: u64 = 4;

#[test]
fn the_laws_hold_for_streams_0() {
    run_streams(0);
}

#[test]
fn the_laws_hold_for_streams_1() {
    run_streams(1);
}

#[test]
fn the_laws_hold_for_streams_2() {
    run_streams(2);
}

#[test]
fn the_laws_hold_for_streams_3() {
    run_streams(3);
}

#[test]
fn the_laws_hold_for_trunks_0() {
    run_trunks(0);
}

#[test]
fn the_laws_hold_for_trunks_1() {
    run_trunks(1);
}

#[test]
fn the_laws_hold_for_trunks_2() {
    run_trunks(2);
}

#[test]
fn the_laws_hold_for_trunks_3() {
    run_trunks(3);
}

#[test]
fn the_laws_hold_over_tls() {
    let (from, count) = (number("SIM_FROM").unwrap_or(1), number("SIM_SEEDS").unwrap_or(SECURE_SEEDS));
    let seeds = number("SIM_SEED").map_or(from..from + count, |seed| seed..seed + 1);
    let mut failing = Vec::new();
    for seed in seeds {
        let secure = || perform(Scenario::of(seed).secured(), seed, number("SIM_SEED").is_some());
        let mut verdict = secure();
        if seed % 10 == 0 && secure().hash != verdict.hash {
            verdict.broken.push("law same_seed_same_trace".to_owned());
        }
        if !verdict.broken.is_empty() {
            failing.push((seed, verdict.broken));
        }
        if failing.len() == FAILURES_MAX {
            break;
        }
    }
    report(&failing);
}

#[test]
fn a_dead_upstream_is_noticed_by_ping() {
    for seed in 1..20 {
        let broken = perform(Scenario::of_a_dead_trunk(seed), seed, false).broken;
        assert!(broken.is_empty(), "seed {seed}: {}", broken.join("\n"));
    }
}

#[test]
fn the_laws_hold_0() {
    run_slice(0);
}

#[test]
fn the_laws_hold_1() {
    run_slice(1);
}

#[test]
fn the_laws_hold_2() {
    run_slice(2);
}

#[test]
fn the_laws_hold_3() {
    run_slice(3);
}

#[test]
fn the_laws_hold_4() {
    run_slice(4);
}

#[test]
fn the_laws_hold_5() {
    run_slice(5);
}

#[test]
fn the_laws_hold_6() {
    run_slice(6);
}

#[test]
fn the_laws_hold_7() {
    run_slice(7);
}
