//! TLS over a stream: rustls shakes hands, records are sealed and opened here, between our buffers and the socket's.
//!
//! [`TlsStream`] is a [`Stream`] over any other, so it runs on io_uring, on epoll and in the simulator. What a message
//! needs is sealed into one buffer and leaves in one send. A connection at rest holds its keys and no buffer. Not here:
//! certificates, files and tickets' keys (`control`), and who may ask for which host (`exchange`).
#![expect(
    clippy::disallowed_types,
    reason = "rustls takes its configurations as Arc; they are touched by handshakes only"
)]

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::pki_types::ServerName;
use rustls::{CipherSuite, ClientConfig, ProtocolVersion, ServerConfig};

use self::desk::Desk;
use self::handshake::{Handshake, Outcome};
use self::talk::Talk;
use super::buffer::Buffer;
use super::io::Stream;
use crate::policy::names::CertificateNames;

pub mod desk;
mod handshake;
mod hearing;
mod record;
mod stream;
mod talk;

pub use self::handshake::{Failure, ready_client, ready_server};

/// TLS over `S`.
pub struct TlsStream<S: Stream> {
    stream: S,
    desk: Rc<Desk>,
    state: State,
    /// Received and not opened, behind what was opened and not taken.
    inbound: Buffer,
    /// Opened bytes at the front of `inbound`.
    plain: usize,
    /// Bytes behind those that belong to their record and mean nothing any more.
    husk: usize,
    /// Sealed and not sent. While a write is in flight it is the stream's.
    outbound: Buffer,
    /// The last read filled its buffer: more is to come.
    is_flowing: bool,
    /// Our direction is to be ended once what is sealed is sent.
    is_closing: bool,
    /// The peer was told that nothing more comes, or shall not be.
    is_over: bool,
}

/// How far a connection is.
enum State {
    Shaking(Box<Handshake>),
    Talking(Box<Talk>),
    /// The peer has ended its direction, and said so.
    Ended(Box<Talk>),
    /// Nothing can be trusted or sent any more; what readers are told.
    Broken(io::ErrorKind),
}

/// What a handshake agreed on.
#[derive(Debug)]
pub struct Told {
    /// The version.
    pub version: ProtocolVersion,
    /// The suite.
    pub suite: CipherSuite,
    /// The name that the client asked for, in lower case; on upstream connections none.
    pub server_name: Option<Box<str>>,
    /// What ALPN chose; `None` when the peer did not take part.
    pub application: Option<Application>,
    /// It went on where an earlier connection was.
    pub is_resumed: bool,
    zone: Option<Zone>,
}

/// What a client of a listener may ask for.
#[derive(Clone, Debug)]
pub struct Zone {
    /// Whom its certificates are for.
    pub names: Arc<CertificateNames>,
    /// Clients are asked who they are: what they answered is for the name that they asked for.
    pub asks_clients: bool,
}

/// A protocol above TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Application {
    /// `h2`
    H2,
    /// `http/1.1`
    Http1,
}

impl Told {
    /// True when the connection may carry requests for `host`, which is in lower case.
    #[must_use]
    pub fn may_serve(&self, host: &[u8]) -> bool {
        let (Some(zone), Ok(host)) = (&self.zone, std::str::from_utf8(host)) else { return self.zone.is_none() };
        match self.server_name.as_deref() {
            Some(name) if zone.asks_clients => name == host,
            name => zone.names.is_served_alike(name, host),
        }
    }
}

impl Told {
    /// The version as logs call it.
    #[must_use]
    pub fn version_name(&self) -> &'static str {
        if self.version == ProtocolVersion::TLSv1_3 { "TLSv1.3" } else { "TLSv1.2" }
    }

    /// The suite as IANA calls it.
    #[must_use]
    pub fn suite_name(&self) -> &'static str {
        match self.suite {
            CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
            CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
            suite => suite.as_str().unwrap_or("unknown"),
        }
    }
}

impl<S: Stream> TlsStream<S> {
    /// The server's side over `stream`; `config` is from [`ready_server`].
    #[must_use]
    pub fn server(stream: S, config: Arc<ServerConfig>, zone: Zone, desk: &Rc<Desk>) -> Self {
        Self::new(stream, Handshake::server(config, zone), desk)
    }

    /// The client's side over `stream`, to a server whose certificate must be for `name`; `config` is from
    /// [`ready_client`].
    ///
    /// # Errors
    /// When the configuration allows no handshake.
    pub fn client(
        stream: S, config: Arc<ClientConfig>, name: ServerName<'static>, desk: &Rc<Desk>,
    ) -> Result<Self, Failure> {
        Handshake::client(config, name).map(|handshake| Self::new(stream, handshake, desk))
    }

    fn new(stream: S, handshake: Handshake, desk: &Rc<Desk>) -> Self {
        Self {
            stream,
            desk: Rc::clone(desk),
            state: State::Shaking(Box::new(handshake)),
            inbound: Buffer::default(),
            plain: 0,
            husk: 0,
            outbound: Buffer::default(),
            is_flowing: false,
            is_closing: false,
            is_over: false,
        }
    }

    /// What the handshake agreed on, once it is over.
    #[must_use]
    pub fn told(&self) -> Option<&Rc<Told>> {
        match &self.state {
            State::Talking(talk) | State::Ended(talk) => Some(&talk.told),
            State::Shaking(_) | State::Broken(_) => None,
        }
    }

    /// Ready when the handshake is over, one way or the other. After a failure the connection is of no more use.
    pub fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        loop {
            let State::Shaking(handshake) = &mut self.state else {
                return Poll::Ready(if self.told().is_some() { Ok(()) } else { Err(Failure::Protocol) });
            };
            if handshake.ticket.as_ref().is_some_and(|ticket| ticket.is_evicted(cx.waker())) {
                self.state = State::Broken(io::ErrorKind::NotConnected);
                return Poll::Ready(Err(Failure::Evicted));
            }
            let failure = handshake.failure;
            let must_hear = !handshake.begins() || handshake.ticket.is_some();
            let sent = ready!(self.poll_flush(cx));
            if let Some(failure) = failure {
                self.state = State::Broken(io::ErrorKind::NotConnected);
                return Poll::Ready(Err(failure));
            }
            if sent.is_err() || must_hear && !matches!(ready!(self.poll_fill(cx)), Ok(count) if count > 0) {
                self.state = State::Broken(io::ErrorKind::NotConnected);
                return Poll::Ready(Err(Failure::Gone));
            }
            if self.shake() {
                // Tickets may wait for an answer that is asked for already.
                if self.inbound.is_empty() && self.told().is_some_and(|told| told.zone.is_some()) {
                    let _: Poll<io::Result<()>> = self.poll_flush(cx);
                }
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Takes a step of the handshake; true when it was the last.
    fn shake(&mut self) -> bool {
        let State::Shaking(handshake) = &mut self.state else { return false };
        handshake.ticket.get_or_insert_with(|| self.desk.begin());
        if self.outbound.capacity() == 0 {
            self.outbound = self.desk.buffer(false);
        }
        match handshake.step(&self.desk, &mut self.inbound, &mut self.outbound) {
            Ok(Outcome::Done(talk, early)) => {
                self.plain = early;
                self.state = State::Talking(talk);
                self.settle();
                true
            }
            Ok(Outcome::Blocked) => {
                self.settle();
                false
            }
            Err(failure) => {
                handshake.failure = Some(failure);
                false
            }
        }
    }
}
