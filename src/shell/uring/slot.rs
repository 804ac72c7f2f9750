//! A slot for one operation in flight, which reuses its allocation from operation to operation.
#![expect(unsafe_code, reason = "reuses a box for futures of equal layout; tested below")]

use std::alloc::Layout;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// At most one future in flight, ending in `T`. The first one allocates; later ones of the same kind do not.
pub(super) struct Slot<T> {
    /// The operation; a finished one stays for its memory.
    future: Option<Pin<Box<dyn Future<Output = T>>>>,
    is_in_flight: bool,
}

impl<T: 'static> Slot<T> {
    /// An empty slot, without an allocation.
    #[must_use]
    pub(super) const fn new() -> Self {
        Self { future: None, is_in_flight: false }
    }

    /// True while a future is in flight.
    #[must_use]
    pub(super) const fn is_in_flight(&self) -> bool {
        self.is_in_flight
    }

    /// Starts `operation`.
    ///
    /// # Panics
    /// When one is in flight.
    pub(super) fn start<F: Future<Output = T> + 'static>(&mut self, operation: F) {
        assert!(!self.is_in_flight, "one operation at a time");
        self.is_in_flight = true;
        self.future = Some(match self.future.take() {
            Some(finished) => replace(finished, operation),
            None => Box::pin(operation),
        });
    }

    /// The end of the operation in flight.
    ///
    /// # Panics
    /// When none is in flight.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        assert!(self.is_in_flight, "only an operation in flight can end");
        let future = self.future.as_mut().expect("an operation in flight has a future");
        let ended = future.as_mut().poll(cx);
        if ended.is_ready() {
            self.is_in_flight = false;
        }
        ended
    }
}

/// Puts `next` into the allocation of `finished` where the layouts agree.
fn replace<T, F: Future<Output = T> + 'static>(
    finished: Pin<Box<dyn Future<Output = T>>>, next: F,
) -> Pin<Box<dyn Future<Output = T>>> {
    if Layout::for_value::<dyn Future<Output = T>>(&*finished) != Layout::new::<F>() {
        drop(finished);
        return Box::pin(next);
    }
    // SAFETY: the pinned future is dropped in place below and never used or moved again, as pinning demands.
    let raw = Box::into_raw(unsafe { Pin::into_inner_unchecked(finished) });
    // SAFETY: `raw` came from a box, so it is valid to drop in place once; the allocation stays.
    unsafe { raw.drop_in_place() };
    let slot = raw.cast::<F>();
    // SAFETY: the allocation has the layout of `F` (checked above) and holds no value any more.
    unsafe { slot.write(next) };
    // SAFETY: `slot` holds an `F` in an allocation made by a box with the layout of `F`.
    let boxed: Box<dyn Future<Output = T>> = unsafe { Box::from_raw(slot) };
    Box::into_pin(boxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;
    use std::task::Waker;

    struct Counted(Rc<Cell<u32>>);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    async fn hold(counted: Counted, value: u32) -> u32 {
        std::future::ready(()).await;
        drop(counted);
        value
    }

    #[test]
    fn operations_follow_each_other_in_one_allocation_and_drop_what_they_held_once() {
        let drops = Rc::new(Cell::new(0));
        let mut slot = Slot::new();
        let mut cx = Context::from_waker(Waker::noop());
        let mut addresses = Vec::new();
        for round in 0..4 {
            slot.start(hold(Counted(drops.clone()), round));
            addresses.push(std::ptr::from_ref(&**slot.future.as_ref().unwrap()).cast::<()>());
            assert_eq!(slot.poll(&mut cx), Poll::Ready(round));
            assert_eq!(drops.get(), round + 1);
        }
        assert!(addresses.iter().all(|address| *address == addresses[0]));
    }

    #[test]
    fn a_different_kind_gets_an_allocation_of_its_own() {
        let drops = Rc::new(Cell::new(0));
        let mut slot = Slot::new();
        let mut cx = Context::from_waker(Waker::noop());
        slot.start(hold(Counted(drops.clone()), 1));
        assert!(slot.poll(&mut cx).is_ready());
        slot.start(std::future::ready(2));
        assert_eq!(slot.poll(&mut cx), Poll::Ready(2));
        slot.start(hold(Counted(drops.clone()), 3));
        drop(slot);
        assert_eq!(drops.get(), 2, "an operation dropped in flight drops what it holds");
    }
}
