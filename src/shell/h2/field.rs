//! A field line of HTTP/1.1 text as a field of HTTP/2: its value shares the text, its name is made only when it is an
//! unusual one.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};

use crate::proto::head::{Known, Line};

/// What an exchange wrote has no name, value or status of HTTP/2, or is not as we write heads. It does not happen:
/// exchanges write what their parser reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unsayable;

/// The field of `line` in `text`.
///
/// # Errors
/// When its name or value is none of HTTP/2's.
pub fn of(line: &Line, text: &Bytes) -> Result<(HeaderName, HeaderValue), Unsayable> {
    let value = text.slice(line.value.start as usize..line.value.end as usize);
    named(line.known, line.name.of(text), HeaderValue::from_maybe_shared(value).map_err(|_| Unsayable)?)
}

/// The field of this `name`, which means `known`, with this value.
///
/// # Errors
/// When its name is none of HTTP/2's.
pub fn named(known: Known, name: &[u8], mut value: HeaderValue) -> Result<(HeaderName, HeaderValue), Unsayable> {
    value.set_sensitive(is_fresh(known, name));
    Ok((name_of(known, name)?, value))
}

/// Its value is another one each time, or for each client. Such a value in the table of a connection (RFC 7541 2.3.2)
/// is of no use to the next message, pushes out those that are, and `h2` compares the next one with each that is left:
/// forty of them took half a microsecond a message. What is marked as sensitive stays out (RFC 7541 6.2.3).
fn is_fresh(known: Known, name: &[u8]) -> bool {
    match known {
        Known::XRequestId | Known::Traceparent | Known::XForwardedFor | Known::Forwarded | Known::XRealIp => true,
        Known::Other => name.eq_ignore_ascii_case(b"grpc-timeout"),
        _ => false,
    }
}

fn name_of(known: Known, name: &[u8]) -> Result<HeaderName, Unsayable> {
    const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
    const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
    const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
    const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
    const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
    Ok(match known {
        Known::Accept => header::ACCEPT,
        Known::ContentLength => header::CONTENT_LENGTH,
        Known::ContentType => header::CONTENT_TYPE,
        Known::Date => header::DATE,
        Known::Server => header::SERVER,
        Known::Traceparent => TRACEPARENT,
        Known::UserAgent => header::USER_AGENT,
        Known::Via => header::VIA,
        Known::XForwardedFor => X_FORWARDED_FOR,
        Known::XForwardedHost => X_FORWARDED_HOST,
        Known::XForwardedProto => X_FORWARDED_PROTO,
        Known::XRequestId => X_REQUEST_ID,
        _ => HeaderName::from_bytes(name).map_err(|_| Unsayable)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::h1::parse::{self, HeadLimits, Progress};
    use crate::proto::head::RequestHead;

    /// The fields of a request with these lines.
    fn fields(lines: &str) -> Vec<(HeaderName, HeaderValue)> {
        let text = Bytes::from(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n"));
        let (limits, mut head) = (HeadLimits { bytes: 4096, lines: 100, target_bytes: 100 }, RequestHead::default());
        assert!(matches!(parse::request(&text, 0, &limits, &mut head), Ok(Progress::Complete)));
        head.lines.iter().skip(1).map(|line| of(line, &text).unwrap()).collect()
    }

    #[test]
    fn every_name_comes_out_as_it_went_in() {
        let names = "accept content-length content-type date server traceparent user-agent via x-forwarded-for \
                     x-forwarded-host x-forwarded-proto x-request-id x-real-ip cookie x-of-our-own";
        for name in names.split(' ') {
            let value = if name == "content-length" { "0" } else { "some value" };
            let found = fields(&format!("{}: {value}\r\n", name.to_ascii_uppercase()));
            assert_eq!(found[0].0.as_str(), name);
            assert_eq!(found[0].1, value);
        }
    }

    #[test]
    fn values_that_never_come_again_are_kept_out_of_tables() {
        let lines =
            "X-Request-Id: 1\r\ntraceparent: 2\r\nX-Forwarded-For: 3\r\nGrpc-Timeout: 4S\r\nVia: 5\r\nX-A: 6\r\n";
        let kept_out: Vec<bool> = fields(lines).iter().map(|(_, value)| value.is_sensitive()).collect();
        assert_eq!(kept_out, [true, true, true, true, false, false]);
    }
}
