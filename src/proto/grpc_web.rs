//! gRPC-Web, as it lies over gRPC (PROTOCOL-WEB.md of grpc/grpc): other content types, trailers as the last frame of the
//! body, and a text form in base64. Messages themselves are framed as in gRPC and pass untouched.
//!
//! Not here: who speaks it (`shell/h2`), and what CORS has to say.

use super::h1::encode::{BODY_END, CHUNK_END, CHUNK_HEADER_BYTES, chunk_header};

/// How the body is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// `application/grpc-web`: as in gRPC.
    Binary,
    /// `application/grpc-web-text`: in base64, padded wherever the sender likes.
    Text,
}

/// Which gRPC a content type names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `application/grpc`.
    Grpc,
    /// `application/grpc-web` or `application/grpc-web-text`.
    Web(Form),
}

const GRPC: &[u8] = b"application/grpc";
const WEB: &[u8] = b"application/grpc-web";
const WEB_TEXT: &[u8] = b"application/grpc-web-text";

impl Kind {
    /// The kind that a `Content-Type` names, if any.
    #[must_use]
    pub fn of(content_type: &[u8]) -> Option<Self> {
        if content_type.len() < GRPC.len() || !content_type[..GRPC.len()].eq_ignore_ascii_case(GRPC) {
            return None;
        }
        if rest(content_type, WEB_TEXT).is_some() {
            return Some(Self::Web(Form::Text));
        }
        if rest(content_type, WEB).is_some() {
            return Some(Self::Web(Form::Binary));
        }
        rest(content_type, GRPC).map(|_| Self::Grpc)
    }
}

impl Form {
    /// The form that a `Content-Type` names, if it is gRPC-Web.
    #[must_use]
    pub fn of(content_type: &[u8]) -> Option<Self> {
        match Kind::of(content_type) {
            Some(Kind::Web(form)) => Some(form),
            _ => None,
        }
    }

    /// Its content type, without the message's.
    #[must_use]
    pub const fn media(self) -> &'static str {
        match self {
            Self::Binary => "application/grpc-web",
            Self::Text => "application/grpc-web-text",
        }
    }
}

/// What follows `media` in a content type: nothing, `+proto`, parameters; `None` when it is another one.
fn rest<'c>(content_type: &'c [u8], media: &[u8]) -> Option<&'c [u8]> {
    let (head, rest) = content_type.split_at_checked(media.len())?;
    let is_end = matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t'));
    (is_end && head.eq_ignore_ascii_case(media)).then_some(rest)
}

/// The content type that an upstream is told for one of gRPC-Web.
#[must_use]
pub fn to_grpc(content_type: &[u8]) -> Vec<u8> {
    let rest = rest(content_type, WEB_TEXT).or_else(|| rest(content_type, WEB)).unwrap_or_default();
    [GRPC, rest].concat()
}

/// Appends the content type that a client is told for an upstream's.
pub fn write_media(form: Form, content_type: &[u8], out: &mut Vec<u8>) {
    match rest(content_type, GRPC) {
        Some(rest) => {
            out.extend_from_slice(form.media().as_bytes());
            out.extend_from_slice(rest);
        }
        None => out.extend_from_slice(content_type),
    }
}

/// Appends the frame that carries `trailers`, field lines with CRLF.
///
/// # Panics
/// When they are 4 GiB or more, which no bound on heads lets through.
pub fn write_trailers(trailers: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(trailers.len()).expect("trailers are bounded far below 4 GiB");
    out.push(0x80);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(trailers);
}

/// The last chunks of a body that ends with `trailers`, field lines with CRLF: they are part of it.
///
/// # Panics
/// As [`write_trailers`].
#[must_use]
pub fn body_end(form: Form, trailers: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(trailers.len() + 5);
    write_trailers(trailers, &mut frame);
    if form == Form::Text {
        let mut text = vec![0; encoded_length(frame.len())];
        encode(&frame, &mut text);
        frame = text;
    }
    let mut place = [0; CHUNK_HEADER_BYTES];
    let header = chunk_header(frame.len() as u64, &mut place);
    [header, &frame, CHUNK_END, BODY_END].concat()
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The value of each byte of base64, [`NONE`] for others.
const VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut value = 0;
    while value < 64 {
        values[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    values
};

const NONE: u8 = 0xff;

/// Length of `length` bytes in base64.
#[must_use]
pub const fn encoded_length(length: usize) -> usize {
    length.div_ceil(3) * 4
}

/// Writes `bytes` in base64 to the front of `out`, padded, and says how long that is.
///
/// # Panics
/// When `out` is shorter than [`encoded_length`].
pub fn encode(bytes: &[u8], out: &mut [u8]) -> usize {
    let length = encoded_length(bytes.len());
    for (group, four) in bytes.chunks(3).zip(out[..length].chunks_mut(4)) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for (position, byte) in four.iter_mut().enumerate() {
            let digit = (bits >> (18 - 6 * position)) & 63;
            *byte = if position > group.len() { b'=' } else { ALPHABET[digit as usize] };
        }
    }
    length
}

/// Reads base64 that comes in pieces, padded anywhere between two groups of four.
#[derive(Clone, Copy, Default, Debug)]
pub struct Decoder {
    bits: u32,
    digits: u8,
    padding: u8,
}

/// What is no base64.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotBase64;

impl Decoder {
    /// Appends what `text` stands for to `out`: three bytes for four.
    ///
    /// # Errors
    /// When it is no base64.
    pub fn decode(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), NotBase64> {
        for byte in text {
            let value = VALUES[usize::from(*byte)];
            match (*byte, self.padding) {
                (b'=', _) if self.digits + self.padding >= 2 => self.padding += 1,
                (_, 0) if value != NONE => {
                    self.bits = self.bits << 6 | u32::from(value);
                    self.digits += 1;
                }
                _ => return Err(NotBase64),
            }
            if self.digits + self.padding == 4 {
                self.end_group(out)?;
            }
        }
        Ok(())
    }

    /// True where the text may end.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.digits == 0 && self.padding == 0
    }

    fn end_group(&mut self, out: &mut Vec<u8>) -> Result<(), NotBase64> {
        let bits = self.bits << (6 * u32::from(self.padding));
        let [_, bytes @ ..] = bits.to_be_bytes();
        let (kept, unused) = bytes.split_at(3 - usize::from(self.padding));
        // RFC 4648 3.5: bits that stand for nothing are zero, or one text would have several spellings.
        if unused.iter().any(|byte| *byte != 0) {
            return Err(NotBase64);
        }
        out.extend_from_slice(kept);
        *self = Self::default();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_are_told_apart_and_mapped_both_ways() {
        for (given, kind, grpc) in [
            ("application/grpc", Some(Kind::Grpc), ""),
            ("Application/GRPC+proto; a=b", Some(Kind::Grpc), ""),
            ("application/grpc-web", Some(Kind::Web(Form::Binary)), "application/grpc"),
            ("application/grpc-web+proto", Some(Kind::Web(Form::Binary)), "application/grpc+proto"),
            ("application/grpc-web; a=b", Some(Kind::Web(Form::Binary)), "application/grpc; a=b"),
            ("APPLICATION/grpc-web-text", Some(Kind::Web(Form::Text)), "application/grpc"),
            ("application/grpc-web-text+json", Some(Kind::Web(Form::Text)), "application/grpc+json"),
            ("application/grpc-webs", None, ""),
            ("application/grpcs", None, ""),
            ("application/json", None, ""),
            ("", None, ""),
        ] {
            assert_eq!(Kind::of(given.as_bytes()), kind, "{given}");
            if let Some(Kind::Web(form)) = kind {
                assert_eq!(to_grpc(given.as_bytes()), grpc.as_bytes());
                let mut back = Vec::new();
                write_media(form, grpc.as_bytes(), &mut back);
                assert!(given.as_bytes().eq_ignore_ascii_case(&back), "{given}");
            }
        }
        let mut other = Vec::new();
        write_media(Form::Text, b"text/html", &mut other);
        assert_eq!(other, b"text/html");
    }

    #[test]
    fn trailers_become_a_frame() {
        let mut frame = b"before".to_vec();
        write_trailers(b"grpc-status: 0\r\n", &mut frame);
        assert_eq!(frame, b"before\x80\0\0\0\x10grpc-status: 0\r\n");
    }

    fn encoded(bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![0; encoded_length(bytes.len()) + 5];
        let length = encode(bytes, &mut out);
        out.truncate(length);
        out
    }

    #[test]
    fn base64_is_written_as_rfc_4648_has_it() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encoded(plain.as_bytes()), text.as_bytes());
        }
        assert_eq!(encoded(&[0xff, 0xfe, 0xfd, 0xfb]), b"//79+w==");
    }

    #[test]
    fn every_prefix_and_split_of_padded_pieces_reads_the_same() {
        let pieces: [&[u8]; 4] = [b"\x00\x00\x00\x00\x02hi", b"", b"\xff", b"end"];
        let plain = pieces.concat();
        let text = pieces.map(encoded).concat();
        for split in 0..=text.len() {
            let (mut decoder, mut out) = (Decoder::default(), Vec::new());
            decoder.decode(&text[..split], &mut out).unwrap();
            assert!(plain.starts_with(&out), "{split}");
            assert_eq!(decoder.is_whole(), split % 4 == 0, "{split}");
            decoder.decode(&text[split..], &mut out).unwrap();
            assert!(decoder.is_whole() && out == plain, "{split}");
        }
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for wrong in ["=", "a=", "a===", "ab=c", "ab==c===", "a b=", "ab\r\n", "ab-_", "Zh==", "Zm9=", "===="] {
            let read = Decoder::default().decode(wrong.as_bytes(), &mut Vec::new());
            assert_eq!(read, Err(NotBase64), "{wrong:?}");
        }
        let mut cut = Decoder::default();
        assert!(cut.decode(b"Zm9vY", &mut Vec::new()).is_ok() && !cut.is_whole());
    }
}
