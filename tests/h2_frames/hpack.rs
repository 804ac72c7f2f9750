//! HPACK (RFC 7541): an encoder that writes each representation on demand, bad ones too, and a strict decoder.

use std::collections::VecDeque;

use super::huffman;

/// A field of a message.
pub type Field = (Vec<u8>, Vec<u8>);

/// A field block under construction.
#[derive(Clone, Default)]
pub struct Block(Vec<u8>);

impl From<Block> for Vec<u8> {
    fn from(block: Block) -> Self {
        block.0
    }
}

impl Block {
    pub fn new() -> Self {
        Self::default()
    }

    /// Each field as a literal that enters no table.
    pub fn of(fields: &[(&str, &str)]) -> Self {
        fields.iter().fold(Self::new(), |block, (name, value)| block.literal(name, value))
    }

    /// A literal without indexing, under a new name.
    #[must_use]
    pub fn literal(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.integer(0, 4, 0).string(name.as_ref()).string(value.as_ref())
    }

    /// A literal that is never indexed, under a new name.
    #[must_use]
    pub fn never_indexed(self, name: &str, value: &str) -> Self {
        self.integer(0x10, 4, 0).string(name.as_bytes()).string(value.as_bytes())
    }

    /// A literal that enters the dynamic table, under a new name.
    #[must_use]
    pub fn incremental(self, name: &str, value: &str) -> Self {
        self.integer(0x40, 6, 0).string(name.as_bytes()).string(value.as_bytes())
    }

    /// A literal that enters the dynamic table, under the name at `index`.
    #[must_use]
    pub fn incremental_at(self, index: u64, value: &str) -> Self {
        self.integer(0x40, 6, index).string(value.as_bytes())
    }

    /// A literal without indexing under the name at `index`.
    #[must_use]
    pub fn literal_at(self, index: u64, value: &str) -> Self {
        self.integer(0, 4, index).string(value.as_bytes())
    }

    /// A literal that is never indexed under the name at `index`.
    #[must_use]
    pub fn never_indexed_at(self, index: u64, value: &str) -> Self {
        self.integer(0x10, 4, index).string(value.as_bytes())
    }

    /// A literal without indexing, both strings in Huffman code.
    #[must_use]
    pub fn huffman(self, name: &str, value: &str) -> Self {
        self.integer(0, 4, 0).coded(&huffman::encode(name.as_bytes())).coded(&huffman::encode(value.as_bytes()))
    }

    /// A field of a table.
    #[must_use]
    pub fn indexed(self, index: u64) -> Self {
        self.integer(0x80, 7, index)
    }

    /// A new size of the dynamic table.
    #[must_use]
    pub fn size_update(self, bytes: u64) -> Self {
        self.integer(0x20, 5, bytes)
    }

    /// RFC 7541 5.1: `value` behind `pattern` in an octet that leaves it `bits` bits.
    #[must_use]
    pub fn integer(mut self, pattern: u8, bits: u32, mut value: u64) -> Self {
        let full = (1 << bits) - 1;
        if value < full {
            self.0.push(pattern | value as u8);
            return self;
        }
        self.0.push(pattern | full as u8);
        value -= full;
        while value >= 128 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    /// RFC 7541 5.2: a string as it is.
    #[must_use]
    pub fn string(self, text: &[u8]) -> Self {
        self.integer(0, 7, text.len() as u64).raw(text)
    }

    /// RFC 7541 5.2: octets that claim to be Huffman code.
    #[must_use]
    pub fn coded(self, code: &[u8]) -> Self {
        self.integer(0x80, 7, code.len() as u64).raw(code)
    }

    /// Any octets.
    #[must_use]
    pub fn raw(mut self, octets: &[u8]) -> Self {
        self.0.extend(octets);
        self
    }
}

/// What a field costs in a table beside its strings (RFC 7541 4.1).
const ENTRY_BYTES: usize = 32;

/// The reading side of one connection.
pub struct Decoder {
    entries: VecDeque<Field>,
    /// What the peer's encoder uses.
    size: usize,
    /// What we allow it.
    size_max: usize,
    /// A smaller size that the next block has to begin with (RFC 7541 4.2).
    owes_update: Option<usize>,
}

impl Decoder {
    pub fn new() -> Self {
        Self { entries: VecDeque::new(), size: 4_096, size_max: 4_096, owes_update: None }
    }

    /// The peer has acknowledged this SETTINGS_HEADER_TABLE_SIZE.
    pub fn limit(&mut self, bytes: usize) {
        self.size_max = bytes;
        if bytes < self.size {
            self.owes_update = Some(self.owes_update.map_or(bytes, |owed| owed.min(bytes)));
        }
    }

    /// The fields of a block, or what is wrong with it.
    pub fn decode(&mut self, mut block: &[u8]) -> Result<Vec<Field>, String> {
        let mut fields = Vec::new();
        while let Some(first) = block.first().copied() {
            if first & 0xe0 == 0x20 {
                if !fields.is_empty() {
                    return Err("a size update behind a field".to_owned());
                }
                let size = integer(&mut block, 5)?;
                self.resize(size)?;
                continue;
            }
            if let Some(owed) = self.owes_update {
                return Err(format!("the block does not begin with a size update to {owed} or less"));
            }
            fields.push(self.field(first, &mut block)?);
        }
        Ok(fields)
    }

    fn resize(&mut self, size: usize) -> Result<(), String> {
        if size > self.size_max {
            return Err(format!("a table of {size} where {} is allowed", self.size_max));
        }
        if self.owes_update.is_some_and(|owed| size <= owed) {
            self.owes_update = None;
        }
        self.size = size;
        self.evict(0);
        Ok(())
    }

    fn field(&mut self, first: u8, block: &mut &[u8]) -> Result<Field, String> {
        if first & 0x80 != 0 {
            let index = integer(block, 7)?;
            return self.entry(index);
        }
        let is_incremental = first & 0x40 != 0;
        let index = integer(block, if is_incremental { 6 } else { 4 })?;
        let name = if index == 0 { string(block)? } else { self.entry(index)?.0 };
        let field = (name, string(block)?);
        if is_incremental {
            self.insert(field.clone());
        }
        Ok(field)
    }

    fn entry(&self, index: usize) -> Result<Field, String> {
        let fixed = index.checked_sub(1).and_then(|at| STATIC.get(at));
        if let Some((name, value)) = fixed {
            return Ok((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        }
        let dynamic = index.checked_sub(STATIC.len() + 1).and_then(|at| self.entries.get(at));
        dynamic.cloned().ok_or_else(|| format!("no field at index {index}"))
    }

    fn insert(&mut self, field: Field) {
        let needed = size_of_entry(&field);
        self.evict(needed);
        if needed <= self.size {
            self.entries.push_front(field);
        }
    }

    /// Makes room for `needed` bytes.
    fn evict(&mut self, needed: usize) {
        let mut used: usize = self.entries.iter().map(size_of_entry).sum();
        while used + needed > self.size {
            let Some(oldest) = self.entries.pop_back() else { return };
            used -= size_of_entry(&oldest);
        }
    }
}

fn size_of_entry((name, value): &Field) -> usize {
    name.len() + value.len() + ENTRY_BYTES
}

fn integer(block: &mut &[u8], bits: u32) -> Result<usize, String> {
    let mut next = || {
        let (first, rest) = block.split_first().ok_or("a number without its end")?;
        *block = rest;
        Ok::<u8, String>(*first)
    };
    let full = (1_usize << bits) - 1;
    let mut value = usize::from(next()?) & full;
    if value < full {
        return Ok(value);
    }
    for shift in (0..28).step_by(7) {
        let octet = next()?;
        value += usize::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number without measure".to_owned())
}

fn string(block: &mut &[u8]) -> Result<Vec<u8>, String> {
    let is_coded = block.first().is_some_and(|first| first & 0x80 != 0);
    let length = integer(block, 7)?;
    let (text, rest) = block.split_at_checked(length).ok_or("a string without its end")?;
    *block = rest;
    if is_coded { huffman::decode(text).ok_or_else(|| "bad Huffman code".to_owned()) } else { Ok(text.to_vec()) }
}

/// RFC 7541 Appendix A.
#[rustfmt::skip]
const STATIC: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
    (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
    (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
    ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""), ("cache-control", ""),
    ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""), ("etag", ""),
    ("expect", ""), ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""), ("if-modified-since", ""),
    ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""),
    ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""),
    ("www-authenticate", ""),
];

#[test]
fn blocks_decode_as_the_rfc_says() {
    let text = |fields: Vec<Field>| -> Vec<(String, String)> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        fields.into_iter().map(|(name, value)| (text(name), text(value))).collect()
    };
    // RFC 7541 C.4.1 and C.4.2: one table for both.
    let mut decoder = Decoder::new();
    let first = b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";
    let mut expected = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    assert_eq!(text(decoder.decode(first).unwrap()), expected);
    let second = b"\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf";
    expected.push(("cache-control".to_owned(), "no-cache".to_owned()));
    assert_eq!(text(decoder.decode(second).unwrap()), expected);
    let own = Block::new().size_update(64).incremental("a", "1").indexed(62).huffman("b", "2").literal_at(38, "c");
    let own: Vec<u8> = own.into();
    let fields = text(decoder.decode(&own).unwrap());
    assert_eq!(fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "a", "b", "host"]);
}

#[test]
fn bad_blocks_are_refused() {
    let bad: [Block; 6] = [
        Block::new().indexed(0),
        Block::new().indexed(62),
        Block::new().indexed(8).size_update(0),
        Block::new().size_update(4_097),
        Block::new().integer(0, 4, 0).string(b"a").raw(&[0x05, b'x']),
        Block::new().integer(0, 4, 0).string(b"a").coded(&[0xff]),
    ];
    for block in bad {
        let bytes: Vec<u8> = block.into();
        assert!(Decoder::new().decode(&bytes).is_err(), "{}", bytes.escape_ascii());
    }
    let mut decoder = Decoder::new();
    decoder.limit(0);
    assert!(decoder.decode(&[0x88]).is_err(), "the update is owed");
    assert!(decoder.decode(&[0x20, 0x88]).is_ok());
}
