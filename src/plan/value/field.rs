//! Field names and values, methods, tokens (RFC 9110 5.1, 5.5, 5.6.2, 9.1).

use std::collections::HashMap;

use crate::plan::code::Code;
use crate::plan::desk::Desk;
use crate::plan::read::{At, Item, Table, Value, text};
use crate::plan::shape::Shape;
use crate::plan::source::Place;
use crate::words::limits::METHOD_BYTES;

/// What tokens look like.
const TOKEN_PATTERN: &str = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";

/// Fields that a configuration may not edit: framing and connection belong to one hop (RFC 9110 7.6.1), `Expect` is
/// answered here (RFC 9110 10.1.1), and Host has its own key.
const GUARDED: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The methods that people misspell; any other token is a method too (RFC 9110 9.1).
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "QUERY", "CONNECT", "TRACE"];

/// A token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token(pub String);

impl Value for Token {
    const SHAPE: Shape = Shape::Text(TOKEN_PATTERN);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let text = text(item, "a token", desk)?;
        if !is_token(text) {
            desk.complain(Code::BadToken, item.place, format!("\"{text}\" is not a token"))
                .hint("letters, digits and !#$%&'*+-.^_`|~, as in \"ringway\" (RFC 9110 5.6.2)");
            return None;
        }
        Some(Self(text.to_owned()))
    }
}

/// A method.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Method(pub String);

impl Value for Method {
    const SHAPE: Shape = Shape::Text(TOKEN_PATTERN);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let text = text(item, "a method", desk)?;
        let upper = text.to_ascii_uppercase();
        let known = METHODS.iter().find(|method| **method == upper);
        match known {
            // Methods are case-sensitive (RFC 9110 9.1): "get" would never match anything that means GET.
            Some(method) if *method != text => {
                desk.complain(Code::BadMethod, item.place, format!("\"{text}\" is not a method: case matters"))
                    .suggest(Some(method));
                None
            }
            None if !is_token(text) || text.len() > METHOD_BYTES => {
                desk.complain(Code::BadMethod, item.place, format!("\"{text}\" is not a method"))
                    .hint(format!("a token of at most {METHOD_BYTES} letters, as in \"GET\""));
                None
            }
            _ => Some(Self(text.to_owned())),
        }
    }
}

/// A field name in lower case, of a field that may be edited.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct EditableField(pub String);

impl Value for EditableField {
    const SHAPE: Shape = Shape::Text(TOKEN_PATTERN);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        editable(text(item, "a field name", desk)?, item.place, desk).map(Self)
    }
}

fn editable(name: &str, place: Place, desk: &mut Desk<'_>) -> Option<String> {
    let name = field_name(name, place, desk)?;
    if !GUARDED.contains(&name.as_str()) {
        return Some(name);
    }
    let found = desk.complain(Code::GuardedField, place, format!("the field \"{name}\" cannot be edited"));
    found.hint(match name.as_str() {
        "host" => "say what Host becomes upstream with \"rewrite.host\"",
        "expect" => "the gateway itself answers and forwards it",
        _ => "the gateway writes framing and connection fields itself, for each hop",
    });
    None
}

fn field_name(name: &str, place: Place, desk: &mut Desk<'_>) -> Option<String> {
    if !is_token(name) {
        desk.complain(Code::BadFieldName, place, format!("\"{name}\" is not a field name"))
            .hint("letters, digits and hyphens, as in \"x-request-source\"");
        return None;
    }
    Some(name.to_ascii_lowercase())
}

/// A field value as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldText(pub String);

impl Value for FieldText {
    const SHAPE: Shape = Shape::Text("");

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let text = text(item, "a field value", desk)?;
        if let Some(hint) = value_problem(text) {
            desk.complain(Code::BadFieldValue, item.place, "the text is not a field value").hint(hint);
            return None;
        }
        Some(Self(text.to_owned()))
    }
}

/// What is wrong with a field value, if anything (RFC 9110 5.5). Bytes above ASCII are refused: recipients disagree
/// about what they mean.
#[must_use]
pub fn value_problem(text: &str) -> Option<&'static str> {
    if text.bytes().any(|byte| byte != b'\t' && !(b' '..=b'~').contains(&byte)) {
        return Some("only visible ASCII, spaces and tabs");
    }
    (text.trim() != text).then_some("no white space at the beginning or end")
}

/// True for a token (RFC 9110 5.6.2).
#[must_use]
pub fn is_token(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_letter)
}

/// What a connection may be upgraded to: a token, with a version or without, in lower case.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct UpgradeToken(pub String);

/// These change what Ringway itself speaks below the exchange: an upstream that took one would speak to the client past
/// all that stands here.
const OWN_UPGRADES: &[&str] = &["h2c", "h2", "http", "tls"];

impl Value for UpgradeToken {
    const SHAPE: Shape = Shape::Text("^[a-z0-9!#$%&'*+.^_`|~/-]+$");

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let text = text(item, "a protocol like \"websocket\"", desk)?;
        let (name, version) = text.split_once('/').map_or((text, None), |(name, version)| (name, Some(version)));
        if !is_token(name) || version.is_some_and(|version| !is_token(version)) {
            desk.complain(Code::BadToken, item.place, format!("\"{text}\" is not a protocol to upgrade to"))
                .hint("a token like \"websocket\" (RFC 9110 7.8)");
            return None;
        }
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            desk.complain(Code::BadToken, item.place, format!("\"{text}\" is not in lower case"))
                .suggest(Some(&text.to_ascii_lowercase()));
            return None;
        }
        if OWN_UPGRADES.contains(&name) {
            desk.complain(Code::BadChoice, item.place, format!("an upgrade to \"{text}\" is never forwarded"))
                .hint("what is spoken to clients and upstreams is said by \"protocols\", \"protocol\" and \"tls\"");
            return None;
        }
        Some(Self(text.to_owned()))
    }
}

/// A table from field names to values.
#[derive(Clone, Debug)]
pub struct Fields<T>(pub Vec<(At<String>, At<T>)>);

/// The same for fields that may be edited.
#[derive(Clone, Debug)]
pub struct EditableFields<T>(pub Vec<(At<String>, At<T>)>);

impl<T: Value> Value for Fields<T> {
    const SHAPE: Shape = Shape::Named("field", &T::SHAPE);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        fields(item, field_name, desk).map(Self)
    }
}

impl<T: Value> Value for EditableFields<T> {
    const SHAPE: Shape = Shape::Named("field", &T::SHAPE);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        fields(item, editable, desk).map(Self)
    }
}

type CheckName = fn(&str, Place, &mut Desk<'_>) -> Option<String>;

/// Reads `name = value` pairs; two spellings of one name are an error.
fn fields<T: Value>(item: Item<'_>, check: CheckName, desk: &mut Desk<'_>) -> Option<Vec<(At<String>, At<T>)>> {
    let table = Table::of(item, desk)?;
    let mut list: Vec<(At<String>, At<T>)> = Vec::new();
    let mut places: HashMap<String, Place> = HashMap::new();
    for (name, item) in table.names() {
        let (name, value) = (check(name, item.key, desk), T::read(item, desk));
        let (Some(name), Some(value)) = (name, value) else { continue };
        if let Some(first) = places.get(&name) {
            desk.complain(Code::Twice, item.key, format!("the field \"{name}\" is named twice"))
                .other("it is named here too", *first);
            continue;
        }
        places.insert(name.clone(), item.key);
        list.push((At { value: name, place: item.key }, At { value, place: item.place }));
    }
    // The order of the text: fields go out as they were written.
    list.sort_by_key(|(name, _)| name.place);
    Some(list)
}
