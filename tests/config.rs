//! The configuration: what is refused and where, what is warned about, and what the generated pages say.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use ringway::cli::check;
use ringway::plan::code::{Code, Severity};
use ringway::plan::complaint::Complaint;
use ringway::plan::shape::{Described, Shape};
use ringway::plan::template::{Piece, Variable};
use ringway::plan::{self, Loaded, ValueMatch};
use ringway::words::ids::RouteId;
use ringway::words::limits::COMPLAINTS_MAX;

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
    assert!(written == plan::reference::text(), "config/reference.toml is stale: run `ringway reference`");
}

#[test]
fn the_reference_states_the_defaults_that_count() {
    let minimal = plan::load(&folder("config/minimal.toml")).unwrap().plan;
    let reference = plan::load(&folder("config/reference.toml")).unwrap().plan;
    assert_eq!(format!("{:?}", minimal.server), format!("{:?}", reference.server));
    let (plain, stated) = (&minimal.listeners[0], &reference.listeners[0]);
    assert_eq!((plain.limits, plain.timeouts), (stated.limits, stated.timeouts));
    assert_eq!(plain.trusted_proxies, stated.trusted_proxies);
    let (plain, stated) = (&minimal.routes[0], &reference.routes[0]);
    assert_eq!((plain.limits, plain.timeouts), (stated.limits, stated.timeouts));
    assert!(stated.request.is_empty() && stated.response.is_empty());
    let (plain, stated) = (&minimal.upstreams[0], &reference.upstreams[0]);
    assert_eq!((plain.balance, plain.idle_connections), (stated.balance, stated.idle_connections));
    assert_eq!(plain.idle_timeout, stated.idle_timeout);
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
    let schema = plan::schema::schema();
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
    ] {
        assert!(!is_valid(&validator, wrong), "{wrong}");
    }
}

#[test]
fn the_schema_refuses_nothing_that_the_reader_takes() {
    let validator = jsonschema::validator_for(&plan::schema::schema()).unwrap();
    for case in cases(include_str!("config/bad.txt")) {
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
    let mut table = include_str!("config/bad.txt").to_owned();
    for folder in fs::read_dir(folder("tests/config/many")).unwrap() {
        table.push_str(&fs::read_to_string(folder.unwrap().path().join("expected.txt")).unwrap());
    }
    for row in plan::code::TABLE {
        assert!(table.contains(row.text), "{} is never tested", row.text);
    }
}

fn edge(text: &str) -> Loaded {
    plan::load_text("edge.toml", text).unwrap_or_else(|complaints| panic!("{complaints}"))
}

#[test]
fn a_key_of_the_route_beats_upstream_listener_and_defaults_each_key_by_itself() {
    let loaded = edge(
        r#"
        [defaults]
        timeouts = { connect = "1ms", first_byte = "2ms", request = "3ms", idle = "4ms" }
        limits = { body = "1KiB", body_rate = "none" }
        [listeners.web]
        address = "127.0.0.1:8080"
        timeouts = { connect = "10ms", first_byte = "20ms", request = "30ms" }
        limits = { body = "2KiB" }
        [upstreams.app]
        endpoints = ["http://127.0.0.1:9000"]
        timeouts = { connect = "100ms", first_byte = "200ms" }
        [routes.all]
        path = "/*"
        upstream = "app"
        timeouts = { connect = "1s" }
        "#,
    );
    let millis = |timeouts: &plan::Timeouts| {
        [timeouts.head, timeouts.connect, timeouts.first_byte, timeouts.request, timeouts.idle]
            .map(|duration| duration.as_millis())
    };
    let listener = &loaded.plan.listeners[0];
    assert_eq!(millis(&listener.timeouts), [10_000, 10, 20, 30, 4]);
    let route = &loaded.plan.routes[0];
    assert_eq!(millis(&route.timeouts), [10_000, 1_000, 200, 30, 4]);
    assert_eq!((route.limits.body, route.limits.body_rate, route.limits.headers), (2048, 0, 100));
    let origins: Vec<(&str, String)> = loaded
        .origins
        .route(RouteId::new(0))
        .iter()
        .map(|setting| (setting.key, loaded.origins.text(setting)))
        .collect();
    for (key, origin) in [
        ("timeouts.head", "default"),
        ("timeouts.connect", "edge.toml:15"),
        ("timeouts.first_byte", "edge.toml:11"),
        ("timeouts.request", "edge.toml:7"),
        ("timeouts.idle", "edge.toml:3"),
        ("limits.body", "edge.toml:8"),
        ("limits.body_rate", "edge.toml:4"),
        ("limits.headers", "default"),
        ("path", "edge.toml:13"),
        ("upstream", "edge.toml:14"),
    ] {
        assert!(origins.contains(&(key, origin.to_owned())), "{key} {origin}: {origins:?}");
    }
}

#[test]
fn each_target_of_a_split_has_its_own_timeouts() {
    let loaded = edge(
        r#"
        [listeners.web]
        address = "127.0.0.1:8080"
        [upstreams.fast]
        endpoints = ["http://127.0.0.1:9000"]
        timeouts = { connect = "10ms", first_byte = "10ms", idle = "7s" }
        [upstreams.slow]
        endpoints = ["http://127.0.0.1:9001"]
        timeouts = { connect = "20ms", first_byte = "20ms", idle = "7s" }
        [routes.all]
        path = "/*"
        split = [{ upstream = "slow", weight = 1 }, { upstream = "fast", weight = 3 }]
        timeouts = { first_byte = "99ms" }
        "#,
    );
    let route = &loaded.plan.routes[0];
    let plan::Action::Forward(forward) = &route.action else { panic!("{route:?}") };
    let weights: Vec<u32> = forward.targets.iter().map(|(_, weight)| *weight).collect();
    let connects: Vec<u128> = forward.timeouts.iter().map(|timeouts| timeouts.connect.as_millis()).collect();
    assert_eq!((weights, connects), (vec![1, 3], vec![20, 10]));
    assert!(forward.timeouts.iter().all(|timeouts| timeouts.first_byte.as_millis() == 99));
    // Where the targets differ the route as a whole knows no better than its listener; where they agree it does.
    assert_eq!((route.timeouts.connect.as_millis(), route.timeouts.idle.as_secs()), (1_000, 7));
}

#[test]
fn names_become_ids_and_texts_become_values() {
    let text = fs::read_to_string(folder("config/edge.toml")).unwrap().replace("include ", "# include ");
    let Loaded { plan, matches, .. } = edge(&text);
    let names: Vec<&str> = plan.upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
    assert_eq!(names, ["files", "invoices", "orders", "orders-canary", "web", "routes.events.upstream"]);
    assert_eq!(matches.len(), plan.routes.len());
    let route = |name: &str| plan.routes.iter().position(|route| route.name == name).unwrap();
    let invoice = &plan.routes[route("invoice")];
    let plan::Action::Forward(forward) = &invoice.action else { panic!("{invoice:?}") };
    assert_eq!(plan.upstreams[forward.targets[0].0.index()].name, "invoices");
    let Some(plan::PathRewrite::Template(path)) = &forward.rewrite.path else { panic!("{forward:?}") };
    assert_eq!(path.pieces, [Piece::Text("/render/".to_owned()), Piece::Variable(Variable::Capture(1))]);
    let orders = &matches[route("orders")];
    assert_eq!((orders.hosts[0].as_str(), orders.path.as_str()), ("api.example.com", "/orders/*"));
    let canary = &matches[route("orders-canary")];
    assert_eq!(canary.headers, [("x-env".to_owned(), ValueMatch::Exact("canary".to_owned()))]);
    let nothing = &plan.routes[route("nothing-here")];
    let plan::Action::Respond(respond) = &nothing.action else { panic!("{nothing:?}") };
    assert_eq!((respond.status, &respond.body[..]), (404, &br#"{"error":"no such resource"}"#[..]));
    assert_eq!(respond.fields, [("content-type".to_owned(), "application/json".to_owned())]);
    let events = &plan.routes[route("events")];
    assert_eq!((events.timeouts.request, events.timeouts.first_byte), (Duration::MAX, Duration::MAX));
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

#[test]
fn complaints_are_bounded_and_the_rest_is_counted() {
    let mut text = String::new();
    for number in 0..COMPLAINTS_MAX + 5 {
        writeln!(text, "[routes.r{number}]\npath = \"x\"\nrespond = {{}}").unwrap();
    }
    let complaints = plan::load_text("many.toml", &text).unwrap_err();
    assert_eq!((complaints.list.len(), complaints.unlisted), (COMPLAINTS_MAX, 5));
}

/// Pieces that a mutation puts in: what the language is made of, and what breaks it.
const PIECES: &[&str] = &[
    "\"",
    "'",
    "\"\"\"",
    "[",
    "]",
    "{",
    "}",
    "=",
    ",",
    ".",
    "#",
    "\n",
    "\\",
    "*",
    "/",
    ":",
    "%",
    "\0",
    "ä",
    "\u{feff}",
    "true",
    "-1",
    "99999999999999999999",
    "nan",
    "2026-01-01",
    "none",
    "[routes.a]\n",
    "[[x]]\n",
    "path = \"/{a}/*\"\n",
    "{{",
    "}}",
    "{client.ip}",
    "http://",
    "unix:/",
    "0s",
    "../",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done to a good configuration, it is loaded or complained about, with places that are inside.
    #[test]
    fn no_text_makes_the_reader_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..40_usize, prop::sample::select(PIECES)), 1..6),
    ) {
        let mut text = include_str!("../config/edge.toml").replace("include ", "# include ");
        for (at, removed, piece) in edits {
            let boundary = |mut at: usize| {
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                at
            };
            let start = boundary(at.index(text.len()));
            let end = boundary((start + removed).min(text.len()));
            text.replace_range(start..end.max(start), piece);
        }
        if let Err(complaints) = plan::load_text("edge.toml", &text) {
            prop_assert!(complaints.errors().next().is_some());
            let lines = text.lines().count() + 1;
            for complaint in &complaints.list {
                let _ = complaint.to_string();
                prop_assert!(complaint.spot.as_ref().is_none_or(|spot| (1..=lines).contains(&(spot.line as usize))));
            }
        }
    }

    /// Values from anywhere: each text as each kind of value.
    #[test]
    fn no_value_makes_the_reader_panic(value in "\\PC{0,40}", which in any::<prop::sample::Index>()) {
        let quoted = format!("'''{}'''", value.replace('\'', ""));
        let places = [
            "[server]\nname = @", "[server]\ncpus = [@]", "[server]\ndrain_timeout = @", "[defaults.limits]\nbody = @",
            "[defaults.limits]\nbody_rate = @", "[listeners.a]\naddress = @", "[listeners.a]\ntrusted_proxies = [@]",
            "[routes.a]\npath = @", "[routes.a]\nhosts = [@]", "[routes.a]\npath_regex = @", "[routes.a]\nmethods = [@]",
            "[routes.a]\npath = '/{a}/*'\nrewrite = { path = @, query = @, host = @ }\nupstream = @",
            "[routes.a]\npath = '/*'\nresponse = { set = { x = @ }, remove = [@] }\nrespond = { text = @ }",
            "[routes.a]\npath = '/*'\nredirect = { prefix = @, host = @ }", "[access_log]\nformat = @",
            "[upstreams.a]\nendpoints = ['unix:/x', { url = @, weight = 1 }]\nbalance = @",
        ];
        let text = places[which.index(places.len())].replace('@', &quoted);
        // Nothing is resolved: a name that proptest makes up must not be looked for in the world.
        prop_assume!(!text.contains("http:"));
        let _ = plan::load_text("value.toml", &text);
    }
}
