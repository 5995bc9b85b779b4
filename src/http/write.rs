//! `PUT`, `PATCH`, `DELETE /api/<sheet>/<key...>`, `POST /api/<sheet>` and `POST /api/_transact`:
//! each request is one commit, or none.

mod authorized_write;
mod answer;
mod attach;
mod condition;
mod effect;
mod head;
mod request;
mod safety;
mod told_commits;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use headwater_engine::id::{Key, SheetName};
use headwater_engine::write::{Action, Condition, Operation};
use serde_json::Value;

use super::app::App;
use super::connection_activity::MayWrite;
use super::record::RecordPath;
use super::source::Source;
use crate::wire::{ApiError, Code};
pub(super) use attach::attach;
use authorized_write::{Admitted, Receipt};
use head::WriteHead;
use request::{Transaction, json};

/// The largest body that is JSON, in bytes.
const RECORD: usize = 1 << 20;

/// `PUT`, `PATCH` and `DELETE /api/<sheet>/<key...>`: replaces the record, changes it by RFC 7396,
/// or deletes it.
pub(super) async fn change(
    State(app): State<App>,
    method: Method,
    source: Source,
    may_write: MayWrite,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let head = WriteHead::new(method, &uri, headers, source);
    let request = match Admitted::take(head, may_write, RECORD, &app, body).await? {
        Receipt::Ours(request) => request,
        Receipt::Answered(answer) => return Ok(answer),
    };
    let path = RecordPath::parse(&request.head.path).ok_or(Code::NotFound)?;
    let condition = condition::of_one(&request.head.headers, app.require_if_match)?;
    let (sheet, key) = (SheetName::new(&*path.sheet), Key::new(&*path.key));
    let action = if request.head.method == Method::DELETE {
        Action::Delete(key)
    } else {
        let value = json(request.json_text()?)?;
        if request.head.method == Method::PUT {
            Action::Put(key, value)
        } else {
            Action::Patch(key, value)
        }
    };
    request.write(&app, vec![Operation { sheet, action, condition }], None).await
}

/// `POST /api/<sheet>`: creates a record, whose key follows from its fields.
pub(super) async fn create(
    State(app): State<App>,
    sheet: Result<Path<String>, PathRejection>,
    source: Source,
    may_write: MayWrite,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let head = WriteHead::new(Method::POST, &uri, headers, source);
    let request = match Admitted::take(head, may_write, RECORD, &app, body).await? {
        Receipt::Ours(request) => request,
        Receipt::Answered(answer) => return Ok(answer),
    };
    let Path(sheet) = sheet.map_err(|_| ApiError::from(Code::NotFound))?;
    // A new record must be absent anyway, so that condition adds nothing.
    if !matches!(condition::of(&request.head.headers)?, Condition::Any | Condition::Absent) {
        let why = "`If-Match` cannot apply to a new record";
        return Err(ApiError::explained(Code::InvalidHeader, why));
    }
    let record: Value = json(request.json_text()?)?;
    let operation = Operation {
        sheet: SheetName::new(sheet),
        action: Action::Create(record),
        condition: Condition::Any,
    };
    request.write(&app, vec![operation], None).await
}

/// `POST /api/_transact`: several operations, one commit or none.
pub(super) async fn transact(
    State(app): State<App>,
    source: Source,
    may_write: MayWrite,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let head = WriteHead::new(Method::POST, &uri, headers, source);
    let request = match Admitted::take(head, may_write, RECORD, &app, body).await? {
        Receipt::Ours(request) => request,
        Receipt::Answered(answer) => return Ok(answer),
    };
    if condition::of(&request.head.headers)? != Condition::Any {
        let why = "each operation has its own condition: `ifMatch`";
        return Err(ApiError::explained(Code::InvalidHeader, why));
    }
    let Transaction { operations, summary } = Transaction::parse(request.json_text()?)?;
    let is_free = |operation: &Operation| {
        operation.condition == Condition::Any && !matches!(operation.action, Action::Create(_))
    };
    if let Some(index) = operations.iter().position(is_free).filter(|_| app.require_if_match) {
        let why = "a change of a record names the version that it is based on: `ifMatch`";
        return Err(ApiError::explained(Code::PreconditionRequired, why).of_operation(index));
    }
    request.write(&app, operations, summary).await
}
