//! Where connections arrive: addresses, the sockets that listen on them, and the accepts that wait there.
//!
//! Several sockets may listen on one address, as with `SO_REUSEPORT`; the seed says which one a connection gets.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::{pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::link::{Link, Socket};
use super::stream::SimStream;
use super::tasks::Owner;
use super::trace::Event;
use super::world::World;
use crate::plan::Address;
use crate::shell::io::Listener;

/// All addresses of a world on which something listens.
#[derive(Default)]
pub(super) struct Ports {
    doors: HashMap<Address, Vec<Rc<Door>>>,
    /// Addresses that answer nothing, not even that nobody is there.
    silent: Vec<Address>,
}

/// A connection that nobody has accepted yet, and who made it.
type Caller = (Socket, SocketAddr);

/// One listening socket.
struct Door {
    /// Connections that no accept waits for.
    queue: RefCell<VecDeque<Caller>>,
    /// Accepts in flight.
    waiting: RefCell<Vec<Rc<Place>>>,
    is_cancelled: Cell<bool>,
}

/// An accept in flight.
struct Place {
    caller: Cell<Option<Caller>>,
    waker: RefCell<Option<Waker>>,
}

/// A simulated listening socket. Dropping it closes it and resets those who queue there.
pub struct SimListener {
    world: World,
    owner: Owner,
    address: Address,
    door: Rc<Door>,
}

impl World {
    /// Listens on `address`, beside those who do already.
    pub(super) fn open_door(&self, owner: Owner, address: Address) -> SimListener {
        let door =
            Rc::new(Door { queue: RefCell::default(), waiting: RefCell::default(), is_cancelled: Cell::new(false) });
        self.inner.ports.borrow_mut().doors.entry(address.clone()).or_default().push(Rc::clone(&door));
        SimListener { world: self.clone(), owner, address, door }
    }

    /// Makes an address answer nothing to those who connect.
    pub fn silence(&self, address: Address) {
        self.inner.ports.borrow_mut().silent.push(address);
    }

    /// Connects from `own` to `address`.
    pub(super) async fn dial(&self, own: SocketAddr, address: &Address) -> io::Result<Socket> {
        let weather = &self.inner.weather;
        let (delay, is_refused) =
            self.draw(|random| (random.within(weather.latency_us), random.chance(weather.refusals)));
        self.sleep(Duration::from_micros(delay)).await;
        if self.inner.ports.borrow().silent.contains(address) {
            pending::<()>().await;
        }
        let doors = self.inner.ports.borrow().doors.get(address).cloned().unwrap_or_default();
        if is_refused || doors.is_empty() {
            self.note(Event::Refused(u64::from(is_refused)));
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (near, far) = Link::pair(self);
        self.draw(|random| random.pick(&doors).clone()).arrive((far, own));
        Ok(near)
    }
}

impl Door {
    fn arrive(&self, caller: Caller) {
        let place = self.waiting.borrow_mut().pop();
        match place {
            Some(place) => {
                place.caller.set(Some(caller));
                place.wake();
            }
            None => self.queue.borrow_mut().push_back(caller),
        }
    }
}

impl Place {
    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// Takes an accept's place back when its future is dropped; a connection that it had got already is lost then.
struct Waiting<'l> {
    listener: &'l SimListener,
    place: Rc<Place>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.listener.door.waiting.borrow_mut().retain(|place| !Rc::ptr_eq(place, &self.place));
        if self.place.caller.take().is_some() {
            self.listener.world.fail(format_args!("law: an accept in flight was dropped, and its connection with it"));
        }
    }
}

impl SimListener {
    /// The next connection and who made it.
    pub(super) async fn next(&self) -> io::Result<Caller> {
        let door = &self.door;
        if door.is_cancelled.get() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let failures = if self.owner == Owner::Actor { 0 } else { self.world.inner.weather.accept_failures };
        if let Some(error) = self.world.draw(|random| random.chance(failures).then(|| *random.pick(ACCEPT_ERRORS))) {
            self.world.note(Event::AcceptFailed(error as u64));
            return Err(io::Error::from_raw_os_error(error));
        }
        let caller = door.queue.borrow_mut().pop_front();
        let caller = match caller {
            Some(caller) => Some(caller),
            None => self.wait().await,
        };
        let caller = caller.ok_or(io::ErrorKind::Interrupted)?;
        self.world.note(Event::Accepted(caller.0.number()));
        Ok(caller)
    }

    /// Waits for a connection; `None` when it was cancelled first.
    async fn wait(&self) -> Option<Caller> {
        let place = Rc::new(Place { caller: Cell::new(None), waker: RefCell::new(None) });
        self.door.waiting.borrow_mut().push(Rc::clone(&place));
        let waiting = Waiting { listener: self, place };
        poll_fn(|cx| {
            if let Some(caller) = waiting.place.caller.take() {
                return Poll::Ready(Some(caller));
            }
            if self.door.is_cancelled.get() {
                return Poll::Ready(None);
            }
            waiting.place.waker.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await
    }
}

impl Listener for SimListener {
    type Stream = SimStream;

    async fn accept(&self) -> io::Result<(SimStream, SocketAddr)> {
        let (socket, peer) = self.next().await?;
        Ok((SimStream::new(socket), peer))
    }

    fn cancel(&self) {
        self.door.is_cancelled.set(true);
        let waiting = self.door.waiting.take();
        waiting.iter().for_each(|place| place.wake());
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        let mut ports = self.world.inner.ports.borrow_mut();
        if let Some(doors) = ports.doors.get_mut(&self.address) {
            doors.retain(|door| !Rc::ptr_eq(door, &self.door));
        }
        drop(ports);
        self.door.queue.take().iter().for_each(|(socket, _)| socket.reset());
    }
}

/// What accept(2) fails with while the listener is sound.
const ACCEPT_ERRORS: &[i32] = &[libc::EMFILE, libc::ENFILE, libc::ECONNABORTED, libc::EPROTO];
