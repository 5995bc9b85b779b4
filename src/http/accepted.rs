//! `Accept`: which media types a caller takes (RFC 9110, section 12.5.1).

use axum::http::{HeaderMap, header};

/// What a caller takes.
pub(super) struct Accepted(Vec<Range>);

/// One media type, or all that begin alike.
struct Range {
    /// In lower case and without parameters: `text/html`, `text/*` or `*/*`.
    name: String,
    quality: f32,
}

impl Accepted {
    /// Returns what the headers of a request say.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let lists = headers.get_all(header::ACCEPT).iter().filter_map(|list| list.to_str().ok());
        let ranges = lists.flat_map(|list| list.split(',')).filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
            let quality = parts.find_map(|part| {
                part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="))?.trim().parse().ok()
            });
            Some(Range { name, quality: quality.unwrap_or(1.0) })
        });
        Self(ranges.collect())
    }

    /// Returns how much the caller likes a type that it names, from 0 to 1.
    pub(super) fn named(&self, media_type: &str) -> Option<f32> {
        self.0.iter().find(|range| range.name == media_type).map(|range| range.quality)
    }

    /// Says whether the caller takes `media_type`, whose parameters do not count. Who says nothing
    /// takes everything; what is said of a type itself goes before what is said of all like it.
    pub(super) fn takes(&self, media_type: &str) -> bool {
        let plain = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let family = plain.split('/').next().unwrap_or_default();
        let quality = self
            .named(&plain)
            .or_else(|| self.named(&format!("{family}/*")))
            .or_else(|| self.named("*/*"));
        self.0.is_empty() || quality.is_some_and(|quality| quality > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(accept: &str, media_type: &str) -> bool {
        let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
        Accepted::of(&headers).takes(media_type)
    }

    #[test]
    fn a_type_is_taken_by_its_name_by_its_family_or_with_all_others() {
        for (accept, taken) in [
            ("", true),
            ("*/*", true),
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/*;q=0.1", true),
            ("text/html, */*;q=0.8", true),
            ("text/html", false),
            ("text/*", false),
            ("application/json;q=0", false),
            ("application/json;q=0, */*", false),
            ("application/*;q=0, */*", false),
            ("application/json ; q=0.0", false),
        ] {
            assert_eq!(takes(accept, "application/json; charset=utf-8"), taken, "{accept}");
        }
        assert!(Accepted::of(&HeaderMap::new()).takes("image/png"));
    }
}
