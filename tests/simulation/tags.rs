//! Bytes that say whose they are: every 16 of them name a direction, an exchange and a position.
//!
//! A body that is checked against its tags cannot hold a byte of another body, nor of another place of its own, without
//! being noticed; and what is wrong says where it came from.

/// Which way a body goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// From a client to an origin.
    Up,
    /// From an origin to a client.
    Down,
}

/// `count` bytes of the body of `exchange` from `start` on.
pub fn bytes(way: Way, exchange: u32, start: u64, count: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(count + 2 * CELL);
    let mut cell = start / CELL as u64;
    let skipped = (start % CELL as u64) as usize;
    while out.len() < count + skipped {
        out.extend_from_slice(&tag(way, exchange, cell));
        cell += 1;
    }
    out.drain(..skipped);
    out.truncate(count);
    out
}

/// Checks that `found` are the bytes of `exchange` from `start` on.
///
/// # Errors
/// Says what was found where.
pub fn check(way: Way, exchange: u32, start: u64, found: &[u8]) -> Result<(), String> {
    let wanted = bytes(way, exchange, start, found.len());
    let Some(at) = found.iter().zip(&wanted).position(|(one, other)| one != other) else { return Ok(()) };
    let around = &found[at.saturating_sub(CELL)..found.len().min(at + 2 * CELL)];
    Err(format!(
        "byte {} of {way:?} {exchange} is another's, near {:?}",
        start + at as u64,
        String::from_utf8_lossy(around)
    ))
}

/// `u00042@0000001f;`
fn tag(way: Way, exchange: u32, cell: u64) -> [u8; CELL] {
    let mut tag = *b"u00000@00000000;";
    if way == Way::Down {
        tag[0] = b'd';
    }
    let mut left = exchange;
    for digit in tag[1..6].iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
    let mut left = cell;
    for digit in tag[7..15].iter_mut().rev() {
        *digit = b"0123456789abcdef"[(left % 16) as usize];
        left /= 16;
    }
    tag
}

const CELL: usize = 16;

#[test]
fn a_tag_tells_whose_byte_it_is() {
    assert_eq!(
        bytes(Way::Up, 42, 14, 20),
        b"0;u00042@00000001;d0"[..2].iter().chain(b"u00042@00000001;u0").copied().collect::<Vec<_>>()
    );
    assert_eq!(check(Way::Down, 7, 5, &bytes(Way::Down, 7, 5, 100)), Ok(()));
    for (way, exchange, start) in [(Way::Up, 7, 5), (Way::Down, 8, 5), (Way::Down, 7, 21)] {
        assert!(check(Way::Down, 7, 5, &bytes(way, exchange, start, 100)).is_err());
    }
}
