//! The report for people: the request, what becomes of it, why, and who lost.

use std::io::{self, Write};

use super::report::{Answer, Loser, Report, RouteReport, SettingReport, Target};

/// Losers that are listed unless all are asked for; the nearest misses come first.
const LOSERS: usize = 20;

/// Prints `report`.
pub(super) fn print(report: &Report, is_all: bool, out: &mut dyn Write) -> io::Result<()> {
    print_request(report, out)?;
    match (&report.route, &report.answer) {
        (Some(route), _) => writeln!(out, "\nroute \"{}\"", route.name)?,
        (None, Some(_)) => writeln!(out, "\nno route")?,
        (None, None) => {}
    }
    if let Some(answer) = &report.answer {
        print_answer(answer, out)?;
    }
    if let Some(route) = &report.route {
        print_route(route, out)?;
    }
    report.targets.iter().try_for_each(|target| print_target(target, out))?;
    print_losers(&report.losers, is_all, out)
}

fn print_request(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let request = &report.request;
    let question = request.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    writeln!(out, "{} {}{}{question}", request.method, request.host, request.path)?;
    writeln!(out, "  listener  {} ({})", request.listener, request.listener_because)?;
    match &request.path_as_written {
        Some(written) => writeln!(out, "  path      canonical form of {written}"),
        None => Ok(()),
    }
}

fn print_answer(answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "  answers   {}: {}", answer.status, answer.because)?;
    if let Some(location) = &answer.location {
        writeln!(out, "  location  {location}")?;
    }
    if let Some(allow) = &answer.allow {
        writeln!(out, "  allow     {allow}")?;
    }
    Ok(())
}

fn print_route(route: &RouteReport, out: &mut dyn Write) -> io::Result<()> {
    for (name, value) in &route.captures {
        writeln!(out, "  {{{name}}} = {value}")?;
    }
    print_settings(&route.settings, out)
}

fn print_target(target: &Target, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nupstream \"{}\" {}", target.upstream, target.share)?;
    for endpoint in &target.endpoints {
        writeln!(out, "  {}  (Host: {}, {})", endpoint.url, endpoint.host, endpoint.share)?;
    }
    print_settings(&target.settings, out)
}

fn print_settings(settings: &[SettingReport], out: &mut dyn Write) -> io::Result<()> {
    let keys = settings.iter().map(|setting| setting.key.len()).max().unwrap_or(0);
    let values = settings.iter().map(|setting| setting.value.len().min(40)).max().unwrap_or(0);
    for SettingReport { key, value, from } in settings {
        writeln!(out, "  {key:keys$}  {value:values$}  {from}")?;
    }
    Ok(())
}

fn print_losers(losers: &[Loser], is_all: bool, out: &mut dyn Write) -> io::Result<()> {
    if losers.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nnot")?;
    let listed = if is_all { losers } else { &losers[..losers.len().min(LOSERS)] };
    let names = listed.iter().map(|loser| loser.route.len()).max().unwrap_or(0);
    for Loser { route, because } in listed {
        writeln!(out, "  {route:names$}  {because}")?;
    }
    match losers.len() - listed.len() {
        0 => Ok(()),
        more => writeln!(out, "  and {more} more; --all lists them"),
    }
}
