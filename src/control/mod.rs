//! Floor 5: the control thread: everything slow, with the ecosystem's own libraries.
//!
//! One thread with a tokio runtime reads configuration, binds listeners, starts the cores and then tells them what to
//! do by mail: serve by another plan, send your counts, drain. It answers the admin address and owns the signals. No
//! byte of a client passes here, and no core ever waits for this thread.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::plan::complaint::Complaints;
use crate::words::ids::CoreId;

pub mod admin;
pub mod certificates;
pub mod cores;
pub mod demo;
pub mod descriptors;
mod keeper;
pub mod ledger;
pub mod logwriter;
pub mod metrics;
pub mod reload;
pub mod run;
pub mod say;
pub mod signals;
pub mod sockets;
mod thread;

#[cfg(test)]
mod testing;

pub use run::{DRIVER_VARIABLE, End, Gateway, Options, Source};

/// Why something was not done. The text is for an operator.
#[derive(Debug)]
pub enum Failure {
    /// The configuration is wrong; all complaints, each with its place.
    Plan(Complaints),
    /// The environment names a driver that there is not.
    Driver(OsString),
    /// A reload would change what only a restart can change; one entry per change.
    Fixed(Vec<String>),
    /// A listener cannot listen.
    Listen(sockets::Refused),
    /// The admin address cannot be listened on.
    Admin {
        /// `admin.address`.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// The access log cannot be opened.
    AccessLog {
        /// `access_log.file`; `None` for standard output.
        file: Option<PathBuf>,
        /// What the kernel said.
        source: io::Error,
    },
    /// `server.cpus` names a CPU that this process may not use.
    Cpu {
        /// That CPU.
        cpu: usize,
        /// Those it may use.
        allowed: Vec<usize>,
    },
    /// A core cannot start.
    Core {
        /// Which one.
        core: CoreId,
        /// Why.
        source: io::Error,
    },
    /// A thread or the control thread's runtime cannot be made.
    Thread(io::Error),
    /// The gateway is draining or gone.
    Draining,
    /// Too many reloads wait already.
    Busy,
    /// A core did not take up the plan in time.
    Slow,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(complaints) => complaints.fmt(f),
            Self::Driver(named) => {
                write!(f, "{DRIVER_VARIABLE} says {}; it may be \"epoll\" or \"auto\"", named.display())
            }
            Self::Fixed(changes) => write!(f, "needs a restart: {}", changes.join("; ")),
            Self::Listen(refused) => refused.fmt(f),
            Self::Admin { address, source } => write!(f, "admin.address {address} cannot be listened on: {source}"),
            Self::AccessLog { file: Some(file), source } => {
                write!(f, "access_log.file {} cannot be opened: {source}", file.display())
            }
            Self::AccessLog { file: None, source } => write!(f, "standard output cannot take the access log: {source}"),
            Self::Cpu { cpu, allowed } => {
                let allowed: Vec<String> = allowed.iter().map(usize::to_string).collect();
                let allowed = allowed.join(", ");
                write!(f, "server.cpus: CPU {cpu} is not among the CPUs this process may use ({allowed})")
            }
            Self::Core { core, source } => write!(f, "worker {} cannot start: {source}", core.index()),
            Self::Thread(source) => write!(f, "a thread cannot start: {source}"),
            Self::Draining => f.write_str("the gateway is draining"),
            Self::Busy => f.write_str("too many reloads wait already"),
            Self::Slow => f.write_str("a worker did not take up the new configuration in time"),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen(refused) => Some(refused),
            Self::Admin { source, .. }
            | Self::AccessLog { source, .. }
            | Self::Core { source, .. }
            | Self::Thread(source) => Some(source),
            Self::Plan(_)
            | Self::Driver(_)
            | Self::Fixed(_)
            | Self::Cpu { .. }
            | Self::Draining
            | Self::Busy
            | Self::Slow => None,
        }
    }
}
