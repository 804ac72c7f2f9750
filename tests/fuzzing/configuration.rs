//! Configuration texts: a plan or complaints with places that exist, and the same plan however its text is laid out.

use ringway::plan::complaint::{Complaint, Spot};
use ringway::plan::{Loaded, load_text};

use super::driver::{Outcome, Target, Verdict};

/// What edits put in: what the language is made of, and what breaks it.
const WORDS: &[&[u8]] = &[
    b"\"",
    b"'",
    b"\"\"\"",
    b"'''",
    b"[",
    b"]",
    b"{",
    b"}",
    b" = ",
    b",",
    b".",
    b"#",
    b"\n",
    b"\\",
    b"*",
    b"/",
    b"/*",
    b":",
    b"%",
    b"\xc3\xa4",
    b"\xef\xbb\xbf",
    b"true",
    b"false",
    b"-1",
    b"0x10",
    b"1_000",
    b"99999999999999999999",
    b"nan",
    b"1e9",
    b"2026-01-01",
    b"\"none\"",
    b"\"15s\"",
    b"\"0s\"",
    b"\"1h\"",
    b"\"10MiB\"",
    b"\"240B/s\"",
    b"\"18446744073709551615B\"",
    b"[routes.a]\n",
    b"[routes.b]\npath = \"/b/{c}/*\"\nrespond = {}\n",
    b"[[x]]\n",
    b"path = \"/{a}/*\"\n",
    b"hosts = [\"*.a.example\"]\n",
    b"methods = [\"GET\"]\n",
    b"path_regex = \".*\"\n",
    b"{{",
    b"}}",
    b"{client.ip}",
    b"{request.path}",
    b"unix:/",
    b"0.0.0.0:0",
    b"[::1]:8080",
    b"10.0.0.0/8",
    b"::/0",
    b"../",
    b"weight = 0",
    b"status = 404",
    b"upstream = \"a\"\n",
    b"[upstreams.a]\nendpoints = [\"unix:/a\"]\n",
    b"[defaults.limits]\n",
    b"[defaults.timeouts]\n",
    b"[server]\n",
    b"[access_log]\n",
    b"headers = { x-a = \"b\" }\n",
];

/// A small configuration with one of nearly everything.
const SMALL: &str = r#"
[server]
name = "gw"
workers = 2
[listeners.web]
address = "127.0.0.1:8080"
trusted_proxies = ["10.0.0.0/8", "::1"]
[defaults]
limits = { body = "1MiB", headers = 50 }
timeouts = { request = "5s", idle = "none" }
[upstreams.orders]
endpoints = ["unix:/run/a.sock", { url = "unix:/run/b.sock", weight = 3 }]
balance = "weighted"
[routes.orders]
hosts = ["api.example", "*.api.example"]
path = "/orders/{id}/*"
methods = ["GET", "POST"]
upstream = "orders"
rewrite = { path = "/v2/{id}" }
request = { set = { x-client = "{client.ip}" }, remove = ["cookie"] }
[routes.old]
path = "/old/*"
redirect = { prefix = "/orders", status = 301 }
[routes.rest]
path = "/*"
respond = { status = 404, text = "no" }
[access_log]
format = "combined"
"#;

pub fn run() {
    // No host to look up in the world, and no file to include, whatever an edit makes of the text.
    let quiet = |text: &str| text.replace("include ", "# include ").replace("://", ":/").into_bytes();
    let edge = quiet(&include_str!("../../config/edge.toml").replace("http://", "unix:/"));
    let minimal = quiet(&include_str!("../../config/minimal.toml").replace("http://", "unix:/"));
    let small = SMALL.as_bytes().to_vec();
    let seeds = vec![small.clone(), small.clone(), small, minimal, edge];
    let target = Target { name: "configuration", slice: 300, seeds, words: WORDS };
    target.run(|input, _| check(&String::from_utf8_lossy(input).replace("://", ":/")));
}

fn check(text: &str) -> Outcome {
    match load_text("fuzz.toml", text) {
        Ok(loaded) => {
            places_exist(&loaded.warnings, text)?;
            loads_again(&loaded, text)
        }
        Err(complaints) => {
            places_exist(&complaints.list, text)?;
            let has_error = complaints.errors().next().is_some();
            if has_error { Ok(Verdict::Refused) } else { Err("refused without an error".to_owned()) }
        }
    }
}

/// Each complaint can be shown, and points into the text.
fn places_exist(list: &[Complaint], text: &str) -> Result<(), String> {
    let lines: Vec<&str> = text.split('\n').collect();
    for complaint in list {
        let other = complaint.other.as_ref().map(|(_, spot)| spot);
        for spot in complaint.spot.iter().chain(other) {
            let line = lines.get(spot.line as usize - 1).ok_or_else(|| format!("{spot} is behind the end"))?;
            if spot.column as usize > line.chars().count() + 1 {
                return Err(format!("{spot} is behind the end of its line {line:?}"));
            }
            can_be_underlined(spot)?;
        }
        let shown = complaint.to_string();
        let is_bad = |letter: char| letter.is_control() && letter != '\n' && letter != '\t';
        if shown.is_empty() || shown.contains(is_bad) {
            return Err(format!("shown as {shown:?}"));
        }
    }
    Ok(())
}

fn can_be_underlined(spot: &Spot) -> Result<(), String> {
    let letters = spot.text.chars().count();
    let is_inside = spot.width > 0 && (spot.indent + spot.width) as usize <= letters + 1;
    if is_inside { Ok(()) } else { Err(format!("{spot} underlines {} of {letters} letters", spot.indent + spot.width)) }
}

/// The document, written anew by another hand in another layout, means the same.
fn loads_again(loaded: &Loaded, text: &str) -> Outcome {
    let table: toml::Table = text.parse().map_err(|error| format!("loaded, but is no TOML: {error}"))?;
    let printed = toml::to_string(&table).map_err(|error| format!("loaded, but cannot be printed: {error}"))?;
    let again =
        load_text("again.toml", &printed).map_err(|found| format!("printed, it is refused: {found}\n{printed}"))?;
    let (first, second) = (outline(loaded), outline(&again));
    if first == second { Ok(Verdict::Accepted) } else { Err(format!("{first}\nbecame\n{second}")) }
}

/// The plan without what follows from the order of the text: ids, and the order of edits.
fn outline(loaded: &Loaded) -> String {
    let plan = &loaded.plan;
    let mut routes: Vec<String> = plan
        .routes
        .iter()
        .map(|route| format!("{} {:?} {:?} {}", route.name, route.limits, route.timeouts, route.request.remove.len()))
        .collect();
    let mut upstreams: Vec<String> = plan.upstreams.iter().map(|upstream| format!("{upstream:?}")).collect();
    let mut listeners: Vec<String> = plan.listeners.iter().map(|listener| format!("{listener:?}")).collect();
    let mut matches: Vec<String> = loaded
        .matches
        .iter()
        .map(|one| format!("{} {:?} {:?} {:?}", one.path, one.hosts, one.methods, one.path_regex))
        .collect();
    [&mut routes, &mut upstreams, &mut listeners, &mut matches].into_iter().for_each(|list| list.sort());
    format!(
        "{:?} {:?} {:?} {routes:?} {upstreams:?} {listeners:?} {matches:?}",
        plan.server, plan.admin, plan.access_log
    )
}
