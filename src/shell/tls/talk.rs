//! A TLS connection behind its handshake: the keys, and the messages that are not data: alerts, tickets, key updates.

use std::rc::Rc;

use rustls::client::ClientConnectionData;
use rustls::kernel::KernelConnection;
use rustls::server::ServerConnectionData;
use rustls::{AlertDescription, ExtractedSecrets, ProtocolVersion};

use super::Told;
use super::record::{ALERT, DATA, HANDSHAKE, Open, Seal, Unusable};
use crate::words::limits::{TLS_IDLE_RECORDS, TLS_MESSAGE_BYTES};

/// What a connection holds to talk.
pub(super) struct Talk {
    pub(super) seal: Seal,
    pub(super) open: Open,
    pub(super) told: Rc<Told>,
    kernel: Kernel,
    /// The beginning of a handshake message whose end has not come.
    fragment: Vec<u8>,
    /// Records since the last data that carried none.
    idle: u32,
    /// The peer asked for new keys from us: they come before our next data (RFC 8446 4.6.3).
    owes_update: bool,
}

/// What makes new keys and keeps tickets.
pub(super) enum Kernel {
    /// TLS 1.2 does neither.
    None,
    Server(Box<KernelConnection<ServerConnectionData>>),
    Client(Box<KernelConnection<ClientConnectionData>>),
}

/// What became of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Event {
    /// It is data.
    Data,
    /// It is dealt with.
    Nothing,
    /// The peer has ended its direction.
    Closed,
    /// The peer has given up.
    Alerted,
}

/// RFC 8446 B.3.
const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;
/// Alert levels (RFC 8446 6).
const WARNING: u8 = 1;
const FATAL: u8 = 2;

impl Talk {
    pub(super) fn new(told: Told, secrets: ExtractedSecrets, kernel: Kernel) -> Result<Self, Unusable> {
        let version = told.version;
        Ok(Self {
            seal: Seal::new(version, secrets.tx.0, secrets.tx.1)?,
            open: Open::new(version, secrets.rx.0, secrets.rx.1)?,
            kernel: if version == ProtocolVersion::TLSv1_3 { kernel } else { Kernel::None },
            told: Rc::new(told),
            fragment: Vec::new(),
            idle: 0,
            owes_update: false,
        })
    }

    /// Hears a record of type `kind`.
    ///
    /// # Errors
    /// The alert that ends the connection.
    pub(super) fn hear(&mut self, kind: u8, payload: &[u8]) -> Result<Event, AlertDescription> {
        // RFC 8446 5.1: nothing comes between the parts of a handshake message.
        if kind != HANDSHAKE && !self.fragment.is_empty() {
            return Err(AlertDescription::UnexpectedMessage);
        }
        if kind == DATA && !payload.is_empty() {
            self.idle = 0;
            return Ok(Event::Data);
        }
        // Each costs us a decryption and its sender next to nothing.
        self.idle += 1;
        if self.idle > TLS_IDLE_RECORDS {
            return Err(AlertDescription::UnexpectedMessage);
        }
        match kind {
            DATA => Ok(Event::Nothing),
            ALERT => self.alert(payload),
            HANDSHAKE => self.handshake(payload).map(|()| Event::Nothing),
            _ => Err(AlertDescription::UnexpectedMessage),
        }
    }

    fn alert(&self, payload: &[u8]) -> Result<Event, AlertDescription> {
        let &[level, description] = payload else { return Err(AlertDescription::DecodeError) };
        match AlertDescription::from(description) {
            AlertDescription::CloseNotify => Ok(Event::Closed),
            AlertDescription::UserCanceled => Ok(Event::Nothing),
            // Only TLS 1.2 knows warnings (RFC 8446 6).
            _ if level == WARNING && self.told.version == ProtocolVersion::TLSv1_2 => Ok(Event::Nothing),
            _ => Ok(Event::Alerted),
        }
    }

    fn handshake(&mut self, payload: &[u8]) -> Result<(), AlertDescription> {
        // RFC 5746 allows to refuse every renegotiation, and nothing here needs one.
        if self.told.version == ProtocolVersion::TLSv1_2 {
            return Err(AlertDescription::NoRenegotiation);
        }
        if payload.is_empty() {
            return Err(AlertDescription::UnexpectedMessage);
        }
        if self.fragment.len() + payload.len() > TLS_MESSAGE_BYTES {
            return Err(AlertDescription::DecodeError);
        }
        self.fragment.extend_from_slice(payload);
        let messages = std::mem::take(&mut self.fragment);
        let mut rest = &messages[..];
        while let [kind, high, middle, low, behind @ ..] = rest {
            let length = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
            if length > TLS_MESSAGE_BYTES {
                return Err(AlertDescription::DecodeError);
            }
            let Some((body, next)) = behind.split_at_checked(length) else { break };
            self.message(*kind, body, next.is_empty())?;
            rest = next;
        }
        self.fragment.extend_from_slice(rest);
        Ok(())
    }

    fn message(&mut self, kind: u8, body: &[u8], is_last: bool) -> Result<(), AlertDescription> {
        match (kind, &mut self.kernel) {
            (NEW_SESSION_TICKET, Kernel::Client(kernel)) => {
                kernel.handle_new_session_ticket(body).map_err(|_| AlertDescription::DecodeError)
            }
            // RFC 8446 5.1: a message before a change of keys ends its record.
            (KEY_UPDATE, _) if !is_last => Err(AlertDescription::UnexpectedMessage),
            (KEY_UPDATE, _) => {
                let asks = match body {
                    [0] => false,
                    [1] => true,
                    _ => return Err(AlertDescription::IllegalParameter),
                };
                let (sequence, secrets) = match &mut self.kernel {
                    Kernel::Server(kernel) => kernel.update_rx_secret(),
                    Kernel::Client(kernel) => kernel.update_rx_secret(),
                    Kernel::None => return Err(AlertDescription::UnexpectedMessage),
                }
                .map_err(|_| AlertDescription::InternalError)?;
                self.open = Open::new(self.told.version, sequence, secrets)
                    .map_err(|Unusable| AlertDescription::InternalError)?;
                self.owes_update |= asks;
                Ok(())
            }
            _ => Err(AlertDescription::UnexpectedMessage),
        }
    }

    /// True when keys are to be exchanged before the next data.
    pub(super) const fn must_update(&self) -> bool {
        self.owes_update || self.seal.is_used_up()
    }

    /// Exchanges our keys: writes the record that says so to the front of `out`, and says how long it is. TLS 1.2 cannot:
    /// there the connection ends when its keys are used up.
    ///
    /// # Errors
    /// When there can be no new key.
    pub(super) fn update(&mut self, out: &mut [u8]) -> Result<usize, Unusable> {
        if matches!(self.kernel, Kernel::None) {
            return Err(Unusable);
        }
        let written = self.seal.seal(HANDSHAKE, &[KEY_UPDATE, 0, 0, 1, 0], out)?;
        let (sequence, secrets) = match &mut self.kernel {
            Kernel::Server(kernel) => kernel.update_tx_secret(),
            Kernel::Client(kernel) => kernel.update_tx_secret(),
            Kernel::None => return Err(Unusable),
        }
        .map_err(|_| Unusable)?;
        self.seal = Seal::new(self.told.version, sequence, secrets)?;
        self.owes_update = false;
        Ok(written)
    }

    /// Writes an alert to the front of `out`, and says how long its record is.
    ///
    /// # Errors
    /// When the key is used up.
    pub(super) fn say(&mut self, alert: AlertDescription, out: &mut [u8]) -> Result<usize, Unusable> {
        let level = if alert == AlertDescription::CloseNotify { WARNING } else { FATAL };
        self.seal.seal(ALERT, &[level, u8::from(alert)], out)
    }
}
