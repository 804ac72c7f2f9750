//! What hyperium's `h2` reads and writes: a carrier behind tokio's traits.
//!
//! `h2` flushes after many a frame. Here a flush sends nothing: frames gather, and [`Line::poll_send`], which the task of
//! the connection calls when `h2` has no more to say, sends them all at once. That is what a batch of small answers costs
//! least by, on either side.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::carrier::Carrier;

/// Bytes received at a time.
const INBOUND_BYTES: usize = 64 * 1024;
/// More than this gathers only while the socket takes nothing: then `h2` waits.
const OUTBOUND_BYTES_MAX: usize = 256 * 1024;

type Waiting = Pin<Box<dyn Future<Output = io::Result<()>>>>;

/// The end that `h2` owns.
pub struct Adapter(Rc<RefCell<Pipe>>);

/// The end that the connection's task keeps.
pub struct Line(Rc<RefCell<Pipe>>);

struct Pipe {
    carrier: Rc<Carrier>,
    /// A buffer with what has come in it: up to `filled`, and from `taken` on not yet taken.
    inbound: Box<[u8]>,
    filled: usize,
    taken: usize,
    /// What is to go, and how much of it is gone.
    outbound: Vec<u8>,
    gone: usize,
    readable: Option<Waiting>,
    writable: Option<Waiting>,
}

/// Both ends over `carrier`, from which `received` was read before.
#[must_use]
pub fn connect(carrier: &Rc<Carrier>, received: &[u8]) -> (Adapter, Line) {
    let mut inbound = vec![0; INBOUND_BYTES.max(received.len())].into_boxed_slice();
    inbound[..received.len()].copy_from_slice(received);
    let pipe = Rc::new(RefCell::new(Pipe {
        carrier: Rc::clone(carrier),
        inbound,
        filled: received.len(),
        taken: 0,
        outbound: Vec::new(),
        gone: 0,
        readable: None,
        writable: None,
    }));
    (Adapter(Rc::clone(&pipe)), Line(pipe))
}

impl Line {
    /// Sends what has gathered. Ready when all is gone.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_send(cx)
    }

    /// Runs what `h2` does to its end, and sends what that gathers.
    pub async fn drive<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        std::future::poll_fn(|cx| {
            let done = work.as_mut().poll(cx);
            // A connection that takes nothing any more shows when it is read.
            drop(self.poll_send(cx));
            done
        })
        .await
    }
}

impl Pipe {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.gone < self.outbound.len() || self.carrier.has_unsent() {
            if let Some(waiting) = &mut self.writable {
                ready!(waiting.as_mut().poll(cx))?;
                self.writable = None;
            }
            let sent = match &self.outbound[self.gone..] {
                [] => self.carrier.flush_now().map(|()| 0),
                bytes => self.carrier.send(bytes),
            };
            match sent {
                Ok(count) => self.gone += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let carrier = Rc::clone(&self.carrier);
                    self.writable = Some(Box::pin(async move { carrier.socket().writable().await }));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.outbound.clear();
        self.gone = 0;
        Poll::Ready(Ok(()))
    }

    /// Receives, when all that came before is taken.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.taken < self.filled {
            return Poll::Ready(Ok(()));
        }
        loop {
            if let Some(waiting) = &mut self.readable {
                ready!(waiting.as_mut().poll(cx))?;
                self.readable = None;
            }
            match self.carrier.receive(&mut self.inbound) {
                Ok(count) => {
                    (self.filled, self.taken) = (count, 0);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let carrier = Rc::clone(&self.carrier);
                    self.readable = Some(Box::pin(async move { carrier.socket().readable().await }));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncRead for Adapter {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let pipe = &mut *self.0.borrow_mut();
        ready!(pipe.poll_receive(cx))?;
        let count = into.remaining().min(pipe.filled - pipe.taken);
        into.put_slice(&pipe.inbound[pipe.taken..pipe.taken + count]);
        pipe.taken += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Adapter {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let pipe = &mut *self.0.borrow_mut();
        if pipe.outbound.len() >= OUTBOUND_BYTES_MAX {
            ready!(pipe.poll_send(cx))?;
        }
        pipe.outbound.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_send(cx)
    }
}
