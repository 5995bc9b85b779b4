//! The place in a list that a cursor names: a JSON array of the order, the key, and the values sorted
//! by.

use serde_json::{Value, json};

use crate::cursor::Cursor;
use crate::id::{CommitId, Key};
use crate::query::order::{Order, Position, SortValues};
use crate::scalar::{Number, Scalar};

/// Returns the cursor of a place in a list of `commit`.
pub(crate) fn cursor_of(commit: CommitId, order: &Order, position: &Position) -> Cursor {
    let mut parts = vec![json!(order.to_string()), json!(position.key.as_str())];
    parts.extend(position.values.iter().map(|value| match value {
        None => Value::Null,
        Some(Scalar::Bool(boolean)) => json!(boolean),
        Some(Scalar::Number(Number::Float(float))) => json!(float),
        Some(Scalar::Number(Number::Negative(integer))) => json!(integer),
        Some(Scalar::Number(Number::Natural(integer))) => json!(integer),
        Some(Scalar::String(text) | Scalar::Moment(_, text)) => json!(**text),
        Some(Scalar::Other(text)) => json!([**text]),
    }));
    Cursor { commit, place: Value::Array(parts) }
}

/// Returns the place that a cursor names, or `None` where it names none in this order.
pub(crate) fn read(order: &Order, cursor: &Cursor) -> Option<Position> {
    let [Value::String(other), Value::String(key), values @ ..] =
        cursor.place.as_array()?.as_slice()
    else {
        return None;
    };
    let fields = match order {
        Order::Key => 0,
        Order::Score => 1,
        Order::Fields(fields) => fields.len(),
    };
    if *other != order.to_string() || values.len() != fields {
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
    Some(Position { values: values?, key: Key::new(key.as_str()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::order::SortField;
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
        Order::Fields((0..fields).map(field).collect())
    }

    proptest! {
        #[test]
        fn a_cursor_reads_as_what_was_written(
            key in ".*",
            values in prop::collection::vec(any_value(), 1..4),
        ) {
            let order = order(values.len());
            let position = Position { values: values.into(), key: Key::new(key) };
            let commit = CommitId::from_bytes([7; 20]);
            let cursor = cursor_of(commit, &order, &position);
            let cursor = Cursor::parse(&cursor.to_string()).unwrap();
            prop_assert_eq!(cursor.commit, commit);
            prop_assert_eq!(read(&order, &cursor), Some(position.clone()));
            prop_assert_eq!(read(&Order::Key, &cursor), None);
        }
    }
}
