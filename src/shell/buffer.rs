//! Owned byte buffers with room in front, so that a head can be written before a body that is already there.

/// Bytes `start..end` of a fixed allocation hold data; before them is headroom, behind them free space.
#[derive(Debug, Default)]
pub struct Buffer {
    /// The allocation; always fully initialised.
    bytes: Box<[u8]>,
    /// Half as wide as they could be: a connection at rest holds two buffers without an allocation.
    start: u32,
    end: u32,
}

impl Buffer {
    /// Room left in front of fresh buffers: a re-written head or a chunk header fits there.
    pub const HEADROOM: usize = 1024;

    /// Room kept free behind what is read: the end of a chunk and the last chunk fit there.
    pub const TAILROOM: usize = 16;

    /// A buffer of `capacity` bytes, [`Buffer::HEADROOM`] of them in front if that is less than half of it.
    ///
    /// # Panics
    /// When that is 4 GiB or more.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        assert!(u32::try_from(capacity).is_ok(), "no buffer is as large as 4 GiB");
        let mut buffer = Self { bytes: vec![0; capacity].into_boxed_slice(), start: 0, end: 0 };
        buffer.clear();
        buffer
    }

    /// A buffer of `capacity` bytes, all of them room: nothing will go before what it holds.
    ///
    /// # Panics
    /// When that is 4 GiB or more.
    #[must_use]
    pub fn without_headroom(capacity: usize) -> Self {
        Self { start: 0, end: 0, ..Self::with_capacity(capacity) }
    }

    /// Bytes allocated.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of data.
    #[must_use]
    pub fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// True when there is no data.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Bytes free behind the data, [`Buffer::TAILROOM`] aside.
    #[must_use]
    pub fn room(&self) -> usize {
        (self.bytes.len() - self.end as usize).saturating_sub(Self::TAILROOM)
    }

    /// The data.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.bytes[self.start as usize..self.end as usize]
    }

    /// The data, to be changed in place.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start as usize..self.end as usize]
    }

    /// The free space behind the data; say with [`Buffer::commit`] how much was filled.
    pub fn free_mut(&mut self) -> &mut [u8] {
        let (end, room) = (self.end as usize, self.room());
        &mut self.bytes[end..end + room]
    }

    /// Counts `count` bytes of the free space as data.
    ///
    /// # Panics
    /// When there is less free space.
    pub fn commit(&mut self, count: usize) {
        assert!(count <= self.room(), "a reader may not fill more than it was given");
        self.end += narrow(count);
    }

    /// Drops `count` bytes from the front of the data.
    ///
    /// # Panics
    /// When there is less data.
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "no more than the data can be consumed");
        self.start += narrow(count);
    }

    /// Drops all data behind the first `count` bytes of it.
    pub fn truncate(&mut self, count: usize) {
        self.end -= narrow(self.len().saturating_sub(count));
    }

    /// Drops all data; the headroom is whole again.
    pub fn clear(&mut self) {
        self.start = self.front();
        self.end = self.start;
    }

    /// Keeps at least `headroom` bytes free in front of data that is still to come; only while there is none.
    ///
    /// # Panics
    /// When the buffer is smaller.
    pub fn reserve(&mut self, headroom: usize) {
        assert!(self.is_empty() && headroom <= self.bytes.len(), "room in front is kept in an empty buffer");
        self.start = self.start.max(narrow(headroom));
        self.end = self.start;
    }

    /// Moves the data to where it was in a fresh buffer, so that all room is behind it.
    pub fn compact(&mut self) {
        let front = self.front();
        if self.start > front {
            self.bytes.copy_within(self.start as usize..self.end as usize, front as usize);
            self.end -= self.start - front;
            self.start = front;
        }
    }

    /// Puts `head` directly before the data; false when the headroom is too small, and nothing has changed.
    pub fn prepend(&mut self, head: &[u8]) -> bool {
        let start = self.start as usize;
        if head.len() > start {
            return false;
        }
        self.bytes[start - head.len()..start].copy_from_slice(head);
        self.start -= narrow(head.len());
        true
    }

    /// Appends `more`, in the tail room too; false when there is no room, and nothing has changed.
    pub fn append(&mut self, more: &[u8]) -> bool {
        let end = self.end as usize;
        if more.len() > self.bytes.len() - end {
            return false;
        }
        self.bytes[end..end + more.len()].copy_from_slice(more);
        self.end += narrow(more.len());
        true
    }

    /// Where the data of a fresh buffer begins. Small ones only keep what came, and need no room in front.
    fn front(&self) -> u32 {
        if self.bytes.len() > 2 * Self::HEADROOM { narrow(Self::HEADROOM) } else { 0 }
    }
}

/// A count of bytes within one buffer, which [`Buffer::with_capacity`] keeps below 4 GiB.
const fn narrow(count: usize) -> u32 {
    count as u32
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
        let mut small = Buffer::with_capacity(64);
        assert!(!small.append(&[0; 65]) && !small.prepend(&[0; 1]));
        assert!(small.is_empty());
        assert_eq!(small.room(), 64 - Buffer::TAILROOM, "a small buffer has no headroom");
        let mut large = Buffer::with_capacity(3 * Buffer::HEADROOM);
        assert!(!large.append(&[0; 2 * Buffer::HEADROOM + 1]) && !large.prepend(&[0; Buffer::HEADROOM + 1]));
        assert!(large.is_empty());
    }

    #[test]
    fn room_in_front_can_be_kept_in_a_small_buffer() {
        let mut small = Buffer::with_capacity(64);
        small.reserve(18);
        assert_eq!(small.room(), 64 - 18 - Buffer::TAILROOM);
        assert!(small.append(b"body") && small.prepend(&[b'h'; 18]) && !small.prepend(b"h"));
    }

    #[test]
    fn a_buffer_without_headroom_holds_as_much_as_it_has_bytes() {
        let mut exact = Buffer::without_headroom(4 * Buffer::HEADROOM);
        assert!(exact.append(&vec![b'x'; 4 * Buffer::HEADROOM]) && !exact.append(b"x"));
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
