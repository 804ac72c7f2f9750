//! What an exchange costs, held exactly: heap allocations, and sends per message.
//!
//! The core runs on the test's own thread, so a count of that thread is a count of the core. Client and origin are
//! threads.
#![expect(unsafe_code, reason = "a counting allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use ringway::plan::{self, Address};
use ringway::policy::names::CertificateNames;
use ringway::shell::accept::Doors;
use ringway::shell::buffer::Buffer;
use ringway::shell::core::Core;
use ringway::shell::io::{Io, Listener, Stream, Timer};
use ringway::shell::keyring::Keyring;
use ringway::shell::mail::{Link, SharedPlan};
use ringway::shell::uring::{Preference, Runtime, Uring, UringListener, UringStream, UringTimer};
use ringway::words::ids::{CoreId, ListenerId};
use ringway::words::time::{Instant, Wall};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection, SupportedProtocolVersion};

use crate::support::authority::Authority;
use crate::support::tls::{Tls, keyring};

/// Exchanges before counting begins: pools and vectors find their size.
const WARM_UP: usize = 200;
/// Exchanges that are counted.
const COUNTED: usize = 500;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

/// The system's allocator, counting per thread.
struct Counting;

// SAFETY: every call is passed on to the system's allocator; counting touches a constant-initialised thread local only.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        grow(layout.size() as i64);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        grow(-(layout.size() as i64));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        grow(size as i64 - layout.size() as i64);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn grow(bytes: i64) {
    LIVE.with(|live| live.set(live.get() + bytes));
}

/// Bytes that this thread has allocated and not freed; below zero when it freed what others had allocated.
pub fn live_bytes() -> i64 {
    LIVE.with(Cell::get)
}

/// What `act` gives, and how often this thread allocated meanwhile.
pub fn allocations_of<T>(act: impl FnOnce() -> T) -> (T, u64) {
    let before = ALLOCATIONS.with(Cell::get);
    let given = act();
    (given, ALLOCATIONS.with(Cell::get) - before)
}

/// What one core did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Counts {
    allocations: u64,
    sends: u64,
}

/// The io_uring shell, counting the sends that its streams begin.
#[derive(Clone)]
struct Watched {
    io: Uring,
    sends: Rc<Cell<u64>>,
}

struct WatchedStream {
    stream: UringStream,
    sends: Rc<Cell<u64>>,
}

struct WatchedListener {
    listener: UringListener,
    sends: Rc<Cell<u64>>,
}

impl Io for Watched {
    type Stream = WatchedStream;
    type Listener = WatchedListener;
    type Timer = UringTimer;

    fn now(&self) -> Instant {
        self.io.now()
    }

    fn wall(&self) -> Wall {
        self.io.wall()
    }

    fn random(&self) -> u64 {
        self.io.random()
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.io.spawn(task);
    }

    fn timer(&self) -> UringTimer {
        self.io.timer()
    }

    async fn connect(&self, address: &Address) -> io::Result<WatchedStream> {
        let stream = self.io.connect(address).await?;
        Ok(WatchedStream { stream, sends: Rc::clone(&self.sends) })
    }
}

impl Listener for WatchedListener {
    type Stream = WatchedStream;

    async fn accept(&self) -> io::Result<(WatchedStream, SocketAddr)> {
        let (stream, peer) = self.listener.accept().await?;
        Ok((WatchedStream { stream, sends: Rc::clone(&self.sends) }, peer))
    }

    fn cancel(&self) {
        self.listener.cancel();
    }
}

impl Stream for WatchedStream {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_readable(cx)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut Buffer) -> Poll<io::Result<usize>> {
        self.stream.poll_read(cx, into)
    }

    fn try_read(&mut self, into: &mut Buffer) -> io::Result<usize> {
        self.stream.try_read(into)
    }

    fn is_writing(&self) -> bool {
        self.stream.is_writing()
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, from: &mut Buffer) -> Poll<io::Result<()>> {
        if !self.stream.is_writing() && !from.is_empty() {
            self.sends.set(self.sends.get() + 1);
        }
        self.stream.poll_write(cx, from)
    }

    fn try_write(&mut self, from: &mut Buffer) -> io::Result<()> {
        self.sends.set(self.sends.get() + 1);
        self.stream.try_write(from)
    }

    fn poll_write_bytes(&mut self, cx: &mut Context<'_>, from: &mut Bytes) -> Poll<io::Result<()>> {
        if !self.stream.is_writing() && !from.is_empty() {
            self.sends.set(self.sends.get() + 1);
        }
        self.stream.poll_write_bytes(cx, from)
    }

    fn take_progress(&mut self) -> u64 {
        self.stream.take_progress()
    }

    fn shut_write(&mut self) {
        self.stream.shut_write();
    }

    fn abort(&mut self) {
        self.stream.abort();
    }
}

/// What the core's thread and the client's share.
#[derive(Default)]
struct Board {
    allocations: AtomicU64,
    sends: AtomicU64,
    /// Counts up each time the numbers were written.
    editions: AtomicU64,
    is_over: AtomicBool,
}

impl Board {
    /// The numbers, written after this call began.
    fn read(&self) -> Counts {
        let edition = self.editions.load(SeqCst);
        while self.editions.load(SeqCst) < edition + 2 {
            std::thread::yield_now();
        }
        Counts { allocations: self.allocations.load(SeqCst), sends: self.sends.load(SeqCst) }
    }
}

/// Sends `request` over one connection, again and again, and says what the gateway's core did for the counted ones.
fn cost_of(request: &'static [u8], answer: &'static [u8], answer_bytes: usize) -> Counts {
    cost_over(None, request, answer, answer_bytes)
}

/// As [`cost_of`], with TLS of this version on both sides.
fn cost_over_tls(
    version: &'static SupportedProtocolVersion, request: &'static [u8], answer: &'static [u8], answer_bytes: usize,
) -> Counts {
    cost_over(Some(version), request, answer, answer_bytes)
}

fn cost_over(
    version: Option<&'static SupportedProtocolVersion>, request: &'static [u8], answer: &'static [u8],
    answer_bytes: usize,
) -> Counts {
    let authority = Authority::new("test");
    let versions = version.as_ref().map(std::slice::from_ref);
    let secure = |name: &str| authority.server(&[name], &[]);
    let origin = origin(answer, versions.map(|_| Arc::new(secure("up.example"))));
    let (tls, scheme) = match version {
        Some(_) => (
            "tls = \"edge\"\nprotocols = [\"http/1.1\"]\n\
             [tls.edge]\ncertificates = [{ cert = \"a.pem\", key = \"a.key\" }]\n",
            "https",
        ),
        None => ("", "http"),
    };
    let name = if version.is_some() { "tls = { server_name = \"up.example\" }\n" } else { "" };
    let fixed = "x".repeat(answer_bytes);
    let text = format!(
        "[listeners.web]\naddress = \"127.0.0.1:1\"\n{tls}[routes.all]\npath = \"/*\"\nupstream = \"up\"\n\
         [routes.fixed]\npath = \"/fixed\"\nrespond = {{ status = 200, text = \"{fixed}\" }}\n\
         [upstreams.up]\nendpoints = [\"{scheme}://{origin}\"]\n{name}"
    );
    let plan = plan::load_text("costs.toml", &text).expect("a good configuration").plan;
    let keyring = keyring(
        versions.map(|_| (secure("a.example"), CertificateNames::default())),
        versions.map(|versions| authority.client(versions)),
    );
    let config = versions.map(|versions| Arc::new(authority.client(versions)));
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    // As control does: connections inherit it.
    socket2::SockRef::from(&socket).set_tcp_nodelay(true).unwrap();
    let gateway = socket.local_addr().unwrap();
    let board = Arc::new(Board::default());
    let theirs = Arc::clone(&board);
    let client = std::thread::spawn(move || {
        let stream: Box<dyn Duplex> = match config {
            Some(config) => Box::new(Tls::connect(gateway, &config, "a.example")),
            None => Box::new(TcpStream::connect(gateway).unwrap()),
        };
        client(stream, &theirs, request, answer_bytes)
    });
    let driver = if std::env::var_os("RINGWAY_DRIVER").is_some() { Preference::Epoll } else { Preference::Auto };
    Runtime::build(driver).unwrap().run(move |io| core(io, plan, keyring, socket, board)).unwrap();
    client.join().unwrap()
}

async fn core(io: Uring, plan: plan::Plan, keyring: Keyring, socket: TcpListener, board: Arc<Board>) {
    let sends = Rc::new(Cell::new(0));
    let listener = WatchedListener { listener: io.listener(socket).unwrap(), sends: Rc::clone(&sends) };
    let watched = Watched { io: io.clone(), sends: Rc::clone(&sends) };
    let core = Core::new(watched, CoreId::new(0), SharedPlan::new(plan), Link::new(CoreId::new(0)));
    core.set_keyring(Arc::new(keyring));
    let _doors = Doors::open(&core, vec![(ListenerId::new(0), listener)]);
    let mut timer = io.timer();
    while !board.is_over.load(SeqCst) {
        let due = io.now().after(Duration::from_millis(1));
        poll_fn(|cx| timer.poll_at(cx, io.now(), due)).await;
        board.allocations.store(ALLOCATIONS.with(Cell::get), SeqCst);
        board.sends.store(sends.get(), SeqCst);
        board.editions.fetch_add(1, SeqCst);
    }
    io.stop();
}

fn client(mut stream: Box<dyn Duplex>, board: &Board, request: &[u8], answer_bytes: usize) -> Counts {
    let mut ask = |times: usize| (0..times).for_each(|_| exchange(&mut *stream, request, answer_bytes));
    ask(WARM_UP);
    let before = board.read();
    ask(COUNTED);
    let after = board.read();
    board.is_over.store(true, SeqCst);
    Counts { allocations: after.allocations - before.allocations, sends: after.sends - before.sends }
}

fn exchange(stream: &mut dyn Duplex, request: &[u8], answer_bytes: usize) {
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    let mut piece = [0; 64 * 1024];
    let end = loop {
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "the gateway closed");
        answer.extend_from_slice(&piece[..count]);
        if let Some(end) = memchr::memmem::find(&answer, b"\r\n\r\n") {
            break end + 4;
        }
    };
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    let mut left = answer_bytes - (answer.len() - end);
    while left > 0 {
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0 && count <= left);
        left -= count;
    }
}

/// Reads requests whose head and body end in `\r\n\r\n` or `$`, and answers each.
fn origin(answer: &'static [u8], secure: Option<Arc<ServerConfig>>) -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = socket.accept() {
            let mut stream: Box<dyn Duplex> = match &secure {
                Some(config) => Box::new(Tls::over(ServerConnection::new(Arc::clone(config)).unwrap(), stream)),
                None => Box::new(stream),
            };
            let mut request = Vec::new();
            let mut piece = [0; 64 * 1024];
            while let Ok(count @ 1..) = stream.read(&mut piece) {
                request.extend_from_slice(&piece[..count]);
                let is_whole = if request.starts_with(b"POST") { b"$".as_slice() } else { b"\r\n\r\n" };
                if request.ends_with(is_whole) {
                    request.clear();
                    if stream.write_all(answer).is_err() {
                        break;
                    }
                }
            }
        }
    });
    address
}

/// What bytes go over.
pub trait Duplex: Read + Write + Send {}

impl<T: Read + Write + Send> Duplex for T {}

const SMALL: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nserver: origin\r\n\r\nhello";

#[test]
fn a_keep_alive_exchange_allocates_nothing_and_sends_each_message_once() {
    let counts = cost_of(b"GET /a?b=c HTTP/1.1\r\nhost: a.example\r\naccept: */*\r\n\r\n", SMALL, 5);
    assert_eq!(counts, Counts { allocations: 0, sends: 2 * COUNTED as u64 });
}

#[test]
fn a_post_goes_up_with_its_head_and_allocates_nothing() {
    let request = b"POST /a HTTP/1.1\r\nhost: a.example\r\ncontent-length: 8\r\n\r\n1234567$";
    let counts = cost_of(request, SMALL, 5);
    assert_eq!(counts, Counts { allocations: 0, sends: 2 * COUNTED as u64 });
}

#[test]
fn a_chunked_answer_is_framed_anew_without_allocating() {
    let answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let framed = b"5\r\nhello\r\n0\r\n\r\n".len();
    let counts = cost_of(b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n", answer, framed);
    assert_eq!(counts, Counts { allocations: 0, sends: 2 * COUNTED as u64 });
}

#[test]
fn tls_on_both_sides_allocates_nothing_more_and_sends_no_more() {
    for version in [&TLS12, &TLS13] {
        let request = b"GET /a?b=c HTTP/1.1\r\nhost: a.example\r\naccept: */*\r\n\r\n";
        let counts = cost_over_tls(version, request, SMALL, 5);
        assert_eq!(counts, Counts { allocations: 0, sends: 2 * COUNTED as u64 });
    }
}

#[test]
fn a_body_of_many_records_leaves_over_tls_in_one_send() {
    const BODY: usize = 50_000;
    let counts = cost_over_tls(&TLS13, b"GET /fixed HTTP/1.1\r\nhost: a.example\r\n\r\n", SMALL, BODY);
    // The head is a message of its own before a long body that the configuration holds.
    assert_eq!(counts, Counts { allocations: 0, sends: 2 * COUNTED as u64 });
}
