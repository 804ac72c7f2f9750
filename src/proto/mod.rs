//! Floor 1: the protocols, sans I/O: bytes in, facts out. No clock, no socket, no async, no configuration but numbers
//! passed in.

pub mod authority;
pub mod grpc_web;
pub mod h1;
pub mod h2;
pub mod head;
mod known;
pub mod path;
pub mod proxy;
pub mod upgrade;
