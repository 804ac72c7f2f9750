//! Which certificate is shown, in which version, what is agreed upon, and to whom.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{
    AlertDescription, ClientConfig, Error, HandshakeKind, NamedGroup, ProtocolVersion, RootCertStore, ServerConfig,
    SignatureScheme, SupportedProtocolVersion,
};

use super::super::support::handshake::{Ends, shake};
use super::*;

/// A client that trusts `authority`.
pub(super) fn client_with(
    authority: &Authority, versions: &[&'static SupportedProtocolVersion], own: Option<&Pair>,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![own.der()], key).unwrap()
        }
    }
}

fn client(authority: &Authority) -> Arc<ClientConfig> {
    Arc::new(client_with(authority, &[&TLS13, &TLS12], None))
}

pub(super) fn server(certificates: &Certificates, listener: usize) -> Arc<ServerConfig> {
    Arc::clone(&certificates.keyring.servers[listener].as_ref().expect("it speaks TLS").config)
}

/// What the client was shown.
fn shown(ends: &Ends) -> CertificateDer<'static> {
    ends.client.peer_certificates().unwrap()[0].clone().into_owned()
}

#[test]
fn a_certificate_is_chosen_by_the_name_that_is_asked_for() {
    let site = Site::new();
    let authority = Authority::new("root");
    // So that it can be verified under every name that is asked for.
    let default = authority.sign(&["default.example", "other.example", "a.b.example.com", "192.0.2.1"]);
    let wildcard = authority.sign(&["*.example.com"]);
    let exact = authority.sign(&["api.example.com"]);
    for (name, pair) in [("default", &default), ("wildcard", &wildcard), ("exact", &exact)] {
        site.pair(name, pair);
    }
    let pair = |name: &str| format!("{{ cert = \"{name}.pem\", key = \"{name}.key\" }}");
    let list = format!("certificates = [{}, {}, {}]", pair("default"), pair("wildcard"), pair("exact"));
    let (_, certificates) = site.good(&edge(&list));
    for (name, expected) in [
        ("default.example", &default),
        ("other.example", &default),
        ("www.example.com", &wildcard),
        ("WWW.Example.Com", &wildcard),
        ("api.example.com", &exact),
        ("a.b.example.com", &default),
        // Addresses are no names: the client asks for none.
        ("192.0.2.1", &default),
    ] {
        let ends = shake(&client(&authority), &server(&certificates, 0), name).unwrap();
        assert_eq!(shown(&ends), expected.der(), "{name}");
    }
    let names = &certificates.keyring.servers[0].as_ref().unwrap().names;
    assert!(names.is_served_alike(Some("www.example.com"), "shop.example.com"));
    assert!(!names.is_served_alike(Some("www.example.com"), "api.example.com"));
}

#[test]
fn of_two_certificates_for_a_name_a_client_gets_the_one_that_it_can_read() {
    let site = Site::new();
    let authority = Authority::new("root");
    let (modern, usual) = (authority.sign_ed25519(&["a.example"]), authority.sign(&["a.example"]));
    site.pair("modern", &modern);
    site.pair("usual", &usual);
    let list = "certificates = [{ cert = \"modern.pem\", key = \"modern.key\" }, { cert = \"usual.pem\", key = \"usual.key\" }]";
    let (_, certificates) = site.good(&edge(list));
    let mut old = client_with(&authority, &[&TLS13, &TLS12], None);
    let mut provider = default_provider();
    let known = &mut provider.signature_verification_algorithms;
    let at = known.mapping.iter().position(|(scheme, _)| *scheme == SignatureScheme::ECDSA_NISTP256_SHA256).unwrap();
    known.mapping = &known.mapping[at..=at];
    let mut roots = RootCertStore::empty();
    roots.add(authority.der()).unwrap();
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider)).build().unwrap();
    old.dangerous().set_certificate_verifier(verifier);
    for (client, expected) in [(client(&authority), &modern), (Arc::new(old), &usual)] {
        let ends = shake(&client, &server(&certificates, 0), "a.example").unwrap();
        assert_eq!(shown(&ends), expected.der());
    }
}

#[test]
fn no_version_below_the_lowest_is_spoken() {
    let site = Site::new();
    let authority = Authority::new("root");
    site.pair("a", &authority.sign(&["a.example"]));
    let old = Arc::new(client_with(&authority, &[&TLS12], None));
    let (_, certificates) = site.good(&edge(A));
    for (client, version) in
        [(client(&authority), ProtocolVersion::TLSv1_3), (Arc::clone(&old), ProtocolVersion::TLSv1_2)]
    {
        let ends = shake(&client, &server(&certificates, 0), "a.example").unwrap();
        assert_eq!(ends.server.protocol_version(), Some(version));
    }
    let (_, certificates) = site.good(&edge(&format!("{A}\nmin_version = \"1.3\"")));
    shake(&client(&authority), &server(&certificates, 0), "a.example").unwrap();
    let refused = shake(&old, &server(&certificates, 0), "a.example").unwrap_err();
    assert!(matches!(refused, Error::PeerIncompatible(_)), "{refused}");
}

#[test]
fn keys_are_agreed_upon_so_that_no_later_computer_reads_what_was_recorded() {
    let site = Site::new();
    let authority = Authority::new("root");
    site.pair("a", &authority.sign(&["a.example"]));
    let (_, certificates) = site.good(&edge(A));
    let ends = shake(&client(&authority), &server(&certificates, 0), "a.example").unwrap();
    assert_eq!(ends.server.negotiated_key_exchange_group().unwrap().name(), NamedGroup::X25519MLKEM768);
    // A client that prefers another, or knows no other, is not made to begin again.
    let mut provider = default_provider();
    for (groups, expected) in [
        (vec![kx_group::X25519, kx_group::X25519MLKEM768], NamedGroup::X25519),
        (vec![kx_group::X25519, kx_group::SECP256R1], NamedGroup::X25519),
    ] {
        provider.kx_groups = groups;
        let mut roots = RootCertStore::empty();
        roots.add(authority.der()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(provider.clone()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let ends = shake(&Arc::new(client), &server(&certificates, 0), "a.example").unwrap();
        assert_eq!(ends.server.negotiated_key_exchange_group().unwrap().name(), expected);
    }
}

#[test]
fn alpn_follows_the_listener_and_two_listeners_may_differ() {
    let site = Site::new();
    let authority = Authority::new("root");
    site.pair("a", &authority.sign(&["a.example"]));
    let text = edge(A)
        + "[listeners.old]\naddress = \"127.0.0.1:0\"\ntls = \"edge\"\nprotocols = [\"http/1.1\"]\n\
           [listeners.plain]\naddress = \"127.0.0.1:0\"\n";
    let (plan, certificates) = site.good(&text);
    let mut both = client_with(&authority, &[&TLS13, &TLS12], None);
    both.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
    let both = Arc::new(both);
    let position = |name: &str| plan.listeners.iter().position(|listener| listener.name == name).unwrap();
    for (listener, expected) in [("web", &b"h2"[..]), ("old", b"http/1.1")] {
        let ends = shake(&both, &server(&certificates, position(listener)), "a.example").unwrap();
        assert_eq!(ends.client.alpn_protocol(), Some(expected), "{listener}");
    }
    assert!(certificates.keyring.servers[position("plain")].is_none());
    // Nothing in common is an alert, not a guess (RFC 7301 3.2).
    let mut other = client_with(&authority, &[&TLS13], None);
    other.alpn_protocols = vec![b"smtp".to_vec()];
    let refused = shake(&Arc::new(other), &server(&certificates, position("web")), "a.example").unwrap_err();
    assert_eq!(refused, Error::NoApplicationProtocol);
}

#[test]
fn certificates_of_clients_are_required_or_optional_and_never_revoked_or_foreign() {
    let site = Site::new();
    let authority = Authority::new("root");
    let stranger = Authority::new("stranger");
    let (good, gone, foreign) = (authority.sign(&["good"]), authority.sign(&["gone"]), stranger.sign(&["good"]));
    site.pair("a", &authority.sign(&["a.example"]));
    site.file("ca.pem", &authority.pem());
    site.file("ca.crl", &authority.revoke(&[&gone], 2030));
    let anyone: &[(Option<&Pair>, bool)] =
        &[(None, false), (Some(&good), true), (Some(&gone), false), (Some(&foreign), false)];
    for (auth, without) in [("", false), ("client_auth = \"required\"", false), ("client_auth = \"optional\"", true)] {
        let text = edge(&format!("{A}\nclient_ca = \"ca.pem\"\nclient_crl = \"ca.crl\"\n{auth}"));
        let (_, certificates) = site.good(&text);
        for versions in [&[&TLS13][..], &[&TLS12]] {
            for (own, expected) in anyone {
                let expected = *expected || (own.is_none() && without);
                let client = Arc::new(client_with(&authority, versions, *own));
                let made = shake(&client, &server(&certificates, 0), "a.example");
                assert_eq!(made.is_ok(), expected, "{auth} {expected} {:?}", made.err());
                if let Ok(ends) = made {
                    assert_eq!(ends.server.peer_certificates().is_some(), own.is_some());
                }
            }
        }
    }
}

#[test]
fn an_upstream_is_verified_by_its_roots_and_name_unless_the_configuration_says_otherwise() {
    let site = Site::new();
    let (authority, stranger) = (Authority::new("root"), Authority::new("stranger"));
    site.pair("own", &authority.sign(&["gateway"]));
    site.file("ca.pem", &authority.pem());
    let text = "[listeners.web]\naddress = \"127.0.0.1:0\"\n\
        [upstreams.a]\nendpoints = [\"https://127.0.0.1:1\"]\nprotocol = \"h2\"\n\
        tls = { ca = \"ca.pem\", cert = \"own.pem\", key = \"own.key\" }\n\
        [upstreams.b]\nendpoints = [\"https://127.0.0.1:1\"]\ntls = { verify = false }\n\
        [upstreams.c]\nendpoints = [\"http://127.0.0.1:1\"]\n\
        [routes.all]\npath = \"/*\"\nupstream = \"a\"\n";
    let (_, certificates) = site.good(text);
    let clients = &certificates.keyring.clients;
    assert!(clients[2].is_none());
    let (verifying, careless) = (clients[0].as_ref().unwrap(), clients[1].as_ref().unwrap());
    // An upstream that wants to know who comes.
    let mutual = |signer: &Authority, name: &str| {
        let inner = Site::new();
        inner.pair("a", &signer.sign(&[name]));
        inner.file("ca.pem", &authority.pem());
        let text = edge(&format!("{A}\nclient_ca = \"ca.pem\"\nclient_auth = \"optional\""));
        server(&inner.good(&text).1, 0)
    };
    let ends = shake(verifying, &mutual(&authority, "up.example"), "up.example").unwrap();
    assert_eq!(ends.server.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(ends.server.peer_certificates().unwrap().len(), 1);
    for (signer, name) in [(&stranger, "up.example"), (&authority, "else.example")] {
        let refused = shake(verifying, &mutual(signer, name), "up.example").unwrap_err();
        assert!(matches!(refused, Error::InvalidCertificate(_)), "{refused}");
        let ends = shake(careless, &mutual(signer, name), "up.example").unwrap();
        assert_eq!(ends.server.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert!(ends.server.peer_certificates().is_none());
    }
}

/// A client that remembers tickets comes twice.
fn comes_again(client: &Arc<ClientConfig>, first: &Arc<ServerConfig>, second: &Arc<ServerConfig>) -> HandshakeKind {
    shake(client, first, "a.example").unwrap();
    shake(client, second, "a.example").unwrap().server.handshake_kind().unwrap()
}

#[test]
fn a_ticket_is_good_on_every_listener_of_its_section_and_on_no_other() {
    let site = Site::new();
    let authority = Authority::new("root");
    site.pair("a", &authority.sign(&["a.example"]));
    site.file("ca.pem", &authority.pem());
    let text = edge(A)
        + "[listeners.more]\naddress = \"127.0.0.1:0\"\ntls = \"edge\"\nprotocols = [\"http/1.1\"]\n\
           [listeners.mutual]\naddress = \"127.0.0.1:0\"\ntls = \"mutual\"\n\
           [tls.mutual]\ncertificates = [{ cert = \"a.pem\", key = \"a.key\" }]\nclient_ca = \"ca.pem\"\n\
           client_auth = \"optional\"\n";
    let (plan, certificates) = site.good(&text);
    let of =
        |name: &str| server(&certificates, plan.listeners.iter().position(|listener| listener.name == name).unwrap());
    for versions in [&[&TLS13][..], &[&TLS12]] {
        let client = || Arc::new(client_with(&authority, versions, None));
        assert_eq!(comes_again(&client(), &of("web"), &of("web")), HandshakeKind::Resumed);
        assert_eq!(comes_again(&client(), &of("web"), &of("more")), HandshakeKind::Resumed);
        // What a section asks of clients cannot be passed by with a ticket of one that asks for nothing.
        assert_eq!(comes_again(&client(), &of("web"), &of("mutual")), HandshakeKind::Full);
    }
    assert_eq!(of("web").max_early_data_size, 0);
}

#[test]
fn tickets_outlive_other_certificates_and_go_when_what_is_asked_of_clients_changes() {
    let site = Site::new();
    let authority = Authority::new("root");
    site.pair("a", &authority.sign(&["a.example"]));
    site.file("ca.pem", &authority.pem());
    site.file("ca.crl", &authority.revoke(&[], 2030));
    let good = authority.sign(&["good"]);
    let client = || Arc::new(client_with(&authority, &[&TLS13], Some(&good)));
    let mutual = format!("{A}\nclient_ca = \"ca.pem\"\nclient_auth = \"optional\"\n");
    let mut text = edge(&mutual);
    let (plan, first) = site.good(&text);
    let again = |earlier: &Certificates, plan: &Plan| earlier.remake(plan, now()).unwrap();
    // Another certificate for the same name.
    site.pair("a", &authority.sign(&["a.example"]));
    let second = again(&first, &plan);
    assert_eq!(comes_again(&client(), &server(&first, 0), &server(&second, 0)), HandshakeKind::Resumed);
    // Another client CA beside the first.
    site.file("ca.pem", &format!("{}{}", authority.pem(), Authority::new("more").pem()));
    let third = again(&second, &plan);
    assert_eq!(comes_again(&client(), &server(&second, 0), &server(&third, 0)), HandshakeKind::Full);
    // Revocation lists come into the configuration, and change.
    let remade = |text: &str, earlier: &Certificates| {
        let Loaded { plan, mentions, .. } = site.load(text);
        let made = Certificates::make(&plan, &mentions, Some(earlier), Strictness::Strict, now()).unwrap();
        (plan, made)
    };
    let (_, same) = remade(&text, &third);
    assert_eq!(comes_again(&client(), &server(&third, 0), &server(&same, 0)), HandshakeKind::Resumed);
    text = edge(&format!("{mutual}client_crl = \"ca.crl\"\n"));
    let (plan, fourth) = remade(&text, &same);
    assert_eq!(comes_again(&client(), &server(&same, 0), &server(&fourth, 0)), HandshakeKind::Full);
    site.file("ca.crl", &authority.revoke(&[&good], 2031));
    let fifth = again(&fourth, &plan);
    let revoked = client();
    shake(&revoked, &server(&fourth, 0), "a.example").unwrap();
    let refused = shake(&revoked, &server(&fifth, 0), "a.example").unwrap_err();
    assert!(
        matches!(refused, Error::InvalidCertificate(_) | Error::AlertReceived(AlertDescription::CertificateRevoked)),
        "{refused}"
    );
    // Who must show one cannot come with a ticket from when nobody had to.
    site.file("ca.crl", &authority.revoke(&[], 2032));
    let sixth = again(&fifth, &plan);
    let nobody = Arc::new(client_with(&authority, &[&TLS13], None));
    shake(&nobody, &server(&sixth, 0), "a.example").unwrap();
    let (_, seventh) = remade(&text.replace("optional", "required"), &sixth);
    shake(&nobody, &server(&seventh, 0), "a.example").unwrap_err();
}
