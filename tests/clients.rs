//! Real clients use the gateway as their users do, with real upstreams behind it: `scripts/clients`. Its parts are in
//! `tests/clients/`, in Python and JavaScript: what each client does is in `plays/`, one module each.
//!
//! `scripts/test` installs the clients.

use std::path::Path;
use std::process::Command;

#[test]
fn curl_gets_what_it_asks_for_by_every_version() {
    clients("curl");
}

#[test]
fn nghttp_and_h2load_lose_no_request() {
    clients("nghttp");
}

#[test]
fn openssl_is_offered_what_is_safe_and_nothing_else() {
    clients("openssl");
}

#[test]
fn httpx_and_aiohttp_stream_and_ask_at_once() {
    clients("python");
}

#[test]
fn websockets_keep_their_messages_and_codes() {
    clients("websockets");
}

#[test]
fn grpcio_calls_a_service_by_all_four_kinds() {
    clients("grpcio");
}

#[test]
fn node_and_undici_share_sessions() {
    clients("node");
}

#[test]
fn chromium_loads_a_page_with_events_and_a_websocket() {
    clients("chromium");
}

/// Plays what one client does against this build.
fn clients(group: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/clients");
    let run = Command::new("python3")
        .arg(script)
        .args(["--binary", env!("CARGO_BIN_EXE_ringway"), group])
        .output()
        .expect("there is a python3: scripts/test installs it");
    let said = String::from_utf8_lossy(&[run.stdout, run.stderr].concat()).into_owned();
    assert!(run.status.success(), "{said}");
}
