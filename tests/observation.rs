//! What operators see: the access log, the metrics, and whether the gateway is alive and ready.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::support::process::Directory;
use super::support::{Gateway, Origin, Reply, eventually};

/// Forwards everything to `origin` and logs to `log`.
fn logging(origin: &Origin, log: &Path, format: &str) -> Gateway {
    Gateway::before_with(origin, &format!("[access_log]\nfile = \"{}\"\nformat = {format}\n", log.display()))
}

/// The log's first `count` lines, once they are there.
fn lines(log: &Path, count: usize) -> Vec<String> {
    eventually("the access log's lines", || {
        let text = fs::read_to_string(log).unwrap_or_default();
        let whole: Vec<String> =
            text.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(str::to_owned).collect();
        (whole.len() >= count).then_some(whole)
    })
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
}

#[test]
fn each_exchange_is_one_line_of_json() {
    let directory = Directory::new();
    let log = directory.path().join("access.log");
    let origin = Origin::answering(|request| Reply::text(request.body.clone()));
    let gateway = logging(&origin, &log, "\"json\"");
    let mut client = gateway.client();
    let answer = client.ask(
        "POST /a/../b?q=1 HTTP/1.1\r\nhost: Shop.example:80\r\ncontent-length: 5\r\nuser-agent: tester/1\r\n\r\nhello",
    );
    client.get("/second");
    let lines = lines(&log, 2);
    let first = json(&lines[0]);
    for (key, value) in [
        ("method", "POST"),
        ("path", "/b"),
        ("query", "q=1"),
        ("host", "shop.example"),
        ("client", "127.0.0.1"),
        ("listener", "web"),
        ("route", "all"),
        ("upstream", "origin"),
        ("protocol", "HTTP/1.1"),
        ("user_agent", "tester/1"),
    ] {
        assert_eq!(first[key], value, "{key} in {first}");
    }
    assert_eq!(first["id"].as_str(), answer.field("x-request-id"));
    for (key, value) in [("status", 200), ("upstream_status", 200), ("bytes_in", 5), ("bytes_out", 5), ("attempts", 1)]
    {
        assert_eq!(first[key], value, "{key} in {first}");
    }
    assert!(first["duration"].as_f64().is_some_and(|seconds| (0.0..60.0).contains(&seconds)), "{first}");
    assert!(first["upstream_duration"].as_f64() <= first["duration"].as_f64(), "{first}");
    assert!(first["trace"].as_str().is_some_and(|trace| trace.len() == 32), "{first}");
    assert_eq!(json(&lines[1])["path"], "/second");
}

#[test]
fn bytes_of_an_answer_are_its_payload_however_it_is_framed() {
    let directory = Directory::new();
    let log = directory.path().join("access.log");
    let origin = Origin::playing(|connection| {
        while connection.request().is_ok() {
            connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n");
            connection.send("6\r\n world\r\n0\r\n\r\n");
        }
    });
    let gateway = logging(&origin, &log, "\"json\"");
    gateway.client().get("/");
    assert_eq!(json(&lines(&log, 1)[0])["bytes_out"], 11);
}

#[test]
fn a_fault_is_logged_with_its_name() {
    let directory = Directory::new();
    let log = directory.path().join("access.log");
    let gateway = logging(&Origin::refusing(), &log, "\"json\"");
    assert_eq!(gateway.client().get("/x").status, 502);
    assert_eq!(gateway.client().ask("GET / HTTP/1.1\r\n\r\n").status, 400);
    let lines = lines(&log, 2);
    assert_eq!((&json(&lines[0])["error"], &json(&lines[0])["status"]), (&"connection-refused".into(), &502.into()));
    assert_eq!((&json(&lines[1])["error"], &json(&lines[1])["status"]), (&"bad-host".into(), &400.into()));
}

#[test]
fn a_client_cannot_write_its_own_log_lines() {
    let directory = Directory::new();
    let log = directory.path().join("access.log");
    let origin = Origin::answering(|_| Reply::status(204));
    let gateway = logging(&origin, &log, "\"json\"");
    let mut client = gateway.client();
    client.send(
        b"GET /%0a%22,%22x%22:%22?\"},{\"status\":200 HTTP/1.1\r\nhost: test\r\nuser-agent: \"},\xff\\{\r\n\r\n"
            .as_slice(),
    );
    let status = client.answer().status;
    let lines = lines(&log, 1);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(json(&lines[0])["status"], status);
}

#[test]
fn a_client_that_went_away_is_logged_as_499() {
    let directory = Directory::new();
    let log = directory.path().join("access.log");
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.await_end();
        }
    });
    let gateway = logging(&origin, &log, "\"json\"");
    let mut client = gateway.client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    origin.await_request(1);
    client.reset();
    let line = json(&lines(&log, 1)[0]);
    assert_eq!((&line["status"], &line["error"]), (&499.into(), &"client-gone".into()));
}

#[test]
fn a_template_says_how_a_line_looks() {
    let directory = Directory::new();
    let log = directory.path().join("access.log");
    let origin = Origin::answering(|_| Reply::text("four"));
    let gateway =
        logging(&origin, &log, "\"{request.method} {request.path} {response.status} {response.bytes} {route.name}\"");
    gateway.client().get("/x");
    assert_eq!(lines(&log, 1), ["GET /x 200 4 all\n"]);
}

#[test]
fn the_combined_format_is_what_log_tools_expect() {
    let directory = Directory::new();
    let log = directory.path().join("access.log");
    let origin = Origin::answering(|_| Reply::text("four"));
    let gateway = logging(&origin, &log, "\"combined\"");
    gateway.client().ask("GET /x?y HTTP/1.1\r\nhost: test\r\nreferer: http://r/\r\nuser-agent: a \"b\"\r\n\r\n");
    let line = lines(&log, 1).remove(0);
    assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
    assert!(line.contains("] \"GET /x?y HTTP/1.1\" 200 4 \"http://r/\" \"a "), "{line}");
}

#[test]
fn the_metrics_count_what_happened() {
    let origin = Origin::answering(|request| match request.target.as_str() {
        "/fails" => Reply::status(500),
        _ => Reply::text("0123456789"),
    });
    let gateway = Gateway::before(&origin);
    let mut client = gateway.client();
    for _ in 0..3 {
        client.get("/");
    }
    client.get("/fails");
    client.ask("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\nbody");
    let label = |method: &str, code: &str| {
        format!("ringway_requests_total{{listener=\"web\",route=\"all\",method=\"{method}\",code=\"{code}\"}}")
    };
    eventually("five requests in the metrics", || (gateway.metric("ringway_requests_total") == 5.0).then_some(()));
    assert_eq!(gateway.metric(&label("GET", "2xx")), 3.0);
    assert_eq!(gateway.metric(&label("GET", "5xx")), 1.0);
    assert_eq!(gateway.metric(&label("POST", "2xx")), 1.0);
    assert_eq!(gateway.metric("ringway_request_body_bytes_total"), 4.0);
    assert_eq!(gateway.metric("ringway_response_body_bytes_total"), 40.0);
    assert_eq!(gateway.metric("ringway_request_duration_seconds_count"), 5.0);
    assert_eq!(gateway.metric("ringway_upstream_duration_seconds_count"), 5.0);
    assert_eq!(gateway.metric("ringway_connections"), 1.0);
    assert_eq!(gateway.metric("ringway_upstream_connects_total"), 1.0);
    assert_eq!(gateway.metric("ringway_requests_in_flight"), 0.0);
    drop(client);
    eventually("no open connection", || (gateway.metric("ringway_connections") == 0.0).then_some(()));
}

#[test]
fn workers_share_a_listener_and_their_counts_are_summed() {
    let origin = Origin::answering(|_| Reply::status(204));
    let endpoint = origin.endpoint();
    let gateway = Gateway::start(&format!(
        "[server]\nworkers = 2\n[listeners.web]\naddress = \"127.0.0.1:0\"\n[admin]\naddress = \"127.0.0.1:0\"\n\
         [routes.all]\npath = \"/*\"\nupstream = {{ endpoints = [\"{endpoint}\"] }}\n"
    ));
    for _ in 0..40 {
        assert_eq!(gateway.client().get("/").status, 204);
    }
    assert_eq!(gateway.metric("ringway_workers"), 2.0);
    eventually("forty requests", || (gateway.metric("ringway_requests_total") == 40.0).then_some(()));
    // The kernel deals connections by a hash: that one worker gets none of forty is a matter of 10^-12.
    for worker in 0..2 {
        let opened = format!("ringway_connections_opened_total{{listener=\"web\",worker=\"{worker}\"}}");
        assert!(gateway.metric(&opened) > 0.0, "worker {worker} got no connection");
    }
}

#[test]
fn the_metrics_page_is_what_prometheus_reads() {
    let origin = Origin::answering(|_| Reply::status(204));
    let gateway = Gateway::before(&origin);
    gateway.client().get("/");
    let page = gateway.admin().get("/metrics");
    assert_eq!(page.field("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let mut typed = Vec::new();
    for line in page.text().lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let name = rest.split(' ').next().unwrap();
            assert!(!typed.contains(&name.to_owned()), "{name} is declared twice");
            typed.push(name.to_owned());
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').expect("a sample has a value");
            assert!(value == "+Inf" || value.parse::<f64>().is_ok(), "{line}");
            let family = name.split('{').next().unwrap();
            let is_typed =
                |end: &str| family.strip_suffix(end).is_some_and(|name| typed.iter().any(|other| other == name));
            assert!(["", "_bucket", "_sum", "_count"].into_iter().any(is_typed), "{line} has no type");
        }
    }
    assert!(typed.len() > 10, "{typed:?}");
}

#[test]
fn the_gateway_says_that_it_lives_and_is_ready() {
    let origin = Origin::answering(|_| Reply::status(204));
    let gateway = Gateway::before(&origin);
    let mut admin = gateway.admin();
    assert_eq!([admin.get("/healthz").status, admin.get("/readyz").status], [200, 200]);
    assert_eq!(admin.get("/nothing").status, 404);
    // Only the admin address has these pages.
    assert_eq!(gateway.client().get("/metrics").status, 204);
}
