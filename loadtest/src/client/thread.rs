//! A thread of the load from its start to its end: connects, waits for the start, loads, reports.

use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use super::connection::{prepare, serve};
use super::pace::pace;
use super::streams;
use super::tally::Tally;
use super::worker::{Task, Times, Worker};
use crate::clock::{MILLISECOND, Nanos, SECOND};
use crate::runtime;

/// Connections that are made at the same time before the start: fewer than any server's queue holds.
const CONNECTING_MAX: usize = 64;
/// Patience with each batch of them; the load will meet again what takes longer.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// An interval of the log.
pub(super) const INTERVAL: Nanos = SECOND;

/// What a thread tells.
pub(super) enum Report {
    /// Its connections stand.
    Ready,
    /// It cannot run at all.
    Broken(String),
    /// What it measured in the interval of this number; the last one may be longer.
    Interval(usize, Box<Tally>),
    /// It is done.
    Over,
}

/// Runs `task` on the calling thread. `start` tells when.
pub(super) fn run(task: Task, cpu: Option<usize>, start: mpsc::Receiver<Times>, tell: mpsc::Sender<Report>) {
    let say = tell.clone();
    let pinned = cpu.map_or(Ok(()), |cpu| crate::cpu::confine(&[cpu]));
    let ran = pinned.and_then(|()| runtime::block_on(load(task, start, say)));
    if let Err(error) = ran {
        // Nobody listens when the run was given up.
        tell.send(Report::Broken(error.to_string())).ok();
    }
}

async fn load(task: Task, start: mpsc::Receiver<Times>, tell: mpsc::Sender<Report>) {
    let worker = Rc::new(Worker::new(task));
    if !worker.task.is_new_each {
        connect_all(&worker).await;
    }
    tell.send(Report::Ready).ok();
    // Both block this thread, which has nothing else to do; and its event loop would wait by the millisecond.
    let Ok(times) = start.recv() else { return };
    std::thread::sleep(Duration::from_nanos(times.start.saturating_sub(worker.now())));
    worker.times.set(times);
    let mut tasks: Vec<_> = match worker.links.as_slice() {
        [] => {
            let connections = worker.connections.iter();
            connections.map(|connection| monoio::spawn(serve(Rc::clone(&worker), Rc::clone(connection)))).collect()
        }
        links => {
            // Lane by lane, so that the first requests already take all connections.
            let lanes = worker.connections.iter().zip(links.iter().cycle());
            let serve = |(lane, link)| streams::serve(Rc::clone(&worker), Rc::clone(lane), Rc::clone(link));
            lanes.map(|lane| monoio::spawn(serve(lane))).collect()
        }
    };
    if worker.task.schedule.is_some() {
        tasks.push(monoio::spawn(pace(Rc::clone(&worker))));
    }
    watch(&worker, &tell).await;
    // The tasks must close their sockets while the loop runs.
    for task in tasks {
        task.await;
    }
    for link in &worker.links {
        link.end().await;
    }
    tell.send(Report::Over).ok();
}

async fn connect_all(worker: &Rc<Worker>) {
    for link in &worker.links {
        // What fails here, the first request will meet again.
        let opening = monoio::time::timeout(CONNECT_PATIENCE, link.open(worker));
        opening.await.ok();
    }
    if !worker.links.is_empty() {
        return;
    }
    for batch in worker.connections.chunks(CONNECTING_MAX) {
        let begun = batch.iter().map(|connection| {
            let (worker, connection) = (Rc::clone(worker), Rc::clone(connection));
            monoio::spawn(async move {
                let connecting = monoio::time::timeout(CONNECT_PATIENCE, prepare(&worker, &connection));
                if connecting.await.is_err() {
                    connection.close();
                }
            })
        });
        for connecting in begun.collect::<Vec<_>>() {
            connecting.await;
        }
    }
}

/// Ends what is overdue, reports intervals, and returns when the run is over.
async fn watch(worker: &Rc<Worker>, tell: &mpsc::Sender<Report>) {
    let times = worker.times.get();
    // A timeout is exact to 2 %, and a thousand connections are not looked at more often than needed.
    let beat = (worker.task.timeout / 50).clamp(MILLISECOND, 50 * MILLISECOND);
    let mut interval = 0;
    loop {
        let now = worker.now();
        worker.sweep(now);
        if worker.is_done(now) {
            break;
        }
        let ends = times.begin.saturating_add(INTERVAL.saturating_mul(interval as u64 + 1)).min(times.end);
        if now >= ends && ends < times.end {
            tell.send(Report::Interval(interval, Box::new(worker.tally.take()))).ok();
            interval += 1;
            continue;
        }
        // On time for what ends next; behind the end, for what is still on its way.
        let wake = if now < ends { ends.min(now + beat) } else { now + beat };
        monoio::time::sleep_until(worker.task.clock.instant(wake).into()).await;
    }
    worker.end(worker.now());
    tell.send(Report::Interval(interval, Box::new(worker.tally.take()))).ok();
}
