//! The flaws of a given record, and how they are reported.

use headwater_engine::encode::EncodeError;
use headwater_engine::layout::RenderError;
use headwater_engine::pointer::Pointer;
use headwater_engine::problem::Rule;
use headwater_engine::write::{WriteError, WritesClosed};
use serde_json::{Value, json};

use super::messages::{at, line};
use crate::exit::{Exit, Failure};

/// The rule of a record that its sheet cannot place.
pub(super) const NO_PATH: &str = "path";
/// The rule of a record that its format cannot hold.
const UNWRITABLE: &str = "unwritable";

/// A flaw of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flaw {
    /// The JSON Pointer of the value; the empty one is the whole record.
    pub(super) pointer: Pointer,
    /// What is wrong, without the value itself.
    pub(super) message: String,
    /// The rule that it breaks.
    pub(super) rule: String,
}

impl Flaw {
    /// Returns a flaw of the whole record.
    pub(super) fn new(rule: &str, message: impl Into<String>) -> Self {
        Self { pointer: Pointer::whole(), message: message.into(), rule: rule.to_owned() }
    }

    /// Returns the flaw of a text that is not JSON.
    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(Rule::Malformed.as_str(), message)
    }

    /// Returns the flaw of a record that has no place in its sheet.
    pub(super) fn unplaced(error: &RenderError) -> Self {
        Self::new(NO_PATH, error.to_string())
    }

    /// Returns the flaws of a record that cannot be encoded; never empty.
    pub(super) fn unwritable(error: &EncodeError) -> Vec<Self> {
        let EncodeError::Invalid { issues } = error else {
            let pointer = error.pointer();
            return vec![Self { pointer, ..Self::new(UNWRITABLE, error.to_string()) }];
        };
        let flaws = issues.iter().map(|issue| Self {
            pointer: issue.pointer.clone(),
            ..Self::new(&issue.rule, &*issue.message)
        });
        flaws.collect()
    }

    /// Writes the flaw as `place: message at pointer [rule]`, like a problem.
    pub(super) fn line(&self, place: &str) -> String {
        let Self { pointer, message, rule } = self;
        let at = at(pointer);
        format!("{place}: {message}{at} [{rule}]")
    }

    /// Returns the flaw as JSON.
    pub(super) fn json(&self) -> Value {
        json!({ "pointer": self.pointer.as_str(), "message": self.message, "rule": self.rule })
    }
}

/// Returns the failure of a command whose change is refused; `source` is where its value came from.
pub(super) fn refusal(error: &WriteError, source: &str) -> Failure {
    let lines: Vec<String> = match error {
        WriteError::Path { source: why, .. } => vec![Flaw::unplaced(why).line(source)],
        WriteError::Encode { source: why, .. } => {
            Flaw::unwritable(why).iter().map(|flaw| flaw.line(source)).collect()
        }
        WriteError::OtherKey { .. } => {
            vec![Flaw::new(Rule::PathMismatch.as_str(), error.to_string()).line(source)]
        }
        WriteError::Invalid { broken } => {
            broken.iter().map(|broken| line(&broken.problem)).collect()
        }
        WriteError::Operation { source: why, .. } => return refusal(why, source),
        _ => return Failure::caused_by(exit(error), error),
    };
    Failure::new(exit(error), lines.join("\n"))
}

fn exit(error: &WriteError) -> Exit {
    match error {
        WriteError::Closed(WritesClosed::ReadOnly) => Exit::Config,
        WriteError::Closed(WritesClosed::Full | WritesClosed::ShutDown) => Exit::Software,
        WriteError::Closed(
            WritesClosed::Pinned { .. }
            | WritesClosed::Held { .. }
            | WritesClosed::OutOfStep
            | WritesClosed::Following
            | WritesClosed::Orphaned,
        ) => Exit::Unavailable,
        WriteError::Store(store) if store.is_contention() => Exit::Unavailable,
        WriteError::Store(_)
        | WriteError::Repository(_)
        | WriteError::Definitions(_)
        | WriteError::Read(_) => Exit::Software,
        _ => Exit::Data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flaw_is_a_line_with_what_is_known() {
        let flaw = Flaw::malformed("a comma is missing");
        assert_eq!(flaw.line("a.csv:3"), "a.csv:3: a comma is missing [malformed]");
        let flaw = Flaw { pointer: Pointer::of(["age"]), ..flaw };
        assert_eq!(flaw.line("-"), "-: a comma is missing at /age [malformed]");
    }
}
