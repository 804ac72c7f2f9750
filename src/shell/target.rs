//! Where a request goes under which name: the target and Host upstream, and the `Location` of a redirect.

use super::connection::Downstream;
use super::exchange::{Story, client_of};
use super::io::Io;
use super::serving::Choice;
use super::work::Work;
use crate::plan::template::Variable;
use crate::plan::{Forward, Redirect};
use crate::policy::rewrite::{self, Asked, Reached};
use crate::proto::h1::encode::{push_address, push_decimal};
use crate::words::fault::Fault;

/// Appends the upstream target of the exchange to `out`.
///
/// # Errors
/// When the rewritten path is no canonical path.
pub fn upstream<I: Io>(
    down: &Downstream<I>, work: &Work, story: &Story<I>, forward: &Forward, out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let query = work.request.query.map(|query| query.of(down.inbound.data()));
    if !forward.rewrite.is_identity() {
        let fill = |variable, out: &mut Vec<u8>| fill(variable, down, work, story, out);
        let asked = Asked { path: work.facts.path(), query, captures: &work.captures };
        return rewrite::target(&forward.rewrite, &asked, &fill, out);
    }
    out.extend_from_slice(work.facts.path());
    if let Some(query) = query {
        out.push(b'?');
        out.extend_from_slice(query);
    }
    Ok(())
}

/// What Host says upstream.
pub fn host<'a, I: Io>(
    down: &'a Downstream<I>, work: &'a Work, story: &'a Story<I>, forward: &'a Forward, choice: Choice,
) -> &'a [u8] {
    let endpoint = &story.plan.upstreams[choice.upstream.index()].endpoints[choice.endpoint];
    // An HTTP/1.0 request may have none; HTTP/1.1 upstream must.
    let client = work.request.host.map_or(endpoint.authority.as_bytes(), |host| host.of(down.inbound.data()));
    rewrite::authority(&forward.rewrite.host, client, &endpoint.authority)
}

/// Writes the `Location` of `redirect`.
///
/// # Errors
/// When what a client sent would make it malformed.
pub fn location<I: Io>(
    down: &Downstream<I>, work: &Work, story: &Story<I>, redirect: &Redirect, out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let bytes = down.inbound.data();
    let client = client_of(down, &work.request, &story.plan);
    let own = work.request.host.map_or(&b""[..], |host| host.of(bytes));
    let (host, port) = split_port(client.host.unwrap_or(own));
    let query = work.request.query.map(|query| query.of(bytes));
    let asked = Asked { path: work.facts.path(), query, captures: &work.captures };
    let fill = |variable, out: &mut Vec<u8>| fill(variable, down, work, story, out);
    rewrite::location(
        redirect,
        &asked,
        &Reached { scheme: client.scheme.unwrap_or(down.stream.scheme()), host, port },
        &fill,
        out,
    )
}

/// Host and port of an authority whose grammar was checked.
fn split_port(authority: &[u8]) -> (&[u8], Option<u16>) {
    match authority.iter().rposition(|byte| *byte == b':') {
        Some(colon) if !authority[colon..].contains(&b']') => {
            let port = std::str::from_utf8(&authority[colon + 1..]).ok().and_then(|port| port.parse().ok());
            (&authority[..colon], port)
        }
        _ => (authority, None),
    }
}

/// Fills a template's variable for this exchange; what is not known yet stays empty.
pub fn fill<I: Io>(variable: Variable, down: &Downstream<I>, work: &Work, story: &Story<I>, out: &mut Vec<u8>) {
    let bytes = down.inbound.data();
    let plan = &story.plan;
    match variable {
        Variable::ClientIp => push_address(story.record.client.0, out),
        Variable::ClientPort => {
            if let Some(port) = story.record.client.1 {
                push_decimal(u64::from(port), out);
            }
        }
        Variable::RequestId => out.extend_from_slice(work.facts.id()),
        Variable::RequestMethod => out.extend_from_slice(work.request.method_span.of(bytes)),
        Variable::RequestScheme => out.extend_from_slice(down.stream.scheme().as_bytes()),
        Variable::RequestHost => out.extend_from_slice(work.facts.host()),
        Variable::RequestPath => out.extend_from_slice(work.facts.path()),
        Variable::RequestQuery => {
            out.extend_from_slice(work.request.query.map_or(b"", |query| query.of(bytes)));
        }
        Variable::TraceId => out.extend_from_slice(work.facts.trace()),
        Variable::ServerName => out.extend_from_slice(plan.server.name.as_bytes()),
        Variable::ListenerName => out.extend_from_slice(plan.listeners[down.listener.index()].name.as_bytes()),
        Variable::RouteName => {
            let name = story.record.route.map(|route| plan.routes[route.index()].name.as_bytes());
            out.extend_from_slice(name.unwrap_or(b"-"));
        }
        Variable::Capture(index) => {
            let capture = work.captures.get(usize::from(index), work.facts.path());
            out.extend_from_slice(capture.unwrap_or_default());
        }
        Variable::UpstreamName => {
            if let Some(choice) = story.record.choice {
                out.extend_from_slice(plan.upstreams[choice.upstream.index()].name.as_bytes());
            }
        }
        // The rest speaks of an exchange that is over: `check` allows it in the log only.
        _ => {}
    }
}
