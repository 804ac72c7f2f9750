//! Where exchanges run: memory that a connection holds only while it is not at rest.
//!
//! An exchange's future is some kilobytes. Were it part of the connection's task, every idle connection would hold it;
//! were it boxed for each exchange, each would allocate and copy it. So a stage is one future that plays exchange after
//! exchange, of whichever connection enters, and never ends.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::connection::{Downstream, converse};
use super::exchange::Next;
use super::io::Io;
use super::tunnel::Tunnel;

/// What comes back from an exchange.
pub enum Exit<I: Io> {
    /// The connection, and what becomes of it.
    Http(Box<Downstream<I>>, Next),
    /// What the connection has become.
    Tunnel(Box<Tunnel<I>>),
}

/// A stage, empty or with one exchange on it.
pub struct Stage<I: Io> {
    wings: Rc<Wings<I>>,
    play: Pin<Box<dyn Future<Output = ()>>>,
}

/// Through here connections enter the play and leave it.
struct Wings<I: Io> {
    entering: Cell<Option<Box<Downstream<I>>>>,
    leaving: Cell<Option<Exit<I>>>,
}

impl<I: Io> Stage<I> {
    /// An empty stage.
    #[must_use]
    pub fn new() -> Self {
        let wings = Rc::new(Wings { entering: Cell::new(None), leaving: Cell::new(None) });
        let play = Box::pin(perform(Rc::clone(&wings)));
        Self { wings, play }
    }

    /// Lets `downstream` enter; the stage must be empty.
    pub fn enter(&mut self, downstream: Box<Downstream<I>>) {
        self.wings.entering.set(Some(downstream));
    }

    /// Reads a head from the connection that entered and runs its exchange.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Exit<I>> {
        let play = self.play.as_mut().poll(cx);
        debug_assert!(play.is_pending(), "the play goes on");
        self.wings.leaving.take().map_or(Poll::Pending, Poll::Ready)
    }
}

impl<I: Io> Default for Stage<I> {
    fn default() -> Self {
        Self::new()
    }
}

async fn perform<I: Io>(wings: Rc<Wings<I>>) {
    loop {
        let downstream = poll_fn(|_| wings.entering.take().map_or(Poll::Pending, Poll::Ready)).await;
        let exit = converse(downstream).await;
        wings.leaving.set(Some(exit));
    }
}
