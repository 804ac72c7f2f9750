//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::schedule::Arrivals;

/// Loads an HTTP server, and measures what that does to it.
#[derive(Parser, Debug)]
#[command(name = "ringway-load", version)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Send one request over and over, and report how the answers came.
    Run(Box<Run>),
    /// Serve answers of any size: something to measure a gateway against.
    Origin(Origin),
}

/// The load.
#[derive(Args, Debug)]
pub struct Run {
    /// What to ask for: an http or https URL.
    pub url: String,
    /// Connections, all threads together.
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = positive)]
    pub connections: usize,
    /// Threads, each with its own event loop and its share of the connections.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = positive)]
    pub threads: usize,
    /// CPUs to stay on, the n-th thread on the n-th of them.
    #[arg(long, value_name = "CPU,…", value_delimiter = ',')]
    pub pin: Vec<usize>,
    /// How long to measure.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = span, conflicts_with = "requests")]
    pub duration: Duration,
    /// Send exactly so many requests instead, without warming up.
    #[arg(long, value_name = "N", conflicts_with = "warmup")]
    pub requests: Option<u64>,
    /// How long to load before measuring.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = span)]
    pub warmup: Duration,
    /// Open loop: so many requests a second are due, however the server does, and latency counts from when they were due.
    /// Without it, closed loop: each connection asks again when it has its answer.
    #[arg(long, value_name = "R", value_parser = rate)]
    pub rate: Option<f64>,
    /// How the requests of an open loop are spread.
    #[arg(long, value_enum, default_value_t, requires = "rate")]
    pub arrivals: Arrivals,
    /// A new connection for each request.
    #[arg(long)]
    pub new_connections: bool,
    /// Hold the server's certificate against those in FILE (PEM), for an https URL.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub ca: Option<PathBuf>,
    /// Hold it against nothing.
    #[arg(long)]
    pub insecure: bool,
    /// Resume sessions of TLS with the tickets that the server gave; without it each handshake is a full one.
    #[arg(long)]
    pub tls_resume: bool,
    /// Speak HTTP/2: by ALPN over TLS, else by prior knowledge.
    #[arg(long, conflicts_with = "new_connections")]
    pub h2: bool,
    /// Requests at a time on each connection.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = positive, requires = "h2")]
    pub streams: usize,
    /// Call by gRPC: the body is one message, and the answer must end with the status of success.
    #[arg(long, requires = "h2")]
    pub grpc: bool,
    /// The request's method; GET without it, or POST with a body.
    #[arg(long, value_name = "M")]
    pub method: Option<String>,
    /// Send a body of so many bytes.
    #[arg(long, value_name = "N")]
    pub body_bytes: Option<usize>,
    /// Add a field to the request. May be repeated.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// How long a request may take, from its sending; and how long one may wait to be sent.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = span)]
    pub timeout: Duration,
    /// Any other status is an error.
    #[arg(long, value_name = "STATUS", default_value_t = 200)]
    pub expect_status: u16,
    /// Any other length of an answer's content is an error.
    #[arg(long, value_name = "N")]
    pub expect_bytes: Option<u64>,
    /// Write the results as JSON there; "-" is standard output, instead of the table.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a log of HDR histograms there, one a second, in nanoseconds.
    #[arg(long, value_name = "FILE")]
    pub hdr: Option<PathBuf>,
    /// Print neither progress nor table.
    #[arg(long)]
    pub quiet: bool,
}

/// The server.
#[derive(Args, Debug)]
pub struct Origin {
    /// Where to listen; port 0 takes a free one. The address is printed.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Threads, each with its own event loop and listening socket.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = positive)]
    pub threads: usize,
    /// CPUs to stay on, the n-th thread on the n-th of them.
    #[arg(long, value_name = "CPU,…", value_delimiter = ',')]
    pub pin: Vec<usize>,
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| "a number from 1 up".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    // Ten times what a thread can begin: even that falls due and is counted within the run.
    let is_sensible = |rate: &f64| (0.001..=1e7).contains(rate);
    text.parse().ok().filter(is_sensible).ok_or_else(|| "requests a second, from 0.001 to 10,000,000".to_owned())
}

/// `250ms`, `10s`, `1.5m`: a number and its unit.
fn span(text: &str) -> Result<Duration, String> {
    let wrong = || "a time with its unit, such as 250ms, 10s or 2m".to_owned();
    let number = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[number.len()..] {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let seconds = number.parse::<f64>().map_err(|_| wrong())? * unit;
    // A week: far beyond sense, and far from any overflow.
    Some(seconds).filter(|seconds| (0.0..=604_800.0).contains(seconds)).map(Duration::from_secs_f64).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_number_and_a_unit() {
        let cases = [("250ms", Some(250)), ("10s", Some(10_000)), ("1.5m", Some(90_000)), ("0s", Some(0))];
        for (text, millis) in cases {
            assert_eq!(span(text).ok(), millis.map(Duration::from_millis), "{text}");
        }
        for text in ["", "10", "s", "-1s", "1d", "NaNs", "1e9h"] {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn arguments_that_contradict_each_other_are_refused() {
        let cases: &[&[&str]] = &[
            &["--requests", "1", "--duration", "1s"],
            &["--requests", "1", "--warmup", "1s"],
            &["--arrivals", "poisson"],
            &["--connections", "0"],
            &["--rate", "0"],
            &["--streams", "2"],
            &["--grpc"],
            &["--h2", "--new-connections"],
            &["--ca", "file", "--insecure"],
        ];
        for arguments in cases {
            let all = ["ringway-load", "run", "http://a/"].iter().chain(*arguments);
            assert!(Arguments::try_parse_from(all).is_err(), "{arguments:?}");
        }
    }
}
