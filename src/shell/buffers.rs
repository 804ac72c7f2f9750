//! One core's spare buffers and workspaces: what a connection needs while it moves bytes, given back when it rests.

use super::buffer::Buffer;
use super::work::Work;

/// Most messages fit: a head, and a body of 16 KiB behind it, in one read. Pages that no message reaches cost nothing.
pub const STANDARD_BYTES: usize = 32 * 1024;
/// For long bodies: each read and each send costs as much as copying tens of kilobytes.
pub const LARGE_BYTES: usize = 256 * 1024;
/// Spare standard buffers kept.
const STANDARD_SPARE: usize = 1024;
/// Spare large buffers kept.
const LARGE_SPARE: usize = 16;
/// Spare workspaces kept.
const WORK_SPARE: usize = 1024;

/// The spares of one core. Last in, first out: what was used last is in the cache.
#[derive(Debug, Default)]
pub struct Buffers {
    standard: Vec<Buffer>,
    large: Vec<Buffer>,
    #[expect(clippy::vec_box, reason = "a workspace moves between pool and connection; as a pointer it moves cheaply")]
    works: Vec<Box<Work>>,
}

impl Buffers {
    /// An empty buffer of [`STANDARD_BYTES`].
    pub fn standard(&mut self) -> Buffer {
        self.standard.pop().unwrap_or_else(|| Buffer::with_capacity(STANDARD_BYTES))
    }

    /// An empty buffer of [`LARGE_BYTES`].
    pub fn large(&mut self) -> Buffer {
        self.large.pop().unwrap_or_else(|| Buffer::with_capacity(LARGE_BYTES))
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

    /// Takes a buffer back. One of another size, or one too many, is freed.
    pub fn give(&mut self, mut buffer: Buffer) {
        let (spare, most) = match buffer.capacity() {
            STANDARD_BYTES => (&mut self.standard, STANDARD_SPARE),
            LARGE_BYTES => (&mut self.large, LARGE_SPARE),
            _ => return,
        };
        if spare.len() < most {
            buffer.clear();
            spare.push(buffer);
        }
    }

    /// A workspace, as it was left.
    pub fn work(&mut self) -> Box<Work> {
        self.works.pop().unwrap_or_default()
    }

    /// Takes a workspace back.
    pub fn give_work(&mut self, work: Box<Work>) {
        if self.works.len() < WORK_SPARE {
            self.works.push(work);
        }
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
    fn a_buffer_holds_what_was_asked_for() {
        let mut buffers = Buffers::default();
        for bytes in [0, 1, STANDARD_BYTES, LARGE_BYTES, 3 * LARGE_BYTES] {
            assert!(buffers.at_least(bytes).room() >= bytes, "{bytes}");
        }
    }
}
