//! Where attacks take place: a gateway as a process, an origin, a good client that never stops asking, and a watch over
//! the gateway's memory.
#![expect(unsafe_code, reason = "one call that the libraries have no name for: the scheduling class of a thread")]

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use crate::h2_frames::origin::Echo;
use crate::h2_frames::peer::{ALIVE, Peer, Target};
use crate::support::PATIENCE;
use crate::support::process::Process;

/// Connections that attack at the same time.
pub const ATTACKERS: u64 = 12;
/// What one of them may make a released process hold.
const HELD_BYTES_MAX: u64 = 1024 * 1024;
/// The same of a process that was built with checks: its futures are larger, and ten runs held from 705 to 915 KiB.
const HELD_BYTES_MAX_CHECKED: u64 = 1280 * 1024;
/// Requests of the good client before and after.
const QUIET_REQUESTS: usize = 50;

/// The place.
pub struct Arena {
    process: Process,
    /// The good client's origin, and that of the attackers unless it is elsewhere: no attack is on a server behind the
    /// gateway.
    origins: Vec<Echo>,
    /// The listener of the attackers, on the same core as the good client's.
    pub target: Target,
    pub good: Target,
}

impl Arena {
    /// With these further keys of the attackers' listener.
    pub fn open(more: &str) -> Self {
        let origin = echo();
        let mut arena = Self::before(&format!("endpoints = [\"{}\"]", origin.origin.endpoint()), more);
        arena.origins.push(origin);
        arena
    }

    /// With these keys of the attackers' upstream.
    pub fn before(upstream: &str, more: &str) -> Self {
        let good = echo();
        let listener = "address = \"127.0.0.1:0\"\nprotocols = [\"h2\"]";
        let process = Process::run(&format!(
            "[server]\nworkers = 1\n[listeners.good]\n{listener}\n[listeners.web]\n{listener}\n{more}\n\
             [upstreams.origin]\n{upstream}\n[routes.all]\npath = \"/*\"\nupstream = \"origin\"\n\
             [upstreams.good]\nendpoints = [\"{}\"]\n[routes.good]\npath = \"{ALIVE}\"\nupstream = \"good\"\n",
            good.origin.endpoint(),
        ));
        let target = |name: &str| Target { address: process.address(name), tls: None, patience: PATIENCE };
        let (target, good_target) = (target("web"), target("good"));
        Self { process, origins: vec![good], target, good: good_target }
    }

    /// Lets `attack` loose on [`ATTACKERS`] connections; each gives its peer, which is held until all have ended. The
    /// good client must get every answer, and the gateway must not hold much for the attackers.
    pub fn suffer(&self, attack: impl Fn(&Target) -> Peer + Sync) {
        let mut good = Peer::ready(&self.good);
        (0..QUIET_REQUESTS).for_each(|_| ask(&mut good));
        let is_over = AtomicBool::new(false);
        let (rest, peak) = (self.process.resident_bytes(), AtomicU64::new(0));
        thread::scope(|scope| {
            let watch = scope.spawn(|| {
                while !is_over.load(SeqCst) {
                    peak.fetch_max(self.process.resident_bytes(), SeqCst);
                    thread::sleep(Duration::from_millis(1));
                }
            });
            let asking = scope.spawn(|| {
                let mut count = 0;
                while !is_over.load(SeqCst) {
                    ask(&mut good);
                    count += 1;
                }
                count
            });
            let attackers: Vec<_> = (0..ATTACKERS).map(|_| scope.spawn(|| attack(&self.target))).collect();
            let peers: Vec<_> = attackers.into_iter().map(|attacker| attacker.join()).collect();
            is_over.store(true, SeqCst);
            let count: u64 = asking.join().expect("the good client gets its answers");
            watch.join().expect("the watch stays awake");
            assert!(count > 0, "the good client was served meanwhile");
            peers.into_iter().for_each(|peer| drop(peer.expect("the attack went as planned")));
        });
        let held = peak.load(SeqCst).saturating_sub(rest) / ATTACKERS;
        println!("held {} KiB for each attacker", held / 1024);
        let is_released = std::env::var_os("RINGWAY_BINARY").is_some();
        let most = if is_released { HELD_BYTES_MAX } else { HELD_BYTES_MAX_CHECKED };
        assert!(held <= most, "{held} bytes were held for each attacker");
        (0..QUIET_REQUESTS).for_each(|_| ask(&mut good));
        assert_eq!(good.audit.breaches, [""; 0]);
    }
}

/// An origin on a free port.
pub fn echo() -> Echo {
    Echo::on((Ipv4Addr::LOCALHOST, 0).into())
}

/// What this thread and those that it starts do from now on is done only while nothing else wants the processor: what the
/// attackers and their origin spend themselves is not the gateway's, and a mere nice value would let them finish their
/// slices of time while the good client waits.
pub fn humbly<T>(act: impl FnOnce() -> T) -> T {
    let none = libc::sched_param { sched_priority: 0 };
    // SAFETY: it reads what it is given, and concerns the calling thread alone. Where it is not allowed, only a
    // measurement is worse.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const none) };
    act()
}

/// One request of the good client, and its answer.
fn ask(good: &mut Peer) {
    let stream = good.get(ALIVE);
    let said = good.answer(stream);
    assert_eq!((said.status(), said.text().as_str()), (Some(200), "alive"), "{:?} {:?}", good.goaway, said);
    good.said.remove(&stream);
    if stream.is_multiple_of(1_001) {
        good.send(crate::h2_frames::frame::window_update(0, 5_000));
    }
}
