//! The cores as control sees them: started once, told by notes, heard by reports.

use std::io;
use std::thread::JoinHandle;

use super::Failure;
use super::sockets::CoreSockets;
use crate::plan::{Server, Steering, Workers};
use crate::policy::meter::Batch;
use crate::shell::keyring::SharedKeyring;
use crate::shell::mail::{Link, Note, Report, SharedLink, SharedPlan};
use crate::shell::uring::Preference;
use crate::shell::worker::{Setup, Worker};
use crate::words::ids::CoreId;

/// Starts one core's thread: `shell::worker::start`, or a stand-in of a test.
pub type Start = fn(Setup) -> io::Result<Worker>;

/// One core.
#[derive(Debug)]
pub struct Core {
    /// What it shares with control.
    pub link: SharedLink,
    /// The CPU it is pinned to.
    pub cpu: Option<usize>,
    /// How it does I/O, and why so.
    pub driver: String,
    thread: Option<JoinHandle<()>>,
    /// Generation of the plan it serves by.
    applied: u64,
    /// It was asked for a batch and has not sent one yet.
    owes_batch: bool,
    is_drained: bool,
    is_lost: bool,
}

/// All cores, by their ids.
#[derive(Debug)]
pub struct Cores {
    members: Vec<Core>,
}

impl Cores {
    /// Starts a core for each entry of `places` with its sockets.
    ///
    /// # Errors
    /// The first core that cannot start; those before it are told to end.
    pub fn start(
        plan: &SharedPlan, keyring: &SharedKeyring, places: &[Option<usize>], sockets: Vec<CoreSockets>,
        driver: Preference, release_memory: fn(), start: Start,
    ) -> Result<Self, Failure> {
        let mut cores = Self { members: Vec::with_capacity(places.len()) };
        for ((index, cpu), sockets) in places.iter().enumerate().zip(sockets) {
            let (core, plan) = (CoreId::new(index), SharedPlan::clone(plan));
            let (link, generation) = (Link::new(core), plan.generation);
            let (link_of_core, keyring) = (SharedLink::clone(&link), SharedKeyring::clone(keyring));
            let setup = Setup { core, cpu: *cpu, plan, keyring, link: link_of_core, sockets, driver, release_memory };
            match start(setup) {
                Ok(worker) => cores.members.push(Core::new(link, *cpu, worker, generation)),
                Err(source) => {
                    cores.send(&Note::Drain(std::time::Duration::ZERO));
                    return Err(Failure::Core { core, source });
                }
            }
        }
        Ok(cores)
    }

    /// The cores, by their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Core> {
        self.members.iter()
    }

    /// The link of each core, by its id.
    #[must_use]
    pub fn links(&self) -> Vec<SharedLink> {
        self.members.iter().map(|core| SharedLink::clone(&core.link)).collect()
    }

    /// Sends a note to every core that lives.
    pub fn send(&mut self, note: &Note) {
        for core in self.members.iter_mut().filter(|core| core.lives()) {
            core.owes_batch |= matches!(note, Note::Publish);
            core.link.send(note.clone());
        }
    }

    /// Reads what the cores reported; batches go to `take`.
    pub fn collect(&mut self, mut take: impl FnMut(CoreId, Batch)) {
        for core in &mut self.members {
            for report in core.link.take_reports() {
                match report {
                    Report::Batch(batch) => {
                        core.owes_batch = false;
                        take(core.link.core, *batch);
                    }
                    Report::Applied(generation) => core.applied = generation,
                    Report::Drained => core.is_drained = true,
                }
            }
        }
    }

    /// Every core that lives has sent its batch.
    #[must_use]
    pub fn have_published(&self) -> bool {
        self.members.iter().filter(|core| core.lives()).all(|core| !core.owes_batch)
    }

    /// Every core that lives serves by the plan of `generation` or a later one.
    #[must_use]
    pub fn have_applied(&self, generation: u64) -> bool {
        self.members.iter().filter(|core| core.lives()).all(|core| core.applied >= generation)
    }

    /// No core lives.
    #[must_use]
    pub fn are_gone(&self) -> bool {
        self.members.iter().all(|core| !core.lives())
    }

    /// Every core ended because it was drained, none was lost.
    #[must_use]
    pub fn are_drained(&self) -> bool {
        self.members.iter().all(|core| core.is_drained)
    }

    /// Cores whose thread ended without being drained; each is told once.
    pub fn newly_lost(&mut self) -> Vec<CoreId> {
        let ended = |core: &&mut Core| core.lives() && core.thread.as_ref().is_none_or(JoinHandle::is_finished);
        let lost = self.members.iter_mut().filter(ended);
        lost.map(|core| {
            core.is_lost = true;
            core.link.core
        })
        .collect()
    }

    /// Waits for the threads of cores that reported to be drained; those that did not are left to the process's end.
    pub fn join(&mut self) {
        for core in self.members.iter_mut().filter(|core| core.is_drained) {
            if let Some(thread) = core.thread.take() {
                // A panic at the very end costs nobody anything: the core had nothing left.
                drop(thread.join());
            }
        }
    }
}

impl Core {
    fn new(link: SharedLink, cpu: Option<usize>, worker: Worker, applied: u64) -> Self {
        let Worker { driver, thread } = worker;
        Self { link, cpu, driver, thread: Some(thread), applied, owes_batch: false, is_drained: false, is_lost: false }
    }

    fn lives(&self) -> bool {
        !self.is_drained && !self.is_lost
    }
}

/// CPUs that this process may run on.
#[must_use]
pub fn allowed_cpus() -> Vec<usize> {
    core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|cpu| cpu.id).collect()
}

/// One entry per core: the CPU to pin it to, or `None` when the machine does not tell its CPUs.
///
/// # Errors
/// `server.cpus` names a CPU that is not allowed.
pub fn places(server: &Server, allowed: &[usize]) -> Result<Vec<Option<usize>>, Failure> {
    if let Some(cpu) = server.cpus.iter().find(|cpu| !allowed.contains(cpu)) {
        return Err(Failure::Cpu { cpu: *cpu, allowed: allowed.to_vec() });
    }
    let pool = if server.cpus.is_empty() { allowed } else { &server.cpus };
    let count = match server.workers {
        Workers::Auto => pool.len().max(1),
        Workers::Count(count) => count,
    };
    Ok((0..count).map(|core| pool.get(core % pool.len().max(1)).copied()).collect())
}

/// The CPU whose connections each core prefers, `None` for any.
#[must_use]
pub fn steered(server: &Server, places: &[Option<usize>]) -> Vec<Option<usize>> {
    match server.steering {
        Steering::Hash => vec![None; places.len()],
        Steering::Cpu => places.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::testing;

    fn server(workers: Workers, cpus: &[usize]) -> Server {
        Server { workers, cpus: cpus.to_vec(), ..testing::plan(&[]).server }
    }

    #[test]
    fn there_is_one_core_per_allowed_cpu_unless_the_plan_says_otherwise() {
        let placed = |workers, cpus: &[usize]| places(&server(workers, cpus), &[2, 3, 5]).unwrap();
        assert_eq!(placed(Workers::Auto, &[]), [Some(2), Some(3), Some(5)]);
        assert_eq!(placed(Workers::Auto, &[5, 2]), [Some(5), Some(2)]);
        assert_eq!(placed(Workers::Count(1), &[]), [Some(2)]);
        assert_eq!(placed(Workers::Count(4), &[3, 5]), [Some(3), Some(5), Some(3), Some(5)]);
        assert_eq!(places(&server(Workers::Auto, &[]), &[]).unwrap(), [None]);
    }

    #[test]
    fn sockets_prefer_a_cpu_only_where_the_plan_says_so() {
        let places = [Some(2), Some(3)];
        let by = |steering| steered(&Server { steering, ..server(Workers::Auto, &[]) }, &places);
        assert_eq!(by(Steering::Hash), [None, None]);
        assert_eq!(by(Steering::Cpu), places);
    }

    #[test]
    fn a_cpu_outside_the_affinity_mask_is_refused() {
        let failure = places(&server(Workers::Auto, &[2, 7]), &[2, 3]).unwrap_err();
        assert_eq!(failure.to_string(), "server.cpus: CPU 7 is not among the CPUs this process may use (2, 3)");
    }
}
