//! A client that speaks in frames: sends whatever a case wants, remembers what the server says, and notes everything
//! that a server must never do (`audit`), whatever the case is about.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::audit::Audit;
use super::frame::{
    Frame, PREFACE, data, flag, headers, kind, last_headers, ping, settings, settings_ack, window_update,
};
use super::hpack::{Block, Field};

/// The name that requests are for.
pub const AUTHORITY: &str = "localhost";
/// A path that every origin answers with 200; the runner asks for it to see that a connection lives.
pub const ALIVE: &str = "/alive";

/// Where a server is, and how it is spoken to.
#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    /// HTTP/2 over TLS by ALPN when this is set; else in clear text by prior knowledge.
    pub tls: Option<Arc<ClientConfig>>,
    /// How long to wait for what must come.
    pub patience: Duration,
}

/// The bytes below.
enum Pipe {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// How a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// In order.
    Closed,
    /// By a reset, or without TLS's farewell.
    Cut,
}

/// What the server said on one stream.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Said {
    /// Interim heads, the final one, trailers.
    pub heads: Vec<Vec<Field>>,
    pub body: Vec<u8>,
    pub is_ended: bool,
    /// The code of its RST_STREAM.
    pub reset: Option<u32>,
}

impl Said {
    /// The status of the final head.
    pub fn status(&self) -> Option<u16> {
        self.heads.iter().map(|head| status_of(head)).find(|status| *status >= 200)
    }

    /// Ended by the server, in whatever way.
    pub const fn is_over(&self) -> bool {
        self.is_ended || self.reset.is_some()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The values of this field in the final head.
    pub fn field(&self, name: &str) -> Vec<String> {
        let head = self.heads.iter().find(|head| status_of(head) >= 200);
        let values = head.into_iter().flatten().filter(|(known, _)| known == name.as_bytes());
        values.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }
}

/// The status in a head; 0 in a trailer section.
pub fn status_of(head: &[Field]) -> u16 {
    let status = head.iter().find(|(name, _)| name == b":status");
    status.and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok()).unwrap_or(0)
}

/// One connection.
pub struct Peer {
    pipe: Pipe,
    inbox: Vec<u8>,
    patience: Duration,
    scheme: &'static str,
    next_stream: u32,
    /// The first stream that asked only whether the connection lives.
    probe: Option<u32>,
    /// What the server said, by stream.
    pub said: BTreeMap<u32, Said>,
    /// The last GOAWAY: last stream and code.
    pub goaway: Option<(u32, u32)>,
    /// Payloads of acknowledged PINGs.
    pub pings: Vec<Vec<u8>>,
    /// SETTINGS that the server acknowledged.
    pub acks: usize,
    /// Values of the server's SETTINGS, in order.
    pub server_settings: Vec<(u16, u32)>,
    pub end: Option<End>,
    /// What the server did and must not.
    pub audit: Audit,
    /// Whether the server's SETTINGS and PINGs are acknowledged by themselves.
    pub is_polite: bool,
}

impl Peer {
    /// Connects, without a word of HTTP/2.
    pub fn connect(target: &Target) -> Self {
        let stream = TcpStream::connect_timeout(&target.address, target.patience).expect("the server accepts");
        stream.set_nodelay(true).expect("a socket takes the option");
        // A server that does not read shall not hang the test.
        stream.set_write_timeout(Some(target.patience)).expect("a socket takes the option");
        let (pipe, scheme) = match &target.tls {
            None => (Pipe::Plain(stream), "http"),
            Some(config) => {
                let name = ServerName::try_from(AUTHORITY).expect("a name");
                let session = ClientConnection::new(Arc::clone(config), name).expect("a configuration");
                let mut pipe = StreamOwned::new(session, stream);
                pipe.conn.complete_io(&mut pipe.sock).expect("a handshake");
                assert_eq!(pipe.conn.alpn_protocol(), Some(&b"h2"[..]), "RFC 9113 3.2: the server selects h2");
                (Pipe::Tls(Box::new(pipe)), "https")
            }
        };
        Self {
            pipe,
            inbox: Vec::new(),
            patience: target.patience,
            scheme,
            next_stream: 1,
            probe: None,
            said: BTreeMap::new(),
            goaway: None,
            pings: Vec::new(),
            acks: 0,
            server_settings: Vec::new(),
            end: None,
            audit: Audit::new(),
            is_polite: true,
        }
    }

    /// Connects and exchanges SETTINGS, both acknowledged.
    pub fn ready(target: &Target) -> Self {
        Self::ready_with(target, &[])
    }

    /// As [`Peer::ready`], with settings of ours.
    pub fn ready_with(target: &Target, values: &[(u16, u32)]) -> Self {
        let mut peer = Self::connect(target);
        peer.send_raw(PREFACE).send(settings(values));
        assert!(peer.wait(|peer| peer.acks == 1), "the server acknowledges SETTINGS: {:?}", peer.end);
        peer
    }

    // -------------------------------------------------------------------------------------- sending

    /// Sends a frame. A server that has gone is what the case looks at, not this.
    pub fn send(&mut self, frame: Frame) -> &mut Self {
        self.audit.sent(&frame);
        self.send_raw(&frame.bytes())
    }

    /// Sends octets of which nobody takes notice.
    pub fn send_raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.try_send_raw(bytes);
        self
    }

    /// Sends octets; false when the server does not take them any more.
    pub fn try_send_raw(&mut self, bytes: &[u8]) -> bool {
        match &mut self.pipe {
            Pipe::Plain(stream) => stream.write_all(bytes).is_ok(),
            Pipe::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()).is_ok(),
        }
    }

    /// Ends our direction.
    pub fn finish_sending(&mut self) {
        match &mut self.pipe {
            Pipe::Plain(stream) => drop(stream.shutdown(std::net::Shutdown::Write)),
            Pipe::Tls(stream) => {
                stream.conn.send_close_notify();
                let _ = stream.flush();
                let _ = stream.sock.shutdown(std::net::Shutdown::Write);
            }
        }
    }

    /// The next stream of ours that was not used yet.
    pub const fn fresh(&mut self) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        stream
    }

    /// From now on streams begin at `stream`.
    pub const fn skip_to(&mut self, stream: u32) {
        self.next_stream = stream;
    }

    /// The last stream that [`Peer::fresh`] gave, probes apart.
    pub fn last_stream(&self) -> u32 {
        self.probe.map_or(self.next_stream.saturating_sub(2), |probe| probe.saturating_sub(2))
    }

    /// Asks for [`ALIVE`].
    pub fn probe(&mut self) -> u32 {
        let stream = self.get(ALIVE);
        // The case may have left streams without a window.
        if self.audit.initial_window() < 1_000 {
            self.send(window_update(stream, 1_000));
        }
        self.probe.get_or_insert(stream);
        stream
    }

    /// The four pseudo-fields of a request; more fields may follow.
    pub fn request(&self, method: &str, path: &str) -> Block {
        Block::of(&[(":method", method), (":scheme", self.scheme), (":authority", AUTHORITY), (":path", path)])
    }

    /// The scheme of this connection.
    pub const fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// Sends a request without a body on a fresh stream.
    pub fn ask(&mut self, block: Block) -> u32 {
        let stream = self.fresh();
        self.send(last_headers(stream, block));
        stream
    }

    /// Sends a request whose body is to follow, on a fresh stream.
    pub fn begin(&mut self, block: Block) -> u32 {
        let stream = self.fresh();
        self.send(headers(stream, block));
        stream
    }

    /// `GET path`.
    pub fn get(&mut self, path: &str) -> u32 {
        self.ask(self.request("GET", path))
    }

    /// `POST /case`, its body to follow.
    pub fn post(&mut self) -> u32 {
        self.begin(self.request("POST", "/case"))
    }

    /// Sends DATA that goes on, once the server's windows allow it.
    pub fn send_body(&mut self, stream: u32, piece: &[u8]) {
        let needed = piece.len() as i64;
        if self.wait(|peer| peer.audit.room(stream) >= needed) {
            self.send(data(stream, piece));
        }
    }

    // -------------------------------------------------------------------------------------- receiving

    /// What was said on `stream` so far.
    pub fn on(&self, stream: u32) -> Said {
        self.said.get(&stream).cloned().unwrap_or_default()
    }

    /// Takes in frames until `is_there`; false when the connection ended or patience is over before.
    pub fn wait(&mut self, is_there: impl Fn(&Self) -> bool) -> bool {
        let deadline = Instant::now() + self.patience;
        while !is_there(self) {
            if self.end.is_some() || !self.take(deadline) {
                return is_there(self);
            }
        }
        true
    }

    /// Takes in what is there already.
    pub fn look(&mut self) {
        while self.end.is_none() && self.take(Instant::now()) {}
    }

    /// Waits for the whole answer on `stream`, or its reset.
    pub fn answer(&mut self, stream: u32) -> Said {
        self.wait(|peer| peer.on(stream).is_over());
        self.on(stream)
    }

    /// Waits until the connection ends; false when it does not.
    pub fn await_end(&mut self) -> bool {
        self.wait(|peer| peer.end.is_some())
    }

    /// Sends a PING and waits for its acknowledgement: all that the server sent before is in.
    pub fn round_trip(&mut self) -> bool {
        let payload = *b"round\0\0\0";
        let before = self.pings.len();
        self.send(ping(payload));
        self.wait(|peer| peer.pings[before..].iter().any(|pong| *pong == payload))
    }

    /// Takes in one frame, or the end; false when `deadline` passes before.
    fn take(&mut self, deadline: Instant) -> bool {
        loop {
            if let Some((frame, length)) = Frame::parse(&self.inbox) {
                self.inbox.drain(..length);
                self.note(frame);
                return true;
            }
            match self.receive(deadline) {
                Ok(0) => self.end = Some(End::Closed),
                Ok(_) => continue,
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return false;
                }
                Err(_) => self.end = Some(End::Cut),
            }
            return true;
        }
    }

    fn receive(&mut self, deadline: Instant) -> io::Result<usize> {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let mut piece = [0; 16_384];
        let count = match &mut self.pipe {
            Pipe::Plain(stream) => {
                stream.set_read_timeout(Some(left))?;
                stream.read(&mut piece)?
            }
            Pipe::Tls(stream) => {
                stream.sock.set_read_timeout(Some(left))?;
                stream.read(&mut piece)?
            }
        };
        self.inbox.extend(&piece[..count]);
        Ok(count)
    }

    /// Remembers a frame of the server and answers those that want an answer.
    fn note(&mut self, frame: Frame) {
        let fields = self.audit.received(&frame);
        match frame.kind {
            kind::SETTINGS if frame.has(flag::ACK) => self.acks += 1,
            kind::SETTINGS => {
                self.server_settings.extend(frame.settings());
                if self.is_polite {
                    self.send(settings_ack());
                }
            }
            kind::PING if frame.has(flag::ACK) => self.pings.push(frame.payload),
            kind::PING if self.is_polite => {
                self.send(frame.with_flags(flag::ACK));
            }
            kind::GOAWAY => self.goaway = frame.word(0).zip(frame.word(4)),
            kind::RST_STREAM => self.said.entry(frame.stream).or_default().reset = frame.word(0),
            kind::DATA => {
                let said = self.said.entry(frame.stream).or_default();
                said.is_ended |= frame.has(flag::END_STREAM);
                said.body.extend(frame.content());
            }
            _ => {}
        }
        if let Some((stream, fields, is_last)) = fields {
            let said = self.said.entry(stream).or_default();
            said.heads.push(fields);
            said.is_ended |= is_last;
        }
    }
}
