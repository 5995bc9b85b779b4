//! `GET /openapi.json`: the document of the API, which the explorer shows at `/docs`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use headwater_engine::budget::Budget;

use super::app::App;
use super::json::tagged;
use super::parameters::NoParameters;
use super::query_refusals::too_costly;
use super::request_snapshot::Current;
use super::source::Source;
use crate::wire::ApiError;

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
