//! Who sends a request, as far as places and turns are concerned.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::app::App;
use super::connection::Connection;
use super::source::Source;

/// The sender of a request.
#[derive(Debug, Clone)]
pub(super) struct Client {
    /// Whose share of the places it takes.
    pub(super) source: Source,
    /// On which it waits, and which gives way to others meanwhile.
    pub(super) connection: Connection,
}

impl FromRequestParts<App> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let source = Source::from_request_parts(parts, app).await?;
        let connection = Connection::from_request_parts(parts, app).await?;
        Ok(Self { source, connection })
    }
}
