//! A case: what is sent, where the RFC speaks of it, and what has to come of it.

use super::frame::code;
use super::peer::{ALIVE, End, Peer, Said, Target};

/// What holds or what does not.
pub type Verdict = Result<(), String>;

/// One case on one connection.
pub struct Case {
    /// What the client does, in a few words.
    pub name: &'static str,
    /// `RFC 9113 5.1.1`.
    pub section: &'static str,
    /// Whether SETTINGS are exchanged before.
    pub is_bare: bool,
    /// What the client does.
    pub play: fn(&mut Peer),
    /// What comes of it.
    pub expect: Expect,
}

/// What has to come of a case. Streams are the last one that the case opened, unless they are named.
pub enum Expect {
    /// The server says GOAWAY with one of these codes and closes.
    Connection(&'static [u32]),
    /// The connection ends; a word before is welcome.
    Ends,
    /// The stream is reset with one of these codes, and the connection goes on.
    Stream(&'static [u32]),
    /// RFC 9113 8.1.1: the stream is reset with PROTOCOL_ERROR or answered with 4xx, and the connection goes on; or it
    /// ends with that code (5.4.1). No server behind sees the request complete.
    Malformed,
    /// The stream is answered with this status, and the connection goes on.
    Answer(u16),
    /// Nothing at all happens: no stream is reset, and the connection goes on.
    Nothing,
    /// One of these.
    OneOf(&'static [Expect]),
    /// What the function finds out.
    Holds(fn(&mut Peer) -> Verdict),
}

impl Case {
    /// On a connection where SETTINGS were exchanged.
    pub const fn new(name: &'static str, section: &'static str, play: fn(&mut Peer), expect: Expect) -> Self {
        Self { name, section, is_bare: false, play, expect }
    }

    /// From the first octet.
    pub const fn bare(name: &'static str, section: &'static str, play: fn(&mut Peer), expect: Expect) -> Self {
        Self { name, section, is_bare: true, play, expect }
    }

    /// Plays the case and says what does not hold.
    pub fn run(&self, target: &Target) -> Verdict {
        let mut peer = if self.is_bare { Peer::connect(target) } else { Peer::ready(target) };
        (self.play)(&mut peer);
        let verdict = self.expect.judge(&mut peer);
        let breaches = &peer.audit.breaches;
        match verdict {
            Ok(()) if breaches.is_empty() => Ok(()),
            verdict => {
                let what = verdict.err().unwrap_or_default();
                Err(format!("{} ({}): {what} {breaches:?}", self.name, self.section))
            }
        }
    }

    /// Whether a request of this case may be complete in the eyes of the server behind.
    pub fn may_arrive(&self) -> bool {
        !matches!(self.expect, Expect::Malformed)
    }
}

impl Expect {
    fn judge(&self, peer: &mut Peer) -> Verdict {
        match self {
            Self::Connection(codes) => {
                peer.await_end();
                is_connection_error(peer, codes)
            }
            Self::Ends => {
                if peer.await_end() {
                    Ok(())
                } else {
                    Err(found(peer))
                }
            }
            Self::Holds(find_out) => find_out(peer),
            Self::OneOf(alternatives) => {
                // A stream that is answered or reset, or the connection's end: whichever comes.
                let stream = peer.last_stream();
                peer.wait(|peer| peer.on(stream).is_over() || peer.goaway.is_some());
                // What was answered before the case did its worst may still meet its end.
                if peer.goaway.is_some() || !peer.round_trip() {
                    peer.await_end();
                }
                let verdicts: Vec<Verdict> = alternatives.iter().map(|expect| expect.judge_now(peer)).collect();
                if verdicts.iter().any(Result::is_ok) { lives_or_ended(peer) } else { Err(found(peer)) }
            }
            Self::Malformed => {
                let stream = peer.last_stream();
                peer.wait(|peer| peer.on(stream).is_over() || peer.goaway.is_some());
                if peer.goaway.is_some() {
                    peer.await_end();
                    return is_connection_error(peer, &[code::PROTOCOL_ERROR]);
                }
                is_alive(peer)?;
                self.judge_now(peer)
            }
            _ => {
                let stream = peer.last_stream();
                if !matches!(self, Self::Nothing) {
                    peer.answer(stream);
                }
                is_alive(peer)?;
                self.judge_now(peer)
            }
        }
    }

    /// From what was said up to now.
    fn judge_now(&self, peer: &mut Peer) -> Verdict {
        let streams: Vec<u32> = peer.said.keys().copied().collect();
        let said = peer.on(peer.last_stream());
        let holds = match self {
            Self::Connection(codes) => return is_connection_error(peer, codes),
            Self::Stream(codes) => said.reset.is_some_and(|code| codes.contains(&code)),
            Self::Malformed => is_malformed(&said) || is_connection_error(peer, &[code::PROTOCOL_ERROR]).is_ok(),
            // RFC 9113 8.1: after the whole answer the client may be told to stop.
            Self::Answer(status) => {
                said.status() == Some(*status) && said.is_ended && said.reset.is_none_or(|code| code == code::NO_ERROR)
            }
            Self::Nothing => peer.end.is_none() && streams.iter().all(|stream| peer.on(*stream).reset.is_none()),
            Self::Ends | Self::OneOf(_) | Self::Holds(_) => false,
        };
        if holds { Ok(()) } else { Err(found(peer)) }
    }
}

/// RFC 9113 8.1.1: either is allowed on the stream.
pub fn is_malformed(said: &Said) -> bool {
    said.reset == Some(code::PROTOCOL_ERROR) || said.status().is_some_and(|status| status / 100 == 4)
}

fn is_connection_error(peer: &Peer, codes: &[u32]) -> Verdict {
    let is_said = peer.goaway.is_some_and(|(_, code)| codes.contains(&code));
    // After GOAWAY a reset of TCP is no loss: the octets that we sent too much were never going to be read.
    if is_said && peer.end.is_some() {
        Ok(())
    } else {
        Err(format!("not a connection error {codes:?}: {}", found(peer)))
    }
}

fn lives_or_ended(peer: &mut Peer) -> Verdict {
    if peer.end.is_some() { Ok(()) } else { is_alive(peer) }
}

/// Fails unless the connection answers a PING and a request.
pub fn is_alive(peer: &mut Peer) -> Verdict {
    if !peer.round_trip() {
        return Err(format!("PING is not answered: {}", found(peer)));
    }
    let stream = peer.probe();
    let said = peer.answer(stream);
    if said.status() == Some(200) && said.is_ended {
        Ok(())
    } else {
        Err(format!("{ALIVE} is not served: {}", found(peer)))
    }
}

/// What was there instead.
pub fn found(peer: &Peer) -> String {
    let mut text = String::new();
    for (stream, said) in &peer.said {
        let statuses: Vec<u16> = said.heads.iter().map(|head| super::peer::status_of(head)).collect();
        let (body, is_ended, reset) = (said.body.len(), said.is_ended, said.reset);
        text += &format!("stream {stream}: {statuses:?}, {body} B, ended {is_ended}, reset {reset:?}; ");
    }
    let end = match peer.end {
        Some(End::Closed) => "closed",
        Some(End::Cut) => "cut",
        None => "open",
    };
    format!("{text}goaway {:?}, {end}", peer.goaway)
}
