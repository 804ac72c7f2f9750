//! What a client asked for: rustls tells the name to whoever chooses its certificate, and to nobody else who drives a
//! connection without rustls' buffers.
#![expect(clippy::disallowed_types, reason = "rustls takes its resolvers as Arc; they are touched by handshakes only")]

use std::cell::RefCell;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

thread_local! {
    /// The name that the last client asked for on this thread.
    static HEARD: RefCell<Option<Box<str>>> = const { RefCell::new(None) };
}

/// A resolver that remembers for which name it was asked. A step of a handshake is one call on one thread, so what is heard
/// within it belongs to it.
#[derive(Debug)]
pub(super) struct Hearing(pub(super) Arc<dyn ResolvesServerCert>);

impl ResolvesServerCert for Hearing {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        HEARD.set(hello.server_name().map(|name| name.to_ascii_lowercase().into()));
        self.0.resolve(hello)
    }

    fn only_raw_public_keys(&self) -> bool {
        self.0.only_raw_public_keys()
    }
}

/// The name that was asked for since the last call.
pub(super) fn take_heard() -> Option<Box<str>> {
    HEARD.take()
}
