//! Upstreams, by name and written in place.

use std::net::SocketAddr;

use super::inherit::note;
use super::resolve::Resolver;
use super::tls::{self, Files};
use crate::plan::code::Code;
use crate::plan::desk::Desk;
use crate::plan::origin::Origins;
use crate::plan::raw::Named;
use crate::plan::raw::setting::{Timeouts as RawTimeouts, UpstreamTimeouts as RawUpstreamTimeouts};
use crate::plan::raw::upstream::{Endpoint as RawEndpoint, Upstream as RawUpstream};
use crate::plan::read::At;
use crate::plan::source::Place;
use crate::plan::value::address::EndpointUrl;
use crate::plan::{Address, Endpoint, Upstream, UpstreamProtocol, UpstreamTimeouts};
use crate::words::ids::UpstreamId;
use crate::words::limits::{ENDPOINTS_MAX, IDLE_CONNECTIONS, UPSTREAM_IDLE_TIME};

/// All upstreams so far; those written in place come behind those with names.
#[derive(Debug, Default)]
pub struct Upstreams {
    /// By [`UpstreamId`].
    pub list: Vec<Upstream>,
    /// The files of certificates that were named so far.
    pub files: Files,
    timeouts: Vec<RawUpstreamTimeouts>,
    resolver: Resolver,
}

impl Upstreams {
    /// Compiles those with names.
    pub fn compile(raw: &[Named<RawUpstream>], files: Files, origins: &mut Origins, desk: &mut Desk<'_>) -> Self {
        let mut upstreams = Self { files, ..Self::default() };
        for named in raw {
            upstreams.add(named.name.value.clone(), &named.section, named.name.place, origins, desk);
        }
        upstreams
    }

    /// Compiles one that is called `name` and stands at `place`.
    pub fn add(
        &mut self, name: String, raw: &RawUpstream, place: Place, origins: &mut Origins, desk: &mut Desk<'_>,
    ) -> UpstreamId {
        let id = UpstreamId::new(self.list.len());
        let mut settings = Vec::new();
        note(&mut settings, "endpoints", raw.endpoints.as_ref());
        note(&mut settings, "balance", raw.balance.as_ref());
        note(&mut settings, "idle_connections", raw.idle_connections.as_ref());
        note(&mut settings, "idle_timeout", raw.idle_timeout.as_ref());
        note(&mut settings, "protocol", raw.protocol.as_ref());
        note(&mut settings, "tls", raw.tls.as_ref());
        note(&mut settings, "proxy_protocol", raw.proxy_protocol.as_ref());
        note(&mut settings, "timeouts.connect", raw.timeouts.connect.as_ref());
        note(&mut settings, "timeouts.first_byte", raw.timeouts.first_byte.as_ref());
        note(&mut settings, "timeouts.idle", raw.timeouts.idle.as_ref());
        origins.upstreams.push(settings);
        let idle = raw.idle_connections.map_or(IDLE_CONNECTIONS, |count| count.value.0);
        let is_tls = speaks_tls(raw, desk);
        check_protocol(raw, is_tls, desk);
        let tls = is_tls.then(|| tls::upstream(id, place, raw.tls.as_ref(), &mut self.files, desk));
        let endpoints = self.endpoints(raw, place, desk);
        self.list.push(Upstream {
            name,
            endpoints,
            balance: raw.balance.map(|balance| balance.value).unwrap_or_default(),
            idle_connections: usize::try_from(idle).unwrap_or(usize::MAX),
            idle_timeout: raw.idle_timeout.map_or(UPSTREAM_IDLE_TIME, |timeout| timeout.value),
            protocol: raw.protocol.map(|protocol| protocol.value).unwrap_or_default(),
            tls,
            proxy_protocol: raw.proxy_protocol.map(|version| version.value),
            timeouts: UpstreamTimeouts {
                connect: raw.timeouts.connect.map(|span| span.value),
                first_byte: raw.timeouts.first_byte.map(|span| span.value),
                idle: raw.timeouts.idle.map(|span| span.value),
            },
        });
        self.timeouts.push(raw.timeouts);
        id
    }

    /// The timeouts that `id` sets for its routes, with their places.
    #[must_use]
    pub fn timeouts(&self, id: UpstreamId) -> RawTimeouts {
        self.timeouts[id.index()].into()
    }

    fn endpoints(&mut self, raw: &RawUpstream, place: Place, desk: &mut Desk<'_>) -> Vec<Endpoint> {
        let list = raw.endpoints.as_ref().map(|list| list.value.0.as_slice()).unwrap_or_default();
        let endpoints: Vec<Endpoint> = list.iter().flat_map(|endpoint| self.endpoint(endpoint, desk)).collect();
        if endpoints.len() > ENDPOINTS_MAX {
            desk.complain(Code::TooMany, place, format!("an upstream has at most {ENDPOINTS_MAX} endpoints"));
        }
        if !endpoints.is_empty() && endpoints.iter().all(|endpoint| endpoint.weight == 0) {
            desk.complain(Code::NoWeight, place, "all endpoints have weight 0, so none can be chosen");
        }
        endpoints
    }

    /// A name with several addresses is that many endpoints.
    fn endpoint(&mut self, raw: &At<RawEndpoint>, desk: &mut Desk<'_>) -> Vec<Endpoint> {
        let weight = raw.value.weight;
        match &raw.value.url.value {
            EndpointUrl::Unix(path) => {
                vec![Endpoint {
                    address: Address::Unix(path.clone()),
                    authority: "localhost".to_owned(),
                    weight,
                    is_tls: false,
                }]
            }
            EndpointUrl::Http { host, port, authority, is_tls } => match self.resolver.addresses(host) {
                Ok(addresses) => {
                    let tcp = |ip| Address::Tcp(SocketAddr::new(ip, *port));
                    addresses
                        .into_iter()
                        .map(|ip| Endpoint { address: tcp(ip), authority: authority.clone(), weight, is_tls: *is_tls })
                        .collect()
                }
                Err(why) => {
                    desk.complain(
                        Code::Unresolved,
                        raw.value.url.place,
                        format!("\"{host}\" cannot be resolved: {why}"),
                    );
                    Vec::new()
                }
            },
        }
    }
}

/// True when the endpoints are `https`: all of them, or none.
fn speaks_tls(raw: &RawUpstream, desk: &mut Desk<'_>) -> bool {
    let list = raw.endpoints.as_ref().map(|list| list.value.0.as_slice()).unwrap_or_default();
    let is_tls =
        |endpoint: &At<RawEndpoint>| matches!(endpoint.value.url.value, EndpointUrl::Http { is_tls: true, .. });
    let Some(first) = list.first() else { return false };
    if let Some(other) = list.iter().find(|endpoint| is_tls(endpoint) != is_tls(first)) {
        desk.complain(Code::Conflict, other.value.url.place, "an upstream's endpoints are all https, or none is")
            .other("the first endpoint is here", first.value.url.place)
            .hint("make two upstreams of them");
    }
    is_tls(first)
}

/// What is spoken must fit the endpoints.
fn check_protocol(raw: &RawUpstream, is_tls: bool, desk: &mut Desk<'_>) {
    // Endpoints that are not there were complained about, or are discovered.
    let has_endpoints = raw.endpoints.is_some();
    if let Some(protocol) = raw.protocol.filter(|_| has_endpoints) {
        let problem = match (protocol.value, is_tls) {
            (UpstreamProtocol::H2, false) => {
                Some(("\"h2\" is HTTP/2 over TLS, and the endpoints are not https", "h2c"))
            }
            (UpstreamProtocol::H2c, true) => Some(("\"h2c\" is HTTP/2 without TLS, and the endpoints are https", "h2")),
            _ => None,
        };
        if let Some((message, meant)) = problem {
            desk.complain(Code::Conflict, protocol.place, message).suggest(Some(meant));
        }
    }
    if let Some(tls) = raw.tls.as_ref().filter(|_| has_endpoints && !is_tls) {
        desk.complain(Code::Conflict, tls.place, "\"tls\" needs https endpoints")
            .hint("write the endpoints as \"https://host:port\"");
    }
    let is_shared = raw.protocol.is_some_and(|protocol| protocol.value != UpstreamProtocol::Http1);
    if let Some(version) = raw.proxy_protocol.filter(|_| is_shared) {
        desk.complain(
            Code::Conflict,
            version.place,
            "\"proxy_protocol\" names one client, and HTTP/2 carries many on one connection",
        )
        .hint("leave it out: the client's address is in Forwarded; or use protocol = \"http/1.1\"");
    }
}
