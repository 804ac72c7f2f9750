//! The one canonical form of a path, computed once: routing, rules, log and the forwarded request use the same bytes.
//!
//! The form (RFC 3986 6.2.2, narrowed where two readers of one path could disagree):
//! - Percent-encoded unreserved characters are decoded, all other triplets stay, in upper-case hex. Bytes that the
//!   grammar of a path does not have, but browsers send (`"<>[]^{|}` and the grave accent), are encoded.
//! - Dot segments are removed. Climbing above `/` is refused, and so is every disguise of a dot segment: encoded dots
//!   (`%2e.`), a parameter behind the dots (`..;x`), or an encoded slash beside them (`..%2Fx`).
//! - `%2F` stays data and empty segments stay (`/a//b` is not `/a/b`).
//! - Refused: raw control bytes, space, `\`, `#`, `?` and bytes from 0x80; a `%` that no two hex digits follow; `%00`;
//!   `%5C`, which some servers read as a slash; triplets from `%80` that are not well-formed UTF-8 (RFC 3629), overlong
//!   forms among them. Other encoded control bytes are data (RFC 3986 7.3 warns of `%00` only) and stay encoded.
//!
//! Not here: splitting the target, the query, and `*`, which is no path.

/// What canonicalising found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Canonical {
    /// The path was canonical as it came; `out` is as it was.
    Already,
    /// The canonical form was appended to `out`.
    Written,
}

/// Why a path is refused (400).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PathError(pub &'static str);

/// Makes `path` (without query, beginning with `/`) canonical. The empty path of `http://host` is `/` (RFC 3986 6.2.3).
///
/// The canonical form is longer than `path` by at most two bytes for each byte that gets encoded.
///
/// # Errors
/// What is wrong with it; `out` is as it was.
pub fn canonicalise(path: &[u8], out: &mut Vec<u8>) -> Result<Canonical, PathError> {
    if path.first() == Some(&b'/') && is_plain(path) {
        return Ok(Canonical::Already);
    }
    let base = out.len();
    let written = Writer { path, at: 0, out, base }.write();
    match written {
        Ok(()) if out[base..] == *path => {
            out.truncate(base);
            Ok(Canonical::Already)
        }
        Ok(()) => Ok(Canonical::Written),
        Err(error) => {
            out.truncate(base);
            Err(error)
        }
    }
}

/// True when `path` is canonical. Writes and allocates nothing.
#[must_use]
pub fn is_canonical(path: &[u8]) -> bool {
    let Some((b'/', segments)) = path.split_first() else { return false };
    is_plain(path) || segments.split(|byte| *byte == b'/').all(is_canonical_segment)
}

/// True when no byte needs a closer look: only bytes of class `PLAIN`, and no segment that begins with a dot.
/// One table look-up per byte and no branch but the loop's.
fn is_plain(path: &[u8]) -> bool {
    let mut seen = 0;
    let mut previous = 0;
    for byte in path {
        let class = CLASSES[usize::from(*byte)];
        // `SLASH << 1` is `DOT`: a dot behind a slash turns up as `LOOK`.
        seen |= class | (((previous << 1) & class & DOT) << 1);
        previous = class;
    }
    seen & LOOK == 0
}

/// Nothing to do.
const PLAIN: u8 = 0;
/// Ends a segment.
const SLASH: u8 = 1;
/// May make a dot segment.
const DOT: u8 = SLASH << 1;
/// Needs the writer.
const LOOK: u8 = DOT << 1;
/// A `%`.
const PERCENT: u8 = LOOK | 8;
/// Not in the grammar, harmless: gets encoded.
const ENCODE: u8 = LOOK | 16;
/// Refused.
const REFUSE: u8 = LOOK | 32;

const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [REFUSE; 256];
    let mut byte = 0x21;
    while byte < 0x7F {
        table[byte] = match byte as u8 {
            b'/' => SLASH,
            b'.' => DOT,
            b'%' => PERCENT,
            b'\\' | b'#' | b'?' => REFUSE,
            b'"' | b'<' | b'>' | b'[' | b']' | b'^' | b'`' | b'{' | b'|' | b'}' => ENCODE,
            _ => PLAIN,
        };
        byte += 1;
    }
    table
}

/// True for the unreserved characters of RFC 3986 2.3.
pub(crate) const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Appends `byte` as a triplet.
pub(crate) fn encode(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&encoded(byte));
}

/// The triplet for `byte`.
pub(crate) fn encoded(byte: u8) -> [u8; 3] {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    [b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]
}

/// The byte that the triplet at the beginning of `bytes` stands for.
pub(crate) fn triplet(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = bytes else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(*high)? << 4 | digit(*low)?)
}

/// Writes the canonical form, segment by segment.
struct Writer<'a> {
    path: &'a [u8],
    /// The next byte to read.
    at: usize,
    out: &'a mut Vec<u8>,
    /// Where the canonical path begins in `out`.
    base: usize,
}

/// How a piece of a segment, cut at encoded slashes, would look to a server that decodes too much.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// As many dots as said (0 to 2), and nothing else.
    Dots { count: u8, is_disguised: bool },
    /// One or two dots, then a parameter: a dot segment to servers that strip parameters.
    Parameter,
    /// Anything else.
    Other,
}

impl Writer<'_> {
    fn write(mut self) -> Result<(), PathError> {
        if self.path.is_empty() {
            self.out.push(b'/');
        }
        while self.at < self.path.len() {
            if self.path[self.at] != b'/' {
                return Err(PathError("the path does not begin with a slash"));
            }
            self.at += 1;
            self.segment()?;
        }
        Ok(())
    }

    /// Writes a slash and the segment behind it, or applies it when it is a dot segment.
    fn segment(&mut self) -> Result<(), PathError> {
        let start = self.out.len();
        self.out.push(b'/');
        let mut piece = Piece::START;
        let mut is_cut = false;
        while let Some(&byte) = self.path.get(self.at).filter(|byte| **byte != b'/') {
            let written = self.out.len();
            let is_triplet = byte == b'%';
            self.byte(byte)?;
            if self.out[written..] == *b"%2F" {
                refuse_dots(piece, true)?;
                piece = Piece::START;
                is_cut = true;
            } else {
                piece = piece.with(&self.out[written..], is_triplet);
            }
        }
        refuse_dots(piece, is_cut)?;
        match piece {
            Piece::Dots { count: 1, .. } => self.remove(start, false),
            Piece::Dots { count: 2, .. } => self.remove(start, true),
            _ => Ok(()),
        }
    }

    /// Takes a dot segment written at `start` back, with its parent if it `climbs` (RFC 3986 5.2.4). As the last
    /// segment it leaves a trailing slash.
    fn remove(&mut self, start: usize, climbs: bool) -> Result<(), PathError> {
        self.out.truncate(start);
        if climbs {
            let parent = self.out[self.base..].iter().rposition(|byte| *byte == b'/');
            let parent = parent.ok_or(PathError("the path climbs above the root"))?;
            self.out.truncate(self.base + parent);
        }
        if self.at == self.path.len() {
            self.out.push(b'/');
        }
        Ok(())
    }

    /// Reads one byte, or one triplet, or the triplets of one UTF-8 character, and writes its canonical form.
    fn byte(&mut self, byte: u8) -> Result<(), PathError> {
        match CLASSES[usize::from(byte)] {
            REFUSE => return Err(PathError("the path has a byte that may not stand in it")),
            PERCENT => return self.triplet(),
            ENCODE => encode(byte, self.out),
            _ => self.out.push(byte),
        }
        self.at += 1;
        Ok(())
    }

    fn triplet(&mut self) -> Result<(), PathError> {
        let text = &self.path[self.at..];
        let byte = triplet(text).ok_or(PathError("the path has a malformed percent-encoding"))?;
        let mut triplets = 1;
        match byte {
            0 => return Err(PathError("the path has an encoded NUL")),
            b'\\' => return Err(PathError("the path has an encoded backslash")),
            byte if is_unreserved(byte) => self.out.push(byte),
            byte if byte.is_ascii() => encode(byte, self.out),
            _ => {
                let (bytes, length) =
                    character(text).ok_or(PathError("the path's percent-encoding is not well-formed UTF-8"))?;
                bytes[..length].iter().for_each(|byte| encode(*byte, self.out));
                triplets = length;
            }
        }
        self.at += 3 * triplets;
        Ok(())
    }
}

/// The bytes of the UTF-8 character whose triplets stand at the beginning of `text`, and how many they are.
fn character(text: &[u8]) -> Option<([u8; 4], usize)> {
    let mut bytes = [0; 4];
    let length = match triplet(text)? {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return None,
    };
    for (position, byte) in bytes[..length].iter_mut().enumerate() {
        *byte = triplet(text.get(3 * position..)?)?;
    }
    // RFC 3629 3: overlong forms and surrogates are malformed; the standard library knows them all.
    str::from_utf8(&bytes[..length]).ok()?;
    Some((bytes, length))
}

fn is_canonical_segment(segment: &[u8]) -> bool {
    let mut piece = Piece::START;
    let mut rest = segment;
    while !rest.is_empty() {
        let Some((character, behind)) = canonical_character(rest).and_then(|length| rest.split_at_checked(length))
        else {
            return false;
        };
        if character == b"%2F" {
            if piece.is_suspect() {
                return false;
            }
            piece = Piece::START;
        } else {
            piece = piece.with(character, false);
        }
        rest = behind;
    }
    !piece.is_suspect()
}

/// The bytes that the first character of `text` takes up, if it is written as the canonical form has it.
fn canonical_character(text: &[u8]) -> Option<usize> {
    match CLASSES[usize::from(*text.first()?)] {
        PLAIN | DOT => return Some(1),
        PERCENT => {}
        _ => return None,
    }
    let length = match triplet(text)? {
        0 | b'\\' => return None,
        byte if is_unreserved(byte) => return None,
        byte if byte.is_ascii() => 3,
        _ => 3 * character(text)?.1,
    };
    (!text[..length].iter().any(u8::is_ascii_lowercase)).then_some(length)
}

impl Piece {
    const START: Self = Self::Dots { count: 0, is_disguised: false };

    /// True when some server might take it for a dot segment.
    fn is_suspect(self) -> bool {
        matches!(self, Self::Dots { count: 1 | 2, .. } | Self::Parameter)
    }

    /// This piece with one more character, given as it was `written`.
    fn with(self, written: &[u8], is_triplet: bool) -> Self {
        match (self, written) {
            (Self::Dots { count, is_disguised }, b".") if count < 2 => {
                Self::Dots { count: count + 1, is_disguised: is_disguised | is_triplet }
            }
            (Self::Dots { count: 1 | 2, .. } | Self::Parameter, b";" | b"%3B") => Self::Parameter,
            (Self::Parameter, _) => Self::Parameter,
            _ => Self::Other,
        }
    }
}

/// Refuses what only some servers take for a dot segment. `is_cut` says that an encoded slash stands beside the piece.
fn refuse_dots(piece: Piece, is_cut: bool) -> Result<(), PathError> {
    match piece {
        Piece::Dots { count: 1 | 2, is_disguised } if is_disguised || is_cut => {
            Err(PathError("the path has a disguised dot segment"))
        }
        Piece::Parameter => Err(PathError("the path has a dot segment with a parameter")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(path: &str) -> Result<String, PathError> {
        let mut out = b"before".to_vec();
        match canonicalise(path.as_bytes(), &mut out) {
            Ok(Canonical::Already) => {
                assert_eq!(out, b"before", "{path}");
                Ok(path.to_owned())
            }
            Ok(Canonical::Written) => Ok(String::from_utf8(out.split_off(6)).unwrap()),
            Err(error) => {
                assert_eq!(out, b"before", "{path}");
                Err(error)
            }
        }
    }

    #[test]
    fn canonical_paths_are_left_alone() {
        for path in [
            "/",
            "/a",
            "/a/",
            "//",
            "/a//b",
            "/a.b",
            "/.well-known/x",
            "/...",
            "/..a",
            "/a..",
            "/.a/..b",
            "/%20",
            "/a%2Fb",
            "/caf%C3%A9",
            "/%F0%9F%A6%80",
            "/!$&'()*+,;=:@-._~",
            "/a;v=1",
            "/a;..",
            "/x..;",
            "/%0A",
            "/%2F",
            "/...;a",
        ] {
            assert_eq!(canonical(path).as_deref(), Ok(path));
            assert!(is_canonical(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn other_spellings_become_the_canonical_one() {
        for (path, expected) in [
            ("", "/"),
            ("/%61%7a%5F", "/az_"),
            ("/a%2eb", "/a.b"),
            ("/%c3%a9", "/%C3%A9"),
            ("/a%2fb", "/a%2Fb"),
            ("/.", "/"),
            ("/./", "/"),
            ("/a/.", "/a/"),
            ("/a/..", "/"),
            ("/a/../", "/"),
            ("/a/b/../c", "/a/c"),
            ("/a/./b", "/a/b"),
            ("/a/b/../../c", "/c"),
            ("/a//../b", "/a/b"),
            ("//..", "/"),
            ("/./a", "/a"),
            ("/{a}|\"<>[]^`", "/%7Ba%7D%7C%22%3C%3E%5B%5D%5E%60"),
            ("/%2e%2e%2e", "/..."),
        ] {
            assert_eq!(canonical(path).as_deref(), Ok(expected), "{path}");
            assert!(!is_canonical(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn ambiguous_and_malformed_paths_are_refused() {
        for path in [
            "a",
            "*",
            "/ ",
            "/\t",
            "/\u{7f}",
            "/\u{e9}",
            "/\\",
            "/#",
            "/?",
            "/%",
            "/%2",
            "/%zz",
            "/%+1",
            "/%00",
            "/%5c",
            "/%5C",
            "/..",
            "/a/../..",
            "/../a",
            "/%2e",
            "/%2e%2e",
            "/.%2e",
            "/%2E./a",
            "/a/%2e%2e/b",
            "/..;",
            "/..;x/a",
            "/.;",
            "/.;a=b",
            "/a/..;/b",
            "/..%3b",
            "/%2e%2e;",
            "/..%2F",
            "/..%2fetc",
            "/a%2F..",
            "/a%2f../b",
            "/a%2F.%2Fb",
            "/.%2F",
            "/x%2F..;y",
            "/%80",
            "/%c0%af",
            "/%c0%ae",
            "/%e0%80%af",
            "/%c3",
            "/%c3x",
            "/%c3%41",
            "/%ed%a0%80",
            "/%f4%90%80%80",
            "/%f5%80%80%80",
            "/%ff",
            "/%f0%9f%a6",
            "/%f0%9f%a6/%80",
        ] {
            assert!(canonical(path).is_err(), "{path}: {:?}", canonical(path));
            assert!(!is_canonical(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn every_raw_byte_outside_of_the_grammar_is_refused_or_encoded() {
        for byte in 0..=255_u8 {
            let path = [b'/', b'a', byte];
            let mut out = Vec::new();
            let result = canonicalise(&path, &mut out);
            match byte {
                b'"' | b'<' | b'>' | b'[' | b']' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                    assert_eq!(out, format!("/a%{byte:02X}").as_bytes());
                }
                0x21..=0x7E if !b"\\#?%".contains(&byte) => assert_eq!(result, Ok(Canonical::Already)),
                _ => assert!(result.is_err(), "{byte:#x}"),
            }
        }
    }

    /// Paths made of the pieces that matter, by a small generator: each prefix of each is canonicalised, and what comes
    /// out obeys the form.
    #[test]
    fn the_canonical_form_is_a_fixed_point_without_dot_segments_for_every_prefix() {
        const PIECES: &[&str] = &[
            "/", "/", "/", ".", "..", "a", "B", "%2e", "%2E", "%2f", "%2F", ";", "%3b", "%41", "%c3%a9", "%C3%A9",
            "%20", "{", "|", "=", "%", "%0d", "~", "b",
        ];
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        for _ in 0..20_000 {
            let mut path = String::from("/");
            for _ in 0..12 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                path.push_str(PIECES[(state >> 33) as usize % PIECES.len()]);
            }
            for end in 0..=path.len() {
                let result = canonical(&path[..end]);
                assert_eq!(is_canonical(&path.as_bytes()[..end]), result.as_deref() == Ok(&path[..end]), "{path}");
                let Ok(form) = result else { continue };
                assert_eq!(canonical(&form), Ok(form.clone()), "{path}");
                assert!(is_canonical(form.as_bytes()));
                assert!(form.split('/').all(|segment| segment != "." && segment != ".."), "{path} -> {form}");
                assert!(form.bytes().all(|byte| byte.is_ascii_graphic()), "{path} -> {form}");
            }
        }
    }
}
