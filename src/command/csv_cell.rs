//! Cells of a CSV file as values, and back.
//!
//! A cell is text, unless it is JSON of another kind: `true`, `null`, a table, a list, or a number
//! in its usual spelling. So `007` and `1.10` stay text. Text that looks like JSON is quoted as in
//! JSON. So every value survives a round trip. An empty cell is a missing field.

use headwater_engine::value::{Json, Kind};
use serde_json::Value;

/// Reads a cell that is not empty. With `is_text` the cell is always text.
pub(super) fn read(cell: &str, is_text: bool) -> Value {
    let text = || Value::String(cell.to_owned());
    match serde_json::from_str::<Value>(cell) {
        Ok(Value::String(quoted)) => Value::String(quoted),
        Ok(_) if is_text => text(),
        Ok(Value::Number(number)) if number.to_string() != cell => text(),
        Ok(value) => value,
        Err(_) => text(),
    }
}

/// Writes the cell of a value.
pub(super) fn write(value: Json<'_>) -> String {
    let Some(text) = value.as_string().filter(|_| value.kind() == Kind::String) else {
        return value.text().to_owned();
    };
    let is_plain = !text.is_empty() && read(&text, false).as_str() == Some(&*text);
    if is_plain { text.into_owned() } else { value.text().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_engine::value::Value as Record;
    use serde_json::json;

    #[test]
    fn a_cell_is_json_where_it_can_be_and_a_text_elsewhere() {
        for (cell, value) in [
            ("36", json!(36)),
            ("-1.5", json!(-1.5)),
            ("007", json!("007")),
            ("1.10", json!("1.10")),
            ("+1", json!("+1")),
            ("true", json!(true)),
            ("True", json!("True")),
            ("null", json!(null)),
            ("[1, \"a\"]", json!([1, "a"])),
            ("[not a list", json!("[not a list")),
            ("\"36\"", json!("36")),
            ("Ada, \"the\" Countess", json!("Ada, \"the\" Countess")),
            (" ", json!(" ")),
        ] {
            assert_eq!(read(cell, false), value, "{cell}");
        }
        assert_eq!(read("36", true), json!("36"));
        assert_eq!(read("\"36\"", true), json!("36"));
        assert_eq!(read("null", true), json!("null"));
    }

    #[test]
    fn every_value_comes_back_from_its_cell() {
        for value in [
            json!("Ada"),
            json!(""),
            json!("36"),
            json!("true"),
            json!("\"quoted\""),
            json!("[1]"),
            json!("1.10"),
            json!("two\nlines"),
            json!(36),
            json!(1.5),
            json!(1e300),
            json!(false),
            json!(null),
            json!({"a": [1, {"b": "c"}]}),
        ] {
            let record = Record::new(&value);
            let cell = write(record.json());
            assert!(!cell.is_empty());
            assert_eq!(read(&cell, false), value, "{cell}");
            assert!(!value.is_string() || read(&cell, true) == value, "{cell}");
        }
    }
}
