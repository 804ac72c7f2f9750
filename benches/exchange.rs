//! What a whole exchange costs: a client, the gateway's own data path, an origin, all in one simulated world.
//!
//! No system call is made, so this is the part that is ours: heads, routing, framing, buffers, timers, tasks, and the
//! pools. The world around it is in the number too (about as much again: two actors, links, the clock); compare runs of
//! this bench with each other only.
//!
//! `cargo bench --bench exchange`

use std::cell::Cell;
use std::rc::Rc;

use divan::{Bencher, counter::ItemsCount};
use ringway::plan::{Address, load_text};
use ringway::shell::accept::Doors;
use ringway::shell::core::Core;
use ringway::shell::io::Io;
use ringway::shell::mail::{Link, SharedLink, SharedPlan};
use ringway::shell::sim::{Pause, SimIo, Weather, Wire, World};
use ringway::shell::worker::live;
use ringway::words::ids::{CoreId, ListenerId};
use ringway::words::time::Instant;

fn main() {
    divan::main();
}

/// Kinds of exchanges.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// GET, 100 bytes back.
    Small,
    /// The same with ten more request fields.
    Fields,
    /// GET, 10 KiB back.
    Answer10K,
    /// POST of 16 KiB.
    Post16K,
    /// Answered by the gateway itself.
    Local,
}

#[divan::bench(args = [Kind::Small, Kind::Fields, Kind::Answer10K, Kind::Post16K, Kind::Local])]
fn exchange(bencher: Bencher, kind: Kind) {
    let stand = Stand::new(kind);
    // The first one connects; those after it are the steady state.
    stand.exchange();
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| stand.exchange());
}

/// A gateway of one core between a client and an origin, both at rest.
struct Stand {
    world: World,
    wanted: Rc<Cell<u64>>,
    answered: Rc<Cell<u64>>,
    bell: Wire,
}

impl Stand {
    fn new(kind: Kind) -> Self {
        let world = World::new(1, Weather::calm(), false);
        start_core(&world);
        world.spawn(serve(world.clone(), answer(kind)));
        let (wanted, answered) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let bell = start_client(&world, kind, &answered);
        Self { world, wanted, answered, bell }
    }

    /// One exchange, from the client's first byte to its last.
    fn exchange(&self) {
        self.wanted.set(self.wanted.get() + 1);
        assert!(self.bell.try_send(b"!"), "the bell's link has room");
        let pause = self.world.run(Instant::NEVER, || self.answered.get() == self.wanted.get());
        assert_eq!(pause, Pause::Reached);
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.world.end();
    }
}

fn start_core(world: &World) {
    let text = format!(
        "[listeners.web]\naddress = \"{GATEWAY}\"\n[routes.all]\npath = \"/*\"\n\
         upstream = {{ endpoints = [\"http://{ORIGIN}\"] }}\n\
         [routes.local]\npath = \"/local\"\nrespond = {{ status = 200, text = \"{}\" }}\n",
        "x".repeat(100)
    );
    let plan = SharedPlan::new(load_text("bench", &text).expect("a sound configuration").plan);
    let (io, link) = (SimIo::new(world.clone(), 0), Link::new(CoreId::new(0)));
    let core = Core::new(io.clone(), CoreId::new(0), plan, SharedLink::clone(&link));
    let doors = Doors::open(&core, vec![(ListenerId::new(0), io.listen(GATEWAY.parse().expect("an address")))]);
    io.spawn(async move { live(&core, &doors, || {}, || {}).await });
}

/// Sends a request each time that the returned wire gets a byte, and counts the answers.
fn start_client(world: &World, kind: Kind, answered: &Rc<Cell<u64>>) -> Wire {
    let door = world.listen(Address::Tcp(BELL.parse().expect("an address")));
    let (own, answered, inner) = (world.clone(), Rc::clone(answered), Rc::new(Cell::new(None)));
    let given = Rc::clone(&inner);
    world.spawn(async move {
        let bell = own.connect(client_address(), &Address::Tcp(BELL.parse().expect("an address"))).await;
        given.set(bell.ok());
        let (Ok(rings), Ok(wire)) = (
            door.accept().await,
            own.connect(client_address(), &Address::Tcp(GATEWAY.parse().expect("an address"))).await,
        ) else {
            panic!("a calm world refuses nobody");
        };
        ask(rings, wire, kind, answered).await;
    });
    let pause = world.run(Instant::NEVER, || {
        let bell = inner.take();
        let is_there = bell.is_some();
        inner.set(bell);
        is_there
    });
    assert_eq!(pause, Pause::Reached);
    inner.take().expect("it was just seen")
}

async fn ask(rings: Wire, wire: Wire, kind: Kind, answered: Rc<Cell<u64>>) {
    let (request, mut received) = (request(kind), Vec::new());
    loop {
        received.clear();
        if !matches!(rings.receive(&mut received, 1).await, Ok(1)) {
            return;
        }
        received.clear();
        wire.send(&request).await.expect("the gateway serves");
        while !is_whole(&received) {
            wire.receive(&mut received, 64 * 1024).await.expect("the gateway answers");
        }
        answered.set(answered.get() + 1);
    }
}

async fn serve(world: World, answer: Vec<u8>) {
    let door = world.listen(Address::Tcp(ORIGIN.parse().expect("an address")));
    while let Ok(wire) = door.accept().await {
        let answer = answer.clone();
        world.spawn(async move {
            let mut received = Vec::new();
            while matches!(wire.receive(&mut received, 64 * 1024).await, Ok(1..)) {
                if is_whole(&received) {
                    received.clear();
                    wire.send(&answer).await.expect("the gateway reads");
                }
            }
        });
    }
}

/// A head, and the body that its Content-Length announces.
fn is_whole(message: &[u8]) -> bool {
    let Some(end) = memchr::memmem::find(message, b"\r\n\r\n") else { return false };
    let length = memchr::memmem::find(&message[..end], b"content-length: ").map_or(0, |at| {
        let digits = message[at + 16..end].iter().take_while(|byte| byte.is_ascii_digit());
        digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'))
    });
    message.len() >= end + 4 + length
}

fn request(kind: Kind) -> Vec<u8> {
    let fields: String = (0..10).map(|number| format!("x-field-{number}: value-{number}\r\n")).collect();
    match kind {
        Kind::Small | Kind::Answer10K => b"GET /bench HTTP/1.1\r\nhost: bench\r\n\r\n".to_vec(),
        Kind::Fields => format!("GET /bench HTTP/1.1\r\nhost: bench\r\n{fields}\r\n").into_bytes(),
        Kind::Post16K => {
            let head = b"POST /bench HTTP/1.1\r\nhost: bench\r\ncontent-length: 16384\r\n\r\n";
            [head.as_slice(), &[b'x'; 16384]].concat()
        }
        Kind::Local => b"GET /local HTTP/1.1\r\nhost: bench\r\n\r\n".to_vec(),
    }
}

fn answer(kind: Kind) -> Vec<u8> {
    let bytes = if matches!(kind, Kind::Answer10K) { 10 * 1024 } else { 100 };
    [format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n").as_bytes(), &vec![b'x'; bytes]].concat()
}

fn client_address() -> std::net::SocketAddr {
    "10.9.0.1:40000".parse().expect("an address")
}

const GATEWAY: &str = "10.0.0.1:80";
const ORIGIN: &str = "10.1.0.1:80";
/// Where the bench tells the client to ask.
const BELL: &str = "10.2.0.1:80";
