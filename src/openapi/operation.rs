//! One operation of the document.

use serde_json::{Map, Value, json};

use super::error_responses::Refusals;
use super::shared_refs::{JSON, WRITER, component, parameter};

/// An answer: its description, its headers, which are shared ones, and its content.
pub(super) struct Answer {
    description: String,
    headers: Vec<&'static str>,
    content: Map<String, Value>,
    links: Map<String, Value>,
}

impl Answer {
    /// Returns an answer without a body.
    pub(super) fn empty(description: &str) -> Self {
        let description = description.to_owned();
        Self { description, headers: Vec::new(), content: Map::new(), links: Map::new() }
    }

    /// Returns an answer of JSON.
    pub(super) fn json(description: &str, schema: Value) -> Self {
        Self::empty(description).content(JSON, schema)
    }

    /// Adds a possible media type.
    pub(super) fn content(mut self, kind: &str, schema: Value) -> Self {
        self.content.insert(kind.to_owned(), json!({ "schema": schema }));
        self
    }

    /// Adds shared headers.
    pub(super) fn headers(mut self, names: &[&'static str]) -> Self {
        self.headers.extend(names);
        self
    }

    /// Adds an operation, by its id, that accepts values of the answer.
    pub(super) fn link(mut self, name: &str, operation: String, parameters: Value) -> Self {
        let link = json!({ "operationId": operation, "parameters": parameters });
        self.links.insert(name.to_owned(), link);
        self
    }

    fn into_value(self) -> Value {
        let mut answer = json!({ "description": self.description });
        let header = |name: &&str| ((*name).to_owned(), component("headers", name));
        if !self.headers.is_empty() {
            answer["headers"] = self.headers.iter().map(header).collect::<Map<_, _>>().into();
        }
        if !self.content.is_empty() {
            answer["content"] = self.content.into();
        }
        if !self.links.is_empty() {
            answer["links"] = self.links.into();
        }
        answer
    }
}

/// Returns the id of an operation, which is an identifier in every language.
pub(super) fn operation_id(tag: &str, verb: &str) -> String {
    format!("{}_{verb}", tag.replace('-', "_"))
}

/// One operation.
pub(super) struct Operation {
    id: String,
    tag: String,
    summary: String,
    description: Option<String>,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: Map<String, Value>,
    is_write: bool,
}

impl Operation {
    /// Returns an operation that everybody may call.
    pub(super) fn new(tag: &str, verb: &str, summary: impl Into<String>) -> Self {
        Self {
            id: operation_id(tag, verb),
            tag: tag.to_owned(),
            summary: summary.into(),
            description: None,
            parameters: Vec::new(),
            body: None,
            answers: Map::new(),
            is_write: false,
        }
    }

    /// Adds a description to the summary.
    pub(super) fn described(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Adds parameters, shared or not.
    pub(super) fn takes(mut self, parameters: impl IntoIterator<Item = Value>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// Sets the body: its media type and schema. With several media types, clients that are
    /// generated would not know which one to send.
    pub(super) fn body(mut self, kind: &str, schema: Value) -> Self {
        let content = json!({ kind: { "schema": schema } });
        self.body = Some(json!({ "required": true, "content": content }));
        self
    }

    /// Adds an answer.
    pub(super) fn answers(mut self, status: u16, answer: Answer) -> Self {
        self.answers.insert(status.to_string(), answer.into_value());
        self
    }

    /// Adds the answer of a read with a tag, and the answer to a caller that has it.
    pub(super) fn answers_tagged(self, answer: Answer) -> Self {
        let headers = &["X-Headwater-Commit", "ETag"];
        let same = Answer::empty("The caller has this version.").headers(headers);
        self.takes([parameter("ifNoneMatch")])
            .answers(200, answer.headers(headers))
            .answers(304, same)
    }

    /// Adds the answers to refused requests.
    pub(super) fn refuses(mut self, refusals: Refusals) -> Self {
        self.answers.extend(refusals.references());
        self
    }

    /// Requires a token.
    pub(super) fn for_writers(mut self) -> Self {
        self.is_write = true;
        self
    }

    /// Returns the operation in the format of the document.
    pub(super) fn into_value(self) -> Value {
        let mut operation = json!({
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "responses": self.answers,
            "security": [],
        });
        if let Some(description) = self.description {
            operation["description"] = description.into();
        }
        if !self.parameters.is_empty() {
            operation["parameters"] = self.parameters.into();
        }
        if let Some(body) = self.body {
            operation["requestBody"] = body;
        }
        if self.is_write {
            operation["security"] = json!([{ WRITER: [] }]);
        }
        operation
    }
}
