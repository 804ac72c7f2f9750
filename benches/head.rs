//! What reading a head costs: `cargo bench --bench head`. Numbers here are for comparing versions of the parser on
//! one machine, not for claims.

use divan::{Bencher, black_box};
use ringway::proto::h1::chunked::Decoder;
use ringway::proto::h1::parse::{HeadLimits, answer, request};
use ringway::proto::head::{AnswerHead, RequestHead};

const LIMITS: HeadLimits = HeadLimits { bytes: 32 * 1024, lines: 100, target_bytes: 8 * 1024 };

const SHORT: &[u8] = b"GET /index.html HTTP/1.1\r\nHost: example.com\r\n\r\n";

const BROWSER: &[u8] = b"GET /orders/1234?expand=lines&page=2 HTTP/1.1\r\n\
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

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\n\
Server: origin\r\n\
Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
Content-Type: application/json\r\n\
Content-Length: 100\r\n\
Connection: keep-alive\r\n\
ETag: \"5f0c9a2e\"\r\n\
Cache-Control: private, max-age=0\r\n\
Vary: Accept-Encoding\r\n\
\r\n";

fn main() {
    divan::main();
}

#[divan::bench(args = [("short", SHORT), ("browser", BROWSER)].map(Named::from))]
fn a_request(bencher: Bencher<'_, '_>, wire: &Named) {
    let mut head = RequestHead::default();
    bencher.bench_local(|| request(black_box(wire.bytes), 0, &LIMITS, &mut head));
}

#[divan::bench]
fn an_answer(bencher: Bencher<'_, '_>) {
    let mut head = AnswerHead::default();
    bencher.bench_local(|| answer(black_box(ANSWER), 0, &LIMITS, false, &mut head));
}

/// The floor: what httparse alone costs.
#[divan::bench(args = [("short", SHORT), ("browser", BROWSER)].map(Named::from))]
fn httparse_alone(bencher: Bencher<'_, '_>, wire: &Named) {
    bencher.bench_local(|| {
        let mut headers = [const { std::mem::MaybeUninit::uninit() }; 128];
        let mut parsed = httparse::Request::new(&mut []);
        parsed.parse_with_uninit_headers(black_box(wire.bytes), &mut headers).map(|status| status.is_complete())
    });
}

/// 64 KiB of wire in chunks of 8 KiB, decoded in place.
#[divan::bench]
fn chunks(bencher: Bencher<'_, '_>) {
    let chunk = [b"2000\r\n", &[b'x'; 0x2000][..], b"\r\n"].concat();
    let wire = chunk.repeat(8);
    let mut decoder = Decoder::default();
    bencher.with_inputs(|| wire.clone()).bench_local_refs(|wire| decoder.decode(wire));
}

/// A case with a name that the table of results can show.
#[derive(Clone, Copy)]
struct Named {
    name: &'static str,
    bytes: &'static [u8],
}

impl From<(&'static str, &'static [u8])> for Named {
    fn from((name, bytes): (&'static str, &'static [u8])) -> Self {
        Self { name, bytes }
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name)
    }
}
