//! `GET /api/<sheet>/<key...>`: one record.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;
use headwater_engine::record::Record;
use percent_encoding::percent_decode_str;

use super::current::Current;
use super::error::{ApiError, Code};
use super::json::tagged;

/// The sheet and the key that a path names, its segments percent-decoded and joined by `/`.
pub(super) struct RecordPath {
    sheet: String,
    key: String,
}

impl<S: Sync> FromRequestParts<S> for RecordPath {
    type Rejection = ApiError;

    /// A path that does not decode to text names nothing that can be there.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::parse(parts.uri.path()).ok_or_else(|| Code::NotFound.into())
    }
}

impl RecordPath {
    fn parse(path: &str) -> Option<Self> {
        let (sheet, key) = path.strip_prefix("/api/")?.split_once('/')?;
        let decode = |text| percent_decode_str(text).decode_utf8().ok();
        Some(Self { sheet: decode(sheet)?.into_owned(), key: decode(key)?.into_owned() })
    }
}

/// The bytes of a record, shared with the snapshot.
struct Served(Arc<Record>);

impl AsRef<[u8]> for Served {
    fn as_ref(&self) -> &[u8] {
        self.0.value.as_str().as_bytes()
    }
}

/// Answers with the bare value.
pub(super) async fn show(
    Current(snapshot): Current,
    path: RecordPath,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let record = snapshot.visible(&path.sheet, &path.key);
    let record = record.ok_or_else(|| ApiError::from(Code::NotFound))?;
    Ok(tagged(&headers, Served(record.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str) -> Option<(String, String)> {
        RecordPath::parse(path).map(|path| (path.sheet, path.key))
    }

    #[test]
    fn segments_are_decoded_and_joined() {
        let cases = [
            ("/api/people/ada", Some(("people", "ada"))),
            ("/api/posts/2024/05/a%20b", Some(("posts", "2024/05/a b"))),
            ("/api/posts/a%2Fb", Some(("posts", "a/b"))),
            ("/api/b%C3%BCcher/%C3%BC", Some(("bücher", "ü"))),
            ("/api/people/%FF", None),
        ];
        for (path, expected) in cases {
            let expected = expected.map(|(sheet, key)| (sheet.to_owned(), key.to_owned()));
            assert_eq!(parse(path), expected, "{path}");
        }
    }
}
