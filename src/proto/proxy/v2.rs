//! Version 2: sixteen bytes, then addresses, then what else the proxy knows, as types with lengths and values.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Malformed, Progress, Told, of_one_family};
use crate::words::limits::PROXY_HEADER_BYTES;

/// Reads a header from the front of `bytes`.
///
/// # Errors
/// As early as it is certain that this is none.
pub fn read(bytes: &[u8]) -> Result<Progress, Malformed> {
    let known = bytes.len().min(SIGNATURE.len());
    if bytes[..known] != SIGNATURE[..known] {
        return Err(Malformed("the signature is another"));
    }
    let Some((fixed, rest)) = bytes.split_at_checked(FIXED) else {
        return Ok(Progress::Need(FIXED - bytes.len()));
    };
    let command = command(fixed[12])?;
    let layout = layout(fixed[13])?;
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if FIXED + length > PROXY_HEADER_BYTES {
        return Err(Malformed("the header is too long"));
    }
    let Some(rest) = rest.get(..length) else {
        return Ok(Progress::Need(length - rest.len()));
    };
    let told = match command {
        // The proxy speaks for itself, a health check for instance; what the header says beside that means nothing.
        Command::Local => Told::default(),
        Command::Proxy => {
            let more = rest.get(layout.addresses..).ok_or(Malformed("the addresses are cut"))?;
            check_more(more, &bytes[..FIXED + length])?;
            layout.told(rest)
        }
    };
    Ok(Progress::Done(told, FIXED + length))
}

enum Command {
    Local,
    Proxy,
}

fn command(byte: u8) -> Result<Command, Malformed> {
    match byte {
        0x20 => Ok(Command::Local),
        0x21 => Ok(Command::Proxy),
        _ => Err(Malformed("no version and command of this protocol")),
    }
}

/// How the addresses are laid out.
#[derive(Clone, Copy)]
struct Layout {
    /// Bytes of both.
    addresses: usize,
    family: Family,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Four,
    Six,
    /// No IP address, or one of no known meaning.
    None,
}

/// The family in the upper half of the byte, the transport in the lower.
fn layout(byte: u8) -> Result<Layout, Malformed> {
    let (addresses, family) = match byte >> 4 {
        0 => (0, Family::None),
        1 => (FOUR, Family::Four),
        2 => (SIX, Family::Six),
        3 => (UNIX, Family::None),
        _ => return Err(Malformed("no address family of this protocol")),
    };
    match byte & 0xf {
        // Of no transport in particular: the addresses are to be ignored.
        0 => Ok(Layout { addresses, family: Family::None }),
        1 | 2 => Ok(Layout { addresses, family }),
        _ => Err(Malformed("no transport of this protocol")),
    }
}

impl Layout {
    fn told(self, bytes: &[u8]) -> Told {
        let port = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let (source, destination) = match self.family {
            Family::None => return Told::default(),
            Family::Four => {
                let ip = |at| bytes[at..].first_chunk::<4>().map(|octets| IpAddr::V4(Ipv4Addr::from(*octets)));
                (ip(0).map(|ip| (ip, port(8))), ip(4).map(|ip| (ip, port(10))))
            }
            Family::Six => {
                let ip = |at| bytes[at..].first_chunk::<16>().map(|octets| IpAddr::V6(Ipv6Addr::from(*octets)));
                (ip(0).map(|ip| (ip, port(32))), ip(16).map(|ip| (ip, port(34))))
            }
        };
        Told { source: source.map(SocketAddr::from), destination: destination.map(SocketAddr::from) }
    }
}

/// What follows the addresses must be what it says, to the last byte, and the checksum, if there is one, that of the
/// `header`. Nothing in it is used.
fn check_more(mut more: &[u8], header: &[u8]) -> Result<(), Malformed> {
    while let Some((begin, rest)) = more.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([begin[1], begin[2]]));
        let (value, behind) = rest.split_at_checked(length).ok_or(Malformed("a value is cut"))?;
        if begin[0] == CHECKSUM {
            let told = value.try_into().map(u32::from_be_bytes).map_err(|_| Malformed("a checksum has four bytes"))?;
            let at = header.len() - behind.len() - value.len();
            // It was made with zeros in its own place.
            let parts = [&header[..at], &[0; 4], &header[at + 4..]];
            if crc32c(parts.into_iter().flatten()) != told {
                return Err(Malformed("the checksum is another"));
            }
        }
        more = behind;
    }
    if more.is_empty() { Ok(()) } else { Err(Malformed("a value is cut")) }
}

/// RFC 3720 B.4. Bit by bit: a header is short, and few have a checksum.
fn crc32c<'b>(bytes: impl Iterator<Item = &'b u8>) -> u32 {
    let step = |rest: u32, _| if rest & 1 == 1 { rest >> 1 ^ 0x82f6_3b78 } else { rest >> 1 };
    !bytes.fold(u32::MAX, |rest, byte| (0..8).fold(rest ^ u32::from(*byte), step))
}

/// Appends the header for a connection from `source` to `destination`.
pub fn write(source: SocketAddr, destination: SocketAddr, out: &mut Vec<u8>) {
    let (source, destination) = of_one_family(source, destination);
    out.extend_from_slice(SIGNATURE);
    out.extend_from_slice(if source.is_ipv4() { &[0x21, 0x11, 0, FOUR as u8] } else { &[0x21, 0x21, 0, SIX as u8] });
    for ip in [source.ip(), destination.ip()] {
        match ip {
            IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
            IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
        }
    }
    for port in [source.port(), destination.port()] {
        out.extend_from_slice(&port.to_be_bytes());
    }
}

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, command, family and length.
const FIXED: usize = 16;
/// Bytes of two addresses and two ports.
const FOUR: usize = 12;
const SIX: usize = 36;
/// Bytes of two paths.
const UNIX: usize = 216;
/// `PP2_TYPE_CRC32C`.
const CHECKSUM: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = (rest.len() as u16).to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    fn read_whole(bytes: &[u8]) -> Result<Told, Malformed> {
        match read(bytes)? {
            Progress::Done(told, count) => {
                assert_eq!(count, bytes.len());
                Ok(told)
            }
            Progress::Need(more) => panic!("{more} more for {}", bytes.escape_ascii()),
        }
    }

    const ENDS: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 0x01, 0xbb];

    /// `header` with a checksum behind it.
    fn summed(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = header(command, family, &[rest, &[CHECKSUM, 0, 4, 0, 0, 0, 0]].concat());
        let sum = crc32c(bytes.iter()).to_be_bytes();
        let at = bytes.len() - 4;
        bytes[at..].copy_from_slice(&sum);
        bytes
    }

    fn good() -> Vec<Vec<u8>> {
        let six = [[0x20, 1, 0xd, 0xb8].as_slice(), &[0; 28], &[0, 1, 0, 2]].concat();
        vec![
            header(0x21, 0x11, &ENDS),
            header(0x21, 0x12, &ENDS),
            header(0x21, 0x21, &six),
            header(0x21, 0x31, &[b'/'; 216]),
            header(0x21, 0x00, b""),
            header(0x21, 0x10, &ENDS),
            header(0x20, 0x00, b""),
            header(0x20, 0x11, b"anything"),
            header(0x21, 0x11, &[&ENDS[..], b"\x02\0\x01a\x04\0\0"].concat()),
            header(0x21, 0x11, &[&ENDS[..], b"\x04\x0f\xe1", &[0; 4065]].concat()),
            summed(0x21, 0x11, &[&ENDS[..], b"\x02\0\x01a"].concat()),
        ]
    }

    #[test]
    fn a_header_names_both_ends() {
        let ends = |at: usize| read_whole(&good()[at]).unwrap();
        for at in [0, 1, 8, 9, 10] {
            assert_eq!(ends(at).source, Some("192.0.2.1:56324".parse().unwrap()), "{at}");
            assert_eq!(ends(at).destination, Some("198.51.100.2:443".parse().unwrap()), "{at}");
        }
        assert_eq!(ends(2).source, Some("[2001:db8::]:1".parse().unwrap()));
        for at in 3..8 {
            assert_eq!(ends(at), Told::default(), "{at}");
        }
    }

    #[test]
    fn a_reader_that_takes_what_is_asked_for_ends_exactly_behind_the_header() {
        for bytes in good() {
            let (mut have, mut steps) = (0, 0);
            while let Ok(Progress::Need(more)) = read(&bytes[..have]) {
                (have, steps) = (have + more, steps + 1);
            }
            assert!(have == bytes.len() && steps <= 2, "{have} of {} in {steps} steps", bytes.len());
            for length in 0..bytes.len() {
                match read(&bytes[..length]) {
                    Ok(Progress::Need(more)) => assert!((1..=bytes.len() - length).contains(&more)),
                    other => panic!("{other:?} for {length} bytes of {}", bytes.escape_ascii()),
                }
            }
            let behind = [&bytes[..], b"\x16\x03\x01"].concat();
            assert!(matches!(read(&behind), Ok(Progress::Done(_, count)) if count == bytes.len()));
        }
    }

    #[test]
    fn whatever_else_it_is_it_is_refused() {
        let mut sum = summed(0x21, 0x11, &ENDS);
        sum[16] ^= 1;
        for bytes in [
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            b"\r\n\r\n\0\r\nQUIT\r".to_vec(),
            header(0x11, 0x11, &ENDS),
            header(0x22, 0x11, &ENDS),
            header(0x21, 0x41, &ENDS),
            header(0x21, 0x13, &ENDS),
            header(0x21, 0x11, &ENDS[..11]),
            header(0x21, 0x21, &ENDS),
            header(0x21, 0x31, &[0; 215]),
            header(0x21, 0x11, &[&ENDS[..], b"\x02"].concat()),
            header(0x21, 0x11, &[&ENDS[..], b"\x02\0\x02a"].concat()),
            header(0x21, 0x11, &[&ENDS[..], b"\x03\0\x03abc"].concat()),
            header(0x21, 0x11, &[&ENDS[..], b"\x04\x0f\xe2", &[0; 4066]].concat()),
            sum,
        ] {
            assert!(read(&bytes).is_err(), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(crc32c([0; 32].iter()), 0x8a91_36aa);
        assert_eq!(crc32c(b"123456789".iter()), 0xe306_9283);
    }

    #[test]
    fn what_is_written_is_read_again() {
        for (source, destination, told) in [
            ("192.0.2.1:1", "[::ffff:192.0.2.2]:2", ["192.0.2.1:1", "192.0.2.2:2"]),
            ("[2001:db8::1]:1", "[::]:0", ["[2001:db8::1]:1", "[::]:0"]),
            ("192.0.2.1:1", "[2001:db8::1]:2", ["[::ffff:192.0.2.1]:1", "[2001:db8::1]:2"]),
        ] {
            let mut out = Vec::new();
            write(source.parse().unwrap(), destination.parse().unwrap(), &mut out);
            let [source, destination] = told.map(|one| Some(one.parse().unwrap()));
            assert_eq!(read_whole(&out), Ok(Told { source, destination }));
        }
    }
}
