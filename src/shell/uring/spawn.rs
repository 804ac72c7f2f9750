//! Tasks that cannot hurt their neighbours: a panic ends one task, and a task that wakes itself waits its turn.
//!
//! monoio puts a task that is woken during its own poll at the front of the run queue, and reaps completions only
//! when the queue is empty. A task that yields by waking itself would therefore starve every socket of the core. So
//! each task has a waker of ours, which notices such a wake; it is put off until the loop has been through the kernel.
#![expect(unsafe_code, reason = "builds a waker over a reference count of this thread and pins a field")]

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use super::Shared;

/// Runs `task` on this core's queue.
pub(super) fn spawn(shared: &Rc<Shared>, task: impl Future<Output = ()> + 'static) {
    let bell = Rc::new(Bell {
        outer: Cell::new(None),
        is_polling: Cell::new(false),
        is_woken: Cell::new(false),
        thread: thread_mark(),
    });
    // Dropping the handle detaches the task.
    drop(monoio::spawn(Guarded { shared: Rc::clone(shared), bell, task }));
}

/// A task with its own waker and a floor under its panics.
struct Guarded<F> {
    shared: Rc<Shared>,
    bell: Rc<Bell>,
    task: F,
}

impl<F: Future<Output = ()>> Future for Guarded<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: `task` is never moved out of `self`; the other fields are not pinned.
        let (shared, bell, task) = unsafe {
            let this = self.get_unchecked_mut();
            (&this.shared, &this.bell, Pin::new_unchecked(&mut this.task))
        };
        bell.remember(cx.waker());
        let waker = waker_of(bell);
        bell.is_polling.set(true);
        BUDGET.set(SYSTEM_CALLS_PER_POLL);
        let polled = catch_unwind(AssertUnwindSafe(|| task.poll(&mut Context::from_waker(&waker))));
        bell.is_polling.set(false);
        match polled {
            Ok(Poll::Pending) => {
                if bell.is_woken.take() {
                    shared.ready.put_off(cx.waker().clone());
                }
                Poll::Pending
            }
            Ok(Poll::Ready(())) => Poll::Ready(()),
            Err(_) => {
                // The panic hook has printed it. What the task owned, its connections first of all, is dropped.
                shared.panics.set(shared.panics.get() + 1);
                Poll::Ready(())
            }
        }
    }
}

/// System calls on streams that a task may make in one poll; then the others have their turn. Enough for
/// some pipelined requests, too few for one busy client to be noticed by the others.
const SYSTEM_CALLS_PER_POLL: u32 = 32;

thread_local! {
    /// What is left of them for the task that is being polled.
    static BUDGET: Cell<u32> = const { Cell::new(0) };
}

/// Takes one system call out of the running task's budget. When none is left the task is to wait: it is woken once the
/// loop has been through the kernel. Otherwise a task whose streams always have something would never let another run.
pub(super) fn spend(cx: &Context<'_>) -> Poll<()> {
    let left = BUDGET.get();
    if left == 0 {
        cx.waker().wake_by_ref();
        return Poll::Pending;
    }
    BUDGET.set(left - 1);
    Poll::Ready(())
}

/// Where the wakes of one task arrive.
struct Bell {
    outer: Cell<Option<Waker>>,
    is_polling: Cell<bool>,
    is_woken: Cell<bool>,
    thread: *const u8,
}

impl Bell {
    fn remember(&self, waker: &Waker) {
        let known = self.outer.take().filter(|known| known.will_wake(waker));
        self.outer.set(known.or_else(|| Some(waker.clone())));
    }

    fn ring(&self) {
        if self.is_polling.get() {
            self.is_woken.set(true);
        } else if let Some(outer) = self.outer.take() {
            outer.wake_by_ref();
            self.outer.set(Some(outer));
        }
    }

    /// A waker may be sent to another thread by its type; ours must not be, and nothing on a core does it.
    fn check_thread(&self) {
        if self.thread != thread_mark() {
            // Unwinding could run more code of the wrong thread.
            std::process::abort();
        }
    }
}

thread_local! {
    static THREAD: u8 = const { 0 };
}

/// An address that is this thread's alone while it lives.
fn thread_mark() -> *const u8 {
    THREAD.with(std::ptr::from_ref)
}

fn waker_of(bell: &Rc<Bell>) -> Waker {
    let raw = RawWaker::new(Rc::into_raw(Rc::clone(bell)).cast(), &VTABLE);
    // SAFETY: the table below keeps the contract of `RawWaker` on this thread, and `check_thread` aborts on any other.
    unsafe { Waker::from_raw(raw) }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone_raw, wake_raw, wake_raw_by_ref, drop_raw);

/// Borrows the bell behind a raw waker.
///
/// # Safety
/// `bell` must come from `waker_of` and its count must not have been given back.
unsafe fn bell_at<'b>(bell: *const ()) -> &'b Bell {
    // SAFETY: by this function's contract the count is held, so the bell lives.
    let bell = unsafe { &*bell.cast::<Bell>() };
    bell.check_thread();
    bell
}

unsafe fn clone_raw(bell: *const ()) -> RawWaker {
    // SAFETY: called by the waker that holds a count (contract of `RawWakerVTable`).
    unsafe {
        bell_at(bell);
        Rc::increment_strong_count(bell.cast::<Bell>());
    }
    RawWaker::new(bell, &VTABLE)
}

unsafe fn wake_raw(bell: *const ()) {
    // SAFETY: called by the waker that holds a count, which is given back after the wake.
    unsafe {
        bell_at(bell).ring();
        drop_raw(bell);
    }
}

unsafe fn wake_raw_by_ref(bell: *const ()) {
    // SAFETY: called by the waker that holds a count.
    unsafe { bell_at(bell) }.ring();
}

unsafe fn drop_raw(bell: *const ()) {
    // SAFETY: called by the waker that holds a count; this gives it back.
    unsafe {
        bell_at(bell);
        Rc::decrement_strong_count(bell.cast::<Bell>());
    }
}
