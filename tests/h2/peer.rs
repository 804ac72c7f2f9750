//! The client: `h2`'s over a socket on a runtime of its own, or frames written and read by hand.

use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};

use crate::support::{Gateway, PATIENCE};

use crate::support::h2_script::PREFACE;
pub use crate::support::h2_script::{
    CONTINUATION, DATA, END as END_STREAM, END_HEADERS, Frame, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, frame,
};

/// Runs `play` with a client of `gateway`. Nothing takes longer than a test's patience.
pub fn with<F: Future<Output = ()>>(gateway: &Gateway, play: impl FnOnce(Peer) -> F) {
    let address = gateway.address();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let over = tokio::time::timeout(PATIENCE, async { play(Peer::connect(address).await).await }).await;
        assert!(over.is_ok(), "it takes too long");
    });
}

/// A connection of `h2`'s.
#[derive(Clone)]
pub struct Peer {
    requests: SendRequest<Bytes>,
    address: SocketAddr,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub fields: HeaderMap,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
}

impl Peer {
    async fn connect(address: SocketAddr) -> Self {
        Self::connect_by(address, h2::client::Builder::new()).await
    }

    /// Another connection, by the settings of `builder`.
    pub async fn another(&self, builder: h2::client::Builder) -> Self {
        Self::connect_by(self.address, builder).await
    }

    async fn connect_by(address: SocketAddr, builder: h2::client::Builder) -> Self {
        let socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let (requests, connection) = builder.handshake(socket).await.unwrap();
        tokio::spawn(async move { drop(connection.await) });
        Self { requests, address }
    }

    /// Begins a request.
    pub async fn begin(&self, request: Request<()>, is_whole: bool) -> (ResponseFuture, SendStream<Bytes>) {
        self.try_begin(request, is_whole).await.unwrap()
    }

    /// As [`Peer::begin`], where it may fail.
    pub async fn try_begin(
        &self, request: Request<()>, is_whole: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        self.requests.clone().ready().await?.send_request(request, is_whole)
    }

    /// Asks for `path`.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask(get(path)).await
    }

    /// Sends a request without a body.
    pub async fn ask(&self, request: Request<()>) -> Answer {
        self.try_ask(request).await.unwrap()
    }

    /// As [`Peer::ask`], where it may fail.
    pub async fn try_ask(&self, request: Request<()>) -> Result<Answer, h2::Error> {
        read(self.try_begin(request, true).await?.0.await?).await
    }
}

/// A request for `path`.
pub fn get(path: &str) -> Request<()> {
    request("GET", path)
}

/// A request.
pub fn request(method: &str, path: &str) -> Request<()> {
    Request::builder().method(method).uri(format!("http://test{path}")).body(()).unwrap()
}

/// Reads an answer to its end.
pub async fn read(response: Response<RecvStream>) -> Result<Answer, h2::Error> {
    let (parts, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        bytes.extend_from_slice(&piece);
    }
    let trailers = body.trailers().await?;
    Ok(Answer { status: parts.status.as_u16(), fields: parts.headers, body: bytes.into(), trailers })
}

/// The reason of a reset by the gateway.
pub fn reset(failed: &h2::Error) -> Option<Reason> {
    failed.is_reset().then(|| failed.reason()).flatten()
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A connection on which frames are written by hand.
pub struct Raw(TcpStream);

/// `GET / HTTP/2` of `http://test`, in HPACK.
pub const GET: &[u8] = b"\x82\x84\x86\x41\x04test";

impl Raw {
    pub fn connect(gateway: &Gateway) -> Self {
        Self::connect_to(gateway.address())
    }

    pub fn connect_to(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Self(socket)
    }

    /// As [`Raw::connect`], with the preface and `settings` sent.
    pub fn greet(gateway: &Gateway, settings: &[u8]) -> Self {
        let mut raw = Self::connect(gateway);
        assert!(raw.send(PREFACE) && raw.frame(SETTINGS, 0, 0, settings));
        raw
    }

    /// False when the gateway takes no more.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// As [`Raw::send`], of one frame.
    pub fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.send(&frame(kind, flags, stream, payload))
    }

    /// The next frame; `None` at the end.
    pub fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// The next frame of this kind, acknowledgements aside; `None` at the end.
    pub fn await_frame(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next()?;
            if frame.kind == kind && !(matches!(kind, SETTINGS | PING) && frame.flags == 1) {
                return Some(frame);
            }
        }
    }

    /// The code of the next GOAWAY, behind which the connection ends.
    pub fn await_goaway(&mut self) -> u32 {
        let frame = self.await_frame(GOAWAY).expect("GOAWAY comes before the end");
        let code = u32::from_be_bytes(frame.payload[4..8].try_into().unwrap());
        while self.next().is_some() {}
        code
    }
}
