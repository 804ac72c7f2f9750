//! How an exchange gets a stream to an upstream that speaks HTTP/2, and what its failures mean.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::drive::{self, Destination};
use super::trunk::{Connecting, Slot, Trunks};
use super::up::{Failure, UpStream};
use crate::shell::connection::{Downstream, Expiry};
use crate::shell::exchange::Story;
use crate::shell::forward::{Deadlines, Up, await_little, expired};
use crate::shell::io::{Io, Stream};
use crate::shell::secure::Terms;
use crate::shell::serving::{Choice, Serving};
use crate::shell::upload::Upload;
use crate::shell::wire::Wire;
use crate::words::fault::{Fault, Kind, Stage};
use crate::words::limits::TLS_CONNECT_TIME;

/// A stream in `slot`. Over a connection that has served, a failure may be the connection's age alone, once.
pub fn up<S: Stream>(slot: Slot, choice: Choice, is_fresh: bool) -> Up<Wire<S>> {
    let is_reused = slot.has_served() && !is_fresh;
    Up::new(Wire::H2Up(Box::new(UpStream::new(slot))), choice, is_reused)
}

/// Waits for a stream to the endpoint, over a connection that is there or one that is made.
///
/// # Errors
/// Those of connecting, or that it takes longer than a connect may.
pub async fn board<I: Io>(
    down: &mut Downstream<I>, story: &Story<I>, choice: Choice, deadlines: &Deadlines, trunks: &Trunks,
    upload: &mut Upload,
) -> Result<Up<Wire<I::Stream>>, Fault> {
    let is_tls = story.plan.upstreams[choice.upstream.index()].endpoints[choice.endpoint].is_tls;
    let shakes = if is_tls { TLS_CONNECT_TIME } else { Duration::ZERO };
    let deadline = down.core.io.now().after(deadlines.connect).after(shakes).min(deadlines.request);
    let mut turn = trunks.queue();
    poll_fn(|cx| {
        if let Poll::Ready(turned) = turn.poll(cx) {
            return Poll::Ready(turned.map(|slot| up(slot, choice, true)));
        }
        if let Some(connecting) = turn.connect() {
            connect(down, story, choice, deadlines, connecting)?;
        }
        await_little(cx, down, upload);
        down.poll_expiry(cx, deadline).map(|expiry| Err(late(expiry, deadline == deadlines.request)))
    })
    .await
}

/// Begins to connect, in a task of its own: who asked for it may leave before.
fn connect<I: Io>(
    down: &Downstream<I>, story: &Story<I>, choice: Choice, deadlines: &Deadlines, connecting: Connecting,
) -> Result<(), Fault> {
    let to = Destination {
        address: Serving::<Wire<I::Stream>>::address(&story.plan, choice).clone(),
        terms: Terms::of(&story.serving.borrow(), choice)?,
        time: deadlines.connect,
    };
    let core = Rc::clone(&down.core);
    core.io.spawn(drive::run(Rc::clone(&core), to, connecting));
    Ok(())
}

fn late(expiry: Expiry, is_request: bool) -> Fault {
    if is_request {
        expired(expiry, Kind::RequestTimeout, "timeouts.request is over")
    } else {
        expired(expiry, Kind::ConnectTimeout, "no stream became free within timeouts.connect")
    }
}

/// Makes of a fault what the stream knows beyond it.
pub fn blame<S: Stream>(stream: &Wire<S>, fault: Fault) -> Fault {
    let is_end = matches!(fault.kind, Kind::UpstreamClosed | Kind::UpstreamIncomplete);
    match stream.failure().filter(|_| is_end) {
        Some(Failure::Protocol) => {
            Fault::new(Kind::UpstreamProtocol, Stage::Receive, "the upstream broke the rules of HTTP/2")
        }
        Some(Failure::Request) => Fault::new(Kind::BadRequest, Stage::Forward, "the request is not what it says it is"),
        Some(Failure::Unprocessed) | None => fault,
    }
}
