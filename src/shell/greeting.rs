//! What comes before the first request of a connection: the TLS handshake, and from it which protocol is spoken.

use std::task::{Context, Poll, ready};

use rustls::AlertDescription;

use super::connection::Downstream;
use super::io::Io;
use super::mail::Row;
use super::tls::{Application, TlsStream, Zone};
use super::wire::Wire;
use crate::plan::Protocol;
use crate::words::ids::ListenerId;
use crate::words::time::Instant;

/// How a connection begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Greeting {
    /// HTTP/1.1 is spoken.
    Http1,
    /// HTTP/2 is spoken.
    H2,
    /// It is over.
    Over,
}

/// The stream of a client that came in by `listener`; `None` when the listener has TLS and no certificate for it, which no
/// plan of control's leaves: its connections are never served in plain text instead.
pub fn wire<I: Io>(core: &super::core::Core<I>, stream: I::Stream, listener: ListenerId) -> Option<Wire<I::Stream>> {
    let plan = core.plan();
    let Some(tls) = plan.listeners[listener.index()].tls else { return Some(Wire::Plain(stream)) };
    let keyring = core.keyring();
    let server = keyring.server(listener)?;
    let zone = Zone { names: server.names.clone(), asks_clients: plan.tls[tls.index()].clients.is_some() };
    Some(Wire::Tls(Box::new(TlsStream::server(stream, server.config.clone(), zone, &core.desk))))
}

/// Ready when it is known what is spoken, or that nothing will be.
pub fn poll<I: Io>(downstream: &mut Downstream<I>, cx: &mut Context<'_>, deadline: Instant) -> Poll<Greeting> {
    let Wire::Tls(stream) = &mut downstream.stream else { return Poll::Ready(Greeting::Http1) };
    let over = match stream.poll_handshake(cx) {
        Poll::Ready(over) => over.is_ok(),
        Poll::Pending => {
            downstream.remember(cx.waker());
            ready!(downstream.poll_expiry(cx, deadline));
            false
        }
    };
    let row = &downstream.core.link.row;
    let Some(told) = downstream.stream.told().filter(|_| over) else {
        Row::add(&row.handshakes_failed, 1);
        return Poll::Ready(Greeting::Over);
    };
    Row::add(&row.handshakes, 1);
    if told.is_resumed {
        Row::add(&row.handshakes_resumed, 1);
    }
    Poll::Ready(match told.application {
        Some(Application::H2) => Greeting::H2,
        Some(Application::Http1) => Greeting::Http1,
        None => unasked(downstream),
    })
}

/// What is spoken with a client that did not say: HTTP/1.1, as without TLS, or nothing (RFC 7301 3.2).
fn unasked<I: Io>(downstream: &mut Downstream<I>) -> Greeting {
    let plan = downstream.core.plan();
    if plan.listeners[downstream.listener.index()].protocols.contains(&Protocol::Http1) {
        return Greeting::Http1;
    }
    if let Wire::Tls(stream) = &mut downstream.stream {
        stream.refuse(AlertDescription::NoApplicationProtocol);
    }
    Greeting::Over
}
