//! Secondary indexes, maintained incrementally: which records hold a value in a field.
//!
//! An index is a persistent map, like its sheet, and a pure function of the records: equal records
//! make equal indexes, in whatever order they changed.

use im::{OrdMap, OrdSet};
use smallvec::SmallVec;
use std::ops::{Bound, RangeBounds};

use crate::id::Key;
use crate::persistent_map::packed;
use crate::scalar::Scalar;
use crate::value::{FieldPath, Value};

/// The scalars of one record in one field, sorted and without duplicates.
pub type Scalars = SmallVec<[Scalar; 1]>;

/// Returns the scalars of `value` in `field`. Each element of an array counts separately; a field
/// that is absent, null or empty has none. Linear in the text.
pub fn scalars(value: &Value, field: &FieldPath) -> Scalars {
    let mut scalars = Scalars::new();
    value.visit(field, &mut |json| scalars.extend(Scalar::read(json)));
    scalars.sort_unstable();
    scalars.dedup();
    scalars
}

/// The keys of the records that hold each value of one field. Cloning it is cheap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldIndex {
    postings: OrdMap<Scalar, Postings>,
    /// The scalars that several records hold.
    shared: OrdSet<Scalar>,
    present: usize,
    multi_valued: usize,
}

/// The records that hold one value; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postings(Holders);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Holders {
    One(Key),
    /// At least two. Boxed, so that the many values held by one record take no space for it.
    Many(Box<OrdSet<Key>>),
}

impl FieldIndex {
    /// Builds the index of records in key order, each with its [`scalars`]. Several times faster
    /// than adding them one by one, with an equal result.
    pub fn of<'k>(records: impl IntoIterator<Item = (&'k Key, Scalars)>) -> Self {
        let mut index = Self::default();
        let mut entries = Vec::new();
        for (key, scalars) in records {
            index.count(&scalars, 1);
            entries.extend(scalars.into_iter().map(|scalar| (scalar, key)));
        }
        // The sort is stable, so the keys of one value stay in order.
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        let groups = entries.chunk_by(|(a, _), (b, _)| a == b).filter_map(|entries| {
            let [(scalar, first), others @ ..] = entries else { return None };
            let holders = if others.is_empty() {
                Holders::One(Key::clone(first))
            } else {
                index.shared.insert(scalar.clone());
                let keys = entries.iter().map(|(_, key)| Key::clone(key));
                Holders::Many(Box::new(packed(keys).collect()))
            };
            Some((scalar.clone(), Postings(holders)))
        });
        index.postings = packed(groups).collect();
        index
    }

    /// Returns whether no record is in the index.
    pub fn is_empty(&self) -> bool {
        self.present == 0
    }

    fn count(&mut self, scalars: &[Scalar], change: isize) {
        let counts = [(&mut self.present, 0), (&mut self.multi_valued, 1)];
        for (count, above) in counts {
            if scalars.len() > above {
                *count = count.saturating_add_signed(change);
            }
        }
    }

    /// Adds a record that is not in the index, with its [`scalars`].
    pub fn insert(&mut self, key: &Key, scalars: &[Scalar]) {
        self.count(scalars, 1);
        for scalar in scalars {
            match self.postings.get_mut(scalar) {
                None => {
                    self.postings.insert(scalar.clone(), Postings(Holders::One(key.clone())));
                }
                Some(Postings(Holders::Many(keys))) => {
                    keys.insert(key.clone());
                }
                Some(Postings(holders @ Holders::One(_))) => {
                    if let Holders::One(first) = holders {
                        let keys = [first.clone(), key.clone()].into_iter().collect();
                        *holders = Holders::Many(Box::new(keys));
                    }
                    self.shared.insert(scalar.clone());
                }
            }
        }
    }

    /// Removes a record, given the scalars that it was added with.
    pub fn remove(&mut self, key: &Key, scalars: &[Scalar]) {
        self.count(scalars, -1);
        for scalar in scalars {
            let Some(Postings(holders)) = self.postings.get_mut(scalar) else { continue };
            let Holders::Many(keys) = holders else {
                self.postings.remove(scalar);
                continue;
            };
            keys.remove(key);
            if keys.len() == 1
                && let Some(last) = keys.get_min().cloned()
            {
                *holders = Holders::One(last);
                self.shared.remove(scalar);
            }
        }
    }

    /// Returns the records that hold `scalar`, or `None` if none does.
    pub fn get(&self, scalar: &Scalar) -> Option<&Postings> {
        self.postings.get(scalar)
    }

    /// Returns the values in `range` in order, each with its records.
    pub fn range(
        &self,
        range: impl RangeBounds<Scalar>,
    ) -> impl DoubleEndedIterator<Item = (&Scalar, &Postings)> {
        self.postings.range(range)
    }

    /// Returns all values in order, each with its records.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = (&Scalar, &Postings)> {
        self.postings.iter()
    }

    /// Returns the values that several records hold. Costs only what it returns.
    pub fn duplicates(&self) -> impl Iterator<Item = (&Scalar, &Postings)> {
        self.shared.iter().filter_map(|scalar| self.postings.get_key_value(scalar))
    }

    /// Returns the number of records that hold any value.
    pub fn present(&self) -> usize {
        self.present
    }

    /// Returns the number of records that hold more than one value.
    pub fn multi_valued(&self) -> usize {
        self.multi_valued
    }
}

impl Postings {
    /// Returns the number of records. Constant time.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        match &self.0 {
            Holders::One(_) => 1,
            Holders::Many(keys) => keys.len(),
        }
    }

    /// Returns whether the record holds the value.
    pub fn contains(&self, key: &Key) -> bool {
        match &self.0 {
            Holders::One(only) => only == key,
            Holders::Many(keys) => keys.contains(key),
        }
    }

    /// Returns the keys in order.
    pub fn iter(&self) -> Keys<'_> {
        match &self.0 {
            Holders::One(key) => Keys(Some(key).into_iter().chain(None.into_iter().flatten())),
            Holders::Many(keys) => {
                Keys(None.into_iter().chain(Some(&**keys).into_iter().flatten()))
            }
        }
    }

    /// Returns the keys after `after`, in order. Logarithmic for the first.
    pub fn behind(&self, after: Option<&Key>) -> impl Iterator<Item = &Key> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (one, many) = match &self.0 {
            Holders::One(key) => (Some(key).filter(|key| after < Some(key)), None),
            Holders::Many(keys) => (None, Some(keys.range::<_, Key>((from, Bound::Unbounded)))),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

/// The keys of the records that hold one value, in order.
pub struct Keys<'a>(
    std::iter::Chain<
        std::option::IntoIter<&'a Key>,
        std::iter::Flatten<std::option::IntoIter<&'a OrdSet<Key>>>,
    >,
);

impl<'a> Iterator for Keys<'a> {
    type Item = &'a Key;

    fn next(&mut self) -> Option<&'a Key> {
        self.0.next()
    }
}

impl<'a> IntoIterator for &'a Postings {
    type Item = &'a Key;
    type IntoIter = Keys<'a>;

    fn into_iter(self) -> Keys<'a> {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use std::collections::{BTreeMap, BTreeSet};

    fn of(value: serde_json::Value) -> Scalars {
        scalars(&Value::new(&value), &FieldPath::new("f"))
    }

    #[test]
    fn a_field_holds_each_element_once_and_nothing_for_null() {
        for (value, expected) in [
            (json!({}), 0),
            (json!({"f": null}), 0),
            (json!({"f": []}), 0),
            (json!({"f": [null]}), 0),
            (json!({"f": "a"}), 1),
            (json!({"f": ["a", "b", "a"]}), 2),
            (json!({"f": [1, 1.0, "1", true]}), 3),
            (json!({"f": {"g": 1}}), 1),
        ] {
            assert_eq!(of(value.clone()).len(), expected, "{value}");
        }
    }

    /// Compares everything the index reports with a model.
    fn assert_says(index: &FieldIndex, model: &BTreeMap<Key, Scalars>) {
        let mut values: BTreeMap<Scalar, BTreeSet<Key>> = BTreeMap::new();
        for (key, scalars) in model {
            for scalar in scalars {
                values.entry(scalar.clone()).or_default().insert(key.clone());
            }
        }
        let listed: BTreeMap<Scalar, BTreeSet<Key>> = index
            .values()
            .map(|(scalar, keys)| (scalar.clone(), keys.iter().cloned().collect()))
            .collect();
        assert_eq!(listed, values);
        for (scalar, keys) in &values {
            let postings = index.get(scalar).unwrap();
            assert_eq!(postings.len(), keys.len());
            assert!(model.keys().all(|key| postings.contains(key) == keys.contains(key)));
        }
        let duplicates: Vec<_> = index.duplicates().map(|(scalar, _)| scalar).collect();
        let expected: Vec<_> =
            values.iter().filter(|(_, keys)| keys.len() > 1).map(|(scalar, _)| scalar).collect();
        assert_eq!(duplicates, expected);
        let count = |test: fn(&Scalars) -> bool| model.values().filter(|each| test(each)).count();
        assert_eq!(index.present(), count(|scalars| !scalars.is_empty()));
        assert_eq!(index.multi_valued(), count(|scalars| scalars.len() > 1));
        let mut rebuilt = FieldIndex::default();
        model.iter().rev().for_each(|(key, scalars)| rebuilt.insert(key, scalars));
        assert_eq!(*index, rebuilt);
        let at_once = FieldIndex::of(model.iter().map(|(key, scalars)| (key, scalars.clone())));
        assert_eq!(*index, at_once);
    }

    proptest! {
        #[test]
        fn a_changed_index_equals_a_rebuilt_one_and_a_model(
            steps in prop::collection::vec(
                (0..12_u8, prop::option::of(prop::collection::vec(0..6_i64, 0..4))),
                0..60,
            ),
        ) {
            let (mut index, mut model) = (FieldIndex::default(), BTreeMap::<Key, Scalars>::new());
            for (key, values) in steps {
                let key = Key::new(key.to_string());
                if let Some(old) = model.remove(&key) {
                    index.remove(&key, &old);
                }
                if let Some(values) = values {
                    let scalars = of(json!({"f": values}));
                    index.insert(&key, &scalars);
                    model.insert(key, scalars);
                }
            }
            assert_says(&index, &model);
        }
    }
}
