//! A connection of an actor: plain, or with TLS over it by rustls' own record layer.
//!
//! The handshake is made before anything else, so that what is sent was sent. Certificates are of Ed25519: signatures of
//! one length, or the same seed would not give the same trace.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use ringway::plan::Address;
use ringway::policy::names::CertificateNames;
use ringway::shell::keyring::{Keyring, Server, SharedKeyring};
use ringway::shell::sim::Wire;
use ringway::shell::tls::{ready_client, ready_server};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection};

use super::ledger::Stage;

/// An actor's end of a connection.
#[derive(Clone)]
pub struct Line {
    wire: Wire,
    tls: Option<Rc<RefCell<Connection>>>,
    /// Opened and not taken: rustls holds one record only.
    opened: Rc<RefCell<Vec<u8>>>,
}

/// What actors and the gateway need to speak TLS with each other.
pub struct Keys {
    chain: Vec<CertificateDer<'static>>,
    key: PrivatePkcs8KeyDer<'static>,
}

impl Keys {
    /// The same for all runs.
    pub fn get() -> &'static Self {
        static KEYS: OnceLock<Keys> = OnceLock::new();
        KEYS.get_or_init(|| {
            let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
            let certificate = rcgen::CertificateParams::new([NAME.to_owned()]).unwrap().self_signed(&key).unwrap();
            Self { chain: vec![certificate.der().clone()], key: PrivatePkcs8KeyDer::from(key.serialize_der()) }
        })
    }

    fn server(&self) -> ServerConfig {
        let key = PrivateKeyDer::Pkcs8(self.key.clone_key());
        ServerConfig::builder().with_no_client_auth().with_single_cert(self.chain.clone(), key).unwrap()
    }

    fn client(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.chain[0].clone()).unwrap();
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        // What an earlier run left would show in this one.
        config.resumption = Resumption::disabled();
        config
    }

    /// For a gateway with one listener and whichever upstreams.
    pub fn keyring(&self) -> SharedKeyring {
        let client = ready_client(self.client());
        let names = Arc::new(CertificateNames::default());
        let servers = vec![Some(Server { config: ready_server(self.server()), names })];
        Arc::new(Keyring { servers, clients: vec![Some(client); 4] })
    }
}

impl Line {
    /// A plain one.
    pub fn plain(wire: Wire) -> Self {
        Self { wire, tls: None, opened: Rc::default() }
    }

    /// Connects as a client whose address is `own`, as the scenario's clients do.
    pub async fn connect(stage: &Stage, own: SocketAddr, gateway: &Address) -> io::Result<Self> {
        let wire = stage.world.connect(own, gateway).await?;
        if stage.scenario.settings.is_secure { Self::client(wire).await } else { Ok(Self::plain(wire)) }
    }

    /// A client's end, after the handshake.
    async fn client(wire: Wire) -> io::Result<Self> {
        let name = ServerName::try_from(NAME).unwrap();
        let connection = ClientConnection::new(Arc::new(Keys::get().client()), name).unwrap();
        Self::shaken(wire, connection.into()).await
    }

    /// A server's end, after the handshake.
    pub async fn server(wire: Wire) -> io::Result<Self> {
        let connection = ServerConnection::new(Arc::new(Keys::get().server())).unwrap();
        Self::shaken(wire, connection.into()).await
    }

    async fn shaken(wire: Wire, mut connection: Connection) -> io::Result<Self> {
        connection.set_buffer_limit(None);
        let is_handshaking = connection.is_handshaking();
        let line = Self { wire, tls: Some(Rc::new(RefCell::new(connection))), opened: Rc::default() };
        assert!(is_handshaking);
        loop {
            line.flush().await?;
            if !line.tls().is_some_and(|tls| tls.borrow().is_handshaking()) {
                return Ok(line);
            }
            if line.refill(MOST).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn tls(&self) -> Option<&RefCell<Connection>> {
        self.tls.as_deref()
    }

    /// The link's number.
    pub fn number(&self) -> u64 {
        self.wire.number()
    }

    /// Waits for bytes and adds at most `most` of them to `into`; 0 is the end.
    pub async fn receive(&self, into: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        let Some(tls) = self.tls() else { return self.wire.receive(into, most).await };
        loop {
            let count = self.opened.borrow().len().min(most);
            if count > 0 {
                into.extend(self.opened.borrow_mut().drain(..count));
                return Ok(count);
            }
            let read = tls.borrow_mut().reader().read(&mut [0]);
            match read {
                // What is there was taken, so this is the end.
                Ok(_) => return Ok(0),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            self.refill(most).await?;
        }
    }

    /// Receives records; 0 is an end that was not announced.
    async fn refill(&self, most: usize) -> io::Result<usize> {
        let mut sealed = Vec::new();
        let count = self.wire.receive(&mut sealed, most).await?;
        let Some(tls) = self.tls() else { return Ok(count) };
        let mut tls = tls.borrow_mut();
        let mut rest = sealed.as_slice();
        loop {
            tls.read_tls(&mut rest)?;
            tls.process_new_packets().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let mut piece = vec![0; MOST];
            while let Ok(length @ 1..) = tls.reader().read(&mut piece) {
                self.opened.borrow_mut().extend_from_slice(&piece[..length]);
            }
            if rest.is_empty() {
                return Ok(count);
            }
        }
    }

    /// Sends all of `bytes`.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let Some(tls) = self.tls() else { return self.wire.send(bytes).await };
        tls.borrow_mut().writer().write_all(bytes)?;
        self.flush().await
    }

    async fn flush(&self) -> io::Result<()> {
        let sealed = self.sealed();
        self.wire.send(&sealed).await
    }

    fn sealed(&self) -> Vec<u8> {
        let mut sealed = Vec::new();
        if let Some(tls) = self.tls() {
            while tls.borrow().wants_write() {
                tls.borrow_mut().write_tls(&mut sealed).unwrap();
            }
        }
        sealed
    }

    /// Waits until the peer is gone.
    pub async fn gone(&self) {
        self.wire.gone().await;
    }

    /// Announces the end, if there is room to.
    fn announce(&self) {
        if let Some(tls) = self.tls() {
            tls.borrow_mut().send_close_notify();
            let _ = self.wire.try_send(&self.sealed());
        }
    }

    /// Ends our direction.
    pub fn finish(&self) {
        self.announce();
        self.wire.finish();
    }

    /// Announces the end, waiting for room to, and closes.
    pub async fn end(&self) {
        if let Some(tls) = self.tls() {
            tls.borrow_mut().send_close_notify();
            let _ = self.flush().await;
        }
        self.wire.close();
    }

    /// Closes, for all clones.
    pub fn close(&self) {
        self.announce();
        self.wire.close();
    }

    /// Ends both directions at once.
    pub fn reset(&self) {
        self.wire.reset();
    }
}

/// Whom the certificate is for: clients ask for no other host.
pub const NAME: &str = "sim.example";
const MOST: usize = 16 * 1024;
