//! `ringway demo`: a gateway to try things on, without any file, server or privilege.

use std::io::{self, Write};
use std::net::SocketAddr;

use super::{complain, run};
use crate::control::{Failure, Source, demo};

/// Prints the configuration that the demo runs.
///
/// # Errors
/// When `out` cannot be written.
pub fn print_configuration(out: &mut dyn Write) -> io::Result<u8> {
    out.write_all(demo::CONFIGURATION.as_bytes()).map(|()| 0)
}

/// Runs the demo on `address`, says what to try, and waits for a signal. Gives the exit code as [`run::run`] does.
///
/// # Errors
/// When standard output cannot be written, or the origins cannot listen.
pub fn run(address: SocketAddr, release_memory: fn()) -> io::Result<u8> {
    let text = demo::start(address)?;
    match run::start(Source::Text { name: "demo.toml".to_owned(), text }, release_memory) {
        Ok(gateway) => {
            let address = gateway.address("web").unwrap_or(address);
            io::stdout().write_all(invitation(address, gateway.admin_address()).as_bytes())?;
            Ok(run::code(gateway.wait()))
        }
        Err(failure) => {
            complain(&failure);
            if matches!(failure, Failure::Listen(_)) {
                complain(&"another port may be free: ringway demo --listen 127.0.0.1:8081");
            }
            Ok(1)
        }
    }
}

fn invitation(address: SocketAddr, admin: Option<SocketAddr>) -> String {
    let tries = [
        ("", "/", "the origin's answer"),
        ("", "/users/7", "a path parameter, and what the origin got"),
        ("", "/split", "nine of ten are blue"),
        ("-H 'x-color: green' ", "/name", "a header decides"),
        ("-i ", "/v1/json", "a redirect, built from the path"),
        ("-i ", "/slow", "too slow an origin: 504 as problem+json"),
        ("-N ", "/stream", "an answer that comes in parts"),
    ];
    let commands: Vec<(String, &str)> = tries
        .iter()
        .map(|(options, path, what)| (format!("curl {options}http://{address}{path}"), *what))
        .chain(admin.map(|admin| (format!("curl http://{admin}/metrics"), "what was counted")))
        .collect();
    let width = commands.iter().map(|(command, _)| command.len()).max().unwrap_or_default();
    let mut text = format!("\nThe demo listens on http://{address}. Try:\n\n");
    for (command, what) in commands {
        text += &format!("  {command:<width$}   # {what}\n");
    }
    text + "\nIts configuration: ringway demo --print-config. Ctrl-C drains and ends it.\n\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_invitation_names_the_addresses_that_are_used() {
        let text = invitation("127.0.0.1:1234".parse().unwrap(), Some("127.0.0.1:4321".parse().unwrap()));
        assert!(text.contains("curl http://127.0.0.1:1234/users/7 "), "{text}");
        assert!(text.contains("curl http://127.0.0.1:4321/metrics "), "{text}");
        assert!(!text.contains(":8080"), "{text}");
    }
}
