//! What a write is to bring about before it is answered: its only parameter.

use super::head::WriteHead;
use crate::http::header_names::{AT, MIN_COMMIT};
use crate::http::parameters;
use crate::wire::{ApiError, Code};

/// What has happened when the answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing: the answer tells what the write would do.
    None,
    /// It is on disk and published.
    Published,
    /// It is on the disk of another replica, too, or on the remote.
    Replicated,
    /// The remote has it, too, if it takes it in time.
    Pushed,
}

/// What a write is to bring about by the settings.
#[derive(Debug, Clone, Copy)]
pub(super) struct BySettings {
    /// Whether it is pushed first.
    pub(super) push_first: bool,
    /// Whether it is in two places first.
    pub(super) replicate_first: bool,
}

impl Effect {
    /// Reads the parameter; without one, it is what the settings say. Who does not wait for the push
    /// waits for another replica all the same, if the settings say so.
    ///
    /// # Errors
    /// 422 for any other parameter, for more than one, and for a header that selects a state to read.
    pub(super) fn of(head: &WriteHead, by_settings: BySettings) -> Result<Self, ApiError> {
        let BySettings { push_first, replicate_first } = by_settings;
        let unpushed = if replicate_first { Self::Replicated } else { Self::Published };
        let pairs = parameters::pairs(head.query.as_deref())?;
        if head.headers.contains_key(AT) || pairs.iter().any(|(name, _)| name == "at") {
            let why = "is not a parameter of a write: history cannot be changed";
            return Err(parameters::wrong("at", why));
        }
        if head.headers.contains_key(MIN_COMMIT) {
            let why = "`X-Headwater-Min-Commit` is for reads. A write is made upon the newest state; with \
                       `If-Match` only if the record is still the version that was read";
            return Err(ApiError::explained(Code::InvalidHeader, why));
        }
        let [(name, value)] = &pairs[..] else {
            return match pairs.first() {
                None if push_first => Ok(Self::Pushed),
                None => Ok(unpushed),
                Some((name, _)) => {
                    Err(parameters::wrong(name, "must be the only parameter of a write"))
                }
            };
        };
        match (name.as_str(), value.as_str()) {
            ("push", "sync") => Ok(Self::Pushed),
            ("push", "background") => Ok(unpushed),
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
    fn a_write_that_names_a_state_to_read_is_refused() {
        for (name, code) in [(AT, Code::InvalidQuery), (MIN_COMMIT, Code::InvalidHeader)] {
            for value in ["nonsense", "1111111111111111111111111111111111111111"] {
                let headers = HeaderMap::from_iter([(name.clone(), value.parse().unwrap())]);
                let source = Source::at([192, 0, 2, 1].into());
                let uri = "/api/people".parse().unwrap();
                let head = WriteHead::new(Method::POST, &uri, headers, source);
                let by_settings = BySettings { push_first: false, replicate_first: false };
                let refused = Effect::of(&head, by_settings).map_err(|error| error.code());
                assert_eq!(refused, Err(code), "{name}: {value}");
            }
        }
    }

    #[test]
    fn the_parameter_decides_and_without_one_the_settings() {
        let effect = |query: &str, push_first, replicate_first| {
            let uri = format!("/api/people?{query}").parse().unwrap();
            let source = Source::at([192, 0, 2, 1].into());
            let head = WriteHead::new(Method::POST, &uri, HeaderMap::new(), source);
            let by_settings = BySettings { push_first, replicate_first };
            Effect::of(&head, by_settings).map_err(|error| error.code())
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
            assert_eq!(effect(query, push_first, false), expected, "{query}");
            let replicated = expected.map(|effect| match effect {
                Effect::Published => Effect::Replicated,
                other => other,
            });
            assert_eq!(effect(query, push_first, true), replicated, "{query}");
        }
    }
}
