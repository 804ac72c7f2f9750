//! How TLS is spoken to upstreams: whom they must show to be, whom Ringway shows to be, and ALPN.
#![expect(clippy::disallowed_types, reason = "rustls takes what it is configured with as Arc")]

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::identity::Identity;
use super::server::{ALPN_H2, ALPN_HTTP1};
use crate::plan::UpstreamProtocol;
use crate::words::limits::UPSTREAM_SESSIONS;

/// How TLS is spoken to an upstream that speaks `protocol`: with `roots`, or with none to whoever is there.
///
/// # Errors
/// The versions do not fit the cryptography that was built in.
pub fn config(
    roots: Option<Arc<RootCertStore>>, own: Option<&Identity>, protocol: UpstreamProtocol,
) -> Result<ClientConfig, Error> {
    let provider = Arc::new(default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13, &TLS12])?;
    let builder = match roots {
        Some(roots) => builder.with_root_certificates(roots),
        None => builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified { algorithms })),
    };
    let mut config = match own {
        Some(own) => {
            let shown = SingleCertAndKey::from(Arc::clone(&own.certified));
            builder.with_client_cert_resolver(Arc::new(shown))
        }
        None => builder.with_no_client_auth(),
    };
    let alpn = if protocol == UpstreamProtocol::H2 { ALPN_H2 } else { ALPN_HTTP1 };
    config.alpn_protocols = vec![alpn.to_vec()];
    config.resumption = Resumption::in_memory_sessions(UPSTREAM_SESSIONS);
    Ok(config)
}

/// Takes every certificate: `verify = false`. That whoever shows it has its key is still checked, so that a mistake in
/// the protocol is not taken for a server.
#[derive(Debug)]
struct Unverified {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self, _: &CertificateDer<'_>, _: &[CertificateDer<'_>], _: &ServerName<'_>, _: &[u8], _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self, message: &[u8], certificate: &CertificateDer<'_>, signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self, message: &[u8], certificate: &CertificateDer<'_>, signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
