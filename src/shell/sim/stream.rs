//! The gateway's end of a link, with the promises of [`Stream`] kept as narrowly as they are given: readiness may be
//! false, what is there is noticed late, a write in flight holds its storage, and a task that does much is put off.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};

use super::link::Socket;
use super::world::{Due, World};
use crate::shell::buffer::Buffer;
use crate::shell::io::Stream;
use crate::words::time::Instant;

/// A simulated stream. Dropping it closes it.
pub struct SimStream {
    socket: Socket,
    /// Something is likely to be there to read.
    is_ready: bool,
    /// From when on the wait in flight notices what is there.
    notices_from: Option<Instant>,
    /// What a write in flight holds.
    in_flight: Option<Outbound>,
    progress: u64,
}

enum Outbound {
    Buffer(Buffer),
    Bytes(Bytes),
}

impl SimStream {
    pub(super) const fn new(socket: Socket) -> Self {
        Self { socket, is_ready: false, notices_from: None, in_flight: None, progress: 0 }
    }

    fn world(&self) -> &World {
        self.socket.world()
    }

    /// Sends what goes at once; what does not is no error.
    fn send_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.socket.send(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            sent => {
                let count = sent?;
                self.progress += count as u64;
                Ok(count)
            }
        }
    }

    fn poll_write_all<T: Source>(&mut self, cx: &mut Context<'_>, from: &mut T) -> Poll<io::Result<()>> {
        match self.in_flight.take() {
            Some(outbound) => from.put_back(outbound),
            None if from.bytes().is_empty() => return Poll::Ready(Ok(())),
            None => ready!(spend(self.world(), cx)),
        }
        loop {
            let count = self.send_now(from.bytes())?;
            from.consume(count);
            if from.bytes().is_empty() {
                return Poll::Ready(Ok(()));
            }
            if count == 0 {
                self.socket.await_room(cx.waker());
                self.in_flight = Some(from.take());
                return Poll::Pending;
            }
        }
    }
}

impl Stream for SimStream {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_ready {
            return Poll::Ready(());
        }
        let world = self.world().clone();
        let weather = &world.inner.weather;
        let from = match self.notices_from {
            Some(from) => from,
            None if world.draw(|random| random.chance(weather.false_alarms)) => return Poll::Ready(()),
            None => {
                let delay = world.draw(|random| random.within(weather.notice_us));
                *self.notices_from.insert(world.now().after(Duration::from_micros(delay)))
            }
        };
        if !self.socket.is_readable() {
            self.socket.await_bytes(cx.waker());
            return Poll::Pending;
        }
        if world.now() < from {
            world.due_at(from, Due::Wake(cx.waker().clone()));
            return Poll::Pending;
        }
        self.notices_from = None;
        self.is_ready = true;
        Poll::Ready(())
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut Buffer) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_readable(cx));
            ready!(spend(self.world(), cx));
            match self.try_read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read),
            }
        }
    }

    fn try_read(&mut self, into: &mut Buffer) -> io::Result<usize> {
        assert!(into.room() > 0, "a read needs room");
        let room = into.free_mut();
        let size = room.len();
        let received = self.socket.receive(room);
        // What filled the buffer has more behind it, and the end stays the end.
        self.is_ready = received.as_ref().is_ok_and(|count| *count == size || *count == 0);
        let count = received?;
        into.commit(count);
        self.progress += count as u64;
        Ok(count)
    }

    fn is_writing(&self) -> bool {
        self.in_flight.is_some()
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, from: &mut Buffer) -> Poll<io::Result<()>> {
        self.poll_write_all(cx, from)
    }

    fn try_write(&mut self, from: &mut Buffer) -> io::Result<()> {
        assert!(self.in_flight.is_none(), "last words come last");
        let count = self.send_now(from.data())?;
        from.consume(count);
        Ok(())
    }

    fn poll_write_bytes(&mut self, cx: &mut Context<'_>, from: &mut Bytes) -> Poll<io::Result<()>> {
        self.poll_write_all(cx, from)
    }

    fn take_progress(&mut self) -> u64 {
        std::mem::take(&mut self.progress)
    }

    fn shut_write(&mut self) {
        self.socket.finish();
    }

    fn abort(&mut self) {
        self.socket.reset();
    }
}

/// Takes one operation out of the running task's budget; without one it waits until the others had their turn.
fn spend(world: &World, cx: &Context<'_>) -> Poll<()> {
    let left = world.inner.budget.get();
    if left == 0 {
        cx.waker().wake_by_ref();
        return Poll::Pending;
    }
    world.inner.budget.set(left - 1);
    Poll::Ready(())
}

/// What can be written from.
trait Source {
    fn bytes(&self) -> &[u8];
    fn consume(&mut self, count: usize);
    fn take(&mut self) -> Outbound;
    fn put_back(&mut self, outbound: Outbound);
}

impl Source for Buffer {
    fn bytes(&self) -> &[u8] {
        self.data()
    }

    fn consume(&mut self, count: usize) {
        Self::consume(self, count);
    }

    fn take(&mut self) -> Outbound {
        Outbound::Buffer(std::mem::take(self))
    }

    fn put_back(&mut self, outbound: Outbound) {
        match outbound {
            Outbound::Buffer(buffer) => *self = buffer,
            Outbound::Bytes(_) => panic!("a write in flight was polled with something else"),
        }
    }
}

impl Source for Bytes {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn consume(&mut self, count: usize) {
        self.advance(count);
    }

    fn take(&mut self) -> Outbound {
        Outbound::Bytes(std::mem::take(self))
    }

    fn put_back(&mut self, outbound: Outbound) {
        match outbound {
            Outbound::Bytes(bytes) => *self = bytes,
            Outbound::Buffer(_) => panic!("a write in flight was polled with something else"),
        }
    }
}
