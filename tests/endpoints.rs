//! An upstream of several endpoints, some of which fail: who is asked next, and what is never asked twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::support::origin::Request;
use super::support::process::Directory;
use super::support::wire::Broken;
use super::support::{Client, Gateway, Origin, Reply, Watched, eventually};

/// Forwards everything to `origins` in turn; `more` holds further tables of the configuration.
fn before(origins: &[&Origin], more: &str) -> Gateway {
    let endpoints: Vec<&str> = origins.iter().map(|origin| origin.endpoint()).collect();
    Gateway::with(&format!(
        "[upstreams.all]\nendpoints = {endpoints:?}\n[routes.all]\npath = \"/*\"\nupstream = \"all\"\n{more}"
    ))
}

fn echo() -> Origin {
    Origin::answering(|request| Reply::text(request.body.clone()))
}

/// Reads each request, whole, and closes without a word.
fn silent() -> Origin {
    Origin::playing(|connection| {
        let _ = connection.request();
    })
}

fn post(client: &mut Client, target: &str, body: &str) -> u16 {
    let length = body.len();
    let answer = client.ask(&format!("POST {target} HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n{body}"));
    assert!(answer.status != 200 || answer.text() == body, "{answer:?}");
    answer.status
}

/// How often each target was received, over all `origins`.
fn received(origins: &[&Origin]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for Request { target, .. } in origins.iter().flat_map(|origin| origin.requests()) {
        *counts.entry(target).or_default() += 1;
    }
    counts
}

#[test]
fn an_endpoint_that_refuses_costs_no_request() {
    let (refusing, good, other) = (Origin::refusing(), echo(), echo());
    let gateway = before(&[&refusing, &good, &other], "");
    let mut client = gateway.client();
    for number in 0..12 {
        assert_eq!(client.get(&format!("/get/{number}")).status, 200);
        assert_eq!(post(&mut client, &format!("/post/{number}"), "money"), 200);
    }
    let counts = received(&[&good, &other]);
    assert!(counts.len() == 24 && counts.values().all(|count| *count == 1), "{counts:?}");
    assert_eq!((good.requests().len(), other.requests().len()), (12, 12), "the dead one's turns are shared");
    assert_eq!(gateway.metric("ringway_retries_total{reason=\"connect_failure\"}"), 8.0);
    assert_eq!(gateway.metric("ringway_retries_total"), 8.0);
}

#[test]
fn an_endpoint_that_cannot_be_reached_costs_no_request() {
    let (hole, good) = (Origin::black_hole(), echo());
    let gateway = before(&[&hole, &good], "[defaults]\ntimeouts = { connect = \"100ms\" }\n");
    let mut client = gateway.client();
    for number in 0..2 {
        assert_eq!(client.get(&format!("/get/{number}")).status, 200);
        assert_eq!(post(&mut client, &format!("/post/{number}"), "money"), 200);
    }
    assert_eq!(good.requests().len(), 4);
}

#[test]
fn a_body_that_is_still_coming_goes_to_the_endpoint_that_takes_it() {
    let heads = Arc::new(Watched::<usize>::default());
    let seen = Arc::clone(&heads);
    let good = Origin::playing(move |connection| {
        while let Ok(request) = connection.request_head() {
            seen.change(|heads| *heads += 1);
            let Ok(body) = connection.wire().body(request.framing) else { return };
            connection.send([b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n".as_slice(), &body.bytes].concat());
        }
    });
    let gateway = before(&[&Origin::refusing(), &good], "");
    let mut client = gateway.client();
    for (number, (field, first, rest)) in [
        ("content-length: 10", "first", "-last"),
        ("transfer-encoding: chunked", "5\r\nfirst\r\n5\r\n-l", "ast\r\n0\r\n\r\n"),
    ]
    .into_iter()
    .cycle()
    .take(4)
    .enumerate()
    {
        client.send(format!("POST / HTTP/1.1\r\nhost: test\r\n{field}\r\n\r\n{first}"));
        heads.wait_for(|heads| (*heads > number).then_some(())).expect("the head reaches the endpoint that is there");
        client.send(rest);
        assert_eq!(client.answer().text(), "first-last", "{field}");
    }
}

#[test]
fn a_get_that_got_no_answer_goes_to_another_endpoint() {
    let (silent, good, other) = (silent(), echo(), echo());
    let gateway = before(&[&silent, &good, &other], "");
    let mut client = gateway.client();
    for number in 0..6 {
        assert_eq!(client.get(&format!("/{number}")).status, 200);
    }
    assert_eq!(silent.requests().len(), 2);
    assert_eq!(gateway.metric("ringway_retries_total{reason=\"no_answer\"}"), 2.0);
}

#[test]
fn a_post_that_was_sent_is_never_sent_to_another_endpoint() {
    let (silent, good, other) = (silent(), echo(), echo());
    let gateway = before(&[&silent, &good, &other], "");
    let mut client = gateway.client();
    let statuses: Vec<u16> = (0..6).map(|number| post(&mut client, &format!("/{number}"), "money")).collect();
    assert_eq!(statuses, [502, 200, 200, 502, 200, 200]);
    let counts = received(&[&silent, &good, &other]);
    assert!(counts.len() == 6 && counts.values().all(|count| *count == 1), "{counts:?}");
    assert_eq!(gateway.metric("ringway_retries_total"), 0.0);
}

#[test]
fn a_request_that_kills_its_servers_does_not_kill_them_all() {
    let origins: Vec<Origin> = (0..5).map(|_| silent()).collect();
    let all: Vec<&Origin> = origins.iter().collect();
    let gateway = before(&all, "");
    assert_eq!(gateway.client().get("/deadly").status, 502);
    let mut asked: Vec<usize> = origins.iter().map(|origin| origin.requests().len()).collect();
    asked.sort_unstable();
    assert_eq!(asked, [0, 0, 1, 1, 1]);
}

#[test]
fn no_endpoint_is_tried_twice_and_each_only_when_it_has_weight() {
    let (silent, refusing, off) = (silent(), Origin::refusing(), echo());
    let endpoints = format!(
        "[\"{}\", \"{}\", {{ url = \"{}\", weight = 0 }}]",
        silent.endpoint(),
        refusing.endpoint(),
        off.endpoint()
    );
    let gateway = Gateway::with(&format!(
        "[upstreams.all]\nendpoints = {endpoints}\n[routes.all]\npath = \"/*\"\nupstream = \"all\"\n"
    ));
    let mut client = gateway.client();
    for number in 1..=4 {
        assert_eq!(client.get("/").status, 502);
        assert_eq!(silent.requests().len(), number);
    }
    assert_eq!(off.connections(), 0);
}

#[test]
fn a_stale_connection_is_not_held_against_its_endpoint() {
    // The second request on a connection gets no answer.
    let forgetful = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            let _ = connection.request();
        }
    });
    let refusing = Origin::refusing();
    let gateway = before(&[&forgetful, &refusing], "");
    let mut client = gateway.client();
    for _ in 0..6 {
        assert_eq!(client.get("/").text(), "ok");
    }
    // Each but the first met a kept connection that died, and went to the same endpoint anew.
    assert_eq!(gateway.metric("ringway_retries_total{reason=\"stale_connection\"}"), 5.0);
    assert_eq!(gateway.metric("ringway_retries_total{reason=\"no_answer\"}"), 0.0);
}

#[test]
fn an_interim_answer_is_an_answer_that_has_begun() {
    let hasty = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
        if connection.request().is_ok() {
            connection.send("HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n");
        }
    });
    let mut client = Gateway::before(&hasty).into_client();
    assert_eq!(client.get("/").text(), "ok");
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!((client.answer().status, client.answer().status), (103, 502));
    assert_eq!(hasty.connections(), 1);
}

#[test]
fn all_tries_together_have_the_time_of_one_request() {
    let directory = Directory::new();
    let log = directory.path().join("access.log");
    let holes = [Origin::black_hole(), Origin::black_hole(), Origin::black_hole()];
    let gateway = before(
        &[&holes[0], &holes[1], &holes[2]],
        &format!(
            "[defaults]\ntimeouts = {{ connect = \"100ms\", request = \"150ms\" }}\n[access_log]\nfile = {:?}\n",
            log.display().to_string()
        ),
    );
    assert_eq!(gateway.client().get("/").status, 504);
    let line = first_line(&log);
    assert!((1..=2).contains(&line["attempts"].as_u64().expect("a number")), "{line}");
}

#[test]
fn a_connect_that_outlasts_the_request_is_the_requests_timeout() {
    let hole = Origin::black_hole();
    let gateway = before(&[&hole, &hole], "[defaults]\ntimeouts = { connect = \"15s\", request = \"150ms\" }\n");
    let answer = gateway.client().get("/");
    assert_eq!(
        (answer.status, &*answer.json()["type"].to_string()),
        (504, "\"tag:ringway,2026:problem/request-timeout\"")
    );
}

#[test]
fn the_log_counts_the_tries_and_names_the_last_endpoint() {
    let directory = Directory::new();
    let log = directory.path().join("access.log");
    let (refusing, silent, good) = (Origin::refusing(), silent(), echo());
    let more = format!("[access_log]\nfile = {:?}\n", log.display().to_string());
    let gateway = before(&[&refusing, &silent, &good], &more);
    assert_eq!(gateway.client().get("/").status, 200);
    let line = first_line(&log);
    assert_eq!((&line["attempts"], &line["upstream_address"]), (&3.into(), &good.authority().into()));
}

#[test]
fn endpoints_that_all_refuse_are_502() {
    let directory = Directory::new();
    let log = directory.path().join("access.log");
    let (one, other) = (Origin::refusing(), Origin::refusing());
    let more = format!("[access_log]\nfile = {:?}\n", log.display().to_string());
    let gateway = before(&[&one, &other], &more);
    let mut client = gateway.client();
    assert_eq!(client.get("/").status, 502);
    let line = first_line(&log);
    assert_eq!((&line["attempts"], &line["error"]), (&2.into(), &"connection-refused".into()));
    // The connection stays, and what was not sent anywhere is not sent later.
    assert_eq!(post(&mut client, "/", "money"), 502);
    assert!(matches!(client.get("/").status, 502));
    drop(gateway);
    assert!(matches!(client.try_answer(), Err(Broken::Closed | Broken::Reset)));
}

fn first_line(log: &std::path::Path) -> serde_json::Value {
    let line = eventually("the access log's line", || {
        std::fs::read_to_string(log).ok().and_then(|text| text.split_once('\n').map(|(line, _)| line.to_owned()))
    });
    serde_json::from_str(&line).expect("a line is JSON")
}
