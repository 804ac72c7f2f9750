//! Looks after the certificates of the plan in force: sees that files changed, has them read, tells what came of it.
//!
//! Files are looked at by their stamps, about once a second and on another thread. Notifications of the kernel were
//! passed over: they follow inodes, not names, and so miss what they are wanted for (another folder that takes the place
//! of a linked one), come late or never on network file systems, and have queues that run over.
#![expect(clippy::disallowed_types, reason = "a look reads earlier certificates on another thread of control")]

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::certificates::Certificates;
use super::certificates::files::Stamps;
use super::say::{Say, wall};
use super::thread::{Command, tell};
use crate::plan::complaint::Complaints;
use crate::shell::keyring::SharedKeyring;
use crate::shell::mail::SharedPlan;
use crate::words::limits::CERTIFICATES_LOOK;

/// What the control thread's loop knows about certificates.
#[derive(Debug)]
pub(super) struct Keeper {
    certificates: Arc<Certificates>,
    /// How files looked that have changed, but perhaps not for the last time.
    moving: Option<Stamps>,
    /// When files are looked at next; `None` while they are.
    due: Option<Instant>,
    every: Duration,
    /// How often files were read because they changed or a reload was asked for, and how often something in them was
    /// refused.
    pub(super) taken: u64,
    pub(super) refused: u64,
}

/// What a look found.
#[derive(Debug)]
pub(super) struct Look {
    generation: u64,
    found: Found,
}

#[derive(Debug)]
enum Found {
    /// Nothing has changed.
    Same,
    /// Something has, and may change further.
    Moving(Stamps),
    /// It stood still and was read.
    Read(Box<Result<Certificates, Complaints>>),
}

impl Keeper {
    pub(super) fn new(certificates: Certificates) -> Self {
        let due = Some(Instant::now() + CERTIFICATES_LOOK);
        let certificates = Arc::new(certificates);
        Self { certificates, moving: None, due, every: CERTIFICATES_LOOK, taken: 0, refused: 0 }
    }

    /// Those in force.
    pub(super) fn certificates(&self) -> Arc<Certificates> {
        Arc::clone(&self.certificates)
    }

    /// Takes those that were made with a new plan, and tells what was refused of them.
    pub(super) fn replace(&mut self, certificates: Certificates, say: &Say) -> SharedKeyring {
        if !certificates.stamps.is_empty() {
            self.count(certificates.refused.is_empty());
        }
        certificates.refused.iter().for_each(|complaint| tell(say, complaint));
        self.moving = None;
        self.certificates = Arc::new(certificates);
        SharedKeyring::clone(&self.certificates.keyring)
    }

    /// A plan was refused because of its certificates.
    pub(super) fn count(&mut self, is_taken: bool) {
        let counter = if is_taken { &mut self.taken } else { &mut self.refused };
        *counter += 1;
    }

    /// Begins to look at the files when that is due.
    pub(super) fn look(&mut self, plan: &SharedPlan, commands: &mpsc::UnboundedSender<Command>) {
        let is_due = self.due.is_some_and(|due| due <= Instant::now());
        if !is_due || self.certificates.stamps.is_empty() {
            return;
        }
        self.due = None;
        let (plan, commands) = (SharedPlan::clone(plan), commands.clone());
        let (certificates, moving) = (self.certificates(), self.moving.take());
        tokio::task::spawn_blocking(move || {
            let found = look(&certificates, moving, &plan);
            // When the loop is gone, nobody speaks TLS any more.
            drop(commands.send(Command::Looked(Look { generation: plan.generation, found })));
        });
    }

    /// Takes what a look found; gives the keyring that the cores shall have from now on, if there is another.
    pub(super) fn looked(&mut self, look: Look, generation: u64, say: &Say) -> Option<SharedKeyring> {
        self.due = Some(Instant::now() + self.every);
        if look.generation != generation {
            // A plan came into force meanwhile, with certificates of its own.
            return None;
        }
        match look.found {
            Found::Same => None,
            Found::Moving(stamps) => {
                self.moving = Some(stamps);
                None
            }
            Found::Read(result) => self.read(*result, say),
        }
    }

    fn read(&mut self, result: Result<Certificates, Complaints>, say: &Say) -> Option<SharedKeyring> {
        let certificates = match result {
            Ok(certificates) => certificates,
            // What was good once stays, so this does not happen; if it does, the files are read again when due.
            Err(complaints) => {
                self.count(false);
                complaints.list.iter().for_each(|complaint| tell(say, complaint));
                return None;
            }
        };
        certificates.warnings.iter().for_each(|complaint| tell(say, complaint));
        if certificates.refused.is_empty() {
            say.info("certificates reloaded", &[("count", &certificates.ends.len())]);
        } else {
            say.error("certificates were refused, earlier ones stay", &[("count", &certificates.refused.len())]);
        }
        Some(self.replace(certificates, say))
    }
}

fn look(certificates: &Certificates, moving: Option<Stamps>, plan: &SharedPlan) -> Found {
    let now = wall();
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let is_time = certificates.again_at.is_some_and(|at| at <= seconds);
    let stamps = certificates.stamps.again();
    match () {
        () if stamps == certificates.stamps && !is_time => Found::Same,
        () if !is_time && moving.as_ref() != Some(&stamps) => Found::Moving(stamps),
        () => Found::Read(Box::new(certificates.remake(plan, now))),
    }
}
