//! `Range`: a part of a file (RFC 9110, section 14).

use axum::http::{HeaderMap, HeaderValue, header};

/// The part of a file that is requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RangeRequest {
    /// The whole file.
    Whole,
    /// The bytes from the first to the last, both included.
    Part {
        /// The first, from 0.
        first: u64,
        /// The last; not before the first, and within the file.
        last: u64,
    },
    /// A range outside the file.
    Nothing,
}

/// Returns the part that a `GET` requests of a file of `size` bytes with the strong tag `tag`.
///
/// A range that is not understood, and more than one, stand for the whole file, as RFC 9110 allows.
/// So does a range of another version than `If-Range` names.
pub(super) fn wanted(headers: &HeaderMap, tag: &HeaderValue, size: u64) -> RangeRequest {
    let mut ranges = headers.get_all(header::RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return RangeRequest::Whole };
    if headers.get(header::IF_RANGE).is_some_and(|version| version != tag) {
        return RangeRequest::Whole;
    }
    part(range.to_str().unwrap_or_default(), size).unwrap_or(RangeRequest::Whole)
}

/// Parses `bytes=first-last`, `bytes=first-` or `bytes=-length`.
fn part(range: &str, size: u64) -> Option<RangeRequest> {
    let (unit, range) = range.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(first) || !is_number(last) {
        return None;
    }
    // A number that overflows is after the end of every file.
    let number = |text: &str| text.parse().unwrap_or(u64::MAX);
    let end = size.checked_sub(1);
    let (first, last) = match (first, last) {
        ("", "") => return None,
        ("", length) => match number(length) {
            0 => return Some(RangeRequest::Nothing),
            length => (size.saturating_sub(length), end),
        },
        (first, "") => (number(first), end),
        (first, last) if number(last) < number(first) => return None,
        (first, last) => (number(first), end.map(|end| end.min(number(last)))),
    };
    match last.filter(|last| first <= *last) {
        Some(last) => Some(RangeRequest::Part { first, last }),
        None => Some(RangeRequest::Nothing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_a_part_of_the_file_or_stands_for_all_of_it() {
        let part = |first, last| RangeRequest::Part { first, last };
        for (range, size, expected) in [
            ("bytes=0-99", 1_000, part(0, 99)),
            ("bytes=0-0", 1_000, part(0, 0)),
            ("Bytes = 5-9", 1_000, part(5, 9)),
            ("bytes=990-", 1_000, part(990, 999)),
            ("bytes=-10", 1_000, part(990, 999)),
            ("bytes=-2000", 1_000, part(0, 999)),
            ("bytes=0-99999999999999999999", 1_000, part(0, 999)),
            ("bytes=1000-", 1_000, RangeRequest::Nothing),
            ("bytes=99999999999999999999-", 1_000, RangeRequest::Nothing),
            ("bytes=-0", 1_000, RangeRequest::Nothing),
            ("bytes=0-0", 0, RangeRequest::Nothing),
            ("bytes=-5", 0, RangeRequest::Nothing),
            ("bytes=9-5", 1_000, RangeRequest::Whole),
            ("bytes=-", 1_000, RangeRequest::Whole),
            ("bytes=a-b", 1_000, RangeRequest::Whole),
            ("bytes=+1-2", 1_000, RangeRequest::Whole),
            ("bytes=0-1,5-6", 1_000, RangeRequest::Whole),
            ("lines=0-1", 1_000, RangeRequest::Whole),
            ("0-1", 1_000, RangeRequest::Whole),
        ] {
            let headers = HeaderMap::from_iter([(header::RANGE, range.parse().unwrap())]);
            let tag = HeaderValue::from_static("\"a\"");
            assert_eq!(wanted(&headers, &tag, size), expected, "{range} of {size}");
        }
    }

    #[test]
    fn a_range_of_another_version_stands_for_the_whole_file() {
        let wanted = |version: &'static str| {
            let range = (header::RANGE, HeaderValue::from_static("bytes=1-2"));
            let version = (header::IF_RANGE, HeaderValue::from_static(version));
            let headers = HeaderMap::from_iter([range, version]);
            wanted(&headers, &HeaderValue::from_static("\"a\""), 10)
        };
        assert_eq!(wanted("\"a\""), RangeRequest::Part { first: 1, last: 2 });
        for other in ["\"b\"", "W/\"a\"", "\"a-gzip\"", "Sat, 29 Oct 1994 19:43:31 GMT"] {
            assert_eq!(wanted(other), RangeRequest::Whole, "{other}");
        }
    }
}
