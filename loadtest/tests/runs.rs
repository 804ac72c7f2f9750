//! What a run sends and reports: exactly what it was told to.

use std::collections::BTreeSet;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::Value;

use crate::support::{OK, Origin, Script, Server, load, load_to_end, program};

#[test]
fn so_many_requests_reach_the_server_as_were_asked_for() {
    for arguments in [["--threads", "2"].as_slice(), &["--rate", "2000"], &["--rate", "2000", "--threads", "3"]] {
        let server = Server::start(Script::Answer(OK));
        let results = load(&server, &[&["--requests", "1001", "--connections", "7"], arguments].concat());
        assert_eq!(results["requests"], 1001, "{results}");
        assert_eq!((server.requests(), server.connections()), (1001, 7), "{arguments:?}");
    }
}

#[test]
fn what_warms_up_is_sent_and_not_counted() {
    let server = Server::start(Script::Answer(OK));
    let results = load(&server, &["--rate", "100", "--warmup", "300ms", "--duration", "400ms", "--connections", "4"]);
    assert_eq!(results["requests"], 40, "{results}");
    assert_eq!(server.requests(), 70);
}

#[test]
fn each_request_has_a_connection_of_its_own_when_that_is_asked_for() {
    let server = Server::start(Script::Answer(OK));
    let results = load(&server, &["--requests", "50", "--connections", "3", "--new-connections"]);
    assert_eq!(results["requests"], 50, "{results}");
    assert_eq!(server.connections(), 50);
    assert!(server.last().contains("connection: close\r\n"));
}

#[test]
fn a_connection_is_left_when_the_server_says_so() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let server = Server::start(Script::AnswerAndClose(answer));
    let results = load(&server, &["--requests", "20", "--connections", "2"]);
    assert_eq!(results["requests"], 20, "{results}");
    assert_eq!(server.connections(), 20);
}

#[test]
fn method_fields_and_body_arrive() {
    let server = Server::start(Script::Answer(OK));
    // More than a socket takes at once.
    let body = (8 << 20).to_string();
    let arguments = ["--requests", "4", "--connections", "2", "--header", "x-a: b", "--body-bytes", &body];
    let results = load(&server, &arguments);
    assert_eq!(results["requests"], 4, "{results}");
    let request = server.last();
    assert!(request.starts_with("POST / HTTP/1.1\r\nhost: 127.0.0.1:"), "{}", &request[..50]);
    assert!(request.contains("\r\nx-a: b\r\n") && request.ends_with(&"b".repeat(8 << 20)));
}

#[test]
fn results_have_their_keys_and_no_others() {
    let server = Server::start(Script::Answer(OK));
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let named = |names: &str| names.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
    let closed = load(&server, &["--requests", "10", "--connections", "2"]);
    let open = load(&server, &["--requests", "10", "--connections", "2", "--rate", "1000"]);
    let top = "mode seconds requests errors bytes_read handshakes requests_per_second latency_us send_late_us cpu_us connections";
    for (results, mode) in [(&closed, "closed"), (&open, "open")] {
        assert_eq!(keys(results), named(top));
        assert_eq!(
            keys(&results["errors"]),
            named("connect write read closed timeout status length parse trailers late")
        );
        assert_eq!(keys(&results["latency_us"]), named("min mean p50 p90 p99 p999 max"));
        assert_eq!((&results["mode"], &results["connections"]), (&mode.into(), &2.into()));
        assert_eq!(results["bytes_read"], 10 * OK.len());
    }
    assert_eq!(closed["send_late_us"], Value::Null);
    assert_eq!(keys(&open["send_late_us"]), named("p50 p99 max"));
}

#[test]
fn the_log_of_histograms_reads_back_as_what_was_measured() {
    let server = Server::start(Script::Answer(OK));
    let directory = tempfile::tempdir().unwrap();
    let (log, json) = (directory.path().join("latency.hdr"), directory.path().join("results.json"));
    let arguments = ["--rate", "400", "--duration", "2s", "--warmup", "0s", "--threads", "2", "--connections", "4"];
    let files = ["--quiet", "--hdr", log.to_str().unwrap(), "--json", json.to_str().unwrap()];
    assert_eq!(load_to_end(&server.url(), &[arguments.as_slice(), &files].concat()), "");
    let results: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    let intervals = read_log(&std::fs::read(log).unwrap());
    assert_eq!(intervals.len(), 2);
    let mut sum = Histogram::<u64>::new(3).unwrap();
    intervals.iter().for_each(|interval| sum.add(interval).unwrap());
    assert_eq!((sum.len(), &results["requests"]), (800, &800.into()));
    let p99 = sum.value_at_quantile(0.99) as f64 / 1000.0;
    assert!((results["latency_us"]["p99"].as_f64().unwrap() - p99).abs() < 0.1, "{results}");
}

fn read_log(log: &[u8]) -> Vec<Histogram<u64>> {
    let mut histograms = Vec::new();
    for entry in IntervalLogIterator::new(log) {
        if let LogEntry::Interval(interval) = entry.unwrap() {
            let bytes = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, interval.encoded_histogram());
            histograms.push(Deserializer::new().deserialize(&mut bytes.unwrap().as_slice()).unwrap());
        }
    }
    histograms
}

#[test]
fn a_run_ends_with_a_table_for_people() {
    let server = Server::start(Script::Answer(OK));
    let table = load_to_end(&server.url(), &["--requests", "10", "--connections", "2", "--rate", "1000"]);
    for part in
        ["open loop, 2 connections", "requests              10", "errors                 0", "p99.9", "was late"]
    {
        assert!(table.contains(part), "{part} is not in\n{table}");
    }
}

#[test]
fn both_drivers_load_and_serve() {
    for driver in ["auto", "epoll"] {
        let origin = Origin::start(driver);
        let url = format!("http://{}/bytes/300000", origin.address);
        for more in [["--rate", "300"].as_slice(), &["--new-connections"], &["--body-bytes", "100000"], &[]] {
            let expected = if more.contains(&"--body-bytes") { "100" } else { "300000" };
            let arguments = ["--requests", "60", "--connections", "5", "--expect-bytes", expected, "--json", "-"];
            let mut command = program();
            command.args(["run", &url]).args(arguments).args(more).env("RINGWAY_DRIVER", driver);
            let results: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
            assert_eq!(results["requests"], 60, "{driver} {more:?}: {results}");
        }
    }
}

#[test]
fn what_cannot_run_says_why() {
    for (arguments, why) in [
        (["run", "ftp://127.0.0.1/"].as_slice(), "only http:// and https:// URLs"),
        (&["run", "https://127.0.0.1/"], "say --ca FILE, or --insecure"),
        (&["run", "https://127.0.0.1/", "--ca", "/no/such/file"], "/no/such/file: "),
        (&["run", "http://127.0.0.1:1/", "--connections", "1", "--threads", "2"], "2 threads have nothing to do"),
        (&["run", "http://127.0.0.1:1/", "--pin", "100000"], "--pin: there is no CPU 100000"),
        (&["run", "http://127.0.0.1:1/", "--hdr", "/no/such/directory"], "/no/such/directory: "),
        (&["origin", "--listen", "192.0.2.1:80"], "192.0.2.1:80: "),
    ] {
        let output = program().args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(why), "{arguments:?}: {said}");
    }
}
