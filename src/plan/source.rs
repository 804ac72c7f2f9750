//! Configuration text with its places: files, `include`, and where a byte stands.
//!
//! The only part of `plan` that touches the file system: reading the configuration, what it includes, and the bodies
//! of fixed answers. Not here: what the text means.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::words::limits::CONFIG_BYTES_MAX;

/// A file of the configuration: index into [`Sources`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileId(u32);

/// A stretch of one file, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One behind the last byte.
    pub end: u32,
}

impl Place {
    /// The bytes `span` of `file`. Offsets fit: all files together are bounded by `limits::CONFIG_BYTES_MAX`.
    #[must_use]
    pub fn new(file: FileId, span: std::ops::Range<usize>) -> Self {
        Self { file, start: offset(span.start), end: offset(span.end) }
    }
}

fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// One file: its name as it is shown, and its text.
#[derive(Clone, Debug)]
struct Source {
    name: String,
    /// Relative paths in this file start here; `None` for text that came from no file.
    base: Option<PathBuf>,
    text: String,
    /// Byte offset at which each line begins.
    lines: Vec<u32>,
}

/// All files of one configuration.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    list: Vec<Source>,
    bytes: u64,
}

/// Why a file cannot be used, in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreadable(pub String);

impl Sources {
    /// Adds text that is shown as `name`; relative paths in it start at `base`.
    ///
    /// # Errors
    /// When all files together exceed `limits::CONFIG_BYTES_MAX`.
    pub fn add_text(&mut self, name: &str, text: String, base: Option<PathBuf>) -> Result<FileId, Unreadable> {
        self.bytes = self.bytes.saturating_add(text.len() as u64);
        if self.bytes > CONFIG_BYTES_MAX {
            return Err(too_large());
        }
        let file = FileId(offset(self.list.len()));
        let lines = line_starts(&text);
        self.list.push(Source { name: name.to_owned(), base, text, lines });
        Ok(file)
    }

    /// Reads `path` and adds it.
    ///
    /// # Errors
    /// When it cannot be read, is not UTF-8, or is too large.
    pub fn add_file(&mut self, path: &Path) -> Result<FileId, Unreadable> {
        let bytes = read_bounded(path, CONFIG_BYTES_MAX.saturating_sub(self.bytes))?;
        let text = String::from_utf8(bytes)
            .map_err(|error| Unreadable(format!("not UTF-8 at byte {}", error.utf8_error().valid_up_to())))?;
        let base = path.parent().map(Path::to_path_buf).unwrap_or_default();
        self.add_text(&path.display().to_string(), text, Some(base))
    }

    /// The text of `file`.
    #[must_use]
    pub fn text(&self, file: FileId) -> &str {
        &self.list[file.0 as usize].text
    }

    /// The name of `file` as it is shown.
    #[must_use]
    pub fn name(&self, file: FileId) -> &str {
        &self.list[file.0 as usize].name
    }

    /// Where relative paths in `file` start; `None` for text that came from no file.
    #[must_use]
    pub fn base(&self, file: FileId) -> Option<&Path> {
        self.list[file.0 as usize].base.as_deref()
    }

    /// Line and column of `place`, both from 1; columns count characters. A place within the end of a line, between CR
    /// and LF, is the end of what can be seen of it.
    #[must_use]
    pub fn position(&self, place: Place) -> (u32, u32) {
        let source = &self.list[place.file.0 as usize];
        let line = source.lines.partition_point(|start| *start <= place.start).max(1);
        let start = source.lines[line - 1] as usize;
        let visible = self.line(place.file, offset(line)).len();
        let end = (place.start as usize).clamp(start, start + visible);
        let before = source.text.as_bytes().get(start..end).unwrap_or_default();
        // Continuation bytes of UTF-8 begin with 10: every other byte begins a character.
        let characters = before.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
        (offset(line), offset(characters + 1))
    }

    /// Line `line` (from 1) of `file`, without its end.
    #[must_use]
    pub fn line(&self, file: FileId, line: u32) -> &str {
        let source = &self.list[file.0 as usize];
        let index = (line as usize).saturating_sub(1);
        let start = source.lines.get(index).map_or(source.text.len(), |start| *start as usize);
        let end = source.lines.get(index + 1).map_or(source.text.len(), |start| *start as usize);
        source.text[start..end].trim_end_matches(['\n', '\r'])
    }

    /// The sources without their texts: names and lines, all that [`Sources::position`]'s line needs.
    #[must_use]
    pub fn into_lines(self) -> Lines {
        Lines { list: self.list.into_iter().map(|source| (source.name, source.lines)).collect() }
    }
}

/// Names and line starts of the files, kept after their texts are gone.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    list: Vec<(String, Vec<u32>)>,
}

impl Lines {
    /// The file's name and the line (from 1) of `place`.
    #[must_use]
    pub fn line(&self, place: Place) -> (&str, u32) {
        let (name, starts) = &self.list[place.file.0 as usize];
        (name, offset(starts.partition_point(|start| *start <= place.start).max(1)))
    }
}

/// Reads the body of a fixed answer; a relative `path` starts at `base`.
///
/// # Errors
/// When it cannot be read or has more than `bytes_max` bytes.
pub fn read_body(base: Option<&Path>, path: &str, bytes_max: u64) -> Result<Vec<u8>, Unreadable> {
    read_bounded(&resolve(base, path), bytes_max)
}

/// The files that `pattern` names, sorted. `*` and `?` match within one part of the path and never a leading dot; a
/// pattern with neither names exactly one file, which need not exist.
///
/// # Errors
/// When a folder on the way is there but cannot be read.
pub fn expand(base: Option<&Path>, pattern: &str) -> Result<Vec<PathBuf>, Unreadable> {
    let mut found = vec![PathBuf::new()];
    for part in resolve(base, pattern).components() {
        let text = part.as_os_str().to_string_lossy();
        if !text.contains(['*', '?']) {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        let mut deeper = Vec::new();
        for folder in &found {
            matching(folder, &text, &mut deeper)?;
        }
        deeper.sort();
        found = deeper;
    }
    // After a wildcard, a literal rest need not exist under every folder that matched.
    if pattern.contains(['*', '?']) {
        found.retain(|path| path.is_file());
    }
    Ok(found)
}

fn matching(folder: &Path, pattern: &str, found: &mut Vec<PathBuf>) -> Result<(), Unreadable> {
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = fs::read_dir(listed) else {
        // A folder that is not there holds no file; one that may not be read must not be passed over in silence.
        return if listed.is_dir() { Err(Unreadable(format!("cannot list {}", listed.display()))) } else { Ok(()) };
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with('.') && is_match(pattern.as_bytes(), name.as_bytes()) {
            found.push(folder.join(entry.file_name()));
        }
    }
    Ok(())
}

/// Wildcards by backtracking to the last star only: linear in practice, quadratic at worst, never exponential.
fn is_match(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut read, mut star) = (0, 0, None);
    while read < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(letter) if *letter == b'?' || *letter == name[read] => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((star_at, star_read)) = star else { return false };
                star = Some((star_at, star_read + 1));
                at = star_at + 1;
                read = star_read + 1;
            }
        }
    }
    pattern[at..].iter().all(|letter| *letter == b'*')
}

fn resolve(base: Option<&Path>, path: &str) -> PathBuf {
    base.unwrap_or_else(|| Path::new("")).join(path)
}

fn read_bounded(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Unreadable> {
    let file = fs::File::open(path).map_err(|error| Unreadable(reason(&error)))?;
    if file.metadata().is_ok_and(|facts| facts.is_dir()) {
        return Err(Unreadable("it is a folder".to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| Unreadable(reason(&error)))?;
    if bytes.len() as u64 > bytes_max { Err(too_large()) } else { Ok(bytes) }
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

fn too_large() -> Unreadable {
    Unreadable("it is too large".to_owned())
}

fn line_starts(text: &str) -> Vec<u32> {
    let mut starts = vec![0];
    starts.extend(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| offset(at + 1)));
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_from_one() {
        let mut sources = Sources::default();
        let file = sources.add_text("t", "a = \"ä\" # x\nb = 1".to_owned(), None).unwrap();
        assert_eq!(sources.position(Place::new(file, 0..1)), (1, 1));
        assert_eq!(sources.position(Place::new(file, 9..10)), (1, 9));
        assert_eq!(sources.position(Place::new(file, 13..14)), (2, 1));
        assert_eq!(sources.position(Place::new(file, 99..99)), (2, 6));
        assert_eq!(
            (sources.line(file, 1), sources.line(file, 2), sources.line(file, 3)),
            ("a = \"ä\" # x", "b = 1", "")
        );
    }

    #[test]
    fn a_place_in_the_end_of_a_line_is_the_end_of_what_can_be_seen() {
        let mut sources = Sources::default();
        let file = sources.add_text("t", "ab\r\nc\r\r\n\r".to_owned(), None).unwrap();
        for (start, position) in
            [(1, (1, 2)), (2, (1, 3)), (3, (1, 3)), (5, (2, 2)), (7, (2, 2)), (8, (3, 1)), (9, (3, 1))]
        {
            assert_eq!(sources.position(Place::new(file, start..start)), position, "{start}");
        }
    }

    #[test]
    fn wildcards_match_within_one_name() {
        for (pattern, name) in [("*", "a"), ("*.toml", "a.toml"), ("a?c*", "abcd"), ("*a*b", "xaybab"), ("", "")] {
            assert!(is_match(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        for (pattern, name) in [("*.toml", "a.tom"), ("a?c", "ac"), ("", "a"), ("*ab", "aba")] {
            assert!(!is_match(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
    }
}
