//! The PROXY protocol: a proxy in front of the gateway says whose connection it is, and the gateway says it to upstreams.

use std::io::{Read, Write};
use std::net::SocketAddr;

use ringway::policy::names::CertificateNames;
use rustls::version::TLS13;

use super::support::client::Answer;
use super::support::origin::Connection;
use super::support::process::Directory;
use super::support::tls::{Authority, Bare, Tls, keyring};
use super::support::wire::Socket;
use super::support::{Client, Gateway, Origin, Reply, eventually};

/// Where tests connect from.
const HERE: &str = "127.0.0.0/8";
const GET: &str = "GET / HTTP/1.1\r\nhost: test\r\n\r\n";

/// A gateway whose listener requires a header of `version` from `trusted`.
fn requiring(version: &str, trusted: &str, origin: &Origin, more: &str) -> Gateway {
    Gateway::start(&format!(
        "[server]\nworkers = 1\n[admin]\naddress = \"127.0.0.1:0\"\n\
         [listeners.web]\naddress = \"127.0.0.1:0\"\nproxy_protocol = \"{version}\"\ntrusted_proxies = [\"{trusted}\"]\n\
         [upstreams.origin]\nendpoints = [\"{}\"]\n[routes.all]\npath = \"/*\"\nupstream = \"origin\"\n{more}",
        origin.endpoint()
    ))
}

/// A header of version 2: PROXY, TCP over IPv4.
fn v2(source: &str, destination: &str) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    let ends = [source, destination].map(|end| end.parse::<std::net::SocketAddrV4>().unwrap());
    ends.iter().for_each(|end| bytes.extend(end.ip().octets()));
    ends.iter().for_each(|end| bytes.extend(end.port().to_be_bytes()));
    bytes
}

/// Tells who asked, as the gateway said it.
fn telling() -> Origin {
    Origin::answering(|request| Reply::text(request.field("x-forwarded-for").unwrap_or("nobody")))
}

fn refused(gateway: &Gateway) -> f64 {
    gateway.metric("ringway_proxy_headers_refused_total")
}

// ------------------------------------------------------------------------------------------ from proxies

#[test]
fn the_address_in_the_header_is_the_clients_for_everything() {
    let directory = Directory::new();
    let log = directory.path().join("access.log");
    let origin = telling();
    let more = format!("[access_log]\nfile = {:?}\n", log.display().to_string());
    let gateway = requiring("v1", HERE, &origin, &more);
    let mut client = gateway.client();
    client.send("PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n");
    // The proxy may speak for others; who stands behind it may not.
    let request = "GET / HTTP/1.1\r\nhost: test\r\nx-forwarded-for: 203.0.113.9\r\n\r\n";
    assert_eq!(client.ask(request).text(), "192.0.2.7");
    assert_eq!(client.get("/").text(), "192.0.2.7");
    let lines = eventually("two lines", || {
        let text = std::fs::read_to_string(&log).ok()?;
        (text.lines().count() == 2).then_some(text)
    });
    for line in lines.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["client"], &line["client_port"]), (&"192.0.2.7".into(), &4711.into()));
    }
}

#[test]
fn the_binary_header_says_the_same() {
    let origin = telling();
    let gateway = requiring("v2", HERE, &origin, "");
    let mut client = gateway.client();
    client.send(v2("192.0.2.7:4711", "198.51.100.1:443"));
    assert_eq!(client.get("/").text(), "192.0.2.7");
    let six = [
        b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x28".as_slice(),
        &[0x20, 1, 0xd, 0xb8],
        &[0; 11],
        &[1],
        &[0; 20],
        b"\x04\0\x01x",
    ];
    let mut client = gateway.client();
    client.send(six.concat());
    assert_eq!(client.get("/").text(), "2001:db8::1");
}

#[test]
fn what_follows_the_header_in_the_same_packet_is_the_request() {
    let origin = telling();
    for (version, header) in [
        ("v1", b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n".to_vec()),
        ("v1", b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n".to_vec()),
        ("v2", v2("192.0.2.7:4711", "198.51.100.1:443")),
    ] {
        let gateway = requiring(version, HERE, &origin, "");
        let mut client = gateway.client();
        client.send([&header, GET.as_bytes(), GET.as_bytes()].concat());
        let expected = if header.starts_with(b"PROXY TCP6") { "2001:db8::7" } else { "192.0.2.7" };
        assert_eq!((client.answer().text(), client.answer().text()), (expected, expected));
        // Byte by byte is the same.
        let mut client = gateway.client();
        for byte in [&header, GET.as_bytes()].concat() {
            client.send([byte]);
        }
        assert_eq!(client.answer().text(), expected);
    }
}

#[test]
fn a_proxy_that_speaks_for_itself_is_the_client() {
    let origin = telling();
    for (version, header) in [
        ("v1", b"PROXY UNKNOWN\r\n".to_vec()),
        ("v1", b"PROXY UNKNOWN 192.0.2.7 198.51.100.1 1 2\r\n".to_vec()),
        ("v2", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec()),
        ("v2", b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\0".to_vec()),
    ] {
        let gateway = requiring(version, HERE, &origin, "");
        let mut client = gateway.client();
        client.send(header);
        assert_eq!(client.get("/").text(), "127.0.0.1");
    }
}

#[test]
fn without_a_good_header_nobody_is_served_and_it_is_counted() {
    let origin = telling();
    for (version, wrong) in [
        ("v1", GET.as_bytes().to_vec()),
        ("v1", v2("192.0.2.7:1", "198.51.100.1:2")),
        ("v1", b"PROXY TCP4 192.0.2.7 198.51.100.1 1 65536\r\n".to_vec()),
        ("v1", [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 107]].concat()),
        ("v2", GET.as_bytes().to_vec()),
        ("v2", b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n".to_vec()),
        ("v2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x10\0".to_vec()),
        ("v2", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\0\0\0\0".to_vec()),
    ] {
        let gateway = requiring(version, HERE, &origin, "");
        let mut client = gateway.client();
        client.send(&wrong).try_send(GET);
        client.expect_end();
        eventually("counted", || (refused(&gateway) == 1.0).then_some(()));
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_header_that_ends_in_the_middle_is_none_and_no_header_at_all_is_only_a_look() {
    let origin = telling();
    let gateway = requiring("v1", HERE, &origin, "");
    let mut client = gateway.client();
    client.send("PROXY TCP4 192.0.2.7 198.51.").finish_sending();
    client.expect_close();
    eventually("counted", || (refused(&gateway) == 1.0).then_some(()));
    gateway.client().finish_sending().expect_close();
    let mut client = gateway.client();
    client.send("PROXY UNKNOWN\r\n");
    assert_eq!(client.get("/").status, 200);
    assert_eq!(refused(&gateway), 1.0);
}

#[test]
fn a_header_that_does_not_end_is_not_waited_for_for_ever() {
    let origin = telling();
    let gateway = requiring("v1", HERE, &origin, "");
    let mut client = gateway.client();
    client.send("PROXY TCP4 192.0.2.7");
    client.expect_close();
    eventually("counted", || (refused(&gateway) == 1.0).then_some(()));
}

#[test]
fn who_is_not_trusted_may_not_even_begin() {
    let origin = telling();
    let gateway = requiring("v1", "192.0.2.0/24", &origin, "");
    let mut client = gateway.client();
    client.try_send("PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n");
    client.try_send(GET);
    client.expect_end();
    eventually("counted", || (refused(&gateway) == 1.0).then_some(()));
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_listener_that_requires_no_header_reads_none() {
    let origin = telling();
    let gateway = Gateway::before(&origin);
    let mut client = gateway.client();
    client.send("PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n").try_send(GET);
    assert_eq!(client.answer().status, 400);
    client.expect_end();
}

#[test]
fn the_limit_of_connections_is_each_clients_and_not_the_proxys() {
    let origin = telling();
    let gateway = requiring("v1", HERE, &origin, "[defaults.limits]\nconnections_per_address = 1\n");
    let from = |source: &str| -> (Client, Answer) {
        let mut client = gateway.client();
        client.send(format!("PROXY TCP4 {source} 198.51.100.1 1 2\r\n")).try_send(GET);
        let answer = client.answer();
        (client, answer)
    };
    let (first, one) = from("192.0.2.1");
    let (_second, two) = from("192.0.2.2");
    assert_eq!((one.status, two.status), (200, 200));
    assert_eq!(from("192.0.2.1").1.status, 429);
    // A place that is given back can be taken again.
    drop(first);
    eventually("a place", || (from("192.0.2.1").1.status == 200).then_some(()));
}

#[test]
fn one_that_has_not_introduced_itself_counts_and_is_cut() {
    let origin = telling();
    let text = format!(
        "[server]\nworkers = 1\ndrain_timeout = \"50ms\"\n[listeners.web]\naddress = \"127.0.0.1:0\"\n\
         proxy_protocol = \"v2\"\ntrusted_proxies = [\"{HERE}\"]\nlimits = {{ connections = 1 }}\n\
         [upstreams.origin]\nendpoints = [\"{}\"]\n[routes.all]\npath = \"/*\"\nupstream = \"origin\"\n",
        origin.endpoint()
    );
    use ringway::control::{End, Gateway, Options, Source};
    let gateway = Gateway::start(Source::text(text), Options::embedded().unwrap()).unwrap();
    let mut silent = Client::connect(gateway.address("web").unwrap());
    silent.send("\r\n");
    let mut other = Client::connect(gateway.address("web").unwrap());
    assert_eq!(other.answer().status, 503);
    assert_eq!(gateway.drain(), End::Drained);
    silent.expect_end();
}

// ------------------------------------------------------------------------------------------ to upstreams

/// A gateway before an origin that reads the header of each connection with `read` and answers with it.
fn sending(version: &str, read: fn(&mut Connection) -> String) -> (Origin, Gateway) {
    let origin = Origin::playing(move |connection| {
        let header = read(connection);
        while let Ok(request) = connection.request() {
            let answer = format!("{} {header}", request.connection);
            connection.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len()));
        }
    });
    let gateway = Gateway::with(&format!(
        "[upstreams.origin]\nendpoints = [\"{}\"]\nproxy_protocol = \"{version}\"\n[routes.all]\npath = \"/*\"\n\
         upstream = \"origin\"\n",
        origin.endpoint()
    ));
    (origin, gateway)
}

fn line(connection: &mut Connection) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.extend(connection.wire().bytes(1).unwrap());
    }
    String::from_utf8(line).unwrap().trim_end().to_owned()
}

fn addresses(connection: &mut Connection) -> String {
    let bytes = connection.wire().bytes(28).unwrap();
    let (begin, ends) = bytes.split_at(16);
    assert_eq!(begin, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c");
    let ip = |at: usize| std::net::Ipv4Addr::new(ends[at], ends[at + 1], ends[at + 2], ends[at + 3]);
    let port = |at: usize| u16::from_be_bytes([ends[at], ends[at + 1]]);
    format!("PROXY TCP4 {} {} {} {}", ip(0), ip(4), port(8), port(10))
}

fn own(client: &mut Client) -> SocketAddr {
    client.wire().tcp().local_addr().unwrap()
}

#[test]
fn an_upstream_learns_whose_connection_it_is_and_serves_nobody_else_on_it() {
    for (version, read) in [("v1", line as fn(&mut Connection) -> String), ("v2", addresses)] {
        let (origin, gateway) = sending(version, read);
        let web = gateway.address();
        let (mut one, mut two) = (gateway.client(), gateway.client());
        let header = |client: &mut Client| {
            let own = own(client);
            format!("PROXY TCP4 {} {} {} {}", own.ip(), web.ip(), own.port(), web.port())
        };
        for _ in 0..3 {
            assert_eq!(one.get("/").text(), format!("1 {}", header(&mut one)));
            assert_eq!(two.get("/").text(), format!("2 {}", header(&mut two)));
        }
        assert_eq!(origin.connections(), 2);
    }
}

#[test]
fn whom_a_trusted_proxy_speaks_for_is_who_the_upstream_learns_of() {
    let origin = Origin::playing(|connection| {
        let header = line(connection);
        while connection.request().is_ok() {
            connection.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{header}", header.len()));
        }
    });
    let gateway = Gateway::start(&format!(
        "[server]\nworkers = 1\n[listeners.web]\naddress = \"127.0.0.1:0\"\ntrusted_proxies = [\"{HERE}\"]\n\
         [upstreams.origin]\nendpoints = [\"{}\"]\nproxy_protocol = \"v1\"\n[routes.all]\npath = \"/*\"\n\
         upstream = \"origin\"\n",
        origin.endpoint()
    ));
    let mut client = gateway.client();
    let web = gateway.address();
    for (client_ip, header) in [
        ("192.0.2.7", format!("PROXY TCP4 192.0.2.7 127.0.0.1 0 {}", web.port())),
        ("192.0.2.8", format!("PROXY TCP4 192.0.2.8 127.0.0.1 0 {}", web.port())),
        ("2001:db8::1", format!("PROXY TCP6 2001:db8::1 ::ffff:127.0.0.1 0 {}", web.port())),
        // The connection that is there already.
        ("192.0.2.7", format!("PROXY TCP4 192.0.2.7 127.0.0.1 0 {}", web.port())),
    ] {
        let request = format!("GET / HTTP/1.1\r\nhost: test\r\nx-forwarded-for: {client_ip}\r\n\r\n");
        assert_eq!(client.ask(&request).text(), header);
    }
    assert_eq!(origin.connections(), 3);
}

#[test]
fn what_came_in_by_a_header_goes_out_by_one() {
    let (origin, _) = sending("v2", addresses);
    let gateway = Gateway::start(&format!(
        "[server]\nworkers = 1\n[listeners.web]\naddress = \"127.0.0.1:0\"\nproxy_protocol = \"v1\"\n\
         trusted_proxies = [\"{HERE}\"]\n[upstreams.origin]\nendpoints = [\"{}\"]\nproxy_protocol = \"v2\"\n\
         [routes.all]\npath = \"/*\"\nupstream = \"origin\"\n",
        origin.endpoint()
    ));
    let mut client = gateway.client();
    client.send("PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n");
    let told = client.get("/").text().to_owned();
    assert_eq!(told, format!("1 PROXY TCP4 192.0.2.7 127.0.0.1 4711 {}", gateway.address().port()));
}

#[test]
fn tls_begins_behind_the_header_on_either_side() {
    let authority = Authority::new("test");
    for version in ["v1", "v2"] {
        let origin = Origin::answering_securely(authority.server(&["inside.example"], &[]), |request| {
            Reply::text(request.field("x-forwarded-for").unwrap_or("nobody"))
        });
        let config = format!(
            "[listeners.web]\naddress = \"127.0.0.1:1\"\ntls = \"edge\"\nprotocols = [\"http/1.1\"]\n\
             proxy_protocol = \"{version}\"\ntrusted_proxies = [\"{HERE}\"]\n\
             [tls.edge]\ncertificates = [{{ cert = \"a.pem\", key = \"a.key\" }}]\n\
             [routes.all]\npath = \"/*\"\nupstream = \"origin\"\n\
             [upstreams.origin]\nendpoints = [\"{}\"]\ntls = {{ server_name = \"inside.example\" }}\n",
            origin.endpoint()
        );
        let server = (authority.server(&["a.example"], &["http/1.1"]), CertificateNames::new([["a.example"]]));
        let gateway = Bare::start(&config, keyring(Some(server), Some(authority.client(&[&TLS13]))));
        let name = "a.example".to_owned().try_into().unwrap();
        let mut hello = rustls::ClientConnection::new(authority.client(&[&TLS13]).into(), name).unwrap();
        // The header and the ClientHello in one packet.
        let mut first = match version {
            "v1" => b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n".to_vec(),
            _ => v2("192.0.2.7:4711", "198.51.100.1:443"),
        };
        hello.write_tls(&mut first).unwrap();
        let mut socket = std::net::TcpStream::connect(gateway.address).unwrap();
        socket.write_all(&first).unwrap();
        let mut client = Client::over(Socket::Tls(Box::new(Tls::over(hello, socket))));
        assert_eq!(client.ask("GET / HTTP/1.1\r\nhost: a.example\r\n\r\n").text(), "192.0.2.7", "{version}");
    }
}

#[test]
fn tls_to_an_upstream_begins_behind_the_header() {
    let authority = Authority::new("test");
    let config = std::sync::Arc::new(authority.server(&["inside.example"], &[]));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let origin = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut header = [0; 28];
        socket.read_exact(&mut header).unwrap();
        assert_eq!(&header[..16], b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c");
        let mut tls = Tls::over(rustls::ServerConnection::new(config).unwrap(), socket);
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            tls.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        tls.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").unwrap();
    });
    let config = format!(
        "[listeners.web]\naddress = \"127.0.0.1:1\"\n[routes.all]\npath = \"/*\"\nupstream = \"origin\"\n\
         [upstreams.origin]\nendpoints = [\"https://{address}\"]\nproxy_protocol = \"v2\"\n\
         tls = {{ server_name = \"inside.example\" }}\n"
    );
    let gateway = Bare::start(&config, keyring(None, Some(authority.client(&[&TLS13]))));
    assert_eq!(Client::connect(gateway.address).get("/").text(), "ok");
    origin.join().unwrap();
}
