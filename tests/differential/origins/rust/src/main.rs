//! Three HTTP/1.1 servers of crates.io that answer every request with its id and append what they saw to a log.
//!
//! `differential-origins <hyper|actix|tiny_http> <port> <log>`. A line of the log is one request whose body came to its
//! end; `tests/differential/README.md` has its form. Not here: any judgement of what was seen.

mod actix;
mod hyper_server;
mod report;
mod tiny;

use std::error::Error;

/// What every server needs: where to listen, where to write.
pub struct Origin {
    pub port: u16,
    pub log: report::Log,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, port, log] = arguments.as_slice() else {
        return Err("usage: differential-origins <hyper|actix|tiny_http> <port> <log>".into());
    };
    let origin = Origin { port: port.parse()?, log: report::Log::append(log)? };
    match name.as_str() {
        "hyper" => hyper_server::serve(origin),
        "actix" => actix::serve(origin),
        "tiny_http" => tiny::serve(origin),
        other => Err(format!("no server is called {other}").into()),
    }
}
