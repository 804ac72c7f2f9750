//! Owned byte buffers with room in front, so that a head can be written before a body that is already there.

/// Bytes `start..end` of a fixed allocation hold data; before them is headroom, behind them free space.
///
/// 32 bytes: every exchange in flight holds some, and every connection.
#[derive(Debug, Default)]
pub struct Buffer {
    /// The allocation; always fully initialised.
    bytes: Box<[u8]>,
    start: u32,
    end: u32,
    /// Where the data of an empty buffer begins.
    front: u32,
}

impl Buffer {
    /// Room left in front of fresh buffers: a re-written head or a chunk header fits there.
    pub const HEADROOM: usize = 1024;

    /// Room kept free behind what is read: the end of a chunk and the last chunk fit there.
    pub const TAILROOM: usize = 16;

    /// A buffer of `capacity` bytes, [`Buffer::HEADROOM`] of them in front.
    ///
    /// # Panics
    /// When it would be 4 GiB or more.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self::new(capacity, Self::HEADROOM.min(capacity / 2))
    }

    /// A buffer of `capacity` bytes, none of them in front.
    ///
    /// # Panics
    /// When it would be 4 GiB or more.
    #[must_use]
    pub fn without_headroom(capacity: usize) -> Self {
        Self::new(capacity, 0)
    }

    fn new(capacity: usize, front: usize) -> Self {
        assert!(u32::try_from(capacity).is_ok(), "the bounds of messages keep buffers far below 4 GiB");
        let front = front as u32;
        Self { bytes: vec![0; capacity].into_boxed_slice(), start: front, end: front, front }
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
        let room = self.room();
        &mut self.bytes[self.end as usize..][..room]
    }

    /// Counts `count` bytes of the free space as data.
    ///
    /// # Panics
    /// When there is less free space.
    pub fn commit(&mut self, count: usize) {
        assert!(count <= self.room(), "a reader may not fill more than it was given");
        self.end += count as u32;
    }

    /// Drops `count` bytes from the front of the data.
    ///
    /// # Panics
    /// When there is less data.
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "no more than the data can be consumed");
        self.start += count as u32;
    }

    /// Drops all data behind the first `count` bytes of it.
    pub fn truncate(&mut self, count: usize) {
        self.end = self.start + self.len().min(count) as u32;
    }

    /// Drops all data; the headroom is whole again.
    pub fn clear(&mut self) {
        self.start = self.front;
        self.end = self.front;
    }

    /// Moves the data to where it was in a fresh buffer, so that all room is behind it.
    pub fn compact(&mut self) {
        if self.start > self.front {
            self.bytes.copy_within(self.start as usize..self.end as usize, self.front as usize);
            self.end -= self.start - self.front;
            self.start = self.front;
        }
    }

    /// Puts `head` directly before the data; false when the headroom is too small, and nothing has changed.
    pub fn prepend(&mut self, head: &[u8]) -> bool {
        let Some(start) = (self.start as usize).checked_sub(head.len()) else { return false };
        self.bytes[start..self.start as usize].copy_from_slice(head);
        self.start = start as u32;
        true
    }

    /// Appends `more`, in the tail room too; false when there is no room, and nothing has changed.
    pub fn append(&mut self, more: &[u8]) -> bool {
        let end = self.end as usize;
        let Some(room) = self.bytes.get_mut(end..end + more.len()) else { return false };
        room.copy_from_slice(more);
        self.end += more.len() as u32;
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
