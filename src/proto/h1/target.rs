//! The request line by parts: forms of the target (RFC 9112 3.2), and what is wrong with a line that cannot be read.
//!
//! Not here: the canonical path (`proto::path`), which judges the path's own characters.

use memchr::{memchr, memchr2};

use super::fields::is_token_byte;
use super::parse::HeadLimits;
use crate::proto::authority;
use crate::proto::head::{Method, Span, TargetForm};
use crate::words::fault::{Fault, Kind, Stage};
use crate::words::limits::METHOD_BYTES;

/// A target by its parts.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Target {
    pub(super) form: TargetForm,
    /// Of an absolute-form target.
    pub(super) authority: Option<Span>,
    pub(super) path: Span,
    pub(super) query: Option<Span>,
}

impl Target {
    /// Takes `span` of `buffer` apart; `method` decides about `*`.
    ///
    /// # Errors
    /// `BadTarget`, `BadHost` for an authority that cannot be.
    #[inline]
    pub(super) fn of(buffer: &[u8], span: Span, method: Method) -> Result<Self, Fault> {
        match span.of(buffer) {
            [b'/', ..] => Self::of_path(buffer, span, TargetForm::Origin, None),
            b"*" if method == Method::Options => {
                Ok(Self { form: TargetForm::Asterisk, authority: None, path: span, query: None })
            }
            target => Self::of_absolute(buffer, span, target),
        }
    }

    /// RFC 9112 3.2.2. Of the schemes only http and https mean this gateway.
    fn of_absolute(buffer: &[u8], span: Span, target: &[u8]) -> Result<Self, Fault> {
        let has_scheme =
            |scheme: &[u8]| target.len() > scheme.len() && target[..scheme.len()].eq_ignore_ascii_case(scheme);
        let scheme = [&b"http://"[..], b"https://"].into_iter().find(|scheme| has_scheme(scheme));
        let scheme = scheme.ok_or(bad("the target is neither a path nor an http URI"))?;
        let rest = &target[scheme.len()..];
        let length = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        if memchr(b'@', &rest[..length]).is_some() {
            // RFC 9110 4.2.4: userinfo from an untrusted source is an error; nobody needs it here.
            return Err(bad("the target has userinfo"));
        }
        authority::check(&rest[..length]).map_err(|detail| Fault::new(Kind::BadHost, Stage::ReadHead, detail))?;
        let start = span.start + scheme.len() as u32;
        let end = start + length as u32;
        Self::of_path(buffer, Span { start: end, end: span.end }, TargetForm::Absolute, Some(Span { start, end }))
    }

    #[inline]
    fn of_path(buffer: &[u8], span: Span, form: TargetForm, authority: Option<Span>) -> Result<Self, Fault> {
        let rest = span.of(buffer);
        let (path, query) = match memchr2(b'?', b'#', rest) {
            None => (span, None),
            Some(at) if rest[at] == b'?' => {
                let at = span.start + at as u32;
                (Span { start: span.start, end: at }, Some(Span { start: at + 1, end: span.end }))
            }
            Some(_) => return Err(bad("the target has a fragment")),
        };
        if query.is_some_and(|query| memchr(b'#', query.of(buffer)).is_some()) {
            return Err(bad("the target has a fragment"));
        }
        Ok(Self { form, authority, path, query })
    }
}

/// Reads a request line in order and names the first thing that is wrong with it, however much of it is there. The
/// slow path behind httparse's "no", and the early one for lines that are too long.
///
/// # Errors
/// The fault to answer with.
pub(super) fn check_request_line(line: &[u8], limits: &HeadLimits) -> Result<(), Fault> {
    let method = line.iter().take_while(|byte| is_token_byte(**byte)).count();
    if method > METHOD_BYTES {
        return Err(Fault::new(Kind::NotImplemented, Stage::ReadHead, "the method is too long"));
    }
    let target = match &line[method..] {
        [] => return Ok(()),
        [b' ', target @ ..] if method > 0 => target,
        _ => return Err(Fault::new(Kind::BadRequest, Stage::ReadHead, "the request does not begin with a method")),
    };
    let length = target.iter().take(limits.target_bytes + 1).take_while(|byte| is_target_byte(**byte)).count();
    if length > limits.target_bytes {
        return Err(Fault::new(Kind::TargetTooLong, Stage::ReadHead, "the target is over limits.target_bytes"));
    }
    match &target[length..] {
        [] => Ok(()),
        [b' ', version @ ..] if length > 0 => check_version(version),
        [b' ' | b'\r' | b'\n', ..] => Err(bad("the request line lacks its target or version")),
        _ => Err(bad("the target has a control character")),
    }
}

/// What stands behind the target. `HTTP/2.0` is a version we do not speak, `HTTP/x` is none (RFC 9112 2.3).
fn check_version(version: &[u8]) -> Result<(), Fault> {
    let shape = b"HTTP/0.0\r";
    let fits = |(byte, shape): (&u8, &u8)| if *shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    if !version.iter().zip(shape).all(fits) {
        return Err(Fault::new(Kind::BadRequest, Stage::ReadHead, "the request line does not end in a version"));
    }
    if version.len() >= shape.len() && !matches!(&version[5..8], b"1.0" | b"1.1") {
        return Err(Fault::new(Kind::VersionNotSupported, Stage::ReadHead, "neither HTTP/1.0 nor HTTP/1.1"));
    }
    Ok(())
}

/// What httparse takes in a target: no control byte, no space.
const fn is_target_byte(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f
}

const fn bad(detail: &'static str) -> Fault {
    Fault::new(Kind::BadTarget, Stage::ReadHead, detail)
}
