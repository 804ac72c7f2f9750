//! Which frames a client may send, as far as their heads and a few octets behind tell (RFC 9113 4 to 6).
//!
//! `h2` refuses the same frames, but with one code for nearly all of them, and some it takes. What is found here ends the
//! connection, also where the RFC asks for a stream only: 5.4.1 allows that, and no honest client sends such frames. Not
//! here: windows, and which streams are open, which `h2` knows.

use super::{Head, Reason, flag, kind};

/// The longest payload: what we never raised (RFC 9113 6.5.2).
const PAYLOAD_MAX: u32 = 16_384;
/// The greatest window (RFC 9113 6.9.1).
const WINDOW_MAX: u32 = 0x7fff_ffff;
/// Octets of a priority in HEADERS.
const PRIORITY_BYTES: u32 = 5;
/// Streams below the last one of which something is remembered.
const REMEMBERED: usize = 256;

/// What has passed on one connection, as far as the next frame depends on it.
#[derive(Debug, Default)]
pub struct Grammar {
    has_begun: bool,
    last_stream: u32,
    /// The stream whose field section is not complete.
    open: Option<u32>,
    opened: Streams,
    ended: Streams,
}

impl Grammar {
    /// The highest stream that was opened.
    #[must_use]
    pub const fn last_stream(&self) -> u32 {
        self.last_stream
    }

    /// Takes the head of a frame.
    ///
    /// # Errors
    /// When no such frame may come, here or at all.
    pub fn begin(&mut self, head: Head) -> Result<(), Reason> {
        self.check_order(head)?;
        check_place(head)?;
        check_size(head)?;
        match head.kind {
            kind::HEADERS => self.headers(head),
            // RFC 9113 5.1: on an idle stream these mean nothing.
            kind::DATA | kind::RST_STREAM | kind::WINDOW_UPDATE if self.is_idle(head.stream) => Err(Reason::Protocol),
            // RFC 9113 5.1.1: what was passed over is closed.
            kind::DATA if self.age(head.stream).is_some_and(|age| !self.opened.contains(age)) => {
                Err(Reason::StreamClosed)
            }
            kind::DATA => self.end(head),
            _ => Ok(()),
        }
    }

    /// How many octets of the payload [`Grammar::payload`] wants to see, again and again while there are more.
    #[must_use]
    pub const fn wants(head: Head) -> usize {
        match head.kind {
            kind::SETTINGS if !head.has(flag::ACK) => 6,
            kind::WINDOW_UPDATE | kind::RST_STREAM => 4,
            kind::DATA | kind::HEADERS if head.has(flag::PADDED) => 1,
            _ => 0,
        }
    }

    /// Takes the octets that were wanted.
    ///
    /// # Errors
    /// When they must not be.
    pub fn payload(head: Head, octets: [u8; 6]) -> Result<(), Reason> {
        let word = u32::from_be_bytes([octets[0], octets[1], octets[2], octets[3]]);
        match head.kind {
            kind::SETTINGS => {
                let value = u32::from_be_bytes([octets[2], octets[3], octets[4], octets[5]]);
                check_setting(u16::from_be_bytes([octets[0], octets[1]]), value)
            }
            kind::WINDOW_UPDATE if word & WINDOW_MAX == 0 => Err(Reason::Protocol),
            kind::DATA | kind::HEADERS => {
                let priority = if head.kind == kind::HEADERS && head.has(flag::PRIORITY) { PRIORITY_BYTES } else { 0 };
                // RFC 9113 6.1: padding that leaves no room for itself.
                if u32::from(octets[0]) + 1 + priority > head.length { Err(Reason::Protocol) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// RFC 9113 3.4 and 4.3: SETTINGS first, and nothing within a field section.
    fn check_order(&mut self, head: Head) -> Result<(), Reason> {
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        if is_first && (head.kind != kind::SETTINGS || head.has(flag::ACK)) {
            return Err(Reason::Protocol);
        }
        match (self.open, head.kind) {
            (Some(stream), kind::CONTINUATION) if stream == head.stream => {}
            (None, kind::CONTINUATION) | (Some(_), _) => return Err(Reason::Protocol),
            (None, _) => {}
        }
        match head.kind {
            kind::HEADERS | kind::CONTINUATION => {
                self.open = if head.has(flag::END_HEADERS) { None } else { Some(head.stream) };
            }
            _ => {}
        }
        Ok(())
    }

    /// RFC 9113 5.1.1: a new stream is higher than all before, and odd.
    fn headers(&mut self, head: Head) -> Result<(), Reason> {
        if head.stream.is_multiple_of(2) {
            return Err(Reason::Protocol);
        }
        if head.stream > self.last_stream {
            let passed = (head.stream - self.last_stream).div_ceil(2) as usize;
            self.opened.advance(passed);
            self.ended.advance(passed);
            self.last_stream = head.stream;
            self.opened.insert(0);
        } else if self.age(head.stream).is_some_and(|age| !self.opened.contains(age)) {
            return Err(Reason::Protocol);
        }
        self.end(head)
    }

    /// RFC 9113 5.1: a stream that the client has ended has no more of a message.
    fn end(&mut self, head: Head) -> Result<(), Reason> {
        let Some(age) = self.age(head.stream) else { return Ok(()) };
        if self.ended.contains(age) {
            return Err(Reason::StreamClosed);
        }
        if head.has(flag::END_STREAM) {
            self.ended.insert(age);
        }
        Ok(())
    }

    fn is_idle(&self, stream: u32) -> bool {
        stream > self.last_stream || (stream != 0 && stream.is_multiple_of(2))
    }

    /// How many streams ago it was opened or passed over; `None` when nothing is remembered of it.
    fn age(&self, stream: u32) -> Option<usize> {
        let age = self.last_stream.checked_sub(stream)? as usize / 2;
        (age < REMEMBERED).then_some(age)
    }
}

/// RFC 9113 6: which frames belong to a stream and which to the connection.
const fn check_place(head: Head) -> Result<(), Reason> {
    let is_good = match head.kind {
        kind::DATA | kind::HEADERS | kind::PRIORITY | kind::RST_STREAM | kind::CONTINUATION => head.stream != 0,
        kind::SETTINGS | kind::PING | kind::GOAWAY => head.stream == 0,
        // RFC 9113 8.4: a client cannot push.
        kind::PUSH_PROMISE => false,
        _ => true,
    };
    if is_good { Ok(()) } else { Err(Reason::Protocol) }
}

/// RFC 9113 4.2 and 6.
const fn check_size(head: Head) -> Result<(), Reason> {
    let pad = if head.has(flag::PADDED) { 1 } else { 0 };
    let is_good = match head.kind {
        kind::DATA => head.length >= pad,
        kind::HEADERS => head.length >= pad + if head.has(flag::PRIORITY) { PRIORITY_BYTES } else { 0 },
        kind::PRIORITY => head.length == PRIORITY_BYTES,
        kind::RST_STREAM | kind::WINDOW_UPDATE => head.length == 4,
        kind::SETTINGS => head.length.is_multiple_of(6) && (head.length == 0 || !head.has(flag::ACK)),
        kind::PING => head.length == 8,
        kind::GOAWAY => head.length >= 8,
        _ => true,
    };
    if is_good && head.length <= PAYLOAD_MAX { Ok(()) } else { Err(Reason::FrameSize) }
}

/// RFC 9113 6.5.2.
const fn check_setting(id: u16, value: u32) -> Result<(), Reason> {
    match (id, value) {
        (0x2, 2..) | (0x5, ..16_384 | 0x0100_0000..) => Err(Reason::Protocol),
        (0x4, 0x8000_0000..) => Err(Reason::FlowControl),
        _ => Ok(()),
    }
}

/// A set of streams by their age.
#[derive(Debug, Default)]
struct Streams([u64; REMEMBERED / 64]);

impl Streams {
    /// Each becomes older by `count` streams.
    fn advance(&mut self, count: usize) {
        let (words, bits) = (count / 64, count % 64);
        for at in (0..self.0.len()).rev() {
            let word = |at: usize| at.checked_sub(words).map_or(0, |from| self.0[from]);
            let carried = if bits > 0 && at > 0 { word(at - 1) >> (64 - bits) } else { 0 };
            self.0[at] = word(at) << bits | carried;
        }
    }

    fn insert(&mut self, age: usize) {
        self.0[age / 64] |= 1 << (age % 64);
    }

    const fn contains(&self, age: usize) -> bool {
        self.0[age / 64] & 1 << (age % 64) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(kind: u8, flags: u8, stream: u32, length: u32) -> Head {
        Head { length, kind, flags, stream }
    }

    /// The verdicts over these frames behind good SETTINGS.
    fn verdict(frames: &[Head]) -> Result<(), Reason> {
        let mut grammar = Grammar::default();
        grammar.begin(head(kind::SETTINGS, 0, 0, 6)).expect("SETTINGS come first");
        frames.iter().try_for_each(|frame| grammar.begin(*frame))
    }

    const OPEN: u8 = flag::END_HEADERS;
    const WHOLE: u8 = flag::END_HEADERS | flag::END_STREAM;

    #[test]
    fn what_is_against_the_rules_has_its_reason() {
        let opened = |stream| head(kind::HEADERS, OPEN, stream, 5);
        let whole = |stream| head(kind::HEADERS, WHOLE, stream, 5);
        let data = |stream| head(kind::DATA, 0, stream, 5);
        let cases: &[(&[Head], Result<(), Reason>)] = &[
            (&[opened(1), data(1), whole(1)], Ok(())),
            (&[whole(1), data(1)], Err(Reason::StreamClosed)),
            (&[whole(1), whole(1)], Err(Reason::StreamClosed)),
            (&[whole(1), head(kind::WINDOW_UPDATE, 0, 1, 4), head(kind::RST_STREAM, 0, 1, 4)], Ok(())),
            (&[whole(5), whole(3)], Err(Reason::Protocol)),
            (&[opened(1), whole(5), data(1)], Ok(())),
            (&[whole(5), data(3)], Err(Reason::StreamClosed)),
            (&[whole(2)], Err(Reason::Protocol)),
            (&[data(1)], Err(Reason::Protocol)),
            (&[head(kind::RST_STREAM, 0, 2, 4)], Err(Reason::Protocol)),
            (&[head(kind::WINDOW_UPDATE, 0, 1, 4)], Err(Reason::Protocol)),
            (&[head(kind::PRIORITY, 0, 9, 5)], Ok(())),
            (&[head(kind::PRIORITY, 0, 9, 4)], Err(Reason::FrameSize)),
            (&[head(kind::PING, 0, 0, 7)], Err(Reason::FrameSize)),
            (&[head(kind::PING, 0, 1, 8)], Err(Reason::Protocol)),
            (&[head(kind::SETTINGS, 0, 0, 7)], Err(Reason::FrameSize)),
            (&[head(kind::SETTINGS, flag::ACK, 0, 6)], Err(Reason::FrameSize)),
            (&[head(kind::GOAWAY, 0, 0, 7)], Err(Reason::FrameSize)),
            (&[head(kind::PUSH_PROMISE, OPEN, 1, 9)], Err(Reason::Protocol)),
            (&[head(0xee, 0xff, 7, PAYLOAD_MAX)], Ok(())),
            (&[head(0xee, 0, 7, PAYLOAD_MAX + 1)], Err(Reason::FrameSize)),
            (&[head(kind::HEADERS, 0, 1, 5), head(kind::CONTINUATION, OPEN, 1, 0), data(1)], Ok(())),
            (&[head(kind::HEADERS, 0, 1, 5), head(kind::CONTINUATION, OPEN, 3, 0)], Err(Reason::Protocol)),
            (&[head(kind::HEADERS, 0, 1, 5), head(0xee, 0, 0, 0)], Err(Reason::Protocol)),
            (&[whole(1), head(kind::CONTINUATION, OPEN, 1, 0)], Err(Reason::Protocol)),
            (&[head(kind::HEADERS, OPEN | flag::PRIORITY, 1, 4)], Err(Reason::FrameSize)),
            (&[head(kind::HEADERS, OPEN | flag::PADDED, 1, 0)], Err(Reason::FrameSize)),
        ];
        for (frames, expected) in cases {
            assert_eq!(verdict(frames), *expected, "{frames:?}");
        }
        assert_eq!(Grammar::default().begin(head(kind::PING, 0, 0, 8)), Err(Reason::Protocol));
        assert_eq!(Grammar::default().begin(head(kind::SETTINGS, flag::ACK, 0, 0)), Err(Reason::Protocol));
    }

    #[test]
    fn octets_of_payloads_are_judged() {
        let settings = head(kind::SETTINGS, 0, 0, 6);
        let set = |id: u8, value: u32| {
            let [a, b, c, d] = value.to_be_bytes();
            Grammar::payload(settings, [0, id, a, b, c, d])
        };
        assert_eq!((set(2, 1), set(2, 2)), (Ok(()), Err(Reason::Protocol)));
        assert_eq!((set(4, WINDOW_MAX), set(4, WINDOW_MAX + 1)), (Ok(()), Err(Reason::FlowControl)));
        assert_eq!((set(5, 16_384), set(5, 16_383), set(5, 1 << 24)), (Ok(()), set(2, 2), set(2, 2)));
        assert_eq!(set(0x99, u32::MAX), Ok(()));
        let update = head(kind::WINDOW_UPDATE, 0, 0, 4);
        assert_eq!(Grammar::payload(update, [0x80, 0, 0, 0, 9, 9]), Err(Reason::Protocol));
        assert_eq!(Grammar::payload(update, [0x80, 0, 0, 1, 9, 9]), Ok(()));
        let padded = |kind, flags, pad| Grammar::payload(head(kind, flags | flag::PADDED, 1, 8), [pad, 0, 0, 0, 0, 0]);
        assert_eq!((padded(kind::DATA, 0, 7), padded(kind::DATA, 0, 8)), (Ok(()), Err(Reason::Protocol)));
        assert_eq!(padded(kind::HEADERS, flag::PRIORITY, 2), Ok(()));
        assert_eq!(padded(kind::HEADERS, flag::PRIORITY, 3), Err(Reason::Protocol));
    }

    #[test]
    fn streams_are_remembered_for_a_while() {
        let mut grammar = Grammar::default();
        grammar.begin(head(kind::SETTINGS, 0, 0, 0)).expect("SETTINGS");
        grammar.begin(head(kind::HEADERS, OPEN, 1, 1)).expect("an upload");
        for number in 1..=REMEMBERED as u32 + 70 {
            let stream = number * 2 + 1;
            grammar.begin(head(kind::HEADERS, WHOLE, stream, 1)).expect("a new stream");
            assert_eq!(grammar.begin(head(kind::DATA, 0, stream, 1)), Err(Reason::StreamClosed));
            if number > 3 {
                let other = stream - 2 * (number % 200).min(number - 1);
                assert_eq!(grammar.begin(head(kind::DATA, 0, other, 1)), Err(Reason::StreamClosed), "{other}");
            }
            grammar.begin(head(kind::DATA, 0, 1, 1)).expect("the upload goes on");
        }
    }
}
