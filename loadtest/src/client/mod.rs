//! `ringway-load run`: threads that load a server, and the thread that adds up what they measured.

mod connection;
mod pace;
mod progress;
pub mod report;
mod streams;
pub mod tally;
mod thread;
mod worker;

use std::collections::VecDeque;
use std::sync::mpsc;
use std::time::Duration;

use crate::arguments::Run;
use crate::clock::{Clock, MILLISECOND, Nanos, nanos};
use crate::cpu;
use crate::schedule::Schedule;
use crate::target::Target;
use progress::Progress;
use report::{Log, Results};
use tally::Tally;
use thread::{INTERVAL, Report};
use worker::{Task, Times};

/// From when all threads are ready to the start, so that none begins late.
const LEAD: Nanos = 2 * MILLISECOND;
/// How often progress is shown.
const GLANCE: Duration = Duration::from_millis(200);

/// Loads as `run` says, and prints and writes the results.
///
/// # Errors
/// A sentence for the user: a wrong argument, a file that cannot be written, a thread that cannot run.
pub fn run(run: &Run) -> Result<(), String> {
    if run.threads > run.connections {
        return Err(format!("{} threads have nothing to do with {} connections", run.threads, run.connections));
    }
    let target = Target::of(run)?;
    let log = run.hdr.as_deref().map(Log::create).transpose()?;
    if !run.pin.is_empty() {
        // This thread too: whatever it does must not run where the server does.
        cpu::confine(&run.pin).map_err(|error| format!("--pin: {error}"))?;
    }
    let results = Crew::hire(run, &target)?.work(run, log)?;
    report::publish(run, &results)
}

/// The threads of a run.
struct Crew {
    clock: Clock,
    start: Vec<mpsc::Sender<Times>>,
    reports: mpsc::Receiver<Report>,
}

impl Crew {
    /// Starts the threads and returns when all are connected.
    fn hire(run: &Run, target: &Target) -> Result<Self, String> {
        let (clock, (tell, reports)) = (Clock::start(), mpsc::channel());
        let mut start = Vec::new();
        for index in 0..run.threads {
            let (go, wait) = mpsc::channel();
            let (task, tell) = (task(run, target, clock, index), tell.clone());
            let cpu = (!run.pin.is_empty()).then(|| run.pin[index % run.pin.len()]);
            let spawned = std::thread::Builder::new().spawn(move || thread::run(task, cpu, wait, tell));
            spawned.map_err(|error| format!("no thread can be had: {error}"))?;
            start.push(go);
        }
        // With the threads' own copies gone, a wait for reports ends instead of lasting for ever.
        drop(tell);
        for _ in 0..run.threads {
            match reports.recv() {
                Ok(Report::Ready) => {}
                Ok(Report::Broken(why)) => return Err(why),
                Ok(Report::Interval(..) | Report::Over) | Err(_) => return Err("a thread ended early".to_owned()),
            }
        }
        Ok(Self { clock, start, reports })
    }

    /// Lets the threads load, and adds up what they tell.
    fn work(self, run: &Run, mut log: Option<Log>) -> Result<Results, String> {
        let times = self.times(run);
        for start in &self.start {
            // A thread that is gone shows when its reports end.
            start.send(times).ok();
        }
        let progress = Progress::show(run, times);
        std::thread::sleep(Duration::from_nanos(times.begin.saturating_sub(self.clock.now())));
        log.as_mut().map(Log::begin).transpose()?;
        let (cpu_before, mut sum) = (cpu::time_spent(), Sum::new(run.threads, times.end - times.begin, log));
        let mut working = run.threads;
        while working > 0 {
            match self.reports.recv_timeout(GLANCE) {
                Ok(Report::Interval(number, tally)) => sum.add(number, &tally)?,
                Ok(Report::Over) => working -= 1,
                Ok(Report::Broken(why)) => return Err(why),
                Ok(Report::Ready) => {}
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err("a thread ended early".to_owned()),
            }
            progress.show_at(self.clock.now(), &sum.total);
        }
        let cpu = cpu::time_spent().saturating_sub(cpu_before);
        let total = sum.finish()?;
        let end = if times.end == Nanos::MAX { total.last.max(times.begin) } else { times.end };
        Ok(Results::of(run, &total, Duration::from_nanos(end - times.begin), cpu))
    }

    fn times(&self, run: &Run) -> Times {
        let start = self.clock.now() + LEAD;
        match run.requests {
            Some(_) => Times { start, begin: start, end: Nanos::MAX },
            None => {
                let begin = start + nanos(run.warmup);
                Times { start, begin, end: begin + nanos(run.duration) }
            }
        }
    }
}

/// The share of thread `index` in `run`.
fn task(run: &Run, target: &Target, clock: Clock, index: usize) -> Task {
    let threads = run.threads as u64;
    // What does not divide goes to the first ones.
    let share = |whole: u64| whole / threads + u64::from((index as u64) < whole % threads);
    Task {
        clock,
        target: target.clone(),
        connections: share(run.connections as u64) as usize,
        streams: run.streams,
        requests: run.requests.map(share),
        schedule: run.rate.map(|rate| Schedule::new(run.arrivals, rate, index, run.threads)),
        is_new_each: run.new_connections,
        timeout: nanos(run.timeout),
        expect_status: run.expect_status,
        expect_bytes: run.expect_bytes,
    }
}

/// What all threads measured: in all, and by interval for the log.
struct Sum {
    threads: usize,
    /// How long is measured.
    span: Nanos,
    total: Tally,
    log: Option<Log>,
    /// Intervals that not all threads have reported, the first of them with its number: threads report in order.
    open: VecDeque<(usize, Tally)>,
    first: usize,
}

impl Sum {
    fn new(threads: usize, span: Nanos, log: Option<Log>) -> Self {
        Self { threads, span, total: Tally::default(), log, open: VecDeque::new(), first: 0 }
    }

    fn add(&mut self, number: usize, tally: &Tally) -> Result<(), String> {
        self.total.merge(tally);
        if self.log.is_none() {
            return Ok(());
        }
        let place = number - self.first;
        while self.open.len() <= place {
            self.open.push_back(Default::default());
        }
        let (reports, sum) = &mut self.open[place];
        *reports += 1;
        sum.merge(tally);
        while self.open.front().is_some_and(|(reports, _)| *reports == self.threads) {
            self.write_first()?;
        }
        Ok(())
    }

    fn write_first(&mut self) -> Result<(), String> {
        if let (Some(log), Some((_, sum))) = (&mut self.log, self.open.pop_front()) {
            let start = INTERVAL.saturating_mul(self.first as u64);
            log.write(start, INTERVAL.min(self.span.saturating_sub(start)), &sum.latency)?;
            self.first += 1;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Tally, String> {
        while !self.open.is_empty() {
            self.write_first()?;
        }
        self.log.map(Log::close).transpose()?;
        Ok(self.total)
    }
}
