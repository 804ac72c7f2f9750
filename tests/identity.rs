//! Who the client is, and what an exchange is called: `X-Forwarded-*`, `Forwarded`, request ids and trace contexts, by
//! whether the peer may speak for others.

use super::support::{Gateway, Origin, Reply};

const CLAIMS: &str = "x-forwarded-for: 203.0.113.7\r\nx-forwarded-proto: https\r\nx-forwarded-host: shop.example\r\n";

fn trusting(origin: &Origin) -> Gateway {
    let endpoint = origin.endpoint();
    Gateway::start(&format!(
        "[server]\nworkers = 1\n[listeners.web]\naddress = \"127.0.0.1:0\"\ntrusted_proxies = [\"127.0.0.0/8\", \"192.0.2.0/24\"]\n\
         [admin]\naddress = \"127.0.0.1:0\"\n\
         [routes.all]\npath = \"/*\"\nupstream = {{ endpoints = [\"{endpoint}\"] }}\n"
    ))
}

#[test]
fn a_stranger_speaks_for_itself_only() {
    let origin = Origin::answering(|_| Reply::status(204));
    let mut client = Gateway::before(&origin).into_client();
    client.ask(&format!(
        "GET / HTTP/1.1\r\nhost: test:8080\r\n{CLAIMS}forwarded: for=203.0.113.7\r\nx-real-ip: 203.0.113.7\r\n\
         X_Forwarded_For: 203.0.113.7\r\nx-forwarded-port: sly\r\nx-forwarded-server: evil\r\n\r\n"
    ));
    let request = origin.request();
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.field("x-forwarded-proto"), Some("http"));
    assert_eq!(request.field("x-forwarded-host"), Some("test:8080"));
    // No claim is made of hexadecimal digits alone: the request id beside them is random.
    let all = format!("{:?}", request.fields).to_lowercase();
    for claim in ["203.0.113.7", "https", "shop.example", "sly", "evil"] {
        assert!(!all.contains(claim), "{claim} got through: {all}");
    }
}

#[test]
fn a_trusted_proxy_speaks_for_its_client() {
    let origin = Origin::answering(|_| Reply::status(204));
    let mut client = trusting(&origin).into_client();
    client.ask(&format!("GET / HTTP/1.1\r\nhost: inner\r\n{CLAIMS}\r\n"));
    let request = origin.request();
    assert_eq!(request.field("x-forwarded-for"), Some("203.0.113.7, 127.0.0.1"));
    assert_eq!(request.field("x-forwarded-proto"), Some("https"));
    assert_eq!(request.field("x-forwarded-host"), Some("shop.example"));
}

#[test]
fn the_client_is_the_first_hop_from_the_right_that_nobody_vouches_for() {
    let origin = Origin::answering(|_| Reply::status(204));
    let endpoint = origin.endpoint();
    let gateway = Gateway::start(&format!(
        "[server]\nworkers = 1\n[listeners.web]\naddress = \"127.0.0.1:0\"\ntrusted_proxies = [\"127.0.0.0/8\", \"192.0.2.0/24\"]\n\
         [routes.all]\npath = \"/*\"\nupstream = {{ endpoints = [\"{endpoint}\"] }}\nrequest = {{ set = {{ x-client = \"{{client.ip}}\" }} }}\n"
    ));
    let mut client = gateway.client();
    for (claim, expected) in [
        ("x-forwarded-for: 203.0.113.7", "203.0.113.7"),
        ("x-forwarded-for: 203.0.113.7, 192.0.2.9", "203.0.113.7"),
        ("x-forwarded-for: 198.51.100.1, 203.0.113.7, 192.0.2.9, 192.0.2.8", "203.0.113.7"),
        ("x-forwarded-for: 198.51.100.1\r\nx-forwarded-for: 203.0.113.7", "203.0.113.7"),
        ("x-forwarded-for: 192.0.2.1", "192.0.2.1"),
        ("x-forwarded-for: 203.0.113.7, nonsense, 192.0.2.9", "192.0.2.9"),
        ("x-forwarded-for: 2001:db8::7", "2001:db8::7"),
        ("x-real-ip: 203.0.113.7", "127.0.0.1"),
        ("x-nothing: 1", "127.0.0.1"),
    ] {
        client.ask(&format!("GET / HTTP/1.1\r\nhost: test\r\n{claim}\r\n\r\n"));
        assert_eq!(origin.requests().last().expect("it came").field("x-client"), Some(expected), "{claim}");
    }
}

#[test]
fn a_request_id_is_made_for_a_stranger_and_told_to_both_sides() {
    let origin = Origin::answering(|_| Reply::status(204).with("x-request-id", "the-origins"));
    let mut client = Gateway::before(&origin).into_client();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let answer = client.ask("GET / HTTP/1.1\r\nhost: test\r\nx-request-id: mine\r\n\r\n");
        let id = answer.field("x-request-id").expect("it has one").to_owned();
        // RFC 9562: version 7, and ids of one gateway sort by time.
        assert!(id.len() == 36 && id.as_bytes()[14] == b'7', "{id}");
        assert_eq!(origin.requests().last().expect("it came").field("x-request-id"), Some(id.as_str()));
        ids.push(id);
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn a_trusted_proxys_request_id_is_kept_when_it_is_harmless() {
    let origin = Origin::answering(|_| Reply::status(204));
    let mut client = trusting(&origin).into_client();
    let answer = client.ask("GET / HTTP/1.1\r\nhost: test\r\nx-request-id: edge-4711\r\n\r\n");
    assert_eq!(answer.field("x-request-id"), Some("edge-4711"));
    for bad in ["a b", "a\"b", &"x".repeat(500), "<script>"] {
        let answer = client.ask(&format!("GET / HTTP/1.1\r\nhost: test\r\nx-request-id: {bad}\r\n\r\n"));
        assert_ne!(answer.field("x-request-id"), Some(bad));
    }
}

#[test]
fn a_trace_is_passed_on_or_begun() {
    let origin = Origin::answering(|_| Reply::status(204));
    let mut client = Gateway::before(&origin).into_client();
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    client.ask(&format!("GET / HTTP/1.1\r\nhost: test\r\ntraceparent: {parent}\r\ntracestate: a=b\r\n\r\n"));
    client.get("/");
    client.ask("GET / HTTP/1.1\r\nhost: test\r\ntraceparent: 00-nonsense\r\ntracestate: a=b\r\n\r\n");
    let requests = origin.requests();
    assert_eq!(requests[0].field("traceparent"), Some(parent));
    assert_eq!(requests[0].field("tracestate"), Some("a=b"));
    for begun in &requests[1..] {
        let trace = begun.field("traceparent").expect("one was begun");
        assert!(trace.len() == 55 && trace.starts_with("00-") && trace != parent, "{trace}");
        // A state belongs to the trace it came with.
        assert!(!begun.fields.has("tracestate"));
    }
}
