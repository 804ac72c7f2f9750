//! The JSON Schema of the language (draft 2020-12), for editors. Made from the descriptions that the reader uses.
//!
//! A schema cannot say everything: that names refer to something, that a route has one action, that a path is
//! canonical. What it refuses, `check` refuses too; not the other way round.

use serde_json::{Map, Value, json};

use super::raw::SECTIONS;
use super::shape::{Described, Shape};
use super::value::word::NAME_PATTERN;

/// The schema of a whole configuration.
#[must_use]
pub fn schema() -> Value {
    let mut schema = table(SECTIONS);
    schema.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".to_owned(), "ringway.toml".into());
    schema.insert("description".to_owned(), "Configuration of Ringway, an API gateway.".into());
    schema.into()
}

fn table(keys: &[Described]) -> Map<String, Value> {
    let properties: Map<String, Value> = keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<&str> = keys.iter().filter(|key| key.is_required).map(|key| key.name).collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), properties.into());
    schema.insert("additionalProperties".to_owned(), false.into());
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
    schema
}

fn property(key: &Described) -> Value {
    let mut schema = of(&key.shape);
    schema.insert("description".to_owned(), key.meaning.into());
    if let Some(default) = key.toml_default().and_then(to_json) {
        schema.insert("default".to_owned(), default);
    }
    if let Some(example) = to_json(key.example) {
        schema.insert("examples".to_owned(), json!([example]));
    }
    schema.into()
}

/// TOML text of one value as JSON.
fn to_json(text: &str) -> Option<Value> {
    let document: toml::Table = format!("value = {text}").parse().ok()?;
    serde_json::to_value(document.get("value")?).ok()
}

fn of(shape: &Shape) -> Map<String, Value> {
    let schema = match shape {
        Shape::Text("") => json!({ "type": "string" }),
        Shape::Text(pattern) => json!({ "type": "string", "pattern": pattern }),
        Shape::Words(words) => json!({ "enum": words }),
        Shape::Integer(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Boolean(truth) => json!({ "const": truth }),
        Shape::Json => json!({}),
        Shape::List(element, true) => json!({ "type": "array", "items": of(element), "minItems": 1 }),
        Shape::List(element, false) => json!({ "type": "array", "items": of(element) }),
        Shape::Table(keys) => return table(keys),
        Shape::Named("name", shape) => json!({
            "type": "object",
            "propertyNames": { "pattern": NAME_PATTERN, "maxLength": 100 },
            "additionalProperties": of(shape),
        }),
        Shape::Named(_, shape) => json!({ "type": "object", "additionalProperties": of(shape) }),
        Shape::Any(shapes) => json!({ "anyOf": shapes.iter().map(of).collect::<Vec<_>>() }),
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}
