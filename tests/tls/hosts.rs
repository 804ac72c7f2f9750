//! Which hosts a connection may be used for, and what of TLS shows in messages and logs.

use std::sync::Arc;

use ringway::policy::names::CertificateNames;
use rustls::version::TLS13;

use super::{HELLO, listener};
use crate::support::authority::Authority;
use crate::support::tls::{Bare, keyring};
use crate::support::{Client, Origin, Reply};

fn names() -> CertificateNames {
    CertificateNames::new([vec!["a.example", "b.example"], vec!["*.other.example"]])
}

fn status(gateway: &Bare, authority: &Authority, asked: &str, host: &str) -> u16 {
    let mut client = Client::secure(gateway.address, &Arc::new(authority.client(&[&TLS13])), asked);
    client.ask(&format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n")).status
}

#[test]
fn a_host_of_another_certificate_is_misdirected() {
    let authority = Authority::new("test");
    let server = authority.server(&["a.example", "b.example", "x.other.example"], &[]);
    let gateway = Bare::start(HELLO, keyring(Some((server, names())), None));
    for (asked, host, expected) in [
        ("a.example", "a.example", 200),
        ("a.example", "A.Example:8443", 200),
        ("a.example", "b.example", 200),
        ("a.example", "x.other.example", 421),
        ("x.other.example", "y.other.example", 200),
        ("x.other.example", "a.example", 421),
    ] {
        assert_eq!(status(&gateway, &authority, asked, host), expected, "{asked} {host}");
    }
}

#[test]
fn who_was_asked_for_a_certificate_asks_for_one_host_only() {
    let authority = Authority::new("test");
    let config = HELLO.replace("[tls.edge]\n", "[tls.edge]\nclient_ca = \"ca.pem\"\nclient_auth = \"optional\"\n");
    let server = authority.server(&["a.example", "b.example"], &[]);
    let gateway = Bare::start(&config, keyring(Some((server, names())), None));
    assert_eq!(status(&gateway, &authority, "a.example", "a.example"), 200);
    assert_eq!(status(&gateway, &authority, "a.example", "b.example"), 421);
}

#[test]
fn the_scheme_is_that_of_the_client() {
    let authority = Authority::new("test");
    let origin = Origin::answering(|_| Reply::text("fine"));
    let config = listener(&format!(
        "[routes.all]\npath = \"/*\"\nupstream = {{ endpoints = [\"{}\"] }}\n\
         request = {{ set = {{ x-scheme = \"{{request.scheme}}\" }} }}\n\
         [routes.old]\npath = \"/old\"\nredirect = {{ path = \"/new\" }}\n",
        origin.endpoint()
    ));
    let server = (authority.server(&["a.example"], &[]), CertificateNames::default());
    let gateway = Bare::start(&config, keyring(Some(server), None));
    let mut client = Client::secure(gateway.address, &Arc::new(authority.client(&[&TLS13])), "a.example");
    assert_eq!(client.ask("GET / HTTP/1.1\r\nhost: a.example\r\n\r\n").status, 200);
    let request = origin.request();
    assert_eq!(request.field("x-forwarded-proto"), Some("https"));
    assert_eq!(request.field("x-scheme"), Some("https"));
    let moved = client.ask("GET /old HTTP/1.1\r\nhost: a.example\r\n\r\n");
    assert_eq!(moved.field("location"), Some("https://a.example/new"));
}
