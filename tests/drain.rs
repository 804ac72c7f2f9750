//! A gateway ends, and nothing that was begun is lost: neither an answer nor a log line.

use std::sync::Arc;

use ringway::control::{End, Gateway, Options, Source};

use super::support::{Client, Gate, Origin, Reply, eventually};

fn start(tables: &str) -> Gateway {
    let text = format!("[listeners.web]\naddress = \"127.0.0.1:0\"\n[admin]\naddress = \"127.0.0.1:0\"\n{tables}");
    Gateway::start(Source::text(text), Options::embedded().unwrap()).unwrap_or_else(|failure| panic!("{failure}"))
}

fn before(origin: &Origin, server: &str) -> Gateway {
    let endpoint = origin.endpoint();
    start(&format!(
        "{server}[upstreams.origin]\nendpoints = [\"{endpoint}\"]\n[routes.all]\npath = \"/*\"\nupstream = \"origin\"\n\
         timeouts = {{ request = \"none\", first_byte = \"none\" }}\n"
    ))
}

fn client(gateway: &Gateway) -> Client {
    Client::connect(gateway.address("web").unwrap())
}

#[test]
fn while_it_drains_it_is_alive_but_not_ready_and_takes_no_new_plan() {
    let gate = Arc::new(Gate::default());
    let way = Arc::clone(&gate);
    let origin = Origin::answering(move |_| {
        way.pass();
        Reply::text("finished")
    });
    let gateway = before(&origin, "[server]\nworkers = 2\n");
    let mut busy = client(&gateway);
    busy.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    origin.await_request(1);
    let mut admin = Client::connect(gateway.admin_address().unwrap());
    assert_eq!(admin.get("/readyz").status, 200);
    gateway.begin_drain();
    eventually("not ready", || (admin.get("/readyz").status == 503).then_some(()));
    assert_eq!(admin.get("/healthz").status, 200);
    assert_eq!(gateway.reload().unwrap_err().to_string(), "the gateway is draining");
    assert!(gateway.metrics().unwrap().contains("ringway_requests_in_flight"));
    gate.open();
    assert_eq!(busy.answer().text(), "finished");
    assert_eq!(gateway.wait(), End::Drained);
}

#[test]
fn a_drain_cuts_what_is_left_when_its_time_is_over() {
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.await_end();
        }
    });
    let gateway = before(&origin, "[server]\nworkers = 1\ndrain_timeout = \"50ms\"\n");
    let mut busy = client(&gateway);
    busy.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    origin.await_request(1);
    assert_eq!(gateway.drain(), End::Drained);
    busy.expect_end();
    origin.await_ended(1);
}

#[test]
fn after_a_drain_the_log_holds_a_line_for_every_answer() {
    let file = std::env::temp_dir().join(format!("ringway-drain-{}.log", std::process::id()));
    let gateway = start(&format!(
        "[server]\nworkers = 2\n[access_log]\nfile = {file:?}\nformat = \"{{request.path}}\"\n\
         [routes.all]\npath = \"/*\"\nrespond = {{ status = 204 }}\n"
    ));
    let mut expected = Vec::new();
    for connection in 0..8 {
        let mut client = client(&gateway);
        for request in 0..25 {
            let path = format!("/{connection}/{request}");
            assert_eq!(client.get(&path).status, 204);
            expected.push(path);
        }
    }
    assert_eq!(gateway.drain(), End::Drained);
    let text = std::fs::read_to_string(&file).unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    expected.sort_unstable();
    assert_eq!(lines, expected);
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_dropped_gateway_leaves_its_port_free() {
    let tables = "[routes.all]\npath = \"/*\"\nrespond = { status = 204 }\n";
    let first = start(tables);
    let address = first.address("web").unwrap();
    let mut open = client(&first);
    open.get("/");
    drop(first);
    open.expect_end();
    let again = format!("[listeners.web]\naddress = \"{address}\"\n{tables}");
    let second = Gateway::start(Source::text(again), Options::embedded().unwrap()).unwrap();
    assert_eq!(client(&second).get("/").status, 204);
}
