//! `If-Match` and `If-None-Match` of a write.

use axum::http::{HeaderMap, header};
use data_encoding::HEXLOWER;
use headwater_engine::write::{Condition, Version};

use crate::header_fields::members;
use crate::http::etag;
use crate::wire::{ApiError, Code};

/// Returns the condition that the headers set.
///
/// # Errors
/// 422 for a condition that cannot be parsed, for two of them, and for an `If-None-Match` other
/// than `*`, which is meaningless for a change.
pub(super) fn of(headers: &HeaderMap) -> Result<Condition, ApiError> {
    let refused = |why: &str| ApiError::explained(Code::InvalidHeader, why);
    let list = |name| members(headers.get_all(name)).collect::<Vec<_>>();
    match (&list(header::IF_MATCH)[..], &list(header::IF_NONE_MATCH)[..]) {
        ([], []) => Ok(Condition::Any),
        ([], ["*"]) => Ok(Condition::Absent),
        (["*"], []) => Ok(Condition::Present),
        ([], _) => Err(refused("`If-None-Match` can only be `*` here")),
        (tags, []) => Ok(Condition::Is(tags.iter().filter_map(|tag| version(tag)).collect())),
        _ => Err(refused("`If-Match` and `If-None-Match` cannot be combined")),
    }
}

/// Returns the condition of a request for one record or file; `is_required` refuses a request without
/// one.
///
/// # Errors
/// As [`of`]; 428 if a condition is required and missing.
pub(super) fn of_one(headers: &HeaderMap, is_required: bool) -> Result<Condition, ApiError> {
    match of(headers)? {
        Condition::Any if is_required => Err(Code::PreconditionRequired.into()),
        condition => Ok(condition),
    }
}

/// Parses a strong tag of this server, in any coding; any other tag matches nothing.
pub(super) fn version(tag: &str) -> Option<Version> {
    let digits = etag::uncoded(tag)?;
    HEXLOWER.decode(digits.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(header::HeaderName, &str)]) -> Result<Condition, Code> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value.parse().unwrap());
        }
        of(&headers).map_err(|error| error.code())
    }

    #[test]
    fn conditions_are_read_from_their_headers() {
        let tag = format!("\"{}\"", HEXLOWER.encode(&[7; 16]));
        assert_eq!(read(&[]), Ok(Condition::Any));
        assert_eq!(read(&[(header::IF_NONE_MATCH, "*")]), Ok(Condition::Absent));
        assert_eq!(read(&[(header::IF_MATCH, "*")]), Ok(Condition::Present));
        assert_eq!(read(&[(header::IF_MATCH, &tag)]), Ok(Condition::Is(vec![[7; 16]])));
        let coded = tag.replace("0707\"", "0707-br\"");
        assert_eq!(read(&[(header::IF_MATCH, &coded)]), Ok(Condition::Is(vec![[7; 16]])));
        // A weak tag, or one of another server, matches nothing.
        let others = format!("W/{tag}, \"x\"");
        assert_eq!(read(&[(header::IF_MATCH, &others)]), Ok(Condition::Is(vec![])));
        assert_eq!(read(&[(header::IF_NONE_MATCH, &tag)]), Err(Code::InvalidHeader));
        let both = [(header::IF_MATCH, "*"), (header::IF_NONE_MATCH, "*")];
        assert_eq!(read(&both), Err(Code::InvalidHeader));
    }
}
