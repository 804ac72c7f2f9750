//! The plan that a core serves by, and the state beside it: balancers and idle upstream connections.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use super::h2::trunk::Trunks;
use super::io::{Io, Stream};
use super::keyring::SharedKeyring;
use super::mail::{Report, SharedLink, SharedPlan};
use super::wire::Wire;
use crate::plan::{self, Address, Plan, UpstreamProtocol};
use crate::policy::again::Tries;
use crate::policy::balance::Balancer;
use crate::policy::meter::Meter;
use crate::words::ids::UpstreamId;
use crate::words::time::Instant;

/// A plan with one core's state for it. Exchanges hold the one they began with.
pub struct Serving<S> {
    /// The plan.
    pub plan: SharedPlan,
    /// Counts by this plan's ids.
    pub meter: Meter,
    /// How TLS is spoken, by this plan's ids.
    pub keyring: SharedKeyring,
    link: SharedLink,
    upstreams: Vec<Upstream<S>>,
    /// Idle connections of all upstreams.
    idle: usize,
    /// Shared connections without a stream, of all upstreams, when they were last swept.
    idle_trunks: usize,
    /// Another plan's state has taken over: nothing is kept here any more.
    is_over: bool,
}

/// The state beside a plan, as exchanges on `I` hold it.
pub type SharedServing<I> = Rc<RefCell<Serving<Wire<<I as Io>::Stream>>>>;

/// State of one upstream.
struct Upstream<S> {
    balancer: Balancer,
    endpoints: Vec<Vec<Idle<S>>>,
    idle: usize,
    /// Shared connections by endpoint; empty where HTTP/1.1 is spoken.
    trunks: Vec<Trunks>,
}

/// An idle upstream connection. It is waited on without a buffer, so that a close by the peer shows before it is used.
struct Idle<S> {
    stream: S,
    since: Instant,
    /// The client that it was made for, when its first bytes said so (PROXY): then it serves nobody else.
    whose: Option<SocketAddr>,
}

/// An endpoint, chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Choice {
    /// The upstream.
    pub upstream: UpstreamId,
    /// Index into its endpoints.
    pub endpoint: usize,
}

impl<S> Upstream<S> {
    /// Gives the shared connections of `plan` to `heir`, as far as their endpoints are still there.
    fn hand_trunks_to(&mut self, plan: &plan::Upstream, heir: &mut Self, next: &plan::Upstream) {
        for (endpoint, trunks) in plan.endpoints.iter().zip(&mut self.trunks) {
            let at = next.endpoints.iter().position(|other| other.address == endpoint.address);
            if let Some(place) = at.and_then(|at| heir.trunks.get_mut(at)) {
                std::mem::swap(place, trunks);
            }
        }
    }
}

impl<S: Stream> Serving<S> {
    /// State for `plan`, fresh; what it counts is reported to `link`.
    #[must_use]
    pub fn new(plan: SharedPlan, link: SharedLink) -> Self {
        let upstreams = plan
            .upstreams
            .iter()
            .map(|upstream| Upstream {
                balancer: Balancer::new(upstream),
                endpoints: upstream.endpoints.iter().map(|_| Vec::new()).collect(),
                idle: 0,
                trunks: match upstream.protocol {
                    UpstreamProtocol::Http1 => Vec::new(),
                    UpstreamProtocol::H2 | UpstreamProtocol::H2c => {
                        upstream.endpoints.iter().map(|_| Trunks::default()).collect()
                    }
                },
            })
            .collect();
        Self {
            meter: Meter::new(&plan),
            keyring: SharedKeyring::default(),
            plan,
            link,
            upstreams,
            idle: 0,
            idle_trunks: 0,
            is_over: false,
        }
    }

    /// State for `plan` that carries on what `self` has for upstreams of the same name: their idle connections, as far
    /// as their endpoints are still there.
    pub fn succeed(&mut self, plan: SharedPlan) -> Self {
        let mut next = Self::new(plan, SharedLink::clone(&self.link));
        let old = SharedPlan::clone(&self.plan);
        let mut by_name: HashMap<&str, usize> = HashMap::new();
        for (position, upstream) in next.plan.upstreams.iter().enumerate() {
            by_name.insert(&upstream.name, position);
        }
        for (upstream, state) in old.upstreams.iter().zip(&mut self.upstreams) {
            let Some(&position) = by_name.get(upstream.name.as_str()) else { continue };
            let (plan, heir) = (&next.plan.upstreams[position], &mut next.upstreams[position]);
            if (plan.protocol, &plan.tls) != (upstream.protocol, &upstream.tls) {
                continue;
            }
            state.hand_trunks_to(upstream, heir, plan);
            for (endpoint, idle) in upstream.endpoints.iter().zip(&mut state.endpoints) {
                let Some(at) = plan.endpoints.iter().position(|other| other.address == endpoint.address) else {
                    continue;
                };
                heir.idle += idle.len();
                next.idle += idle.len();
                heir.endpoints[at].append(idle);
            }
        }
        drop(by_name);
        // What has no heir must not wait for the last exchange of the old plan.
        self.clear();
        self.is_over = true;
        next
    }

    /// Reports what was counted since the last time.
    pub fn publish(&mut self) {
        self.link.report(Report::Batch(Box::new(self.meter.drain())));
    }

    /// Idle connections of all upstreams.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.idle + self.idle_trunks
    }

    /// Chooses an endpoint of `upstream`; `None` when none takes requests. `random` decides where chance does.
    pub fn choose(&mut self, upstream: UpstreamId, random: u64) -> Option<Choice> {
        let endpoint = self.upstreams[upstream.index()].balancer.next(random)?;
        Some(Choice { upstream, endpoint })
    }

    /// As [`Serving::choose`], among the endpoints that `tries` does not exclude.
    pub fn choose_but(&mut self, upstream: UpstreamId, tries: &Tries, random: u64) -> Option<Choice> {
        let balancer = &mut self.upstreams[upstream.index()].balancer;
        let endpoint = balancer.next_but(|endpoint| tries.excludes(endpoint), random)?;
        Some(Choice { upstream, endpoint })
    }

    /// The most recently used idle connection to `choice` that is still alive as far as the kernel has told; of those
    /// that were made for one client only those of `whose`.
    pub fn check_out(&mut self, choice: Choice, whose: Option<SocketAddr>, now: Instant) -> Option<S> {
        let timeout = self.plan.upstreams[choice.upstream.index()].idle_timeout;
        let state = &mut self.upstreams[choice.upstream.index()];
        let list = &mut state.endpoints[choice.endpoint];
        while let Some(at) = list.iter().rposition(|idle| idle.whose == whose) {
            let mut idle = list.remove(at);
            state.idle -= 1;
            self.idle -= 1;
            if now.since(idle.since) < timeout && is_quiet(&mut idle) {
                return Some(idle.stream);
            }
        }
        None
    }

    /// The shared connections to `choice`; `None` where HTTP/1.1 is spoken.
    #[must_use]
    pub fn trunks(&self, choice: Choice) -> Option<Trunks> {
        self.upstreams[choice.upstream.index()].trunks.get(choice.endpoint).cloned()
    }

    /// Keeps a connection whose exchange is completely over; closes it when there are enough, when it is not quiet, or
    /// when another plan took over meanwhile: nobody would sweep it here, nor use it.
    pub fn check_in(&mut self, choice: Choice, stream: S, whose: Option<SocketAddr>, now: Instant) {
        let most = self.plan.upstreams[choice.upstream.index()].idle_connections;
        let state = &mut self.upstreams[choice.upstream.index()];
        if state.idle >= most || self.is_over {
            return;
        }
        let mut idle = Idle { stream, since: now, whose };
        if is_quiet(&mut idle) {
            state.idle += 1;
            self.idle += 1;
            state.endpoints[choice.endpoint].push(idle);
        }
    }

    /// Closes connections that were idle for too long, or that their peers have closed.
    pub fn sweep(&mut self, now: Instant) {
        let plan = SharedPlan::clone(&self.plan);
        self.idle_trunks = 0;
        for (upstream, state) in plan.upstreams.iter().zip(&mut self.upstreams) {
            for trunks in &state.trunks {
                trunks.sweep(now, upstream.idle_timeout);
                self.idle_trunks += trunks.idle();
            }
            for endpoint in &mut state.endpoints {
                let before = endpoint.len();
                // Oldest first: the list is a stack.
                endpoint.retain_mut(|idle| now.since(idle.since) < upstream.idle_timeout && is_quiet(idle));
                state.idle -= before - endpoint.len();
                self.idle -= before - endpoint.len();
            }
        }
    }

    /// Closes all idle connections.
    pub fn clear(&mut self) {
        for state in &mut self.upstreams {
            state.endpoints.iter_mut().for_each(Vec::clear);
            state.idle = 0;
            state.trunks.iter().for_each(Trunks::close);
        }
        (self.idle, self.idle_trunks) = (0, 0);
    }

    /// Where `choice` is.
    #[must_use]
    pub fn address(plan: &Plan, choice: Choice) -> &Address {
        &plan.upstreams[choice.upstream.index()].endpoints[choice.endpoint].address
    }
}

/// Exchanges that began with an old plan may end after another was adopted; the last of them reports what they counted.
impl<S> Drop for Serving<S> {
    fn drop(&mut self) {
        self.link.report(Report::Batch(Box::new(self.meter.drain())));
    }
}

/// True while the peer has sent nothing, neither bytes nor an end.
///
/// The waker does nothing: nobody waits for an idle connection, it is looked at when it is wanted or swept.
fn is_quiet<S: Stream>(idle: &mut Idle<S>) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    idle.stream.poll_readable(&mut cx).is_pending()
}

/// How often [`Serving::sweep`] runs.
pub const SWEEP_EVERY: Duration = Duration::from_secs(1);
