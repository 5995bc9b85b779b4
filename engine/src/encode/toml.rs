//! Canonical TOML, as gitsheets writes it: keys in byte order, no existing formatting, every write
//! a new one by `toml` 0.8.23. Files of other sheets are changed in place.

pub(in crate::encode) mod edit;

use serde_json::Value as Json;
use toml_v08::value::Datetime;
use toml_v08::{Table, Value};

use super::EncodeError;
use crate::decode;
use crate::decode::toml::{shown, table_1_0, table_1_1};
use crate::pointer::Pointer;

/// Returns the canonical bytes of `record`; an empty table has no bytes.
///
/// Null keys are left out at every depth. Where the file `before` has a native date or time, a
/// string that spells one becomes native too; where it has NaN or an infinity, null keeps it. An
/// unreadable file counts as absent.
///
/// # Errors
///
/// See [`EncodeError`].
pub fn toml(record: &Json, before: Option<&str>) -> Result<String, EncodeError> {
    text(&native(record, before.and_then(|text| table_1_0(text).ok()).as_ref())?)
}

/// Returns the text of a table in a sheet that is not from gitsheets.
///
/// An existing file is changed in place. The result is read again; if it does not produce exactly
/// the table, the file is rewritten from scratch.
pub(super) fn written(table: &Table, before: Option<&str>) -> Result<String, EncodeError> {
    let expected = shown(table.clone());
    let reads_well = |text: &String| decode::toml_1_1(text.as_bytes()).as_ref() == Ok(&expected);
    match before.and_then(|before| edit::edited(before, &expected)).filter(reads_well) {
        Some(edited) => Ok(edited),
        None => text(table),
    }
}

/// Returns the canonical text of a table.
pub(super) fn text(table: &Table) -> Result<String, EncodeError> {
    toml_v08::to_string(table).map_err(|error| EncodeError::Refused { message: error.to_string() })
}

/// Returns the record as a table, restoring native values of `before`.
pub(super) fn native(record: &Json, before: Option<&Table>) -> Result<Table, EncodeError> {
    let Json::Object(members) = record else { return Err(EncodeError::NotATable) };
    table(members, before, &mut Vec::new())
}

/// Parses TOML 1.1 into the values of 1.0.
pub(super) fn parsed_1_1(text: &str) -> Option<Table> {
    Some(older_table(table_1_1(text).ok()?))
}

fn older_table(table: toml::Table) -> Table {
    table.into_iter().map(|(key, value)| (key, older(value))).collect()
}

fn older(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(integer) => Value::Integer(integer),
        toml::Value::Float(float) => Value::Float(float),
        toml::Value::Boolean(boolean) => Value::Boolean(boolean),
        // TOML 1.1 has times without seconds, which the older version cannot express.
        toml::Value::Datetime(time) => match time.to_string().parse() {
            Ok(time) => Value::Datetime(time),
            Err(_) => Value::String(time.to_string()),
        },
        toml::Value::Array(elements) => Value::Array(elements.into_iter().map(older).collect()),
        toml::Value::Table(table) => Value::Table(older_table(table)),
    }
}

/// Rejects fields with a string that contains the line `fence`, which would end the front matter.
pub(super) fn unfenced(
    front: &str,
    fields: &Table,
    fence: &'static str,
) -> Result<(), EncodeError> {
    if front.lines().all(|line| line.trim_end() != fence) {
        return Ok(());
    }
    let at = fields.iter().find_map(|(key, value)| fenced(value, fence, &mut vec![key.clone()]));
    Err(EncodeError::Fence { pointer: at.unwrap_or_default(), fence })
}

/// Finds a text with such a line.
fn fenced(value: &Value, fence: &str, path: &mut Vec<String>) -> Option<Pointer> {
    let mut below = |key: String, value: &Value| {
        path.push(key);
        let found = fenced(value, fence, path);
        path.pop();
        found
    };
    match value {
        Value::String(text) => {
            let mut lines = text.split('\n');
            let has = text.contains('\n') && lines.any(|line| line.trim_end() == fence);
            has.then(|| Pointer::of(path))
        }
        Value::Array(elements) => {
            elements.iter().enumerate().find_map(|(at, element)| below(at.to_string(), element))
        }
        Value::Table(table) => table.iter().find_map(|(key, value)| below(key.clone(), value)),
        _ => None,
    }
}

fn table(
    members: &serde_json::Map<String, Json>,
    before: Option<&Table>,
    path: &mut Vec<String>,
) -> Result<Table, EncodeError> {
    let mut table = Table::new();
    for (key, member) in members {
        path.push(key.clone());
        if let Some(value) = value(member, before.and_then(|table| table.get(key)), path)? {
            table.insert(key.clone(), value);
        }
        path.pop();
    }
    Ok(table)
}

/// Returns the TOML value, or `None` for null, which TOML lacks.
fn value(
    json: &Json,
    before: Option<&Value>,
    path: &mut Vec<String>,
) -> Result<Option<Value>, EncodeError> {
    Ok(Some(match json {
        Json::Null => return Ok(before.filter(|value| is_shown_as_null(value)).cloned()),
        Json::Bool(flag) => Value::Boolean(*flag),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Value::Integer(integer),
            (None, Some(float)) if !number.is_u64() => Value::Float(float),
            _ => return Err(EncodeError::IntegerTooLarge { pointer: Pointer::of(&*path) }),
        },
        Json::String(text) => match before {
            Some(Value::Datetime(_)) => match text.parse::<Datetime>() {
                Ok(time) => Value::Datetime(time),
                Err(_) => Value::String(text.clone()),
            },
            _ => Value::String(text.clone()),
        },
        Json::Array(elements) => {
            let before = before.and_then(Value::as_array);
            let mut array = Vec::with_capacity(elements.len());
            for (at, element) in elements.iter().enumerate() {
                path.push(at.to_string());
                let old = before.and_then(|before| before.get(at));
                let element = value(element, old, path)?;
                array.push(
                    element
                        .ok_or_else(|| EncodeError::NullInList { pointer: Pointer::of(&*path) })?,
                );
                path.pop();
            }
            Value::Array(array)
        }
        Json::Object(members) => {
            Value::Table(table(members, before.and_then(Value::as_table), path)?)
        }
    }))
}

fn is_shown_as_null(value: &Value) -> bool {
    value.as_float().is_some_and(|float| !float.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::toml_1_0;
    use proptest::prelude::*;
    use serde_json::json;

    fn written(record: Json) -> String {
        toml(&record, None).unwrap()
    }

    #[test]
    fn strings_are_written_as_the_format_says() {
        for (text, expected) in [
            ("", r#""""#),
            ("plain", r#""plain""#),
            ("it's", r#""it's""#),
            (r#"say "hi""#, r#"'say "hi"'"#),
            (r"back\slash", r"'back\slash'"),
            (r#"both ' and ""#, r#""""both ' and """""#),
            (r"C:\dir\'x'", r"'''C:\dir\'x''''"),
            (r"\'''", r#""\\'''""#),
            ("tab\there", r#""tab\there""#),
            ("a\nb", "\"\"\"\na\nb\"\"\""),
            ("a\nb\n", "\"\"\"\na\nb\n\"\"\""),
            ("x\n\"", "\"\"\"\nx\n\"\"\"\""),
            ("x\n\"\"\"y", "'''\nx\n\"\"\"y'''"),
            ("l1\r\nl2", "\"\"\"\nl1\\r\nl2\"\"\""),
            ("a\rb", r#""a\rb""#),
            ("\u{0}x\u{1b}\u{7f}\u{8}\u{c}", r#""\u0000x\u001B\u007F\b\f""#),
            ("é 😀\u{85}", "\"é 😀\u{85}\""),
        ] {
            assert_eq!(written(json!({ "a": text })), format!("a = {expected}\n"), "{text:?}");
        }
    }

    #[test]
    fn keys_are_sorted_by_their_bytes_and_bare_where_they_can_be() {
        let record = json!({"slug": "a", "Z": 1, "B": 2, "_": 3, "1": 4, "a b": 5, "é": 6});
        let expected = "1 = 4\nB = 2\nZ = 1\n_ = 3\n\"a b\" = 5\nslug = \"a\"\n\"é\" = 6\n";
        assert_eq!(written(record), expected);
    }

    #[test]
    fn numbers_never_have_an_exponent_and_keep_their_kind() {
        let record = json!({"n": 1, "f": 1.0, "g": 1e22, "h": 1e-7, "m": i64::MIN, "z": -0.0});
        let expected = "f = 1.0\ng = 10000000000000000000000.0\nh = 0.0000001\n\
                        m = -9223372036854775808\nn = 1\nz = -0.0\n";
        assert_eq!(written(record), expected);
        let pointer = Pointer::of(["a/b", "0"]);
        let error = toml(&json!({"a/b": [u64::MAX]}), None).unwrap_err();
        assert_eq!(error, EncodeError::IntegerTooLarge { pointer });
    }

    #[test]
    fn tables_follow_values_and_lists_of_tables_have_headers() {
        for (record, expected) in [
            (json!({}), ""),
            (json!({"slug": "x", "tags": [], "meta": {}}), "slug = \"x\"\ntags = []\n\n[meta]\n"),
            (json!({"slug": "x", "a": {"b": {"c": 1}}}), "slug = \"x\"\n\n[a.b]\nc = 1\n"),
            (
                json!({"slug": "x", "l": [{"b": 1}, {"b": 2}]}),
                "slug = \"x\"\n\n[[l]]\nb = 1\n\n[[l]]\nb = 2\n",
            ),
            (json!({"l": [1, {"b": 1}]}), "l = [1, { b = 1 }]\n"),
            (json!({"l": [[{"b": 1}]]}), "l = [[{ b = 1 }]]\n"),
            (
                json!({"b": 2, "a": 1, "c": {"e": 1, "d": {"f": 1}}, "g": [{"h": 1}, {"h": 2}]}),
                "a = 1\nb = 2\n\n[c]\ne = 1\n\n[c.d]\nf = 1\n\n[[g]]\nh = 1\n\n[[g]]\nh = 2\n",
            ),
        ] {
            assert_eq!(written(record), expected);
        }
    }

    #[test]
    fn null_is_absent_and_no_element_of_a_list() {
        let record = json!({"slug": "x", "bio": null, "addr": {"zip": null}});
        assert_eq!(written(record), "slug = \"x\"\n\n[addr]\n");
        let error = toml(&json!({"l": {"m": [1, null]}}), None).unwrap_err();
        assert_eq!(error, EncodeError::NullInList { pointer: Pointer::of(["l", "m", "1"]) });
        assert_eq!(toml(&json!([]), None), Err(EncodeError::NotATable));
    }

    #[test]
    fn what_comes_back_as_it_was_shown_stays_what_it_was() {
        let text = "a = 1979-05-27T07:32:00.500Z\nb = 1979-05-27T07:32:00-07:00\n\
                    c = 1979-05-27\nd = 07:32:00.25\ne = nan\nf = [inf, 1979-05-27]\n";
        let shown = toml_1_0(text.as_bytes()).unwrap();
        assert_eq!(toml(&shown, Some(text)).unwrap(), text.replace(".500Z", ".5Z"));
        // Another date in place of a date is native too; other text is a string.
        let changed = json!({"a": "1980-01-01", "c": "soon", "d": 5});
        let expected = "a = 1980-01-01\nc = \"soon\"\nd = 5\n";
        assert_eq!(toml(&changed, Some(text)).unwrap(), expected);
        assert_eq!(written(json!({"a": "1980-01-01"})), "a = \"1980-01-01\"\n");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_and_is_written_alike(
            record in super::super::tests::any_record()
        ) {
            let text = toml(&record, None).unwrap();
            prop_assert_eq!(&toml_1_0(text.as_bytes()).unwrap(), &record);
            prop_assert_eq!(&toml(&record, Some(&text)).unwrap(), &text);
        }
    }
}
