//! The world of one run: its clock, its agenda, its tasks and its chance.
//!
//! Time stands while anything is ready to run, and jumps to the next entry of the agenda when nothing is. Whatever the
//! seed decides is drawn from one sequence in the order in which it happens, so a seed is a run.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::link::Link;
use super::ports::Ports;
use super::random::Random;
use super::tasks::{Owner, Tasks};
use super::trace::{Event, Trace};
use super::weather::Weather;
use crate::words::time::Instant;

/// A handle to a world; cloning it clones the handle.
#[derive(Clone)]
pub struct World {
    pub(super) inner: Rc<Inner>,
}

/// What all handles share.
pub(super) struct Inner {
    pub(super) weather: Weather,
    pub(super) ports: RefCell<Ports>,
    /// Operations that the running task may still do in this poll.
    pub(super) budget: Cell<u64>,
    now: Cell<Instant>,
    random: RefCell<Random>,
    tasks: RefCell<Tasks>,
    agenda: RefCell<BinaryHeap<Reverse<Entry>>>,
    entries: Cell<u64>,
    links: Cell<u64>,
    trace: RefCell<Trace>,
    failures: RefCell<Vec<String>>,
    panics: Cell<u64>,
}

/// Something that happens at a time. Entries of one time happen in the order in which they were made.
struct Entry {
    at: Instant,
    number: u64,
    due: Due,
}

/// What happens.
pub(super) enum Due {
    /// A task is woken.
    Wake(Waker),
    /// What is on its way to this side of a link and due arrives.
    Arrival(Rc<Link>, usize),
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// How a stretch of a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pause {
    /// What was waited for has come.
    Reached,
    /// The time was over first.
    Late,
    /// Nothing can happen any more: every task waits, and nothing will wake one.
    Quiet,
    /// The tasks run on and on without letting time pass.
    Spinning,
}

impl World {
    /// An empty world of `seed`.
    #[must_use]
    pub fn new(seed: u64, weather: Weather, is_printed: bool) -> Self {
        Self {
            inner: Rc::new(Inner {
                weather,
                ports: RefCell::default(),
                budget: Cell::new(u64::MAX),
                now: Cell::new(Instant::from_nanos(0)),
                random: RefCell::new(Random::new(seed)),
                tasks: RefCell::default(),
                agenda: RefCell::default(),
                entries: Cell::new(0),
                links: Cell::new(0),
                trace: RefCell::new(Trace::new(is_printed)),
                failures: RefCell::default(),
                panics: Cell::new(0),
            }),
        }
    }

    /// Virtual time since the world began.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.inner.now.get()
    }

    /// Draws from the world's chance.
    pub fn draw<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        draw(&mut self.inner.random.borrow_mut())
    }

    /// Adds a task of the world around the gateway.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.spawn_for(Owner::Actor, task);
    }

    pub(super) fn spawn_for(&self, owner: Owner, task: impl Future<Output = ()> + 'static) {
        self.inner.tasks.borrow_mut().add(owner, Box::pin(task));
    }

    /// Waits.
    pub async fn sleep(&self, span: Duration) {
        let until = self.now().after(span);
        let mut is_armed = false;
        poll_fn(|cx| {
            if self.now() >= until {
                return Poll::Ready(());
            }
            if !std::mem::replace(&mut is_armed, true) {
                self.due_at(until, Due::Wake(cx.waker().clone()));
            }
            Poll::Pending
        })
        .await;
    }

    /// Puts something on the agenda.
    pub(super) fn due_at(&self, at: Instant, due: Due) {
        let number = self.inner.entries.get();
        self.inner.entries.set(number + 1);
        self.inner.agenda.borrow_mut().push(Reverse(Entry { at: at.max(self.now()), number, due }));
    }

    /// Runs until `is_reached`, at most to the time `until`.
    pub fn run(&self, until: Instant, is_reached: impl Fn() -> bool) -> Pause {
        let mut polls = 0;
        loop {
            if is_reached() {
                return Pause::Reached;
            }
            if self.run_one() {
                polls += 1;
                if polls > POLLS_PER_INSTANT {
                    return Pause::Spinning;
                }
                continue;
            }
            polls = 0;
            match self.next_due() {
                None => return Pause::Quiet,
                Some(at) if at > until => return Pause::Late,
                Some(at) => self.jump_to(at),
            }
        }
    }

    /// Runs one of the ready tasks; false when there is none.
    fn run_one(&self) -> bool {
        let taken = self.inner.tasks.borrow_mut().take(&mut self.inner.random.borrow_mut());
        let Some((id, owner, waker, mut play)) = taken else { return false };
        self.note(Event::Poll(id));
        self.inner.budget.set(self.draw(|random| random.within(self.inner.weather.operations_per_poll)));
        let polled = catch_unwind(AssertUnwindSafe(|| play.as_mut().poll(&mut Context::from_waker(&waker))));
        match polled {
            Ok(Poll::Pending) => self.inner.tasks.borrow_mut().put_back(id, play),
            Ok(Poll::Ready(())) => self.forget(id),
            Err(_) => {
                self.inner.panics.set(self.inner.panics.get() + 1);
                self.fail(format_args!("a task of {owner:?} panicked"));
                self.forget(id);
            }
        }
        true
    }

    fn forget(&self, id: u64) {
        self.note(Event::End(id));
        self.inner.tasks.borrow_mut().end(id);
    }

    fn next_due(&self) -> Option<Instant> {
        self.inner.agenda.borrow().peek().map(|Reverse(entry)| entry.at)
    }

    /// Lets all that is due at `at` happen.
    fn jump_to(&self, at: Instant) {
        self.inner.now.set(at);
        loop {
            let mut agenda = self.inner.agenda.borrow_mut();
            if agenda.peek().is_none_or(|Reverse(entry)| entry.at > at) {
                return;
            }
            let Some(Reverse(Entry { due, .. })) = agenda.pop() else { return };
            drop(agenda);
            match due {
                Due::Wake(waker) => waker.wake(),
                Due::Arrival(link, side) => link.arrive(self, side),
            }
        }
    }

    /// How many tasks of `owner` are not over.
    #[must_use]
    pub fn tasks(&self, owner: Owner) -> usize {
        self.inner.tasks.borrow().count(owner)
    }

    /// Drops all tasks of `owner`, as the end of a core's event loop does.
    pub fn stop(&self, owner: Owner) {
        let tasks = self.inner.tasks.borrow_mut().take_all(owner);
        drop(tasks);
    }

    /// Ends the world: drops all tasks and all that is on the agenda, which hold the world in turn.
    pub fn end(&self) {
        let tasks = self.inner.tasks.take();
        drop(tasks);
        let agenda = self.inner.agenda.take();
        drop(agenda);
        let ports = self.inner.ports.take();
        drop(ports);
        // What the ends of those put there.
        let agenda = self.inner.agenda.take();
        drop(agenda);
    }

    /// Reports that a law is broken.
    pub fn fail(&self, what: fmt::Arguments<'_>) {
        self.say(format_args!("BROKEN: {what}"));
        self.inner.failures.borrow_mut().push(format!("{:?} {what}", self.now()));
    }

    /// What was reported so far.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        self.inner.failures.borrow().clone()
    }

    /// Adds a remark to the printed trace.
    pub fn say(&self, words: fmt::Arguments<'_>) {
        self.inner.trace.borrow().say(self.now(), words);
    }

    /// The hash of all that happened so far.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.inner.trace.borrow().hash()
    }

    /// How many events there were so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.inner.trace.borrow().events()
    }

    pub(super) fn note(&self, event: Event) {
        self.inner.trace.borrow_mut().add(self.now(), event);
    }

    pub(super) fn next_link(&self) -> u64 {
        let number = self.inner.links.get();
        self.inner.links.set(number + 1);
        number
    }

    pub(super) fn panics(&self) -> u64 {
        self.inner.panics.get()
    }
}

/// So many polls without time passing are no run any more: no honest task needs a hundredth of them.
const POLLS_PER_INSTANT: u64 = 200_000;
