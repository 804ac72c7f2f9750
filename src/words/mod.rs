//! Floor 0: the words everything else is said in.
//!
//! Time as data, ids, every bound of the program, and the fault table. Nothing here does I/O, reads a clock or
//! knows the floors above.

pub mod fault;
pub mod ids;
pub mod limits;
pub mod time;
