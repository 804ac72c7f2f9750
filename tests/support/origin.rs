//! The origin: a server that does what a test's script says, well or badly, and remembers what it was asked.
//!
//! A script is a closure: once per request ([`Origin::answering`]) or once per connection ([`Origin::playing`]), which
//! then can drip, hang at a [`super::Gate`], reset, or send what no server should. Each connection has its own thread. Requests are
//! parsed strictly; one that is not impeccable HTTP/1.1 fails the test when the origin is dropped.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use rustls::{ServerConfig, ServerConnection};

use super::Watched;
use super::tls::Tls;
use super::wire::{Broken, Fields, Framing, Socket, Wire};

/// A server on a port of its own (or a Unix socket).
pub struct Origin {
    endpoint: String,
    address: Option<SocketAddr>,
    record: Arc<Watched<Record>>,
    /// Holds a port or an accept queue for origins that never serve.
    _held: Vec<socket2::Socket>,
}

/// What happened at an origin.
#[derive(Debug, Default)]
struct Record {
    requests: Vec<Request>,
    /// Connections accepted so far.
    connections: usize,
    /// Connections that ended before a request was complete.
    cut: usize,
    /// Connections that have ended.
    ended: usize,
    complaints: Vec<String>,
    is_over: bool,
}

/// A request as the origin got it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The request target.
    pub target: String,
    /// The header section.
    pub fields: Fields,
    /// How the body was delimited.
    pub framing: Framing,
    /// The decoded body.
    pub body: Vec<u8>,
    /// The trailer section.
    pub trailers: Fields,
    /// Which connection it came on; the first is 1.
    pub connection: usize,
}

impl Request {
    /// The only value of this field; `None` when there is none.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name)
    }
}

impl Origin {
    /// Answers each request with what `script` makes of it, keeping connections open.
    pub fn answering(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::playing(move |connection| {
            while let Ok(request) = connection.request() {
                connection.send(script(&request).bytes(&request));
            }
        })
    }

    /// Runs `script` once for each connection; the connection closes when it returns.
    pub fn playing(script: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        Self::playing_on((Ipv4Addr::LOCALHOST, 0).into(), script)
    }

    /// As [`Origin::playing`], at a certain address.
    pub fn playing_on(address: SocketAddr, script: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let accept = move || listener.accept().map(|(stream, _)| Socket::Tcp(stream));
        Self::start(format!("http://{address}"), Some(address), accept, script)
    }

    /// As [`Origin::playing`], over TLS.
    pub fn secure(config: ServerConfig, script: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let config = Arc::new(config);
        let accept = move || {
            let stream = listener.accept()?.0;
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a good configuration");
            Ok(Socket::Tls(Box::new(Tls::over(connection, stream))))
        };
        Self::start(format!("https://{address}"), Some(address), accept, script)
    }

    /// As [`Origin::answering`], over TLS.
    pub fn answering_securely(
        config: ServerConfig, script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::secure(config, move |connection| {
            while let Ok(request) = connection.request() {
                connection.send(script(&request).bytes(&request));
            }
        })
    }

    /// As [`Origin::answering`] on a Unix socket at `path`.
    pub fn answering_at(path: &Path, script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = UnixListener::bind(path).expect("a fresh path");
        let accept = move || listener.accept().map(|(stream, _)| Socket::Unix(stream));
        Self::start(format!("unix:{}", path.display()), None, accept, move |connection| {
            while let Ok(request) = connection.request() {
                connection.send(script(&request).bytes(&request));
            }
        })
    }

    fn start(
        endpoint: String, address: Option<SocketAddr>, accept: impl Fn() -> std::io::Result<Socket> + Send + 'static,
        script: impl Fn(&mut Connection) + Send + Sync + 'static,
    ) -> Self {
        let record = Arc::new(Watched::<Record>::default());
        let script = Arc::new(script);
        let held = Arc::clone(&record);
        thread::spawn(move || {
            while let Ok(socket) = accept() {
                if record.change(|record| record.is_over) {
                    return;
                }
                let (record, script) = (Arc::clone(&record), Arc::clone(&script));
                let number = record.change(|record| {
                    record.connections += 1;
                    record.connections
                });
                thread::spawn(move || {
                    let _ended = Ended(Arc::clone(&record));
                    script(&mut Connection { wire: Some(Wire::new(socket)), record, number });
                });
            }
        });
        Self { endpoint, address, record: held, _held: Vec::new() }
    }

    /// An endpoint that refuses every connection. Its port is held, so nobody else serves there.
    pub fn refusing() -> Self {
        let (socket, address) = bound();
        Self::held(address, vec![socket])
    }

    /// An endpoint where connecting never ends: its accept queue is full and nobody accepts.
    pub fn black_hole() -> Self {
        let (socket, address) = bound();
        socket.listen(1).expect("a bound socket listens");
        let mut held = vec![socket];
        for _ in 0..8 {
            let filler = tcp_socket();
            filler.set_nonblocking(true).expect("a socket takes the option");
            // In progress for ever, which is the point.
            let _ = filler.connect(&address.into());
            held.push(filler);
        }
        Self::held(address, held)
    }

    fn held(address: SocketAddr, held: Vec<socket2::Socket>) -> Self {
        Self { endpoint: format!("http://{address}"), address: Some(address), record: Arc::default(), _held: held }
    }

    /// What an `endpoints` list says to reach it.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// `127.0.0.1:port`.
    pub fn authority(&self) -> String {
        self.address.expect("a TCP origin").to_string()
    }

    /// All complete requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.record.change(|record| record.requests.clone())
    }

    /// The only request so far.
    pub fn request(&self) -> Request {
        let mut all = self.requests();
        assert_eq!(all.len(), 1, "one request should have come: {all:?}");
        all.remove(0)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.record.change(|record| record.connections)
    }

    /// Waits for the `number`th complete request.
    pub fn await_request(&self, number: usize) -> Request {
        self.record
            .wait_for(|record| record.requests.get(number - 1).cloned())
            .unwrap_or_else(|| panic!("request {number} did not come: {:?}", self.requests()))
    }

    /// Waits until the scripts of `count` connections are over.
    pub fn await_ended(&self, count: usize) {
        self.record
            .wait_for(|record| (record.ended >= count).then_some(()))
            .unwrap_or_else(|| panic!("{count} connections should have ended"));
    }

    /// Waits until a connection was cut in the middle of a request.
    pub fn await_cut(&self) {
        self.record.wait_for(|record| (record.cut > 0).then_some(())).expect("a request should have been cut");
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        let complaints = self.record.change(|record| {
            record.is_over = true;
            std::mem::take(&mut record.complaints)
        });
        // Wakes the accepting thread, which then sees that it is over.
        if let Some(address) = self.address.filter(|_| self._held.is_empty()) {
            let _ = TcpStream::connect(address);
        }
        if !thread::panicking() {
            assert!(complaints.is_empty(), "the origin complains: {complaints:?}");
        }
    }
}

struct Ended(Arc<Watched<Record>>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.change(|record| {
            record.ended += 1;
            if thread::panicking() {
                record.complaints.push("a script panicked".to_owned());
            }
        });
    }
}

/// One accepted connection, in the hands of a script.
pub struct Connection {
    wire: Option<Wire>,
    record: Arc<Watched<Record>>,
    /// Which one it is; the first is 1.
    pub number: usize,
}

impl Connection {
    /// Reads and records a whole request.
    pub fn request(&mut self) -> Result<Request, Broken> {
        let mut request = self.request_head()?;
        let body = self.wire().body(request.framing).map_err(|broken| self.note(broken))?;
        (request.body, request.trailers) = (body.bytes, body.trailers);
        self.record.change(|record| record.requests.push(request.clone()));
        Ok(request)
    }

    /// Reads a request's head only; the request is not recorded.
    pub fn request_head(&mut self) -> Result<Request, Broken> {
        let head = self.wire().head().map_err(|broken| self.note(broken))?;
        let framing = head.fields.framing().map_err(|broken| self.note(broken))?.unwrap_or(Framing::Empty);
        let parts: Vec<&str> = head.start.split(' ').collect();
        let [method, target, "HTTP/1.1"] = parts[..] else {
            return Err(self.note(Broken::Malformed(format!("request line {:?}", head.start))));
        };
        if head.fields.all("host").len() != 1 {
            return Err(self.note(Broken::Malformed(format!("not exactly one Host: {:?}", head.fields))));
        }
        let (method, target) = (method.to_owned(), target.to_owned());
        let (body, trailers) = (Vec::new(), Fields::default());
        Ok(Request { method, target, fields: head.fields, framing, body, trailers, connection: self.number })
    }

    /// Remembers what a strict server would complain about.
    fn note(&self, broken: Broken) -> Broken {
        self.record.change(|record| match &broken {
            Broken::Malformed(what) => record.complaints.push(what.clone()),
            Broken::Cut => record.cut += 1,
            Broken::Closed | Broken::Reset | Broken::Silent => {}
        });
        broken
    }

    /// Sends these bytes; a gateway that is gone is what the test looks at, not this.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.wire().send(bytes.as_ref()).is_ok()
    }

    /// The connection itself.
    pub fn wire(&mut self) -> &mut Wire {
        self.wire.as_mut().expect("a script does nothing after a reset")
    }

    /// Ends the connection with a reset.
    pub fn reset(&mut self) {
        self.wire.take().expect("a script resets once").reset();
    }

    /// Waits until the gateway closes or resets this connection.
    pub fn await_end(&mut self) {
        let end = self.wire().rest();
        assert!(matches!(end, Ok(_) | Err(Broken::Reset)), "the gateway should have gone: {end:?}");
    }
}

/// A well-formed answer.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Reply {
    /// With this status, no body.
    pub fn status(status: u16) -> Self {
        Self { status, fields: Vec::new(), body: Vec::new() }
    }

    /// 200 with this body.
    pub fn text(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, fields: Vec::new(), body: body.into() }
    }

    /// With one more field.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    fn bytes(&self, request: &Request) -> Vec<u8> {
        let mut bytes = format!("HTTP/1.1 {} Scripted\r\n", self.status).into_bytes();
        for (name, value) in &self.fields {
            bytes.extend(format!("{name}: {value}\r\n").bytes());
        }
        if self.status != 204 && self.status != 304 {
            bytes.extend(format!("content-length: {}\r\n", self.body.len()).bytes());
        }
        bytes.extend(b"\r\n");
        if request.method != "HEAD" {
            bytes.extend(&self.body);
        }
        bytes
    }
}

fn bound() -> (socket2::Socket, SocketAddr) {
    let socket = tcp_socket();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
    let address = socket.local_addr().expect("a bound socket has an address");
    (socket, address.as_socket().expect("an IPv4 address"))
}

fn tcp_socket() -> socket2::Socket {
    socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket")
}
