//! Handshakes that do not come to their end, over sockets: how long they may take, how many there may be, and what an
//! upstream's costs.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use ringway::control::descriptors;
use ringway::control::say::Say;
use ringway::words::limits::TLS_HANDSHAKES;
use rustls::version::TLS13;

use super::super::support::tls::Tls;
use super::super::support::{Gateway, Origin, PATIENCE, Reply, eventually};
use super::*;

/// A gateway that speaks TLS as `a.example`. No deadline but that of the handshake can end a connection in a test.
fn gateway(site: &Site, authority: &Authority) -> Gateway {
    site.pair("a", &authority.sign(&["a.example"]));
    let folder = site.path().display();
    Gateway::start(&format!(
        "[server]\nworkers = 1\n[admin]\naddress = \"127.0.0.1:0\"\n\
         [defaults]\ntimeouts = {{ head = \"1h\", idle = \"1h\" }}\n\
         [listeners.web]\naddress = \"127.0.0.1:0\"\ntls = \"edge\"\n\
         limits = {{ connections = 5000, connections_per_address = 5000 }}\n\
         [tls.edge]\ncertificates = [{{ cert = \"{folder}/a.pem\", key = \"{folder}/a.key\" }}]\n\
         [routes.all]\npath = \"/*\"\nrespond = {{ status = 200, text = \"hello\" }}\n"
    ))
}

/// A client that has said hello, got its answer, and says no more.
fn waiting(gateway: &Gateway, authority: &Authority) -> Tls {
    let mut tls = Tls::connect(gateway.address(), &Arc::new(authority.client(&[&TLS13])), "a.example");
    let mut hello = Vec::new();
    tls.connection.write_tls(&mut hello).unwrap();
    tls.socket().write_all(&hello).unwrap();
    assert!(tls.socket().peek(&mut [0]).unwrap() > 0, "the gateway goes on with the handshake");
    tls
}

/// Reads until the gateway has ended the connection.
fn await_end(mut socket: &TcpStream) {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut room = [0; 4_096];
    loop {
        match socket.read(&mut room) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
            Err(error) => panic!("the connection should have ended: {error}"),
        }
    }
}

/// What a client hears that finishes its handshake after all.
fn finish(mut tls: Tls) -> String {
    tls.shake().unwrap();
    tls.write_all(b"GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    tls.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_client_that_does_not_finish_its_handshake_is_let_go_in_its_time() {
    let (site, authority) = (Site::new(), Authority::new("root"));
    let gateway = gateway(&site, &authority);
    let silent = TcpStream::connect(gateway.address()).unwrap();
    let mut begins = TcpStream::connect(gateway.address()).unwrap();
    begins.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
    let stops = waiting(&gateway, &authority);
    // Who is a little late is not too late.
    assert!(finish(waiting(&gateway, &authority)).ends_with("hello"));
    for socket in [&silent, &begins, stops.socket()] {
        await_end(socket);
    }
    eventually("the failures are counted", || {
        (gateway.metric("ringway_tls_handshakes_failed_total") as u64 == 3).then_some(())
    });
    assert_eq!(gateway.metric("ringway_tls_handshakes_evicted_total") as u64, 0);
}

#[test]
fn of_too_many_handshakes_the_oldest_gives_way_and_no_other() {
    // Both ends of each connection are in this process.
    descriptors::raise(&Say::to_nobody());
    let (site, authority) = (Site::new(), Authority::new("root"));
    let gateway = gateway(&site, &authority);
    let oldest = waiting(&gateway, &authority);
    let second = waiting(&gateway, &authority);
    let connect = |_| {
        let mut socket = TcpStream::connect(gateway.address()).unwrap();
        socket.write_all(b"\x16").unwrap();
        socket
    };
    let crowd: Vec<TcpStream> = (0..TLS_HANDSHAKES - 1).map(connect).collect();
    await_end(oldest.socket());
    // As many as there may be are in flight now, and whoever means it is served.
    assert!(finish(second).ends_with("hello"));
    assert_eq!(gateway.metric("ringway_tls_handshakes_evicted_total") as u64, 1);
    for socket in crowd {
        socket.set_nonblocking(true).unwrap();
        let ended = socket.peek(&mut [0]);
        assert!(ended.is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "nobody else gave way");
    }
}

#[test]
fn an_upstream_that_does_not_finish_its_handshake_is_given_up_for_another() {
    let mute = || {
        Origin::playing(|connection| {
            let _ = connection.wire().rest();
        })
    };
    let other =
        Origin::answering_securely(Authority::new("root").server(&["a.example"], &[]), |_| Reply::text("another"));
    for protocol in ["http/1.1", "h2"] {
        let silent = mute();
        let endpoint = silent.endpoint().replace("http://", "https://");
        let upstream = |name: &str, endpoints: &str| {
            format!(
                "[upstreams.{name}]\nendpoints = [{endpoints}]\nprotocol = \"{protocol}\"\ntls = {{ verify = false }}\n"
            )
        };
        let gateway = Gateway::with(&format!(
            "{}[routes.all]\npath = \"/*\"\nupstream = \"one\"\n",
            upstream("one", &format!("\"{endpoint}\""))
        ));
        let answer = gateway.client().get("/");
        assert_eq!(answer.status, 504, "{protocol}");
        assert_eq!(answer.json()["type"].as_str(), Some("tag:ringway,2026:problem/tls-timeout"), "{protocol}");
        assert_eq!(silent.connections(), 1, "{protocol}");
    }
    let silent = mute();
    let gateway = Gateway::with(&format!(
        "[upstreams.two]\nendpoints = [\"{}\", \"{}\"]\ntls = {{ verify = false }}\n\
         [routes.all]\npath = \"/*\"\nupstream = \"two\"\n",
        silent.endpoint().replace("http://", "https://"),
        other.endpoint()
    ));
    // Two requests, so that each endpoint has its turn.
    for _ in 0..2 {
        assert_eq!(gateway.client().ask("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi").text(), "another");
    }
    assert_eq!(silent.connections(), 1);
}
