//! Ringway's load generator, and an origin to measure it against.
//!
//! A closed loop (each connection asks again when it has its answer) finds what a server can do. An open loop (requests
//! are due on a clock, whatever the server does) tells what its users would see: latency counts from the moment a request
//! was *due*, so a server that stalls is charged for everybody who would have waited.
//!
//! Deliberately not here: scripts, ramps. What runs is one request, over and over, to one address.

pub mod answer;
pub mod arguments;
pub mod carrier;
pub mod chunked;
pub mod client;
pub mod clock;
pub mod cpu;
pub mod line;
pub mod origin;
pub mod runtime;
pub mod schedule;
pub mod socket;
pub mod target;
pub mod tls;
