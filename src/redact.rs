//! Removes credentials from addresses before they are logged, sent or printed.

/// Returns `url` without the part before `@` in its authority, and without its query.
///
/// An address in the short form of ssh (`git@host:path`) holds no password and is kept.
pub fn redact(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn only_scheme_host_and_path_are_left() {
        let cases = [
            ("https://user:pass@host.org/a/b.git", "https://host.org/a/b.git"),
            ("https://to@ken@host.org:8443/a?key=1#x", "https://host.org:8443/a"),
            ("https://token@host.org", "https://host.org"),
            ("https://host.org?token=1", "https://host.org"),
            ("file:///srv/data.git", "file:///srv/data.git"),
            ("git@host.org:a/b.git", "git@host.org:a/b.git"),
            ("/srv/data.git", "/srv/data.git"),
        ];
        for (url, expected) in cases {
            assert_eq!(redact(url), expected, "{url}");
        }
    }
}
