//! Sorting of lists by collation.

use icu_collator::options::{AlternateHandling, CollatorOptions, Strength};
use icu_collator::preferences::CollationNumericOrdering;
use icu_collator::{Collator, CollatorPreferences};
use toml_v08::Value;

use super::EncodeError;
use crate::layout::rendered_float;

/// The longest number that is compared as a single number.
const DIGITS: usize = 254;

/// Sorts the elements of a list by their text, as gitsheets does: case, accents and punctuation are
/// ignored, and a run of digits counts as a number. Elements that compare equal stay in order.
///
/// # Errors
///
/// Rejects the list `field` if it contains a number of more than 254 digits, on some of which
/// gitsheets crashes. Otherwise it fails only if the collation data, which is compiled in, is
/// unusable.
pub(super) fn sort(field: &str, elements: &mut [Value]) -> Result<(), EncodeError> {
    let mut options = CollatorOptions::default();
    options.strength = Some(Strength::Primary);
    options.alternate_handling = Some(AlternateHandling::Shifted);
    // The root locale: the order must not depend on where the list is sorted.
    let mut preferences = CollatorPreferences::default();
    preferences.numeric_ordering = Some(CollationNumericOrdering::True);
    let collator = Collator::try_new(preferences, options)
        .map_err(|error| EncodeError::Refused { message: error.to_string() })?;
    let mut keyed: Vec<_> =
        elements.iter().map(|element| (text(element), element.clone())).collect();
    if keyed.iter().any(|(text, _)| has_too_many_digits(text)) {
        return Err(EncodeError::SortDigits { field: field.to_owned() });
    }
    keyed.sort_by(|a, b| collator.compare(&a.0, &b.0));
    for (place, (_, element)) in elements.iter_mut().zip(keyed) {
        *place = element;
    }
    Ok(())
}

/// Returns the text of a value for sorting. Unlike in JavaScript, numbers have no exponent, as in
/// paths.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Integer(integer) => integer.to_string(),
        Value::Float(float) if float.is_infinite() => {
            if *float > 0.0 {
                "Infinity".to_owned()
            } else {
                "-Infinity".to_owned()
            }
        }
        Value::Float(float) => rendered_float(*float),
        Value::Boolean(boolean) => boolean.to_string(),
        Value::Datetime(time) => time.to_string(),
        Value::Array(elements) => elements.iter().map(text).collect::<Vec<_>>().join(","),
        Value::Table(_) => "[object Object]".to_owned(),
    }
}

/// Returns whether a text has more adjacent digits than the collation can handle: after the first
/// 254, it processes each 254 separately and panics if they are all zero.
fn has_too_many_digits(text: &str) -> bool {
    let runs = text.split(|character: char| !character.is_numeric());
    text.len() > DIGITS && runs.into_iter().any(|run| run.chars().count() > DIGITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(elements: &[&str]) -> Vec<String> {
        let mut elements: Vec<Value> = elements.iter().map(|text| Value::from(*text)).collect();
        sort("l", &mut elements).unwrap();
        elements.iter().map(text).collect()
    }

    #[test]
    fn words_are_in_the_order_of_the_format() {
        for (given, expected) in [
            (&["B", "a"][..], &["a", "B"][..]),
            (&["é", "e", "z"], &["é", "e", "z"]),
            (&["10", "2", "1"], &["1", "2", "10"]),
            (&["file10", "file2", "file1"], &["file1", "file2", "file10"]),
            (&["1.10", "1.9"], &["1.9", "1.10"]),
            (&["coop", "co-op", "co op"], &["coop", "co-op", "co op"]),
            (&["Banana", "apple", "Äpfel", "10", "2"], &["2", "10", "Äpfel", "apple", "Banana"]),
            (&["Banana", "apple", "Äpfel"], &["Äpfel", "apple", "Banana"]),
            (&["ß", "ss", "sr", "st"], &["sr", "ß", "ss", "st"]),
            (&["-5", "3", "-10"], &["3", "-5", "-10"]),
            (&["01", "1", "001"], &["01", "1", "001"]),
            (&["c++", "c", "c#", "C"], &["c", "c#", "C", "c++"]),
            (&["日本", "あ", "ア", "z"], &["z", "あ", "ア", "日本"]),
        ] {
            assert_eq!(sorted(given), expected, "{given:?}");
        }
    }

    #[test]
    fn values_that_are_no_text_are_in_the_order_of_their_text() {
        let list = "a = [10, 9, true, \"8\", 1.5]";
        let mut table: toml_v08::Table = list.parse().unwrap();
        sort("a", table["a"].as_array_mut().unwrap()).unwrap();
        assert_eq!(table["a"].to_string(), "[1.5, \"8\", 9, 10, true]");
        let texts = "a = [1.0, 1e21, 1e-7, -0.0, inf, -inf, nan, 0.1, [1, [2]], {}, 07:32:00]";
        let table: toml_v08::Table = texts.parse().unwrap();
        let texts: Vec<_> = table["a"].as_array().unwrap().iter().map(text).collect();
        let expected = ["1", "1000000000000000000000", "0.0000001", "0", "Infinity", "-Infinity"];
        assert_eq!(texts[..6], expected);
        assert_eq!(texts[6..], ["NaN", "0.1", "1,2", "[object Object]", "07:32:00"]);
    }

    #[test]
    fn a_number_that_is_too_long_is_refused() {
        let zeros = |count| Value::from(format!("1{}", "0".repeat(count)));
        assert_eq!(sort("l", &mut [zeros(253), "2".into()]), Ok(()));
        for mut list in
            [[zeros(254), "2".into()], [zeros(308), "2".into()], [1.7e308.into(), 2.into()]]
        {
            let error = EncodeError::SortDigits { field: "l".into() };
            assert_eq!(sort("l", &mut list), Err(error));
        }
    }
}
