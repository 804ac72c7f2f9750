//! Accepting: a few accepts in flight on each listener, pauses where the process is out of descriptors, and a drain
//! that loses nobody.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;

use super::buffer::Buffer;
use super::connection::{Downstream, Serve};
use super::core::Core;
use super::greeting;
use super::introduction::{self, Reserved};
use super::io::{Io, Listener, Stream, Timer};
use super::mail::Row;
use super::wire::Wire;
use crate::plan::ProxyProtocol;
use crate::policy::outgoing::Connection;
use crate::policy::respond::{self, ErrorForm, Frame};
use crate::words::fault::Kind;
use crate::words::ids::ListenerId;
use crate::words::limits::{ACCEPT_PAUSE, ACCEPTS_IN_FLIGHT, LINGER_TIME};
use crate::words::time::Instant;

/// The listening sockets of one core, and how many accepts are in flight on them and farewells behind them.
pub struct Doors<I: Io> {
    listeners: RefCell<Vec<Rc<I::Listener>>>,
    in_flight: Rc<Cell<usize>>,
}

impl<I: Io> Doors<I> {
    /// Opens all of them.
    pub fn open(core: &Rc<Core<I>>, listeners: Vec<(ListenerId, I::Listener)>) -> Self {
        let in_flight = Rc::new(Cell::new(0));
        let doors = Self { listeners: RefCell::default(), in_flight };
        for (id, listener) in listeners {
            let listener = Rc::new(listener);
            for _ in 0..ACCEPTS_IN_FLIGHT {
                let open = Open::new(&doors.in_flight);
                core.io.spawn(accept(Rc::clone(core), Rc::clone(&listener), id, open));
            }
            doors.listeners.borrow_mut().push(listener);
        }
        doors
    }

    /// Cancels the accepts in flight. Connections that they bring all the same are served. Each socket closes with
    /// the last accept on it: were it open for longer, the kernel would go on queueing clients that nobody serves.
    pub fn close(&self) {
        self.listeners.take().iter().for_each(|listener| listener.cancel());
    }

    /// True when no accept is in flight any more, and so no socket is open, and nobody is being turned away.
    pub fn are_closed(&self) -> bool {
        self.in_flight.get() == 0
    }
}

/// Counts an accept loop, or a farewell, as running while it lives.
struct Open(Rc<Cell<usize>>);

impl Open {
    fn new(in_flight: &Rc<Cell<usize>>) -> Self {
        in_flight.set(in_flight.get() + 1);
        Self(Rc::clone(in_flight))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

async fn accept<I: Io>(core: Rc<Core<I>>, listener: Rc<I::Listener>, id: ListenerId, open: Open) {
    let mut timer = core.io.timer();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => welcome(&core, stream, id, peer, &open),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return,
            Err(error) if is_exhausted(&error) => {
                // Accepting at once would fail at once: a loop of millions of failures a second.
                Row::add(&core.link.row.accept_pauses, 1);
                let until = core.io.now().after(ACCEPT_PAUSE);
                poll_fn(|cx| timer.poll_at(cx, core.io.now(), until)).await;
            }
            // The client was gone before it was accepted (ECONNABORTED and the like, accept(2)).
            Err(_) => {}
        }
    }
}

fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS))
}

fn welcome<I: Io>(core: &Rc<Core<I>>, stream: I::Stream, id: ListenerId, peer: SocketAddr, open: &Open) {
    let version = core.plan().listeners[id.index()].proxy_protocol;
    if let Some(version) = version {
        return welcome_proxy(core, stream, id, peer, version, open);
    }
    let Some(wire) = greeting::wire(core, stream, id) else {
        Row::add(&core.link.row.refused, 1);
        return;
    };
    match Downstream::open(core, wire, id, peer) {
        Ok(downstream) => core.io.spawn(Serve::new(downstream)),
        Err((stream, kind)) => refuse(core, stream, kind, open),
    }
}

fn refuse<I: Io>(core: &Rc<Core<I>>, stream: Wire<I::Stream>, kind: Kind, open: &Open) {
    Row::add(&core.link.row.refused, 1);
    // Nothing can be said before a handshake, and that is dearer than what is refused here.
    if matches!(stream, Wire::Plain(_)) {
        core.io.spawn(turn_away(Rc::clone(core), stream, kind, Open::new(&open.0)));
    }
}

/// A connection that must begin with a PROXY header. From somebody who may not send one it is closed at once.
fn welcome_proxy<I: Io>(
    core: &Rc<Core<I>>, stream: I::Stream, id: ListenerId, peer: SocketAddr, version: ProxyProtocol, open: &Open,
) {
    if !core.plan().listeners[id.index()].trusted_proxies.contains(peer.ip().to_canonical()) {
        return Row::add(&core.link.row.proxy_refused, 1);
    }
    match Reserved::take(core, id) {
        Ok(reserved) => core.io.spawn(introduce(reserved, stream, id, peer, version, Open::new(&open.0))),
        Err(kind) => match greeting::wire(core, stream, id) {
            Some(wire) => refuse(core, wire, kind, open),
            None => Row::add(&core.link.row.refused, 1),
        },
    }
}

/// Learns whose connection it is, and serves it as theirs.
async fn introduce<I: Io>(
    reserved: Reserved<I>, mut stream: I::Stream, id: ListenerId, peer: SocketAddr, version: ProxyProtocol, open: Open,
) {
    let Some(told) = introduction::read(&reserved, &mut stream, version).await else { return };
    let core = Rc::clone(reserved.core());
    // Without a source the proxy speaks for itself, or for somebody who has no address.
    let client = told.source.unwrap_or(peer);
    let Some(wire) = greeting::wire(&core, stream, id) else {
        return Row::add(&core.link.row.refused, 1);
    };
    match reserved.seat(client) {
        Ok(seat) => core.io.spawn(Serve::new(Downstream::seated(&core, wire, id, client, seat))),
        Err(kind) => refuse(&core, wire, kind, &open),
    }
}

/// Tells a client that it is one too many, and closes. Bounded in time, and no request of it is read.
async fn turn_away<I: Io>(core: Rc<Core<I>>, mut stream: Wire<I::Stream>, kind: Kind, _open: Open) {
    let mut answer = Vec::new();
    {
        let plan = core.plan();
        let date = core.date();
        let frame = Frame {
            date: &*date,
            id: b"",
            pseudonym: &plan.server.name,
            connection: Connection::Close,
            is_head: false,
        };
        respond::fault(&mut answer, kind, &frame, ErrorForm::Problem, b"retry-after: 1\r\n");
    }
    let mut buffer = core.buffers.borrow_mut().holding(&answer);
    let mut timer = core.io.timer();
    let deadline = core.io.now().after(LINGER_TIME);
    let sent = poll_fn(|cx| match stream.poll_write(cx, &mut buffer) {
        Poll::Ready(sent) => Poll::Ready(sent.is_ok()),
        Poll::Pending => timer.poll_at(cx, core.io.now(), deadline).map(|()| false),
    })
    .await;
    core.buffers.borrow_mut().give(buffer);
    if sent {
        stream.shut_write();
        swallow(&core, &mut stream, &mut timer, deadline).await;
    }
}

/// Reads what the client has sent meanwhile, so that closing does not reset the answer away.
async fn swallow<I: Io>(core: &Core<I>, stream: &mut Wire<I::Stream>, timer: &mut I::Timer, deadline: Instant) {
    let mut buffer: Buffer = core.buffers.borrow_mut().standard();
    poll_fn(|cx| {
        loop {
            match stream.poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(count)) if count > 0 && buffer.room() > 0 => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return timer.poll_at(cx, core.io.now(), deadline),
            }
        }
    })
    .await;
}
