//! Many exchanges, all sizes, every pace: nothing of one message ends up in another, whatever its neighbours do.

use std::thread;

use super::support::{Gateway, Origin, Reply};

/// A small generator (xorshift64*), so that a failing seed can be played again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }
}

/// `length` bytes that say whose they are and which of them each one is.
fn body(owner: usize, length: usize) -> Vec<u8> {
    (0..length).map(|position| (owner.wrapping_mul(167) ^ position.wrapping_mul(31) ^ (position >> 8)) as u8).collect()
}

fn post(target: &str, body: &[u8], is_chunked: bool) -> Vec<u8> {
    let mut request = format!("POST {target} HTTP/1.1\r\nhost: test\r\n").into_bytes();
    if is_chunked {
        request.extend(b"transfer-encoding: chunked\r\n\r\n");
        for chunk in body.chunks(10_000) {
            request.extend(format!("{:x}\r\n", chunk.len()).bytes());
            request.extend(chunk);
            request.extend(b"\r\n");
        }
        request.extend(b"0\r\n\r\n");
    } else {
        request.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
        request.extend(body);
    }
    request
}

/// Answers each request with its own body, chunked when the target says so.
fn echo() -> Origin {
    Origin::playing(|connection| {
        while let Ok(request) = connection.request() {
            let is_chunked = request.target.contains("chunked");
            let framed = post("/", &request.body, is_chunked);
            let start = framed.iter().position(|byte| *byte == b'\n').expect("a first line") + 1;
            connection.send([b"HTTP/1.1 200 OK\r\n".as_slice(), &framed[start..]].concat());
        }
    })
}

#[test]
fn bodies_of_every_size_around_the_buffers_arrive() {
    let origin = echo();
    let mut client = Gateway::before(&origin).into_client();
    for edge in [0, 4 << 10, 16 << 10, 32 << 10, 64 << 10, 256 << 10] {
        for size in [-300_isize, -200, -100, -8, -3, -2, -1, 0, 1, 2, 3, 9, 50, 150].map(|off| edge + off) {
            let Ok(size) = usize::try_from(size) else { continue };
            let body = body(size, size);
            for (up, down) in [(false, false), (true, true)] {
                client.send(post(if down { "/chunked" } else { "/" }, &body, up));
                assert!(client.answer().body == body, "{size} bytes, chunked up {up}, down {down}");
            }
        }
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn heads_of_every_size_around_the_buffers_arrive() {
    let origin = Origin::answering(|request| {
        Reply::text(request.body.clone()).with("x-back", request.field("x-large").expect("it was sent"))
    });
    let mut client = Gateway::before(&origin).into_client();
    for size in (0..31_000).step_by(997).chain(16_000..16_020) {
        let large = "h".repeat(size);
        let body = body(size, 500);
        client
            .send(format!("POST / HTTP/1.1\r\nhost: test\r\nx-large: {large}\r\ncontent-length: 500\r\n\r\n"))
            .send(&body);
        let answer = client.answer();
        assert!(answer.field("x-back") == Some(&large) && answer.body == body, "{size}");
    }
}

#[test]
fn messages_that_come_byte_by_byte_are_whole() {
    let origin = Origin::playing(|connection| {
        while let Ok(request) = connection.request() {
            let answer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n", request.body.len());
            for byte in [answer.as_bytes(), &request.body, b"\r\n0\r\nx-sum: 1\r\n\r\n"].concat() {
                connection.send([byte]);
            }
        }
    });
    let mut client = Gateway::before(&origin).into_client();
    for is_chunked in [false, true] {
        for byte in post("/drip", b"drop by drop", is_chunked) {
            client.send([byte]);
        }
        assert_eq!(client.answer().text(), "drop by drop");
    }
    assert_eq!(origin.requests().len(), 2);
}

#[test]
fn exchanges_at_the_same_time_do_not_mix() {
    const CLIENTS: usize = 8;
    const EXCHANGES: usize = 60;
    let origin = echo();
    let gateway = Gateway::before(&origin);
    thread::scope(|scope| {
        for owner in 0..CLIENTS {
            let gateway = &gateway;
            scope.spawn(move || {
                let mut random = Random(0x9E37_79B9_7F4A_7C15 ^ owner as u64);
                let mut client = gateway.client();
                for number in 0..EXCHANGES {
                    let length = [0, 10, 1_000, 30_000, 300_000][random.below(5)] + random.below(100);
                    let body = body(owner * EXCHANGES + number, length);
                    let request =
                        post(if random.below(2) == 0 { "/" } else { "/chunked" }, &body, random.below(2) == 0);
                    if random.below(8) == 0 {
                        // Leaves in the middle of its request, or of its answer.
                        client.send(&request[..random.below(request.len())]);
                        std::mem::replace(&mut client, gateway.client()).reset();
                        continue;
                    }
                    client.send(&request);
                    assert!(client.answer().body == body, "client {owner}, exchange {number}, {length} bytes");
                }
            });
        }
    });
    assert_eq!(gateway.metric("ringway_panics_total"), 0.0);
}
