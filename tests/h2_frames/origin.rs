//! The server behind the gateway: says in its answers what it saw, and does what no server should on some paths.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use super::peer::ALIVE;
use crate::support::origin::{Connection, Request};
use crate::support::wire::Framing;
use crate::support::{Origin, PATIENCE, Watched};

/// What `/large` sends.
pub const LARGE_BYTES: usize = 200_000;
/// Bodies up to here are said back.
const SAID_BACK_BYTES: usize = 1_000;

/// The origin and what it saw whole.
pub struct Echo {
    pub origin: Origin,
    arrived: Arc<Watched<Vec<String>>>,
}

impl Echo {
    /// At this address; port 0 is any.
    pub fn on(address: SocketAddr) -> Self {
        let arrived = Arc::new(Watched::<Vec<String>>::default());
        let seen = Arc::clone(&arrived);
        Self { origin: Origin::playing_on(address, move |connection| serve(connection, &seen)), arrived }
    }

    /// Requests that arrived whole since the last call, those for [`ALIVE`] apart.
    pub fn arrived(&self) -> Vec<String> {
        self.arrived.change(std::mem::take)
    }
}

fn serve(connection: &mut Connection, arrived: &Watched<Vec<String>>) {
    while let Ok(mut request) = connection.request_head() {
        if request.target == "/early" {
            connection.send("HTTP/1.1 413 Too Much\r\ncontent-length: 5\r\n\r\nearly");
            return connection.await_end();
        }
        if request.target == "/hold" {
            // Takes nothing of the body; the test is over before this is.
            return std::thread::park_timeout(PATIENCE);
        }
        if request.target == "/expect" {
            connection.send("HTTP/1.1 100 Continue\r\n\r\n");
        }
        if request.target == "/socket" {
            return switch(connection, &request);
        }
        let Ok(body) = connection.wire().body(request.framing) else { return };
        (request.body, request.trailers) = (body.bytes, body.trailers);
        if request.target != ALIVE {
            arrived.change(|arrived| arrived.push(format!("{} {}", request.method, request.target)));
        }
        if !connection.send(answer(&request)) || request.target.starts_with("/cut") {
            return;
        }
    }
}

/// The answer to a complete request.
fn answer(request: &Request) -> Vec<u8> {
    const INTERIM: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let fixed = match request.target.as_str() {
        ALIVE => "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nalive".to_owned(),
        "/empty" => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "/interim" => format!("{INTERIM}{INTERIM}HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
        "/switch" => "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n".to_owned(),
        "/hop" => "HTTP/1.1 200 OK\r\nconnection: keep-alive, x-named\r\nkeep-alive: timeout=5\r\nx-named: gone\r\n\
                   proxy-connection: keep-alive\r\nx-kept: yes\r\ncontent-length: 2\r\n\r\nok"
            .to_owned(),
        "/trailers" => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
                        d\r\nwith trailers\r\n0\r\nx-sum: 42\r\n\r\n"
            .to_owned(),
        "/cut" => "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nten octets".to_owned(),
        "/cut-chunked" => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na\r\nten octets\r\n".to_owned(),
        "/large" => format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE_BYTES}\r\n\r\n{}", "x".repeat(LARGE_BYTES)),
        _ => return echo(request),
    };
    fixed.into_bytes()
}

/// What was seen of a request, a line for each part of it.
fn echo(request: &Request) -> Vec<u8> {
    let mut text = format!("{} {}\n", request.method, request.target);
    for (name, value) in &request.fields.0 {
        let _ = writeln!(text, "{}: {value}", name.to_ascii_lowercase());
    }
    for (name, value) in &request.trailers.0 {
        let _ = writeln!(text, "trailer {}: {value}", name.to_ascii_lowercase());
    }
    let _ = write!(text, "body {}\n\n", request.body.len());
    let mut bytes = text.into_bytes();
    bytes.extend(&request.body[..request.body.len().min(SAID_BACK_BYTES)]);
    let mut whole = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", bytes.len()).into_bytes();
    if request.method != "HEAD" {
        whole.extend(bytes);
    }
    whole
}

/// Becomes a tunnel that says everything back.
fn switch(connection: &mut Connection, request: &Request) {
    let is_asked = request.framing == Framing::Empty && request.fields.all("upgrade") == ["websocket"];
    let Some(key) = request.field("sec-websocket-key").filter(|_| is_asked) else {
        connection.send("HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n\r\n");
        return;
    };
    let accept = super::websocket_accept(key);
    connection.send(format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    ));
    let mut left = "echo this".len();
    while left > 0 {
        let Ok(byte) = connection.wire().bytes(1) else { return };
        connection.send(byte);
        left -= 1;
    }
}
