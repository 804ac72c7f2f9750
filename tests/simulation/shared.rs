//! Clients that speak HTTP/2: `h2`'s over a simulated link. Each request is a stream, and the laws hold for each.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response};
use ringway::plan::Address;
use ringway::shell::sim::{Wire, World};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::ledger::{Mark, Outcome, Stage};
use super::message::Pace;
use super::scenario::{Ask, Body, GATEWAY, LOCAL_TEXT, Leaving, Manner, Route, Visit};
use super::tags::{self, Way};

/// A link as `h2` sees it.
pub(super) struct Link(pub(super) Wire);

impl AsyncRead for Link {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let count = ready!(self.0.poll_receive(cx, into.initialize_unfilled()))?;
        into.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Link {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_send(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.finish();
        Poll::Ready(Ok(()))
    }
}

/// Plays the client of the visit numbered `number`, which has come to its time.
pub async fn play(stage: Rc<Stage>, number: usize) {
    let visit = stage.scenario.clients[number].clone();
    stage.world.sleep(visit.at).await;
    let gateway = Address::Tcp(GATEWAY.parse().unwrap());
    match stage.world.connect(visit.own, &gateway).await {
        Ok(wire) => {
            stage.world.say(format_args!("client {number} shares link {}: {:?}", wire.number(), visit.asks));
            stage.visits[number].borrow_mut().connected = Some(stage.world.now());
            Rc::new(Talk {
                stage: Rc::clone(&stage),
                number,
                visit,
                wire,
                over: Mark::default(),
                ended: Mark::default(),
            })
            .visit()
            .await;
        }
        Err(_) => stage.visits[number].borrow_mut().is_refused = true,
    }
    stage.visits[number].borrow_mut().is_over = true;
    stage.visits_over.set(stage.visits_over.get() + 1);
}

/// The windows of the streams of visit `number`. Some are small, and fill.
pub const fn window(number: usize) -> u32 {
    if number.is_multiple_of(2) { 65_535 } else { 700 }
}

/// One connection, as the tasks of its streams share it.
struct Talk {
    stage: Rc<Stage>,
    number: usize,
    visit: Visit,
    wire: Wire,
    /// Streams that are over.
    over: Mark,
    /// The connection is.
    ended: Mark,
}

impl Talk {
    fn world(&self) -> &World {
        &self.stage.world
    }

    async fn visit(self: &Rc<Self>) {
        let mut builder = Builder::new();
        builder.initial_window_size(window(self.number));
        let Ok((requests, connection)) = builder.handshake::<_, Bytes>(Link(self.wire.clone())).await else {
            return self.note_closed();
        };
        let talk = Rc::clone(self);
        self.world().spawn(async move {
            drop(connection.await);
            talk.ended.raise(1);
        });
        for (position, &id) in self.visit.asks.iter().enumerate() {
            if !self.visit.is_pipelined {
                self.over.reach(position as u32).await;
            }
            let (talk, requests) = (Rc::clone(self), requests.clone());
            self.world().spawn(async move {
                talk.stream(id, requests).await;
                talk.stage.account(id, |account| account.ended = Some(talk.world().now()));
                talk.over.raise(talk.over.get() + 1);
            });
        }
        self.over.reach(self.visit.asks.len() as u32).await;
        self.leave(requests).await;
    }

    async fn leave(&self, requests: SendRequest<Bytes>) {
        if self.ended.get() > 0 {
            self.note_closed();
            return self.wire.close();
        }
        match self.visit.leaving {
            Leaving::Close => self.wire.close(),
            Leaving::Reset => self.wire.reset(),
            Leaving::Wait => {
                self.stage.visits[self.number].borrow_mut().moved = Some(self.world().now());
                self.ended.reach(1).await;
                self.note_closed();
            }
        }
        drop(requests);
    }

    fn note_closed(&self) {
        self.stage.visits[self.number].borrow_mut().closed = Some(self.world().now());
    }

    async fn stream(&self, id: u32, requests: SendRequest<Bytes>) {
        let ask = &self.stage.scenario.asks[id as usize];
        self.stage.account(id, |account| account.begun = Some(self.world().now()));
        let is_whole = matches!(ask.body, Body::None | Body::Length(0));
        let begun = match requests.ready().await {
            Ok(mut requests) => requests.send_request(request(ask, id, &self.stage), is_whole),
            Err(failed) => Err(failed),
        };
        let Ok((response, mut stream)) = begun else { return self.note(id, Outcome::Closed) };
        self.stage.account(id, |account| account.head_sent = Some(self.world().now()));
        if is_whole {
            self.stage.account(id, |account| account.sent = Some(self.world().now()));
        }
        // An answer may come before the request is whole.
        let (world, stage) = (self.world().clone(), Rc::clone(&self.stage));
        let (wire, sent_ask) = (self.wire.clone(), ask.clone());
        world.clone().spawn(async move { drop(give(&world, &stage, &wire, &sent_ask, id, &mut stream).await) });
        self.answer(id, ask, response).await;
    }

    async fn answer(&self, id: u32, ask: &Ask, response: ResponseFuture) {
        let Ok(response) = response.await else { return self.note(id, Outcome::Closed) };
        let status = response.status().as_u16();
        let owners: Vec<_> = response.headers().get_all("x-exchange").iter().cloned().collect();
        if owners.iter().any(|owner| owner.as_bytes() != id.to_string().as_bytes()) {
            self.stage.fail(id, format_args!("law no_mixing: the answer {status} is that of {owners:?}"));
        }
        let (is_origins, is_poison) = (!owners.is_empty(), response.headers().contains_key("x-poison"));
        let mut local = Vec::new();
        match self.body(id, response, is_origins, &mut local).await {
            Err(()) => self.note(id, Outcome::Cut { status, is_origins }),
            Ok(_) if is_poison => self.note(id, Outcome::Poisoned),
            Ok(bytes) => {
                let is_bodiless = matches!(status, 204 | 304) || ask.method == "HEAD";
                if !is_origins && !is_bodiless {
                    self.check_local(id, ask, status, &local);
                }
                self.note(id, Outcome::Answered { status, is_origins, bytes, is_until_close: false });
            }
        }
    }

    async fn body(
        &self, id: u32, response: Response<RecvStream>, is_origins: bool, local: &mut Vec<u8>,
    ) -> Result<u64, ()> {
        let mut body = response.into_body();
        let mut bytes = 0;
        if self.visit.pace == Pace::Never {
            self.ended.reach(1).await;
            return Err(());
        }
        while let Some(piece) = body.data().await {
            let piece = piece.map_err(drop)?;
            if let Pace::Slow(most, pause) = self.visit.pace {
                self.world().sleep(pause * (piece.len() / most.max(1) + 1) as u32).await;
            }
            body.flow_control().release_capacity(piece.len()).map_err(drop)?;
            if !is_origins {
                local.extend_from_slice(&piece);
            } else if let Err(whose) = tags::check(Way::Down, id, bytes, &piece) {
                self.stage.fail(id, format_args!("law no_mixing: {whose}"));
            }
            bytes += piece.len() as u64;
        }
        body.trailers().await.map_err(drop)?;
        Ok(bytes)
    }

    /// What the gateway says itself is what it can say.
    fn check_local(&self, id: u32, ask: &Ask, status: u16, text: &[u8]) {
        let is_fixed = ask.route == Route::Local && status == 200 && text == LOCAL_TEXT.as_bytes();
        let is_problem = status >= 400 && text.starts_with(b"{\"type\"") && text.ends_with(b"}\n");
        // A field list over the limit is refused before it is a request.
        let is_refusal = status == 431 && text.is_empty();
        if !is_fixed && !is_problem && !is_refusal {
            let text = String::from_utf8_lossy(text);
            self.stage.fail(id, format_args!("law one_answer: nobody can have answered {status} {text:?}"));
        }
    }

    fn note(&self, id: u32, outcome: Outcome) {
        self.world().say(format_args!("exchange {id}: {outcome:?}"));
        self.stage.account(id, |account| account.outcome = outcome);
    }
}

fn request(ask: &Ask, id: u32, stage: &Stage) -> Request<()> {
    let route = match ask.route {
        Route::Main => "main",
        Route::Doubtful => "doubtful",
        Route::Local => "local",
        Route::Lost => "lost",
    };
    let mut request = Request::builder()
        .method(ask.method)
        .uri(format!("http://sim.example/{route}/{id}"))
        .header("x-exchange", id.to_string());
    if let Body::Length(bytes) = ask.body {
        request = request.header("content-length", bytes);
    }
    if ask.expects {
        request = request.header("expect", "100-continue");
    }
    if ask.manner == Manner::Oversized {
        request = request.header("x-large", "x".repeat(stage.scenario.settings.header_limit as usize));
    }
    request.body(()).unwrap()
}

/// Sends the body in the manner of its request.
async fn give(
    world: &World, stage: &Stage, wire: &Wire, ask: &Ask, id: u32, stream: &mut SendStream<Bytes>,
) -> Result<(), h2::Error> {
    let end = match ask.manner {
        Manner::StopsAfter(end) | Manner::ClosesAfter(end) | Manner::ResetsAfter(end) => end as u64,
        _ => u64::MAX,
    };
    let most =
        if let Manner::Slow(most, _) = ask.manner { most.max(ask.body_bytes() as usize / 8).max(1) } else { 3_000 };
    let mut start = 0;
    while start < ask.body_bytes() || ask.body_bytes() == 0 {
        if start >= end {
            stop(world, stage, wire, ask, id, stream);
            return Ok(());
        }
        if matches!(ask.body, Body::None | Body::Length(0)) {
            return Ok(());
        }
        if let Manner::Slow(_, pause) = ask.manner {
            world.sleep(pause).await;
        }
        let wanted = (ask.body_bytes() - start).min(end - start).min(most as u64) as usize;
        let count = room(stream, wanted).await?;
        let is_last = start + count as u64 == ask.body_bytes();
        stream.send_data(tags::bytes(Way::Up, id, start, count).into(), is_last)?;
        start += count as u64;
        if is_last {
            stage.account(id, |account| account.sent = Some(world.now()));
            break;
        }
    }
    Ok(())
}

/// The request ends here, in its manner.
fn stop(world: &World, stage: &Stage, wire: &Wire, ask: &Ask, id: u32, stream: &mut SendStream<Bytes>) {
    stage.account(id, |account| account.stopped = Some(world.now()));
    match ask.manner {
        Manner::ClosesAfter(_) => wire.close(),
        Manner::ResetsAfter(_) => stream.send_reset(Reason::CANCEL),
        _ => {}
    }
}

/// How many of `wanted` bytes the gateway takes, at least one.
async fn room(stream: &mut SendStream<Bytes>, wanted: usize) -> Result<usize, h2::Error> {
    if wanted == 0 {
        return Ok(0);
    }
    stream.reserve_capacity(wanted);
    match poll_fn(|cx| stream.poll_capacity(cx)).await {
        Some(count) => Ok(count?.min(wanted)),
        None => Err(Reason::CANCEL.into()),
    }
}
