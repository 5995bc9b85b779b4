//! What a write is to bring about before it is answered: its only parameter.

use super::head::WriteHead;
use crate::http::header_names::AT;
use crate::http::parameters;
use crate::wire::{ApiError, Code};

/// What has happened when the answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing: the answer tells what the write would do.
    None,
    /// It is on disk and published.
    Published,
    /// The remote has it, too, if it takes it in time.
    Pushed,
}

impl Effect {
    /// Reads the parameter; without one, the settings decide whether the push comes `first`.
    ///
    /// # Errors
    /// 422 for any other parameter, and for more than one.
    pub(super) fn of(head: &WriteHead, push_first: bool) -> Result<Self, ApiError> {
        let pairs = parameters::pairs(head.query.as_deref())?;
        if head.headers.contains_key(AT) || pairs.iter().any(|(name, _)| name == "at") {
            let why = "is not a parameter of a write: history cannot be changed";
            return Err(parameters::wrong("at", why));
        }
        let [(name, value)] = &pairs[..] else {
            return match pairs.first() {
                None if push_first => Ok(Self::Pushed),
                None => Ok(Self::Published),
                Some((name, _)) => {
                    Err(parameters::wrong(name, "must be the only parameter of a write"))
                }
            };
        };
        match (name.as_str(), value.as_str()) {
            ("push", "sync") => Ok(Self::Pushed),
            ("push", "background") => Ok(Self::Published),
            ("dryRun", "true") => Ok(Self::None),
            _ => {
                let why = format!(
                    "`{name}={value}`: the parameter of a write is `push=sync`, \
                     `push=background` or `dryRun=true`"
                );
                Err(ApiError::explained(Code::InvalidQuery, why))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, Method};

    use super::*;
    use crate::http::source::Source;

    #[test]
    fn the_parameter_decides_and_without_one_the_settings() {
        let effect = |query: &str, push_first| {
            let uri = format!("/api/people?{query}").parse().unwrap();
            let source = Source::at([192, 0, 2, 1].into());
            let head = WriteHead::new(Method::POST, &uri, HeaderMap::new(), source);
            Effect::of(&head, push_first).map_err(|error| error.code())
        };
        for (query, push_first, expected) in [
            ("", false, Ok(Effect::Published)),
            ("", true, Ok(Effect::Pushed)),
            ("push=sync", false, Ok(Effect::Pushed)),
            ("push=background", true, Ok(Effect::Published)),
            ("dryRun=true", true, Ok(Effect::None)),
            ("dryRun=false", false, Err(Code::InvalidQuery)),
            ("dryRun=true&push=sync", false, Err(Code::InvalidQuery)),
            ("push=sync&push=sync", false, Err(Code::InvalidQuery)),
            ("dryrun=true", false, Err(Code::InvalidQuery)),
            ("at=main", false, Err(Code::InvalidQuery)),
        ] {
            assert_eq!(effect(query, push_first), expected, "{query}");
        }
    }
}
