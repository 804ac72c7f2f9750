//! `ringway explain FILE METHOD URL`: where a request would go, and why nowhere else.
//!
//! The configuration is loaded as `check` loads it, the request made canonical as the data path makes it, and judged
//! route by route (`plan::explain`). Nothing is sent anywhere.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::plan::complaint::Complaints;
use crate::plan::{self, Loaded};

mod report;
mod request;
mod text;
mod words;

use report::Report;
use request::Asked;

/// The command's arguments.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// The configuration.
    pub file: PathBuf,
    /// The request's method.
    pub method: String,
    /// Its URL, or only its path and query.
    pub url: String,
    /// A field of the request, as often as needed.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// The listener it comes in by; otherwise the one on the URL's port, or the first.
    #[arg(long, value_name = "NAME")]
    pub listener: Option<String>,
    /// List every route that loses, however far from winning.
    #[arg(long)]
    pub all: bool,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// How the answer is printed.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// The request is served: by a route, or by its listener's redirect.
const SERVED: u8 = 0;
/// The gateway refuses it.
const REFUSED: u8 = 1;
/// There is no answer: the question or the configuration is wrong.
const NO_ANSWER: u8 = 2;

/// Explains one request to `out`. Gives the exit code: 0 when it is served, 1 when the gateway would refuse it, 2 when
/// the question or the configuration is wrong.
///
/// # Errors
/// When `out` cannot be written.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> io::Result<u8> {
    match plan::load(&arguments.file) {
        Ok(loaded) => explain(arguments, &loaded, out),
        Err(complaints) => {
            print_complaints(&complaints, arguments.format, out)?;
            Ok(NO_ANSWER)
        }
    }
}

/// [`run`] on a configuration that is loaded already.
///
/// # Errors
/// When `out` cannot be written.
pub fn explain(arguments: &Arguments, loaded: &Loaded, out: &mut dyn Write) -> io::Result<u8> {
    let asked = match Asked::read(arguments, &loaded.plan) {
        Ok(asked) => asked,
        Err(why) => {
            print_problem(&why, arguments.format, out)?;
            return Ok(NO_ANSWER);
        }
    };
    let report = Report::of(&asked, loaded);
    match arguments.format {
        Format::Text => text::print(&report, arguments.all, out)?,
        Format::Json => writeln!(out, "{:#}", serde_json::to_value(&report).map_err(io::Error::other)?)?,
    }
    Ok(if report.is_served() { SERVED } else { REFUSED })
}

fn print_complaints(complaints: &Complaints, format: Format, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Text => {
            complaints.errors().try_for_each(|complaint| writeln!(out, "{complaint}"))?;
            writeln!(out, "the configuration cannot be used; `ringway check` says more")
        }
        Format::Json => {
            let list: Vec<_> = complaints.list.iter().map(plan::complaint::Complaint::to_json).collect();
            writeln!(out, "{:#}", serde_json::json!({ "complaints": list }))
        }
    }
}

fn print_problem(why: &str, format: Format, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Text => writeln!(out, "{why}"),
        Format::Json => writeln!(out, "{:#}", serde_json::json!({ "problem": why })),
    }
}
