//! The grammar of `host[:port]`, in Host and in absolute-form targets (RFC 9110 7.2, RFC 3986 3.2.2).
//!
//! Narrower than RFC 3986 on purpose: percent-encoding would give one host two spellings, sub-delims occur in no real
//! name (and a comma is what two Host lines look like after a careless merge), zone ids and IPvFuture name nothing
//! that a gateway serves. Not here: which hosts are served (the router) and lower-casing (the data path).

use std::net::Ipv6Addr;

use crate::words::limits::HOST_BYTES;

/// Checks `host[:port]`.
///
/// # Errors
/// The rule that it breaks.
pub fn check(authority: &[u8]) -> Result<(), &'static str> {
    if authority.first() == Some(&b'[') {
        return check_literal(authority);
    }
    let mut last = b'.';
    for (length, byte) in authority.iter().enumerate() {
        if !is_name_byte(*byte) {
            check_length(length)?;
            return check_port(&authority[length..]);
        }
        // The first label may not be empty, nor any other but the root's behind the last dot.
        if *byte == b'.' && last == b'.' {
            return Err("the host has an empty label");
        }
        last = *byte;
    }
    check_length(authority.len())
}

/// Letters, digits, `-`, `.`, `_`, `~`: the unreserved characters. An IPv4 address is a name by its characters.
const fn is_name_byte(byte: u8) -> bool {
    NAME[byte as usize]
}

const NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let character = byte as u8;
        table[byte] = character.is_ascii_alphanumeric() || matches!(character, b'-' | b'.' | b'_' | b'~');
        byte += 1;
    }
    table
};

fn check_length(length: usize) -> Result<(), &'static str> {
    match length {
        // RFC 9110 4.2.1: an http URI with an empty host must be rejected.
        0 => Err("the host is empty or begins with a character no host has"),
        1..=HOST_BYTES => Ok(()),
        _ => Err("the host is too long"),
    }
}

fn check_literal(authority: &[u8]) -> Result<(), &'static str> {
    let close = authority.iter().position(|byte| *byte == b']').ok_or("an IPv6 address is not closed by ]")?;
    let address = std::str::from_utf8(&authority[1..close]).ok().and_then(|text| text.parse::<Ipv6Addr>().ok());
    address.ok_or("what stands in brackets is no IPv6 address")?;
    check_port(&authority[close + 1..])
}

/// Empty, or `:` and a number up to 65535; RFC 3986 3.2.3 lets the number be absent.
fn check_port(port: &[u8]) -> Result<(), &'static str> {
    let digits = match port {
        [] => return Ok(()),
        [b':', digits @ ..] => digits,
        _ => return Err("the host has a character no host has"),
    };
    if digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return Err("the port is no number up to 65535");
    }
    let number = digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
    if number > 65_535 { Err("the port is no number up to 65535") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_real_life_pass() {
        for good in [
            "example.com",
            "EXAMPLE.com.",
            "example.com:8080",
            "example.com:",
            "localhost",
            "my_service.internal:1",
            "xn--bcher-kva.example",
            "192.0.2.1:65535",
            "[::1]",
            "[2001:db8::1]:443",
            "[::ffff:192.0.2.1]",
        ] {
            assert_eq!(check(good.as_bytes()), Ok(()), "{good}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            ":80",
            ".",
            ".a",
            "a..b",
            "a b",
            "a,b",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "user@a",
            "u:p@a",
            "a:b",
            "a:65536",
            "a:123456",
            "a:+1",
            "a:-1",
            "a:1 ",
            "a::1",
            "a%62",
            "b\u{fc}cher.example",
            "[",
            "[]",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]:x",
            "[fe80::1%25eth0]",
            "[v1.a]",
            "[192.0.2.1]",
            "a\t",
            "a\0",
            "a'b",
            "(a)",
            "a;b",
            "a=b",
        ] {
            assert!(check(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_host_has_at_most_255_bytes() {
        assert_eq!(check(&vec![b'a'; HOST_BYTES]), Ok(()));
        assert!(check(&vec![b'a'; HOST_BYTES + 1]).is_err());
    }
}
