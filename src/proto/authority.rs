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
    let length = authority.iter().position(|byte| !is_name_byte(*byte)).unwrap_or(authority.len());
    let (name, port) = authority.split_at(length);
    check_name(name)?;
    check_port(port)
}

/// Letters, digits, `-`, `.`, `_`, `~`: the unreserved characters.
const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// An IPv4 address is a name by its characters. Empty labels are refused, but for the root's after the last dot.
fn check_name(name: &[u8]) -> Result<(), &'static str> {
    // RFC 9110 4.2.1: an http URI with an empty host must be rejected.
    let Some(first) = name.first() else { return Err("the host is empty or begins with a character no host has") };
    if name.len() > HOST_BYTES {
        return Err("the host is too long");
    }
    if *first == b'.' || name.windows(2).any(|pair| pair == b"..") {
        return Err("the host has an empty label");
    }
    Ok(())
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
