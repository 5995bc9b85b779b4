//! What a path says of a request before its handler is found.

/// Says whether a path without base path is one of the reads, which are answered from a snapshot.
pub(super) fn is_read(path: &str) -> bool {
    path == "/openapi.json"
        || path.strip_prefix("/api/").is_some_and(|rest| !rest.starts_with("_internal/"))
}

/// Says whether a path without base path is for operators and machines on the same network.
pub(super) fn is_internal(path: &str) -> bool {
    path.starts_with("/api/_internal/") || path.starts_with("/health/") || path == "/metrics"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_told_from_everything_else_by_their_paths() {
        for path in
            ["/api/people", "/api/people/ada", "/api/_search", "/api/_nothing", "/openapi.json"]
        {
            assert!(is_read(path), "{path}");
        }
        for path in ["/api/_internal/reloads", "/health/ready", "/metrics", "/api", ""] {
            assert!(!is_read(path), "{path}");
        }
    }
}
