//! The actors themselves: a client and an origin that speak to each other directly must agree, and must notice what is
//! not impeccable HTTP/1.1. What they would let pass, no other test could find.

use super::support::wire::{Broken, Framing};
use super::support::{Client, Origin, Reply};

fn client_of(origin: &Origin) -> Client {
    Client::connect(origin.authority().parse().expect("an address"))
}

#[test]
fn what_the_client_sends_is_what_the_origin_records() {
    let origin = Origin::answering(|request| Reply::text(request.body.clone()).with("x-seen", &request.target));
    let mut client = client_of(&origin);
    client.send("POST /a?b HTTP/1.1\r\nhost: o\r\ntransfer-encoding: chunked\r\n\r\n");
    client.send("3\r\nabc\r\n2\r\nde\r\n0\r\nx-sum: 5\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.text(), answer.field("x-seen")), (200, "abcde", Some("/a?b")));
    let request = origin.request();
    assert_eq!((request.method.as_str(), request.framing), ("POST", Framing::Chunked));
    assert_eq!(request.trailers.get("x-sum"), Some("5"));
    assert_eq!(client.get("/again").status, 200);
    assert_eq!((origin.requests().len(), origin.connections()), (2, 1));
}

#[test]
fn the_client_refuses_an_answer_that_is_not_impeccable() {
    for wire in [
        "HTTP/1.1 200 OK\nx: y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx : y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: a\rb\r\n\r\n",
        "HTTP/1.1 200 OK\r\n x: y\r\n\r\n",
        "HTTP/1.1 200\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;x\r\na\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    ] {
        let origin = Origin::playing(move |connection| {
            connection.send(wire);
            connection.wire().finish_sending();
            connection.await_end();
        });
        let answer = client_of(&origin).try_answer();
        assert!(matches!(answer, Err(Broken::Malformed(_))), "{wire:?}: {answer:?}");
    }
}

#[test]
fn a_cut_answer_is_no_answer() {
    for wire in ["HTTP/1.1 200 OK\r\nx: y\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nx"] {
        let origin = Origin::playing(move |connection| {
            connection.send(wire);
        });
        assert_eq!(client_of(&origin).try_answer(), Err(Broken::Cut), "{wire:?}");
    }
}

#[test]
fn a_reset_is_told_from_a_close() {
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.reset();
        }
    });
    let mut client = client_of(&origin);
    client.send("GET / HTTP/1.1\r\nhost: o\r\n\r\n");
    assert_eq!(client.try_answer(), Err(Broken::Reset));
    let origin = Origin::playing(|_| {});
    client_of(&origin).expect_close();
}

#[test]
#[should_panic(expected = "the origin complains")]
fn the_origin_complains_about_a_request_that_is_not_impeccable() {
    let origin = Origin::answering(|_| Reply::status(204));
    let mut client = client_of(&origin);
    client.send("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n").finish_sending();
    assert!(client.try_answer().is_err());
    origin.await_ended(1);
}

#[test]
fn a_refusing_endpoint_refuses_and_a_black_hole_swallows() {
    let address = |origin: &Origin| origin.authority().parse().expect("an address");
    let refusing = Origin::refusing();
    let error = std::net::TcpStream::connect::<std::net::SocketAddr>(address(&refusing)).expect_err("refused");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    let hole = Origin::black_hole();
    let soon = std::time::Duration::from_millis(200);
    let error = std::net::TcpStream::connect_timeout(&address(&hole), soon).expect_err("swallowed");
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
}
