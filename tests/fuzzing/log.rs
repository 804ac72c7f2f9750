//! Access-log lines: whatever bytes an exchange carries, there is one line, it parses, and says those bytes.

use std::net::IpAddr;
use std::time::Duration;

use ringway::plan::LogFormat;
use ringway::policy::journal::{Entry, write};
use ringway::proto::head::Version;
use ringway::words::limits::LOG_LINE_BYTES;
use ringway::words::time::Wall;

use super::driver::{Outcome, Target, Verdict};
use crate::tables::Random;

/// Names in a JSON line of an exchange without trace, upstream and fault.
const NAMES: usize = 18;

/// What edits put into texts.
const WORDS: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"\\\\",
    b"\\\"",
    b"\\x22",
    b"\\u0022",
    b"\n",
    b"\r\n",
    b"\t",
    b"\0",
    b"\x1b[31m",
    b"\x7f",
    b"\xc2\x85",
    b"\xc2\x9b",
    b"\xe2\x80\xa8",
    b"\xe2\x80\xa9",
    b"\xc3\xa9",
    b"\xf0\x9f\xa6\x80",
    b"\xf0\x9f",
    b"\xed\xa0\x80",
    b"\xff",
    b"\xc3",
    b"\xef\xbb\xbf",
    b"{\"a\":1}",
    b"\",\"status\":200,\"x\":\"",
    b" ",
    b"...",
    b"\" 200 0 \"-\" \"-\"\n",
];

pub fn run() {
    let long = "\u{e9}\"\\\n".repeat(400).into_bytes();
    let seeds = [
        &b"GET|/orders/7?a=1|api.example.com|curl/8|https://www.example.com/orders"[..],
        b"POST|/caf\xc3\xa9/\xf0\x9f\xa6\x80|b.example|\"quoted\" \\ \xff\xfe|\r\nInjected: yes",
        b"|/|a|\xe2\x80\xa8\xc2\x85\x00\x1b|-",
        &long,
    ];
    let seeds = seeds.map(<[u8]>::to_vec).to_vec();
    let target = Target { name: "log", slice: 1_000, seeds, words: WORDS };
    let mut line = Vec::new();
    target.run(|input, random| check(input, random, &mut line));
}

/// The bytes of `input`, dealt out to the fields that a client can write.
fn check(input: &[u8], random: &mut Random, line: &mut Vec<u8>) -> Outcome {
    let mut ends: [usize; 4] = std::array::from_fn(|_| random.below(input.len() + 1));
    ends.sort_unstable();
    let [a, b, c, d] = ends;
    let texts = Texts {
        path: &input[..a],
        query: &input[a..b],
        host: &input[b..c],
        user_agent: &input[c..d],
        referer: &input[d..],
    };
    let entry = texts.entry();
    write_line(&entry, &LogFormat::Json, line)?;
    texts.judge_json(line)?;
    write_line(&entry, &LogFormat::Combined, line)?;
    texts.judge_combined(line)?;
    Ok(Verdict::Accepted)
}

/// One line, as long as it may be at most.
fn write_line(entry: &Entry<'_>, format: &LogFormat, line: &mut Vec<u8>) -> Result<(), String> {
    line.clear();
    write(entry, format, line);
    let breaks = line.iter().filter(|byte| **byte == b'\n').count();
    if breaks != 1 || line.last() != Some(&b'\n') || line.len() > LOG_LINE_BYTES {
        return Err(format!("{breaks} line breaks in {} bytes: {}", line.len(), line.escape_ascii()));
    }
    let is_control = |byte: &u8| *byte < b' ' || *byte == 0x7f;
    if line[..line.len() - 1].iter().any(is_control) {
        return Err(format!("a control character went out: {}", line.escape_ascii()));
    }
    Ok(())
}

/// What clients write into a log.
struct Texts<'b> {
    path: &'b [u8],
    query: &'b [u8],
    host: &'b [u8],
    user_agent: &'b [u8],
    referer: &'b [u8],
}

impl<'b> Texts<'b> {
    fn entry(&self) -> Entry<'b> {
        Entry {
            time: Wall::from_nanos(1_795_444_887_042_999_999),
            id: b"0198",
            trace: b"",
            client: IpAddr::from([192, 0, 2, 7]),
            client_port: Some(4711),
            listener: b"web",
            host: self.host,
            method: b"GET",
            path: self.path,
            query: Some(self.query),
            scheme: b"http",
            version: Version::Http11,
            route: b"orders",
            server: b"ringway",
            tls: None,
            status: 404,
            bytes_in: 0,
            bytes_out: 512,
            duration: Duration::from_micros(1_250),
            upstream: None,
            attempts: 0,
            fault: None,
            user_agent: self.user_agent,
            referer: self.referer,
        }
    }

    fn judge_json(&self, line: &[u8]) -> Result<(), String> {
        let said: serde_json::Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        if said["status"] != 404 || said["route"] != "orders" || said["id"] != "0198" {
            return Err(format!("other fields changed: {said}"));
        }
        for (name, text) in [
            ("path", self.path),
            ("query", self.query),
            ("host", self.host),
            ("user_agent", self.user_agent),
            ("referer", self.referer),
        ] {
            match said[name].as_str() {
                None if text.is_empty() => {}
                Some(said) if says(said, &readable(text)) => {}
                other => return Err(format!("{name} says {other:?} for {}", text.escape_ascii())),
            }
        }
        let names = said.as_object().map(serde_json::Map::len);
        if names > Some(NAMES) { Err(format!("{names:?} names: {said}")) } else { Ok(()) }
    }

    /// `192.0.2.7 - - [time] "GET path?query HTTP/1.1" 404 512 "referer" "agent"`.
    fn judge_combined(&self, line: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(line).map_err(|error| error.to_string())?;
        let parts: Vec<&str> = text.trim_end_matches('\n').split('"').collect();
        let [_, request, " 404 512 ", referer, " ", agent, ""] = parts[..] else {
            return Err(format!("a field left its quotes: {text}"));
        };
        let target = request.strip_prefix("GET ").and_then(|rest| rest.strip_suffix(" HTTP/1.1"));
        let target = target.ok_or_else(|| format!("the request line is {request}"))?;
        for (said, is) in [(referer, self.referer), (agent, self.user_agent)] {
            let is = if is.is_empty() { b"-" } else { is };
            if !says_bytes(said, is) {
                return Err(format!("{said} for {}", is.escape_ascii()));
            }
        }
        let is_cut = target.contains("...");
        let whole = [self.path, b"?", self.query].concat();
        if is_cut || says_bytes(target, &whole) {
            Ok(())
        } else {
            Err(format!("{target} for {}", whole.escape_ascii()))
        }
    }
}

/// What a text looks like in JSON: UTF-8 as it is, any other byte as `\xNN`.
fn readable(text: &[u8]) -> String {
    let mut readable = String::new();
    for chunk in text.utf8_chunks() {
        readable.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| readable.push_str(&format!("\\x{byte:02x}")));
    }
    readable
}

/// All of it, or a beginning and three dots.
fn says(said: &str, whole: &str) -> bool {
    said == whole || said.strip_suffix("...").is_some_and(|start| start.len() > 32 && whole.starts_with(start))
}

/// As [`says`], for text in which `\xNN` stands for a byte.
fn says_bytes(said: &str, whole: &[u8]) -> bool {
    let unescaped = |text: &str| {
        let mut parts = text.split("\\x");
        let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
        for part in parts {
            bytes.push(u8::from_str_radix(&part[..2], 16).expect("two hex digits stand behind \\x"));
            bytes.extend_from_slice(&part.as_bytes()[2..]);
        }
        bytes
    };
    unescaped(said) == whole
        || said.strip_suffix("...").is_some_and(|start| start.len() > 32 && whole.starts_with(&unescaped(start)))
}
