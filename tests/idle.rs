//! What a connection at rest holds: heap bytes of its core, counted exactly.
//!
//! The core runs on the test's own thread, so what that thread has allocated and not freed is the core's. Bytes are those
//! asked for: what an allocator adds to them is not counted, nor is the growth of tables that all connections share.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use ringway::plan;
use ringway::policy::names::CertificateNames;
use ringway::shell::accept::Doors;
use ringway::shell::core::Core;
use ringway::shell::io::{Io, Timer};
use ringway::shell::keyring::Keyring;
use ringway::shell::mail::{Link, SharedPlan};
use ringway::shell::uring::{Preference, Runtime, Uring};
use ringway::words::ids::{CoreId, ListenerId};

use rustls::version::{TLS12, TLS13};

use crate::costs::{Duplex, live_bytes};
use crate::support::authority::Authority;
use crate::support::tls::{Tls, keyring};

/// What one holds: its state, its task, the task's bell, and an entry in the queue of deadlines.
const BYTES_MAX: i64 = 410;
/// What one holds that speaks TLS: beside that its keys, and in TLS 1.3 what makes the next ones.
const TLS_BYTES_MAX: i64 = 3000;
/// Connections that are counted.
const COUNTED: usize = 64;
/// Connections that come and go before: tables that connections share have found their size then.
const WARM_UP: usize = 2 * COUNTED;

/// What the core's thread tells the client's.
#[derive(Default)]
struct Board {
    live: AtomicI64,
    open: AtomicU64,
    /// Counts up each time the numbers were written.
    editions: AtomicU64,
    is_over: AtomicBool,
}

impl Board {
    /// Bytes live once `open` connections are.
    fn live_at(&self, open: usize) -> i64 {
        let mut edition = self.editions.load(SeqCst);
        loop {
            while self.editions.load(SeqCst) < edition + 2 {
                std::thread::yield_now();
            }
            if self.open.load(SeqCst) == open as u64 {
                return self.live.load(SeqCst);
            }
            edition = self.editions.load(SeqCst);
        }
    }
}

#[test]
fn a_connection_at_rest_holds_less_than_half_a_kibibyte() {
    let each = held_by("", Keyring::default(), connect);
    assert!((1..=BYTES_MAX).contains(&each), "{each} bytes");
}

#[test]
fn a_tls_connection_at_rest_holds_its_keys_and_no_buffer() {
    let authority = Authority::new("test");
    let tls = "tls = \"edge\"\nprotocols = [\"http/1.1\"]\n\
               [tls.edge]\ncertificates = [{ cert = \"a.pem\", key = \"a.key\" }]\n";
    for version in [&TLS12, &TLS13] {
        let server = (authority.server(&["a.example"], &[]), CertificateNames::default());
        let config = Arc::new(authority.client(&[version]));
        let each = held_by(tls, keyring(Some(server), None), move |gateway| {
            Box::new(Tls::connect(gateway, &config, "a.example"))
        });
        let each = each + 2 * key_bytes();
        println!("{each} bytes with {version:?}");
        assert!((1..=TLS_BYTES_MAX).contains(&each), "{each} bytes");
    }
}

/// Heap bytes that a connection at rest holds which `connect` made to a listener with `listener` in its table.
fn held_by(listener: &str, keyring: Keyring, connect: impl Fn(SocketAddr) -> Box<dyn Duplex> + Send + 'static) -> i64 {
    let text = format!(
        "[listeners.web]\naddress = \"127.0.0.1:1\"\n{listener}\
         [routes.all]\npath = \"/*\"\nrespond = {{ status = 204 }}\n"
    );
    let plan = plan::load_text("idle.toml", &text).expect("a good configuration").plan;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = socket.local_addr().unwrap();
    let board = Arc::new(Board::default());
    let theirs = Arc::clone(&board);
    let client = std::thread::spawn(move || client(|| served(connect(gateway)), &theirs));
    let driver = if std::env::var_os("RINGWAY_DRIVER").is_some() { Preference::Epoll } else { Preference::Auto };
    Runtime::build(driver).unwrap().run(move |io| core(io, plan, keyring, socket, board)).unwrap();
    client.join().unwrap()
}

fn connect(gateway: SocketAddr) -> Box<dyn Duplex> {
    let stream = TcpStream::connect(gateway).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    Box::new(stream)
}

async fn core(io: Uring, plan: plan::Plan, keyring: Keyring, socket: TcpListener, board: Arc<Board>) {
    let listener = io.listener(socket).unwrap();
    let core = Core::new(io.clone(), CoreId::new(0), SharedPlan::new(plan), Link::new(CoreId::new(0)));
    core.set_keyring(Arc::new(keyring));
    let _doors = Doors::open(&core, vec![(ListenerId::new(0), listener)]);
    let mut timer = io.timer();
    while !board.is_over.load(SeqCst) {
        let due = io.now().after(Duration::from_millis(1));
        poll_fn(|cx| timer.poll_at(cx, io.now(), due)).await;
        board.live.store(live_bytes(), SeqCst);
        board.open.store(core.open_connections() as u64, SeqCst);
        board.editions.fetch_add(1, SeqCst);
    }
    io.stop();
}

/// Bytes per connection.
fn client(connect: impl Fn() -> Box<dyn Duplex>, board: &Board) -> i64 {
    let many = |count: usize| -> Vec<_> { (0..count).map(|_| connect()).collect() };
    drop(many(WARM_UP));
    let before = board.live_at(0);
    let connections = many(COUNTED);
    let after = board.live_at(COUNTED);
    board.is_over.store(true, SeqCst);
    drop(connections);
    (after - before) / COUNTED as i64
}

/// A connection that has had an answer.
fn served(mut stream: Box<dyn Duplex>) -> Box<dyn Duplex> {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n").unwrap();
    let mut answer = [0; 1024];
    let mut length = 0;
    while !answer[..length].ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut answer[length..]).unwrap();
        assert!(count > 0, "the gateway closed");
        length += count;
    }
    stream
}

/// What one direction's key holds that aws-lc allocates, unseen by the counting allocator.
fn key_bytes() -> i64 {
    let allocated = || i64::try_from(unsafe_mallinfo().uordblks).unwrap();
    let (rust, all) = (live_bytes(), allocated());
    let keys = [(); COUNTED].map(|()| LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap()));
    let each = (allocated() - all - (live_bytes() - rust)) / COUNTED as i64;
    drop(keys);
    each
}

#[expect(unsafe_code, reason = "the C library has no safe way to say it")]
fn unsafe_mallinfo() -> libc::mallinfo2 {
    // SAFETY: it takes nothing and returns numbers.
    unsafe { libc::mallinfo2() }
}
