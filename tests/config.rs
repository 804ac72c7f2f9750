//! The configuration: what is refused and where, what is warned about, and what the generated pages say.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use ringway::plan::complaint::Complaint;
use ringway::plan::{self, Loaded};

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
