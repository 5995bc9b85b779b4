//! Header fields in the syntax of RFC 9110: lists, preferences and media types.

use http::HeaderValue;

/// Stands for a line that is not text. No meaningful member of a list equals it.
const UNREADABLE: &str = "\u{fffd}";

/// Iterates over the members of a list that may span several lines, empty ones included.
pub fn members<'a>(
    lines: impl IntoIterator<Item = &'a HeaderValue>,
) -> impl Iterator<Item = &'a str> {
    let lines = lines.into_iter().map(|line| line.to_str().unwrap_or(UNREADABLE));
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// Returns a media type without its parameters, in lower case.
pub fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The preferences of a caller: `Accept` and `Accept-Encoding` (RFC 9110, section 12.5).
pub struct Preferences(Vec<Preference>);

struct Preference {
    /// In lower case and without parameters.
    name: String,
    quality: f32,
}

impl Preferences {
    /// Parses the lines of the field. Invalid members are ignored.
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a HeaderValue>) -> Self {
        let named = members(lines).filter_map(|member| {
            let name = essence(member);
            let mut parameters = member.split(';').skip(1).map(str::trim);
            let quality = parameters.find_map(|parameter| {
                let (name, value) = parameter.split_once('=')?;
                name.eq_ignore_ascii_case("q").then(|| value.trim().parse().ok()).flatten()
            });
            let is_name = !name.is_empty() && name != UNREADABLE;
            is_name.then(|| Preference { name, quality: quality.unwrap_or(1.0) })
        });
        Self(named.collect())
    }

    /// Returns whether the caller states no preference.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the preference of the caller for `name`, from 0 to 1; `None` if it does not name it.
    pub fn quality(&self, name: &str) -> Option<f32> {
        self.0.iter().find(|one| one.name == name).map(|one| one.quality)
    }

    /// Returns whether the caller names `name`, and prefers it at least as much as `other`.
    pub fn prefers(&self, name: &str, other: &str) -> bool {
        let [quality, of_other] = [name, other].map(|name| self.quality(name).unwrap_or(0.0));
        quality > 0.0 && quality >= of_other
    }

    /// Returns whether the caller accepts a media type, ignoring its parameters. A caller without
    /// preferences accepts everything. The entry for a type takes precedence over a wildcard.
    pub fn takes(&self, media_type: &str) -> bool {
        let plain = essence(media_type);
        let family = plain.split('/').next().unwrap_or_default();
        let quality = self
            .quality(&plain)
            .or_else(|| self.quality(&format!("{family}/*")))
            .or_else(|| self.quality("*/*"));
        self.0.is_empty() || quality.is_some_and(|quality| quality > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preferences(line: &str) -> Preferences {
        Preferences::of(&[HeaderValue::from_str(line).unwrap()])
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
            let takes = preferences(accept).takes("application/json; charset=utf-8");
            assert_eq!(takes, taken, "{accept}");
        }
        assert!(Preferences::of(&[]).takes("image/png"));
    }

    #[test]
    fn one_is_preferred_that_is_named_and_liked_no_less() {
        for (accept, preferred) in [
            ("text/event-stream", true),
            ("text/event-stream, application/json;q=0.5", true),
            ("TEXT/EVENT-STREAM;Q=0.1, */*", true),
            ("text/event-stream; charset=utf-8", true),
            ("application/json, text/event-stream", true),
            ("text/event-stream;q=0", false),
            ("text/event-stream; q=0.0, */*", false),
            ("text/event-stream;q=0.5, application/json", false),
            ("application/json", false),
            ("*/*", false),
            ("", false),
        ] {
            let prefers = preferences(accept).prefers("text/event-stream", "application/json");
            assert_eq!(prefers, preferred, "{accept}");
        }
    }

    #[test]
    fn a_line_that_is_not_text_is_a_member_that_is_equal_to_nothing() {
        let lines = [HeaderValue::from_bytes(b"\xff").unwrap(), HeaderValue::from_static("a, ,b")];
        assert_eq!(members(&lines).collect::<Vec<_>>(), [UNREADABLE, "a", "", "b"]);
        assert!(Preferences::of(&lines[..1]).is_empty());
    }
}
