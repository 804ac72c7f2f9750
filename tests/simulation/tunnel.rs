//! Tunnels: clients that ask for an upgrade, the origin that grants it or not, what goes through, and the laws of it.
//!
//! They have a route, an upstream and an origin of their own, so that what holds for exchanges is not blurred by them.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use ringway::plan::Address;
use ringway::shell::mail::{Row, SharedLink};
use ringway::shell::sim::{Random, World};
use ringway::words::limits::TICK;
use ringway::words::time::Instant;

use super::laws::slack;
use super::ledger::{Mark, Stage};
use super::line::Line;
use super::message::{Pace, Reader};
use super::scenario::{GATEWAY, Scenario, Settings};
use super::tags::{self, Way};
use crate::support::wire::{Broken, Head};

/// One connection that asks to be upgraded, and what becomes of it.
#[derive(Clone, Debug)]
pub struct Tunnel {
    pub at: Duration,
    pub own: SocketAddr,
    /// Bytes that the client sends before it knows.
    pub early: u64,
    pub grant: Grant,
    pub client: Party,
    pub origin: Party,
}

/// What the origin says to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grant {
    /// 101 with the protocol that was asked for, and this many bytes behind it at once.
    Given(u64),
    /// An ordinary answer.
    Denied,
    /// 101 with another protocol.
    Other,
    /// Nothing, and it closes.
    Closed,
    /// Nothing.
    Silent,
}

/// How one side talks.
#[derive(Clone, Copy, Debug)]
pub struct Party {
    /// Bytes that it sends.
    pub bytes: u64,
    /// In pieces of so many, with a pause before each.
    pub piece: u64,
    pub pause: Duration,
    pub end: End,
    pub pace: Pace,
}

/// How a side ends what it sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// FIN behind the last byte.
    Finishes,
    /// FIN, once the other side's came.
    Follows,
    /// A reset.
    Resets,
    /// Not at all.
    Stays,
}

/// A tunnel as it was seen.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// When the client saw the upgrade granted.
    switched: Option<Instant>,
    /// Another answer that the client saw.
    status: Option<u16>,
    /// Which grant of the origin counts: the last.
    grants: u32,
    up: Direction,
    down: Direction,
    moved: Option<Instant>,
    /// When the client was done with it.
    over: Option<Instant>,
}

/// One direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Direction {
    sent: u64,
    /// The sender has ended it properly, behind all its bytes.
    is_finished: bool,
    received: u64,
    /// What the receiver saw at its end: FIN, or something else.
    is_clean: Option<bool>,
}

/// The account of all tunnels, and how many are over.
#[derive(Debug, Default)]
pub struct Accounts {
    list: Vec<RefCell<Account>>,
    /// When the route went out of the plan.
    pub vanished: RefCell<Vec<Instant>>,
}

impl Accounts {
    pub fn new(count: usize) -> Self {
        Self { list: (0..count).map(|_| RefCell::default()).collect(), vanished: RefCell::default() }
    }

    /// True when no client has a tunnel any more.
    pub fn are_over(&self) -> bool {
        self.list.iter().all(|account| account.borrow().over.is_some())
    }
}

// ------------------------------------------------------------------------------------------ the scenario's part

impl Scenario {
    /// Adds tunnels, by a sequence of chances of their own: scenarios without them stay what they are.
    pub fn add_tunnels(&mut self, seed: u64) {
        let mut random = Random::new(seed ^ 0x7475_6e6e_656c);
        let room = self.weather.link_bytes.0;
        for number in 0..random.within((1, 6)) {
            let own = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 9, 1, 1)), 50_000 + number as u16);
            let mut tunnel = Tunnel {
                at: Duration::from_millis(random.within((0, 200))),
                own,
                early: *random.pick(&[0, 0, 0, 10, 400]),
                grant: match random.below(12) {
                    0 => Grant::Denied,
                    1 => Grant::Other,
                    2 => Grant::Closed,
                    3 => Grant::Silent,
                    _ => Grant::Given(*random.pick(&[0, 0, 16, 700])),
                },
                client: Party::of(&mut random, room),
                origin: Party::of(&mut random, room),
            };
            if tunnel.client.end == End::Finishes && random.chance(300) {
                tunnel.origin.end = End::Follows;
            } else if tunnel.origin.end == End::Finishes && random.chance(300) {
                tunnel.client.end = End::Follows;
            }
            self.tunnels.push(tunnel);
        }
    }

    /// The tunnels' part of the configuration; in some generations their route is gone.
    pub fn tunnel_config(&self, generation: u64) -> String {
        if self.tunnels.is_empty() || is_gone(generation) {
            return String::new();
        }
        let Settings { idle_connections, upstream_idle, .. } = &self.settings;
        format!(
            r#"
            [upstreams.tunnels]
            endpoints = ["http://{ORIGIN}"]
            idle_connections = {idle_connections}
            idle_timeout = "{}ms"
            [routes.tunnels]
            path = "/tunnel/*"
            upstream = "tunnels"
            "#,
            upstream_idle.as_millis()
        )
    }
}

/// True when the plan of this generation has no route for tunnels.
pub fn is_gone(generation: u64) -> bool {
    generation.is_multiple_of(2)
}

impl Party {
    fn of(random: &mut Random, room: u64) -> Self {
        let most = *random.pick(&[0, 100, 2_000, 2_000, 8 * room]);
        Self {
            bytes: random.within((0, most)),
            piece: *random.pick(&[16, 500, 5_000]).max(&(most / 20)),
            pause: Duration::from_millis(*random.pick(&[0, 0, 1, 10])),
            end: *random.pick(&[End::Finishes, End::Finishes, End::Finishes, End::Finishes, End::Resets, End::Stays]),
            pace: match random.below(12) {
                0 => Pace::Slow(*random.pick(&[64, 500, 5_000]), Duration::from_millis(random.within((0, 5)))),
                1 => Pace::Never,
                _ => Pace::Prompt,
            },
        }
    }
}

// ------------------------------------------------------------------------------------------ the actors

/// One end of a tunnel, as its two tasks share it.
struct Talker {
    stage: Rc<Stage>,
    number: usize,
    /// Of which grant it is.
    grant: u32,
    wire: Line,
    /// Which way its own bytes go.
    way: Way,
    party: Party,
    /// Raised when all was read.
    heard: Mark,
}

/// Plays the client of the tunnel numbered `number`.
pub async fn play(stage: Rc<Stage>, number: usize) {
    let plan = stage.scenario.tunnels[number].clone();
    stage.world.sleep(plan.at).await;
    let gateway = Address::Tcp(GATEWAY.parse().unwrap());
    if let Ok(wire) = Line::connect(&stage, plan.own, &gateway).await {
        stage.world.say(format_args!("the client of tunnel {number} is on link {}", wire.number()));
        ask(&stage, number, &plan, wire).await;
    }
    stage.tunnels.list[number].borrow_mut().over = Some(stage.world.now());
}

async fn ask(stage: &Rc<Stage>, number: usize, plan: &Tunnel, wire: Line) {
    let head = format!(
        "GET /tunnel/{number} HTTP/1.1\r\nhost: sim.example\r\nx-tunnel: {number}\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\n\r\n"
    );
    let early = plan.early.min(plan.client.bytes);
    let mut first = head.into_bytes();
    first.extend(tags::bytes(Way::Up, tag(number), 0, early as usize));
    // Whether anybody reads it shows in the answer.
    let _sent = wire.send(&first).await;
    stage.note(number, |account| account.up.sent = early);
    let mut reader = Reader::new(stage.world.clone(), wire.clone(), plan.client.pace);
    let Ok(head) = reader.head().await else { return wire.close() };
    let status = head.start.get(9..12).and_then(|status| status.parse::<u16>().ok()).unwrap_or(0);
    check_answer(stage, number, plan, &head, status);
    if status != 101 {
        stage.note(number, |account| account.status = Some(status));
        return wire.close();
    }
    stage.note(number, |account| account.switched = Some(stage.world.now()));
    let grant = stage.tunnels.list[number].borrow().grants;
    let talker = Talker {
        stage: Rc::clone(stage),
        number,
        grant,
        wire,
        way: Way::Up,
        party: plan.client,
        heard: Mark::default(),
    };
    talker.talk(reader, early).await;
}

/// Whose answer it is, and whether it may say this.
fn check_answer(stage: &Stage, number: usize, plan: &Tunnel, head: &Head, status: u16) {
    let owner = head.fields.all("x-tunnel");
    if owner.first().is_some_and(|owner| *owner != number.to_string()) {
        stage.world.fail(format_args!("law no_mixing: tunnel {number} got the answer of {owner:?}"));
    }
    let is_granted = matches!(plan.grant, Grant::Given(_));
    let is_right = head.fields.all("upgrade") == ["websocket"] && head.fields.all("connection") == ["upgrade"];
    if status == 101 && !(is_granted && is_right) {
        stage.world.fail(format_args!("law tunnels: tunnel {number} opened by {plan:?} with {head:?}"));
    }
}

/// Opens the origin of all tunnels.
pub fn open(stage: &Rc<Stage>) {
    if stage.scenario.tunnels.is_empty() {
        return;
    }
    let (stage, listener) = (Rc::clone(stage), stage.world.listen(Address::Tcp(ORIGIN.parse().unwrap())));
    let world = stage.world.clone();
    world.spawn(async move {
        while let Ok(wire) = listener.accept().await {
            stage.world.spawn(serve(Rc::clone(&stage), Line::plain(wire)));
        }
    });
}

async fn serve(stage: Rc<Stage>, wire: Line) {
    let mut reader = Reader::new(stage.world.clone(), wire.clone(), Pace::Prompt);
    while let Ok(head) = reader.head().await {
        let number = head.fields.all("x-tunnel").first().and_then(|number| number.parse::<usize>().ok());
        let Some(number) = number.filter(|number| *number < stage.scenario.tunnels.len()) else {
            return stage.world.fail(format_args!("law no_mixing: an origin got a request of no tunnel: {head:?}"));
        };
        if head.fields.all("upgrade") != ["websocket"] || head.fields.all("connection") != ["upgrade"] {
            stage.world.fail(format_args!("law tunnels: tunnel {number} was asked for by {head:?}"));
        }
        if !reader.left().is_empty() {
            stage.world.fail(format_args!("law tunnels: bytes of tunnel {number} went up before it was granted"));
        }
        let plan = stage.scenario.tunnels[number].clone();
        let head = match plan.grant {
            Grant::Given(first) => return grant(&stage, number, &plan, first, reader, wire).await,
            Grant::Denied => format!("HTTP/1.1 403 Denied\r\nx-tunnel: {number}\r\ncontent-length: 0\r\n\r\n"),
            Grant::Other => "HTTP/1.1 101 Other\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n".to_owned(),
            Grant::Closed => return wire.close(),
            Grant::Silent => String::new(),
        };
        if wire.send(head.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn grant(stage: &Rc<Stage>, number: usize, plan: &Tunnel, first: u64, reader: Reader, wire: Line) {
    let first = first.min(plan.origin.bytes);
    let grant = stage.note(number, |account| {
        account.grants += 1;
        (account.up.received, account.up.is_clean) = (0, None);
        account.down = Direction { sent: first, ..Direction::default() };
        account.grants
    });
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nx-tunnel: {number}\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"
    );
    let mut message = head.into_bytes();
    message.extend(tags::bytes(Way::Down, tag(number), 0, first as usize));
    if wire.send(&message).await.is_ok() {
        let talker = Talker {
            stage: Rc::clone(stage),
            number,
            grant,
            wire,
            way: Way::Down,
            party: plan.origin,
            heard: Mark::default(),
        };
        talker.talk(reader, first).await;
    }
}

impl Talker {
    /// Sends from `start` on, and reads to the end.
    async fn talk(self, mut reader: Reader, start: u64) {
        let talker = Rc::new(self);
        let is_written = Rc::new(Mark::default());
        let (writer, mark) = (Rc::clone(&talker), Rc::clone(&is_written));
        talker.world().spawn(async move {
            let is_all_sent = writer.write(start).await.is_some();
            mark.raise(if is_all_sent { 2 } else { 1 });
        });
        talker.read(&mut reader).await;
        is_written.reach(1).await;
        let is_all_sent = is_written.get() == 2;
        // Closing ends what it has sent as well as FIN does.
        talker.note(talker.way, |direction| direction.is_finished |= is_all_sent);
        talker.wire.close();
    }

    fn world(&self) -> &World {
        &self.stage.world
    }

    /// Sends and ends as its party does; `None` when it cannot.
    async fn write(&self, start: u64) -> Option<()> {
        let mut at = start;
        while at < self.party.bytes {
            self.world().sleep(self.party.pause).await;
            let count = (self.party.bytes - at).min(self.party.piece);
            let piece = tags::bytes(self.way, tag(self.number), at, count as usize);
            at += count;
            // Before it is: of a piece that is not taken whole some bytes may arrive.
            self.note(self.way, |direction| direction.sent = at);
            self.wire.send(&piece).await.ok()?;
            self.note(self.way, |_| {});
        }
        if self.party.end == End::Follows {
            self.heard.reach(1).await;
        }
        match self.party.end {
            End::Finishes | End::Follows => {
                self.note(self.way, |direction| direction.is_finished = true);
                self.wire.finish();
            }
            End::Resets => self.wire.reset(),
            End::Stays => {}
        }
        Some(())
    }

    async fn read(&self, reader: &mut Reader) {
        let from = if self.way == Way::Up { Way::Down } else { Way::Up };
        let mut count = 0;
        // What came behind the head lies there already.
        let end = loop {
            let taken = reader.take();
            if let Err(whose) = tags::check(from, tag(self.number), count, &taken) {
                self.world().fail(format_args!("law no_mixing: tunnel {}: {whose}", self.number));
            }
            count += taken.len() as u64;
            self.note(from, |direction| direction.received = count);
            if let Err(end) = reader.more().await {
                break end;
            }
        };
        self.world().say(format_args!("tunnel {}, {from:?}: {count} bytes, then {end:?}", self.number));
        self.note(from, |direction| direction.is_clean = Some(end == Broken::Closed));
        self.heard.raise(1);
    }

    /// Changes what is known of a direction, unless another grant counts by now.
    fn note(&self, way: Way, change: impl FnOnce(&mut Direction)) {
        let now = self.world().now();
        self.stage.note(self.number, |account| {
            if account.grants == self.grant {
                account.moved = Some(now);
                change(if way == Way::Up { &mut account.up } else { &mut account.down });
            }
        });
    }
}

impl Stage {
    fn note<T>(&self, tunnel: usize, change: impl FnOnce(&mut Account) -> T) -> T {
        change(&mut self.tunnels.list[tunnel].borrow_mut())
    }
}

// ------------------------------------------------------------------------------------------ the laws

/// Judges all tunnels of a run that is over.
pub fn judge(stage: &Stage, links: &[SharedLink]) {
    for (number, plan) in stage.scenario.tunnels.iter().enumerate() {
        let account = stage.tunnels.list[number].borrow().clone();
        for broken in laws(stage, plan, &account) {
            stage.world.fail(format_args!("tunnel {number}: {broken}\n    {plan:?}\n    {account:?}"));
        }
    }
    let open = links.iter().map(|link| Row::load(&link.row.tunnels)).sum::<u64>();
    if open > 0 {
        stage.world.fail(format_args!("law nothing_is_left: {open} tunnels are counted as open"));
    }
}

fn laws(stage: &Stage, plan: &Tunnel, account: &Account) -> Vec<String> {
    let mut broken = Vec::new();
    for (way, direction) in [("up", account.up), ("down", account.down)] {
        // A part never looks like the whole, and nothing comes that was not sent.
        let is_whole = direction.is_finished && direction.received == direction.sent;
        if account.switched.is_some() && direction.is_clean == Some(true) && !is_whole {
            broken.push(format!("law truncation_shows: {way} ended as if it were whole"));
        }
        if account.switched.is_some() && direction.received > direction.sent {
            broken.push(format!("law no_mixing: more came {way} than was sent"));
        }
    }
    let Some(over) = account.over else {
        broken.push("law visits_end: the client still waits".to_owned());
        return broken;
    };
    if let (Some(moved), Some(switched)) = (account.moved, account.switched) {
        let most = stage.scenario.settings.idle + slack(stage);
        if over.since(moved) > most {
            broken.push(format!("law deadlines_hold: idle for {:?}, where {most:?} is the most", over.since(moved)));
        }
        // A client that does not read at once may not see it; what it sends comes in pieces, with pauses.
        let most = 2 * TICK + plan.client.pause + slack(stage);
        let vanished = stage.tunnels.vanished.borrow();
        let is_orphan = vanished.iter().any(|gone| switched < *gone && over.since(*gone) > most);
        if plan.client.pace == Pace::Prompt && is_orphan {
            broken.push(format!("law tunnels: it went on without its route, which was gone at {vanished:?}"));
        }
    }
    if is_sound(stage, plan) && !was_disturbed(stage, account, over) && !is_whole(plan, account) {
        broken.push("law served_when_nothing_is_wrong".to_owned());
    }
    broken
}

/// Both sides do all that makes a whole tunnel possible, in time.
fn is_sound(stage: &Stage, plan: &Tunnel) -> bool {
    let (scenario, settings) = (&stage.scenario, &stage.scenario.settings);
    let is_free = settings.connections >= 100 && settings.connections_per_address >= 100;
    let is_good = |party: &Party| matches!(party.end, End::Finishes | End::Follows) && party.pace == Pace::Prompt;
    let way = scenario.weather.latency_us.1 + scenario.weather.stall_us.1 * scenario.weather.stalls.min(1) * 8;
    let turns = 8 + (plan.client.bytes + plan.origin.bytes) / scenario.weather.link_bytes.0;
    let pauses = |party: &Party| party.pause * (party.bytes / party.piece + 1) as u32;
    let time = Duration::from_micros(turns * way) + pauses(&plan.client) + pauses(&plan.origin);
    let is_quick = time * 4 < settings.shortest();
    !scenario.is_stormy
        && is_free
        && is_quick
        && matches!(plan.grant, Grant::Given(_))
        && is_good(&plan.client)
        && is_good(&plan.origin)
}

/// A drain came between, or a plan without the route.
fn was_disturbed(stage: &Stage, account: &Account, over: Instant) -> bool {
    let is_drained = stage.drained_from.get().is_some_and(|from| from <= over);
    let is_gone = stage.tunnels.vanished.borrow().iter().any(|gone| *gone <= over);
    is_drained || is_gone || (account.grants == 0 && account.status == Some(404))
}

fn is_whole(plan: &Tunnel, account: &Account) -> bool {
    let whole = |bytes| Direction { sent: bytes, is_finished: true, received: bytes, is_clean: Some(true) };
    account.switched.is_some() && account.up == whole(plan.client.bytes) && account.down == whole(plan.origin.bytes)
}

/// No exchange has this number.
fn tag(number: usize) -> u32 {
    90_000 + number as u32
}

/// The origin of all tunnels.
const ORIGIN: &str = "10.1.0.5:80";
