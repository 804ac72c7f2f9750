//! How TLS connections end, and what ends them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use ringway::policy::names::CertificateNames;
use ringway::shell::mail::Row;
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, Connection, Error};

use super::{GET, HELLO, hello, listener};
use crate::support::authority::Authority;
use crate::support::tls::{Bare, Tls, keyring};
use crate::support::wire::Broken;
use crate::support::{Client, Origin, PATIENCE, Reply, eventually};

/// The alert that ended a handshake or a connection.
fn alert(error: &std::io::Error) -> Option<AlertDescription> {
    match error.get_ref()?.downcast_ref::<Error>()? {
        Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

#[test]
fn the_end_is_announced_before_it_is_there() {
    let authority = Authority::new("test");
    let gateway = hello(&authority);
    for version in [&TLS12, &TLS13] {
        let mut tls = Tls::connect(gateway.address, &Arc::new(authority.client(&[version])), "a.example");
        tls.write_all(b"GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        // Without close_notify this is an error.
        tls.read_to_end(&mut answer).unwrap();
        assert!(answer.ends_with(b"hello"), "{version:?}");
    }
}

#[test]
fn a_client_that_ends_its_direction_gets_its_answer() {
    let authority = Authority::new("test");
    let gateway = hello(&authority);
    let mut client = Client::secure(gateway.address, &Arc::new(authority.client(&[&TLS13])), "a.example");
    client.send(GET);
    client.wire().tls().connection.send_close_notify();
    client.wire().tls().flush().unwrap();
    assert_eq!(client.answer().text(), "hello");
    client.expect_close();
}

#[test]
fn a_body_that_is_cut_goes_no_further() {
    let authority = Authority::new("test");
    let origin = Origin::answering(|_| Reply::text("no"));
    let config =
        listener(&format!("[routes.all]\npath = \"/*\"\nupstream = {{ endpoints = [\"{}\"] }}\n", origin.endpoint()));
    let server = (authority.server(&["a.example"], &[]), CertificateNames::default());
    let gateway = Bare::start(&config, keyring(Some(server), None));
    let mut client = Client::secure(gateway.address, &Arc::new(authority.client(&[&TLS13])), "a.example");
    client.send("POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: 10\r\n\r\nhalf");
    client.wire().tls().socket().shutdown(Shutdown::Write).unwrap();
    origin.await_cut();
    client.expect_end();
}

#[test]
fn plain_text_and_noise_end_in_a_failed_handshake() {
    let authority = Authority::new("test");
    let gateway = hello(&authority);
    let noises: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n",
        &[0; 64],
        &[0x16, 3, 1, 0xff, 0xff],
        &[0xff; 64],
        b"\x16\x03\x01\0\x05\x01\0\0\x01\0",
    ];
    for (number, noise) in noises.iter().enumerate() {
        let mut stream = TcpStream::connect(gateway.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(noise).unwrap();
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        assert!(!said.starts_with(b"HTTP"), "{noise:?}");
        eventually("a failure", || (Row::load(&gateway.row().handshakes_failed) == number as u64 + 1).then_some(()));
    }
    let mut client = Client::secure(gateway.address, &Arc::new(authority.client(&[&TLS13])), "a.example");
    assert_eq!(client.ask(GET).status, 200);
}

/// What comes on the socket behind the handshake ends the connection with this alert.
fn breach(authority: &Authority, gateway: &Bare, record: &[u8]) -> Option<AlertDescription> {
    let mut tls = Tls::connect(gateway.address, &Arc::new(authority.client(&[&TLS13])), "a.example");
    tls.write_all(GET.as_bytes()).unwrap();
    assert!(tls.read(&mut [0; 4096]).unwrap() > 0);
    tls.socket().write_all(record).unwrap();
    alert(&tls.read_to_end(&mut Vec::new()).unwrap_err())
}

#[test]
fn a_breach_of_the_protocol_ends_its_connection_and_is_counted() {
    let authority = Authority::new("test");
    let gateway = hello(&authority);
    let forged = [&[23, 3, 3, 0, 40][..], &[7; 40]].concat();
    let cases: [(&[u8], AlertDescription); 6] = [
        (&forged, AlertDescription::BadRecordMac),
        // Too long to be a record, said before it is waited for.
        (&[23, 3, 3, 0x41, 1], AlertDescription::RecordOverflow),
        // Too short for its own tag.
        (&[23, 3, 3, 0, 3, 1, 2, 3], AlertDescription::BadRecordMac),
        // In the open, where nothing is.
        (&[22, 3, 3, 0, 4, 0, 0, 0, 0], AlertDescription::UnexpectedMessage),
        (&[20, 3, 3, 0, 1, 1], AlertDescription::UnexpectedMessage),
        (b"GET / HTTP/1.1\r\n\r\n", AlertDescription::UnexpectedMessage),
    ];
    for (number, (record, expected)) in cases.into_iter().enumerate() {
        assert_eq!(breach(&authority, &gateway, record), Some(expected), "{record:?}");
        assert_eq!(Row::load(&gateway.row().tls_broken), number as u64 + 1);
    }
}

#[test]
fn an_alert_ends_a_connection_without_an_answer() {
    let authority = Authority::new("test");
    let gateway = hello(&authority);
    let mut tls = Tls::connect(gateway.address, &Arc::new(authority.client(&[&TLS13])), "a.example");
    tls.write_all(GET.as_bytes()).unwrap();
    assert!(tls.read(&mut [0; 4096]).unwrap() > 0);
    // A record that is forged makes the client say so.
    let Connection::Client(connection) = &mut tls.connection else { panic!("a client") };
    connection.read_tls(&mut [23, 3, 3, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].as_slice()).unwrap();
    connection.process_new_packets().unwrap_err();
    tls.flush().unwrap();
    eventually("a broken connection", || (Row::load(&gateway.row().tls_broken) == 1).then_some(()));
    assert!(matches!(tls.socket().read(&mut [0; 64]), Ok(0) | Err(_)));
}

#[test]
fn keys_are_exchanged_on_demand_and_not_for_nothing() {
    let authority = Authority::new("test");
    let gateway = hello(&authority);
    let mut client = Client::secure(gateway.address, &Arc::new(authority.client(&[&TLS13])), "a.example");
    for _ in 0..100 {
        assert_eq!(client.ask(GET).text(), "hello");
        client.wire().tls().connection.refresh_traffic_keys().unwrap();
    }
    for _ in 0..100 {
        if client.wire().tls().connection.refresh_traffic_keys().is_err() || client.wire().tls().flush().is_err() {
            break;
        }
    }
    eventually("a broken connection", || (Row::load(&gateway.row().tls_broken) == 1).then_some(()));
}

#[test]
fn a_handshake_comes_in_pieces_of_any_size() {
    let authority = Authority::new("test");
    let gateway = hello(&authority);
    let config = Arc::new(authority.client(&[&TLS13]));
    let mut tls = Tls::connect(gateway.address, &config, "a.example");
    let mut flight = Vec::new();
    while tls.connection.wants_write() {
        tls.connection.write_tls(&mut flight).unwrap();
    }
    for byte in flight {
        tls.socket().write_all(&[byte]).unwrap();
    }
    tls.write_all(GET.as_bytes()).unwrap();
    let mut answer = [0; 4096];
    let count = tls.read(&mut answer).unwrap();
    assert!(answer[..count].starts_with(b"HTTP/1.1 200 "));
}

#[test]
fn what_a_client_speaks_is_what_the_listener_speaks_or_nothing() {
    let authority = Authority::new("test");
    let speaks = |protocols: &[&str]| {
        let config = HELLO.replace("[\"http/1.1\"]", &format!("{protocols:?}"));
        let server = (authority.server(&["a.example"], protocols), CertificateNames::default());
        Bare::start(&config, keyring(Some(server), None))
    };
    let asks = |gateway: &Bare, protocols: &[&str], says: bool| {
        let mut config = authority.client(&[&TLS13]);
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let mut tls = Tls::connect(gateway.address, &Arc::new(config), "a.example");
        // Who says more than the handshake while it is turned away may be reset before it hears why.
        let answer = tls.shake().and_then(|()| if says { tls.write_all(GET.as_bytes()) } else { Ok(()) });
        let answer = answer.and_then(|()| tls.read(&mut [0; 4096]));
        answer.map_err(|error| alert(&error))
    };
    let (first, second) = (speaks(&["http/1.1"]), speaks(&["h2"]));
    assert!(matches!(asks(&first, &[], true), Ok(1..)));
    assert!(matches!(asks(&first, &["h2", "http/1.1"], true), Ok(1..)));
    let none = Some(AlertDescription::NoApplicationProtocol);
    assert_eq!(asks(&first, &["h2"], true), Err(none));
    assert_eq!(asks(&second, &["http/1.1"], true), Err(none));
    assert_eq!(asks(&second, &[], false), Err(none));
}

#[test]
fn a_cut_answer_is_not_announced_as_whole() {
    let authority = Authority::new("test");
    let origin = Origin::playing(|connection| {
        if connection.request().is_ok() {
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
        }
    });
    let config =
        listener(&format!("[routes.all]\npath = \"/*\"\nupstream = {{ endpoints = [\"{}\"] }}\n", origin.endpoint()));
    let server = (authority.server(&["a.example"], &[]), CertificateNames::default());
    let gateway = Bare::start(&config, keyring(Some(server), None));
    let mut client = Client::secure(gateway.address, &Arc::new(authority.client(&[&TLS13])), "a.example");
    client.send(GET);
    assert_eq!(client.try_answer(), Err(Broken::Cut));
}
