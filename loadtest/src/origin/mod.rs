//! `ringway-load origin`: answers of any size, cheap enough not to be what is measured.
//!
//! `/bytes/N` answers N bytes, `/headers/N` 100 bytes with N more fields, `/stall/MS` 100 bytes after that many
//! milliseconds, `/echo` the request's body; a POST anywhere else reads its body and answers 100 bytes, and so does
//! everything else. `/grpc/N` answers a gRPC message of N bytes, and over HTTP/2, which it understands by prior knowledge,
//! the trailers of a call that went well. It speaks to gateways under test and to nobody else: requests are decoded by monoio-http, which trusts
//! its peer.

mod exchange;
mod page;
mod streams;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use rustix::net::sockopt::{set_socket_reuseaddr, set_socket_reuseport};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::arguments::Origin;
use crate::runtime;
use crate::socket::Socket;
use exchange::Shared;

/// Connections that may wait to be accepted; the kernel takes less if it is told to (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;
/// After an accept that failed.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(10);

/// Serves as `options` say, until the process is ended.
///
/// # Errors
/// A sentence for the user: an address or a CPU that cannot be had.
pub fn serve(options: &Origin) -> Result<(), String> {
    if !options.pin.is_empty() {
        crate::cpu::confine(&options.pin).map_err(|error| format!("--pin: {error}"))?;
    }
    let sockets = listen(options).map_err(|error| format!("{}: {error}", options.listen))?;
    if let Some(address) = sockets.first().and_then(|socket| socket.local_addr().ok()) {
        println!("listening on {address}");
    }
    let (tell, ended) = mpsc::channel();
    for (index, socket) in sockets.into_iter().enumerate() {
        let cpu = (!options.pin.is_empty()).then(|| options.pin[index % options.pin.len()]);
        let tell = tell.clone();
        let run = move || {
            let pinned = cpu.map_or(Ok(()), |cpu| crate::cpu::confine(&[cpu]));
            tell.send(pinned.and_then(|()| runtime::block_on(accept(socket))?)).ok();
        };
        std::thread::Builder::new().spawn(run).map_err(|error| format!("no thread can be had: {error}"))?;
    }
    let ended = ended.recv().map_err(|_| "a thread ended early".to_owned())?;
    ended.map_err(|error| format!("{}: {error}", options.listen))
}

/// One listening socket for each thread, all on one address.
fn listen(options: &Origin) -> io::Result<Vec<TcpListener>> {
    let mut address = options.listen;
    let mut sockets = Vec::new();
    for _ in 0..options.threads {
        let socket = listen_at(address)?;
        // The others join the first on the port that it got.
        address = socket.local_addr()?;
        sockets.push(socket);
    }
    Ok(sockets)
}

fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_reuseaddr(&socket, true)?;
    set_socket_reuseport(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

async fn accept(socket: TcpListener) -> io::Result<()> {
    // monoio's ring wants blocking sockets, its epoll driver non-blocking ones.
    socket.set_nonblocking(monoio::utils::is_legacy())?;
    let listener = monoio::net::TcpListener::from_std(socket)?;
    let shared = Rc::new(Shared::default());
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: some time brings some back.
            monoio::time::sleep(PAUSE_AFTER_REFUSAL).await;
            continue;
        };
        // A connection that is dead already is nobody's loss.
        if let Ok(socket) = Socket::accepted(stream) {
            monoio::spawn(exchange::serve(Rc::clone(&shared), socket));
        }
    }
}
