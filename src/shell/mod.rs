//! Floor 4: the shell, the data path's only awaits.
//!
//! `io` is the seam to the world; `uring` stands behind it. Everything else is generic over it.

pub mod body;
pub mod buffer;
pub mod buffers;
pub mod core;
pub mod io;
pub mod mail;
pub mod serving;
pub mod uring;
pub mod work;
