//! Streams: waits and writes in flight stay with their stream; a write holds its buffer until the kernel is done with it.
#![expect(unsafe_code, reason = "hands buffers to the kernel and shares one socket between a read and a write")]

use std::cell::UnsafeCell;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use monoio::buf::IoBuf;
use monoio::io::AsyncWriteRent;
use monoio::net::{TcpStream, UnixStream};

use super::slot::Slot;
use super::spawn::spend;
use crate::plan::Address;
use crate::shell::buffer::Buffer;
use crate::shell::io::Stream;

/// A TCP or Unix stream. Dropping it closes the socket; what is in flight is cancelled.
///
/// The ring waits; the bytes move by `send` and `recv` at once when they can. A receive in the ring would be tried when
/// it is submitted, fail, and be tried again; and it would hold a buffer for as long as the connection is idle.
pub struct UringStream {
    /// `None` only while dropping.
    socket: Option<Socket>,
    readiness: Slot<io::Result<()>>,
    /// Something is likely to be there to read.
    is_ready: bool,
    write: Slot<(io::Result<usize>, Outbound)>,
    progress: u64,
}

/// One socket for a wait and a write at the same time.
type Socket = Rc<UnsafeCell<TcpStream>>;

/// What a write in flight holds.
enum Outbound {
    Buffer(Buffer),
    Bytes(Bytes),
}

impl UringStream {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self {
            socket: Some(Rc::new(UnsafeCell::new(socket))),
            readiness: Slot::new(),
            is_ready: false,
            write: Slot::new(),
            progress: 0,
        }
    }

    fn socket(&self) -> &Socket {
        self.socket.as_ref().expect("the socket leaves its stream only on drop")
    }

    fn raw_fd(&self) -> i32 {
        // SAFETY: reads the descriptor number; no reference outlives the expression.
        unsafe { (*self.socket().get()).as_raw_fd() }
    }

    fn start_wait(&mut self) {
        let socket = Rc::clone(self.socket());
        self.readiness.start(async move {
            // SAFETY: monoio declares `Split` for `TcpStream`: a wait for bytes and a write may run side by side, since
            // each only clones the descriptor's handle. The clone above keeps the socket.
            let stream = unsafe { &*socket.get() };
            stream.readable(false).await
        });
    }

    fn start_write(&mut self, outbound: Outbound) {
        let socket = Rc::clone(self.socket());
        self.write.start(async move {
            // SAFETY: as in `start_wait`; `Slot` admits one write.
            let stream = unsafe { &mut *socket.get() };
            stream.write(outbound).await
        });
    }

    /// Sends what the socket takes at once.
    ///
    /// Nearly every message fits, and then it is out without an operation, its completion, and the task's second poll:
    /// a system call is cheaper than those.
    fn send_now<T: Source>(&mut self, from: &mut T) -> io::Result<()> {
        let bytes = from.bytes();
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: the descriptor is open as long as `self` is, and the range is that of a live slice.
        let sent = unsafe { libc::send(self.raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) };
        match usize::try_from(sent) {
            Ok(count) => {
                self.progress += count as u64;
                from.consume(count);
                Ok(())
            }
            Err(_) => Some(io::Error::last_os_error()).filter(|error| !is_passing(error)).map_or(Ok(()), Err),
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
                self.start_write(from.take());
            }
            let (result, outbound) = ready!(self.write.poll(cx));
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
        if self.is_ready {
            return Poll::Ready(());
        }
        if !self.readiness.is_in_flight() {
            self.start_wait();
        }
        // An error of the wait is one of the socket: the read will meet it.
        let _: io::Result<()> = ready!(self.readiness.poll(cx));
        self.is_ready = true;
        Poll::Ready(())
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
        let descriptor = self.raw_fd();
        let room = into.free_mut();
        let size = room.len();
        // SAFETY: the descriptor is open as long as `self` is, and the range is that of a live, exclusive slice.
        let received = unsafe { libc::recv(descriptor, room.as_mut_ptr().cast(), size, libc::MSG_DONTWAIT) };
        match usize::try_from(received) {
            Ok(count) => {
                into.commit(count);
                self.progress += count as u64;
                // What filled the buffer has more behind it, and the end stays the end.
                self.is_ready = count == size || count == 0;
                Ok(count)
            }
            Err(_) => {
                let error = io::Error::last_os_error();
                self.is_ready = error.kind() == io::ErrorKind::Interrupted;
                Err(error)
            }
        }
    }

    fn is_writing(&self) -> bool {
        self.write.is_in_flight()
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, from: &mut Buffer) -> Poll<io::Result<()>> {
        self.poll_write_all(cx, from)
    }

    fn poll_write_bytes(&mut self, cx: &mut Context<'_>, from: &mut Bytes) -> Poll<io::Result<()>> {
        self.poll_write_all(cx, from)
    }

    fn take_progress(&mut self) -> u64 {
        std::mem::take(&mut self.progress)
    }

    fn shut_write(&mut self) {
        // SAFETY: the descriptor is open as long as `self` is. A socket whose peer is gone refuses, which changes nothing.
        unsafe { libc::shutdown(self.raw_fd(), libc::SHUT_WR) };
    }

    fn abort(&mut self) {
        // connect(2): AF_UNSPEC dissolves the association, for TCP at once and by a reset; SO_LINGER would act only when
        // the last operation has let go of the socket, and a FIN would be before it.
        let nowhere = libc::sockaddr { sa_family: libc::AF_UNSPEC as libc::sa_family_t, sa_data: [0; 14] };
        let size = size_of::<libc::sockaddr>() as libc::socklen_t;
        // SAFETY: the descriptor is open as long as `self` is, and the address lives across the call and has that size.
        unsafe { libc::connect(self.raw_fd(), &raw const nowhere, size) };
    }
}

impl Drop for UringStream {
    fn drop(&mut self) {
        if self.readiness.is_in_flight() || self.write.is_in_flight() {
            // The operation holds the socket until its cancellation came back; end it for the peer now.
            // SAFETY: the descriptor is open as long as `self` is.
            unsafe { libc::shutdown(self.raw_fd(), libc::SHUT_RDWR) };
            return;
        }
        // monoio would close by a ring operation that it drops, boxes and cancels at once: two ring entries and an
        // allocation against one system call.
        if let Some(Ok(socket)) = self.socket.take().map(Rc::try_unwrap) {
            let descriptor = socket.into_inner().into_raw_fd();
            // SAFETY: the descriptor was just given up by its only owner.
            drop(unsafe { std::os::fd::OwnedFd::from_raw_fd(descriptor) });
        }
    }
}

/// Connects to `address`. Never resolves a name.
pub(super) async fn connect(address: &Address) -> io::Result<UringStream> {
    let stream = match address {
        Address::Tcp(address) => {
            let stream = TcpStream::connect_addr(*address).await?;
            stream.set_nodelay(true)?;
            stream
        }
        Address::Unix(path) => {
            let descriptor = UnixStream::connect(path).await?.into_raw_fd();
            // SAFETY: the descriptor was just given up by its only owner. That it is no TCP socket does not matter:
            // only send, recv and shutdown are asked of it.
            TcpStream::from_std(unsafe { std::net::TcpStream::from_raw_fd(descriptor) })?
        }
    };
    Ok(UringStream::new(stream))
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
