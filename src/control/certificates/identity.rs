//! A certificate with its key: what Ringway shows when it is asked who it is.
#![expect(clippy::disallowed_types, reason = "rustls shares certificates between configurations by Arc")]

use std::net::IpAddr;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::files::{Refusal, read, read_secret};
use crate::plan::CertificateFiles;

/// A certificate chain, its key, and what it says.
#[derive(Debug)]
pub struct Identity {
    /// Chain and key.
    pub certified: Arc<CertifiedKey>,
    /// What the certificate is for: DNS names, wildcards among them, and IP addresses as text. Only subjectAltName
    /// counts; no client looks at the common name any more (RFC 9525 2).
    pub names: Vec<String>,
    /// First second in which it is valid, since the Unix epoch.
    pub not_before: i64,
    /// Last second in which it is valid, since the Unix epoch.
    pub not_after: i64,
}

/// Which of the two files is complained about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Half {
    /// The certificate.
    Cert,
    /// The key.
    Key,
}

impl Identity {
    /// Reads both files and sees that they belong together.
    ///
    /// # Errors
    /// All that is wrong with either.
    pub fn load(files: &CertificateFiles) -> Result<Self, Vec<(Half, Refusal)>> {
        let chain = read(&files.cert).and_then(|pem| certificates(&pem)).map_err(|refusal| (Half::Cert, refusal));
        let key = read_secret(&files.key).and_then(|pem| private_key(&pem)).map_err(|refusal| (Half::Key, refusal));
        match (chain, key) {
            (Ok(chain), Ok(key)) => Self::of(chain, key).map_err(|refused| vec![refused]),
            (chain, key) => Err([chain.err(), key.err()].into_iter().flatten().collect()),
        }
    }

    fn of(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, (Half, Refusal)> {
        let refuse = |why: String| (Half::Cert, Refusal::new(why));
        let first = chain.first().cloned().ok_or_else(|| refuse("it has no certificate".to_owned()))?;
        let (_, parsed) = X509Certificate::from_der(&first)
            .map_err(|_| refuse("its first certificate is not one of X.509".to_owned()))?;
        let certified = CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => (
                Half::Key,
                Refusal::new("the key does not belong to the certificate")
                    .hint("the certificate itself comes first in its file, then what leads to its root"),
            ),
            Error::InvalidCertificate(error) => refuse(format!("its first certificate cannot be used: {error:?}")),
            other => (Half::Key, Refusal::new(format!("the key cannot be used: {other}"))),
        })?;
        let validity = parsed.validity();
        Ok(Self {
            certified: Arc::new(certified),
            names: names(&parsed),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
        })
    }

    /// It is no longer valid at `now`, in seconds since the Unix epoch.
    #[must_use]
    pub const fn is_expired(&self, now: i64) -> bool {
        now > self.not_after
    }

    /// It is valid at `now`.
    #[must_use]
    pub const fn is_valid(&self, now: i64) -> bool {
        now >= self.not_before && now <= self.not_after
    }
}

/// All certificates of a PEM text, at least one.
///
/// # Errors
/// It is no PEM, or there is none in it.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Refusal> {
    let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match list {
        Ok(list) if list.is_empty() => Err(Refusal::new("there is no certificate in it")
            .hint("a PEM file has lines -----BEGIN CERTIFICATE----- and -----END CERTIFICATE-----")),
        Ok(list) => Ok(list),
        // What is wrong where is not said: the same words serve keys, and no part of one may come into a log.
        Err(_) => Err(Refusal::new("it is not a PEM file, or a damaged one")),
    }
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Refusal> {
    if memchr::memmem::find(pem, b"ENCRYPTED").is_some() {
        return Err(Refusal::new("the key is encrypted, and there is nobody to ask for its password")
            .hint("openssl pkey -in encrypted.key -out plain.key, and let only Ringway read it"));
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
        Refusal::new("there is no private key in it, or it is damaged")
            .hint("a PEM file has a line -----BEGIN PRIVATE KEY-----, with RSA or EC before PRIVATE in older ones")
    })
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(alternatives)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    };
    alternatives.value.general_names.iter().filter_map(name).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    v4().or_else(|| <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from))
}
