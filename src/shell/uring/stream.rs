//! Streams: bytes move at once when they can; a write that must wait stays with its stream and holds its buffer.
#![expect(unsafe_code, reason = "passes the ownership of descriptors and hands buffers to the kernel")]

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use monoio::buf::IoBuf;
use monoio::io::AsyncWriteRent;
use monoio::net::{TcpStream, UnixStream};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};

use super::ready::{Place, ReadySet, Side};
use super::slot::Slot;
use super::spawn::spend;
use crate::plan::Address;
use crate::shell::buffer::Buffer;
use crate::shell::io::Stream;

/// A TCP or Unix stream. Dropping it closes the socket; a write in flight is cancelled.
///
/// Bytes move by `send` and `recv` at once when they can. What a socket does not take is written by the ring, which
/// holds it until then.
pub struct UringStream {
    socket: Socket,
    place: Place,
    ready: Rc<ReadySet>,
    write: Slot<Written>,
    progress: u64,
}

/// Who owns the socket.
enum Socket {
    /// The stream.
    Here(OwnedFd),
    /// The write in flight.
    Lent(RawFd),
    /// Nobody: the driver did not take it for a write, and it is closed.
    Lost,
}

/// What a write in flight comes back with.
type Written = (io::Result<usize>, Outbound, TcpStream);

/// What a write in flight holds.
enum Outbound {
    Buffer(Buffer),
    Bytes(Bytes),
}

impl UringStream {
    /// Takes over `socket`, of whichever family: only what all of them can is asked of it.
    ///
    /// # Errors
    /// When the set takes no more streams.
    pub(super) fn new(socket: impl IntoRawFd, side: Side, ready: &Rc<ReadySet>) -> io::Result<Self> {
        // SAFETY: the descriptor was just given up by its only owner.
        let socket = unsafe { OwnedFd::from_raw_fd(socket.into_raw_fd()) };
        let place = ready.enter(socket.as_fd(), side)?;
        let socket = Socket::Here(socket);
        Ok(Self { socket, place, ready: Rc::clone(ready), write: Slot::new(), progress: 0 })
    }

    fn descriptor(&self) -> io::Result<BorrowedFd<'_>> {
        match &self.socket {
            Socket::Here(socket) => Ok(socket.as_fd()),
            // SAFETY: the write in flight keeps the socket open, and it lives as long as this borrow of its stream.
            Socket::Lent(number) => Ok(unsafe { BorrowedFd::borrow_raw(*number) }),
            Socket::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn start_write(&mut self, outbound: Outbound) -> io::Result<()> {
        let Socket::Here(socket) = std::mem::replace(&mut self.socket, Socket::Lost) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let number = socket.as_raw_fd();
        let mut stream = TcpStream::from_std(std::net::TcpStream::from(socket))?;
        self.socket = Socket::Lent(number);
        self.write.start(async move {
            let (result, outbound) = stream.write(outbound).await;
            (result, outbound, stream)
        });
        Ok(())
    }

    /// Sends what the socket takes at once.
    ///
    /// Nearly every message fits, and then it is out without an operation, its completion, and the task's second poll:
    /// a system call is cheaper than those.
    fn send_now<T: Source>(&mut self, from: &mut T) -> io::Result<()> {
        match rustix::net::send(self.descriptor()?, from.bytes(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(count) => {
                self.progress += count as u64;
                from.consume(count);
                Ok(())
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes until `from` is empty: what does not go at once waits in the ring, restarting after short writes.
    fn poll_write_all<T: Source>(&mut self, cx: &mut Context<'_>, from: &mut T) -> Poll<io::Result<()>> {
        if !self.write.is_in_flight() && !from.bytes().is_empty() {
            ready!(spend(cx));
            self.send_now(from)?;
        }
        loop {
            if !self.write.is_in_flight() {
                if from.bytes().is_empty() {
                    return Poll::Ready(Ok(()));
                }
                self.start_write(from.take())?;
            }
            let (result, outbound, stream) = ready!(self.write.poll(cx));
            // SAFETY: the descriptor was just given up by its only owner.
            self.socket = Socket::Here(unsafe { OwnedFd::from_raw_fd(stream.into_raw_fd()) });
            from.put_back(outbound);
            match result {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(count) => {
                    self.progress += count as u64;
                    from.consume(count);
                }
                Err(error) if is_passing(&error) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Stream for UringStream {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.ready.poll(self.place, cx)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut Buffer) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_readable(cx));
            ready!(spend(cx));
            match self.try_read(into) {
                Err(error) if is_passing(&error) => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn try_read(&mut self, into: &mut Buffer) -> io::Result<usize> {
        debug_assert!(into.room() > 0, "a read needs room");
        let room = into.free_mut();
        let size = room.len();
        match rustix::net::recv(self.descriptor()?, room, RecvFlags::DONTWAIT) {
            Ok((_, count)) => {
                into.commit(count);
                self.progress += count as u64;
                // What filled the buffer has more behind it, and the end stays the end.
                if count < size && count > 0 {
                    self.ready.drained(self.place);
                }
                Ok(count)
            }
            Err(error) => {
                if error == Errno::AGAIN {
                    self.ready.drained(self.place);
                }
                Err(error.into())
            }
        }
    }

    fn local(&self) -> Option<SocketAddr> {
        rustix::net::getsockname(self.descriptor().ok()?).ok()?.try_into().ok()
    }

    fn is_writing(&self) -> bool {
        self.write.is_in_flight()
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, from: &mut Buffer) -> Poll<io::Result<()>> {
        self.poll_write_all(cx, from)
    }

    fn try_write(&mut self, from: &mut Buffer) -> io::Result<()> {
        debug_assert!(!self.write.is_in_flight(), "last words come last");
        self.send_now(from)
    }

    fn poll_write_bytes(&mut self, cx: &mut Context<'_>, from: &mut Bytes) -> Poll<io::Result<()>> {
        self.poll_write_all(cx, from)
    }

    fn take_progress(&mut self) -> u64 {
        std::mem::take(&mut self.progress)
    }

    fn shut_write(&mut self) {
        // A socket whose peer is gone refuses, which changes nothing.
        if let Ok(socket) = self.descriptor() {
            let _: Result<(), Errno> = rustix::net::shutdown(socket, Shutdown::Write);
        }
    }

    fn abort(&mut self) {
        // connect(2): AF_UNSPEC dissolves the association, for TCP at once and by a reset; SO_LINGER would act only when
        // the last operation has let go of the socket, and a FIN would be before it.
        if let Ok(socket) = self.descriptor() {
            let _: Result<(), Errno> = rustix::net::connect_unspec(socket);
        }
    }
}

impl Drop for UringStream {
    fn drop(&mut self) {
        if let (Socket::Lent(_), Ok(socket)) = (&self.socket, self.descriptor()) {
            // The write holds the socket until its cancellation came back; end it for the peer now.
            let _: Result<(), Errno> = rustix::net::shutdown(socket, Shutdown::Both);
            self.ready.forget(self.place, socket);
        }
        self.ready.leave(self.place);
    }
}

/// Connects to `address`. Never resolves a name.
pub(super) async fn connect(address: &Address, ready: Rc<ReadySet>) -> io::Result<UringStream> {
    match address {
        Address::Tcp(address) => {
            let stream = TcpStream::connect_addr(*address).await?;
            stream.set_nodelay(true)?;
            UringStream::new(stream, Side::Upstream, &ready)
        }
        Address::Unix(path) => UringStream::new(UnixStream::connect(path).await?, Side::Upstream, &ready),
    }
}

/// Errors after which the same operation is simply started again.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}

/// What can be written from.
trait Source {
    fn bytes(&self) -> &[u8];
    fn take(&mut self) -> Outbound;
    fn put_back(&mut self, outbound: Outbound);
    fn consume(&mut self, count: usize);
}

impl Source for Buffer {
    fn bytes(&self) -> &[u8] {
        self.data()
    }

    fn take(&mut self) -> Outbound {
        Outbound::Buffer(std::mem::take(self))
    }

    fn put_back(&mut self, outbound: Outbound) {
        match outbound {
            Outbound::Buffer(buffer) => *self = buffer,
            Outbound::Bytes(_) => unreachable!("a write in flight is polled with what it was started with"),
        }
    }

    fn consume(&mut self, count: usize) {
        Self::consume(self, count);
    }
}

impl Source for Bytes {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn take(&mut self) -> Outbound {
        Outbound::Bytes(std::mem::take(self))
    }

    fn put_back(&mut self, outbound: Outbound) {
        match outbound {
            Outbound::Bytes(bytes) => *self = bytes,
            Outbound::Buffer(_) => unreachable!("a write in flight is polled with what it was started with"),
        }
    }

    fn consume(&mut self, count: usize) {
        self.advance(count);
    }
}

// SAFETY: both kinds own their bytes on the heap, unmoved while the operation holds them; the range handed out is
// their initialised data.
unsafe impl IoBuf for Outbound {
    fn read_ptr(&self) -> *const u8 {
        match self {
            Self::Buffer(buffer) => buffer.data().as_ptr(),
            Self::Bytes(bytes) => bytes.as_ptr(),
        }
    }

    fn bytes_init(&self) -> usize {
        match self {
            Self::Buffer(buffer) => buffer.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}
