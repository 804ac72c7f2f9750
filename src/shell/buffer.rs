//! Owned byte buffers with room in front, so that a head can be written before a body that is already there.

/// Bytes `start..end` of a fixed allocation hold data; before them is headroom, behind them free space.
#[derive(Debug, Default)]
pub struct Buffer {
    /// The allocation; always fully initialised.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Where the data of an empty buffer begins.
    front: usize,
}

impl Buffer {
    /// Room left in front of fresh buffers: a re-written head or a chunk header fits there.
    pub const HEADROOM: usize = 1024;

    /// Room kept free behind what is read: the end of a chunk and the last chunk fit there.
    pub const TAILROOM: usize = 16;

    /// A buffer of `capacity` bytes, [`Buffer::HEADROOM`] of them in front.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        let front = Self::HEADROOM.min(capacity / 2);
        Self { bytes: vec![0; capacity], start: front, end: front, front }
    }

    /// A buffer of `capacity` bytes, none of them in front.
    #[must_use]
    pub fn without_headroom(capacity: usize) -> Self {
        Self { bytes: vec![0; capacity], start: 0, end: 0, front: 0 }
    }

    /// Bytes allocated.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of data.
    #[must_use]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// True when there is no data.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Bytes free behind the data, [`Buffer::TAILROOM`] aside.
    #[must_use]
    pub fn room(&self) -> usize {
        (self.bytes.len() - self.end).saturating_sub(Self::TAILROOM)
    }

    /// The data.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The data, to be changed in place.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// The free space behind the data; say with [`Buffer::commit`] how much was filled.
    pub fn free_mut(&mut self) -> &mut [u8] {
        let room = self.room();
        &mut self.bytes[self.end..self.end + room]
    }

    /// Counts `count` bytes of the free space as data.
    ///
    /// # Panics
    /// When there is less free space.
    pub fn commit(&mut self, count: usize) {
        assert!(count <= self.room(), "a reader may not fill more than it was given");
        self.end += count;
    }

    /// Drops `count` bytes from the front of the data.
    ///
    /// # Panics
    /// When there is less data.
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "no more than the data can be consumed");
        self.start += count;
    }

    /// Drops all data behind the first `count` bytes of it.
    pub fn truncate(&mut self, count: usize) {
        self.end = self.end.min(self.start + count);
    }

    /// Drops all data; the headroom is whole again.
    pub fn clear(&mut self) {
        self.start = self.front;
        self.end = self.front;
    }

    /// Moves the data to where it was in a fresh buffer, so that all room is behind it.
    pub fn compact(&mut self) {
        if self.start > self.front {
            self.bytes.copy_within(self.start..self.end, self.front);
            self.end -= self.start - self.front;
            self.start = self.front;
        }
    }

    /// Puts `head` directly before the data; false when the headroom is too small, and nothing has changed.
    pub fn prepend(&mut self, head: &[u8]) -> bool {
        if head.len() > self.start {
            return false;
        }
        self.start -= head.len();
        self.bytes[self.start..self.start + head.len()].copy_from_slice(head);
        true
    }

    /// Appends `more`, in the tail room too; false when there is no room, and nothing has changed.
    pub fn append(&mut self, more: &[u8]) -> bool {
        if more.len() > self.bytes.len() - self.end {
            return false;
        }
        self.bytes[self.end..self.end + more.len()].copy_from_slice(more);
        self.end += more.len();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_goes_before_a_body_that_is_there() {
        let mut buffer = Buffer::with_capacity(4096);
        assert!(buffer.append(b"old head|body"));
        buffer.consume(9);
        assert!(buffer.prepend(b"a much longer new head|"));
        assert_eq!(buffer.data(), b"a much longer new head|body");
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let mut buffer = Buffer::with_capacity(64);
        assert!(!buffer.append(&[0; 33]));
        assert!(!buffer.prepend(&[0; 33]));
        assert!(buffer.is_empty());
        assert_eq!(buffer.room(), 32 - Buffer::TAILROOM);
    }

    #[test]
    fn compacting_keeps_the_data_and_gives_the_room_back() {
        let mut buffer = Buffer::with_capacity(4096);
        assert!(buffer.append(b"used|kept"));
        let room = buffer.room();
        buffer.consume(5);
        buffer.compact();
        assert_eq!((buffer.data(), buffer.room()), (&b"kept"[..], room + 5));
    }
}
