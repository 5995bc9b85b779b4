//! The position in a list that a cursor denotes: a JSON array of the order, the key, and the sort
//! values.

use serde_json::{Value, json};

use crate::cursor::Cursor;
use crate::id::{CommitId, Key};
use crate::query::columns::is_key;
use crate::query::sort_order::{Order, Position, SortValues};
use crate::scalar::{Number, Scalar};

/// Returns the cursor of a position in a list of `commit` of the kind `list`.
pub(crate) fn cursor_of(commit: CommitId, list: &str, position: &Position) -> Cursor {
    let key = position.key.as_str();
    let mut parts = vec![json!(list), json!([key, position.row])];
    if position.row == 0 {
        parts[1] = json!(key);
    }
    parts.extend(position.values.iter().map(|value| match value {
        None => Value::Null,
        Some(Scalar::Bool(boolean)) => json!(boolean),
        Some(Scalar::Number(Number::Float(float))) => json!(float),
        Some(Scalar::Number(Number::Negative(integer))) => json!(integer),
        Some(Scalar::Number(Number::Natural(integer))) => json!(integer),
        Some(Scalar::String(text)) => json!(**text),
        Some(Scalar::Timestamp(text)) => json!(text.as_str()),
        Some(Scalar::Other(text)) => json!([**text]),
    }));
    Cursor { commit, place: Value::Array(parts) }
}

/// Returns the cursor after the given number of groups of a list.
pub(crate) fn cursor_of_groups(commit: CommitId, list: &str, passed: usize) -> Cursor {
    Cursor { commit, place: json!([list, passed]) }
}

/// Returns the number of groups before a cursor, or `None` if it does not belong to this list.
pub(crate) fn read_groups(list: &str, cursor: &Cursor) -> Option<usize> {
    let [Value::String(other), passed] = cursor.place.as_array()?.as_slice() else { return None };
    passed.as_u64().filter(|_| other == list)?.try_into().ok()
}

/// Returns the position that a cursor denotes, or `None` if it does not belong to this list and
/// order.
pub(crate) fn read(list: &str, order: &Order, cursor: &Cursor) -> Option<Position> {
    let [Value::String(other), name, values @ ..] = cursor.place.as_array()?.as_slice() else {
        return None;
    };
    let (key, row) = match name {
        Value::String(key) => (key.as_str(), 0),
        Value::Array(name) => match &name[..] {
            [Value::String(key), row] => (key.as_str(), row.as_u64()?.try_into().ok()?),
            _ => return None,
        },
        _ => return None,
    };
    let fields = match order {
        Order::Key => 0,
        Order::Score => 1,
        Order::Fields(fields) => fields.len(),
    };
    if other != list || values.len() != fields {
        return None;
    }
    let values: Option<SortValues> = values
        .iter()
        .map(|value| {
            Some(match value {
                Value::Null => None,
                Value::Bool(boolean) => Some(Scalar::Bool(*boolean)),
                Value::Number(number) => Some(Scalar::Number(Number::parse(&number.to_string())?)),
                Value::String(text) => Some(Scalar::string(text)),
                Value::Array(one) => Some(Scalar::Other(one.first()?.as_str()?.into())),
                Value::Object(_) => return None,
            })
        })
        .collect();
    let mut values = values?;
    if let Order::Fields(fields) = order {
        // A key is a string, whatever it spells.
        for (value, _) in values.iter_mut().zip(fields.iter()).filter(|(_, it)| is_key(&it.field)) {
            if let Some(Scalar::Timestamp(text)) = value {
                *value = Some(Scalar::String(text.as_str().into()));
            }
        }
    }
    Some(Position { values, key: Key::new(key), row })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::sort_order::{SortField, SortFields};
    use crate::value::FieldPath;
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Option<Scalar>> {
        let number = |text: String| Scalar::Number(Number::parse(&text).unwrap());
        prop_oneof![
            Just(None),
            any::<bool>().prop_map(|boolean| Some(Scalar::Bool(boolean))),
            any::<u64>().prop_map(move |integer| Some(number(integer.to_string()))),
            any::<i64>().prop_map(move |integer| Some(number(integer.to_string()))),
            (-1_i128 << 66..1 << 66).prop_map(move |integer| Some(number(integer.to_string()))),
            (-1e300..1e300_f64).prop_map(move |float| Some(number(float.to_string()))),
            ".*".prop_map(|text| Some(Scalar::string(&text))),
            ".*".prop_map(|text| Some(Scalar::Other(text.into()))),
        ]
    }

    fn order(fields: usize) -> Order {
        let field =
            |n: usize| SortField { field: FieldPath::new(format!("f{n}")), descending: n % 2 == 1 };
        Order::Fields(SortFields::new((0..fields).map(field).collect(), None))
    }

    proptest! {
        #[test]
        fn a_cursor_reads_as_what_was_written(
            key in ".*",
            row in 0..9_usize,
            values in prop::collection::vec(any_value(), 1..4),
        ) {
            let order = order(values.len());
            let position = Position { values: values.into(), key: Key::new(key), row };
            let commit = CommitId::from_bytes([7; 20]);
            let list = order.to_string();
            let cursor = cursor_of(commit, &list, &position);
            let cursor = Cursor::parse(&cursor.to_string()).unwrap();
            prop_assert_eq!(cursor.commit, commit);
            prop_assert_eq!(read(&list, &order, &cursor), Some(position.clone()));
            prop_assert_eq!(read("", &Order::Key, &cursor), None);
            prop_assert_eq!(read("x", &order, &cursor), None);
            prop_assert_eq!(read_groups(&list, &cursor), None);
            let groups = cursor_of_groups(commit, &list, row);
            prop_assert_eq!(read_groups(&list, &groups), Some(row));
            prop_assert_eq!(read_groups("x", &groups), None);
        }
    }
}
