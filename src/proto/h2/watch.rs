//! Watches the frames of a client's connection as they pass, by their first nine bytes, and counts what costs us more
//! than it costs the client: resets of either side, control frames, pieces of one header block.
//!
//! `h2` bounds what it holds, but not how often it is made to work. Payloads are not looked at, only skipped.

use super::PREFACE;
use crate::words::limits::{
    H2_BLOCK_BYTES, H2_BLOCKS_PER_TURN, H2_CONTINUATIONS, H2_CONTROL_FRAMES, H2_CONTROL_FRAMES_PER_DATA,
    H2_CONTROL_FRAMES_PER_STREAM, H2_RESETS, H2_WINDOW_TIME,
};
use crate::words::time::Instant;

/// What a client is told to calm down for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Abuse {
    /// More streams were reset than a client has reason to (CVE-2023-44487, CVE-2025-8671).
    Resets,
    /// PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA or unknown frames without work that explains them.
    Control,
    /// A header block in too many pieces, or of too many bytes.
    Block,
}

/// The watch over one connection.
#[derive(Debug)]
pub struct Watch {
    received: Frames,
    sent: Frames,
    /// The window of time that is counted now began then.
    began: Instant,
    streams: u32,
    resets: u32,
    control: u32,
    /// Control frames that the work of this window explains.
    explained: u32,
    /// The highest stream seen: a block on a higher one opens a stream.
    last_stream: u32,
    /// A header block that is not complete: its frames after the first, and its bytes.
    block: Option<(u32, u32)>,
    /// Header blocks completed in this turn.
    blocks: u32,
    /// Since when a frame or header block has been incomplete.
    waits_since: Option<Instant>,
    abuse: Option<Abuse>,
}

impl Watch {
    /// The watch over a connection whose preface is still to come.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            received: Frames { skip: PREFACE.len() as u32, ..Frames::default() },
            sent: Frames::default(),
            began: now,
            streams: 0,
            resets: 0,
            control: 0,
            explained: 0,
            last_stream: 0,
            block: None,
            blocks: 0,
            waits_since: Some(now),
            abuse: None,
        }
    }

    /// Looks at bytes that the client sent, and says how many of them may be passed on in this turn. A turn ends behind
    /// some header blocks, because each may decode to far more than it was.
    pub fn receive(&mut self, bytes: &[u8], now: Instant) -> usize {
        self.renew(now);
        let mut rest = bytes;
        while self.abuse.is_none() && self.blocks < H2_BLOCKS_PER_TURN && !rest.is_empty() {
            let step = self.received.step(&mut rest);
            if let Some(head) = step.begins {
                self.judge(head);
            }
            if let Some(head) = step.ends {
                self.complete(head);
            }
        }
        let waits = self.block.is_some() || self.received.is_inside_control();
        self.waits_since = if waits { Some(self.waits_since.unwrap_or(now)) } else { None };
        bytes.len() - rest.len()
    }

    /// Looks at bytes that we send.
    pub fn send(&mut self, mut bytes: &[u8], now: Instant) {
        self.renew(now);
        while !bytes.is_empty() {
            match self.sent.step(&mut bytes).ends {
                Some(Head { kind: DATA, .. }) => {
                    self.explained = self.explained.saturating_add(H2_CONTROL_FRAMES_PER_DATA);
                }
                Some(head @ Head { kind: RST_STREAM, .. }) if head.code != NO_ERROR => self.reset(),
                _ => {}
            }
        }
    }

    /// What the client has done that ends its connection.
    #[must_use]
    pub fn abuse(&self) -> Option<Abuse> {
        self.abuse
    }

    /// Lets another turn begin; true when the last one ended before its bytes did.
    pub fn next_turn(&mut self) -> bool {
        std::mem::take(&mut self.blocks) >= H2_BLOCKS_PER_TURN
    }

    /// Since when the client has owed the rest of its preface, of a header block or of a frame, DATA aside.
    #[must_use]
    pub fn waits_since(&self) -> Option<Instant> {
        self.waits_since
    }

    fn renew(&mut self, now: Instant) {
        if now.since(self.began) >= H2_WINDOW_TIME {
            self.began = now;
            (self.streams, self.resets, self.control, self.explained) = (0, 0, 0, 0);
        }
    }

    /// A frame begins.
    fn judge(&mut self, head: Head) {
        match head.kind {
            HEADERS => {
                self.block = Some((0, head.length));
                if head.stream > self.last_stream {
                    self.last_stream = head.stream;
                    self.streams += 1;
                    self.explained = self.explained.saturating_add(H2_CONTROL_FRAMES_PER_STREAM);
                }
            }
            CONTINUATION => {
                let (frames, bytes) = self.block.unwrap_or_default();
                self.block = Some((frames + 1, bytes.saturating_add(head.length)));
            }
            DATA if head.length > 0 || head.flags & END_STREAM != 0 => {}
            RST_STREAM => self.reset(),
            _ => self.control(),
        }
        if self.block.is_some_and(|(frames, bytes)| frames > H2_CONTINUATIONS || bytes > H2_BLOCK_BYTES) {
            self.abuse = Some(Abuse::Block);
        }
    }

    /// A frame is complete.
    fn complete(&mut self, head: Head) {
        self.waits_since = None;
        if matches!(head.kind, HEADERS | CONTINUATION) && head.flags & END_HEADERS != 0 {
            self.block = None;
            self.blocks += 1;
        }
    }

    fn reset(&mut self) {
        self.resets += 1;
        if self.resets > H2_RESETS && self.resets > self.streams / 2 {
            self.abuse = Some(Abuse::Resets);
        }
    }

    fn control(&mut self) {
        self.control += 1;
        if self.control > H2_CONTROL_FRAMES.saturating_add(self.explained) {
            self.abuse = Some(Abuse::Control);
        }
    }
}

/// Splits a direction into frames.
#[derive(Debug, Default)]
struct Frames {
    /// Bytes to pass over before the next frame: the preface.
    skip: u32,
    /// The beginning of the frame at hand: its head, and the code of a reset.
    first: [u8; HEAD_BYTES + CODE_BYTES],
    /// How much of it is there.
    have: usize,
    /// Payload to come behind it.
    left: u32,
}

/// A frame's head (RFC 9113 4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Head {
    length: u32,
    kind: u8,
    flags: u8,
    stream: u32,
    /// Of a reset that is complete.
    code: u32,
}

/// What one step found.
#[derive(Clone, Copy, Default)]
struct Step {
    /// The head of a frame that became complete.
    begins: Option<Head>,
    /// The head of the frame that ended.
    ends: Option<Head>,
}

impl Frames {
    /// Passes over some of `bytes`, which are not empty: within one frame at most.
    fn step(&mut self, bytes: &mut &[u8]) -> Step {
        let mut step = Step::default();
        if self.skip > 0 {
            self.skip -= pass(bytes, self.skip);
            return step;
        }
        if self.have < HEAD_BYTES {
            self.fill(bytes, HEAD_BYTES);
            if self.have < HEAD_BYTES {
                return step;
            }
            let head = self.head();
            self.left = head.length;
            step.begins = Some(head);
        }
        if self.left > 0 && self.head().kind == RST_STREAM {
            self.left -= self.fill(bytes, HEAD_BYTES + CODE_BYTES);
        }
        self.left -= pass(bytes, self.left);
        if self.left == 0 {
            step.ends = Some(self.head());
            *self = Self::default();
        }
        step
    }

    /// Keeps bytes until there are `wanted` of the frame, or all that it has; says how many those are.
    fn fill(&mut self, bytes: &mut &[u8], wanted: usize) -> u32 {
        let mut count = bytes.len().min(wanted.saturating_sub(self.have));
        if self.have >= HEAD_BYTES {
            count = count.min(self.left as usize);
        }
        self.first[self.have..self.have + count].copy_from_slice(&bytes[..count]);
        self.have += count;
        *bytes = &bytes[count..];
        count as u32
    }

    fn head(&self) -> Head {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3, code @ ..] = self.first;
        Head {
            length: u32::from_be_bytes([0, l0, l1, l2]),
            kind,
            flags,
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff,
            code: u32::from_be_bytes(code),
        }
    }

    /// True within the preface, or within a frame that is none of DATA: those may take long, and their streams have
    /// deadlines.
    fn is_inside_control(&self) -> bool {
        self.skip > 0 || self.have > 0 && (self.have < HEAD_BYTES || self.head().kind != DATA)
    }
}

/// Drops up to `most` bytes from the front, and says how many.
fn pass(bytes: &mut &[u8], most: u32) -> u32 {
    let count = bytes.len().min(most as usize);
    *bytes = &bytes[count..];
    count as u32
}

const HEAD_BYTES: usize = 9;
const CODE_BYTES: usize = 4;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

const NO_ERROR: u32 = 0;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        frame
    }

    fn watching() -> (Watch, Instant) {
        let now = Instant::from_nanos(1_000);
        let mut watch = Watch::new(now);
        assert_eq!(watch.receive(PREFACE, now), PREFACE.len());
        assert_eq!(watch.waits_since(), None);
        (watch, now)
    }

    /// Passes all of `bytes`, in as many turns as it takes.
    fn pass_all(watch: &mut Watch, mut bytes: &[u8], now: Instant) {
        while !bytes.is_empty() && watch.abuse().is_none() {
            bytes = &bytes[watch.receive(bytes, now)..];
            watch.next_turn();
        }
    }

    #[test]
    fn a_turn_ends_behind_some_header_blocks() {
        let (mut watch, now) = watching();
        let blocks: Vec<u8> = (0..6).flat_map(|number| frame(HEADERS, END_HEADERS, 2 * number + 1, b"abc")).collect();
        let taken = watch.receive(&blocks, now);
        assert_eq!(taken, 12 * H2_BLOCKS_PER_TURN as usize);
        assert_eq!(watch.receive(&blocks[taken..], now), 0, "the turn is over");
        assert!(watch.next_turn());
        assert_eq!(watch.receive(&blocks[taken..], now), blocks.len() - taken);
        assert!(!watch.next_turn());
    }

    #[test]
    fn bytes_may_come_in_any_pieces() {
        let wire = [
            frame(4, 0, 0, b""),
            frame(HEADERS, 0, 1, b"abc"),
            frame(CONTINUATION, END_HEADERS, 1, b"d"),
            frame(DATA, END_STREAM, 1, &[0; 300]),
            frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]),
        ]
        .concat();
        for size in 1..wire.len() {
            let (mut watch, now) = watching();
            wire.chunks(size).for_each(|piece| pass_all(&mut watch, piece, now));
            assert_eq!((watch.streams, watch.resets, watch.control), (1, 1, 1), "pieces of {size}");
            assert_eq!((watch.waits_since(), watch.abuse()), (None, None), "pieces of {size}");
        }
    }

    #[test]
    fn resets_are_abuse_beyond_half_of_the_streams() {
        let (mut watch, now) = watching();
        let open = |id| frame(HEADERS, END_HEADERS, id, b"a");
        let reset = |id| frame(RST_STREAM, 0, id, &[0, 0, 0, 8]);
        for id in (1..=399).step_by(2) {
            pass_all(&mut watch, &open(id), now);
        }
        for id in (1..=199).step_by(2) {
            pass_all(&mut watch, &reset(id), now);
        }
        assert_eq!(watch.abuse(), None, "a hundred of two hundred");
        watch.send(&reset(201), now);
        assert_eq!(watch.abuse(), Some(Abuse::Resets), "ours count too");
    }

    #[test]
    fn a_reset_without_error_is_no_abuse_and_time_forgives() {
        let (mut watch, mut now) = watching();
        for _ in 0..500 {
            watch.send(&frame(RST_STREAM, 0, 1, &[0; 4]), now);
            watch.send(&frame(RST_STREAM, 0, 1, &[0, 0, 0, 1]), now);
            now = now.after(Duration::from_millis(110));
        }
        assert_eq!(watch.abuse(), None);
    }

    #[test]
    fn control_frames_are_abuse_unless_work_explains_them() {
        let (mut watch, now) = watching();
        for number in 0..H2_CONTROL_FRAMES {
            pass_all(&mut watch, &frame(8, 0, number % 3, &[0, 0, 0, 1]), now);
        }
        watch.send(&frame(DATA, 0, 1, b"work"), now);
        for _ in 0..H2_CONTROL_FRAMES_PER_DATA {
            pass_all(&mut watch, &frame(DATA, 0, 1, b""), now);
        }
        assert_eq!(watch.abuse(), None);
        pass_all(&mut watch, &frame(6, 0, 0, &[0; 8]), now);
        assert_eq!(watch.abuse(), Some(Abuse::Control));
    }

    #[test]
    fn a_block_has_few_pieces() {
        let (mut watch, now) = watching();
        pass_all(&mut watch, &frame(HEADERS, 0, 1, b"a"), now);
        for _ in 0..H2_CONTINUATIONS {
            pass_all(&mut watch, &frame(CONTINUATION, 0, 1, b""), now);
        }
        assert_eq!((watch.abuse(), watch.waits_since()), (None, Some(now)));
        pass_all(&mut watch, &frame(CONTINUATION, END_HEADERS, 1, b""), now);
        assert_eq!(watch.abuse(), Some(Abuse::Block));
        let (mut watch, now) = watching();
        (0..5).for_each(|number| {
            let kind = if number == 0 { HEADERS } else { CONTINUATION };
            pass_all(&mut watch, &frame(kind, 0, 1, &[0; 16 * 1024]), now);
        });
        assert_eq!(watch.abuse(), Some(Abuse::Block));
    }

    #[test]
    fn what_is_owed_is_known_by_its_time() {
        let (mut watch, now) = watching();
        let later = now.after(Duration::from_secs(1));
        watch.receive(&frame(6, 0, 0, &[0; 8])[..5], later);
        assert_eq!(watch.waits_since(), Some(later));
        watch.receive(&frame(6, 0, 0, &[0; 8])[5..], later);
        assert_eq!(watch.waits_since(), None);
        watch.receive(&frame(DATA, 0, 1, &[0; 800])[..500], later);
        assert_eq!(watch.waits_since(), None, "a slow body has deadlines of its own");
    }
}
