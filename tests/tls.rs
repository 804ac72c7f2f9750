//! TLS as clients and origins see it: handshakes, records, ends.

use std::sync::Arc;

use ringway::policy::names::CertificateNames;
use ringway::shell::mail::Row;
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, HandshakeKind};

use crate::support::tls::{Authority, Bare, keyring};
use crate::support::{Client, eventually};

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
    let authority = Authority::new();
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
    let authority = Authority::new();
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
    let authority = Authority::new();
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
