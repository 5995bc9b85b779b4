//! Cursors: a place in a list of one commit as an opaque text that needs no escaping in a URL.
//!
//! It is base64 of the hash of the commit, and behind it of a JSON array: the order, the key, and
//! the values sorted by.

use serde_json::{Value, json};

use crate::id::{CommitId, Key};
use crate::query::order::{Order, Position, SortValues};
use crate::scalar::{Number, Scalar};

/// Longer cursors are not ours.
const MAX_BYTES: usize = 64 * 1024;

/// How long the hash of a commit is.
const HASH: usize = 20;

/// Writes a place in a list of `commit` as a cursor.
pub(crate) fn encode(commit: CommitId, order: &Order, position: &Position) -> String {
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
    let mut bytes = commit.as_bytes().to_vec();
    bytes.extend_from_slice(Value::Array(parts).to_string().as_bytes());
    to_base64(&bytes)
}

/// Returns the commit of the list that a cursor is about; `None` where it is no cursor.
pub fn commit_of(cursor: &str) -> Option<CommitId> {
    // A third more digits than bytes, and the last one of a group of four.
    let head = cursor.get(..HASH.div_ceil(3) * 4)?;
    let hash = from_base64(head)?;
    Some(CommitId::from_bytes(hash.get(..HASH)?.try_into().ok()?))
}

/// Reads a cursor, or returns `None` where it is none for this order.
pub(crate) fn decode(order: &Order, cursor: &str) -> Option<Position> {
    if cursor.len() > MAX_BYTES {
        return None;
    }
    let json: Value = serde_json::from_slice(from_base64(cursor)?.get(HASH..)?).ok()?;
    let [Value::String(other), Value::String(key), values @ ..] = json.as_array()?.as_slice()
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

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Writes base64 in the alphabet for URLs, without padding.
fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| {
            bits << 8 | u32::from(chunk.get(at).copied().unwrap_or_default())
        });
        for digit in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(bits >> (18 - 6 * digit) & 63) as usize]));
        }
    }
    text
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let digit = |symbol: &u8| ALPHABET.iter().position(|other| other == symbol);
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for at in 0..4 {
            bits = bits << 6 | chunk.get(at).map_or(Some(0), digit)? as u32;
        }
        bytes.extend(bits.to_be_bytes()[1..].iter().take((chunk.len() * 6 / 8).max(1)));
    }
    Some(bytes)
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
            let cursor = encode(commit, &order, &position);
            prop_assert_eq!(commit_of(&cursor), Some(commit));
            prop_assert!(cursor.bytes().all(|byte| ALPHABET.contains(&byte)));
            prop_assert_eq!(decode(&order, &cursor), Some(position.clone()));
            prop_assert_eq!(decode(&Order::Key, &cursor), None);
        }

        #[test]
        fn whatever_else_is_given_is_refused_or_read(text in "\\PC{0,80}|[A-Za-z0-9_-]{0,80}") {
            let _ = (decode(&order(1), &text), commit_of(&text));
            let _ = decode(&Order::Score, &to_base64(text.as_bytes()));
        }
    }
}
