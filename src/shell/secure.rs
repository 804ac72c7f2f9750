//! TLS to an upstream: the handshake behind a connect.
#![expect(
    clippy::disallowed_types,
    reason = "rustls takes its configurations as Arc; they are touched by handshakes only"
)]

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::connection::Downstream;
use super::core::Core;
use super::exchange::Story;
use super::forward::{Deadlines, expired};
use super::io::{Io, Stream, Timer};
use super::serving::{Choice, Serving};
use super::tls::{Application, Failure, TlsStream};
use super::wire::Wire;
use crate::plan::{Endpoint, Upstream, UpstreamProtocol};
use crate::words::fault::{Fault, Kind, Stage};
use crate::words::limits::TLS_CONNECT_TIME;

/// What an endpoint asks for before it is spoken to.
#[derive(Clone, Debug)]
pub struct Security {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    protocol: UpstreamProtocol,
}

impl Security {
    /// What the endpoint of `choice` asks for; `None` for one that is spoken to in plain text.
    ///
    /// # Errors
    /// When there is no configuration for it: it is never spoken to without TLS instead.
    pub fn of<S: Stream>(serving: &Serving<S>, choice: Choice) -> Result<Option<Self>, Fault> {
        let upstream = &serving.plan.upstreams[choice.upstream.index()];
        let endpoint = &upstream.endpoints[choice.endpoint];
        if !endpoint.is_tls {
            return Ok(None);
        }
        match (serving.keyring.client(choice.upstream), name(upstream, endpoint)) {
            (Some(config), Some(name)) => {
                Ok(Some(Self { config: Arc::clone(config), name, protocol: upstream.protocol }))
            }
            _ => Err(Fault::new(Kind::Internal, Stage::Select, "no TLS configuration for the endpoint")),
        }
    }

    fn begin<I: Io>(self, core: &Core<I>, stream: I::Stream) -> Result<Shaking<I::Stream>, Fault> {
        let stream = TlsStream::client(stream, self.config, self.name, &core.desk).map_err(fault_of)?;
        Ok(Shaking { stream: Some(stream), protocol: self.protocol })
    }
}

/// A handshake with an upstream.
struct Shaking<S: Stream> {
    /// Until it is over.
    stream: Option<TlsStream<S>>,
    protocol: UpstreamProtocol,
}

impl<S: Stream> Shaking<S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Wire<S>, Fault>> {
        let Some(stream) = &mut self.stream else { return Poll::Pending };
        let shaken = ready!(stream.poll_handshake(cx)).map_err(fault_of);
        let is_h2 = stream.told().is_some_and(|told| told.application == Some(Application::H2));
        let is_other = is_h2 != (self.protocol == UpstreamProtocol::H2);
        Poll::Ready(match (shaken, self.stream.take()) {
            (Err(fault), _) => Err(fault),
            (Ok(()), Some(stream)) if !is_other => Ok(Wire::Tls(Box::new(stream))),
            _ => Err(Fault::new(Kind::TlsProtocol, Stage::Select, "the endpoint chose another protocol")),
        })
    }
}

/// What speaks with the endpoint over `stream`, which was connected for an exchange of `down`.
///
/// # Errors
/// Why its certificate is not taken, or no TLS can be spoken.
pub async fn secure<I: Io>(
    down: &mut Downstream<I>, story: &Story<I>, choice: Choice, deadlines: &Deadlines, stream: I::Stream,
) -> Result<Wire<I::Stream>, Fault> {
    let Some(security) = Security::of(&story.serving.borrow(), choice)? else { return Ok(Wire::Plain(stream)) };
    let mut shaking = security.begin(&down.core, stream)?;
    let deadline = down.core.io.now().after(TLS_CONNECT_TIME).min(deadlines.request);
    poll_fn(|cx| {
        if let Poll::Ready(shaken) = shaking.poll(cx) {
            return Poll::Ready(shaken);
        }
        down.poll_expiry(cx, deadline).map(|expiry| {
            Err(if deadline == deadlines.request {
                expired(expiry, Kind::RequestTimeout, "timeouts.request is over")
            } else {
                expired(expiry, Kind::TlsTimeout, "the TLS handshake took too long")
            })
        })
    })
    .await
}

/// As [`secure`], for a connection that no single exchange waits for.
///
/// # Errors
/// As [`secure`].
pub async fn shake<I: Io>(
    core: &Core<I>, security: Option<Security>, stream: I::Stream,
) -> Result<Wire<I::Stream>, Fault> {
    let Some(security) = security else { return Ok(Wire::Plain(stream)) };
    let mut shaking = security.begin(core, stream)?;
    let mut timer = core.io.timer();
    let deadline = core.io.now().after(TLS_CONNECT_TIME);
    poll_fn(|cx| match shaking.poll(cx) {
        Poll::Ready(shaken) => Poll::Ready(shaken),
        Poll::Pending => timer
            .poll_at(cx, core.io.now(), deadline)
            .map(|()| Err(Fault::new(Kind::TlsTimeout, Stage::Select, "the TLS handshake took too long"))),
    })
    .await
}

/// The name that the endpoint's certificate must be for.
fn name(upstream: &Upstream, endpoint: &Endpoint) -> Option<ServerName<'static>> {
    let configured = upstream.tls.as_ref().and_then(|tls| tls.server_name.as_deref());
    let host = || {
        let authority = endpoint.authority.as_str();
        let end = authority.rfind(':').filter(|colon| !authority[*colon..].contains(']'));
        authority[..end.unwrap_or(authority.len())].trim_start_matches('[').trim_end_matches(']')
    };
    ServerName::try_from(configured.unwrap_or_else(host).to_owned()).ok()
}

fn fault_of(failure: Failure) -> Fault {
    let (kind, detail) = match failure {
        Failure::Gone => (Kind::TlsProtocol, "the endpoint closed in the TLS handshake"),
        Failure::Alert => (Kind::TlsAlert, "the endpoint refused the TLS handshake"),
        Failure::Certificate => (Kind::TlsCertificate, "the endpoint's certificate is not good for it"),
        Failure::Protocol | Failure::Evicted => (Kind::TlsProtocol, "no TLS that both sides speak"),
    };
    Fault::new(kind, Stage::Select, detail)
}
