//! TLS to an upstream: the handshake behind a connect.

use std::future::poll_fn;
use std::task::Poll;

use rustls::pki_types::ServerName;

use super::connection::Downstream;
use super::exchange::Story;
use super::forward::{Deadlines, expired};
use super::io::Io;
use super::serving::Choice;
use super::tls::{Application, Failure, TlsStream};
use super::wire::Wire;
use crate::plan::{Endpoint, Upstream, UpstreamProtocol};
use crate::words::fault::{Fault, Kind, Stage};
use crate::words::limits::TLS_CONNECT_TIME;

/// What speaks with the endpoint over `stream`: TLS, when that is what it asks for.
///
/// # Errors
/// Why its certificate is not taken, or no TLS can be spoken. It is never spoken to without.
pub async fn secure<I: Io>(
    down: &mut Downstream<I>, story: &Story<I>, choice: Choice, deadlines: &Deadlines, stream: I::Stream,
) -> Result<Wire<I::Stream>, Fault> {
    let upstream = &story.plan.upstreams[choice.upstream.index()];
    let endpoint = &upstream.endpoints[choice.endpoint];
    if !endpoint.is_tls {
        return Ok(Wire::Plain(stream));
    }
    let config = story.serving.borrow().keyring.client(choice.upstream).cloned();
    let fault = |kind, detail| Fault::new(kind, Stage::Select, detail);
    let (Some(config), Some(name)) = (config, name(upstream, endpoint)) else {
        return Err(fault(Kind::Internal, "no TLS configuration for the endpoint"));
    };
    let mut stream = TlsStream::client(stream, config, name, &down.core.desk).map_err(fault_of)?;
    let deadline = down.core.io.now().after(TLS_CONNECT_TIME).min(deadlines.request);
    let shaken = poll_fn(|cx| {
        if let Poll::Ready(shaken) = stream.poll_handshake(cx) {
            return Poll::Ready(shaken.map_err(fault_of));
        }
        down.poll_expiry(cx, deadline).map(|expiry| {
            Err(if deadline == deadlines.request {
                expired(expiry, Kind::RequestTimeout, "timeouts.request is over")
            } else {
                expired(expiry, Kind::TlsTimeout, "the TLS handshake took too long")
            })
        })
    });
    shaken.await?;
    let is_h2 = stream.told().is_some_and(|told| told.application == Some(Application::H2));
    if is_h2 != (upstream.protocol == UpstreamProtocol::H2) {
        return Err(fault(Kind::TlsProtocol, "the endpoint chose another protocol"));
    }
    Ok(Wire::Tls(Box::new(stream)))
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
