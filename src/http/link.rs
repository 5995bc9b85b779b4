//! `Link` headers (RFC 8288): where the other parts of a list are.
//!
//! A target is only a query. A client resolves it against the address of its request, so it is
//! correct under every base path and behind every proxy.

use axum::http::{HeaderMap, HeaderValue, header};
use headwater_engine::query::{ListQuery, Page, Paging};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The characters that a query leaves unencoded.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b',')
    .remove(b':')
    .remove(b'*');

/// A longer header could be too long for a proxy. Its content is in the body, too.
const MAX_BYTES: usize = 4_096;

/// Adds the links of a part of the list that `pairs` asks for, at a commit if one was named.
pub(super) fn add(
    headers: &mut HeaderMap,
    pairs: &[(String, String)],
    at: Option<&str>,
    query: &ListQuery,
    page: &Page,
) {
    let at = at.map(|at| ("at".to_owned(), at.to_owned()));
    // The moment is fixed, so that the pages agree.
    let now = query.now().filter(|_| query.depends_on_clock());
    let now = now.map(|now| ("now".to_owned(), now.text()));
    let fixed: Vec<_> = at.into_iter().chain(pairs.iter().cloned()).chain(now).collect();
    let links = match query.paging() {
        Paging::Page { page: number, per_page } => numbered(&fixed, *number, *per_page, page.total),
        Paging::Cursor { .. } => {
            let first = ("first", target(&fixed, "cursor", None));
            // A cursor names its commit, which the requested branch may have left.
            let next = page.next.as_deref();
            let next = next.map(|next| ("next", target(pairs, "cursor", Some(next))));
            [first].into_iter().chain(next).collect()
        }
    };
    let links: Vec<_> =
        links.iter().map(|(name, target)| format!("<{target}>; rel=\"{name}\"")).collect();
    let value = links.join(", ");
    if value.len() <= MAX_BYTES
        && let Ok(value) = HeaderValue::try_from(value)
    {
        headers.insert(header::LINK, value);
    }
}

/// Returns the links of a numbered page.
fn numbered(
    pairs: &[(String, String)],
    page: usize,
    per_page: usize,
    total: usize,
) -> Vec<(&'static str, String)> {
    // An empty page is the only one.
    let last = total.checked_div(per_page).map_or(1, |_| total.div_ceil(per_page).max(1));
    let numbers = [
        ("first", Some(1)),
        // A page after the end links back to the last page that has items.
        ("prev", (page > 1).then(|| (page - 1).min(last))),
        ("next", (page < last).then(|| page + 1)),
        ("last", Some(last)),
    ];
    let link = |(name, number): (_, Option<usize>)| {
        Some((name, target(pairs, "page", Some(&number?.to_string()))))
    };
    numbers.into_iter().filter_map(link).collect()
}

/// Returns the query of `pairs` with the parameter `name` set to `value`, or without it.
fn target(pairs: &[(String, String)], name: &str, value: Option<&str>) -> String {
    let others = pairs.iter().filter(|(other, _)| other != name);
    let others = others.map(|(name, value)| (name.as_str(), value.as_str()));
    let encoded = |text| utf8_percent_encode(text, QUERY);
    let all = others.chain(value.map(|value| (name, value)));
    let all: Vec<_> =
        all.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    format!("?{}", all.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn links(page: usize, total: usize) -> Vec<String> {
        let links = numbered(&pairs(&[("perPage", "10"), ("page", "7")]), page, 10, total);
        let link = |(name, target): (&str, String)| {
            format!("{name} {}", target.strip_prefix("?perPage=10&page=").unwrap())
        };
        links.into_iter().map(link).collect()
    }

    #[test]
    fn a_page_names_those_around_it_as_far_as_they_are() {
        assert_eq!(links(1, 0), ["first 1", "last 1"]);
        assert_eq!(links(1, 10), ["first 1", "last 1"]);
        assert_eq!(numbered(&pairs(&[]), 1, 0, 7).len(), 2, "an empty page is the only one");
        assert_eq!(links(1, 11), ["first 1", "next 2", "last 2"]);
        assert_eq!(links(2, 25), ["first 1", "prev 1", "next 3", "last 3"]);
        assert_eq!(links(3, 25), ["first 1", "prev 2", "last 3"]);
        assert_eq!(links(99, 25), ["first 1", "prev 3", "last 3"]);
        assert_eq!(links(usize::MAX, 0), ["first 1", "prev 1", "last 1"]);
    }

    #[test]
    fn the_other_parameters_are_kept_in_their_order_and_escaped() {
        let pairs = pairs(&[("title[gte]", "a b&c=\"d\">"), ("cursor", "x"), ("sort", "-a,b")]);
        let expected = "?title%5Bgte%5D=a%20b%26c%3D%22d%22%3E&sort=-a,b";
        assert_eq!(target(&pairs, "cursor", None), expected);
        assert_eq!(target(&pairs, "cursor", Some("y")), format!("{expected}&cursor=y"));
    }
}
