//! One core's spare buffers and workspaces: what a connection needs while it moves bytes, given back when it rests.

use super::buffer::Buffer;
use super::work::Work;

/// Most messages fit: a head, and a body of 16 KiB behind it, in one read. Pages that no message reaches cost nothing.
pub const STANDARD_BYTES: usize = 32 * 1024;
/// What a connection keeps of a usual head while it waits for the upstream. Not a power of two: a thousand of those in
/// flight would fight for a few sets of the processor's caches.
pub const SMALL_BYTES: usize = 1280;
/// For long bodies: each read and each send costs as much as copying tens of kilobytes.
pub const LARGE_BYTES: usize = 256 * 1024;
/// Spare small buffers kept.
const SMALL_SPARE: usize = 4096;
/// Spare standard buffers kept.
const STANDARD_SPARE: usize = 1024;
/// Spare large buffers kept.
const LARGE_SPARE: usize = 16;
/// Spare workspaces kept.
const WORK_SPARE: usize = 1024;

/// The spares of one core.
#[derive(Debug, Default)]
pub struct Buffers {
    small: Spares<Buffer>,
    standard: Spares<Buffer>,
    large: Spares<Buffer>,
    works: Spares<Box<Work>>,
}

/// Last in, first out: what was used last is in the cache.
#[derive(Debug)]
pub struct Spares<T> {
    spares: Vec<T>,
    /// Fewest spares there were since the last trim: so many were not needed.
    fewest: usize,
}

impl<T> Default for Spares<T> {
    fn default() -> Self {
        Self { spares: Vec::new(), fewest: 0 }
    }
}

impl<T> Spares<T> {
    /// One, if there is any.
    pub fn take(&mut self) -> Option<T> {
        let taken = self.spares.pop();
        self.fewest = self.fewest.min(self.spares.len());
        taken
    }

    /// Takes one back; frees it when there are `most` already.
    pub fn give(&mut self, spare: T, most: usize) {
        if self.spares.len() < most {
            self.spares.push(spare);
        }
    }

    /// Frees those that were not needed since the last call, and says how many those are.
    pub fn trim(&mut self) -> usize {
        // Those at the bottom are the ones that nobody reached.
        let freed = self.spares.drain(..self.fewest).count();
        self.fewest = self.spares.len();
        freed
    }
}

impl Buffers {
    /// An empty buffer of [`SMALL_BYTES`], all of them room.
    pub fn small(&mut self) -> Buffer {
        self.small.take().unwrap_or_else(|| Buffer::with_capacity(SMALL_BYTES))
    }

    /// An empty buffer of [`STANDARD_BYTES`].
    pub fn standard(&mut self) -> Buffer {
        self.standard.take().unwrap_or_else(|| Buffer::with_capacity(STANDARD_BYTES))
    }

    /// An empty buffer of [`LARGE_BYTES`].
    pub fn large(&mut self) -> Buffer {
        self.large.take().unwrap_or_else(|| Buffer::with_capacity(LARGE_BYTES))
    }

    /// An empty buffer with room for at least `bytes` behind its headroom.
    pub fn at_least(&mut self, bytes: usize) -> Buffer {
        let needed = bytes + Buffer::HEADROOM + Buffer::TAILROOM;
        if needed <= STANDARD_BYTES {
            self.standard()
        } else if needed <= LARGE_BYTES {
            self.large()
        } else {
            Buffer::with_capacity(needed)
        }
    }

    /// A buffer that holds `bytes`.
    pub fn holding(&mut self, bytes: &[u8]) -> Buffer {
        self.holding_both(bytes, &[])
    }

    /// Keeps what is in `buffer` in no more memory than it needs.
    pub fn tighten(&mut self, buffer: &mut Buffer) {
        let needed = buffer.len() + Buffer::TAILROOM;
        if buffer.capacity() > needed {
            let mut exact = Buffer::without_headroom(needed);
            let is_whole = exact.append(buffer.data());
            debug_assert!(is_whole, "the buffer was made to hold it");
            self.give(std::mem::replace(buffer, exact));
        }
    }

    /// Puts `head` in front of what is in `buffer`: in its headroom, or else both into a larger one.
    pub fn put_before(&mut self, buffer: &mut Buffer, head: &[u8]) {
        if !buffer.prepend(head) {
            let larger = self.holding_both(head, buffer.data());
            self.give(std::mem::replace(buffer, larger));
        }
    }

    fn holding_both(&mut self, first: &[u8], second: &[u8]) -> Buffer {
        let mut buffer = self.at_least(first.len() + second.len());
        let fits = buffer.append(first) && buffer.append(second);
        debug_assert!(fits, "the buffer was taken to hold them");
        buffer
    }

    /// Takes a buffer back. One of another size, or one too many, is freed.
    pub fn give(&mut self, mut buffer: Buffer) {
        buffer.clear();
        match buffer.capacity() {
            SMALL_BYTES => self.small.give(buffer, SMALL_SPARE),
            STANDARD_BYTES => self.standard.give(buffer, STANDARD_SPARE),
            LARGE_BYTES => self.large.give(buffer, LARGE_SPARE),
            _ => {}
        }
    }

    /// A workspace, as it was left.
    pub fn work(&mut self) -> Box<Work> {
        self.works.take().unwrap_or_default()
    }

    /// Takes a workspace back.
    pub fn give_work(&mut self, work: Box<Work>) {
        self.works.give(work, WORK_SPARE);
    }

    /// Frees what was not needed since the last call, and says how many spares that were: a rush does not hold its
    /// memory for ever.
    pub fn trim(&mut self) -> usize {
        self.small.trim() + self.standard.trim() + self.large.trim() + self.works.trim()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spares_come_back_empty_and_odd_sizes_are_freed() {
        let mut buffers = Buffers::default();
        let mut buffer = buffers.standard();
        assert!(buffer.append(b"secret"));
        buffers.give(buffer);
        buffers.give(Buffer::with_capacity(100));
        assert!(buffers.standard().is_empty());
        assert_eq!(buffers.standard().capacity(), STANDARD_BYTES);
    }

    #[test]
    fn spares_that_nobody_needs_are_freed_and_those_in_use_stay() {
        let mut buffers = Buffers::default();
        let rush: Vec<_> = (0..8).map(|_| buffers.standard()).collect();
        rush.into_iter().for_each(|buffer| buffers.give(buffer));
        buffers.trim();
        let (one, two) = (buffers.standard(), buffers.standard());
        buffers.give(one);
        buffers.give(two);
        buffers.trim();
        assert_eq!(buffers.standard.spares.len(), 2);
        buffers.trim();
        assert!(buffers.standard.spares.is_empty());
    }

    #[test]
    fn a_buffer_holds_what_was_asked_for() {
        let mut buffers = Buffers::default();
        for bytes in [0, 1, STANDARD_BYTES, LARGE_BYTES, 3 * LARGE_BYTES] {
            assert!(buffers.at_least(bytes).room() >= bytes, "{bytes}");
        }
    }
}
