//! The demo's origins: two small HTTP/1.1 servers to try a gateway on, without any file or server of one's own.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{any, get};
use futures_core::Stream;
use serde_json::{Value, json};
use tokio::time::{Interval, interval};

/// The configuration that the demo runs.
pub const CONFIGURATION: &str = include_str!("../../config/demo.toml");
/// The gateway's address in it.
pub const ADDRESS: &str = "127.0.0.1:8080";
/// The admin address in it.
pub const ADMIN: &str = "127.0.0.1:9901";
/// The origins' names and addresses in it.
const ORIGINS: [(&str, &str); 2] = [("blue", "127.0.0.1:9081"), ("green", "127.0.0.1:9082")];

/// How long `/slow` takes.
const SLOW: Duration = Duration::from_secs(5);
/// Parts of `/stream`, and the time between them.
const PARTS: u32 = 5;
const BETWEEN_PARTS: Duration = Duration::from_millis(300);

/// Starts the origins, which run until the process ends, and returns the configuration for them: [`CONFIGURATION`]
/// with `address` as the gateway's. Where a port of the origins or of the admin address is taken, any other is used.
///
/// # Errors
/// No port of the loopback can be had, or no thread.
pub fn start(address: SocketAddr) -> io::Result<String> {
    let mut configuration = CONFIGURATION.replace(ADDRESS, &address.to_string());
    for (name, address) in ORIGINS {
        let socket = listen(address)?;
        configuration = configuration.replace(address, &socket.local_addr()?.to_string());
        serve(name, socket)?;
    }
    // The admin socket is the gateway's own: only whether it could listen is asked here.
    if TcpListener::bind(ADMIN).is_err() {
        configuration = configuration.replace(ADMIN, "127.0.0.1:0");
    }
    Ok(configuration)
}

fn listen(address: &str) -> io::Result<TcpListener> {
    let socket = TcpListener::bind(address).or_else(|_| TcpListener::bind("127.0.0.1:0"))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn serve(name: &'static str, socket: TcpListener) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let body = move || {
        runtime.block_on(async {
            // It never ends by itself, and the process does not wait for it.
            drop(axum::serve(tokio::net::TcpListener::from_std(socket)?, pages(name)).await);
            io::Result::Ok(())
        })
    };
    std::thread::Builder::new().name(format!("demo-{name}")).spawn(body)?;
    Ok(())
}

fn pages(name: &'static str) -> Router {
    Router::new()
        .route("/", get(greet))
        .route("/name", get(async |State(name): State<&'static str>| format!("{name}\n")))
        .route("/json", get(sample))
        .route("/slow", get(slow))
        .route("/stream", get(async || Body::from_stream(Parts { sent: 0, pace: interval(BETWEEN_PARTS) })))
        .route("/echo", any(echo))
        .route("/echo/{*rest}", any(echo))
        .with_state(name)
}

async fn greet(State(name): State<&'static str>) -> String {
    format!("Hello from the origin \"{name}\". It also has /json, /echo, /name, /slow and /stream.\n")
}

async fn sample() -> Json<Value> {
    Json(json!({ "orders": [{ "id": 7, "total": "12.50" }, { "id": 8, "total": "3.00" }] }))
}

async fn slow() -> &'static str {
    tokio::time::sleep(SLOW).await;
    "at last\n"
}

/// Says what came in.
async fn echo(State(name): State<&'static str>, method: Method, uri: Uri, fields: HeaderMap, body: Bytes) -> Response {
    let fields: serde_json::Map<String, Value> = fields
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    let said = json!({
        "origin": name,
        "method": method.as_str(),
        "path": uri.path(),
        "query": uri.query(),
        "fields": fields,
        "body": String::from_utf8_lossy(&body),
    });
    ([(header::CONTENT_TYPE, "application/json")], format!("{said:#}\n")).into_response()
}

/// A body that comes in parts.
struct Parts {
    sent: u32,
    pace: Interval,
}

impl Stream for Parts {
    type Item = Result<String, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.sent == PARTS {
            return Poll::Ready(None);
        }
        std::task::ready!(self.pace.poll_tick(cx));
        self.sent += 1;
        Poll::Ready(Some(Ok(format!("part {} of {PARTS}\n", self.sent))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan;

    #[test]
    fn the_configuration_is_one_that_check_finds_nothing_in() {
        let loaded = plan::load_text("demo.toml", CONFIGURATION).unwrap_or_else(|complaints| panic!("{complaints}"));
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        assert_eq!(loaded.plan.listeners[0].address.to_string(), ADDRESS);
        assert_eq!(loaded.plan.admin.unwrap().address.to_string(), ADMIN);
    }

    #[test]
    fn every_origin_is_an_upstream_of_the_configuration() {
        for (name, address) in ORIGINS {
            let upstream = format!("[upstreams.{name}]\nendpoints = [\"http://{address}\"]\n");
            assert!(CONFIGURATION.contains(&upstream), "{upstream}");
        }
    }
}
