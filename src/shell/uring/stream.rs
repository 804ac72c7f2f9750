//! Streams: at most one read and one write in flight, each holding its buffer until the kernel is done with it.
#![expect(unsafe_code, reason = "hands buffers to the kernel and shares one socket between a read and a write")]

use std::cell::UnsafeCell;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use monoio::buf::{IoBuf, IoBufMut};
use monoio::io::{AsyncReadRent, AsyncWriteRent, CancelableAsyncReadRent, Canceller};
use monoio::net::{TcpStream, UnixStream};

use crate::plan::Address;
use crate::shell::buffer::Buffer;
use crate::shell::io::Stream;
use crate::shell::slot::Slot;

/// A TCP or Unix stream. Dropping it closes the socket; what is in flight is cancelled.
pub struct UringStream {
    /// `None` only while dropping.
    socket: Option<Socket>,
    read: Slot<(io::Result<usize>, Buffer)>,
    write: Slot<(io::Result<usize>, Outbound)>,
    /// Cancels reads, where that may be asked for. Each read that can be cancelled pays for it with a hash table's
    /// insertion and removal, so connections of our own making go without.
    canceller: Option<Canceller>,
    progress: u64,
}

/// One socket for a read and a write at the same time.
type Socket = Rc<UnsafeCell<TcpStream>>;

/// What a write in flight holds.
enum Outbound {
    Buffer(Buffer),
    Bytes(Bytes),
}

impl UringStream {
    /// An accepted connection.
    pub(super) fn accepted(socket: TcpStream) -> Self {
        let mut stream = Self::connected(socket);
        stream.canceller = Some(Canceller::new());
        stream
    }

    /// A connection that we made.
    fn connected(socket: TcpStream) -> Self {
        Self {
            socket: Some(Rc::new(UnsafeCell::new(socket))),
            read: Slot::new(),
            write: Slot::new(),
            canceller: None,
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

    fn start_read(&mut self, buffer: Buffer) {
        let socket = Rc::clone(self.socket());
        // SAFETY: monoio declares `Split` for `TcpStream`: one read and one write may run side by side, since each only
        // clones the descriptor's handle. `Slot` admits one read; the clone above keeps the socket.
        let stream = unsafe { &mut *socket.get() };
        let landing = Landing(buffer);
        match self.canceller.as_ref().map(Canceller::handle) {
            Some(handle) => self.read.start(async move {
                let (result, landing) = stream.cancelable_read(landing, handle).await;
                drop(socket);
                (result, landing.0)
            }),
            None => self.read.start(async move {
                let (result, landing) = stream.read(landing).await;
                drop(socket);
                (result, landing.0)
            }),
        }
    }

    fn start_write(&mut self, outbound: Outbound) {
        let socket = Rc::clone(self.socket());
        self.write.start(async move {
            // SAFETY: as in `start_read`; `Slot` admits one write.
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
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut Buffer) -> Poll<io::Result<usize>> {
        loop {
            if !self.read.is_in_flight() {
                debug_assert!(into.room() > 0, "a read needs room");
                self.start_read(std::mem::take(into));
            }
            let (result, buffer) = ready!(self.read.poll(cx));
            *into = buffer;
            return Poll::Ready(match result {
                Ok(count) => {
                    into.commit(count);
                    self.progress += count as u64;
                    Ok(count)
                }
                Err(error) if error.raw_os_error() == Some(libc::ECANCELED) => Err(io::ErrorKind::Interrupted.into()),
                Err(error) if is_passing(&error) => continue,
                Err(error) => Err(error),
            });
        }
    }

    fn cancel_read(&mut self) {
        if self.read.is_in_flight() {
            self.canceller = self.canceller.take().map(Canceller::cancel);
        }
    }

    fn is_reading(&self) -> bool {
        self.read.is_in_flight()
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
}

impl Drop for UringStream {
    fn drop(&mut self) {
        if self.read.is_in_flight() || self.write.is_in_flight() {
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
    Ok(UringStream::connected(stream))
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

/// The free space of a buffer, for the kernel to fill.
struct Landing(Buffer);

// SAFETY: the buffer owns a heap allocation that neither moves nor shrinks while `Landing` holds it, and
// `write_ptr..write_ptr + bytes_total` is its free space, initialised and inside that allocation.
unsafe impl IoBufMut for Landing {
    fn write_ptr(&mut self) -> *mut u8 {
        self.0.free_mut().as_mut_ptr()
    }

    fn bytes_total(&mut self) -> usize {
        self.0.room()
    }

    /// The stream commits what came; there is nothing to note here.
    unsafe fn set_init(&mut self, _: usize) {}
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
