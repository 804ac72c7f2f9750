//! The seam `Io` in memory: streams are vectors, time stands still, and nothing runs unless the play polls it.
//!
//! Bytes move between the gateway's polls only, so an exchange takes as many polls here as it takes turns of a loop.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, ready};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use ringway::plan::Address;
use ringway::shell::buffer::Buffer;
use ringway::shell::io::{Io, Listener, Stream, Timer};
use ringway::words::time::{Instant, Wall};

/// A world with one origin.
#[derive(Clone, Default)]
pub struct Memory {
    random: Rc<Cell<u64>>,
    /// The far ends of what the gateway connected to.
    pub connected: Rc<RefCell<Vec<Rc<Wire>>>>,
}

/// What is between the gateway's end of a stream and the far one.
#[derive(Default)]
pub struct Wire {
    /// What the far end has sent, and how much of it the gateway has read.
    sent: RefCell<(Vec<u8>, usize)>,
    /// What the gateway has sent.
    pub received: RefCell<Vec<u8>>,
}

impl Wire {
    /// The far end sends `bytes`.
    pub fn send(&self, bytes: &[u8]) {
        let (sent, read) = &mut *self.sent.borrow_mut();
        sent.drain(..*read);
        *read = 0;
        sent.extend_from_slice(bytes);
    }

    fn is_readable(&self) -> bool {
        let (sent, read) = &*self.sent.borrow();
        *read < sent.len()
    }
}

/// The gateway's end of a wire.
pub struct MemoryStream(pub Rc<Wire>);

impl Io for Memory {
    type Stream = MemoryStream;
    type Listener = Nobody;
    type Timer = Clock;

    fn now(&self) -> Instant {
        Instant::from_nanos(1_000_000_000)
    }

    fn wall(&self) -> Wall {
        Wall::from_nanos(1_790_000_000_000_000_000)
    }

    /// A Weyl sequence: not random, but of full width and the same in each run.
    fn random(&self) -> u64 {
        self.random.set(self.random.get().wrapping_add(0x9E37_79B9_7F4A_7C15));
        self.random.get()
    }

    fn spawn(&self, _task: impl Future<Output = ()> + 'static) {
        unreachable!("a connection that is served spawns nothing");
    }

    fn timer(&self) -> Clock {
        Clock
    }

    fn connect(&self, _address: &Address) -> impl Future<Output = io::Result<MemoryStream>> {
        let wire = Rc::new(Wire::default());
        self.connected.borrow_mut().push(Rc::clone(&wire));
        ready(Ok(MemoryStream(wire)))
    }
}

/// A listener to which nobody comes.
pub struct Nobody;

impl Listener for Nobody {
    type Stream = MemoryStream;

    fn accept(&self) -> impl Future<Output = io::Result<(MemoryStream, SocketAddr)>> {
        pending()
    }

    fn cancel(&self) {}
}

/// A timer of a world in which no time passes.
pub struct Clock;

impl Timer for Clock {
    fn poll_at(&mut self, _cx: &mut Context<'_>, now: Instant, deadline: Instant) -> Poll<()> {
        if now >= deadline { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Stream for MemoryStream {
    fn poll_readable(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        if self.0.is_readable() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut Buffer) -> Poll<io::Result<usize>> {
        self.poll_readable(cx).map(|()| self.try_read(into))
    }

    fn try_read(&mut self, into: &mut Buffer) -> io::Result<usize> {
        let (sent, read) = &mut *self.0.sent.borrow_mut();
        let count = into.room().min(sent.len() - *read);
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        into.free_mut()[..count].copy_from_slice(&sent[*read..*read + count]);
        into.commit(count);
        *read += count;
        Ok(count)
    }

    fn is_writing(&self) -> bool {
        false
    }

    fn poll_write(&mut self, _cx: &mut Context<'_>, from: &mut Buffer) -> Poll<io::Result<()>> {
        self.0.received.borrow_mut().extend_from_slice(from.data());
        from.consume(from.len());
        Poll::Ready(Ok(()))
    }

    fn poll_write_bytes(&mut self, _cx: &mut Context<'_>, from: &mut Bytes) -> Poll<io::Result<()>> {
        self.0.received.borrow_mut().extend_from_slice(from);
        from.clear();
        Poll::Ready(Ok(()))
    }

    fn take_progress(&mut self) -> u64 {
        0
    }

    fn shut_write(&mut self) {}

    fn abort(&mut self) {
        unreachable!("whole answers end no connection by a reset");
    }
}
