//! Watches the frames of a client's connection as they pass, by their first nine bytes, and counts what costs us more
//! than it costs the client: resets of either side, control frames, pieces of one header block.
//!
//! `h2` bounds what it holds, but not how often it is made to work. Payloads are not looked at, only skipped.

use std::collections::VecDeque;

use super::grammar::Grammar;
use super::{Head, PREFACE, Reason, block, flag, kind};
use crate::words::limits::{
    H2_BLOCK_BYTES, H2_BLOCKS_PER_TURN, H2_BYTES_PER_TURN, H2_CONTINUATIONS, H2_CONTROL_FRAMES,
    H2_CONTROL_FRAMES_PER_DATA, H2_CONTROL_FRAMES_PER_STREAM, H2_PIECES_PER_TURN, H2_RESETS, H2_UNOPENED,
    H2_WINDOW_TIME,
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
    /// The block at hand, or the last one, is of trailers.
    is_trailers: bool,
    /// A header block that is not complete: its frames after the first, and its bytes.
    block: Option<(u32, u32)>,
    /// Header blocks completed in this turn, frames of bodies, and bytes passed.
    blocks: u32,
    pieces: u32,
    bytes: usize,
    /// Since when a frame or header block has been incomplete.
    waits_since: Option<Instant>,
    abuse: Option<Abuse>,
    grammar: Grammar,
    /// What the client has sent against the rules.
    breach: Option<Reason>,
    /// Frames of header blocks that `h2` may not have looked at, and where the last block of them begins.
    blocks_seen: Vec<u8>,
    block_at: usize,
    /// Streams that the client has opened and `h2` has neither handed over nor ended, in their order.
    unopened: VecDeque<u32>,
    /// Of such streams, those that `h2` has answered itself since the last [`Watch::take_answered`].
    answered: u32,
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
            is_trailers: false,
            block: None,
            blocks: 0,
            pieces: 0,
            bytes: 0,
            waits_since: Some(now),
            abuse: None,
            grammar: Grammar::default(),
            breach: None,
            blocks_seen: Vec::new(),
            block_at: 0,
            unopened: VecDeque::new(),
            answered: 0,
        }
    }

    /// Looks at bytes that the client sent, and says how many of them may be passed on in this turn. A turn ends behind
    /// some header blocks, because each may decode to far more than it was, and behind some frames of bodies, because
    /// `h2` holds each by itself until its stream has taken it.
    pub fn receive(&mut self, bytes: &[u8], now: Instant) -> usize {
        self.renew(now);
        self.forget_blocks();
        let mut rest = bytes;
        let mut passed = 0;
        while self.ends().is_none() && !self.is_turn_over() && !rest.is_empty() {
            let before = rest;
            let step = self.received.step(&mut rest);
            self.take(&step);
            if self.ends().is_some() {
                // What is at fault does not pass.
                passed = bytes.len() - before.len();
                break;
            }
            passed = bytes.len() - rest.len();
            self.bytes += before.len() - rest.len();
        }
        let waits = self.block.is_some() || self.received.is_inside_control();
        self.waits_since = if waits { Some(self.waits_since.unwrap_or(now)) } else { None };
        passed
    }

    /// Looks at bytes that we send. `h2` has one code for whatever is wrong with a header block; where another one is
    /// right, says where it stands in `bytes`.
    pub fn send(&mut self, bytes: &[u8], now: Instant) -> Option<(usize, Reason)> {
        self.renew(now);
        let mut rest = bytes;
        let mut correction = None;
        while !rest.is_empty() {
            let step = self.sent.step(&mut rest);
            match step.ends {
                Some(Head { kind: kind::DATA, .. }) => {
                    self.explained = self.explained.saturating_add(H2_CONTROL_FRAMES_PER_DATA);
                }
                Some(head @ Head { kind: kind::RST_STREAM, .. }) => {
                    self.forget(head.stream);
                    if step.octets[..4] != [0; 4] {
                        self.reset();
                    }
                }
                Some(head @ Head { kind: kind::HEADERS, .. }) => self.answered += u32::from(self.forget(head.stream)),
                _ => {}
            }
            if let Some(Head { kind: kind::GOAWAY, length, .. }) = step.ends {
                correction = correction.or_else(|| self.correct(bytes, bytes.len() - rest.len(), length));
            }
        }
        correction
    }

    /// The right code for a GOAWAY that ends at `end`, and its place.
    fn correct(&self, bytes: &[u8], end: usize, length: u32) -> Option<(usize, Reason)> {
        let at = end.checked_sub(length as usize)? + 4;
        let is_general = bytes.get(at..at + 4)? == Reason::Protocol.code().to_be_bytes();
        let reason = block::refusal(&self.blocks_seen).filter(|reason| is_general && *reason != Reason::Protocol)?;
        Some((at, reason))
    }

    /// What the client has done that ends its connection.
    #[must_use]
    pub fn abuse(&self) -> Option<Abuse> {
        self.abuse
    }

    /// Why the client's connection has to end, if it has to.
    #[must_use]
    pub fn ends(&self) -> Option<Reason> {
        self.breach.or_else(|| self.abuse.map(|_| Reason::EnhanceYourCalm))
    }

    /// `h2` has handed over this stream.
    pub fn opened(&mut self, stream: u32) {
        self.forget(stream);
    }

    /// Streams that `h2` has answered without handing them over since the last call. It has one such answer: 431, to a
    /// header list that is larger than it was told to take.
    pub fn take_answered(&mut self) -> u32 {
        std::mem::take(&mut self.answered)
    }

    /// Takes a stream out of those whose fate is open; true when it was one.
    fn forget(&mut self, stream: u32) -> bool {
        let at = self.unopened.iter().position(|unopened| *unopened == stream);
        at.is_some_and(|at| self.unopened.remove(at).is_some())
    }

    /// Lets another turn begin; true when the last one ended before its bytes did.
    pub fn next_turn(&mut self) -> bool {
        let is_over = self.is_turn_over();
        (self.blocks, self.pieces, self.bytes) = (0, 0, 0);
        is_over
    }

    const fn is_turn_over(&self) -> bool {
        self.blocks >= H2_BLOCKS_PER_TURN || self.pieces >= H2_PIECES_PER_TURN || self.bytes >= H2_BYTES_PER_TURN
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

    /// Takes what a step found.
    fn take(&mut self, step: &Step<'_>) {
        if let Some(head) = step.begins {
            self.judge(head);
        }
        if let Some(head) = step.wanted {
            self.breach = self.breach.or(Grammar::payload(head, step.octets).err());
        }
        // What is at fault belongs nowhere: a CONTINUATION, say, to no block.
        if self.ends().is_some() {
            return;
        }
        if self.block.is_some() {
            self.blocks_seen.extend_from_slice(step.payload);
        }
        if let Some(head) = step.ends {
            self.complete(head);
        }
    }

    /// A frame begins.
    fn judge(&mut self, head: Head) {
        let last_stream = self.grammar.last_stream();
        self.breach = self.breach.or(self.grammar.begin(head).err());
        if self.breach.is_some() {
            return;
        }
        if matches!(head.kind, kind::HEADERS | kind::CONTINUATION) {
            self.note_block(head);
        }
        match head.kind {
            kind::HEADERS => {
                self.block = Some((0, head.length));
                self.is_trailers = head.stream <= last_stream;
                if !self.is_trailers {
                    if self.unopened.len() >= H2_UNOPENED {
                        self.unopened.pop_front();
                    }
                    self.unopened.push_back(head.stream);
                    self.streams += 1;
                    self.explained = self.explained.saturating_add(H2_CONTROL_FRAMES_PER_STREAM);
                }
            }
            kind::CONTINUATION => {
                let (frames, bytes) = self.block.unwrap_or_default();
                self.block = Some((frames + 1, bytes.saturating_add(head.length)));
            }
            kind::DATA if head.length > 0 || head.has(flag::END_STREAM) => self.pieces += 1,
            kind::RST_STREAM => self.reset(),
            _ => self.control(),
        }
        if self.block.is_some_and(|(frames, bytes)| frames > H2_CONTINUATIONS || bytes > H2_BLOCK_BYTES) {
            self.abuse = Some(Abuse::Block);
        }
    }

    /// A frame is complete.
    fn complete(&mut self, head: Head) {
        self.waits_since = None;
        if matches!(head.kind, kind::HEADERS | kind::CONTINUATION) && head.has(flag::END_HEADERS) {
            self.block = None;
            self.blocks += 1;
            // RFC 9113 8.1: `h2` would drop them.
            let frames = self.blocks_seen.get(self.block_at..).unwrap_or_default();
            if self.is_trailers && block::has_pseudo(frames) {
                self.breach = self.breach.or(Some(Reason::Protocol));
            }
        }
    }

    /// Keeps the head of a frame of a header block.
    fn note_block(&mut self, head: Head) {
        if head.kind == kind::HEADERS {
            self.block_at = self.blocks_seen.len();
        }
        self.blocks_seen.extend_from_slice(&head.bytes());
    }

    /// `h2` asks for more, so it has looked at all blocks that are complete.
    fn forget_blocks(&mut self) {
        if self.block.is_none() && !self.blocks_seen.is_empty() {
            self.blocks_seen.clear();
            self.block_at = 0;
            self.blocks_seen.shrink_to(BLOCK_BYTES_KEPT);
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
    /// The head of the frame at hand, and how much of it is there.
    first: [u8; Head::BYTES],
    have: usize,
    /// Payload to come behind it.
    left: u32,
    /// Octets of the payload that are looked at, and how many are there.
    octets: [u8; 6],
    seen: usize,
}

/// What one step found.
#[derive(Clone, Copy, Default)]
struct Step<'b> {
    /// The head of a frame that became complete.
    begins: Option<Head>,
    /// The head of the frame of which the wanted octets are there, now or in a step before.
    wanted: Option<Head>,
    octets: [u8; 6],
    /// What of a payload was passed over.
    payload: &'b [u8],
    /// The head of the frame that ended.
    ends: Option<Head>,
}

impl Frames {
    /// Passes over some of `bytes`, which are not empty: within one frame at most.
    fn step<'b>(&mut self, bytes: &mut &'b [u8]) -> Step<'b> {
        let mut step = Step::default();
        if self.skip > 0 {
            self.skip -= pass(bytes, self.skip as usize).len() as u32;
            return step;
        }
        if self.have < Head::BYTES {
            let taken = pass(bytes, Head::BYTES - self.have);
            self.first[self.have..self.have + taken.len()].copy_from_slice(taken);
            self.have += taken.len();
            if self.have < Head::BYTES {
                return step;
            }
            self.left = self.head().length;
            step.begins = Some(self.head());
        }
        let head = self.head();
        let wanted = Grammar::wants(head).min(self.left as usize + self.seen);
        let most = if self.seen < wanted { wanted - self.seen } else { self.left as usize };
        step.payload = pass(bytes, most);
        self.left -= step.payload.len() as u32;
        if self.seen < wanted {
            self.octets[self.seen..self.seen + step.payload.len()].copy_from_slice(step.payload);
            self.seen += step.payload.len();
            if self.seen == wanted {
                (step.wanted, step.octets) = (Some(head), self.octets);
                // SETTINGS go on with the next of them.
                self.seen = if head.kind == kind::SETTINGS { 0 } else { wanted };
            }
        }
        if self.left == 0 {
            step.octets = self.octets;
            step.ends = Some(head);
            *self = Self::default();
        }
        step
    }

    const fn head(&self) -> Head {
        Head::parse(self.first)
    }

    /// True within the preface, or within a frame that is none of DATA: those may take long, and their streams have
    /// deadlines.
    fn is_inside_control(&self) -> bool {
        self.skip > 0 || self.have > 0 && (self.have < Head::BYTES || self.head().kind != kind::DATA)
    }
}

/// Takes up to `most` bytes off the front.
fn pass<'b>(bytes: &mut &'b [u8], most: usize) -> &'b [u8] {
    let (passed, rest) = bytes.split_at(bytes.len().min(most));
    *bytes = rest;
    passed
}

/// Room for header blocks that a connection keeps.
const BLOCK_BYTES_KEPT: usize = 512;

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
        let opening = [PREFACE, &frame(kind::SETTINGS, 0, 0, b"")].concat();
        assert_eq!(watch.receive(&opening, now), opening.len());
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
        let blocks: Vec<u8> =
            (0..6).flat_map(|number| frame(kind::HEADERS, flag::END_HEADERS, 2 * number + 1, b"abc")).collect();
        let taken = watch.receive(&blocks, now);
        assert_eq!(taken, 12 * H2_BLOCKS_PER_TURN as usize);
        assert_eq!(watch.receive(&blocks[taken..], now), 0, "the turn is over");
        assert!(watch.next_turn());
        assert_eq!(watch.receive(&blocks[taken..], now), blocks.len() - taken);
        assert!(!watch.next_turn());
    }

    #[test]
    fn a_turn_ends_behind_some_pieces_of_bodies() {
        let (mut watch, now) = watching();
        watch.receive(&frame(kind::HEADERS, flag::END_HEADERS, 1, b"abc"), now);
        watch.next_turn();
        let body = frame(kind::DATA, 0, 1, b"x").repeat(H2_PIECES_PER_TURN as usize + 3);
        // The last one has begun, and goes on in the next turn.
        let taken = watch.receive(&body, now);
        assert_eq!(taken.div_ceil(10), H2_PIECES_PER_TURN as usize);
        assert!(watch.next_turn());
        assert_eq!(watch.receive(&body[taken..], now), body.len() - taken);
    }

    #[test]
    fn a_turn_ends_behind_some_bytes() {
        let (mut watch, now) = watching();
        watch.receive(&frame(kind::HEADERS, flag::END_HEADERS, 1, b"abc"), now);
        let body = frame(kind::DATA, 0, 1, &[0; 10_000]).repeat(10);
        let taken = watch.receive(&body, now);
        assert!((H2_BYTES_PER_TURN - 10_009..H2_BYTES_PER_TURN + 10_009).contains(&taken), "{taken}");
        assert_eq!(watch.receive(&body[taken..], now), 0, "the turn is over");
        assert!(watch.next_turn());
        assert_eq!(watch.receive(&body[taken..], now), body.len() - taken);
        assert!(!watch.next_turn());
    }

    #[test]
    fn bytes_may_come_in_any_pieces() {
        let wire = [
            frame(kind::SETTINGS, 0, 0, &[0; 18]),
            frame(kind::HEADERS, 0, 1, b"abc"),
            frame(kind::CONTINUATION, flag::END_HEADERS, 1, b"d"),
            frame(kind::DATA, flag::END_STREAM, 1, &[0; 300]),
            frame(kind::RST_STREAM, 0, 1, &[0, 0, 0, 8]),
        ]
        .concat();
        for size in 1..wire.len() {
            let (mut watch, now) = watching();
            wire.chunks(size).for_each(|piece| pass_all(&mut watch, piece, now));
            assert_eq!((watch.streams, watch.resets, watch.control), (1, 1, 2), "pieces of {size}");
            assert_eq!((watch.waits_since(), watch.ends()), (None, None), "pieces of {size}");
        }
    }

    #[test]
    fn resets_are_abuse_beyond_half_of_the_streams() {
        let (mut watch, now) = watching();
        let open = |id| frame(kind::HEADERS, flag::END_HEADERS, id, b"a");
        let reset = |id| frame(kind::RST_STREAM, 0, id, &[0, 0, 0, 8]);
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
            watch.send(&frame(kind::RST_STREAM, 0, 1, &[0; 4]), now);
            watch.send(&frame(kind::RST_STREAM, 0, 1, &[0, 0, 0, 1]), now);
            now = now.after(Duration::from_millis(110));
        }
        assert_eq!(watch.abuse(), None);
    }

    #[test]
    fn control_frames_are_abuse_unless_work_explains_them() {
        let (mut watch, now) = watching();
        pass_all(&mut watch, &frame(kind::HEADERS, flag::END_HEADERS, 1, b"a"), now);
        // SETTINGS came before.
        for number in 1..H2_CONTROL_FRAMES + H2_CONTROL_FRAMES_PER_STREAM {
            pass_all(&mut watch, &frame(kind::WINDOW_UPDATE, 0, number % 2, &[0, 0, 0, 1]), now);
        }
        watch.send(&frame(kind::DATA, 0, 1, b"work"), now);
        for _ in 0..H2_CONTROL_FRAMES_PER_DATA {
            pass_all(&mut watch, &frame(kind::DATA, 0, 1, b""), now);
        }
        assert_eq!(watch.abuse(), None);
        pass_all(&mut watch, &frame(6, 0, 0, &[0; 8]), now);
        assert_eq!(watch.abuse(), Some(Abuse::Control));
    }

    #[test]
    fn what_is_against_the_rules_does_not_pass() {
        let good = frame(kind::HEADERS, flag::END_HEADERS, 1, b"\x82");
        let ping = frame(kind::PING, 0, 0, &[0; 7]);
        let windows = frame(kind::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 9, 0, 4, 0x80, 0, 0, 0]);
        let padded = frame(kind::DATA, flag::PADDED, 1, &[9; 9]);
        let pseudo = frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, b"\x84");
        let cases = [
            (ping, Reason::FrameSize),
            (windows, Reason::FlowControl),
            (padded, Reason::Protocol),
            (pseudo, Reason::Protocol),
        ];
        for (bad, reason) in cases {
            let wire = [&good[..], &bad].concat();
            for cut in 0..=wire.len() {
                let (mut watch, now) = watching();
                let passed = watch.receive(&wire[..cut], now) + watch.receive(&wire[cut..], now);
                assert_eq!(watch.ends(), Some(reason), "cut at {cut}");
                assert!((good.len()..wire.len()).contains(&passed), "cut at {cut}: {passed}");
            }
        }
    }

    #[test]
    fn a_continuation_of_nothing_behind_trailers_is_a_breach() {
        let (mut watch, now) = watching();
        let open = frame(kind::HEADERS, flag::END_HEADERS, 1, b"\x82");
        let trailers = frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, b"\x00\x01x\x01v");
        watch.receive(&[open, trailers].concat(), now);
        let stray = frame(kind::CONTINUATION, flag::END_HEADERS, 1, b"\x84");
        assert_eq!(watch.receive(&stray, now), 0);
        assert_eq!(watch.ends(), Some(Reason::Protocol));
        assert_eq!(watch.receive(&stray, now), 0, "nothing passes any more");
    }

    #[test]
    fn the_code_for_a_bad_block_is_corrected() {
        let goaway = |code: u8| frame(kind::GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, code]);
        let after = |block: &[u8], sent: &[u8]| {
            let (mut watch, now) = watching();
            watch.receive(&frame(kind::HEADERS, flag::END_HEADERS, 1, block), now);
            watch.send(sent, now)
        };
        let sent = [frame(kind::PING, flag::ACK, 0, &[0; 8]), goaway(1)].concat();
        assert_eq!(after(b"\x80", &sent), Some((17 + 9 + 4, Reason::Compression)));
        assert_eq!(after(b"\x80", &goaway(0xb)), None, "another reason");
        assert_eq!(after(b"\x00\x01X\x01v", &goaway(1)), None, "a field");
        assert_eq!(after(b"\x82", &goaway(1)), None, "nothing is wrong with it");
        let (mut watch, now) = watching();
        watch.receive(&frame(kind::HEADERS, flag::END_HEADERS, 1, b"\x80"), now);
        watch.receive(&frame(kind::PING, 0, 0, &[0; 8]), now);
        assert_eq!(watch.send(&goaway(1), now), None, "it was looked at before");
    }

    #[test]
    fn an_answer_on_a_stream_that_was_never_handed_over_is_not_ours() {
        let (mut watch, now) = watching();
        let open = |id| frame(kind::HEADERS, flag::END_HEADERS, id, b"a");
        let answer = |id| frame(kind::HEADERS, flag::END_HEADERS, id, b"b");
        for id in [1, 3, 5, 7] {
            pass_all(&mut watch, &open(id), now);
        }
        // Handed over, answered, reset; nobody knows yet.
        watch.opened(1);
        watch.send(&[answer(1), answer(3), frame(kind::RST_STREAM, 0, 3, &[0; 4])].concat(), now);
        watch.send(&frame(kind::RST_STREAM, 0, 5, &[0, 0, 0, 1]), now);
        assert_eq!((watch.take_answered(), watch.take_answered()), (1, 0));
        watch.opened(7);
        watch.send(&[answer(7), answer(7)].concat(), now);
        assert_eq!(watch.take_answered(), 0);
        // What a client opens faster than it is decided is forgotten, oldest first.
        for number in 0..2 * H2_UNOPENED as u32 {
            pass_all(&mut watch, &open(9 + 2 * number), now);
        }
        assert_eq!(watch.unopened.len(), H2_UNOPENED);
        watch.send(&answer(9), now);
        assert_eq!(watch.take_answered(), 0);
    }

    #[test]
    fn a_block_has_few_pieces() {
        let (mut watch, now) = watching();
        pass_all(&mut watch, &frame(kind::HEADERS, 0, 1, b"a"), now);
        for _ in 0..H2_CONTINUATIONS {
            pass_all(&mut watch, &frame(kind::CONTINUATION, 0, 1, b""), now);
        }
        assert_eq!((watch.abuse(), watch.waits_since()), (None, Some(now)));
        pass_all(&mut watch, &frame(kind::CONTINUATION, flag::END_HEADERS, 1, b""), now);
        assert_eq!(watch.abuse(), Some(Abuse::Block));
        let (mut watch, now) = watching();
        (0..5).for_each(|number| {
            let kind = if number == 0 { kind::HEADERS } else { kind::CONTINUATION };
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
        watch.receive(&frame(kind::DATA, 0, 1, &[0; 800])[..500], later);
        assert_eq!(watch.waits_since(), None, "a slow body has deadlines of its own");
    }
}
