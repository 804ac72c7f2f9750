//! The story of an exchange: a request and its answer, in named stages.
//!
//! `route → admit → (select → forward → receive → shape) or respond → record`. The stages before `admit` decide and
//! await nothing; `Admitted` can only be made here, so no code can forward what was not admitted.

use std::cell::Cell;
use std::rc::Rc;

use super::connection::Downstream;
use super::core::{Core, Phase};
use super::forward;
use super::io::Io;
use super::local;
use super::mail::SharedPlan;
use super::record::Record;
use super::serving::SharedServing;
use super::tunnel::Switched;
use super::work::{Facts, Work};
use crate::plan::router::{Captures, Outcome, Subject};
use crate::plan::{Action, Plan, Route};
use crate::policy::client::{self, Client};
use crate::policy::{identity, outgoing};
use crate::proto::head::{Known, Method, RequestBody, RequestHead, TargetForm, Version};
use crate::proto::path;
use crate::proto::upgrade::{self, Asked};
use crate::words::fault::{Fault, Kind, Stage};
use crate::words::ids::{ListenerId, RouteId};
use crate::words::limits::{DRAIN_BYTES, VIA_REPEATS};
use crate::words::time::Instant;

/// What becomes of the connection after an exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Another request may follow.
    Keep,
    /// It ends; nothing of the client is unread.
    Close,
    /// It ends, and the client may still be sending.
    Linger,
}

/// One exchange as its stages see it.
pub struct Story<I: Io> {
    /// The plan it began with; it sees no other.
    pub plan: Rc<SharedPlan>,
    /// The state beside that plan.
    pub serving: SharedServing<I>,
    /// When its head was complete.
    pub started: Instant,
    /// What is known of it for metrics and log.
    pub record: Record,
    /// Set when the connection must not be used again.
    pub must_close: Cell<bool>,
    /// Set when the answer switches the connection to another protocol.
    pub switched: Option<Box<Switched<I>>>,
}

/// How an exchange has ended.
pub enum Ended<I: Io> {
    /// As HTTP.
    Http(Next),
    /// The connection goes on as a tunnel.
    Switched(Box<Story<I>>, InFlight<I>),
}

/// A request whose route was found.
struct Routed(RouteId);

/// A request that may be served by its route.
pub struct Admitted(RouteId);

impl Admitted {
    /// The route's id.
    pub fn id(&self) -> RouteId {
        self.0
    }

    /// The route.
    pub fn route<'p>(&self, plan: &'p Plan) -> &'p Route {
        &plan.routes[self.0.index()]
    }
}

/// Runs the exchange whose head was just read into `work`.
pub async fn exchange<I: Io>(down: &mut Downstream<I>, work: &mut Work) -> Ended<I> {
    let core = Rc::clone(&down.core);
    let in_flight = InFlight::begin(&core);
    let mut story = begin(down, work);
    let next = tell(down, work, &mut story).await;
    if story.switched.is_some() {
        return Ended::Switched(Box::new(story), in_flight);
    }
    story.record.end(down, work, &story.serving, &story.plan);
    consume(down, work);
    Ended::Http(next)
}

/// Answers a head that could not be read.
pub async fn refuse<I: Io>(down: &mut Downstream<I>, work: &mut Work, fault: Fault) -> Next {
    let core = Rc::clone(&down.core);
    let _in_flight = InFlight::begin(&core);
    // Whatever the parser left behind describes no request.
    work.request = RequestHead { lines: std::mem::take(&mut work.request.lines), ..RequestHead::default() };
    work.request.lines.clear();
    let mut story = begin(down, work);
    story.must_close.set(true);
    let next = local::fault(down, work, &mut story, fault).await;
    story.record.end(down, work, &story.serving, &story.plan);
    next
}

/// Counts and logs a request that was answered with the status of `fault` before it could be read.
pub fn note<I: Io>(down: &mut Downstream<I>, fault: Fault) {
    let core = Rc::clone(&down.core);
    let _in_flight = InFlight::begin(&core);
    let work = &mut Work::default();
    work.request.version = down.stream.version(work.request.version);
    let mut story = begin(down, work);
    (story.record.fault, story.record.status) = (Some(fault), fault.kind.row().status);
    story.record.end(down, work, &story.serving, &story.plan);
}

async fn tell<I: Io>(down: &mut Downstream<I>, work: &mut Work, story: &mut Story<I>) -> Next {
    let plan = Rc::clone(&story.plan);
    if let Err(fault) = normalise(down, work).and_then(|()| check_direction(down, work)) {
        return local::fault(down, work, story, fault).await;
    }
    if let Some(redirect) = &plan.listeners[down.listener.index()].redirect {
        return local::redirect(down, work, story, redirect).await;
    }
    match route(down, work, story).and_then(|routed| admit(down, work, story, routed)) {
        Ok(admitted) => serve(down, work, story, &plan, admitted).await,
        Err(fault) => local::fault(down, work, story, fault).await,
    }
}

async fn serve<I: Io>(
    down: &mut Downstream<I>, work: &mut Work, story: &mut Story<I>, plan: &Plan, admitted: Admitted,
) -> Next {
    if work.request.method == Method::Options && outgoing::max_forwards(&work.request, down.inbound.data()) == Some(0) {
        return local::options(down, work, story).await;
    }
    match &admitted.route(plan).action {
        Action::Forward(forward) => forward::forward(down, work, story, &admitted, forward).await,
        Action::Redirect(redirect) => local::redirect(down, work, story, redirect).await,
        Action::Respond(respond) => local::respond(down, work, story, respond).await,
    }
}

fn begin<I: Io>(down: &mut Downstream<I>, work: &mut Work) -> Story<I> {
    let started = down.core.io.now();
    work.facts.clear();
    work.captures.take_over(&Captures::NONE);
    let bytes = down.inbound.data();
    let plan = down.core.plan();
    let client = client_of(down, &work.request, &plan);
    let whose = (client.address, (!client.is_told).then_some(down.peer.port()));
    identify(&down.core, bytes, &work.request, client.is_trusted_peer, &mut work.facts);
    let behind = bytes.len() - work.request.bytes;
    down.body_in_head = match work.request.body {
        RequestBody::None => 0,
        RequestBody::Length(length) => usize::try_from(length).unwrap_or(usize::MAX).min(behind),
        RequestBody::Chunked => behind,
    };
    let is_last = !work.request.is_persistent || down.core.phase() != Phase::Serving;
    let serving = down.core.serving();
    let record = Record::begin(started, whose);
    Story { plan, serving, started, record, must_close: Cell::new(is_last), switched: None }
}

/// Who the client is, as far as trusted hops tell.
pub fn client_of<'a, I: Io>(down: &'a Downstream<I>, request: &'a RequestHead, plan: &Plan) -> Client<'a> {
    let bytes = down.inbound.data();
    let lines = request.lines.iter().filter(|line| !line.hop).map(|line| (line.known, line.value.of(bytes)));
    client::identify(down.peer.ip(), &plan.listeners[down.listener.index()].trusted_proxies, lines)
}

/// Gives the exchange its request id and trace.
fn identify<I: Io>(core: &Core<I>, bytes: &[u8], head: &RequestHead, is_trusted: bool, facts: &mut Facts) {
    let line_of = |known| {
        let mut lines = head.lines.iter().filter(move |line| line.known == known).map(|line| line.value.of(bytes));
        lines.next().filter(|_| lines.next().is_none())
    };
    match line_of(Known::XRequestId).filter(|id| is_trusted && identity::is_good_id(id)) {
        Some(id) => facts.set_id(|out| out.extend_from_slice(id)),
        None => {
            let random = [core.io.random(), core.io.random()];
            facts.set_id(|out| identity::write_uuid7(out, core.io.wall(), random));
        }
    }
    match line_of(Known::Traceparent).and_then(identity::trace_id) {
        Some(trace) => facts.set_trace(|out| out.extend_from_slice(trace)),
        None => {
            let random = [core.io.random(), core.io.random(), core.io.random()];
            facts.set_traceparent(|out| identity::write_traceparent(out, random));
        }
    }
}

/// Gives the request the one form that everything after this sees: routes, the forwarded target and the log.
fn normalise<I: Io>(down: &Downstream<I>, work: &mut Work) -> Result<(), Fault> {
    let bytes = down.inbound.data();
    if let Some(host) = work.request.host {
        work.facts.set_host(|out| canonical_host(host.of(bytes), out));
    }
    work.facts.set_path(|out| canonical_path(bytes, &work.request, out))
}

/// RFC 9110 15.5.20: a connection that was made for one host may carry requests for another only where both stand behind
/// the same certificate and the same question who the client is.
fn check_direction<I: Io>(down: &Downstream<I>, work: &Work) -> Result<(), Fault> {
    match down.stream.told() {
        Some(told) if work.request.host.is_some() && !told.may_serve(work.facts.host()) => {
            Err(Fault::new(Kind::Misdirected, Stage::ReadHead, "the connection was made for another host"))
        }
        _ => Ok(()),
    }
}

/// Finds the route of the canonical request.
fn route<I: Io>(down: &Downstream<I>, work: &mut Work, story: &mut Story<I>) -> Result<Routed, Fault> {
    let Work { request, facts, captures, .. } = work;
    let bytes = down.inbound.data();
    if request.method == Method::Trace {
        return Err(Fault::new(Kind::MethodNotAllowed, Stage::Route, "TRACE is off"));
    }
    let question = Question { listener: down.listener, request, bytes, facts };
    match story.plan.router.find(&question) {
        Outcome::Found(route, found) => {
            story.record.route = Some(route);
            captures.take_over(&found);
            Ok(Routed(route))
        }
        Outcome::MethodNotAllowed => {
            story.record.allow = story.plan.router.allowed(&question);
            Err(Fault::new(Kind::MethodNotAllowed, Stage::Route, "no route of this path has this method"))
        }
        Outcome::NotFound => Err(Fault::new(Kind::NotFound, Stage::Route, "no route matches")),
    }
}

/// Decides whether the exchange may go on: limits that are known before the body comes.
fn admit<I: Io>(down: &Downstream<I>, work: &Work, story: &Story<I>, routed: Routed) -> Result<Admitted, Fault> {
    let route = &story.plan.routes[routed.0.index()];
    if let RequestBody::Length(length) = work.request.body
        && length > route.limits.body
    {
        return Err(Fault::new(Kind::BodyTooLarge, Stage::Admit, "Content-Length is over limits.body"));
    }
    if is_loop(&work.request, down.inbound.data(), &story.plan.server.name) {
        return Err(Fault::new(Kind::LoopDetected, Stage::Admit, "our own name is in Via too often"));
    }
    // A route that answers by itself ignores an Upgrade, as any server may (RFC 9110 7.8).
    if let Action::Forward(forward) = &route.action
        && let Asked::Refused(why) = upgrade::asked(&work.request, down.inbound.data(), &forward.upgrade)
    {
        return Err(Fault::new(Kind::UpgradeRefused, Stage::Admit, why));
    }
    #[cfg(feature = "fault-injection")]
    assert!(work.facts.path() != b"/.ringway/panic", "asked to panic");
    Ok(Admitted(routed.0))
}

/// RFC 9110 7.6.3: each gateway on the way adds itself to Via.
fn is_loop(request: &RequestHead, bytes: &[u8], pseudonym: &str) -> bool {
    let vias = request.lines.iter().filter(|line| line.known == Known::Via);
    let own = vias.flat_map(|line| line.value.of(bytes).split(|byte| *byte == b',')).filter(|member| {
        let mut words = member.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.nth(1).is_some_and(|by| by.eq_ignore_ascii_case(pseudonym.as_bytes()))
    });
    own.count() > VIA_REPEATS
}

fn canonical_path(bytes: &[u8], request: &RequestHead, out: &mut Vec<u8>) -> Result<(), Fault> {
    let path = request.path.of(bytes);
    // RFC 9112 3.2.4: OPTIONS for a URI without path and query speaks of the server, as `*` does.
    let is_server = request.method == Method::Options && path.is_empty() && request.query.is_none();
    if request.form == TargetForm::Asterisk || is_server {
        out.push(b'*');
        return Ok(());
    }
    match path::canonicalise(path, out) {
        Ok(path::Canonical::Written) => Ok(()),
        Ok(path::Canonical::Already) => {
            out.extend_from_slice(path);
            Ok(())
        }
        Err(error) => Err(Fault::new(Kind::BadTarget, Stage::ReadHead, error.0)),
    }
}

/// Host in lower case, without port and one trailing dot. The parser has checked its grammar.
fn canonical_host(host: &[u8], out: &mut Vec<u8>) {
    let end = match host.iter().rposition(|byte| *byte == b':') {
        Some(colon) if !host[colon..].contains(&b']') => colon,
        _ => host.len(),
    };
    let name = host[..end].strip_suffix(b".").unwrap_or(&host[..end]);
    out.extend(name.iter().map(u8::to_ascii_lowercase));
}

/// A request as the router asks about it.
struct Question<'a> {
    listener: ListenerId,
    request: &'a RequestHead,
    bytes: &'a [u8],
    facts: &'a Facts,
}

impl Subject for Question<'_> {
    fn listener(&self) -> ListenerId {
        self.listener
    }

    fn host(&self) -> &[u8] {
        self.facts.host()
    }

    fn path(&self) -> &[u8] {
        self.facts.path()
    }

    fn query(&self) -> Option<&[u8]> {
        self.request.query.map(|query| query.of(self.bytes))
    }

    fn method(&self) -> &[u8] {
        self.request.method_span.of(self.bytes)
    }

    fn any_field(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let lines = self.request.lines.iter().filter(|line| !line.hop);
        lines
            .filter(|line| line.name.of(self.bytes).eq_ignore_ascii_case(name.as_bytes()))
            .any(|line| test(line.value.of(self.bytes)))
    }
}

/// Takes the exchange's bytes out of the receive buffer: what is left begins the next request.
fn consume<I: Io>(down: &mut Downstream<I>, work: &Work) {
    let used = work.request.bytes + down.body_in_head;
    down.inbound.consume(used.min(down.inbound.len()));
}

/// True when an unread body is short enough to be drained after a local answer, so the connection can be kept.
pub fn is_worth_draining(request: &RequestHead) -> bool {
    match request.body {
        RequestBody::None => true,
        RequestBody::Length(length) => length <= DRAIN_BYTES && !request.expects_continue,
        RequestBody::Chunked => !request.expects_continue,
    }
}

/// What `Connection` says in an answer to `request`.
pub fn connection_of(request: &RequestHead, must_close: bool) -> outgoing::Connection {
    match (must_close, request.version) {
        (true, _) => outgoing::Connection::Close,
        (false, Version::Http10) => outgoing::Connection::KeepAlive,
        (false, Version::Http11 | Version::Http2) => outgoing::Connection::Implied,
    }
}

/// Counts an exchange as in flight while it lives, also when it ends by a panic.
pub struct InFlight<I: Io>(Rc<Core<I>>);

impl<I: Io> InFlight<I> {
    fn begin(core: &Rc<Core<I>>) -> Self {
        core.exchange_begins();
        Self(Rc::clone(core))
    }
}

impl<I: Io> Drop for InFlight<I> {
    fn drop(&mut self) {
        self.0.exchange_ends();
    }
}
