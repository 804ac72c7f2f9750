//! The PROXY header: read at the front of connections whose listener requires one, written at the front of those to
//! upstreams that want one; before TLS and before HTTP.
//!
//! A connection that has not introduced itself has a place in its core, so it counts, and is cut with all others; but no
//! client is held to account for it.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;

use super::buffer::Buffer;
use super::connection::Downstream;
use super::core::{Core, Phase, Seat};
use super::exchange::Story;
use super::io::{Io, Stream, Timer};
use super::mail::Row;
use super::serving::Choice;
use crate::plan::ProxyProtocol;
use crate::proto::proxy::{Malformed, Progress, Told, v1, v2};
use crate::words::fault::Kind;
use crate::words::ids::ListenerId;
use crate::words::limits::PROXY_HEADER_TIME;

/// A place in a core that is given back unless somebody is found to sit there.
pub struct Reserved<I: Io> {
    core: Rc<Core<I>>,
    listener: ListenerId,
    seat: Option<Seat>,
}

impl<I: Io> Reserved<I> {
    /// A place for a connection of `listener` that is not known yet.
    ///
    /// # Errors
    /// When there are too many connections.
    pub fn take(core: &Rc<Core<I>>, listener: ListenerId) -> Result<Self, Kind> {
        let seat = core.reserve(listener)?;
        Ok(Self { core: Rc::clone(core), listener, seat: Some(seat) })
    }

    /// The core that it is in.
    pub const fn core(&self) -> &Rc<Core<I>> {
        &self.core
    }

    /// Seats the client at `peer` there.
    ///
    /// # Errors
    /// When that client has too many connections.
    pub fn seat(mut self, peer: SocketAddr) -> Result<Seat, Kind> {
        let seat = self.seat.take().expect("a place is taken once");
        match self.core.occupy(self.listener, peer.ip().to_canonical()) {
            Ok(()) => Ok(seat),
            Err(kind) => {
                self.seat = Some(seat);
                Err(kind)
            }
        }
    }
}

impl<I: Io> Drop for Reserved<I> {
    fn drop(&mut self) {
        if let Some(seat) = self.seat {
            self.core.give_up(seat, self.listener);
        }
    }
}

/// Reads the header of a connection from a trusted proxy, and not a byte behind it. `None` when there is no good one: the
/// connection is of no use then, and that is counted.
pub async fn read<I: Io>(reserved: &Reserved<I>, stream: &mut I::Stream, version: ProxyProtocol) -> Option<Told> {
    let mut header = Vec::new();
    let told = read_into(reserved, stream, version, &mut header).await;
    // Somebody who says nothing at all only wanted to know whether we are there.
    if told.is_none() && !header.is_empty() {
        Row::add(&reserved.core.link.row.proxy_refused, 1);
    }
    told
}

async fn read_into<I: Io>(
    reserved: &Reserved<I>, stream: &mut I::Stream, version: ProxyProtocol, header: &mut Vec<u8>,
) -> Option<Told> {
    let core = &*reserved.core;
    let mut timer = core.io.timer();
    let deadline = core.io.now().after(PROXY_HEADER_TIME);
    loop {
        let more = match parse(version, header) {
            Ok(Progress::Done(told, _)) => return Some(told),
            Ok(Progress::Need(more)) => more,
            Err(Malformed(_)) => return None,
        };
        // With room for no more than is asked for: what follows the header is the next reader's.
        let mut piece = Buffer::with_capacity(more + Buffer::TAILROOM);
        let count = poll_fn(|cx| {
            if let Some(seat) = reserved.seat {
                core.remember(seat, cx.waker());
            }
            if let Poll::Ready(read) = stream.poll_read(cx, &mut piece) {
                return Poll::Ready(read.ok());
            }
            if core.phase() == Phase::Cutting {
                return Poll::Ready(None);
            }
            timer.poll_at(cx, core.io.now(), deadline).map(|()| None)
        })
        .await?;
        if count == 0 {
            return None;
        }
        header.extend_from_slice(piece.data());
    }
}

fn parse(version: ProxyProtocol, header: &[u8]) -> Result<Progress, Malformed> {
    match version {
        ProxyProtocol::V1 => v1::read(header),
        ProxyProtocol::V2 => v2::read(header),
    }
}

/// For whom a connection to the endpoint of `choice` is made, where its first bytes say so: it serves nobody else then.
/// The client is the one that the log names; of one that a proxy spoke for the port is not known.
pub fn whose<I: Io>(story: &Story<I>, choice: Choice) -> Option<SocketAddr> {
    let (address, port) = story.record.client;
    let upstream = &story.plan.upstreams[choice.upstream.index()];
    upstream.proxy_protocol.map(|_| SocketAddr::new(address, port.unwrap_or(0)))
}

/// The header for a connection to the endpoint of `choice`; empty where the upstream wants none.
pub fn header<I: Io>(down: &Downstream<I>, story: &Story<I>, choice: Choice) -> Buffer {
    let Some(version) = story.plan.upstreams[choice.upstream.index()].proxy_protocol else {
        return Buffer::default();
    };
    let Some(source) = whose(story, choice) else { return Buffer::default() };
    let listener = story.plan.listeners[down.listener.index()].address;
    let destination = down.stream.local().unwrap_or(listener);
    let mut text = Vec::new();
    match version {
        ProxyProtocol::V1 => v1::write(source, destination, &mut text),
        ProxyProtocol::V2 => v2::write(source, destination, &mut text),
    }
    let mut buffer = Buffer::with_capacity(text.len());
    let fits = buffer.append(&text);
    debug_assert!(fits, "the buffer was made to hold it");
    buffer
}
