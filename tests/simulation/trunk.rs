//! Origins that speak HTTP/2: `h2`'s server over a simulated link. Each stream is treated as the scenario says, and the
//! laws hold for each.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response};
use ringway::shell::sim::{Wire, WireListener};
use ringway::words::time::Instant;

use super::ledger::{Seen, Stage};
use super::scenario::{Ask, Shape, Treatment};
use super::shared::Link;
use super::tags::{self, Way};

/// The smallest window of a stream.
pub const WINDOW_MIN: u32 = 500;

/// Serves all connections that come in by `listener`.
pub async fn accept(stage: Rc<Stage>, listener: WireListener) {
    while let Ok(wire) = listener.accept().await {
        stage.world.spawn(serve(Rc::clone(&stage), wire));
    }
}

/// What the streams of a connection share.
#[derive(Default)]
struct Shared {
    streams: Cell<usize>,
    /// Somebody reads an answer of it slowly: the gateway may hold a stream that is over here.
    has_slow: Cell<bool>,
    /// Since when there is none.
    idle_since: Cell<Option<Instant>>,
    /// The connection is to go away.
    is_leaving: Cell<bool>,
    task: RefCell<Option<Waker>>,
}

impl Shared {
    fn leave(&self) {
        self.is_leaving.set(true);
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }
}

async fn serve(stage: Rc<Stage>, wire: Wire) {
    let mut builder = Builder::new();
    // Some take few streams at a time, some little of a body.
    let (streams, window) =
        stage.world.draw(|random| (random.within((1, 6)), *random.pick(&[WINDOW_MIN, 9_000, 65_535])));
    builder.max_concurrent_streams(streams as u32).initial_window_size(window);
    let shared = Rc::new(Shared::default());
    if let Ok(mut connection) = builder.handshake::<_, Bytes>(Link(wire.clone())).await {
        loop {
            let next = poll_fn(|cx| {
                if shared.is_leaving.replace(false) {
                    connection.graceful_shutdown();
                }
                shared.task.replace(Some(cx.waker().clone()));
                connection.poll_accept(cx)
            });
            let Some(Ok((request, respond))) = next.await else { break };
            if stage.scenario.settings.die {
                return wire.gone().await;
            }
            if let Some(call) = Call::begin(&stage, &shared, request, respond) {
                stage.world.spawn(call.treat());
            }
        }
    }
    if let Some(since) = shared.idle_since.get() {
        stage.idles.borrow_mut().push((since, stage.world.now()));
    }
    wire.close();
}

/// One request.
struct Call {
    stage: Rc<Stage>,
    shared: Rc<Shared>,
    id: u32,
    ask: Ask,
    /// Position among the times that an origin saw it.
    time: usize,
    body: RecvStream,
    respond: SendResponse<Bytes>,
}

impl Call {
    fn begin(
        stage: &Rc<Stage>, shared: &Rc<Shared>, request: Request<RecvStream>, respond: SendResponse<Bytes>,
    ) -> Option<Self> {
        let (parts, body) = request.into_parts();
        let id = parts.headers.get("x-exchange").and_then(|id| id.to_str().ok()).and_then(|id| id.parse::<u32>().ok());
        let Some(id) = id.filter(|id| (*id as usize) < stage.accounts.len()) else {
            stage.world.fail(format_args!("law no_mixing: an origin got a request of nobody: {:?}", parts.headers));
            return None;
        };
        let ask = stage.scenario.asks[id as usize].clone();
        if parts.method != ask.method || !parts.uri.path().ends_with(&format!("/{id}")) {
            stage.fail(id, format_args!("law no_mixing: an origin got its fields with {} {}", parts.method, parts.uri));
        }
        let seen = Seen { at: stage.world.now(), whole: None, left_at: None, answered_at: None };
        let time = stage.account(id, |account| {
            account.seen.push(seen);
            account.seen.len() - 1
        });
        stage.world.say(format_args!("an origin's stream: exchange {id} {:?}", ask.treatment));
        shared.streams.set(shared.streams.get() + 1);
        shared.idle_since.set(None);
        Some(Self { stage: Rc::clone(stage), shared: Rc::clone(shared), id, ask, time, body, respond })
    }

    async fn treat(mut self) {
        let _ended: Option<()> = self.play().await;
    }

    async fn play(&mut self) -> Option<()> {
        match self.ask.treatment {
            Treatment::Early => {
                self.answer(u64::MAX, None).await?;
                self.read().await
            }
            Treatment::Refuses => {
                let refusal = Response::builder().status(413).header("x-exchange", self.id).header("content-length", 0);
                self.respond.send_response(refusal.body(()).unwrap(), true).ok()?;
                self.respond.send_reset(Reason::NO_ERROR);
                Some(())
            }
            Treatment::Closes => {
                self.respond.send_reset(Reason::INTERNAL_ERROR);
                None
            }
            treatment => {
                if self.ask.expects && !self.body.is_end_stream() {
                    self.respond.send_informational(self.interim(100)).ok()?;
                }
                self.read().await?;
                self.treat_read(treatment).await
            }
        }
    }

    async fn treat_read(&mut self, treatment: Treatment) -> Option<()> {
        match treatment {
            Treatment::Slow(pause) => self.answer(u64::MAX, Some(pause)).await,
            Treatment::ClosesAfter(pause) => {
                self.answer(u64::MAX, None).await?;
                self.stage.world.sleep(pause).await;
                self.shared.leave();
                Some(())
            }
            Treatment::Hangs => self.hang().await,
            Treatment::StopsAfter(end) => {
                self.answer(end as u64, None).await?;
                self.hang().await
            }
            Treatment::CutsAfter(end) | Treatment::ResetsAfter(end) => {
                self.answer(end as u64, None).await?;
                self.respond.send_reset(Reason::INTERNAL_ERROR);
                None
            }
            Treatment::Interims(count) => {
                for _ in 0..count {
                    self.respond.send_informational(self.interim(103)).ok()?;
                }
                self.answer(u64::MAX, None).await
            }
            _ => self.answer(u64::MAX, None).await,
        }
    }

    fn interim(&self, status: u16) -> Response<()> {
        Response::builder().status(status).header("x-exchange", self.id).body(()).unwrap()
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) {
        self.stage.account(self.id, |account| change(&mut account.seen[self.time]));
    }

    /// Reads the body and checks whose it is.
    async fn read(&mut self) -> Option<()> {
        let mut count = 0;
        while let Some(piece) = self.body.data().await {
            let piece = piece.ok()?;
            if let Err(whose) = tags::check(Way::Up, self.id, count, &piece) {
                self.stage.fail(self.id, format_args!("law no_mixing: {whose}"));
            }
            count += piece.len() as u64;
            self.body.flow_control().release_capacity(piece.len()).ok()?;
        }
        self.body.trailers().await.ok()?;
        self.note(|seen| seen.whole = Some(count));
        Some(())
    }

    /// Gives the answer away, or so many bytes of its body and no end; none at all where that is nothing.
    async fn answer(&mut self, most: u64, pause: Option<Duration>) -> Option<()> {
        let good = self.ask.answer;
        if most == 0 {
            return Some(());
        }
        for _ in 0..good.interims {
            self.respond.send_informational(self.interim(103)).ok()?;
        }
        let mut head = Response::builder().status(good.status).header("x-exchange", self.id);
        if good.framing == Shape::Length && good.status != 204 {
            head = head.header("content-length", good.bytes);
        }
        if self.ask.treatment == Treatment::Oversized {
            head = head.header("x-large", "x".repeat(self.stage.scenario.settings.header_limit as usize));
        }
        self.stage.world.sleep(pause.unwrap_or_default()).await;
        let is_bodiless = self.ask.is_bodiless() || (good.bytes == 0 && self.id.is_multiple_of(2));
        let is_whole = is_bodiless && most == u64::MAX;
        let mut stream = self.respond.send_response(head.body(()).unwrap(), is_whole).ok()?;
        if !is_bodiless {
            self.give(&mut stream, most, pause).await?;
        }
        if most == u64::MAX {
            self.note(|seen| seen.answered_at = Some(self.stage.world.now()));
        }
        Some(())
    }

    async fn give(&self, stream: &mut SendStream<Bytes>, most: u64, pause: Option<Duration>) -> Option<()> {
        let bytes = self.ask.answer.bytes;
        let end = bytes.min(most);
        let size = if pause.is_some() { end.div_ceil(4).max(1) } else { end.max(1) };
        let mut start = 0;
        while start < end {
            self.stage.world.sleep(pause.unwrap_or_default()).await;
            let room = room(stream, size.min(end - start)).await?;
            let piece = tags::bytes(Way::Down, self.id, start, room as usize);
            start += room;
            stream.send_data(piece.into(), start == bytes && most == u64::MAX && self.has_no_trailers()).ok()?;
        }
        if most == u64::MAX && (bytes == 0 || !self.has_no_trailers()) {
            // The end in a frame of its own.
            stream.send_data(Bytes::new(), true).ok()?;
        }
        Some(())
    }

    /// The end comes with the last bytes.
    fn has_no_trailers(&self) -> bool {
        !self.id.is_multiple_of(3)
    }

    /// Does nothing until the gateway gives up.
    async fn hang(&mut self) -> Option<()> {
        self.note(|seen| seen.left_at = Some(self.stage.world.now()));
        let _reset = poll_fn(|cx| self.respond.poll_reset(cx)).await;
        None
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let streams = self.shared.streams.get() - 1;
        self.shared.streams.set(streams);
        self.shared.has_slow.set(self.shared.has_slow.get() || !self.stage.scenario.is_reader_prompt(self.id));
        let is_idle = streams == 0 && !self.shared.has_slow.get();
        self.shared.idle_since.set(is_idle.then(|| self.stage.world.now()));
    }
}

/// How many of `wanted` bytes the gateway takes, at least one.
async fn room(stream: &mut SendStream<Bytes>, wanted: u64) -> Option<u64> {
    stream.reserve_capacity(wanted as usize);
    let room = poll_fn(|cx| stream.poll_capacity(cx)).await?.ok()?;
    Some((room as u64).min(wanted))
}
