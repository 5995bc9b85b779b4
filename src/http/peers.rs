//! git for the other replicas: they fetch the commits of this one. Nothing can be pushed.
//!
//! The routes are on the internal side only, speak protocol version 2 as `git http-backend` does,
//! and take the key of the replicas as the password of basic authentication.

use std::io::Read as _;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use headwater_engine::mirror::GitRequest;

use super::app::App;
use super::body_stream::CHUNK;
use super::header_names::HOP;
use super::peer_access::PeerAccess;
use super::request_snapshot::not_ready;
use super::source::Source;
use crate::wire::{ApiError, Code};

/// The largest request, in bytes. A replica names at most some hundred commits.
const REQUEST: usize = 256 << 10;

/// How long a request may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);

/// The path below which the routes are, without base path.
const PATH: &str = "/api/_internal/git";

/// The media types of the two answers.
const GREETING: HeaderValue =
    HeaderValue::from_static("application/x-git-upload-pack-advertisement");
const RESULT: HeaderValue = HeaderValue::from_static("application/x-git-upload-pack-result");

/// Returns the address of the git repository of the replica whose internal side is at `url`,
/// including its base path.
pub fn peer_address(url: &str) -> String {
    format!("{}{PATH}", url.trim_end_matches('/'))
}

/// `GET /api/_internal/git/info/refs?service=git-upload-pack`: what the server can do.
pub(super) async fn greeting(
    State(app): State<App>,
    source: Source,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let peers = admitted(&app, source, &headers).await?;
    if query.as_deref() != Some("service=git-upload-pack") {
        return Err(ApiError::explained(Code::InvalidQuery, "only git-upload-pack is served"));
    }
    answer(&app, peers, source, GitRequest::Greeting, GREETING).await
}

/// `POST /api/_internal/git/git-upload-pack`: the references, or a pack.
pub(super) async fn command(
    State(app): State<App>,
    source: Source,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let peers = admitted(&app, source, &headers).await?;
    if headers.contains_key(header::CONTENT_ENCODING) {
        let why = "the body must not be compressed";
        return Err(ApiError::explained(Code::UnsupportedMediaType, why));
    }
    let body = tokio::time::timeout(ARRIVAL, to_bytes(body, REQUEST)).await;
    let body = body.map_err(|_| ApiError::from(Code::RequestTimeout))?;
    let body = body.map_err(|_| ApiError::from(Code::BodyTooLarge))?;
    answer(&app, peers, source, GitRequest::Command(body.into()), RESULT).await
}

/// Admits only what another replica passes on. To everybody else there is no such route.
pub(super) async fn passes_on(
    State(app): State<App>,
    source: Source,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (peers, headers) = (app.peers.as_ref().ok_or(Code::NotFound)?, request.headers());
    if !headers.contains_key(HOP) {
        return Err(Code::NotFound.into());
    }
    app.access.pass_peer(source, headers, &peers.keys).await?;
    Ok(next.run(request).await)
}

/// Admits a replica that speaks protocol version 2.
async fn admitted<'a>(
    app: &'a App,
    source: Source,
    headers: &HeaderMap,
) -> Result<&'a PeerAccess, ApiError> {
    let peers = app.peers.as_ref().ok_or(Code::NotFound)?;
    app.access.pass_peer(source, headers, &peers.keys).await?;
    let protocol = headers.get("git-protocol").and_then(|value| value.to_str().ok());
    if !protocol.is_some_and(|value| value.split(':').any(|part| part == "version=2")) {
        let why = "`Git-Protocol: version=2` is required";
        return Err(ApiError::explained(Code::InvalidHeader, why));
    }
    Ok(peers)
}

/// Answers with what git says, piece by piece.
async fn answer(
    app: &App,
    peers: &PeerAccess,
    source: Source,
    request: GitRequest,
    kind: HeaderValue,
) -> Result<Response, ApiError> {
    let places = if request.is_clone() { &peers.clones } else { &peers.fetches };
    let streaming = places.place(source).await?;
    let live = app.live.clone();
    let begun = app.blocking.run(source, move || {
        let engine = live.engine().ok_or_else(not_ready)?;
        engine.serve_git(request).map_err(|error| ApiError::caused_by(Code::Internal, &error))
    });
    let mut git = begun.await?;
    let body = streaming.send(move || {
        let mut piece = vec![0; CHUNK];
        let read = git.read(&mut piece).inspect_err(|error| {
            tracing::debug!(%error, "the answer to a replica broke off");
        })?;
        piece.truncate(read);
        Ok((read > 0).then(|| Bytes::from(piece)))
    });
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_of_a_replica_is_below_its_internal_side() {
        for url in ["http://a:8081", "http://a:8081/"] {
            assert_eq!(peer_address(url), "http://a:8081/api/_internal/git");
        }
        assert_eq!(peer_address("https://a/base"), "https://a/base/api/_internal/git");
    }
}
