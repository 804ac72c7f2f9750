//! The client: sends whatever bytes a test wants and reads answers strictly.

use std::net::{SocketAddr, TcpStream};

use super::wire::{Broken, Fields, Framing, Socket, Wire};
use super::{Gateway, PATIENCE};

/// One connection to the gateway.
pub struct Client {
    wire: Wire,
    /// A gateway that lives as long as its only client.
    _gateway: Option<Gateway>,
}

/// An answer as the client got it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub version: String,
    /// The status code.
    pub status: u16,
    /// The header section.
    pub fields: Fields,
    /// How the body was delimited.
    pub framing: Framing,
    /// The decoded body.
    pub body: Vec<u8>,
    /// The trailer section.
    pub trailers: Fields,
}

impl Client {
    /// Connects to `address`.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("the gateway accepts connections");
        Self { wire: Wire::new(Socket::Tcp(stream)), _gateway: None }
    }

    /// Over a connection that is there already.
    pub fn over(socket: Socket) -> Self {
        Self { wire: Wire::new(socket), _gateway: None }
    }

    /// Keeps `gateway` running as long as this client is there.
    #[must_use]
    pub fn keeping(self, gateway: Gateway) -> Self {
        Self { _gateway: Some(gateway), ..self }
    }

    /// Sends these bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.wire.send(bytes.as_ref()).expect("the gateway reads");
        self
    }

    /// Sends these bytes to a gateway that may have stopped reading; false when it has.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.wire.send(bytes.as_ref()).is_ok()
    }

    /// `GET target`, and the answer.
    pub fn get(&mut self, target: &str) -> Answer {
        self.ask(&format!("GET {target} HTTP/1.1\r\nhost: test\r\n\r\n"))
    }

    /// A metric as `/metrics` of an admin address shows it: one sample when `name` has its labels, else the sum over all
    /// labels.
    pub fn metric(&mut self, name: &str) -> f64 {
        let page = self.get("/metrics");
        let samples = page.text().lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            rest.starts_with([' ', '{']).then(|| rest.rsplit_once(' ').expect("a sample has a value").1)
        });
        samples.map(|value| value.parse::<f64>().expect("a metric is a number")).sum()
    }

    /// Sends a whole request and reads its final answer.
    pub fn ask(&mut self, request: &str) -> Answer {
        let is_head = request.starts_with("HEAD ");
        self.send(request);
        if is_head { self.answer_to_head() } else { self.answer() }
    }

    /// The next answer, final or interim, to a request other than HEAD.
    pub fn answer(&mut self) -> Answer {
        self.try_answer().unwrap_or_else(|broken| panic!("no answer: {broken:?}"))
    }

    /// The next answer, or why there is none.
    pub fn try_answer(&mut self) -> Result<Answer, Broken> {
        self.read(false)
    }

    /// The next answer to a HEAD request, final or interim, or why there is none.
    pub fn try_answer_to_head(&mut self) -> Result<Answer, Broken> {
        self.read(true)
    }

    /// The answer to a HEAD request.
    pub fn answer_to_head(&mut self) -> Answer {
        self.try_answer_to_head().unwrap_or_else(|broken| panic!("no answer to HEAD: {broken:?}"))
    }

    /// The next answer's head alone; its body is for the test to read through [`Client::wire`].
    pub fn answer_head(&mut self) -> Answer {
        let head = self.wire.head().unwrap_or_else(|broken| panic!("no answer: {broken:?}"));
        let (version, status) = status_line(&head.start).expect("a status line");
        let framing = head.fields.framing().expect("one framing").unwrap_or(Framing::UntilClose);
        Answer { version, status, fields: head.fields, framing, body: Vec::new(), trailers: Fields::default() }
    }

    fn read(&mut self, is_head: bool) -> Result<Answer, Broken> {
        let head = self.wire.head()?;
        let (version, status) = status_line(&head.start)?;
        let declared = head.fields.framing()?;
        // RFC 9112 6.3: these have no body, whatever their fields say.
        let framing = match declared {
            _ if is_head || status < 200 || status == 204 || status == 304 => Framing::Empty,
            Some(framing) => framing,
            None => Framing::UntilClose,
        };
        let body = self.wire.body(framing)?;
        Ok(Answer { version, status, fields: head.fields, framing, body: body.bytes, trailers: body.trailers })
    }

    /// The connection itself.
    pub fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// Sends FIN and goes on reading.
    pub fn finish_sending(&mut self) -> &mut Self {
        self.wire.finish_sending();
        self
    }

    /// Goes away with a reset.
    pub fn reset(self) {
        self.wire.reset();
    }

    /// Fails unless the gateway closes the connection now, without a further byte.
    pub fn expect_close(&mut self) {
        match self.wire.head() {
            Err(Broken::Closed) => {}
            other => panic!("the connection should be closed, but: {other:?}"),
        }
    }

    /// Fails unless the gateway ends the connection now, by FIN or by reset, without a further byte.
    pub fn expect_end(&mut self) {
        match self.wire.head() {
            Err(Broken::Closed | Broken::Reset) => {}
            other => panic!("the connection should have ended, but: {other:?}"),
        }
    }
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a text body")
    }

    /// The only value of this field; `None` when there is none.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name)
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body.escape_ascii()))
    }
}

/// RFC 9112 4: `HTTP-version SP status-code SP [ reason-phrase ]`.
fn status_line(line: &str) -> Result<(String, u16), Broken> {
    let broken = || Broken::Malformed(format!("status line {line:?}"));
    let (version, rest) = line.split_once(' ').ok_or_else(broken)?;
    let (code, _reason) = rest.split_once(' ').ok_or_else(broken)?;
    let is_known = matches!(version, "HTTP/1.1" | "HTTP/1.0");
    match code.parse() {
        Ok(status) if is_known && code.len() == 3 => Ok((version.to_owned(), status)),
        _ => Err(broken()),
    }
}
