//! `ringway check FILE`: all complaints about a configuration in one run.

use std::io::{self, Write};
use std::path::Path;

use serde_json::json;

use crate::control::certificates::{Certificates, Strictness};
use crate::control::say::wall;
use crate::plan::code::Severity;
use crate::plan::complaint::{Complaint, Complaints};
use crate::plan::{self, Loaded, Plan};

/// How complaints are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// For people: the line, a caret, a hint.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// Checks the configuration at `path` and prints what is wrong with it to `out`. Gives the exit code: 0 when it can
/// be used, 1 when not. Warnings do not change it.
///
/// # Errors
/// When `out` cannot be written.
pub fn run(path: &Path, format: Format, out: &mut dyn Write) -> io::Result<u8> {
    let (complaints, unlisted, summary) = match load(path) {
        Ok((plan, warnings)) => {
            let summary = format!(
                "{}: {}, {}, {}",
                path.display(),
                counted(plan.listeners.len(), "listener"),
                counted(plan.routes.len(), "route"),
                counted(plan.upstreams.len(), "upstream"),
            );
            (warnings, 0, Some(summary))
        }
        Err(complaints) => (complaints.list, complaints.unlisted, None),
    };
    match format {
        Format::Text => print_text(&complaints, unlisted, summary.as_deref(), out)?,
        Format::Json => print_json(&complaints, unlisted, summary.is_some(), out)?,
    }
    Ok(u8::from(summary.is_none()))
}

/// The plan and what is doubtful about it and the certificates that it names.
fn load(path: &Path) -> Result<(Plan, Vec<Complaint>), Complaints> {
    let Loaded { plan, mentions, mut warnings, .. } = plan::load(path)?;
    match Certificates::make(&plan, &mentions, None, Strictness::Strict, wall()) {
        Ok(certificates) => {
            warnings.extend(certificates.warnings);
            Ok((plan, warnings))
        }
        Err(mut complaints) => {
            complaints.list.splice(0..0, warnings);
            Err(complaints)
        }
    }
}

fn print_text(list: &[Complaint], unlisted: usize, summary: Option<&str>, out: &mut dyn Write) -> io::Result<()> {
    for complaint in list {
        writeln!(out, "{complaint}")?;
    }
    if unlisted > 0 {
        writeln!(out, "and {unlisted} more\n")?;
    }
    let errors = of_severity(list, Severity::Error);
    let warnings = of_severity(list, Severity::Warning);
    match (summary, warnings) {
        (Some(summary), 0) => writeln!(out, "{summary}: good"),
        (Some(summary), warnings) => writeln!(out, "{summary}: good, with {}", counted(warnings, "warning")),
        (None, 0) => writeln!(out, "{}", counted(errors + unlisted, "error")),
        (None, warnings) => writeln!(out, "{}, {}", counted(errors + unlisted, "error"), counted(warnings, "warning")),
    }
}

fn print_json(list: &[Complaint], unlisted: usize, is_good: bool, out: &mut dyn Write) -> io::Result<()> {
    let complaints: Vec<_> = list.iter().map(Complaint::to_json).collect();
    let report = json!({
        "good": is_good,
        "errors": of_severity(list, Severity::Error),
        "warnings": of_severity(list, Severity::Warning),
        "unlisted": unlisted,
        "complaints": complaints,
    });
    writeln!(out, "{report:#}")
}

fn of_severity(list: &[Complaint], severity: Severity) -> usize {
    list.iter().filter(|complaint| complaint.code.severity() == severity).count()
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
