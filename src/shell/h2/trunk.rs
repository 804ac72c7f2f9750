//! Connections that many exchanges share: how one finds room on one, waits for room, and gives it back.
//!
//! An endpoint has as few trunks as its peer's MAX_CONCURRENT_STREAMS allow. Who finds no room waits in a queue, first
//! come first served, and one connect serves all that wait. Not here: who connects and who moves the bytes of a trunk
//! (`drive`), and what a stream of it carries (`up`).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;

use crate::proto::head::RequestHead;
use crate::words::fault::{Fault, Kind, Stage};
use crate::words::limits::{ENDPOINTS_TRIED, TRUNK_REMAINS, TRUNK_STREAMS, TRUNKS};
use crate::words::time::Instant;

/// The trunks of one endpoint.
#[derive(Clone, Default)]
pub struct Trunks(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    /// Those that take new streams.
    trunks: Vec<Rc<Trunk>>,
    /// Connects that run.
    connecting: usize,
    /// Their tasks, to be woken when nobody wants them any more.
    dialling: Vec<Waker>,
    /// Who waits for room, first come first.
    waiting: VecDeque<(u64, Waker)>,
    /// The number of the next to wait.
    next: u64,
    /// Connects that failed, ever.
    failures: u64,
    /// How the last one failed.
    failure: Option<Fault>,
    /// Nobody sweeps here any more: a trunk without streams is closed at once.
    is_over: bool,
}

/// One connection.
pub struct Trunk {
    /// Opens its streams; gone when it takes no new ones. With the last handle `h2` ends the connection politely.
    sender: RefCell<Option<SendRequest<Bytes>>>,
    /// Streams in use.
    streams: Cell<usize>,
    /// Streams that may be in use at a time: 0 until the peer's SETTINGS came.
    most: Cell<usize>,
    /// The peer has taken streams.
    is_open: Cell<bool>,
    /// An answer came over it.
    has_served: Cell<bool>,
    /// When it was last seen with a stream, or made.
    busy_at: Cell<Instant>,
    /// Streams whose answers are whole and whose ends are on their way: ended here they would be resets.
    remains: RefCell<Vec<(RecvStream, Slot)>>,
    /// Where the heads of its requests are read again, one at a time.
    pub scratch: RefCell<RequestHead>,
    /// It runs over TLS.
    pub is_tls: bool,
}

/// Room for one stream on a trunk, until it is dropped.
pub struct Slot {
    trunk: Rc<Trunk>,
    trunks: Trunks,
}

/// A place in the queue for room.
pub struct Turn {
    trunks: Trunks,
    /// Its number while it is in the queue.
    number: Option<u64>,
    /// Failures before it came.
    failures: u64,
    /// Connects that it may still begin.
    connects: usize,
}

/// A connect that runs; dropped without success it has failed.
pub struct Connecting {
    trunks: Trunks,
    /// How it fails, if it does.
    pub failure: Fault,
    has_succeeded: bool,
}

/// Streams that a trunk is expected to bear before its peer has said how many it takes (RFC 9113 6.5.2 recommends no
/// value below 100).
const EXPECTED_STREAMS: usize = 100;

const REFUSED: Fault = Fault::new(Kind::ConnectRefused, Stage::Select, "the endpoint cannot be connected to");

/// How a connection fails that ends before its peer has taken a stream.
pub const CLOSED: Fault =
    Fault::new(Kind::UpstreamClosed, Stage::Select, "the endpoint closed before it took a stream");

impl Trunks {
    /// Room at once, if there is any and nobody waits for it.
    #[must_use]
    pub fn take(&self) -> Option<Slot> {
        let state = self.0.borrow();
        if !state.waiting.is_empty() {
            return None;
        }
        state.roomy().map(|trunk| self.occupy(trunk))
    }

    /// A place at the end of the queue.
    #[must_use]
    pub fn queue(&self) -> Turn {
        let failures = self.0.borrow().failures;
        Turn { trunks: self.clone(), number: None, failures, connects: ENDPOINTS_TRIED }
    }

    /// Closes trunks that had no stream for `timeout`.
    pub fn sweep(&self, now: Instant, timeout: Duration) {
        self.0.borrow_mut().trunks.retain(|trunk| {
            let is_stale = trunk.streams.get() == 0 && now.since(trunk.busy_at.get()) >= timeout;
            if is_stale {
                trunk.sender.take();
            }
            !is_stale
        });
    }

    /// Closes them all, each as soon as its last stream is over.
    pub fn close(&self) {
        let state = &mut *self.0.borrow_mut();
        state.is_over = true;
        if state.waiting.is_empty() {
            state.trunks.drain(..).for_each(|trunk| drop(trunk.sender.take()));
            state.dialling.drain(..).for_each(Waker::wake);
        }
    }

    /// Trunks without a stream.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.0.borrow().trunks.iter().filter(|trunk| trunk.streams.get() == 0).count()
    }

    /// The peer of `trunk` takes `most` streams at a time.
    pub fn set_most(&self, trunk: &Trunk, most: usize) {
        let most = most.min(TRUNK_STREAMS);
        if trunk.most.replace(most) != most {
            trunk.is_open.set(trunk.is_open.get() || most > 0);
            self.0.borrow().wake();
        }
    }

    /// `trunk` takes no new streams; those that run go on. Who waits may need another one.
    pub fn retire(&self, trunk: &Rc<Trunk>) {
        trunk.sender.take();
        let state = &mut *self.0.borrow_mut();
        let before = state.trunks.len();
        state.trunks.retain(|other| !Rc::ptr_eq(other, trunk));
        if state.trunks.len() < before {
            state.wake_all();
        }
    }

    /// A connect has failed, or its connection before it could be used.
    pub fn fail(&self, fault: Fault) {
        let state = &mut *self.0.borrow_mut();
        state.failures += 1;
        state.failure = Some(fault);
        state.wake_all();
    }

    fn occupy(&self, trunk: &Rc<Trunk>) -> Slot {
        trunk.streams.set(trunk.streams.get() + 1);
        Slot { trunk: Rc::clone(trunk), trunks: self.clone() }
    }
}

impl State {
    /// The first trunk with room: what is in use stays together, and the others come to rest.
    fn roomy(&self) -> Option<&Rc<Trunk>> {
        self.trunks.iter().find(|trunk| trunk.room() > 0)
    }

    fn room(&self) -> usize {
        self.trunks.iter().map(|trunk| trunk.room()).sum()
    }

    /// Wakes as many of the first in the queue as there is room for, and one more, which may connect.
    fn wake(&self) {
        if !self.waiting.is_empty() {
            self.waiting.iter().take(self.room() + 1).for_each(|(_, waker)| waker.wake_by_ref());
        }
    }

    fn wake_all(&self) {
        self.waiting.iter().for_each(|(_, waker)| waker.wake_by_ref());
    }

    /// Closes what nobody will use any more.
    fn tidy(&mut self) {
        if self.is_over && self.waiting.is_empty() {
            self.trunks.iter().filter(|trunk| trunk.streams.get() == 0).for_each(|trunk| drop(trunk.sender.take()));
            self.trunks.retain(|trunk| trunk.streams.get() > 0);
            self.dialling.drain(..).for_each(Waker::wake);
        }
    }
}

impl Trunk {
    fn room(&self) -> usize {
        self.most.get().saturating_sub(self.streams.get())
    }

    /// It takes no new streams.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.sender.borrow().is_none()
    }

    /// Notes that it has streams, if it has.
    pub fn see(&self, now: Instant) {
        if self.streams.get() > 0 {
            self.busy_at.set(now);
        }
    }

    /// Streams in use.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams.get()
    }

    /// The peer has said how many streams it takes, and took some.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_open.get()
    }

    /// Lets `act` work with what opens streams; `None` when no new ones are taken.
    pub fn with_sender<T>(&self, act: impl FnOnce(&mut SendRequest<Bytes>) -> T) -> Option<T> {
        self.sender.borrow_mut().as_mut().map(act)
    }

    /// Sees which of the remains have ended, and says whether there are others. A peer that goes on sending what nobody
    /// reads is told to stop, by a reset.
    pub fn poll_remains(&self, cx: &mut Context<'_>) -> bool {
        if self.remains.borrow().is_empty() {
            return false;
        }
        // A slot that is dropped looks into its trunk.
        let mut remains = self.remains.take();
        remains.retain_mut(|(stream, _)| match stream.poll_data(cx) {
            Poll::Ready(Some(Ok(bytes))) => bytes.is_empty() && !stream.is_end_stream(),
            Poll::Ready(None | Some(Err(_))) => false,
            Poll::Pending => true,
        });
        self.remains.borrow_mut().append(&mut remains);
        !self.remains.borrow().is_empty()
    }

    /// Ends what remains, whatever is still to come.
    pub fn end_remains(&self) {
        drop(self.remains.take());
    }
}

impl Slot {
    /// The trunk.
    #[must_use]
    pub fn trunk(&self) -> &Trunk {
        &self.trunk
    }

    /// An answer came over the trunk before.
    #[must_use]
    pub fn has_served(&self) -> bool {
        self.trunk.has_served.get()
    }

    /// An answer came.
    pub fn served(&self) {
        self.trunk.has_served.set(true);
    }

    /// The trunk takes no new streams.
    pub fn retire(&self) {
        self.trunks.retire(&self.trunk);
    }

    /// Keeps a stream whose answer is whole until its end has come, which is on its way.
    pub fn finish(self, stream: RecvStream) {
        let trunk = Rc::clone(&self.trunk);
        let remains = &mut *trunk.remains.borrow_mut();
        if remains.len() < TRUNK_REMAINS {
            remains.push((stream, self));
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.trunk.streams.set(self.trunk.streams.get() - 1);
        let state = &mut *self.trunks.0.borrow_mut();
        state.tidy();
        state.wake();
    }
}

impl Turn {
    /// Ready with room, or with how the connect failed that was waited for.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Slot, Fault>> {
        let trunks = self.trunks.clone();
        let state = &mut *trunks.0.borrow_mut();
        let place = self.place(state);
        if place < state.room()
            && let Some(trunk) = state.roomy()
        {
            let slot = trunks.occupy(trunk);
            self.leave(state, place);
            return Poll::Ready(Ok(slot));
        }
        let is_hopeless = state.failures > self.failures || self.connects == 0;
        if is_hopeless && state.trunks.is_empty() && state.connecting == 0 {
            self.leave(state, place);
            return Poll::Ready(Err(state.failure.unwrap_or(CLOSED)));
        }
        match state.waiting.get_mut(place) {
            Some((_, waker)) => waker.clone_from(cx.waker()),
            None => {
                state.waiting.push_back((state.next, cx.waker().clone()));
                self.number = Some(state.next);
                state.next += 1;
            }
        }
        Poll::Pending
    }

    /// The right to connect, when those who wait need one trunk more than there are and are being made. Who waits for
    /// long gets it a few times only: a peer that ends each connection at once must not keep this core busy.
    pub fn connect(&mut self) -> Option<Connecting> {
        let state = &mut *self.trunks.0.borrow_mut();
        let coming = state.connecting + state.trunks.iter().filter(|trunk| !trunk.is_open()).count();
        let is_needed = state.waiting.len() > coming * EXPECTED_STREAMS;
        let may = self.connects > 0 && state.failures == self.failures;
        if !is_needed || !may || state.trunks.len() + state.connecting >= TRUNKS {
            return None;
        }
        self.connects -= 1;
        state.connecting += 1;
        Some(Connecting { trunks: self.trunks.clone(), failure: REFUSED, has_succeeded: false })
    }

    /// How many are before it.
    fn place(&self, state: &State) -> usize {
        let waiting = &state.waiting;
        let found = self.number.and_then(|number| waiting.iter().position(|(other, _)| *other == number));
        found.unwrap_or(waiting.len())
    }

    fn leave(&mut self, state: &mut State, place: usize) {
        if self.number.take().is_some() {
            state.waiting.remove(place);
        }
        // Who was behind it may have waited for its place only.
        state.wake();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.number.is_some() {
            let trunks = self.trunks.clone();
            let state = &mut *trunks.0.borrow_mut();
            let place = self.place(state);
            self.leave(state, place);
            state.tidy();
        }
    }
}

impl Connecting {
    /// Ready when nobody will use what comes of it.
    pub fn poll_unwanted(&self, cx: &Context<'_>) -> Poll<()> {
        let state = &mut *self.trunks.0.borrow_mut();
        if state.is_over && state.waiting.is_empty() {
            return Poll::Ready(());
        }
        if !state.dialling.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.dialling.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// There is a connection: `sender` opens its streams.
    pub fn succeed(mut self, sender: SendRequest<Bytes>, is_tls: bool, now: Instant) -> (Rc<Trunk>, Trunks) {
        self.has_succeeded = true;
        let trunk = Rc::new(Trunk {
            sender: RefCell::new(Some(sender)),
            streams: Cell::new(0),
            most: Cell::new(0),
            is_open: Cell::new(false),
            has_served: Cell::new(false),
            busy_at: Cell::new(now),
            remains: RefCell::default(),
            scratch: RefCell::default(),
            is_tls,
        });
        let trunks = self.trunks.clone();
        {
            let state = &mut *trunks.0.borrow_mut();
            state.trunks.push(Rc::clone(&trunk));
            state.tidy();
        }
        (trunk, trunks)
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        {
            let state = &mut *self.trunks.0.borrow_mut();
            state.connecting -= 1;
            if state.connecting == 0 {
                state.dialling.clear();
            }
        }
        if !self.has_succeeded {
            self.trunks.fail(self.failure);
        }
    }
}
