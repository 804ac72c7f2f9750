//! Builds a core's runtime on its own thread, with the best the kernel offers, and says which and why.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use monoio::time::TimeDriver;
use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};

use super::ready::ReadySet;
use super::timer::Deadlines;
use super::{Shared, Uring, spawn, timer};

/// Which driver to use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Preference {
    /// io_uring where the kernel allows it, else epoll.
    #[default]
    Auto,
    /// epoll, whatever the kernel can do.
    Epoll,
    /// io_uring with exactly these ring flags, or an error: for tests of each set.
    Ring(RingFlags),
}

/// Flags of a ring, best first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RingFlags {
    /// `SINGLE_ISSUER` and `DEFER_TASKRUN` (Linux 6.1).
    DeferTaskrun,
    /// `COOP_TASKRUN` and `TASKRUN_FLAG` (Linux 5.19).
    CoopTaskrun,
    /// None.
    Plain,
}

/// Submission entries, first choice and second: a smaller ring fits a smaller `RLIMIT_MEMLOCK`.
const ENTRIES: [u32; 2] = [1024, 256];
/// Completions that may wait unreaped before the kernel has to set memory aside for more.
const COMPLETIONS: u32 = 8192;

enum Driver {
    Ring(monoio::Runtime<TimeDriver<IoUringDriver>>),
    Epoll(monoio::Runtime<TimeDriver<LegacyDriver>>),
}

/// A core's event loop, built and run on one thread.
pub struct Runtime {
    driver: Driver,
    description: String,
}

impl Runtime {
    /// Builds the loop on the calling thread, which must be the one that runs it (`SINGLE_ISSUER`).
    ///
    /// # Errors
    /// When not even epoll can be had, or a forced ring cannot.
    pub fn build(preference: Preference) -> io::Result<Self> {
        match preference {
            Preference::Epoll => Self::epoll("asked for"),
            Preference::Ring(flags) => ring(flags, ENTRIES[0]).map(|ring| Self::of_ring(ring, flags, ENTRIES[0])),
            Preference::Auto => Self::best(),
        }
    }

    /// The driver that runs and why, for one log line.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Runs `first`, and everything it spawns, until [`Uring::stop`].
    ///
    /// # Errors
    /// When the set of ready streams cannot be made.
    pub fn run<F: Future<Output = ()> + 'static>(self, first: impl FnOnce(Uring) -> F) -> io::Result<()> {
        let ready = ReadySet::new()?;
        let main = Main { shell: None, ready: Some(ready), first: Some(first), seed: random_seed() };
        match self.driver {
            Driver::Ring(mut runtime) => runtime.block_on(main),
            Driver::Epoll(mut runtime) => runtime.block_on(main),
        }
        Ok(())
    }

    fn of_ring(runtime: monoio::Runtime<TimeDriver<IoUringDriver>>, flags: RingFlags, entries: u32) -> Self {
        let flags = match flags {
            RingFlags::DeferTaskrun => "SINGLE_ISSUER, DEFER_TASKRUN",
            RingFlags::CoopTaskrun => "COOP_TASKRUN, TASKRUN_FLAG",
            RingFlags::Plain => "no flags",
        };
        Self { driver: Driver::Ring(runtime), description: format!("io_uring ({flags}; {entries} entries)") }
    }

    fn epoll(why: &str) -> io::Result<Self> {
        let runtime = RuntimeBuilder::<LegacyDriver>::new().enable_timer().build()?;
        Ok(Self { driver: Driver::Epoll(runtime), description: format!("epoll ({why})") })
    }

    fn best() -> io::Result<Self> {
        let mut refused = io::Error::from(io::ErrorKind::Unsupported);
        for entries in ENTRIES {
            for flags in [RingFlags::DeferTaskrun, RingFlags::CoopTaskrun, RingFlags::Plain] {
                match ring(flags, entries) {
                    Ok(runtime) => return Ok(Self::of_ring(runtime, flags, entries)),
                    Err(error) => refused = error,
                }
                match refused.raw_os_error() {
                    // These flags are newer than the kernel: the next set.
                    Some(libc::EINVAL) => {}
                    // Too little lockable memory: a smaller ring.
                    Some(libc::ENOMEM) => break,
                    // EPERM, ENOSYS and the rest: no ring here at all.
                    _ => return Self::epoll(&format!("io_uring refused: {refused}")),
                }
            }
        }
        Self::epoll(&format!("io_uring refused: {refused}"))
    }
}

fn ring(flags: RingFlags, entries: u32) -> io::Result<monoio::Runtime<TimeDriver<IoUringDriver>>> {
    let mut builder = io_uring::IoUring::builder();
    builder.setup_cqsize(COMPLETIONS).setup_clamp();
    match flags {
        RingFlags::DeferTaskrun => builder.setup_single_issuer().setup_defer_taskrun(),
        RingFlags::CoopTaskrun => builder.setup_coop_taskrun().setup_taskrun_flag(),
        RingFlags::Plain => &mut builder,
    };
    RuntimeBuilder::<IoUringDriver>::new().uring_builder(builder).with_entries(entries).enable_timer().build()
}

/// The future that monoio polls when its run queue is empty: the end of a loop turn.
struct Main<S> {
    shell: Option<Uring>,
    ready: Option<ReadySet>,
    first: Option<S>,
    seed: u64,
}

// Nothing in it is pinned.
impl<S> Unpin for Main<S> {}

impl<F, S> Future for Main<S>
where
    F: Future<Output = ()> + 'static,
    S: FnOnce(Uring) -> F,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(shell) = &self.shell {
            shell.shared.turn.set(None);
            let shared = &shell.shared;
            let is_over = shared.is_stopped.get() && shared.ready.is_ended() && shared.deadlines.is_over();
            return if is_over { Poll::Ready(()) } else { Poll::Pending };
        }
        let (Some(first), Some(ready)) = (self.first.take(), self.ready.take()) else {
            unreachable!("the first poll finds both and makes the shell");
        };
        let shell = Uring { shared: Rc::new(shared(cx, ready, self.seed)) };
        drop(monoio::spawn(serve_ready(Rc::clone(&shell.shared))));
        drop(monoio::spawn(timer::keep(shell.clone())));
        spawn::spawn(&shell.shared, first(shell.clone()));
        self.shell = Some(shell);
        Poll::Pending
    }
}

/// The task behind all readiness. It is the shell's own, and not wrapped like the others: it must not wait for itself.
async fn serve_ready(shared: Rc<Shared>) {
    let served = shared.ready.serve().await;
    debug_assert!(served.is_ok(), "a set of our own does not fail: {served:?}");
    shared.main.wake_by_ref();
}

#[expect(clippy::disallowed_methods, reason = "the zero of this core's clock")]
fn shared(cx: &Context<'_>, ready: ReadySet, seed: u64) -> Shared {
    let start = std::time::Instant::now();
    Shared {
        start,
        turn: Cell::new(None),
        main: cx.waker().clone(),
        is_stopped: Cell::new(false),
        random: Cell::new(seed),
        ready: Rc::new(ready),
        deadlines: Rc::new(Deadlines::new(start)),
        panics: Cell::new(0),
    }
}

/// A seed from the standard library's per-process random keys, different at each call.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}
