//! Upgrade (RFC 9110 7.8): which protocol a request asks for, and whether an answer switches to it.
//!
//! Not here: what the other protocol says. Once an answer has switched, its bytes mean nothing to Ringway.

use super::h1;
use super::head::{AnswerHead, Known, Line, Method, RequestHead};

/// What a request asks its connection to become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked<'a> {
    /// Nothing that could be granted: no `Upgrade`, or one that this hop does not pass on (`h2c`, without its option in
    /// `Connection`, from HTTP/1.0, with a body).
    Nothing,
    /// This protocol, spelt as the client did.
    Protocol(&'a [u8]),
    /// Something that is not allowed.
    Refused(&'static str),
}

impl<'a> Asked<'a> {
    /// The protocol that is asked for and allowed; empty for none.
    #[must_use]
    pub const fn protocol(self) -> &'a [u8] {
        match self {
            Self::Protocol(protocol) => protocol,
            _ => b"",
        }
    }
}

/// What `head` asks for, where `allowed` (in lower case) is what may be asked for. Of several protocols the first that
/// is allowed counts: a client lists them in the order of its preference.
#[must_use]
pub fn asked<'a>(head: &RequestHead, bytes: &'a [u8], allowed: &[String]) -> Asked<'a> {
    if !head.asks_upgrade {
        return Asked::Nothing;
    }
    let is_allowed = |protocol: &&[u8]| allowed.iter().any(|allowed| protocol.eq_ignore_ascii_case(allowed.as_bytes()));
    match members(&head.lines, Known::Upgrade, bytes).find(is_allowed) {
        None => Asked::Refused("no protocol in Upgrade is one that the route allows"),
        // RFC 6455 4.1: the handshake is a GET.
        Some(protocol) if is_websocket(protocol) && head.method != Method::Get => {
            Asked::Refused("WebSocket is asked for by GET")
        }
        Some(protocol) => Asked::Protocol(protocol),
    }
}

/// True when `answer` switches to exactly `protocol`. Another one, or one of several, would be a connection that the two
/// sides understand differently; and without the option in `Connection` an `Upgrade` means nothing.
#[must_use]
pub fn switches(answer: &AnswerHead, bytes: &[u8], protocol: &[u8]) -> bool {
    let mut protocols = members(&answer.lines, Known::Upgrade, bytes);
    let is_named = protocols.next().is_some_and(|named| named.eq_ignore_ascii_case(protocol));
    let has_option = members(&answer.lines, Known::Connection, bytes).any(|one| one.eq_ignore_ascii_case(b"upgrade"));
    answer.status == 101 && is_named && protocols.next().is_none() && has_option
}

fn is_websocket(protocol: &[u8]) -> bool {
    protocol.eq_ignore_ascii_case(b"websocket")
}

/// The members of all lists in the lines of `known`.
fn members<'a>(lines: &[Line], known: Known, bytes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    lines.iter().filter(move |line| line.known == known).flat_map(move |line| h1::members(line.value.of(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::h1::parse::{self, HeadLimits, Progress};

    const LIMITS: HeadLimits = HeadLimits { bytes: 1024, lines: 10, target_bytes: 100 };

    fn asks(method: &str, lines: &str, allowed: &[&str]) -> Result<Option<String>, &'static str> {
        let text = format!("{method} / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let allowed: Vec<String> = allowed.iter().map(|one| (*one).to_owned()).collect();
        let mut head = RequestHead::default();
        assert_eq!(parse::request(text.as_bytes(), 0, &LIMITS, &mut head), Ok(Progress::Complete), "{text}");
        match asked(&head, text.as_bytes(), &allowed) {
            Asked::Nothing => Ok(None),
            Asked::Protocol(protocol) => Ok(Some(String::from_utf8(protocol.to_vec()).unwrap())),
            Asked::Refused(why) => Err(why),
        }
    }

    #[test]
    fn only_what_is_allowed_is_asked_for() {
        let upgrade = |protocols: &str| format!("Connection: keep-alive, Upgrade\r\nUpgrade: {protocols}\r\n");
        assert_eq!(asks("GET", &upgrade("WebSocket"), &["websocket"]), Ok(Some("WebSocket".to_owned())));
        assert_eq!(asks("GET", &upgrade("b/2, , a"), &["a", "b/2"]), Ok(Some("b/2".to_owned())));
        assert_eq!(asks("GET", &upgrade("x\r\nUpgrade: a"), &["a"]), Ok(Some("a".to_owned())));
        for (protocols, allowed) in [("websocket", &[][..]), ("foo", &["websocket"]), ("b", &["b/2"]), ("b/2", &["b"])]
        {
            assert!(asks("GET", &upgrade(protocols), allowed).is_err(), "{protocols} {allowed:?}");
        }
        assert!(asks("POST", &upgrade("websocket"), &["websocket"]).is_err());
        assert_eq!(asks("POST", &upgrade("tls/1.3"), &["tls/1.3"]), Ok(Some("tls/1.3".to_owned())));
    }

    #[test]
    fn what_is_not_passed_on_is_not_refused_either() {
        for lines in [
            "",
            "Upgrade: foo\r\n",
            "Connection: upgrade\r\n",
            "Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
            "Connection: upgrade\r\nUpgrade: foo, h2c\r\n",
            "Connection: upgrade\r\nUpgrade: foo\r\nContent-Length: 1\r\n",
        ] {
            assert_eq!(asks("GET", lines, &["websocket"]), Ok(None), "{lines}");
        }
    }

    #[test]
    fn only_101_with_the_one_protocol_and_its_option_switches() {
        for (head, is_switch) in [
            ("101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket", true),
            ("101 \r\nConnection: keep-alive\r\nConnection: x, upgrade\r\nUpgrade: websocket,", true),
            ("101 \r\nUpgrade: websocket", false),
            ("101 \r\nConnection: upgrade", false),
            ("101 \r\nConnection: upgrade\r\nUpgrade: websocket/13", false),
            ("101 \r\nConnection: upgrade\r\nUpgrade: websocket, tls", false),
            ("101 \r\nConnection: upgrade\r\nUpgrade: tls\r\nUpgrade: websocket", false),
            ("200 OK\r\nConnection: upgrade\r\nUpgrade: websocket", false),
            ("100 Continue\r\nConnection: upgrade\r\nUpgrade: websocket", false),
        ] {
            let text = format!("HTTP/1.1 {head}\r\n\r\n");
            let mut answer = AnswerHead::default();
            let read = parse::answer(text.as_bytes(), 0, &LIMITS, false, &mut answer);
            assert_eq!(read, Ok(Progress::Complete), "{text}");
            assert_eq!(switches(&answer, text.as_bytes(), b"websocket"), is_switch, "{text}");
        }
    }
}
