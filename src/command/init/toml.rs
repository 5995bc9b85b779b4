//! Keys and values of TOML, each on one line.

/// Writes a text.
pub(super) fn text(text: &str) -> String {
    // The escapes of JSON are those of TOML, with one exception.
    match text.chars().any(char::is_control) {
        true => serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f"),
        false => toml::Value::from(text).to_string(),
    }
}

/// Writes a key, quoted only if necessary.
pub(super) fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { text(name) }
}

/// Writes a list of texts.
pub(super) fn list<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let texts: Vec<_> = texts.into_iter().map(text).collect();
    format!("[{}]", texts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_quoted_only_where_it_must_be() {
        assert_eq!(key("blog-posts"), "blog-posts");
        assert_eq!(key("büro"), "\"büro\"");
        assert_eq!(key("a'b\n"), "\"a'b\\n\"");
        assert_eq!(list(["a", "b\"c"]), "[\"a\", 'b\"c']");
    }
}
