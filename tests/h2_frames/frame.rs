//! Frames as they lie on the wire (RFC 9113 4.1), good and bad ones: nothing here refuses to write what is forbidden.

/// Frame types, RFC 9113 6, RFC 9218 7.1 for the last.
pub mod kind {
    pub const DATA: u8 = 0x0;
    pub const HEADERS: u8 = 0x1;
    pub const PRIORITY: u8 = 0x2;
    pub const RST_STREAM: u8 = 0x3;
    pub const SETTINGS: u8 = 0x4;
    pub const PUSH_PROMISE: u8 = 0x5;
    pub const PING: u8 = 0x6;
    pub const GOAWAY: u8 = 0x7;
    pub const WINDOW_UPDATE: u8 = 0x8;
    pub const CONTINUATION: u8 = 0x9;
    pub const PRIORITY_UPDATE: u8 = 0x10;
}

/// Flags; one bit means different things on different frames.
pub mod flag {
    pub const ACK: u8 = 0x1;
    pub const END_STREAM: u8 = 0x1;
    pub const END_HEADERS: u8 = 0x4;
    pub const PADDED: u8 = 0x8;
    pub const PRIORITY: u8 = 0x20;
}

/// Error codes, RFC 9113 7.
pub mod code {
    pub const NO_ERROR: u32 = 0x0;
    pub const PROTOCOL_ERROR: u32 = 0x1;
    pub const FLOW_CONTROL_ERROR: u32 = 0x3;
    pub const STREAM_CLOSED: u32 = 0x5;
    pub const FRAME_SIZE_ERROR: u32 = 0x6;
    pub const REFUSED_STREAM: u32 = 0x7;
    pub const CANCEL: u32 = 0x8;
    pub const COMPRESSION_ERROR: u32 = 0x9;
    pub const ENHANCE_YOUR_CALM: u32 = 0xb;
}

/// Settings, RFC 9113 6.5.2, RFC 8441 3 and RFC 9218 2.1 for the last two.
pub mod setting {
    pub const HEADER_TABLE_SIZE: u16 = 0x1;
    pub const ENABLE_PUSH: u16 = 0x2;
    pub const MAX_CONCURRENT_STREAMS: u16 = 0x3;
    pub const INITIAL_WINDOW_SIZE: u16 = 0x4;
    pub const MAX_FRAME_SIZE: u16 = 0x5;
    pub const MAX_HEADER_LIST_SIZE: u16 = 0x6;
    pub const ENABLE_CONNECT_PROTOCOL: u16 = 0x8;
    pub const NO_RFC7540_PRIORITIES: u16 = 0x9;
}

/// What a client says first (RFC 9113 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Octets before a payload.
pub const HEAD_BYTES: usize = 9;
/// Payload that everybody must take (RFC 9113 4.2), and that the gateway takes at most from us.
pub const PAYLOAD_MAX: usize = 16_384;
/// Largest window (RFC 9113 6.9.1), and largest stream identifier.
pub const MAX_31: u32 = 0x7fff_ffff;
/// The bit before a stream identifier.
pub const RESERVED: u32 = 0x8000_0000;

/// One frame.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    /// With the reserved bit.
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const NAMES: [&str; 10] = [
            "DATA",
            "HEADERS",
            "PRIORITY",
            "RST_STREAM",
            "SETTINGS",
            "PUSH_PROMISE",
            "PING",
            "GOAWAY",
            "WINDOW_UPDATE",
            "CONTINUATION",
        ];
        match NAMES.get(usize::from(self.kind)) {
            Some(name) => write!(to, "{name}")?,
            None => write!(to, "frame {:#x}", self.kind)?,
        }
        let start = &self.payload[..self.payload.len().min(24)];
        write!(to, "({}, {:#x}, {} B {})", self.stream, self.flags, self.payload.len(), start.escape_ascii())
    }
}

impl Frame {
    /// Of any kind.
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, flags, stream, payload: payload.into() }
    }

    /// As it lies on the wire, with its true length.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = (self.payload.len() as u32).to_be_bytes()[1..].to_vec();
        bytes.extend([self.kind, self.flags]);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    /// The first frame of `bytes`, once it is there whole, and how long it is.
    pub fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let head: &[u8; HEAD_BYTES] = bytes.first_chunk()?;
        let length = HEAD_BYTES + u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let payload = bytes.get(HEAD_BYTES..length)?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some((Self::new(head[3], head[4], stream, payload), length))
    }

    /// True when all bits of `flag` are set.
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag == flag
    }

    /// The four octets at `at`.
    pub fn word(&self, at: usize) -> Option<u32> {
        Some(u32::from_be_bytes(*self.payload.get(at..)?.first_chunk()?))
    }

    /// The payload of DATA without its padding.
    pub fn content(&self) -> &[u8] {
        match self.payload.split_first() {
            Some((pad, rest)) if self.has(flag::PADDED) => &rest[..rest.len().saturating_sub(usize::from(*pad))],
            _ => &self.payload,
        }
    }

    /// The settings that a SETTINGS frame names.
    pub fn settings(&self) -> Vec<(u16, u32)> {
        let entry = |entry: &[u8]| {
            let value = u32::from_be_bytes([entry[2], entry[3], entry[4], entry[5]]);
            (u16::from_be_bytes([entry[0], entry[1]]), value)
        };
        self.payload.chunks_exact(6).map(entry).collect()
    }

    /// The same frame with this bit before its stream identifier.
    #[must_use]
    pub fn with_reserved_bit(mut self) -> Self {
        self.stream |= RESERVED;
        self
    }

    /// The same frame with more flags.
    #[must_use]
    pub fn with_flags(mut self, flags: u8) -> Self {
        self.flags |= flags;
        self
    }
}

/// DATA that goes on.
pub fn data(stream: u32, payload: impl Into<Vec<u8>>) -> Frame {
    Frame::new(kind::DATA, 0, stream, payload)
}

/// DATA that ends its stream.
pub fn last_data(stream: u32, payload: impl Into<Vec<u8>>) -> Frame {
    Frame::new(kind::DATA, flag::END_STREAM, stream, payload)
}

/// A whole field section that leaves its stream open.
pub fn headers(stream: u32, block: impl Into<Vec<u8>>) -> Frame {
    Frame::new(kind::HEADERS, flag::END_HEADERS, stream, block)
}

/// A whole field section that ends its stream.
pub fn last_headers(stream: u32, block: impl Into<Vec<u8>>) -> Frame {
    headers(stream, block).with_flags(flag::END_STREAM)
}

/// The beginning of a field section.
pub fn open_headers(stream: u32, block: impl Into<Vec<u8>>) -> Frame {
    Frame::new(kind::HEADERS, 0, stream, block)
}

/// A field section goes on.
pub fn continuation(stream: u32, block: impl Into<Vec<u8>>) -> Frame {
    Frame::new(kind::CONTINUATION, 0, stream, block)
}

/// A field section ends.
pub fn last_continuation(stream: u32, block: impl Into<Vec<u8>>) -> Frame {
    continuation(stream, block).with_flags(flag::END_HEADERS)
}

/// The five octets of a priority (RFC 7540 6.3, deprecated and still to be read).
pub fn priority_octets(depends_on: u32, weight: u8) -> Vec<u8> {
    let mut octets = depends_on.to_be_bytes().to_vec();
    octets.push(weight);
    octets
}

/// PRIORITY.
pub fn priority(stream: u32, depends_on: u32) -> Frame {
    Frame::new(kind::PRIORITY, 0, stream, priority_octets(depends_on, 15))
}

/// RST_STREAM.
pub fn reset(stream: u32, code: u32) -> Frame {
    Frame::new(kind::RST_STREAM, 0, stream, code.to_be_bytes())
}

/// SETTINGS.
pub fn settings(values: &[(u16, u32)]) -> Frame {
    let octets = values.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat());
    Frame::new(kind::SETTINGS, 0, 0, octets.collect::<Vec<u8>>())
}

/// SETTINGS, acknowledged.
pub fn settings_ack() -> Frame {
    settings(&[]).with_flags(flag::ACK)
}

/// PING.
pub fn ping(payload: [u8; 8]) -> Frame {
    Frame::new(kind::PING, 0, 0, payload)
}

/// GOAWAY.
pub fn goaway(last_stream: u32, code: u32, debug: &[u8]) -> Frame {
    Frame::new(kind::GOAWAY, 0, 0, [&last_stream.to_be_bytes()[..], &code.to_be_bytes(), debug].concat())
}

/// WINDOW_UPDATE.
pub fn window_update(stream: u32, increment: u32) -> Frame {
    Frame::new(kind::WINDOW_UPDATE, 0, stream, increment.to_be_bytes())
}

#[test]
fn a_frame_reads_as_it_was_written_once_it_is_whole() {
    let frame = headers(5, *b"block").with_flags(flag::PADDED).with_reserved_bit();
    let bytes = frame.bytes();
    assert_eq!(bytes[..HEAD_BYTES], [0, 0, 5, 1, 0xc, 0x80, 0, 0, 5]);
    assert!((0..bytes.len()).all(|length| Frame::parse(&bytes[..length]).is_none()));
    assert_eq!(Frame::parse(&[&bytes[..], b"more"].concat()), Some((frame, bytes.len())));
    assert_eq!(settings(&[(1, 2), (4, 70_000)]).settings(), [(1, 2), (4, 70_000)]);
}
