//! Words: choices from a closed list, the user's names, and plain text.

use crate::plan::code::Code;
use crate::plan::desk::Desk;
use crate::plan::read::{Item, Value, not_supported, text};
use crate::plan::shape::Shape;
use crate::plan::{Balance, Protocol, ProxyProtocol, Steering, TlsVersion, UpstreamProtocol};

/// Any text that is not empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text(pub String);

impl Value for Text {
    const SHAPE: Shape = Shape::Text("^[\\s\\S]+$");

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let text = text(item, "text", desk)?;
        if text.is_empty() {
            desk.complain(Code::Empty, item.place, "the text is empty");
            return None;
        }
        Some(Self(text.to_owned()))
    }
}

/// Any text, the empty one included.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnyText(pub String);

impl Value for AnyText {
    const SHAPE: Shape = Shape::Text("");

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        text(item, "text", desk).map(|text| Self(text.to_owned()))
    }
}

/// A name that refers to something. Whether anything has that name is found out later.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Name(pub String);

/// What names look like.
pub const NAME_PATTERN: &str = "^[a-z0-9]+(-[a-z0-9]+)*$";

impl Value for Name {
    const SHAPE: Shape = Shape::Text(NAME_PATTERN);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        text(item, "a name", desk).map(|text| Self(text.to_owned()))
    }
}

/// True for kebab-case: names stand in metric labels, file names and admin paths.
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.len() <= 100
        && text
            .split('-')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
}

/// The same name in kebab-case, if that can be made.
#[must_use]
pub fn name_from(text: &str) -> Option<String> {
    let mut name = String::new();
    let mut last = '-';
    for letter in text.chars() {
        if letter.is_ascii_uppercase() && last.is_ascii_lowercase() {
            name.push('-');
        }
        last = letter;
        name.push(if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' });
    }
    let name: Vec<&str> = name.split('-').filter(|part| !part.is_empty()).collect();
    Some(name.join("-")).filter(|name| is_name(name))
}

/// The position of the text in `words`. Words of `later` are in the language, but not supported yet.
pub fn choose(item: Item<'_>, words: &[&str], later: &[&str], desk: &mut Desk<'_>) -> Option<usize> {
    let text = text(item, &format!("one of {}", listed(words)), desk)?;
    let position = words.iter().position(|word| *word == text);
    if position.is_none() && later.contains(&text) {
        not_supported(item.place, &format!("\"{text}\""), desk);
    } else if position.is_none() {
        let nearest = desk.nearest(text, words.iter().copied());
        desk.complain(Code::BadChoice, item.place, format!("\"{text}\" is not one of {}", listed(words)))
            .suggest(nearest);
    }
    position
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

/// `http` or `https`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scheme(pub &'static str);

const SCHEMES: &[&str] = &["http", "https"];

impl Value for Scheme {
    const SHAPE: Shape = Shape::Words(SCHEMES);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        choose(item, SCHEMES, &[], desk).map(|position| Self(SCHEMES[position]))
    }
}

const BALANCES: &[&str] = &["round_robin", "weighted"];
const BALANCES_LATER: &[&str] = &["least_requests", "peak_ewma", "maglev", "random"];

impl Value for Balance {
    const SHAPE: Shape = Shape::Words(BALANCES);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        let position = choose(item, BALANCES, BALANCES_LATER, desk)?;
        Some(if position == 0 { Self::RoundRobin } else { Self::Weighted })
    }
}

const STEERINGS: &[&str] = &[Steering::Hash.word(), Steering::Cpu.word()];

impl Value for Steering {
    const SHAPE: Shape = Shape::Words(STEERINGS);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        choose(item, STEERINGS, &[], desk).map(|position| [Self::Hash, Self::Cpu][position])
    }
}

const PROTOCOLS: &[&str] = &["h2", "http/1.1"];

impl Value for Protocol {
    const SHAPE: Shape = Shape::Words(PROTOCOLS);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        choose(item, PROTOCOLS, &[], desk).map(|position| [Self::H2, Self::Http1][position])
    }
}

const UPSTREAM_PROTOCOLS: &[&str] = &["http/1.1", "h2", "h2c"];

impl Value for UpstreamProtocol {
    const SHAPE: Shape = Shape::Words(UPSTREAM_PROTOCOLS);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        choose(item, UPSTREAM_PROTOCOLS, &[], desk).map(|position| [Self::Http1, Self::H2, Self::H2c][position])
    }
}

const PROXY_VERSIONS: &[&str] = &["v1", "v2"];

impl Value for ProxyProtocol {
    const SHAPE: Shape = Shape::Words(PROXY_VERSIONS);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        choose(item, PROXY_VERSIONS, &[], desk).map(|position| [Self::V1, Self::V2][position])
    }
}

const TLS_VERSIONS: &[&str] = &["1.2", "1.3"];

impl Value for TlsVersion {
    const SHAPE: Shape = Shape::Words(TLS_VERSIONS);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        choose(item, TLS_VERSIONS, &[], desk).map(|position| [Self::V12, Self::V13][position])
    }
}

/// Whether clients must show a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientAuth {
    /// Those without one are refused.
    Required,
    /// Those without one are served too.
    Optional,
}

const CLIENT_AUTHS: &[&str] = &["required", "optional"];

impl Value for ClientAuth {
    const SHAPE: Shape = Shape::Words(CLIENT_AUTHS);

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        choose(item, CLIENT_AUTHS, &[], desk).map(|position| [Self::Required, Self::Optional][position])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case() {
        for good in ["a", "orders", "orders-v1", "2026-a"] {
            assert!(is_name(good), "{good}");
        }
        for (bad, made) in [
            ("", None),
            ("-", None),
            ("Orders", Some("orders")),
            ("a_b", Some("a-b")),
            ("a--b", Some("a-b")),
            ("ordersV1", Some("orders-v1")),
            ("ö", None),
        ] {
            assert!(!is_name(bad), "{bad}");
            assert_eq!(name_from(bad).as_deref(), made, "{bad}");
        }
    }
}
