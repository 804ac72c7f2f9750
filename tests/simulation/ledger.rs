//! What the actors of a run saw, exchange by exchange. The laws judge it when the run is over.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Poll, Waker};

use ringway::shell::sim::World;
use ringway::words::time::Instant;

use super::scenario::Scenario;
use super::tunnel::Accounts;

/// What all actors share.
pub struct Stage {
    pub world: World,
    pub scenario: Scenario,
    /// By exchange.
    pub accounts: Vec<RefCell<Account>>,
    /// Connections of clients, in the order of the scenario's visits.
    pub visits: Vec<RefCell<VisitAccount>>,
    /// By tunnel.
    pub tunnels: Accounts,
    /// Visits that are over.
    pub visits_over: Cell<usize>,
    /// When the drain was ordered.
    pub drained_from: Cell<Option<Instant>>,
    /// When the connection of some origin was used although it had spoken out of turn before.
    pub reuses: RefCell<Vec<Reuse>>,
    /// From when to when an origin's connection was open without anything to do, until the gateway closed it.
    pub idles: RefCell<Vec<(Instant, Instant)>>,
}

/// A request on a connection whose origin had sent bytes that nobody asked for.
#[derive(Clone, Copy, Debug)]
pub struct Reuse {
    pub exchange: u32,
    pub spoke_at: Instant,
    pub asked_at: Instant,
}

/// One exchange as it was seen.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// The client gave the first byte away.
    pub begun: Option<Instant>,
    /// The client gave the last byte of the head away.
    pub head_sent: Option<Instant>,
    /// The client gave all of the request away.
    pub sent: Option<Instant>,
    /// The client stopped for good within the request.
    pub stopped: Option<Instant>,
    /// The answer said that no other follows.
    pub is_last: bool,
    pub outcome: Outcome,
    /// When the outcome was known to the client.
    pub ended: Option<Instant>,
    /// Each time an origin saw the request.
    pub seen: Vec<Seen>,
}

/// What became of a request, as its client saw it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Outcome {
    /// The client still waits, or never asked.
    #[default]
    Open,
    /// A whole answer.
    Answered { status: u16, is_origins: bool, bytes: u64, is_until_close: bool },
    /// The head of an answer, and not all of its body.
    Cut { status: u16, is_origins: bool },
    /// No answer, or not all of its head.
    Closed,
    /// What an origin sent behind another exchange's answer.
    Poisoned,
}

/// A request as an origin saw it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    pub at: Instant,
    /// Bytes of its body, once it was complete.
    pub whole: Option<u64>,
    /// When the origin stopped doing anything about it.
    pub left_at: Option<Instant>,
    /// The origin gave a whole good answer away.
    pub answered_at: Option<Instant>,
}

/// A client's connection as it was seen.
#[derive(Clone, Debug, Default)]
pub struct VisitAccount {
    /// Nobody could be reached.
    pub is_refused: bool,
    pub connected: Option<Instant>,
    /// When the client last gave or got a byte.
    pub moved: Option<Instant>,
    /// When the gateway's end was seen.
    pub closed: Option<Instant>,
    /// The client is done with it.
    pub is_over: bool,
}

impl Stage {
    pub fn new(world: World, scenario: Scenario) -> Rc<Self> {
        let accounts = scenario.asks.iter().map(|_| RefCell::default()).collect();
        let visits = scenario.clients.iter().map(|_| RefCell::default()).collect();
        Rc::new(Self {
            tunnels: Accounts::new(scenario.tunnels.len()),
            world,
            scenario,
            accounts,
            visits,
            visits_over: Cell::new(0),
            drained_from: Cell::new(None),
            reuses: RefCell::default(),
            idles: RefCell::default(),
        })
    }

    /// Changes what is known of an exchange.
    pub fn account<T>(&self, exchange: u32, change: impl FnOnce(&mut Account) -> T) -> T {
        change(&mut self.accounts[exchange as usize].borrow_mut())
    }

    /// Reports a broken law.
    pub fn fail(&self, exchange: u32, what: impl std::fmt::Display) {
        self.world.fail(format_args!("exchange {exchange}: {what}"));
    }
}

/// A number that tasks wait on.
#[derive(Default)]
pub struct Mark {
    value: Cell<u32>,
    waiting: RefCell<Vec<Waker>>,
}

impl Mark {
    /// What it stands at.
    pub fn get(&self) -> u32 {
        self.value.get()
    }

    /// Raises it to `value`.
    pub fn raise(&self, value: u32) {
        self.value.set(self.value.get().max(value));
        self.waiting.take().into_iter().for_each(Waker::wake);
    }

    /// Waits until it stands at `value` or above.
    pub async fn reach(&self, value: u32) {
        std::future::poll_fn(|cx| {
            if self.value.get() >= value {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
