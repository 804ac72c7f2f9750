//! The table of contents of Ringway's tests: one module and one sentence each, one binary.

mod config;
