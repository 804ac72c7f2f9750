//! What must hold in every run, whatever the seed brings. Each law is a function that reports what breaks it.
//!
//! Some are judged where the bytes are seen: `one_answer` and `no_mixing` in `client` and `origin`.

use std::rc::Weak;
use std::time::Duration;

use ringway::shell::core::Core;
use ringway::shell::mail::{Row, SharedLink};
use ringway::shell::serving::SWEEP_EVERY;
use ringway::shell::sim::{Owner, Pause, SimIo};
use ringway::words::limits::{DRAIN_BYTES, DRAIN_TIME, ENDPOINTS_TRIED, LINGER_TIME, PING_AFTER, PING_TIME, TICK};
use ringway::words::time::Instant;

use super::ledger::{Account, Outcome, Stage};
use super::message::Pace;
use super::play::{Gateway, Mail, begun};
use super::scenario::{Ask, Body, Manner, Route, Shape, Treatment};
use super::tunnel;

/// Judges a run that is over.
pub fn judge(stage: &Stage, links: &[SharedLink], mail: &Mail, cores: &[Weak<Core<SimIo>>]) {
    for (id, ask) in stage.scenario.asks.iter().enumerate() {
        let account = stage.accounts[id].borrow().clone();
        let case = Case { stage, id: id as u32, ask, account: &account };
        case.truncation_shows();
        case.origins_see_what_was_sent();
        case.deadlines_hold();
    }
    served_when_nothing_is_wrong(stage);
    spoilt_connections_are_not_used(stage);
    idle_connections_end(stage);
    visits_end(stage);
    drain_is_in_time(stage, mail);
    all_is_counted(stage, links, mail);
    tunnel::judge(stage, links);
    if cores.iter().any(|core| core.strong_count() > 0) {
        stage.world.fail(format_args!("law nothing_is_left: something still holds a core, and so its buffers"));
    }
}

/// Law: the run comes to its end. A wake-up that is lost shows here at the latest.
pub fn it_ends(stage: &Stage, pause: Pause, wanted: Pause) {
    if pause != wanted {
        stage.world.fail(format_args!("law it_ends: {pause:?}"));
    }
}

/// Law: drained means that no task and no connection is left.
pub fn nothing_is_left(stage: &Stage, gateway: &Gateway) {
    for (index, core) in gateway.cores.iter().enumerate() {
        let (tasks, connections) = (stage.world.tasks(Owner::Core(index)), core.open_connections());
        if tasks > 0 || connections > 0 {
            stage.world.fail(format_args!(
                "law nothing_is_left: core {index} is drained with {tasks} tasks and {connections} connections"
            ));
        }
    }
}

/// Law: every bound of the configuration holds at every moment.
pub fn bounds_hold(stage: &Stage, gateway: &Gateway) {
    let settings = &stage.scenario.settings;
    for core in &gateway.cores {
        let open = core.open_connections() as u64;
        if open > settings.connections {
            stage.world.fail(format_args!("law bounds_hold: {open} connections on {:?}", core.id));
        }
        for visit in &stage.scenario.clients {
            let open = core.open_connections_of(visit.own.ip());
            if open > settings.connections_per_address {
                stage.world.fail(format_args!("law bounds_hold: {open} connections of one client on {:?}", core.id));
            }
        }
        let idle = core.serving().borrow().idle();
        if idle > UPSTREAMS * settings.idle_connections {
            stage.world.fail(format_args!("law bounds_hold: {idle} idle upstream connections on {:?}", core.id));
        }
    }
}

/// One exchange that is over.
struct Case<'r> {
    stage: &'r Stage,
    id: u32,
    ask: &'r Ask,
    account: &'r Account,
}

impl Case<'_> {
    fn fail(&self, what: impl std::fmt::Display) {
        self.stage.fail(self.id, format_args!("{what}\n    {:?}\n    {:?}", self.ask, self.account));
    }

    /// Law: an answer that ended early is never complete in its framing, and a whole one is what the origin gave.
    fn truncation_shows(&self) {
        let Outcome::Answered { status, is_origins: true, bytes, is_until_close } = self.account.outcome else {
            return;
        };
        let wanted = if self.ask.treatment == Treatment::Refuses { (413, 0) } else { self.good() };
        // An answer that only the end of the connection delimits cannot be told from one cut there (RFC 9112 6.3).
        let is_blurred =
            self.ask.answer.framing == Shape::UntilClose && matches!(self.ask.treatment, Treatment::CutsAfter(_));
        // What was garbage behind the head was not looked at where no body was to come.
        let is_unseen = matches!(self.ask.treatment, Treatment::Garbage(_)) && self.ask.is_bodiless();
        if !is_unseen && (status, bytes) != wanted && !(is_blurred && status == wanted.0 && bytes <= wanted.1) {
            let how = if is_until_close { "by closing" } else { "in its framing" };
            self.fail(format_args!(
                "law truncation_shows: complete {how} as {status} with {bytes} bytes of {wanted:?}"
            ));
        }
    }

    /// Status and body bytes of the good answer, as the client is to see them.
    fn good(&self) -> (u16, u64) {
        let bytes = if self.ask.is_bodiless() { 0 } else { self.ask.answer.bytes };
        (self.ask.answer.status, bytes)
    }

    /// Law: an origin sees a request that is not idempotent once, no request more often than endpoints are tried and a
    /// stale connection is replaced, nothing that the gateway had to refuse, and no body as complete that is not.
    fn origins_see_what_was_sent(&self) {
        let most = if self.ask.is_idempotent() { ENDPOINTS_TRIED + 1 } else { 1 };
        if self.account.seen.len() > most {
            self.fail(format_args!("law origins_see: {} times", self.account.seen.len()));
        }
        let is_too_long =
            matches!(self.ask.body, Body::Length(bytes) if bytes > self.stage.scenario.settings.body_limit);
        let is_ours = matches!(self.ask.route, Route::Local | Route::Lost);
        let is_refused = matches!(self.ask.manner, Manner::Malformed(_) | Manner::Oversized) || is_too_long || is_ours;
        if is_refused && !self.account.seen.is_empty() {
            self.fail("law origins_see: a request that was to be refused");
        }
        for whole in self.account.seen.iter().filter_map(|seen| seen.whole) {
            if whole != self.ask.body_bytes() || self.account.sent.is_none() {
                self.fail(format_args!("law origins_see: {whole} bytes as a complete body"));
            }
        }
    }

    /// Law: nothing outlives its deadline, as far as the client is prompt and so is not itself what takes time.
    fn deadlines_hold(&self) {
        let settings = &self.stage.scenario.settings;
        let (Some(ended), true) = (self.account.ended, self.stage.scenario.is_reader_prompt(self.id)) else { return };
        if let Some(stopped) = self.account.stopped.filter(|_| self.account.outcome == Outcome::Closed) {
            let bound = settings.head.max(settings.idle).max(settings.request);
            self.must_end(ended, stopped, bound, "a client that stopped");
        }
        let Some(asked) = self.account.head_sent.map(|sent| sent.max(self.turn())) else { return };
        self.must_end(ended, asked, settings.request, "timeouts.request");
        if self.account.seen.is_empty() && self.ask.route == Route::Doubtful && self.ask.body == Body::None {
            self.must_end(ended, asked, settings.connect, "timeouts.connect");
        }
        if settings.die {
            self.must_end(ended, asked, PING_AFTER + PING_TIME, "an origin that is silent");
            if ended.since(asked) < PING_AFTER {
                self.fail("law deadlines_hold: a silent origin was given up before it was asked");
            }
        }
        let Some(left) = self.account.seen.last().and_then(|seen| seen.left_at) else { return };
        let bound = match self.ask.treatment {
            Treatment::Hangs => settings.first_byte,
            _ => settings.first_byte.max(settings.idle),
        };
        self.must_end(ended, left, bound, "an origin that stopped");
    }

    fn must_end(&self, ended: Instant, from: Instant, bound: Duration, what: &str) {
        let taken = ended.since(from);
        let most = bound + slack(self.stage);
        if taken > most {
            self.fail(format_args!("law deadlines_hold: {taken:?} after {what}, where {most:?} is the most"));
        }
    }

    /// When the exchange before it on its connection was over.
    fn turn(&self) -> Instant {
        let visit = self.stage.scenario.clients.iter().find(|visit| visit.asks.contains(&self.id));
        let before = visit.and_then(|visit| visit.asks.iter().take_while(|id| **id != self.id).last());
        let ended = before.and_then(|id| self.stage.accounts[*id as usize].borrow().ended);
        ended.unwrap_or(Instant::from_nanos(0))
    }
}

/// What the world itself may add to a deadline: bytes under way in both directions, stalls, late timers, a pause in
/// accepting.
pub fn slack(stage: &Stage) -> Duration {
    let weather = &stage.scenario.weather;
    let stall = if weather.stalls > 0 { weather.stall_us.1 } else { 0 };
    let way = weather.latency_us.1 + stall + weather.notice_us.1 + weather.timer_us.1;
    let pause = if weather.accept_failures > 0 { 300 } else { 0 };
    Duration::from_micros(4 * way) + Duration::from_millis(50 + pause)
}

/// Law: where nothing is wrong, the client gets the origin's whole answer. The law without which a gateway that closes
/// every connection would keep all the others.
fn served_when_nothing_is_wrong(stage: &Stage) {
    let scenario = &stage.scenario;
    let asks = &scenario.asks;
    let is_spoilt = asks.iter().any(|ask| matches!(ask.treatment, Treatment::Appends(_) | Treatment::Speaks(..)));
    let closes_idle = asks.iter().any(|ask| matches!(ask.treatment, Treatment::ClosesAfter(_)));
    let is_crowded = scenario.settings.connections < 100 || scenario.settings.connections_per_address < 100;
    if scenario.is_stormy || is_spoilt || is_crowded {
        return;
    }
    for (visit, seen) in scenario.clients.iter().zip(&stage.visits) {
        let sound = |id: &u32| {
            let (account, ask) = (stage.accounts[*id as usize].borrow().clone(), &asks[*id as usize]);
            Case { stage, id: *id, ask, account: &account }.is_sound(closes_idle)
        };
        // What is pipelined shares the fate of what comes behind it.
        let is_doomed = visit.is_pipelined && !visit.asks.iter().all(sound);
        if visit.pace != Pace::Prompt || seen.borrow().is_refused || is_doomed {
            continue;
        }
        for &id in &visit.asks {
            let ask = &asks[id as usize];
            let account = stage.accounts[id as usize].borrow().clone();
            let case = Case { stage, id, ask, account: &account };
            let is_next = !visit.is_pipelined || id == visit.asks[0];
            if !case.is_sound(closes_idle) || !case.was_undisturbed(is_next) {
                break;
            }
            let wanted = match ask.route {
                Route::Lost => Outcome::Answered { status: 404, is_origins: false, bytes: 0, is_until_close: false },
                Route::Local => Outcome::Answered { status: 200, is_origins: false, bytes: 4, is_until_close: false },
                _ => {
                    let (status, bytes) = case.good();
                    Outcome::Answered { status, is_origins: true, bytes, is_until_close: false }
                }
            };
            if !is_as_wanted(account.outcome, wanted, ask) {
                case.fail("law served_when_nothing_is_wrong");
                break;
            }
            if account.is_last {
                if case.keeps_its_connection() {
                    case.fail("law served_when_nothing_is_wrong: the connection was not kept");
                }
                break;
            }
        }
    }
}

fn is_as_wanted(found: Outcome, wanted: Outcome, ask: &Ask) -> bool {
    let Outcome::Answered { status: found_status, is_origins: found_origins, bytes: found_bytes, .. } = found else {
        return false;
    };
    let Outcome::Answered { status, is_origins, bytes, .. } = wanted else { return false };
    let has_text = is_origins || (ask.route == Route::Local && ask.method != "HEAD");
    (found_status, found_origins) == (status, is_origins) && (!has_text || found_bytes == bytes)
}

impl Case<'_> {
    /// Client and origin do all that makes a whole answer possible, in time.
    fn is_sound(&self, closes_idle: bool) -> bool {
        let Ask { treatment, manner, route, .. } = self.ask;
        let settings = &self.stage.scenario.settings;
        let is_treated_well =
            matches!(treatment, Treatment::Good | Treatment::Slow(_) | Treatment::ClosesAfter(_) | Treatment::Early)
                || matches!(route, Route::Local | Route::Lost);
        // A connection that the origin closes as it is used again costs the request that cannot be repeated.
        let is_repeatable = self.ask.is_idempotent() && self.ask.body == Body::None;
        let is_safe = !closes_idle || is_repeatable || matches!(route, Route::Local | Route::Lost);
        // Behind its own answers the gateway reads on so far, framing included; a longer body ends the connection.
        let is_local = matches!(route, Route::Local | Route::Lost);
        let most_bytes = settings.body_limit.min(if is_local { DRAIN_BYTES / 2 } else { u64::MAX });
        let is_small = self.ask.body_bytes() <= most_bytes;
        let is_quick = self.estimate() * 4 < settings.shortest();
        let is_reached = *route != Route::Doubtful || self.most() < settings.request;
        *manner == Manner::Prompt && is_treated_well && is_reached && is_safe && is_small && is_quick
    }

    /// A generous guess at the time that the exchange takes where nothing fails.
    fn estimate(&self) -> Duration {
        let weather = &self.stage.scenario.weather;
        let (up, down) = self.stage.scenario.windows(self.id);
        let (up, down) = (up.min(weather.link_bytes.0), down.min(weather.link_bytes.0));
        let turns = 8 + self.ask.body_bytes() / up + self.ask.answer.bytes / down;
        let stall = weather.stall_us.1 * weather.stalls * weather.pieces.1 / 1000;
        let pause = if let Treatment::Slow(pause) = self.ask.treatment { pause * 5 } else { Duration::ZERO };
        let way = weather.latency_us.1 + stall + weather.notice_us.1;
        let expectation = if self.ask.expects { Duration::from_millis(50) } else { Duration::ZERO };
        Duration::from_micros(turns * way) + pause + expectation
    }

    /// What it takes at most where nothing fails but endpoints: of those that are doubtful one refuses and one says
    /// nothing, which takes a connect timeout, and there are as many tries as endpoints.
    fn most(&self) -> Duration {
        let connect =
            if self.ask.route == Route::Doubtful { self.stage.scenario.settings.connect } else { Duration::ZERO };
        connect + self.estimate() * 4
    }

    /// No drain came between: it was over before, or it was in the gateway's hands before, with time enough to finish.
    /// `is_next` when no other exchange had to be done first.
    fn was_undisturbed(&self, is_next: bool) -> bool {
        let Some(drained_from) = self.stage.drained_from.get() else { return true };
        let is_in_hand = self.account.head_sent.is_some_and(|sent| sent.after(slack(self.stage)) < drained_from);
        let has_time = self.most() < self.stage.scenario.settings.drain;
        self.account.ended.is_some_and(|ended| ended < drained_from) || (is_in_hand && is_next && has_time)
    }

    /// Nothing about the exchange is a reason to end its connection.
    fn keeps_its_connection(&self) -> bool {
        let is_before_drain =
            self.stage.drained_from.get().is_none_or(|from| self.account.ended.is_some_and(|ended| ended < from));
        let is_plain = !self.ask.is_old && !self.ask.expects && self.ask.treatment != Treatment::Early;
        let has_no_rest = self.ask.route == Route::Main || self.ask.body == Body::None;
        is_before_drain && is_plain && has_no_rest
    }
}

/// Law: an upstream connection on which the origin has spoken out of turn is not used again, once the gateway could
/// know.
fn spoilt_connections_are_not_used(stage: &Stage) {
    for reuse in stage.reuses.borrow().iter() {
        let known_after = slack(stage);
        if reuse.asked_at.since(reuse.spoke_at) > known_after {
            stage.fail(reuse.exchange, format_args!("law spoilt_connections: it came over one, {reuse:?}"));
        }
    }
}

/// Law: an upstream connection without work is closed after its time, at the next sweep.
fn idle_connections_end(stage: &Stage) {
    // Of an answer that a stream's windows are too small for the gateway reads little ahead: its origin is done long before.
    if stage.scenario.clients.iter().any(|visit| visit.is_shared) {
        return;
    }
    let most = stage.scenario.settings.upstream_idle + SWEEP_EVERY + 2 * TICK + slack(stage);
    for (since, until) in stage.idles.borrow().iter() {
        if until.since(*since) > most {
            stage
                .world
                .fail(format_args!("law deadlines_hold: an upstream connection idled {:?}", until.since(*since)));
        }
    }
}

/// Law: every client is answered or sees its connection end.
fn visits_end(stage: &Stage) {
    for (number, (visit, plan)) in stage.visits.iter().zip(&stage.scenario.clients).enumerate() {
        let visit = visit.borrow();
        let settings = &stage.scenario.settings;
        if let (Pace::Never, Some(from), Some(to)) = (plan.pace, visit.connected, visit.closed) {
            // Each request may be served as far as the link takes its answer; the first that it does not stalls.
            let turns = plan.asks.len() as u32 + 1;
            let most =
                (settings.request + settings.idle) * turns + settings.head + DRAIN_TIME + LINGER_TIME + slack(stage);
            if to.since(from) > most {
                stage.world.fail(format_args!("law deadlines_hold: client {number} held on for {:?}", to.since(from)));
            }
        }
        if !visit.is_over {
            stage.world.fail(format_args!("law visits_end: client {number} still waits: {visit:?}"));
        }
        let (Some(moved), Some(closed)) = (visit.moved, visit.closed) else { continue };
        // After its own answers the gateway may still be draining a request's body.
        let most = stage.scenario.settings.idle.max(DRAIN_TIME) + slack(stage);
        if closed.since(moved) > most {
            stage.world.fail(format_args!("law deadlines_hold: client {number} idled for {:?}", closed.since(moved)));
        }
    }
}

/// Law: a drain ends within its time; after it only farewells are left.
fn drain_is_in_time(stage: &Stage, mail: &Mail) {
    let (Some(from), Some(to)) = (stage.drained_from.get(), mail.drained_at) else { return };
    let most = stage.scenario.settings.drain + LINGER_TIME + slack(stage);
    if to.since(from) > most {
        stage.world.fail(format_args!("law drain_is_in_time: {:?}, where {most:?} is the most", to.since(from)));
    }
}

/// Law: what was counted is what there was.
fn all_is_counted(stage: &Stage, links: &[SharedLink], mail: &Mail) {
    let (begun, in_flight) = (begun(links), links.iter().map(|link| Row::load(&link.row.in_flight)).sum::<u64>());
    if mail.opened != mail.closed || mail.exchanges != begun || in_flight != 0 {
        stage.world.fail(format_args!("law all_is_counted: {begun} begun, {in_flight} in flight, {mail:?}"));
    }
}

/// Upstreams that a configuration has at most.
const UPSTREAMS: usize = 3;
