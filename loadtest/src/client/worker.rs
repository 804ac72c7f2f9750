//! One thread of the load: its connections, who asks when, and what is counted.
//!
//! Everything here belongs to one thread; its methods are short and never wait.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use super::connection::Connection;
use super::streams::Link;
use super::tally::{Failure, Tally};
use crate::answer::Complete;
use crate::clock::{Clock, Nanos};
use crate::target::Target;

/// Bytes received at a time, by all connections of a thread in turn.
const SCRATCH_BYTES: usize = 256 * 1024;
/// Requests that are due and wait for a connection; one more is late.
const BACKLOG_MAX: usize = 1 << 20;

/// What a thread is to do.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) clock: Clock,
    pub(super) target: Target,
    /// Its connections.
    pub(super) connections: usize,
    /// Requests at a time on each.
    pub(super) streams: usize,
    /// Requests to send, when that is what bounds the run.
    pub(super) requests: Option<u64>,
    /// When they are due, in an open loop.
    pub(super) schedule: Option<crate::schedule::Schedule>,
    pub(super) is_new_each: bool,
    pub(super) timeout: Nanos,
    pub(super) expect_status: u16,
    pub(super) expect_bytes: Option<u64>,
}

/// When a run starts, is measured from, and ends.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Times {
    pub(super) start: Nanos,
    pub(super) begin: Nanos,
    /// Never, when a number of requests bounds the run.
    pub(super) end: Nanos,
}

/// One thread's state.
pub(super) struct Worker {
    pub(super) task: Task,
    pub(super) times: Cell<Times>,
    /// One for each request at a time; over HTTP/2 these are lanes, and the connections are in `links`.
    pub(super) connections: Vec<Rc<Connection>>,
    pub(super) links: Vec<Rc<Link>>,
    pub(super) tally: RefCell<Tally>,
    pub(super) scratch: RefCell<Vec<u8>>,
    /// Requests that may still be begun.
    tickets: Cell<u64>,
    /// Requests that are on a connection.
    unfinished: Cell<usize>,
    /// Open loop: connections without a request, the one that rested longest first.
    free: RefCell<VecDeque<Rc<Connection>>>,
    /// Open loop: when those were due that wait for a connection.
    backlog: RefCell<VecDeque<Nanos>>,
    /// Open loop: when the last request was due, once it was.
    arrived_last: Cell<Option<Nanos>>,
    /// Connections are to close and their tasks to end.
    is_over: Cell<bool>,
}

impl Worker {
    pub(super) fn new(task: Task) -> Self {
        Self {
            times: Cell::default(),
            connections: (0..task.connections * task.streams).map(|_| Rc::default()).collect(),
            links: (0..task.connections).filter(|_| task.target.call.is_some()).map(|_| Rc::default()).collect(),
            tally: RefCell::default(),
            scratch: RefCell::new(vec![0; SCRATCH_BYTES]),
            tickets: Cell::new(task.requests.unwrap_or(u64::MAX)),
            unfinished: Cell::new(0),
            free: RefCell::default(),
            backlog: RefCell::default(),
            arrived_last: Cell::new(None),
            is_over: Cell::new(false),
            task,
        }
    }

    pub(super) fn now(&self) -> Nanos {
        self.task.clock.now()
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// Gives `connection`, which has none, its next request, or lets it rest.
    pub(super) fn next(&self, connection: &Rc<Connection>, now: Nanos) {
        if self.task.schedule.is_some() {
            match self.next_due(now) {
                Some(due) => self.begin(connection, due, now),
                None => self.free.borrow_mut().push_back(Rc::clone(connection)),
            }
        } else if now < self.times.get().end && self.take_ticket() {
            self.begin(connection, now, now);
        }
    }

    /// The request that waits longest for a connection. Those that waited too long are late, and gone.
    fn next_due(&self, now: Nanos) -> Option<Nanos> {
        loop {
            let due = self.backlog.borrow_mut().pop_front()?;
            if now.saturating_sub(due) <= self.task.timeout {
                return Some(due);
            }
            self.count_late(due, now);
        }
    }

    /// Takes the right to one more request.
    pub(super) fn take_ticket(&self) -> bool {
        let left = self.tickets.get();
        self.tickets.set(left.saturating_sub(1));
        left > 0
    }

    /// Open loop: a request that was due at `due` has come.
    pub(super) fn arrive(&self, due: Nanos, now: Nanos) {
        if self.is_measured(due, now) {
            self.tally.borrow_mut().send_late.saturating_record(now.saturating_sub(due));
        }
        let free = self.free.borrow_mut().pop_front();
        if let Some(connection) = free {
            self.begin(&connection, due, now);
        } else if self.backlog.borrow().len() < BACKLOG_MAX {
            self.backlog.borrow_mut().push_back(due);
        } else {
            self.count_late(due, now);
        }
    }

    /// Open loop: no more will come; the last was due at `due`.
    pub(super) fn arrived_last(&self, due: Nanos) {
        self.arrived_last.set(Some(due));
    }

    fn begin(&self, connection: &Rc<Connection>, due: Nanos, now: Nanos) {
        self.unfinished.set(self.unfinished.get() + 1);
        connection.begin(due, now.saturating_add(self.task.timeout), self.task.target.request.len());
        if let Err(failure) = connection.send(&self.task.target.request) {
            connection.close();
            self.fail(connection, failure, now);
        }
    }

    /// The request on `connection` was answered.
    pub(super) fn answered(&self, connection: &Rc<Connection>, answer: Complete, now: Nanos) {
        if !answer.is_kept || self.task.is_new_each {
            connection.close();
        }
        if answer.status != self.task.expect_status {
            return self.fail(connection, Failure::Status, now);
        }
        if self.task.expect_bytes.is_some_and(|expected| expected != answer.body_bytes) {
            return self.fail(connection, Failure::Length, now);
        }
        if let Some(due) = self.finish(connection, now) {
            self.tally.borrow_mut().done(now.saturating_sub(due), now);
        }
        self.next(connection, now);
    }

    /// The request on `connection` failed.
    pub(super) fn fail(&self, connection: &Rc<Connection>, why: Failure, now: Nanos) {
        if self.finish(connection, now).is_some() {
            self.tally.borrow_mut().failed(why, now);
        }
        self.next(connection, now);
    }

    /// Takes the request off `connection`. Returns when it was due, if it counts.
    fn finish(&self, connection: &Connection, now: Nanos) -> Option<Nanos> {
        self.unfinished.set(self.unfinished.get() - 1);
        let finished = connection.finish();
        if !self.is_measured(finished.due, now) {
            return None;
        }
        self.tally.borrow_mut().bytes_read += finished.received;
        Some(finished.due)
    }

    fn count_late(&self, due: Nanos, now: Nanos) {
        if self.is_measured(due, now) {
            self.tally.borrow_mut().failed(Failure::Late, now);
        }
    }

    /// An open loop measures what was due in the window, however long it takes: what a stall at its end delays counts. A
    /// closed loop measures what ended in the window.
    fn is_measured(&self, due: Nanos, now: Nanos) -> bool {
        let Times { begin, end, .. } = self.times.get();
        let at = if self.task.schedule.is_some() { due } else { now };
        begin <= at && at < end
    }

    /// Whether the run is over for this thread.
    pub(super) fn is_done(&self, now: Nanos) -> bool {
        let is_idle = self.unfinished.get() == 0 && self.backlog.borrow().is_empty();
        if self.task.schedule.is_none() {
            return now >= self.times.get().end || (self.tickets.get() == 0 && is_idle);
        }
        // What was due last has the same time as everybody else, to be sent and to be answered.
        let patience = self.task.timeout.saturating_mul(2);
        self.arrived_last.get().is_some_and(|due| is_idle || now >= due.saturating_add(patience))
    }

    /// Ends the connections whose request takes too long; their tasks see it.
    pub(super) fn sweep(&self, now: Nanos) {
        self.connections.iter().for_each(|connection| connection.cut_if_overdue(now));
    }

    /// Closes everything and ends the connections' tasks. What still waits is late.
    pub(super) fn end(&self, now: Nanos) {
        self.is_over.set(true);
        for due in self.backlog.take() {
            self.count_late(due, now);
        }
        self.free.take();
        self.connections.iter().for_each(|connection| connection.end());
    }
}
