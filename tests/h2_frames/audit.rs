//! What a server must never do, watched on every connection, whatever its case is about.

use std::collections::{BTreeMap, VecDeque};

use super::frame::{Frame, MAX_31, PAYLOAD_MAX, RESERVED, code, flag, kind, setting};
use super::hpack::{Decoder, Field};
use super::peer::status_of;

/// The default window of streams and of connections (RFC 9113 6.9.2).
const WINDOW: i64 = 65_535;

/// A field section that became complete: its stream, its fields, and whether it ends the stream.
pub type Section = (u32, Vec<Field>, bool);

/// What was sent in one direction, and what WINDOW_UPDATE allowed beyond the first window.
#[derive(Clone, Copy, Default)]
struct Flow {
    sent: i64,
    granted: i64,
}

/// One of our streams, as far as the server must respect it.
#[derive(Clone, Copy, Default)]
struct Stream {
    /// From the server to us, and back.
    theirs: Flow,
    ours: Flow,
    /// Octets of body, without padding.
    body: u64,
    content_length: Option<u64>,
    has_final_head: bool,
    is_head_request: bool,
    /// The server has ended its direction.
    is_ended: bool,
    /// The server has reset the stream.
    is_reset: bool,
}

/// Bookkeeping of one connection.
pub struct Audit {
    decoder: Decoder,
    streams: BTreeMap<u32, Stream>,
    /// HEADERS whose field section is not complete: stream, block, flags.
    open: Option<(u32, Vec<u8>, u8)>,
    /// SETTINGS of ours that are not acknowledged.
    unacknowledged: VecDeque<Vec<(u16, u32)>>,
    pings: Vec<Vec<u8>>,
    frames: usize,
    last_goaway: u32,
    theirs: Flow,
    ours: Flow,
    /// The first window of a stream, for the server and for us.
    initial_window: i64,
    server_window: i64,
    frame_max: usize,
    /// What went wrong.
    pub breaches: Vec<String>,
}

impl Audit {
    pub fn new() -> Self {
        Self {
            decoder: Decoder::new(),
            streams: BTreeMap::new(),
            open: None,
            unacknowledged: VecDeque::new(),
            pings: Vec::new(),
            frames: 0,
            last_goaway: MAX_31,
            theirs: Flow { sent: 0, granted: WINDOW },
            ours: Flow::default(),
            initial_window: WINDOW,
            server_window: WINDOW,
            frame_max: PAYLOAD_MAX,
            breaches: Vec::new(),
        }
    }

    /// A frame of ours.
    pub fn sent(&mut self, frame: &Frame) {
        let stream = frame.stream & MAX_31;
        match frame.kind {
            kind::SETTINGS if !frame.has(flag::ACK) => self.sent_settings(frame.settings()),
            kind::WINDOW_UPDATE if stream == 0 => self.theirs.granted += i64::from(frame.word(0).unwrap_or(0)),
            kind::WINDOW_UPDATE => {
                self.streams.entry(stream).or_default().theirs.granted += i64::from(frame.word(0).unwrap_or(0));
            }
            kind::PING if !frame.has(flag::ACK) => self.pings.push(frame.payload.clone()),
            kind::HEADERS => {
                let state = self.streams.entry(stream).or_default();
                state.is_head_request |= frame.payload.windows(4).any(|word| word == b"HEAD");
            }
            kind::DATA => {
                let length = frame.payload.len() as i64;
                self.ours.sent += length;
                self.streams.entry(stream).or_default().ours.sent += length;
            }
            _ => {}
        }
    }

    /// A larger value may be used as soon as it is sent, a smaller one binds once it is acknowledged.
    fn sent_settings(&mut self, values: Vec<(u16, u32)>) {
        for (id, value) in &values {
            match *id {
                setting::INITIAL_WINDOW_SIZE => self.initial_window = self.initial_window.max(i64::from(*value)),
                setting::MAX_FRAME_SIZE => self.frame_max = self.frame_max.max(*value as usize),
                setting::HEADER_TABLE_SIZE if *value > 4_096 => self.decoder.limit(*value as usize),
                _ => {}
            }
        }
        self.unacknowledged.push_back(values);
    }

    fn acknowledged(&mut self) {
        let Some(values) = self.unacknowledged.pop_front() else {
            self.breach("an acknowledgement of SETTINGS that nobody sent");
            return;
        };
        for (id, value) in values {
            match id {
                setting::INITIAL_WINDOW_SIZE => self.initial_window = i64::from(value),
                setting::MAX_FRAME_SIZE => self.frame_max = value as usize,
                setting::HEADER_TABLE_SIZE => self.decoder.limit(value as usize),
                _ => {}
            }
        }
    }

    fn breach(&mut self, what: impl Into<String>) {
        self.breaches.push(what.into());
    }

    /// A frame of the server; gives the field section that it completes.
    pub fn received(&mut self, frame: &Frame) -> Option<Section> {
        self.frames += 1;
        if self.frames == 1 && (frame.kind != kind::SETTINGS || frame.has(flag::ACK)) {
            self.breach(format!("3.4: begins with {frame:?} instead of SETTINGS"));
        }
        self.check_form(frame);
        if frame.stream != 0 {
            self.check_stream(frame);
        }
        match frame.kind {
            kind::DATA => self.received_data(frame),
            kind::SETTINGS if frame.has(flag::ACK) => self.acknowledged(),
            kind::SETTINGS => self.check_settings(frame),
            kind::PING if frame.has(flag::ACK) => {
                let at = self.pings.iter().position(|payload| *payload == frame.payload);
                match at {
                    Some(at) => drop(self.pings.remove(at)),
                    None => self.breach("6.7: an acknowledgement of a PING that nobody sent"),
                }
            }
            kind::GOAWAY => {
                let last = frame.word(0).unwrap_or(MAX_31);
                if last > self.last_goaway {
                    self.breach("6.8: the last stream of GOAWAY grows");
                }
                self.last_goaway = last;
            }
            kind::WINDOW_UPDATE => self.received_window(frame),
            kind::RST_STREAM => self.streams.entry(frame.stream).or_default().is_reset = true,
            kind::HEADERS | kind::CONTINUATION => return self.received_block(frame),
            _ => {}
        }
        None
    }

    /// What every frame of a kind looks like.
    fn check_form(&mut self, frame: &Frame) {
        let length = frame.payload.len();
        let (flags, is_on_stream, is_sized) = match frame.kind {
            kind::DATA => (flag::END_STREAM | flag::PADDED, Some(true), true),
            kind::HEADERS => {
                (flag::END_STREAM | flag::END_HEADERS | flag::PADDED | flag::PRIORITY, Some(true), length > 0)
            }
            kind::PRIORITY => (0, Some(true), length == 5),
            kind::RST_STREAM => (0, Some(true), length == 4),
            kind::SETTINGS => {
                (flag::ACK, Some(false), length.is_multiple_of(6) && (length == 0 || !frame.has(flag::ACK)))
            }
            kind::PING => (flag::ACK, Some(false), length == 8),
            kind::GOAWAY => (0, Some(false), length >= 8),
            kind::WINDOW_UPDATE => (0, None, length == 4),
            kind::CONTINUATION => (flag::END_HEADERS, Some(true), true),
            _ => return self.breach(format!("a client that asked for nothing gets {frame:?}")),
        };
        let is_in_place = is_on_stream.is_none_or(|is_on_stream| is_on_stream == (frame.stream != 0));
        if frame.stream & RESERVED != 0 || frame.flags & !flags != 0 || !is_in_place || !is_sized {
            self.breach(format!("4.1: malformed: {frame:?}"));
        }
        if length > self.frame_max {
            self.breach(format!("4.2: {length} octets where {} are allowed", self.frame_max));
        }
        let is_continued = frame.kind == kind::CONTINUATION;
        if self.open.as_ref().is_some_and(|(stream, ..)| !is_continued || *stream != frame.stream)
            || (is_continued && self.open.is_none())
        {
            self.breach(format!("6.10: a field section is interrupted by {frame:?}"));
        }
    }

    /// What may come on a stream in its state.
    fn check_stream(&mut self, frame: &Frame) {
        let state = self.streams.get(&frame.stream).copied();
        let is_late = |state: Stream| {
            let is_small = matches!(frame.kind, kind::WINDOW_UPDATE | kind::RST_STREAM);
            // What we send on a stream that is over can be objected to in no other way.
            let is_objection = frame.kind == kind::RST_STREAM && frame.word(0) == Some(code::STREAM_CLOSED);
            !is_objection && (state.is_reset || (state.is_ended && !is_small))
        };
        match state {
            None => self.breach(format!("5.1: {frame:?} on a stream that nobody opened")),
            Some(state) if is_late(state) => self.breach(format!("5.1: {frame:?} on a stream that is over")),
            Some(_) => {}
        }
    }

    fn check_settings(&mut self, frame: &Frame) {
        for (id, value) in frame.settings() {
            let is_good = match id {
                setting::ENABLE_PUSH => value == 0,
                setting::INITIAL_WINDOW_SIZE => value <= MAX_31,
                setting::MAX_FRAME_SIZE => (16_384..1 << 24).contains(&value),
                setting::ENABLE_CONNECT_PROTOCOL | setting::NO_RFC7540_PRIORITIES => value <= 1,
                _ => true,
            };
            if id == setting::INITIAL_WINDOW_SIZE {
                self.server_window = i64::from(value);
            }
            if !is_good {
                self.breach(format!("6.5.2: setting {id} has the value {value}"));
            }
        }
    }

    fn received_window(&mut self, frame: &Frame) {
        let increment = i64::from(frame.word(0).unwrap_or(0));
        if increment == 0 {
            self.breach("6.9: an increment of 0");
        }
        let (window, base) = match frame.stream {
            0 => (&mut self.ours, WINDOW),
            stream => (&mut self.streams.entry(stream).or_default().ours, self.server_window),
        };
        window.granted += increment;
        if base + window.granted - window.sent > i64::from(MAX_31) {
            self.breach(format!("6.9.1: {frame:?} makes a window too large"));
        }
    }

    /// What the server may send on a fresh stream.
    pub const fn initial_window(&self) -> i64 {
        self.initial_window
    }

    /// What the server's windows leave us to send on `stream`.
    pub fn room(&self, stream: u32) -> i64 {
        let on_stream = self.streams.get(&stream).map_or(Flow::default(), |state| state.ours);
        let on_stream = self.server_window + on_stream.granted - on_stream.sent;
        on_stream.min(WINDOW + self.ours.granted - self.ours.sent)
    }

    fn received_data(&mut self, frame: &Frame) {
        let length = frame.payload.len() as i64;
        self.theirs.sent += length;
        let (all, initial_window) = (self.theirs, self.initial_window);
        let is_over = {
            let state = self.streams.entry(frame.stream).or_default();
            state.theirs.sent += length;
            state.body += frame.content().len() as u64;
            length > 0 && (state.theirs.sent > initial_window + state.theirs.granted || all.sent > all.granted)
        };
        if is_over {
            self.breach(format!("6.9: {frame:?} exceeds a window"));
        }
        let state = self.streams.entry(frame.stream).or_default();
        if !std::mem::replace(&mut state.has_final_head, true) {
            self.breach("8.1: a body before its head");
        }
        if frame.has(flag::END_STREAM) {
            self.ended(frame.stream);
        }
    }

    fn received_block(&mut self, frame: &Frame) -> Option<Section> {
        let (stream, mut block, flags) = self.open.take().unwrap_or((frame.stream, Vec::new(), frame.flags));
        block.extend(&frame.payload);
        if !frame.has(flag::END_HEADERS) {
            self.open = Some((stream, block, flags));
            return None;
        }
        let is_last = flags & flag::END_STREAM != 0;
        match self.decoder.decode(&block) {
            Ok(fields) => {
                self.check_section(stream, &fields, is_last);
                Some((stream, fields, is_last))
            }
            Err(what) => {
                self.breach(format!("RFC 7541: {what}"));
                None
            }
        }
    }

    fn check_section(&mut self, stream: u32, fields: &[Field], is_last: bool) {
        let state = self.streams.entry(stream).or_default();
        let is_trailers = state.has_final_head;
        let status = status_of(fields);
        if status >= 200 {
            state.has_final_head = true;
            let length = fields.iter().find(|(name, _)| name == b"content-length");
            let has_body = !state.is_head_request && status != 204 && status != 304;
            let length =
                length.filter(|_| has_body).and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok());
            state.content_length = length;
        }
        let pseudo = fields.iter().filter(|(name, _)| name.starts_with(b":")).count();
        let is_form_good = if is_trailers {
            pseudo == 0 && is_last
        } else {
            let is_first = fields.first().is_some_and(|(name, value)| name == b":status" && value.len() == 3);
            pseudo == 1 && is_first && status >= 100 && status != 101 && !(status < 200 && is_last)
        };
        if !is_form_good {
            self.breach(format!("8.1: no good head or trailer section: {}", text(fields)));
        }
        if let Some(field) = fields.iter().find(|field| !is_good_field(field)) {
            self.breach(format!("8.2: a field that must not be sent: {}", text(std::slice::from_ref(field))));
        }
        if is_last {
            self.ended(stream);
        }
    }

    fn ended(&mut self, stream: u32) {
        let state = self.streams.entry(stream).or_default();
        state.is_ended = true;
        let (body, length) = (state.body, state.content_length);
        if length.is_some_and(|length| length != body) {
            self.breach(format!("8.1.1: content-length {length:?}, and a body of {body}"));
        }
    }
}

fn text(fields: &[Field]) -> String {
    fields.iter().map(|(name, value)| format!("{}: {}; ", name.escape_ascii(), value.escape_ascii())).collect()
}

/// RFC 9113 8.2.1 and 8.2.2.
fn is_good_field((name, value): &Field) -> bool {
    const OF_THE_CONNECTION: [&[u8]; 6] =
        [b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"te"];
    let token = name.strip_prefix(b":").unwrap_or(name);
    let is_good_byte = |byte: &u8| (0x21..0x7f).contains(byte) && !byte.is_ascii_uppercase() && *byte != b':';
    let is_space = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b' ' | b'\t'));
    !token.is_empty()
        && token.iter().all(is_good_byte)
        && !value.iter().any(|byte| matches!(byte, b'\0' | b'\r' | b'\n'))
        && !is_space(value.first())
        && !is_space(value.last())
        && !OF_THE_CONNECTION.contains(&name.as_slice())
}
