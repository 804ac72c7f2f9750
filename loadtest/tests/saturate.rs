//! The highest rate within the limits is found, however the attempts fluctuate.
//!
//! `tests/generator` stands for the load generator.

use std::process::{Command, Output};

use serde_json::Value;

/// Runs `saturate` with `arguments` on a server whose verdict is this shell (`tests/generator` says what it sees and sets).
fn saturate(verdict: &str, arguments: &[&str]) -> Output {
    let attempts = tempfile::NamedTempFile::new().unwrap();
    let mut command = script();
    command.args(["http://127.0.0.1:1/", "--json", "-"]).args(arguments);
    command.args(["--binary", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/generator")]);
    command.env("VERDICT", verdict).env("ATTEMPTS", attempts.path()).output().unwrap()
}

fn script() -> Command {
    Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/saturate"))
}

/// The rate that was found, and the number of attempts.
fn found(output: &Output) -> (f64, usize) {
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    (result["rate"].as_f64().unwrap_or(0.0), result["steps"].as_array().unwrap().len())
}

#[test]
fn the_limit_is_found_as_exactly_as_was_asked_for() {
    for limit in [501, 7_300, 64_000] {
        let output = saturate(&format!("[ $rate -le {limit} ] || p99=5001"), &["--precision-percent", "2"]);
        let (rate, limit) = (found(&output).0, f64::from(limit));
        assert!(output.status.success() && rate <= limit + 1.0 && rate >= limit / 1.02 - 1.0, "{rate} of {limit}");
    }
}

#[test]
fn errors_count_as_much_as_the_p99() {
    let output = saturate("[ $rate -le 3000 ] || failed=2", &[]);
    assert!((2_900.0..=3_000.0).contains(&found(&output).0), "{output:?}");
    let output = saturate("[ $rate -le 3000 ] || failed=2", &["--errors-percent", "0.2", "--rate-max", "9000"]);
    assert_eq!(found(&output).0, 9_000.0, "{output:?}");
}

#[test]
fn one_bad_attempt_does_not_fail_a_rate() {
    let output = saturate("[ $rate -le 7300 ] && [ $((attempt % 2)) = 0 ] || p99=6000", &[]);
    assert!((7_000.0..=7_300.0).contains(&found(&output).0), "{output:?}");
}

#[test]
fn a_server_that_is_too_slow_for_anything_has_no_rate() {
    let output = saturate("p99=90000", &[]);
    assert_eq!((output.status.code(), found(&output)), (Some(1), (0.0, 2)), "{output:?}");
}

#[test]
fn the_search_is_bounded() {
    let output = saturate("[ $rate -le 7300 ] || p99=5001", &["--steps-max", "6"]);
    assert_eq!(found(&output), (4_000.0, 6), "{output:?}");
    let output = saturate("", &["--rate-max", "2500"]);
    assert_eq!(found(&output), (2_500.0, 4), "{output:?}");
}

#[test]
fn a_generator_that_cannot_run_says_why() {
    let output = saturate("echo no such thing >&2; exit 1", &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("saturate: no such thing"), "{said}");
}

#[test]
fn another_machine_is_not_loaded_by_accident() {
    let output = script().arg("http://192.0.2.1/").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("is not on this machine"), "{said}");
}
