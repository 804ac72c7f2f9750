//! The other end of a link: what the actors around the gateway hold. Plain bytes, no promises beyond those of a socket.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::link::Socket;
use super::ports::SimListener;
use super::tasks::Owner;
use super::world::World;
use crate::plan::Address;

/// An actor's end of a connection. Clones share it, so that one task may read while another writes; the last one to go
/// closes it.
#[derive(Clone)]
pub struct Wire {
    socket: Rc<Socket>,
}

/// An actor's listening socket.
pub struct WireListener {
    listener: SimListener,
}

impl World {
    /// Listens on `address` as an actor.
    #[must_use]
    pub fn listen(&self, address: Address) -> WireListener {
        WireListener { listener: self.open_door(Owner::Actor, address) }
    }

    /// Connects to `address` as an actor whose own address is `own`.
    ///
    /// # Errors
    /// When nobody listens there, or the weather refuses.
    pub async fn connect(&self, own: SocketAddr, address: &Address) -> io::Result<Wire> {
        Ok(Wire { socket: Rc::new(self.dial(own, address).await?) })
    }
}

impl WireListener {
    /// The next connection.
    ///
    /// # Errors
    /// None while the listener lives.
    pub async fn accept(&self) -> io::Result<Wire> {
        let (socket, _) = self.listener.next().await?;
        Ok(Wire { socket: Rc::new(socket) })
    }
}

impl Wire {
    /// The link's number, as the trace shows it.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.socket.number()
    }

    /// Waits for bytes and adds at most `most` of them to `into`; 0 is the end.
    ///
    /// # Errors
    /// When the connection was reset.
    pub async fn receive(&self, into: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        let start = into.len();
        into.resize(start + most, 0);
        let read = poll_fn(|cx| self.poll_receive(cx, &mut into[start..])).await;
        into.truncate(start + read.as_ref().map_or(0, |count| *count));
        read
    }

    /// Receives some bytes; 0 is the end.
    ///
    /// # Errors
    /// When the connection was reset.
    pub fn poll_receive(&self, cx: &Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.socket.receive(into) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.socket.await_bytes(cx.waker());
                Poll::Pending
            }
            read => Poll::Ready(read),
        }
    }

    /// Sends some of `bytes`.
    ///
    /// # Errors
    /// When the peer takes no more.
    pub fn poll_send(&self, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.socket.send(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.socket.await_room(cx.waker());
                Poll::Pending
            }
            sent => Poll::Ready(sent),
        }
    }

    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// When the peer takes no more.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let mut left = bytes;
        poll_fn(|cx| {
            while !left.is_empty() {
                match ready!(self.poll_send(cx, left)) {
                    Ok(count) => left = &left[count..],
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Waits until the peer has ended its direction, or the connection is broken, whatever is unread.
    pub async fn gone(&self) {
        poll_fn(|cx| {
            if self.socket.has_ended() {
                return Poll::Ready(());
            }
            self.socket.await_bytes(cx.waker());
            Poll::Pending
        })
        .await;
    }

    /// Sends `bytes` at once; false when there is no room for all of them.
    #[must_use]
    pub fn try_send(&self, bytes: &[u8]) -> bool {
        self.socket.send(bytes).is_ok_and(|count| count == bytes.len())
    }

    /// Ends our direction (FIN).
    pub fn finish(&self) {
        self.socket.finish();
    }

    /// Closes, for all clones.
    pub fn close(&self) {
        self.socket.close();
    }

    /// Ends both directions at once (RST).
    pub fn reset(&self) {
        self.socket.reset();
    }
}
