//! `PUT` and `DELETE /api/_attachments/<sheet>/<key...>/<name>`: a file beside a record.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use headwater_engine::id::{Key, SheetName};
use headwater_engine::write::{Action, Condition, Operation};

use super::super::app::App;
use super::super::attachment::AttachmentPath;
use super::super::error::{ApiError, Code};
use super::super::source::Source;
use super::{Request, condition};

/// The file is the body, or is gone.
pub(in crate::http) async fn attach(
    State(app): State<App>,
    method: Method,
    source: Source,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let request = Request::new(method, &uri, headers, source);
    let (caller, body, request) = request.admitted_up_to(app.attachment_limit, &app, body).await?;
    let path = AttachmentPath::parse(&request.path).ok_or(Code::NotFound)?;
    let condition = condition::of(&request.headers)?;
    if app.require_if_match && condition == Condition::Any {
        return Err(Code::PreconditionRequired.into());
    }
    let (sheet, key) = (SheetName::new(path.sheet), Key::new(path.key));
    let action = match request.method {
        Method::DELETE => Action::Detach(key, path.name),
        _ => Action::Attach(key, path.name, body.as_slice().into()),
    };
    let operation = Operation { sheet, action, condition };
    request.write(&app, &caller, body, vec![operation], None).await
}
