//! Reads the sources and fails where they leave the architecture: an import that runs upwards, a clock or a socket
//! below the shell, `unsafe` or the runtime in a file that is not named for it, a file or a function too long to read.
//!
//! It reads plain text, not syntax: rustfmt's layout makes that enough. Each rule is planted once at the foot and
//! must be seen to fire. Not here: what clippy and rustc check already (lints in Cargo.toml, clippy.toml).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

mod code;

use code::{code_of, functions, without_tests, words};

/// The floors, bottom first; imports run downwards only.
const FLOORS: &[&[&str]] =
    &[&["words"], &["proto"], &["plan"], &["policy"], &["shell"], &["control"], &["cli", "main", "lib"]];

/// From this floor up there may be clocks, sockets and async.
const SHELL: usize = 4;

/// The one file of the data path that names tokio: for the traits by which `h2` reads and writes, not for its runtime.
const TOKIO_TRAITS: &str = "src/shell/h2/adapter.rs";

/// Where the runtime of the data path may be named.
const MONOIO_FILES: &[&str] = &["src/shell/uring/"];

/// The files that may say `unsafe`, each a promise with a test (style rule: unsafe lives in named files).
const UNSAFE_FILES: &[&str] =
    &["src/main.rs", "src/shell/uring/slot.rs", "src/shell/uring/spawn.rs", "src/shell/uring/stream.rs"];

/// What only floors from the shell upwards may name.
const WORLDLY: &[&str] = &[
    "async",
    "await",
    "monoio",
    "tokio",
    "socket2",
    "thread",
    "SystemTime",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "UnixListener",
    "UnixDatagram",
];

/// What no finished code says. Spelt in two halves where this file would find itself.
const UNFINISHED: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Directories of somebody's machine, which mean nothing to a reader.
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/tmp/", "wt"), concat!("/ro", "ot/")];

/// Directories that programs fill and git ignores.
const NOT_OURS: &[&str] = &["target", "results", "__pycache__"];

/// A full file; the report names those beyond it.
const FILE_LINES: usize = 400;
/// No file is longer.
const FILE_LINES_MAX: usize = 800;
/// No function is longer, from its signature to its brace.
const FUNCTION_LINES_MAX: usize = 70;

/// The rules, as the planted violations name them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Rule {
    Floor,
    Worldly,
    Runtime,
    Unsafe,
    FileLength,
    FunctionLength,
    Unfinished,
    Unwrap,
    MachinePath,
    ModuleComment,
    Orphan,
}

/// One breach of one rule.
#[derive(Debug)]
struct Breach {
    rule: Rule,
    what: String,
}

#[test]
fn the_sources_keep_the_architecture() {
    let sources = sources();
    assert!(sources.len() > 10, "the sources were not found");
    let mut breaches = Vec::new();
    let for_tests = test_modules(&sources);
    for (path, text) in &sources {
        // A module that exists in tests only is held to the rules for tests.
        let held_as = if for_tests.contains(path) { &path.replace("src/", "tests/") } else { path };
        for breach in breaches_of(held_as, text) {
            breaches.push(format!("{path}: {:?}: {}", breach.rule, breach.what));
        }
        if path.ends_with(".rs") && text.lines().count() > FILE_LINES {
            println!("{path} is long: {} lines of {FILE_LINES}", text.lines().count());
        }
    }
    breaches.extend(orphans(&sources).iter().map(|path| format!("{path}: {:?}: no `mod` names it", Rule::Orphan)));
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn the_changelog_has_a_place_for_what_comes_next() {
    let text = fs::read_to_string(root().join("CHANGELOG.md")).expect("there is a CHANGELOG.md");
    assert!(text.contains("\n## [Unreleased]\n"), "CHANGELOG.md has no section [Unreleased]");
}

#[test]
fn links_in_the_documentation_lead_somewhere() {
    let pages: BTreeMap<String, String> = sources().into_iter().filter(|(path, _)| path.ends_with(".md")).collect();
    assert!(pages.len() > 4, "the pages were not found");
    let lost: Vec<String> = pages.iter().flat_map(|(path, text)| lost_links(path, text, &root())).collect();
    assert!(lost.is_empty(), "\n{}\n", lost.join("\n"));
    assert_eq!(
        lost_links("docs/x.md", "[a](https://a) [b](../README.md#why) [c](gone.md)", &root()),
        ["docs/x.md: gone.md"]
    );
}

/// The relative links of a page at `path` below `root` that lead to no file.
fn lost_links(path: &str, text: &str, root: &Path) -> Vec<String> {
    let home = root.join(path).parent().expect("a page is in a directory").to_owned();
    let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    let is_lost = |link: &&str| !link.is_empty() && !link.contains("://") && !home.join(link).exists();
    links.filter(is_lost).map(|link| format!("{path}: {link}")).collect()
}

/// All that one file breaks.
fn breaches_of(path: &str, text: &str) -> Vec<Breach> {
    let mut found = Vec::new();
    for word in MACHINE_PATHS.iter().filter(|word| text.contains(**word)) {
        found.push(Breach { rule: Rule::MachinePath, what: (*word).to_owned() });
    }
    for word in UNFINISHED.iter().filter(|word| words(text).any(|other| other == **word)) {
        found.push(Breach { rule: Rule::Unfinished, what: (*word).to_owned() });
    }
    if path.ends_with(".rs") {
        let code = code_of(text);
        found.extend(length_breaches(text, &code));
        if path.starts_with("src/") {
            found.extend(source_breaches(path, text, &code));
        }
    }
    found
}

fn length_breaches(text: &str, code: &str) -> Vec<Breach> {
    let lines = text.lines().count();
    let too_long = (lines > FILE_LINES_MAX).then(|| Breach { rule: Rule::FileLength, what: format!("{lines} lines") });
    let module_comment = (!text.starts_with("//!"))
        .then(|| Breach { rule: Rule::ModuleComment, what: "does not begin with what it is for".to_owned() });
    let functions = functions(code)
        .into_iter()
        .filter(|(_, lines)| *lines > FUNCTION_LINES_MAX)
        .map(|(name, lines)| Breach { rule: Rule::FunctionLength, what: format!("fn {name} has {lines} lines") });
    too_long.into_iter().chain(module_comment).chain(functions).collect()
}

fn source_breaches(path: &str, text: &str, code: &str) -> Vec<Breach> {
    let mut found = Vec::new();
    let floor = floor_of_file(path);
    for import in code::imports(code) {
        if floor_of(&import).is_some_and(|other| other > floor) {
            found.push(Breach { rule: Rule::Floor, what: format!("names crate::{import}, which is above it") });
        }
    }
    let serving = without_tests(code);
    let mut forbid = |rule, word: &str| {
        if words(serving).any(|other| other == word) {
            found.push(Breach { rule, what: word.to_owned() });
        }
    };
    if floor < SHELL {
        WORLDLY.iter().for_each(|word| forbid(Rule::Worldly, word));
    }
    if floor <= SHELL && path != TOKIO_TRAITS {
        ["tokio", "axum"].iter().for_each(|word| forbid(Rule::Runtime, word));
    }
    if !MONOIO_FILES.iter().any(|place| path.starts_with(place)) {
        forbid(Rule::Runtime, "monoio");
    }
    if !UNSAFE_FILES.contains(&path) {
        forbid(Rule::Unsafe, "unsafe");
    }
    ["unimplemented", "todo", "dbg"].iter().for_each(|word| forbid(Rule::Unfinished, word));
    forbid(Rule::Unwrap, "unwrap");
    if floor < SHELL && (serving.contains("Instant::now") || text.contains("std::time::Instant")) {
        found.push(Breach { rule: Rule::Worldly, what: "reads a clock".to_owned() });
    }
    found
}

/// The floor of `src/<floor>/…` or `src/<floor>.rs`.
fn floor_of_file(path: &str) -> usize {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
    let module = inside.split('/').next().expect("a split has a first part");
    floor_of(module).unwrap_or_else(|| panic!("{path} stands on no floor of ARCHITECTURE.md"))
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// Files under `src` and `tests` that no `mod` line reaches: rustc would never look at them.
fn orphans(sources: &BTreeMap<String, String>) -> Vec<String> {
    let is_named = |path: &str| {
        let path = Path::new(path);
        let stem = path.file_stem().expect("a file has a name").to_str().expect("our names are ASCII");
        let directory = path.parent().expect("a source has a directory").to_str().expect("our names are ASCII");
        // `a/b.rs` is named by `a.rs`, `a/mod.rs` or a crate root in `a`; `a/b/mod.rs` by the same ones.
        let (module, home) = if stem == "mod" {
            let (home, module) = directory.rsplit_once('/').expect("a module is not at the top");
            (module, home)
        } else {
            (stem, directory)
        };
        let parents = ["mod", "lib", "main", "tests"].map(|root| format!("{home}/{root}.rs"));
        let declares = |parent: &String| {
            sources
                .get(parent)
                .is_some_and(|text| text.lines().any(|line| line.trim_start().ends_with(&format!("mod {module};"))))
        };
        parents.iter().chain([&format!("{home}.rs")]).any(declares)
    };
    let roots = ["src/main.rs", "src/lib.rs", "tests/tests.rs"];
    // A package of its own has its own roots.
    let packages: Vec<&str> = sources.keys().filter_map(|path| path.strip_suffix("Cargo.toml")).collect();
    let is_elsewhere = |path: &str| packages.iter().any(|home| !home.is_empty() && path.starts_with(home));
    let modules = sources.keys().filter(|path| path.ends_with(".rs") && !roots.contains(&path.as_str()));
    modules
        .filter(|path| (path.starts_with("src/") || path.starts_with("tests/")) && !is_elsewhere(path))
        .filter(|path| !is_named(path))
        .cloned()
        .collect()
}

/// The files that a `#[cfg(test)] mod name;` includes.
fn test_modules(sources: &BTreeMap<String, String>) -> Vec<String> {
    let declared = sources.iter().filter(|(path, _)| path.starts_with("src/")).flat_map(|(path, text)| {
        let home =
            path.trim_end_matches("mod.rs").trim_end_matches("lib.rs").trim_end_matches(".rs").trim_end_matches('/');
        let names = text.split("#[cfg(test)]\nmod ").skip(1).filter_map(|rest| rest.split_once(';'));
        names.filter(|(name, _)| !name.contains(['{', ' '])).map(move |(name, _)| format!("{home}/{name}.rs"))
    });
    declared.collect()
}

/// All text files of the project, by path from its root.
fn sources() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for name in ["src", "tests", "scripts", "loadtest", "config", "benches", "docs", ".ci"] {
        collect(&root().join(name), &mut files);
    }
    for entry in fs::read_dir(root()).expect("the project is readable").flatten() {
        if entry.path().extension().is_some_and(|end| end == "md" || end == "toml") {
            add(&entry.path(), &mut files);
        }
    }
    files
}

fn collect(directory: &Path, files: &mut BTreeMap<String, String>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() && !NOT_OURS.iter().any(|name| entry.file_name() == *name) {
            collect(&path, files);
        } else if path.is_file() {
            add(&path, files);
        }
    }
}

fn add(path: &Path, files: &mut BTreeMap<String, String>) {
    let name = path.strip_prefix(root()).expect("it was found below the root").to_str().expect("our names are ASCII");
    // What is not UTF-8 is not text.
    if let Ok(text) = fs::read_to_string(path) {
        files.insert(name.to_owned(), text);
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

// ------------------------------------------------------------------------------------------ each rule fires

/// The rules that `text` at `path` breaks.
fn broken(path: &str, text: &str) -> Vec<Rule> {
    breaches_of(path, &format!("//! About.\n{text}")).iter().map(|breach| breach.rule).collect()
}

#[test]
fn each_rule_fires_on_a_planted_breach() {
    let long_function = format!("    fn long() {{\n{}    }}\n", "        let _ = 1;\n".repeat(69));
    let planted: &[(&str, &str, Rule)] = &[
        ("src/proto/x.rs", "use crate::shell::io::Io;", Rule::Floor),
        ("src/proto/x.rs", "use crate::{words::ids, plan::Plan};", Rule::Floor),
        ("src/plan/x.rs", "fn f() { crate::policy::f() }", Rule::Floor),
        ("src/plan/x.rs", "use super::super::control::run;", Rule::Floor),
        ("src/control/x.rs", "use crate::cli;", Rule::Floor),
        ("src/policy/x.rs", "pub async fn f() {}", Rule::Worldly),
        ("src/policy/x.rs", "use std::net::{IpAddr, TcpStream};", Rule::Worldly),
        ("src/proto/x.rs", "fn f() { Instant::now(); }", Rule::Worldly),
        ("src/words/x.rs", "fn f() { std::thread::yield_now(); }", Rule::Worldly),
        ("src/shell/exchange.rs", "use monoio::net::TcpStream;", Rule::Runtime),
        ("src/shell/exchange.rs", "use tokio::time;", Rule::Runtime),
        ("src/control/x.rs", "use monoio::spawn;", Rule::Runtime),
        ("src/control/x.rs", "fn f() { unsafe { g() } }", Rule::Unsafe),
        ("src/words/x.rs", &"\n".repeat(800), Rule::FileLength),
        ("tests/x.rs", &long_function, Rule::FunctionLength),
        ("src/words/x.rs", concat!("// TO", "DO: later"), Rule::Unfinished),
        ("src/words/x.rs", "fn f() { todo!() }", Rule::Unfinished),
        ("src/control/x.rs", "fn f() { g().unwrap(); }", Rule::Unwrap),
        ("README.md", concat!("see /wo", "rk/main"), Rule::MachinePath),
    ];
    for (path, text, rule) in planted {
        assert_eq!(broken(path, text), [*rule], "{path}: {text}");
    }
    assert_eq!(breaches_of("src/words/x.rs", "pub fn f() {}")[0].rule, Rule::ModuleComment);
}

#[test]
fn what_is_allowed_is_not_reported() {
    let allowed: &[(&str, &str)] = &[
        ("src/shell/x.rs", "use crate::proto::head; use crate::{plan, policy};"),
        ("src/shell/x.rs", "async fn f() { g().await }"),
        ("src/shell/uring/stream.rs", "use monoio::net::TcpStream; fn f() { unsafe { g() } }"),
        ("src/plan/x.rs", "use std::net::{IpAddr, SocketAddr};"),
        ("src/plan/x.rs", "// unlike crate::shell, this knows no tokio"),
        ("src/plan/x.rs", "const S: &str = \"crate::shell tokio \\\" unsafe\"; const C: char = '\"';"),
        ("src/plan/x.rs", "fn f<'a>(x: &'a str) -> &'a str { x }"),
        ("src/plan/x.rs", "#[cfg(test)]\nmod tests {\n    fn f() { g().unwrap(); }\n}"),
    ];
    for (path, text) in allowed {
        assert_eq!(broken(path, text), [], "{path}: {text}");
    }
}

#[test]
fn a_file_that_no_module_names_is_an_orphan() {
    let tree = |files: &[(&str, &str)]| files.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect();
    let sound =
        [("src/lib.rs", "pub mod a;"), ("src/a/mod.rs", "mod b;"), ("src/a/b.rs", "mod c;"), ("src/a/b/c.rs", "")];
    assert_eq!(orphans(&tree(&sound)), [""; 0]);
    let lost = [("src/lib.rs", "pub mod a;"), ("src/a/mod.rs", ""), ("src/a/b.rs", "")];
    assert_eq!(orphans(&tree(&lost)), ["src/a/b.rs"]);
}
