//! The task of a trunk: connects, then moves its bytes until it is over, and notices when its peer is dead.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, Connection};
use h2::{Ping, PingPong};

use super::SHORT_FRAME_BYTES;
use super::adapter::{self, Adapter, Line};
use super::trunk::{CLOSED, Connecting, Trunk, Trunks};
use crate::plan::Address;
use crate::shell::buffer::Buffer;
use crate::shell::core::{Core, Phase};
use crate::shell::io::{Io, Timer};
use crate::shell::mail::Row;
use crate::shell::secure::Terms;
use crate::shell::wire::Wire;
use crate::words::fault::{Fault, Kind, Stage};
use crate::words::limits::{
    ANSWER_FIELDS_BYTES, OPEN_TIME, PING_AFTER, PING_AGAIN, PING_TIME, REMAIN_TIME, STREAM_SEND_BYTES, STREAM_WINDOW,
    TLS_CONNECT_TIME, TRUNK_PIECES_HELD, TRUNK_WINDOW,
};
use crate::words::time::Instant;

/// Where a trunk is to lead.
pub struct Destination {
    /// The endpoint.
    pub address: Address,
    /// How TLS is spoken to it, where it is.
    pub terms: Option<Terms>,
    /// How long connecting may take.
    pub time: Duration,
}

/// Connects and serves the trunk that comes of it, to its end.
pub async fn run<I: Io>(core: Rc<Core<I>>, to: Destination, mut connecting: Connecting) {
    let _counted = Counted::begin(&core);
    let is_tls = to.terms.is_some();
    let mut dialled = pin!(dial(&core, to));
    let wire = match poll_fn(|cx| match dialled.as_mut().poll(cx) {
        Poll::Pending => connecting.poll_unwanted(cx).map(|()| Err(CLOSED)),
        dialled => dialled,
    })
    .await
    {
        Ok(wire) => wire,
        Err(fault) => {
            connecting.failure = fault;
            return;
        }
    };
    Row::add(&core.link.row.connects, 1);
    let (adapter, line) = adapter::connect(&core, wire, Buffer::default());
    // Nothing is waited for here: what is written lies in the adapter's buffer.
    let Ok((sender, connection)) = builder().handshake::<_, Bytes>(adapter).await else { return };
    let (trunk, trunks) = connecting.succeed(sender, is_tls, core.io.now());
    let opens_by = core.io.now().after(OPEN_TIME);
    let mut drive = Drive::new(Rc::clone(&core), connection, line, trunk, trunks, opens_by);
    poll_fn(|cx| drive.poll(cx)).await;
}

/// Counts the task while it lives.
struct Counted<I: Io>(Rc<Core<I>>);

impl<I: Io> Counted<I> {
    fn begin(core: &Rc<Core<I>>) -> Self {
        core.trunk_begins();
        Self(Rc::clone(core))
    }
}

impl<I: Io> Drop for Counted<I> {
    fn drop(&mut self) {
        self.0.trunk_ends();
    }
}

async fn dial<I: Io>(core: &Rc<Core<I>>, to: Destination) -> Result<Wire<I::Stream>, Fault> {
    let mut timer = core.io.timer();
    let deadline = core.io.now().after(to.time);
    let mut connected = pin!(core.io.connect(&to.address));
    let stream = poll_fn(|cx| match connected.as_mut().poll(cx) {
        Poll::Ready(connected) => Poll::Ready(
            connected
                .map_err(|_| Fault::new(Kind::ConnectRefused, Stage::Select, "the endpoint cannot be connected to")),
        ),
        Poll::Pending => timer
            .poll_at(cx, core.io.now(), deadline)
            .map(|()| Err(Fault::new(Kind::ConnectTimeout, Stage::Select, "timeouts.connect is over"))),
    })
    .await?;
    let Some(terms) = to.terms else { return Ok(Wire::Plain(stream)) };
    let deadline = core.io.now().after(TLS_CONNECT_TIME);
    let late = Fault::new(Kind::TlsTimeout, Stage::Select, "the TLS handshake took too long");
    terms.shake(stream, &core.desk, |cx| timer.poll_at(cx, core.io.now(), deadline).map(|()| late)).await
}

/// How we speak to upstreams.
fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(TRUNK_WINDOW)
        .max_header_list_size(ANSWER_FIELDS_BYTES)
        .max_send_buffer_size(STREAM_SEND_BYTES)
        .data_frame_budget(SHORT_FRAME_BYTES * TRUNK_PIECES_HELD)
        // No stream before the peer has said how many it takes: those beyond would only come back.
        .initial_max_send_streams(0);
    builder
}

/// A trunk's connection, as its task holds it.
struct Drive<I: Io> {
    core: Rc<Core<I>>,
    connection: Connection<Adapter<I>, Bytes>,
    line: Line<I>,
    trunk: Rc<Trunk>,
    trunks: Trunks,
    timer: I::Timer,
    pings: Option<PingPong>,
    /// Bytes received when something was heard last, and when that was.
    heard: (u64, Instant),
    /// When the PING that is on its way left.
    pinged: Option<Instant>,
    /// No PING before this.
    rests_until: Instant,
    /// Streams were in use when this was looked at last.
    was_busy: bool,
    /// The peer takes no new streams.
    has_left: bool,
    /// Until when the peer must have said how many streams it takes.
    opens_by: Instant,
    /// Until when the ends of streams that are over are waited for.
    remains_until: Option<Instant>,
}

impl<I: Io> Drive<I> {
    fn new(
        core: Rc<Core<I>>, mut connection: Connection<Adapter<I>, Bytes>, line: Line<I>, trunk: Rc<Trunk>,
        trunks: Trunks, opens_by: Instant,
    ) -> Self {
        let now = core.io.now();
        Self {
            timer: core.io.timer(),
            pings: connection.ping_pong(),
            heard: (0, now),
            pinged: None,
            rests_until: now,
            was_busy: false,
            has_left: false,
            opens_by,
            remains_until: None,
            core,
            connection,
            line,
            trunk,
            trunks,
        }
    }

    /// Ready when the connection is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_bytes(cx).is_ready() || self.is_done_with() {
            return Poll::Ready(());
        }
        self.look(cx);
        self.look_after_remains(cx);
        let pinged = self.pinged;
        if self.poll_silence(cx).is_ready() {
            self.line.abort();
            return Poll::Ready(());
        }
        if self.pinged.is_some() && self.pinged != pinged { self.poll_bytes(cx) } else { Poll::Pending }
    }

    /// Moves bytes. `h2` first, so that all it has to say in this turn leaves in one send. Ready when the connection is
    /// over.
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let over = Pin::new(&mut self.connection).poll(cx);
        self.has_left |= match &over {
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(error)) => error.is_remote(),
            Poll::Pending => false,
        };
        let is_lost = matches!(self.line.poll_send(cx), Poll::Ready(Err(_)));
        if over.is_ready() || is_lost { Poll::Ready(()) } else { Poll::Pending }
    }

    /// True when the core ends, and nothing is left to be done here: what was said in farewell has left if it could.
    fn is_done_with(&self) -> bool {
        self.core.phase() != Phase::Serving && self.trunk.is_closed() && self.trunk.streams() == 0
    }

    /// Passes on what the peer says of new streams.
    fn look(&mut self, cx: &mut Context<'_>) {
        match self.trunk.with_sender(|sender| (sender.poll_ready(cx), sender.current_max_send_streams())) {
            // GOAWAY came, or the numbers of streams are used up.
            Some((Poll::Ready(Err(_)), _)) => {
                self.has_left = true;
                self.trunks.retire(&self.trunk);
            }
            Some((_, most)) => self.trunks.set_most(&self.trunk, most),
            None => {}
        }
    }

    /// Ready when the peer must be taken for dead.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = self.core.io.now();
        self.listen(cx, now);
        if !self.trunk.is_open() {
            return self.timer.poll_at(cx, now, self.opens_by);
        }
        if !self.was_busy {
            return Poll::Pending;
        }
        loop {
            let due = match self.pinged {
                Some(at) => at.after(PING_TIME),
                None => self.heard.1.after(PING_AFTER).max(self.rests_until),
            };
            ready!(self.timer.poll_at(cx, now, due));
            let may_ask = self.pinged.is_none();
            let Some(pings) = self.pings.as_mut().filter(|_| may_ask) else { return Poll::Ready(()) };
            if pings.send_ping(Ping::opaque()).is_err() {
                return Poll::Ready(());
            }
            self.pinged = Some(now);
        }
    }

    /// Notes what was heard.
    fn listen(&mut self, cx: &mut Context<'_>, now: Instant) {
        self.trunk.see(now);
        let is_busy = self.trunk.streams() > 0;
        let received = self.line.received();
        if received != self.heard.0 || (is_busy && !self.was_busy) {
            self.heard = (received, now);
            self.rests_until = now;
        }
        self.was_busy = is_busy;
        if self.pinged.is_some()
            && let Some(pings) = &mut self.pings
            && pings.poll_pong(cx).is_ready()
        {
            self.pinged = None;
            self.rests_until = now.after(PING_AGAIN);
        }
    }

    /// Lets go of streams that are over, and of those whose end does not come.
    fn look_after_remains(&mut self, cx: &mut Context<'_>) {
        if !self.trunk.poll_remains(cx) {
            self.remains_until = None;
            return;
        }
        let now = self.core.io.now();
        if now >= *self.remains_until.get_or_insert(now.after(REMAIN_TIME)) {
            self.trunk.end_remains();
        }
    }
}

impl<I: Io> Drop for Drive<I> {
    fn drop(&mut self) {
        // A peer that went away before it took a stream has not failed: another connection may find it again.
        if !self.trunk.is_open() && !self.has_left {
            self.trunks.fail(CLOSED);
        }
        self.trunks.retire(&self.trunk);
        self.trunk.end_remains();
    }
}
