//! The control thread's loop: one owner of everything, moved by commands, signals and what the cores report.
//!
//! Nothing here waits for anything but the next event. What takes time is a stage (`Reload`, `Drain`, open scrapes)
//! that a later turn finds finished or overdue.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::Failure;
use super::admin::Health;
use super::certificates::Certificates;
use super::cores::Cores;
use super::keeper::{Keeper, Look};
use super::ledger::Ledger;
use super::logwriter::{LogWriter, Target};
use super::metrics::{self, Figures};
use super::reload::{Reloaded, fixed_changes};
use super::run::{End, Ready, Source};
use super::say::{Fact, Say};
use super::signals::{Signal, Signals};
use crate::plan::code::{Code, Severity};
use crate::plan::complaint::Complaint;
use crate::plan::{AccessLog, Loaded, Plan};
use crate::shell::keyring::SharedKeyring;
use crate::shell::mail::{Note, SharedPlan};

/// A scrape shows what the cores sent within this time; ten of their ticks.
const SCRAPE_PATIENCE: Duration = Duration::from_millis(100);
/// A core that does not take up a plan within this time is reported.
const APPLY_PATIENCE: Duration = Duration::from_secs(5);
/// Beyond the drain's own time, for the cores to cut what is left and say so.
const DRAIN_GRACE: Duration = Duration::from_secs(2);
/// Cores hand over their counts at least this often, scraped or not.
const PUBLISH_EVERY: Duration = Duration::from_secs(10);
/// How long a turn waits when an answer of the cores is due, and when none is.
const PACE_BUSY: Duration = Duration::from_millis(2);
const PACE_IDLE: Duration = Duration::from_secs(1);
/// Reloads that may wait for the one in progress.
const RELOADS_WAITING: usize = 64;

/// What the loop can be asked for.
#[derive(Debug)]
pub(super) enum Command {
    /// Put the configuration of this source in force; `None`: read the present source anew.
    Reload(Option<Source>, ReloadReply),
    /// The plan that a reload asked for was compiled, or not.
    Compiled(Source, Result<Box<Ready>, Failure>),
    /// Files of certificates were looked at.
    Looked(Look),
    /// Answer with the metrics page.
    Scrape(oneshot::Sender<String>),
    /// Drain within this time; `None`: within the plan's.
    Drain(Option<Duration>),
}

/// Who waits for a reload; nobody does when a signal asked for it.
type ReloadReply = Option<oneshot::Sender<Result<Reloaded, Failure>>>;

/// The loop's state.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) plan: SharedPlan,
    pub(super) source: Source,
    pub(super) cores: Cores,
    pub(super) log: LogWriter,
    pub(super) say: Say,
    pub(super) health: watch::Sender<Health>,
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) books: Books,
    pub(super) reload: Reload,
    pub(super) keeper: Keeper,
    /// When the cores are cut off, once draining.
    pub(super) drain: Option<Instant>,
}

/// Counting.
#[derive(Debug)]
pub(super) struct Books {
    ledger: Ledger,
    /// Earlier plans that some exchange may still count by.
    earlier: Vec<SharedPlan>,
    scrapes: Vec<oneshot::Sender<String>>,
    scrape_deadline: Instant,
    published: Instant,
}

impl Default for Books {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            ledger: Ledger::default(),
            earlier: Vec::new(),
            scrapes: Vec::new(),
            scrape_deadline: now,
            published: now,
        }
    }
}

/// Reloading: one at a time, in the order they were asked for.
#[derive(Debug, Default)]
pub(super) struct Reload {
    waiting: VecDeque<(Source, ReloadReply)>,
    stage: Stage,
    has_failed: bool,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Idle,
    /// Another thread reads and compiles.
    Compiling(ReloadReply),
    /// The cores take it up.
    Applying { reply: ReloadReply, reloaded: Reloaded, deadline: Instant, target: Option<Option<Target>> },
}

impl Control {
    /// Runs until the cores are drained, cut off or lost.
    pub(super) async fn serve(mut self, mut inbox: mpsc::UnboundedReceiver<Command>, mut signals: Signals) -> End {
        let end = loop {
            let pace = if self.is_busy() { PACE_BUSY } else { PACE_IDLE };
            tokio::select! {
                command = inbox.recv() => if let Some(command) = command { self.obey(command) },
                signal = signals.next() => self.heed(signal),
                () = tokio::time::sleep(pace) => {}
            }
            if let Some(end) = self.turn() {
                break end;
            }
        };
        self.answer_scrapes();
        self.cores.join();
        self.log.finish();
        self.say.info("ended", &[("how", &end)]);
        end
    }

    fn is_busy(&self) -> bool {
        self.drain.is_some() || !self.books.scrapes.is_empty() || matches!(self.reload.stage, Stage::Applying { .. })
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Reload(source, reply) => self.ask_reload(source, reply),
            Command::Compiled(source, result) => self.compiled(source, result),
            Command::Looked(look) => self.looked(look),
            Command::Scrape(reply) => self.ask_scrape(reply),
            Command::Drain(time) => self.drain(time),
        }
    }

    fn heed(&mut self, signal: Signal) {
        match signal {
            Signal::HangUp => {
                self.say.info("reload asked for", &[("by", &"SIGHUP")]);
                self.log.reopen();
                self.ask_reload(None, None);
            }
            Signal::End(number) if self.drain.is_some() => {
                self.say.warn("ending at once", &[("by", &"a second signal")]);
                std::process::exit(128 + number);
            }
            Signal::End(number) => {
                self.say.info("draining", &[("signal", &number), ("again", &"ends at once")]);
                self.drain(None);
            }
        }
    }

    /// Hears the cores and finishes what is finished or overdue.
    fn turn(&mut self) -> Option<End> {
        self.hear();
        self.finish_scrapes();
        self.finish_reload();
        self.keeper.look(&self.plan, &self.commands);
        for core in self.cores.newly_lost() {
            self.say.error("a worker ended unexpectedly", &[("worker", &core.index())]);
        }
        match self.drain {
            _ if self.cores.are_gone() => Some(if self.cores.are_drained() { End::Drained } else { End::Lost }),
            Some(deadline) if Instant::now() >= deadline => Some(End::Cut),
            _ => None,
        }
    }

    // -------------------------------------------------------------------------------------- counting

    fn hear(&mut self) {
        let books = &mut self.books;
        // Whoever counts by a plan holds it, and sends its last batch before it lets go. So a plan that nobody else
        // held before the batches are read is in none of those that come later.
        let unused: Vec<u64> =
            books.earlier.iter().filter(|plan| is_unused(plan)).map(|plan| plan.generation).collect();
        self.cores.collect(|core, batch| {
            let mut plans = books.earlier.iter().chain([&self.plan]);
            if let Some(plan) = plans.find(|plan| plan.generation == batch.generation) {
                books.ledger.add(core, &batch, plan);
            }
        });
        books.earlier.retain(|plan| !unused.contains(&plan.generation));
        if books.published.elapsed() >= PUBLISH_EVERY {
            self.publish();
        }
    }

    fn publish(&mut self) {
        self.books.published = Instant::now();
        self.cores.send(&Note::Publish);
    }

    fn ask_scrape(&mut self, reply: oneshot::Sender<String>) {
        if self.books.scrapes.is_empty() {
            self.books.scrape_deadline = Instant::now() + SCRAPE_PATIENCE;
            self.publish();
        }
        self.books.scrapes.push(reply);
    }

    /// A core that does not answer in time is counted by what it sent before.
    fn finish_scrapes(&mut self) {
        if self.cores.have_published() || Instant::now() >= self.books.scrape_deadline {
            self.answer_scrapes();
        }
    }

    fn answer_scrapes(&mut self) {
        if self.books.scrapes.is_empty() {
            return;
        }
        let page = metrics::page(&Figures {
            ledger: &self.books.ledger,
            cores: &self.cores,
            log: self.log.written(),
            generation: self.plan.generation,
            is_reload_fine: !self.reload.has_failed,
            keeper: &self.keeper,
        });
        for reply in self.books.scrapes.drain(..) {
            // Who asked may have gone.
            drop(reply.send(page.clone()));
        }
    }

    // -------------------------------------------------------------------------------------- reloading

    fn ask_reload(&mut self, source: Option<Source>, reply: ReloadReply) {
        let source = source.unwrap_or_else(|| self.source.clone());
        if self.drain.is_some() {
            return answer(reply, Err(Failure::Draining));
        }
        if self.reload.waiting.len() >= RELOADS_WAITING {
            return answer(reply, Err(Failure::Busy));
        }
        self.reload.waiting.push_back((source, reply));
        self.begin_reload();
    }

    fn begin_reload(&mut self) {
        if !matches!(self.reload.stage, Stage::Idle) {
            return;
        }
        let Some((source, reply)) = self.reload.waiting.pop_front() else { return };
        self.reload.stage = Stage::Compiling(reply);
        let (commands, certificates) = (self.commands.clone(), self.keeper.certificates());
        // A hundred thousand routes take a second or so, in which the admin address still answers.
        tokio::task::spawn_blocking(move || {
            let result = Ready::make(&source, Some(&certificates)).map(Box::new);
            // When the loop is gone, so is the wish.
            drop(commands.send(Command::Compiled(source, result)));
        });
    }

    fn compiled(&mut self, source: Source, result: Result<Box<Ready>, Failure>) {
        let Stage::Compiling(reply) = std::mem::take(&mut self.reload.stage) else { return };
        let judged = result.and_then(|ready| {
            let Ready { loaded, certificates } = *ready;
            Ok((self.judge(loaded, &certificates)?, certificates))
        });
        match judged {
            Ok(((plan, target), certificates)) => {
                let keyring = self.keeper.replace(certificates, &self.say);
                self.apply(plan, keyring, target, source, reply);
            }
            Err(failure) => {
                self.reload.has_failed = true;
                self.tell_refusal(&failure);
                self.say.warn("serving goes on by the earlier configuration", &[("generation", &self.plan.generation)]);
                answer(reply, Err(failure));
                self.begin_reload();
            }
        }
    }

    fn tell_refusal(&mut self, failure: &Failure) {
        match failure {
            Failure::Plan(complaints) => {
                complaints.list.iter().for_each(|complaint| tell(&self.say, complaint));
                if complaints.errors().any(|complaint| complaint.code == Code::BadCertificate) {
                    self.keeper.count(false);
                }
            }
            other => self.say.error("reload refused", &[("why", other)]),
        }
    }

    /// The plan, ready to be sent, and where the access log goes if that changes.
    fn judge(&self, loaded: Loaded, certificates: &Certificates) -> Result<(Plan, Option<Option<Target>>), Failure> {
        let Loaded { mut plan, warnings, .. } = loaded;
        if self.drain.is_some() {
            return Err(Failure::Draining);
        }
        let changes = fixed_changes(&self.plan, &plan);
        if !changes.is_empty() {
            return Err(Failure::Fixed(changes));
        }
        let place = |log: &Option<AccessLog>| log.as_ref().map(|log| log.file.clone());
        let is_moved = place(&self.plan.access_log) != place(&plan.access_log);
        let target = if is_moved { Some(open_log(plan.access_log.as_ref())?) } else { None };
        warnings.iter().chain(&certificates.warnings).for_each(|warning| tell(&self.say, warning));
        plan.generation = self.plan.generation + 1;
        Ok((plan, target))
    }

    fn apply(
        &mut self, plan: Plan, keyring: SharedKeyring, target: Option<Option<Target>>, source: Source,
        reply: ReloadReply,
    ) {
        let reloaded = Reloaded::between(&self.plan, &plan);
        let was_silent = self.plan.access_log.is_none();
        let plan = SharedPlan::new(plan);
        self.cores.send(&Note::Plan(SharedPlan::clone(&plan), keyring));
        self.books.earlier.push(std::mem::replace(&mut self.plan, plan));
        self.source = source;
        // Lines of the old plan belong into the old file, so a file is left only when no core serves by that plan.
        let target = match target {
            Some(target) if was_silent => {
                self.log.switch(target);
                None
            }
            later => later,
        };
        let deadline = Instant::now() + APPLY_PATIENCE;
        self.reload.stage = Stage::Applying { reply, reloaded, deadline, target };
    }

    fn looked(&mut self, look: Look) {
        if let Some(keyring) = self.keeper.looked(look, self.plan.generation, &self.say) {
            self.cores.send(&Note::Keyring(keyring));
        }
    }

    fn finish_reload(&mut self) {
        let Stage::Applying { deadline, reloaded, .. } = &self.reload.stage else { return };
        let is_applied = self.cores.have_applied(reloaded.generation);
        if !is_applied && Instant::now() < *deadline {
            return;
        }
        let Stage::Applying { reply, reloaded, target, .. } = std::mem::take(&mut self.reload.stage) else { return };
        if let Some(target) = target {
            self.log.switch(target);
        }
        if is_applied {
            self.reload.has_failed = false;
            self.books.ledger.forget_all_but(&self.plan);
            let facts: [(&str, &dyn std::fmt::Display); 3] = [
                ("generation", &reloaded.generation),
                ("routes", &reloaded.routes),
                ("upstreams", &reloaded.upstreams),
            ];
            self.say.info("reloaded", &facts);
            answer(reply, Ok(reloaded));
        } else {
            self.reload.has_failed = true;
            self.say.error("reload is not complete", &[("why", &Failure::Slow)]);
            answer(reply, Err(Failure::Slow));
        }
        self.begin_reload();
    }

    // -------------------------------------------------------------------------------------- draining

    /// Asked again while it drains, the shorter time counts.
    fn drain(&mut self, time: Option<Duration>) {
        let time = time.unwrap_or(self.plan.server.drain_timeout);
        let deadline = Instant::now() + time + DRAIN_GRACE;
        if self.drain.is_some_and(|earlier| earlier <= deadline) {
            return;
        }
        self.drain = Some(deadline);
        self.health.send_replace(Health::Draining);
        self.cores.send(&Note::Drain(time));
    }
}

/// Opens the place that the plan's access log names; `None` when it names none.
pub(super) fn open_log(log: Option<&AccessLog>) -> Result<Option<Target>, Failure> {
    let Some(log) = log else { return Ok(None) };
    match Target::open(log) {
        Ok(target) => Ok(Some(target)),
        Err(source) => Err(Failure::AccessLog { file: log.file.clone(), source }),
    }
}

/// One line for one complaint: the log is no place for carets.
pub(super) fn tell(say: &Say, complaint: &Complaint) {
    let mut facts: Vec<Fact<'_>> = vec![("code", &complaint.code.row().text), ("what", &complaint.message)];
    if let Some(place) = &complaint.spot {
        facts.insert(0, ("place", place));
    }
    if let Some(hint) = &complaint.hint {
        facts.push(("hint", hint));
    }
    match complaint.code.severity() {
        Severity::Error => say.error("configuration is wrong", &facts),
        Severity::Warning => say.warn("configuration is doubtful", &facts),
    }
}

fn is_unused(plan: &SharedPlan) -> bool {
    SharedPlan::strong_count(plan) == 1
}

fn answer(reply: ReloadReply, result: Result<Reloaded, Failure>) {
    if let Some(reply) = reply {
        // Who asked may have gone.
        drop(reply.send(result));
    }
}
