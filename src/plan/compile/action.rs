//! What routes do: redirects, fixed answers, rewrites and field edits.

use bytes::Bytes;

use crate::plan::code::Code;
use crate::plan::desk::Desk;
use crate::plan::raw::action::{Body, Edits, Redirect as RawRedirect, Respond as RawRespond, Rewrite as RawRewrite};
use crate::plan::read::At;
use crate::plan::source::{Unreadable, read_body};
use crate::plan::template::Template;
use crate::plan::value::field::{EditableFields, value_problem};
use crate::plan::value::path::{PathPattern, Prefix, path_problem};
use crate::plan::value::template::{Draft, Needs};
use crate::plan::{FieldEdits, PathRewrite, Redirect, Respond, Rewrite};
use crate::words::limits::RESPOND_BODY_MAX;

/// A redirect of a route with `path`, or of a listener, which has none.
pub fn redirect(raw: &At<RawRedirect>, path: Option<&PathPattern>, desk: &mut Desk<'_>) -> Option<Redirect> {
    let RawRedirect { status, scheme, host, port, path: target, prefix, query } = &raw.value;
    let path_rewrite = path_rewrite(target.as_ref(), prefix.as_ref(), path, desk);
    let query = query.as_ref().map(|query| query_template(query, path, desk));
    Some(Redirect {
        status: status.map_or(308, |status| status.value.0),
        scheme: scheme.map(|scheme| scheme.value.0.to_owned()),
        host: host.as_ref().map(|host| host.value.0.clone()),
        port: port.and_then(|port| u16::try_from(port.value.0).ok()),
        path: path_rewrite,
        query,
    })
}

/// How the target and Host of a route with `path` change.
pub fn rewrite(raw: Option<&At<RawRewrite>>, path: Option<&PathPattern>, desk: &mut Desk<'_>) -> Rewrite {
    let Some(raw) = raw.map(|raw| &raw.value) else { return Rewrite::default() };
    Rewrite {
        path: path_rewrite(raw.path.as_ref(), raw.prefix.as_ref(), path, desk),
        query: raw.query.as_ref().map(|query| query_template(query, path, desk)),
        host: raw.host.as_ref().map(|host| host.value.clone()).unwrap_or_default(),
    }
}

fn path_rewrite(
    target: Option<&At<Draft>>, prefix: Option<&At<Prefix>>, path: Option<&PathPattern>, desk: &mut Desk<'_>,
) -> Option<PathRewrite> {
    if let Some(prefix) = prefix {
        return prefix_rewrite(prefix, path, desk);
    }
    let target = target?;
    // What stands in for a variable is a good segment, so that only the text around it is judged.
    let outline = target.value.outline("x");
    if let Some(hint) = path_problem(&outline) {
        desk.complain(Code::BadPath, target.place, "the template does not make a canonical path").hint(hint);
    }
    template(&target.value, path, desk).map(PathRewrite::Template)
}

fn prefix_rewrite(prefix: &At<Prefix>, path: Option<&PathPattern>, desk: &mut Desk<'_>) -> Option<PathRewrite> {
    let problem = match path {
        None => Some("a listener matches no path; use \"path\""),
        Some(path) if !path.is_prefix => Some("only a path that ends in \"/*\" has a prefix; use \"path\""),
        Some(_) => None,
    };
    if let Some(hint) = problem {
        desk.complain(Code::Conflict, prefix.place, "there is no prefix to replace").hint(hint);
        return None;
    }
    Some(PathRewrite::Prefix { segments: path?.literals, with: prefix.value.0.clone() })
}

/// A query template; empty after a complaint.
fn query_template(query: &At<Draft>, path: Option<&PathPattern>, desk: &mut Desk<'_>) -> Template {
    let outline = query.value.outline("x");
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%[]{}".contains(&byte);
    if !outline.bytes().all(is_letter) {
        desk.complain(Code::BadQuery, query.place, "the text is not a query")
            .hint("percent-encode white space, \"#\", quotes and everything that is not ASCII");
    }
    template(&query.value, path, desk).unwrap_or_default()
}

fn template(draft: &Draft, path: Option<&PathPattern>, desk: &mut Desk<'_>) -> Option<Template> {
    let (captures, reached) = match path {
        Some(path) => (path.captures.as_slice(), Needs::Route),
        None => (&[][..], Needs::Request),
    };
    draft.compile(captures, reached, desk)
}

/// Field edits of a route with `path`, as far into the exchange as `reached`.
pub fn edits(raw: Option<&At<Edits>>, path: Option<&PathPattern>, reached: Needs, desk: &mut Desk<'_>) -> FieldEdits {
    let Some(raw) = raw.map(|raw| &raw.value) else { return FieldEdits::default() };
    let captures = path.map(|path| path.captures.as_slice()).unwrap_or_default();
    let remove = raw.remove.as_ref().map(|list| list.value.as_slice()).unwrap_or_default();
    FieldEdits {
        remove: remove.iter().map(|name| name.value.0.clone()).collect(),
        set: values(raw.set.as_ref(), captures, reached, desk),
        add: values(raw.add.as_ref(), captures, reached, desk),
    }
}

fn values(
    raw: Option<&At<EditableFields<Draft>>>, captures: &[String], reached: Needs, desk: &mut Desk<'_>,
) -> Vec<(String, Template)> {
    let list = raw.map(|fields| fields.value.0.as_slice()).unwrap_or_default();
    let compiled = list.iter().filter_map(|(name, value)| {
        if let Some(hint) = value_problem(&value.value.outline("x")) {
            desk.complain(Code::BadFieldValue, value.place, "the text is not a field value").hint(hint);
        }
        Some((name.value.clone(), value.value.compile(captures, reached, desk)?))
    });
    compiled.collect()
}

/// A fixed answer.
pub fn respond(raw: &At<RawRespond>, desk: &mut Desk<'_>) -> Respond {
    let RawRespond { status, body, headers } = &raw.value;
    let status = status.map_or(200, |status| status.value.0);
    let mut fields: Vec<(String, String)> = headers
        .iter()
        .flat_map(|headers| &headers.value.0)
        .map(|(name, value)| (name.value.clone(), value.value.0.clone()))
        .collect();
    let mut bytes = Bytes::new();
    if let Some(body) = body {
        // RFC 9110 15.3.5, 15.4.5: neither has content; 205 must not generate any (15.3.6).
        if matches!(status, 204 | 205 | 304) {
            desk.complain(Code::Conflict, body.place, format!("an answer with status {status} has no body"));
        }
        let content_type = content_type(&body.value);
        if !fields.iter().any(|(name, _)| name == "content-type") {
            fields.push(("content-type".to_owned(), content_type.to_owned()));
        }
        bytes = body_bytes(body, desk);
    }
    Respond { status, fields, body: bytes }
}

fn body_bytes(body: &At<Body>, desk: &mut Desk<'_>) -> Bytes {
    match &body.value {
        Body::Text(text) | Body::Html(text) => text.clone().into(),
        Body::Json(value) => value.to_string().into(),
        Body::File(path) => match read_body(desk.sources.base(body.place.file), path, RESPOND_BODY_MAX) {
            Ok(bytes) => bytes.into(),
            Err(Unreadable(why)) => {
                desk.complain(Code::Unreadable, body.place, format!("cannot read \"{path}\": {why}"));
                Bytes::new()
            }
        },
    }
}

fn content_type(body: &Body) -> &'static str {
    let file = match body {
        Body::Text(_) => return "text/plain; charset=utf-8",
        Body::Json(_) => return "application/json",
        Body::Html(_) => return "text/html; charset=utf-8",
        Body::File(path) => path,
    };
    match file.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html" | "htm") => "text/html; charset=utf-8",
        Some("txt") => "text/plain; charset=utf-8",
        Some("json") => "application/json",
        Some("xml") => "application/xml",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/vnd.microsoft.icon",
        _ => "application/octet-stream",
    }
}
