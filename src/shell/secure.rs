//! TLS to an upstream: the handshake behind a connect.

#![expect(clippy::disallowed_types, reason = "rustls takes its configurations as Arc; touched by handshakes only")]

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::connection::Downstream;
use super::exchange::Story;
use super::forward::{Deadlines, expired};
use super::io::{Io, Stream};
use super::serving::{Choice, Serving};
use super::tls::desk::Desk;
use super::tls::{Application, Failure, TlsStream};
use super::wire::Wire;
use crate::plan::{Endpoint, Upstream, UpstreamProtocol};
use crate::words::fault::{Fault, Kind, Stage};
use crate::words::limits::TLS_CONNECT_TIME;

/// What it takes to speak TLS to an endpoint.
pub struct Terms {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    is_h2: bool,
}

impl Terms {
    /// For an endpoint of `plan`; `None` where no TLS is spoken to it.
    ///
    /// # Errors
    /// When there are none: TLS is then not spoken, nor anything else.
    pub fn of<S: Stream>(serving: &Serving<S>, choice: Choice) -> Result<Option<Self>, Fault> {
        let upstream = &serving.plan.upstreams[choice.upstream.index()];
        let endpoint = &upstream.endpoints[choice.endpoint];
        if !endpoint.is_tls {
            return Ok(None);
        }
        let config = serving.keyring.client(choice.upstream).cloned();
        let (Some(config), Some(name)) = (config, name(upstream, endpoint)) else {
            return Err(Fault::new(Kind::Internal, Stage::Select, "no TLS configuration for the endpoint"));
        };
        Ok(Some(Self { config, name, is_h2: upstream.protocol == UpstreamProtocol::H2 }))
    }

    /// The handshake over `stream`, for as long as `poll_end` lets it go on.
    ///
    /// # Errors
    /// Why the endpoint's certificate is not taken, or no TLS can be spoken.
    pub async fn shake<S: Stream>(
        self, stream: S, desk: &Rc<Desk>, mut poll_end: impl FnMut(&mut Context<'_>) -> Poll<Fault>,
    ) -> Result<Wire<S>, Fault> {
        let mut stream = TlsStream::client(stream, self.config, self.name, desk).map_err(fault_of)?;
        let shaken = poll_fn(|cx| match stream.poll_handshake(cx) {
            Poll::Ready(shaken) => Poll::Ready(shaken.map_err(fault_of)),
            Poll::Pending => poll_end(cx).map(Err),
        });
        shaken.await?;
        let is_h2 = stream.told().is_some_and(|told| told.application == Some(Application::H2));
        if is_h2 != self.is_h2 {
            return Err(Fault::new(Kind::TlsProtocol, Stage::Select, "the endpoint chose another protocol"));
        }
        Ok(Wire::Tls(Box::new(stream)))
    }
}

/// What speaks with the endpoint over `stream`: TLS, when that is what it asks for.
///
/// # Errors
/// Why its certificate is not taken, or no TLS can be spoken. It is never spoken to without.
pub async fn secure<I: Io>(
    down: &mut Downstream<I>, story: &Story<I>, choice: Choice, deadlines: &Deadlines, stream: I::Stream,
) -> Result<Wire<I::Stream>, Fault> {
    let terms = Terms::of(&story.serving.borrow(), choice)?;
    let Some(terms) = terms else { return Ok(Wire::Plain(stream)) };
    let deadline = down.core.io.now().after(TLS_CONNECT_TIME).min(deadlines.request);
    let core = Rc::clone(&down.core);
    let shaken = terms.shake(stream, &core.desk, |cx| {
        down.stream.gather(cx);
        down.poll_expiry(cx, deadline).map(|expiry| {
            if deadline == deadlines.request {
                expired(expiry, Kind::RequestTimeout, "timeouts.request is over")
            } else {
                expired(expiry, Kind::TlsTimeout, "the TLS handshake took too long")
            }
        })
    });
    // Large, and not there for most.
    Box::pin(shaken).await
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
