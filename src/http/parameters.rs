//! The parameters of a query string.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::error::{ApiError, Code, FieldError};

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
            wrong(name.as_deref().unwrap_or_default(), "is not valid UTF-8 behind its escapes")
        })
    });
    decoded.collect()
}

fn decode(text: &str) -> Option<String> {
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
    fn what_is_no_text_is_refused() {
        assert_eq!(pairs(Some("a=%FF")).map_err(|error| error.code()), Err(Code::InvalidQuery));
    }
}
