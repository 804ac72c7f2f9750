//! Listeners.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};

use super::{Names, action, inherit, unknown};
use crate::plan::cidr::CidrSet;
use crate::plan::code::Code;
use crate::plan::desk::Desk;
use crate::plan::origin::Origins;
use crate::plan::raw::listener::Listener as RawListener;
use crate::plan::raw::{Named, Raw};
use crate::plan::read::At;
use crate::plan::source::Place;
use crate::plan::value::address::Network;
use crate::plan::{Listener, Protocol};
use crate::words::ids::TlsId;

/// Compiles all listeners. No two of them, and not the admin address either, may share an address.
pub fn compile(
    raw: &Raw, names: &Names, admin: Option<At<SocketAddr>>, origins: &mut Origins, desk: &mut Desk<'_>,
) -> Vec<Listener> {
    if raw.listeners.is_empty() && desk.errors() == 0 {
        desk.complain_of_all(Code::NoListener, "there is no listener")
            .hint("add [listeners.web] with address = \"0.0.0.0:8080\"");
    }
    let mut taken: HashMap<SocketAddr, Place> = admin.into_iter().map(|admin| (admin.value, admin.place)).collect();
    let compiled = raw.listeners.iter().map(|named| {
        if let Some(address) = named.section.address.filter(|address| address.value.0.port() != 0) {
            let first = *taken.entry(address.value.0).or_insert(address.place);
            if first != address.place {
                desk.complain(Code::SameAddress, address.place, format!("{} is taken already", address.value.0))
                    .other("it is taken here", first);
            }
        }
        one(named, raw, names, origins, desk)
    });
    compiled.collect()
}

fn one(named: &Named<RawListener>, raw: &Raw, names: &Names, origins: &mut Origins, desk: &mut Desk<'_>) -> Listener {
    let section = &named.section;
    let timeouts = section.timeouts.or(raw.defaults.timeouts);
    let limits = section.limits.or(raw.defaults.limits);
    let mut settings = inherit::settings(&timeouts, &limits);
    inherit::note(&mut settings, "address", section.address.as_ref());
    inherit::note(&mut settings, "redirect", section.redirect.as_ref());
    inherit::note(&mut settings, "trusted_proxies", section.trusted_proxies.as_ref());
    inherit::note(&mut settings, "tls", section.tls.as_ref());
    inherit::note(&mut settings, "protocols", section.protocols.as_ref());
    inherit::note(&mut settings, "proxy_protocol", section.proxy_protocol.as_ref());
    origins.listeners.push(settings);
    check_proxy_protocol(section, desk);
    Listener {
        name: named.name.value.clone(),
        // Without an address there was a complaint, and no plan comes of this.
        address: section.address.map_or((Ipv4Addr::UNSPECIFIED, 0).into(), |address| address.value.0),
        redirect: section.redirect.as_ref().and_then(|redirect| action::redirect(redirect, None, desk)),
        trusted_proxies: networks(section.trusted_proxies.as_ref()),
        limits: inherit::limits(&limits),
        timeouts: inherit::timeouts(&timeouts),
        tls: tls(section, names, desk),
        protocols: protocols(section, desk),
        proxy_protocol: section.proxy_protocol.map(|version| version.value),
    }
}

fn tls(section: &RawListener, names: &Names, desk: &mut Desk<'_>) -> Option<TlsId> {
    let name = section.tls.as_ref()?;
    let id = names.tls.get(&name.value.0).copied();
    if id.is_none() {
        unknown("tls", &name.value.0, name.place, names.tls.keys(), desk);
    }
    id
}

fn protocols(section: &RawListener, desk: &mut Desk<'_>) -> Vec<Protocol> {
    let Some(list) = &section.protocols else {
        // Without TLS nobody negotiates, so HTTP/2 by prior knowledge is spoken only where it is asked for.
        return if section.tls.is_some() { vec![Protocol::H2, Protocol::Http1] } else { vec![Protocol::Http1] };
    };
    let mut protocols: Vec<Protocol> = Vec::new();
    for protocol in &list.value.0 {
        if protocols.contains(&protocol.value) {
            desk.complain(Code::Repeated, protocol.place, "the protocol is named twice");
        } else {
            protocols.push(protocol.value);
        }
    }
    protocols
}

/// A PROXY header says who the client is; from a peer that nobody trusts it would be a lie for the asking.
fn check_proxy_protocol(section: &RawListener, desk: &mut Desk<'_>) {
    let Some(version) = section.proxy_protocol else { return };
    if section.trusted_proxies.as_ref().is_none_or(|list| list.value.is_empty()) {
        desk.complain(Code::Conflict, version.place, "\"proxy_protocol\" needs \"trusted_proxies\"")
            .hint("name the networks of the balancers, as in trusted_proxies = [\"10.0.0.0/8\"]");
    }
}

fn networks(raw: Option<&At<Vec<At<Network>>>>) -> CidrSet {
    let list = raw.map(|list| list.value.as_slice()).unwrap_or_default();
    CidrSet::new(list.iter().map(|network| (network.value.0, network.value.1)).collect())
}
