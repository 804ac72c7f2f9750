//! Version 1: a line of text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use memchr::memchr;

use super::{Malformed, Progress, Told, of_one_family};
use crate::proto::h1::encode::push_decimal;
use crate::words::limits::PROXY_LINE_BYTES;

/// Reads a header from the front of `bytes`.
///
/// # Errors
/// As early as it is certain that this is none.
pub fn read(bytes: &[u8]) -> Result<Progress, Malformed> {
    let known = bytes.len().min(BEGIN.len());
    if bytes[..known] != BEGIN[..known] {
        return Err(Malformed("the line does not begin with PROXY"));
    }
    if bytes.len() < SHORTEST {
        return Ok(Progress::Need(SHORTEST - bytes.len()));
    }
    let window = &bytes[..bytes.len().min(PROXY_LINE_BYTES)];
    match memchr(b'\n', window) {
        Some(end) => {
            let line =
                window[BEGIN.len()..end].strip_suffix(b"\r").ok_or(Malformed("the line does not end in CRLF"))?;
            Ok(Progress::Done(told(line)?, end + 1))
        }
        None if window.len() == PROXY_LINE_BYTES => Err(Malformed("the line is too long")),
        None => need(&window[BEGIN.len()..]).map(Progress::Need),
    }
}

/// Fewest bytes that a line which begins like this still has.
fn need(begun: &[u8]) -> Result<usize, Malformed> {
    if let Some(at) = memchr(b'\r', begun) {
        return if at + 1 == begun.len() { Ok(1) } else { Err(Malformed("a bare CR")) };
    }
    let mut fields = begun.split(|byte| *byte == b' ');
    let family = fields.next().unwrap_or_default();
    let (count, last) = fields.fold((0, family), |(count, _), field| (count + 1, field));
    match family {
        b"TCP4" | b"TCP6" if (1..=FIELDS).contains(&count) => {
            Ok(2 * (FIELDS - count) + usize::from(last.is_empty()) + CRLF)
        }
        b"UNKNOWN" => Ok(CRLF),
        _ => Err(Malformed("no address family of this protocol, or more than it has")),
    }
}

/// What the line says behind `PROXY `.
fn told(line: &[u8]) -> Result<Told, Malformed> {
    if memchr(b'\r', line).is_some() {
        return Err(Malformed("a bare CR"));
    }
    // Whatever follows UNKNOWN means nothing.
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Ok(Told::default());
    }
    let line = std::str::from_utf8(line).map_err(|_| Malformed("the line is no ASCII"))?;
    let fields: Vec<&str> = line.splitn(FIELDS + 2, ' ').collect();
    let [family, source, destination, source_port, destination_port] = fields[..] else {
        return Err(Malformed("the line has not two addresses and two ports"));
    };
    let end = |ip: &str, port: &str| Ok(SocketAddr::new(address(family, ip)?, number(port)?));
    Ok(Told { source: Some(end(source, source_port)?), destination: Some(end(destination, destination_port)?) })
}

/// The standard library's readers know no leading zeros, and no scope.
fn address(family: &str, text: &str) -> Result<IpAddr, Malformed> {
    let found = match family {
        "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => return Err(Malformed("no address family of this protocol")),
    };
    found.ok_or(Malformed("an address is not one of its family"))
}

fn number(text: &str) -> Result<u16, Malformed> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain).ok_or(Malformed("a port is not a number from 0 to 65535"))
}

/// Appends the header for a connection from `source` to `destination`.
pub fn write(source: SocketAddr, destination: SocketAddr, out: &mut Vec<u8>) {
    let (source, destination) = of_one_family(source, destination);
    out.extend_from_slice(if source.is_ipv4() { b"PROXY TCP4 " } else { b"PROXY TCP6 " });
    out.extend_from_slice(source.ip().to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(destination.ip().to_string().as_bytes());
    for port in [source.port(), destination.port()] {
        out.push(b' ');
        push_decimal(u64::from(port), out);
    }
    out.extend_from_slice(b"\r\n");
}

const BEGIN: &[u8] = b"PROXY ";
/// Bytes of `PROXY UNKNOWN` and its CRLF.
const SHORTEST: usize = 15;
/// Two addresses and two ports.
const FIELDS: usize = 4;
const CRLF: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn read_whole(line: &str) -> Result<Told, Malformed> {
        match read(line.as_bytes())? {
            Progress::Done(told, bytes) => {
                assert_eq!(bytes, line.len());
                Ok(told)
            }
            Progress::Need(more) => panic!("{more} more for {line:?}"),
        }
    }

    const GOOD: &[&str] = &[
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n",
        "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n",
        "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
        "PROXY TCP6 :: :: 1 2\r\n",
        "PROXY TCP6 2001:db8::1 2001:DB8:0:0::2 4711 80\r\n",
        "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
        "PROXY UNKNOWN\r\n",
        "PROXY UNKNOWN ffff:f...f:ffff whatever else 65535\r\n",
    ];

    #[test]
    fn a_line_names_both_ends() {
        let told = read_whole(GOOD[0]).unwrap();
        assert_eq!(told.source, Some("192.0.2.1:56324".parse().unwrap()));
        assert_eq!(told.destination, Some("198.51.100.2:443".parse().unwrap()));
        assert_eq!(read_whole(GOOD[4]).unwrap().source, Some("[2001:db8::1]:4711".parse().unwrap()));
        assert_eq!(read_whole(GOOD[6]), Ok(Told::default()));
        assert_eq!(read_whole(GOOD[7]), Ok(Told::default()));
    }

    #[test]
    fn a_reader_that_takes_what_is_asked_for_ends_exactly_behind_the_header() {
        for line in GOOD {
            let (mut have, mut steps) = (0, 0);
            while let Ok(Progress::Need(more)) = read(&line.as_bytes()[..have]) {
                assert!(more > 0 && have + more <= line.len(), "{line:?} {have} {more}");
                (have, steps) = (have + more, steps + 1);
            }
            assert_eq!(have, line.len());
            assert!(steps <= line.len() / 2, "{line:?} takes {steps} reads");
            // However it comes.
            for length in 0..line.len() {
                match read(&line.as_bytes()[..length]) {
                    Ok(Progress::Need(more)) => assert!((1..=line.len() - length).contains(&more), "{line:?} {length}"),
                    other => panic!("{other:?} for {length} bytes of {line:?}"),
                }
            }
            let behind = format!("{line}GET / HTTP/1.1\r\n");
            assert!(matches!(read(behind.as_bytes()), Ok(Progress::Done(_, bytes)) if bytes == line.len()));
        }
    }

    #[test]
    fn whatever_else_it_is_it_is_refused() {
        for line in [
            "GET / HTTP/1.1\r\nHost: a\r\n",
            "proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
            "PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n",
            "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
            "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n",
            "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
            "PROXY TCP4 192.0.2.1\r192.0.2.2 1 2\r\n",
            "PROXY TCP4 192.0.2.1\r\n192.0.2.2 1 2\r\n",
            "PROXY UNKNOWN \r\r\n",
            "PROXY TCP4\t192.0.2.1 192.0.2.2 1 2\r\n",
        ] {
            assert!(read(line.as_bytes()).is_err(), "{line:?}");
        }
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(PROXY_LINE_BYTES - 16));
        assert_eq!(long.len(), PROXY_LINE_BYTES);
        assert_eq!(read_whole(&long), Ok(Told::default()));
        let longer = format!("PROXY UNKNOWN {}\r\n", "x".repeat(PROXY_LINE_BYTES - 15));
        assert!(read(&longer.as_bytes()[..PROXY_LINE_BYTES]).is_err());
    }

    #[test]
    fn what_is_written_is_read_again() {
        for (source, destination, line) in [
            ("192.0.2.1:1", "[::ffff:192.0.2.2]:2", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
            ("[2001:db8::1]:1", "[::]:0", "PROXY TCP6 2001:db8::1 :: 1 0\r\n"),
            ("192.0.2.1:1", "[2001:db8::1]:2", "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 1 2\r\n"),
        ] {
            let mut out = Vec::new();
            write(source.parse().unwrap(), destination.parse().unwrap(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), line);
            let told = read_whole(line).unwrap();
            let plain = |told: Option<SocketAddr>| told.map(|one| (one.ip().to_canonical(), one.port()));
            let source: SocketAddr = source.parse().unwrap();
            assert_eq!(plain(told.source), plain(Some(source)));
        }
    }
}
