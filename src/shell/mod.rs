//! Floor 4: the shell, the data path's only awaits.
//!
//! `io` is the seam to the world; `uring` stands behind it, and for tests `sim`. Everything else is generic
//! over it.

pub mod accept;
pub mod again;
pub mod body;
pub mod buffer;
pub mod buffers;
pub mod connection;
pub mod core;
pub mod exchange;
pub mod forward;
pub mod greeting;
pub mod h2;
pub mod introduction;
pub mod io;
pub mod keyring;
pub mod local;
pub mod mail;
pub mod record;
pub mod relay;
pub mod secure;
pub mod serving;
#[cfg(feature = "simulator")]
pub mod sim;
pub mod stage;
pub mod target;
pub mod tls;
pub mod tunnel;
pub mod tunnels;
pub mod upload;
pub mod uring;
pub mod wire;
pub mod work;
pub mod worker;
