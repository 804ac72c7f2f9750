//! Origins: one per endpoint. Each treats each request as the scenario says.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use ringway::plan::Address;
use ringway::shell::sim::{Wire, WireListener, World};
use ringway::words::time::Instant;

use super::ledger::{Reuse, Seen, Stage};
use super::line::Line;
use super::message::{Pace, Reader};
use super::scenario::{Ask, ENDPOINTS, SILENT, Shape, Treatment};
use super::tags::{self, Way};
use super::trunk;
use crate::support::wire::{Broken, Framing, Head};

/// Opens all endpoints of the scenario.
pub fn open(stage: &Rc<Stage>) {
    stage.world.silence(Address::Tcp(SILENT.parse().unwrap()));
    for endpoint in &ENDPOINTS[..stage.scenario.settings.endpoints] {
        let address = match endpoint.strip_prefix("unix:") {
            Some(path) => Address::Unix(path.into()),
            None => Address::Tcp(endpoint.trim_start_matches("http://").parse().unwrap()),
        };
        let listener = stage.world.listen(address);
        if stage.scenario.settings.has_trunks {
            stage.world.spawn(trunk::accept(Rc::clone(stage), listener));
        } else {
            stage.world.spawn(accept(Rc::clone(stage), listener));
        }
    }
}

async fn accept(stage: Rc<Stage>, listener: WireListener) {
    while let Ok(wire) = listener.accept().await {
        stage.world.spawn(serve(Rc::clone(&stage), wire));
    }
}

async fn serve(stage: Rc<Stage>, wire: Wire) {
    let shaken = if stage.scenario.settings.is_secure { Line::server(wire).await } else { Ok(Line::plain(wire)) };
    let Ok(wire) = shaken else { return };
    let reader = Reader::new(stage.world.clone(), wire.clone(), Pace::Prompt);
    let mut talk = Talk { stage, wire, reader, spoke_at: Rc::default(), asked: Rc::default(), idle_since: None };
    while talk.exchange().await.is_some() {}
    talk.wire.end().await;
}

/// One upstream connection.
struct Talk {
    stage: Rc<Stage>,
    wire: Line,
    reader: Reader,
    /// When it said something that nobody had asked for.
    spoke_at: Rc<Cell<Option<Instant>>>,
    /// Requests that have come.
    asked: Rc<Cell<u32>>,
    /// Since when nothing is to be done.
    idle_since: Option<Instant>,
}

/// A request that has come.
struct Request {
    id: u32,
    /// Position among the times that an origin saw it.
    time: usize,
    framing: Framing,
}

impl Talk {
    fn world(&self) -> &World {
        &self.stage.world
    }

    /// Takes a request and treats it; `None` when the connection is at its end.
    async fn exchange(&mut self) -> Option<()> {
        let head = match self.reader.head().await {
            Ok(head) => head,
            Err(Broken::Malformed(what)) => {
                self.world().fail(format_args!("an origin was sent no HTTP: {what}"));
                return None;
            }
            Err(_) => {
                let now = self.world().now();
                self.stage.idles.borrow_mut().extend(self.idle_since.map(|since| (since, now)));
                return None;
            }
        };
        self.asked.set(self.asked.get() + 1);
        let request = self.begin(&head)?;
        let ask = self.stage.scenario.asks[request.id as usize].clone();
        self.stage.world.say(format_args!(
            "origin on link {}: exchange {} {:?}",
            self.wire.number(),
            request.id,
            ask.treatment
        ));
        let treated = self.treat(&request, &ask).await;
        // Where a client takes its time, the gateway may still be reading.
        self.idle_since = self.stage.scenario.is_reader_prompt(request.id).then(|| self.world().now());
        treated
    }

    /// Whose request it is, and how its body comes.
    fn begin(&self, head: &Head) -> Option<Request> {
        let id = head.fields.all("x-exchange").first().and_then(|id| id.parse::<u32>().ok());
        let Some(id) = id.filter(|id| (*id as usize) < self.stage.accounts.len()) else {
            self.world().fail(format_args!("law no_mixing: an origin got a request of nobody: {head:?}"));
            return None;
        };
        let ask = &self.stage.scenario.asks[id as usize];
        if !head.start.starts_with(&format!("{} /", ask.method)) || !head.start.ends_with(&format!("/{id} HTTP/1.1")) {
            self.stage.fail(id, format_args!("law no_mixing: an origin got its fields with {:?}", head.start));
        }
        let framing = match head.fields.framing() {
            Ok(framing) => framing.unwrap_or(Framing::Empty),
            Err(broken) => {
                self.stage.fail(id, format_args!("an origin was sent no HTTP: {broken:?}"));
                return None;
            }
        };
        if let Some(spoke_at) = self.spoke_at.get() {
            let reuse = Reuse { exchange: id, spoke_at, asked_at: self.world().now() };
            self.stage.reuses.borrow_mut().push(reuse);
        }
        let seen = Seen { at: self.world().now(), whole: None, left_at: None, answered_at: None };
        let time = self.stage.account(id, |account| {
            account.seen.push(seen);
            account.seen.len() - 1
        });
        Some(Request { id, time, framing })
    }

    fn note(&self, request: &Request, change: impl FnOnce(&mut Seen)) {
        self.stage.account(request.id, |account| change(&mut account.seen[request.time]));
    }

    async fn treat(&mut self, request: &Request, ask: &Ask) -> Option<()> {
        let answer = answer_of(ask, request.id);
        match ask.treatment {
            Treatment::Early => {
                self.give(request, &answer, None).await?;
                self.body(request).await?;
            }
            Treatment::Refuses => {
                let refusal = refusal_of(request.id);
                self.give(request, &refusal, None).await?;
                return None;
            }
            Treatment::Closes => return None,
            treatment => {
                if ask.expects && request.framing != Framing::Empty {
                    self.wire
                        .send(format!("HTTP/1.1 100 Continue\r\nx-exchange: {}\r\n\r\n", request.id).as_bytes())
                        .await
                        .ok()?;
                }
                self.body(request).await?;
                self.answer(request, treatment, &answer).await?;
            }
        }
        let is_last = ask.answer.is_last || (ask.answer.framing == Shape::UntilClose && !ask.is_bodiless());
        (!is_last).then_some(())
    }

    async fn answer(&mut self, request: &Request, treatment: Treatment, answer: &[u8]) -> Option<()> {
        match treatment {
            Treatment::Slow(pause) => self.give(request, answer, Some(pause)).await,
            Treatment::ClosesAfter(pause) => {
                self.give(request, answer, None).await?;
                self.world().sleep(pause).await;
                None
            }
            Treatment::Hangs => self.hang(request).await,
            Treatment::StopsAfter(end) if end < answer.len() => {
                self.wire.send(&answer[..end]).await.ok()?;
                self.hang(request).await
            }
            Treatment::CutsAfter(end) if end < answer.len() => {
                self.wire.send(&answer[..end]).await.ok()?;
                None
            }
            Treatment::ResetsAfter(end) if end < answer.len() => {
                self.wire.send(&answer[..end]).await.ok()?;
                self.wire.reset();
                None
            }
            Treatment::Appends(more) => {
                self.spoke_at.set(Some(self.world().now()));
                self.give(request, &[answer, more].concat(), None).await?;
                // What looks like an answer may be taken for one by who asks at that moment; its own must not follow.
                (!more.starts_with(b"HTTP")).then_some(())
            }
            Treatment::Speaks(bytes, pause) => {
                self.give(request, answer, None).await?;
                let (world, wire, asked) = (self.world().clone(), self.wire.clone(), Rc::clone(&self.asked));
                let (spoke_at, before) = (Rc::clone(&self.spoke_at), asked.get());
                self.world().spawn(async move {
                    world.sleep(pause).await;
                    if asked.get() == before && wire.send(bytes).await.is_ok() {
                        spoke_at.set(Some(world.now()));
                    }
                });
                Some(())
            }
            Treatment::Oversized => {
                let field =
                    format!("x-large: {}\r\n\r\n", "x".repeat(self.stage.scenario.settings.header_limit as usize));
                let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("an answer has a head");
                self.give(request, &[&answer[..end + 2], field.as_bytes()].concat(), None).await
            }
            Treatment::Garbage(bytes) => {
                let tagged = format!("HTTP/1.1 200 OK\r\nx-exchange: {}\r\n", request.id);
                let bytes = match bytes.strip_prefix(b"HTTP/1.1 200 OK\r\n") {
                    Some(rest) => [tagged.as_bytes(), rest].concat(),
                    None => bytes.to_vec(),
                };
                self.wire.send(&bytes).await.ok()?;
                self.hang(request).await
            }
            Treatment::Interims(count) => {
                self.wire.send(interims(request.id, count).as_bytes()).await.ok()?;
                self.give(request, answer, None).await
            }
            _ => self.give(request, answer, None).await,
        }
    }

    /// Gives a whole answer away, with a pause before each of its pieces.
    async fn give(&self, request: &Request, answer: &[u8], pause: Option<Duration>) -> Option<()> {
        let size = if pause.is_some() { answer.len().div_ceil(4) } else { answer.len() };
        for piece in answer.chunks(size) {
            self.world().sleep(pause.unwrap_or_default()).await;
            self.wire.send(piece).await.ok()?;
        }
        self.note(request, |seen| seen.answered_at = Some(self.stage.world.now()));
        Some(())
    }

    /// Does nothing until the gateway gives up.
    async fn hang(&mut self, request: &Request) -> Option<()> {
        self.note(request, |seen| seen.left_at = Some(self.stage.world.now()));
        while self.reader.more().await.is_ok() {}
        None
    }

    /// Reads the body and checks whose it is.
    async fn body(&mut self, request: &Request) -> Option<()> {
        let stage = Rc::clone(&self.stage);
        let mut count = 0;
        let read = self
            .reader
            .body(request.framing, |piece| {
                if let Err(whose) = tags::check(Way::Up, request.id, count, piece) {
                    stage.fail(request.id, format_args!("law no_mixing: {whose}"));
                }
                count += piece.len() as u64;
            })
            .await;
        if let Err(broken) = read {
            if let Broken::Malformed(what) = broken {
                self.stage.fail(request.id, format_args!("an origin was sent no HTTP: {what}"));
            }
            return None;
        }
        self.note(request, |seen| seen.whole = Some(count));
        Some(())
    }
}

fn answer_of(ask: &Ask, id: u32) -> Vec<u8> {
    let good = ask.answer;
    let mut head = interims(id, good.interims);
    head.push_str(&format!("HTTP/1.1 {} Simulated\r\nx-exchange: {id}\r\n", good.status));
    match good.framing {
        _ if good.status == 204 => {}
        Shape::Length => head.push_str(&format!("content-length: {}\r\n", good.bytes)),
        Shape::Chunked => head.push_str("transfer-encoding: chunked\r\n"),
        Shape::UntilClose => {}
    }
    if good.is_last {
        head.push_str("connection: close\r\n");
    }
    head.push_str("\r\n");
    let mut answer = head.into_bytes();
    if !ask.is_bodiless() {
        write_body(&mut answer, good.framing, &tags::bytes(Way::Down, id, 0, good.bytes as usize));
    }
    answer
}

fn write_body(answer: &mut Vec<u8>, shape: Shape, payload: &[u8]) {
    if shape != Shape::Chunked {
        answer.extend_from_slice(payload);
        return;
    }
    for chunk in payload.chunks(payload.len().div_ceil(3).max(1)) {
        answer.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        answer.extend_from_slice(chunk);
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"0\r\n\r\n");
}

fn refusal_of(id: u32) -> Vec<u8> {
    format!("HTTP/1.1 413 Refused\r\nx-exchange: {id}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes()
}

fn interims(id: u32, count: u32) -> String {
    format!("HTTP/1.1 103 Early Hints\r\nx-exchange: {id}\r\n\r\n").repeat(count as usize)
}
