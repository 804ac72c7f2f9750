//! Readiness of streams: one edge-triggered set per core, on which the ring waits as on a single descriptor.
//!
//! A stream enters the set once, for its life. A wait in the ring would be an operation each time: an entry, a
//! completion, a wait queue entered and left, twice per request. Here an event sets a flag and wakes a task, a whole
//! batch of them costs one system call, and a connection at rest holds an entry of 24 bytes and nothing else.
//!
//! What was begun is finished first: all upstreams that have something are heard in each turn, and then only so many
//! clients. With a thousand busy clients, a hundred exchanges in flight serve them as fast as a thousand would, on a
//! hundred upstream connections, and their memory and that of their sockets stays in the cache.

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::task::{Context, Poll, Waker};

use monoio::net::TcpStream;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

/// The set of one core.
pub(super) struct ReadySet {
    /// Upstream streams, the socket pair of the deferred wakes, and `clients`.
    epoll: OwnedFd,
    /// Streams of clients.
    clients: OwnedFd,
    entries: RefCell<Entries>,
    deferred: Deferred,
}

#[derive(Default)]
struct Entries {
    list: Vec<Entry>,
    free: Vec<u32>,
}

/// What is known of one stream.
#[derive(Default)]
struct Entry {
    /// Who waits, or waited last.
    waker: Option<Waker>,
    /// A read is worth trying.
    is_ready: bool,
    /// The peer has ended its direction, or the socket failed: a read is always worth trying.
    is_ended: bool,
}

/// Whose stream one is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    /// Accepted.
    Client,
    /// Connected.
    Upstream,
}

/// A stream's place in the set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    index: u32,
    side: Side,
}

/// Wakes that wait until the loop has been through the kernel once. The way there is a byte in a socket pair, whose
/// other end is in the set.
struct Deferred {
    waiting: RefCell<Vec<Waker>>,
    is_kicked: Cell<bool>,
    kick: UnixStream,
    kicked: UnixStream,
    /// The task that serves the set is over.
    is_ended: Cell<bool>,
}

/// Events of upstreams taken in one turn.
const EVENTS: usize = 256;
/// Events of clients taken in one turn.
const CLIENT_EVENTS: usize = 64;
/// The place of the socket pair: no stream is ever there.
const KICK: u64 = u64::MAX;
/// The place of the clients' streams as a whole.
const CLIENTS: u64 = u64::MAX - 1;

impl ReadySet {
    /// An empty set.
    ///
    /// # Errors
    /// When the kernel gives no descriptor.
    pub(super) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let clients = epoll::create(CreateFlags::CLOEXEC)?;
        // Told anew in each turn while clients wait that were not heard yet.
        epoll::add(&epoll, &clients, EventData::new_u64(CLIENTS), EventFlags::IN)?;
        let (kick, kicked) = UnixStream::pair()?;
        kicked.set_nonblocking(true)?;
        epoll::add(&epoll, &kicked, EventData::new_u64(KICK), EventFlags::IN)?;
        let deferred = Deferred {
            waiting: RefCell::default(),
            is_kicked: Cell::new(false),
            kick,
            kicked,
            is_ended: Cell::new(false),
        };
        Ok(Self { epoll, clients, entries: RefCell::default(), deferred })
    }

    /// Takes a stream in.
    ///
    /// # Errors
    /// When the kernel has no memory, or no watch left (`fs.epoll.max_user_watches`).
    pub(super) fn enter(&self, socket: BorrowedFd<'_>, side: Side) -> io::Result<Place> {
        let entries = &mut *self.entries.borrow_mut();
        let index = entries.free.pop().unwrap_or_else(|| {
            entries.list.push(Entry::default());
            u32::try_from(entries.list.len() - 1).expect("descriptors are fewer than 2^32")
        });
        let flags = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
        if let Err(error) = epoll::add(self.of(side), socket, EventData::new_u64(u64::from(index)), flags) {
            entries.free.push(index);
            return Err(error.into());
        }
        Ok(Place { index, side })
    }

    /// Takes a stream out. The kernel does so when the last descriptor of its socket is closed, which must be next, or
    /// when told by [`ReadySet::forget`].
    pub(super) fn leave(&self, place: Place) {
        let entries = &mut *self.entries.borrow_mut();
        entries.list[place.index as usize] = Entry::default();
        entries.free.push(place.index);
    }

    /// Takes a socket out that an operation of the ring keeps open beyond its stream.
    pub(super) fn forget(&self, place: Place, socket: BorrowedFd<'_>) {
        let removed = epoll::delete(self.of(place.side), socket);
        debug_assert!(removed.is_ok(), "a stream is in the set until it leaves: {removed:?}");
    }

    /// Ready when a read of the stream is worth trying; otherwise the task will be woken.
    pub(super) fn poll(&self, place: Place, cx: &Context<'_>) -> Poll<()> {
        let entry = &mut self.entries.borrow_mut().list[place.index as usize];
        if entry.is_ready {
            return Poll::Ready(());
        }
        if !entry.waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            entry.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// The stream was read dry. What comes from now on is an event of its own, but what has ended stays ended.
    pub(super) fn drained(&self, place: Place) {
        let entry = &mut self.entries.borrow_mut().list[place.index as usize];
        entry.is_ready = entry.is_ended;
    }

    /// Wakes `waker` once the loop has been through the kernel.
    pub(super) fn put_off(&self, waker: Waker) {
        self.deferred.waiting.borrow_mut().push(waker);
        if !self.deferred.is_kicked.replace(true) {
            let written = (&self.deferred.kick).write(&[0]);
            debug_assert!(written.is_ok(), "one byte always fits an empty socket pair");
        }
    }

    /// Ends [`ReadySet::serve`]. A task left waiting would keep its ring alive, and the ring the task.
    pub(super) fn end(&self) {
        // It fails only when the other end is gone, and the task with it.
        drop(self.deferred.kick.shutdown(std::net::Shutdown::Both));
    }

    /// True when [`ReadySet::serve`] is over.
    pub(super) fn is_ended(&self) -> bool {
        self.deferred.is_ended.get()
    }

    /// Wakes whom the set's events concern, until [`ReadySet::end`].
    ///
    /// # Errors
    /// When the set cannot be waited on or asked; the core is lost then.
    pub(super) async fn serve(&self) -> io::Result<()> {
        // monoio waits on any descriptor that it takes for a stream.
        let set = std::net::TcpStream::from(self.epoll.try_clone()?);
        let set = TcpStream::from_std(set)?;
        let mut events = vec![MaybeUninit::<Event>::uninit(); EVENTS];
        loop {
            set.readable(false).await?;
            if !self.wake_ready(&mut events)? {
                self.deferred.is_ended.set(true);
                return Ok(());
            }
        }
    }

    /// Takes the events of one turn; false when the end was asked for.
    fn wake_ready(&self, events: &mut [MaybeUninit<Event>]) -> io::Result<bool> {
        let mut goes_on = true;
        let mut has_clients = false;
        for event in taken(&self.epoll, events)? {
            match event.data.u64() {
                CLIENTS => has_clients = true,
                KICK => goes_on = self.wake_deferred(),
                place => self.wake(place, event.flags),
            }
        }
        if has_clients {
            for event in taken(&self.clients, &mut events[..CLIENT_EVENTS])? {
                self.wake(event.data.u64(), event.flags);
            }
        }
        Ok(goes_on)
    }

    fn of(&self, side: Side) -> &OwnedFd {
        match side {
            Side::Client => &self.clients,
            Side::Upstream => &self.epoll,
        }
    }

    /// An event of a stream that left within the same batch would find another one here or none: it finds a flag set for
    /// nothing, and its read waits again. But no stream leaves between: tasks are woken here, not run.
    fn wake(&self, place: u64, flags: EventFlags) {
        let entries = &mut *self.entries.borrow_mut();
        let Some(entry) = entries.list.get_mut(place as usize) else { return };
        entry.is_ready = true;
        entry.is_ended |= flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        if let Some(waker) = &entry.waker {
            waker.wake_by_ref();
        }
    }

    /// Wakes what was put off; false at the end.
    fn wake_deferred(&self) -> bool {
        self.deferred.is_kicked.set(false);
        let read = (&self.deferred.kicked).read(&mut [0; 1]);
        self.deferred.waiting.take().into_iter().for_each(Waker::wake);
        !matches!(read, Ok(0))
    }
}

/// What is ready in `set` now, as far as it fits into `events`.
fn taken<'e>(set: &OwnedFd, events: &'e mut [MaybeUninit<Event>]) -> io::Result<&'e [Event]> {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    match epoll::wait(set, events, Some(&now)) {
        Err(rustix::io::Errno::INTR) => Ok(&[]),
        result => Ok(result?.0),
    }
}
