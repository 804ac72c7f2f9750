//! Towards upstreams, by configuration: roots from a file that changes, names, and what Ringway shows of itself.

use rustls::ServerConfig;

use super::super::support::process::Process;
use super::super::support::{Client, Origin, Reply, eventually};
use super::handshakes::server;
use super::*;

/// How an origin speaks that is called `inside.example`, `signer` says, and asks for certificates of `clients`.
fn inside(signer: &Authority, clients: Option<&Authority>) -> ServerConfig {
    let site = Site::new();
    site.pair("a", &signer.sign(&["inside.example"]));
    let mut tls = A.to_owned();
    if let Some(clients) = clients {
        site.file("ca.pem", &clients.pem());
        tls += "\nclient_ca = \"ca.pem\"";
    }
    ServerConfig::clone(&server(&site.good(&edge(&tls)).1, 0))
}

/// A gateway before `origin`, with this `tls`; the folder is that of the files it names.
fn before(origin: &Origin, site: &Site, tls: &str) -> Process {
    let tls = tls.replace("./", &format!("{}/", site.path().display()));
    Process::run(&format!(
        "[server]\nworkers = 1\n[listeners.web]\naddress = \"127.0.0.1:0\"\n\
         [upstreams.origin]\nendpoints = [\"{}\"]\ntls = {{ {tls} }}\n\
         [routes.all]\npath = \"/*\"\nupstream = \"origin\"\n",
        origin.endpoint()
    ))
}

fn status(process: &Process) -> u16 {
    Client::connect(process.address("web")).get("/").status
}

#[test]
fn roots_of_an_upstream_change_with_their_file() {
    let site = Site::new();
    let (authority, other) = (Authority::new("root"), Authority::new("other"));
    let origin = Origin::answering_securely(inside(&authority, None), |_| Reply::text("from inside"));
    site.file("ca.pem", &other.pem());
    let process = before(&origin, &site, "ca = \"./ca.pem\", server_name = \"inside.example\"");
    assert_eq!(status(&process), 502);
    // Both, as it is done when one takes the place of the other.
    site.file("ca.pem", &format!("{}{}", other.pem(), authority.pem()));
    eventually("the upstream is trusted", || (status(&process) == 200).then_some(()));
}

#[test]
fn an_upstream_must_have_the_name_that_is_configured_unless_nothing_is_verified() {
    let site = Site::new();
    let authority = Authority::new("root");
    site.file("ca.pem", &authority.pem());
    let origin = Origin::answering_securely(inside(&authority, None), |_| Reply::text("from inside"));
    for (tls, expected) in [
        ("ca = \"./ca.pem\", server_name = \"inside.example\"", 200),
        ("ca = \"./ca.pem\", server_name = \"outside.example\"", 502),
        // The endpoint's own host: an address that the certificate is not for.
        ("ca = \"./ca.pem\"", 502),
        ("verify = false", 200),
    ] {
        let process = before(&origin, &site, tls);
        assert_eq!(status(&process), expected, "{tls}");
    }
}

#[test]
fn an_upstream_that_asks_who_comes_is_shown_the_configured_certificate() {
    let site = Site::new();
    let authority = Authority::new("root");
    site.file("ca.pem", &authority.pem());
    let (own, foreign) = (authority.sign(&["gateway"]), Authority::new("stranger").sign(&["gateway"]));
    site.pair("own", &own);
    site.pair("foreign", &foreign);
    let origin = Origin::answering_securely(inside(&authority, Some(&authority)), |_| Reply::text("from inside"));
    for (own, expected) in [
        ("", 502),
        (", cert = \"./own.pem\", key = \"./own.key\"", 200),
        (", cert = \"./foreign.pem\", key = \"./foreign.key\"", 502),
    ] {
        let process = before(&origin, &site, &format!("ca = \"./ca.pem\", server_name = \"inside.example\"{own}"));
        assert_eq!(status(&process), expected, "{own}");
    }
}
