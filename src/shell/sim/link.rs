//! A connection: two pipes, each with bytes under way, bytes that have arrived, and a bound on both together.
//!
//! As in a kernel: a side that closes with bytes unread resets the other, and so does a side that bytes reach after it
//! has closed; a reset takes with it what was not read yet, unless the seed is kind.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use super::trace::Event;
use super::world::{Due, World};
use crate::words::time::Instant;

/// Both directions of a connection.
pub(super) struct Link {
    number: u64,
    /// By the side that reads.
    pipes: [RefCell<Pipe>; 2],
    is_open: [Cell<bool>; 2],
}

/// One direction.
struct Pipe {
    under_way: VecDeque<(Instant, Cargo)>,
    arrived: VecDeque<u8>,
    /// Bytes written and not yet read.
    held: usize,
    /// Most of them.
    room: usize,
    /// When the last cargo arrives: nothing overtakes it.
    last: Instant,
    /// The writer has ended it.
    is_finished: bool,
    /// The reader has seen all of it.
    has_ended: bool,
    /// Broken for its reader.
    is_reset: bool,
    /// Broken for its writer.
    is_refused: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

enum Cargo {
    Bytes(Vec<u8>),
    End,
    Reset,
}

/// One end of a link; closes it when dropped.
pub(super) struct Socket {
    world: World,
    link: Rc<Link>,
    side: usize,
}

impl Pipe {
    fn new(room: usize) -> Self {
        Self {
            under_way: VecDeque::new(),
            arrived: VecDeque::new(),
            held: 0,
            room,
            last: Instant::from_nanos(0),
            is_finished: false,
            has_ended: false,
            is_reset: false,
            is_refused: false,
            reader: None,
            writer: None,
        }
    }

    fn wake_reader(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    fn wake_writer(&mut self) {
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }

    /// Forgets what is under way.
    fn lose(&mut self) {
        self.under_way.clear();
        self.held = self.arrived.len();
    }
}

impl Link {
    /// Both ends of a new link.
    pub(super) fn pair(world: &World) -> (Socket, Socket) {
        let number = world.next_link();
        world.note(Event::Link(number));
        let pipe = || {
            let room = world.draw(|random| random.within(world.inner.weather.link_bytes));
            RefCell::new(Pipe::new(usize::try_from(room).unwrap_or(usize::MAX)))
        };
        let link = Rc::new(Self { number, pipes: [pipe(), pipe()], is_open: [Cell::new(true), Cell::new(true)] });
        let socket = |side| Socket { world: world.clone(), link: Rc::clone(&link), side };
        (socket(0), socket(1))
    }

    /// Sends `cargo` to `side`.
    fn ship(self: &Rc<Self>, world: &World, side: usize, cargo: Cargo) {
        let weather = &world.inner.weather;
        let delay = world.draw(|random| {
            let stall = if random.chance(weather.stalls) { random.within(weather.stall_us) } else { 0 };
            random.within(weather.latency_us) + stall
        });
        let pipe = &mut *self.pipes[side].borrow_mut();
        let at = world.now().after(Duration::from_micros(delay)).max(pipe.last);
        pipe.last = at;
        pipe.under_way.push_back((at, cargo));
        world.due_at(at, Due::Arrival(Rc::clone(self), side));
    }

    /// Hands over what is due at `side`.
    pub(super) fn arrive(self: &Rc<Self>, world: &World, side: usize) {
        loop {
            let mut pipe = self.pipes[side].borrow_mut();
            if pipe.under_way.front().is_none_or(|(at, _)| *at > world.now()) {
                return;
            }
            let Some((_, cargo)) = pipe.under_way.pop_front() else { return };
            match cargo {
                Cargo::Bytes(bytes) if self.is_open[side].get() => {
                    world.note(Event::Arrived(self.number, side as u64, bytes.len() as u64));
                    pipe.arrived.extend(&bytes);
                    pipe.wake_reader();
                }
                Cargo::Bytes(_) => {
                    drop(pipe);
                    self.send_reset(world, side);
                }
                Cargo::End => {
                    pipe.has_ended = true;
                    pipe.wake_reader();
                }
                Cargo::Reset => {
                    drop(pipe);
                    self.be_reset(world, side);
                }
            }
        }
    }

    /// `side` resets the connection.
    fn send_reset(self: &Rc<Self>, world: &World, side: usize) {
        world.note(Event::Reset(self.number, side as u64));
        if !world.draw(|random| random.chance(world.inner.weather.kind_resets)) {
            self.pipes[1 - side].borrow_mut().lose();
        }
        self.ship(world, 1 - side, Cargo::Reset);
    }

    /// A reset has arrived at `side`.
    fn be_reset(&self, world: &World, side: usize) {
        let mut inbound = self.pipes[side].borrow_mut();
        inbound.is_reset = true;
        // What is still under way finds no connection any more; behind a gap it would look like another's bytes.
        inbound.under_way.clear();
        if !world.draw(|random| random.chance(world.inner.weather.kind_resets)) {
            inbound.arrived.clear();
        }
        inbound.wake_reader();
        let mut outbound = self.pipes[1 - side].borrow_mut();
        outbound.is_refused = true;
        outbound.wake_writer();
    }

    /// The link breaks, for both sides at once.
    fn tear(&self, world: &World) {
        world.note(Event::Reset(self.number, 2));
        (0..2).for_each(|side| self.be_reset(world, side));
    }
}

impl Socket {
    /// The link's number.
    pub(super) fn number(&self) -> u64 {
        self.link.number
    }

    /// The world it is in.
    pub(super) const fn world(&self) -> &World {
        &self.world
    }

    /// True when a read would find bytes, the end or an error.
    pub(super) fn is_readable(&self) -> bool {
        let pipe = self.link.pipes[self.side].borrow();
        !pipe.arrived.is_empty() || pipe.has_ended || pipe.is_reset
    }

    /// True when the peer has ended its direction, or the connection is broken.
    pub(super) fn has_ended(&self) -> bool {
        let pipe = self.link.pipes[self.side].borrow();
        pipe.has_ended || pipe.is_reset
    }

    /// Wakes `waker` when the socket becomes readable.
    pub(super) fn await_bytes(&self, waker: &Waker) {
        self.link.pipes[self.side].borrow_mut().reader = Some(waker.clone());
    }

    /// Wakes `waker` when there is room for more bytes.
    pub(super) fn await_room(&self, waker: &Waker) {
        self.link.pipes[1 - self.side].borrow_mut().writer = Some(waker.clone());
    }

    /// Takes bytes that have arrived; 0 is the end.
    pub(super) fn receive(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut pipe = self.link.pipes[self.side].borrow_mut();
        let count = pipe.arrived.len().min(into.len());
        if count == 0 {
            return match (pipe.is_reset, pipe.has_ended) {
                (true, _) => Err(io::ErrorKind::ConnectionReset.into()),
                (false, true) => Ok(0),
                (false, false) => Err(io::ErrorKind::WouldBlock.into()),
            };
        }
        let (front, back) = pipe.arrived.as_slices();
        let first = front.len().min(count);
        into[..first].copy_from_slice(&front[..first]);
        into[first..count].copy_from_slice(&back[..count - first]);
        pipe.arrived.drain(..count);
        pipe.held -= count;
        pipe.wake_writer();
        Ok(count)
    }

    /// Sends as many of `bytes` as there is room for.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let other = 1 - self.side;
        let room = {
            let pipe = self.link.pipes[other].borrow();
            if pipe.is_refused || pipe.is_finished {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            pipe.room.saturating_sub(pipe.held)
        };
        let count = bytes.len().min(room);
        if count == 0 {
            return if bytes.is_empty() { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let weather = &self.world.inner.weather;
        if self.world.draw(|random| random.chance(weather.resets)) {
            self.link.tear(&self.world);
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        self.world.note(Event::Sent(self.link.number, self.side as u64, count as u64));
        self.link.pipes[other].borrow_mut().held += count;
        let mut rest = &bytes[..count];
        let pieces = self.world.draw(|random| random.within(weather.pieces));
        for left in (0..pieces).rev() {
            let length =
                if left == 0 { rest.len() } else { self.world.draw(|random| random.below(rest.len() as u64)) as usize };
            let (piece, behind) = rest.split_at(length);
            rest = behind;
            if !piece.is_empty() {
                self.link.ship(&self.world, other, Cargo::Bytes(piece.to_vec()));
            }
        }
        Ok(count)
    }

    /// Ends the direction away from here (FIN).
    pub(super) fn finish(&self) {
        let is_first = {
            let mut pipe = self.link.pipes[1 - self.side].borrow_mut();
            !std::mem::replace(&mut pipe.is_finished, true) && !pipe.is_refused
        };
        if is_first {
            self.world.note(Event::Finished(self.link.number, self.side as u64));
            self.link.ship(&self.world, 1 - self.side, Cargo::End);
        }
    }

    /// Closes this end: politely, unless something is unread.
    pub(super) fn close(&self) {
        if !self.link.is_open[self.side].get() {
            return;
        }
        let has_unread = !self.link.pipes[self.side].borrow().arrived.is_empty();
        if has_unread {
            self.reset();
        } else {
            self.finish();
            self.link.is_open[self.side].set(false);
        }
        self.be_shut();
    }

    /// After closing, nobody reads or writes here any more; those who still try are told.
    fn be_shut(&self) {
        let mut inbound = self.link.pipes[self.side].borrow_mut();
        inbound.is_reset = true;
        inbound.arrived.clear();
        inbound.wake_reader();
        let mut outbound = self.link.pipes[1 - self.side].borrow_mut();
        outbound.is_refused = true;
        outbound.wake_writer();
    }

    /// Ends both directions at once (RST).
    pub(super) fn reset(&self) {
        if self.link.is_open[self.side].replace(false) {
            self.link.pipes[1 - self.side].borrow_mut().is_finished = true;
            self.link.send_reset(&self.world, self.side);
            self.be_shut();
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.close();
    }
}
