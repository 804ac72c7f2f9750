//! Clients: each a connection with a task that writes requests and one that reads answers.

use std::rc::Rc;
use std::time::Duration;

use ringway::plan::Address;
use ringway::shell::sim::World;

use super::ledger::{Mark, Outcome, Stage};
use super::line::Line;
use super::message::Reader;
use super::scenario::{Ask, Body, GATEWAY, LOCAL_TEXT, Leaving, Manner, Route, Visit};
use super::shared;
use super::tags::{self, Way};
use crate::support::wire::{Broken, Framing, Head};

/// Plays the client of the visit numbered `number`.
pub async fn play(stage: Rc<Stage>, number: usize) {
    let visit = stage.scenario.clients[number].clone();
    if visit.is_shared {
        return shared::play(stage, number).await;
    }
    stage.world.sleep(visit.at).await;
    let gateway = Address::Tcp(GATEWAY.parse().unwrap());
    match Line::connect(&stage, visit.own, &gateway).await {
        Ok(wire) => {
            stage.world.say(format_args!("client {number} is on link {}: {:?}", wire.number(), visit.asks));
            stage.visits[number].borrow_mut().connected = Some(stage.world.now());
            let talk = Rc::new(Talk { stage: Rc::clone(&stage), number, visit, wire, marks: Marks::default() });
            stage.world.spawn(write(Rc::clone(&talk)));
            talk.read().await;
            talk.marks.over.raise(1);
        }
        Err(_) => stage.visits[number].borrow_mut().is_refused = true,
    }
    stage.visits[number].borrow_mut().is_over = true;
    stage.visits_over.set(stage.visits_over.get() + 1);
}

/// One connection, as its two tasks share it.
struct Talk {
    stage: Rc<Stage>,
    number: usize,
    visit: Visit,
    wire: Line,
    marks: Marks,
}

#[derive(Default)]
struct Marks {
    /// Requests that were answered.
    answered: Mark,
    /// Requests whose body may come.
    continued: Mark,
    /// The connection is of no more use.
    over: Mark,
}

// ------------------------------------------------------------------------------------------ requests

async fn write(talk: Rc<Talk>) {
    for (position, &id) in talk.visit.asks.iter().enumerate() {
        if !talk.visit.is_pipelined {
            talk.marks.answered.reach(position as u32).await;
        }
        if talk.marks.over.get() > 0 || !talk.ask(position, id).await {
            return;
        }
    }
}

impl Talk {
    fn world(&self) -> &World {
        &self.stage.world
    }

    /// Sends a request; false when none may follow it.
    async fn ask(&self, position: usize, id: u32) -> bool {
        let ask = &self.stage.scenario.asks[id as usize];
        let head = head_of(ask, id, self.stage.scenario.settings.header_limit);
        self.stage.account(id, |account| account.begun = Some(self.world().now()));
        let mut sender = Sender { talk: self, id, manner: ask.manner, sent: 0 };
        if !sender.give(&head).await {
            return false;
        }
        self.stage.account(id, |account| account.head_sent = Some(self.world().now()));
        if ask.expects && ask.body_bytes() > 0 {
            self.await_continue(position).await;
        }
        if !self.give_body(&mut sender, ask, id).await {
            return false;
        }
        self.stage.account(id, |account| account.sent = Some(self.world().now()));
        match ask.manner {
            Manner::Finishes => self.wire.finish(),
            // A length that was cut short by nothing more than its end.
            Manner::ClosesAfter(_) => self.wire.close(),
            Manner::ResetsAfter(_) => self.wire.reset(),
            _ => return !matches!(ask.manner, Manner::StopsAfter(_) | Manner::Malformed(_)),
        }
        false
    }

    async fn give_body(&self, sender: &mut Sender<'_>, ask: &Ask, id: u32) -> bool {
        let mut start = 0;
        while start < ask.body_bytes() {
            let count = (ask.body_bytes() - start).min(PIECE) as usize;
            let payload = tags::bytes(Way::Up, id, start, count);
            let piece = match ask.body {
                Body::Chunked(_) => [format!("{count:x}\r\n").as_bytes(), &payload, b"\r\n"].concat(),
                _ => payload,
            };
            if !sender.give(&piece).await {
                return false;
            }
            if ask.manner == Manner::BreaksChunk && matches!(ask.body, Body::Chunked(_)) {
                sender.give(b"zz\r\n").await;
                return false;
            }
            start += count as u64;
        }
        !matches!(ask.body, Body::Chunked(_)) || sender.give(b"0\r\n\r\n").await
    }

    /// RFC 9110 10.1.1: a client waits for 100, but not for ever.
    async fn await_continue(&self, position: usize) {
        for _ in 0..10 {
            if self.marks.continued.get() as usize > position || self.marks.answered.get() as usize > position {
                return;
            }
            self.world().sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Sends bytes in the manner of its request.
struct Sender<'t> {
    talk: &'t Talk,
    id: u32,
    manner: Manner,
    sent: usize,
}

impl Sender<'_> {
    /// Gives `bytes` away; false when the manner, or the gateway, ends the request here.
    async fn give(&mut self, bytes: &[u8]) -> bool {
        let is_sent = match self.manner {
            Manner::Slow(most, pause) => self.give_slowly(bytes, most, pause).await,
            Manner::StopsAfter(end) | Manner::ClosesAfter(end) | Manner::ResetsAfter(end)
                if self.sent + bytes.len() > end =>
            {
                // An error here means that the gateway was first; there is nothing more to do either way.
                drop(self.talk.wire.send(&bytes[..end - self.sent]).await);
                let now = self.talk.world().now();
                self.talk.stage.account(self.id, |account| account.stopped = Some(now));
                match self.manner {
                    Manner::ClosesAfter(_) => self.talk.wire.close(),
                    Manner::ResetsAfter(_) => self.talk.wire.reset(),
                    _ => {}
                }
                false
            }
            _ => self.talk.wire.send(bytes).await.is_ok(),
        };
        self.sent += bytes.len();
        is_sent
    }

    async fn give_slowly(&self, bytes: &[u8], most: usize, pause: Duration) -> bool {
        // The whole must not take for ever; later pieces are larger.
        let most = most.max(bytes.len() / 8);
        for piece in bytes.chunks(most.max(1)) {
            self.talk.world().sleep(pause).await;
            if self.talk.wire.send(piece).await.is_err() {
                return false;
            }
        }
        true
    }
}

fn head_of(ask: &Ask, id: u32, header_limit: u64) -> Vec<u8> {
    if let Manner::Malformed(bytes) = ask.manner {
        return bytes.to_vec();
    }
    let route = match ask.route {
        Route::Main => "main",
        Route::Doubtful => "doubtful",
        Route::Local => "local",
        Route::Lost => "lost",
    };
    let version = u8::from(!ask.is_old);
    let mut head =
        format!("{} /{route}/{id} HTTP/1.{version}\r\nhost: sim.example\r\nx-exchange: {id}\r\n", ask.method);
    match ask.body {
        Body::Length(bytes) => head.push_str(&format!("content-length: {bytes}\r\n")),
        Body::Chunked(_) => head.push_str("transfer-encoding: chunked\r\n"),
        Body::None => {}
    }
    if ask.expects {
        head.push_str("expect: 100-continue\r\n");
    }
    if ask.manner == Manner::Oversized {
        head.push_str(&format!("x-large: {}\r\n", "x".repeat(header_limit as usize)));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

// ------------------------------------------------------------------------------------------ answers

/// Whether more may follow an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    More,
    Last,
}

impl Talk {
    async fn read(&self) {
        let mut reader = Reader::new(self.world().clone(), self.wire.clone(), self.visit.pace);
        for (position, &id) in self.visit.asks.iter().enumerate() {
            let after = self.answer(&mut reader, position, id).await;
            self.stage.account(id, |account| account.ended = Some(self.world().now()));
            self.marks.answered.raise(position as u32 + 1);
            if after != Some(After::More) {
                break;
            }
        }
        self.leave(&mut reader).await;
    }

    /// Reads the answer to a request; `None` when the connection is at its end.
    async fn answer(&self, reader: &mut Reader, position: usize, id: u32) -> Option<After> {
        loop {
            let head = match reader.head().await {
                Ok(head) => head,
                Err(broken) => {
                    self.note_end(id, &broken, Outcome::Closed);
                    return None;
                }
            };
            let status = status_of(&head);
            if status >= 200 {
                return self.last_answer(reader, id, &head, status).await;
            }
            self.check_interim(id, &head);
            if status == 100 {
                self.marks.continued.raise(position as u32 + 1);
            }
        }
    }

    async fn last_answer(&self, reader: &mut Reader, id: u32, head: &Head, status: u16) -> Option<After> {
        let ask = &self.stage.scenario.asks[id as usize];
        let is_origins = head.fields.has("x-exchange");
        self.check_owner(id, head, status);
        let framing = match head.fields.framing() {
            _ if self.is_bodiless(id, ask, status, is_origins) => Framing::Empty,
            Ok(Some(Framing::Chunked)) if ask.is_old => {
                self.stage.fail(id, "law one_answer: chunks for a client of HTTP/1.0");
                Framing::Chunked
            }
            Ok(Some(framing)) => framing,
            Ok(None) => Framing::UntilClose,
            Err(broken) => {
                self.note_end(id, &broken, Outcome::Closed);
                return None;
            }
        };
        let mut bytes = 0;
        let mut local = Vec::new();
        let read = reader
            .body(framing, |piece| {
                if is_origins {
                    if let Err(whose) = tags::check(Way::Down, id, bytes, piece) {
                        self.stage.fail(id, format_args!("law no_mixing: {whose}"));
                    }
                } else {
                    local.extend_from_slice(piece);
                }
                bytes += piece.len() as u64;
            })
            .await;
        if let Err(broken) = read {
            self.note_end(id, &broken, Outcome::Cut { status, is_origins });
            return None;
        }
        if !is_origins && !self.is_bodiless(id, ask, status, is_origins) {
            self.check_local(id, ask, status, &local);
        }
        let is_until_close = framing == Framing::UntilClose;
        let outcome = Outcome::Answered { status, is_origins, bytes, is_until_close };
        let outcome = if head.fields.has("x-poison") { Outcome::Poisoned } else { outcome };
        self.stage.account(id, |account| account.outcome = outcome);
        self.stage.world.say(format_args!("exchange {id}: {outcome:?}"));
        let is_last = is_last(ask, head, framing);
        self.stage.account(id, |account| account.is_last = is_last);
        Some(if is_last { After::Last } else { After::More })
    }

    /// RFC 9112 6.3: nothing follows the head. To HEAD too, once the gateway can know that it was asked so; before the
    /// head is complete and sound it answers with a body, and closes.
    fn is_bodiless(&self, id: u32, ask: &Ask, status: u16, is_origins: bool) -> bool {
        let is_known = self.stage.accounts[id as usize].borrow().head_sent.is_some()
            && !matches!(ask.manner, Manner::Malformed(_) | Manner::Oversized);
        let is_turned_away = !is_origins && matches!(status, 429 | 503);
        matches!(status, 204 | 304) || (ask.method == "HEAD" && is_known && !is_turned_away)
    }

    /// The answer is the one to this request, and of somebody who may answer it.
    fn check_owner(&self, id: u32, head: &Head, status: u16) {
        match head.fields.all("x-exchange").as_slice() {
            [] => {}
            [only] if **only == id.to_string() => {}
            others => self.stage.fail(id, format_args!("law no_mixing: the answer {status} is that of {others:?}")),
        }
    }

    fn check_interim(&self, id: u32, head: &Head) {
        self.check_owner(id, head, status_of(head));
        if self.stage.scenario.asks[id as usize].is_old {
            self.stage.fail(id, "law one_answer: an interim answer for a client of HTTP/1.0");
        }
    }

    /// What the gateway says itself is what it can say.
    fn check_local(&self, id: u32, ask: &Ask, status: u16, text: &[u8]) {
        let is_poison = text == b"poison";
        let is_fixed = ask.route == Route::Local && status == 200 && text == LOCAL_TEXT.as_bytes();
        let is_problem = status >= 400 && text.starts_with(b"{\"type\"") && text.ends_with(b"}\n");
        if !is_poison && !is_fixed && !is_problem {
            let text = String::from_utf8_lossy(text);
            self.stage.fail(id, format_args!("law one_answer: nobody can have answered {status} {text:?}"));
        }
    }

    /// Notes how the connection ended; bytes that are no message are the gateway's fault.
    fn note_end(&self, id: u32, broken: &Broken, outcome: Outcome) {
        self.stage.world.say(format_args!("exchange {id}: {broken:?}, {outcome:?}"));
        if let Broken::Malformed(what) = broken {
            self.stage.fail(id, format_args!("law one_answer: the gateway sent no HTTP: {what}"));
        }
        self.stage.visits[self.number].borrow_mut().closed = Some(self.world().now());
        self.stage.account(id, |account| account.outcome = outcome);
    }

    async fn leave(&self, reader: &mut Reader) {
        let is_closed = self.stage.visits[self.number].borrow().closed.is_some();
        if is_closed {
            return self.wire.close();
        }
        if !reader.left().is_empty() {
            let more = String::from_utf8_lossy(reader.left()).into_owned();
            self.world()
                .fail(format_args!("client {}: law one_answer: more than was asked for: {more:?}", self.number));
        }
        match self.visit.leaving {
            Leaving::Close => self.wire.close(),
            Leaving::Reset => self.wire.reset(),
            Leaving::Wait => self.await_close(reader).await,
        }
    }

    async fn await_close(&self, reader: &mut Reader) {
        self.stage.visits[self.number].borrow_mut().moved = Some(self.world().now());
        if reader.more().await.is_ok() {
            let more = String::from_utf8_lossy(reader.left()).into_owned();
            self.world().fail(format_args!("client {}: law one_answer: an answer to nothing: {more:?}", self.number));
        }
        self.stage.visits[self.number].borrow_mut().closed = Some(self.world().now());
    }
}

fn status_of(head: &Head) -> u16 {
    let words = head.start.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    words.and_then(|status| status.parse().ok()).unwrap_or(999)
}

/// RFC 9112 9.3: whether the connection persists.
fn is_last(ask: &Ask, head: &Head, framing: Framing) -> bool {
    let says = |option: &str| head.fields.all("connection").iter().any(|value| value.eq_ignore_ascii_case(option));
    framing == Framing::UntilClose || says("close") || (ask.is_old && !says("keep-alive"))
}

/// Payload that is sent at once.
const PIECE: u64 = 3000;
