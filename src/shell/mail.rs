//! The one module in which cores and control meet: locks, atomics and `Arc` live here and in `control`, nowhere else.
//!
//! A core touches its link once per tick, not per request: it takes its notes, hands over its log bytes and batches,
//! and stores its row. The row has one writer, so a store is an ordinary store; control only reads.
#![expect(clippy::disallowed_types, reason = "this is the named cross-core module")]

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::keyring::SharedKeyring;
use crate::plan::Plan;
use crate::policy::again::Reason;
use crate::policy::meter::Batch;
use crate::words::ids::CoreId;
use crate::words::limits::LOG_BUFFER_BYTES;

/// A plan as it travels from control to the cores.
pub type SharedPlan = Arc<Plan>;

/// From control to a core.
#[derive(Clone, Debug)]
pub enum Note {
    /// Serve by this plan from now on, with the keyring made for it.
    Plan(SharedPlan, SharedKeyring),
    /// The plan stays; certificates or keys have changed.
    Keyring(SharedKeyring),
    /// Send a [`Report::Batch`] with all that was counted since the last one.
    Publish,
    /// Stop accepting and finish what is in flight; report [`Report::Drained`]. Connections still open when the
    /// given time is over are cut.
    Drain(std::time::Duration),
}

/// From a core to control.
#[derive(Debug)]
pub enum Report {
    /// The answer to [`Note::Publish`].
    Batch(Box<Batch>),
    /// The core serves by the plan of this generation.
    Applied(u64),
    /// Nothing is left: no connection, no task. The core's thread ends.
    Drained,
}

/// Numbers of one core that anyone may read at any time. Written by that core alone.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Row {
    /// Turns of the tick: a heart-beat.
    pub ticks: AtomicU64,
    /// Longest delay of a tick since start, in nanoseconds.
    pub lag_max_ns: AtomicU64,
    /// Downstream connections open now.
    pub connections: AtomicU64,
    /// Downstream connections accepted.
    pub accepted: AtomicU64,
    /// Downstream connections refused by a limit.
    pub refused: AtomicU64,
    /// Downstream connections closed for want of a good PROXY header.
    pub proxy_refused: AtomicU64,
    /// Exchanges begun.
    pub exchanges: AtomicU64,
    /// Exchanges in flight now.
    pub in_flight: AtomicU64,
    /// Tunnels open now.
    pub tunnels: AtomicU64,
    /// Tunnels opened.
    pub tunnels_opened: AtomicU64,
    /// Bytes through tunnels: up and down.
    pub tunnel_bytes: [AtomicU64; 2],
    /// Upstream connections made.
    pub connects: AtomicU64,
    /// Upstream connections idle now.
    pub idle: AtomicU64,
    /// Requests sent again, by the position of their `Reason`.
    pub retries: [AtomicU64; Reason::ALL.len()],
    /// Access-log lines dropped because the writer was behind.
    pub log_dropped: AtomicU64,
    /// Panics that cost a task.
    pub panics: AtomicU64,
    /// Times accepting paused for want of descriptors or memory.
    pub accept_pauses: AtomicU64,
    /// TLS handshakes of clients that came to their end.
    pub handshakes: AtomicU64,
    /// Those among them that went on from an earlier connection.
    pub handshakes_resumed: AtomicU64,
    /// TLS handshakes of clients that failed.
    pub handshakes_failed: AtomicU64,
    /// Those among them that gave way to another.
    pub handshakes_evicted: AtomicU64,
    /// TLS connections, on either side, that a peer's alert or a breach of the protocol ended.
    pub tls_broken: AtomicU64,
}

impl Row {
    /// Stores `value`; call only on the row's own core.
    pub fn store(cell: &AtomicU64, value: u64) {
        cell.store(value, Relaxed);
    }

    /// Adds to a cell; call only on the row's own core (one writer: no locked instruction is needed).
    pub fn add(cell: &AtomicU64, value: u64) {
        cell.store(cell.load(Relaxed).wrapping_add(value), Relaxed);
    }

    /// Reads a cell, from anywhere.
    #[must_use]
    pub fn load(cell: &AtomicU64) -> u64 {
        cell.load(Relaxed)
    }
}

/// What one core and control share.
#[derive(Debug)]
pub struct Link {
    /// Whose it is.
    pub core: CoreId,
    /// The core's numbers.
    pub row: Row,
    inbox: Mutex<Vec<Note>>,
    outbox: Mutex<Vec<Report>>,
    log: Mutex<Vec<u8>>,
}

/// A link as both ends hold it.
pub type SharedLink = Arc<Link>;

impl Link {
    /// The link of `core`.
    #[must_use]
    pub fn new(core: CoreId) -> SharedLink {
        Arc::new(Self {
            core,
            row: Row::default(),
            inbox: Mutex::default(),
            outbox: Mutex::default(),
            log: Mutex::default(),
        })
    }

    /// Control: sends a note.
    pub fn send(&self, note: Note) {
        open(&self.inbox).push(note);
    }

    /// Core: takes all notes, in order.
    pub fn take_notes(&self) -> Vec<Note> {
        std::mem::take(&mut *open(&self.inbox))
    }

    /// Core: sends a report.
    pub fn report(&self, report: Report) {
        open(&self.outbox).push(report);
    }

    /// Control: takes all reports, in order.
    pub fn take_reports(&self) -> Vec<Report> {
        std::mem::take(&mut *open(&self.outbox))
    }

    /// Core: hands log bytes over and empties `lines`; false when the writer is behind and there is no room, in
    /// which case `lines` is left as it was.
    pub fn push_log(&self, lines: &mut Vec<u8>) -> bool {
        let mut log = open(&self.log);
        if log.len() + lines.len() > LOG_BUFFER_BYTES {
            return false;
        }
        if log.is_empty() {
            std::mem::swap(&mut *log, lines);
        } else {
            log.append(lines);
        }
        true
    }

    /// Writer: exchanges the collected log bytes for the empty `spare`.
    pub fn take_log(&self, spare: &mut Vec<u8>) {
        spare.clear();
        std::mem::swap(&mut *open(&self.log), spare);
    }
}

/// A panic while a lock was held leaves plain data behind, so poisoning tells nothing here.
fn open<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
