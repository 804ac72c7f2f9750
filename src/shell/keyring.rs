//! What cores need to speak TLS: configurations of rustls, made by control from a plan's files and exchanged as a whole.
//!
//! Not here: files, expiry, reloading (`control`), and the bytes of a connection (`tls`).
#![expect(
    clippy::disallowed_types,
    reason = "rustls takes its configurations as Arc; they are touched by handshakes only"
)]

use std::sync::Arc;

use rustls::{ClientConfig, ServerConfig};

use crate::words::ids::{TlsId, UpstreamId};

/// The TLS configurations that belong to one plan.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    /// By [`TlsId`].
    pub servers: Vec<Arc<ServerConfig>>,
    /// By [`UpstreamId`]; `None` for an upstream without TLS.
    pub clients: Vec<Option<Arc<ClientConfig>>>,
}

/// A keyring as it travels from control to the cores.
pub type SharedKeyring = Arc<Keyring>;

impl Keyring {
    /// How listeners with this id speak TLS.
    #[must_use]
    pub fn server(&self, tls: TlsId) -> Option<&Arc<ServerConfig>> {
        self.servers.get(tls.index())
    }

    /// How TLS is spoken to this upstream.
    #[must_use]
    pub fn client(&self, upstream: UpstreamId) -> Option<&Arc<ClientConfig>> {
        self.clients.get(upstream.index())?.as_ref()
    }
}
