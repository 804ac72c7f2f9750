//! Tasks with true wakers: a task runs when it was woken and at no other time, so a wake-up that the code under test
//! loses is lost here too. Among those that are ready the seed chooses.
#![expect(clippy::disallowed_types, reason = "a safe waker must be made of an Arc; all of this stays on one thread")]

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use super::random::Random;

/// Who a task belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// A core of the gateway. A panic in it is the gateway's.
    Core(usize),
    /// The world around the gateway.
    Actor,
}

/// What a task runs.
pub(super) type Play = Pin<Box<dyn Future<Output = ()>>>;

/// All tasks of a world, by their ids, which count up.
#[derive(Default)]
pub(super) struct Tasks {
    tasks: Vec<Option<Task>>,
    /// Tasks that were woken since they last ran.
    ready: Vec<u64>,
    woken: Arc<Mutex<Vec<u64>>>,
}

struct Task {
    owner: Owner,
    waker: Waker,
    /// `None` while it runs.
    play: Option<Play>,
    is_ready: bool,
}

/// Where the wakes of one task arrive.
struct Bell {
    task: u64,
    woken: Arc<Mutex<Vec<u64>>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner).push(self.task);
    }
}

impl Tasks {
    /// Adds a task, which is ready.
    pub(super) fn add(&mut self, owner: Owner, play: Play) {
        let task = self.tasks.len() as u64;
        let waker = Waker::from(Arc::new(Bell { task, woken: Arc::clone(&self.woken) }));
        self.tasks.push(Some(Task { owner, waker, play: Some(play), is_ready: true }));
        self.ready.push(task);
    }

    /// Takes one of the ready tasks, to be run.
    pub(super) fn take(&mut self, random: &mut Random) -> Option<(u64, Owner, Waker, Play)> {
        self.hear();
        while !self.ready.is_empty() {
            let at = random.below(self.ready.len() as u64) as usize;
            let id = self.ready.swap_remove(at);
            // A wake may come after the end.
            let Some(task) = &mut self.tasks[id as usize] else { continue };
            task.is_ready = false;
            let play = task.play.take().expect("only one task runs at a time");
            return Some((id, task.owner, task.waker.clone(), play));
        }
        None
    }

    /// Puts a task back that waits for a wake.
    pub(super) fn put_back(&mut self, id: u64, play: Play) {
        if let Some(task) = &mut self.tasks[id as usize] {
            task.play = Some(play);
        }
    }

    /// Forgets a task that is over.
    pub(super) fn end(&mut self, id: u64) {
        self.tasks[id as usize] = None;
    }

    /// Takes all tasks of `owner` out, to be dropped.
    pub(super) fn take_all(&mut self, owner: Owner) -> Vec<Play> {
        let of_owner = self.tasks.iter_mut().filter(|task| task.as_ref().is_some_and(|task| task.owner == owner));
        of_owner.filter_map(|task| task.take().and_then(|task| task.play)).collect()
    }

    /// How many tasks of `owner` are not over.
    pub(super) fn count(&self, owner: Owner) -> usize {
        self.tasks.iter().flatten().filter(|task| task.owner == owner).count()
    }

    fn hear(&mut self) {
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        for id in woken.drain(..) {
            if let Some(task) = &mut self.tasks[id as usize]
                && !std::mem::replace(&mut task.is_ready, true)
            {
                self.ready.push(id);
            }
        }
    }
}
