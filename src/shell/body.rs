//! Reads a message body out of a stream's bytes, whichever way it is delimited.

use super::buffer::Buffer;
use crate::proto::h1::chunked::{ChunkError, Decoder};
use crate::proto::h1::encode::{CHUNK_END, CHUNK_HEADER_BYTES, LAST_CHUNK, chunk_header};
use crate::proto::head::{AnswerBody, RequestBody};

/// What is still to come of a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Incoming {
    /// Nothing.
    Done,
    /// This many bytes, at least one.
    Length(u64),
    /// Chunks.
    Chunked,
    /// All until the peer closes.
    UntilClose,
}

/// What one look into a buffer found, as ranges of its data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Payload at the front of the data.
    pub payload: usize,
    /// Where data begins that is not of this body any more, or not decoded yet.
    pub consumed: usize,
}

impl Incoming {
    /// True when the whole body was read.
    #[must_use]
    pub fn is_done(self) -> bool {
        self == Self::Done
    }

    /// Takes what `buffer` holds of the body; payload moves to the front of its data.
    ///
    /// # Errors
    /// When the chunked framing is broken.
    pub fn take(&mut self, decoder: &mut Decoder, buffer: &mut Buffer) -> Result<Piece, ChunkError> {
        let length = buffer.len();
        match *self {
            Self::Done => Ok(Piece { payload: 0, consumed: 0 }),
            Self::UntilClose => Ok(Piece { payload: length, consumed: length }),
            Self::Length(left) => {
                let payload = usize::try_from(left).unwrap_or(usize::MAX).min(length);
                let left = left - payload as u64;
                *self = if left == 0 { Self::Done } else { Self::Length(left) };
                Ok(Piece { payload, consumed: payload })
            }
            Self::Chunked => {
                let decoded = decoder.decode(buffer.data_mut())?;
                if decoded.is_done {
                    *self = Self::Done;
                }
                Ok(Piece { payload: decoded.payload, consumed: decoded.consumed })
            }
        }
    }
}

impl From<RequestBody> for Incoming {
    fn from(body: RequestBody) -> Self {
        match body {
            RequestBody::None => Self::Done,
            RequestBody::Length(length) => Self::Length(length),
            RequestBody::Chunked => Self::Chunked,
        }
    }
}

impl From<AnswerBody> for Incoming {
    fn from(body: AnswerBody) -> Self {
        match body {
            AnswerBody::None => Self::Done,
            AnswerBody::Length(length) => Self::Length(length),
            AnswerBody::Chunked => Self::Chunked,
            AnswerBody::UntilClose => Self::UntilClose,
        }
    }
}

/// How payload is framed on its way out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outgoing {
    /// As it is: a length was announced, or the end is the close.
    Plain,
    /// In chunks of our own (RFC 9112 7.1): framing is written anew, never copied.
    Chunked,
}

impl Outgoing {
    /// Frames the data of `buffer`, which is payload, for sending; `is_last` adds the end of the body, with `trailers`
    /// (field lines with CRLF). False when the trailers did not fit; the caller sends [`Outgoing::end`] behind it.
    pub fn frame(self, buffer: &mut Buffer, is_last: bool, trailers: &[u8]) -> bool {
        if self == Self::Plain {
            return true;
        }
        let payload = buffer.len();
        if payload > 0 {
            let mut room = [0; CHUNK_HEADER_BYTES];
            let header = chunk_header(payload as u64, &mut room);
            let is_framed = buffer.prepend(header) && buffer.append(CHUNK_END);
            debug_assert!(is_framed, "head and tail room fit a chunk's frame");
        }
        if !is_last {
            return true;
        }
        let start = buffer.len();
        let fits = buffer.append(LAST_CHUNK) && buffer.append(trailers) && buffer.append(b"\r\n");
        if !fits {
            buffer.truncate(start);
        }
        fits
    }

    /// The end of a body, with its trailers.
    #[must_use]
    pub fn end(trailers: &[u8]) -> Vec<u8> {
        [LAST_CHUNK, trailers, b"\r\n"].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(bytes: &[u8]) -> Buffer {
        let mut buffer = Buffer::with_capacity(4096);
        assert!(buffer.append(bytes));
        buffer
    }

    #[test]
    fn a_length_takes_its_bytes_and_leaves_the_rest() {
        let mut body = Incoming::Length(5);
        let mut decoder = Decoder::default();
        assert_eq!(body.take(&mut decoder, &mut buffer(b"abc")), Ok(Piece { payload: 3, consumed: 3 }));
        assert_eq!(body.take(&mut decoder, &mut buffer(b"deGET /")), Ok(Piece { payload: 2, consumed: 2 }));
        assert!(body.is_done());
    }

    #[test]
    fn a_chunk_is_framed_in_place_and_the_last_one_ends_the_body() {
        let mut piece = buffer(&[b'x'; 300]);
        assert!(Outgoing::Chunked.frame(&mut piece, true, b""));
        let expected = [b"12c\r\n".as_slice(), &[b'x'; 300], b"\r\n0\r\n\r\n"].concat();
        assert_eq!(piece.data(), expected);
    }

    #[test]
    fn trailers_that_do_not_fit_are_left_to_a_message_of_their_own() {
        let mut piece = Buffer::with_capacity(2 * Buffer::HEADROOM + 100);
        assert!(piece.append(&vec![b'x'; piece.room()]));
        assert!(!Outgoing::Chunked.frame(&mut piece, true, &[b't'; 64]));
        assert!(piece.data().ends_with(b"x\r\n"));
        assert_eq!(Outgoing::end(b"a: b\r\n"), b"0\r\na: b\r\n\r\n");
    }
}
