//! Upgrades: a connection becomes another protocol's only when the route allows it and the upstream has switched, and
//! from then on its bytes go both ways, whole or visibly not.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use ringway::control::{self, End, Options, Source};
use ringway::policy::names::CertificateNames;
use rustls::version::TLS13;

use super::support::client::Answer;
use super::support::origin::Connection;
use super::support::process::Directory;
use super::support::tls::{Authority, Bare, keyring};
use super::support::wire::{Broken, Wire};
use super::support::{Client, Gate, Gateway, Origin, Reply, eventually};

/// A handshake as browsers send it.
const HANDSHAKE: &str = "GET /chat?room=1 HTTP/1.1\r\nhost: test\r\nupgrade: websocket\r\nconnection: keep-alive, Upgrade\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\nsec-websocket-protocol: chat\r\n\r\n";

/// The upstream's answer to it.
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";

/// An origin that grants every upgrade and then follows `script`.
fn granting(script: impl Fn(&mut Connection) + Send + Sync + 'static) -> Origin {
    Origin::playing(move |connection| {
        if connection.request().is_ok() {
            connection.send(SWITCH);
            script(connection);
        }
    })
}

/// Sends back whatever comes, until its end.
fn echo(connection: &mut Connection) {
    while let Ok(byte) = connection.wire().bytes(1) {
        connection.send(byte);
    }
}

/// The handshake on `client`, which must be granted.
fn upgrade(client: &mut Client) -> Answer {
    client.send(HANDSHAKE);
    let answer = client.answer();
    assert_eq!(answer.status, 101, "{answer:?}");
    answer
}

fn start(tables: &str) -> control::Gateway {
    let text = format!("[server]\nworkers = 1\n[listeners.web]\naddress = \"127.0.0.1:0\"\n{tables}");
    control::Gateway::start(Source::text(text), Options::embedded().unwrap())
        .unwrap_or_else(|failure| panic!("{failure}"))
}

fn route(name: &str, origin: &Origin) -> String {
    format!(
        "[upstreams.{name}]\nendpoints = [\"{}\"]\n[routes.{name}]\npath = \"/*\"\nupstream = \"{name}\"\n",
        origin.endpoint()
    )
}

// ------------------------------------------------------------------------------------------ the handshake

#[test]
fn a_handshake_goes_through_and_bytes_go_both_ways() {
    let origin = granting(echo);
    let gateway = Gateway::before(&origin);
    let mut client = gateway.client();
    let answer = upgrade(&mut client);
    assert_eq!((answer.field("upgrade"), answer.field("connection")), (Some("websocket"), Some("upgrade")));
    assert_eq!(answer.field("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(answer.field("sec-websocket-protocol"), Some("chat"));
    let request = origin.request();
    assert_eq!((&*request.method, &*request.target), ("GET", "/chat?room=1"));
    assert_eq!((request.field("upgrade"), request.field("connection")), (Some("websocket"), Some("upgrade")));
    assert_eq!(request.field("sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
    assert_eq!(request.field("sec-websocket-version"), Some("13"));
    for word in ["one", "two\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "\0\u{7f}"] {
        client.send(word);
        assert_eq!(client.wire().bytes(word.len()).unwrap(), word.as_bytes());
    }
}

#[test]
fn what_either_side_says_too_early_comes_through_in_order() {
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            // Behind the head, in the same packet.
            connection.send(format!("{SWITCH}hello"));
            echo(connection);
        }
    });
    let gateway = Gateway::before(&origin);
    let mut client = gateway.client();
    client.send(format!("{HANDSHAKE}early bytes"));
    assert_eq!(client.answer().status, 101);
    client.send(", late bytes");
    assert_eq!(client.wire().bytes(28).unwrap(), b"helloearly bytes, late bytes");
}

#[test]
fn early_bytes_that_come_while_the_upstream_thinks_are_held_back_until_it_grants() {
    let gate = Arc::new(Gate::default());
    let way = Arc::clone(&gate);
    let origin = Origin::playing(move |connection| {
        if connection.request().is_ok() {
            way.pass();
            assert!(!connection.wire().has_more());
            connection.send(SWITCH);
            echo(connection);
        }
    });
    let gateway = Gateway::before(&origin);
    let mut client = gateway.client();
    client.send(HANDSHAKE);
    origin.await_request(1);
    client.send("early");
    gate.open();
    assert_eq!(client.answer().status, 101);
    assert_eq!(client.wire().bytes(5).unwrap(), b"early");
}

#[test]
fn too_many_early_bytes_end_the_connection() {
    let gate = Arc::new(Gate::default());
    let way = Arc::clone(&gate);
    let origin = Origin::playing(move |connection| {
        if connection.request().is_ok() {
            way.pass();
            connection.send(SWITCH);
            connection.await_end();
        }
    });
    let mut client = Gateway::before(&origin).into_client();
    client.send([HANDSHAKE.as_bytes(), &[b'x'; 16 * 1024 + 1]].concat());
    origin.await_request(1);
    gate.open();
    assert_eq!(client.answer().status, 400);
    client.expect_end();
    origin.await_ended(1);
}

#[test]
fn an_answer_that_does_not_switch_is_an_answer_and_the_connection_stays() {
    let origin = Origin::answering(|request| match request.target.as_str() {
        "/chat?room=1" => Reply::status(426).with("sec-websocket-version", "13"),
        _ => Reply::text("still HTTP"),
    });
    let mut client = Gateway::before(&origin).into_client();
    let answer = client.ask(HANDSHAKE);
    assert_eq!((answer.status, answer.field("sec-websocket-version")), (426, Some("13")));
    assert_eq!(client.get("/").text(), "still HTTP");
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_switch_to_something_else_is_502() {
    for lines in [
        "connection: upgrade\r\nupgrade: h2c",
        "connection: upgrade\r\nupgrade: websocket, other",
        "connection: upgrade",
        "upgrade: websocket",
    ] {
        let origin = Origin::playing(move |connection| {
            if connection.request().is_ok() {
                connection.send(format!("HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n\r\nraw"));
                connection.await_end();
            }
        });
        let mut client = Gateway::before(&origin).into_client();
        let answer = client.ask(HANDSHAKE);
        assert_eq!(answer.status, 502, "{lines}");
        assert_eq!(answer.json()["type"], "tag:ringway,2026:problem/upstream-upgrade");
    }
}

#[test]
fn interim_answers_may_come_before_the_switch() {
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.send(format!("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n{SWITCH}"));
            echo(connection);
        }
    });
    let mut client = Gateway::before(&origin).into_client();
    client.send(HANDSHAKE);
    assert_eq!((client.answer().status, client.answer().status), (103, 101));
    client.send("x");
    assert_eq!(client.wire().bytes(1).unwrap(), b"x");
}

// ------------------------------------------------------------------------------------------ who may not

#[test]
fn another_protocol_is_refused_and_reaches_nobody() {
    let origin = Origin::answering(|_| Reply::status(204));
    let gateway = Gateway::before(&origin);
    for request in [
        "GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: tls/1.3\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: websocket/13\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    ] {
        let mut client = gateway.client();
        // What follows is not read as a request: it may be in the other protocol.
        client.send(format!("{request}GET /smuggled HTTP/1.1\r\nhost: test\r\n\r\n"));
        let answer = client.answer();
        assert_eq!((answer.status, answer.field("connection")), (403, Some("close")), "{request}");
        assert_eq!(answer.json()["type"], "tag:ringway,2026:problem/upgrade-refused");
        client.expect_end();
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn an_upgrade_to_h2c_is_not_passed_on_and_the_request_is_served() {
    let origin = Origin::answering(|_| Reply::text("by 1.1"));
    let mut client = Gateway::before(&origin).into_client();
    // As curl --http2 sends it.
    let request = "GET / HTTP/1.1\r\nhost: test\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n\
                   http2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n";
    assert_eq!(client.ask(request).text(), "by 1.1");
    assert_eq!(client.get("/").text(), "by 1.1");
    let request = &origin.requests()[0];
    for name in ["upgrade", "connection", "http2-settings"] {
        assert_eq!(request.field(name), None, "{name}");
    }
}

#[test]
fn a_route_that_answers_by_itself_does_not_care() {
    let gateway = Gateway::with("[routes.all]\npath = \"/*\"\nrespond = { status = 204 }\n");
    assert_eq!(gateway.client().ask(HANDSHAKE).status, 204);
}

// ------------------------------------------------------------------------------------------ ends

#[test]
fn an_end_goes_through_and_the_other_direction_goes_on() {
    let origin = granting(|connection| {
        // All that came, once its end has come.
        let all = connection.wire().rest().unwrap();
        connection.send(all);
    });
    let mut client = Gateway::before(&origin).into_client();
    upgrade(&mut client);
    client.send("all of it").finish_sending();
    assert_eq!(client.wire().rest().unwrap(), b"all of it");
}

#[test]
fn the_upstreams_end_goes_through_and_the_client_may_still_speak() {
    let (say, hear) = std::sync::mpsc::channel();
    let origin = granting(move |connection| {
        connection.send("bye");
        connection.wire().finish_sending();
        say.send(connection.wire().rest().unwrap()).unwrap();
    });
    let mut client = Gateway::before(&origin).into_client();
    upgrade(&mut client);
    assert_eq!(client.wire().rest().unwrap(), b"bye");
    client.send("after your end").finish_sending();
    assert_eq!(hear.recv().unwrap(), b"after your end");
}

#[test]
fn a_reset_of_the_client_resets_the_upstream() {
    let (say, hear) = std::sync::mpsc::channel();
    let origin = granting(move |connection| {
        connection.send("x");
        say.send(connection.wire().bytes(1)).unwrap();
    });
    let gateway = Gateway::before(&origin);
    let mut client = gateway.client();
    upgrade(&mut client);
    client.wire().bytes(1).unwrap();
    client.reset();
    assert_eq!(hear.recv().unwrap(), Err(Broken::Reset));
    eventually("no tunnel", || (gateway.metric("ringway_tunnels") == 0.0).then_some(()));
}

#[test]
fn a_reset_of_the_upstream_resets_the_client() {
    let origin = granting(|connection| {
        connection.wire().bytes(1).unwrap();
        connection.reset();
    });
    let mut client = Gateway::before(&origin).into_client();
    upgrade(&mut client);
    client.send("x");
    assert_eq!(client.wire().bytes(1), Err(Broken::Reset));
}

#[test]
fn a_tunnel_that_is_idle_for_too_long_is_cut() {
    let origin = granting(Connection::await_end);
    let gateway = Gateway::before_with(&origin, "[defaults]\ntimeouts = { idle = \"200ms\" }\n");
    let mut client = gateway.client();
    upgrade(&mut client);
    client.send("x");
    assert_eq!(client.wire().bytes(1), Err(Broken::Reset));
    origin.await_ended(1);
    assert_eq!(gateway.metric("ringway_faults_total{error=\"tunnel-idle\"}"), 1.0);
}

#[test]
fn the_time_of_a_request_does_not_end_a_tunnel() {
    let origin = granting(echo);
    let more =
        "[defaults]\ntimeouts = { request = \"300ms\", first_byte = \"300ms\", head = \"300ms\", idle = \"none\" }\n";
    let mut client = Gateway::before_with(&origin, more).into_client();
    upgrade(&mut client);
    // Longer than any of them; what is waited for is another connection's deadline.
    let mut other = Client::connect(client.wire().tcp().peer_addr().unwrap());
    other.expect_close();
    client.send("x");
    assert_eq!(client.wire().bytes(1).unwrap(), b"x");
}

// ------------------------------------------------------------------------------------------ bytes

#[test]
fn a_side_that_does_not_read_stops_the_other() {
    let (say, hear) = std::sync::mpsc::channel();
    let origin = granting(move |connection| {
        let tcp = connection.wire().tcp().try_clone().unwrap();
        tcp.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        // Far more than all sockets and buffers on the way hold.
        let mut sent = 0;
        let stalled = loop {
            match (&tcp).write(&vec![b'x'; 64 * 1024]) {
                Ok(count) => sent += count,
                Err(error) => break error,
            }
            assert!(sent < 64 << 20, "nothing stops the origin");
        };
        say.send((sent, stalled.kind())).unwrap();
        connection.wire().finish_sending();
        connection.await_end();
    });
    let mut client = Gateway::before(&origin).into_client();
    upgrade(&mut client);
    let (sent, stalled) = hear.recv().unwrap();
    assert_eq!(stalled, std::io::ErrorKind::WouldBlock);
    // Nothing of it is lost.
    assert_eq!(client.wire().rest().unwrap().len(), sent);
}

#[test]
fn megabytes_go_both_ways_at_once() {
    const BYTES: usize = 8 << 20;
    let pattern = |seed: usize| (0..BYTES).map(|at| ((at * 31 + seed) >> 3) as u8).collect::<Vec<u8>>();
    let origin = granting(move |connection| {
        let mut writer = connection.wire().tcp().try_clone().unwrap();
        let sends = std::thread::spawn(move || writer.write_all(&pattern(1)).unwrap());
        assert!(connection.wire().bytes(BYTES).unwrap() == pattern(2), "the client's bytes are others");
        sends.join().unwrap();
    });
    let gateway = Gateway::before(&origin);
    let mut client = gateway.client();
    upgrade(&mut client);
    let mut writer = client.wire().tcp().try_clone().unwrap();
    let sends = std::thread::spawn(move || writer.write_all(&pattern(2)).unwrap());
    assert!(client.wire().bytes(BYTES).unwrap() == pattern(1), "the origin's bytes are others");
    sends.join().unwrap();
    client.finish_sending();
    origin.await_ended(1);
}

// ------------------------------------------------------------------------------------------ what is known of it

#[test]
fn a_tunnel_is_one_exchange_in_log_and_metrics() {
    let origin = granting(echo);
    let directory = Directory::new();
    let log = directory.path().join("access.log");
    let gateway = Gateway::before_with(&origin, &format!("[access_log]\nfile = {:?}\n", log.display().to_string()));
    let mut client = gateway.client();
    upgrade(&mut client);
    client.send("12345");
    client.wire().bytes(5).unwrap();
    assert_eq!(gateway.metric("ringway_tunnels"), 1.0);
    assert_eq!(gateway.metric("ringway_requests_in_flight"), 1.0);
    for direction in ["up", "down"] {
        assert_eq!(gateway.metric(&format!("ringway_tunnel_bytes_total{{direction=\"{direction}\"}}")), 5.0);
    }
    client.finish_sending();
    client.expect_close();
    eventually("no tunnel", || (gateway.metric("ringway_tunnels") == 0.0).then_some(()));
    assert_eq!(gateway.metric("ringway_tunnels_opened_total"), 1.0);
    let line = eventually("a log line", || std::fs::read_to_string(&log).ok().filter(|text| text.ends_with('\n')));
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["status"], &line["upstream_status"], &line["path"]), (&101.into(), &101.into(), &"/chat".into()));
    assert_eq!((&line["bytes_in"], &line["bytes_out"], line.get("error")), (&5.into(), &5.into(), None));
    let counted = "ringway_requests_total{listener=\"web\",route=\"all\",method=\"GET\",code=\"1xx\"}";
    assert_eq!(gateway.metric(counted), 1.0);
}

// ------------------------------------------------------------------------------------------ reload and drain

#[test]
fn a_tunnel_outlives_a_reload_that_keeps_its_route() {
    let origin = granting(echo);
    let gateway = start(&route("chat", &origin));
    let mut client = Client::connect(gateway.address("web").unwrap());
    upgrade(&mut client);
    let other = Origin::refusing();
    let text = format!("[routes.first]\npath = \"/first\"\nrespond = {{ status = 204 }}\n{}", route("chat", &other));
    gateway
        .reload_from(Source::text(format!("[server]\nworkers = 1\n[listeners.web]\naddress = \"127.0.0.1:0\"\n{text}")))
        .unwrap();
    client.send("still here");
    assert_eq!(client.wire().bytes(10).unwrap(), b"still here");
    // Its route may go later.
    let text = "[routes.first]\npath = \"/first\"\nrespond = { status = 204 }\n";
    gateway
        .reload_from(Source::text(format!("[server]\nworkers = 1\n[listeners.web]\naddress = \"127.0.0.1:0\"\n{text}")))
        .unwrap();
    assert_eq!(client.wire().bytes(1), Err(Broken::Reset));
    origin.await_ended(1);
}

#[test]
fn a_switch_by_a_plan_that_is_over_ends_where_the_route_is_gone() {
    let gate = Arc::new(Gate::default());
    let way = Arc::clone(&gate);
    let origin = Origin::playing(move |connection| {
        if connection.request().is_ok() {
            way.pass();
            connection.send(SWITCH);
            connection.await_end();
        }
    });
    let gateway = start(&route("chat", &origin));
    let mut client = Client::connect(gateway.address("web").unwrap());
    client.send(HANDSHAKE);
    origin.await_request(1);
    let text = "[routes.first]\npath = \"/first\"\nrespond = { status = 204 }\n";
    gateway
        .reload_from(Source::text(format!("[server]\nworkers = 1\n[listeners.web]\naddress = \"127.0.0.1:0\"\n{text}")))
        .unwrap();
    gate.open();
    client.expect_end();
    origin.await_ended(1);
}

#[test]
fn a_drain_leaves_tunnels_their_time_and_then_cuts_them() {
    let origin = granting(echo);
    let text = format!(
        "[server]\nworkers = 1\ndrain_timeout = \"500ms\"\n[listeners.web]\naddress = \"127.0.0.1:0\"\n{}",
        route("chat", &origin)
    );
    let gateway = control::Gateway::start(Source::text(text), Options::embedded().unwrap()).unwrap();
    let address = gateway.address("web").unwrap();
    let mut client = Client::connect(address);
    upgrade(&mut client);
    gateway.begin_drain();
    eventually("the door is closed", || std::net::TcpStream::connect(address).is_err().then_some(()));
    client.send("x");
    assert_eq!(client.wire().bytes(1).unwrap(), b"x");
    assert_eq!(gateway.wait(), End::Drained);
    client.expect_end();
    origin.await_ended(1);
}

// ------------------------------------------------------------------------------------------ over TLS

/// Ends this direction as it is done on this side: over TLS the end has an alert of its own.
fn end(wire: &mut Wire, is_tls: bool) {
    if is_tls {
        wire.tls().connection.send_close_notify();
        wire.tls().flush().unwrap();
    }
    wire.finish_sending();
}

/// A gateway whose sides speak TLS or do not, before an origin that grants and sends back.
fn secure(authority: &Authority, is_down: bool, is_up: bool) -> (Origin, Bare) {
    let script = move |connection: &mut Connection| {
        if connection.request().is_ok() {
            connection.send(format!("{SWITCH}hello"));
            let mut wanted = connection.wire().bytes(11).unwrap();
            wanted.extend(connection.wire().bytes(300_000).unwrap());
            connection.send(wanted);
            // Until it ends, and not before.
            if connection.wire().rest() == Ok(Vec::new()) {
                end(connection.wire(), is_up);
            }
        }
    };
    let origin = match is_up {
        true => Origin::secure(authority.server(&["inside.example"], &[]), script),
        false => Origin::playing(script),
    };
    let (tls, upstream) = (
        "tls = \"edge\"\nprotocols = [\"http/1.1\"]\n[tls.edge]\ncertificates = [{ cert = \"a.pem\", key = \"a.key\" }]\n",
        "tls = { server_name = \"inside.example\" }\n",
    );
    let config = format!(
        "[listeners.web]\naddress = \"127.0.0.1:1\"\n{}[routes.all]\npath = \"/*\"\nupstream = \"origin\"\n\
         [upstreams.origin]\nendpoints = [\"{}\"]\n{}",
        if is_down { tls } else { "" },
        origin.endpoint(),
        if is_up { upstream } else { "" }
    );
    let server = (authority.server(&["a.example"], &["http/1.1"]), CertificateNames::new([["a.example"]]));
    let keys = keyring(is_down.then_some(server), is_up.then(|| authority.client(&[&TLS13])));
    (origin, Bare::start(&config, keys))
}

#[test]
fn a_tunnel_goes_over_tls_on_either_side() {
    let authority = Authority::new("test");
    for (is_down, is_up) in [(true, false), (false, true), (true, true)] {
        let (origin, gateway) = secure(&authority, is_down, is_up);
        let config = Arc::new(authority.client(&[&TLS13]));
        let mut client = match is_down {
            true => Client::secure(gateway.address, &config, "a.example"),
            false => Client::connect(gateway.address),
        };
        client.send(HANDSHAKE.replace("host: test", "host: a.example") + "early, ");
        assert_eq!(client.answer().status, 101, "{is_down} {is_up}");
        client.send("late").send(vec![b'x'; 300_000]);
        assert_eq!(client.wire().bytes(16).unwrap(), b"helloearly, late");
        assert_eq!(client.wire().bytes(300_000).unwrap(), vec![b'x'; 300_000]);
        end(client.wire(), is_down);
        assert_eq!(client.wire().rest().unwrap(), b"");
        origin.await_ended(1);
    }
}

#[test]
fn an_end_without_its_alert_is_none() {
    let authority = Authority::new("test");
    let (origin, gateway) = secure(&authority, true, false);
    let mut client = Client::secure(gateway.address, &Arc::new(authority.client(&[&TLS13])), "a.example");
    client.send(HANDSHAKE.replace("host: test", "host: a.example"));
    assert_eq!(client.answer().status, 101);
    client.send(vec![b'x'; 300_011]);
    assert_eq!(client.wire().bytes(300_016).unwrap().len(), 300_016);
    // FIN alone may be an attacker's: what came is not all there is, and the origin must not take it for that.
    end(client.wire(), false);
    assert_eq!(client.wire().bytes(1), Err(Broken::Reset));
    origin.await_ended(1);
}
