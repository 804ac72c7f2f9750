//! The two actors: the program under test, and a server that follows a script.
//!
//! The server is threads and blocking sockets, a second reading of HTTP/1.1 beside the program's own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Turns a hang into a failure; nothing is expected to take long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs `ringway-load run` on the server with `arguments`, and returns what it wrote as JSON.
pub fn load(server: &Server, arguments: &[&str]) -> Value {
    let output = load_to_end(&server.url(), &[&["--json", "-"], arguments].concat());
    serde_json::from_str(&output).unwrap()
}

/// Runs `ringway-load run <url>` with `arguments`, and returns its standard output. Its standard error must be empty.
pub fn load_to_end(url: &str, arguments: &[&str]) -> String {
    let output = program().args(["run", url]).args(arguments).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// The program under test.
pub fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_ringway-load"))
}

/// What a server does with a request.
#[derive(Clone, Copy)]
pub enum Script {
    /// Answers with these bytes.
    Answer(&'static str),
    /// Answers with these bytes and closes.
    AnswerAndClose(&'static str),
    /// Answers an empty 200, but when the request of this number comes, nobody is answered for this long.
    StallAt(usize, Duration),
    /// Never answers.
    Silence,
}

/// An empty, right answer.
pub const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A server that follows a script, on a free port of 127.0.0.1. Its threads end with the test's process.
pub struct Server {
    address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: AtomicUsize,
    /// When nobody is stalled any more.
    stalled_until: Mutex<Option<Instant>>,
    last: Mutex<Vec<u8>>,
}

impl Server {
    pub fn start(script: Script) -> Self {
        Self::start_with(script, Some)
    }

    /// As [`Server::start`], over TLS with `identity`, to clients that speak HTTP/1.1.
    pub fn start_tls(script: Script, identity: &Identity) -> Self {
        let config = identity.config(b"http/1.1");
        Self::start_with(script, move |stream| {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            Some(rustls::StreamOwned::new(connection, stream))
        })
    }

    fn start_with<S: Read + Write + Send + 'static>(
        script: Script, carried: impl Fn(TcpStream) -> Option<S> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::new(Seen::default()));
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                let (stream, shared) = (carried(stream), Arc::clone(&shared));
                std::thread::spawn(move || stream.map(|stream| serve(script, stream, &shared)));
            }
        });
        Self { address, seen }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub fn url_tls(&self) -> String {
        format!("https://{}/", self.address)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Requests received so far.
    pub fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::SeqCst)
    }

    /// As [`Server::requests`], once there are `count`: a client that gives up is faster than who reads its request.
    pub fn await_requests(&self, count: usize) -> usize {
        let deadline = Instant::now() + PATIENCE;
        while self.requests() < count && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.requests()
    }

    /// The last request, with its body.
    pub fn last(&self) -> String {
        String::from_utf8(self.seen.last.lock().unwrap().clone()).unwrap()
    }
}

/// Follows the script until the client goes.
fn serve(script: Script, stream: impl Read + Write, seen: &Seen) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader) {
        let number = 1 + seen.requests.fetch_add(1, Ordering::SeqCst);
        *seen.last.lock().unwrap() = request;
        let answer = match script {
            Script::Answer(answer) | Script::AnswerAndClose(answer) => answer,
            Script::Silence => continue,
            Script::StallAt(at, stall) => {
                if number == at {
                    *seen.stalled_until.lock().unwrap() = Some(Instant::now() + stall);
                }
                let until = *seen.stalled_until.lock().unwrap();
                std::thread::sleep(until.map_or(Duration::ZERO, |until| until - Instant::now()));
                OK
            }
        };
        let is_over = matches!(script, Script::AnswerAndClose(_));
        if reader.get_mut().write_all(answer.as_bytes()).is_err() || is_over {
            return;
        }
    }
}

/// A request with its body, by Content-Length; `None` when there is none.
fn read_request(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let (mut request, mut length) = (Vec::new(), 0);
    loop {
        let start = request.len();
        if reader.read_until(b'\n', &mut request).ok()? == 0 {
            return None;
        }
        let line = String::from_utf8(request[start..].to_vec()).unwrap().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let head = request.len();
    request.resize(head + length, 0);
    reader.read_exact(&mut request[head..]).ok()?;
    Some(request)
}

/// A certificate for 127.0.0.1 that signs itself, and its key.
pub struct Identity {
    certificate: rcgen::CertifiedKey<rcgen::KeyPair>,
}

impl Identity {
    pub fn new() -> Self {
        Self { certificate: rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap() }
    }

    /// The certificate in a file, for `--ca`.
    pub fn file(&self) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(self.certificate.cert.pem().as_bytes()).unwrap();
        file
    }

    /// A server that has this certificate and gives tickets.
    pub fn config(&self, protocol: &[u8]) -> Arc<rustls::ServerConfig> {
        let key = rustls::pki_types::PrivateKeyDer::try_from(self.certificate.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap().with_no_client_auth();
        let mut config = builder.with_single_cert(vec![self.certificate.cert.der().clone()], key).unwrap();
        config.alpn_protocols = vec![protocol.to_vec()];
        config.ticketer = rustls::crypto::ring::Ticketer::new().unwrap();
        Arc::new(config)
    }
}

/// `ringway-load origin` on a free port; ended when dropped.
pub struct Origin {
    child: Child,
    pub address: SocketAddr,
}

impl Origin {
    pub fn start(driver: &str) -> Self {
        let mut command = program();
        command.args(["origin", "--listen", "127.0.0.1:0", "--threads", "2"]).env("RINGWAY_DRIVER", driver);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap().parse().unwrap();
        Self { child, address }
    }

    /// Sends `request` on a connection of its own, half-closes, and returns all that comes.
    pub fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
