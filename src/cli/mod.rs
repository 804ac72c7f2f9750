//! Floor 6: arguments become commands.
//!
//! Exit codes: 0 done, 1 it could not be done (standard error says why), 2 the arguments are wrong. A reader that goes
//! away early, as `head` does, is no failure.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

pub mod check;
pub mod demo;
pub mod explain;
pub mod run;
pub mod schema;

/// The API gateway.
#[derive(Debug, Parser)]
#[command(name = "ringway", version, about = "An API gateway for Linux: thread-per-core, on io_uring.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a gateway
    ///
    /// SIGTERM and SIGINT drain it, SIGHUP reads the configuration anew and opens the access log again.
    /// RINGWAY_DRIVER=epoll keeps it off io_uring.
    Run {
        /// The configuration
        file: PathBuf,
    },
    /// Say all that is wrong with a configuration
    Check {
        /// The configuration
        file: PathBuf,
        /// How it is said
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Say where a request would go, and why nowhere else
    Explain(explain::Arguments),
    /// Run a gateway to try things on, with an origin and a configuration of its own
    Demo {
        /// Print the configuration that the demo runs, and nothing else
        #[arg(long)]
        print_config: bool,
        /// Where the gateway listens
        #[arg(long, value_name = "ADDRESS", default_value = crate::control::demo::ADDRESS)]
        listen: SocketAddr,
    },
    /// Print the JSON Schema of the configuration, for editors
    Schema,
    /// Print every key of the configuration with its default and meaning
    Reference,
    /// Print the version
    Version,
}

/// How findings are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON object
    Json,
}

impl From<Format> for check::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Json => Self::Json,
        }
    }
}

/// Runs the command that the process's arguments ask for. `release_memory` gives memory that the calling thread has
/// freed back to the kernel, in the way of the program's allocator.
#[must_use]
pub fn main(release_memory: fn()) -> ExitCode {
    let arguments = Arguments::parse();
    // Not locked: `run` writes the access log to standard output from another thread.
    let mut out = io::stdout();
    let result = match arguments.command {
        Command::Run { file } => run::run(file, release_memory),
        Command::Check { file, format } => check::run(&file, format.into(), &mut out),
        Command::Explain(arguments) => explain::run(&arguments, &mut out),
        Command::Demo { print_config: true, .. } => demo::print_configuration(&mut out),
        Command::Demo { listen, .. } => demo::run(listen, release_memory),
        Command::Schema => schema::run(&mut out).map(|()| 0),
        Command::Reference => schema::run_reference(&mut out).map(|()| 0),
        Command::Version => writeln!(out, "ringway {}", env!("CARGO_PKG_VERSION")).map(|()| 0),
    };
    match result.and_then(|code| out.flush().map(|()| code)) {
        Ok(code) => code.into(),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Says on standard error why it could not be done.
fn complain(why: &dyn std::fmt::Display) {
    // Nobody is left to tell when standard error is gone.
    drop(writeln!(io::stderr(), "ringway: {why}"));
}
