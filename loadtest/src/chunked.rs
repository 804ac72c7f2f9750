//! The chunked transfer coding, read only to know where it ends and how much it carries.

/// Where in a chunked body the next byte falls (RFC 9112 7.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chunks {
    part: Part,
    /// Size of the chunk being read, then what is left of it.
    left: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    /// Hex digits; the flag says whether there was one.
    Size(bool),
    Extension,
    Bytes,
    /// The line end behind a chunk's bytes.
    AfterBytes,
    /// A trailer line; the flag says whether it has a character.
    Trailer(bool),
    End,
}

/// What reading some bytes of a chunked body gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Read {
    /// Bytes taken from the input; fewer than given only when the body ended.
    pub taken: usize,
    /// Bytes of the content among them.
    pub content: u64,
    /// The body is complete.
    pub is_over: bool,
}

impl Default for Chunks {
    fn default() -> Self {
        Self { part: Part::Size(false), left: 0 }
    }
}

impl Chunks {
    /// Reads from the front of `bytes`; `None` when they are no chunked body.
    pub fn read(&mut self, bytes: &[u8]) -> Option<Read> {
        let (mut taken, mut content) = (0, 0);
        while taken < bytes.len() && self.part != Part::End {
            if self.part == Part::Bytes {
                let run = self.left.min((bytes.len() - taken) as u64);
                self.left -= run;
                content += run;
                // It is no more than the length of a slice.
                taken += run as usize;
                if self.left == 0 {
                    self.part = Part::AfterBytes;
                }
                continue;
            }
            self.step(bytes[taken])?;
            taken += 1;
        }
        Some(Read { taken, content, is_over: self.part == Part::End })
    }

    /// One byte of the framing. A bare LF ends a line as CRLF does (RFC 9112 2.2): this side only measures.
    fn step(&mut self, byte: u8) -> Option<()> {
        self.part = match (self.part, byte) {
            (Part::Size(_), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).expect("the pattern has hex digits only");
                self.left = self.left.checked_mul(16)?.checked_add(digit.into())?;
                Part::Size(true)
            }
            (Part::Size(true) | Part::Extension, b'\n') if self.left == 0 => Part::Trailer(false),
            (Part::Size(true) | Part::Extension, b'\n') => Part::Bytes,
            (Part::Size(true) | Part::Extension, _) => Part::Extension,
            (Part::AfterBytes, b'\r') => Part::AfterBytes,
            (Part::AfterBytes, b'\n') => Part::Size(false),
            (Part::Trailer(false), b'\n') => Part::End,
            (Part::Trailer(_), b'\n') => Part::Trailer(false),
            (Part::Trailer(false), b'\r') => Part::Trailer(false),
            (Part::Trailer(_), _) => Part::Trailer(true),
            _ => return None,
        };
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of content, and whether the body ended; `None` when it is none.
    type Measure = Option<(u64, bool)>;

    /// The measure of `body` fed in pieces of `size`.
    fn fed(body: &[u8], size: usize) -> Measure {
        let mut chunks = Chunks::default();
        let mut content = 0;
        for piece in body.chunks(size) {
            let read = chunks.read(piece)?;
            content += read.content;
            if read.is_over {
                return Some((content, true));
            }
        }
        Some((content, false))
    }

    #[test]
    fn a_chunked_body_is_measured_however_it_is_split() {
        let bodies: &[(&[u8], Measure)] = &[
            (b"0\r\n\r\n", Some((0, true))),
            (b"3\r\nabc\r\n0\r\n\r\n", Some((3, true))),
            (b"00A;x=\"y\"\r\n0123456789\r\n1\r\nz\r\n0\r\nname: value\r\n\r\n", Some((11, true))),
            (b"3\r\nabc\r\n0\r\n", Some((3, false))),
            (b"3\r\nab", Some((2, false))),
            (b"3\r\nabcd\r\n0\r\n\r\n", None),
            (b"\r\nabc", None),
            (b"fffffffffffffffff\r\n", None),
            (b"-1\r\n", None),
        ];
        for (body, expected) in bodies {
            for size in 1..=body.len() {
                assert_eq!(fed(body, size), *expected, "{} by {size}", body.escape_ascii());
            }
        }
    }

    #[test]
    fn what_comes_behind_the_end_is_left() {
        let read = Chunks::default().read(b"1\r\na\r\n0\r\n\r\nHTTP/1.1").unwrap();
        assert_eq!(read, Read { taken: 11, content: 1, is_over: true });
    }
}
