//! The order of a list.

use std::cmp::Ordering;

use smallvec::SmallVec;

use crate::id::Key;
use crate::query::columns::{Columns, ItemRef};
use crate::scalar::{Scalar, Stored};
use crate::value::FieldPath;

/// The order of a list. The key breaks every tie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    /// By key.
    Key,
    /// Best match first.
    Score,
    /// By these fields: at least one.
    Fields(SortFields),
}

/// One field of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SortField {
    pub(crate) field: FieldPath,
    pub(crate) descending: bool,
}

/// The fields of an order, most significant first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SortFields {
    fields: Vec<SortField>,
    columns: Columns,
}

/// The values of one record in the fields of an order, or its score.
pub(crate) type SortValues = SmallVec<[Option<Scalar>; 1]>;

/// The same values, borrowed from the record.
pub(crate) type StoredValues<'a> = SmallVec<[Option<Stored<'a>>; 1]>;

/// A position in an order: that of a record that may no longer exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) values: SortValues,
    pub(crate) key: Key,
    /// The index of the element in its record, if the items are elements.
    pub(crate) row: usize,
}

/// The position of a cursor.
pub(crate) struct AfterCursor<'q> {
    pub(crate) values: StoredValues<'q>,
    pub(crate) key: &'q Key,
    pub(crate) row: usize,
}

impl<'q> AfterCursor<'q> {
    /// Returns the value of the first sort field, if the order has one.
    pub(crate) fn first_value(&self) -> Option<Option<&Stored<'q>>> {
        self.values.first().map(Option::as_ref)
    }
}

impl Position {
    /// Returns the values for comparison.
    pub(crate) fn stored(&self) -> StoredValues<'_> {
        self.values.iter().map(|value| value.as_ref().map(Stored::from)).collect()
    }
}

impl SortField {
    /// Compares two values; a missing one sorts last in both directions.
    fn compare(&self, a: Option<&Stored<'_>>, b: Option<&Stored<'_>>) -> Ordering {
        match (a, b) {
            (Some(a), Some(b)) if self.descending => b.cmp(a),
            (Some(a), Some(b)) => a.cmp(b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        }
    }
}

impl SortFields {
    /// Returns these fields of records, or of the elements at `unnest`.
    pub(crate) fn new(fields: Vec<SortField>, unnest: Option<&FieldPath>) -> Self {
        let columns = Columns::new(fields.iter().map(|sort| &sort.field), unnest);
        Self { fields, columns }
    }

    /// Returns how many there are.
    pub(crate) fn len(&self) -> usize {
        self.fields.len()
    }

    /// Returns the most significant field.
    pub(crate) fn first(&self) -> Option<&SortField> {
        self.fields.first()
    }

    /// Returns the fields.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, SortField> {
        self.fields.iter()
    }

    /// Returns the value of an item in each field; of several values, the one that sorts first.
    /// Linear in the text of the record.
    pub(crate) fn values<'a>(&self, item: ItemRef<'a>) -> StoredValues<'a> {
        let mut values: StoredValues<'a> = self.fields.iter().map(|_| None).collect();
        self.columns.visit(item, &mut |place, found| {
            if self.fields[place].compare(Some(&found), values[place].as_ref()).is_lt() {
                values[place] = Some(found);
            }
        });
        values
    }

    /// Compares two positions in this order.
    pub(crate) fn compare(
        &self,
        (a, a_key): (&[Option<Stored<'_>>], &Key),
        (b, b_key): (&[Option<Stored<'_>>], &Key),
    ) -> Ordering {
        let compared = self.fields.iter().zip(a.iter().zip(b));
        let mut fields = compared.map(|(field, (a, b))| field.compare(a.as_ref(), b.as_ref()));
        fields.find(|order| order.is_ne()).unwrap_or_else(|| a_key.cmp(b_key))
    }
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
