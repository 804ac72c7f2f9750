//! The request in question, from the command line, as the data path would see it.

use super::Arguments;
use crate::plan::explain::Question;
use crate::plan::value::host::split_port;
use crate::plan::{Listener, Plan};
use crate::proto::authority;
use crate::proto::path::{Canonical, canonicalise};
use crate::words::fault::Kind;
use crate::words::ids::ListenerId;

/// The request in question.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// What the router sees. Path and host are empty where `refusal` says why.
    pub(super) question: Question,
    /// Host with port as it stands in the URL or the field; empty when there is none.
    pub(super) authority: String,
    /// The port in it.
    pub(super) port: Option<u16>,
    /// Why this listener.
    pub(super) listener_because: String,
    /// The path as it was written.
    pub(super) raw_path: String,
    /// The gateway refuses the request before it looks for a route: the fault and its detail.
    pub(super) refusal: Option<(Kind, &'static str)>,
}

/// A URL by its parts.
struct Url<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

impl Asked {
    /// Reads the arguments.
    ///
    /// # Errors
    /// Why they do not make a request; a request that the gateway refuses is none of these.
    pub(super) fn read(arguments: &Arguments, plan: &Plan) -> Result<Self, String> {
        let url = Url::read(&arguments.url)?;
        let fields = arguments.headers.iter().map(|field| read_field(field)).collect::<Result<Vec<_>, _>>()?;
        check_method(&arguments.method)?;
        let host_field = fields.iter().find(|(name, _)| name == "host").map(|(_, value)| value.clone());
        // RFC 9112 3.2.2: the URL's authority replaces the field.
        let authority = url.authority.map(str::to_owned).or(host_field).unwrap_or_default();
        let (host, port) = split_port(&authority).unwrap_or((&authority, None));
        let (listener, listener_because) = choose_listener(arguments.listener.as_deref(), &url, port, plan)?;
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let mut refusal = refused_method(&arguments.method);
        if !authority.is_empty()
            && let Err(detail) = authority::check(authority.as_bytes())
        {
            refusal = refusal.or(Some((Kind::BadHost, detail)));
        }
        let path = canonical(url.path, &arguments.method).unwrap_or_else(|detail| {
            refusal = refusal.or(Some((Kind::BadTarget, detail)));
            String::new()
        });
        if url.query.is_some_and(|query| query.bytes().any(|byte| byte <= b' ' || byte == 0x7F)) {
            refusal = refusal.or(Some((Kind::BadTarget, "the target has a control character or a space")));
        }
        let question = Question {
            listener,
            host,
            path,
            query: url.query.map(str::to_owned),
            method: arguments.method.clone(),
            fields,
        };
        Ok(Self { question, authority, port, listener_because, raw_path: url.path.to_owned(), refusal })
    }
}

impl<'a> Url<'a> {
    fn read(text: &'a str) -> Result<Self, String> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme @ ("http" | "https"), rest)) => (Some(scheme), rest),
            Some((scheme, _)) if !text.starts_with('/') => {
                return Err(format!("\"{scheme}\" is not a scheme that a gateway serves: http or https"));
            }
            _ if text.starts_with('/') || text == "*" => (None, text),
            _ => return Err(format!("\"{text}\" is neither a URL nor a path: http://host/path, or /path")),
        };
        // A fragment is never sent.
        let rest = rest.split('#').next().unwrap_or_default();
        let start = if scheme.is_some() { rest.find(['/', '?']).unwrap_or(rest.len()) } else { 0 };
        let (authority, target) = rest.split_at(start);
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        Ok(Self { scheme, authority: scheme.map(|_| authority), path, query })
    }

    fn default_port(&self) -> u16 {
        if self.scheme == Some("https") { 443 } else { 80 }
    }
}

fn read_field(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once(':').filter(|(name, _)| !name.is_empty() && name.bytes().all(is_token_byte));
    let (name, value) = parts.ok_or_else(|| format!("\"{text}\" is not a field: 'name: value'"))?;
    Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
}

fn check_method(method: &str) -> Result<(), String> {
    let is_token = !method.is_empty() && method.bytes().all(is_token_byte);
    is_token.then_some(()).ok_or_else(|| format!("\"{method}\" is not a method"))
}

/// RFC 9110 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Methods that the gateway answers itself, whatever the routes say.
fn refused_method(method: &str) -> Option<(Kind, &'static str)> {
    match method {
        "CONNECT" => Some((Kind::NotImplemented, "CONNECT is not implemented")),
        "TRACE" => Some((Kind::MethodNotAllowed, "TRACE is off")),
        _ => None,
    }
}

fn canonical(path: &str, method: &str) -> Result<String, &'static str> {
    if path == "*" {
        return if method == "OPTIONS" { Ok(path.to_owned()) } else { Err("only OPTIONS may ask for *") };
    }
    let mut out = Vec::new();
    match canonicalise(path.as_bytes(), &mut out) {
        Ok(Canonical::Already) => Ok(path.to_owned()),
        Ok(Canonical::Written) => Ok(String::from_utf8_lossy(&out).into_owned()),
        Err(error) => Err(error.0),
    }
}

fn choose_listener(
    name: Option<&str>, url: &Url<'_>, port: Option<u16>, plan: &Plan,
) -> Result<(ListenerId, String), String> {
    let position = |test: &dyn Fn(&Listener) -> bool| plan.listeners.iter().position(test);
    let (found, because) = match name {
        Some(name) => {
            let found = position(&|listener| listener.name == name);
            (Some(found.ok_or_else(|| format!("there is no listener \"{name}\""))?), "it was asked for".to_owned())
        }
        None => {
            let port = port.or_else(|| url.scheme.map(|_| url.default_port()));
            match port.and_then(|port| Some((position(&|listener| listener.address.port() == port)?, port))) {
                Some((found, port)) => (Some(found), format!("it listens on port {port}")),
                None => {
                    let is_routing = |listener: &Listener| listener.redirect.is_none();
                    let is_meant = |listener: &Listener| {
                        url.scheme.is_none_or(|scheme| (scheme == "https") == listener.tls.is_some())
                    };
                    let routing = position(&|listener| is_routing(listener) && is_meant(listener))
                        .or_else(|| position(&is_routing))
                        .or_else(|| position(&|_| true));
                    (routing, "the first that routes; --listener chooses another".to_owned())
                }
            }
        }
    };
    let found = found.ok_or("the configuration has no listener")?;
    Ok((ListenerId::new(found), because))
}
