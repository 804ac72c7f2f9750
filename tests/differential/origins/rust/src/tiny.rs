//! tiny_http, a small synchronous server with a parser of its own.

use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::Arc;

use tiny_http::{Request, Response, Server};

use crate::Origin;
use crate::report::Seen;

pub fn serve(origin: Origin) -> Result<(), Box<dyn Error>> {
    let server = Server::http((Ipv4Addr::LOCALHOST, origin.port)).map_err(|error| error.to_string())?;
    let origin = Arc::new(origin);
    for request in server.incoming_requests() {
        let origin = Arc::clone(&origin);
        // A body that comes slowly must not hold up the other connections.
        std::thread::spawn(move || answer(&origin, request));
    }
    Ok(())
}

fn answer(origin: &Origin, mut request: Request) {
    let declared = request.body_length();
    let mut body = Vec::new();
    let is_whole =
        request.as_reader().read_to_end(&mut body).is_ok() && declared.is_none_or(|length| length == body.len());
    if !is_whole {
        return;
    }
    let field = |name: &'static str| {
        let found = request.headers().iter().find(|header| header.field.equiv(name));
        found.map_or_else(String::new, |header| header.value.to_string())
    };
    let mut seen = Seen {
        id: field("x-request-id"),
        case: field("x-case"),
        method: request.method().to_string(),
        target: request.url().to_owned(),
        views: Vec::new(),
        body,
    };
    seen.parse_url();
    if origin.log.write(&seen).is_ok() {
        // The client may be gone.
        let _ = request.respond(Response::from_string(seen.id));
    }
}
