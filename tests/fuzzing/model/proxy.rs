//! The header of the PROXY protocol, from its document, for whole inputs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What a good header says, and how long it is: source, destination, bytes.
pub type Header = (Option<(SocketAddr, SocketAddr)>, usize);

/// A line, if `input` begins with one. `None` when it does not, whatever may follow.
pub fn line(input: &[u8]) -> Option<Header> {
    let end = input.windows(2).position(|window| window == b"\r\n")?;
    let line = std::str::from_utf8(&input[..end]).ok();
    // Of a line that says nothing more not even the letters matter.
    if input[..end] == *b"PROXY UNKNOWN" || input.starts_with(b"PROXY UNKNOWN ") {
        let is_line = !input[..end].contains(&b'\n') && !input[..end].contains(&b'\r') && end + 2 <= 107;
        return is_line.then_some((None, end + 2));
    }
    let fields: Vec<&str> = line?.split(' ').collect();
    if fields.len() != 6 || fields[0] != "PROXY" || end + 2 > 107 {
        return None;
    }
    let ip = |text: &str| match fields[1] {
        "TCP4" => four(text).map(IpAddr::V4),
        "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => None,
    };
    let end_of =
        |ip_text: &str, port_text: &str| Some(SocketAddr::new(ip(ip_text)?, number(port_text, 65_535)? as u16));
    Some((Some((end_of(fields[2], fields[4])?, end_of(fields[3], fields[5])?)), end + 2))
}

fn four(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u8> = text.split('.').map(|part| number(part, 255).map(|part| part as u8)).collect::<Option<_>>()?;
    let parts: [u8; 4] = parts.try_into().ok()?;
    Some(Ipv4Addr::from(parts))
}

/// Digits without a zero in front.
fn number(text: &str, most: u32) -> Option<u32> {
    let is_plain = !text.is_empty() && text.len() <= 5 && text.chars().all(|digit| digit.is_ascii_digit());
    let is_plain = is_plain && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|value| is_plain && *value <= most)
}

/// A binary header, if `input` begins with one.
pub fn binary(input: &[u8]) -> Option<Header> {
    let rest = input.strip_prefix(b"\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A")?;
    let [command, family, high, low, rest @ ..] = rest else { return None };
    let length = usize::from(*high) * 256 + usize::from(*low);
    let rest = rest.get(..length)?;
    let (is_local, is_known) = (*command == 0x20, matches!(*command, 0x20 | 0x21));
    let (family, transport) = (family / 16, family % 16);
    if !is_known || family > 3 || transport > 2 || 16 + length > 4096 {
        return None;
    }
    let header = &input[..16 + length];
    if is_local {
        return Some((None, header.len()));
    }
    let addresses = rest.get(..[0, 12, 36, 216][usize::from(family)])?;
    are_values(&rest[addresses.len()..], header)?;
    let port = |at: usize| u16::from(addresses[at]) * 256 + u16::from(addresses[at + 1]);
    let ends = match (family, transport) {
        (_, 0) | (0 | 3, _) => None,
        (1, _) => {
            let ip = |at: usize| Ipv4Addr::new(addresses[at], addresses[at + 1], addresses[at + 2], addresses[at + 3]);
            Some((SocketAddr::new(ip(0).into(), port(8)), SocketAddr::new(ip(4).into(), port(10))))
        }
        _ => {
            let ip = |at: usize| {
                Ipv6Addr::from(addresses[at..at + 16].iter().fold(0_u128, |ip, byte| ip * 256 + u128::from(*byte)))
            };
            Some((SocketAddr::new(ip(0).into(), port(32)), SocketAddr::new(ip(16).into(), port(34))))
        }
    };
    Some((ends, header.len()))
}

/// Types, lengths and values to the last byte, with checksums that are right.
fn are_values(values: &[u8], header: &[u8]) -> Option<()> {
    let mut at = header.len() - values.len();
    while at < header.len() {
        let length = usize::from(*header.get(at + 1)?) * 256 + usize::from(*header.get(at + 2)?);
        let value = header.get(at + 3..at + 3 + length)?;
        if header[at] == 3 {
            let mut blank = header.to_vec();
            blank.get_mut(at + 3..at + 7).filter(|_| length == 4)?.fill(0);
            let sum = checksum(&blank);
            if value != [(sum >> 24) as u8, (sum >> 16) as u8, (sum >> 8) as u8, sum as u8] {
                return None;
            }
        }
        at += 3 + length;
    }
    Some(())
}

/// CRC-32C by long division, most significant bit first, of reflected bytes.
pub fn checksum(bytes: &[u8]) -> u32 {
    let mut rest = u32::MAX;
    for byte in bytes {
        rest ^= u32::from(byte.reverse_bits()) << 24;
        for _ in 0..8 {
            let is_carried = rest & 1 << 31 != 0;
            rest <<= 1;
            if is_carried {
                rest ^= 0x1EDC_6F41;
            }
        }
    }
    !rest.reverse_bits()
}
