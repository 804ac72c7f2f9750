//! One pass over the field lines of a head: spans, which field each is, which lines end at this hop, and the facts
//! that framing and persistence follow from.
//!
//! httparse has checked names and values by then (no empty name, no space before the colon, no folded line, no
//! control byte). Not here: what the facts add up to (`h1::framing`, `h1::parse`).

use crate::proto::head::{Known, Line, Span};
use crate::words::fault::{Fault, Kind, Stage};
use crate::words::limits::CONNECTION_OPTIONS;

/// What the lines said, unjudged. Counts are of lines; a span is the value of the last line of its field.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Facts {
    pub(super) hosts: u32,
    pub(super) host: Span,
    pub(super) lengths: u32,
    pub(super) length: Span,
    pub(super) codings: u32,
    pub(super) coding: Span,
    /// `Connection: close`.
    pub(super) close: bool,
    /// `Connection: keep-alive`.
    pub(super) keep_alive: bool,
    /// `Connection: upgrade`.
    pub(super) upgrade: bool,
    /// `Upgrade` named a protocol, and none of them was `h2c`.
    pub(super) protocols: bool,
    pub(super) h2c: bool,
    /// `TE: trailers`.
    pub(super) trailers: bool,
    /// `Expect: 100-continue`.
    pub(super) expects_continue: bool,
    /// `Expect` with anything else.
    pub(super) expects_other: bool,
    /// `Connection` options that nominate fields.
    nominations: usize,
}

/// Fills `lines` from what httparse found in `buffer`; the head ends at `end`.
///
/// # Errors
/// `BadRequest`: a bare LF (which httparse lets pass), or `Connection` is malformed or nominates too much.
pub(super) fn collect(
    buffer: &[u8], end: usize, headers: &[httparse::Header<'_>], lines: &mut Vec<Line>,
) -> Result<Facts, Fault> {
    lines.clear();
    let mut is_strict = ends_a_line(buffer, end - 2) && ends_a_line(buffer, end);
    lines.extend(headers.iter().map(|header| {
        let name = span_in(buffer, header.name.as_bytes());
        let known = Known::of(header.name.as_bytes());
        is_strict &= ends_a_line(buffer, name.start as usize);
        Line { name, value: span_in(buffer, header.value), known, hop: known.is_hop() }
    }));
    if !is_strict {
        return Err(bad("a line ends in a bare LF"));
    }
    let mut facts = Facts::default();
    for line in lines.iter().filter(|line| line.known != Known::Other) {
        facts.note(line.known, line.value, buffer)?;
    }
    if facts.nominates() {
        mark_nominated(buffer, lines);
    }
    Ok(facts)
}

/// RFC 9112 2.2 lets a recipient take a bare LF for a line end. We refuse: two parsers that differ in this see
/// different heads. What stands before `at` was a line, and httparse takes CR only before LF.
#[inline]
fn ends_a_line(buffer: &[u8], at: usize) -> bool {
    buffer[..at].ends_with(b"\r\n")
}

/// Where `part`, a slice of `buffer`, lies in it.
#[inline]
pub(super) fn span_in(buffer: &[u8], part: &[u8]) -> Span {
    let start = part.as_ptr() as usize - buffer.as_ptr() as usize;
    Span { start: start as u32, end: (start + part.len()) as u32 }
}

impl Facts {
    /// True when `Connection` nominates a field.
    pub(super) const fn nominates(&self) -> bool {
        self.nominations > 0
    }

    #[inline]
    pub(super) fn note(&mut self, known: Known, span: Span, buffer: &[u8]) -> Result<(), Fault> {
        let value = span.of(buffer);
        match known {
            Known::Host => {
                self.hosts += 1;
                self.host = span;
            }
            Known::ContentLength => {
                self.lengths += 1;
                self.length = span;
            }
            Known::TransferEncoding => {
                self.codings += 1;
                self.coding = span;
            }
            Known::Connection => return self.note_connection(value),
            Known::Te => self.trailers |= members(value).any(|member| member.eq_ignore_ascii_case(b"trailers")),
            Known::Upgrade => {
                self.protocols |= members(value).next().is_some();
                self.h2c |= members(value).any(|member| member.eq_ignore_ascii_case(b"h2c"));
            }
            Known::Expect => {
                let is_continue = value.eq_ignore_ascii_case(b"100-continue");
                self.expects_continue |= is_continue;
                self.expects_other |= !is_continue;
            }
            _ => {}
        }
        Ok(())
    }

    /// RFC 9110 7.6.1: a list of tokens, over several lines if the sender likes.
    fn note_connection(&mut self, value: &[u8]) -> Result<(), Fault> {
        for option in members(value) {
            match ConnectionOption::of(option) {
                ConnectionOption::Close => self.close = true,
                ConnectionOption::KeepAlive => self.keep_alive = true,
                ConnectionOption::Upgrade => self.upgrade = true,
                ConnectionOption::Te => {}
                ConnectionOption::Field if !option.iter().all(|byte| is_token_byte(*byte)) => {
                    return Err(bad("a Connection option is no token"));
                }
                ConnectionOption::Field => self.nominations += 1,
            }
        }
        if self.nominations > CONNECTION_OPTIONS { Err(bad("Connection nominates too many fields")) } else { Ok(()) }
    }
}

/// An option of `Connection`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ConnectionOption {
    Close,
    KeepAlive,
    Upgrade,
    Te,
    /// Nominates the field of this name.
    Field,
}

impl ConnectionOption {
    fn of(option: &[u8]) -> Self {
        match option.len() {
            2 if option.eq_ignore_ascii_case(b"te") => Self::Te,
            5 if option.eq_ignore_ascii_case(b"close") => Self::Close,
            7 if option.eq_ignore_ascii_case(b"upgrade") => Self::Upgrade,
            10 if option.eq_ignore_ascii_case(b"keep-alive") => Self::KeepAlive,
            _ => Self::Field,
        }
    }
}

/// RFC 9110 7.6.1: an intermediary removes every field that `Connection` names. Guarded fields stay: see
/// [`Known::is_guarded`]. The cost is bounded by `CONNECTION_OPTIONS` times the lines.
pub(super) fn mark_nominated(buffer: &[u8], lines: &mut [Line]) {
    for index in 0..lines.len() {
        if lines[index].known != Known::Connection {
            continue;
        }
        let options = members(lines[index].value.of(buffer));
        for option in options.filter(|option| ConnectionOption::of(option) == ConnectionOption::Field) {
            for line in lines.iter_mut().filter(|line| line.name.of(buffer).eq_ignore_ascii_case(option)) {
                line.hop |= !line.known.is_guarded();
            }
        }
    }
}

/// The members of a list (RFC 9110 5.6.1: a recipient ignores empty ones).
pub fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trim).filter(|member| !member.is_empty())
}

/// Without optional white space around it (RFC 9110 5.6.3).
pub fn trim(value: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !is_space(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    &value[start..end]
}

/// `tchar` of RFC 9110 5.6.2.
pub(super) const fn is_token_byte(byte: u8) -> bool {
    TOKEN[byte as usize]
}

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"!#$%&'*+-.^_`|~";
    let mut index = 0;
    while index < others.len() {
        table[others[index] as usize] = true;
        index += 1;
    }
    table
};

const fn bad(detail: &'static str) -> Fault {
    Fault::new(Kind::BadRequest, Stage::ReadHead, detail)
}
