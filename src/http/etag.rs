//! Strong entity tags over the served bytes.

use axum::http::{HeaderMap, HeaderValue, header};
use data_encoding::HEXLOWER;
use headwater_engine::write::{Version, version};

use crate::header_fields::members;

/// Returns the strong tag of `bytes`: two answers with the same tag have the same bytes.
pub(super) fn of(bytes: &[u8]) -> HeaderValue {
    of_version(&version(bytes))
}

/// Returns the tag of bytes with this version.
pub(super) fn of_version(version: &Version) -> HeaderValue {
    let mut tag = [b'"'; 34];
    HEXLOWER.encode_mut(version, &mut tag[1..33]);
    HeaderValue::from_bytes(&tag).expect("hexadecimal digits in quotes are visible ASCII")
}

/// Returns the tag of the same answer in a content coding; `None` if `tag` is not a strong one.
pub(super) fn coded(tag: &HeaderValue, coding: &str) -> Option<HeaderValue> {
    let opaque = tag.to_str().ok()?.strip_prefix('"')?.strip_suffix('"')?;
    HeaderValue::try_from(format!("\"{opaque}-{coding}\"")).ok()
}

/// Removes the quotes of a strong tag, and the name of a coding.
pub(super) fn uncoded(tag: &str) -> Option<&str> {
    let opaque = tag.strip_prefix('"')?.strip_suffix('"')?;
    let stripped = ["-zstd", "-br", "-gzip"].iter().find_map(|coding| opaque.strip_suffix(coding));
    Some(stripped.unwrap_or(opaque))
}

/// Returns whether the caller has the answer with this tag already (`If-None-Match`, which compares
/// weakly), in any coding.
pub(super) fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let tag = tag.to_str().ok().and_then(uncoded);
    members(headers.get_all(header::IF_NONE_MATCH)).any(|known| {
        known == "*" || {
            let known = uncoded(strong(known));
            known.is_some() && known == tag
        }
    })
}

/// Returns whether one of the lists of `If-Match` names `tag`, in any coding. The comparison is
/// strong; a star matches every existing answer.
pub(super) fn matches(lists: &[HeaderValue], tag: Option<&HeaderValue>) -> bool {
    let tag = tag.and_then(|tag| tag.to_str().ok()).and_then(uncoded);
    members(lists)
        .any(|named| named == "*" || uncoded(named).is_some_and(|named| Some(named) == tag))
}

/// Returns whether one of the lists of `If-None-Match` names `tag` in exactly its coding.
pub(super) fn names(lists: &[HeaderValue], tag: &HeaderValue) -> bool {
    members(lists).any(|known| strong(known) == tag)
}

/// Removes the mark of a weak tag.
fn strong(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_holds_for_the_very_tag_in_any_coding() {
        let tag = of(b"{}");
        let text = tag.to_str().unwrap().to_owned();
        let coded = coded(&tag, "br").unwrap().to_str().unwrap().to_owned();
        for (list, holds, holds_without) in [
            (text.clone(), true, false),
            (coded, true, false),
            (format!("\"x\", {text}"), true, false),
            ("*".to_owned(), true, true),
            (format!("W/{text}"), false, false),
            ("\"x\"".to_owned(), false, false),
            (String::new(), false, false),
        ] {
            let lists = [HeaderValue::try_from(&list).unwrap()];
            assert_eq!(matches(&lists, Some(&tag)), holds, "{list}");
            assert_eq!(matches(&lists, None), holds_without, "{list}");
        }
    }

    #[test]
    fn a_tag_is_known_by_itself_weakly_in_a_list_or_by_a_star() {
        let tag = of(b"{}");
        let text = tag.to_str().unwrap().to_owned();
        let known = |value: String| {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, value.parse().unwrap())]);
            is_known(&headers, &tag)
        };
        assert!(known(text.clone()));
        assert!(known(format!("W/{text}")));
        assert!(known(format!("\"x\", {text}")));
        assert!(known("*".into()));
        assert!(known(coded(&tag, "gzip").unwrap().to_str().unwrap().to_owned()));
        assert!(!known(coded(&tag, "x").unwrap().to_str().unwrap().to_owned()));
        assert!(!known("\"x\"".into()));
        assert!(!is_known(&HeaderMap::new(), &tag));
        assert_ne!(of(b"{}"), of(b"{ }"));
    }
}
