//! A TCP connection whose bytes move by `send` and `recv` at once; the event loop only waits.
//!
//! Measured in the gateway: an operation in the ring for each transfer costs more than the system call it saves, and a
//! receive in the ring holds a buffer for as long as nothing comes. Here one buffer serves a whole thread.
#![expect(unsafe_code, reason = "monoio lends a raw descriptor only")]

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use monoio::net::TcpStream;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::sockopt::{set_tcp_nodelay, socket_error};
use rustix::net::{AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, SocketFlags, SocketType};

/// One connection. Dropping it closes it, which must happen while its event loop runs.
pub struct Socket {
    stream: TcpStream,
}

impl Socket {
    /// Connects, or begins to; the flag says which. On loopback it is usually done at once, else
    /// [`Socket::connected`] waits for it.
    ///
    /// # Errors
    /// When the peer refuses at once, or no descriptor can be had.
    pub fn connect(to: SocketAddr) -> io::Result<(Self, bool)> {
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        set_tcp_nodelay(&socket, true)?;
        let is_connected = match rustix::net::connect(&socket, &to) {
            Ok(()) => true,
            Err(Errno::INPROGRESS) => false,
            Err(error) => return Err(error.into()),
        };
        Ok((Self { stream: TcpStream::from_std(socket.into())? }, is_connected))
    }

    /// Takes over a connection that was accepted.
    ///
    /// # Errors
    /// When the socket is dead already.
    pub fn accepted(stream: TcpStream) -> io::Result<Self> {
        let socket = Self { stream };
        set_tcp_nodelay(socket.descriptor(), true)?;
        Ok(socket)
    }

    /// Waits until the connection stands.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn connected(&self) -> io::Result<()> {
        self.stream.writable(false).await?;
        Ok(socket_error(self.descriptor())??)
    }

    /// Waits until [`Socket::receive`] is worth a try.
    ///
    /// # Errors
    /// When the event loop cannot wait; what is wrong with the connection shows when it is read.
    pub async fn readable(&self) -> io::Result<()> {
        self.stream.readable(false).await
    }

    /// Waits until [`Socket::send`] is worth a try.
    ///
    /// # Errors
    /// As [`Socket::readable`].
    pub async fn writable(&self) -> io::Result<()> {
        self.stream.writable(false).await
    }

    /// Sends what the socket takes at once and says how much that was.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when it takes nothing now; else the connection is lost.
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        Ok(retry_on_intr(|| rustix::net::send(self.descriptor(), bytes, flags))?)
    }

    /// As [`Socket::send`], for several pieces in one call.
    ///
    /// # Errors
    /// As [`Socket::send`].
    pub fn send_all(&self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let send = || rustix::net::sendmsg(self.descriptor(), pieces, &mut SendAncillaryBuffer::default(), flags);
        Ok(retry_on_intr(send)?)
    }

    /// Receives what is there and says how much that was; 0 is the end.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when nothing is there; else the connection is lost.
    pub fn receive(&self, into: &mut [u8]) -> io::Result<usize> {
        let (_, count) = retry_on_intr(|| rustix::net::recv(self.descriptor(), &mut *into, RecvFlags::DONTWAIT))?;
        Ok(count)
    }

    /// Ends both directions now: whoever waits for the connection sees its end.
    pub fn shut(&self) {
        // It fails only when there is nothing to end any more.
        rustix::net::shutdown(self.descriptor(), Shutdown::Both).ok();
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        // SAFETY: the stream owns the descriptor and lives as long as the borrow of `self`.
        unsafe { BorrowedFd::borrow_raw(self.stream.as_raw_fd()) }
    }
}
