//! Names: which certificate a name is served with, and what a client asked for.
//!
//! A client that may reuse a connection for another host (RFC 9113 9.1.1) must not reach hosts that stand behind
//! another certificate, or behind a question who it is.
#![expect(clippy::disallowed_types, reason = "rustls takes its resolvers as Arc; they are touched by handshakes only")]

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The names of one `[tls.<name>]`, and which of its certificates serves each.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Names {
    exact: HashMap<Box<[u8]>, usize>,
    /// By what follows `*`, with its dot.
    wildcards: HashMap<Box<[u8]>, usize>,
    /// Clients are asked for certificates of their own.
    asks_clients: bool,
}

impl Names {
    /// No names yet; all are served with the first certificate.
    #[must_use]
    pub fn new(asks_clients: bool) -> Self {
        Self { asks_clients, ..Self::default() }
    }

    /// Says that `name`, which may begin with `*.`, is served with certificate number `certificate`. The first to claim a
    /// name has it.
    pub fn add(&mut self, name: &str, certificate: usize) {
        let name = name.to_ascii_lowercase();
        let (table, name) = match name.strip_prefix('*') {
            Some(suffix) => (&mut self.wildcards, suffix),
            None => (&mut self.exact, name.as_str()),
        };
        table.entry(name.as_bytes().into()).or_insert(certificate);
    }

    /// The number of the certificate that serves `name`, which is in lower case: exact, else by wildcard for its first
    /// label (RFC 9525 6.3), else the first.
    #[must_use]
    pub fn certificate(&self, name: &[u8]) -> usize {
        if let Some(certificate) = self.exact.get(name) {
            return *certificate;
        }
        let dot = name.iter().position(|byte| *byte == b'.').filter(|dot| *dot > 0);
        dot.and_then(|dot| self.wildcards.get(&name[dot..])).copied().unwrap_or(0)
    }

    /// True when a connection that asked for `server_name` may carry requests for `host`, both in lower case.
    #[must_use]
    pub fn serves_alike(&self, server_name: Option<&str>, host: &[u8]) -> bool {
        match server_name {
            Some(name) if name.as_bytes() == host => true,
            Some(name) => !self.asks_clients && self.certificate(name.as_bytes()) == self.certificate(host),
            // Who names nothing is served with the first certificate.
            None => self.certificate(host) == 0,
        }
    }
}

thread_local! {
    /// The name that the last client asked for on this thread.
    static HEARD: RefCell<Option<Box<str>>> = const { RefCell::new(None) };
}

/// A resolver that remembers for which name it was asked: rustls tells that to nobody else who drives a connection without
/// its buffers. A step of a handshake is one call on one thread, so what is heard within it belongs to it.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn names(asks_clients: bool) -> Names {
        let mut names = Names::new(asks_clients);
        names.add("first.example", 0);
        names.add("*.Wild.example", 1);
        names.add("exact.wild.example", 2);
        names.add("also.wild.example", 1);
        names
    }

    #[test]
    fn a_name_is_served_exactly_then_by_wildcard_then_by_the_first() {
        let names = names(false);
        let cases: [(&[u8], usize); 6] = [
            (b"exact.wild.example", 2),
            (b"other.wild.example", 1),
            (b"deep.other.wild.example", 0),
            (b"wild.example", 0),
            (b".wild.example", 0),
            (b"unknown", 0),
        ];
        for (name, certificate) in cases {
            assert_eq!(names.certificate(name), certificate, "{name:?}");
        }
    }

    #[test]
    fn a_connection_carries_hosts_of_its_certificate_only() {
        let names = names(false);
        assert!(names.serves_alike(Some("a.wild.example"), b"b.wild.example"));
        assert!(names.serves_alike(Some("a.wild.example"), b"also.wild.example"));
        assert!(!names.serves_alike(Some("a.wild.example"), b"exact.wild.example"));
        assert!(!names.serves_alike(Some("a.wild.example"), b"first.example"));
        assert!(names.serves_alike(None, b"first.example") && !names.serves_alike(None, b"a.wild.example"));
    }

    #[test]
    fn who_was_asked_for_a_certificate_stays_with_the_name_it_was_asked_under() {
        let names = names(true);
        assert!(names.serves_alike(Some("a.wild.example"), b"a.wild.example"));
        assert!(!names.serves_alike(Some("a.wild.example"), b"b.wild.example"));
        assert!(names.serves_alike(None, b"first.example"));
    }
}
