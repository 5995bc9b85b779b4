//! What a scalar means: the core schema of YAML 1.2.

use std::borrow::Cow;

use granit_parser::Tag;
use serde_json::{Number, Value};

/// The namespace of the standard YAML tags.
const YAML: &str = "tag:yaml.org,2002:";

/// Returns the name of a standard YAML tag: `int` for `!!int`.
pub(super) fn name(tag: &Tag) -> Option<Cow<'_, str>> {
    tag.suffix_in_namespace(YAML)
}

/// Returns whether a plain scalar is null.
pub(super) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// Returns the value of a scalar; `is_plain` means that it has no quotes.
///
/// # Errors
///
/// Returns a one-line description of what is wrong.
pub(super) fn scalar(text: &str, is_plain: bool, tag: Option<&Tag>) -> Result<Value, String> {
    let string = || Ok(Value::from(text));
    let Some(tag) = tag else { return if is_plain { plain(text) } else { string() } };
    let wanted = |value: Option<Value>| {
        value.ok_or_else(|| format!("the value after `{}` is not of this type", tag.original()))
    };
    match name(tag).as_deref() {
        Some("str" | "timestamp") => string(),
        Some("null") => wanted(is_null(text).then_some(Value::Null)),
        Some("bool") => wanted(boolean(text)),
        Some("int") => wanted(integer(text)?),
        Some("float") => wanted(float(text)?),
        Some("binary") => Err("`!!binary` is not supported in a record: write a string".into()),
        Some("map" | "seq" | "set" | "omap" | "pairs") => wanted(None),
        // A scalar with the bare tag `!` is not interpreted.
        None if tag.handle().is_empty() && tag.suffix() == "!" => string(),
        None if tag.handle() == "!" && tag.suffix().is_empty() => string(),
        _ if is_plain => plain(text),
        _ => string(),
    }
}

fn plain(text: &str) -> Result<Value, String> {
    if is_null(text) {
        return Ok(Value::Null);
    }
    // Every value other than a string begins with one of these.
    let may_be_more = text.starts_with(|c: char| c.is_ascii_digit() || "+-.tTfF".contains(c));
    if may_be_more {
        if let Some(value) = boolean(text) {
            return Ok(value);
        }
        // A code or postcode such as `02134` must not become 2134.
        if let Some(value) = integer(text)?.filter(|_| !has_leading_zero(text)) {
            return Ok(value);
        }
        if let Some(value) = float(text)?.filter(|_| !has_leading_zero(text)) {
            return Ok(value);
        }
    }
    Ok(Value::from(text))
}

fn has_leading_zero(text: &str) -> bool {
    let digits = unsigned(text);
    digits.len() > 1 && digits.starts_with('0') && is_digits(digits)
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['+', '-']).unwrap_or(text)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn boolean(text: &str) -> Option<Value> {
    match text {
        "true" | "True" | "TRUE" => Some(Value::Bool(true)),
        "false" | "False" | "FALSE" => Some(Value::Bool(false)),
        _ => None,
    }
}

/// Reads `-1`, `+1`, `0o17` or `0x1F`; returns `None` for any other text.
fn integer(text: &str) -> Result<Option<Value>, String> {
    let based = |digits: &str, radix: u32| {
        let are_digits = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
        are_digits.then(|| u64::from_str_radix(digits, radix).ok().map(Value::from))
    };
    let read = if let Some(digits) = text.strip_prefix("0x") {
        based(digits, 16)
    } else if let Some(digits) = text.strip_prefix("0o") {
        based(digits, 8)
    } else if is_digits(unsigned(text)) {
        let (natural, integer) = (text.parse::<u64>(), text.parse::<i64>());
        Some(integer.map(Value::from).ok().or(natural.map(Value::from).ok()))
    } else {
        None
    };
    match read {
        Some(None) => Err("an integer has more than 64 bits: quote it to make it a string".into()),
        Some(value) => Ok(value),
        None => Ok(None),
    }
}

/// Reads a number with a fraction or an exponent, a decimal integer, `.inf` or `.nan`. The last two
/// become null, as in every format.
fn float(text: &str) -> Result<Option<Value>, String> {
    let digits = unsigned(text);
    if matches!(digits, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Ok(Some(Value::Null));
    }
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(unsigned(exponent))),
        None => (digits, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let are_digits = |text: &str| text.is_empty() || is_digits(text);
    let is_number = are_digits(whole)
        && are_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(is_digits);
    if !is_number {
        return Ok(None);
    }
    let read = text.parse::<f64>().ok().filter(|float| float.is_finite());
    match read.and_then(Number::from_f64) {
        Some(number) => Ok(Some(Value::Number(number))),
        None => Err("a number is out of range: quote it to make it a string".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Value {
        scalar(text, true, None).unwrap()
    }

    #[test]
    fn a_plain_scalar_is_what_the_core_schema_says() {
        for text in ["", "~", "null", "Null", "NULL", ".nan", ".NaN", ".inf", "-.INF", "+.Inf"] {
            assert_eq!(read(text), Value::Null, "{text}");
        }
        for (text, value) in [
            ("true", json!(true)),
            ("FALSE", json!(false)),
            ("0", json!(0)),
            ("-0", json!(0)),
            ("+12", json!(12)),
            ("0o17", json!(15)),
            ("0xfF", json!(255)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("18446744073709551615", json!(u64::MAX)),
            ("1.", json!(1.0)),
            (".5", json!(0.5)),
            ("-.5e-3", json!(-0.0005)),
            ("1e3", json!(1000.0)),
            ("+1.5E+2", json!(150.0)),
            ("00.5", json!(0.5)),
        ] {
            assert_eq!(read(text), value, "{text}");
        }
    }

    #[test]
    fn what_other_versions_of_yaml_take_for_more_is_a_text() {
        for text in [
            "no",
            "yes",
            "on",
            "y",
            "nULL",
            "tRUE",
            "0b11",
            "0X1F",
            "0O17",
            "-0x1F",
            "+0x1F",
            "-0o7",
            "0x",
            "0o",
            "0o8",
            "0xg",
            "+.nan",
            "-.nan",
            ".iNF",
            "inf",
            "nan",
            "1_000",
            "02134",
            "-007",
            "+00",
            "190:20:30",
            "1,000",
            "1e",
            "1e+",
            "e3",
            ".",
            "+",
            "-",
            ".e1",
            "1.2.3",
            "1.5e3.2",
            "--1",
            "+-1",
            "0x1.8",
            "2024-05-01",
            "٣",
            "-",
            "1 2",
        ] {
            assert_eq!(read(text), json!(text));
        }
    }

    #[test]
    fn a_number_that_does_not_fit_is_told_and_never_rounded_to_one_that_does() {
        for text in [
            "18446744073709551616",
            "-9223372036854775809",
            "0x10000000000000000",
            "0o2000000000000000000000",
        ] {
            assert!(scalar(text, true, None).unwrap_err().contains("64 bits"), "{text}");
            assert_eq!(scalar(text, false, None), Ok(json!(text)));
        }
        assert!(scalar("5e1234567", true, None).unwrap_err().contains("out of range"));
    }

    #[test]
    fn a_tag_of_yaml_says_what_a_scalar_is() {
        let tagged = |name: &str, text: &str| {
            let tag = Tag::with_original_handle(YAML, name, "!!");
            scalar(text, false, Some(&tag))
        };
        assert_eq!(tagged("str", "1"), Ok(json!("1")));
        assert_eq!(tagged("timestamp", "2024-05-01"), Ok(json!("2024-05-01")));
        assert_eq!(tagged("int", "7"), Ok(json!(7)));
        assert_eq!(tagged("float", "3"), Ok(json!(3.0)));
        assert_eq!(tagged("bool", "true"), Ok(json!(true)));
        assert_eq!(tagged("null", "~"), Ok(Value::Null));
        for (name, text) in
            [("int", "x"), ("float", "x"), ("bool", "no"), ("null", "x"), ("map", "")]
        {
            let told = format!("the value after `!!{name}` is not of this type");
            assert_eq!(tagged(name, text), Err(told));
        }
        assert!(tagged("binary", "aGk=").unwrap_err().starts_with("`!!binary` is not supported"));
        let own = Tag::with_original_handle("!", "secret", "!");
        assert_eq!(scalar("12", true, Some(&own)), Ok(json!(12)));
        assert_eq!(scalar("12", false, Some(&own)), Ok(json!("12")));
    }
}
