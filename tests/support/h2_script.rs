//! An origin that writes HTTP/2 frames by hand, good ones and bad ones. It shares nothing with any implementation.

use super::origin::{Connection, Origin};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
/// END_STREAM, and ACK.
pub const END: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// What a client says first (RFC 9113 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection whose preface was exchanged, in the hands of a script.
pub struct Script<'c> {
    connection: &'c mut Connection,
    /// Which one it is; the first is 1.
    pub number: usize,
}

/// One frame.
#[derive(Debug)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream.
    pub stream: u32,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// An origin that plays `script` on each connection, which begins with these settings of it.
pub fn playing(settings: &'static [(u16, u32)], script: impl Fn(&mut Script<'_>) + Send + Sync + 'static) -> Origin {
    Origin::playing(move |connection| {
        if connection.wire().bytes(PREFACE.len()).is_ok_and(|bytes| bytes == PREFACE) {
            let number = connection.number;
            let mut play = Script { connection, number };
            let list: Vec<u8> = settings
                .iter()
                .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
                .collect();
            play.send(SETTINGS, 0, 0, &list);
            script(&mut play);
        }
    })
}

impl Script<'_> {
    /// The next frame; `None` when the gateway is gone.
    pub fn frame(&mut self) -> Option<Frame> {
        let head = self.connection.wire().bytes(9).ok()?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        let payload = self.connection.wire().bytes(length).ok()?;
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// Sends a frame.
    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.connection.send(frame(kind, flags, stream, payload));
    }

    /// The stream of the next request, whose head came; `None` when the gateway is gone. Settings are acknowledged and
    /// pings answered meanwhile.
    pub fn request(&mut self) -> Option<u32> {
        self.until(HEADERS).map(|frame| frame.stream)
    }

    /// The next frame of `kind`.
    pub fn until(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next()?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// The next frame, acknowledged where it asks for that.
    pub fn next(&mut self) -> Option<Frame> {
        let frame = self.frame()?;
        if (frame.kind == SETTINGS || frame.kind == PING) && frame.flags & END == 0 {
            self.send(frame.kind, END, 0, if frame.kind == PING { &frame.payload } else { &[] });
        }
        Some(frame)
    }

    /// Begins an answer of status 200.
    pub fn head(&mut self, stream: u32, fields: &[(&str, &str)], flags: u8) {
        self.send(HEADERS, END_HEADERS | flags, stream, &[vec![0x88], block(fields)].concat());
    }

    /// A whole answer of status 200.
    pub fn answer(&mut self, stream: u32, body: &str) {
        self.head(stream, &[], 0);
        self.send(DATA, END, stream, body.as_bytes());
    }

    /// Resets a stream.
    pub fn reset(&mut self, stream: u32, reason: u32) {
        self.send(RST_STREAM, 0, stream, &reason.to_be_bytes());
    }

    /// Sends GOAWAY: streams above `last` were not looked at.
    pub fn go_away(&mut self, last: u32, reason: u32) {
        self.send(GOAWAY, 0, 0, &[last.to_be_bytes(), reason.to_be_bytes()].concat());
    }

    /// Sends bytes that need not be frames; false when the gateway takes no more.
    pub fn raw(&mut self, bytes: &[u8]) -> bool {
        self.connection.send(bytes)
    }

    /// Reads so many bytes; false when there are no more.
    pub fn skip(&mut self, count: u64) -> bool {
        self.connection.wire().skip(count).is_ok()
    }

    /// Ends this side's direction, behind all that was sent.
    pub fn finish(&mut self) {
        self.connection.wire().finish_sending();
    }

    /// Resets the TCP connection; nothing can be done with it any more.
    pub fn cut(&mut self) {
        self.connection.reset();
    }

    /// Reads until the gateway ends the connection.
    pub fn rest(&mut self) {
        while self.frame().is_some() {}
    }
}

/// The bytes of a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Fields as HPACK has them without any table and without Huffman's code (RFC 7541 6.2.2).
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| [vec![0], string(name), string(value)].concat()).collect()
}

fn string(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.len();
    if rest < 127 {
        out.push(rest as u8);
    } else {
        out.push(127);
        rest -= 127;
        while rest >= 128 {
            out.push((rest % 128) as u8 | 128);
            rest /= 128;
        }
        out.push(rest as u8);
    }
    out.extend(text.bytes());
    out
}
