//! Over TLS the same, and each handshake is counted.

use std::net::TcpListener;

use serde_json::Value;

use crate::support::{Identity, OK, Script, Server, load_to_end};

/// What a run on a server with TLS gives: its results, and the server.
fn load(script: Script, identity: &Identity, arguments: &[&str]) -> (Value, Server) {
    let server = Server::start_tls(script, identity);
    let output = load_to_end(&server.url_tls(), &[&["--json", "-"], arguments].concat());
    (serde_json::from_str(&output).unwrap(), server)
}

/// Handshakes that were full, and that resumed a session.
fn handshakes(results: &Value) -> (u64, u64) {
    let count = |kind: &str| results["handshakes"][kind].as_u64().unwrap();
    (count("full"), count("resumed"))
}

#[test]
fn a_kept_connection_shakes_hands_once() {
    let identity = Identity::new();
    let file = identity.file();
    let verified = ["--requests", "50", "--connections", "3", "--ca", file.path().to_str().unwrap()];
    let (results, server) = load(Script::Answer(OK), &identity, &verified);
    assert_eq!((&results["requests"], handshakes(&results)), (&50.into(), (3, 0)), "{results}");
    assert_eq!((server.requests(), server.connections()), (50, 3));
    assert_eq!(results["bytes_read"], 50 * OK.len());
}

#[test]
fn a_new_connection_shakes_hands_anew_or_resumes() {
    let (identity, new) = (Identity::new(), ["--requests", "60", "--connections", "4", "--new-connections"]);
    let (results, server) = load(Script::Answer(OK), &identity, &[&new[..], &["--insecure"]].concat());
    assert_eq!((&results["requests"], handshakes(&results)), (&60.into(), (60, 0)), "{results}");
    assert_eq!(server.connections(), 60);
    let (results, _) = load(Script::Answer(OK), &identity, &[&new[..], &["--insecure", "--tls-resume"]].concat());
    let (full, resumed) = handshakes(&results);
    // Those that begin before the first ticket has come have none.
    assert!(results["requests"] == 60 && full <= 4 && full + resumed == 60, "{results}");
}

#[test]
fn a_certificate_of_somebody_else_is_refused() {
    let (identity, other) = (Identity::new(), Identity::new().file());
    let arguments = ["--requests", "4", "--connections", "2", "--ca", other.path().to_str().unwrap()];
    let (results, server) = load(Script::Answer(OK), &identity, &arguments);
    assert_eq!((&results["requests"], &results["errors"]["connect"]), (&0.into(), &4.into()), "{results}");
    assert_eq!(server.requests(), 0);
}

#[test]
fn a_server_without_tls_is_a_failed_connection() {
    let server = Server::start(Script::AnswerAndClose(OK));
    let arguments = ["--json", "-", "--requests", "4", "--connections", "2", "--insecure", "--timeout", "300ms"];
    let results: Value = serde_json::from_str(&load_to_end(&server.url_tls(), &arguments)).unwrap();
    let (refused, silent) = (&results["errors"]["connect"], &results["errors"]["timeout"]);
    assert_eq!(refused.as_u64().unwrap() + silent.as_u64().unwrap(), 4, "{results}");
    // One that says nothing at all is waited for as long as an answer.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let arguments = ["--json", "-", "--requests", "2", "--connections", "1", "--new-connections", "--insecure"];
    let output = load_to_end(&url, &[&arguments[..], &["--timeout", "50ms"]].concat());
    let results: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(results["errors"]["timeout"], 2, "{results}");
}

#[test]
fn a_body_of_many_records_arrives() {
    let identity = Identity::new();
    let body = (8 << 20).to_string();
    let arguments = ["--requests", "4", "--connections", "2", "--insecure", "--body-bytes", &body];
    let (results, server) = load(Script::Answer(OK), &identity, &arguments);
    assert_eq!(results["requests"], 4, "{results}");
    assert!(server.last().ends_with(&"b".repeat(8 << 20)));
}

#[test]
fn an_end_that_nobody_announced_is_no_end_of_an_answer() {
    // Without a length the answer ends with its connection, and here that ends below TLS.
    let (results, _) = load(
        Script::AnswerAndClose("HTTP/1.1 200 OK\r\n\r\nuntil the end"),
        &Identity::new(),
        &["--requests", "4", "--connections", "2", "--insecure"],
    );
    assert_eq!(results["errors"]["closed"], 4, "{results}");
}
