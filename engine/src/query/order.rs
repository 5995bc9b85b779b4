//! The order of a list.

use std::cmp::Ordering;

use smallvec::SmallVec;

use crate::id::Key;
use crate::index;
use crate::scalar::Scalar;
use crate::value::{FieldPath, Value};

/// What a list is ordered by; the key breaks every tie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    /// By key.
    Key,
    /// Best match first.
    Score,
    /// By these fields: at least one.
    Fields(Vec<SortField>),
}

/// One field of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SortField {
    pub(crate) field: FieldPath,
    pub(crate) descending: bool,
}

/// What one record has in the fields of an order, or its score.
pub(crate) type SortValues = SmallVec<[Option<Scalar>; 1]>;

/// A place in an order: that of a record which need not be there any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) values: SortValues,
    pub(crate) key: Key,
}

impl SortField {
    /// Returns the value to sort by: of several the one that comes first.
    pub(crate) fn value(&self, value: &Value) -> Option<Scalar> {
        let mut scalars = index::scalars(value, &self.field);
        if self.descending { scalars.pop() } else { scalars.into_iter().next() }
    }

    /// Compares two values; a missing one is last in both directions.
    pub(crate) fn compare(&self, a: Option<&Scalar>, b: Option<&Scalar>) -> Ordering {
        match (a, b) {
            (Some(a), Some(b)) if self.descending => b.cmp(a),
            (Some(a), Some(b)) => a.cmp(b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        }
    }
}

/// Returns what a record has in `fields`.
pub(crate) fn values(fields: &[SortField], value: &Value) -> SortValues {
    fields.iter().map(|field| field.value(value)).collect()
}

/// Compares two places in the order of `fields`.
pub(crate) fn compare(
    fields: &[SortField],
    (a, a_key): (&[Option<Scalar>], &Key),
    (b, b_key): (&[Option<Scalar>], &Key),
) -> Ordering {
    let compared = fields.iter().zip(a.iter().zip(b));
    let fields = compared.map(|(field, (a, b))| field.compare(a.as_ref(), b.as_ref()));
    fields.fold(Ordering::Equal, Ordering::then).then_with(|| a_key.cmp(b_key))
}

impl std::fmt::Display for Order {
    /// Writes the order as the `sort` parameter spells it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key => Ok(()),
            Self::Score => f.write_str("*"),
            Self::Fields(fields) => {
                for (at, SortField { field, descending }) in fields.iter().enumerate() {
                    let comma = if at > 0 { "," } else { "" };
                    write!(f, "{comma}{}{field}", if *descending { "-" } else { "" })?;
                }
                Ok(())
            }
        }
    }
}
