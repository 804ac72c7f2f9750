//! How listeners speak TLS: certificates by name, versions, ALPN, tickets, and whose clients.
#![expect(clippy::disallowed_types, reason = "rustls takes what it is configured with as Arc")]

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::{Ticketer, cipher_suite, default_provider};
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{Error, RootCertStore, ServerConfig};
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use super::files::Refusal;
use super::identity::{Identity, certificates};
use crate::plan::{Protocol, TlsVersion};
use crate::policy::names::CertificateNames;

/// Protocols as ALPN has them (RFC 7301 6, RFC 9113 3.1).
pub const ALPN_H2: &[u8] = b"h2";
/// HTTP/1.1 in ALPN.
pub const ALPN_HTTP1: &[u8] = b"http/1.1";

/// What is the same for all listeners of one section of `[tls]`.
#[derive(Clone, Debug)]
pub struct Section {
    /// Which certificate a name gets.
    pub names: Arc<CertificateNames>,
    /// The certificates.
    pub identities: Vec<Arc<Identity>>,
    /// The lowest version.
    pub min_version: TlsVersion,
    /// Whose clients; `None` asks for no certificate.
    pub clients: Option<Arc<Clients>>,
    /// Makes and reads tickets.
    pub tickets: Tickets,
}

impl Section {
    /// How a listener with these protocols speaks.
    ///
    /// # Errors
    /// The versions do not fit the cryptography that was built in.
    pub fn config(&self, protocols: &[Protocol]) -> Result<ServerConfig, Error> {
        let versions = match self.min_version {
            TlsVersion::V12 => &[&TLS13, &TLS12][..],
            TlsVersion::V13 => &[&TLS13][..],
        };
        let verifier = self.clients.as_ref().map(|clients| Arc::clone(&clients.verifier));
        let keys = self.identities.iter().map(|identity| Arc::clone(&identity.certified)).collect();
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)?
            .with_client_cert_verifier(verifier.unwrap_or_else(WebPkiClientVerifier::no_client_auth))
            .with_cert_resolver(Arc::new(ByName { names: Arc::clone(&self.names), keys }));
        let alpn = |protocol: &Protocol| match protocol {
            Protocol::H2 => ALPN_H2.to_vec(),
            Protocol::Http1 => ALPN_HTTP1.to_vec(),
        };
        config.alpn_protocols = protocols.iter().map(alpn).collect();
        // Tickets are the only resumption: a table of sessions would be written by all cores.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Arc::clone(&self.tickets.ticketer);
        Ok(config)
    }
}

/// Chooses by SNI.
#[derive(Debug)]
struct ByName {
    names: Arc<CertificateNames>,
    keys: Vec<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for ByName {
    /// rustls gives names in lower case and drops IP addresses, which are no names (RFC 6066 3). Of several certificates
    /// the first with a key whose signatures the client reads (RFC 8446 4.4.2.2).
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut found =
            self.names.candidates(hello.server_name()).iter().filter_map(|position| self.keys.get(*position));
        let first = found.clone().next();
        found.find(|certified| certified.key.choose_scheme(hello.signature_schemes()).is_some()).or(first).cloned()
    }
}

/// Whose clients may come.
#[derive(Debug)]
pub struct Clients {
    verifier: Arc<dyn ClientCertVerifier>,
    /// When the first of the revocation lists should have been replaced, in seconds since the Unix epoch.
    pub next_update: Option<i64>,
    print: Print,
}

/// Which of the two files is complained about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// `client_ca`.
    Ca,
    /// `client_crl`.
    Crl,
}

impl Clients {
    /// Those whose certificates `ca` signs and `crl` does not revoke, both PEM. With `is_required` there are no others.
    ///
    /// A certificate in the chain of which no list speaks is refused: with lists at all, all issuers must have one.
    ///
    /// # Errors
    /// What is wrong with which of the two.
    pub fn new(ca: &[u8], crl: Option<&[u8]>, is_required: bool) -> Result<Self, (Source, Refusal)> {
        let roots = roots(ca).map_err(|refusal| (Source::Ca, refusal))?;
        let lists = crl.map(revocation_lists).transpose().map_err(|refusal| (Source::Crl, refusal))?;
        let lists = lists.unwrap_or_default();
        let next_updates = lists.iter().filter_map(|list| {
            let (_, parsed) = CertificateRevocationList::from_der(list).ok()?;
            Some(parsed.next_update()?.timestamp())
        });
        let next_update = next_updates.min();
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()));
        let builder = builder.with_crls(lists);
        let builder = if is_required { builder } else { builder.allow_unauthenticated() };
        let verifier = builder.build().map_err(|error| (Source::Crl, Refusal::new(error.to_string())))?;
        let print = print(&[&[u8::from(is_required)], ca, crl.unwrap_or_default()]);
        Ok(Self { verifier, next_update, print })
    }
}

/// The roots in a PEM text.
///
/// # Errors
/// There is none, or one that cannot be used.
pub fn roots(pem: &[u8]) -> Result<RootCertStore, Refusal> {
    let mut roots = RootCertStore::empty();
    for (position, root) in certificates(pem)?.into_iter().enumerate() {
        roots
            .add(root)
            .map_err(|error| Refusal::new(format!("certificate {} in it cannot be a root: {error}", position + 1)))?;
    }
    Ok(roots)
}

fn revocation_lists(pem: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, Refusal> {
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(pem).collect();
    match lists {
        Ok(lists) if !lists.is_empty() => Ok(lists),
        Ok(_) => Err(Refusal::new("there is no revocation list in it")
            .hint("a PEM file has lines -----BEGIN X509 CRL----- and -----END X509 CRL-----")),
        Err(_) => Err(Refusal::new("it is not a PEM file, or a damaged one")),
    }
}

/// What tickets of one section are made and read with, by all cores; its keys are exchanged every six hours.
///
/// A ticket vouches for the certificate that the client showed when it was made. So each section has keys of its own, or
/// a ticket of one that asks for none would open another; and they go when what is asked of clients changes.
#[derive(Clone, Debug)]
pub struct Tickets {
    ticketer: Arc<dyn ProducesTickets>,
    print: Print,
}

/// SHA-256.
type Print = [u8; 32];

impl Tickets {
    /// The `earlier` ones, when they were made for the same demands on clients; else new ones.
    ///
    /// # Errors
    /// There are no random numbers.
    pub fn renewed(earlier: Option<&Self>, clients: Option<&Clients>) -> Result<Self, Error> {
        let print = clients.map_or_else(|| print(&[]), |clients| clients.print);
        match earlier.filter(|earlier| earlier.print == print) {
            Some(earlier) => Ok(earlier.clone()),
            None => Ok(Self { ticketer: Ticketer::new()?, print }),
        }
    }

    /// Both read each other's tickets.
    #[must_use]
    pub fn are_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ticketer, &other.ticketer)
    }
}

/// A print of these texts; their lengths are part of it, so that none can be moved from one to the other.
fn print(texts: &[&[u8]]) -> Print {
    let suite = cipher_suite::TLS13_AES_128_GCM_SHA256.tls13().expect("it is one of TLS 1.3");
    let mut hash = suite.common.hash_provider.start();
    for text in texts {
        hash.update(&(text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    let mut print = [0; 32];
    print.copy_from_slice(hash.finish().as_ref());
    print
}
