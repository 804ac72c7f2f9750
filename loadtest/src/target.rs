//! What is asked, and of whom: a URL and options become an address and the bytes of one request.

use std::net::{SocketAddr, ToSocketAddrs};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TE};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

use crate::arguments::Run;
use crate::tls::Tls;

/// The one request of a run.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where to connect. A name is resolved once, to its first address.
    pub address: SocketAddr,
    /// Head and body, as they go out.
    pub request: Vec<u8>,
    /// How to shake hands, for an https URL.
    pub tls: Option<Tls>,
    /// The same as HTTP/2 wants it, when that is spoken.
    pub call: Option<Call>,
    /// The request is a HEAD: its answers have no body.
    pub is_head_only: bool,
}

impl Target {
    /// The request that `run` describes.
    ///
    /// # Errors
    /// A sentence that says which argument is wrong, or which name cannot be resolved.
    pub fn of(run: &Run) -> Result<Self, String> {
        let uri: Uri = run.url.parse().map_err(|error| format!("{}: {error}", run.url))?;
        let is_tls = uri.scheme() == Some(&Scheme::HTTPS);
        if !is_tls && uri.scheme() != Some(&Scheme::HTTP) {
            return Err(format!("{}: only http:// and https:// URLs can be asked", run.url));
        }
        let authority = uri.authority().ok_or_else(|| format!("{}: names no host", run.url))?;
        let method = method(run)?;
        let request = compose(run, &method, &uri, authority)?;
        let protocol: &[u8] = if run.h2 { b"h2" } else { b"http/1.1" };
        let tls = is_tls.then(|| Tls::of(run, authority.host(), protocol)).transpose()?;
        let call = run.h2.then(|| Call::of(run, &method, &uri)).transpose()?;
        let address = resolve(authority, if is_tls { 443 } else { 80 })?;
        Ok(Self { address, request, tls, call, is_head_only: method == Method::HEAD })
    }
}

/// A request of HTTP/2.
#[derive(Clone, Debug)]
pub struct Call {
    method: Method,
    uri: Uri,
    fields: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// The answer must end with [`Call::STATUS`].
    pub is_grpc: bool,
}

impl Call {
    /// The field in which gRPC says how a call went.
    pub const STATUS: &str = "grpc-status";

    fn of(run: &Run, method: &Method, uri: &Uri) -> Result<Self, String> {
        let mut fields = HeaderMap::new();
        let size = run.body_bytes.unwrap_or(0);
        let body = if run.grpc {
            fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            fields.insert(TE, HeaderValue::from_static("trailers"));
            Bytes::from(grpc_message(size))
        } else {
            if run.body_bytes.is_some() {
                fields.insert(CONTENT_LENGTH, size.into());
            }
            Bytes::from(vec![b'b'; size])
        };
        for line in &run.headers {
            let (name, value) = field(line)?;
            fields.append(name, value);
        }
        let method = if run.grpc && run.method.is_none() { Method::POST } else { method.clone() };
        Ok(Self { method, uri: uri.clone(), fields, body, is_grpc: run.grpc })
    }

    /// The request's head.
    #[must_use]
    pub fn request(&self) -> Request<()> {
        let mut request = Request::new(());
        request.method_mut().clone_from(&self.method);
        request.uri_mut().clone_from(&self.uri);
        request.headers_mut().clone_from(&self.fields);
        request
    }
}

/// One message of gRPC, not compressed, that takes `size` bytes with the five in front of it that say its length.
#[must_use]
pub fn grpc_message(size: usize) -> Vec<u8> {
    let length = u32::try_from(size.saturating_sub(5)).unwrap_or(u32::MAX);
    let mut message = vec![0];
    message.extend_from_slice(&length.to_be_bytes());
    message.resize(5 + length as usize, b'm');
    message
}

fn method(run: &Run) -> Result<Method, String> {
    match &run.method {
        Some(name) => Method::from_bytes(name.as_bytes()).map_err(|_| format!("--method {name}: not a method")),
        None if run.body_bytes.is_some() => Ok(Method::POST),
        None => Ok(Method::GET),
    }
}

fn resolve(authority: &Authority, port: u16) -> Result<SocketAddr, String> {
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let found = (host, authority.port_u16().unwrap_or(port)).to_socket_addrs();
    let mut addresses = found.map_err(|error| format!("{authority}: {error}"))?;
    addresses.next().ok_or_else(|| format!("{authority}: has no address"))
}

fn compose(run: &Run, method: &Method, uri: &Uri, authority: &Authority) -> Result<Vec<u8>, String> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let fields = run.headers.iter().map(|line| field(line)).collect::<Result<Vec<_>, _>>()?;
    let mut request = format!("{method} {path} HTTP/1.1\r\n").into_bytes();
    let mut add = |name: &str, value: &[u8]| {
        request.extend_from_slice(name.as_bytes());
        request.extend_from_slice(b": ");
        request.extend_from_slice(value);
        request.extend_from_slice(b"\r\n");
    };
    if !fields.iter().any(|(name, _)| name == http::header::HOST) {
        add("host", authority.as_str().rsplit('@').next().unwrap_or_default().as_bytes());
    }
    if run.new_connections && !fields.iter().any(|(name, _)| name == http::header::CONNECTION) {
        add("connection", b"close");
    }
    fields.iter().for_each(|(name, value)| add(name.as_str(), value.as_bytes()));
    // RFC 9110 8.6: a method that anticipates content says so even when there is none.
    if run.body_bytes.is_some() || *method == Method::POST || *method == Method::PUT {
        add("content-length", run.body_bytes.unwrap_or(0).to_string().as_bytes());
    }
    request.extend_from_slice(b"\r\n");
    request.resize(request.len() + run.body_bytes.unwrap_or(0), b'b');
    Ok(request)
}

fn field(line: &str) -> Result<(HeaderName, HeaderValue), String> {
    let wrong = || format!("--header {line:?}: not 'name: value'");
    let (name, value) = line.split_once(':').ok_or_else(wrong)?;
    let name: HeaderName = name.trim().parse().map_err(|_| wrong())?;
    if name == CONTENT_LENGTH || name == http::header::TRANSFER_ENCODING {
        return Err(format!("--header {line:?}: the length of the body is --body-bytes"));
    }
    Ok((name, value.trim().parse().map_err(|_| wrong())?))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::arguments::{Arguments, Command};

    fn target(arguments: &[&str]) -> Result<Target, String> {
        let all = ["ringway-load", "run"].iter().chain(arguments);
        let Command::Run(run) = Arguments::try_parse_from(all).unwrap().command else { panic!("it said run") };
        Target::of(&run)
    }

    #[test]
    fn arguments_become_the_bytes_of_a_request() {
        let cases: &[(&[&str], &str)] = &[
            (&["http://127.0.0.1:8000"], "GET / HTTP/1.1\r\nhost: 127.0.0.1:8000\r\n\r\n"),
            (&["http://[::1]:1/a?b=c"], "GET /a?b=c HTTP/1.1\r\nhost: [::1]:1\r\n\r\n"),
            (
                &["http://127.0.0.1/", "--header", "Host: shop", "--header", "x-a:1", "--new-connections"],
                "GET / HTTP/1.1\r\nconnection: close\r\nhost: shop\r\nx-a: 1\r\n\r\n",
            ),
            (
                &["http://127.0.0.1/", "--body-bytes", "3"],
                "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 3\r\n\r\nbbb",
            ),
            (
                &["http://127.0.0.1/", "--method", "PUT"],
                "PUT / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\n\r\n",
            ),
        ];
        for (arguments, expected) in cases {
            assert_eq!(
                target(arguments).unwrap().request.escape_ascii().to_string(),
                expected.escape_debug().to_string()
            );
        }
        assert!(target(&["http://127.0.0.1/", "--method", "HEAD"]).unwrap().is_head_only);
    }

    #[test]
    fn arguments_become_a_request_of_http_2() {
        let call = |arguments: &[&str]| target(&[&["http://127.0.0.1/p?q", "--h2"], arguments].concat()).unwrap().call;
        let plain = call(&["--header", "x-a: b"]).unwrap();
        assert_eq!((plain.request().method(), plain.request().uri().path()), (&Method::GET, "/p"));
        assert_eq!(
            (&plain.request().headers()["x-a"], plain.body.len(), plain.is_grpc),
            (&"b".parse().unwrap(), 0, false)
        );
        let grpc = call(&["--grpc", "--body-bytes", "8"]).unwrap();
        assert_eq!(
            (grpc.request().method(), &grpc.request().headers()["te"]),
            (&Method::POST, &"trailers".parse().unwrap())
        );
        assert_eq!(grpc.body, b"\0\0\0\0\x03mmm".as_slice());
        assert!(target(&["http://127.0.0.1/"]).unwrap().call.is_none());
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        let cases: &[&[&str]] = &[
            &["ftp://127.0.0.1/"],
            &["https://127.0.0.1/"],
            &["https://127.0.0.1/", "--ca", "/no/such/file"],
            &["/path"],
            &["http://127.0.0.1/", "--header", "no colon"],
            &["http://127.0.0.1/", "--header", "content-length: 3"],
            &["http://127.0.0.1/", "--header", "a b: c"],
            &["http://127.0.0.1/", "--method", "G T"],
        ];
        for arguments in cases {
            assert!(target(arguments).is_err(), "{arguments:?}");
        }
    }
}
