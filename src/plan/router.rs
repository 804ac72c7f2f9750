//! Finds a request's route (semantics: docs/routing.md).

use crate::plan::Match;
use crate::words::ids::{ListenerId, RouteId};
use crate::words::limits::CAPTURES_MAX;

/// What the router asks about a request. Implemented by the data path over a parsed head and by `explain` over
/// command-line arguments.
pub trait Subject {
    /// The listener it came in by.
    fn listener(&self) -> ListenerId;
    /// Host in lower case, without port and trailing dot; empty when there is none.
    fn host(&self) -> &[u8];
    /// The canonical path, beginning with `/`; or `*`.
    fn path(&self) -> &[u8];
    /// The query without `?`.
    fn query(&self) -> Option<&[u8]>;
    /// The method, case-sensitive.
    fn method(&self) -> &[u8];
    /// True when some line of the field `name` (lower case) satisfies `test`.
    fn any_field(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool;
}

/// The answer to "which route?".
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// This one.
    Found(RouteId, Captures),
    /// Some match but for the method: 405, `Router::allowed` lists the methods.
    MethodNotAllowed,
    /// None.
    NotFound,
}

/// Where the path parameters of the winner lie in the canonical path.
#[derive(Clone, Copy, Debug)]
pub struct Captures {
    count: u8,
    spans: [(u32, u32); CAPTURES_MAX],
}

impl Captures {
    /// No captures.
    pub const NONE: Self = Self { count: 0, spans: [(0, 0); CAPTURES_MAX] };

    /// The bytes of the parameter at `index` in `path`, if there is one.
    #[must_use]
    pub fn get<'p>(&self, index: usize, path: &'p [u8]) -> Option<&'p [u8]> {
        if index >= usize::from(self.count) {
            return None;
        }
        let (start, end) = self.spans[index];
        path.get(start as usize..end as usize)
    }
}

/// Two routes that no rule tells apart: a configuration error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tie(pub RouteId, pub RouteId);

/// The compiled router.
#[derive(Debug, Default)]
pub struct Router {}

impl Router {
    /// Compiles `matches`.
    ///
    /// # Errors
    /// All ties.
    pub fn compile(_matches: &[Match]) -> Result<Self, Vec<Tie>> {
        Ok(Self {})
    }

    /// The route for `subject`. Allocates nothing.
    #[must_use]
    pub fn find(&self, _subject: &impl Subject) -> Outcome {
        Outcome::NotFound
    }

    /// The methods that some route allows where `subject` goes, for `Allow`; HEAD beside GET.
    #[must_use]
    pub fn allowed(&self, _subject: &impl Subject) -> Vec<String> {
        Vec::new()
    }
}
