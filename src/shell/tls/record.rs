//! Records of TLS 1.2 and 1.3: sealed from one buffer into another, opened in place or into another.
//!
//! rustls agrees on the keys and this module uses them. rustls' own record layer allocates and copies for each record in
//! each direction; here a record costs its cryptography and nothing else, and a connection at rest holds two keys.
//! Only suites with authenticated encryption exist (RFC 8446 B.4, RFC 5288, RFC 7905): rustls agrees on no others.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use rustls::{AlertDescription, ConnectionTrafficSecrets, ProtocolVersion};

use crate::words::limits::TLS_KEY_RECORDS;

/// Type, version and length.
pub(super) const HEADER_BYTES: usize = 5;
/// Most payload of one record (RFC 8446 5.1).
pub(super) const PLAIN_BYTES: usize = 1 << 14;
/// What a record adds to its payload at most: header, explicit nonce or inner type, tag.
pub(super) const OVERHEAD_BYTES: usize = HEADER_BYTES + EXPLICIT_BYTES + TAG_BYTES;

/// Record type of alerts.
pub(super) const ALERT: u8 = 21;
/// Record type of handshake messages.
pub(super) const HANDSHAKE: u8 = 22;
/// Record type of application data.
pub(super) const DATA: u8 = 23;

const TAG_BYTES: usize = 16;
const EXPLICIT_BYTES: usize = 8;
/// TLS 1.2 on the wire, which 1.3 repeats (RFC 8446 5.1).
const VERSION: [u8; 2] = [3, 3];

/// One direction's key, and how its records are built.
struct Key {
    key: LessSafeKey,
    iv: [u8; 12],
    /// Number of the next record.
    sequence: u64,
    form: Form,
}

/// How a record is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    /// RFC 8446 5.2.
    Tls13,
    /// RFC 5288 3: the nonce is partly explicit.
    Gcm12,
    /// RFC 7905 2.
    ChaCha12,
}

/// Seals what we send.
pub(super) struct Seal(Key);

/// Opens what we receive.
pub(super) struct Open(Key);

/// The key cannot be used, or not any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unusable;

/// What was in a record: its type, and where its payload lies in what it was opened in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Opened {
    /// The type.
    pub(super) kind: u8,
    /// Where the payload begins.
    pub(super) start: usize,
    /// Bytes of payload.
    pub(super) length: usize,
}

impl Key {
    fn new(version: ProtocolVersion, sequence: u64, secrets: ConnectionTrafficSecrets) -> Result<Self, Unusable> {
        let is_13 = version == ProtocolVersion::TLSv1_3;
        let (algorithm, key, iv, form) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv, Form::Gcm12),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv, Form::Gcm12),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv, Form::ChaCha12),
            _ => return Err(Unusable),
        };
        Ok(Self {
            key: LessSafeKey::new(UnboundKey::new(algorithm, key.as_ref()).map_err(|_| Unusable)?),
            iv: iv.as_ref().try_into().map_err(|_| Unusable)?,
            sequence,
            form: if is_13 { Form::Tls13 } else { form },
        })
    }

    /// The initial vector and the record's number: unique as long as the number is (RFC 8446 5.3).
    fn nonce(&self) -> [u8; 12] {
        let mut nonce = self.iv;
        for (byte, of_sequence) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= of_sequence;
        }
        nonce
    }

    /// RFC 5246 6.2.3.3.
    fn aad_12(&self, kind: u8, length: usize) -> [u8; 13] {
        let mut aad = [0; 13];
        aad[..8].copy_from_slice(&self.sequence.to_be_bytes());
        aad[8..].copy_from_slice(&header(kind, length));
        aad
    }
}

impl Form {
    /// Bytes between header and payload.
    const fn before(self) -> usize {
        match self {
            Self::Gcm12 => EXPLICIT_BYTES,
            Self::Tls13 | Self::ChaCha12 => 0,
        }
    }

    /// Bytes behind the payload that are no part of the tag: the inner type.
    const fn inner(self) -> usize {
        match self {
            Self::Tls13 => 1,
            Self::Gcm12 | Self::ChaCha12 => 0,
        }
    }
}

impl Seal {
    /// Seals from record `sequence` on.
    ///
    /// # Errors
    /// When the key is for a suite that is not known here.
    pub(super) fn new(
        version: ProtocolVersion, sequence: u64, secrets: ConnectionTrafficSecrets,
    ) -> Result<Self, Unusable> {
        Key::new(version, sequence, secrets).map(Self)
    }

    /// True when the key must be exchanged before another record of data: its use is bounded (RFC 8446 5.5).
    #[must_use]
    pub(super) const fn is_used_up(&self) -> bool {
        self.0.sequence >= TLS_KEY_RECORDS
    }

    /// Seals `plain`, at most [`PLAIN_BYTES`], as one record at the front of `out`, which has room for it and
    /// [`OVERHEAD_BYTES`]. Says how long the record is.
    ///
    /// # Errors
    /// When the key was used for too many records.
    pub(super) fn seal(&mut self, kind: u8, plain: &[u8], out: &mut [u8]) -> Result<usize, Unusable> {
        let Key { key, form, sequence, .. } = &self.0;
        // Some records stay in reserve for what ends a connection or exchanges its key.
        if *sequence >= TLS_KEY_RECORDS + TLS_KEY_RECORDS / 2 {
            return Err(Unusable);
        }
        let payload = form.before() + plain.len() + form.inner() + TAG_BYTES;
        let nonce = self.0.nonce();
        let shown = if *form == Form::Tls13 { DATA } else { kind };
        let (head, rest) = out.split_at_mut(HEADER_BYTES + form.before());
        let header = header(shown, payload);
        head[..HEADER_BYTES].copy_from_slice(&header);
        head[HEADER_BYTES..].copy_from_slice(&nonce[12 - form.before()..]);
        let (sealed, rest) = rest.split_at_mut(plain.len());
        let behind = &mut rest[..form.inner() + TAG_BYTES];
        let nonce = Nonce::assume_unique_for_key(nonce);
        let done = if *form == Form::Tls13 {
            key.seal_out_of_place_scatter(nonce, Aad::from(header), plain, sealed, &[kind], behind)
        } else {
            let aad = Aad::from(self.0.aad_12(kind, plain.len()));
            key.seal_out_of_place_scatter(nonce, aad, plain, sealed, &[], behind)
        };
        done.map_err(|_| Unusable)?;
        self.0.sequence += 1;
        Ok(HEADER_BYTES + payload)
    }
}

impl Open {
    /// Opens from record `sequence` on.
    ///
    /// # Errors
    /// When the key is for a suite that is not known here.
    pub(super) fn new(
        version: ProtocolVersion, sequence: u64, secrets: ConnectionTrafficSecrets,
    ) -> Result<Self, Unusable> {
        Key::new(version, sequence, secrets).map(Self)
    }

    /// The length of the record at the front of `bytes`; `None` while it is not whole.
    ///
    /// # Errors
    /// The alert for what can be no record here: it ends the connection before the rest of it is waited for.
    pub(super) fn front(&self, bytes: &[u8]) -> Result<Option<usize>, AlertDescription> {
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let is_known = match self.0.form {
            // RFC 8446 5: behind the handshake everything is protected, and so looks like data.
            Form::Tls13 => header[0] == DATA,
            Form::Gcm12 | Form::ChaCha12 => matches!(header[0], ALERT | HANDSHAKE | DATA),
        };
        if !is_known || header[1..3] != VERSION {
            return Err(AlertDescription::UnexpectedMessage);
        }
        let payload = usize::from(u16::from_be_bytes([header[3], header[4]]));
        // RFC 8446 5.2, RFC 5246 6.2.3: what padding may add at most.
        let most = PLAIN_BYTES + if self.0.form == Form::Tls13 { 256 } else { 2048 };
        if payload > most {
            return Err(AlertDescription::RecordOverflow);
        }
        if payload < self.least() {
            return Err(AlertDescription::BadRecordMac);
        }
        let whole = HEADER_BYTES + payload;
        Ok((bytes.len() >= whole).then_some(whole))
    }

    /// Room that the payload of a whole record of `length` bytes takes while it is opened.
    #[must_use]
    pub(super) fn room_for(&self, length: usize) -> usize {
        length - HEADER_BYTES - self.0.form.before() - TAG_BYTES
    }

    /// Opens a whole `record` in place.
    ///
    /// # Errors
    /// The alert that ends the connection.
    pub(super) fn open_in_place(&mut self, record: &mut [u8]) -> Result<Opened, AlertDescription> {
        let start = HEADER_BYTES + self.0.form.before();
        let (aad, nonce) = self.envelope(record);
        let sealed = &mut record[start..];
        let opened = match &aad {
            Envelope::Tls13(aad) => self.0.key.open_in_place(nonce, Aad::from(aad), sealed),
            Envelope::Tls12(aad) => self.0.key.open_in_place(nonce, Aad::from(aad), sealed),
        };
        let length = opened.map_err(|_| AlertDescription::BadRecordMac)?.len();
        self.0.sequence += 1;
        let (kind, length) = self.strip(record[0], &record[start..start + length])?;
        Ok(Opened { kind, start, length })
    }

    /// Opens a whole `record` into the front of `out`, which has [`Open::room_for`] it.
    ///
    /// # Errors
    /// The alert that ends the connection.
    pub(super) fn open_into(&mut self, record: &[u8], out: &mut [u8]) -> Result<Opened, AlertDescription> {
        let (aad, nonce) = self.envelope(record);
        let (sealed, tag) = record[HEADER_BYTES + self.0.form.before()..]
            .split_last_chunk::<TAG_BYTES>()
            .ok_or(AlertDescription::BadRecordMac)?;
        let out = &mut out[..sealed.len()];
        match &aad {
            Envelope::Tls13(aad) => self.0.key.open_separate_gather(nonce, Aad::from(aad), sealed, tag, out),
            Envelope::Tls12(aad) => self.0.key.open_separate_gather(nonce, Aad::from(aad), sealed, tag, out),
        }
        .map_err(|_| AlertDescription::BadRecordMac)?;
        self.0.sequence += 1;
        let (kind, length) = self.strip(record[0], out)?;
        Ok(Opened { kind, start: 0, length })
    }

    fn least(&self) -> usize {
        self.0.form.before() + self.0.form.inner() + TAG_BYTES
    }

    fn envelope(&self, record: &[u8]) -> (Envelope, Nonce) {
        let mut nonce = self.0.nonce();
        if self.0.form == Form::Gcm12 {
            nonce[4..].copy_from_slice(&record[HEADER_BYTES..HEADER_BYTES + EXPLICIT_BYTES]);
        }
        let aad = if self.0.form == Form::Tls13 {
            Envelope::Tls13([record[0], record[1], record[2], record[3], record[4]])
        } else {
            Envelope::Tls12(self.0.aad_12(record[0], self.room_for(record.len())))
        };
        (aad, Nonce::assume_unique_for_key(nonce))
    }

    /// The true type and length of what was opened: in TLS 1.3 the type is the last byte that is not zero (RFC 8446 5.4).
    fn strip(&self, shown: u8, plain: &[u8]) -> Result<(u8, usize), AlertDescription> {
        let (kind, length) = if self.0.form == Form::Tls13 {
            let end = plain.iter().rposition(|byte| *byte != 0).ok_or(AlertDescription::UnexpectedMessage)?;
            (plain[end], end)
        } else {
            (shown, plain.len())
        };
        // The padding counts (RFC 8446 5.4), and the type beside it.
        if plain.len() > PLAIN_BYTES + self.0.form.inner() {
            return Err(AlertDescription::RecordOverflow);
        }
        Ok((kind, length))
    }
}

/// What is authenticated beside the payload.
enum Envelope {
    Tls13([u8; HEADER_BYTES]),
    Tls12([u8; 13]),
}

/// The header of a record. In TLS 1.2 it is authenticated with the length of the payload, on the wire it has the length
/// of what is sealed.
const fn header(kind: u8, length: usize) -> [u8; HEADER_BYTES] {
    let [.., high, low] = (length as u32).to_be_bytes();
    [kind, VERSION[0], VERSION[1], high, low]
}
