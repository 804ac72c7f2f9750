//! Real HTTP/1.1 servers behind the gateway see the requests that it saw: a slice of `scripts/differential`, which has
//! the other servers and any number of requests. Its parts are in `tests/differential/`, in Python, so that nothing of
//! the gateway has a part in judging it; `tests/differential/README.md` has the laws.
//!
//! The servers here are those that a machine has or gets from Debian in seconds. `scripts/test` installs them.

use std::path::Path;
use std::process::Command;

#[test]
fn the_judge_knows_every_fixture_and_catches_every_planted_fault() {
    differential(&["--check"]);
}

#[test]
fn real_servers_see_the_requests_that_were_meant() {
    let said =
        differential(&["--requests", "2000", "--origin", "http-server", "--origin", "node", "--origin", "nginx"]);
    assert!(said.contains("3 origins: 20"), "fewer than 2,000 requests were sent:\n{said}");
}

/// Where its parser, and where it has them its router and its libraries, see a dot segment, another slash or another
/// text in a canonical path, a rule of the gateway can be walked around.
#[test]
fn real_parsers_see_the_canonical_path_that_the_gateway_matched() {
    let origins = ["nginx", "apache", "lighttpd", "gunicorn", "aiohttp", "node-js"];
    let arguments: Vec<&str> = origins.iter().flat_map(|origin| ["--origin", origin]).collect();
    let said = differential(&[&["--paths", "--requests", "3000"], &arguments[..]].concat());
    assert!(said.contains("6 origins: 30"), "fewer than 3,000 requests were sent:\n{said}");
}

/// Runs the script against this build; what it prints.
fn differential(arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/differential");
    let run = Command::new("python3")
        .arg(script)
        .args(["--binary", env!("CARGO_BIN_EXE_ringway")])
        .args(arguments)
        .output()
        .expect("there is a python3: scripts/test installs it");
    let said = String::from_utf8_lossy(&[run.stdout, run.stderr].concat()).into_owned();
    assert!(run.status.success(), "{said}");
    said
}
