//! HTTP/2: several lanes, each with a request at a time, share a connection and its `h2`.
//!
//! To the worker a lane is a connection that never has a socket of its own: it is given requests, and its task asks them.
//! A connection that is lost fails what is on it, and the next lane that asks makes another.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{Builder, SendRequest};
use monoio::task::JoinHandle;

use super::connection::{Connection, PAUSE_AFTER_REFUSAL, is_end, rung};
use super::tally::Failure;
use super::worker::Worker;
use crate::answer::Complete;
use crate::carrier::Carrier;
use crate::line;
use crate::target::Call;

/// What a server may send unasked, for one answer and for all of a connection: no server is to wait for the load.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 64 * 1024 * 1024;

/// One connection with many lanes.
#[derive(Default)]
pub(super) struct Link {
    state: RefCell<State>,
    /// Counts the connections that were made, so that an old one's end does not close a new one.
    number: Cell<u64>,
    /// Lanes that wait for the connection that another one makes.
    waiting: RefCell<Vec<Waker>>,
    carrier: RefCell<Option<Rc<Carrier>>>,
    drivers: RefCell<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
enum State {
    #[default]
    Closed,
    Opening,
    Open(SendRequest<Bytes>),
}

impl Link {
    /// A handle to ask by; connects if need be, which one lane does for all.
    async fn sender(self: &Rc<Self>, worker: &Worker) -> io::Result<SendRequest<Bytes>> {
        poll_fn(|cx| match &*self.state.borrow() {
            State::Opening => {
                self.waiting.borrow_mut().push(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        })
        .await;
        if let State::Open(sender) = &*self.state.borrow() {
            return Ok(sender.clone());
        }
        self.open(worker).await
    }

    /// Connects, and lets `h2` begin. Also ahead of the load.
    pub(super) async fn open(self: &Rc<Self>, worker: &Worker) -> io::Result<SendRequest<Bytes>> {
        self.state.replace(State::Opening);
        let opening = Opening(self);
        let target = &worker.task.target;
        let held = |carrier: &Rc<Carrier>| drop(self.carrier.replace(Some(Rc::clone(carrier))));
        let carrier = Carrier::connect(target.address, target.tls.as_ref(), held).await?;
        worker.tally.borrow_mut().shook(carrier.is_resumed());
        let (adapter, line) = line::connect(&carrier, &[]);
        let mut builder = Builder::new();
        builder.initial_window_size(STREAM_WINDOW_BYTES).initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        let begun = line.drive(builder.enable_push(false).handshake(adapter)).await;
        let (sender, connection) = begun.map_err(io::Error::other)?;
        let (link, number) = (Rc::clone(self), self.number.get() + 1);
        self.number.set(number);
        let driver = monoio::spawn(async move {
            // What ends it, its streams are told as well.
            line.drive(connection).await.ok();
            if link.number.get() == number {
                link.state.replace(State::Closed);
            }
        });
        self.drivers.borrow_mut().push(driver);
        self.state.replace(State::Open(sender.clone()));
        drop(opening);
        Ok(sender)
    }

    /// Ends the connection, and returns when its task has ended.
    pub(super) async fn end(&self) {
        self.state.replace(State::Closed);
        self.carrier.take().iter().for_each(|carrier| carrier.socket().shut());
        for driver in self.drivers.take() {
            driver.await;
        }
    }
}

/// A connection in the making: whatever becomes of it, those that wait go on.
struct Opening<'l>(&'l Link);

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.borrow_mut();
        if matches!(*state, State::Opening) {
            *state = State::Closed;
        }
        self.0.waiting.take().into_iter().for_each(Waker::wake);
    }
}

/// A lane's task: asks what the lane is given.
pub(super) async fn serve(worker: Rc<Worker>, lane: Rc<Connection>, link: Rc<Link>) {
    worker.next(&lane, worker.now());
    loop {
        rung(&worker, &lane).await;
        if worker.is_over() {
            return;
        }
        match uncut(&worker, &lane, ask(&worker, &lane, &link)).await {
            Some(Ok(answer)) => worker.answered(&lane, answer, worker.now()),
            Some(Err(failure)) => worker.fail(&lane, failure, worker.now()),
            None if worker.is_over() => return,
            None => worker.fail(&lane, Failure::Timeout, worker.now()),
        }
    }
}

/// What `asking` comes to, or `None` when it takes too long or the run is over.
async fn uncut<T>(worker: &Worker, lane: &Connection, asking: impl Future<Output = T>) -> Option<T> {
    let mut asking = pin!(asking);
    poll_fn(|cx| {
        if let Poll::Ready(done) = asking.as_mut().poll(cx) {
            lane.forget();
            return Poll::Ready(Some(done));
        }
        lane.remember(cx.waker());
        if lane.is_cut() || worker.is_over() { Poll::Ready(None) } else { Poll::Pending }
    })
    .await
}

/// Asks once.
async fn ask(worker: &Worker, lane: &Connection, link: &Rc<Link>) -> Result<Complete, Failure> {
    let call = worker.task.target.call.as_ref().expect("only a load of HTTP/2 has lanes");
    let mut sender = match link.sender(worker).await {
        Ok(sender) => sender,
        Err(_) => {
            monoio::time::sleep(PAUSE_AFTER_REFUSAL).await;
            return Err(Failure::Connect);
        }
    };
    poll_fn(|cx| sender.poll_ready(cx)).await.map_err(|error| failure(&error))?;
    let is_bare = call.body.is_empty();
    let (answer, mut body) = sender.send_request(call.request(), is_bare).map_err(|error| failure(&error))?;
    if !is_bare {
        body.send_data(call.body.clone(), true).map_err(|error| failure(&error))?;
    }
    let (head, mut content) = answer.await.map_err(|error| failure(&error))?.into_parts();
    let body_bytes = count(lane, &mut content).await.map_err(|error| failure(&error))?;
    if call.is_grpc && !has_succeeded(&mut content).await.map_err(|error| failure(&error))? {
        return Err(Failure::Trailers);
    }
    Ok(Complete { status: head.status.as_u16(), body_bytes, is_kept: true })
}

/// The length of the content, which is thrown away.
async fn count(lane: &Connection, content: &mut RecvStream) -> Result<u64, h2::Error> {
    let mut total = 0;
    while let Some(piece) = content.data().await {
        let length = piece?.len();
        content.flow_control().release_capacity(length)?;
        total += length as u64;
    }
    lane.received(total);
    Ok(total)
}

/// Whether the trailers say that the call went well.
async fn has_succeeded(content: &mut RecvStream) -> Result<bool, h2::Error> {
    let trailers = content.trailers().await?;
    Ok(trailers.is_some_and(|trailers| trailers.get(Call::STATUS).is_some_and(|status| status == "0")))
}

fn failure(error: &h2::Error) -> Failure {
    match error.get_io() {
        Some(error) if is_end(error) => Failure::Closed,
        Some(_) => Failure::Read,
        None if error.is_remote() => Failure::Closed,
        // Our own verdict on what the server sent.
        None => Failure::Parse,
    }
}
