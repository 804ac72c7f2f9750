//! The bytes of a TLS connection: records received and opened, sealed and sent.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use rustls::AlertDescription;

use super::record::{DATA, OVERHEAD_BYTES, PLAIN_BYTES};
use super::talk::Event;
use super::{State, TlsStream};
use crate::shell::buffer::Buffer;
use crate::shell::buffers::STANDARD_BYTES;
use crate::shell::io::Stream;
use crate::shell::mail::Row;

impl<S: Stream> TlsStream<S> {
    /// Sends what is sealed. Ready when all of it is sent.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stream.is_writing() || !self.outbound.is_empty() {
            ready!(self.stream.poll_write(cx, &mut self.outbound))?;
        }
        if self.outbound.capacity() > 0 {
            self.desk.give(std::mem::take(&mut self.outbound));
        }
        if std::mem::take(&mut self.is_closing) {
            self.stream.shut_write();
        }
        Poll::Ready(Ok(()))
    }

    /// Receives more, and says how much; 0 is an end that the peer did not announce.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(self.stream.poll_readable(cx));
        if !self.make_room() {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let read = self.stream.poll_read(cx, &mut self.inbound);
        self.is_flowing = self.inbound.room() == 0;
        self.settle();
        read
    }

    /// Makes room to receive into; false when a handshake message is longer than any may be.
    fn make_room(&mut self) -> bool {
        if self.inbound.capacity() == 0 {
            self.inbound = self.desk.buffer(self.is_flowing);
        }
        self.inbound.compact();
        if self.inbound.room() > 0 {
            return true;
        }
        if self.inbound.capacity() > STANDARD_BYTES {
            return false;
        }
        let mut larger = self.desk.buffer(true);
        let has_moved = larger.append(self.inbound.data());
        debug_assert!(has_moved, "a larger buffer holds what a smaller one held");
        self.desk.give(std::mem::replace(&mut self.inbound, larger));
        true
    }

    /// Gives the receive buffer back when nothing is in it.
    pub(super) fn settle(&mut self) {
        if self.plain == 0 && self.husk > 0 {
            self.inbound.consume(std::mem::take(&mut self.husk));
        }
        if self.inbound.is_empty() && self.inbound.capacity() > 0 {
            self.desk.give(std::mem::take(&mut self.inbound));
        }
    }

    /// True when there is something to read: opened bytes, the end, or a failure. Opens what is whole until there is.
    fn has_news(&mut self) -> bool {
        while self.plain == 0 {
            let State::Talking(talk) = &mut self.state else { return true };
            let whole = match talk.open.front(self.inbound.data()) {
                Ok(Some(whole)) => whole,
                Ok(None) => return false,
                Err(alert) => {
                    self.fail(alert);
                    return true;
                }
            };
            let record = &mut self.inbound.data_mut()[..whole];
            let heard = talk.open.open_in_place(record).and_then(|opened| {
                let payload = &record[opened.start..opened.start + opened.length];
                talk.hear(opened.kind, payload).map(|event| (event, opened))
            });
            match heard {
                Ok((Event::Data, opened)) => {
                    self.inbound.consume(opened.start);
                    (self.plain, self.husk) = (opened.length, whole - opened.start - opened.length);
                }
                Ok((event, _)) => self.heard(event, whole),
                Err(alert) => self.fail(alert),
            }
        }
        true
    }

    /// Goes on behind a record of `whole` bytes.
    fn heard(&mut self, event: Event, whole: usize) {
        self.inbound.consume(whole);
        match event {
            Event::Data | Event::Nothing => self.settle(),
            Event::Closed => {
                let broken = State::Broken(io::ErrorKind::NotConnected);
                if let State::Talking(talk) = std::mem::replace(&mut self.state, broken) {
                    self.state = State::Ended(talk);
                }
                // RFC 8446 6.1: what comes behind means nothing.
                self.forget();
            }
            Event::Alerted => {
                Row::add(&self.desk.row().tls_broken, 1);
                self.break_off(io::ErrorKind::ConnectionAborted);
            }
        }
    }

    /// Gives up, and tells the peer why.
    fn fail(&mut self, alert: AlertDescription) {
        Row::add(&self.desk.row().tls_broken, 1);
        self.say(alert);
        self.break_off(io::ErrorKind::InvalidData);
    }

    /// Ends the connection with `alert`.
    pub fn refuse(&mut self, alert: AlertDescription) {
        self.say(alert);
        self.break_off(io::ErrorKind::ConnectionAborted);
    }

    /// Nothing is read or sealed any more.
    fn break_off(&mut self, kind: io::ErrorKind) {
        self.state = State::Broken(kind);
        self.forget();
    }

    /// Drops what was received.
    fn forget(&mut self) {
        (self.plain, self.husk) = (0, 0);
        self.inbound.clear();
        self.settle();
    }

    /// Sends an alert behind all that was sealed, as far as the socket takes it now.
    fn say(&mut self, alert: AlertDescription) {
        if std::mem::replace(&mut self.is_over, true) || self.stream.is_writing() {
            return;
        }
        let (State::Talking(talk) | State::Ended(talk)) = &mut self.state else { return };
        if self.outbound.capacity() == 0 {
            self.outbound = self.desk.buffer(false);
        }
        let room = self.outbound.free_mut();
        if room.len() >= OVERHEAD_BYTES + 2
            && let Ok(count) = talk.say(alert, room)
        {
            self.outbound.commit(count);
        }
        // Nobody waits for it; what does not go now goes with the next poll, if there is one.
        if self.stream.try_write(&mut self.outbound).is_ok() && self.outbound.is_empty() {
            let mut cx = Context::from_waker(Waker::noop());
            let _: Poll<io::Result<()>> = self.poll_flush(&mut cx);
        }
    }

    /// Moves opened bytes into `into`, and says how many. Whole records are opened right there as long as they fit.
    fn take(&mut self, into: &mut Buffer) -> usize {
        let before = into.len();
        while into.room() > 0 {
            if self.plain > 0 {
                let count = self.plain.min(into.room());
                into.free_mut()[..count].copy_from_slice(&self.inbound.data()[..count]);
                into.commit(count);
                self.inbound.consume(count);
                self.plain -= count;
                self.settle();
                continue;
            }
            let State::Talking(talk) = &mut self.state else { break };
            let Ok(Some(whole)) = talk.open.front(self.inbound.data()) else { break };
            if talk.open.room_for(whole) > into.room() {
                if self.has_news() {
                    continue;
                }
                break;
            }
            let out = into.free_mut();
            let heard = talk
                .open
                .open_into(&self.inbound.data()[..whole], out)
                .and_then(|opened| talk.hear(opened.kind, &out[..opened.length]).map(|event| (event, opened.length)));
            match heard {
                Ok((event, length)) => {
                    if event == Event::Data {
                        into.commit(length);
                    }
                    self.heard(event, whole);
                }
                Err(alert) => self.fail(alert),
            }
        }
        into.len() - before
    }

    /// Reads what is there into `into`; `None` when more must be received first.
    fn read_now(&mut self, into: &mut Buffer) -> Option<io::Result<usize>> {
        debug_assert!(into.room() > 0, "a read needs room");
        loop {
            let count = self.take(into);
            if count > 0 {
                return Some(Ok(count));
            }
            if !self.has_news() {
                return None;
            }
            if self.plain == 0 {
                return Some(match self.state {
                    State::Ended(_) => Ok(0),
                    State::Broken(kind) => Err(kind.into()),
                    State::Shaking(_) | State::Talking(_) => Err(io::ErrorKind::NotConnected.into()),
                });
            }
        }
    }

    /// Goes on after receiving; an end that was not announced may be anybody's, and what came before it cut short
    /// (RFC 8446 6.1).
    fn received(&mut self, read: io::Result<usize>) {
        match read {
            Ok(count) if count > 0 => {}
            Ok(_) => self.break_off(io::ErrorKind::UnexpectedEof),
            Err(error) => self.break_off(error.kind()),
        }
    }

    /// Seals as much of `bytes` as one flight takes behind what is sealed already, and says how much that is.
    fn seal(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (State::Talking(talk) | State::Ended(talk)) = &mut self.state else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.outbound.capacity() == 0 {
            let records = bytes.len().div_ceil(PLAIN_BYTES);
            let needed = bytes.len() + (records + 1) * OVERHEAD_BYTES + Buffer::HEADROOM + Buffer::TAILROOM;
            self.outbound = self.desk.buffer(needed > STANDARD_BYTES);
        }
        let mut sealed = 0;
        while sealed < bytes.len() {
            let piece = &bytes[sealed..bytes.len().min(sealed + PLAIN_BYTES)];
            let room = self.outbound.free_mut();
            // A change of keys may have to go before the record.
            if room.len() < piece.len() + 2 * OVERHEAD_BYTES {
                break;
            }
            let count = if talk.must_update() {
                talk.update(room)
            } else {
                sealed += piece.len();
                talk.seal.seal(DATA, piece, room)
            };
            self.outbound.commit(count.map_err(|_| io::Error::from(io::ErrorKind::ConnectionAborted))?);
        }
        Ok(sealed)
    }

    fn poll_write_all<T: Source>(&mut self, cx: &mut Context<'_>, from: &mut T) -> Poll<io::Result<()>> {
        loop {
            if self.stream.is_writing() {
                ready!(self.poll_flush(cx))?;
            }
            let sealed = self.seal(from.bytes())?;
            if self.outbound.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let whole = self.outbound.len();
            let flushed = self.poll_flush(cx);
            if matches!(flushed, Poll::Ready(Err(_))) && self.outbound.len() == whole {
                // A socket that fails has taken nothing, so nothing is gone from where it can be sent again.
                return flushed;
            }
            from.consume(sealed);
            ready!(flushed)?;
        }
    }
}

impl<S: Stream> Stream for TlsStream<S> {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_closing && matches!(self.poll_flush(cx), Poll::Ready(Err(_))) {
            self.is_closing = false;
        }
        if matches!(self.state, State::Shaking(_)) {
            return self.stream.poll_readable(cx);
        }
        // What is no data is dealt with here: a ticket that comes while a connection rests is no news to anybody.
        while !self.has_news() {
            let read = ready!(self.poll_fill(cx));
            self.received(read);
        }
        Poll::Ready(())
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut Buffer) -> Poll<io::Result<usize>> {
        loop {
            if let Some(read) = self.read_now(into) {
                return Poll::Ready(read);
            }
            let read = ready!(self.poll_fill(cx));
            self.received(read);
        }
    }

    fn try_read(&mut self, into: &mut Buffer) -> io::Result<usize> {
        loop {
            if let Some(read) = self.read_now(into) {
                return read;
            }
            if !self.make_room() {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let read = self.stream.try_read(&mut self.inbound);
            self.settle();
            if matches!(&read, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
                return read;
            }
            self.received(read);
        }
    }

    fn local(&self) -> Option<SocketAddr> {
        self.stream.local()
    }

    fn is_writing(&self) -> bool {
        self.stream.is_writing() || !self.outbound.is_empty()
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, from: &mut Buffer) -> Poll<io::Result<()>> {
        self.poll_write_all(cx, from)
    }

    fn poll_write_bytes(&mut self, cx: &mut Context<'_>, from: &mut Bytes) -> Poll<io::Result<()>> {
        self.poll_write_all(cx, from)
    }

    fn take_progress(&mut self) -> u64 {
        self.stream.take_progress()
    }

    /// RFC 8446 6.1: the end is announced, then it is there.
    fn shut_write(&mut self) {
        self.is_closing = true;
        self.say(AlertDescription::CloseNotify);
    }

    fn abort(&mut self) {
        self.is_over = true;
        self.break_off(io::ErrorKind::ConnectionAborted);
        self.stream.abort();
    }
}

impl<S: Stream> Drop for TlsStream<S> {
    fn drop(&mut self) {
        self.say(AlertDescription::CloseNotify);
        self.desk.give(std::mem::take(&mut self.inbound));
        self.desk.give(std::mem::take(&mut self.outbound));
    }
}

/// What can be written from.
trait Source {
    fn bytes(&self) -> &[u8];
    fn consume(&mut self, count: usize);
}

impl Source for Buffer {
    fn bytes(&self) -> &[u8] {
        self.data()
    }

    fn consume(&mut self, count: usize) {
        Self::consume(self, count);
    }
}

impl Source for Bytes {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn consume(&mut self, count: usize) {
        self.advance(count);
    }
}
