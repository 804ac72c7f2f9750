//! The process: how it starts, obeys signals, takes a new configuration, drains, and stays small.

use std::sync::Arc;

use super::support::process::Process;
use super::support::{Client, Gate, Origin, Reply, eventually};

/// A configuration that forwards everything to `origin`.
fn config(origin: &Origin, more: &str) -> String {
    let endpoint = origin.endpoint();
    format!(
        "[server]\nworkers = 1\n[listeners.web]\naddress = \"127.0.0.1:0\"\n[upstreams.origin]\nendpoints = [\"{endpoint}\"]\n\
         [routes.all]\npath = \"/*\"\nupstream = \"origin\"\n{more}"
    )
}

#[test]
fn a_told_process_finishes_what_it_has_and_ends_well() {
    for signal in ["TERM", "INT"] {
        let gate = Arc::new(Gate::default());
        let way = Arc::clone(&gate);
        let origin = Origin::answering(move |_| {
            way.pass();
            Reply::text("finished")
        });
        let mut process = Process::run(&config(&origin, ""));
        let mut busy = process.client();
        let mut idle = process.client();
        busy.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
        origin.await_request(1);
        process.signal(signal);
        idle.expect_close();
        let address = process.address("web");
        eventually("no listener", || std::net::TcpStream::connect(address).is_err().then_some(()));
        gate.open();
        let answer = busy.answer();
        assert_eq!((answer.text(), answer.field("connection")), ("finished", Some("close")));
        assert!(process.await_exit().success());
    }
}

#[test]
fn a_draining_process_is_not_ready_but_lives() {
    let gate = Arc::new(Gate::default());
    let way = Arc::clone(&gate);
    let origin = Origin::answering(move |_| {
        way.pass();
        Reply::status(204)
    });
    let process = Process::run(&config(&origin, "[admin]\naddress = \"127.0.0.1:0\"\n"));
    let mut admin = Client::connect(process.address_of("admin listening "));
    assert_eq!(admin.get("/readyz").status, 200);
    let mut busy = process.client();
    busy.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    origin.await_request(1);
    process.signal("TERM");
    eventually("not ready", || (admin.get("/readyz").status == 503).then_some(()));
    assert_eq!(admin.get("/healthz").status, 200);
    gate.open();
    assert_eq!(busy.answer().status, 204);
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.await_end();
        }
    });
    let mut process =
        Process::run(&config(&origin, "[defaults]\ntimeouts = { request = \"none\", first_byte = \"none\" }\n"));
    let mut busy = process.client();
    busy.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    origin.await_request(1);
    process.signal("TERM");
    process.await_line("drain");
    process.signal("TERM");
    process.await_exit();
}

#[test]
fn a_drain_ends_when_its_time_is_over() {
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.await_end();
        }
    });
    let text = config(&origin, "[defaults]\ntimeouts = { request = \"none\", first_byte = \"none\" }\n");
    let mut process = Process::run(&text.replace("workers = 1", "workers = 1\ndrain_timeout = \"300ms\""));
    let mut busy = process.client();
    busy.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    origin.await_request(1);
    process.signal("TERM");
    process.await_exit();
    busy.expect_end();
}

#[test]
fn a_hangup_puts_the_new_file_in_force_between_requests() {
    let [first, second] = ["first", "second"].map(|name| Origin::answering(move |_| Reply::text(name)));
    let process = Process::run(&config(&first, ""));
    let mut client = process.client();
    assert_eq!(client.get("/").text(), "first");
    process.configure(&config(&second, ""));
    process.signal("HUP");
    // The connection stays; the next request that begins after the exchange goes elsewhere.
    eventually("the new plan", || (client.get("/").text() == "second").then_some(()));
}

#[test]
fn a_reload_disturbs_nothing_that_is_under_way() {
    let gate = Arc::new(Gate::default());
    let way = Arc::clone(&gate);
    let [origin, other] = [(); 2].map(|()| Origin::answering(|_| Reply::text("small")));
    let slow = Origin::playing(move |connection| {
        while connection.request().is_ok() {
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst");
            way.pass();
            connection.send("-rest");
        }
    });
    // The download lasts as long as all the reloads: no deadline of its own may end it.
    let route = format!(
        "[routes.slow]\npath = \"/slow\"\ntimeouts = {{ request = \"none\" }}\n\
         upstream = {{ endpoints = [\"{}\"] }}\n",
        slow.endpoint()
    );
    let process = Process::run(&config(&origin, &route));
    let mut download = process.client();
    download.send("GET /slow HTTP/1.1\r\nhost: test\r\n\r\n");
    slow.await_request(1);
    let mut client = process.client();
    for round in 0..10 {
        process.configure(&config(if round % 2 == 0 { &other } else { &origin }, ""));
        process.signal("HUP");
        for _ in 0..50 {
            assert_eq!(client.get("/").text(), "small");
        }
    }
    eventually("a plan without the slow route", || (process.client().get("/slow").text() == "small").then_some(()));
    // Its route is gone; the exchange that it began is not.
    gate.open();
    assert_eq!(download.answer().text(), "first-rest");
    assert_eq!(download.get("/slow").text(), "small");
}

#[test]
fn a_bad_file_is_reported_and_the_old_plan_keeps_serving() {
    let origin = Origin::answering(|_| Reply::text("still here"));
    let process = Process::run(&config(&origin, ""));
    let mut client = process.client();
    assert_eq!(client.get("/").text(), "still here");
    process.configure("[routes.all]\npath = \"/*\"\nupstrem = \"origin\"\n");
    process.signal("HUP");
    process.await_line("upstrem");
    assert_eq!(client.get("/").text(), "still here");
    process.configure(&config(&origin, "").replace("127.0.0.1:0", "127.0.0.1:1"));
    process.signal("HUP");
    process.await_line("address");
    assert_eq!(client.get("/").text(), "still here");
}

#[test]
fn a_hangup_reopens_the_access_log() {
    let directory = super::support::process::Directory::new();
    let log = directory.path().join("access.log");
    let moved = directory.path().join("access.log.1");
    let origin = Origin::answering(|_| Reply::status(204));
    let process = Process::run(&config(&origin, &format!("[access_log]\nfile = \"{}\"\n", log.display())));
    let mut client = process.client();
    let count = |path: &std::path::Path| std::fs::read_to_string(path).map_or(0, |text| text.lines().count());
    client.get("/");
    eventually("the first line", || (count(&log) == 1).then_some(()));
    std::fs::rename(&log, &moved).unwrap();
    process.signal("HUP");
    eventually("a new file", || log.exists().then_some(()));
    client.get("/");
    eventually("the second line", || (count(&log) == 1).then_some(()));
    assert_eq!(count(&moved), 1);
}

#[test]
fn a_process_out_of_descriptors_pauses_and_goes_on() {
    const DESCRIPTORS: usize = 64;
    let origin = Origin::answering(|_| Reply::status(204));
    let text = config(&origin, "[admin]\naddress = \"127.0.0.1:0\"\n");
    let process = Process::run_with_descriptors(&text, DESCRIPTORS);
    let mut first = process.client();
    assert_eq!(first.get("/").status, 204);
    let mut admin = Client::connect(process.address_of("admin listening "));
    let pauses = |admin: &mut Client| {
        let page = admin.get("/metrics");
        let sample = page.text().lines().find(|line| line.starts_with("ringway_accept_pauses_total"));
        sample.and_then(|line| line.rsplit(' ').next()).and_then(|count| count.parse::<u64>().ok()).expect("a counter")
    };
    // The kernel takes all of them; the gateway cannot.
    let crowd: Vec<_> = (0..2 * DESCRIPTORS).map(|_| process.client()).collect();
    let some = eventually("a pause", || Some(pauses(&mut admin)).filter(|count| *count > 0));
    // Those it has are served, and it does not spin: a pause is 100 ms, where a loop would fail a million times a second.
    assert_eq!(first.get("/").status, 204);
    assert!(some < 1000, "{some} failed accepts");
    drop(crowd);
    assert_eq!(process.client().get("/").status, 204);
}

#[test]
fn a_body_of_any_size_costs_no_memory() {
    const BODY_BYTES: u64 = 256 << 20;
    const GROWTH_BYTES_MAX: u64 = 8 << 20;
    let origin = Origin::playing(|connection| {
        let piece = vec![b'x'; 1 << 20];
        while let Ok(request) = connection.request_head() {
            match request.framing {
                super::support::wire::Framing::Length(length) => {
                    connection.wire().skip(length).expect("the whole body comes");
                    connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
                }
                _ => {
                    connection.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {BODY_BYTES}\r\n\r\n"));
                    for _ in 0..BODY_BYTES >> 20 {
                        connection.send(&piece);
                    }
                }
            }
        }
    });
    let process =
        Process::run(&config(&origin, "[defaults]\nlimits = { body = \"1GiB\" }\ntimeouts = { request = \"none\" }\n"));
    let mut client = process.client();
    let up = |client: &mut Client, bytes: u64| {
        client.send(format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {bytes}\r\n\r\n"));
        for _ in 0..bytes >> 20 {
            client.send(vec![b'x'; 1 << 20]);
        }
        assert_eq!(client.answer().text(), "ok");
    };
    // What a first exchange needs (buffers, pools) is not growth by the body.
    up(&mut client, 1 << 20);
    let before = process.resident_bytes();
    up(&mut client, BODY_BYTES);
    let after_up = process.resident_bytes();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").answer_head();
    client.wire().skip(BODY_BYTES).expect("the whole body comes");
    let after_down = process.resident_bytes();
    for (way, after) in [("up", after_up), ("down", after_down)] {
        assert!(after < before + GROWTH_BYTES_MAX, "{way}: from {before} to {after} bytes");
    }
}
