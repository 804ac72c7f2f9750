//! A run, from its seed to its verdict: the cores with their mail, control, clients and origins in one world.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::Duration;

use ringway::plan::load_text;
use ringway::shell::accept::Doors;
use ringway::shell::core::Core;
use ringway::shell::keyring::SharedKeyring;
use ringway::shell::mail::{Link, Note, Report, Row, SharedLink, SharedPlan};
use ringway::shell::sim::{Owner, Pause, SimIo, World};
use ringway::shell::worker::live;
use ringway::words::ids::{CoreId, ListenerId};
use ringway::words::time::Instant;

use super::ledger::Stage;
use super::line::Keys;
use super::scenario::{GATEWAY, Scenario};
use super::{client, laws, origin, tunnel};

/// How a run went.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The hash of everything that happened.
    pub hash: u64,
    /// Which laws were broken, and when.
    pub broken: Vec<String>,
}

/// The gateway in its world.
pub struct Gateway {
    pub cores: Vec<Rc<Core<SimIo>>>,
    pub links: Vec<SharedLink>,
    pub mail: RefCell<Mail>,
}

/// What the cores have reported.
#[derive(Clone, Debug, Default)]
pub struct Mail {
    pub drained: usize,
    pub applied: Vec<u64>,
    pub opened: u64,
    pub closed: u64,
    pub exchanges: u64,
    /// When the last core was drained.
    pub drained_at: Option<Instant>,
}

/// Runs the scenario of `seed`.
pub fn run(seed: u64, is_printed: bool) -> Verdict {
    perform(Scenario::of(seed), seed, is_printed)
}

/// Runs `scenario` with the chances of `seed`.
pub fn perform(scenario: Scenario, seed: u64, is_printed: bool) -> Verdict {
    if is_printed {
        println!("{scenario:#?}");
    }
    let world = World::new(!seed, scenario.weather.clone(), is_printed);
    let stage = Stage::new(world.clone(), scenario);
    let gateway = Rc::new(Gateway::start(&stage));
    origin::open(&stage);
    for number in 0..stage.scenario.clients.len() {
        world.spawn(client::play(Rc::clone(&stage), number));
    }
    tunnel::open(&stage);
    for number in 0..stage.scenario.tunnels.len() {
        world.spawn(tunnel::play(Rc::clone(&stage), number));
    }
    world.spawn(control(Rc::clone(&stage), Rc::clone(&gateway)));
    let pause = world.run(Instant::from_nanos(0).after(HORIZON), || {
        laws::bounds_hold(&stage, &gateway);
        gateway.has_drained()
    });
    laws::it_ends(&stage, pause, Pause::Reached);
    let cores = gateway.cores.len();
    laws::nothing_is_left(&stage, &gateway);
    let weak: Vec<Weak<_>> = gateway.cores.iter().map(Rc::downgrade).collect();
    let links = gateway.links.clone();
    let mail = gateway.mail.borrow().clone();
    (0..cores).for_each(|core| world.stop(Owner::Core(core)));
    // Clients may still have to learn that it is over.
    let everybody = stage.visits.len();
    world.run(world.now().after(AFTERMATH), || {
        stage.visits_over.get() == everybody && stage.tunnels.are_over() && Rc::strong_count(&gateway) == 1
    });
    drop(gateway);
    laws::judge(&stage, &links, &mail, &weak);
    let verdict = Verdict { hash: world.hash(), broken: world.failures() };
    world.end();
    verdict
}

impl Gateway {
    fn start(stage: &Stage) -> Self {
        let plan = plan(&stage.scenario, 1);
        let mut gateway = Self { cores: Vec::new(), links: Vec::new(), mail: RefCell::default() };
        for index in 0..stage.scenario.cores {
            let id = CoreId::new(index);
            let link = Link::new(id);
            let io = SimIo::new(stage.world.clone(), index);
            let core = Core::new(io.clone(), id, SharedPlan::clone(&plan), SharedLink::clone(&link));
            if stage.scenario.settings.is_secure {
                core.set_keyring(Keys::get().keyring());
            }
            let listener = io.listen(GATEWAY.parse().unwrap());
            let doors = Doors::open(&core, vec![(ListenerId::new(0), listener)]);
            let living = Rc::clone(&core);
            ringway::shell::io::Io::spawn(&io, async move { live(&living, &doors, || {}, || {}).await });
            gateway.cores.push(core);
            gateway.links.push(link);
        }
        gateway
    }

    fn has_drained(&self) -> bool {
        self.mail.borrow().drained == self.cores.len()
    }

    /// Reads what the cores report.
    fn collect(&self, world: &World) {
        let mail = &mut *self.mail.borrow_mut();
        for report in self.links.iter().flat_map(|link| link.take_reports()) {
            match report {
                Report::Applied(generation) => mail.applied.push(generation),
                Report::Drained => {
                    mail.drained += 1;
                    mail.drained_at = Some(world.now());
                }
                Report::Batch(batch) => {
                    mail.opened += batch.listeners.iter().map(|counts| counts.opened).sum::<u64>();
                    mail.closed += batch.listeners.iter().map(|counts| counts.closed).sum::<u64>();
                    let counts = batch.routes.iter().flat_map(|counts| counts.answers.iter().flatten());
                    mail.exchanges += counts.sum::<u64>();
                }
            }
        }
    }
}

/// The control thread's part: reloads, then the drain.
async fn control(stage: Rc<Stage>, gateway: Rc<Gateway>) {
    let world = &stage.world;
    let mut reloads = stage.scenario.reloads.clone();
    reloads.sort();
    let mut generation = 1;
    while !gateway.has_drained() {
        let now = world.now();
        while reloads.first().is_some_and(|at| now >= START.after(*at)) {
            reloads.remove(0);
            generation += 1;
            if tunnel::is_gone(generation) {
                stage.tunnels.vanished.borrow_mut().push(now);
            }
            let plan = plan(&stage.scenario, generation);
            let is_secure = stage.scenario.settings.is_secure;
            let keyring = if is_secure { Keys::get().keyring() } else { SharedKeyring::default() };
            let note = Note::Plan(plan, keyring);
            gateway.links.iter().for_each(|link| link.send(note.clone()));
        }
        if stage.drained_from.get().is_none() && is_drain_due(&stage, now) {
            stage.drained_from.set(Some(now));
            gateway.links.iter().for_each(|link| link.send(Note::Drain(stage.scenario.settings.drain)));
        }
        if world.draw(|random| random.chance(100)) {
            gateway.links.iter().for_each(|link| link.send(Note::Publish));
        }
        gateway.collect(world);
        world.sleep(CONTROL_PACE).await;
    }
    gateway.collect(world);
}

fn is_drain_due(stage: &Stage, now: Instant) -> bool {
    let is_over = stage.visits_over.get() == stage.visits.len() && stage.tunnels.are_over();
    is_over || stage.scenario.drain_at.is_some_and(|at| now >= START.after(at))
}

fn plan(scenario: &Scenario, generation: u64) -> SharedPlan {
    let text = scenario.config(generation);
    let mut loaded = load_text("simulation", &text).unwrap_or_else(|complaints| panic!("{complaints:?}\n{text}"));
    loaded.plan.generation = generation;
    SharedPlan::new(loaded.plan)
}

/// Exchanges that a core says it has begun.
pub fn begun(links: &[SharedLink]) -> u64 {
    links.iter().map(|link| Row::load(&link.row.exchanges)).sum()
}

const START: Instant = Instant::from_nanos(0);
/// No run takes longer; each of its parts has a bound of its own far below.
const HORIZON: Duration = Duration::from_secs(120);
/// For the last bytes to arrive at those who read slowly.
const AFTERMATH: Duration = Duration::from_secs(100);
const CONTROL_PACE: Duration = Duration::from_millis(7);
