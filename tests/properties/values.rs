//! Every prefix of small texts against what their grammar says, written down once more and naively.

use std::net::IpAddr;

use ringway::plan::load_text;
use ringway::proto::authority;
use ringway::proto::h1::parse::{self, HeadLimits, Progress};
use ringway::proto::head::RequestHead;
use ringway::proto::path::{Canonical, canonicalise};

use crate::fuzzing::head::as_read;
use crate::fuzzing::model::request::request;
use crate::fuzzing::model::{Model, authority::is_authority, path::canonical};

const LIMITS: HeadLimits = HeadLimits { bytes: 4_096, lines: 64, target_bytes: 1_024 };

/// Each prefix of each text, the whole among them.
fn prefixes<'t>(texts: &[&'t str]) -> Vec<&'t str> {
    let ends = |text: &'t str| (0..=text.len()).filter(|end| text.is_char_boundary(*end)).map(|end| &text[..end]);
    texts.iter().flat_map(|text| ends(text)).collect()
}

/// True when a configuration with `text` in the place of `@` is loaded; a complaint must be about that text's line.
fn is_loaded(frame: &str, text: &str) -> bool {
    let quoted = format!("'''{text}'''");
    match load_text("value.toml", &frame.replace('@', &quoted)) {
        Ok(_) => true,
        Err(complaints) => {
            let line = 1 + frame[..frame.find('@').expect("the frame has a place")].matches('\n').count();
            let is_there = |spot_line: u32| spot_line as usize == line;
            let errors: Vec<_> = complaints.errors().collect();
            assert!(
                errors.iter().all(|error| error.spot.as_ref().is_some_and(|spot| is_there(spot.line))),
                "{text:?}: {complaints}"
            );
            false
        }
    }
}

/// Digits and a unit; how much that is, if 64 bits hold it.
fn amount(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let at = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (digits, unit) = text.split_at(at);
    let factor = units.iter().find(|(name, _)| *name == unit)?.1;
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[test]
fn durations_are_a_number_and_a_unit_from_a_millisecond_to_a_year() {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let year = 366 * 86_400_000;
    for text in prefixes(&[
        "250ms",
        "15s",
        "60m",
        "24h",
        "366d",
        "367d",
        "0s",
        "none",
        "1.5s",
        "-1s",
        "+1s",
        "1 s",
        "18446744073709551616ms",
        "999999999999999999d",
    ]) {
        let expected = text == "none" || amount(text, &units).is_some_and(|millis| (1..=year).contains(&millis));
        assert_eq!(is_loaded(&framed("[defaults.timeouts]\nrequest = @"), text), expected, "{text:?}");
    }
}

#[test]
fn sizes_are_a_number_and_a_unit() {
    let units = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
    for text in prefixes(&[
        "1024B",
        "32KiB",
        "10MiB",
        "2GiB",
        "16777215TiB",
        "16777216TiB",
        "0B",
        "none",
        "1kB",
        "1MB",
        "0x1B",
        "1_0B",
        "\u{664}B",
        "18446744073709551615B",
    ]) {
        let expected = text == "none" || amount(text, &units).is_some();
        assert_eq!(is_loaded(&framed("[defaults.limits]\nbody = @"), text), expected, "{text:?}");
    }
}

#[test]
fn networks_are_an_address_and_the_length_of_a_prefix_without_bits_behind_it() {
    for text in prefixes(&[
        "10.0.0.0/8",
        "192.0.2.128/25",
        "192.0.2.1/33",
        "2001:db8::/32",
        "::1/128",
        "::/129",
        "::ffff:10.0.0.0/104",
        "10.0.0.1/+8",
        "10.1.0.0/8",
        "fe80::1%eth0",
    ]) {
        let expected = is_network(text);
        assert_eq!(is_loaded(&framed("trusted_proxies = [@]"), text), expected, "{text:?}");
    }
}

fn is_network(text: &str) -> bool {
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let is_number = |length: &str| (1..=3).contains(&length.len()) && length.bytes().all(|byte| byte.is_ascii_digit());
    let length = match length {
        None => bits,
        Some(length) if is_number(length) => length.parse().expect("three digits"),
        Some(_) => return false,
    };
    let value = match address {
        IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
        IpAddr::V6(address) => address.into(),
    };
    // What is left when the prefix is shifted out.
    let behind = value.checked_shl(length).unwrap_or(0);
    length <= bits && behind == 0
}

#[test]
fn templates_have_known_variables_in_single_braces_and_double_braces_that_go_out() {
    let text = "a {client.ip}{{b}} {request.path}-{id}{{{request.id}}}{";
    for text in prefixes(&[text, "{}", "}", "{a", "{{{", "}}}", "{client.ip }", "{unknown}", "{trace.id}{server.name}"])
    {
        let frame = "[listeners.a]\naddress = '127.0.0.1:0'\n[routes.a]\npath = '/{id}'\nrespond = {}\n\
            response = { set = { x = @ } }\n";
        let expected = is_template(text) && text.trim() == text;
        assert_eq!(is_loaded(frame, text), expected, "{text:?}");
    }
}

fn is_template(text: &str) -> bool {
    const NAMES: [&str; 6] = ["client.ip", "request.path", "request.id", "trace.id", "server.name", "id"];
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        rest = &rest[at..];
        if let Some(behind) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
            rest = behind;
            continue;
        }
        let Some((name, behind)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) else { return false };
        if !NAMES.contains(&name) {
            return false;
        }
        rest = behind;
    }
    true
}

#[test]
fn a_configuration_that_ends_early_is_loaded_or_complained_about_at_a_place_that_exists() {
    let text = framed(
        "[upstreams.b]\nendpoints = ['unix:/b', { url = 'unix:/c', weight = 2 }]\n[routes.b]\npath = '/b/{c}/*'\nupstream = \"b\"\nrewrite = { path = '/x/{c}' }\n",
    );
    for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
        if let Err(complaints) = load_text("prefix.toml", &text[..end]) {
            let lines = 1 + text[..end].matches('\n').count();
            let spots = complaints.list.iter().filter_map(|complaint| complaint.spot.as_ref());
            spots.for_each(|spot| assert!((1..=lines).contains(&(spot.line as usize)), "{end}: {spot}"));
            assert!(complaints.errors().next().is_some(), "{end}");
        }
    }
}

/// A small configuration that ends in `last`, which may go on with the listener or begin a table of its own.
fn framed(last: &str) -> String {
    format!("[routes.a]\npath = '/*'\nrespond = {{ text = 'a' }}\n[listeners.a]\naddress = '127.0.0.1:0'\n{last}\n")
}

#[test]
fn paths_are_canonical_or_refused_at_every_length() {
    for text in prefixes(&[
        "/a/./b/../%7e%2F%c3%a9/..;x",
        "/%f0%9f%a6%80/../..",
        "//..//.%2e",
        "/a%2F../b",
        "/%00",
        "/\"{}|^`<>[]",
    ]) {
        let mut out = Vec::new();
        let found = canonicalise(text.as_bytes(), &mut out);
        let form = match found {
            Ok(Canonical::Already) => Some(text.as_bytes().to_vec()),
            Ok(Canonical::Written) => Some(out),
            Err(_) => None,
        };
        assert_eq!(form, canonical(text.as_bytes()), "{text}");
    }
}

#[test]
fn authorities_are_taken_or_refused_at_every_length() {
    for text in prefixes(&[
        "api.example.com.:65536",
        "[2001:db8::ffff:192.0.2.1]:080",
        "a..b",
        "user@a:1",
        "a_b~c-d.e:",
        "[::1]x",
    ]) {
        assert_eq!(authority::check(text.as_bytes()).is_ok(), is_authority(text.as_bytes()), "{text}");
    }
}

/// In a head, since both have no parser of their own to call.
#[test]
fn targets_and_field_lines_are_taken_or_refused_at_every_length() {
    for target in prefixes(&[
        "/a/b?c=d#e",
        "http://a.example:80/b?c",
        "HTTPS://[::1]?x",
        "http://u@a/",
        "*",
        "a:80",
        "/\u{e9}?\u{e9}",
    ]) {
        same_as_the_model(&format!("OPTIONS {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    for line in prefixes(&[
        "Content-Length: 12",
        "content-length:\t12 ,",
        "Transfer-Encoding: chunked, gzip",
        "Connection: close, x-a;",
        "Expect: 100-continued",
        "X_Forwarded_For : \u{1}",
        "TE: gzip, trailers",
        "Host: b.example:80",
        "Upgrade: websocket, h2c",
    ]) {
        same_as_the_model(&format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n{line}\r\n\r\n"));
    }
}

fn same_as_the_model(wire: &str) {
    let mut found = RequestHead::default();
    let progress = parse::request(wire.as_bytes(), 0, &LIMITS, &mut found);
    match (request(wire.as_bytes(), &LIMITS), progress) {
        (Model::Good(expected), Ok(Progress::Complete)) => assert_eq!(as_read(wire.as_bytes(), &found), expected),
        (Model::Bad(kinds), Err(fault)) => assert!(kinds.contains(&fault.kind), "{wire:?}: {fault:?} of {kinds:?}"),
        (model, progress) => panic!("{wire:?}: {progress:?} where the rules say {model:?}"),
    }
}
