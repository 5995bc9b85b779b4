//! The parameters of a query string.

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;

use crate::wire::{ApiError, Code, FieldError};

/// Returns the refusal of one parameter.
pub(super) fn wrong(parameter: &str, detail: impl Into<String>) -> ApiError {
    let error = FieldError::of_parameter(parameter, detail);
    ApiError::listing(Code::InvalidQuery, vec![error])
}

/// Reads the number of a parameter, from 1 to `max`.
pub(super) fn number(name: &str, value: &str, max: usize) -> Result<usize, ApiError> {
    let number = value.parse().ok().filter(|number| (1..=max).contains(number));
    number.ok_or_else(|| wrong(name, format!("must be a whole number from 1 to {max}")))
}

/// The parameters that a route accepts, without `at`, which is resolved before.
pub(super) struct KnownParameters {
    /// The name of the route, as in "is not a parameter of …".
    pub(super) of: &'static str,
    /// Parameters that may be given once.
    pub(super) once: &'static [&'static str],
    /// Parameters that may be given several times.
    pub(super) often: &'static [&'static str],
}

impl KnownParameters {
    /// Splits a query string into its decoded parameters.
    ///
    /// # Errors
    /// As [`pairs`]; 422 for each parameter that the route does not accept, and for one that is
    /// given too often.
    pub(super) fn read(&self, query: Option<&str>) -> Result<Vec<(String, String)>, ApiError> {
        let pairs = pairs(query)?;
        let wrong = pairs.iter().enumerate().filter_map(|(at, (name, _))| {
            if self.often.contains(&name.as_str()) {
                return None;
            }
            if !self.once.contains(&name.as_str()) {
                return Some(FieldError::of_parameter(name, self.unknown()));
            }
            let is_given = pairs[..at].iter().any(|(other, _)| other == name);
            is_given.then(|| FieldError::of_parameter(name, "is given more than once"))
        });
        match wrong.collect::<Vec<_>>() {
            wrong if wrong.is_empty() => Ok(pairs),
            wrong => Err(ApiError::listing(Code::InvalidQuery, wrong)),
        }
    }

    /// Returns the message for an unknown parameter, with those that there are.
    fn unknown(&self) -> String {
        let names: Vec<_> = self.once.iter().chain(self.often).copied().collect();
        match &names[..] {
            [] => format!("is not a parameter of {}, which has none", self.of),
            names => format!("is not a parameter of {}: it has {}", self.of, names.join(", ")),
        }
    }
}

/// A request without parameters, for handlers that accept none.
pub(super) struct NoParameters;

impl<S: Sync> FromRequestParts<S> for NoParameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let known = KnownParameters { of: "this address", once: &[], often: &[] };
        known.read(parts.uri.query()).map(|_| Self)
    }
}

/// The most parameters of a query: all conditions of a list, and its other parameters.
const MAX_PARAMETERS: usize = 80;

/// Splits a query string into its decoded parameters.
pub(super) fn pairs(query: Option<&str>) -> Result<Vec<(String, String)>, ApiError> {
    let parameters = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    if parameters.clone().nth(MAX_PARAMETERS).is_some() {
        return Err(wrong("", format!("there are more than {MAX_PARAMETERS} parameters")));
    }
    let decoded = parameters.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name), decode(value));
        name.clone().zip(value).ok_or_else(|| {
            wrong(name.as_deref().unwrap_or_default(), "is not valid UTF-8 after decoding")
        })
    });
    decoded.collect()
}

/// Returns the decoded name of one parameter; `None` if that is not text.
pub(super) fn name(pair: &str) -> Option<String> {
    decode(pair.split_once('=').map_or(pair, |(name, _)| name))
}

/// Decodes a name or a value; `None` if it is not text.
pub(super) fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_in_their_order() {
        let query = "stage=testing&title%5Bgte%5D=a+b%2B&q=&&flag";
        let expected = [("stage", "testing"), ("title[gte]", "a b+"), ("q", ""), ("flag", "")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(pairs(Some(query)).unwrap(), expected);
        assert_eq!(pairs(None).unwrap(), []);
    }

    #[test]
    fn parameters_are_few() {
        let many = |count: usize| pairs(Some(&"a=1&".repeat(count))).map(|pairs| pairs.len());
        assert_eq!(many(MAX_PARAMETERS).map_err(|error| error.code()), Ok(MAX_PARAMETERS));
        let refused = many(MAX_PARAMETERS + 1);
        assert_eq!(refused.map_err(|error| error.code()), Err(Code::InvalidQuery));
    }

    #[test]
    fn nothing_is_ignored_and_nothing_counts_twice() {
        let known = KnownParameters { of: "a test", once: &["limit"], often: &["sheet"] };
        let told = |query: &str| match known.read(Some(query)) {
            Ok(pairs) => pairs.len().to_string(),
            Err(error) => error.detail().unwrap_or_default().to_owned(),
        };
        for (query, expected) in [
            ("", "0"),
            ("limit=1&sheet=a&sheet=b", "3"),
            ("limit=1&limit=1", "limit: is given more than once"),
            ("limits=1", "limits: is not a parameter of a test: it has limit, sheet"),
            ("Limit=1", "Limit: is not a parameter of a test: it has limit, sheet"),
        ] {
            assert_eq!(told(query), expected, "{query}");
        }
        let none = KnownParameters { of: "a test", once: &[], often: &[] };
        let error = none.read(Some("_=1")).unwrap_err();
        assert_eq!(error.detail(), Some("_: is not a parameter of a test, which has none"));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert_eq!(pairs(Some("a=%FF")).map_err(|error| error.code()), Err(Code::InvalidQuery));
    }
}
