//! Bytes that say whose they are: every request has a tag, and each block of its body and of its answer's body begins
//! with that tag, the direction and the block's number. What is cut, doubled or of another exchange can be told apart.

use std::collections::BTreeMap;

use crate::support::Watched;

/// The name of one request, unique in its cell.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Tag(u64);

/// Which way a body goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// From the client to an origin.
    Up,
    /// From an origin to the client.
    Down,
}

/// How received bytes relate to the body that should have come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Likeness {
    /// They are it.
    Whole,
    /// They are a part of it, from its beginning.
    Part,
    /// They are it and go on.
    More,
    /// They are something else.
    Other,
}

/// Bytes of one block: a tag, a direction, a number, and filling.
const BLOCK: usize = 64;

impl Tag {
    /// That of the request of this number. Spread out: tags of neighbours differ in their first digits already.
    pub fn new(number: usize) -> Self {
        Self((number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// One that no request of the cell has.
    pub fn stranger(self) -> Self {
        Self(!self.0)
    }

    /// As it stands in the request target, `/` in front left out.
    pub fn text(self) -> String {
        format!("{:016x}", self.0)
    }

    /// The tag of a request for `target`.
    pub fn of_target(target: &str) -> Option<Self> {
        u64::from_str_radix(target.strip_prefix('/')?, 16).ok().map(Self)
    }

    /// The body that belongs to it. Lengths lie on both sides of the gateway's buffers.
    pub fn body(self, way: Way) -> Vec<u8> {
        let lengths: &[usize] = match way {
            Way::Up => &[5, 900, 5_000, 40_000],
            Way::Down => &[61, 61, 900, 900, 4_000, 4_000, 17_000, 70_000],
        };
        self.bytes(way, lengths[(self.0 >> 40) as usize % lengths.len()])
    }

    /// So many bytes that are its own.
    pub fn bytes(self, way: Way, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + BLOCK);
        for number in 0..length.div_ceil(BLOCK) {
            let side = if way == Way::Up { "up" } else { "down" };
            bytes.extend(format!("{} {side:4} {number:08} ", self.text()).bytes());
            bytes.resize((number + 1) * BLOCK - 1, b'.');
            bytes.push(b'\n');
        }
        bytes.truncate(length);
        bytes
    }

    /// Half of all bodies are chunked, the other half has a length.
    pub fn is_chunked(self) -> bool {
        self.0 & (1 << 32) != 0
    }

    /// How `bytes` relate to its body.
    pub fn likeness(self, way: Way, bytes: &[u8]) -> Likeness {
        let body = self.body(way);
        if bytes == body {
            Likeness::Whole
        } else if body.starts_with(bytes) {
            Likeness::Part
        } else if bytes == self.bytes(way, bytes.len()) {
            Likeness::More
        } else {
            Likeness::Other
        }
    }
}

/// `body` in chunks, without the last one.
pub fn chunks(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in body.chunks(3_000) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes
}

/// What the origins of one cell have received and done.
#[derive(Debug, Default)]
pub struct Ledger(Watched<Entries>);

#[derive(Debug, Default)]
struct Entries {
    /// How often each request was received, whole.
    received: BTreeMap<Tag, usize>,
    /// Request bodies that were not what was sent.
    foreign: usize,
    /// Times the faulty endpoint did what it is there for.
    faults: usize,
}

impl Ledger {
    /// A request was received, its body to the last byte.
    pub fn received(&self, tag: Tag, is_good: bool) {
        self.0.change(|entries| {
            *entries.received.entry(tag).or_default() += 1;
            entries.foreign += usize::from(!is_good);
        });
    }

    /// The fault was played once.
    pub fn fault(&self) {
        self.0.change(|entries| entries.faults += 1);
    }

    /// Times the fault was played.
    pub fn faults(&self) -> usize {
        self.0.change(|entries| entries.faults)
    }

    /// Request bodies that were not what was sent.
    pub fn foreign(&self) -> usize {
        self.0.change(|entries| entries.foreign)
    }

    /// Requests that were received more than once.
    pub fn doubled(&self) -> usize {
        self.0.change(|entries| entries.received.values().filter(|count| **count > 1).count())
    }
}
