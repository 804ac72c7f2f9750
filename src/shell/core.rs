//! A core: everything one pinned thread owns. Access is by short synchronous methods, so no borrow crosses an await.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::Waker;

use super::buffers::{Buffers, Spares};
use super::h2::down::stream::Runner;
use super::io::Io;
use super::keyring::SharedKeyring;
use super::mail::{Row, SharedLink, SharedPlan};
use super::serving::{Serving, SharedServing};
use super::stage::Stage;
use super::tls::desk::Desk;
use super::tunnels::{Through, Tunnels};
use super::work::Drafts;
use crate::proto::h1::encode::{DATE_BYTES, date};
use crate::words::fault::Kind;
use crate::words::ids::{CoreId, ListenerId};
use crate::words::limits::LOG_BUFFER_BYTES;
use crate::words::time::Instant;

/// How far a core's life is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    /// Accepting and serving.
    Serving,
    /// Finishing what is in flight.
    Draining,
    /// Cutting what is left.
    Cutting,
}

/// The state of one core.
pub struct Core<I: Io> {
    /// The way to the world.
    pub io: I,
    /// Which core.
    pub id: CoreId,
    /// The mail with control.
    pub link: SharedLink,
    /// Spare buffers.
    pub buffers: Rc<RefCell<Buffers>>,
    /// Where heads are drafted.
    pub drafts: RefCell<Drafts>,
    /// What its TLS connections share.
    pub desk: Rc<Desk>,
    serving: RefCell<SharedServing<I>>,
    plan: RefCell<Rc<SharedPlan>>,
    keyring: RefCell<SharedKeyring>,
    phase: Cell<Phase>,
    cut_at: Cell<Instant>,
    connections: RefCell<Connections>,
    log: RefCell<Vec<u8>>,
    date: RefCell<(u64, [u8; DATE_BYTES])>,
    in_flight: Cell<u64>,
    trunks: Cell<usize>,
    stages: RefCell<Spares<Stage<I>>>,
    runners: RefCell<Spares<Runner<I>>>,
    /// Tasks for streams, spare ones and others.
    running: Cell<usize>,
    tunnels: RefCell<Tunnels>,
}

/// Spare stages kept.
const STAGES_SPARE: usize = 1024;
/// Spare tasks for streams kept.
const RUNNERS_SPARE: usize = 1024;

/// Downstream connections: how many there are, and how to wake them.
#[derive(Default)]
struct Connections {
    /// Wakers by slot; a free slot is `None`.
    wakers: Vec<Option<Waker>>,
    free: Vec<u32>,
    open: usize,
    by_listener: Vec<u64>,
    by_address: HashMap<IpAddr, u64>,
}

impl Connections {
    fn check_room(&self, listener: ListenerId, most: u64) -> Result<(), Kind> {
        if self.by_listener[listener.index()] >= most { Err(Kind::WorkerConnections) } else { Ok(()) }
    }

    fn occupy(&mut self, address: IpAddr, most: u64) -> Result<(), Kind> {
        let of_address = self.by_address.entry(address).or_insert(0);
        if *of_address >= most {
            return Err(Kind::AddressConnections);
        }
        *of_address += 1;
        Ok(())
    }

    fn take(&mut self) -> Seat {
        Seat(self.free.pop().unwrap_or_else(|| {
            self.wakers.push(None);
            u32::try_from(self.wakers.len() - 1).expect("descriptors and streams are fewer than 2^32")
        }))
    }

    fn give(&mut self, seat: Seat) {
        self.wakers[seat.0 as usize] = None;
        self.free.push(seat.0);
    }
}

/// A connection's place in its core, until [`Core::leave`]. It does not give itself back: that would take a copy of all
/// that its connection knows already.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Seat(u32);

impl<I: Io> Core<I> {
    /// A core that serves `plan`.
    #[must_use]
    pub fn new(io: I, id: CoreId, plan: SharedPlan, link: SharedLink) -> Rc<Self> {
        let connections = Connections { by_listener: vec![0; plan.listeners.len()], ..Connections::default() };
        Rc::new(Self {
            io,
            id,
            buffers: Rc::default(),
            drafts: RefCell::default(),
            desk: Desk::new(SharedLink::clone(&link)),
            serving: RefCell::new(Rc::new(RefCell::new(Serving::new(
                SharedPlan::clone(&plan),
                SharedLink::clone(&link),
            )))),
            plan: RefCell::new(Rc::new(plan)),
            keyring: RefCell::default(),
            phase: Cell::new(Phase::Serving),
            cut_at: Cell::new(Instant::NEVER),
            connections: RefCell::new(connections),
            log: RefCell::default(),
            link,
            date: RefCell::new((u64::MAX, [0; DATE_BYTES])),
            in_flight: Cell::new(0),
            trunks: Cell::new(0),
            stages: RefCell::default(),
            runners: RefCell::default(),
            running: Cell::new(0),
            tunnels: RefCell::default(),
        })
    }

    /// The plan to begin an exchange with: an exchange sees one plan only.
    pub fn plan(&self) -> Rc<SharedPlan> {
        Rc::clone(&self.plan.borrow())
    }

    /// The state beside the plan of now.
    pub fn serving(&self) -> SharedServing<I> {
        Rc::clone(&self.serving.borrow())
    }

    /// Serves by `plan` from the next exchange on. State is carried over by name; what was counted until now is
    /// reported first, because counts go by the ids of their plan.
    pub fn adopt(&self, plan: SharedPlan) {
        let next = self.serving.borrow().borrow_mut().succeed(SharedPlan::clone(&plan));
        self.serving.borrow().borrow_mut().publish();
        self.serving.replace(Rc::new(RefCell::new(next)));
        let ended = self.tunnels.borrow_mut().adopt(&plan);
        self.plan.replace(Rc::new(plan));
        ended.into_iter().for_each(|seat| self.wake(seat));
    }

    /// A tunnel begins at `seat` through the route of this name.
    pub fn begin_tunnel(&self, route: &str, seat: Seat) -> Rc<Through> {
        Row::add(&self.link.row.tunnels_opened, 1);
        Row::add(&self.link.row.tunnels, 1);
        self.tunnels.borrow_mut().begin(route, seat, &self.plan())
    }

    /// The tunnel at `seat` is over.
    pub fn end_tunnel(&self, route: &str, through: &Through, seat: Seat) {
        Row::store(&self.link.row.tunnels, Row::load(&self.link.row.tunnels).saturating_sub(1));
        self.tunnels.borrow_mut().end(route, through, seat);
    }

    /// The TLS configurations of now; a handshake keeps the one that it began with.
    pub fn keyring(&self) -> SharedKeyring {
        SharedKeyring::clone(&self.keyring.borrow())
    }

    /// Speaks TLS by `keyring` from the next handshake on.
    pub fn set_keyring(&self, keyring: SharedKeyring) {
        self.serving().borrow_mut().keyring = SharedKeyring::clone(&keyring);
        self.keyring.replace(keyring);
    }

    /// How far the core's life is.
    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Begins to drain; whatever is left at `cut_at` is cut.
    pub fn drain(&self, cut_at: Instant) {
        self.phase.set(Phase::Draining);
        self.cut_at.set(cut_at);
        self.wake_all();
    }

    /// Cuts what is left once its time is over.
    pub fn cut_if_due(&self, now: Instant) {
        if self.phase.get() == Phase::Draining && now >= self.cut_at.get() {
            self.phase.set(Phase::Cutting);
            self.wake_all();
        }
    }

    /// Downstream connections open now.
    pub fn open_connections(&self) -> usize {
        self.connections.borrow().open
    }

    /// Those of one client.
    pub fn open_connections_of(&self, address: IpAddr) -> u64 {
        self.connections.borrow().by_address.get(&address).copied().unwrap_or(0)
    }

    /// A place for a new connection.
    ///
    /// # Errors
    /// Which limit is reached.
    pub fn seat(&self, listener: ListenerId, address: IpAddr) -> Result<Seat, Kind> {
        let limits = self.plan().listeners[listener.index()].limits;
        let connections = &mut *self.connections.borrow_mut();
        connections.check_room(listener, limits.connections)?;
        connections.occupy(address, limits.connections_per_address)?;
        Ok(self.sit(connections, listener))
    }

    /// A place for a new connection whose client is not known yet.
    ///
    /// # Errors
    /// When there are too many connections.
    pub fn reserve(&self, listener: ListenerId) -> Result<Seat, Kind> {
        let most = self.plan().listeners[listener.index()].limits.connections;
        let connections = &mut *self.connections.borrow_mut();
        connections.check_room(listener, most)?;
        Ok(self.sit(connections, listener))
    }

    /// The client of a place that was reserved is at `address`.
    ///
    /// # Errors
    /// When that client has too many connections.
    pub fn occupy(&self, listener: ListenerId, address: IpAddr) -> Result<(), Kind> {
        let most = self.plan().listeners[listener.index()].limits.connections_per_address;
        self.connections.borrow_mut().occupy(address, most)
    }

    fn sit(&self, connections: &mut Connections, listener: ListenerId) -> Seat {
        connections.by_listener[listener.index()] += 1;
        connections.open += 1;
        let seat = connections.take();
        self.serving().borrow_mut().meter.opened(listener);
        Row::store(&self.link.row.connections, connections.open as u64);
        Row::add(&self.link.row.accepted, 1);
        seat
    }

    /// A place for a task that serves a connection which has its own: it is woken as connections are, and counts as none.
    pub fn side_seat(&self) -> Seat {
        self.connections.borrow_mut().take()
    }

    /// Takes back what [`Core::side_seat`] gave.
    pub fn leave_side(&self, seat: Seat) {
        self.connections.borrow_mut().give(seat);
    }

    /// Says how to wake the connection's task when the core's phase changes.
    pub fn remember(&self, seat: Seat, waker: &Waker) {
        let slot = &mut self.connections.borrow_mut().wakers[seat.0 as usize];
        if !slot.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *slot = Some(waker.clone());
        }
    }

    /// Takes back the place that `listener` and `address` were given.
    pub fn leave(&self, seat: Seat, listener: ListenerId, address: IpAddr) {
        self.give_up(seat, listener);
        let connections = &mut *self.connections.borrow_mut();
        if let Some(of_address) = connections.by_address.get_mut(&address) {
            *of_address -= 1;
            if *of_address == 0 {
                connections.by_address.remove(&address);
            }
        }
    }

    /// Takes back a place that [`Core::reserve`] gave.
    pub fn give_up(&self, seat: Seat, listener: ListenerId) {
        let connections = &mut *self.connections.borrow_mut();
        connections.give(seat);
        connections.open -= 1;
        connections.by_listener[listener.index()] -= 1;
        self.serving().borrow_mut().meter.closed(listener);
        Row::store(&self.link.row.connections, connections.open as u64);
    }

    /// A stage for an exchange.
    pub fn stage(&self) -> Stage<I> {
        self.stages.borrow_mut().take().unwrap_or_default()
    }

    /// Takes a stage back whose exchange is over.
    pub fn give_stage(&self, stage: Stage<I>) {
        self.stages.borrow_mut().give(stage, STAGES_SPARE);
    }

    /// A task for a stream of HTTP/2.
    pub fn runner(self: &Rc<Self>) -> Runner<I> {
        let spare = self.runners.borrow_mut().take();
        spare.unwrap_or_else(|| Runner::hire(self))
    }

    /// Takes a runner back whose stream is over.
    pub fn give_runner(&self, runner: Runner<I>) {
        self.runners.borrow_mut().give(runner, RUNNERS_SPARE);
    }

    /// Ends the tasks that wait for streams: none will come. True when they are gone.
    pub fn dismiss_runners(&self) -> bool {
        self.runners.take();
        self.running.get() == 0
    }

    /// A task for streams has begun.
    pub fn runner_begins(&self) {
        self.running.set(self.running.get() + 1);
    }

    /// A task for streams is over.
    pub fn runner_ends(&self) {
        self.running.set(self.running.get() - 1);
    }

    /// Frees the buffers, workspaces, stages and runners that were not needed since the last call, and says how many
    /// those are.
    pub fn trim(&self) -> usize {
        self.buffers.borrow_mut().trim()
            + self.stages.borrow_mut().trim()
            + self.runners.borrow_mut().trim()
            + self.desk.trim()
    }

    /// `Date` of now (RFC 9110 6.6.1), formatted once a second.
    pub fn date(&self) -> Ref<'_, [u8; DATE_BYTES]> {
        let second = self.io.wall().as_secs();
        if self.date.borrow().0 != second {
            *self.date.borrow_mut() = (second, date(self.io.wall()));
        }
        Ref::map(self.date.borrow(), |date| &date.1)
    }

    /// Lets `write` add a line to the log; counts it as dropped when the log is full.
    pub fn log(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut log: RefMut<'_, Vec<u8>> = self.log.borrow_mut();
        if log.len() >= LOG_BUFFER_BYTES {
            Row::add(&self.link.row.log_dropped, 1);
        } else {
            write(&mut log);
        }
    }

    /// Hands the log over to its writer, if it has room.
    pub fn flush_log(&self) {
        let log = &mut *self.log.borrow_mut();
        if !log.is_empty() {
            self.link.push_log(log);
        }
    }

    /// Tasks of shared upstream connections, made or being made.
    pub fn trunks(&self) -> usize {
        self.trunks.get()
    }

    /// Counts one of them as begun.
    pub fn trunk_begins(&self) {
        self.trunks.set(self.trunks.get() + 1);
    }

    /// Counts one of them as over.
    pub fn trunk_ends(&self) {
        self.trunks.set(self.trunks.get() - 1);
    }

    /// Counts an exchange as begun.
    pub fn exchange_begins(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
        Row::add(&self.link.row.exchanges, 1);
        Row::store(&self.link.row.in_flight, self.in_flight.get());
    }

    /// Counts an exchange as over.
    pub fn exchange_ends(&self) {
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
        Row::store(&self.link.row.in_flight, self.in_flight.get());
    }

    fn wake(&self, seat: Seat) {
        let waker = self.connections.borrow().wakers[seat.0 as usize].clone();
        waker.iter().for_each(Waker::wake_by_ref);
    }

    fn wake_all(&self) {
        let wakers: Vec<Waker> = self.connections.borrow().wakers.iter().flatten().cloned().collect();
        wakers.iter().for_each(Waker::wake_by_ref);
    }
}
