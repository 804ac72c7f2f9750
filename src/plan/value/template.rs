//! Templates: `{name}` from a closed list. Read in two steps: the braces here, the names when it is known where the
//! template stands ([`Draft::compile`]).

use crate::plan::code::Code;
use crate::plan::desk::Desk;
use crate::plan::read::{Item, Value, not_supported, text};
use crate::plan::shape::Shape;
use crate::plan::source::Place;
use crate::plan::template::{Piece, Template, Variable};

/// Every variable by name, and the widest use it may be put to. Captures are not here: their names are the route's.
pub const VARIABLES: &[(&str, Variable, Needs)] = &[
    ("client.ip", Variable::ClientIp, Needs::Request),
    ("client.port", Variable::ClientPort, Needs::Request),
    ("request.id", Variable::RequestId, Needs::Request),
    ("request.method", Variable::RequestMethod, Needs::Request),
    ("request.scheme", Variable::RequestScheme, Needs::Request),
    ("request.host", Variable::RequestHost, Needs::Request),
    ("request.path", Variable::RequestPath, Needs::Request),
    ("request.query", Variable::RequestQuery, Needs::Request),
    ("trace.id", Variable::TraceId, Needs::Request),
    ("server.name", Variable::ServerName, Needs::Request),
    ("listener.name", Variable::ListenerName, Needs::Request),
    ("route.name", Variable::RouteName, Needs::Route),
    ("upstream.name", Variable::UpstreamName, Needs::Answer),
    ("upstream.status", Variable::UpstreamStatus, Needs::End),
    ("upstream.duration", Variable::UpstreamDuration, Needs::End),
    ("upstream.address", Variable::UpstreamAddress, Needs::End),
    ("response.status", Variable::ResponseStatus, Needs::End),
    ("response.bytes", Variable::ResponseBytes, Needs::End),
    ("request.bytes", Variable::RequestBytes, Needs::End),
    ("request.version", Variable::RequestVersion, Needs::End),
    ("request.user_agent", Variable::UserAgent, Needs::End),
    ("request.referer", Variable::Referer, Needs::End),
    ("duration", Variable::Duration, Needs::End),
    ("time", Variable::Time, Needs::End),
    ("attempts", Variable::Attempts, Needs::End),
    ("error", Variable::Error, Needs::End),
];

/// Variables of the language that have no value yet.
const LATER: &[&str] = &["consumer.name", "consumer.plan", "api.name", "api.version"];

/// How far an exchange must have come for a variable to have a value; or how far it has come where a template stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Needs {
    /// The request's head: redirects of a listener.
    Request,
    /// Its route: rewrites, redirects and request edits.
    Route,
    /// The answer's head: response edits.
    Answer,
    /// The last byte: the access log.
    End,
}

impl Needs {
    const fn place(self) -> &'static str {
        match self {
            Self::Request => "before a route is found",
            Self::Route => "before the upstream has answered",
            Self::Answer => "before the answer is complete",
            Self::End => "in the access log",
        }
    }
}

/// A template whose names are not looked up yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draft {
    pieces: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Text(String),
    Name(String, Place),
}

impl Value for Draft {
    const SHAPE: Shape = Shape::Text("");

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        Self::parse(text(item, "a text", desk)?, item.place, desk)
    }
}

impl Draft {
    /// Finds the braces of `text`, which stands at `place`. `{{` and `}}` are braces that go out.
    pub fn parse(text: &str, place: Place, desk: &mut Desk<'_>) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut at = 0;
        while let Some(found) = text[at..].find(['{', '}']) {
            plain.push_str(&text[at..at + found]);
            at += found;
            let rest = &text[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                plain.push_str(&rest[..1]);
                at += 2;
                continue;
            }
            let name = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(name, _)| name);
            let Some(name) = name.filter(|name| !name.is_empty() && !name.contains('{')) else {
                let message =
                    if rest.starts_with('}') { "this brace closes nothing" } else { "this brace opens no variable" };
                desk.complain(Code::BadTemplate, desk.inside(place, text, at, 1), message)
                    .hint("a variable is \"{client.ip}\"; \"{{\" and \"}}\" are braces that go out");
                return None;
            };
            if !plain.is_empty() {
                pieces.push(Part::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Part::Name(name.to_owned(), desk.inside(place, text, at, name.len() + 2)));
            at += name.len() + 2;
        }
        plain.push_str(&text[at..]);
        if !plain.is_empty() {
            pieces.push(Part::Text(plain));
        }
        Some(Self { pieces })
    }

    /// The text with `stand_in` for each variable: to check what goes out as far as it is known.
    #[must_use]
    pub fn outline(&self, stand_in: &str) -> String {
        let piece = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Name(..) => stand_in.to_owned(),
        };
        self.pieces.iter().map(piece).collect()
    }

    /// Looks the names up: `captures` by position, then the closed list as far as `reached`.
    pub fn compile(&self, captures: &[String], reached: Needs, desk: &mut Desk<'_>) -> Option<Template> {
        let mut pieces = Some(Vec::with_capacity(self.pieces.len()));
        for part in &self.pieces {
            let piece = match part {
                Part::Text(text) => Some(Piece::Text(text.clone())),
                Part::Name(name, place) => variable(name, *place, captures, reached, desk).map(Piece::Variable),
            };
            // One bad name spoils the template, but all of them are reported.
            pieces = pieces.zip(piece).map(|(mut pieces, piece)| {
                pieces.push(piece);
                pieces
            });
        }
        pieces.map(|pieces| Template { pieces })
    }
}

fn variable(name: &str, place: Place, captures: &[String], reached: Needs, desk: &mut Desk<'_>) -> Option<Variable> {
    if let Some(position) = captures.iter().position(|capture| capture == name) {
        return u8::try_from(position).ok().map(Variable::Capture);
    }
    if LATER.contains(&name) {
        not_supported(place, &format!("the variable \"{name}\""), desk);
        return None;
    }
    let Some((_, variable, needs)) = VARIABLES.iter().find(|(known, ..)| *known == name) else {
        let known = VARIABLES.iter().filter(|(.., needs)| *needs <= reached).map(|(known, ..)| *known);
        let nearest = desk.nearest(name, captures.iter().map(String::as_str).chain(known));
        desk.complain(Code::UnknownVariable, place, format!("there is no variable \"{name}\"")).suggest(nearest);
        return None;
    };
    if *needs > reached {
        let message = format!("\"{name}\" has no value {}", reached.place());
        desk.complain(Code::UnavailableVariable, place, message);
        return None;
    }
    Some(*variable)
}
