//! Over HTTP/2 the same, with several requests at a time on each connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Identity, Origin, Script, Server, load_to_end, program};

fn load(url: &str, arguments: &[&str]) -> Value {
    let output = load_to_end(url, &[&["--json", "-", "--h2"], arguments].concat());
    serde_json::from_str(&output).unwrap()
}

fn at(origin: &Origin, path: &str, arguments: &[&str]) -> Value {
    load(&format!("http://{}{path}", origin.address), arguments)
}

#[test]
fn requests_share_connections_and_all_are_answered() {
    let origin = Origin::start("auto");
    let lanes = ["--requests", "500", "--connections", "2", "--streams", "16"];
    for more in [["--threads", "2"].as_slice(), &["--rate", "5000"], &["--expect-bytes", "100"]] {
        let results = at(&origin, "/", &[&lanes[..], more].concat());
        assert_eq!((&results["requests"], &results["bytes_read"]), (&500.into(), &50_000.into()), "{results}");
    }
}

#[test]
fn bodies_arrive_whole_in_both_directions() {
    let origin = Origin::start("auto");
    for (path, more, expected) in [
        ("/bytes/0", [].as_slice(), "0"),
        ("/bytes/3000000", &[], "3000000"),
        ("/headers/12", &[], "100"),
        ("/bytes/70000", &["--method", "HEAD"], "0"),
        ("/echo", &["--body-bytes", "1000000"], "1000000"),
        ("/bytes/5", &["--body-bytes", "1000000"], "100"),
    ] {
        let arguments = ["--requests", "20", "--connections", "2", "--streams", "3", "--expect-bytes", expected];
        let results = at(&origin, path, &[&arguments[..], more].concat());
        assert_eq!(results["requests"], 20, "{path}: {results}");
    }
}

#[test]
fn a_call_of_grpc_ends_with_its_status() {
    let origin = Origin::start("auto");
    let call = ["--requests", "40", "--connections", "2", "--streams", "4", "--grpc", "--body-bytes", "32"];
    let results = at(&origin, "/grpc/100", &[&call[..], &["--expect-bytes", "100"]].concat());
    assert_eq!(results["requests"], 40, "{results}");
    // An answer that has no trailers is none to such a call.
    let results = at(&origin, "/bytes/100", &call);
    assert_eq!((&results["requests"], &results["errors"]["trailers"]), (&0.into(), &40.into()), "{results}");
}

#[test]
fn over_tls_the_protocol_is_agreed_upon() {
    let (origin, identity) = (Origin::start("auto"), Identity::new());
    let url = relay(&identity, b"h2", origin.address);
    let arguments = ["--requests", "300", "--connections", "2", "--streams", "8", "--insecure"];
    let results = load(&format!("{url}/bytes/20000"), &[&arguments[..], &["--expect-bytes", "20000"]].concat());
    assert_eq!((&results["requests"], &results["handshakes"]["full"]), (&300.into(), &2.into()), "{results}");
    let url = relay(&identity, b"http/1.1", origin.address);
    let results = load(&url, &["--requests", "4", "--connections", "1", "--insecure"]);
    assert_eq!(results["errors"]["connect"], 4, "{results}");
}

#[test]
fn what_goes_wrong_is_counted_under_its_kind() {
    let only = |results: &Value, kind: &str, count: u64| {
        for (name, found) in results["errors"].as_object().unwrap() {
            assert_eq!(*found, if name == kind { count } else { 0 }, "{name} in {results}");
        }
    };
    let eight = ["--requests", "8", "--connections", "2", "--streams", "2"];
    let origin = Origin::start("auto");
    only(&at(&origin, "/stall/5000", &[&eight[..], &["--timeout", "50ms"]].concat()), "timeout", 8);
    only(&at(&origin, "/", &[&eight[..], &["--expect-status", "204"]].concat()), "status", 8);
    only(&at(&origin, "/", &[&eight[..], &["--expect-bytes", "99"]].concat()), "length", 8);
    only(&load(&Server::start(Script::AnswerAndClose("")).url(), &eight), "closed", 8);
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    only(&load(&format!("http://{refused}/"), &eight), "connect", 8);
    // HTTP/1.1 where frames are due.
    let answer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    only(&load(&Server::start(Script::Answer(answer)).url(), &eight), "parse", 8);
}

#[test]
fn both_drivers_load_and_serve() {
    for driver in ["auto", "epoll"] {
        let origin = Origin::start(driver);
        let url = format!("http://{}/bytes/300000", origin.address);
        let arguments = ["--h2", "--streams", "3", "--requests", "60", "--connections", "5", "--json", "-"];
        let mut command = program();
        command.args(["run", &url, "--expect-bytes", "300000"]).args(arguments).env("RINGWAY_DRIVER", driver);
        let results: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
        assert_eq!(results["requests"], 60, "{driver}: {results}");
    }
}

#[test]
fn the_origin_speaks_both_versions_on_one_port() {
    let origin = Origin::start("auto");
    assert!(origin.ask("GET / HTTP/1.1\r\nHost: o\r\n\r\n").starts_with("HTTP/1.1 200 OK"));
    assert_eq!(at(&origin, "/", &["--requests", "1", "--connections", "1"])["requests"], 1);
    // A preface, empty SETTINGS, and a request by indexed fields alone: GET, http, and "/".
    let wire = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x03\x01\x05\0\0\0\x01\x82\x86\x84";
    let mut stream = TcpStream::connect(origin.address).unwrap();
    stream.write_all(wire).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    while !answer.ends_with(&[b'o'; 100]) {
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "it ended before its body did: {answer:?}");
        answer.extend_from_slice(&piece[..count]);
    }
    // HEADERS of stream 1, whose block begins with the index of :status 200.
    assert!(answer.windows(7).any(|bytes| bytes == b"\x01\x04\0\0\0\x01\x88"), "{answer:?}");
}

/// The URL of a server with TLS that agrees to `protocol` and passes all bytes on to `to`.
fn relay(identity: &Identity, protocol: &[u8], to: SocketAddr) -> String {
    let (listener, config) = (TcpListener::bind("127.0.0.1:0").unwrap(), identity.config(protocol));
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let client = rustls::StreamOwned::new(tls, client.unwrap());
            std::thread::spawn(move || pass(client, &TcpStream::connect(to).unwrap()));
        }
    });
    url
}

/// Passes bytes both ways until either side ends.
fn pass(mut client: rustls::StreamOwned<rustls::ServerConnection, TcpStream>, origin: &TcpStream) {
    client.sock.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    origin.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let mut buffer = vec![0; 65536];
    loop {
        match client.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => (&*origin).write_all(&buffer[..count]).unwrap(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
        match (&*origin).read(&mut buffer) {
            Ok(0) => return,
            Ok(count) if client.write_all(&buffer[..count]).is_err() => return,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
    }
}
