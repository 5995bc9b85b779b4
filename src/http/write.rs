//! `PUT`, `PATCH`, `DELETE /api/<sheet>/<key...>`, `POST /api/<sheet>` and `POST /api/_transact`:
//! each request is one commit, or none.

mod answer;
mod attach;
mod condition;
mod request;

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use headwater_engine::engine::RequestKind;
use headwater_engine::id::{Key, SheetName};
use headwater_engine::report::Trigger;
use headwater_engine::write::{
    Action, Condition, Gate, HEAVIEST, Operation, WriteError, weight_of_text,
};
use serde_json::Value;

use super::app::App;
use super::current::not_ready;
use super::error::{self, ApiError, Code};
use super::moment::AT;
use super::record::RecordPath;
use super::source::Source;
use super::{parameters, webhook};
pub(super) use attach::attach;
use request::{Caller, Transaction, json, message_of};

/// The largest body that is JSON, in bytes.
const RECORD: usize = 1 << 20;

/// The types of a body that is JSON.
const JSON: [&str; 2] = ["application/json", "application/merge-patch+json"];

/// What is asked for, as far as the route tells.
struct Request {
    method: Method,
    /// As it came, percent-encoded and below the base path: what stands in the message.
    path: String,
    query: Option<String>,
    headers: HeaderMap,
    source: Source,
}

/// `PUT`, `PATCH` and `DELETE /api/<sheet>/<key...>`: the record is this, changes by RFC 7396, or is
/// gone.
pub(super) async fn change(
    State(app): State<App>,
    method: Method,
    source: Source,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let request = Request::new(method, &uri, headers, source);
    let (caller, body, request) = request.admitted(&app, body).await?;
    let path = RecordPath::parse(&request.path).ok_or(Code::NotFound)?;
    let condition = condition::of(&request.headers)?;
    if app.require_if_match && condition == Condition::Any {
        return Err(Code::PreconditionRequired.into());
    }
    let (sheet, key) = (SheetName::new(&*path.sheet), Key::new(&*path.key));
    let action = if request.method == Method::DELETE {
        Action::Delete(key)
    } else {
        request.wants_json(&body)?;
        let value = json(&body)?;
        if request.method == Method::PUT {
            Action::Put(key, value)
        } else {
            Action::Patch(key, value)
        }
    };
    let operation = Operation { sheet, action, condition };
    request.write(&app, &caller, body, vec![operation], None).await
}

/// `POST /api/<sheet>`: a new record, whose key follows from its fields.
pub(super) async fn create(
    State(app): State<App>,
    sheet: Result<Path<String>, PathRejection>,
    source: Source,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let request = Request::new(Method::POST, &uri, headers, source);
    let (caller, body, request) = request.admitted(&app, body).await?;
    let Path(sheet) = sheet.map_err(|_| ApiError::from(Code::NotFound))?;
    // That the record is not there is what this asks for anyway.
    if !matches!(condition::of(&request.headers)?, Condition::Any | Condition::Absent) {
        let why = "`If-Match` is not for a new record";
        return Err(ApiError::explained(Code::InvalidHeader, why));
    }
    request.wants_json(&body)?;
    let record: Value = json(&body)?;
    let operation = Operation {
        sheet: SheetName::new(sheet),
        action: Action::Create(record),
        condition: Condition::Any,
    };
    request.write(&app, &caller, body, vec![operation], None).await
}

/// `POST /api/_transact`: several operations, one commit or none.
pub(super) async fn transact(
    State(app): State<App>,
    source: Source,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let request = Request::new(Method::POST, &uri, headers, source);
    let (caller, body, request) = request.admitted(&app, body).await?;
    if condition::of(&request.headers)? != Condition::Any {
        let why = "each operation has a condition of its own: `ifMatch`";
        return Err(ApiError::explained(Code::InvalidHeader, why));
    }
    request.wants_json(&body)?;
    let Transaction { operations, summary } = Transaction::parse(&body)?;
    request.write(&app, &caller, body, operations, summary).await
}

impl Request {
    fn new(method: Method, uri: &Uri, headers: HeaderMap, source: Source) -> Self {
        let query = uri.query().map(str::to_owned);
        Self { method, path: uri.path().to_owned(), query, headers, source }
    }

    /// Takes in the body of somebody who may write.
    async fn admitted(self, app: &App, body: Body) -> Result<(Caller, Vec<u8>, Self), ApiError> {
        self.admitted_up_to(RECORD, app, body).await
    }

    /// The same, for a body of up to `max` bytes.
    async fn admitted_up_to(
        self,
        max: usize,
        app: &App,
        body: Body,
    ) -> Result<(Caller, Vec<u8>, Self), ApiError> {
        let arrived = app.gate.receive_write(max, self.source, &self.headers, body).await;
        let (token, arrived) = arrived?;
        let caller = Caller::new(token, &self.headers)?;
        Ok((caller, arrived.into_bytes(), self))
    }

    /// Refuses a body that says it is something else than JSON, or would take too much memory as a
    /// value, before it becomes one.
    fn wants_json(&self, body: &[u8]) -> Result<(), ApiError> {
        if weight_of_text(body) > HEAVIEST {
            return Err(answer::refused(self, &WriteError::TooHeavy));
        }
        let Some(kind) = self.headers.get(axum::http::header::CONTENT_TYPE) else { return Ok(()) };
        let kind = kind.to_str().unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        match JSON.iter().any(|json| kind.eq_ignore_ascii_case(json)) {
            true => Ok(()),
            false => Err(error::unsupported(&JSON)),
        }
    }

    /// Says whether the answer waits for the push.
    fn pushes_first(&self, app: &App) -> Result<bool, ApiError> {
        let pairs = parameters::pairs(self.query.as_deref())?;
        if self.headers.contains_key(AT) || pairs.iter().any(|(name, _)| name == "at") {
            let why = "is not a parameter of a write: history cannot be changed";
            return Err(parameters::wrong("at", why));
        }
        let mut first = app.push_first;
        if pairs.len() > 1 {
            return Err(parameters::wrong("push", "is the one parameter of a write, given once"));
        }
        for (name, value) in pairs {
            first = match (name.as_str(), value.as_str()) {
                ("push", "sync") => true,
                ("push", "background") => false,
                _ => {
                    let why =
                        format!("`{name}={value}`: a write takes `push=sync` or `push=background`");
                    return Err(ApiError::explained(Code::InvalidQuery, why));
                }
            };
        }
        Ok(first)
    }

    async fn write(
        &self,
        app: &App,
        caller: &Caller,
        body: Vec<u8>,
        operations: Vec<Operation>,
        summary: Option<String>,
    ) -> Result<Response, ApiError> {
        for operation in &operations {
            if !caller.token.scope.opens(&operation.sheet) {
                return Err(ApiError::explained(
                    Code::TokenScope,
                    format!("the token does not cover the sheet {}", operation.sheet),
                ));
            }
        }
        let batch = message_of(self, caller, &body, operations, summary)?;
        // What waits is the batch alone.
        drop(body);
        let until = Instant::now() + Duration::from_secs(webhook::wait(&self.headers));
        let pushes_first = self.pushes_first(app)?;
        let written = app.live.write(batch).await.ok_or_else(not_ready)?;
        match written {
            Ok(done) if pushes_first => {
                let carried = app.live.pushed(done.commit, until).await;
                answer::carried(app, self, &done, &carried)
            }
            Ok(done) => Ok(answer::written(app, self, &done)),
            Err(error) => {
                if matches!(error, WriteError::Closed(Gate::OutOfStep)) {
                    // A reload looks where the branch has gone.
                    drop(app.live.submit(RequestKind::Reload, Trigger::Poll));
                }
                Err(answer::refused(self, &error))
            }
        }
    }
}
