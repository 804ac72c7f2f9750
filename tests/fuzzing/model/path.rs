//! The canonical path, as `proto::path` documents it, in RFC 3986's own steps: check, decode, remove dot segments.

/// One character of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Piece {
    /// Stood there as it is.
    Raw(u8),
    /// An unreserved character that stood there percent-encoded.
    Decoded(u8),
    /// Stays, or becomes, percent-encoded.
    Encoded(u8),
}

/// The canonical form of `path`; `None` when it is refused.
pub fn canonical(path: &[u8]) -> Option<Vec<u8>> {
    if path.is_empty() {
        return Some(b"/".to_vec());
    }
    let pieces = pieces(path)?;
    if pieces.first() != Some(&Piece::Raw(b'/')) || !is_utf8(&pieces) {
        return None;
    }
    let segments: Vec<&[Piece]> = pieces.split(|piece| *piece == Piece::Raw(b'/')).skip(1).collect();
    if segments.iter().any(|segment| is_disguised(segment)) {
        return None;
    }
    let text: Vec<u8> = pieces.iter().flat_map(|piece| piece.written()).collect();
    without_dot_segments(&text)
}

fn pieces(path: &[u8]) -> Option<Vec<Piece>> {
    let mut pieces = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        pieces.push(match byte {
            b'%' => {
                let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
                if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                    return None;
                }
                rest = &rest[2..];
                match u8::from_str_radix(digits, 16).ok()? {
                    0 | b'\\' => return None,
                    byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => Piece::Decoded(byte),
                    byte => Piece::Encoded(byte),
                }
            }
            b'\\' | b'#' | b'?' => return None,
            b'"' | b'<' | b'>' | b'[' | b']' | b'^' | b'`' | b'{' | b'|' | b'}' => Piece::Encoded(*byte),
            b'!'..=b'~' => Piece::Raw(*byte),
            _ => return None,
        });
    }
    Some(pieces)
}

/// Triplets beyond ASCII must be UTF-8 among themselves: what stands between two others, taken alone, is.
fn is_utf8(pieces: &[Piece]) -> bool {
    let is_high = |piece: &Piece| matches!(piece, Piece::Encoded(0x80..));
    let runs = pieces.split(|piece| !is_high(piece)).filter(|run| !run.is_empty());
    runs.into_iter().all(|run| {
        let bytes: Vec<u8> = run.iter().map(|piece| piece.byte()).collect();
        std::str::from_utf8(&bytes).is_ok()
    })
}

/// True when a server that decodes or strips more than we do might take a part of `segment` for a dot segment.
fn is_disguised(segment: &[Piece]) -> bool {
    let parts: Vec<&[Piece]> = segment.split(|piece| *piece == Piece::Encoded(b'/')).collect();
    parts.iter().any(|part| {
        let dots = part.iter().take_while(|piece| piece.byte() == b'.').count();
        let is_encoded = part.contains(&Piece::Decoded(b'.'));
        match part.get(dots).map(|piece| piece.byte()) {
            _ if !(1..=2).contains(&dots) => false,
            None => is_encoded || parts.len() > 1,
            Some(next) => next == b';',
        }
    })
}

/// RFC 3986 5.2.4, but climbing above the root is refused.
fn without_dot_segments(input: &[u8]) -> Option<Vec<u8>> {
    let mut output: Vec<u8> = Vec::with_capacity(input.len());
    let mut rest = input.to_vec();
    while !rest.is_empty() {
        if rest.starts_with(b"/./") {
            rest.drain(..2);
        } else if rest == b"/." {
            rest.truncate(1);
        } else if rest.starts_with(b"/../") || rest == b"/.." {
            let behind = rest.split_off(3);
            rest = if behind.is_empty() { b"/".to_vec() } else { behind };
            let parent = output.iter().rposition(|byte| *byte == b'/')?;
            output.truncate(parent);
        } else {
            let end = rest[1..].iter().position(|byte| *byte == b'/').map_or(rest.len(), |at| at + 1);
            output.extend(rest.drain(..end));
        }
    }
    Some(output)
}

impl Piece {
    const fn byte(self) -> u8 {
        match self {
            Self::Raw(byte) | Self::Decoded(byte) | Self::Encoded(byte) => byte,
        }
    }

    fn written(self) -> impl Iterator<Item = u8> {
        let (bytes, length) = match self {
            Self::Raw(byte) | Self::Decoded(byte) => ([byte, 0, 0], 1),
            Self::Encoded(byte) => {
                let digit = |value: u8| char::from_digit(u32::from(value), 16).expect("four bits").to_ascii_uppercase();
                ([b'%', digit(byte >> 4) as u8, digit(byte & 15) as u8], 3)
            }
        };
        bytes.into_iter().take(length)
    }
}
