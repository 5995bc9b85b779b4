//! The body of an operator's request that names one commit.

use axum::body::{Body, to_bytes};
use headwater_engine::id::CommitId;
use serde::de::DeserializeOwned;

use crate::wire::{ApiError, Code};

/// The largest body: one hash.
const BODY: usize = 1024;

/// Reads the body `B`, which names a commit as its `member`.
///
/// # Errors
/// 413 if there is more than a hash; 422 if there is anything else.
pub(super) async fn named_commit<B: DeserializeOwned>(
    body: Body,
    member: &str,
    named: impl FnOnce(B) -> String,
) -> Result<CommitId, ApiError> {
    let body = to_bytes(body, BODY).await.map_err(|_| ApiError::from(Code::BodyTooLarge))?;
    let invalid = |why: String| ApiError::explained(Code::InvalidBody, why).member("ok", false);
    let body = serde_json::from_slice(&body).map_err(|error| invalid(format!("the body: {error}")));
    let commit = named(body?).parse();
    commit.map_err(|_| invalid(format!("`{member}` must be a full commit hash")))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Served {
        commit: String,
    }

    async fn read(body: &str) -> Result<CommitId, ApiError> {
        named_commit(Body::from(body.to_owned()), "commit", |Served { commit }| commit).await
    }

    #[tokio::test]
    async fn a_body_names_one_commit_and_says_what_is_wrong_with_it() {
        let hash = "0123456789abcdef0123456789abcdef01234567";
        let body = format!("{{\"commit\": \"{hash}\"}}");
        assert_eq!(read(&body).await.unwrap().to_string(), hash);
        let twice = format!("{{\"commit\": \"{hash}\", \"commit\": \"{hash}\"}}");
        let table = [
            ("{}", "the body: missing field `commit`"),
            ("{\"commit\": 1}", "the body: invalid type"),
            ("{\"commit\": \"01234\"}", "`commit` must be a full commit hash"),
            ("{\"commit\": \"01234\", \"until\": 1}", "the body: unknown field `until`"),
            (&twice, "the body: duplicate field `commit`"),
        ];
        for (body, why) in table {
            let error = read(body).await.unwrap_err();
            assert_eq!(error.code(), Code::InvalidBody);
            assert!(error.detail().unwrap().starts_with(why), "{body}: {error:?}");
        }
        assert_eq!(read(&" ".repeat(1025)).await.unwrap_err().code(), Code::BodyTooLarge);
    }
}
