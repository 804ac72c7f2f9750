//! One connection of the load: its socket, the request on it, and the task that receives its answers.
//!
//! Whoever gives a connection a request also sends it, at once; the task is only woken for what that could not do. It
//! waits for bytes even between requests, and so notices a server that closes what is idle.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::tally::Failure;
use super::worker::Worker;
use crate::answer::Answer;
use crate::carrier::Carrier;
use crate::clock::Nanos;

/// After a failed connect. A server that is away refuses at once, and asking it in a loop would measure nothing.
pub(super) const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(10);

/// A request that is over.
#[derive(Clone, Copy)]
pub(super) struct Finished {
    /// When it was due.
    pub(super) due: Nanos,
    /// Bytes received for it.
    pub(super) received: u64,
}

/// One connection of the load.
#[derive(Default)]
pub(super) struct Connection {
    carrier: RefCell<Option<Rc<Carrier>>>,
    /// The connection stands: requests may be sent.
    is_open: Cell<bool>,
    /// When the request on it was due.
    due: Cell<Option<Nanos>>,
    /// When that request has taken too long.
    deadline: Cell<Option<Nanos>>,
    /// It has.
    is_cut: Cell<bool>,
    /// Bytes of the request that are still to be sent, from its end.
    unsent: Cell<usize>,
    /// All of it is under TLS, and some of that is to be sent.
    is_unflushed: Cell<bool>,
    /// Bytes received since the request began.
    received: Cell<u64>,
    answer: RefCell<Answer>,
    /// Wakes the task.
    bell: RefCell<Option<Waker>>,
}

impl Connection {
    /// Takes a request of `bytes` that was due at `due` and may take until `deadline`.
    pub(super) fn begin(&self, due: Nanos, deadline: Nanos, bytes: usize) {
        self.due.set(Some(due));
        self.deadline.set(Some(deadline));
        self.unsent.set(bytes);
        if !self.is_open.get() {
            self.ring();
        }
    }

    /// The request on it is over, well or not.
    pub(super) fn finish(&self) -> Finished {
        self.deadline.set(None);
        self.is_cut.set(false);
        self.unsent.set(0);
        self.is_unflushed.set(false);
        Finished { due: self.due.take().expect("only a request that began ends"), received: self.received.take() }
    }

    /// Sends what of `request` is unsent, as far as the socket takes it. Without an open socket, the task will.
    pub(super) fn send(&self, request: &[u8]) -> Result<(), Failure> {
        if !self.is_open.get() {
            return Ok(());
        }
        let carrier = self.carrier.borrow();
        let carrier = carrier.as_ref().expect("an open connection has a socket");
        while self.has_unsent() {
            let sent = match self.unsent.get() {
                0 => carrier.flush_now().map(|()| 0),
                unsent => carrier.send(&request[request.len() - unsent..]),
            };
            match sent {
                Ok(count) => {
                    self.unsent.set(self.unsent.get() - count);
                    self.is_unflushed.set(carrier.has_unsent());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.ring();
                    return Ok(());
                }
                // A server that is gone before the request is there.
                Err(error) if is_end(&error) => return Err(self.unless_cut(Failure::Closed)),
                Err(_) => return Err(self.unless_cut(Failure::Write)),
            }
        }
        Ok(())
    }

    /// Something of the request is to be sent.
    fn has_unsent(&self) -> bool {
        self.unsent.get() > 0 || self.is_unflushed.get()
    }

    /// Closes the socket, if any.
    pub(super) fn close(&self) {
        self.is_open.set(false);
        self.carrier.take();
        self.answer.borrow_mut().reset();
    }

    /// Ends the socket under a request that takes too long.
    pub(super) fn cut_if_overdue(&self, now: Nanos) {
        if self.deadline.get().is_some_and(|deadline| deadline <= now) && !self.is_cut.replace(true) {
            // A lane of HTTP/2 has no socket of its own to see it by.
            self.shut();
            self.ring();
        }
    }

    /// Ends the socket, if any, and wakes the task: the run is over.
    pub(super) fn end(&self) {
        self.shut();
        self.ring();
    }

    fn shut(&self) {
        self.carrier.borrow().iter().for_each(|carrier| carrier.socket().shut());
    }

    /// Wakes the task.
    fn ring(&self) {
        self.bell.borrow().iter().for_each(Waker::wake_by_ref);
    }

    fn unless_cut(&self, failure: Failure) -> Failure {
        if self.is_cut.get() { Failure::Timeout } else { failure }
    }

    /// The request on it takes too long.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut.get()
    }

    /// So many more bytes came for the request on it.
    pub(super) fn received(&self, count: u64) {
        self.received.set(self.received.get() + count);
    }

    /// The task goes on by itself: nobody is to wake it.
    pub(super) fn forget(&self) {
        self.bell.take();
    }

    pub(super) fn remember(&self, waker: &Waker) {
        let mut bell = self.bell.borrow_mut();
        if !bell.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *bell = Some(waker.clone());
        }
    }
}

/// The connection's task: opens it when there is a request, and receives the answers.
pub(super) async fn serve(worker: Rc<Worker>, connection: Rc<Connection>) {
    worker.next(&connection, worker.now());
    while !worker.is_over() {
        let carrier = connection.carrier.borrow().clone();
        match carrier {
            Some(carrier) => {
                wait(&worker, &connection, &carrier).await;
                // Who gives it requests may have found it broken.
                if connection.is_open.get() && !worker.is_over() {
                    pump(&worker, &connection, &carrier);
                }
            }
            None if connection.due.get().is_some() => open(&worker, &connection).await,
            None => rung(&worker, &connection).await,
        }
    }
    connection.close();
}

/// Connects ahead of the load: `true` when that worked. A failure is not counted; the first request will meet it again.
pub(super) async fn prepare(worker: &Worker, connection: &Connection) -> bool {
    let is_open = match connect(worker, connection).await {
        Ok(carrier) => carrier.flush().await.is_ok(),
        Err(_) => false,
    };
    if !is_open {
        connection.close();
    }
    is_open
}

async fn connect(worker: &Worker, connection: &Connection) -> io::Result<Rc<Carrier>> {
    let target = &worker.task.target;
    let held = |carrier: &Rc<Carrier>| drop(connection.carrier.replace(Some(Rc::clone(carrier))));
    let carrier = Carrier::connect(target.address, target.tls.as_ref(), held).await?;
    worker.tally.borrow_mut().shook(carrier.is_resumed());
    connection.is_open.set(true);
    Ok(carrier)
}

/// Opens the socket for the request that waits, and sends it.
async fn open(worker: &Worker, connection: &Rc<Connection>) {
    let opened = connect(worker, connection).await.map_err(|_| connection.unless_cut(Failure::Connect));
    if worker.is_over() {
        return;
    }
    if let Err(failure) = opened.and_then(|_| connection.send(&worker.task.target.request)) {
        connection.close();
        if failure == Failure::Connect {
            monoio::time::sleep(PAUSE_AFTER_REFUSAL).await;
        }
        worker.fail(connection, failure, worker.now());
    }
}

/// Waits, without a socket, for a request.
pub(super) async fn rung(worker: &Worker, connection: &Connection) {
    poll_fn(|cx| {
        connection.remember(cx.waker());
        if connection.due.get().is_some() || worker.is_over() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Waits until the socket can be read, or written if something is unsent, or is no longer the connection's.
async fn wait(worker: &Worker, connection: &Connection, carrier: &Carrier) {
    let was_unsent = connection.has_unsent();
    let mut readable = pin!(carrier.socket().readable());
    let mut writable = pin!(carrier.socket().writable());
    poll_fn(|cx| {
        connection.remember(cx.waker());
        let is_unsent = connection.has_unsent();
        let is_changed = is_unsent != was_unsent || !connection.is_open.get() || worker.is_over();
        // What is wrong with the connection shows when it is read.
        if is_changed || readable.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if was_unsent { writable.as_mut().poll(cx).map(drop) } else { Poll::Pending }
    })
    .await;
}

/// Sends and receives what goes now.
fn pump(worker: &Worker, connection: &Rc<Connection>, carrier: &Carrier) {
    if connection.has_unsent()
        && let Err(failure) = connection.send(&worker.task.target.request)
    {
        connection.close();
        return worker.fail(connection, failure, worker.now());
    }
    let mut scratch = worker.scratch.borrow_mut();
    // As long as the socket has as much as there is room for.
    loop {
        let room = scratch.len();
        match carrier.receive(&mut scratch) {
            Ok(0) => return lost(worker, connection, None),
            Ok(count) => {
                connection.received(count as u64);
                let is_more = receive(worker, connection, &scratch[..count]);
                if !is_more || count < room {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) => return lost(worker, connection, Some(&error)),
        }
    }
}

/// Takes `bytes` of an answer. `true` when the answer goes on.
fn receive(worker: &Worker, connection: &Rc<Connection>, bytes: &[u8]) -> bool {
    if connection.due.get().is_none() {
        // Bytes that nobody asked for, between requests: the connection is good for nothing, and no request failed.
        connection.close();
        return false;
    }
    let read = connection.answer.borrow_mut().read(bytes, worker.task.target.is_head_only);
    match read {
        Ok(None) => return true,
        // An answer before the whole request is out: the rest of it would be taken for the next one.
        Ok(Some(answer)) if connection.has_unsent() => {
            connection.close();
            worker.answered(connection, answer, worker.now());
        }
        Ok(Some(answer)) => worker.answered(connection, answer, worker.now()),
        Err(_) => {
            connection.close();
            worker.fail(connection, Failure::Parse, worker.now());
        }
    }
    false
}

/// The connection ended, by `error` or orderly.
fn lost(worker: &Worker, connection: &Rc<Connection>, error: Option<&io::Error>) {
    let complete = connection.answer.borrow_mut().end();
    connection.close();
    if connection.due.get().is_none() {
        return;
    }
    let now = worker.now();
    match complete {
        Some(answer) if error.is_none() && !connection.is_cut.get() => worker.answered(connection, answer, now),
        _ => {
            let is_end = error.is_none_or(is_end);
            let failure = if is_end { Failure::Closed } else { Failure::Read };
            worker.fail(connection, connection.unless_cut(failure), now);
        }
    }
}

pub(super) fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), ConnectionReset | BrokenPipe | UnexpectedEof)
}
