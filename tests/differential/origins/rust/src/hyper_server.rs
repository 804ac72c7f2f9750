//! hyper 1, the server that most Rust frameworks stand on.

use std::error::Error;
use std::net::Ipv4Addr;
use std::rc::Rc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::LocalSet;

use crate::Origin;
use crate::report::Seen;

pub fn serve(origin: Origin) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, accept(Rc::new(origin)))
}

async fn accept(origin: Rc<Origin>) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, origin.port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let origin = Rc::clone(&origin);
        tokio::task::spawn_local(async move {
            let answer = service_fn(|request| answer(&origin, request));
            // A connection that ends badly is an observation of the caller, not of this program.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

/// A body that breaks is no request: the error ends the connection and nothing is written.
async fn answer(
    origin: &Origin, request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Box<dyn Error + Send + Sync>> {
    let (head, body) = request.into_parts();
    let target = head.uri.path_and_query().map_or_else(|| head.uri.to_string(), |target| target.to_string());
    let mut seen = Seen {
        id: field(&head.headers, "x-request-id"),
        case: field(&head.headers, "x-case"),
        method: head.method.to_string(),
        target,
        views: vec![("hyper", "raw", head.uri.path().as_bytes().to_vec())],
        body: body.collect().await?.to_bytes().to_vec(),
    };
    seen.parse_url();
    origin.log.write(&seen)?;
    Ok(Response::new(Full::from(seen.id)))
}

fn field(fields: &HeaderMap, name: &str) -> String {
    fields.get(name).map_or_else(String::new, |value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}
