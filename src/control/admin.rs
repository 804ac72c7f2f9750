//! The admin address: `/metrics`, `/healthz` and `/readyz`. Everything else is 404 as problem+json (RFC 9457).
//!
//! Not here: anything that changes the gateway; without authentication this address only tells.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::{mpsc, oneshot, watch};

use super::metrics::CONTENT_TYPE;
use super::thread::Command;

/// Whether the gateway wants traffic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Health {
    /// It listens and serves.
    Ready,
    /// It finishes what it has.
    Draining,
}

/// What the pages need of the control thread.
#[derive(Clone, Debug)]
pub struct Desk {
    commands: mpsc::UnboundedSender<Command>,
    health: watch::Receiver<Health>,
}

/// The pages. They exist only once all listeners are bound and all cores run, so before that nobody is told "ready".
pub(super) fn pages(commands: mpsc::UnboundedSender<Command>, health: watch::Receiver<Health>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .fallback(missing)
        .method_not_allowed_fallback(wrong_method)
        .with_state(Desk { commands, health })
}

async fn metrics(State(desk): State<Desk>) -> Response {
    let (reply, page) = oneshot::channel();
    if desk.commands.send(Command::Scrape(reply)).is_err() {
        return draining();
    }
    match page.await {
        Ok(page) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], page).into_response(),
        Err(_) => draining(),
    }
}

async fn ready(State(desk): State<Desk>) -> Response {
    match *desk.health.borrow() {
        Health::Ready => "ready\n".into_response(),
        Health::Draining => draining(),
    }
}

fn draining() -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "The gateway is draining")
}

async fn missing() -> Response {
    problem(StatusCode::NOT_FOUND, "The admin address has /metrics, /healthz and /readyz")
}

async fn wrong_method() -> Response {
    problem(StatusCode::METHOD_NOT_ALLOWED, "This page is read with GET")
}

fn problem(status: StatusCode, title: &str) -> Response {
    let body = serde_json::json!({ "type": "about:blank", "title": title, "status": status.as_u16() });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}
