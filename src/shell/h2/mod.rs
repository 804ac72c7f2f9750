//! HTTP/2, carried by hyperium `h2` over a stream of ours; exchanges see HTTP/1.1 bytes (see `wire`).

pub mod adapter;
pub mod answer;
pub mod ask;
pub mod board;
pub mod down;
pub mod drive;
pub mod field;
pub mod sending;
pub mod trunk;
pub mod up;
