//! Messages as clients and origins send them, for all benchmarks.
#![allow(dead_code, reason = "each benchmark uses some")]

use ringway::proto::h1::parse::HeadLimits;

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
