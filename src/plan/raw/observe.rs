//! `[admin]` and `[access_log]`.

use toml::de::DeValue;

use crate::plan::desk::Desk;
use crate::plan::read::{At, Item, Section, Table, Value, wrong_type};
use crate::plan::shape::{Described, Key, Shape};
use crate::plan::value::address::Listen;
use crate::plan::value::template::Draft;
use crate::plan::value::word::Text;

const ADDRESS: Key<Listen> =
    Key::required("address", "IP address and port of /metrics, /healthz and /readyz.").example("\"127.0.0.1:9901\"");

/// `[admin]`.
#[derive(Debug)]
pub struct Admin {
    /// `address`.
    pub address: Option<At<Listen>>,
}

impl Section for Admin {
    const KEYS: &'static [Described] = &[ADDRESS.describe()];
    const LATER: &'static [&'static str] = &["token"];

    fn read(table: &mut Table<'_>, desk: &mut Desk<'_>) -> Self {
        Self { address: table.take(&ADDRESS, desk) }
    }
}

const FILE: Key<Text> = Key::new(
    "file",
    "\"-\"",
    "File to append to, relative to the working directory; \"-\" or \"stdout\" is standard output.",
);
const FORMAT: Key<Format> = Key::new("format", "\"json\"", "\"json\", \"combined\", or a template of one line.")
    .example("\"{time} {request.method} {request.path} {response.status}\"");

/// `[access_log]`.
#[derive(Debug)]
pub struct AccessLog {
    /// `file`.
    pub file: Option<At<Text>>,
    /// `format`.
    pub format: Option<At<Format>>,
}

impl Section for AccessLog {
    const KEYS: &'static [Described] = &[FILE.describe(), FORMAT.describe()];
    const LATER: &'static [&'static str] = &["sample", "redact"];

    fn read(table: &mut Table<'_>, desk: &mut Desk<'_>) -> Self {
        Self { file: table.take(&FILE, desk), format: table.take(&FORMAT, desk) }
    }
}

/// `format`.
#[derive(Debug)]
pub enum Format {
    /// `"json"`.
    Json,
    /// `"combined"`.
    Combined,
    /// Any other text.
    Template(Draft),
}

impl Value for Format {
    const SHAPE: Shape = Shape::Text("^(json|combined|.*\\{.*)$");

    fn read(item: Item<'_>, desk: &mut Desk<'_>) -> Option<Self> {
        match item.value {
            DeValue::String(text) if text == "json" => Some(Self::Json),
            DeValue::String(text) if text == "combined" => Some(Self::Combined),
            DeValue::String(text) if text.contains('{') => Draft::parse(text, item.place, desk).map(Self::Template),
            DeValue::String(text) => {
                // A line without a variable says nothing of any exchange: it is a misspelt word.
                let nearest = desk.nearest(text, ["json", "combined"].into_iter());
                let message = format!("\"{text}\" is neither \"json\" nor \"combined\" nor a template");
                desk.complain(crate::plan::code::Code::BadChoice, item.place, message).suggest(nearest);
                None
            }
            _ => {
                wrong_type(item, "\"json\", \"combined\" or a template", desk);
                None
            }
        }
    }
}
