//! What cores need to speak TLS: configurations of rustls, made by control from a plan's files and exchanged as a whole.
//!
//! Not here: files, expiry, reloading (`control`), and the bytes of a connection (`tls`).
#![expect(
    clippy::disallowed_types,
    reason = "rustls takes its configurations as Arc; they are touched by handshakes only"
)]

use std::sync::Arc;

use rustls::{ClientConfig, ServerConfig};

use crate::policy::names::CertificateNames;
use crate::words::ids::{ListenerId, UpstreamId};

/// The TLS configurations that belong to one plan.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    /// By [`ListenerId`]; `None` for a listener without TLS. Each has its own, since ALPN follows its `protocols`.
    pub servers: Vec<Option<Server>>,
    /// By [`UpstreamId`]; `None` for an upstream without TLS.
    pub clients: Vec<Option<Arc<ClientConfig>>>,
}

/// How one listener speaks TLS.
#[derive(Clone, Debug)]
pub struct Server {
    /// Certificates, versions, ALPN, tickets, whose clients.
    pub config: Arc<ServerConfig>,
    /// Which names its certificates are for: a request for a host that another certificate is for is misdirected.
    pub names: Arc<CertificateNames>,
}

/// A keyring as it travels from control to the cores.
pub type SharedKeyring = Arc<Keyring>;

impl Keyring {
    /// How this listener speaks TLS.
    #[must_use]
    pub fn server(&self, listener: ListenerId) -> Option<&Server> {
        self.servers.get(listener.index())?.as_ref()
    }

    /// How TLS is spoken to this upstream.
    #[must_use]
    pub fn client(&self, upstream: UpstreamId) -> Option<&Arc<ClientConfig>> {
        self.clients.get(upstream.index())?.as_ref()
    }
}
