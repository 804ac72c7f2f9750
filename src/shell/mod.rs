//! Floor 4: the shell, the data path's only awaits.

pub mod buffer;
pub mod io;
pub mod mail;
