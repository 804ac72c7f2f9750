//! What carries a connection's bytes: a socket, or a socket under TLS. Bytes move at once or not at all; who has none to
//! move waits for the socket.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use crate::socket::Socket;
use crate::tls::{Session, Tls};

/// One connection's way to its peer. Dropping it closes the socket.
pub struct Carrier {
    socket: Socket,
    session: Option<Box<RefCell<Session>>>,
}

impl Carrier {
    /// A connection without TLS that stands.
    #[must_use]
    pub fn plain(socket: Socket) -> Self {
        Self { socket, session: None }
    }

    /// Connects and, with `tls`, shakes hands. The end of the handshake is the client's: it leaves with the first bytes
    /// that are sent, or by [`Carrier::flush`]. `begun` gets the connection before there is anything to wait for.
    ///
    /// # Errors
    /// When there is no connection, or the peer is no such server.
    pub async fn connect(to: SocketAddr, tls: Option<&Tls>, begun: impl FnOnce(&Rc<Self>)) -> io::Result<Rc<Self>> {
        let session = tls.map(Session::new).transpose()?.map(|session| Box::new(RefCell::new(session)));
        let (socket, is_connected) = Socket::connect(to)?;
        let carrier = Rc::new(Self { socket, session });
        begun(&carrier);
        if !is_connected {
            carrier.socket.connected().await?;
        }
        while let Some(session) = &carrier.session
            && session.borrow().is_resumed().is_none()
        {
            carrier.flush().await?;
            carrier.socket.readable().await?;
            let read = session.borrow_mut().read(&carrier.socket);
            match read {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
        Ok(carrier)
    }

    /// The socket, to wait for it or to end it.
    #[must_use]
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Whether the handshake resumed an earlier session; `None` where there was no handshake.
    #[must_use]
    pub fn is_resumed(&self) -> Option<bool> {
        self.session.as_ref().and_then(|session| session.borrow().is_resumed())
    }

    /// Takes of `bytes` what it can now and says how much that was. Under TLS what was taken may be unsent:
    /// [`Carrier::flush_now`].
    ///
    /// # Errors
    /// As [`Socket::send`].
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.session {
            None => self.socket.send(bytes),
            Some(session) => session.borrow_mut().send(bytes, &self.socket),
        }
    }

    /// Something that was taken is unsent.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.borrow().has_unsent())
    }

    /// Sends what was taken and is unsent.
    ///
    /// # Errors
    /// As [`Socket::send`].
    pub fn flush_now(&self) -> io::Result<()> {
        self.session.as_ref().map_or(Ok(()), |session| session.borrow_mut().flush(&self.socket))
    }

    /// As [`Carrier::flush_now`], and waits until that is done.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn flush(&self) -> io::Result<()> {
        loop {
            match self.flush_now() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.socket.writable().await?,
                done => return done,
            }
        }
    }

    /// Receives what is there and says how much that was; 0 is the end.
    ///
    /// # Errors
    /// As [`Socket::receive`].
    pub fn receive(&self, into: &mut [u8]) -> io::Result<usize> {
        match &self.session {
            None => self.socket.receive(into),
            Some(session) => session.borrow_mut().receive(into, &self.socket),
        }
    }
}
