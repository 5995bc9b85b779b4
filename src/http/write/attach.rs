//! `PUT` and `DELETE /api/_attachments/<sheet>/<key...>/<name>`: a file next to a record.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::Response;
use headwater_engine::id::{Key, SheetName};
use headwater_engine::write::{Action, Operation};

use super::authorized_write::{Admitted, Receipt};
use super::condition;
use super::head::WriteHead;
use crate::http::app::App;
use crate::http::attachment::AttachmentPath;
use crate::http::connection_activity::MayWrite;
use crate::http::source::Source;
use crate::wire::{ApiError, Code};

/// Writes the body as the file, or deletes the file.
pub(in crate::http) async fn attach(
    State(app): State<App>,
    method: Method,
    source: Source,
    may_write: MayWrite,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    if uri.path().ends_with('/') {
        // Without a name it is the list of the files, which is only read.
        let why = "the path ends with the name of the file";
        let refused = ApiError::explained(Code::MethodNotAllowed, why);
        return Err(refused.header(header::ALLOW, HeaderValue::from_static("GET, HEAD")));
    }
    let head = WriteHead::new(method, &uri, headers, source);
    let request = match Admitted::take(head, may_write, app.attachment_limit, &app, body).await? {
        Receipt::Ours(request) => request,
        Receipt::Answered(answer) => return Ok(answer),
    };
    let path = AttachmentPath::parse(&request.head.path).ok_or(Code::NotFound)?;
    let condition = condition::of_one(&request.head.headers, app.require_if_match)?;
    let (sheet, key) = (SheetName::new(path.sheet), Key::new(path.key));
    let action = match request.head.method {
        Method::DELETE => Action::Detach(key, path.name),
        _ => Action::Attach(key, path.name, request.body[..].into()),
    };
    request.write(&app, vec![Operation { sheet, action, condition }], None).await
}
