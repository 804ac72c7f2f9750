//! The runtime's promises, on every driver and every set of ring flags that this kernel has.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::runtime::{Preference, RingFlags, Runtime};
use super::{Uring, UringStream};
use crate::plan::Address;
use crate::shell::buffer::Buffer;
use crate::shell::io::{Io, Listener, Stream, Timer};
use crate::words::time::Instant;

/// Runs `story` on a runtime of each kind; one that this kernel cannot build is skipped, epoll never is.
fn on_each_driver<F: Future<Output = ()> + 'static>(story: impl Fn(Uring) -> F + Clone + 'static) {
    let rings = [RingFlags::DeferTaskrun, RingFlags::CoopTaskrun, RingFlags::Plain].map(Preference::Ring);
    for preference in rings.into_iter().chain([Preference::Epoll]) {
        let runtime = match Runtime::build(preference) {
            Ok(runtime) => runtime,
            Err(error) if preference == Preference::Epoll => panic!("epoll is always there: {error}"),
            Err(_) => continue,
        };
        let is_over = Rc::new(Cell::new(false));
        let (ended, story) = (Rc::clone(&is_over), story.clone());
        runtime
            .run(move |io| async move {
                story(io.clone()).await;
                ended.set(true);
                io.stop();
            })
            .unwrap();
        assert!(is_over.get(), "the story ends on {preference:?}");
    }
}

async fn sleep(io: &Uring, span: Duration) {
    let mut timer = io.timer();
    let until = io.now().after(span);
    poll_fn(|cx| timer.poll_at(cx, io.now(), until)).await;
}

async fn read(stream: &mut UringStream, into: &mut Buffer) -> usize {
    poll_fn(|cx| stream.poll_read(cx, into)).await.unwrap()
}

async fn write(stream: &mut UringStream, bytes: &[u8]) {
    let mut buffer = Buffer::with_capacity(4096);
    assert!(buffer.append(bytes));
    poll_fn(|cx| stream.poll_write(cx, &mut buffer)).await.unwrap();
}

/// Yields by waking itself, over and over, until told to stop.
async fn spin(turns: Rc<Cell<u64>>, is_over: Rc<Cell<bool>>) {
    poll_fn(|cx| {
        turns.set(turns.get() + 1);
        if is_over.get() {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[test]
fn tasks_that_wake_themselves_starve_neither_timers_nor_sockets_nor_each_other() {
    on_each_driver(|io| async move {
        let is_over = Rc::new(Cell::new(false));
        let spins = [Rc::new(Cell::new(0)), Rc::new(Cell::new(0))];
        for turns in &spins {
            io.spawn(spin(Rc::clone(turns), Rc::clone(&is_over)));
        }
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Tcp(socket.local_addr().unwrap());
        let listener = io.listener(socket).unwrap();
        let mut near = io.connect(&address).await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        let mut buffer = Buffer::with_capacity(4096);
        for _ in 0..20 {
            write(&mut near, b"ping").await;
            assert_eq!(read(&mut far, &mut buffer).await, 4);
        }
        for _ in 0..3 {
            sleep(&io, Duration::from_millis(1)).await;
        }
        is_over.set(true);
        assert!(spins.iter().all(|turns| turns.get() > 2), "both go on too: {spins:?}");
    });
}

#[test]
fn a_stream_that_always_has_more_starves_nobody() {
    on_each_driver(|io| async move {
        let is_over = Rc::new(Cell::new(false));
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Tcp(socket.local_addr().unwrap());
        let listener = io.listener(socket).unwrap();
        let mut near = io.connect(&address).await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        let ended = Rc::clone(&is_over);
        io.spawn(async move {
            let mut buffer = Buffer::with_capacity(4096);
            while !ended.get() {
                // Both are done at once, for ever: on loopback what was sent is there to be read.
                write(&mut near, b"more").await;
                buffer.clear();
                assert_eq!(read(&mut far, &mut buffer).await, 4);
            }
        });
        for _ in 0..3 {
            sleep(&io, Duration::from_millis(1)).await;
        }
        is_over.set(true);
    });
}

#[test]
fn a_panic_ends_its_own_task_and_no_other() {
    on_each_driver(|io| async move {
        io.spawn(async { panic!("one task's own misfortune") });
        sleep(&io, Duration::from_millis(1)).await;
        assert_eq!(io.panics(), 1);
    });
}

#[test]
fn a_wait_that_nobody_finishes_loses_nothing_and_holds_no_buffer() {
    on_each_driver(|io| async move {
        let (mut ours, mut theirs) = pair(&io).await;
        let is_waiting = poll_fn(|cx| Poll::Ready(ours.poll_readable(cx).is_pending())).await;
        assert!(is_waiting);
        theirs.write_all(b"later").unwrap();
        sleep(&io, Duration::from_millis(2)).await;
        let mut buffer = Buffer::with_capacity(4096);
        assert_eq!(read(&mut ours, &mut buffer).await, 5);
        assert_eq!(buffer.data(), b"later");
        assert_eq!(ours.try_read(&mut buffer).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        drop(theirs);
        assert_eq!(read(&mut ours, &mut buffer).await, 0);
        assert_eq!(read(&mut ours, &mut buffer).await, 0, "the end stays the end");
    });
}

#[test]
fn an_end_that_came_with_the_last_bytes_is_not_missed() {
    on_each_driver(|io| async move {
        let (mut ours, mut theirs) = pair(&io).await;
        theirs.write_all(b"last words").unwrap();
        drop(theirs);
        sleep(&io, Duration::from_millis(2)).await;
        let mut buffer = Buffer::with_capacity(4096);
        assert_eq!(read(&mut ours, &mut buffer).await, 10, "a short read: nothing more is there but the end");
        assert_eq!(read(&mut ours, &mut buffer).await, 0, "no event will come for it any more");
    });
}

#[test]
fn more_clients_than_a_turn_hears_are_all_heard() {
    on_each_driver(|io| async move {
        let heard = Rc::new(Cell::new(0));
        let mut theirs = Vec::new();
        for _ in 0..200 {
            let (mut ours, their) = pair(&io).await;
            theirs.push(their);
            let heard = Rc::clone(&heard);
            io.spawn(async move {
                let mut buffer = Buffer::with_capacity(4096);
                let count = read(&mut ours, &mut buffer).await;
                heard.set(heard.get() + count);
            });
        }
        // All at once, behind the loop's back: they are ready together when it looks.
        theirs.iter_mut().for_each(|their| their.write_all(b"x").unwrap());
        while heard.get() < 200 {
            sleep(&io, Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn a_stream_in_the_place_of_another_begins_with_nothing() {
    on_each_driver(|io| async move {
        let (first, mut theirs) = pair(&io).await;
        theirs.write_all(b"unread").unwrap();
        sleep(&io, Duration::from_millis(2)).await;
        drop(first);
        let (mut second, mut theirs) = pair(&io).await;
        let is_waiting = poll_fn(|cx| Poll::Ready(second.poll_readable(cx).is_pending())).await;
        assert!(is_waiting, "what the other stream had is not its");
        theirs.write_all(b"own").unwrap();
        let mut buffer = Buffer::with_capacity(4096);
        assert_eq!(read(&mut second, &mut buffer).await, 3);
    });
}

#[test]
fn a_write_dropped_by_its_waiter_goes_on_with_its_stream() {
    on_each_driver(|io| async move {
        let (mut ours, theirs) = pair(&io).await;
        let mut buffer = Buffer::with_capacity(4 * 1024 * 1024);
        let length = buffer.room();
        assert!(buffer.append(&vec![7; length]));
        // More than the socket takes at once, so the write stays in flight when this wait is given up.
        let done = poll_fn(|cx| Poll::Ready(ours.poll_write(cx, &mut buffer).is_ready())).await;
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            (&theirs).take(length as u64).read_to_end(&mut all).unwrap();
            all
        });
        if !done {
            poll_fn(|cx| ours.poll_write(cx, &mut buffer)).await.unwrap();
        }
        let all = reader.join().unwrap();
        assert!(all.len() == length && all.iter().all(|byte| *byte == 7));
    });
}

#[test]
fn a_cancelled_accept_ends_and_the_connection_in_the_queue_is_served_first() {
    on_each_driver(|io| async move {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let listener = Rc::new(io.listener(socket).unwrap());
        let accepted = Rc::new(Cell::new(None));
        let (task, says) = (Rc::clone(&listener), Rc::clone(&accepted));
        io.spawn(async move {
            let mut served = 0;
            while task.accept().await.is_ok() {
                served += 1;
            }
            says.set(Some(served));
        });
        let _client = std::net::TcpStream::connect(address).unwrap();
        sleep(&io, Duration::from_millis(2)).await;
        listener.cancel();
        while accepted.get().is_none() {
            sleep(&io, Duration::from_millis(1)).await;
        }
        assert_eq!(accepted.get(), Some(1));
    });
}

#[test]
fn the_clock_stands_still_within_a_turn_and_goes_on_behind_it() {
    on_each_driver(|io| async move {
        let now = io.now();
        (0..1000).for_each(|_| assert_eq!(io.now(), now));
        sleep(&io, Duration::from_millis(1)).await;
        assert!(io.now() > now && io.now() < Instant::NEVER);
    });
}

#[test]
fn a_timer_that_moves_wakes_in_time_and_leaves_nothing_behind() {
    on_each_driver(|io| async move {
        let queued = io.shared.deadlines.len();
        let (far, near) = (io.now().after(Duration::from_secs(3600)), io.now().after(Duration::from_millis(2)));
        let mut timers = [io.timer(), io.timer()];
        let are_waiting = poll_fn(|cx| {
            let mut waits = timers.iter_mut().map(|timer| timer.poll_at(cx, io.now(), far).is_pending());
            Poll::Ready(waits.all(|is_waiting| is_waiting))
        });
        assert!(are_waiting.await);
        assert_eq!(io.shared.deadlines.len(), queued + 2);
        poll_fn(|cx| timers[0].poll_at(cx, io.now(), near)).await;
        assert!(io.now() >= near && io.now() < far);
        assert_eq!(io.shared.deadlines.len(), queued + 1, "it has moved, and not doubled");
        drop(timers);
        assert_eq!(io.shared.deadlines.len(), queued);
    });
}

#[test]
fn a_timer_that_came_too_early_is_armed_again() {
    on_each_driver(|io| async move {
        let mut timer = io.timer();
        let (soon, later) = (io.now().after(Duration::from_millis(1)), io.now().after(Duration::from_millis(4)));
        let mut deadline = soon;
        poll_fn(|cx| {
            let polled = timer.poll_at(cx, io.now(), deadline);
            deadline = later;
            polled
        })
        .await;
        assert!(io.now() >= later, "the deadline had moved on before it came");
    });
}

/// An accepted stream of ours and the blocking stream at its other end.
async fn pair(io: &Uring) -> (UringStream, std::net::TcpStream) {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = std::net::TcpStream::connect(socket.local_addr().unwrap()).unwrap();
    let ours = io.listener(socket).unwrap().accept().await.unwrap().0;
    (ours, theirs)
}
