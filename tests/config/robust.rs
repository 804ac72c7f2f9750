//! Whatever the text: a plan or complaints, bounded, with places that exist.

use std::fmt::Write as _;

use proptest::prelude::*;
use ringway::plan;
use ringway::words::limits::COMPLAINTS_MAX;

/// config/edge.toml without its `include`, which text from nowhere may not have, and without hosts to connect to: what
/// a mutation makes of them must not be looked up in the world.
fn edge() -> String {
    include_str!("../../config/edge.toml").replace("include ", "# include ").replace("http://", "unix:/")
}

#[test]
fn every_prefix_of_a_good_configuration_is_loaded_or_complained_about() {
    let text = edge();
    for end in (0..=text.len()).filter(|end| end % 7 == 0 && text.is_char_boundary(*end)) {
        if let Err(complaints) = plan::load_text("prefix.toml", &text[..end]) {
            assert!(complaints.errors().next().is_some(), "{end}");
        }
    }
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

#[test]
fn a_complaint_is_short_and_no_terminal_obeys_it() {
    let text = format!("[server]\nname = \"\\u001b[31m{}\\n\"\n", "x".repeat(100_000));
    let complaints = plan::load_text("long.toml", &text).unwrap_err();
    let shown = complaints.to_string();
    assert!(shown.len() < 2_000, "{} bytes", shown.len());
    let message = &complaints.list[0].message;
    assert!(message.ends_with('…') && !message.contains('\u{1b}'), "{message}");
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
        let mut text = edge();
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
        prop_assume!(!text.contains("http:") && !text.contains("https:"));
        let _ = plan::load_text("value.toml", &text);
    }
}
