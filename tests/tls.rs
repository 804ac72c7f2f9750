//! TLS as clients and origins see it: handshakes, records, ends.

use std::io::Write;
use std::sync::Arc;

use ringway::policy::names::CertificateNames;
use ringway::shell::mail::Row;
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, HandshakeKind, SupportedProtocolVersion};

use crate::support::authority::Authority;
use crate::support::tls::{Bare, keyring};
use crate::support::wire::Broken;
use crate::support::{Client, Origin, Reply, eventually};

mod ends;
mod hosts;

/// A listener with TLS, and these routes.
fn listener(routes: &str) -> String {
    format!(
        "[listeners.web]\naddress = \"127.0.0.1:1\"\ntls = \"edge\"\nprotocols = [\"http/1.1\"]\n\
         [tls.edge]\ncertificates = [{{ cert = \"a.pem\", key = \"a.key\" }}]\n{routes}"
    )
}

/// A listener with TLS that answers by itself.
const HELLO: &str = "[listeners.web]\naddress = \"127.0.0.1:1\"\ntls = \"edge\"\nprotocols = [\"http/1.1\"]\n\
                     [tls.edge]\ncertificates = [{ cert = \"a.pem\", key = \"a.key\" }]\n\
                     [routes.all]\npath = \"/*\"\nrespond = { status = 200, text = \"hello\" }\n";

fn hello(authority: &Authority) -> Bare {
    let server = (authority.server(&["a.example"], &["http/1.1"]), CertificateNames::new([["a.example"]]));
    Bare::start(HELLO, keyring(Some(server), None))
}

#[test]
fn both_versions_are_spoken_and_connections_are_kept() {
    let authority = Authority::new("test");
    let gateway = hello(&authority);
    for version in [&TLS12, &TLS13] {
        let mut config = authority.client(&[version]);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut client = Client::secure(gateway.address, &Arc::new(config), "a.example");
        for _ in 0..3 {
            let answer = client.ask("GET / HTTP/1.1\r\nhost: a.example\r\n\r\n");
            assert_eq!((answer.status, answer.text()), (200, "hello"));
        }
        assert_eq!(client.wire().tls().connection.protocol_version(), Some(version.version));
        assert_eq!(client.wire().tls().connection.alpn_protocol(), Some(&b"http/1.1"[..]));
    }
    assert_eq!((Row::load(&gateway.row().handshakes), Row::load(&gateway.row().handshakes_failed)), (2, 0));
}

#[test]
fn every_suite_seals_what_the_other_side_opens() {
    let authority = Authority::new("test");
    let gateway = hello(&authority);
    for suite in rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES {
        if format!("{:?}", suite.suite()).contains("RSA") {
            continue;
        }
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.cipher_suites = vec![*suite];
        let config = authority.client_of(provider);
        let mut client = Client::secure(gateway.address, &Arc::new(config), "a.example");
        let answer = client.ask("GET / HTTP/1.1\r\nhost: a.example\r\n\r\n");
        assert_eq!((answer.status, answer.text()), (200, "hello"), "{suite:?}");
        let agreed = client.wire().tls().connection.negotiated_cipher_suite().unwrap();
        assert_ne!(agreed.suite(), CipherSuite::Unknown(0));
        assert_eq!(agreed.suite(), suite.suite());
    }
}

#[test]
fn a_second_connection_resumes_the_first() {
    let authority = Authority::new("test");
    let gateway = hello(&authority);
    for version in [&TLS12, &TLS13] {
        let config = Arc::new(authority.client(&[version]));
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut client = Client::secure(gateway.address, &config, "a.example");
            client.ask("GET / HTTP/1.1\r\nhost: a.example\r\n\r\n");
            assert_eq!(client.wire().tls().connection.handshake_kind(), Some(expected), "{version:?}");
        }
    }
    eventually("two resumed", || (Row::load(&gateway.row().handshakes_resumed) == 2).then_some(()));
}

/// A listener without TLS before `origin`, whose certificate must be for `name`.
fn before(origin: &Origin, authority: &Authority, name: &str, versions: &[&'static SupportedProtocolVersion]) -> Bare {
    let config = format!(
        "[listeners.web]\naddress = \"127.0.0.1:1\"\n[routes.all]\npath = \"/*\"\nupstream = \"origin\"\n\
         [upstreams.origin]\nendpoints = [\"{}\"]\ntls = {{ server_name = \"{name}\" }}\n",
        origin.endpoint()
    );
    Bare::start(&config, keyring(None, Some(authority.client(versions))))
}

const GET: &str = "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n";

#[test]
fn upstreams_are_spoken_to_over_tls_and_their_connections_kept() {
    let authority = Authority::new("test");
    for version in [&TLS12, &TLS13] {
        let origin =
            Origin::answering_securely(authority.server(&["inside.example"], &[]), |_| Reply::text("from inside"));
        let gateway = before(&origin, &authority, "inside.example", &[version]);
        for _ in 0..3 {
            let answer = Client::connect(gateway.address).ask(GET);
            assert_eq!((answer.status, answer.text()), (200, "from inside"));
        }
        // The tickets that came on the resting connection were no news.
        assert_eq!(origin.connections(), 1, "{version:?}");
        assert_eq!(origin.requests()[0].field("x-forwarded-proto"), Some("http"));
    }
}

#[test]
fn a_certificate_for_another_name_or_of_another_authority_is_not_taken() {
    let (authority, other) = (Authority::new("test"), Authority::new("test"));
    let origin = Origin::answering_securely(authority.server(&["inside.example"], &[]), |_| Reply::text("no"));
    for (authority, name) in [(&authority, "outside.example"), (&other, "inside.example")] {
        let gateway = before(&origin, authority, name, &[&TLS13]);
        let answer = Client::connect(gateway.address).ask(GET);
        assert_eq!(answer.status, 502);
        assert!(answer.text().contains("tls-certificate"), "{}", answer.text());
    }
    assert_eq!(origin.requests().len(), 0);
}

#[test]
fn an_upstream_that_speaks_no_tls_gets_no_request() {
    let authority = Authority::new("test");
    let plain = Origin::playing(|connection| {
        connection.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    });
    let address = plain.authority();
    let config = format!(
        "[listeners.web]\naddress = \"127.0.0.1:1\"\n[routes.all]\npath = \"/*\"\n\
         upstream = {{ endpoints = [\"https://{address}\"] }}\n"
    );
    let gateway = Bare::start(&config, keyring(None, Some(authority.client(&[&TLS13]))));
    let answer = Client::connect(gateway.address).ask(GET);
    assert_eq!(answer.status, 502);
    assert!(answer.text().contains("tls-protocol"), "{}", answer.text());
}

#[test]
fn an_answer_that_ends_with_the_connection_is_whole_only_when_tls_says_so() {
    let authority = Authority::new("test");
    for is_announced in [true, false] {
        let origin = Origin::secure(authority.server(&["inside.example"], &[]), move |connection| {
            if connection.request().is_ok() {
                connection.send("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall that there is");
                if is_announced {
                    connection.wire().tls().connection.send_close_notify();
                    connection.wire().tls().flush().unwrap();
                }
            }
        });
        let gateway = before(&origin, &authority, "inside.example", &[&TLS13]);
        let mut client = Client::connect(gateway.address);
        client.send(GET);
        let answer = client.try_answer();
        if is_announced {
            assert_eq!(answer.unwrap().text(), "all that there is");
        } else {
            assert_eq!(answer, Err(Broken::Cut));
        }
    }
}

#[test]
fn an_answer_of_known_length_is_whole_without_an_announced_end() {
    let authority = Authority::new("test");
    let origin = Origin::secure(authority.server(&["inside.example"], &[]), |connection| {
        if connection.request().is_ok() {
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole");
        }
    });
    let gateway = before(&origin, &authority, "inside.example", &[&TLS12]);
    for number in 1..=3 {
        assert_eq!(Client::connect(gateway.address).ask(GET).text(), "whole");
        origin.await_ended(number);
    }
}

#[test]
fn large_bodies_go_both_ways_over_both_sides() {
    let authority = Authority::new("test");
    for version in [&TLS12, &TLS13] {
        let origin = Origin::answering_securely(authority.server(&["inside.example"], &[]), |request| {
            Reply::text(request.body.clone())
        });
        let config = format!(
            "[listeners.web]\naddress = \"127.0.0.1:1\"\ntls = \"edge\"\nprotocols = [\"http/1.1\"]\n\
             [tls.edge]\ncertificates = [{{ cert = \"a.pem\", key = \"a.key\" }}]\n\
             [routes.all]\npath = \"/*\"\nupstream = \"origin\"\n\
             [upstreams.origin]\nendpoints = [\"{}\"]\ntls = {{ server_name = \"inside.example\" }}\n",
            origin.endpoint()
        );
        let server = (authority.server(&["a.example"], &[]), CertificateNames::new([["a.example"]]));
        let gateway = Bare::start(&config, keyring(Some(server), Some(authority.client(&[version]))));
        let mut client = Client::secure(gateway.address, &Arc::new(authority.client(&[version])), "a.example");
        for length in [1, 16_383, 16_384, 16_385, 100_000, 1_000_000, 5_000_000] {
            let body: Vec<u8> = (0..length).map(|at: usize| (at * 31 + at / 251) as u8).collect();
            let head = format!("POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: {length}\r\n\r\n");
            client.send(head).send(&body);
            let answer = client.answer();
            assert_eq!(answer.status, 200);
            assert!(answer.body == body, "{length}");
        }
        assert_eq!(origin.requests()[0].field("x-forwarded-proto"), Some("https"));
        assert_eq!(origin.connections(), 1);
        assert_eq!(Row::load(&gateway.row().tls_broken), 0);
    }
}
