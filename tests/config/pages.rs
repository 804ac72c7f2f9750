//! What is made from the language, and what is written about it: both must say what the reader does.

use std::fs;

use ringway::plan;
use ringway::plan::code::{Code, Severity};
use ringway::plan::complaint::Complaint;
use ringway::plan::shape::{Described, Shape};

use super::{cases, complaints, folder};

#[test]
fn the_configurations_that_are_shipped_are_good_and_without_warnings() {
    for name in ["minimal", "edge", "reference"] {
        let path = folder("config").join(format!("{name}.toml"));
        match plan::load(&path) {
            Ok(loaded) => assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings),
            Err(complaints) => panic!("{complaints}"),
        }
    }
    assert_eq!(fs::read_to_string(folder("config/minimal.toml")).unwrap().lines().count(), 5);
}

#[test]
fn the_reference_is_fresh() {
    let written = fs::read_to_string(folder("config/reference.toml")).unwrap();
    let mut fresh = Vec::new();
    ringway::cli::schema::run_reference(&mut fresh).unwrap();
    assert!(written.as_bytes() == fresh, "config/reference.toml is stale: run `ringway reference`");
}

#[test]
fn the_reference_states_the_defaults_that_count() {
    let minimal = plan::load(&folder("config/minimal.toml")).unwrap().plan;
    let reference = plan::load(&folder("config/reference.toml")).unwrap().plan;
    assert_eq!(format!("{:?}", minimal.server), format!("{:?}", reference.server));
    let (plain, stated) = (&minimal.listeners[0], &reference.listeners[0]);
    assert_eq!((plain.limits, plain.timeouts), (stated.limits, stated.timeouts));
    assert_eq!(plain.trusted_proxies, stated.trusted_proxies);
    assert_eq!((&plain.protocols, plain.tls), (&stated.protocols, stated.tls));
    let (plain, stated) = (&minimal.routes[0], &reference.routes[0]);
    assert_eq!((plain.limits, plain.timeouts), (stated.limits, stated.timeouts));
    assert!(stated.request.is_empty() && stated.response.is_empty());
    let (plain, stated) = (&minimal.upstreams[0], &reference.upstreams[0]);
    assert_eq!((plain.balance, plain.idle_connections), (stated.balance, stated.idle_connections));
    assert_eq!(plain.idle_timeout, stated.idle_timeout);
    assert_eq!((plain.protocol, &plain.tls), (stated.protocol, &stated.tls));
    let log = reference.access_log.unwrap();
    assert!(log.file.is_none() && matches!(log.format, plan::LogFormat::Json));
}

/// Every key that is described, as text at its place in a document, with its default or its example.
fn each_key(path: &str, keys: &[Described], found: &mut Vec<(String, String)>) {
    for key in keys {
        let value = key.toml_default().unwrap_or(key.example);
        match key.shape {
            Shape::Table(inner) => each_key(&format!("{path}.{}", key.name), inner, found),
            _ => found.push((key.name.to_owned(), format!("[{path}]\n{} = {value}\n", key.name))),
        }
    }
}

#[test]
fn every_key_that_is_described_is_read() {
    let mut found = Vec::new();
    for section in plan::raw::SECTIONS {
        match section.shape {
            Shape::Table(keys) => each_key(section.name, keys, &mut found),
            Shape::Named(_, Shape::Table(keys)) => each_key(&format!("{}.some", section.name), keys, &mut found),
            _ => panic!("a section is a table"),
        }
    }
    assert!(found.len() > 60);
    for (key, text) in found {
        let complaints = complaints(plan::load_text("key.toml", &text));
        let is_about_it = |complaint: &&Complaint| {
            let about_value = !matches!(complaint.code, Code::Missing | Code::Unreadable | Code::UnknownName);
            let is_here = complaint.spot.as_ref().is_some_and(|spot| spot.line == 2);
            about_value && is_here && complaint.code.severity() == Severity::Error
        };
        let about_it: Vec<&Complaint> = complaints.iter().filter(is_about_it).collect();
        // A template's variables and a prefix depend on a route's path, which is not there.
        let is_fine = |complaint: &&Complaint| matches!(complaint.code, Code::UnknownVariable | Code::Conflict);
        assert!(about_it.iter().all(is_fine), "{key}: {about_it:?}\n{text}");
    }
}

fn is_valid(validator: &jsonschema::Validator, text: &str) -> bool {
    let document: toml::Table = text.parse().unwrap();
    validator.is_valid(&serde_json::to_value(document).unwrap())
}

#[test]
fn the_schema_takes_what_is_good_and_refuses_what_is_not() {
    let mut printed = Vec::new();
    ringway::cli::schema::run(&mut printed).unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&printed).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(jsonschema::meta::is_valid(&schema));
    let validator = jsonschema::validator_for(&schema).unwrap();
    for name in ["minimal", "edge", "reference"] {
        let text = fs::read_to_string(folder("config").join(format!("{name}.toml"))).unwrap();
        assert!(is_valid(&validator, &text), "{name}");
    }
    for wrong in [
        "workers = 2",
        "[server]\nwrokers = 2",
        "[server]\nworkers = 0",
        "[server]\nname = \"a b\"",
        "[listeners.web]",
        "[listeners.Web]\naddress = \"127.0.0.1:8080\"",
        "[listeners.web]\naddress = 8080",
        "[defaults.timeouts]\nhead = \"none\"",
        "[routes.a]\npath = \"a\"",
        "[routes.a]\npath = \"/a\"\nmethods = []",
        "[routes.a]\npath = \"/a\"\nredirect = { status = 200 }",
        "[routes.a]\npath = \"/a\"\nheaders = { x = false }",
        "[upstreams.a]\nendpoints = [\"127.0.0.1:80\"]",
        "[upstreams.a]\nendpoints = [{ weight = 1 }]",
        "[tls.edge]\nmin_version = \"1.2\"",
        "[tls.edge]\ncertificates = []",
        "[tls.edge]\ncertificates = [{ cert = \"a.pem\" }]",
        "[listeners.web]\naddress = \"127.0.0.1:8080\"\nprotocols = [\"h3\"]",
        "[upstreams.a]\nendpoints = [\"https://a\"]\ntls = { verify = 0 }",
        "[routes.a]\npath = \"/a\"\nupgrade = [\"a b\"]",
    ] {
        assert!(!is_valid(&validator, wrong), "{wrong}");
    }
}

#[test]
fn the_schema_refuses_nothing_that_the_reader_takes() {
    let validator = jsonschema::validator_for(&plan::schema::schema()).unwrap();
    for case in cases(include_str!("bad.txt")) {
        if plan::load_text("bad.toml", &case.text).is_ok() {
            assert!(is_valid(&validator, &case.text), "{}", case.name);
        }
    }
}

#[test]
fn every_code_is_documented() {
    let page = fs::read_to_string(folder("docs/configuration.md")).unwrap();
    for row in plan::code::TABLE {
        let line = format!("| {} | {} |", row.text, row.meaning);
        assert!(page.contains(&line), "docs/configuration.md lacks: {line}");
    }
    let documented = page.lines().filter(|line| line.starts_with("| E") || line.starts_with("| W")).count();
    assert_eq!(documented, plan::code::TABLE.len());
}

#[test]
fn every_variable_is_documented() {
    let page = fs::read_to_string(folder("docs/configuration.md")).unwrap();
    for (name, ..) in plan::value::template::VARIABLES {
        assert!(page.contains(&format!("| `{{{name}}}` |")), "docs/configuration.md lacks {{{name}}}");
    }
}

#[test]
fn every_code_is_shown_by_a_case() {
    let mut table = include_str!("bad.txt").to_owned();
    for folder in fs::read_dir(folder("tests/config/many")).unwrap() {
        table.push_str(&fs::read_to_string(folder.unwrap().path().join("expected.txt")).unwrap());
    }
    // What is in files is checked by control.
    table.push_str(include_str!("../certificates.rs"));
    for row in plan::code::TABLE {
        assert!(table.contains(row.text), "{} is never tested", row.text);
    }
}
