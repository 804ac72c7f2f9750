//! Where each resolved setting came from: the side table that `explain` prints. Never read while serving.

use super::source::{Lines, Place};
use crate::words::ids::{ListenerId, RouteId, UpstreamId};

/// One resolved setting and where it was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Setting {
    /// Its key below the route, listener or upstream: `timeouts.request`.
    pub key: &'static str,
    /// Where it was written; `None` when the program's default counts.
    pub place: Option<Place>,
}

/// The origins of all settings of one plan.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    pub(super) lines: Lines,
    pub(super) listeners: Vec<Vec<Setting>>,
    pub(super) routes: Vec<Vec<Setting>>,
    pub(super) upstreams: Vec<Vec<Setting>>,
}

impl Origins {
    /// The settings of a listener: all timeouts and limits, and every other key that is written there.
    #[must_use]
    pub fn listener(&self, id: ListenerId) -> &[Setting] {
        &self.listeners[id.index()]
    }

    /// The settings of a route, in the same way. Timeouts are those for its first target.
    #[must_use]
    pub fn route(&self, id: RouteId) -> &[Setting] {
        &self.routes[id.index()]
    }

    /// The settings of an upstream: every key that is written there.
    #[must_use]
    pub fn upstream(&self, id: UpstreamId) -> &[Setting] {
        &self.upstreams[id.index()]
    }

    /// `file:line`, or `default`.
    #[must_use]
    pub fn text(&self, setting: &Setting) -> String {
        match setting.place {
            None => "default".to_owned(),
            Some(place) => {
                let (file, line) = self.lines.line(place);
                format!("{file}:{line}")
            }
        }
    }
}
