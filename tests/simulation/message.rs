//! HTTP/1.1 as the simulated actors read it: as strict as `support::wire`, over a simulated wire.

use std::time::Duration;

use ringway::shell::sim::World;

use super::line::Line;
use crate::support::wire::{Broken, Fields, Framing, Head, field};

/// How fast an actor reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// All that is there, at once.
    Prompt,
    /// At most so many bytes, then a pause.
    Slow(usize, Duration),
    /// Nothing at all.
    Never,
}

/// Reads messages from a wire.
pub struct Reader {
    wire: Line,
    world: World,
    pace: Pace,
    received: Vec<u8>,
}

impl Reader {
    pub fn new(world: World, wire: Line, pace: Pace) -> Self {
        Self { wire, world, pace, received: Vec::new() }
    }

    /// Bytes that no message has taken yet.
    pub fn left(&self) -> &[u8] {
        &self.received
    }

    /// Takes what no message has taken.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.received)
    }

    /// Receives something.
    pub async fn more(&mut self) -> Result<(), Broken> {
        let most = match self.pace {
            Pace::Prompt => 16 * 1024,
            Pace::Slow(most, pause) => {
                self.world.sleep(pause).await;
                most
            }
            Pace::Never => {
                self.wire.gone().await;
                return Err(Broken::Silent);
            }
        };
        let is_fresh = self.received.is_empty();
        match self.wire.receive(&mut self.received, most).await {
            Ok(0) if is_fresh => Err(Broken::Closed),
            Ok(0) => Err(Broken::Cut),
            Ok(_) => Ok(()),
            Err(_) if is_fresh => Err(Broken::Reset),
            Err(_) => Err(Broken::Cut),
        }
    }

    /// A start line and its fields.
    pub async fn head(&mut self) -> Result<Head, Broken> {
        let end = loop {
            if let Some(at) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            self.more().await?;
        };
        let head: Vec<u8> = self.received.drain(..end + 4).collect();
        let mut lines = lines(&head[..end])?.into_iter();
        let start = lines.next().unwrap_or_default();
        Ok(Head { start, fields: Fields(lines.map(|line| field(&line)).collect::<Result<_, _>>()?) })
    }

    /// A body; `take` gets its bytes as they come.
    pub async fn body(&mut self, framing: Framing, mut take: impl FnMut(&[u8])) -> Result<(), Broken> {
        let read = match framing {
            Framing::Empty => Ok(()),
            Framing::Length(length) => self.count(length, &mut take).await,
            Framing::Chunked => self.chunks(&mut take).await,
            Framing::UntilClose => self.rest(&mut take).await,
        };
        read.map_err(|broken| if matches!(broken, Broken::Closed | Broken::Reset) { Broken::Cut } else { broken })
    }

    async fn count(&mut self, mut left: u64, take: &mut impl FnMut(&[u8])) -> Result<(), Broken> {
        while left > 0 {
            if self.received.is_empty() {
                self.more().await?;
            }
            let count = self.received.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            take(&self.received[..count]);
            self.received.drain(..count);
            left -= count as u64;
        }
        Ok(())
    }

    async fn chunks(&mut self, take: &mut impl FnMut(&[u8])) -> Result<(), Broken> {
        loop {
            let line = self.line().await?;
            let size = u64::from_str_radix(&line, 16).map_err(|_| Broken::Malformed(format!("chunk size {line:?}")))?;
            if size == 0 {
                break;
            }
            self.count(size, take).await?;
            if !self.line().await?.is_empty() {
                return Err(Broken::Malformed("no CRLF behind a chunk".to_owned()));
            }
        }
        while !self.line().await?.is_empty() {}
        Ok(())
    }

    async fn rest(&mut self, take: &mut impl FnMut(&[u8])) -> Result<(), Broken> {
        loop {
            take(&self.received);
            self.received.clear();
            match self.more().await {
                Ok(()) => {}
                Err(Broken::Closed) => return Ok(()),
                Err(broken) => return Err(broken),
            }
        }
    }

    async fn line(&mut self) -> Result<String, Broken> {
        loop {
            if let Some(at) = self.received.windows(2).position(|window| window == b"\r\n") {
                let line: Vec<u8> = self.received.drain(..at + 2).collect();
                return Ok(lines(&line[..at])?.swap_remove(0));
            }
            self.more().await?;
        }
    }
}

/// The lines of `text`, which only CRLF ends; every byte as the character of the same number.
fn lines(text: &[u8]) -> Result<Vec<String>, Broken> {
    let text: String = text.iter().map(|byte| char::from(*byte)).collect();
    let lines: Vec<String> = text.split("\r\n").map(str::to_owned).collect();
    match lines.iter().find(|line| line.contains(['\r', '\n'])) {
        Some(line) => Err(Broken::Malformed(format!("a bare CR or LF in {line:?}"))),
        None => Ok(lines),
    }
}
