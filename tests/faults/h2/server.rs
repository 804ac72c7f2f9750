//! One connection of an endpoint that speaks HTTP/2, in frames: requests that overlap come in, answers go out.
//!
//! Windows are no matter here. Ours are opened wide at once, and an answer is smaller than the gateway's for a stream
//! (`limits::STREAM_WINDOW`), which has one of that size for each stream it may open.

use std::collections::BTreeMap;

use crate::faults::tagged::{Ledger, Tag, Way};
use crate::h2_frames::hpack::Decoder;
use crate::support::h2_script::{
    DATA, END, END_HEADERS, Frame, GOAWAY, HEADERS, PING, RST_STREAM, Script, WINDOW_UPDATE, block, frame,
};

/// A request as far as it has come.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its stream.
    pub stream: u32,
    /// Whose it is.
    pub tag: Tag,
    is_post: bool,
    body: Vec<u8>,
}

/// What came.
#[derive(Debug)]
pub enum Event {
    /// The head of a request whose body is still to come.
    Begun(Request),
    /// A whole request.
    Whole(Request),
    /// The answer to our PING.
    Pong,
    /// The gateway says that something was against the protocol, with this code.
    Error(u32),
}

/// The connection.
pub struct Server<'s, 'c> {
    /// What frames are sent by.
    pub script: &'s mut Script<'c>,
    fields: Decoder,
    asking: BTreeMap<u32, Request>,
    /// The highest stream that was opened.
    pub last: u32,
}

/// The settings of a server that takes whole bodies at once: SETTINGS_INITIAL_WINDOW_SIZE.
pub const WIDE: &[(u16, u32)] = &[(4, 1 << 20)];

const CANCEL: u32 = 8;

impl<'s, 'c> Server<'s, 'c> {
    /// Over a connection whose preface was exchanged.
    pub fn new(script: &'s mut Script<'c>) -> Self {
        Self { script, fields: Decoder::new(), asking: BTreeMap::new(), last: 0 }
    }

    /// Opens the connection's window as far as it goes.
    pub fn open_window(&mut self) {
        self.script.send(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes());
    }

    /// What comes next; `None` when the gateway is gone.
    pub fn event(&mut self) -> Option<Event> {
        loop {
            let frame = self.script.next()?;
            match frame.kind {
                HEADERS => {
                    let stream = frame.stream;
                    self.head(&frame);
                    if frame.flags & END != 0 {
                        return self.asking.remove(&stream).map(Event::Whole);
                    }
                    return self.asking.get(&stream).cloned().map(Event::Begun);
                }
                DATA => {
                    // What was answered before its end is no request any more.
                    let Some(request) = self.asking.get_mut(&frame.stream) else { continue };
                    request.body.extend(&frame.payload);
                    if frame.flags & END != 0 {
                        return self.asking.remove(&frame.stream).map(Event::Whole);
                    }
                }
                PING if frame.flags & END != 0 => return Some(Event::Pong),
                RST_STREAM => {
                    self.asking.remove(&frame.stream);
                    if let Some(code) = word(&frame.payload, 0).filter(|code| !matches!(*code, 0 | CANCEL)) {
                        return Some(Event::Error(code));
                    }
                }
                GOAWAY => {
                    if let Some(code) = word(&frame.payload, 4).filter(|code| *code != 0) {
                        return Some(Event::Error(code));
                    }
                }
                _ => {}
            }
        }
    }

    fn head(&mut self, frame: &Frame) {
        assert!(frame.flags & END_HEADERS != 0, "the heads of these requests fit in a frame");
        let fields = self.fields.decode(&frame.payload).expect("the gateway's HPACK is sound");
        if self.asking.contains_key(&frame.stream) {
            return;
        }
        let of = |name: &str| {
            let field = fields.iter().find(|(other, _)| other == name.as_bytes());
            String::from_utf8(field.expect("a request has it").1.clone()).expect("text")
        };
        let tag = Tag::of_target(&of(":path")).expect("the client tags its requests");
        let request = Request { stream: frame.stream, tag, is_post: of(":method") == "POST", body: Vec::new() };
        self.last = self.last.max(frame.stream);
        self.asking.insert(frame.stream, request);
    }

    /// What is left of a request that will be answered at once.
    pub fn forget(&mut self, request: &Request) {
        self.asking.remove(&request.stream);
    }

    /// Gives the answer that belongs to the request.
    pub fn answer(&mut self, request: &Request) {
        self.script.raw(&request.answer());
    }

    /// The head of an answer.
    pub fn begin(&mut self, request: &Request, fields: &[(&str, &str)]) {
        self.script.raw(&request.head(fields));
    }

    /// Some of an answer's body, with these flags at its end.
    pub fn body(&mut self, request: &Request, bytes: &[u8], flags: u8) {
        self.script.raw(&request.data(bytes, flags));
    }
}

impl Request {
    /// Enters it into the ledger: from now on it must be nobody else's.
    pub fn enter(&self, ledger: &Ledger) {
        let is_good = if self.is_post { self.body == self.tag.body(Way::Up) } else { self.body.is_empty() };
        ledger.received(self.tag, is_good);
    }

    /// Enters a request whose body has not come.
    pub fn enter_begun(&self, ledger: &Ledger) {
        ledger.received(self.tag, true);
    }

    /// The frames of the answer that belongs to it: with a length, or with trailers.
    pub fn answer(&self) -> Vec<u8> {
        let body = self.tag.body(Way::Down);
        if self.tag.is_chunked() {
            let trailers = frame(HEADERS, END_HEADERS | END, self.stream, &block(&[("x-end", &self.tag.text())]));
            [self.head(&[("x-trailed", "1")]), self.data(&body, 0), trailers].concat()
        } else {
            [self.head(&[("content-length", &body.len().to_string())]), self.data(&body, END)].concat()
        }
    }

    /// HEADERS of an answer of status 200.
    fn head(&self, fields: &[(&str, &str)]) -> Vec<u8> {
        let tag = self.tag.text();
        let block = [vec![0x88], block(&[&[("x-tag", &*tag)], fields].concat())].concat();
        frame(HEADERS, END_HEADERS, self.stream, &block)
    }

    /// DATA with these flags at its end.
    pub fn data(&self, bytes: &[u8], flags: u8) -> Vec<u8> {
        let mut pieces = bytes.chunks(16_384).peekable();
        let mut frames = Vec::with_capacity(bytes.len() + 99);
        while let Some(piece) = pieces.next() {
            frames.extend(frame(DATA, if pieces.peek().is_none() { flags } else { 0 }, self.stream, piece));
        }
        frames
    }
}

fn word(payload: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*payload.get(at..)?.first_chunk()?))
}
