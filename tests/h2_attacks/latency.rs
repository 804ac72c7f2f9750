//! How long a good client waits while others attack: asked at a fixed rate, each answer counted from when its request
//! was due. `scripts/h2-attacks` runs this with a released gateway; no test judges time.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use super::arena::{Arena, echo, humbly};
use super::floods::{FLOODS, run};
use crate::h2_frames::frame::window_update;
use crate::h2_frames::peer::{ALIVE, Peer, Target};

/// Requests per second, and seconds of each measurement.
const RATE: u32 = 500;
const SECONDS: u32 = 3;
/// Connections that attack; each begins anew when it was ended.
const ATTACKERS: usize = 2;

/// The wait in microseconds that `share` of a thousand requests did not exceed.
fn measure(target: &Target, share: usize) -> u128 {
    let mut good = Peer::ready(target);
    let began = Instant::now();
    let mut waits = Vec::new();
    for number in 0..RATE * SECONDS {
        let due = began + Duration::from_secs(1) * number / RATE;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let stream = good.get(ALIVE);
        let said = good.answer(stream);
        assert_eq!((said.status(), said.text().as_str()), (Some(200), "alive"));
        waits.push(due.elapsed().as_micros());
        good.said.remove(&stream);
        if number % 1_000 == 999 {
            good.send(window_update(0, 5_000));
        }
    }
    waits.sort_unstable();
    waits[(waits.len() - 1) * share / 1_000]
}

/// The attackers' origin, as a process of its own: it starts a thread for each connection that an attack makes the gateway
/// open, hundreds in a flood, and each takes the lock on its process's memory, on which the good client would wait.
struct OriginOfAttackers {
    child: Child,
    endpoint: String,
    /// What it says at its end has to go somewhere.
    _said: BufReader<ChildStdout>,
}

impl OriginOfAttackers {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().expect("the test has a file"))
            .args(["--ignored", "--exact", "h2_attacks::latency::origin_of_attackers", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the tests can be run");
        let mut said = BufReader::new(child.stdout.take().expect("it is piped"));
        let lines = said.by_ref().lines().map_while(Result::ok);
        let endpoint = lines.filter_map(|line| line.strip_prefix(ORIGIN_AT).map(str::to_owned)).next();
        Self { child, endpoint: endpoint.expect("it says where it is"), _said: said }
    }
}

impl Drop for OriginOfAttackers {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// What the line begins with in which it says where it is.
const ORIGIN_AT: &str = "origin at ";

#[test]
#[ignore = "a process of the measurement"]
fn origin_of_attackers() {
    humbly(|| {
        let origin = echo();
        println!("\n{ORIGIN_AT}{}", origin.origin.endpoint());
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
    });
}

#[test]
#[ignore = "measures time: scripts/h2-attacks runs it"]
fn latency_of_a_good_client() {
    println!("{:<62} {:>9} {:>9} {:>6}", "attack", "p99 µs", "quiet µs", "ratio");
    let only = std::env::var("H2_FLOOD").ok();
    for flood in FLOODS.iter().filter(|flood| only.as_deref().is_none_or(|only| flood.name.contains(only))) {
        let origin = OriginOfAttackers::start();
        let arena = Arena::before(&origin.endpoint, "");
        measure(&arena.good, 990);
        let before = measure(&arena.good, 990);
        let is_over = AtomicBool::new(false);
        let during = thread::scope(|scope| {
            for _ in 0..ATTACKERS {
                scope.spawn(|| {
                    humbly(|| {
                        while !is_over.load(SeqCst) {
                            drop(run(flood, &arena.target));
                        }
                    });
                });
            }
            let during = measure(&arena.good, 990);
            is_over.store(true, SeqCst);
            during
        });
        let quiet = before.min(measure(&arena.good, 990));
        println!("{:<62} {during:>9} {quiet:>9} {:>6.2}", flood.name, during as f64 / quiet as f64);
    }
}
