//! YAML 1.2 with the core schema: `no` is a string. Aliases are allowed within a budget.

use serde_json::Value;
use serde_saphyr::options::NonFiniteFloatPolicy;
use serde_saphyr::{Error, Options};

use super::json::Unambiguous;
use super::{Flaw, utf8};
use crate::problem::Rule;

/// The most nodes that a document may have, aliases expanded.
const NODES: usize = 50_000;
/// How deep it may be nested.
const DEPTH: usize = 64;

/// Decodes one YAML document. Any value but null is one.
///
/// # Errors
///
/// Returns the first flaw, with its place.
pub fn yaml(bytes: &[u8]) -> Result<Value, Flaw> {
    let text = utf8(bytes)?;
    let parsed: Result<Unambiguous, Error> = serde_saphyr::from_str_with_options(text, options());
    let Unambiguous(value) = parsed.map_err(|error| flaw(&error))?;
    if value.is_null() {
        return Err(Flaw::new(Rule::Malformed, "the document is empty").at(1, 1));
    }
    Ok(value)
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: NODES,
            max_events: 3 * NODES,
            max_depth: DEPTH,
            // A second document is refused by the decoder, as malformed.
            max_documents: 2,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: NODES,
            max_replay_stack_depth: DEPTH,
        },
        strict_booleans: true,
        legacy_octal_numbers: false,
        // Neither is a number of the core schema that comes back as it was: a postcode must not
        // become 2134.0.
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
    }
}

fn flaw(error: &Error) -> Flaw {
    let error = error.without_snippet();
    let text = error.to_string();
    // Some limits come as variants of their own and some, from the parser, only as a message.
    let limits = ["recursion limit", "limit exceeded", "budget"];
    let deep = matches!(error, Error::Budget { .. }) || limits.iter().any(|l| text.contains(l));
    let rule = if deep { Rule::TooDeep } else { Rule::Malformed };
    // The text of the error may quote the file; its first line up to the place does not.
    let message = text.lines().next().unwrap_or_default();
    let message = message.split(" at line ").next().unwrap_or(message);
    let flaw = Flaw::new(rule, plain(message));
    match error.location() {
        Some(place) => {
            let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).max(1);
            flaw.at(number(place.line()), number(place.column()))
        }
        None => flaw,
    }
}

/// Says in the words of somebody who writes YAML what the parser says to somebody who calls it.
fn plain(message: &str) -> &str {
    match message {
        said if said.starts_with("cannot deserialize null into string") => "a key is null",
        said if said.contains("string scalar") => "a key is a list or a table, and must be a text",
        said if said.starts_with("multiple YAML documents") => "there is more than one document",
        said if said.starts_with("recursive references") => "an alias stands inside what it names",
        said => said.split(", set DuplicateKeyPolicy").next().unwrap_or(said),
    }
}
