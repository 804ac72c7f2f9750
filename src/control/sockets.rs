//! Listening sockets: for each listener one per core, all on the same address (SO_REUSEPORT), so that the kernel deals
//! connections out and no core waits for another.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::plan::Listener;
use crate::words::ids::ListenerId;
use crate::words::limits::BACKLOG;

/// The sockets of one core.
pub type CoreSockets = Vec<(ListenerId, TcpListener)>;

/// A listener that cannot listen.
#[derive(Debug)]
pub struct Refused {
    /// Its name.
    pub listener: String,
    /// Where it wanted to listen.
    pub address: SocketAddr,
    /// What the kernel said.
    pub source: io::Error,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listener, address, source } = self;
        write!(f, "listener \"{listener}\" cannot listen on {address}: {source}")?;
        match source.kind() {
            io::ErrorKind::AddrInUse => write!(f, "; another program has it: `ss -ltnp 'sport = {}'`", address.port()),
            io::ErrorKind::PermissionDenied => {
                f.write_str("; ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE")
            }
            io::ErrorKind::AddrNotAvailable => f.write_str("; no interface of this machine has that address"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Sockets for each of `cores`, listening, and the address of each listener (where the plan says port 0, the port that
/// the kernel gave). A core is the CPU whose connections its sockets prefer, or `None` when they take any.
///
/// # Errors
/// The first listener that cannot listen.
pub fn bind(listeners: &[Listener], cores: &[Option<usize>]) -> Result<(Vec<CoreSockets>, Vec<SocketAddr>), Refused> {
    let mut sockets: Vec<CoreSockets> = cores.iter().map(|_| Vec::with_capacity(listeners.len())).collect();
    let mut addresses = Vec::with_capacity(listeners.len());
    for (index, listener) in listeners.iter().enumerate() {
        let refused = |source| Refused { listener: listener.name.clone(), address: listener.address, source };
        let (group, address) = bind_group(listener.address, cores).map_err(refused)?;
        for (core, socket) in sockets.iter_mut().zip(group) {
            core.push((ListenerId::new(index), socket));
        }
        addresses.push(address);
    }
    Ok((sockets, addresses))
}

/// One socket per core on `address`.
fn bind_group(mut address: SocketAddr, cores: &[Option<usize>]) -> io::Result<(Vec<TcpListener>, SocketAddr)> {
    // With SO_REUSEPORT a second gateway, started by mistake, would silently take half of the connections. Without it
    // the kernel refuses an address that anyone listens on.
    if address.port() != 0 {
        socket(address)?.bind(&address.into())?;
    }
    let mut group = Vec::with_capacity(cores.len());
    for cpu in cores {
        let listener = listen(address, *cpu)?;
        address = listener.local_addr()?;
        group.push(listener);
    }
    Ok((group, address))
}

fn listen(address: SocketAddr, cpu: Option<usize>) -> io::Result<TcpListener> {
    let socket = socket(address)?;
    socket.set_reuse_port(true)?;
    // SO_INCOMING_CPU: of the sockets on one address the kernel takes the one that names the CPU it is on.
    if let Some(cpu) = cpu {
        socket.set_cpu_affinity(cpu)?;
    }
    // Accepted connections inherit it, which saves a call for each.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    // `[::]` is IPv6 only: then it never collides with `0.0.0.0`, and no client has two spellings of its address.
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::testing;

    fn listeners(addresses: &[&str]) -> Vec<Listener> {
        addresses.iter().map(|address| testing::listener("web", address)).collect()
    }

    #[test]
    fn all_cores_listen_on_the_one_port_that_the_kernel_gave() {
        let (sockets, addresses) = bind(&listeners(&["127.0.0.1:0", "127.0.0.1:0"]), &[None; 3]).unwrap();
        assert_eq!(sockets.len(), 3);
        assert_ne!(addresses[0].port(), addresses[1].port());
        for core in &sockets {
            for ((id, socket), address) in core.iter().zip(&addresses) {
                assert_eq!(socket.local_addr().unwrap(), *address, "{id:?}");
            }
        }
    }

    #[test]
    fn an_address_that_another_gateway_listens_on_is_refused_with_its_name() {
        let (_held, addresses) = bind(&listeners(&["127.0.0.1:0"]), &[None; 2]).unwrap();
        let refused = bind(&listeners(&[&addresses[0].to_string()]), &[None; 2]).unwrap_err();
        assert_eq!(refused.source.kind(), io::ErrorKind::AddrInUse);
        let text = refused.to_string();
        assert!(
            text.contains("\"web\"") && text.contains(&addresses[0].to_string()) && text.contains("ss -ltnp"),
            "{text}"
        );
    }

    #[test]
    fn a_steered_connection_goes_to_the_socket_of_the_cpu_it_comes_to() {
        let cpus = core_affinity::get_core_ids().unwrap();
        let preferences: Vec<_> = cpus.iter().map(|cpu| Some(cpu.id)).collect();
        let (sockets, addresses) = bind(&listeners(&["127.0.0.1:0"]), &preferences).unwrap();
        for (cpu, core) in cpus.into_iter().zip(&sockets) {
            // On loopback a connection's first packet is worked on where its client runs.
            let connect = || {
                assert!(core_affinity::set_for_current(cpu));
                (0..16).map(|_| std::net::TcpStream::connect(addresses[0]).unwrap()).collect::<Vec<_>>()
            };
            let clients = std::thread::scope(|scope| scope.spawn(connect).join().unwrap());
            core[0].1.set_nonblocking(true).unwrap();
            for client in clients {
                assert_eq!(core[0].1.accept().unwrap().1, client.local_addr().unwrap());
            }
        }
    }

    #[test]
    fn an_address_of_nobody_is_refused() {
        let refused = bind(&listeners(&["192.0.2.1:0"]), &[None]).unwrap_err();
        assert_eq!(refused.source.kind(), io::ErrorKind::AddrNotAvailable);
    }

    #[test]
    fn accepted_connections_send_small_writes_at_once() {
        let (sockets, addresses) = bind(&listeners(&["127.0.0.1:0"]), &[None]).unwrap();
        let _client = std::net::TcpStream::connect(addresses[0]).unwrap();
        let (accepted, _) = sockets[0][0].1.accept().unwrap();
        assert!(accepted.nodelay().unwrap());
    }
}
