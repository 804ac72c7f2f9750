//! A client's HTTP/2 connection: one task drives its frames, opens its streams, and ends politely (RFC 9113 6.8).

use h2::server::{self, Builder, Handshake, SendResponse};
use h2::{Reason, RecvStream};
use http::request::Parts;
use http::{Method, Request};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::face::Face;
use super::purse::{Piece, Purse};
use super::request::{self, Intake};
use crate::plan::{Listener, Timeouts};
use crate::shell::buffer::Buffer;
use crate::shell::connection::{Downstream, Expiry};
use crate::shell::core::{Core, Phase};
use crate::shell::exchange;
use crate::shell::h2::SHORT_FRAME_BYTES;
use crate::shell::h2::adapter::{self, Adapter, Line};
use crate::shell::io::Io;
use crate::shell::tls::Told;
use crate::shell::wire::Wire;
use crate::words::fault::{Fault, Kind, Stage};
use crate::words::ids::ListenerId;
use crate::words::limits::{
    H2_CONNECTION_WINDOW, H2_LINGER_BYTES, H2_PIECES_HELD, H2_QUEUED_BYTES_OF_STREAM, H2_STREAM_WINDOW, H2_STREAMS,
    H2_TURNS, LINGER_TIME,
};
use crate::words::time::Instant;

/// A connection, and the state that its streams share.
pub struct Connection<I: Io> {
    core: Rc<Core<I>>,
    line: Line<I>,
    purse: Rc<Purse>,
    place: Place<I>,
    peer: SocketAddr,
    listener: ListenerId,
    /// What the TLS handshake agreed on.
    told: Option<Rc<Told>>,
    timeouts: Timeouts,
    /// Since when no stream has been there.
    quiet: Instant,
    /// When what waits to be sent last moved.
    moved: Instant,
    /// A stream was opened.
    has_served: bool,
}

/// What `h2` drives.
type Frames<I> = Box<server::Connection<Adapter<I>, Piece>>;

/// How far a connection is.
enum Place<I: Io> {
    /// The client's preface is to come.
    Shaking(Box<Handshake<Adapter<I>, Piece>>),
    /// Streams come and go.
    Open(Frames<I>),
    /// The client was told at that time that no new stream is served (GOAWAY); those that are there go on.
    Leaving(Frames<I>, Instant),
    /// The client was told that it is over, and is to take that until then.
    Ending(Frames<I>, Instant),
    /// Our direction is ended. What still comes is dropped until then, that many bytes of it, so that the client sees our
    /// last frames and not a reset.
    Lingering(Instant, usize),
    /// It is over; streams that are not yet notice it.
    Closed,
}

/// What ended the exchange of frames.
enum Over {
    /// One side has said so, and all that was to be said is sent.
    Ended,
    /// The client takes no more.
    Failed,
    /// The client does what it must not: the line knows what.
    Broken,
}

/// Whose time is over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    /// The connection's whole: the core cuts what is left.
    Cut,
    /// The client takes no bytes.
    Stalled,
    /// The client does not finish what it began.
    Owed,
    /// The other deadline.
    Other,
}

impl<I: Io> Connection<I> {
    /// The connection of a client that speaks HTTP/2.
    #[must_use]
    pub fn new(client: Box<Downstream<I>>) -> Self {
        let core = Rc::clone(&client.core);
        let (peer, id) = (client.peer, client.listener);
        let told = client.stream.told().cloned();
        let plan = core.plan();
        let listener = &plan.listeners[id.index()];
        let (adapter, line) = adapter::accept(client);
        let now = core.io.now();
        Self {
            line,
            purse: Purse::new(&core.buffers),
            place: Place::Shaking(Box::new(settings(listener).handshake(adapter))),
            peer,
            told,
            listener: id,
            timeouts: listener.timeouts,
            quiet: now,
            moved: now,
            has_served: false,
            core,
        }
    }

    /// Ready when the connection is over, and every stream of it.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.place = match std::mem::replace(&mut self.place, Place::Closed) {
                Place::Shaking(handshake) => ready!(self.poll_handshake(cx, handshake)),
                Place::Open(connection) => ready!(self.poll_open(cx, connection)),
                Place::Leaving(connection, since) => ready!(self.poll_leaving(cx, connection, since)),
                Place::Ending(connection, until) => ready!(self.poll_ending(cx, connection, until)),
                Place::Lingering(until, mut left) => {
                    if self.line.poll_drain(cx, &mut left).is_pending() && self.line.poll_expiry(cx, until).is_pending()
                    {
                        self.place = Place::Lingering(until, left);
                        return Poll::Pending;
                    }
                    Place::Closed
                }
                Place::Closed => return self.purse.poll_empty(cx),
            };
        }
    }

    fn poll_handshake(
        &mut self, cx: &mut Context<'_>, mut handshake: Box<Handshake<Adapter<I>, Piece>>,
    ) -> Poll<Place<I>> {
        let polled = Pin::new(&mut *handshake).poll(cx);
        if let Poll::Ready(Err(_)) = self.line.poll_send(cx) {
            return Poll::Ready(Place::Closed);
        }
        match polled {
            Poll::Ready(Ok(frames)) => Poll::Ready(Place::Open(Box::new(frames))),
            // RFC 9113 3.4: GOAWAY may be left out for a peer that does not speak HTTP/2.
            Poll::Ready(Err(_)) => Poll::Ready(self.linger()),
            Poll::Pending => {
                let until = self.quiet.after(self.timeouts.head);
                if self.poll_due(cx, until).is_ready() || self.core.phase() != Phase::Serving {
                    return Poll::Ready(Place::Closed);
                }
                self.place = Place::Shaking(handshake);
                Poll::Pending
            }
        }
    }

    fn poll_open(&mut self, cx: &mut Context<'_>, mut frames: Frames<I>) -> Poll<Place<I>> {
        if self.core.phase() != Phase::Serving {
            return Poll::Ready(self.leave(frames));
        }
        if let Poll::Ready(over) = self.poll_frames(cx, &mut frames) {
            return Poll::Ready(self.after(frames, &over));
        }
        let quiet = if frames.has_streams() {
            self.quiet = self.core.io.now();
            Instant::NEVER
        } else {
            self.quiet.after(if self.has_served { self.timeouts.idle } else { self.timeouts.head })
        };
        match self.poll_due(cx, quiet) {
            Poll::Ready(Due::Other) => Poll::Ready(self.leave(frames)),
            Poll::Ready(due) => Poll::Ready(self.overdue(frames, due)),
            Poll::Pending => {
                self.place = Place::Open(frames);
                Poll::Pending
            }
        }
    }

    fn poll_leaving(&mut self, cx: &mut Context<'_>, mut frames: Frames<I>, since: Instant) -> Poll<Place<I>> {
        if let Poll::Ready(over) = self.poll_frames(cx, &mut frames) {
            return Poll::Ready(self.after(frames, &over));
        }
        // `h2` ends the connection when the client has heard of it and no stream is left.
        let quiet = if frames.has_streams() { Instant::NEVER } else { since.after(LINGER_TIME) };
        match self.poll_due(cx, quiet) {
            Poll::Ready(due) => Poll::Ready(self.overdue(frames, due)),
            Poll::Pending => {
                self.place = Place::Leaving(frames, since);
                Poll::Pending
            }
        }
    }

    fn poll_ending(&mut self, cx: &mut Context<'_>, mut frames: Frames<I>, until: Instant) -> Poll<Place<I>> {
        if frames.poll_closed(cx).is_ready() {
            return Poll::Ready(self.linger());
        }
        if matches!(self.line.poll_send(cx), Poll::Ready(Err(_))) || self.line.poll_expiry(cx, until).is_ready() {
            return Poll::Ready(Place::Closed);
        }
        self.place = Place::Ending(frames, until);
        Poll::Pending
    }

    /// Reads frames, opens streams, and sends what is to be sent, in one message.
    fn poll_frames(&mut self, cx: &mut Context<'_>, frames: &mut Frames<I>) -> Poll<Over> {
        let over = self.move_frames(cx, frames);
        for _ in 0..self.line.take_answered() {
            let mut down =
                Downstream::of_stream(&self.core, Face::new(Rc::clone(&self.purse)), self.listener, self.peer);
            if let Wire::Face(face) = &mut down.stream {
                face.tell(self.told.clone());
            }
            exchange::note(&mut down, TOO_LARGE);
        }
        over
    }

    fn move_frames(&mut self, cx: &mut Context<'_>, frames: &mut Frames<I>) -> Poll<Over> {
        let mut turns = 0;
        self.line.begin_turn();
        loop {
            match frames.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => self.open(request, respond),
                Poll::Ready(_) => return Poll::Ready(Over::Ended),
                Poll::Pending if self.line.ends().is_some() => return Poll::Ready(Over::Broken),
                Poll::Pending if self.line.next_turn() => {
                    turns += 1;
                    if turns == H2_TURNS {
                        // Whoever else has something to do comes first.
                        cx.waker().wake_by_ref();
                        break;
                    }
                }
                Poll::Pending => break,
            }
        }
        if !self.line.is_full() {
            self.purse.heads_left();
        }
        match self.line.poll_send(cx) {
            Poll::Ready(Err(_)) => Poll::Ready(Over::Failed),
            _ => Poll::Pending,
        }
    }

    /// Ready when the core cuts, when the client has stalled, or when `other` is over.
    fn poll_due(&mut self, cx: &mut Context<'_>, other: Instant) -> Poll<Due> {
        let is_sending = self.line.is_sending();
        if self.line.take_written() > 0 || !is_sending {
            self.moved = self.core.io.now();
        }
        let stalled = if is_sending { self.moved.after(self.timeouts.idle) } else { Instant::NEVER };
        let owed = self.line.waits_since().map_or(Instant::NEVER, |since| since.after(self.timeouts.head));
        let deadline = stalled.min(owed).min(other);
        Poll::Ready(match ready!(self.line.poll_expiry(cx, deadline)) {
            Expiry::Cut => Due::Cut,
            Expiry::Deadline if deadline == other => Due::Other,
            Expiry::Deadline if deadline == owed => Due::Owed,
            Expiry::Deadline => Due::Stalled,
        })
    }

    fn after(&mut self, frames: Frames<I>, over: &Over) -> Place<I> {
        match over {
            Over::Ended => self.linger(),
            Over::Failed => Place::Closed,
            Over::Broken => {
                let reason = self.line.ends().map_or(Reason::NO_ERROR, |reason| Reason::from(reason.code()));
                self.cut(frames, reason)
            }
        }
    }

    fn overdue(&mut self, frames: Frames<I>, due: Due) -> Place<I> {
        match due {
            Due::Cut | Due::Owed | Due::Other => self.cut(frames, Reason::NO_ERROR),
            Due::Stalled => {
                self.line.abort();
                Place::Closed
            }
        }
    }

    /// Tells the client to open no more streams (RFC 9113 6.8: twice, so that none on its way is lost).
    fn leave(&self, mut frames: Frames<I>) -> Place<I> {
        frames.graceful_shutdown();
        Place::Leaving(frames, self.core.io.now())
    }

    /// Tells the client that it is over.
    fn cut(&self, mut frames: Frames<I>, reason: Reason) -> Place<I> {
        frames.abrupt_shutdown(reason);
        Place::Ending(frames, self.core.io.now().after(LINGER_TIME))
    }

    fn linger(&self) -> Place<I> {
        Place::Lingering(self.core.io.now().after(LINGER_TIME), H2_LINGER_BYTES)
    }

    /// Begins to serve a stream.
    fn open(&mut self, request: Request<RecvStream>, mut respond: SendResponse<Piece>) {
        self.has_served = true;
        self.line.opened(respond.stream_id().as_u32());
        let (parts, body) = request.into_parts();
        let Ok(intake) = request::intake(&parts, body.is_end_stream()) else {
            return respond.send_reset(Reason::PROTOCOL_ERROR);
        };
        // A slot is free only when the work of the stream before is cancelled (CVE-2025-8671).
        if self.purse.live() >= H2_STREAMS {
            return respond.send_reset(Reason::REFUSED_STREAM);
        }
        let Some(inbound) = self.head(&parts, intake) else {
            return respond.send_reset(Reason::REFUSED_STREAM);
        };
        let runner = self.core.runner();
        let mut downstream = runner.downstream(&self.core, &self.purse, self.listener, self.peer);
        if let Wire::Face(face) = &mut downstream.stream {
            face.begin(&self.purse, (body, respond), intake, parts.method == Method::HEAD, inbound.len());
            face.tell(self.told.clone());
        }
        downstream.inbound = inbound;
        runner.run(downstream);
    }

    /// The head as HTTP/1.1; `None` when those of all streams are too long together.
    fn head(&self, parts: &Parts, intake: Intake) -> Option<Buffer> {
        let key = if intake == Intake::Tunnel { self.key() } else { [0; KEY_BYTES] };
        let mut buffer = self.core.buffers.borrow_mut().small();
        let Err(needed) = request::write_head(&mut buffer, parts, intake, &key) else {
            return self.counted(buffer);
        };
        self.core.buffers.borrow_mut().give(buffer);
        if !self.purse.take_head(needed) {
            return None;
        }
        let mut buffer = Buffer::without_headroom(needed + Buffer::TAILROOM);
        let written = request::write_head(&mut buffer, parts, intake, &key);
        debug_assert!(written.is_ok(), "the buffer was made to hold it");
        Some(buffer)
    }

    fn counted(&self, head: Buffer) -> Option<Buffer> {
        if self.purse.take_head(head.len()) {
            return Some(head);
        }
        self.core.buffers.borrow_mut().give(head);
        None
    }

    /// A key for a WebSocket handshake with an upstream (RFC 6455 4.1).
    fn key(&self) -> [u8; KEY_BYTES] {
        let random = [self.core.io.random().to_be_bytes(), self.core.io.random().to_be_bytes()].concat();
        let mut key = [b'='; KEY_BYTES];
        for (group, digits) in random.chunks(3).zip(key.chunks_mut(4)) {
            let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
            for (position, digit) in digits.iter_mut().take(group.len() + 1).enumerate() {
                *digit = BASE64[(bits >> (18 - 6 * position)) as usize & 63];
            }
        }
        key
    }
}

/// What `h2` has answered with 431 itself: nothing else is known of such a request.
const TOO_LARGE: Fault =
    Fault::new(Kind::HeadTooLarge, Stage::ReadHead, "the header list is over limits.header_bytes, as HTTP/2 counts it");

/// Base64 of 16 bytes.
const KEY_BYTES: usize = 24;
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// How `h2` is to serve a listener's connections.
fn settings(listener: &Listener) -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(H2_STREAMS)
        .max_header_list_size(u32::try_from(listener.limits.header_bytes).unwrap_or(u32::MAX))
        .initial_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_send_buffer_size(H2_QUEUED_BYTES_OF_STREAM)
        .data_frame_budget(SHORT_FRAME_BYTES * H2_PIECES_HELD)
        // Resets are counted over time by the watch; a connection that lives for weeks may see many.
        .max_local_error_reset_streams(None)
        .enable_connect_protocol();
    builder
}
