//! One connection of the origin: requests and their answers, one after another.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderMap, Method, Version};
use monoio_codec::{Decoded, Decoder};
use monoio_http::common::request::RequestHead;
use monoio_http::h1::codec::decoder::{
    ChunkedBodyDecoder, DirectWrapper, FixedBodyDecoder, GenericHeadDecoder, PayloadDecoder, RequestHeadDecoder,
};

use super::page::{self, PIECE_BYTES, Page, Pages};
use super::streams;
use crate::carrier::Carrier;
use crate::socket::Socket;

/// Bytes received at a time, by all connections of a thread in turn.
const SCRATCH_BYTES: usize = 256 * 1024;
/// A longer head, chunk or body to be echoed ends the connection.
const HELD_BYTES_MAX: usize = 64 * 1024 * 1024;

type HeadDecoder = GenericHeadDecoder<(), RequestHeadDecoder, DirectWrapper>;
type BodyDecoder = PayloadDecoder<FixedBodyDecoder, ChunkedBodyDecoder>;

/// What the connections of a thread share.
pub(super) struct Shared {
    scratch: RefCell<Vec<u8>>,
    pages: RefCell<Pages>,
    piece: Vec<u8>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            scratch: RefCell::new(vec![0; SCRATCH_BYTES]),
            pages: RefCell::default(),
            piece: vec![b'o'; PIECE_BYTES],
        }
    }
}

/// Serves a connection until its peer ends it, asks for its end, or sends what is no request.
pub(super) async fn serve(shared: Rc<Shared>, socket: Socket) {
    let mut exchanges = Exchanges { shared, socket, received: BytesMut::new() };
    // Whoever speaks HTTP/2 says so before anything else, and all at once.
    if exchanges.receive().await.is_err() {
        return;
    }
    if exchanges.received.starts_with(streams::PREFACE) {
        return streams::serve(Carrier::plain(exchanges.socket), &exchanges.received).await;
    }
    while let Ok(true) = exchanges.next().await {}
}

/// The exchanges of one connection.
struct Exchanges {
    shared: Rc<Shared>,
    socket: Socket,
    /// What has come and is not decoded.
    received: BytesMut,
}

impl Exchanges {
    /// Reads a request and answers it. Whether another may follow.
    async fn next(&mut self) -> io::Result<bool> {
        let mut decoder = HeadDecoder::default();
        let (head, body) = self.decode(&mut decoder).await?;
        let page = Page::at(head.uri.path(), &head.method);
        let is_kept = is_kept(&head);
        if page == Page::Echo {
            let body = self.hold(body).await?;
            // Head and body in one send: two would cost the peer two wake-ups.
            self.send(&[&page::head(body.len() as u64, 0), &body[..]].concat()).await?;
            return Ok(is_kept);
        }
        self.skip(&head.headers, body).await?;
        if let Page::Stall(millis) = page {
            monoio::time::sleep(Duration::from_millis(millis)).await;
        }
        self.answer(page, head.method == Method::HEAD).await?;
        Ok(is_kept)
    }

    /// Receives until `decoder` has its item.
    async fn decode<D: Decoder>(&mut self, decoder: &mut D) -> io::Result<D::Item> {
        loop {
            if !self.received.is_empty() {
                match decoder.decode(&mut self.received) {
                    Ok(Decoded::Some(item)) => return Ok(item),
                    Ok(Decoded::Insufficient | Decoded::InsufficientAtLeast(_)) => {}
                    Err(_) => return Err(io::ErrorKind::InvalidData.into()),
                }
            }
            if self.received.len() > HELD_BYTES_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.receive().await?;
        }
    }

    /// Waits for bytes and takes them.
    async fn receive(&mut self) -> io::Result<()> {
        loop {
            self.socket.readable().await?;
            let mut scratch = self.shared.scratch.borrow_mut();
            match self.socket.receive(&mut scratch) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.received.extend_from_slice(&scratch[..count]);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Receives a body whole.
    async fn hold(&mut self, body: BodyDecoder) -> io::Result<Bytes> {
        match body {
            PayloadDecoder::None => Ok(Bytes::new()),
            PayloadDecoder::Fixed(mut decoder) => self.decode(&mut decoder).await,
            PayloadDecoder::Streamed(mut decoder) => {
                let mut whole = BytesMut::new();
                while let Some(chunk) = self.decode(&mut decoder).await? {
                    whole.extend_from_slice(&chunk);
                    if whole.len() > HELD_BYTES_MAX {
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                }
                Ok(whole.freeze())
            }
        }
    }

    /// Receives a body and forgets it. The decoder of a body with a length would hold it whole; counting does not.
    async fn skip(&mut self, headers: &HeaderMap, body: BodyDecoder) -> io::Result<()> {
        match body {
            PayloadDecoder::None => Ok(()),
            PayloadDecoder::Fixed(_) => {
                let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
                self.discard(length.ok_or(io::ErrorKind::InvalidData)?).await
            }
            PayloadDecoder::Streamed(mut decoder) => {
                while self.decode(&mut decoder).await?.is_some() {}
                Ok(())
            }
        }
    }

    async fn discard(&mut self, mut left: u64) -> io::Result<()> {
        loop {
            let count = left.min(self.received.len() as u64);
            self.received.advance(count as usize);
            left -= count;
            if left == 0 {
                return Ok(());
            }
            self.receive().await?;
        }
    }

    async fn answer(&mut self, page: Page, is_head_only: bool) -> io::Result<()> {
        let mut answer = self.shared.pages.borrow_mut().answer(page, is_head_only);
        self.send(&answer.front).await?;
        while answer.rest > 0 {
            let count = answer.rest.min(PIECE_BYTES as u64);
            self.send(&self.shared.piece[..count as usize]).await?;
            answer.rest -= count;
        }
        Ok(())
    }

    async fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.socket.send(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.socket.writable().await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether the connection outlives the exchange (RFC 9112 9.3).
fn is_kept(head: &RequestHead) -> bool {
    let mut options =
        head.headers.get_all(CONNECTION).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    if head.version == Version::HTTP_11 {
        !options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
    } else {
        // No gateway that is worth measuring asks by an older version.
        false
    }
}
