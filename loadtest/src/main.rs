//! `ringway-load`: arguments become a run or an origin.

use std::process::ExitCode;

use clap::Parser;
use ringway_load::arguments::{Arguments, Command};
use ringway_load::{client, cpu, origin};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    cpu::raise_descriptor_limit();
    let done = match arguments.command {
        Command::Run(run) => client::run(&run),
        Command::Origin(options) => origin::serve(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringway-load: {error}");
            ExitCode::FAILURE
        }
    }
}
