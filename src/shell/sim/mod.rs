//! The simulated shell: [`Io`] in one thread, in virtual time, from one seed.
//!
//! Any number of cores, clients and origins live in one [`World`]. Its tasks run only when they are woken, in an order
//! that the seed decides; its links fragment, delay, stall and break by the seed; its clock jumps to the next thing that
//! happens. So a run of minutes takes milliseconds, any order of events can come up, and one number repeats it.
//!
//! Not here: who sends what, and what must hold afterwards; that is `tests/simulation`.

mod link;
mod ports;
mod random;
mod stream;
mod tasks;
mod timer;
mod trace;
mod weather;
mod wire;
mod world;

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

pub use ports::SimListener;
pub use random::Random;
pub use stream::SimStream;
pub use tasks::Owner;
pub use timer::SimTimer;
pub use weather::Weather;
pub use wire::{Wire, WireListener};
pub use world::{Pause, World};

use super::io::Io;
use crate::plan::Address;
use crate::words::time::{Instant, Wall};

/// The shell of one simulated core. Cloning it clones a handle.
#[derive(Clone)]
pub struct SimIo {
    world: World,
    core: usize,
}

impl SimIo {
    /// The shell of core number `core` of the gateway in `world`.
    #[must_use]
    pub const fn new(world: World, core: usize) -> Self {
        Self { world, core }
    }

    /// Listens on `address`; several cores may.
    #[must_use]
    pub fn listen(&self, address: SocketAddr) -> SimListener {
        self.world.open_door(Owner::Core(self.core), Address::Tcp(address))
    }

    /// Panics of the gateway's tasks so far, on all cores.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.world.panics()
    }
}

impl Io for SimIo {
    type Stream = SimStream;
    type Listener = SimListener;
    type Timer = SimTimer;

    fn now(&self) -> Instant {
        self.world.now()
    }

    fn wall(&self) -> Wall {
        Wall::from_nanos(WALL_AT_START + self.world.now().as_nanos())
    }

    fn random(&self) -> u64 {
        self.world.draw(Random::bits)
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.world.spawn_for(Owner::Core(self.core), task);
    }

    fn timer(&self) -> SimTimer {
        SimTimer::new(self.world.clone())
    }

    async fn connect(&self, address: &Address) -> io::Result<SimStream> {
        let own = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Ok(SimStream::new(self.world.dial(own, address).await?))
    }
}

/// The wall clock when a world begins: 2026-01-01T00:00:00Z, in nanoseconds.
const WALL_AT_START: u64 = 1_767_225_600_000_000_000;
