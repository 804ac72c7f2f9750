//! The tree of hosts and path segments, flat in one arena.
//!
//! Node 0 is the path tree of routes without a host. Nodes 1 and 2 stand for "exact hosts" and "wildcard hosts"; their
//! literal children are the path trees of those hosts, found like any other label. A node's candidates are a range of
//! the router's candidate list, best first: those of paths that end here, then those of `/*` here.
//!
//! The walk visits literal child, parameter child, end of prefix, in that order, and comes back when a candidate does
//! not hold. A node is visited at most once in a walk, since only one way leads to it, and only if the request's
//! segments lead there: so a walk is bounded by the tree's own shape (`steps_max`), whatever the request.

use super::index::{Index, NONE};
use crate::words::limits::{CAPTURES_MAX, HOST_BYTES};

/// The path tree of routes without a host.
const ANY_HOST: u32 = 0;
/// Parent of the path trees of exact hosts.
const EXACT_HOSTS: u32 = 1;
/// Parent of the path trees of wildcard hosts, labelled without `*.`.
const WILDCARD_HOSTS: u32 = 2;
/// `Node::literal` of a node with more than one literal child: ask the index.
const MANY: u32 = NONE - 1;

/// One segment of a path, or one host.
#[derive(Clone, Copy, Debug)]
struct Node {
    parent: u32,
    /// Range of `Tree::labels`.
    label: (u32, u32),
    /// The only literal child, `MANY`, or `NONE`.
    literal: u32,
    /// The parameter child, or `NONE`.
    parameter: u32,
    /// First candidate of paths that end here.
    exact: u32,
    /// First candidate of `/*` here.
    prefix: u32,
    /// One behind the last candidate.
    end: u32,
}

/// Where a path pattern ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Place {
    /// The node.
    pub(super) node: u32,
    /// With `/*` behind it.
    pub(super) is_prefix: bool,
}

/// The tree.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    labels: Vec<u8>,
    index: Index,
}

impl Tree {
    pub(super) fn new() -> Self {
        let mut tree = Self { nodes: Vec::new(), labels: Vec::new(), index: Index::new() };
        for _ in [ANY_HOST, EXACT_HOSTS, WILDCARD_HOSTS] {
            tree.add(NONE, b"");
        }
        tree
    }

    /// Makes room for `path` under the host pattern `host`, or under no host.
    pub(super) fn insert(&mut self, host: Option<&str>, path: &str) -> Place {
        let mut node = match host {
            None => ANY_HOST,
            Some(host) => match host.strip_prefix("*.") {
                Some(suffix) => self.child_or_new(WILDCARD_HOSTS, suffix.as_bytes()),
                None => self.child_or_new(EXACT_HOSTS, host.as_bytes()),
            },
        };
        let (segments, is_prefix) = match path.strip_suffix("/*") {
            Some(prefix) => (prefix, true),
            None => (path, false),
        };
        for segment in segments.split('/').skip(1) {
            node = match is_parameter(segment) {
                true => self.parameter_or_new(node),
                false => self.child_or_new(node, segment.as_bytes()),
            };
        }
        Place { node, is_prefix }
    }

    /// Says where `place` finds its candidates. Places are told in order, exact before prefix, each once.
    pub(super) fn set_candidates(&mut self, place: Place, start: u32, end: u32) {
        let node = &mut self.nodes[place.node as usize];
        if place.is_prefix {
            if node.end == 0 {
                node.exact = start;
            }
            (node.prefix, node.end) = (start, end);
        } else {
            (node.exact, node.prefix, node.end) = (start, end, end);
        }
    }

    /// How many nodes there are.
    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The most nodes that any one path can visit in the tree of one host.
    pub(super) fn steps_max(&self) -> usize {
        let mut below = vec![(0_usize, 0_usize); self.nodes.len()];
        let mut most = 0;
        // Children stand behind their parents, so one pass from the end sees each node's children first.
        for (id, node) in self.nodes.iter().enumerate().rev() {
            let steps = 1 + below[id].0 + below[id].1;
            if node.parent == NONE || node.parent == EXACT_HOSTS || node.parent == WILDCARD_HOSTS {
                if id as u32 != EXACT_HOSTS && id as u32 != WILDCARD_HOSTS {
                    most = most.max(steps);
                }
                continue;
            }
            let parent = node.parent as usize;
            if self.nodes[parent].parameter == id as u32 {
                below[parent].1 = steps;
            } else {
                below[parent].0 = below[parent].0.max(steps);
            }
        }
        most
    }

    fn child_or_new(&mut self, parent: u32, label: &[u8]) -> u32 {
        if let Some(child) = self.literal(parent, label) {
            return child;
        }
        let child = self.add(parent, label);
        match self.nodes[parent as usize].literal {
            NONE => self.nodes[parent as usize].literal = child,
            MANY => self.index.insert(self.index.hash(parent, label), child),
            only => {
                self.nodes[parent as usize].literal = MANY;
                self.index.insert(self.index.hash(parent, self.label(only)), only);
                self.index.insert(self.index.hash(parent, label), child);
            }
        }
        child
    }

    fn parameter_or_new(&mut self, parent: u32) -> u32 {
        if self.nodes[parent as usize].parameter == NONE {
            self.nodes[parent as usize].parameter = self.add(parent, b"");
        }
        self.nodes[parent as usize].parameter
    }

    fn add(&mut self, parent: u32, label: &[u8]) -> u32 {
        const BOUNDED: &str = "configurations are bounded far below 2^32 bytes";
        let id = u32::try_from(self.nodes.len()).expect(BOUNDED);
        let start = u32::try_from(self.labels.len()).expect(BOUNDED);
        self.labels.extend_from_slice(label);
        let end = u32::try_from(self.labels.len()).expect(BOUNDED);
        let (literal, parameter) = (NONE, NONE);
        self.nodes.push(Node { parent, label: (start, end), literal, parameter, exact: 0, prefix: 0, end: 0 });
        id
    }

    fn label(&self, id: u32) -> &[u8] {
        let (start, end) = self.nodes[id as usize].label;
        &self.labels[start as usize..end as usize]
    }

    fn literal(&self, parent: u32, label: &[u8]) -> Option<u32> {
        self.child(parent, &self.nodes[parent as usize], label)
    }

    /// The literal child `label` of `node`, whose id is `parent`.
    fn child(&self, parent: u32, node: &Node, label: &[u8]) -> Option<u32> {
        match node.literal {
            NONE => None,
            MANY => self.index.find(self.index.hash(parent, label), |node| {
                self.nodes[node as usize].parent == parent && self.label(node) == label
            }),
            only => (self.label(only) == label).then_some(only),
        }
    }
}

/// True for `{name}`.
fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{') && segment.ends_with('}')
}

/// A walk over the places that a request's host and path lead to, best first.
pub(super) struct Walk<'w, V> {
    tree: &'w Tree,
    path: &'w [u8],
    /// Takes a range of candidates and says whether to stop.
    visit: V,
    spans: [(u32, u32); CAPTURES_MAX],
    captured: usize,
}

impl<'w, V: FnMut(u32, u32) -> bool> Walk<'w, V> {
    pub(super) fn new(tree: &'w Tree, path: &'w [u8], visit: V) -> Self {
        Self { tree, path, visit, spans: [(0, 0); CAPTURES_MAX], captured: 0 }
    }

    /// Walks until `visit` says stop; the captures are those of the place where it did.
    pub(super) fn run(&mut self, host: &[u8]) -> bool {
        if !host.is_empty() && host.len() <= HOST_BYTES && self.hosts(host) {
            return true;
        }
        self.enter(ANY_HOST)
    }

    /// The captures of the place where the walk stopped.
    pub(super) fn captures(&self) -> super::Captures {
        super::Captures { count: self.captured as u8, spans: self.spans }
    }

    fn hosts(&mut self, host: &[u8]) -> bool {
        if let Some(root) = self.tree.literal(EXACT_HOSTS, host)
            && self.enter(root)
        {
            return true;
        }
        if self.tree.nodes[WILDCARD_HOSTS as usize].literal == NONE {
            return false;
        }
        // From the first dot on: the longest suffix comes first. At least one byte stands for the `*`.
        for dot in memchr::memchr_iter(b'.', host).filter(|dot| *dot > 0) {
            if let Some(root) = self.tree.literal(WILDCARD_HOSTS, &host[dot + 1..])
                && self.enter(root)
            {
                return true;
            }
        }
        false
    }

    /// `*` is no path: it has no segments, so only `/*` without a prefix leads to it.
    fn enter(&mut self, root: u32) -> bool {
        let first = if self.path.first() == Some(&b'/') { 1 } else { self.path.len() + 1 };
        self.descend(root, first, 0)
    }

    /// Visits what lies under node `id`, with the path's segments from `at` on left; `at` behind the end means none.
    /// As deep as the configured paths, never as the request's. Where a node offers one way only, it is gone without
    /// a call: there is nothing to come back to.
    fn descend(&mut self, mut id: u32, mut at: usize, captured: usize) -> bool {
        let tree = self.tree;
        loop {
            let node = &tree.nodes[id as usize];
            if at > self.path.len() {
                return self.offer(node.exact, node.end, captured);
            }
            let has_rest = node.prefix < node.end;
            if node.literal == NONE && node.parameter == NONE {
                return has_rest && self.offer(node.prefix, node.end, captured);
            }
            let end = memchr::memchr(b'/', &self.path[at..]).map_or(self.path.len(), |length| at + length);
            let child = tree.child(id, node, &self.path[at..end]);
            if node.parameter == NONE && !has_rest {
                let Some(child) = child else { return false };
                (id, at) = (child, end + 1);
                continue;
            }
            if child.is_some_and(|child| self.descend(child, end + 1, captured)) {
                return true;
            }
            if node.parameter != NONE && end > at && self.capture(node.parameter, (at, end), captured) {
                return true;
            }
            return has_rest && self.offer(node.prefix, node.end, captured);
        }
    }

    /// Descends to a parameter. It stands for one segment that is not empty; one beyond `CAPTURES_MAX` matches and is
    /// not kept.
    fn capture(&mut self, child: u32, span: (usize, usize), captured: usize) -> bool {
        if let Some(slot) = self.spans.get_mut(captured) {
            *slot = (span.0 as u32, span.1 as u32);
        }
        self.descend(child, span.1 + 1, (captured + 1).min(CAPTURES_MAX))
    }

    fn offer(&mut self, start: u32, end: u32, captured: usize) -> bool {
        let is_done = start < end && (self.visit)(start, end);
        if is_done {
            self.captured = captured;
        }
        is_done
    }
}
