//! The faulty endpoint of HTTP/2: what it does wrong, and what a client may see of it.

use std::sync::Arc;
use std::thread;

use super::play::{Play, serve};
use super::server::{Server, WIDE};
use crate::faults::Trouble;
use crate::faults::tagged::Ledger;
use crate::support::Origin;
use crate::support::h2_script::{PREFACE, playing};

/// What one of the three endpoints does wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Refuses connections.
    Refuses,
    /// Lets connections wait for ever.
    BlackHole,
    /// Accepts connections and says nothing.
    Mute,
    /// Speaks frames, and never SETTINGS.
    NoSettings,
    /// Answers the preface with HTTP/1.1.
    SpeaksHttp1,
    /// Closes what it accepts.
    ClosesAtOnce,
    /// Resets what it accepts.
    ResetsAtOnce,
    /// Resets the TCP connection after some bytes of requests.
    ResetsInRequest,
    /// Resets the TCP connection within the HEADERS of an answer.
    ResetsInHead,
    /// Resets the TCP connection within an answer's body.
    ResetsInBody,
    /// Closes within an answer's body.
    ClosesInBody,
    /// Closes a connection without GOAWAY behind an answer.
    ClosesIdle,
    /// Sends GOAWAY before the first request.
    GoawayAtOnce,
    /// Sends GOAWAY that leaves out all streams but the one that it answers.
    GoawayLeavesOut,
    /// Sends GOAWAY with `ENHANCE_YOUR_CALM` that leaves out the request that has come.
    GoawayCalm,
    /// Ends as RFC 9113 6.8 wants it: in two steps, all is served that came before the second.
    GoawayPolite,
    /// Sends GOAWAY that leaves out a stream whose answer has begun.
    GoawayLies,
    /// Resets streams with `REFUSED_STREAM`.
    StreamRefused,
    /// Resets streams with `INTERNAL_ERROR` instead of an answer.
    StreamError,
    /// Resets streams with CANCEL instead of an answer.
    StreamCancel,
    /// Resets streams with `INTERNAL_ERROR` within an answer's body.
    BodyError,
    /// Resets streams with CANCEL within an answer's body.
    BodyCancel,
    /// Resets streams with `NO_ERROR` within an answer's body: that is no end.
    BodyNoError,
    /// Answers before it has read the body, and resets with `NO_ERROR`: RFC 9113 8.1 wants such an answer kept.
    AnswersEarly,
    /// Never answers.
    Hangs,
    /// Sends half an answer, and no more.
    StallsInBody,
    /// Sends an answer's head in CONTINUATION frames of a byte each.
    DripsHead,
    /// Sends an answer's body in DATA frames of a byte each.
    DripsBody,
    /// Announces more than it sends.
    LengthTooLong,
    /// Announces less than it sends.
    LengthTooShort,
    /// Sends HEADERS that do not decode.
    BadHpack,
    /// Sends a frame that is larger than allowed.
    FrameTooLarge,
    /// Sends DATA beyond the window.
    BeyondWindow,
    /// Never opens a stream's window.
    NoStreamWindow,
    /// Never opens the connection's window.
    NoTrunkWindow,
    /// Takes one stream at a time, and then none.
    OneStreamThenNone,
    /// Sends all of a body, and no `END_STREAM`.
    NoEndStream,
    /// Resets the TCP connection within the trailers.
    TrailersCut,
    /// Sends trailers without `END_STREAM`.
    TrailersOpen,
    /// Pushes, which it was told not to.
    Pushes,
    /// Sends a hundred interim answers.
    InterimStorm,
    /// Sends a field of 70,000 bytes.
    HugeField,
    /// Sends a field that belongs to a connection of HTTP/1.1.
    BadField,
    /// Sends a status that is none.
    BadStatus,
    /// Switches protocols, which HTTP/2 cannot.
    Unasked101,
}

/// Settings of a server that opens no stream's window.
const NO_WINDOW: &[(u16, u32)] = &[(4, 0)];
/// Settings of a server that takes one stream.
const ONE_STREAM: &[(u16, u32)] = &[(4, 1 << 20), (3, 1)];

impl Trouble for Fault {
    const PROTOCOL: &'static str = "h2c";

    fn good(ledger: &Arc<Ledger>) -> Origin {
        let ledger = Arc::clone(ledger);
        playing(WIDE, move |script| serve(&mut Server::new(script), &ledger))
    }

    fn origin(self, ledger: &Arc<Ledger>) -> Origin {
        let ledger = Arc::clone(ledger);
        let settings = match self {
            Self::Refuses => return Origin::refusing(),
            Self::BlackHole => return Origin::black_hole(),
            Self::Mute | Self::NoSettings | Self::SpeaksHttp1 | Self::ClosesAtOnce | Self::ResetsAtOnce => {
                return self.without_settings(ledger);
            }
            Self::NoStreamWindow => NO_WINDOW,
            Self::OneStreamThenNone => ONE_STREAM,
            _ => WIDE,
        };
        playing(settings, move |script| Play { fault: self, ledger: &ledger }.connection(script))
    }

    fn is_silent(self) -> bool {
        matches!(self, Self::Refuses | Self::BlackHole)
    }

    fn timeouts(self) -> &'static str {
        match self {
            Self::BlackHole | Self::Mute | Self::NoSettings | Self::OneStreamThenNone => "connect = \"100ms\"",
            Self::Hangs | Self::DripsHead => "first_byte = \"400ms\"",
            Self::DripsBody => "request = \"600ms\"",
            Self::StallsInBody
            | Self::BeyondWindow
            | Self::NoEndStream
            | Self::NoStreamWindow
            | Self::NoTrunkWindow => "idle = \"400ms\"",
            _ => "",
        }
    }

    fn leaves_out(self) -> bool {
        matches!(
            self,
            Self::GoawayAtOnce
                | Self::GoawayLeavesOut
                | Self::GoawayCalm
                | Self::GoawayPolite
                | Self::GoawayLies
                | Self::StreamRefused
        )
    }

    fn may_fail(self, method: &str) -> (&'static [u16], bool) {
        let is_post = method == "POST";
        match self {
            // Nothing was touched, or all was answered.
            Self::Refuses
            | Self::BlackHole
            | Self::Mute
            | Self::NoSettings
            | Self::SpeaksHttp1
            | Self::ClosesAtOnce
            | Self::ResetsAtOnce
            | Self::GoawayAtOnce
            | Self::GoawayLeavesOut
            | Self::GoawayCalm
            | Self::GoawayPolite
            | Self::StreamRefused
            | Self::AnswersEarly
            | Self::OneStreamThenNone => (&[], false),
            Self::ResetsInRequest | Self::ClosesIdle | Self::StreamError | Self::StreamCancel => {
                (if is_post { &[502] } else { &[] }, false)
            }
            // What is on its way of the answers before is lost with the connection.
            Self::ResetsInHead => (if is_post { &[502] } else { &[] }, true),
            Self::Hangs => (&[504], false),
            Self::NoStreamWindow | Self::NoTrunkWindow => (if is_post { &[504] } else { &[] }, false),
            Self::StallsInBody | Self::DripsBody | Self::NoEndStream => (&[504], true),
            Self::DripsHead | Self::BeyondWindow => (&[502, 504], true),
            Self::BadStatus | Self::BadField | Self::InterimStorm | Self::HugeField | Self::Unasked101 => {
                (&[502], false)
            }
            // An answer broke, or the connection did and all answers on it with it.
            Self::ResetsInBody
            | Self::ClosesInBody
            | Self::GoawayLies
            | Self::BodyError
            | Self::BodyCancel
            | Self::BodyNoError
            | Self::LengthTooLong
            | Self::LengthTooShort
            | Self::BadHpack
            | Self::FrameTooLarge
            | Self::TrailersCut
            | Self::TrailersOpen
            | Self::Pushes => (&[502], true),
        }
    }
}

impl Fault {
    /// An endpoint with which HTTP/2 does not even begin.
    fn without_settings(self, ledger: Arc<Ledger>) -> Origin {
        Origin::playing(move |connection| {
            ledger.fault();
            match self {
                Self::ResetsAtOnce => return connection.reset(),
                Self::ClosesAtOnce => return,
                Self::SpeaksHttp1 => {
                    let _ = connection.wire().bytes(PREFACE.len());
                    connection.send("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
                }
                // A PING.
                Self::NoSettings => {
                    connection.send(b"\0\0\x08\x06\0\0\0\0\0ping-png");
                }
                _ => {}
            }
            connection.await_end();
        })
    }
}

/// Waits as a server does that is slow beyond measure.
pub fn pause() {
    thread::sleep(crate::faults::fault::DRIP);
}
