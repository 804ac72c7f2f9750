//! Which routes have tunnels open on this core: a tunnel lives as long as its route is in the plan, by name.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::core::Seat;
use crate::plan::Plan;

/// The routes with tunnels.
#[derive(Debug, Default)]
pub struct Tunnels {
    /// By name. One without tunnels is not here, so a plan of many routes costs nothing.
    routes: HashMap<String, Rc<Through>>,
}

/// The tunnels through one route.
#[derive(Debug, Default)]
pub struct Through {
    is_gone: Cell<bool>,
    seats: RefCell<HashSet<Seat>>,
}

impl Through {
    /// The route is in the plan no more.
    pub fn is_gone(&self) -> bool {
        self.is_gone.get()
    }
}

impl Tunnels {
    /// The connection at `seat` begins a tunnel through `route`, which is in `plan`, the one of now, or was in an
    /// earlier one.
    pub fn begin(&mut self, route: &str, seat: Seat, plan: &Plan) -> Rc<Through> {
        if let Some(through) = self.routes.get(route) {
            through.seats.borrow_mut().insert(seat);
            return Rc::clone(through);
        }
        let through = Rc::new(Through::default());
        if plan.routes.iter().any(|known| known.name == route) {
            through.seats.borrow_mut().insert(seat);
            self.routes.insert(route.to_owned(), Rc::clone(&through));
        } else {
            through.is_gone.set(true);
        }
        through
    }

    /// The tunnel of `seat` through `route` is over.
    pub fn end(&mut self, route: &str, through: &Through, seat: Seat) {
        through.seats.borrow_mut().remove(&seat);
        if !through.is_gone() && through.seats.borrow().is_empty() {
            self.routes.remove(route);
        }
    }

    /// Another plan is in force: marks what is not in it, and says whom that concerns.
    pub fn adopt(&mut self, plan: &Plan) -> Vec<Seat> {
        let mut gone = std::mem::take(&mut self.routes);
        for route in &plan.routes {
            if gone.is_empty() {
                break;
            }
            self.routes.extend(gone.remove_entry(&route.name));
        }
        gone.values().for_each(|through| through.is_gone.set(true));
        let mut seats: Vec<Seat> = gone.values().flat_map(|through| through.seats.take()).collect();
        // In an order that does not depend on hashes: a simulated run is the same each time.
        seats.sort_unstable();
        seats
    }
}
