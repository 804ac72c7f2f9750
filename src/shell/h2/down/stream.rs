//! The tasks in which streams are served: each serves one stream after the other, of whichever connection of its core.
//! So a stream costs no task, and an idle connection holds none.

use std::cell::Cell;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use super::face::Face;
use super::purse::Purse;
use crate::shell::connection::Downstream;
use crate::shell::core::Core;
use crate::shell::io::Io;
use crate::shell::stage::{Exit, Stage};
use crate::shell::tunnel::Tunnel;
use crate::shell::wire::Wire;
use crate::words::ids::ListenerId;

/// A task that waits for a stream. When it is dropped, the task ends.
pub struct Runner<I: Io> {
    post: Rc<Post<I>>,
    is_waiting: bool,
}

/// Where a runner is handed its streams.
struct Post<I: Io> {
    entering: Cell<Option<Box<Downstream<I>>>>,
    /// What the last stream was served with.
    spare: Cell<Option<Box<Downstream<I>>>>,
    waker: Cell<Option<Waker>>,
    is_dismissed: Cell<bool>,
}

/// The task.
struct Running<I: Io> {
    core: Rc<Core<I>>,
    post: Rc<Post<I>>,
    place: Place<I>,
}

/// What a runner is at.
enum Place<I: Io> {
    /// Nothing: it waits for a stream.
    Waiting,
    /// The exchange of a stream.
    Playing(Stage<I>),
    /// What a stream has become.
    Tunnelling(Box<Tunnel<I>>),
}

impl<I: Io> Runner<I> {
    /// A new one.
    pub fn hire(core: &Rc<Core<I>>) -> Self {
        let post = Rc::new(Post {
            entering: Cell::new(None),
            spare: Cell::new(None),
            waker: Cell::new(None),
            is_dismissed: Cell::new(false),
        });
        core.runner_begins();
        core.io.spawn(Running { core: Rc::clone(core), post: Rc::clone(&post), place: Place::Waiting });
        Self { post, is_waiting: true }
    }

    /// Something to serve a stream of the client at `peer` with, which came in by `listener`.
    pub fn downstream(
        &self, core: &Rc<Core<I>>, purse: &Rc<Purse>, listener: ListenerId, peer: SocketAddr,
    ) -> Box<Downstream<I>> {
        match self.post.spare.take() {
            Some(mut spare) => {
                (spare.listener, spare.peer) = (listener, peer);
                spare
            }
            None => Downstream::of_stream(core, Face::new(Rc::clone(purse)), listener, peer),
        }
    }

    /// Serves the stream whose request's head is in `downstream`; the runner comes back to its core when it is over.
    pub fn run(mut self, downstream: Box<Downstream<I>>) {
        self.is_waiting = false;
        self.post.entering.set(Some(downstream));
        if let Some(waker) = self.post.waker.take() {
            waker.wake_by_ref();
            self.post.waker.set(Some(waker));
        }
    }
}

impl<I: Io> Drop for Runner<I> {
    fn drop(&mut self) {
        if self.is_waiting {
            self.post.is_dismissed.set(true);
            if let Some(waker) = self.post.waker.take() {
                waker.wake();
            }
        }
    }
}

impl<I: Io> Running<I> {
    /// The stream is over. What a tunnel leaves is nothing.
    fn finish(&self, downstream: Option<Box<Downstream<I>>>) {
        if let Some(mut downstream) = downstream {
            if let Wire::Face(face) = &mut downstream.stream {
                face.end();
            }
            downstream.end();
            self.post.spare.set(Some(downstream));
        }
        self.core.give_runner(Runner { post: Rc::clone(&self.post), is_waiting: true });
    }

    /// Waits for a stream; ready with nothing when none will come.
    fn poll_stream(&self, cx: &Context<'_>) -> Poll<Option<Place<I>>> {
        let Some(downstream) = self.post.entering.take() else {
            if self.post.is_dismissed.get() {
                return Poll::Ready(None);
            }
            let known = self.post.waker.take().filter(|known| known.will_wake(cx.waker()));
            self.post.waker.set(known.or_else(|| Some(cx.waker().clone())));
            return Poll::Pending;
        };
        downstream.remember(cx.waker());
        let mut stage = self.core.stage();
        stage.enter(downstream);
        Poll::Ready(Some(Place::Playing(stage)))
    }
}

impl<I: Io> Drop for Running<I> {
    fn drop(&mut self) {
        self.core.runner_ends();
    }
}

impl<I: Io> Future for Running<I> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.place = match std::mem::replace(&mut self.place, Place::Waiting) {
                Place::Waiting => match ready!(self.poll_stream(cx)) {
                    Some(place) => place,
                    None => return Poll::Ready(()),
                },
                Place::Playing(mut stage) => {
                    let Poll::Ready(exit) = stage.poll(cx) else {
                        self.place = Place::Playing(stage);
                        return Poll::Pending;
                    };
                    self.core.give_stage(stage);
                    match exit {
                        Exit::Http(downstream, _) => {
                            self.finish(Some(downstream));
                            Place::Waiting
                        }
                        Exit::Tunnel(tunnel) => Place::Tunnelling(tunnel),
                    }
                }
                Place::Tunnelling(mut tunnel) => {
                    if tunnel.poll(cx).is_pending() {
                        self.place = Place::Tunnelling(tunnel);
                        return Poll::Pending;
                    }
                    drop(tunnel);
                    self.finish(None);
                    Place::Waiting
                }
            };
        }
    }
}
