//! Upstreams, by name and written in place.

use std::net::SocketAddr;

use super::inherit::note;
use super::resolve::Resolver;
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
    timeouts: Vec<RawUpstreamTimeouts>,
    resolver: Resolver,
}

impl Upstreams {
    /// Compiles those with names.
    pub fn compile(raw: &[Named<RawUpstream>], origins: &mut Origins, desk: &mut Desk<'_>) -> Self {
        let mut upstreams = Self::default();
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
        note(&mut settings, "timeouts.connect", raw.timeouts.connect.as_ref());
        note(&mut settings, "timeouts.first_byte", raw.timeouts.first_byte.as_ref());
        note(&mut settings, "timeouts.idle", raw.timeouts.idle.as_ref());
        origins.upstreams.push(settings);
        let idle = raw.idle_connections.map_or(IDLE_CONNECTIONS, |count| count.value.0);
        let endpoints = self.endpoints(raw, place, desk);
        self.list.push(Upstream {
            name,
            endpoints,
            balance: raw.balance.map(|balance| balance.value).unwrap_or_default(),
            idle_connections: usize::try_from(idle).unwrap_or(usize::MAX),
            idle_timeout: raw.idle_timeout.map_or(UPSTREAM_IDLE_TIME, |timeout| timeout.value),
            protocol: UpstreamProtocol::Http1,
            tls: None,
            proxy_protocol: None,
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
            EndpointUrl::Http { host, port, authority } => match self.resolver.addresses(host) {
                Ok(addresses) => {
                    let tcp = |ip| Address::Tcp(SocketAddr::new(ip, *port));
                    addresses
                        .into_iter()
                        .map(|ip| Endpoint { address: tcp(ip), authority: authority.clone(), weight, is_tls: false })
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
