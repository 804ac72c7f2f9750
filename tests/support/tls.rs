//! TLS for the three actors: a client and a server on rustls' own record layer (the gateway has
//! its own), and a bare core that serves with keys made in memory.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;

use ringway::plan;
use ringway::policy::names::CertificateNames;
use ringway::shell::accept::Doors;
use ringway::shell::core::Core;
use ringway::shell::io::{Io, Timer};
use ringway::shell::keyring::{Keyring, Server};
use ringway::shell::mail::{Link, Row, SharedLink, SharedPlan};
use ringway::shell::tls::{ready_client, ready_server};
use ringway::shell::uring::{Preference, Runtime};
use ringway::words::ids::{CoreId, ListenerId};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, SupportedProtocolVersion};

pub use super::authority::Authority;
use super::wire::Socket;
use super::{Client, PATIENCE};

impl Authority {
    /// A server's configuration with one certificate.
    pub fn server(&self, names: &[&str], protocols: &[&str]) -> ServerConfig {
        let pair = self.sign(names);
        let chain = CertificateDer::pem_slice_iter(pair.cert.as_bytes()).collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
        let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
        config
    }

    /// A client's configuration that trusts this authority.
    pub fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        let builder = ClientConfig::builder_with_protocol_versions(versions);
        builder.with_root_certificates(self.roots()).with_no_client_auth()
    }

    /// As [`Authority::client`], with what `provider` can.
    pub fn client_of(&self, provider: CryptoProvider) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions();
        builder.unwrap().with_root_certificates(self.roots()).with_no_client_auth()
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).unwrap();
        roots
    }
}

/// A blocking TLS connection, of a client or a server.
#[derive(Debug)]
pub struct Tls {
    /// The state of it.
    pub connection: Connection,
    socket: TcpStream,
}

impl Tls {
    /// Over `socket`; the handshake is made with the first byte.
    pub fn over(connection: impl Into<Connection>, socket: TcpStream) -> Self {
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { connection: connection.into(), socket }
    }

    /// A client of `address` that asks for `name`.
    pub fn connect(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> Self {
        let connection = ClientConnection::new(Arc::clone(config), ServerName::try_from(name.to_owned()).unwrap());
        Self::over(connection.unwrap(), TcpStream::connect_timeout(&address, PATIENCE).unwrap())
    }

    /// The socket below.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Shakes hands.
    pub fn shake(&mut self) -> io::Result<()> {
        while self.connection.is_handshaking() {
            self.complete()?;
        }
        self.flush()
    }

    fn complete(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.socket)?;
        }
        if self.connection.is_handshaking() || self.connection.wants_read() {
            self.receive()?;
        }
        Ok(())
    }

    /// Receives once.
    fn receive(&mut self) -> io::Result<()> {
        if self.connection.read_tls(&mut self.socket)? == 0 && self.connection.is_handshaking() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let processed = self.connection.process_new_packets();
        if let Err(error) = processed {
            // The alert that says so.
            let _ = self.flush();
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Ok(())
    }
}

impl Read for Tls {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.shake()?;
        loop {
            match self.connection.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.receive()?,
                read => return read,
            }
        }
    }
}

impl Write for Tls {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.shake()?;
        let count = self.connection.writer().write(bytes)?;
        self.flush()?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.socket)?;
        }
        Ok(())
    }
}

impl Client {
    /// A client that speaks TLS with `address` and asks for `name`.
    pub fn secure(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> Self {
        Self::over(Socket::Tls(Box::new(Tls::connect(address, config, name))))
    }
}

/// One core behind one listener, with keys from memory; ends when dropped.
pub struct Bare {
    /// Where it listens.
    pub address: SocketAddr,
    link: SharedLink,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Keys of a core with one listener.
pub fn keyring(server: Option<(ServerConfig, CertificateNames)>, client: Option<ClientConfig>) -> Keyring {
    let server = server.map(|(config, names)| Server { config: ready_server(config), names: Arc::new(names) });
    Keyring { servers: vec![server], clients: vec![client.map(ready_client)] }
}

impl Bare {
    /// Serves by `config`, whose only listener is at any address, with `keyring`.
    pub fn start(config: &str, keyring: Keyring) -> Self {
        let plan = SharedPlan::new(plan::load_text("tls.toml", config).expect("a good configuration").plan);
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        // As control does: connections inherit it.
        socket2::SockRef::from(&socket).set_tcp_nodelay(true).unwrap();
        let address = socket.local_addr().unwrap();
        let (link, is_over) = (Link::new(CoreId::new(0)), Arc::new(AtomicBool::new(false)));
        let (theirs, ends) = (SharedLink::clone(&link), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || {
            let driver =
                if std::env::var_os("RINGWAY_DRIVER").is_some() { Preference::Epoll } else { Preference::Auto };
            let run = Runtime::build(driver).unwrap().run(move |io| async move {
                let listener = io.listener(socket).unwrap();
                let core = Core::new(io.clone(), CoreId::new(0), plan, theirs);
                core.set_keyring(Arc::new(keyring));
                let _doors = Doors::open(&core, vec![(ListenerId::new(0), listener)]);
                let mut timer = io.timer();
                while !ends.load(SeqCst) {
                    let due = io.now().after(Duration::from_millis(1));
                    std::future::poll_fn(|cx| timer.poll_at(cx, io.now(), due)).await;
                }
                io.stop();
            });
            run.unwrap();
        });
        Self { address, link, is_over, thread: Some(thread) }
    }

    /// The core's numbers.
    pub fn row(&self) -> &Row {
        &self.link.row
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.is_over.store(true, SeqCst);
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(matches!(ended, Some(Ok(()))), "the core panicked");
        }
    }
}
