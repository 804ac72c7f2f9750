//! A connection of HTTP/2 by prior knowledge: the same pages, a task for each stream.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};

use super::page::{PIECE_BYTES, Page};
use crate::carrier::Carrier;
use crate::line;
use crate::target::{Call, grpc_message};

/// What every such connection begins with, as far as it tells.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";
/// What a gateway may send unasked: none is to wait for the origin.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 64 * 1024 * 1024;
const STREAMS_MAX: u32 = 1024;

/// Serves the connection, of which `received` has come, until its peer ends it.
pub(super) async fn serve(carrier: Carrier, received: &[u8]) {
    let (adapter, line) = line::connect(&Rc::new(carrier), received);
    let mut builder = Builder::new();
    builder.initial_window_size(STREAM_WINDOW_BYTES).initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    let begun = line.drive(builder.max_concurrent_streams(STREAMS_MAX).handshake::<_, Bytes>(adapter)).await;
    let Ok(mut connection) = begun else { return };
    // All that has come is accepted before anything is sent: answers to one batch leave as one.
    let serving = poll_fn(|cx| {
        while let Poll::Ready(accepted) = connection.poll_accept(cx) {
            let Some(Ok((request, respond))) = accepted else { return Poll::Ready(()) };
            monoio::spawn(answer(request, respond));
        }
        Poll::Pending
    });
    line.drive(serving).await;
}

/// Answers one request. What goes wrong is the peer's doing, and it knows.
async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let (head, content) = request.into_parts();
    let page = Page::at(head.uri.path(), &head.method);
    let Ok(received) = receive(content, page == Page::Echo).await else { return };
    let body = match page {
        Page::Bytes(count) => Body::Filled(count),
        Page::Grpc(count) => Body::Whole(grpc_message(count as usize).into()),
        Page::Echo => Body::Whole(received.into()),
        Page::Stall(millis) => {
            monoio::time::sleep(Duration::from_millis(millis)).await;
            Body::Filled(Page::SMALL_BYTES)
        }
        Page::Headers(_) => Body::Filled(Page::SMALL_BYTES),
    };
    let is_head_only = head.method == Method::HEAD || body.len() == 0;
    if let Ok(out) = respond.send_response(response(page, body.len()), is_head_only)
        && !is_head_only
    {
        send(out, body, matches!(page, Page::Grpc(_))).await.ok();
    }
}

/// Receives a body, and keeps it only if `is_kept`.
async fn receive(mut content: RecvStream, is_kept: bool) -> Result<Vec<u8>, h2::Error> {
    let mut whole = Vec::new();
    while let Some(piece) = content.data().await {
        let piece = piece?;
        content.flow_control().release_capacity(piece.len())?;
        if is_kept {
            whole.extend_from_slice(&piece);
        }
    }
    Ok(whole)
}

/// An answer's content.
enum Body {
    Whole(Bytes),
    /// So many bytes of no meaning.
    Filled(u64),
}

impl Body {
    fn len(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Filled(count) => *count,
        }
    }

    /// The next piece, of at most `room` bytes.
    fn take(&mut self, room: usize) -> Bytes {
        static PIECE: [u8; PIECE_BYTES] = [b'o'; PIECE_BYTES];
        match self {
            Self::Whole(bytes) => bytes.split_to(room.min(bytes.len())),
            Self::Filled(left) => {
                let count = (*left).min(room as u64).min(PIECE_BYTES as u64);
                *left -= count;
                Bytes::from_static(&PIECE[..count as usize])
            }
        }
    }
}

fn response(page: Page, length: u64) -> Response<()> {
    let mut response = Response::new(());
    let fields = response.headers_mut();
    if let Page::Grpc(_) = page {
        // A message says its length itself.
        fields.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        return response;
    }
    fields.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    fields.insert(http::header::CONTENT_LENGTH, length.into());
    if let Page::Headers(count) = page {
        for number in 0..count {
            let name = HeaderName::try_from(format!("x-field-{number}")).expect("a name of letters and digits");
            let value = HeaderValue::try_from(format!("the value of field {number}")).expect("a value of letters");
            fields.append(name, value);
        }
    }
    response
}

/// Sends `body` as the peer has room for it, and the status of a call behind it if there is one.
async fn send(mut out: SendStream<Bytes>, mut body: Body, has_status: bool) -> Result<(), h2::Error> {
    while body.len() > 0 {
        out.reserve_capacity(body.len().min(PIECE_BYTES as u64) as usize);
        if out.capacity() == 0 {
            let more = poll_fn(|cx| out.poll_capacity(cx)).await;
            more.transpose()?;
        }
        let piece = body.take(out.capacity());
        out.send_data(piece, body.len() == 0 && !has_status)?;
    }
    if has_status {
        let mut trailers = HeaderMap::new();
        trailers.insert(HeaderName::from_static(Call::STATUS), HeaderValue::from_static("0"));
        out.send_trailers(trailers)?;
    }
    Ok(())
}
