//! HTTP/2 as far as `h2` leaves it to us: what may pass before it, sans I/O.

pub mod block;
pub mod grammar;
mod huffman;
pub mod watch;

/// What a client says first (RFC 9113 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Why a connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// What came is against the rules, and no other code is for that.
    Protocol,
    /// A window would become too large.
    FlowControl,
    /// A frame behind the end of a stream.
    StreamClosed,
    /// A frame of the wrong size.
    FrameSize,
    /// A field block that cannot be decompressed.
    Compression,
    /// More work than a client has reason to make.
    EnhanceYourCalm,
}

impl Reason {
    /// The error code (RFC 9113 7).
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Protocol => 0x1,
            Self::FlowControl => 0x3,
            Self::StreamClosed => 0x5,
            Self::FrameSize => 0x6,
            Self::Compression => 0x9,
            Self::EnhanceYourCalm => 0xb,
        }
    }
}

/// A frame's head (RFC 9113 4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Head {
    /// Octets of payload.
    pub length: u32,
    /// The type.
    pub kind: u8,
    /// The flags.
    pub flags: u8,
    /// The stream, without the reserved bit.
    pub stream: u32,
}

impl Head {
    /// Octets of a head.
    pub const BYTES: usize = 9;

    /// From its octets.
    #[must_use]
    pub const fn parse(bytes: [u8; Self::BYTES]) -> Self {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = bytes;
        Self {
            length: u32::from_be_bytes([0, l0, l1, l2]),
            kind,
            flags,
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff,
        }
    }

    /// Its octets, but for the reserved bit.
    #[must_use]
    pub const fn bytes(self) -> [u8; Self::BYTES] {
        let [_, l0, l1, l2] = self.length.to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        [l0, l1, l2, self.kind, self.flags, s0, s1, s2, s3]
    }

    /// True when all bits of `flag` are set.
    #[must_use]
    pub const fn has(self, flag: u8) -> bool {
        self.flags & flag == flag
    }
}

/// Frame types (RFC 9113 6).
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

/// Flags of frames (RFC 9113 6).
pub(crate) mod flag {
    pub(crate) const END_STREAM: u8 = 0x1;
    pub(crate) const ACK: u8 = 0x1;
    pub(crate) const END_HEADERS: u8 = 0x4;
    pub(crate) const PADDED: u8 = 0x8;
    pub(crate) const PRIORITY: u8 = 0x20;
}
