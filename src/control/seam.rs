//! What control needs of a core, until the data path provides it as `shell::worker`.

use std::net::TcpListener;

use crate::shell::mail::{SharedLink, SharedPlan};
use crate::words::ids::{CoreId, ListenerId};

/// All that a core is started with.
#[derive(Debug)]
pub struct Setup {
    /// Which one it is.
    pub core: CoreId,
    /// The CPU to pin it to.
    pub cpu: Option<usize>,
    /// The plan it serves by at first.
    pub plan: SharedPlan,
    /// What it shares with control.
    pub link: SharedLink,
    /// Its listening sockets.
    pub sockets: Vec<(ListenerId, TcpListener)>,
    /// How it does I/O.
    pub driver: Driver,
}

/// How a core does I/O.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Driver {
    /// io_uring where the kernel has it, else epoll.
    #[default]
    Auto,
    /// epoll.
    Epoll,
}

/// A core that runs.
#[derive(Debug)]
pub struct Worker {
    /// How it does I/O, and why so.
    pub driver: String,
    /// Its thread.
    pub thread: std::thread::JoinHandle<()>,
}
