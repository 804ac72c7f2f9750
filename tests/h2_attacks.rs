//! Attacks over HTTP/2: whoever makes the gateway work or hold more than it costs himself is sent away, before he could
//! do much; meanwhile the gateway stays small, and a good client beside him gets every answer.
//!
//! Each attack runs on several connections at once against the gateway as a process of its own, whose memory the kernel
//! tells. How long a good client waits meanwhile is for `scripts/h2-attacks` to measure: no test measures time.

mod arena;
mod floods;
mod latency;
mod memory;

use super::h2_frames::cases::CHAPTERS;

/// What an attacker can write into a message of HTTP/2 so that its HTTP/1.1 form means something else, and the cases of
/// `h2_frames` that try it.
const DOWNGRADES: &[(&str, &[&str])] = &[
    ("CR in a value", &["a carriage return in a value", "a value that ends with a carriage return"]),
    ("LF in a value", &["a line feed in a value", "a line end in a value", "a line end in trailers"]),
    ("NUL in a value", &["a NUL in a value"]),
    ("a whole request in a value", &["a whole request in a value"]),
    ("CR, LF, NUL or SP in :method", &["a method with a line end", "a method with a NUL", "a method with a space"]),
    (
        "CR, LF, NUL or SP in :path",
        &[
            "a path with a carriage return",
            "a path with a line feed",
            "a path with a NUL",
            "a path with a space",
            "a path with a whole request",
        ],
    ),
    (
        "CR, LF, NUL or SP in :authority",
        &["an authority with a line end", "an authority with a NUL", "an authority with a space"],
    ),
    ("CR, LF or SP in :scheme", &["a scheme with a line end", "a scheme with a space"]),
    ("a colon in a name", &["a colon in a name", "a colon behind a name", "a line end in a name"]),
    ("an upper-case name", &["an upper-case name", "an upper-case name in trailers"]),
    (
        "a field of the connection",
        &["connection", "proxy-connection", "keep-alive", "transfer-encoding with a body", "upgrade to h2c"],
    ),
    ("a path without its slash", &["a path without its slash", "a path that is a URL", "an empty path"]),
    ("two hosts", &["an authority and another host", "an authority and two hosts", "two authorities"]),
    (
        "a length that is not the body's",
        &[
            "a body longer than declared",
            "a body shorter than declared",
            "no body where one is declared",
            "two lengths",
        ],
    ),
];

#[test]
fn every_downgrade_has_its_cases() {
    let all: Vec<&str> = CHAPTERS.iter().flat_map(|(_, cases)| cases.iter().map(|case| case.name)).collect();
    let missing: Vec<_> = DOWNGRADES.iter().flat_map(|(_, names)| *names).filter(|name| !all.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
