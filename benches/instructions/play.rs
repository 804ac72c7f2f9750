//! Plays whole exchanges through a core in memory, and measures the gateway's polls alone.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};

use ringway::plan;
use ringway::shell::connection::{Downstream, Serve};
use ringway::shell::core::Core;
use ringway::shell::mail::{Link, SharedLink, SharedPlan};
use ringway::words::ids::{CoreId, ListenerId};

use crate::measured;
use crate::memory::{Memory, MemoryStream, Wire};

/// What client and origin say in one exchange.
#[derive(Clone, Copy)]
pub struct Lines {
    /// More of the configuration, behind one listener and one route for everything.
    pub plan: &'static str,
    /// What the client sends.
    pub request: &'static [u8],
    /// How a request ends that is complete when it reaches the origin.
    pub end: &'static [u8],
    /// What the origin answers.
    pub answer: &'static [u8],
}

/// Polls that no exchange here needs: a play that takes more hangs.
const POLLS: usize = 64;

/// A core with one client that keeps its connection, and one origin.
pub struct Play {
    lines: Lines,
    world: Memory,
    core: Rc<Core<Memory>>,
    link: SharedLink,
    log: Vec<u8>,
    client: Rc<Wire>,
    task: Pin<Box<dyn Future<Output = ()>>>,
}

impl Play {
    /// The stage is set, and no request was sent yet.
    pub fn new(lines: Lines) -> Self {
        let text = format!(
            "[listeners.web]\naddress = \"127.0.0.1:1\"\n[routes.all]\npath = \"/*\"\n\
             upstream = {{ endpoints = [\"http://127.0.0.1:9\"] }}\n{}",
            lines.plan
        );
        let plan = plan::load_text("play.toml", &text).expect("a good configuration").plan;
        let world = Memory::default();
        let link = Link::new(CoreId::new(0));
        let core = Core::new(world.clone(), CoreId::new(0), SharedPlan::new(plan), SharedLink::clone(&link));
        let peer = SocketAddr::from(([192, 0, 2, 1], 50_000));
        let listener = ListenerId::new(0);
        let client = Rc::new(Wire::default());
        let stream = MemoryStream(Rc::clone(&client));
        let opened = Downstream::open(&core, ringway::shell::wire::Wire::Plain(stream), listener, peer);
        let task = Box::pin(Serve::new(opened.ok().expect("the core is empty")));
        Self { lines, world, core, link, log: Vec::new(), client, task }
    }

    /// One exchange, from the request to the last byte of its answer.
    pub fn round(&mut self) {
        self.client.send(self.lines.request);
        for _ in 0..POLLS {
            measured(&mut || {
                let polled = self.task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                assert!(polled.is_pending(), "the connection stays");
            });
            if !self.origin() {
                return self.applaud();
            }
        }
        panic!("the exchange hangs");
    }

    /// Lets the origin answer; false when the gateway wants nothing of it.
    fn origin(&self) -> bool {
        let mut has_come = false;
        for wire in &*self.world.connected.borrow() {
            let mut received = wire.received.borrow_mut();
            has_come |= !received.is_empty();
            if received.ends_with(self.lines.end) {
                received.clear();
                wire.send(self.lines.answer);
            }
        }
        has_come
    }

    /// Checks the answer, and empties what the exchange filled.
    fn applaud(&mut self) {
        let received = &mut *self.client.received.borrow_mut();
        assert!(received.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(received));
        received.clear();
        self.core.flush_log();
        self.link.take_log(&mut self.log);
    }
}
