//! The configuration: what is refused and where, what is warned about, and what the generated pages say.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use ringway::cli::check;
use ringway::plan::complaint::Complaint;
use ringway::plan::{self, Loaded};

/// What a good configuration means.
mod meaning;
/// The schema, the reference and the documentation say what the reader does.
mod pages;
/// No text makes the reader panic, nor complain without bound.
mod robust;

/// One case of tests/config/bad.txt.
struct Case {
    name: String,
    text: String,
    /// Code, place, words.
    expected: Vec<(String, String)>,
}

fn cases(table: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in table.lines() {
        if let Some(name) = line.strip_prefix("=== ") {
            cases.push(Case { name: name.to_owned(), text: String::new(), expected: Vec::new() });
        } else if let Some(case) = cases.last_mut() {
            match line.strip_prefix("--- ") {
                Some(expected) => case.expected.push(expectation(expected)),
                None if case.expected.is_empty() => case.text.push_str(&format!("{line}\n")),
                None => assert!(line.is_empty(), "{}: text behind the complaints: {line}", case.name),
            }
        }
    }
    cases
}

/// `E012 7:12 words` as what is compared and what must be said.
fn expectation(line: &str) -> (String, String) {
    let mut parts = line.splitn(3, ' ');
    let code = parts.next().unwrap_or_default();
    let place = parts.next().unwrap_or("-");
    (format!("{code} {place}"), parts.next().unwrap_or_default().to_owned())
}

/// All that is complained about a configuration, good or bad.
fn complaints(loaded: Result<Loaded, plan::complaint::Complaints>) -> Vec<Complaint> {
    match loaded {
        Ok(loaded) => loaded.warnings,
        Err(complaints) => complaints.list,
    }
}

/// What differs between what was expected and what was found.
fn differences(case: &Case, found: &[Complaint], base: &Path) -> Option<String> {
    let place = |complaint: &Complaint| match &complaint.spot {
        None => "-".to_owned(),
        Some(spot) => {
            let file = Path::new(&spot.file).strip_prefix(base).map(|file| format!("{}:", file.display()));
            format!("{}{}:{}", file.unwrap_or_default(), spot.line, spot.column)
        }
    };
    let found_places: Vec<String> =
        found.iter().map(|complaint| format!("{} {}", complaint.code.row().text, place(complaint))).collect();
    let says = |complaint: &Complaint, words: &str| complaint.to_string().contains(words);
    let is_same = found.len() == case.expected.len()
        && case.expected.iter().zip(&found_places).all(|((expected, _), found)| expected == found)
        && case.expected.iter().zip(found).all(|((_, words), complaint)| says(complaint, words));
    if is_same {
        return None;
    }
    let mut report = format!("=== {}\n", case.name);
    for (expected, words) in &case.expected {
        writeln!(report, "  expected {expected} {words}").unwrap();
    }
    for complaint in found {
        writeln!(report, "  found {} {}", place(complaint), complaint).unwrap();
    }
    Some(report)
}

#[test]
fn every_mistake_is_reported_with_its_code_and_place() {
    let table = include_str!("config/bad.txt");
    let cases = cases(table);
    assert!(cases.len() >= 60, "only {} cases", cases.len());
    let reports: Vec<String> = cases
        .iter()
        .filter_map(|case| differences(case, &complaints(plan::load_text("bad.toml", &case.text)), Path::new("none")))
        .collect();
    assert!(reports.is_empty(), "{} of {} cases differ:\n{}", reports.len(), cases.len(), reports.join("\n"));
}

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn every_mistake_in_every_included_file_is_reported_in_one_run() {
    let root = folder("tests/config/many");
    let mut folders: Vec<PathBuf> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 5);
    let mut reports = Vec::new();
    for folder in folders {
        let expected = fs::read_to_string(folder.join("expected.txt")).unwrap();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let case = Case { name, text: String::new(), expected: expected.lines().map(expectation).collect() };
        // What is said of another file names it by its whole path; the table by the path below the folder.
        let mut found = complaints(plan::load(&folder.join("main.toml")));
        for (_, spot) in found.iter_mut().filter_map(|complaint| complaint.other.as_mut()) {
            let path = Path::new(&spot.file).strip_prefix(&folder).map(|path| path.display().to_string());
            spot.file = path.unwrap_or_else(|_| spot.file.clone());
        }
        reports.extend(differences(&case, &found, &folder));
    }
    assert!(reports.is_empty(), "{}", reports.join("\n"));
}

#[test]
fn the_whole_language_is_known_and_what_is_not_built_is_refused_as_that() {
    let complaints = plan::load(&folder("tests/config/design.toml")).unwrap_err();
    assert!(complaints.list.len() >= 60, "{complaints}");
    for complaint in complaints.list {
        assert_eq!(complaint.code.row().text, "E004", "{complaint}");
        assert!(complaint.message.ends_with("is not supported yet"), "{complaint}");
    }
}

#[test]
fn check_prints_the_line_a_caret_and_what_was_perhaps_meant() {
    let path = folder("tests/config/many/a-circle-ends/main.toml");
    let mut out = Vec::new();
    assert_eq!(check::run(&path, check::Format::Text, &mut out).unwrap(), 1);
    let text = String::from_utf8(out).unwrap();
    let expected = format!(
        "{}:7:12: error[E012]: unknown upstream \"ap\"\n    upstream = \"ap\"\n               ^^^^\n    did you mean \"app\"?\n",
        path.display()
    );
    assert!(text.starts_with(&expected), "{text}");
    assert!(text.ends_with("3 errors\n"), "{text}");
}

#[test]
fn check_prints_json_for_tools() {
    let path = folder("tests/config/many/a-circle-ends/main.toml");
    let mut out = Vec::new();
    assert_eq!(check::run(&path, check::Format::Json, &mut out).unwrap(), 1);
    let report: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!((&report["good"], &report["errors"]), (&false.into(), &3.into()));
    let first = &report["complaints"][0];
    assert_eq!((&first["code"], &first["severity"]), (&"E012".into(), &"error".into()));
    assert_eq!((&first["place"]["line"], &first["place"]["column"]), (&7.into(), &12.into()));
    assert_eq!(first["hint"], "did you mean \"app\"?");
    out.clear();
    assert_eq!(check::run(&folder("config/edge.toml"), check::Format::Json, &mut out).unwrap(), 0);
    assert!(String::from_utf8(out).unwrap().contains("\"good\": true"));
}

#[test]
fn a_file_that_is_not_there_is_one_complaint() {
    let mut out = Vec::new();
    assert_eq!(check::run(Path::new("no/such/file.toml"), check::Format::Text, &mut out).unwrap(), 1);
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text, "error[E001]: cannot read \"no/such/file.toml\": there is no such file\n\n1 error\n");
}
