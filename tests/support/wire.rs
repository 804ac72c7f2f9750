//! HTTP/1.1 as the tests read it: a small, strict parser over a blocking socket.
//!
//! What the gateway sends must be impeccable, so nothing is forgiven here: only CRLF ends a line, a name is a token, a
//! value has no control character, a message is framed in exactly one way. Not here: speed, limits, leniency.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;

use super::PATIENCE;
use super::tls::Tls;

/// One connection and what was received on it but not yet understood.
#[derive(Debug)]
pub struct Wire {
    socket: Socket,
    received: Vec<u8>,
}

/// The kinds of socket that a test speaks over.
#[derive(Debug)]
pub enum Socket {
    /// To or from a TCP port.
    Tcp(TcpStream),
    /// To a Unix socket.
    Unix(UnixStream),
    /// TLS over a TCP port.
    Tls(Box<Tls>),
}

/// Why no message could be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Broken {
    /// The peer closed where a message could have begun.
    Closed,
    /// The peer closed or reset in the middle of a message.
    Cut,
    /// The peer reset where a message could have begun.
    Reset,
    /// Nothing came for [`PATIENCE`].
    Silent,
    /// What came is not HTTP/1.1.
    Malformed(String),
}

/// Header or trailer fields in the order they came.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fields(pub Vec<(String, String)>);

/// A start line and its fields.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// Without its CRLF.
    pub start: String,
    /// The header section.
    pub fields: Fields,
}

/// How a body was delimited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// There was none.
    Empty,
    /// By Content-Length.
    Length(u64),
    /// Chunked.
    Chunked,
    /// By the end of the connection.
    UntilClose,
}

/// A body and what came with it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Body {
    /// The decoded bytes.
    pub bytes: Vec<u8>,
    /// The trailer section.
    pub trailers: Fields,
}

type Result<T> = std::result::Result<T, Broken>;

impl Wire {
    /// Over a connected socket.
    pub fn new(socket: Socket) -> Self {
        match &socket {
            Socket::Tcp(stream) => {
                stream.set_nodelay(true).expect("a TCP socket takes the option");
                stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
                stream.set_write_timeout(Some(PATIENCE)).expect("a timeout above zero");
            }
            Socket::Unix(stream) => stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero"),
            // Set before its handshake.
            Socket::Tls(_) => {}
        }
        Self { socket, received: Vec::new() }
    }

    /// Sends all of `bytes`.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.socket {
            Socket::Tcp(stream) => stream.write_all(bytes),
            Socket::Unix(stream) => stream.write_all(bytes),
            Socket::Tls(tls) => tls.write_all(bytes),
        }
    }

    /// Ends this side's direction and leaves the other open.
    pub fn finish_sending(&self) {
        // The peer may be gone already; that is what the test then finds out by reading.
        let _ = self.shutdown(Shutdown::Write);
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match &self.socket {
            Socket::Tcp(stream) => stream.shutdown(how),
            Socket::Unix(stream) => stream.shutdown(how),
            Socket::Tls(tls) => tls.socket().shutdown(how),
        }
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        match self.socket {
            Socket::Tcp(stream) => linger_not(&stream),
            Socket::Tls(tls) => linger_not(tls.socket()),
            Socket::Unix(_) => {}
        }
    }

    /// The TCP socket under it.
    pub fn tcp(&self) -> &TcpStream {
        match &self.socket {
            Socket::Tcp(stream) => stream,
            Socket::Tls(tls) => tls.socket(),
            Socket::Unix(_) => panic!("this connection is a Unix socket"),
        }
    }

    /// The TLS connection under it.
    pub fn tls(&mut self) -> &mut Tls {
        match &mut self.socket {
            Socket::Tls(tls) => tls,
            Socket::Tcp(_) | Socket::Unix(_) => panic!("this connection is plain text"),
        }
    }

    /// True when something was received that is not understood yet.
    pub fn has_more(&self) -> bool {
        !self.received.is_empty()
    }

    /// Reads a start line and its fields.
    pub fn head(&mut self) -> Result<Head> {
        let start = self.line()?;
        Ok(Head { start, fields: self.fields().map_err(Broken::in_a_message)? })
    }

    /// Reads a body framed as `framing` says.
    pub fn body(&mut self, framing: Framing) -> Result<Body> {
        let read = match framing {
            Framing::Empty => Ok(Body::default()),
            Framing::Length(length) => self.bytes(length as usize).map(Body::plain),
            Framing::Chunked => self.chunked(),
            Framing::UntilClose => self.rest().map(Body::plain),
        };
        read.map_err(Broken::in_a_message)
    }

    /// Reads exactly `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Result<Vec<u8>> {
        while self.received.len() < count {
            self.more()?;
        }
        Ok(self.received.drain(..count).collect())
    }

    /// Reads until the peer closes.
    pub fn rest(&mut self) -> Result<Vec<u8>> {
        loop {
            match self.more() {
                Ok(()) => {}
                Err(Broken::Closed | Broken::Cut) => return Ok(std::mem::take(&mut self.received)),
                Err(broken) => return Err(broken),
            }
        }
    }

    /// Reads and forgets exactly `count` bytes, however many.
    pub fn skip(&mut self, mut count: u64) -> Result<()> {
        while count > 0 {
            if self.received.is_empty() {
                self.more()?;
            }
            let taken = self.received.len().min(usize::try_from(count).unwrap_or(usize::MAX));
            self.received.drain(..taken);
            count -= taken as u64;
        }
        Ok(())
    }

    /// Reads one chunk's data; `None` for the last chunk, whose trailer section is still to be read.
    pub fn chunk(&mut self) -> Result<Option<Vec<u8>>> {
        let line = self.line()?;
        let size = usize::from_str_radix(&line, 16).map_err(|_| malformed(format!("chunk size {line:?}")))?;
        if size == 0 {
            return Ok(None);
        }
        let data = self.bytes(size)?;
        if self.bytes(2)? != b"\r\n" {
            return Err(malformed("no CRLF after a chunk"));
        }
        Ok(Some(data))
    }

    fn chunked(&mut self) -> Result<Body> {
        let mut body = Body::default();
        while let Some(chunk) = self.chunk()? {
            body.bytes.extend(chunk);
        }
        body.trailers = self.fields()?;
        Ok(body)
    }

    /// Reads field lines up to and with the empty line.
    pub fn fields(&mut self) -> Result<Fields> {
        let mut fields = Fields::default();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(fields);
            }
            fields.0.push(field(&line)?);
        }
    }

    /// Reads one line without its CRLF, every byte as the character of the same number.
    fn line(&mut self) -> Result<String> {
        let mut seen = 0;
        loop {
            if let Some(at) = self.received[seen..].iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=seen + at).collect();
                let line = line.strip_suffix(b"\r\n").ok_or_else(|| malformed("a line that ends with a bare LF"))?;
                if line.contains(&b'\r') {
                    return Err(malformed("a bare CR"));
                }
                return Ok(line.iter().map(|byte| char::from(*byte)).collect());
            }
            seen = self.received.len();
            self.more()?;
        }
    }

    /// Receives something.
    fn more(&mut self) -> Result<()> {
        let mut piece = [0; 64 * 1024];
        let read = match &mut self.socket {
            Socket::Tcp(stream) => stream.read(&mut piece),
            Socket::Unix(stream) => stream.read(&mut piece),
            Socket::Tls(tls) => tls.read(&mut piece),
        };
        let is_fresh = self.received.is_empty();
        match read {
            Ok(0) if is_fresh => Err(Broken::Closed),
            Ok(0) => Err(Broken::Cut),
            Ok(count) => {
                self.received.extend_from_slice(&piece[..count]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Err(Broken::Silent)
            }
            Err(_) if is_fresh => Err(Broken::Reset),
            Err(_) => Err(Broken::Cut),
        }
    }
}

impl Broken {
    /// An end is no clean one once the message has begun.
    fn in_a_message(self) -> Self {
        match self {
            Self::Closed | Self::Reset => Self::Cut,
            other => other,
        }
    }
}

impl Body {
    fn plain(bytes: Vec<u8>) -> Self {
        Self { bytes, trailers: Fields::default() }
    }
}

impl Fields {
    /// The only value of `name` (in lower case); `None` when there is none. Fails when there are several.
    pub fn get(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() <= 1, "{name} came {} times: {all:?}", all.len());
        all.first().copied()
    }

    /// All values of `name`, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
    }

    /// True when a field of this name came.
    pub fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    /// The framing that these fields declare; both at once, or either twice, is an error.
    pub fn framing(&self) -> Result<Option<Framing>> {
        match (self.all("content-length").as_slice(), self.all("transfer-encoding").as_slice()) {
            ([], []) => Ok(None),
            ([], ["chunked"]) => Ok(Some(Framing::Chunked)),
            ([length], []) if !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit()) => {
                length.parse().map(|length| Some(Framing::Length(length))).map_err(|_| malformed("a huge length"))
            }
            (lengths, codings) => Err(malformed(format!("framed by lengths {lengths:?} and codings {codings:?}"))),
        }
    }
}

/// RFC 9112 5: `field-name ":" OWS field-value OWS`.
pub fn field(line: &str) -> Result<(String, String)> {
    let (name, value) = line.split_once(':').ok_or_else(|| malformed(format!("field line {line:?}")))?;
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(is_token) {
        return Err(malformed(format!("field name {name:?}")));
    }
    let value = value.trim_matches([' ', '\t']);
    if value.chars().any(|c| c != '\t' && (c < ' ' || c == '\x7f')) {
        return Err(malformed(format!("field value {value:?}")));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Closing will reset.
fn linger_not(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO)).expect("a TCP socket lingers");
}

fn malformed(what: impl Into<String>) -> Broken {
    Broken::Malformed(what.into())
}
