//! The canonical path against the model, and what its form promises.

use ringway::proto::path::{Canonical, canonicalise, is_canonical};

use super::driver::{Outcome, Target, Verdict};
use super::model::path::canonical;
use crate::wire::fixture::load;

/// What edits put into paths.
const WORDS: &[&[u8]] = &[
    b"/",
    b"/",
    b"/",
    b"//",
    b".",
    b"..",
    b"/.",
    b"/..",
    b"/../",
    b"/./",
    b"%2e",
    b"%2E",
    b"%2e%2e",
    b".%2E",
    b"%2f",
    b"%2F",
    b"..%2F",
    b"%2F..",
    b";",
    b"..;",
    b"/..;a/",
    b"%3b",
    b"%3B",
    b"%5c",
    b"%5C",
    b"\\",
    b"%00",
    b"%0a",
    b"%25",
    b"%252e",
    b"%41",
    b"%7e",
    b"%7E",
    b"~",
    b"%c3%a9",
    b"%C3%A9",
    b"%f0%9f%a6%80",
    b"%c0%af",
    b"%e0%80%af",
    b"%ed%a0%80",
    b"%f4%90%80%80",
    b"%80",
    b"%c3",
    b"%",
    b"%4",
    b"%zz",
    b"{",
    b"}",
    b"|",
    b"\"",
    b"<",
    b"^",
    b"`",
    b"[",
    b"]",
    b"#",
    b"?",
    b"*",
    b":",
    b"@",
    b"a",
    b"B",
    b" ",
    b"\xc3\xa9",
];

pub fn run() {
    let target = Target { name: "path", slice: 60_000, seeds: seeds(), words: WORDS };
    let mut out = Vec::new();
    target.run(|input, _| check(input, &mut out));
}

/// Paths of all kinds, and the targets of the wire fixtures.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [
        &b"/"[..],
        b"",
        b"//",
        b"/a/b/c",
        b"/a//b/",
        b"/a/./b/../c",
        b"/a/b/../../c/..",
        b"/%7Euser/caf%C3%A9/%F0%9F%A6%80",
        b"/a%2fb/c%2Fd",
        b"/.well-known/acme-challenge/x_Y-z",
        b"/v1/orders/0198c3a4;version=2/lines",
        b"/%61%62/%2D%2e%5f",
        b"/{a}|b/\"c\"/[d]^`<e>",
        b"/.../..a/a../.b/...;c",
        b"/a;x=1/b;..;c",
        b"/%20%0A%7f%25",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    for case in load("requests") {
        let target = case.bytes.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
        if path.len() < 200 && path.len() > 2 && path.starts_with(b"/") && !seeds.iter().any(|seed| seed == path) {
            seeds.push(path.to_vec());
        }
    }
    seeds
}

fn check(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    out.clear();
    out.extend_from_slice(b"before");
    let expected = canonical(input);
    let found = canonicalise(input, out);
    if !out.starts_with(b"before") {
        return Err("what stood before is gone".to_owned());
    }
    let written = &out[6..];
    let form = match (found, &expected) {
        (Ok(Canonical::Already), Some(expected)) if written.is_empty() && input == expected.as_slice() => expected,
        (Ok(Canonical::Written), Some(expected)) if written == expected.as_slice() && input != written => expected,
        (Err(_), None) if written.is_empty() => {
            return if is_canonical(input) { Err("refused, and canonical".to_owned()) } else { Ok(Verdict::Refused) };
        }
        _ => return Err(format!("{found:?} {} where the rules say {expected:?}", written.escape_ascii())),
    };
    if is_canonical(input) != (found == Ok(Canonical::Already)) {
        return Err(format!("{found:?}, but is_canonical says {}", is_canonical(input)));
    }
    keeps_its_promises(form).map(|()| Verdict::Accepted)
}

/// What everybody behind this form relies on.
fn keeps_its_promises(form: &[u8]) -> Result<(), String> {
    let mut again = Vec::new();
    let is_fixed_point = canonicalise(form, &mut again) == Ok(Canonical::Already) && is_canonical(form);
    let has_dot_segment = form.split(|byte| *byte == b'/').any(|segment| segment == b"." || segment == b"..");
    let triplets = form.windows(3).filter(|window| window[0] == b'%');
    let mut digits = triplets.map(|triplet| std::str::from_utf8(&triplet[1..]).expect("the form is ASCII"));
    let is_needed = |digits: &str| {
        let byte = u8::from_str_radix(digits, 16).expect("a triplet has hex digits");
        digits == digits.to_uppercase() && !byte.is_ascii_alphanumeric() && !b"-._~\\\0".contains(&byte)
    };
    match () {
        () if !is_fixed_point => Err("the form changes again".to_owned()),
        () if has_dot_segment => Err("the form has a dot segment".to_owned()),
        () if !form.iter().all(u8::is_ascii_graphic) => Err("the form has a byte of no path".to_owned()),
        () if !digits.all(is_needed) => Err("the form has a triplet that should be plain, or upper case".to_owned()),
        () => Ok(()),
    }
}
