//! What stalls is seen by an open loop, and hidden by a closed one.

use std::time::Duration;

use crate::support::{Script, Server, load};

const STALL: Duration = Duration::from_millis(200);

#[test]
fn a_stall_of_200_ms_is_in_the_p99_of_an_open_loop() {
    let server = Server::start(Script::StallAt(500, STALL));
    let results = load(&server, &["--rate", "500", "--duration", "3s", "--warmup", "0s", "--connections", "4"]);
    // 1,500 requests are due, one every 2 ms. While nobody is answered, 100 are; those due in its first 40 ms wait 160 ms
    // or more. They are 20, and the p99 is the sixteenth slowest. On a slow machine it is more, never less. The four that
    // are on the connections then are all that a generator would see that waits for its answers.
    assert_eq!(results["requests"], 1500, "{results}");
    assert!(results["latency_us"]["p99"].as_f64().unwrap() >= 160_000.0, "{results}");
}

#[test]
fn poisson_arrivals_see_it_as_well() {
    let server = Server::start(Script::StallAt(500, STALL));
    let arguments = ["--rate", "500", "--arrivals", "poisson", "--requests", "1500", "--connections", "4"];
    let results = load(&server, &arguments);
    // Its schedule is always the same: no span of 40 ms has fewer than a few, so half of the stall is safe.
    assert_eq!(results["requests"], 1500, "{results}");
    assert!(results["latency_us"]["p99"].as_f64().unwrap() >= 100_000.0, "{results}");
}

#[test]
fn the_same_stall_is_not_in_the_p99_of_a_closed_loop() {
    let server = Server::start(Script::StallAt(500, STALL));
    let results = load(&server, &["--requests", "1500", "--connections", "2"]);
    // Two requests met it. Nobody asked while they waited, so nobody else did.
    assert_eq!(results["requests"], 1500, "{results}");
    assert!(results["latency_us"]["max"].as_f64().unwrap() >= 200_000.0, "{results}");
    assert!(results["latency_us"]["p99"].as_f64().unwrap() < 160_000.0, "{results}");
}
