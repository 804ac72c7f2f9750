//! HTTP/2 from clients: each stream is an exchange as any other, and no stream hurts another. Clients are hyperium
//! `h2`'s, over sockets; frames that no client library sends are written by hand.

mod drains;
mod floods;
mod messages;
mod peer;
mod streams;
mod tunnels;

use super::support::{Gateway, Origin};

/// Forwards everything to `origin`, and speaks HTTP/2 too.
fn before(origin: &Origin) -> Gateway {
    before_with(origin, "", "")
}

/// As [`before`], with an origin that speaks HTTP/2 too.
fn before_h2c(origin: &Origin) -> Gateway {
    start(origin, "protocol = \"h2c\"", "", "")
}

/// As [`before`]; `listener` is added to the listener, `more` are further tables.
fn before_with(origin: &Origin, listener: &str, more: &str) -> Gateway {
    start(origin, "", listener, more)
}

fn start(origin: &Origin, upstream: &str, listener: &str, more: &str) -> Gateway {
    let endpoint = origin.endpoint();
    Gateway::start(&format!(
        "[server]\nworkers = 1\n[listeners.web]\naddress = \"127.0.0.1:0\"\nprotocols = [\"h2\", \"http/1.1\"]\n{listener}\n\
         [admin]\naddress = \"127.0.0.1:0\"\n[upstreams.origin]\nendpoints = [\"{endpoint}\"]\n\
         {upstream}\n[routes.all]\npath = \"/*\"\nupstream = \"origin\"\n{more}"
    ))
}
