//! The gateway, in this process, on ports of its own.

use std::net::SocketAddr;

use ringway::control::{self, Options, Source};

use super::{Client, Origin};

/// What every test's configuration begins with: one worker, and ports that the kernel chooses.
const BASE: &str = r#"
    [server]
    workers = 1
    [listeners.web]
    address = "127.0.0.1:0"
    [admin]
    address = "127.0.0.1:0"
"#;

/// A running gateway, stopped when dropped.
pub struct Gateway {
    running: control::Gateway,
}

impl Gateway {
    /// With exactly this configuration.
    pub fn start(config: &str) -> Self {
        let options = Options::embedded().expect("RINGWAY_DRIVER names a driver");
        let running = control::Gateway::start(Source::text(config), options);
        Self { running: running.unwrap_or_else(|failure| panic!("{failure}\n{config}")) }
    }

    /// With the usual server, listener `web` and admin address, and the rest from `config`.
    pub fn with(config: &str) -> Self {
        Self::start(&format!("{BASE}{config}"))
    }

    /// Forwards everything to `origin`.
    pub fn before(origin: &Origin) -> Self {
        Self::before_with(origin, "")
    }

    /// Forwards everything to `origin`; `more` holds further tables of the configuration.
    pub fn before_with(origin: &Origin, more: &str) -> Self {
        let endpoint = origin.endpoint();
        Self::with(&format!(
            "[upstreams.origin]\nendpoints = [\"{endpoint}\"]\n[routes.all]\npath = \"/*\"\nupstream = \"origin\"\n{more}"
        ))
    }

    /// Takes up this configuration.
    pub fn reload(&self, config: &str) {
        self.running.reload_from(Source::text(config)).unwrap_or_else(|failure| panic!("{failure}\n{config}"));
    }

    /// Where the listener `web` listens.
    pub fn address(&self) -> SocketAddr {
        self.running.address("web").expect("the test configures the listener")
    }

    /// A new connection to the listener `web`.
    pub fn client(&self) -> Client {
        Client::connect(self.address())
    }

    /// The only client of a gateway that nobody else needs.
    pub fn into_client(self) -> Client {
        self.client().keeping(self)
    }

    /// A new connection to the admin address.
    pub fn admin(&self) -> Client {
        Client::connect(self.running.admin_address().expect("the test configures it"))
    }

    /// A metric as `/metrics` shows it: one sample when `name` has its labels, else the sum over all labels.
    pub fn metric(&self, name: &str) -> f64 {
        self.admin().metric(name)
    }
}
