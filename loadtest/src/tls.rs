//! TLS as the load wants it: version 1.3, one cipher and one group, so that every server does the same work.
//!
//! Not here: a choice of ciphers, client certificates, early data. A certificate is held against `--ca`, or with
//! `--insecure` against nothing: then not even its signature is checked, which is the peer's work and not the
//! generator's to repeat.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{cipher_suite, default_provider, kx_group};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, NamedGroup, RootCertStore, SignatureScheme,
};

use crate::arguments::Run;
use crate::socket::Socket;

/// Tickets that wait for their use; an older one gives way.
const TICKETS_MAX: usize = 4096;

/// Whom to shake hands with, and how: shared by all connections of a run.
#[derive(Clone, Debug)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// As `run` says, with the server at `host`, offering `protocol`.
    ///
    /// # Errors
    /// A sentence for the user: nothing is said of verification, a file that cannot be read, a host that is none.
    pub fn of(run: &Run, host: &str, protocol: &[u8]) -> Result<Self, String> {
        let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name).map_err(|error| format!("{host}: {error}"))?;
        let provider = Arc::new(CryptoProvider {
            cipher_suites: vec![cipher_suite::TLS13_AES_128_GCM_SHA256],
            kx_groups: vec![kx_group::X25519],
            ..default_provider()
        });
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
        let builder = builder.map_err(|error| error.to_string())?;
        let mut config = match &run.ca {
            _ if run.insecure => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody)).with_no_client_auth()
            }
            Some(file) => builder.with_root_certificates(roots(file)?).with_no_client_auth(),
            None => return Err(format!("https://{host}: say --ca FILE, or --insecure for no verification")),
        };
        config.alpn_protocols = vec![protocol.to_vec()];
        config.resumption =
            if run.tls_resume { Resumption::store(Arc::new(Tickets::default())) } else { Resumption::disabled() };
        Ok(Self { config: Arc::new(config), name })
    }
}

fn roots(file: &Path) -> Result<RootCertStore, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))? {
        let certificate = certificate.map_err(|error| wrong(&error))?;
        roots.add(certificate).map_err(|error| wrong(&error))?;
    }
    if roots.is_empty() { Err(wrong(&"has no certificate")) } else { Ok(roots) }
}

/// Takes everybody for the server, which `--insecure` asks for.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self, _: &CertificateDer<'_>, _: &[CertificateDer<'_>], _: &ServerName<'_>, _: &[u8], _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self, _: &[u8], _: &CertificateDer<'_>, _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self, _: &[u8], _: &CertificateDer<'_>, _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// The tickets of the one server: a store of rustls's own would keep eight, and a hundred connections want theirs.
#[derive(Default)]
struct Tickets {
    held: Mutex<VecDeque<Tls13ClientSessionValue>>,
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Tickets")
    }
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() == TICKETS_MAX {
            held.pop_front();
        }
        held.push_back(ticket);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).pop_back()
    }
}

/// One connection's state of TLS.
pub struct Session {
    tls: ClientConnection,
}

impl Session {
    /// A session that has not begun.
    ///
    /// # Errors
    /// When the configuration cannot be used at all.
    pub fn new(tls: &Tls) -> io::Result<Self> {
        let client = ClientConnection::new(Arc::clone(&tls.config), tls.name.clone());
        let mut client = client.map_err(io::Error::other)?;
        // Whoever writes sends before writing more; a limit would cut a large request short.
        client.set_buffer_limit(None);
        Ok(Self { tls: client })
    }

    /// Whether the handshake, once it is over, resumed an earlier session; `None` before.
    #[must_use]
    pub fn is_resumed(&self) -> Option<bool> {
        (!self.tls.is_handshaking()).then(|| self.tls.handshake_kind() == Some(HandshakeKind::Resumed))
    }

    /// Something is to be sent.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.tls.wants_write()
    }

    /// Takes `plain` whole, unless what was taken before is not sent: then nothing.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when nothing was taken; else the connection is lost.
    pub fn send(&mut self, plain: &[u8], socket: &Socket) -> io::Result<usize> {
        self.flush(socket)?;
        self.tls.writer().write_all(plain)?;
        match self.flush(socket) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(plain.len()),
        }
    }

    /// Sends what was taken, and what the handshake has to say.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when the socket does not take it all now; else the connection is lost.
    pub fn flush(&mut self, socket: &Socket) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut Records(socket))?;
        }
        Ok(())
    }

    /// As [`Socket::receive`]. An end that the peer did not announce is an error: something may be missing.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when nothing is there; else the connection is lost.
    pub fn receive(&mut self, into: &mut [u8], socket: &Socket) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.read(socket)?,
                done => return done,
            }
        }
    }

    /// Receives records once, and decrypts them.
    ///
    /// # Errors
    /// As [`Session::receive`].
    pub fn read(&mut self, socket: &Socket) -> io::Result<()> {
        let is_end = self.tls.read_tls(&mut Records(socket))? == 0;
        if is_end && self.tls.is_handshaking() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let read = self.tls.process_new_packets();
        // An answer to new keys, or the alert that says what was wrong. It can wait for the next flush as well.
        self.flush(socket).ok();
        read.map(drop).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

/// Records move by the socket's own calls.
struct Records<'s>(&'s Socket);

impl Read for Records<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.receive(into)
    }
}

impl Write for Records<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes)
    }

    /// All of a flight in one call: several records of a large request, or the end of a handshake and the request.
    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.send_all(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
