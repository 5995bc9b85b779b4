//! `GET /openapi.json`, and `GET /docs`: a page that shows it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use headwater_engine::budget::Budget;

use super::app::App;
use super::json::tagged;
use super::parameters::NoParameters;
use super::query_refusals::too_costly;
use super::request_snapshot::Current;
use super::source::Source;
use crate::wire::ApiError;

const PAGE: &str = include_str!("../openapi/page/page.html");
const STYLE: &str = include_str!("../openapi/page/page.css");
const SCRIPT: &str = include_str!("../openapi/page/page.js");

/// The page needs only files of this server.
const OWN: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Answers with the API document of the served state.
pub(super) async fn document(
    State(app): State<App>,
    Current(snapshot): Current,
    source: Source,
    _: NoParameters,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let shared = app.clone();
    if app.live.seen_by(snapshot.layout().view()).is_some_and(|now| Arc::ptr_eq(&now, &snapshot)) {
        let text = match app.document.known(&snapshot) {
            Some(text) => text,
            None => {
                let publish = move |budget: &Budget| {
                    shared.document.publish(&snapshot, budget).map_err(too_costly)
                };
                app.answers.make(source, publish).await?
            }
        };
        return Ok(tagged(&headers, text));
    }
    // Documents of earlier states and previews are not kept, so few are made at once.
    let turn = app.past.turn(source).await?;
    let make = move |budget: &Budget| {
        let _turn = turn;
        shared.document.make(&snapshot, budget).map_err(too_costly)
    };
    Ok(tagged(&headers, app.answers.make(source, make).await?))
}

/// `GET /docs`
pub(super) async fn page(_: NoParameters, headers: HeaderMap) -> Response {
    file(&headers, PAGE, "text/html; charset=utf-8")
}

/// `GET /docs/page.css`
pub(super) async fn style(_: NoParameters, headers: HeaderMap) -> Response {
    file(&headers, STYLE, "text/css; charset=utf-8")
}

/// `GET /docs/page.js`
pub(super) async fn script(_: NoParameters, headers: HeaderMap) -> Response {
    file(&headers, SCRIPT, "text/javascript; charset=utf-8")
}

fn file(request: &HeaderMap, text: &'static str, kind: &'static str) -> Response {
    let mut response = tagged(request, text);
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("content-security-policy"), OWN);
    if headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    response
}
