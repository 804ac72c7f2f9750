//! Files of certificates: read whole and bounded, keys only when nobody else can; and how a change is seen.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::words::limits::CERTIFICATE_FILE_BYTES;

/// Reading or writing by users who are neither the owner nor of the group.
const OTHERS: u32 = 0o006;

/// Why a file cannot be used, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// In words, without the path.
    pub why: String,
    /// The remedy, where there is one to name.
    pub hint: Option<String>,
}

impl Refusal {
    /// Without a remedy.
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), hint: None }
    }

    /// With a remedy.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// What the file says.
///
/// # Errors
/// It cannot be read, or is larger than any such file.
pub fn read(path: &Path) -> Result<Vec<u8>, Refusal> {
    open(path).and_then(|(file, _)| content(file))
}

/// What the file says, if it is a secret.
///
/// # Errors
/// As [`read`]; or others can read or write it. The group may: that is how a gateway without privileges gets its keys.
pub fn read_secret(path: &Path) -> Result<Vec<u8>, Refusal> {
    let (file, facts) = open(path)?;
    let mode = facts.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(Refusal::new(format!("others can read or write this key (mode {mode:04o})"))
            .hint(format!("chmod o= {}", path.display())));
    }
    content(file)
}

/// The facts are those of the file that is read, whatever takes its name meanwhile.
fn open(path: &Path) -> Result<(File, Metadata), Refusal> {
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let facts = file.metadata().map_err(|error| unreadable(&error))?;
    if facts.is_dir() { Err(Refusal::new("it is a folder")) } else { Ok((file, facts)) }
}

fn content(file: File) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    file.take(CERTIFICATE_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > CERTIFICATE_FILE_BYTES { Err(Refusal::new("it is too large")) } else { Ok(bytes) }
}

fn unreadable(error: &io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::NotFound => Refusal::new("there is no such file"),
        io::ErrorKind::PermissionDenied => Refusal::new("permission denied"),
        _ => Refusal::new(error.to_string()),
    }
}

/// How files looked when they were last seen; equal while nothing changed.
///
/// Paths are followed to their ends: a file that another is renamed over, and a folder of links that another folder takes
/// the place of (so Kubernetes does it), have another inode; what is written in place has other times.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stamps(BTreeMap<PathBuf, Option<Stamp>>);

/// One file: device, inode, size, and when content and inode were changed, in seconds and nanoseconds.
type Stamp = (u64, u64, u64, (i64, i64), (i64, i64));

impl Stamps {
    /// How these files look now.
    pub fn of<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Self {
        Self(paths.into_iter().map(|path| (path.to_owned(), stamp(path))).collect())
    }

    /// How the same files look now.
    #[must_use]
    pub fn again(&self) -> Self {
        Self::of(self.0.keys().map(PathBuf::as_path))
    }

    /// There are no files to look at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let facts = fs::metadata(path).ok()?;
    let (content, inode) = ((facts.mtime(), facts.mtime_nsec()), (facts.ctime(), facts.ctime_nsec()));
    Some((facts.dev(), facts.ino(), facts.size(), content, inode))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::control::testing::Folder;

    #[test]
    fn a_key_is_read_only_when_others_can_neither_read_nor_write_it() {
        let folder = Folder::new("secret");
        let path = folder.path().join("a.key");
        fs::write(&path, "secret").unwrap();
        for (mode, is_secret) in
            [(0o600, true), (0o400, true), (0o640, true), (0o660, true), (0o644, false), (0o604, false), (0o602, false)]
        {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let read = read_secret(&path);
            assert_eq!(read.is_ok(), is_secret, "{mode:o}: {read:?}");
            if let Err(refusal) = read {
                assert!(refusal.why.contains(&format!("{mode:04o}")), "{refusal:?}");
                assert_eq!(refusal.hint, Some(format!("chmod o= {}", path.display())));
            }
        }
        assert_eq!(read(&folder.path().join("gone")), Err(Refusal::new("there is no such file")));
        assert_eq!(read(folder.path()), Err(Refusal::new("it is a folder")));
    }

    #[test]
    fn a_file_larger_than_any_certificate_is_not_read() {
        let folder = Folder::new("large");
        let path = folder.path().join("a.pem");
        File::create(&path).unwrap().set_len(CERTIFICATE_FILE_BYTES + 1).unwrap();
        assert_eq!(read(&path), Err(Refusal::new("it is too large")));
    }

    #[test]
    fn every_way_of_putting_another_file_in_place_is_seen() {
        let folder = Folder::new("stamps");
        let path = |name: &str| folder.path().join(name);
        for generation in ["one", "two"] {
            fs::create_dir(path(generation)).unwrap();
            fs::write(path(generation).join("a.pem"), "same").unwrap();
        }
        symlink("one", path("data")).unwrap();
        symlink("data/a.pem", path("a.pem")).unwrap();
        let link = path("a.pem");
        let mut last = Stamps::of([link.as_path()]);
        assert_eq!(last, last.again());
        let mut changed = |what: &str| {
            let now = last.again();
            assert_ne!(last, now, "{what}");
            last = now;
        };
        // Kubernetes: the link to the folder is renamed over.
        symlink("two", path("new")).unwrap();
        fs::rename(path("new"), path("data")).unwrap();
        changed("another folder");
        fs::write(path("other.pem"), "same").unwrap();
        fs::rename(path("other.pem"), path("two/a.pem")).unwrap();
        changed("renamed over");
        fs::write(path("two/a.pem"), "more than before").unwrap();
        changed("written in place");
        fs::remove_file(path("two/a.pem")).unwrap();
        changed("removed");
        fs::write(path("two/a.pem"), "back").unwrap();
        changed("there again");
    }
}
