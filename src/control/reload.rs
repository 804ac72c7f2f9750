//! What a reload may change, and what it changed.
//!
//! Sockets, threads and the admin address belong to the process's start: a plan that wants others is refused whole,
//! because serving half of a new configuration is worse than serving all of the old one.

use std::collections::BTreeSet;
use std::fmt;

use crate::plan::{Plan, Workers};

/// All that `new` would change and a reload cannot: one text per change. Empty when the plan can be exchanged.
#[must_use]
pub fn fixed_changes(old: &Plan, new: &Plan) -> Vec<String> {
    let mut changes = listener_changes(old, new);
    if old.server.workers != new.server.workers {
        let (was, is) = (workers(old.server.workers), workers(new.server.workers));
        changes.push(format!("server.workers changed from {was} to {is}"));
    }
    if old.server.cpus != new.server.cpus {
        changes.push(format!("server.cpus changed from {:?} to {:?}", old.server.cpus, new.server.cpus));
    }
    if old.server.steering != new.server.steering {
        let (was, is) = (old.server.steering.word(), new.server.steering.word());
        changes.push(format!("server.steering changed from \"{was}\" to \"{is}\""));
    }
    let address = |plan: &Plan| plan.admin.as_ref().map_or("none".to_owned(), |admin| admin.address.to_string());
    if address(old) != address(new) {
        changes.push(format!("admin.address changed from {} to {}", address(old), address(new)));
    }
    changes
}

fn listener_changes(old: &Plan, new: &Plan) -> Vec<String> {
    let mut changes = Vec::new();
    for listener in &old.listeners {
        match new.listeners.iter().find(|other| other.name == listener.name) {
            None => changes.push(format!("listeners.{} was removed", listener.name)),
            Some(other) if other.address != listener.address => {
                let (name, was, is) = (&listener.name, listener.address, other.address);
                changes.push(format!("listeners.{name}.address changed from {was} to {is}"));
            }
            Some(_) => {}
        }
    }
    for listener in &new.listeners {
        if old.listeners.iter().all(|other| other.name != listener.name) {
            changes.push(format!("listeners.{} was added", listener.name));
        }
    }
    changes
}

fn workers(workers: Workers) -> String {
    match workers {
        Workers::Auto => "\"auto\"".to_owned(),
        Workers::Count(count) => count.to_string(),
    }
}

/// A plan that was put in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reloaded {
    /// Its generation.
    pub generation: u64,
    /// Routes by name.
    pub routes: Difference,
    /// Upstreams by name.
    pub upstreams: Difference,
}

impl Reloaded {
    /// What `new` has more and less than `old`.
    #[must_use]
    pub fn between(old: &Plan, new: &Plan) -> Self {
        let routes = |plan: &Plan| plan.routes.iter().map(|route| route.name.clone()).collect();
        let upstreams = |plan: &Plan| plan.upstreams.iter().map(|upstream| upstream.name.clone()).collect();
        Self {
            generation: new.generation,
            routes: Difference::between(&routes(old), &routes(new)),
            upstreams: Difference::between(&upstreams(old), &upstreams(new)),
        }
    }
}

/// Names that came and went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Difference {
    /// In the new plan only.
    pub added: usize,
    /// In the old plan only.
    pub removed: usize,
}

impl Difference {
    fn between(old: &BTreeSet<String>, new: &BTreeSet<String>) -> Self {
        Self { added: new.difference(old).count(), removed: old.difference(new).count() }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{} -{}", self.added, self.removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::testing;
    use crate::plan::{Admin, Steering};

    #[test]
    fn routes_may_change_and_sockets_may_not() {
        let old = testing::plan(&["a", "b"]);
        let mut new = testing::plan(&["b", "c", "d"]);
        assert_eq!(fixed_changes(&old, &new), Vec::<String>::new());
        assert_eq!(Reloaded::between(&old, &new).routes, Difference { added: 2, removed: 1 });
        new.listeners[0].address = "127.0.0.1:81".parse().unwrap();
        new.listeners.push(testing::listener("tls", "127.0.0.1:0"));
        new.server.workers = Workers::Auto;
        new.server.cpus = vec![1];
        new.server.steering = Steering::Cpu;
        new.admin = Some(Admin { address: "127.0.0.1:9901".parse().unwrap() });
        assert_eq!(
            fixed_changes(&old, &new),
            [
                "listeners.web.address changed from 127.0.0.1:0 to 127.0.0.1:81",
                "listeners.tls was added",
                "server.workers changed from 2 to \"auto\"",
                "server.cpus changed from [] to [1]",
                "server.steering changed from \"hash\" to \"cpu\"",
                "admin.address changed from none to 127.0.0.1:9901",
            ]
        );
        new.listeners.clear();
        assert_eq!(fixed_changes(&old, &new)[0], "listeners.web was removed");
    }
}
