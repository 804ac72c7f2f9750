//! actix-web on actix-http, which has a parser and a body decoder of its own.

use std::error::Error;
use std::net::Ipv4Addr;

use actix_web::error::ErrorPayloadTooLarge;
use actix_web::rt::System;
use actix_web::web::{self, Data, Payload};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};

use crate::Origin;
use crate::report::Seen;

pub fn serve(origin: Origin) -> Result<(), Box<dyn Error>> {
    let address = (Ipv4Addr::LOCALHOST, origin.port);
    let origin = Data::new(origin);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(origin.clone())
            .route("/{tail:.*}", web::route().to(answer))
            .default_service(web::to(answer))
    });
    Ok(System::new().block_on(server.workers(1).disable_signals().bind(address)?.run())?)
}

/// A body that breaks is no request: the error is the answer and nothing is written.
async fn answer(request: HttpRequest, body: Payload, origin: Data<Origin>) -> actix_web::Result<HttpResponse> {
    let body = body.to_bytes_limited(BODY_BYTES_MAX).await.map_err(ErrorPayloadTooLarge)??;
    let mut views = vec![("actix", "raw", request.uri().path().as_bytes().to_vec())];
    if let Some(tail) = request.match_info().get("tail") {
        views.push(("actix-router", "segments", format!("/{tail}").into_bytes()));
    }
    let field = |name| {
        let value = request.headers().get(name);
        value.map_or_else(String::new, |value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let mut seen = Seen {
        id: field("x-request-id"),
        case: field("x-case"),
        method: request.method().to_string(),
        target: request.uri().path_and_query().map_or_else(|| request.uri().to_string(), ToString::to_string),
        views,
        body: body.to_vec(),
    };
    seen.parse_url();
    origin.log.write(&seen)?;
    Ok(HttpResponse::Ok().body(seen.id))
}

/// More than any request of the differential test has.
const BODY_BYTES_MAX: usize = 16 << 20;
