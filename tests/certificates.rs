//! Certificates, keys, roots and revocation lists: what is said of bad ones, which one a client sees, and how others take
//! their place. What a client sees is asked in memory here, over the keyring that the cores would have.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ringway::cli::check;
use ringway::control::certificates::{Certificates, Strictness};
use ringway::plan::complaint::Complaint;
use ringway::plan::{self, Loaded, Plan};
use ringway::words::time::Wall;

use super::support::authority::write_secret;
use super::support::process::Directory;
use super::support::{Authority, Pair};

/// Which certificate is shown, in which version, and to whom.
mod handshakes;
/// Files change while a gateway serves.
mod keeping;
/// The same by the real process, over sockets.
mod serving;
/// Handshakes that nobody finishes, over sockets.
mod unfinished;
/// Towards upstreams, by the real process.
mod upstreams;

/// 2026-07-01T00:00:00Z in seconds.
const NOW: u64 = 1_782_864_000;

fn now() -> Wall {
    Wall::from_nanos(NOW * 1_000_000_000)
}

/// A configuration with files beside it.
struct Site {
    folder: Directory,
}

impl Site {
    fn new() -> Self {
        Self { folder: Directory::new() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn pair(&self, name: &str, pair: &Pair) {
        pair.write(self.path(), name);
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    /// Loads this configuration from a file among the others.
    fn load(&self, text: &str) -> Loaded {
        self.file("ringway.toml", text);
        plan::load(&self.path().join("ringway.toml")).unwrap_or_else(|complaints| panic!("{complaints}"))
    }

    fn make(&self, text: &str) -> Result<(Plan, Certificates), Vec<Complaint>> {
        let Loaded { plan, mentions, .. } = self.load(text);
        match Certificates::make(&plan, &mentions, None, Strictness::Strict, now()) {
            Ok(certificates) => Ok((plan, certificates)),
            Err(complaints) => Err(complaints.list),
        }
    }

    /// As [`Site::make`], of files that are all good.
    fn good(&self, text: &str) -> (Plan, Certificates) {
        self.make(text).unwrap_or_else(|complaints| panic!("{complaints:?}"))
    }

    /// `E043 2:3 words` for each complaint about this configuration; paths are shown from its folder.
    fn complaints(&self, text: &str) -> Vec<String> {
        let complaints = match self.make(text) {
            Ok((_, certificates)) => certificates.warnings,
            Err(complaints) => complaints,
        };
        complaints.iter().map(|complaint| self.shown(complaint)).collect()
    }

    fn shown(&self, complaint: &Complaint) -> String {
        let place = complaint.spot.as_ref().map_or("-".to_owned(), |spot| format!("{}:{}", spot.line, spot.column));
        let hint = complaint.hint.as_deref().map(|hint| format!("; {hint}")).unwrap_or_default();
        let text = format!("{} {place} {}{hint}", complaint.code.row().text, complaint.message);
        text.replace(&format!("{}/", self.path().display()), "")
    }
}

/// A listener with `[tls.edge]`, which begins in line 4, and a route.
fn edge(tls: &str) -> String {
    format!(
        "[listeners.web]\naddress = \"127.0.0.1:0\"\ntls = \"edge\"\n[tls.edge]\n{tls}\n\
         [routes.all]\npath = \"/*\"\nrespond = {{}}\n"
    )
}

/// One certificate `a`.
const A: &str = "certificates = [{ cert = \"a.pem\", key = \"a.key\" }]";

#[test]
fn each_file_that_cannot_be_used_is_named_at_its_place_with_the_reason() {
    let site = Site::new();
    let authority = Authority::new("root");
    let (a, b) = (authority.sign(&["a.example"]), authority.sign(&["b.example"]));
    site.pair("a", &a);
    site.file("damaged.pem", &a.cert.replace("-----END", "----END"));
    site.file("none.pem", "no certificate\n");
    site.file("other.pem", &b.cert);
    write_secret(&site.path().join("encrypted.key"), &a.key.replace("BEGIN ", "BEGIN ENCRYPTED "));
    write_secret(&site.path().join("none.key"), &a.cert);
    site.file("open.key", &a.key);
    fs::set_permissions(site.path().join("open.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let of = |cert: &str, key: &str| edge(&format!("certificates = [{{ cert = \"{cert}\", key = \"{key}\" }}]"));
    for (text, expected) in [
        (of("gone.pem", "a.key"), "E043 5:26 \"gone.pem\": there is no such file"),
        (of("a.pem", "gone.key"), "E043 5:41 \"gone.key\": there is no such file"),
        (of("damaged.pem", "a.key"), "E043 5:26 \"damaged.pem\": it is not a PEM file, or a damaged one"),
        (of("none.pem", "a.key"), "E043 5:26 \"none.pem\": there is no certificate in it; a PEM file has lines"),
        (
            of("other.pem", "a.key"),
            "E043 5:45 \"a.key\": the key does not belong to the certificate; the certificate itself",
        ),
        (of("a.pem", "none.key"), "E043 5:41 \"none.key\": there is no private key in it, or it is damaged"),
        (of("a.pem", "encrypted.key"), "E043 5:41 \"encrypted.key\": the key is encrypted"),
        (
            of("a.pem", "open.key"),
            "E043 5:41 \"open.key\": others can read or write this key (mode 0644); chmod o= open.key",
        ),
        (edge(&format!("{A}\nclient_ca = \"none.pem\"")), "E043 6:13 \"none.pem\": there is no certificate in it"),
        (
            edge(&format!("{A}\nclient_ca = \"a.pem\"\nclient_crl = \"none.pem\"")),
            "E043 7:14 \"none.pem\": there is no revocation list in it",
        ),
    ] {
        let found = site.complaints(&text);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{found:#?}\nexpected {expected}");
    }
}

#[test]
fn what_is_wrong_with_files_of_upstreams_is_said_in_the_same_way() {
    let site = Site::new();
    site.pair("a", &Authority::new("root").sign(&["a.example"]));
    let text = "[listeners.web]\naddress = \"127.0.0.1:0\"\n\
        [upstreams.app]\nendpoints = [\"https://127.0.0.1:1\"]\n\
        tls = { ca = \"gone.pem\", cert = \"a.pem\", key = \"gone.key\" }\n\
        [routes.all]\npath = \"/*\"\nupstream = \"app\"\n";
    assert_eq!(
        site.complaints(text),
        ["E043 5:14 \"gone.pem\": there is no such file", "E043 5:48 \"gone.key\": there is no such file",]
    );
}

#[test]
fn every_file_is_looked_at_in_one_run_and_check_says_it_all() {
    let site = Site::new();
    site.file("none.pem", "nothing");
    let text = edge(
        "certificates = [{ cert = \"a.pem\", key = \"a.key\" }, { cert = \"none.pem\", key = \"b.key\" }]\n\
         client_ca = \"ca.pem\"\nclient_crl = \"ca.crl\"",
    );
    let places: Vec<String> =
        site.complaints(&text).iter().map(|line| line.split('"').next().unwrap().to_owned()).collect();
    assert_eq!(places, ["E043 5:26 ", "E043 5:41 ", "E043 5:61 ", "E043 5:79 ", "E043 6:13 "]);
    let mut out = Vec::new();
    assert_eq!(check::run(&site.path().join("ringway.toml"), check::Format::Text, &mut out).unwrap(), 1);
    let out = String::from_utf8(out).unwrap();
    assert!(out.contains("ringway.toml:5:26: error[E043]: \"") && out.ends_with("5 errors\n"), "{out}");
}

#[test]
fn a_certificate_that_is_not_valid_now_or_not_for_long_is_warned_about() {
    let site = Site::new();
    let authority = Authority::new("root");
    for (from, to, expected) in [
        ((2020, 1, 1), (2026, 7, 14), &["W008 5:26 \"a.pem\": it expires on 2026-07-14T00:00:00.000Z"][..]),
        ((2020, 1, 1), (2026, 7, 15), &[]),
        ((2020, 1, 1), (2026, 6, 30), &["W008 5:26 \"a.pem\": it expired on 2026-06-30T00:00:00.000Z"]),
        ((2026, 7, 2), (2030, 1, 1), &["W008 5:26 \"a.pem\": it is not valid before 2026-07-02T00:00:00.000Z"]),
    ] {
        site.pair("a", &authority.sign_between(&["a.example"], from, to));
        assert_eq!(site.complaints(&edge(A)), expected);
    }
    // Of one pair that is named twice there is one complaint.
    site.pair("a", &authority.sign_between(&["a.example"], (2020, 1, 1), (2021, 1, 1)));
    let twice = edge(A)
        + "[upstreams.app]\nendpoints = [\"https://127.0.0.1:1\"]\n\
        tls = { cert = \"a.pem\", key = \"a.key\", ca = \"a.pem\" }\n";
    assert_eq!(site.complaints(&twice).len(), 1);
}

#[test]
fn a_revocation_list_that_is_overdue_is_warned_about() {
    let site = Site::new();
    let authority = Authority::new("root");
    site.pair("a", &authority.sign(&["a.example"]));
    site.file("ca.pem", &authority.pem());
    let text = edge(&format!("{A}\nclient_ca = \"ca.pem\"\nclient_crl = \"ca.crl\""));
    site.file("ca.crl", &authority.revoke(&[], 2030));
    assert_eq!(site.complaints(&text), [""; 0]);
    site.file("ca.crl", &authority.revoke(&[], 2026));
    assert_eq!(site.complaints(&text), ["W008 7:14 \"ca.crl\": a newer list was due on 2026-01-01T00:00:00.000Z"]);
}

#[test]
fn a_configuration_without_tls_reads_no_file_and_makes_no_keyring() {
    let site = Site::new();
    let (plan, certificates) =
        site.good("[listeners.web]\naddress = \"127.0.0.1:0\"\n[routes.all]\npath = \"/*\"\nrespond = {}\n");
    assert!(certificates.stamps.is_empty() && certificates.ends.is_empty());
    assert!(certificates.keyring.servers.iter().all(Option::is_none));
    assert_eq!(certificates.keyring.servers.len(), plan.listeners.len());
}
