//! The process's signals as events of the control thread.
//!
//! A gateway embedded in another program does not touch that program's signals: then nothing ever comes from here.

use std::io;

use tokio::signal::unix::{self, SignalKind};

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// SIGHUP: read the configuration anew, open logs again.
    HangUp,
    /// SIGTERM or SIGINT, by number: drain and end.
    End(i32),
}

/// The signals that are listened for.
#[derive(Debug)]
pub enum Signals {
    /// None.
    Ignored,
    /// SIGHUP, SIGTERM and SIGINT.
    Heeded {
        /// SIGHUP
        hang_up: unix::Signal,
        /// SIGTERM
        terminate: unix::Signal,
        /// SIGINT
        interrupt: unix::Signal,
    },
}

impl Signals {
    /// Listens for the process's signals from now on.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn heed() -> io::Result<Self> {
        Ok(Self::Heeded {
            hang_up: unix::signal(SignalKind::hangup())?,
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
        })
    }

    /// The next signal. Dropping the future loses none.
    pub async fn next(&mut self) -> Signal {
        let Self::Heeded { hang_up, terminate, interrupt } = self else { return std::future::pending().await };
        tokio::select! {
            _ = hang_up.recv() => Signal::HangUp,
            _ = terminate.recv() => Signal::End(SignalKind::terminate().as_raw_value()),
            _ = interrupt.recv() => Signal::End(SignalKind::interrupt().as_raw_value()),
        }
    }
}
