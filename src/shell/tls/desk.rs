//! What the TLS connections of one core share: spare buffers, and the list of handshakes in flight.
//!
//! A handshake costs a core much and a client nothing, so their number is bounded. When it is reached, the oldest gives
//! way to the newest: a client that means it is done within one or two round trips, and what stays longest among a
//! thousand are those that came to stay. Turning the newest away instead, or letting it wait, would give the gateway to
//! whoever opens that many handshakes and finishes none. A connection that has not said anything yet holds no place
//! here: it holds no more than a plain one.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;

use crate::shell::buffer::Buffer;
use crate::shell::buffers::{STANDARD_BYTES, Spares};
use crate::shell::mail::{Row, SharedLink};
use crate::words::limits::{TLS_FLIGHT_BYTES, TLS_HANDSHAKES};

/// Spare standard buffers kept.
const STANDARD_SPARE: usize = 256;
/// Spare buffers for flights kept.
const FLIGHT_SPARE: usize = 16;

/// The shared part of one core's TLS.
pub struct Desk {
    link: SharedLink,
    standard: RefCell<Spares<Buffer>>,
    flights: RefCell<Spares<Buffer>>,
    /// Oldest first. Those that are over stay until there are as many as may be in flight.
    handshakes: RefCell<VecDeque<Rc<Place>>>,
    in_flight: Cell<usize>,
}

/// A handshake's place in the list; it gives itself back.
pub struct Ticket {
    place: Rc<Place>,
    desk: Rc<Desk>,
}

struct Place {
    state: Cell<State>,
    waker: RefCell<Option<Waker>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    InFlight,
    Evicted,
    Over,
}

impl Desk {
    /// The desk of the core that `link` belongs to.
    #[must_use]
    pub fn new(link: SharedLink) -> Rc<Self> {
        Rc::new(Self {
            link,
            standard: RefCell::default(),
            flights: RefCell::default(),
            handshakes: RefCell::default(),
            in_flight: Cell::new(0),
        })
    }

    /// The core's numbers.
    #[must_use]
    pub fn row(&self) -> &Row {
        &self.link.row
    }

    /// An empty buffer: one that holds a flight when more than a standard one is needed.
    pub(super) fn buffer(&self, is_large: bool) -> Buffer {
        if is_large {
            let spare = self.flights.borrow_mut().take();
            spare.unwrap_or_else(|| Buffer::with_capacity(TLS_FLIGHT_BYTES))
        } else {
            let spare = self.standard.borrow_mut().take();
            spare.unwrap_or_else(|| Buffer::with_capacity(STANDARD_BYTES))
        }
    }

    /// Takes a buffer back.
    pub(super) fn give(&self, mut buffer: Buffer) {
        buffer.clear();
        match buffer.capacity() {
            STANDARD_BYTES => self.standard.borrow_mut().give(buffer, STANDARD_SPARE),
            TLS_FLIGHT_BYTES => self.flights.borrow_mut().give(buffer, FLIGHT_SPARE),
            _ => {}
        }
    }

    /// Frees the buffers that were not needed since the last call, and says how many those are.
    pub fn trim(&self) -> usize {
        self.standard.borrow_mut().trim() + self.flights.borrow_mut().trim()
    }

    /// A place for a handshake that begins; the oldest one in flight loses its own when there are too many.
    pub(super) fn begin(self: &Rc<Self>) -> Ticket {
        let place = Rc::new(Place { state: Cell::new(State::InFlight), waker: RefCell::default() });
        let handshakes = &mut *self.handshakes.borrow_mut();
        while self.in_flight.get() >= TLS_HANDSHAKES
            && let Some(oldest) = handshakes.pop_front()
        {
            if oldest.state.get() == State::InFlight {
                oldest.state.set(State::Evicted);
                self.in_flight.set(self.in_flight.get() - 1);
                Row::add(&self.row().handshakes_evicted, 1);
                if let Some(waker) = oldest.waker.take() {
                    waker.wake();
                }
            }
        }
        if handshakes.len() >= 2 * TLS_HANDSHAKES {
            handshakes.retain(|place| place.state.get() == State::InFlight);
        }
        handshakes.push_back(Rc::clone(&place));
        self.in_flight.set(self.in_flight.get() + 1);
        Ticket { place, desk: Rc::clone(self) }
    }

    /// Handshakes in flight.
    #[must_use]
    pub fn handshakes(&self) -> usize {
        self.in_flight.get()
    }
}

impl Ticket {
    /// True when the handshake has to give way; otherwise `waker` is told when it has.
    pub(super) fn is_evicted(&self, waker: &Waker) -> bool {
        let mut known = self.place.waker.borrow_mut();
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
        self.place.state.get() == State::Evicted
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.place.waker.take();
        if self.place.state.replace(State::Over) == State::InFlight {
            self.desk.in_flight.set(self.desk.in_flight.get() - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::mail::Link;
    use crate::words::ids::CoreId;

    #[test]
    fn the_oldest_handshake_gives_way_to_the_newest() {
        let desk = Desk::new(Link::new(CoreId::new(0)));
        let mut tickets: Vec<_> = (0..TLS_HANDSHAKES).map(|_| desk.begin()).collect();
        // One that is over is not the oldest any more.
        tickets.remove(0);
        let newest = desk.begin();
        assert!(tickets.iter().all(|ticket| !ticket.is_evicted(Waker::noop())));
        let newer = desk.begin();
        assert!(tickets[0].is_evicted(Waker::noop()) && !tickets[1].is_evicted(Waker::noop()));
        assert!(!newest.is_evicted(Waker::noop()) && !newer.is_evicted(Waker::noop()));
        assert_eq!((desk.handshakes(), Row::load(&desk.row().handshakes_evicted)), (TLS_HANDSHAKES, 1));
        drop((tickets, newest, newer));
        assert_eq!(desk.handshakes(), 0);
        (0..4 * TLS_HANDSHAKES).for_each(|_| drop(desk.begin()));
        assert!(desk.handshakes.borrow().len() <= 2 * TLS_HANDSHAKES, "what is over is forgotten");
    }
}
