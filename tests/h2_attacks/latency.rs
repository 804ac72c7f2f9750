//! How long a good client waits while others attack, at a fixed rate, counted from when each request was due.
//! `scripts/h2-attacks` runs this with a released gateway; no test judges time.
//!
//! Attackers load the machine as well as the gateway, and both are few cores. So a good client's wait is taken three
//! times in turn: quiet; while the attackers are at a neighbour, another gateway on the same core that runs only when
//! the first one does not want to; and while they are at its own gateway. What the last one adds to the second is the
//! gateway's doing.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use super::arena::humbly;
use super::floods::{FLOODS, Flood, run};
use crate::h2_frames::peer::Target;
use crate::support::PATIENCE;
use crate::support::process::Process;

/// Requests per second of the good client.
const RATE: &str = "1000";
/// How long each of its measurements takes, and how often the three are taken.
const TIME: &str = "1500ms";
const ROUNDS: usize = 5;
/// Connections that attack; each begins anew when it was ended.
const ATTACKERS: usize = 2;

/// `ringway-load`, on the core of the clients.
fn load(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("RINGWAY_LOAD").expect("scripts/h2-attacks says where it is"));
    command.args(arguments).stderr(Stdio::null());
    command
}

/// An origin, a process of its own.
struct Origin {
    child: Child,
    endpoint: String,
    /// What it says at its end has to go somewhere.
    _said: BufReader<ChildStdout>,
}

impl Origin {
    fn start() -> Self {
        let mut command = load(&["origin", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it can be run");
        let mut said = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        said.read_line(&mut line).expect("it says where it is");
        let address = line.trim().rsplit(' ').next().expect("the address is the last word");
        Self { endpoint: format!("http://{address}"), child, _said: said }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A gateway, and the way of the attackers through it.
struct Site {
    gateway: Process,
    target: Target,
    _origins: [Origin; 2],
}

impl Site {
    fn open() -> Self {
        // The attackers' origin is not to take the good client's processor.
        let origins = [Origin::start(), thread::scope(|scope| scope.spawn(|| humbly(Origin::start)).join().unwrap())];
        let listener = "address = \"127.0.0.1:0\"\nprotocols = [\"h2\"]";
        let [good, other] = origins.each_ref().map(|origin| &origin.endpoint);
        let gateway = Process::run(&format!(
            "[server]\nworkers = 1\n[listeners.good]\n{listener}\n[listeners.web]\n{listener}\n\
             [routes.all]\npath = \"/*\"\nupstream = {{ endpoints = [\"{other}\"] }}\n\
             [routes.good]\npath = \"/bytes/100\"\nupstream = {{ endpoints = [\"{good}\"] }}\n",
        ));
        let target = Target { address: gateway.address("web"), tls: None, patience: PATIENCE };
        Self { gateway, target, _origins: origins }
    }

    /// The good client's p99 in microseconds.
    fn measure(&self) -> f64 {
        let url = format!("http://{}/bytes/100", self.gateway.address("good"));
        let mut client = load(&["run", "--h2", "--connections", "1", "--streams", "100", "--rate", RATE]);
        client.args(["--warmup", "300ms", "--duration", TIME, "--quiet", "--json", "-", &url]);
        let output = client.output().expect("it can be run");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it reports");
        let errors = report["errors"].as_object().expect("errors are counted");
        assert!(errors.values().all(|count| count == 0), "the good client gets every answer: {report}");
        report["latency_us"]["p99"].as_f64().expect("there were answers")
    }

    /// The same while this flood comes to `attacked`.
    fn measure_beside(&self, flood: &Flood, attacked: &Self) -> f64 {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..ATTACKERS {
                let attack = || {
                    while !is_over.load(SeqCst) {
                        drop(run(flood, &attacked.target));
                    }
                };
                scope.spawn(move || humbly(attack));
            }
            let found = self.measure();
            is_over.store(true, SeqCst);
            found
        })
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
#[ignore = "measures time: scripts/h2-attacks runs it"]
fn latency_of_a_good_client() {
    let (site, neighbour) = (Site::open(), Site::open());
    let chrt = Command::new("chrt").args(["--all-tasks", "--idle", "--pid", "0", &neighbour.gateway.id()]).status();
    assert!(chrt.is_ok_and(|status| status.success()), "the neighbour takes no time from the gateway");
    println!("p99 in microseconds at {RATE} requests a second, medians of {ROUNDS} times {TIME}");
    println!("{:<62} {:>7} {:>10} {:>9} {:>6}", "attack", "quiet", "neighbour", "attacked", "ratio");
    let only = std::env::var("H2_FLOOD").ok();
    for flood in FLOODS.iter().filter(|flood| only.as_deref().is_none_or(|only| flood.name.contains(only))) {
        let mut waits = [[]; 3].map(Vec::from);
        for _ in 0..ROUNDS {
            waits[0].push(site.measure());
            waits[1].push(site.measure_beside(flood, &neighbour));
            waits[2].push(site.measure_beside(flood, &site));
        }
        let [quiet, beside, attacked] = waits.map(median);
        println!("{:<62} {quiet:>7.0} {beside:>10.0} {attacked:>9.0} {:>6.2}", flood.name, attacked / beside);
    }
}
