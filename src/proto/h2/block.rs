//! Field blocks (RFC 7541) as they lie in their frames: why one was refused, and whether trailers have pseudo-fields.
//!
//! `h2` decodes them, and says PROTOCOL_ERROR for whatever it does not like in one. Which of two codes is right can be
//! told afterwards from the octets alone. Nothing here runs for a request that is served.

use super::{Head, Reason, flag, huffman, kind};

/// The last index of the static table (RFC 7541 Appendix A), and the last of a pseudo-field in it.
const STATIC: u64 = 61;
const STATIC_PSEUDO: u64 = 14;
/// The size of a table that nobody made larger (RFC 7541 6.3).
const TABLE_BYTES: u64 = 4_096;

/// What is wrong with a block.
enum Flaw {
    /// It is no field block.
    Broken,
    /// A field that must not be sent.
    Field,
}

/// Why `h2` refused one of these blocks, given as frames; `None` when the reason is not in them.
#[must_use]
pub fn refusal(frames: &[u8]) -> Option<Reason> {
    let mut names_the_table = false;
    for block in blocks(frames) {
        let mut walk = Walk { rest: &block, fields: 0, names_the_table: false };
        loop {
            match walk.next() {
                Err(Flaw::Broken) => return Some(Reason::Compression),
                Err(Flaw::Field) => return Some(Reason::Protocol),
                Ok(None) => break,
                Ok(Some(_)) => {}
            }
        }
        names_the_table |= walk.names_the_table;
    }
    // All that stands there is good; what is left is an index of which only `h2` knows whether something is there.
    names_the_table.then_some(Reason::Compression)
}

/// True when the first block in these frames has a pseudo-field, those that only the dynamic table names aside: `h2`
/// drops them from trailers, so they reach nobody.
#[must_use]
pub fn has_pseudo(frames: &[u8]) -> bool {
    let Some(block) = blocks(frames).into_iter().next() else { return false };
    let mut walk = Walk { rest: &block, fields: 0, names_the_table: false };
    while let Ok(Some(is_pseudo)) = walk.next() {
        if is_pseudo {
            return true;
        }
    }
    false
}

/// The complete blocks in `frames`, without padding and priorities.
fn blocks(mut frames: &[u8]) -> Vec<Vec<u8>> {
    let (mut blocks, mut block) = (Vec::new(), Vec::new());
    while let Some((head, rest)) = frames.split_first_chunk() {
        let head = Head::parse(*head);
        let Some((mut payload, rest)) = rest.split_at_checked(head.length as usize) else { break };
        frames = rest;
        if head.kind == kind::HEADERS {
            if let Some((pad, rest)) = payload.split_first().filter(|_| head.has(flag::PADDED)) {
                payload = &rest[..rest.len().saturating_sub(usize::from(*pad))];
            }
            payload = if head.has(flag::PRIORITY) { payload.get(5..).unwrap_or_default() } else { payload };
        }
        block.extend_from_slice(payload);
        if head.has(flag::END_HEADERS) {
            blocks.push(std::mem::take(&mut block));
        }
    }
    blocks
}

/// On its way through a block.
struct Walk<'b> {
    rest: &'b [u8],
    fields: usize,
    /// Something was taken from the dynamic table.
    names_the_table: bool,
}

impl Walk<'_> {
    /// Passes one representation, and says whether it is a pseudo-field; `None` at the end.
    fn next(&mut self) -> Result<Option<bool>, Flaw> {
        let Some(first) = self.rest.first().copied() else { return Ok(None) };
        if first & 0xe0 == 0x20 {
            // RFC 7541 4.2: before all fields.
            let size = self.integer(5)?;
            return if size > TABLE_BYTES || self.fields > 0 { Err(Flaw::Broken) } else { Ok(Some(false)) };
        }
        self.fields += 1;
        if first & 0x80 != 0 {
            let index = self.integer(7)?;
            return if index == 0 { Err(Flaw::Broken) } else { Ok(Some(self.is_pseudo(index))) };
        }
        let index = self.integer(if first & 0x40 != 0 { 6 } else { 4 })?;
        let name = if index == 0 { Some(self.string()?) } else { None };
        let value = self.string()?;
        let is_pseudo = name.as_ref().map_or_else(|| self.is_pseudo(index), |name| name.starts_with(b":"));
        // A pseudo-field stands in the first line of a request.
        let is_value = value.iter().all(|byte| if is_pseudo { byte.is_ascii_graphic() } else { is_text(*byte) });
        let is_good = is_value && name.is_none_or(|name| is_name(&name));
        if is_good { Ok(Some(is_pseudo)) } else { Err(Flaw::Field) }
    }

    fn is_pseudo(&mut self, index: u64) -> bool {
        self.names_the_table |= index > STATIC;
        index <= STATIC_PSEUDO
    }

    /// RFC 7541 5.1. Five octets are what `h2` reads of a number.
    fn integer(&mut self, bits: u32) -> Result<u64, Flaw> {
        let full = (1 << bits) - 1;
        let mut value = u64::from(self.octet()?) & full;
        if value < full {
            return Ok(value);
        }
        for shift in (0..28).step_by(7) {
            let octet = self.octet()?;
            value += u64::from(octet & 0x7f) << shift;
            if octet & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Flaw::Broken)
    }

    fn octet(&mut self) -> Result<u8, Flaw> {
        let (first, rest) = self.rest.split_first().ok_or(Flaw::Broken)?;
        self.rest = rest;
        Ok(*first)
    }

    /// RFC 7541 5.2.
    fn string(&mut self) -> Result<Vec<u8>, Flaw> {
        let is_coded = self.rest.first().is_some_and(|first| first & 0x80 != 0);
        let length = self.integer(7)?;
        let at = usize::try_from(length).map_err(|_| Flaw::Broken)?;
        let (text, rest) = self.rest.split_at_checked(at).ok_or(Flaw::Broken)?;
        self.rest = rest;
        if is_coded { huffman::decode(text).ok_or(Flaw::Broken) } else { Ok(text.to_vec()) }
    }
}

/// RFC 9113 8.2.1 and 8.3.
fn is_name(name: &[u8]) -> bool {
    const PSEUDO: [&[u8]; 6] = [b":authority", b":method", b":path", b":protocol", b":scheme", b":status"];
    let is_good = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(byte);
    PSEUDO.contains(&name) || (!name.is_empty() && name.iter().all(is_good))
}

/// RFC 9113 8.2.1.
const fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags, 0, 0, 0, 1]);
        frame.extend(payload);
        frame
    }

    fn whole(block: &[u8]) -> Vec<u8> {
        frame(kind::HEADERS, flag::END_HEADERS, block)
    }

    #[test]
    fn a_refusal_has_its_reason() {
        let cases: &[(&[u8], Option<Reason>)] = &[
            (b"\x82\x86\x84", None),
            (b"\x80", Some(Reason::Compression)),
            (b"\xff\xff\xff\xff\xff\xff", Some(Reason::Compression)),
            (b"\x82\x20", Some(Reason::Compression)),
            (b"\x3f\xe2\x1f", Some(Reason::Compression)),
            (b"\x20\x3f\xe1\x1f\x82", None),
            (b"\x00\x01x\x05v", Some(Reason::Compression)),
            (b"\x00\x01x\x81\xff", Some(Reason::Compression)),
            (b"\x00\x01x\x01v", None),
            (b"\x00\x01X\x01v", Some(Reason::Protocol)),
            (b"\x00\x00\x01v", Some(Reason::Protocol)),
            (b"\x00\x04:new\x01v", Some(Reason::Protocol)),
            (b"\x00\x05:path\x01/", None),
            (b"\x00\x01x\x01\0", Some(Reason::Protocol)),
            (b"\x00\x01x\x02v\n", Some(Reason::Protocol)),
            (b"\x42\x05GET /", Some(Reason::Protocol)),
            (b"\xbe", Some(Reason::Compression)),
            (b"\xbe\x00\x01X\x01v", Some(Reason::Protocol)),
        ];
        for (block, expected) in cases {
            assert_eq!(refusal(&whole(block)), *expected, "{}", block.escape_ascii());
        }
        assert_eq!(refusal(&[whole(b"\x82"), whole(b"\x80")].concat()), Some(Reason::Compression));
        assert_eq!(refusal(b""), None);
    }

    #[test]
    fn a_block_may_lie_in_several_frames() {
        let head = [3, 0, 0, 0, 0, 9, 0x00, 0x01, b'X', 0, 0, 0];
        let first = frame(kind::HEADERS, flag::PADDED | flag::PRIORITY, &head);
        let last = frame(kind::CONTINUATION, flag::END_HEADERS, b"\x01v");
        assert_eq!(refusal(&[&first[..], &last].concat()), Some(Reason::Protocol));
        assert_eq!(refusal(&first), None, "it is not complete");
        for length in 0..first.len() {
            assert_eq!(refusal(&first[..length]), None);
        }
    }

    #[test]
    fn pseudo_fields_are_seen() {
        for pseudo in [&b"\x82"[..], b"\x00\x05:path\x01/", b"\x44\x01/", b"\x90\x8e"] {
            assert!(has_pseudo(&whole(pseudo)), "{}", pseudo.escape_ascii());
        }
        assert!(!has_pseudo(&whole(b"\x00\x01x\x01v\x90")));
    }
}
