//! An origin that speaks HTTP/2 without TLS, on hyperium `h2` and a thread of its own.
//!
//! A script is an asynchronous closure, called once for each stream with a [`Call`]. Streams of a connection run beside
//! each other. What no `h2` would send is sent by [`super::h2_frames`].

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::Watched;

/// An origin, until it is dropped.
pub struct H2Origin {
    address: SocketAddr,
    record: Arc<Watched<Record>>,
    over: Option<tokio::sync::oneshot::Sender<()>>,
}

/// What happened at an origin.
#[derive(Debug, Default)]
struct Record {
    requests: Vec<Asked>,
    connections: usize,
    /// Streams that were reset, or whose connection was lost, with what the error said.
    cuts: Vec<String>,
    ended: usize,
}

/// A request as the origin got it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// `:scheme://:authority:path`.
    pub uri: String,
    /// The header section.
    pub fields: HeaderMap,
    /// The body, where the script read it.
    pub body: Vec<u8>,
    /// The trailer section, where the script read it.
    pub trailers: HeaderMap,
    /// END_STREAM came with the head.
    pub is_bodiless: bool,
    /// The connection it came on; the first is 1.
    pub connection: usize,
}

impl Asked {
    /// The only value of this field; `None` when there is none.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|value| value.to_str().expect("a field of a test is text"))
    }
}

/// One stream, in the hands of a script.
pub struct Call {
    /// The request without its body.
    pub asked: Asked,
    /// Its body.
    pub body: RecvStream,
    respond: SendResponse<Bytes>,
    record: Arc<Watched<Record>>,
    control: mpsc::UnboundedSender<End>,
}

/// How a connection is ended.
#[derive(Clone, Copy, Debug)]
enum End {
    /// GOAWAY, and the end when all streams are over.
    Gracefully,
    /// The end, at once.
    Now,
}

impl H2Origin {
    /// Serves every stream by `script`.
    pub fn serving<F, S>(script: S) -> Self
    where
        S: Fn(Call) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self::built(Builder::new(), script)
    }

    /// As [`H2Origin::serving`], with settings of its own.
    pub fn built<F, S>(builder: Builder, script: S) -> Self
    where
        S: Fn(Call) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket takes the option");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (over, is_over) = tokio::sync::oneshot::channel();
        let record = Arc::new(Watched::<Record>::default());
        let held = Arc::clone(&record);
        let script = Arc::new(script);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
            runtime.spawn(async move {
                let listener = TcpListener::from_std(listener).expect("a listener");
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(connection(stream, builder.clone(), Arc::clone(&record), Arc::clone(&script)));
                }
            });
            let _ = runtime.block_on(is_over);
        });
        Self { address, record: held, over: Some(over) }
    }

    /// What an `endpoints` list says to reach it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests whose heads came.
    pub fn requests(&self) -> Vec<Asked> {
        self.record.change(|record| record.requests.clone())
    }

    /// The only request so far.
    pub fn request(&self) -> Asked {
        let mut all = self.requests();
        assert_eq!(all.len(), 1, "one request should have come: {all:?}");
        all.remove(0)
    }

    /// Waits for the `number`th request.
    pub fn await_request(&self, number: usize) -> Asked {
        self.record
            .wait_for(|record| record.requests.get(number - 1).cloned())
            .unwrap_or_else(|| panic!("request {number} did not come"))
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.record.change(|record| record.connections)
    }

    /// Waits until `count` connections have ended.
    pub fn await_ended(&self, count: usize) {
        self.record
            .wait_for(|record| (record.ended >= count).then_some(()))
            .unwrap_or_else(|| panic!("{count} connections should have ended"));
    }

    /// Waits until a stream was cut, and says how.
    pub fn await_cut(&self) -> String {
        self.record.wait_for(|record| record.cuts.first().cloned()).expect("a stream should have been cut")
    }
}

impl Drop for H2Origin {
    fn drop(&mut self) {
        if let Some(over) = self.over.take() {
            let _ = over.send(());
        }
    }
}

async fn connection<F, S>(stream: TcpStream, builder: Builder, record: Arc<Watched<Record>>, script: Arc<S>)
where
    S: Fn(Call) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let number = record.change(|record| {
        record.connections += 1;
        record.connections
    });
    let (control, mut ends) = mpsc::unbounded_channel();
    stream.set_nodelay(true).expect("a socket takes the option");
    if let Ok(mut served) = builder.handshake::<_, Bytes>(stream).await {
        loop {
            tokio::select! {
                biased;
                end = ends.recv() => match end {
                    Some(End::Gracefully) => served.graceful_shutdown(),
                    Some(End::Now) | None => break,
                },
                call = served.accept() => match call {
                    Some(Ok((request, respond))) => {
                        let call = begin(request, respond, number, &record, &control);
                        tokio::spawn(script(call));
                    }
                    Some(Err(_)) | None => break,
                },
            }
        }
    }
    record.change(|record| record.ended += 1);
}

fn begin(
    request: Request<RecvStream>, respond: SendResponse<Bytes>, connection: usize, record: &Arc<Watched<Record>>,
    control: &mpsc::UnboundedSender<End>,
) -> Call {
    let (parts, body) = request.into_parts();
    let asked = Asked {
        method: parts.method.to_string(),
        uri: parts.uri.to_string(),
        fields: parts.headers,
        body: Vec::new(),
        trailers: HeaderMap::new(),
        is_bodiless: body.is_end_stream(),
        connection,
    };
    record.change(|record| record.requests.push(asked.clone()));
    Call { asked, body, respond, record: Arc::clone(record), control: control.clone() }
}

impl Call {
    /// The next piece of the body; `None` at its end, or when it was cut.
    pub async fn piece(&mut self) -> Option<Bytes> {
        match self.body.data().await? {
            Ok(bytes) => {
                self.body.flow_control().release_capacity(bytes.len()).expect("they were received");
                Some(bytes)
            }
            Err(error) => {
                self.record.change(|record| record.cuts.push(error.to_string()));
                None
            }
        }
    }

    /// Reads body and trailers, and records them with the request.
    pub async fn read(&mut self) -> Asked {
        while let Some(bytes) = self.piece().await {
            self.asked.body.extend_from_slice(&bytes);
        }
        if let Ok(Some(trailers)) = self.body.trailers().await {
            self.asked.trailers = trailers;
        }
        self.record.change(|record| {
            let place = record.requests.iter_mut().find(|asked| asked.fields == self.asked.fields);
            if let Some(place) = place {
                *place = self.asked.clone();
            }
        });
        self.asked.clone()
    }

    /// True for the first request of the origin.
    pub fn is_first(&self) -> bool {
        self.record.change(|record| record.requests.len()) == 1
    }

    /// Sends an interim answer.
    pub fn interim(&mut self, status: u16, fields: &[(&str, &str)]) {
        self.respond.send_informational(head(status, fields)).expect("an interim answer");
    }

    /// Begins the answer.
    pub fn answer(&mut self, status: u16, fields: &[(&str, &str)]) -> Body {
        let stream = self.respond.send_response(head(status, fields), false).expect("the stream is open");
        Body { stream }
    }

    /// The whole answer, without a body: END_STREAM is on the head.
    pub fn answer_bodiless(&mut self, status: u16, fields: &[(&str, &str)]) {
        self.respond.send_response(head(status, fields), true).expect("the stream is open");
    }

    /// Answers with a body, and its length.
    pub fn answer_text(&mut self, body: &str) {
        let length = body.len().to_string();
        self.answer(200, &[("content-length", &length)]).end(body);
    }

    /// Resets the stream.
    pub fn reset(&mut self, reason: h2::Reason) {
        self.respond.send_reset(reason);
    }

    /// Waits until the gateway resets the stream, and records it.
    pub async fn await_reset(&mut self) {
        let reset = std::future::poll_fn(|cx| self.respond.poll_reset(cx)).await;
        let text = reset.map_or_else(|error| error.to_string(), |reason| format!("{reason:?}"));
        self.record.change(|record| record.cuts.push(text));
    }

    /// Ends the connection: GOAWAY first, the end when all streams are over.
    pub fn go_away(&self) {
        let _ = self.control.send(End::Gracefully);
    }

    /// Ends the connection at once.
    pub fn hang_up(&self) {
        let _ = self.control.send(End::Now);
    }
}

fn head(status: u16, fields: &[(&str, &str)]) -> Response<()> {
    let mut response = Response::builder().status(status);
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    response.body(()).expect("fields of a test are sound")
}

/// The body of an answer on its way.
pub struct Body {
    stream: SendStream<Bytes>,
}

impl Body {
    /// Sends a piece.
    pub fn send(&mut self, piece: impl Into<Bytes>) {
        self.stream.send_data(piece.into(), false).expect("the stream is open");
    }

    /// Sends the last piece.
    pub fn end(mut self, piece: &str) {
        self.stream.send_data(Bytes::copy_from_slice(piece.as_bytes()), true).expect("the stream is open");
    }

    /// Ends with trailers.
    pub fn trailers(mut self, fields: &[(&'static str, &str)]) {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, value.parse().expect("a value of a test is sound"));
        }
        self.stream.send_trailers(map).expect("the stream is open");
    }

    /// Resets the stream.
    pub fn reset(mut self, reason: h2::Reason) {
        self.stream.send_reset(reason);
    }
}
