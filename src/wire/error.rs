//! The only error of the API (RFC 9457). It explains a mistake of the client. For a failure of the
//! server it has a fixed text, and its cause goes to the log.

use std::error::Error;
use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::{Map, Value};

use super::code::Code;
use crate::exit::chain;

/// How to show a credential, on every route that needs one.
const BEARER: &str = "send a secret as `Authorization: Bearer <secret>`";

/// Why a request is refused.
#[derive(Debug, Clone)]
pub struct ApiError(Arc<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    code: Code,
    detail: Option<String>,
    errors: Vec<FieldError>,
    members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<String>,
}

/// One of several things that are wrong with a request.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct FieldError {
    /// The parameter of the query, if that is the place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// A JSON Pointer into the record, if that is the place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// What is wrong with it.
    pub detail: String,
}

impl FieldError {
    /// Returns the error of a parameter.
    pub fn of_parameter(parameter: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { parameter: Some(parameter.into()), pointer: None, detail: detail.into() }
    }

    /// Returns the error of a place in a record.
    pub fn at_pointer(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { parameter: None, pointer: Some(pointer.into()), detail: detail.into() }
    }

    fn told(&self) -> String {
        let place = self.parameter.as_deref().or(self.pointer.as_deref());
        match place.filter(|place| !place.is_empty()) {
            Some(place) => format!("{place}: {}", self.detail),
            None => self.detail.clone(),
        }
    }
}

impl From<Code> for ApiError {
    fn from(code: Code) -> Self {
        // All causes have the same text, because it must not reveal which credential was close.
        let detail = (code == Code::Unauthorized).then(|| BEARER.to_owned());
        Self(Arc::new(Inner {
            code,
            detail,
            errors: Vec::new(),
            members: Map::new(),
            headers: Vec::new(),
            cause: None,
        }))
    }
}

impl ApiError {
    /// Returns the error `code` with an explanation for the client.
    pub fn explained(code: Code, detail: impl Into<String>) -> Self {
        Self::from(code).with(|inner| inner.detail = Some(detail.into()))
    }

    /// Returns the error `code` with a cause that is logged and not shown.
    pub fn caused_by(code: Code, error: &dyn Error) -> Self {
        Self::from(code).with(|inner| inner.cause = Some(chain(error)))
    }

    /// Returns an error that lists what is wrong with each parameter.
    pub fn listing(code: Code, errors: Vec<FieldError>) -> Self {
        let detail = errors.first().map(FieldError::told);
        Self::from(code).with(|inner| (inner.detail, inner.errors) = (detail, errors))
    }

    /// Names the operation that is wrong; `index` is its place in the request, from 0.
    #[must_use]
    pub fn of_operation(self, index: usize) -> Self {
        let place = |error: &mut FieldError| {
            let pointer = error.pointer.take().unwrap_or_default();
            error.pointer = Some(format!("/operations/{index}/value{pointer}"));
        };
        self.member("operation", index).with(|inner| {
            inner.errors.iter_mut().for_each(place);
            let told = inner.errors.first().map(FieldError::told);
            let told =
                told.or(inner.detail.take().map(|told| format!("operation {index}: {told}")));
            inner.detail = told;
        })
    }

    /// Adds a member to the body.
    #[must_use]
    pub fn member(self, name: &str, value: impl Into<Value>) -> Self {
        self.with(|inner| drop(inner.members.insert(name.to_owned(), value.into())))
    }

    /// Adds a header.
    #[must_use]
    pub fn header(self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.with(|inner| inner.headers.push((name, value.into())))
    }

    /// Returns the code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Returns the headers that its answer has in addition to those of every error.
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0.headers
    }

    /// Returns the cause, which is only for the log.
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// Returns the explanation for the client.
    #[cfg(test)]
    pub(crate) fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Returns the JSON of its answer to the request that the log calls `trace_id`.
    pub fn answered(&self, trace_id: &str) -> Vec<u8> {
        serde_json::to_vec(&self.body(Some(trace_id))).unwrap_or_default()
    }

    fn body<'a>(&'a self, trace_id: Option<&'a str>) -> Problem<'a> {
        let Inner { code, detail, errors, members, .. } = &*self.0;
        Problem {
            kind: format!("urn:headwater:problem:{}", code.as_str()),
            title: code.title(),
            status: code.status().as_u16(),
            detail: detail.as_deref(),
            code: code.as_str(),
            trace_id,
            errors,
            members,
        }
    }

    /// Returns the body of its answer, without a trace id, for the list of reloads.
    pub fn stored(&self) -> Value {
        serde_json::to_value(self.body(None)).unwrap_or_default()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(flatten)]
    members: &'a Map<String, Value>,
}
