//! Floor 6: arguments become commands.

pub mod check;
pub mod explain;
