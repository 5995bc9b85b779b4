//! The names, patterns and references that the parts of the document share.

use serde_json::{Value, json};

/// The security scheme of callers that may write.
pub(super) const WRITER: &str = "writer";

/// The pattern of the hash of a commit.
pub(super) const HASH: &str = "^[0-9a-f]{40}$";

/// The media type of most answers.
pub(super) const JSON: &str = "application/json";

/// Returns a reference to a shared component.
pub(super) fn component(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

/// Returns a reference to a shared schema.
pub(super) fn schema(name: &str) -> Value {
    component("schemas", name)
}

/// Returns a reference to a shared parameter.
pub(super) fn parameter(name: &str) -> Value {
    component("parameters", name)
}
