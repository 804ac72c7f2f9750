//! A client that speaks HTTP/2 without TLS, on hyperium `h2`: what a test says to it is asynchronous and runs on the
//! test's own thread.

use std::future::Future;
use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};
use tokio::net::TcpStream;

use super::{Gateway, PATIENCE};

/// One connection to the gateway; its clones share it.
#[derive(Clone)]
pub struct H2Client {
    sender: SendRequest<Bytes>,
    authority: String,
}

/// An exchange under way.
pub struct Asking {
    /// The request's body.
    pub body: SendStream<Bytes>,
    answer: ResponseFuture,
}

/// An answer as the client got it.
#[derive(Debug)]
pub struct H2Answer {
    /// The status code.
    pub status: u16,
    /// The header section.
    pub fields: HeaderMap,
    /// END_STREAM came with the head.
    pub is_bodiless: bool,
    /// What is still to come of the body.
    pub stream: RecvStream,
    /// The body, where it was read.
    pub body: Vec<u8>,
    /// The trailer section, where it was read.
    pub trailers: HeaderMap,
}

/// Plays `play` with a client of `gateway`, for as long as anything may take.
pub fn with_client<F: Future<Output = ()>>(gateway: &Gateway, play: impl FnOnce(H2Client) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let address = gateway.address();
    runtime.block_on(async {
        let played = tokio::time::timeout(PATIENCE, async { play(H2Client::connect(address).await).await });
        played.await.expect("the play comes to its end");
    });
}

impl H2Client {
    /// Connects to `address`.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the gateway accepts connections");
        stream.set_nodelay(true).expect("a socket takes the option");
        let (sender, connection) = h2::client::handshake(stream).await.expect("the gateway speaks HTTP/2");
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Self { sender, authority: address.to_string() }
    }

    /// Begins to ask; the body follows unless it `is_whole`.
    pub async fn begin(&mut self, method: &str, path: &str, fields: &[(&str, &str)], is_whole: bool) -> Asking {
        self.try_begin(method, path, fields, is_whole).await.expect("the connection takes streams")
    }

    /// As [`H2Client::begin`], on a connection that may be over.
    pub async fn try_begin(
        &mut self, method: &str, path: &str, fields: &[(&str, &str)], is_whole: bool,
    ) -> Result<Asking, h2::Error> {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.authority));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(()).expect("a request of a test is sound");
        std::future::poll_fn(|cx| self.sender.poll_ready(cx)).await?;
        let (answer, body) = self.sender.send_request(request, is_whole)?;
        Ok(Asking { body, answer })
    }

    /// Asks with a whole body and reads the whole answer.
    pub async fn ask(&mut self, method: &str, path: &str, fields: &[(&str, &str)], body: &[u8]) -> H2Answer {
        let mut asking = self.begin(method, path, fields, body.is_empty()).await;
        if !body.is_empty() {
            asking.send(body, true).await;
        }
        let mut answer = asking.answer().await;
        answer.read().await.expect("the answer is whole");
        answer
    }
}

impl Asking {
    /// Sends a piece of the body as the gateway's windows allow.
    pub async fn send(&mut self, piece: &[u8], is_last: bool) {
        send(&mut self.body, piece, is_last).await.expect("the stream is open");
    }

    /// The body to be sent and the answer to be waited for, at the same time.
    pub fn split(self) -> (SendStream<Bytes>, ResponseFuture) {
        (self.body, self.answer)
    }

    /// Waits for the head of the answer.
    pub async fn answer(&mut self) -> H2Answer {
        self.try_answer().await.expect("an answer comes")
    }

    /// Waits for the head of the answer, or for what comes instead.
    pub async fn try_answer(&mut self) -> Result<H2Answer, h2::Error> {
        H2Answer::of(&mut self.answer).await
    }
}

/// Sends a piece of a body as the gateway's windows allow.
pub async fn send(body: &mut SendStream<Bytes>, piece: &[u8], is_last: bool) -> Result<(), h2::Error> {
    let mut rest = piece;
    while !rest.is_empty() {
        body.reserve_capacity(rest.len());
        let Some(room) = std::future::poll_fn(|cx| body.poll_capacity(cx)).await else {
            return Err(h2::Reason::STREAM_CLOSED.into());
        };
        let (now, later) = rest.split_at(room?.min(rest.len()));
        body.send_data(Bytes::copy_from_slice(now), is_last && later.is_empty())?;
        rest = later;
    }
    Ok(())
}

impl H2Answer {
    /// Waits for the head of an answer, or for what comes instead.
    pub async fn of(answer: &mut ResponseFuture) -> Result<Self, h2::Error> {
        let (parts, stream) = answer.await?.into_parts();
        Ok(Self {
            status: parts.status.as_u16(),
            fields: parts.headers,
            is_bodiless: stream.is_end_stream(),
            stream,
            body: Vec::new(),
            trailers: HeaderMap::new(),
        })
    }

    /// The only value of this field; `None` when there is none.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|value| value.to_str().expect("a field of a test is text"))
    }

    /// The only value of this trailer; `None` when there is none.
    pub fn trailer(&self, name: &str) -> Option<&str> {
        self.trailers.get(name).map(|value| value.to_str().expect("a field of a test is text"))
    }

    /// The next piece of the body; `None` at its end.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, h2::Error> {
        let Some(bytes) = self.stream.data().await.transpose()? else { return Ok(None) };
        self.stream.flow_control().release_capacity(bytes.len())?;
        Ok(Some(bytes))
    }

    /// Reads what is still to come.
    pub async fn read(&mut self) -> Result<(), h2::Error> {
        while let Some(bytes) = self.piece().await? {
            self.body.extend_from_slice(&bytes);
        }
        self.trailers = self.stream.trailers().await?.unwrap_or_default();
        Ok(())
    }
}
