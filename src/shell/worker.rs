//! A worker: one pinned thread with its event loop, from its start to the end of its drain.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::mpsc;

use super::accept::Doors;
use super::core::{Core, Phase};
use super::io::{Io, Timer};
use super::keyring::SharedKeyring;
use super::mail::{Note, Report, Row, SharedLink, SharedPlan};
use super::serving::SWEEP_EVERY;
use super::uring::{Preference, Runtime, Uring};
use crate::words::ids::{CoreId, ListenerId};
use crate::words::limits::TICK;
use crate::words::time::Instant;

/// What a worker starts with.
#[derive(Debug)]
pub struct Setup {
    /// Which core.
    pub core: CoreId,
    /// The CPU to pin the thread to.
    pub cpu: Option<usize>,
    /// The first plan.
    pub plan: SharedPlan,
    /// The TLS configurations of that plan.
    pub keyring: SharedKeyring,
    /// The mail with control.
    pub link: SharedLink,
    /// Listening sockets of this core.
    pub sockets: Vec<(ListenerId, std::net::TcpListener)>,
    /// Which driver to run on.
    pub driver: Preference,
    /// Gives memory that this thread has freed back to the kernel; called after a rush. Only the program knows its
    /// allocator.
    pub release_memory: fn(),
}

/// So many spares freed at once are worth a call to the allocator.
const RELEASE_FROM: usize = 32;

/// A worker that runs.
#[derive(Debug)]
pub struct Worker {
    /// Which driver runs, and why.
    pub driver: String,
    /// The thread; it ends after the drain.
    pub thread: std::thread::JoinHandle<()>,
}

/// Starts a worker; returns once its event loop is built, or why it could not be.
///
/// # Errors
/// When the thread, its event loop or its listeners cannot be had.
pub fn start(setup: Setup) -> io::Result<Worker> {
    let (say, hear) = mpsc::channel();
    let name = format!("ringway-{}", setup.core.index());
    let thread = std::thread::Builder::new().name(name).spawn(move || run(setup, &say))?;
    match hear.recv() {
        Ok(Ok(driver)) => Ok(Worker { driver, thread }),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::Error::other("the worker's thread ended before it began")),
    }
}

fn run(setup: Setup, say: &mpsc::Sender<io::Result<String>>) {
    if let Some(cpu) = setup.cpu
        && !core_affinity::set_for_current(core_affinity::CoreId { id: cpu })
    {
        let refused = io::Error::other(format!("the thread cannot be pinned to CPU {cpu}"));
        say.send(Err(refused)).ok();
        return;
    }
    let runtime = match Runtime::build(setup.driver) {
        Ok(runtime) => runtime,
        Err(error) => {
            say.send(Err(error)).ok();
            return;
        }
    };
    let driver = runtime.description().to_owned();
    let begin = say.clone();
    let ran = runtime.run(move |io| work(io, setup, driver, begin));
    if let Err(error) = ran {
        say.send(Err(error)).ok();
    }
}

/// The core's first task: opens the listeners, then ticks until the drain is over.
async fn work(io: Uring, setup: Setup, driver: String, say: mpsc::Sender<io::Result<String>>) {
    let mut listeners = Vec::new();
    for (id, socket) in setup.sockets {
        match io.listener(socket) {
            Ok(listener) => listeners.push((id, listener)),
            Err(error) => {
                say.send(Err(error)).ok();
                io.stop();
                return;
            }
        }
    }
    let core = Core::new(io.clone(), setup.core, setup.plan, setup.link);
    core.set_keyring(setup.keyring);
    let doors = Doors::open(&core, listeners);
    say.send(Ok(driver)).ok();
    live(&core, &doors, setup.release_memory, || Row::store(&core.link.row.panics, io.panics())).await;
    io.stop();
}

/// A core's life behind its open `doors`: ticks until the drain is over, then hands in what is left and says so.
/// `publish` stores the numbers that only the shell knows.
pub async fn live<I: Io>(core: &Rc<Core<I>>, doors: &Doors<I>, release_memory: fn(), publish: impl Fn()) {
    tick(core, doors, release_memory, publish).await;
    core.serving().borrow_mut().clear();
    core.flush_log();
    core.serving().borrow_mut().publish();
    core.link.report(Report::Drained);
}

/// Every [`TICK`]: reads the mail, hands the log over, stores the row, closes stale upstream connections.
async fn tick<I: Io>(core: &Rc<Core<I>>, doors: &Doors<I>, release_memory: fn(), publish: impl Fn()) {
    let mut timer = core.io.timer();
    let mut sweep = core.io.now().after(SWEEP_EVERY);
    let mut lag_max = 0;
    loop {
        let due = core.io.now().after(TICK);
        poll_fn(|cx| timer.poll_at(cx, core.io.now(), due)).await;
        let now = core.io.now();
        lag_max = lag_max.max(now.since(due).as_nanos() as u64);
        Row::add(&core.link.row.ticks, 1);
        Row::store(&core.link.row.lag_max_ns, lag_max);
        core.link.take_notes().into_iter().for_each(|note| obey(core, doors, note, now));
        core.flush_log();
        core.cut_if_due(now);
        if now >= sweep {
            sweep = now.after(SWEEP_EVERY);
            core.serving().borrow_mut().sweep(now);
            if core.trim() >= RELEASE_FROM {
                release_memory();
            }
        }
        Row::store(&core.link.row.idle, core.serving().borrow().idle() as u64);
        publish();
        let is_over = core.phase() != Phase::Serving && doors.are_closed() && core.open_connections() == 0;
        if is_over {
            // Shared connections say farewell in tasks of their own.
            core.serving().borrow_mut().clear();
        }
        if is_over && core.dismiss_runners() && core.trunks() == 0 {
            return;
        }
    }
}

fn obey<I: Io>(core: &Rc<Core<I>>, doors: &Doors<I>, note: Note, now: Instant) {
    match note {
        Note::Plan(plan, keyring) => {
            let generation = plan.generation;
            core.adopt(plan);
            // The old plan's exchanges keep the old one: its ids are theirs.
            core.set_keyring(keyring);
            core.link.report(Report::Applied(generation));
        }
        Note::Keyring(keyring) => core.set_keyring(keyring),
        Note::Publish => core.serving().borrow_mut().publish(),
        Note::Drain(span) => {
            doors.close();
            core.drain(now.after(span));
        }
    }
}
