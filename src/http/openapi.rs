//! `GET /openapi.json`, and `GET /docs`: a page that shows it.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;

use super::app::App;
use super::current::Current;
use super::json::tagged;
use super::source::Source;
use crate::wire::ApiError;

const PAGE: &str = include_str!("../openapi/page/page.html");
const STYLE: &str = include_str!("../openapi/page/page.css");
const SCRIPT: &str = include_str!("../openapi/page/page.js");

/// The page needs nothing but what comes from here.
const OWN: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Answers with the document of what is served.
pub(super) async fn document(
    State(app): State<App>,
    Current(snapshot): Current,
    source: Source,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let text = match app.document.known(snapshot.commit()) {
        Some(text) => text,
        None => {
            let shared = app.clone();
            app.answers.make(source, move |_| Ok(shared.document.make(&snapshot))).await?
        }
    };
    Ok(tagged(&headers, text))
}

/// `GET /docs`
pub(super) async fn page(headers: HeaderMap) -> Response {
    file(&headers, PAGE, "text/html; charset=utf-8")
}

/// `GET /docs/page.css`
pub(super) async fn style(headers: HeaderMap) -> Response {
    file(&headers, STYLE, "text/css; charset=utf-8")
}

/// `GET /docs/page.js`
pub(super) async fn script(headers: HeaderMap) -> Response {
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
