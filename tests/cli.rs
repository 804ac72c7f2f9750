//! The command line: what it prints, where, and with which exit code.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};

use super::support::Client;
use super::support::process::Directory;

fn ringway(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringway"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    ringway(arguments).output().expect("the binary was built with the tests")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[test]
fn wrong_arguments_are_code_2_and_go_to_standard_error() {
    for arguments in [&["fly"][..], &[], &["run"], &["run", "a.toml", "b.toml"], &["demo", "--listen", "here"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn the_version_is_printed() {
    let output = run(&["version"]);
    assert_eq!(text(&output.stdout), format!("ringway {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_cannot_run_says_why_and_is_code_1() {
    let directory = Directory::new();
    let file = directory.path().join("ringway.toml");
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = held.local_addr().unwrap();
    let routes = "[routes.a]\npath = \"/\"\nrespond = { status = 200 }\n";
    for (configuration, why) in [
        (None, "ringway.toml"),
        (Some("[routes.a]\npath = \"/\"\nupstream = \"b\"\n".to_owned()), "ringway.toml:3:12: error[E"),
        (Some(format!("[listeners.web]\naddress = \"{taken}\"\n{routes}")), "listener \"web\" cannot listen on"),
        (
            Some(format!("[admin]\naddress = \"{taken}\"\n[listeners.web]\naddress = \"127.0.0.1:0\"\n{routes}")),
            "admin.address",
        ),
        (
            Some(format!("[access_log]\nfile = \"/nowhere/x\"\n[listeners.web]\naddress = \"127.0.0.1:0\"\n{routes}")),
            "access_log.file /nowhere/x",
        ),
    ] {
        drop(std::fs::remove_file(&file));
        if let Some(configuration) = &configuration {
            std::fs::write(&file, configuration).unwrap();
        }
        let output = run(&["run", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1), "{configuration:?}");
        assert!(text(&output.stderr).contains(why), "{why} in {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{configuration:?}");
    }
}

#[test]
fn a_driver_that_there_is_not_is_named() {
    let output = ringway(&["run", "any.toml"]).env("RINGWAY_DRIVER", "kqueue").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("RINGWAY_DRIVER says kqueue"), "{}", text(&output.stderr));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = ringway(&["reference"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut complaint = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    assert_eq!((child.wait().unwrap().code(), complaint.as_str()), (Some(0), ""));
}

#[test]
fn the_printed_demo_can_be_saved_and_checked() {
    let directory = Directory::new();
    let file = directory.path().join("ringway.toml");
    std::fs::write(&file, run(&["demo", "--print-config"]).stdout).unwrap();
    let output = run(&["check", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
}

/// Killed when dropped.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn the_demo_shows_what_it_promises() {
    let mut child = ringway(&["demo", "--listen", "127.0.0.1:0"]);
    let mut demo = Demo(child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut lines = BufReader::new(demo.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains(" listens on ")).expect("the demo says where it listens");
    let address = line.split("http://").nth(1).and_then(|rest| rest.split(". ").next()).expect("an address");
    let mut client = Client::connect(address.parse().unwrap());
    assert_eq!(client.get("/ping").text(), "pong\n");
    assert!(client.get("/").text().contains("origin \"blue\""));
    let echo = client.get("/users/7").json();
    assert_eq!((&echo["path"], &echo["query"]), (&"/echo/users".into(), &"id=7".into()));
    assert_eq!(client.get("/api/json").json()["orders"][0]["id"], 7);
    assert!(["blue\n", "green\n"].contains(&client.get("/split").text()));
    assert_eq!(client.ask("GET /name HTTP/1.1\r\nhost: x\r\nx-color: green\r\n\r\n").text(), "green\n");
    let fields = client.ask("GET /fields HTTP/1.1\r\nhost: x\r\ncookie: a=b\r\n\r\n");
    assert_eq!(fields.field("x-route"), Some("fields"));
    assert_eq!(
        (&fields.json()["fields"]["x-client"], fields.json()["fields"].get("cookie")),
        (&"127.0.0.1".into(), None)
    );
    let redirect = client.get("/v1/json?x=1");
    assert_eq!(redirect.status, 308);
    assert!(redirect.field("location").is_some_and(|location| location.ends_with("/api/json?x=1")), "{redirect:?}");
    assert_eq!(client.get("/stream").text().lines().count(), 5);
    assert_eq!(client.get("/slow").status, 504);
    let large = format!("POST /upload HTTP/1.1\r\nhost: x\r\ncontent-length: 1025\r\n\r\n{}", "x".repeat(1025));
    assert_eq!(Client::connect(address.parse().unwrap()).ask(&large).status, 413);
}
