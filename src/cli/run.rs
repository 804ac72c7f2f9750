//! `ringway run FILE`: a gateway until a signal ends it.

use std::io;
use std::path::PathBuf;

use super::complain;
use crate::control::{End, Failure, Gateway, Options, Source, descriptors};

/// Runs a gateway by the configuration in `file`. Gives the exit code: 0 when it was drained or its time was over, 1
/// when it could not start or lost its workers.
///
/// # Errors
/// None; they are said.
pub fn run(file: PathBuf, release_memory: fn()) -> io::Result<u8> {
    Ok(match start(Source::File(file), release_memory) {
        Ok(gateway) => code(gateway.wait()),
        Err(failure) => {
            complain(&failure);
            1
        }
    })
}

/// Starts a gateway that owns this process: its signals, its CPUs, its standard error.
///
/// # Errors
/// As [`Gateway::start`].
pub(super) fn start(source: Source, release_memory: fn()) -> Result<Gateway, Failure> {
    let mut options = Options::alone()?;
    options.release_memory = release_memory;
    descriptors::raise(&options.say);
    Gateway::start(source, options)
}

pub(super) const fn code(end: End) -> u8 {
    match end {
        End::Drained | End::Cut => 0,
        End::Lost => 1,
    }
}
