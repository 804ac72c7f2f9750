//! Who the client is, when whatever a client can write stands before what a trusted proxy has written.

use std::net::IpAddr;

use ringway::plan::cidr::CidrSet;
use ringway::policy::client::{Client, identify, write_forwarded, write_forwarded_for};
use ringway::proto::head::Known;

use super::driver::{Outcome, Target, Verdict};
use super::model::fields::is_text;
use crate::tables::Random;

/// What edits put into the fields.
const WORDS: &[&[u8]] = &[
    b", ",
    b",",
    b"\"",
    b"\\\"",
    b"\\",
    b";",
    b"=",
    b"for=",
    b"for=\"",
    b"by=",
    b"host=",
    b"proto=https",
    b"unknown",
    b"_hidden",
    b"10.0.0.2",
    b"10.0.0.3, ",
    b"192.0.2.66",
    b"[2001:db8::66]",
    b"\"[2001:db8::66]:443\"",
    b":80",
    b"[",
    b"]",
    b"::ffff:10.0.0.2",
    b" ",
    b"\t",
    b"\xff",
];

pub fn run() {
    let seeds = [
        &b"192.0.2.66"[..],
        b"192.0.2.66, 10.0.0.2",
        b"10.0.0.9, unknown, 10.0.0.2",
        b"192.0.2.66:4711, [2001:db8::66]:443 , ::ffff:10.0.0.2",
        b"for=192.0.2.66",
        b"for=192.0.2.66;proto=https;host=evil.example, for=10.0.0.2;proto=http",
        b"For=\"[2001:db8::66]:4711\";by=_gateway;ext=\"a,b;c\"",
        b"for=unknown, for=_hidden:80;host=\"a.example:8443\"",
        b"for=\"192.0.2.66",
        b"",
    ];
    let seeds = seeds.map(<[u8]>::to_vec).to_vec();
    let target = Target { name: "client", slice: 30_000, seeds, words: WORDS };
    let trusted = CidrSet::new(vec![("10.0.0.0".parse().expect("an address"), 8)]);
    let mut room = Vec::new();
    target.run(|input, random| check(input, random, &trusted, &mut room));
}

/// `input` is what the client said; a proxy adds what it knows, and only that may count.
fn check(input: &[u8], random: &mut Random, trusted: &CidrSet, room: &mut Vec<u8>) -> Outcome {
    // No parser lets anything else into a field.
    if !input.iter().all(|byte| is_text(*byte)) {
        return Ok(Verdict::Refused);
    }
    let proxy: IpAddr = [10, 0, 0, 1].into();
    let client: IpAddr = match random.below(3) {
        0 => [192, 0, 2, 7].into(),
        1 => "2001:db8::7".parse().expect("an address"),
        _ => "::ffff:192.0.2.7".parse().expect("an address"),
    };
    for known in [Known::XForwardedFor, Known::Forwarded] {
        room.clear();
        let is_one_line = random.once_in(2);
        // A proxy appends to the line that it got, or adds one.
        let chain = is_one_line.then_some(input);
        if known == Known::Forwarded {
            write_forwarded(client, "https", Some(b"a.example:8443"), chain.into_iter(), room);
        } else {
            write_forwarded_for(client, chain.into_iter(), room);
        }
        let lines = [(known, input), (known, room.as_slice())];
        let found = identify(proxy, trusted, lines[usize::from(is_one_line)..].iter().copied());
        if found.address != client.to_canonical() || !found.is_told || !found.is_trusted_peer {
            return Err(format!("{known:?} names {found:?} instead of {client}"));
        }
        if known == Known::Forwarded && (found.scheme, found.host) != (Some("https"), Some(&b"a.example:8443"[..])) {
            return Err(format!("{found:?} is not how the proxy was reached"));
        }
    }
    alone(input, trusted)
}

/// Without a proxy's word: from a stranger it means nothing, and from a trusted peer the walk ends at an address that
/// somebody told or at the peer.
fn alone(input: &[u8], trusted: &CidrSet) -> Outcome {
    let peer: IpAddr = [10, 0, 0, 1].into();
    let stranger: IpAddr = [198, 51, 100, 1].into();
    let mut is_told = false;
    for known in [Known::XForwardedFor, Known::Forwarded] {
        let lines = [(known, input)];
        let nobody = Client { address: stranger, is_trusted_peer: false, is_told: false, scheme: None, host: None };
        if identify(stranger, trusted, lines.iter().copied()) != nobody {
            return Err("a stranger was believed".to_owned());
        }
        let found = identify(peer, trusted, lines.iter().copied());
        if found.address != peer && !found.is_told {
            return Err(format!("{found:?}, which nobody told"));
        }
        if found.address != found.address.to_canonical() {
            return Err(format!("{found:?} is not canonical"));
        }
        is_told |= found.is_told;
    }
    Ok(if is_told { Verdict::Accepted } else { Verdict::Refused })
}
