//! TLS in memory: both ends of a connection, and nothing between them.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Error, ServerConfig, ServerConnection};

/// Both ends after the handshake, and after what the server sent behind it.
#[derive(Debug)]
pub struct Ends {
    /// The client's.
    pub client: ClientConnection,
    /// The server's.
    pub server: ServerConnection,
}

/// Makes a connection to `name`.
///
/// # Errors
/// Whichever end refuses first says why.
pub fn shake(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>, name: &str) -> Result<Ends, Error> {
    let name = ServerName::try_from(name.to_owned()).expect("the test names a server");
    let mut client = ClientConnection::new(Arc::clone(client), name)?;
    let mut server = ServerConnection::new(Arc::clone(server))?;
    // A handshake has few flights; tickets come in one more.
    for _ in 0..8 {
        let mut flight = Vec::new();
        client.write_tls(&mut flight).expect("a vector takes every write");
        server.read_tls(&mut flight.as_slice()).expect("a slice gives what it has");
        server.process_new_packets()?;
        let mut flight = Vec::new();
        server.write_tls(&mut flight).expect("a vector takes every write");
        client.read_tls(&mut flight.as_slice()).expect("a slice gives what it has");
        client.process_new_packets()?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(Ends { client, server })
}
