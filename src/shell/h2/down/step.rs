//! Dear steps of a connection's streams, a few in each turn of the loop.
//!
//! To make a connection to an upstream, or to close one, costs more than the rest of an exchange. A client may ask for
//! many at once, or leave many at once, and whoever else has a connection of this core would wait for all of them. So a
//! stream waits for its step, and passes it on in the next turn: what one client asks for is done between what others do.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::purse::Purse;
use crate::words::limits::H2_STEPS;

/// The steps of one connection in one lane.
#[derive(Default)]
pub struct Steps {
    /// Steps that are being taken.
    taken: Cell<usize>,
    /// Who waits for one, first come first.
    queue: RefCell<VecDeque<(u64, Waker)>>,
    next: Cell<u64>,
}

/// What a step is for. Who makes room does not wait for those who take it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lane {
    /// To make a connection.
    Connect,
    /// To close one.
    Close,
}

/// One stream's step: waited for, taken, and passed on when it is dropped.
pub struct Step {
    purse: Rc<Purse>,
    lane: Lane,
    number: u64,
    is_taken: bool,
    /// The task was woken for the next turn.
    is_passing: bool,
}

impl Steps {
    /// Takes one, if there is one and nobody waited longer.
    fn take(&self, number: u64) -> bool {
        let queue = &mut *self.queue.borrow_mut();
        let is_first = queue.front().is_none_or(|(first, _)| *first == number);
        let takes = is_first && self.taken.get() < H2_STEPS;
        if takes {
            self.taken.set(self.taken.get() + 1);
            queue.retain(|(other, _)| *other != number);
        }
        takes
    }

    fn wait(&self, number: u64, waker: &Waker) {
        let queue = &mut *self.queue.borrow_mut();
        match queue.iter_mut().find(|(other, _)| *other == number) {
            Some((_, known)) => known.clone_from(waker),
            None => queue.push_back((number, waker.clone())),
        }
    }

    /// Tells who waits longest that there is a step.
    fn tell(&self) {
        if self.taken.get() < H2_STEPS {
            let first = self.queue.borrow().front().map(|(_, waker)| waker.clone());
            first.iter().for_each(Waker::wake_by_ref);
        }
    }

    fn leave(&self, number: u64, was_taken: bool) {
        self.queue.borrow_mut().retain(|(other, _)| *other != number);
        self.taken.set(self.taken.get() - usize::from(was_taken));
        self.tell();
    }
}

impl Step {
    /// A step of the connection with this purse, to be waited for.
    #[must_use]
    pub fn of(purse: &Rc<Purse>, lane: Lane) -> Self {
        let steps = &purse.steps[lane as usize];
        let number = steps.next.get();
        steps.next.set(number + 1);
        Self { purse: Rc::clone(purse), lane, number, is_taken: false, is_passing: false }
    }

    /// Ready when the step may be taken.
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if !self.is_taken {
            let steps = &self.purse.steps[self.lane as usize];
            self.is_taken = steps.take(self.number);
            if !self.is_taken {
                steps.wait(self.number, cx.waker());
                return Poll::Pending;
            }
            steps.tell();
        }
        Poll::Ready(())
    }

    /// Ready in the next turn of the loop, when the step is to be passed on.
    pub fn poll_turn(&mut self, cx: &Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.is_passing, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.purse.steps[self.lane as usize].leave(self.number, self.is_taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(purse: &Rc<Purse>, lane: Lane) -> (Step, bool) {
        let mut step = Step::of(purse, lane);
        let is_ready = step.poll(&Context::from_waker(Waker::noop())).is_ready();
        (step, is_ready)
    }

    #[test]
    fn steps_are_taken_one_after_the_other_and_a_lane_does_not_wait_for_the_other() {
        let purse = Purse::new(&Rc::default());
        let cx = Context::from_waker(Waker::noop());
        let (mut first, is_first) = step(&purse, Lane::Connect);
        let (mut second, is_second) = step(&purse, Lane::Connect);
        let (third, is_third) = step(&purse, Lane::Connect);
        assert_eq!((is_first, is_second, is_third, step(&purse, Lane::Close).1), (true, false, false, true));
        assert!(first.poll_turn(&cx).is_pending() && first.poll_turn(&cx).is_ready(), "it is passed on a turn later");
        drop((first, third));
        assert!(second.poll(&cx).is_ready(), "who leaves the queue takes no step with it");
        drop(second);
        assert!(step(&purse, Lane::Connect).1);
    }
}
