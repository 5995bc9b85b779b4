//! Writes that reach a follower: the leader makes them, and its answer is passed on.
//!
//! The caller needs no other address, and shows its credential to no other host. A write is sent
//! again only if it was surely not taken, or if its key tells the leader that it is the same one.

use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::Response;
use headwater_engine::id::CommitId;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use serde::Deserialize;

use super::addressee::{Addressee, Way};
use super::app::App;
use super::cluster_access::{CONNECTING, ClusterAccess, TAKEOVER, no_leader};
use super::header_names::{
    AT, AUTHOR, COMMIT, HOP, IDEMPOTENCY_KEY, MIN_COMMIT, PEER_KEY, SUMMARY,
};
use super::selector::containing;
use super::source::Source;
use super::wait_time::wait;
use crate::cluster::counts::Forwarding;
use crate::cluster::register::Leader;
use crate::wire::{ApiError, Code};

/// How long the leader may take, besides the time that the caller waits for.
const MARGIN: Duration = Duration::from_secs(30);

/// How long an answer waits until this replica serves what the leader wrote.
const ARRIVAL: Duration = Duration::from_secs(5);

/// The pause before a leader that did not take a write is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// The largest refusal that is read, in bytes.
const REFUSAL: usize = 64 << 10;

/// The headers of a write that go along: who writes, what the body is, on which conditions, and those
/// that the leader refuses.
const SENT: [HeaderName; 12] = [
    header::AUTHORIZATION,
    header::ACCEPT,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    HeaderName::from_static("prefer"),
    IDEMPOTENCY_KEY,
    AUTHOR,
    SUMMARY,
    AT,
    MIN_COMMIT,
];

/// The headers of an answer that are about one connection, or that this server sets by itself.
const OWN: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::CONTENT_LENGTH,
    header::DATE,
];

/// A write whose body has arrived here, from a caller that may write.
pub(super) struct Outgoing<'a> {
    pub(super) method: &'a Method,
    /// The path, encoded and without the base path.
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    pub(super) headers: &'a HeaderMap,
    pub(super) source: Source,
    pub(super) body: &'a Bytes,
}

/// What became of a write that was sent to the leader.
enum Sent {
    /// It was answered.
    Answered(Response),
    /// It was surely not taken.
    NotTaken(ApiError),
    /// Nobody knows.
    Unknown(ApiError),
}

/// The members of a refusal that tell whether anything was written.
#[derive(Deserialize)]
struct Refusal {
    code: String,
    outcome: Option<String>,
}

/// Has the leader answer `write`; `None` if this replica makes it. Once it is written, the answer
/// waits a few seconds until it can be read here.
///
/// # Errors
/// [`Code::NoLeader`] if no leader took it for some seconds; [`Code::LeaderUnreachable`] if nobody
/// knows whether it was taken; [`Code::Misdirected`] if another replica took this one for the leader.
pub(super) async fn forward(
    app: &App,
    cluster: &ClusterAccess,
    write: &Outgoing<'_>,
) -> Result<Option<Response>, ApiError> {
    let (way, until) = (Way::of(write.headers), Instant::now() + TAKEOVER);
    let has_key = write.headers.contains_key(IDEMPOTENCY_KEY);
    let counts = cluster.view().counts.clone();
    // The leader that was asked last, and what is told if nobody else takes the write.
    let mut failed: Option<String> = None;
    let mut told: Option<ApiError> = None;
    loop {
        let patience = match failed {
            Some(_) => until.min(Instant::now() + PAUSE),
            None => until,
        };
        let leader = match Addressee::wait(&cluster.member, way, failed.as_deref(), patience).await
        {
            // It began to lead meanwhile. A write of which nobody knows is found by its key alone.
            Addressee::Here if has_key || told.as_ref().is_none_or(is_not_taken) => {
                return Ok(None);
            }
            Addressee::Elsewhere if told.is_none() => return Err(Code::Misdirected.into()),
            // The leader would be asked for something else than this replica was.
            Addressee::Leader(_) if !is_kept(write.path) => {
                return Err(ApiError::explained(
                    Code::NotFound,
                    "a path with `..` or `\\` names nothing",
                ));
            }
            Addressee::Leader(leader) => leader,
            Addressee::Here | Addressee::Elsewhere => return Err(told.unwrap_or_else(no_leader)),
            Addressee::Nobody if Instant::now() < until => {
                failed = None;
                continue;
            }
            Addressee::Nobody => {
                counts.forwarded(Forwarding::NoLeader);
                return Err(told.unwrap_or_else(no_leader));
            }
        };
        let (forwarding, error, is_final) = match send(cluster, &leader, write).await {
            Sent::Answered(response) => {
                counts.forwarded(Forwarding::Answered);
                if let Some(commit) = written(&response) {
                    // Whoever reads before it is here names the commit.
                    let until = Instant::now() + ARRIVAL;
                    let _ = containing(app, write.source, commit, until.into()).await;
                }
                return Ok(Some(response));
            }
            Sent::NotTaken(error) => (Forwarding::Misdirected, error, false),
            Sent::Unknown(error) => (Forwarding::Unreachable, error, !has_key),
        };
        counts.forwarded(forwarding);
        // What nobody knows of stays unknown, whatever comes later.
        let error = told.filter(|told| !is_not_taken(told)).unwrap_or(error);
        if is_final || Instant::now() >= until {
            return Err(error);
        }
        (failed, told) = (Some(leader.id), Some(error));
    }
}

/// Returns whether a path stays the same in an address. There, `..` and `%2e%2e` take away the part before, and `\` is
/// a `/`.
fn is_kept(path: &str) -> bool {
    let parts = |path: &str| -> Vec<Vec<u8>> {
        path.split('/').map(|part| percent_decode_str(part).collect()).collect()
    };
    let address = Url::parse(&format!("http://leader{path}"));
    address.is_ok_and(|address| parts(address.path()) == parts(path))
}

fn is_not_taken(error: &ApiError) -> bool {
    error.code() == Code::NoLeader
}

/// Sends a write to the leader.
async fn send(cluster: &ClusterAccess, leader: &Leader, write: &Outgoing<'_>) -> Sent {
    let query = write.query.map(|query| format!("?{query}")).unwrap_or_default();
    let url = format!("{}{}{query}", leader.url, write.path);
    let mut request = cluster
        .client
        .request(write.method.clone(), url)
        .timeout(Duration::from_secs(wait(write.headers)) + CONNECTING + MARGIN)
        .header(HOP, &cluster.view().me.name)
        .header(PEER_KEY, &cluster.peer_key)
        .body(write.body.clone());
    for name in SENT {
        for value in write.headers.get_all(&name) {
            request = request.header(&name, value);
        }
    }
    let answer = match request.send().await {
        Ok(answer) => axum::http::Response::<reqwest::Body>::from(answer).map(Body::new),
        Err(error) => {
            let (is_sent, error) = (!error.is_connect(), error.without_url());
            tracing::warn!(leader = leader.name, %error, is_sent, "a write is not passed on");
            return match is_sent {
                true => Sent::Unknown(unreachable(leader)),
                false => Sent::NotTaken(no_leader().member("leader", leader.name.clone())),
            };
        }
    };
    match answer.status() {
        status if status == Code::Misdirected.status() => Sent::NotTaken(no_leader()),
        StatusCode::SERVICE_UNAVAILABLE => refused(leader, passed(answer)).await,
        _ => Sent::Answered(passed(answer)),
    }
}

/// Returns what a refusal says, which may be that the other replica does not lead any more.
async fn refused(leader: &Leader, answer: Response) -> Sent {
    let (parts, body) = answer.into_parts();
    let Ok(body) = to_bytes(body, REFUSAL).await else {
        return Sent::Unknown(unreachable(leader));
    };
    let code = |code: Code| code.as_str().to_owned();
    let is_not_taken = serde_json::from_slice(&body).is_ok_and(|refusal: Refusal| {
        let is_none = refusal.outcome.as_deref() == Some("none");
        refusal.code == code(Code::NoLeader) || refusal.code == code(Code::LeaderChanged) && is_none
    });
    match is_not_taken {
        true => Sent::NotTaken(no_leader()),
        false => Sent::Answered(Response::from_parts(parts, Body::from(body))),
    }
}

/// Returns the answer of the leader as that of this server.
fn passed(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    for name in OWN {
        headers.remove(name);
    }
    answer
}

fn unreachable(leader: &Leader) -> ApiError {
    let name = &leader.name;
    let detail = format!(
        "{name} leads, and did not answer: the write may have happened. Send it again with the same \
         `Idempotency-Key`, or read first"
    );
    ApiError::explained(Code::LeaderUnreachable, detail).member("outcome", "unknown")
}

/// Returns the commit that this replica must serve, so that the caller reads here what it wrote.
fn written(answer: &Response) -> Option<CommitId> {
    let commit = answer.headers().get(COMMIT).filter(|_| answer.status().is_success())?;
    commit.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_an_address_would_change_goes_nowhere() {
        for path in [
            "/api/people/ada",
            "/api/people/a%2Fb",
            "/api/people/a%5Cb",
            "/api/people/%C3%A4",
            "/api/people/a\"b{c}|^`",
            "/api/people/..a/b..",
            "/api/_batch",
        ] {
            assert!(is_kept(path), "{path}");
        }
        for path in [
            "/api/people/zz/../ada",
            "/api/people/zz/%2e%2e/ada",
            "/api/people/zz/.%2E/ada",
            "/api/people/./ada",
            "/api/people/%2e/ada",
            "/api/people/..",
            "/api/x\\..\\_internal\\git\\git-upload-pack",
            "/api/deep/x\\y",
        ] {
            assert!(!is_kept(path), "{path}");
        }
    }
}
