//! Handshakes: rustls decides, our buffers carry.
#![expect(
    clippy::disallowed_types,
    reason = "rustls takes its configurations as Arc; they are touched by handshakes only"
)]

use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use rustls::{ClientConfig, CommonState, Error, HandshakeKind, ServerConfig};

use super::desk::{Desk, Ticket};
use super::hearing::{Hearing, take_heard};
use super::talk::{Kernel, Talk};
use super::{Application, Told, Zone};
use crate::shell::buffer::Buffer;

/// A handshake that is not over.
pub(super) struct Handshake {
    side: Side,
    /// From the first byte on.
    pub(super) ticket: Option<Ticket>,
    /// Why it failed, once it has: said to the peer first.
    pub(super) failure: Option<Failure>,
}

enum Side {
    /// A client that has not said anything yet: no state of rustls is held for it.
    Silent(Arc<ServerConfig>, Zone),
    /// With the name that the client asks for.
    Server(Box<UnbufferedServerConnection>, Zone, Option<Box<str>>),
    Client(Box<UnbufferedClientConnection>),
    Over,
}

/// Why a handshake failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The peer went away, or never was there.
    Gone,
    /// The peer has sent an alert.
    Alert,
    /// The peer's certificate is not good.
    Certificate,
    /// What the peer sent is not TLS, or not TLS that both speak.
    Protocol,
    /// It was the oldest when there were too many.
    Evicted,
}

/// What a step of a handshake came to.
pub(super) enum Outcome {
    /// What was written must be sent, and more must come.
    Blocked,
    /// It is over. Data that rustls has opened already lies at the front of what was received; so many bytes.
    Done(Box<Talk>, usize),
}

/// What rustls says next.
enum Step {
    Again,
    Blocked,
    /// Data that came in the flight that ended the handshake.
    Data(Vec<u8>),
}

/// Makes `config` fit for [`super::TlsStream::server`].
#[must_use]
pub fn ready_server(mut config: ServerConfig) -> Arc<ServerConfig> {
    config.cert_resolver = Arc::new(Hearing(config.cert_resolver));
    // Records are ours (`record`).
    config.enable_secret_extraction = true;
    // RFC 8446 8: what comes before the handshake is over may be a replay.
    config.max_early_data_size = 0;
    config.send_half_rtt_data = false;
    Arc::new(config)
}

/// Makes `config` fit for [`super::TlsStream::client`].
#[must_use]
pub fn ready_client(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.enable_secret_extraction = true;
    config.enable_early_data = false;
    Arc::new(config)
}

impl Handshake {
    pub(super) fn server(config: Arc<ServerConfig>, zone: Zone) -> Self {
        Self { side: Side::Silent(config, zone), ticket: None, failure: None }
    }

    pub(super) fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, Failure> {
        let connection = UnbufferedClientConnection::new(config, name).map_err(|error| failure(&error))?;
        Ok(Self { side: Side::Client(Box::new(connection)), ticket: None, failure: None })
    }

    /// True when there is something to do before bytes of the peer come.
    pub(super) const fn begins(&self) -> bool {
        matches!(self.side, Side::Client(_))
    }

    /// Goes on with what was received, and writes what is to be sent behind `outbound`.
    ///
    /// # Errors
    /// When it has failed; the alert that says so is in `outbound` then.
    pub(super) fn step(
        &mut self, desk: &Desk, inbound: &mut Buffer, outbound: &mut Buffer,
    ) -> Result<Outcome, Failure> {
        if let Side::Silent(config, zone) = &self.side {
            let connection = UnbufferedServerConnection::new(Arc::clone(config)).map_err(|error| failure(&error))?;
            self.side = Side::Server(Box::new(connection), zone.clone(), None);
        }
        let mut early = Vec::new();
        loop {
            let received = inbound.data_mut();
            let (discard, step, state) = match &mut self.side {
                Side::Server(connection, _, server_name) => {
                    let (discard, step) = advance(connection.process_tls_records(received), desk, outbound);
                    if let Some(heard) = take_heard() {
                        *server_name = Some(heard);
                    }
                    let state: &CommonState = connection;
                    (discard, step, state)
                }
                Side::Client(connection) => {
                    let (discard, step) = advance(connection.process_tls_records(received), desk, outbound);
                    let state: &CommonState = connection;
                    (discard, step, state)
                }
                Side::Silent(..) | Side::Over => return Err(Failure::Protocol),
            };
            inbound.consume(discard);
            let is_done = !state.is_handshaking() && !state.wants_write();
            match step {
                Ok(Step::Again) if !is_done => continue,
                Ok(Step::Blocked) if !is_done => return Ok(Outcome::Blocked),
                Ok(Step::Data(data)) => {
                    early.extend_from_slice(&data);
                    if !is_done {
                        continue;
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    self.complain(desk, inbound, outbound);
                    return Err(failure(&error));
                }
            }
            // A record takes more room than its payload, so what was taken out of the front leaves enough of it.
            let fits = inbound.prepend(&early);
            return if fits { self.end(early.len()) } else { Err(Failure::Protocol) };
        }
    }

    /// Takes what rustls still has for the peer: what it had said before it failed, and the alert.
    fn complain(&mut self, desk: &Desk, inbound: &mut Buffer, outbound: &mut Buffer) {
        loop {
            let state: &CommonState = match &self.side {
                Side::Server(connection, ..) => connection,
                Side::Client(connection) => connection,
                Side::Silent(..) | Side::Over => return,
            };
            // Each call gives one piece. Behind the last it would fail again, and with another alert.
            if !state.wants_write() {
                return;
            }
            let received = inbound.data_mut();
            let (discard, _) = match &mut self.side {
                Side::Server(connection, ..) => advance(connection.process_tls_records(received), desk, outbound),
                Side::Client(connection) => advance(connection.process_tls_records(received), desk, outbound),
                Side::Silent(..) | Side::Over => return,
            };
            inbound.consume(discard);
        }
    }

    /// Takes the keys over.
    fn end(&mut self, early: usize) -> Result<Outcome, Failure> {
        let (told, secrets, kernel) = match std::mem::replace(&mut self.side, Side::Over) {
            Side::Server(connection, zone, server_name) => {
                let told = Told::of(&connection, server_name, Some(zone)).ok_or(Failure::Protocol)?;
                let (secrets, kernel) =
                    connection.dangerous_into_kernel_connection().map_err(|error| failure(&error))?;
                (told, secrets, Kernel::Server(Box::new(kernel)))
            }
            Side::Client(connection) => {
                let told = Told::of(&connection, None, None).ok_or(Failure::Protocol)?;
                let (secrets, kernel) =
                    connection.dangerous_into_kernel_connection().map_err(|error| failure(&error))?;
                (told, secrets, Kernel::Client(Box::new(kernel)))
            }
            Side::Silent(..) | Side::Over => return Err(Failure::Protocol),
        };
        let talk = Talk::new(told, secrets, kernel).map_err(|_| Failure::Protocol)?;
        Ok(Outcome::Done(Box::new(talk), early))
    }
}

impl Told {
    fn of(state: &CommonState, server_name: Option<Box<str>>, zone: Option<Zone>) -> Option<Self> {
        Some(Self {
            version: state.protocol_version()?,
            suite: state.negotiated_cipher_suite()?.suite(),
            server_name,
            application: match state.alpn_protocol() {
                Some(b"h2") => Some(Application::H2),
                Some(_) => Some(Application::Http1),
                None => None,
            },
            is_resumed: state.handshake_kind() == Some(HandshakeKind::Resumed),
            zone,
        })
    }
}

/// Does what `status` asks for, and says how many received bytes are done with.
fn advance<D>(status: UnbufferedStatus<'_, '_, D>, desk: &Desk, outbound: &mut Buffer) -> (usize, Result<Step, Error>) {
    let UnbufferedStatus { mut discard, state } = status;
    let step = match state {
        Ok(ConnectionState::EncodeTlsData(mut data)) => loop {
            match data.encode(outbound.free_mut()) {
                Ok(count) => {
                    outbound.commit(count);
                    break Ok(Step::Again);
                }
                Err(EncodeError::InsufficientSize(needed)) => grow(outbound, needed.required_size, desk),
                Err(EncodeError::AlreadyEncoded) => break Ok(Step::Again),
            }
        },
        Ok(ConnectionState::TransmitTlsData(data)) => {
            // It is in `outbound`, which is sent before anything is waited for.
            data.done();
            Ok(Step::Again)
        }
        Ok(ConnectionState::ReadTraffic(mut data)) => match data.next_record() {
            Some(Ok(record)) => {
                discard += record.discard;
                Ok(Step::Data(record.payload.to_vec()))
            }
            Some(Err(error)) => Err(error),
            None => Ok(Step::Again),
        },
        Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => Ok(Step::Blocked),
        // A peer that closes within its handshake, and data before it that nobody allowed.
        Ok(_) => Err(Error::HandshakeNotComplete),
        Err(error) => Err(error),
    };
    (discard, step)
}

/// Moves what is to be sent into a buffer with room for `more`: certificates may be long.
fn grow(outbound: &mut Buffer, more: usize, desk: &Desk) {
    let mut larger = Buffer::with_capacity(outbound.len() + more + Buffer::HEADROOM + Buffer::TAILROOM);
    let is_whole = larger.append(outbound.data());
    debug_assert!(is_whole, "the larger buffer was made to hold it");
    desk.give(std::mem::replace(outbound, larger));
}

fn failure(error: &Error) -> Failure {
    match error {
        Error::AlertReceived(_) => Failure::Alert,
        Error::InvalidCertificate(_) | Error::InvalidCertRevocationList(_) | Error::NoCertificatesPresented => {
            Failure::Certificate
        }
        _ => Failure::Protocol,
    }
}
