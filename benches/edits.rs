//! What changing a request on its way up costs: its target, and its fields. `cargo bench --bench edits`
#![expect(unreachable_pub, reason = "nobody imports a benchmark")]

mod samples;

use std::net::IpAddr;

use divan::{Bencher, black_box};
use ringway::plan::router::Captures;
use ringway::plan::{Action, FieldEdits, Forward, Plan, Route, load_text};
use ringway::policy::client::Client;
use ringway::policy::outgoing::Upward;
use ringway::policy::rewrite::{self, Asked};
use ringway::proto::h1::parse::request;
use ringway::proto::head::RequestHead;
use samples::{BROWSER, EDITED, LIMITS};

fn main() {
    divan::main();
}

/// The target, with a new prefix and a new query.
#[divan::bench]
fn target(bencher: Bencher<'_, '_>) {
    let plan = edited();
    let Action::Forward(Forward { rewrite, .. }) = &plan.routes[0].action else { panic!("the route forwards") };
    let asked = Asked { path: b"/orders/1234", query: Some(b"expand=lines&page=2"), captures: &Captures::NONE };
    let mut out = Vec::with_capacity(256);
    bencher.bench_local(|| {
        out.clear();
        rewrite::target(rewrite, black_box(&asked), &|_, out| out.extend_from_slice(b"192.0.2.17"), &mut out)
    });
}

/// A browser's head as it goes up: what it costs without an edit, and with some.
#[divan::bench(args = [false, true])]
fn head_up(bencher: Bencher<'_, '_>, is_edited: bool) {
    let plan = edited();
    let none = FieldEdits::default();
    let edits = if is_edited { route(&plan).request.clone() } else { none };
    let mut head = RequestHead::default();
    assert!(request(BROWSER, 0, &LIMITS, &mut head).is_ok());
    let peer = IpAddr::from([192, 0, 2, 17]);
    let client = Client { address: peer, is_trusted_peer: false, is_told: false, scheme: None, host: None };
    let upward = Upward {
        head: &head,
        bytes: BROWSER,
        target: b"/orders/1234?expand=lines&page=2",
        host: b"api.example.com",
        pseudonym: "ringway",
        peer,
        client: &client,
        scheme: "http",
        id: b"0198c3a4-7d9e-7b1c-9f11-2f0e9a8b7c6d",
        deadline: None,
        traceparent: b"",
        upgrade: b"",
        edits: &edits,
        fill: &|_, out| out.extend_from_slice(b"all"),
    };
    let mut out = Vec::with_capacity(4096);
    bencher.bench_local(|| {
        out.clear();
        black_box(&upward).write(&mut out);
        out.len()
    });
}

fn edited() -> Plan {
    load_text("bench.toml", EDITED).expect("a good configuration").plan
}

fn route(plan: &Plan) -> &Route {
    &plan.routes[0]
}
