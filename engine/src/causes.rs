//! An error and what led to it, as one line.

use std::error::Error;

/// Returns an error with its causes, the outermost first, with colons between them.
///
/// Logs get this text: what writes them as JSON shows nothing but the outermost error by itself.
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        next = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::fmt::Error);

    #[test]
    fn every_cause_is_told() {
        let error = Outer(std::fmt::Error);
        assert_eq!(chain(&error), format!("outer: {}", std::fmt::Error));
    }
}
