//! Listening sockets. An accept in flight is never dropped: it is cancelled, and its end awaited.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Poll, Waker};

use monoio::io::Canceller;
use monoio::net::TcpListener;

use super::ready::{ReadySet, Side};
use super::stream::UringStream;
use crate::shell::io::Listener;

/// A listening socket of one core.
pub struct UringListener {
    socket: TcpListener,
    canceller: RefCell<Canceller>,
    is_cancelled: Cell<bool>,
    ready: Rc<ReadySet>,
    /// On epoll, one accept at a time: the driver keeps one waker per socket, so of several that wait it would wake one
    /// when they are cancelled, and the others never.
    turn: Option<Turns>,
}

/// Who accepts, and who waits to.
#[derive(Default)]
struct Turns {
    is_taken: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

/// The right to accept; given back when dropped.
struct Turn<'t>(&'t Turns);

impl Turns {
    async fn take(&self) -> Turn<'_> {
        poll_fn(|cx| {
            if !self.is_taken.replace(true) {
                return Poll::Ready(Turn(self));
            }
            let mut waiting = self.waiting.borrow_mut();
            if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.is_taken.set(false);
        self.0.waiting.take().iter().for_each(Waker::wake_by_ref);
    }
}

impl UringListener {
    pub(super) fn new(socket: std::net::TcpListener, ready: Rc<ReadySet>) -> io::Result<Self> {
        // monoio's ring wants blocking sockets, its epoll driver non-blocking ones.
        socket.set_nonblocking(monoio::utils::is_legacy())?;
        Ok(Self {
            socket: TcpListener::from_std(socket)?,
            canceller: RefCell::new(Canceller::new()),
            is_cancelled: Cell::new(false),
            ready,
            turn: monoio::utils::is_legacy().then(Turns::default),
        })
    }
}

impl Listener for UringListener {
    type Stream = UringStream;

    async fn accept(&self) -> io::Result<(UringStream, SocketAddr)> {
        let _turn = match &self.turn {
            Some(turns) => Some(turns.take().await),
            None => None,
        };
        if self.is_cancelled.get() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let handle = self.canceller.borrow().handle();
        match self.socket.cancelable_accept(handle).await {
            Ok((stream, peer)) => Ok((UringStream::new(stream, Side::Client, &self.ready)?, peer)),
            Err(error) if error.raw_os_error() == Some(libc::ECANCELED) => Err(io::ErrorKind::Interrupted.into()),
            Err(error) => Err(error),
        }
    }

    fn cancel(&self) {
        self.is_cancelled.set(true);
        self.canceller.replace_with(|canceller| std::mem::take(canceller).cancel());
    }
}
