//! How a body is delimited (RFC 9112 6). One spelling for each fact: whatever another parser might read differently
//! is refused, for an intermediary that "repairs" framing is how smuggling starts.

use super::fields::{Facts, is_token_byte, trim};
use crate::proto::head::{AnswerBody, RequestBody, Version};
use crate::words::fault::{Fault, Kind, Stage};

/// What the framing fields declare.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Declared {
    /// Neither field.
    Nothing,
    /// `Content-Length`.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

impl Declared {
    /// Judges the framing fields of a head; requests and answers have the same rules.
    ///
    /// # Errors
    /// `BadFraming`, or `NotImplemented` for a coding that is not known.
    pub(super) fn of(facts: &Facts, version: Version, buffer: &[u8]) -> Result<Self, Fault> {
        match (facts.lengths, facts.codings) {
            (0, 0) => Ok(Self::Nothing),
            (1, 0) => length(facts.length.of(buffer)).map(Self::Length),
            // RFC 9112 6.3 asks for this even where the repeated values agree; it allows to merge them, we do not.
            (_, 0) => Err(bad("Content-Length is repeated")),
            // RFC 9112 6.1: a server that takes such a message must close after it; we do not take it at all.
            (1.., _) => Err(bad("both Content-Length and Transfer-Encoding")),
            // RFC 9112 6.1: a 1.0 message with Transfer-Encoding has faulty framing.
            (0, _) if version == Version::Http10 => Err(bad("Transfer-Encoding in HTTP/1.0")),
            (0, 1) => coding(facts.coding.of(buffer)),
            (0, _) => Err(bad("Transfer-Encoding is repeated")),
        }
    }

    /// The length as `Content-Length` said it.
    pub(super) const fn length(self) -> Option<u64> {
        match self {
            Self::Length(length) => Some(length),
            _ => None,
        }
    }

    /// A request without either field has no body, whatever its method (RFC 9112 6.3, 7).
    pub(super) const fn of_request(self) -> RequestBody {
        match self {
            Self::Nothing | Self::Length(0) => RequestBody::None,
            Self::Length(length) => RequestBody::Length(length),
            Self::Chunked => RequestBody::Chunked,
        }
    }

    /// RFC 9112 6.3, 1 to 8. RFC 9110 8.6 and RFC 9112 6.1 forbid both fields in 1xx and 204: a coding or a length
    /// promises bytes that another reader would wait for, so it is refused; `Content-Length: 0` promises none and
    /// many origins send it with 204, so it passes (and is not forwarded: no `Content-Length` line is).
    ///
    /// # Errors
    /// `BadFraming`.
    pub(super) fn of_answer(self, status: u16, to_head: bool) -> Result<AnswerBody, Fault> {
        if (status < 200 || status == 204) && !matches!(self, Self::Nothing | Self::Length(0)) {
            return Err(bad("a body is declared where the status forbids one"));
        }
        if to_head || status < 200 || status == 204 || status == 304 {
            return Ok(AnswerBody::None);
        }
        Ok(match self {
            Self::Nothing => AnswerBody::UntilClose,
            Self::Length(0) => AnswerBody::None,
            Self::Length(length) => AnswerBody::Length(length),
            Self::Chunked => AnswerBody::Chunked,
        })
    }
}

/// 1 to 19 digits: the most that cannot overflow 64 bits. No sign, no inner space, no list, no hex.
fn length(value: &[u8]) -> Result<u64, Fault> {
    if !(1..=19).contains(&value.len()) || !value.iter().all(u8::is_ascii_digit) {
        return Err(bad("Content-Length is not 1 to 19 digits"));
    }
    Ok(value.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// Exactly one `chunked`. RFC 9112 6.1: a coding that is not understood is 501, provided that the rest makes sense:
/// `gzip, chunked` and `gzip` do (the latter in an answer), `chunked, gzip` and `chunked, chunked` do not.
fn coding(value: &[u8]) -> Result<Declared, Fault> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(Declared::Chunked);
    }
    let mut earlier = value.split(|byte| *byte == b',').map(trim);
    let last = earlier.next_back().unwrap_or_default();
    let is_coding = |coding: &[u8]| !coding.is_empty() && coding.iter().all(|byte| is_token_byte(*byte));
    let is_unknown = |coding: &[u8]| is_coding(coding) && !coding.eq_ignore_ascii_case(b"chunked");
    if is_coding(last) && earlier.all(is_unknown) {
        return Err(Fault::new(Kind::NotImplemented, Stage::ReadHead, "a transfer coding other than chunked"));
    }
    Err(bad("Transfer-Encoding is malformed"))
}

const fn bad(detail: &'static str) -> Fault {
    Fault::new(Kind::BadFraming, Stage::ReadHead, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_one_to_nineteen_digits() {
        assert_eq!(length(b"0"), Ok(0));
        assert_eq!(length(b"9999999999999999999"), Ok(9_999_999_999_999_999_999));
        assert_eq!(length(b"0000000000000000042"), Ok(42));
        for wrong in ["", "+1", "-1", "1 2", "1,1", "0x1", "1.0", "1e3", "00000000000000000042", "\u{664}", "1\t"] {
            assert_eq!(length(wrong.as_bytes()).map_err(|fault| fault.kind), Err(Kind::BadFraming), "{wrong:?}");
        }
    }

    #[test]
    fn a_coding_is_chunked_or_unknown_or_nonsense() {
        assert_eq!(coding(b"Chunked"), Ok(Declared::Chunked));
        for unknown in ["identity", "gzip", "xchunked", "gzip, chunked", "x,y , chunked", "chunke"] {
            assert_eq!(
                coding(unknown.as_bytes()).map_err(|fault| fault.kind),
                Err(Kind::NotImplemented),
                "{unknown:?}"
            );
        }
        for wrong in
            ["", ",", ",chunked", "chunked,", "chunked, chunked", "chunked, gzip", "chunked;a=b", "\"chunked\"", "a b"]
        {
            assert_eq!(coding(wrong.as_bytes()).map_err(|fault| fault.kind), Err(Kind::BadFraming), "{wrong:?}");
        }
    }

    #[test]
    fn an_answer_without_content_may_declare_zero_at_most() {
        for status in [100, 101, 103, 204] {
            assert_eq!(Declared::Length(0).of_answer(status, false), Ok(AnswerBody::None));
            assert!(Declared::Length(1).of_answer(status, false).is_err());
            assert!(Declared::Chunked.of_answer(status, true).is_err());
        }
        assert_eq!(Declared::Length(7).of_answer(304, false), Ok(AnswerBody::None));
        assert_eq!(Declared::Chunked.of_answer(200, true), Ok(AnswerBody::None));
        assert_eq!(Declared::Nothing.of_answer(200, false), Ok(AnswerBody::UntilClose));
    }
}
