//! Messages as clients and origins send them, for all benchmarks.
#![allow(dead_code, reason = "each benchmark uses some")]

use std::time::Duration;

use ringway::policy::journal::{Entry, Hop};
use ringway::policy::meter::Sample;
use ringway::proto::h1::parse::HeadLimits;
use ringway::proto::head::{Method, Version};
use ringway::words::ids::{ListenerId, RouteId, UpstreamId};
use ringway::words::time::Wall;

/// The limits of a listener that sets none.
pub const LIMITS: HeadLimits = HeadLimits { bytes: 32 * 1024, lines: 100, target_bytes: 8 * 1024 };

/// What a load generator sends.
pub const SHORT: &[u8] = b"GET /index.html HTTP/1.1\r\nHost: example.com\r\n\r\n";

/// What a browser sends.
pub const BROWSER: &[u8] = b"GET /orders/1234?expand=lines&page=2 HTTP/1.1\r\n\
Host: api.example.com\r\n\
Connection: keep-alive\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
Cache-Control: max-age=0\r\n\
Cookie: session=5f0c9a2e7b1d4c3f8a6e; theme=dark; consent=all\r\n\
Referer: https://www.example.com/orders\r\n\
X-Request-Id: 0198c3a4-7d9e-7b1c-9f11-2f0e9a8b7c6d\r\n\
\r\n";

/// What an application answers, without its body of 100 bytes.
pub const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\n\
Server: origin\r\n\
Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
Content-Type: application/json\r\n\
Content-Length: 100\r\n\
Connection: keep-alive\r\n\
ETag: \"5f0c9a2e\"\r\n\
Cache-Control: private, max-age=0\r\n\
Vary: Accept-Encoding\r\n\
\r\n";

/// A configuration whose only route edits fields of both messages and rewrites the target.
pub const EDITED: &str = "[listeners.web]\naddress = \"127.0.0.1:1\"\n[routes.all]\npath = \"/orders/*\"\n\
upstream = { endpoints = [\"http://127.0.0.1:9\"] }\n\
[routes.all.rewrite]\nprefix = \"/v2\"\nquery = \"source={client.ip}\"\n\
[routes.all.request]\nset = { x-route = \"{route.name}\" }\nremove = [\"cookie\"]\n\
[routes.all.response]\nset = { x-served-by = \"{server.name}\" }\nremove = [\"server\"]\n";

/// A line of the access log with all that a forwarded request has.
pub fn entry() -> Entry<'static> {
    Entry {
        time: Wall::from_nanos(1_790_000_000_123_456_789),
        id: b"0198c3a4-7d9e-7b1c-9f11-2f0e9a8b7c6d",
        trace: b"4bf92f3577b34da6a3ce929d0e0e4736",
        client: [192, 0, 2, 17].into(),
        client_port: Some(50_000),
        listener: b"web",
        host: b"api.example.com",
        method: b"GET",
        path: b"/orders/1234",
        query: Some(b"expand=lines&page=2"),
        scheme: b"http",
        version: Version::Http11,
        route: b"orders",
        server: b"ringway",
        tls: None,
        status: 200,
        bytes_in: 0,
        bytes_out: 12_345,
        duration: Duration::from_micros(1_234),
        upstream: Some(Hop {
            name: b"orders",
            address: b"10.0.0.7:8080",
            status: Some(200),
            duration: Some(Duration::from_micros(1_111)),
        }),
        attempts: 1,
        fault: None,
        user_agent: b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0",
        referer: b"https://www.example.com/orders",
    }
}

/// What a forwarded request counts as.
pub fn sample() -> Sample {
    Sample {
        listener: ListenerId::new(0),
        route: Some(RouteId::new(0)),
        method: Method::Get,
        status: 200,
        duration: Duration::from_micros(1_234),
        upstream: Some((UpstreamId::new(0), Duration::from_micros(1_111))),
        bytes_in: 0,
        bytes_out: 12_345,
        fault: None,
    }
}
