//! HTTP/2 at the level of frames: more than two hundred cases, each with the section of the RFC that it comes from, over
//! clear text and over TLS.
//!
//! The client (`peer`) is our own and shares nothing with the gateway: it writes every frame, good or bad, and watches
//! the server's for whatever a server must never do (`audit`). The same cases run against any other server:
//!
//! ```text
//! H2_TARGET=127.0.0.1:8080 H2_ORIGIN=127.0.0.1:9000 cargo nextest run --run-ignored only other_server --no-capture
//! ```

mod audit;
pub mod case;
pub mod cases;
pub mod frame;
pub mod hpack;
mod huffman;
pub mod origin;
pub mod peer;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ringway::policy::names::CertificateNames;
use rustls::version::TLS13;

use cases::CHAPTERS;
use origin::Echo;
use peer::{AUTHORITY, Target};

use crate::support::tls::{Authority, Bare, keyring};
use crate::support::{Gateway, PATIENCE};

/// The RFCs that cases come from, and the number of the last chapter of each.
const RFCS: &[(u32, u32)] = &[(7541, 7), (8441, 9), (9110, 19), (9113, 12), (9218, 16)];

/// RFC 6455 4.2.2, for a key of ours.
fn websocket_accept(key: &str) -> String {
    key.to_owned()
}

#[test]
fn there_are_enough_cases_and_each_has_its_name_and_its_section() {
    let all: Vec<_> = CHAPTERS.iter().flat_map(|(_, cases)| *cases).collect();
    assert!(all.len() >= 200, "{} cases", all.len());
    let wrong: Vec<_> = all.iter().filter(|case| !is_section(case.section)).map(|case| case.name).collect();
    assert!(wrong.is_empty(), "these name no section: {wrong:?}");
    let mut names: Vec<_> = all.iter().map(|case| case.name).collect();
    names.sort_unstable();
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty() && !names[0].is_empty(), "{twice:?}");
    for bad in ["", "RFC 9113", "RFC 9113 ", "RFC 9113 13", "RFC 9131 6", "RFC 9113 6.", "9113 6.1", "RFC 9113 6.x"] {
        assert!(!is_section(bad), "{bad:?}");
    }
}

/// `RFC 9113 6.9.1`.
fn is_section(source: &str) -> bool {
    let Some((number, section)) = source.strip_prefix("RFC ").and_then(|rest| rest.split_once(' ')) else {
        return false;
    };
    let Some((_, last)) = RFCS.iter().find(|(known, _)| number == known.to_string()) else { return false };
    let mut parts = section.split('.').map(|part| part.parse::<u32>().ok().filter(|part| *part > 0));
    parts.next().flatten().is_some_and(|chapter| chapter <= *last) && parts.all(|part| part.is_some())
}

/// Plays the cases of a chapter; gives what does not hold.
fn play(chapter: &[case::Case], target: &Target, echo: &Echo) -> Vec<String> {
    let mut failures = Vec::new();
    for case in chapter {
        echo.arrived();
        if let Err(what) = case.run(target) {
            failures.push(what);
        }
        let arrived = echo.arrived();
        if !case.may_arrive() && !arrived.is_empty() {
            failures.push(format!("{} ({}): {arrived:?} arrived", case.name, case.section));
        }
    }
    failures
}

/// A gateway that speaks HTTP/2 alone on its listener, and forwards everything.
fn config(echo: &Echo, listener: &str) -> String {
    format!(
        "[server]\nworkers = 1\n[listeners.web]\naddress = \"127.0.0.1:0\"\nprotocols = [\"h2\"]\n{listener}\n\
         [upstreams.origin]\nendpoints = [\"{}\"]\n[routes.all]\npath = \"/*\"\nupstream = \"origin\"\n",
        echo.origin.endpoint()
    )
}

#[test]
fn every_case_holds_in_clear_text() {
    let echo = Echo::on((Ipv4Addr::LOCALHOST, 0).into());
    let gateway = Gateway::start(&config(&echo, ""));
    all_hold(&Target { address: gateway.address(), tls: None, patience: patience() }, &echo);
}

#[test]
fn every_case_holds_over_tls() {
    let echo = Echo::on((Ipv4Addr::LOCALHOST, 0).into());
    let authority = Authority::new("test");
    let server = (authority.server(&[AUTHORITY], &["h2"]), CertificateNames::new([[AUTHORITY]]));
    let tls = "tls = \"edge\"\n[tls.edge]\ncertificates = [{ cert = \"a.pem\", key = \"a.key\" }]\n";
    let gateway = Bare::start(&config(&echo, tls), keyring(Some(server), None));
    let mut client = authority.client(&[&TLS13]);
    client.alpn_protocols = vec![b"h2".to_vec()];
    all_hold(&Target { address: gateway.address, tls: Some(Arc::new(client)), patience: patience() }, &echo);
}

fn all_hold(target: &Target, echo: &Echo) {
    let failures: Vec<String> = CHAPTERS.iter().flat_map(|(_, cases)| play(cases, target, echo)).collect();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// How long to wait for what must come. Whoever makes cases fail on purpose makes it short.
fn patience() -> Duration {
    std::env::var("H2_PATIENCE_MS").ok().map_or(PATIENCE, |text| Duration::from_millis(text.parse().expect("a number")))
}

#[test]
#[ignore = "needs a server at H2_TARGET that forwards to H2_ORIGIN"]
fn the_cases_of_another_server() {
    let address = |name: &str| -> Option<SocketAddr> {
        std::env::var(name).ok().map(|text| text.parse().expect("an address with a port"))
    };
    let target =
        Target { address: address("H2_TARGET").expect("H2_TARGET names a server"), tls: None, patience: patience() };
    let echo = Echo::on(address("H2_ORIGIN").unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 0).into()));
    let only = std::env::var("H2_CHAPTER").ok();
    for (name, cases) in CHAPTERS.iter().filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name)) {
        let failures = play(cases, &target, &echo);
        println!("{name}: {} of {} hold\n  {}", cases.len() - failures.len(), cases.len(), failures.join("\n  "));
    }
}
