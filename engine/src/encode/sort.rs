//! Sorting of lists by the rules of their sheet.

use std::cmp::Ordering;

use toml_v08::value::{Datetime, Offset};
use toml_v08::{Table, Value};

use super::{EncodeError, collation};
use crate::layout::{SortField, SortRule};

/// The longest list that is sorted if some of its elements cannot be compared, which takes a
/// quadratic number of steps.
const MIXED: usize = 5_000;

/// Sorts the lists at the top level of a record by their rules. A field that is not a list stays
/// unchanged.
///
/// # Errors
///
/// Rejects a list that is sorted by a script, and a long one with elements that cannot be compared.
pub(super) fn sort_lists(
    rules: &[(String, SortRule)],
    table: &mut Table,
) -> Result<(), EncodeError> {
    for (field, rule) in rules {
        let Some(Value::Array(elements)) = table.get_mut(field) else { continue };
        match rule {
            _ if elements.len() < 2 => {}
            SortRule::Collated => collation::sort(field, elements)?,
            SortRule::By(fields) => by_fields(field, fields, elements)?,
            SortRule::Script => return Err(EncodeError::SortScript { field: field.clone() }),
        }
    }
    Ok(())
}

/// Sorts by fields as gitsheets does: each element moves up past those that are greater, and stops
/// at the first that is not.
///
/// An element without the field is neither greater nor less than any other, so it stops whatever
/// moves up from below, and the list as a whole is not sorted. Even so, the result must be the same
/// as in gitsheets.
fn by_fields(list: &str, fields: &[SortField], elements: &mut [Value]) -> Result<(), EncodeError> {
    let keys = |element: &Value| fields.iter().map(|field| Key::of(element, &field.name)).collect();
    let mut keyed: Vec<(Vec<Key>, Value)> =
        elements.iter().map(|element| (keys(element), element.clone())).collect();
    let compare = |a: &[Key], b: &[Key]| {
        let orders = fields.iter().zip(a.iter().zip(b)).map(|(field, (a, b))| {
            let order = a.compare(b);
            if field.descending { order.reverse() } else { order }
        });
        orders.fold(Ordering::Equal, Ordering::then)
    };
    if (0..fields.len()).all(|column| all_compare(keyed.iter().map(|(keys, _)| &keys[column]))) {
        // If all elements can be compared, every stable sort has this result.
        keyed.sort_by(|a, b| compare(&a.0, &b.0));
    } else if keyed.len() > MIXED {
        return Err(EncodeError::SortTooLong { field: list.to_owned() });
    } else {
        for begin in 1..keyed.len() {
            let mut at = begin;
            while at > 0 && compare(&keyed[at - 1].0, &keyed[at].0) == Ordering::Greater {
                keyed.swap(at - 1, at);
                at -= 1;
            }
        }
    }
    for (place, (_, element)) in elements.iter_mut().zip(keyed) {
        *place = element;
    }
    Ok(())
}

fn all_compare<'k>(mut keys: impl Iterator<Item = &'k Key> + Clone) -> bool {
    let number = |key: &Key| matches!(key, Key::Number(number) if !number.is_nan());
    keys.clone().all(number) || keys.all(|key| matches!(key, Key::Text { .. }))
}

/// A value that JavaScript can compare by `<` and `>`.
#[derive(Debug)]
enum Key {
    Missing,
    Number(f64),
    Text {
        /// In UTF-16, whose order is not that of UTF-8.
        units: Vec<u16>,
        /// What it is beside a number.
        number: f64,
    },
}

impl Key {
    fn of(element: &Value, field: &str) -> Self {
        let text =
            |text: &str| Self::Text { units: text.encode_utf16().collect(), number: number(text) };
        match element.as_table().and_then(|table| table.get(field)) {
            None => Self::Missing,
            Some(Value::String(string)) => text(string),
            Some(Value::Integer(integer)) => Self::Number(*integer as f64),
            Some(Value::Float(float)) => Self::Number(*float),
            Some(Value::Boolean(boolean)) => Self::Number(f64::from(u8::from(*boolean))),
            Some(Value::Datetime(time)) => Self::Number(milliseconds(time)),
            Some(other) => text(&script_text(other)),
        }
    }

    /// Compares as `<` and `>` do; if neither holds, the keys are equal.
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text { units: a, .. }, Self::Text { units: b, .. }) => a.cmp(b),
            (a, b) => a.number().partial_cmp(&b.number()).unwrap_or(Ordering::Equal),
        }
    }

    fn number(&self) -> f64 {
        match self {
            Self::Missing => f64::NAN,
            Self::Number(number) | Self::Text { number, .. } => *number,
        }
    }
}

/// Returns the text of a value, as in JavaScript.
fn script_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Integer(integer) => float_text(*integer as f64),
        Value::Float(float) => float_text(*float),
        Value::Boolean(boolean) => boolean.to_string(),
        Value::Datetime(time) => date_text(time).unwrap_or_else(|| "Invalid Date".to_owned()),
        Value::Array(elements) => elements.iter().map(script_text).collect::<Vec<_>>().join(","),
        Value::Table(_) => "[object Object]".to_owned(),
    }
}

/// Returns the text of a date, in UTC, where JavaScript uses the zone of the machine.
fn date_text(time: &Datetime) -> Option<String> {
    let seconds = (milliseconds(time) / 1_000.0).floor();
    let time = time::OffsetDateTime::from_unix_timestamp(seconds as i64).ok()?;
    let format = time::macros::format_description!(
        "[weekday repr:short] [month repr:short] [day] [year] [hour]:[minute]:[second] GMT+0000"
    );
    time.format(format).ok()
}

fn float_text(float: f64) -> String {
    let size = float.abs();
    if float.is_nan() {
        "NaN".to_owned()
    } else if float.is_infinite() {
        if float > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else if float == 0.0 {
        // Minus zero is zero too.
        "0".to_owned()
    } else if size >= 1e21 {
        format!("{float:e}").replace('e', "e+")
    } else if size < 1e-6 {
        format!("{float:e}")
    } else {
        float.to_string()
    }
}

/// Parses a text as JavaScript does where a number is needed.
fn number(text: &str) -> f64 {
    // JavaScript's definition of white space differs slightly from Rust's.
    let blank = |c: char| c == '\u{feff}' || (c.is_whitespace() && c != '\u{85}');
    let text = text.trim_matches(blank);
    let based = |prefix: [&str; 2], radix: u32| {
        let digits = prefix.iter().find_map(|prefix| text.strip_prefix(prefix))?;
        let digits = digits.chars().map(|digit| digit.to_digit(radix).map(f64::from));
        let number = digits.reduce(|all, digit| Some(all? * f64::from(radix) + digit?));
        Some(number.flatten().unwrap_or(f64::NAN))
    };
    let hexadecimal = based(["0x", "0X"], 16);
    match text {
        "" => 0.0,
        "Infinity" | "+Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        _ => {
            match hexadecimal.or_else(|| based(["0o", "0O"], 8)).or_else(|| based(["0b", "0B"], 2))
            {
                Some(number) => number,
                // Rust accepts more words as numbers.
                None if text
                    .bytes()
                    .any(|byte| byte.is_ascii_alphabetic() && !b"eE".contains(&byte)) =>
                {
                    f64::NAN
                }
                None => text.parse().unwrap_or(f64::NAN),
            }
        }
    }
}

/// Returns the milliseconds since the Unix epoch, treating local times as UTC.
fn milliseconds(time: &Datetime) -> f64 {
    let days = match time.date {
        None => Some(0),
        Some(date) => time::Month::try_from(date.month).ok().and_then(|month| {
            let date = time::Date::from_calendar_date(date.year.into(), month, date.day).ok()?;
            Some(date.to_julian_day() - time::macros::date!(1970 - 01 - 01).to_julian_day())
        }),
    };
    let Some(days) = days else { return f64::NAN };
    let seconds = time.time.map_or(0, |time| {
        (i64::from(time.hour) * 60 + i64::from(time.minute)) * 60 + i64::from(time.second)
    });
    let fraction = time.time.map_or(0, |time| i64::from(time.nanosecond / 1_000_000));
    let offset = match time.offset {
        Some(Offset::Custom { minutes }) => i64::from(minutes) * 60,
        Some(Offset::Z) | None => 0,
    };
    ((i64::from(days) * 86_400 + seconds - offset) * 1_000 + fraction) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(fields: &[(&str, bool)], list: &str) -> String {
        let mut table: Table = format!("l = {list}").parse().unwrap();
        let field = |(name, descending): &(&str, bool)| SortField {
            name: (*name).to_owned(),
            descending: *descending,
        };
        let rule = SortRule::By(fields.iter().map(field).collect());
        sort_lists(&[("l".into(), rule)], &mut table).unwrap();
        let text = table["l"].to_string();
        text.replace(" = ", "=").replace("{ ", "{").replace(" }", "}")
    }

    #[test]
    fn elements_are_sorted_by_one_field_after_another() {
        let list = "[{b=1,a=2}, {b=0,a=9}, {a=5}, {b=1,a=1}]";
        let expected = "[{a=9, b=0}, {a=1, b=1}, {a=2, b=1}, {a=5}]";
        assert_eq!(sorted(&[("b", false), ("a", false)], list), expected);
        let list = "[{b=1,a=2}, {b=2,a=1}]";
        assert_eq!(sorted(&[("a", false), ("b", false)], list), "[{a=1, b=2}, {a=2, b=1}]");
        let list = "[{a=1,b=1}, {a=2,b=1}, {a=2,b=2}]";
        let expected = "[{a=2, b=1}, {a=2, b=2}, {a=1, b=1}]";
        assert_eq!(sorted(&[("a", true), ("b", false)], list), expected);
    }

    #[test]
    fn an_element_without_the_field_is_passed_by_nothing() {
        let list = r#"[{x="b"}, {x="A"}, {y=1}, {x="a"}]"#;
        let expected = r#"[{x="A"}, {x="b"}, {y=1}, {x="a"}]"#;
        assert_eq!(sorted(&[("x", false)], list), expected);
        assert_eq!(sorted(&[("x", false)], r#"["b", "a", 1]"#), r#"["b", "a", 1]"#);
    }

    #[test]
    fn values_compare_as_in_javascript() {
        let by_x = |list: &str| sorted(&[("x", false)], list);
        // Strings compare by UTF-16: there, an emoji is below U+FFFD.
        assert_eq!(by_x("[{x='\u{fffd}'}, {x='😀'}]"), "[{x=\"😀\"}, {x=\"\u{fffd}\"}]");
        assert_eq!(by_x("[{x='10'}, {x=9}]"), "[{x=9}, {x=\"10\"}]");
        assert_eq!(by_x("[{x='0x1F'}, {x=9}, {x=''}]"), "[{x=\"\"}, {x=9}, {x=\"0x1F\"}]");
        let long = "[{x='0xFFFFFFFFFFFFFFFFFFFF'}, {x=9}]";
        assert_eq!(by_x(long), "[{x=9}, {x=\"0xFFFFFFFFFFFFFFFFFFFF\"}]");
        for no_number in ["0x", "0x+5", "0b2", "1_0", "\u{85}20"] {
            let list = format!("[{{x=\"{no_number}\"}}, {{x=9}}]");
            assert_eq!(by_x(&list), list);
        }
        assert_eq!(by_x("[{x='\u{feff}20 '}, {x=9}]"), "[{x=9}, {x=\"\u{feff}20 \"}]");
        // In the text of a list, numbers have an exponent where JavaScript writes one.
        assert_eq!(
            by_x("[{x='1e+22'}, {x=[1e21]}]"),
            format!("[{{x=[{:.1}]}}, {{x=\"1e+22\"}}]", 1e21)
        );
        let date = "[{x=[1979-05-27]}, {x='Sun May 27 1979 00:00:00 GMT+000'}, {x='Sun'}]";
        let expected = "[{x=\"Sun\"}, {x=\"Sun May 27 1979 00:00:00 GMT+000\"}, {x=[1979-05-27]}]";
        assert_eq!(by_x(date), expected);
        assert_eq!(by_x("[{x='inf'}, {x=9}]"), "[{x=\"inf\"}, {x=9}]");
        assert_eq!(by_x("[{x=true}, {x=0.5}, {x=false}]"), "[{x=false}, {x=0.5}, {x=true}]");
        assert_eq!(by_x("[{x=1979-05-27}, {x=07:32:00}]"), "[{x=07:32:00}, {x=1979-05-27}]");
        let later = "[{x=1979-05-27T00:00:00-01:00}, {x=1979-05-27T00:59:59.5Z}]";
        let expected = "[{x=1979-05-27T00:59:59.5Z}, {x=1979-05-27T00:00:00-01:00}]";
        assert_eq!(by_x(later), expected);
        assert_eq!(by_x("[{x=[2, 1]}, {x='1'}]"), "[{x=\"1\"}, {x=[2, 1]}]");
    }

    #[test]
    fn a_script_is_refused_where_it_would_decide() {
        let rules = [("l".to_owned(), SortRule::Script)];
        let sort = |text: &str| sort_lists(&rules, &mut text.parse().unwrap());
        assert_eq!(sort("l = [1, 2]"), Err(EncodeError::SortScript { field: "l".into() }));
        for text in ["l = [1]", "l = 1", "m = [1, 2]"] {
            assert_eq!(sort(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_long_list_is_sorted_where_all_compare_and_else_refused() {
        let field = SortField { name: "x".into(), descending: false };
        let rules = [("l".to_owned(), SortRule::By(vec![field]))];
        let element =
            |x: usize| Value::Table(Table::from_iter([("x".into(), Value::from(x as i64))]));
        let mut list: Vec<Value> = (0..20 * MIXED).rev().map(element).collect();
        let mut table = Table::from_iter([("l".to_owned(), Value::Array(list.clone()))]);
        sort_lists(&rules, &mut table).unwrap();
        assert_eq!(table["l"][0], element(0));
        list.push(Value::from("no table"));
        let mut table = Table::from_iter([("l".to_owned(), Value::Array(list))]);
        let error = EncodeError::SortTooLong { field: "l".into() };
        assert_eq!(sort_lists(&rules, &mut table), Err(error));
    }
}
