//! Listening sockets. An accept in flight is never dropped: it is cancelled, and its end awaited.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;

use monoio::io::Canceller;
use monoio::net::TcpListener;

use super::stream::UringStream;
use crate::shell::io::Listener;

/// A listening socket of one core.
pub struct UringListener {
    socket: TcpListener,
    canceller: RefCell<Canceller>,
    is_cancelled: Cell<bool>,
}

impl UringListener {
    pub(super) fn new(socket: std::net::TcpListener) -> io::Result<Self> {
        // monoio's ring wants blocking sockets, its epoll driver non-blocking ones.
        socket.set_nonblocking(monoio::utils::is_legacy())?;
        Ok(Self {
            socket: TcpListener::from_std(socket)?,
            canceller: RefCell::new(Canceller::new()),
            is_cancelled: Cell::new(false),
        })
    }
}

impl Listener for UringListener {
    type Stream = UringStream;

    async fn accept(&self) -> io::Result<(UringStream, SocketAddr)> {
        if self.is_cancelled.get() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let handle = self.canceller.borrow().handle();
        match self.socket.cancelable_accept(handle).await {
            Ok((stream, peer)) => Ok((UringStream::new(stream), peer)),
            Err(error) if error.raw_os_error() == Some(libc::ECANCELED) => Err(io::ErrorKind::Interrupted.into()),
            Err(error) => Err(error),
        }
    }

    fn cancel(&self) {
        self.is_cancelled.set(true);
        self.canceller.replace_with(|canceller| std::mem::take(canceller).cancel());
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}
