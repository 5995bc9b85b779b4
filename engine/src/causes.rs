//! Formats an error and its causes as one line.

use std::any::Any;
use std::error::Error;

/// Returns an error with its causes, the outermost first, separated by colons.
///
/// Logs get this text, because a JSON log shows only the outermost error by itself.
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

/// Returns the message of a panic, or the empty text if it has none.
pub fn of_panic(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
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

    #[test]
    fn a_panic_says_its_text_however_it_was_made() {
        let said = |work: fn()| of_panic(&*std::panic::catch_unwind(work).unwrap_err());
        assert_eq!(said(|| panic!("as it is")), "as it is");
        assert_eq!(said(|| panic!("made of {}", 2)), "made of 2");
        assert_eq!(said(|| std::panic::panic_any(2)), "");
    }
}
