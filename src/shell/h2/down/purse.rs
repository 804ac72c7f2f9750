//! What one HTTP/2 connection may hold, all its streams together, however little its client sends or takes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};

use super::step::Steps;
use crate::shell::buffer::Buffer;
use crate::shell::buffers::Buffers;
use crate::words::limits::{H2_HEADS_BYTES, H2_QUEUED_BYTES, H2_WAITING_BYTES};

/// The budget of one connection.
pub struct Purse {
    /// Where buffers come from and go to.
    pub pool: Rc<RefCell<Buffers>>,
    /// What `h2` holds of answers, frames and heads of them with it.
    queued: Cell<usize>,
    /// Of that, heads of answers that may not have left yet.
    queued_heads: Cell<usize>,
    /// Storage of answers that streams hold because their windows are full.
    waiting: Cell<usize>,
    /// Text of request heads.
    heads: Cell<usize>,
    /// Streams that are being served.
    live: Cell<u32>,
    /// What its streams do one after the other, by lane.
    pub steps: [Steps; 2],
    /// The connection, which waits for the last of them.
    last: Cell<Option<Waker>>,
    /// Streams that wait for `queued` to fall.
    wakers: RefCell<Vec<Waker>>,
}

/// A piece of an answer's body, as `h2` holds it until it is sent.
pub struct Piece {
    storage: Storage,
    /// So much of it is sent.
    at: usize,
    /// What it counts for.
    counted: usize,
    purse: Rc<Purse>,
}

enum Storage {
    Buffer(Buffer),
    Copy(Box<[u8]>),
    Shared(Bytes),
}

/// Shorter pieces are copied, so that the buffer that the kernel fills is the same hot one for all streams.
const MOVED_FROM: usize = 4 * 1024;
/// What `h2` holds for a frame that is to be sent, beside what the frame says.
const FRAME_BYTES: usize = 312;
/// What it holds for a field of a head, beside its text.
const FIELD_BYTES: usize = 128;

impl Purse {
    /// An empty one.
    #[must_use]
    pub fn new(pool: &Rc<RefCell<Buffers>>) -> Rc<Self> {
        Rc::new(Self {
            pool: Rc::clone(pool),
            queued: Cell::new(0),
            queued_heads: Cell::new(0),
            waiting: Cell::new(0),
            heads: Cell::new(0),
            live: Cell::new(0),
            steps: Default::default(),
            last: Cell::new(None),
            wakers: RefCell::default(),
        })
    }

    /// Streams that are being served: also those that were reset, until their work is cancelled.
    #[must_use]
    pub fn live(&self) -> u32 {
        self.live.get()
    }

    /// A stream begins to be served.
    pub fn begin(&self) {
        self.live.set(self.live.get() + 1);
    }

    /// A stream is served no more.
    pub fn end(&self) {
        self.live.set(self.live.get() - 1);
        if self.live.get() == 0
            && let Some(waker) = self.last.take()
        {
            waker.wake();
        }
    }

    /// Ready when no stream is being served.
    pub fn poll_empty(&self, cx: &Context<'_>) -> Poll<()> {
        if self.live.get() == 0 {
            return Poll::Ready(());
        }
        self.last.set(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// How many bytes `h2` may be given now, at least one; otherwise the task will be woken.
    pub fn poll_room(&self, cx: &Context<'_>) -> Poll<usize> {
        let queued = self.queued.get();
        if queued < H2_QUEUED_BYTES {
            // In no shorter pieces than it needs: each has its frame.
            return Poll::Ready((H2_QUEUED_BYTES - queued).max(MOVED_FROM));
        }
        let wakers = &mut *self.wakers.borrow_mut();
        if !wakers.iter().any(|known| known.will_wake(cx.waker())) {
            wakers.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// True when `h2` may be given so many bytes at once.
    #[must_use]
    pub fn has_room(&self, bytes: usize) -> bool {
        self.queued.get() + bytes <= H2_QUEUED_BYTES
    }

    /// The first `count` bytes of `from`, as a piece that counts until it is sent.
    pub fn piece(self: &Rc<Self>, from: &mut Buffer, count: usize) -> Piece {
        let is_whole = count == from.len() && count >= MOVED_FROM;
        let storage = if is_whole && self.queued.get() + from.capacity() <= H2_QUEUED_BYTES {
            Storage::Buffer(std::mem::take(from))
        } else {
            let copy = Box::from(&from.data()[..count]);
            from.consume(count);
            Storage::Copy(copy)
        };
        self.count(storage)
    }

    /// The first `count` bytes of `from`, which others hold too.
    pub fn shared(self: &Rc<Self>, from: &mut Bytes, count: usize) -> Piece {
        self.count(Storage::Shared(from.split_to(count)))
    }

    fn count(self: &Rc<Self>, storage: Storage) -> Piece {
        let held = match &storage {
            Storage::Buffer(buffer) => buffer.capacity(),
            Storage::Copy(bytes) => bytes.len(),
            // The body of a route, which is there once for all.
            Storage::Shared(_) => 0,
        };
        let counted = held + FRAME_BYTES;
        self.queued.set(self.queued.get() + counted);
        Piece { storage, at: 0, counted, purse: Rc::clone(self) }
    }

    /// Counts the head of an answer with so many fields and bytes of text, until [`Purse::heads_left`].
    pub fn queue_head(&self, fields: usize, text: usize) {
        let counted = FRAME_BYTES + fields * FIELD_BYTES + text;
        self.queued.set(self.queued.get() + counted);
        self.queued_heads.set(self.queued_heads.get() + counted);
    }

    /// The connection's socket took all that `h2` had to say: no head waits in it.
    pub fn heads_left(&self) {
        let heads = self.queued_heads.take();
        if heads > 0 {
            self.sent(heads);
        }
    }

    fn sent(&self, counted: usize) {
        self.queued.set(self.queued.get() - counted);
        if self.queued.get() < H2_QUEUED_BYTES / 2 && !self.wakers.borrow().is_empty() {
            self.wakers.take().into_iter().for_each(Waker::wake);
        }
    }

    /// Counts storage that a stream holds, in the place of what it was counted for before.
    pub fn wait(&self, before: &mut usize, now: usize) {
        self.waiting.set(self.waiting.get() + now - *before);
        *before = now;
    }

    /// True when streams hold so much that they may only read little more.
    #[must_use]
    pub fn is_pressed(&self) -> bool {
        self.waiting.get() > H2_WAITING_BYTES
    }

    /// Counts the head of a request; false when there are too many.
    pub fn take_head(&self, bytes: usize) -> bool {
        let held = self.heads.get() + bytes;
        let fits = held <= H2_HEADS_BYTES;
        if fits {
            self.heads.set(held);
        }
        fits
    }

    /// The head of a request is gone.
    pub fn give_head(&self, bytes: usize) {
        self.heads.set(self.heads.get() - bytes);
    }
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match &self.storage {
            Storage::Buffer(buffer) => buffer.data(),
            Storage::Copy(bytes) => bytes,
            Storage::Shared(bytes) => bytes,
        }
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes().len() - self.at
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes()[self.at..]
    }

    fn advance(&mut self, count: usize) {
        assert!(count <= self.remaining(), "no more than the piece can be sent");
        self.at += count;
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if let Storage::Buffer(buffer) = &mut self.storage {
            self.purse.pool.borrow_mut().give(std::mem::take(buffer));
        }
        self.purse.sent(self.counted);
    }
}
