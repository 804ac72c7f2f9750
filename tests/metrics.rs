//! What the metrics say when things go wrong, take long, or are made up by a client.

use std::sync::Arc;

use ringway::control::{Gateway, Options, Source};

use super::support::{Client, Gate, Origin, Reply, eventually};

fn start(tables: &str) -> Gateway {
    let text = format!("[server]\nworkers = 2\n[listeners.web]\naddress = \"127.0.0.1:0\"\n{tables}");
    Gateway::start(Source::text(text), Options::embedded().unwrap()).unwrap_or_else(|failure| panic!("{failure}"))
}

fn before(origin: &Origin) -> Gateway {
    let endpoint = origin.endpoint();
    start(&format!(
        "[upstreams.origin]\nendpoints = [\"{endpoint}\"]\n[routes.all]\npath = \"/*\"\nupstream = \"origin\"\n"
    ))
}

fn client(gateway: &Gateway) -> Client {
    Client::connect(gateway.address("web").unwrap())
}

/// The sum of the samples of `series`: a name, or a name with labels.
fn metric(gateway: &Gateway, series: &str) -> f64 {
    let page = gateway.metrics().unwrap();
    let rests = page.lines().filter_map(|line| line.strip_prefix(series)).filter(|rest| rest.starts_with([' ', '{']));
    rests.map(|rest| rest.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
}

/// A core counts an exchange after its last byte is out, so who just read that byte may have to ask again.
fn await_metric(gateway: &Gateway, series: &str, value: f64) {
    eventually(&format!("{series} {value}"), || (metric(gateway, series) == value).then_some(()));
}

#[test]
fn a_fault_is_counted_by_its_name_and_its_status() {
    let gateway = before(&Origin::refusing());
    assert_eq!(client(&gateway).get("/").status, 502);
    await_metric(&gateway, "ringway_faults_total{error=\"connection-refused\"}", 1.0);
    let answered = "ringway_requests_total{listener=\"web\",route=\"all\",method=\"GET\",code=\"5xx\"}";
    await_metric(&gateway, answered, 1.0);
    assert_eq!(metric(&gateway, "ringway_faults_total"), 1.0);
}

#[test]
fn a_request_in_flight_is_counted_until_it_is_answered() {
    let gate = Arc::new(Gate::default());
    let way = Arc::clone(&gate);
    let origin = Origin::answering(move |_| {
        way.pass();
        Reply::text("late")
    });
    let gateway = before(&origin);
    let mut client = client(&gateway);
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    origin.await_request(1);
    assert_eq!(metric(&gateway, "ringway_requests_in_flight"), 1.0);
    assert_eq!(metric(&gateway, "ringway_requests_total"), 0.0);
    gate.open();
    client.answer();
    await_metric(&gateway, "ringway_requests_total", 1.0);
    await_metric(&gateway, "ringway_requests_in_flight", 0.0);
}

#[test]
fn open_connections_are_counted_over_reloads() {
    let respond = "[routes.a]\npath = \"/\"\nrespond = { status = 204 }\n";
    let gateway = start(respond);
    let mut clients: Vec<_> = (0..5).map(|_| client(&gateway)).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.get("/").status, 204));
    assert_eq!(metric(&gateway, "ringway_connections"), 5.0);
    gateway.reload().unwrap();
    gateway.reload().unwrap();
    assert_eq!(metric(&gateway, "ringway_connections"), 5.0);
    clients.truncate(2);
    await_metric(&gateway, "ringway_connections", 2.0);
    assert_eq!(metric(&gateway, "ringway_connections_opened_total"), 5.0);
}

#[test]
fn no_client_can_add_a_series() {
    let gateway = start("[routes.a]\npath = \"/a/*\"\nrespond = { status = 200 }\n");
    let mut client = client(&gateway);
    let series = || {
        let page = gateway.metrics().unwrap();
        page.lines().filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect::<Vec<_>>()
    };
    for method in ["GET", "BREW"] {
        client.ask(&format!("{method} /a/0 HTTP/1.1\r\nhost: h0\r\n\r\n"));
        client.ask(&format!("{method} /b/0 HTTP/1.1\r\nhost: h0\r\n\r\n"));
    }
    await_metric(&gateway, "ringway_requests_total", 4.0);
    let before = series();
    for number in 1..20 {
        client.ask(&format!("GET /a/{number} HTTP/1.1\r\nhost: h{number}\r\n\r\n"));
        client.ask(&format!("BREW{number} /b/{number} HTTP/1.1\r\nhost: h{number}\r\n\r\n"));
    }
    await_metric(&gateway, "ringway_requests_total", 42.0);
    assert_eq!(series(), before);
    assert!(before.iter().any(|series| series.contains("method=\"_OTHER\"")), "{before:?}");
}

#[test]
fn the_overhead_is_known_only_where_an_upstream_was_asked() {
    let origin = Origin::answering(|_| Reply::text("x"));
    let endpoint = origin.endpoint();
    let gateway = start(&format!(
        "[routes.up]\npath = \"/up\"\nupstream = {{ endpoints = [\"{endpoint}\"] }}\n\
         [routes.own]\npath = \"/own\"\nrespond = {{ status = 200 }}\n"
    ));
    let mut client = client(&gateway);
    client.get("/up");
    client.get("/own");
    await_metric(&gateway, "ringway_requests_total", 2.0);
    assert_eq!(metric(&gateway, "ringway_overhead_seconds_count"), 1.0);
    assert_eq!(metric(&gateway, "ringway_upstream_duration_seconds_count{upstream=\"routes.up.upstream\"}"), 1.0);
    assert_eq!(metric(&gateway, "ringway_request_duration_seconds_count{route=\"own\"}"), 1.0);
}
