//! `ringway schema` and `ringway reference`: the language described, for editors and for people.

use std::io::{self, Write};

use crate::plan::{reference, schema};

/// Prints the JSON Schema of the language.
///
/// # Errors
/// When `out` cannot be written.
pub fn run(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{:#}", schema::schema())
}

/// Prints config/reference.toml.
///
/// # Errors
/// When `out` cannot be written.
pub fn run_reference(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(reference::text().as_bytes())
}
