//! The real process: which certificate a client is shown over a socket, whom it lets in, and what becomes of changes.

use std::io::{self, Read, Write};
use std::os::unix::fs::symlink;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind};

use super::super::support::process::Process;
use super::super::support::tls::Tls;
use super::super::support::{Client, eventually};
use super::handshakes::client_with;
use super::*;

/// A site that is served.
struct Served {
    site: Site,
    process: Process,
}

impl Served {
    /// By these tables and `workers`, with the paths of files from the site's folder.
    fn start(site: Site, workers: usize, tls: &str) -> Self {
        let process = Process::run(&Self::text(&site, workers, tls));
        Self { site, process }
    }

    fn text(site: &Site, workers: usize, tls: &str) -> String {
        let folder = site.path().display();
        let tls = tls.replace(".pem", "@.pem").replace(".key", "@.key").replace(".crl", "@.crl");
        // Each file's name begins behind a quote.
        let tls: String = tls
            .split('"')
            .map(
                |part| if part.contains('@') { format!("{folder}/{}", part.replace('@', "")) } else { part.to_owned() },
            )
            .collect::<Vec<_>>()
            .join("\"");
        format!("[server]\nworkers = {workers}\n[admin]\naddress = \"127.0.0.1:0\"\n{}", edge(&tls))
            .replace("respond = {}", "respond = { status = 200, text = \"hello\" }")
    }

    /// Asks for `name` and for a page; tells what was shown and how hands were shaken.
    fn ask(&self, config: &Arc<ClientConfig>, name: &str) -> io::Result<(CertificateDer<'static>, HandshakeKind)> {
        let mut tls = Tls::connect(self.process.address("web"), config, name);
        tls.shake()?;
        tls.write_all(format!("GET / HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n").as_bytes())?;
        let mut answer = String::new();
        // A certificate of a client is judged after it was sent: the refusal is read in place of the answer.
        tls.read_to_string(&mut answer)?;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello"), "{answer}");
        let shown = tls.connection.peer_certificates().unwrap()[0].clone().into_owned();
        Ok((shown, tls.connection.handshake_kind().unwrap()))
    }

    fn shown(&self, config: &Arc<ClientConfig>, name: &str) -> CertificateDer<'static> {
        self.ask(config, name).unwrap_or_else(|error| panic!("{name}: {error}")).0
    }

    fn metric(&self, name: &str) -> f64 {
        Client::connect(self.process.address_of("admin listening ")).metric(name)
    }
}

/// A client that remembers nothing: one that resumes a session is shown no certificate.
fn client(authority: &Authority) -> Arc<ClientConfig> {
    let mut config = client_with(authority, &[&TLS13, &TLS12], None);
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

#[test]
fn clients_are_shown_the_certificate_for_the_name_that_they_ask_for() {
    let site = Site::new();
    let authority = Authority::new("root");
    let default = authority.sign(&["default.example", "other.example"]);
    let wildcard = authority.sign(&["*.example.com"]);
    let exact = authority.sign(&["api.example.com"]);
    for (name, pair) in [("default", &default), ("wildcard", &wildcard), ("exact", &exact)] {
        site.pair(name, pair);
    }
    let pair = |name: &str| format!("{{ cert = \"{name}.pem\", key = \"{name}.key\" }}");
    let list = format!("certificates = [{}, {}, {}]", pair("default"), pair("wildcard"), pair("exact"));
    let served = Served::start(site, 1, &format!("{list}\nmin_version = \"1.3\""));
    let client = client(&authority);
    for (name, expected) in [
        ("default.example", &default),
        ("other.example", &default),
        ("www.example.com", &wildcard),
        ("api.example.com", &exact),
    ] {
        assert_eq!(served.shown(&client, name), expected.der(), "{name}");
    }
    // Below the lowest version nothing is spoken.
    let old = Arc::new(client_with(&authority, &[&TLS12], None));
    let refused = served.ask(&old, "default.example").unwrap_err();
    assert!(refused.to_string().contains("ProtocolVersion"), "{refused}");
}

#[test]
fn clients_show_who_they_are_where_they_must() {
    let site = Site::new();
    let (authority, stranger) = (Authority::new("root"), Authority::new("stranger"));
    let (good, gone, foreign) = (authority.sign(&["good"]), authority.sign(&["gone"]), stranger.sign(&["good"]));
    site.pair("a", &authority.sign(&["a.example"]));
    site.file("ca.pem", &authority.pem());
    site.file("ca.crl", &authority.revoke(&[&gone], 2030));
    let tls = |auth: &str| format!("{A}\nclient_ca = \"ca.pem\"\nclient_crl = \"ca.crl\"\nclient_auth = \"{auth}\"");
    let served = Served::start(site, 1, &tls("required"));
    let ask = |own: Option<&Pair>| {
        let kinds = [&[&TLS13][..], &[&TLS12]]
            .map(|versions| served.ask(&Arc::new(client_with(&authority, versions, own)), "a.example").map(|_| ()));
        assert_eq!(kinds[0].is_ok(), kinds[1].is_ok(), "{kinds:?}");
        kinds.into_iter().collect::<io::Result<Vec<()>>>().map_err(|error| error.to_string())
    };
    ask(Some(&good)).unwrap();
    for (own, alert) in
        [(None, "CertificateRequired"), (Some(&gone), "CertificateRevoked"), (Some(&foreign), "UnknownCA")]
    {
        let refused = ask(own).unwrap_err();
        assert!(refused.contains(alert), "{alert}: {refused}");
    }
    served.process.configure(&Served::text(&served.site, 1, &tls("optional")));
    served.process.signal("HUP");
    served.process.await_line("reloaded generation=2");
    ask(None).unwrap();
    ask(Some(&good)).unwrap();
    ask(Some(&gone)).unwrap_err();
}

#[test]
fn files_that_change_are_served_and_bad_ones_are_not() {
    let site = Site::new();
    let authority = Authority::new("root");
    let pairs: Vec<Pair> = (0..4).map(|_| authority.sign(&["a.example"])).collect();
    site.pair("a", &pairs[0]);
    let served = Served::start(site, 1, A);
    let client = client(&authority);
    let becomes = |pair: &Pair| {
        eventually("another certificate", || (served.shown(&client, "a.example") == pair.der()).then_some(()));
    };
    assert_eq!(served.shown(&client, "a.example"), pairs[0].der());
    // Written in place.
    served.site.pair("a", &pairs[1]);
    becomes(&pairs[1]);
    // Half a pair.
    served.site.file("a.pem", &pairs[2].cert);
    let line = served.process.await_line("certificates were refused, earlier ones stay");
    assert!(line.contains("error"), "{line}");
    let line = served.process.await_line("the key does not belong to the certificate");
    assert!(line.contains("error configuration is wrong place=") && line.contains("code=E043"), "{line}");
    assert_eq!(served.shown(&client, "a.example"), pairs[1].der());
    assert_eq!(served.metric("ringway_tls_reloads_total{result=\"refused\"}"), 1.0);
    // The other half, renamed over.
    write_secret(&served.site.path().join("new.key"), &pairs[2].key);
    fs::rename(served.site.path().join("new.key"), served.site.path().join("a.key")).unwrap();
    becomes(&pairs[2]);
    assert_eq!(served.metric("ringway_tls_reloads_total{result=\"taken\"}"), 2.0);
    let end = served.metric("ringway_tls_cert_expiry_seconds");
    // 4000-01-01.
    assert_eq!(end, 64_060_588_800.0);
    // SIGHUP looks at once.
    served.site.pair("a", &pairs[3]);
    served.process.signal("HUP");
    served.process.await_line("reloaded generation=2");
    assert_eq!(served.shown(&client, "a.example"), pairs[3].der());
    // A configuration whose certificates cannot be used is not put in force.
    served.site.file("a.pem", "");
    served.process.signal("HUP");
    served.process.await_line("serving goes on by the earlier configuration");
    assert_eq!(served.shown(&client, "a.example"), pairs[3].der());
    assert_eq!(served.metric("ringway_config_last_reload_success"), 0.0);
}

#[test]
fn a_folder_of_links_that_another_takes_the_place_of_is_seen() {
    let site = Site::new();
    let authority = Authority::new("root");
    let pairs = [authority.sign(&["a.example"]), authority.sign(&["a.example"])];
    for (folder, pair) in ["..one", "..two"].iter().zip(&pairs) {
        fs::create_dir(site.path().join(folder)).unwrap();
        pair.write(&site.path().join(folder), "a");
    }
    symlink("..one", site.path().join("..data")).unwrap();
    symlink("..data/a.pem", site.path().join("a.pem")).unwrap();
    symlink("..data/a.key", site.path().join("a.key")).unwrap();
    let served = Served::start(site, 1, A);
    let client = client(&authority);
    assert_eq!(served.shown(&client, "a.example"), pairs[0].der());
    symlink("..two", served.site.path().join("..data_tmp")).unwrap();
    fs::rename(served.site.path().join("..data_tmp"), served.site.path().join("..data")).unwrap();
    eventually("the other folder's", || (served.shown(&client, "a.example") == pairs[1].der()).then_some(()));
}

#[test]
fn a_ticket_of_one_worker_is_good_on_the_other_until_the_client_ca_changes() {
    let site = Site::new();
    let authority = Authority::new("root");
    site.pair("a", &authority.sign(&["a.example"]));
    site.file("ca.pem", &authority.pem());
    let served = Served::start(site, 2, &format!("{A}\nclient_ca = \"ca.pem\"\nclient_auth = \"optional\""));
    for (round, versions) in [&[&TLS13][..], &[&TLS12]].into_iter().enumerate() {
        let client = Arc::new(client_with(&authority, versions, None));
        let kind = || served.ask(&client, "a.example").unwrap().1;
        let opened = |worker: usize| {
            let name = format!("ringway_connections_opened_total{{listener=\"web\",worker=\"{worker}\"}}");
            served.metric(&name)
        };
        let before = [opened(0), opened(1)];
        assert_eq!(kind(), HandshakeKind::Full);
        // The kernel chooses the worker by the ports, so sooner or later it chooses each.
        eventually("both workers", || {
            assert_eq!(kind(), HandshakeKind::Resumed);
            (opened(0) > before[0] && opened(1) > before[1]).then_some(())
        });
        served.site.file("ca.pem", &format!("{}{}", authority.pem(), Authority::new("more").pem()));
        served.process.await_lines("certificates reloaded", round + 1);
        // The note is read at the worker's next turn.
        eventually("a full handshake", || (kind() == HandshakeKind::Full).then_some(()));
    }
}

#[test]
fn a_key_that_others_can_read_starts_nothing() {
    let site = Site::new();
    site.pair("a", &Authority::new("root").sign(&["a.example"]));
    let key = site.path().join("a.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o604)).unwrap();
    site.load(&edge(A));
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_ringway"))
        .arg("run")
        .arg(site.path().join("ringway.toml"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("ringway.toml:5:41: error[E043]: "), "{said}");
    assert!(said.contains("(mode 0604)") && said.contains(&format!("chmod o= {}", key.display())), "{said}");
}
