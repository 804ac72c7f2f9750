//! Reads chunked bodies (RFC 9112 7.1) strictly, in place.
//!
//! Sizes are 1 to 16 hex digits, line ends are CRLF and nothing else, extensions are bounded and dropped, trailers are
//! checked line by line. Framing is never passed on: whoever forwards the payload writes chunks of its own.
//! Not here: limits of the payload and the choice of status (400 for a client, 502 for an upstream).

use memchr::{memchr, memchr2};

use super::fields::{is_token_byte, trim};
use crate::proto::head::Known;
use crate::words::limits::{CHUNK_EXTENSION_BYTES, CHUNK_EXTENSIONS_TOTAL_BYTES, TRAILER_BYTES, TRAILERS};

/// What one call found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decoded {
    /// Bytes of input that were used up.
    pub consumed: usize,
    /// Bytes of payload, moved to the front of the input.
    pub payload: usize,
    /// The last chunk and its trailer section were read.
    pub is_done: bool,
}

/// Why a body is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChunkError(pub &'static str);

/// The state of one chunked body.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    /// The trailer section, checked: field lines with CRLF, without the empty line. Whole once `is_done`. Fields that
    /// a trailer section must not have (RFC 9110 6.5.1) are left out: see [`Decoder::decode`].
    pub trailers: Vec<u8>,
    state: State,
    /// Extension bytes of the chunk at hand, and of all chunks.
    extension_bytes: usize,
    extensions_bytes: usize,
    /// Trailer bytes and lines that came, dropped ones included.
    trailer_bytes: usize,
    trailer_lines: usize,
    /// Where the trailer line at hand begins in `trailers`.
    line_start: usize,
}

/// What is expected next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// A digit of the size, or what ends the size; so many digits have come.
    Size { value: u64, digits: u8 },
    /// The rest of the extensions.
    Extension { size: u64 },
    /// The LF of the size line.
    SizeLineFeed { size: u64 },
    /// So many bytes of payload, at least one.
    Data { left: u64 },
    /// CR behind the payload.
    DataReturn,
    /// LF behind the payload.
    DataLineFeed,
    /// The trailer section.
    Trailer,
    /// Nothing.
    Done,
}

impl Default for State {
    fn default() -> Self {
        Self::Size { value: 0, digits: 0 }
    }
}

impl Decoder {
    /// Makes ready for another body; keeps its memory.
    pub fn reset(&mut self) {
        let mut trailers = std::mem::take(&mut self.trailers);
        trailers.clear();
        *self = Self { trailers, ..Self::default() };
    }

    /// Decodes what is in `input`: moves payload bytes to its front, one behind the other. Input that lies within one
    /// chunk is not moved at all. Bytes behind the end of the body are not consumed.
    ///
    /// Trailer fields that RFC 9110 6.5.1 forbids are dropped, not refused (6.5.2 lets an intermediary drop them):
    /// framing, routing, authentication, request modifiers, content processing, connection-specific fields, and all
    /// that Ringway guards in a header section. So no trailer can stand for a header that was checked.
    ///
    /// # Errors
    /// What is wrong with the framing. The body is lost and its connection with it.
    pub fn decode(&mut self, input: &mut [u8]) -> Result<Decoded, ChunkError> {
        let mut read = 0;
        let mut written = 0;
        while read < input.len() && self.state != State::Done {
            if let State::Data { left } = self.state {
                let count = (input.len() - read).min(usize::try_from(left).unwrap_or(usize::MAX));
                if read != written {
                    input.copy_within(read..read + count, written);
                }
                read += count;
                written += count;
                let left = left - count as u64;
                self.state = if left == 0 { State::DataReturn } else { State::Data { left } };
            } else {
                read += self.read_framing(&input[read..])?;
            }
        }
        Ok(Decoded { consumed: read, payload: written, is_done: self.state == State::Done })
    }

    /// Reads at least one byte of `input`, which has one, and says how many.
    fn read_framing(&mut self, input: &[u8]) -> Result<usize, ChunkError> {
        match self.state {
            State::Size { value, digits } => return self.read_size(input, value, digits),
            State::Extension { size } => return self.read_extension(input, size),
            State::Trailer => return self.read_trailer(input),
            State::SizeLineFeed { size } => {
                expect(input[0], b'\n', "a chunk size is not followed by CRLF")?;
                self.state = if size == 0 { State::Trailer } else { State::Data { left: size } };
            }
            State::DataReturn => {
                expect(input[0], b'\r', "a chunk is not followed by CRLF")?;
                self.state = State::DataLineFeed;
            }
            State::DataLineFeed => {
                expect(input[0], b'\n', "a chunk is not followed by CRLF")?;
                self.state = State::default();
            }
            State::Data { .. } | State::Done => unreachable!("the caller's loop deals with both"),
        }
        Ok(1)
    }

    /// 16 hex digits are 64 bits: no more can come, so nothing can overflow.
    fn read_size(&mut self, input: &[u8], mut value: u64, mut digits: u8) -> Result<usize, ChunkError> {
        for (index, byte) in input.iter().enumerate() {
            if let Some(digit) = char::from(*byte).to_digit(16) {
                if digits == 16 {
                    return Err(ChunkError("a chunk size has more than 16 digits"));
                }
                value = value << 4 | u64::from(digit);
                digits += 1;
                continue;
            }
            self.state = match byte {
                _ if digits == 0 => return Err(ChunkError("a chunk size is missing")),
                b'\r' => State::SizeLineFeed { size: value },
                // RFC 9112 7.1.1 has white space before `;` as "bad": nobody sends it but attackers.
                b';' => State::Extension { size: value },
                _ => return Err(ChunkError("a chunk size is not hexadecimal")),
            };
            self.extension_bytes = 0;
            return Ok(index + 1);
        }
        self.state = State::Size { value, digits };
        Ok(input.len())
    }

    /// Drops extensions up to CR. They may hold anything but control bytes; above all no LF, which lenient readers
    /// take for the end of the line.
    fn read_extension(&mut self, input: &[u8], size: u64) -> Result<usize, ChunkError> {
        let length = memchr2(b'\r', b'\n', input).unwrap_or(input.len());
        self.extension_bytes += length;
        self.extensions_bytes += length;
        if self.extension_bytes > CHUNK_EXTENSION_BYTES || self.extensions_bytes > CHUNK_EXTENSIONS_TOTAL_BYTES {
            return Err(ChunkError("chunk extensions are too long"));
        }
        if !input[..length].iter().all(|byte| is_value_byte(*byte)) {
            return Err(ChunkError("a chunk extension has a control character"));
        }
        match input.get(length) {
            None => return Ok(length),
            Some(b'\r') => self.state = State::SizeLineFeed { size },
            Some(_) => return Err(ChunkError("a chunk size is not followed by CRLF")),
        }
        Ok(length + 1)
    }

    /// Takes one line of the trailer section, or the part of it that is there.
    fn read_trailer(&mut self, input: &[u8]) -> Result<usize, ChunkError> {
        let line_feed = memchr(b'\n', input);
        let length = line_feed.map_or(input.len(), |at| at + 1);
        self.trailer_bytes += length;
        if self.trailer_bytes > TRAILER_BYTES {
            return Err(ChunkError("the trailer section is too long"));
        }
        self.trailers.extend_from_slice(&input[..length]);
        if line_feed.is_some() {
            self.end_trailer_line()?;
        }
        Ok(length)
    }

    fn end_trailer_line(&mut self) -> Result<(), ChunkError> {
        let line = self.trailers[self.line_start..].strip_suffix(b"\r\n");
        let line = line.ok_or(ChunkError("a trailer line ends in a bare LF"))?;
        let is_last = line.is_empty();
        if is_last || !is_trailer_allowed(trailer_name(line)?) {
            self.trailers.truncate(self.line_start);
        }
        if is_last {
            self.state = State::Done;
            return Ok(());
        }
        self.trailer_lines += 1;
        if self.trailer_lines > TRAILERS {
            return Err(ChunkError("too many trailer fields"));
        }
        self.line_start = self.trailers.len();
        Ok(())
    }
}

fn expect(byte: u8, wanted: u8, detail: &'static str) -> Result<(), ChunkError> {
    if byte == wanted { Ok(()) } else { Err(ChunkError(detail)) }
}

/// The name of a trailer line, after a check of the whole line.
fn trailer_name(line: &[u8]) -> Result<&[u8], ChunkError> {
    let colon = memchr(b':', line).ok_or(ChunkError("a trailer line has no colon"))?;
    let (name, value) = line.split_at(colon);
    if name.is_empty() || !name.iter().all(|byte| is_token_byte(*byte)) {
        return Err(ChunkError("a trailer's name is no token, or the line is folded"));
    }
    if !trim(&value[1..]).iter().all(|byte| is_value_byte(*byte)) {
        return Err(ChunkError("a trailer's value has a control character"));
    }
    Ok(name)
}

/// Field values and extensions: visible characters, space, tab, and what is beyond ASCII (RFC 9110 5.5).
const fn is_value_byte(byte: u8) -> bool {
    byte >= b' ' && byte != 0x7f || byte == b'\t'
}

/// RFC 9110 6.5.1. Fields that `Known` has are all of the forbidden kinds, but for a few that merely describe.
fn is_trailer_allowed(name: &[u8]) -> bool {
    match Known::of(name) {
        Known::Other => !FORBIDDEN.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden.as_bytes())),
        Known::Date | Known::Server | Known::Traceparent | Known::Tracestate => true,
        _ => false,
    }
}

/// Fields beyond [`Known`] that mean something else, or something dangerous, once a body was read.
const FORBIDDEN: [&str; 25] = [
    "age",
    "authentication-info",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-range",
    "cookie",
    "expires",
    "http2-settings",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "location",
    "pragma",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "range",
    "retry-after",
    "set-cookie",
    "vary",
    "warning",
    "www-authenticate",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Payload, trailers and how many bytes were left over.
    type Body = (Vec<u8>, Vec<u8>, usize);

    /// Decodes `wire`, given in pieces of `step` bytes.
    fn decode_by(wire: &[u8], step: usize) -> Result<Option<Body>, ChunkError> {
        let mut decoder = Decoder::default();
        let mut payload = Vec::new();
        let mut used = 0;
        for piece in wire.chunks(step) {
            let mut piece = piece.to_vec();
            let decoded = decoder.decode(&mut piece)?;
            payload.extend_from_slice(&piece[..decoded.payload]);
            used += decoded.consumed;
            if decoded.is_done {
                return Ok(Some((payload, decoder.trailers, wire.len() - used)));
            }
            assert_eq!(decoded.consumed, piece.len(), "an unfinished body takes all there is");
        }
        Ok(None)
    }

    const GOOD: &[u8] = b"4;name=value;x=\"a b\"\r\nWiki\r\n006\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n\
        0;last\r\nExpires: never\r\nX-Sum:  1\r\nhost: evil\r\nX_Forwarded_For: 1\r\nEmpty:\r\n\r\nGET /";

    #[test]
    fn a_body_decodes_the_same_in_pieces_of_any_size() {
        for step in 1..=GOOD.len() {
            let (payload, trailers, left) = decode_by(GOOD, step).unwrap().unwrap();
            assert_eq!(payload, b"Wikipedia in \r\n\r\nchunks.");
            assert_eq!(trailers, b"X-Sum:  1\r\nEmpty:\r\n", "{step}");
            assert_eq!(left, 5, "by {step}");
        }
        let mut whole = GOOD.to_vec();
        let decoded = Decoder::default().decode(&mut whole).unwrap();
        assert_eq!(&GOOD[decoded.consumed..], b"GET /");
    }

    #[test]
    fn every_split_in_two_decodes_the_same() {
        for split in 0..GOOD.len() {
            let mut decoder = Decoder::default();
            let (mut front, mut back) = (GOOD[..split].to_vec(), GOOD[split..].to_vec());
            let first = decoder.decode(&mut front).unwrap();
            let second = decoder.decode(&mut back).unwrap();
            let payload = [&front[..first.payload], &back[..second.payload]].concat();
            assert_eq!(payload, b"Wikipedia in \r\n\r\nchunks.", "{split}");
            assert!(second.is_done && first.consumed + second.consumed == GOOD.len() - 5);
        }
    }

    #[test]
    fn no_prefix_is_complete() {
        for length in 0..GOOD.len() - 5 {
            assert_eq!(decode_by(&GOOD[..length], 7), Ok(None), "{length}");
        }
    }

    #[test]
    fn what_breaks_the_grammar_is_refused_in_pieces_of_any_size() {
        for bad in [
            "\r\n",
            ";a\r\n",
            "x\r\n",
            " 1\r\na\r\n",
            "1 \r\na\r\n",
            "1 ;a\r\na",
            "+1\r\na",
            "-1\r\n",
            "0x1\r\na",
            "1\na\r\n",
            "1\r\r\na",
            "1\rXa",
            "1;a\n",
            "1;a\rb\r\n",
            "1;\0\r\n",
            "1;\x7f\r\n",
            "1\r\nab\r\n",
            "1\r\na\n",
            "1\r\na\rX",
            "1\r\n\r\n\r\n0",
            "00000000000000001\r\n",
            "fffffffffffffffff\r\n",
            "0\r\nX: 1\n\r\n",
            "0\r\n\n",
            "0\r\n: a\r\n",
            "0\r\nX : a\r\n",
            "0\r\nX\r\n",
            "0\r\n X: a\r\n",
            "0\r\nX: a\r\n b\r\n",
            "0\r\nX: \0\r\n",
            "0\r\nX: a\rb\r\n",
            "0\nX",
            "1,1\r\n",
            "1\t\r\n",
            "\u{b2}\r\n",
        ] {
            for step in 1..=bad.len() {
                assert!(decode_by(bad.as_bytes(), step).is_err(), "{bad:?} by {step}");
            }
        }
    }

    #[test]
    fn the_largest_size_is_no_overflow() {
        let mut wire = b"ffffffffffffffff\r\nabc".to_vec();
        let mut decoder = Decoder::default();
        let decoded = decoder.decode(&mut wire).unwrap();
        assert_eq!((decoded.payload, decoded.is_done), (3, false));
        assert_eq!(decoder.state, State::Data { left: u64::MAX - 3 });
    }

    #[test]
    fn extensions_are_bounded_for_a_chunk_and_for_a_body() {
        let chunk = |extension: usize| format!("1;{}\r\na\r\n", "e".repeat(extension)).into_bytes();
        assert!(decode_by(&chunk(CHUNK_EXTENSION_BYTES), 3).is_ok());
        assert!(decode_by(&chunk(CHUNK_EXTENSION_BYTES + 1), 3).is_err());
        let most = CHUNK_EXTENSIONS_TOTAL_BYTES / CHUNK_EXTENSION_BYTES;
        assert!(decode_by(&chunk(CHUNK_EXTENSION_BYTES).repeat(most), 100).is_ok());
        assert!(decode_by(&chunk(CHUNK_EXTENSION_BYTES).repeat(most + 1), 100).is_err());
    }

    #[test]
    fn trailers_are_bounded_even_when_they_are_dropped() {
        let lines = |line: &str, count: usize| format!("0\r\n{}\r\n", line.repeat(count)).into_bytes();
        assert!(decode_by(&lines("A: b\r\n", TRAILERS), 5).unwrap().is_some());
        assert!(decode_by(&lines("A: b\r\n", TRAILERS + 1), 5).is_err());
        assert!(decode_by(&lines("Host: b\r\n", TRAILERS + 1), 5).is_err());
        assert!(decode_by(format!("0\r\nA: {}", "b".repeat(TRAILER_BYTES)).as_bytes(), 1_000).is_err());
    }

    #[test]
    fn input_within_one_chunk_stays_where_it_is_and_a_reset_decoder_begins_anew() {
        let mut decoder = Decoder::default();
        decoder.decode(&mut b"ff\r\n".to_vec()).unwrap();
        let mut middle = *b"payload";
        let decoded = decoder.decode(&mut middle).unwrap();
        assert_eq!((decoded.consumed, decoded.payload, &middle), (7, 7, b"payload"));
        decoder.reset();
        assert!(decoder.decode(&mut b"0\r\nA: b\r\n\r\n".to_vec()).unwrap().is_done);
        assert_eq!(decoder.decode(&mut b"more".to_vec()).unwrap(), Decoded { consumed: 0, payload: 0, is_done: true });
        decoder.reset();
        assert_eq!(decoder.trailers, b"");
    }
}
