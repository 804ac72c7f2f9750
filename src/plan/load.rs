//! From a file, or from text, to a plan or to all complaints about it.
//!
//! First all files are found by following `include`, then all are parsed, read and compiled as one. A file is parsed
//! twice only when it mentions `include`: the texts must stand still before trees can point into them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::code::Code;
use super::complaint::{Complaint, Complaints};
use super::desk::Desk;
use super::mention::Mentions;
use super::origin::Origins;
use super::raw::server::INCLUDE;
use super::source::{FileId, Place, Sources, Unreadable, expand};
use super::{Match, Plan, compile, raw};
use crate::words::limits::{CONFIG_FILES_MAX, INCLUDE_DEPTH_MAX};

/// A plan and what is known about it beside.
#[derive(Debug)]
pub struct Loaded {
    /// The plan; its generation is 1 until the caller says otherwise.
    pub plan: Plan,
    /// What the router was compiled from, by route.
    pub matches: Vec<Match>,
    /// What is allowed, but hardly meant; by file and position.
    pub warnings: Vec<Complaint>,
    /// Where each setting came from.
    pub origins: Origins,
    /// Where files of certificates are named.
    pub mentions: Mentions,
}

/// Loads the file at `path` and all that it includes.
///
/// # Errors
/// All complaints, warnings among them, when at least one is an error.
pub fn load(path: &Path) -> Result<Loaded, Complaints> {
    let mut sources = Sources::default();
    let added = sources.add_file(path);
    finish(sources, added, &path.display().to_string())
}

/// Loads `text`, which is shown as `name`. It came from no file, so it can include none.
///
/// # Errors
/// All complaints, warnings among them, when at least one is an error.
pub fn load_text(name: &str, text: &str) -> Result<Loaded, Complaints> {
    let mut sources = Sources::default();
    let added = sources.add_text(name, text.to_owned(), None);
    finish(sources, added, name)
}

fn finish(mut sources: Sources, added: Result<FileId, Unreadable>, name: &str) -> Result<Loaded, Complaints> {
    let root = match added {
        Ok(root) => root,
        Err(Unreadable(why)) => return Err(unreadable(name, &why)),
    };
    let (files, gaps) = follow_includes(root, &mut sources);
    let mut desk = Desk::new(&sources);
    for gap in gaps {
        desk.complain_of_gap(gap.code, gap.place, gap.message);
    }
    // The trees are the largest thing here: they go before the plan is made.
    let raw = {
        let documents: Vec<_> = files.iter().map(|file| (*file, parse(*file, &sources, &mut desk))).collect();
        raw::read(&documents, &mut desk)
    };
    let compiled = compile::compile(raw, &mut desk);
    let is_usable = desk.errors() == 0;
    let files = compiled.as_ref().map(|compiled| compiled.files.list.as_slice()).unwrap_or_default();
    let mentions = files.iter().map(|(of, place)| (*of, desk.spot(*place))).collect();
    let (list, unlisted) = desk.into_complaints();
    match compiled {
        Some(compile::Compiled { plan, matches, mut origins, .. }) if is_usable => {
            origins.lines = sources.into_lines();
            Ok(Loaded { plan, matches, warnings: list, origins, mentions })
        }
        _ => Err(Complaints { list, unlisted }),
    }
}

fn unreadable(name: &str, why: &str) -> Complaints {
    let message = format!("cannot read \"{name}\": {why}");
    let complaint = Complaint { code: Code::Unreadable, spot: None, message, hint: None, other: None };
    Complaints { list: vec![complaint], unlisted: 0 }
}

fn parse<'s>(file: FileId, sources: &'s Sources, desk: &mut Desk<'_>) -> DeTable<'s> {
    let text = sources.text(file);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        let place = Place::new(file, span);
        // The parser tells its errors apart by their text only. This one leaves the tree whole, and has its own code.
        if error.message() == "duplicate key" {
            desk.complain(Code::Twice, place, "the same key or table is defined twice");
        } else {
            desk.complain_of_syntax(place, error.message());
        }
    }
    document.into_inner()
}

/// Something that could not be included.
struct Gap {
    code: Code,
    place: Place,
    message: String,
}

/// Finds all files from `root` on, in the order in which they are included. A file that is included again is not
/// read again, so that circles end and `include = ["*.toml"]` may match its own file.
fn follow_includes(root: FileId, sources: &mut Sources) -> (Vec<FileId>, Vec<Gap>) {
    let mut walk = Walk { files: vec![root], seen: HashSet::new(), gaps: Vec::new() };
    walk.seen.extend(Path::new(sources.name(root)).canonicalize());
    let mut level = vec![root];
    for depth in 0.. {
        let mut next = Vec::new();
        for file in level {
            for (pattern, place) in includes(file, sources) {
                if depth == INCLUDE_DEPTH_MAX {
                    let message = format!("files include each other more than {INCLUDE_DEPTH_MAX} deep");
                    walk.gaps.push(Gap { code: Code::TooMany, place, message });
                } else {
                    walk.include(&pattern, place, sources, &mut next);
                }
            }
        }
        if next.is_empty() {
            break;
        }
        level = next;
    }
    (walk.files, walk.gaps)
}

struct Walk {
    files: Vec<FileId>,
    seen: HashSet<PathBuf>,
    gaps: Vec<Gap>,
}

impl Walk {
    fn include(&mut self, pattern: &str, place: Place, sources: &mut Sources, next: &mut Vec<FileId>) {
        let Some(base) = sources.base(place.file).map(Path::to_path_buf) else {
            let message = "text that came from no file cannot include files".to_owned();
            return self.gaps.push(Gap { code: Code::Unreadable, place, message });
        };
        let paths = match expand(Some(&base), pattern) {
            Ok(paths) => paths,
            Err(Unreadable(message)) => return self.gaps.push(Gap { code: Code::Unreadable, place, message }),
        };
        for path in paths {
            if path.canonicalize().is_ok_and(|whole| !self.seen.insert(whole)) {
                continue;
            }
            if self.files.len() >= CONFIG_FILES_MAX {
                let message = format!("more than {CONFIG_FILES_MAX} files");
                return self.gaps.push(Gap { code: Code::TooMany, place, message });
            }
            match sources.add_file(&path) {
                Ok(file) => {
                    self.files.push(file);
                    next.push(file);
                }
                Err(Unreadable(why)) => {
                    let message = format!("cannot read \"{}\": {why}", path.display());
                    self.gaps.push(Gap { code: Code::Unreadable, place, message });
                }
            }
        }
    }
}

/// The patterns of `server.include`. What is no list of texts is passed over here and complained about when the
/// section is read.
fn includes(file: FileId, sources: &Sources) -> Vec<(String, Place)> {
    let text = sources.text(file);
    if memchr::memmem::find(text.as_bytes(), INCLUDE.name().as_bytes()).is_none() {
        return Vec::new();
    }
    let (document, _) = DeTable::parse_recoverable(text);
    let table = document.get_ref().get("server").and_then(|server| server.get_ref().as_table());
    let list = table.and_then(|server| server.get(INCLUDE.name())).and_then(|list| list.get_ref().as_array());
    let patterns = list.into_iter().flatten().filter_map(|pattern| {
        let text = pattern.get_ref().as_str().filter(|text| !text.is_empty())?;
        Some((text.to_owned(), Place::new(file, pattern.span())))
    });
    patterns.collect()
}
