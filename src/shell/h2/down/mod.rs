//! HTTP/2 with clients: one task drives a connection, and each of its streams is an exchange in a task of its own.

pub mod answer;
pub mod connection;
pub mod face;
pub mod purse;
pub mod request;
pub mod step;
pub mod stream;
