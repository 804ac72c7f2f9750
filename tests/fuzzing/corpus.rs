//! Where inputs begin: the wire fixtures, and the words of each grammar.

use super::mutate::INPUT_BYTES_MAX;
use crate::wire::fixture::load;

/// Longer fixtures reach a limit by their length; inputs reach limits that are set low for them.
const SEED_BYTES_MAX: usize = 1_500;

/// What edits put into heads and bodies.
pub const HTTP: &[&[u8]] = &[
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b": ",
    b", ",
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"OPTIONS ",
    b"CONNECT ",
    b"*",
    b" HTTP/1.1\r\n",
    b" HTTP/1.0\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 204 \r\n",
    b"HTTP/1.1 103 A\r\n\r\n",
    b"http://",
    b"https://b.example:1",
    b"Host: a\r\n",
    b"Host: b.example:8080\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"Content_Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"transfer-encoding",
    b"chunked",
    b"identity",
    b"Connection: close\r\n",
    b"Connection: keep-alive, X-A, te\r\n",
    b"Connection: upgrade, x-forwarded-for, via\r\n",
    b"Upgrade: websocket\r\n",
    b"Upgrade: h2c\r\n",
    b"Expect: 100-continue\r\n",
    b"TE: trailers\r\n",
    b"Trailer: X-A\r\n",
    b"Via: 1.1 ringway\r\n",
    b"X-Forwarded-For: 192.0.2.1\r\n",
    b"X_Forwarded_For: 192.0.2.1\r\n",
    b"Forwarded: for=192.0.2.1\r\n",
    b"Max-Forwards: 0\r\n",
    b"X-A: b\r\n",
    b" folded\r\n",
    b"a: \x00\r\n",
    b"0\r\n\r\n",
    b"5\r\nhello\r\n",
    b"1;a=b\r\n",
    b"0\r\nX-A: b\r\n\r\n",
    b"\xc3\xa9",
    b"\xff",
];

/// The requests of the wire fixtures.
pub fn requests() -> Vec<Vec<u8>> {
    let extra: [&[u8]; 3] = [
        b"GET /a/b?c=d HTTP/1.1\r\nHost: a.example:80\r\nAccept: */*\r\nX-A: 1\r\nX-B:\t2 \r\nConnection: x-a\r\n\r\n",
        b"OPTIONS http://b HTTP/1.1\r\nHost: a\r\nMax-Forwards: 3\r\nTE: trailers, gzip\r\nConnection: te\r\n\r\n",
        b"PUT /%7e/..;a/. HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
    ];
    fixtures("requests", &extra)
}

/// What upstreams send in the wire fixtures.
pub fn answers() -> Vec<Vec<u8>> {
    let extra: [&[u8]; 2] = [
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nDate: x\r\n\
          Transfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n5;e\r\nhello\r\n0\r\nX-A: b\r\nVary: c\r\n\r\n",
        b"HTTP/1.0 304 Not Modified\r\nContent-Length: 9\r\nConnection: keep-alive, x-b\r\nX-B: c\r\nETag: \"a\"\r\n\r\n",
    ];
    fixtures("answers", &extra)
}

/// The bodies of all chunked fixtures, and a few that are good.
pub fn chunked_bodies() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = requests().into_iter().chain(answers()).filter_map(chunked_body).collect();
    for good in [
        &b"4;name=value;x=\"a b\"\r\nWiki\r\n006\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0;last\r\nX-A: b\r\nHost: c\r\n\r\nGET /"[..],
        b"1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n",
        b"0\r\n\r\n",
        b"0\r\nX-A: b\r\nExpires: 0\r\nX_Real_Ip: c\r\nEmpty:\r\n\r\n",
        b"ffffffffffffffff\r\nabc",
        b"A;\t\x80\xff\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n",
    ] {
        // A third of the inputs begins here: nearly all fixtures are bad on purpose.
        bodies.extend(std::iter::repeat_n(good.to_vec(), 6));
    }
    bodies
}

fn chunked_body(message: Vec<u8>) -> Option<Vec<u8>> {
    let end = message.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = message[..end].to_ascii_lowercase();
    let is_chunked = head.windows(7).any(|window| window == b"chunked");
    (is_chunked && end < message.len()).then(|| message[end..].to_vec())
}

fn fixtures(directory: &str, extra: &[&[u8]]) -> Vec<Vec<u8>> {
    let cases = load(directory).into_iter().map(|case| case.bytes);
    let mut seeds: Vec<Vec<u8>> = cases.filter(|bytes| bytes.len() <= SEED_BYTES_MAX).collect();
    seeds.extend(extra.iter().map(|bytes| bytes.to_vec()));
    assert!(seeds.len() > 90 && seeds.iter().all(|seed| seed.len() < INPUT_BYTES_MAX), "{} seeds", seeds.len());
    seeds
}
