//! How a faulty endpoint of HTTP/2 plays its fault, connection by connection.

use super::fault::{Fault, pause};
use super::server::{Event, Request, Server};
use crate::faults::tagged::{Ledger, Way};
use crate::support::h2_script::{
    CONTINUATION, DATA, END, END_HEADERS, HEADERS, PING, PUSH_PROMISE, RST_STREAM, SETTINGS, Script, block, frame,
};

const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const FLOW_CONTROL_ERROR: u32 = 3;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

/// Frames of one byte: their time is longer than the gateway waits.
const DRIPS: usize = 40;

/// What becomes of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    GoesOn,
    Ends,
    /// By a reset.
    Cut,
    /// By the gateway.
    Waits,
}

/// The faulty endpoint.
#[derive(Clone, Copy)]
pub struct Play<'l> {
    pub fault: Fault,
    pub ledger: &'l Ledger,
}

/// One connection of a good endpoint.
pub fn serve(server: &mut Server<'_, '_>, ledger: &Ledger) {
    server.open_window();
    while let Some(event) = server.event() {
        if let Event::Whole(request) = event {
            request.enter(ledger);
            server.answer(&request);
        }
    }
}

impl Play<'_> {
    /// One connection.
    pub fn connection(self, script: &mut Script<'_>) {
        let number = script.number;
        if self.fault == Fault::ResetsInRequest {
            // SETTINGS, a window and an acknowledgement come first; a request is longer than what is read of it.
            if script.skip(60 + number as u64 * 7 % 60) {
                self.ledger.fault();
                script.cut();
            }
            return;
        }
        let mut server = Server::new(script);
        if self.fault != Fault::NoTrunkWindow {
            server.open_window();
        }
        let next = match self.fault {
            Fault::GoawayAtOnce => {
                self.ledger.fault();
                server.script.go_away(0, NO_ERROR);
                Next::Waits
            }
            Fault::NoStreamWindow | Fault::NoTrunkWindow => {
                self.ledger.fault();
                self.serve_some(&mut server, 0)
            }
            _ => self.serve_some(&mut server, number % 3),
        };
        match next {
            Next::Cut => script.cut(),
            Next::Waits => script.rest(),
            Next::GoesOn | Next::Ends => {}
        }
    }

    /// Serves so many requests well and the next one badly; then every second one where the connection goes on.
    fn serve_some(self, server: &mut Server<'_, '_>, mut good: usize) -> Next {
        while let Some(event) = server.event() {
            let request = match event {
                Event::Whole(request) => request,
                Event::Begun(request) if self.fault == Fault::AnswersEarly => {
                    server.forget(&request);
                    self.ledger.fault();
                    request.enter_begun(self.ledger);
                    // At once, so that the reset is there before the answer is read.
                    let reset = frame(RST_STREAM, 0, request.stream, &NO_ERROR.to_be_bytes());
                    server.script.raw(&[request.answer(), reset].concat());
                    continue;
                }
                Event::Error(FLOW_CONTROL_ERROR) => {
                    self.ledger.fault();
                    continue;
                }
                Event::Begun(_) | Event::Pong | Event::Error(_) => continue,
            };
            if good > 0 || matches!(self.fault, Fault::NoStreamWindow | Fault::NoTrunkWindow | Fault::AnswersEarly) {
                good = good.saturating_sub(1);
                request.enter(self.ledger);
                server.answer(&request);
                if self.fault == Fault::AnswersEarly {
                    self.ledger.fault();
                }
                continue;
            }
            if self.fault != Fault::BeyondWindow {
                self.ledger.fault();
            }
            match self.spoil(server, &request) {
                Next::GoesOn => good = 1,
                end => return end,
            }
        }
        Next::Ends
    }

    /// Answers badly.
    fn spoil(self, server: &mut Server<'_, '_>, request: &Request) -> Next {
        let stream = request.stream;
        match self.fault {
            Fault::GoawayLeavesOut => {
                server.script.go_away(stream, NO_ERROR);
                self.serve(server, request);
                self.serve_until(server, stream);
                return Next::Ends;
            }
            Fault::GoawayCalm => {
                server.script.go_away(stream.saturating_sub(2), ENHANCE_YOUR_CALM);
                self.serve_until(server, stream.saturating_sub(2));
                return Next::Ends;
            }
            Fault::GoawayPolite => {
                self.leave(server, request);
                return Next::Ends;
            }
            Fault::StreamRefused => {
                server.script.reset(stream, REFUSED_STREAM);
                return Next::GoesOn;
            }
            _ => request.enter(self.ledger),
        }
        match self.fault {
            Fault::ResetsInHead => {
                server.script.raw(&beginning(stream, END_HEADERS, 0x88));
                Next::Cut
            }
            Fault::ClosesIdle => {
                server.answer(request);
                server.script.finish();
                Next::Waits
            }
            Fault::StreamError => {
                server.script.reset(stream, INTERNAL_ERROR);
                Next::GoesOn
            }
            Fault::StreamCancel => {
                server.script.reset(stream, CANCEL);
                Next::GoesOn
            }
            Fault::OneStreamThenNone => {
                server.script.send(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 0]);
                server.answer(request);
                Next::GoesOn
            }
            Fault::Hangs => Next::GoesOn,
            Fault::BadHpack => {
                server.script.send(HEADERS, END_HEADERS, stream, b"\xff\xff\xff\xff");
                Next::Waits
            }
            Fault::FrameTooLarge => {
                server.begin(request, &[("x-broken", "1")]);
                server.script.send(DATA, END, stream, &request.tag.bytes(Way::Down, 20_000));
                Next::Waits
            }
            Fault::DripsHead | Fault::HugeField | Fault::BadField | Fault::BadStatus | Fault::Unasked101 => {
                self.head(server, request)
            }
            Fault::InterimStorm => {
                for _ in 0..100 {
                    server.script.send(HEADERS, END_HEADERS, stream, &[&[8, 3][..], b"103"].concat());
                }
                server.answer(request);
                Next::GoesOn
            }
            _ => self.body(server, request),
        }
    }

    /// Sends a head that is none.
    fn head(self, server: &mut Server<'_, '_>, request: &Request) -> Next {
        let (stream, tag) = (request.stream, request.tag.text());
        let fields = |field: (&str, &str)| block(&[("x-tag", &tag), ("x-broken", "1"), field]);
        let huge = "h".repeat(70_000);
        let bytes = match self.fault {
            Fault::DripsHead => [vec![0x88], fields(("x-slow", "1"))].concat(),
            Fault::HugeField => [vec![0x88], fields(("x-huge", &huge))].concat(),
            Fault::BadField => [vec![0x88], fields(("transfer-encoding", "chunked"))].concat(),
            // `:status` 99, and 101.
            Fault::BadStatus => [b"\x08\x0299".to_vec(), fields(("x-status", "99"))].concat(),
            _ => [b"\x08\x03101".to_vec(), fields(("upgrade", "x"))].concat(),
        };
        let size = if self.fault == Fault::DripsHead { 1 } else { 16_000 };
        let mut kind = HEADERS;
        let mut pieces = bytes.chunks(size).take(if size == 1 { DRIPS } else { usize::MAX }).peekable();
        while let Some(piece) = pieces.next() {
            let flags = if pieces.peek().is_none() { END_HEADERS } else { 0 };
            server.script.send(kind, flags, stream, piece);
            kind = CONTINUATION;
            if size == 1 {
                pause();
            }
        }
        if self.fault == Fault::DripsHead {
            return Next::Waits;
        }
        server.body(request, &request.tag.body(Way::Down), END);
        Next::GoesOn
    }

    /// Sends a body that is not what it should be.
    fn body(self, server: &mut Server<'_, '_>, request: &Request) -> Next {
        let stream = request.stream;
        let body = request.tag.body(Way::Down);
        let half = &body[..body.len() / 2];
        let length = match self.fault {
            Fault::LengthTooLong | Fault::BodyError => Some(body.len() + 1),
            Fault::LengthTooShort => Some(body.len() - 1),
            Fault::BodyCancel | Fault::ClosesInBody | Fault::StallsInBody => Some(body.len()),
            _ => None,
        };
        match length {
            Some(length) => server.begin(request, &[("x-broken", "1"), ("content-length", &length.to_string())]),
            None => server.begin(request, &[("x-broken", "1")]),
        }
        match self.fault {
            Fault::LengthTooLong | Fault::LengthTooShort => server.body(request, &body, END),
            Fault::NoEndStream | Fault::TrailersCut | Fault::TrailersOpen => server.body(request, &body, 0),
            Fault::DripsBody => {
                for byte in body.iter().take(DRIPS) {
                    server.script.send(DATA, 0, stream, &[*byte]);
                    pause();
                }
            }
            Fault::BeyondWindow => {
                server.body(request, &request.tag.bytes(Way::Down, 1 << 20), 0);
            }
            _ => server.body(request, half, 0),
        }
        match self.fault {
            Fault::ResetsInBody => return Next::Cut,
            Fault::ClosesInBody => {
                server.script.finish();
                return Next::Waits;
            }
            Fault::GoawayLies => {
                server.script.go_away(stream.saturating_sub(2), NO_ERROR);
                self.serve_until(server, stream.saturating_sub(2));
                return Next::Ends;
            }
            Fault::BodyError => server.script.reset(stream, INTERNAL_ERROR),
            Fault::BodyCancel => server.script.reset(stream, CANCEL),
            Fault::BodyNoError => server.script.reset(stream, NO_ERROR),
            Fault::TrailersCut => {
                server.script.raw(&beginning(stream, END_HEADERS | END, 0));
                return Next::Cut;
            }
            Fault::TrailersOpen => {
                server.script.send(HEADERS, END_HEADERS, stream, &block(&[("x-end", &request.tag.text())]));
            }
            Fault::Pushes => {
                server.script.send(PUSH_PROMISE, END_HEADERS, stream, b"\0\0\0\x02\x88");
                return Next::Waits;
            }
            _ => {}
        }
        Next::GoesOn
    }

    fn serve(self, server: &mut Server<'_, '_>, request: &Request) {
        request.enter(self.ledger);
        server.answer(request);
    }

    /// Serves what comes on streams up to `last`, and nothing else, until the gateway ends the connection.
    fn serve_until(self, server: &mut Server<'_, '_>, last: u32) {
        while let Some(event) = server.event() {
            if let Event::Whole(request) = event
                && request.stream <= last
            {
                self.serve(server, &request);
            }
        }
    }

    /// Goes away in two steps, and serves what came before the second.
    fn leave(self, server: &mut Server<'_, '_>, request: &Request) {
        server.script.go_away(u32::MAX >> 1, NO_ERROR);
        server.script.send(PING, 0, 0, b"goodbye.");
        self.serve(server, request);
        while let Some(event) = server.event() {
            match event {
                Event::Whole(request) => self.serve(server, &request),
                Event::Pong => {
                    let last = server.last;
                    server.script.go_away(last, NO_ERROR);
                    return self.serve_until(server, last);
                }
                Event::Begun(_) | Event::Error(_) => {}
            }
        }
    }
}

/// The beginning of a HEADERS frame of 99 bytes.
fn beginning(stream: u32, flags: u8, octet: u8) -> Vec<u8> {
    [&[0, 0, 99, HEADERS, flags][..], &stream.to_be_bytes(), &[octet]].concat()
}
