//! The values of the language: text that becomes a type which cannot be wrong, or a complaint.
//!
//! Each is read once, here; nobody behind checks again. Not here: what values mean together (`compile`).

pub mod address;
pub mod field;
pub mod host;
pub mod json;
pub mod number;
pub mod path;
pub mod pattern;
pub mod quantity;
pub mod template;
pub mod word;
