//! `host[:port]` against the model.

use ringway::proto::authority::check;

use super::driver::{Target, Verdict};
use super::model::authority::is_authority;

/// What edits put into authorities.
const WORDS: &[&[u8]] = &[
    b".",
    b"..",
    b":",
    b"::",
    b"[",
    b"]",
    b"[::1]",
    b":80",
    b":0",
    b":65535",
    b":65536",
    b":080",
    b":000080",
    b"@",
    b"user@",
    b"%",
    b"%25eth0",
    b",",
    b" ",
    b"/",
    b"\\",
    b"_",
    b"~",
    b"-",
    b"a",
    b"example",
    b".com",
    b"xn--",
    b"1",
    b"255.",
    b"ffff:",
    b"2001:db8",
    b"v1.",
    b"*",
    b"\x00",
    b"\t",
    b"\xc3\xbc",
    b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

pub fn run() {
    let seeds = [
        &b"example.com"[..],
        b"EXAMPLE.com.",
        b"api.example.com:8080",
        b"example.com:",
        b"localhost:1",
        b"my_service.internal:65535",
        b"xn--bcher-kva.example",
        b"192.0.2.1:65535",
        b"[::1]",
        b"[2001:db8::1]:443",
        b"[::ffff:192.0.2.1]:80",
        b"a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z",
        &[b'a'; 255],
        &[b'a'; 250],
    ];
    let seeds = seeds.map(<[u8]>::to_vec).to_vec();
    let target = Target { name: "authority", slice: 150_000, seeds, words: WORDS };
    target.run(|input, _| match (check(input), is_authority(input)) {
        (Ok(()), true) => Ok(Verdict::Accepted),
        (Err(_), false) => Ok(Verdict::Refused),
        (found, expected) => Err(format!("{found:?} where the rules say {expected}")),
    });
}
