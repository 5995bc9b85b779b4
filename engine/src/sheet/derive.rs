//! Everything derived from the served records of a sheet and kept up to date with them: the
//! indexes, the digest, the hidden keys, what the public reads, and the counts of fields.

use std::sync::Arc;

use im::OrdSet;

use super::fields::Tally;
use super::reference_changes::Moved;
use super::shown_records::ShownRecords;
use super::{MANY, Served, Sheet, Slot, hides};
use crate::digest::LtHash;
use crate::id::Key;
use crate::index::{FieldIndex, scalars};
use crate::layout::SheetSpec;
use crate::persistent_map::packed;
use crate::record::Record;
use crate::scalar::Scalar;
use crate::value::{FieldPath, Value};
use crate::workers;

/// How many records one thread sums at a time.
const CHUNK: usize = 4_096;

/// The part of the records, as a divisor, that may be hidden so that taking them out of an index costs
/// less than another index.
const FEW: usize = 8;

impl Sheet {
    /// Updates everything derived from the served records for `changed`, and adds the slots `first` of a
    /// sheet that was empty, in key order. The parts are independent, so large changes are processed in
    /// parallel.
    pub(super) fn derive(
        &mut self,
        changed: &[(Key, Served)],
        first: Vec<(Key, Slot)>,
        moved: &mut Moved,
    ) {
        let Self { spec, slots, served, hidden, indexes, shown, fields, hidden_fields, .. } = self;
        let (keys, of_shown) = match shown {
            Some(ShownRecords { keys, indexes }) => (Some(keys), &mut indexes[..]),
            None => (None, &mut [][..]),
        };
        let seen = match keys {
            Some(_) => without_hidden(spec, changed),
            None => Vec::new(),
        };
        let mut sums = vec![Sums::default(); changed.len().div_ceil(CHUNK)];
        let mut tasks: Vec<workers::Task<'_>> = Vec::new();
        moved.watch(spec, indexes.iter().map(|(field, _)| field));
        // The longest task comes first, so that no core waits for it at the end.
        tasks.push(Box::new(|| {
            // Anyone can see the names of fields, so those of hidden records count separately.
            let (mut tally, mut hidden_tally) = (Tally::default(), Tally::default());
            for (key, Served { before, after }) in changed {
                if let Some(before) = before {
                    *served -= 1;
                    match hidden.remove(key) {
                        Some(_) => hidden_tally.add(&before.value, -1),
                        None => tally.add(&before.value, -1),
                    }
                }
                if let Some(after) = after {
                    *served += 1;
                    if hides(spec, &after.value) {
                        hidden.insert(key.clone());
                        hidden_tally.add(&after.value, 1);
                    } else {
                        tally.add(&after.value, 1);
                    }
                }
            }
            fields.settle(tally);
            hidden_fields.settle(hidden_tally);
        }));
        tasks.push(Box::new(move || slots.extend(packed(first))));
        if let Some(keys) = keys {
            tasks.push(Box::new(|| follow(keys, &seen)));
        }
        let mut of_shown = of_shown.iter_mut();
        for ((field, index), moved) in indexes.iter_mut().zip(&mut moved.values) {
            let (field, seen, of_shown) = (&*field, &seen, of_shown.next());
            tasks.push(Box::new(move || {
                let is_new = index.is_empty();
                reindex(index, field, changed, moved.as_mut());
                match of_shown {
                    Some(of_shown) if is_new => *of_shown = shown_part(index, field, changed, seen),
                    Some(of_shown) => reindex(of_shown, field, seen, None),
                    None => {}
                }
            }));
        }
        for (sum, changed) in sums.iter_mut().zip(changed.chunks(CHUNK)) {
            tasks.push(Box::new(|| sum.add_up(spec, changed)));
        }
        if spec.referenced.contains(&None) {
            let comes_or_goes = |served: &Served| served.before.is_some() != served.after.is_some();
            let keys = changed.iter().filter(|(_, served)| comes_or_goes(served));
            moved.keys.extend(keys.map(|(key, _)| Scalar::string(key.as_str())));
        }
        if changed.len() < MANY {
            tasks.into_iter().for_each(|task| task());
        } else {
            workers::run(tasks);
        }
        for Sums { shown, hidden } in &sums {
            self.shown_sum.merge(shown);
            self.hidden_sum.merge(hidden);
        }
    }
}

/// Returns the part of `index`, over `field` of the new records `changed`, for those of them that are
/// `seen`. It shares the memory of `index`, unless many are not.
fn shown_part(
    index: &FieldIndex,
    field: &FieldPath,
    changed: &[(Key, Served)],
    seen: &[(Key, Served)],
) -> FieldIndex {
    if seen.len() < changed.len() - changed.len() / FEW {
        let mut part = FieldIndex::default();
        reindex(&mut part, field, seen, None);
        return part;
    }
    let mut part = index.clone();
    let mut seen = seen.iter().peekable();
    for (key, Served { after, .. }) in changed {
        let shown = seen.next_if(|(shown, _)| shown == key);
        if let Some(record) = after
            && shown.is_none_or(|(_, shown)| shown.after.is_none())
        {
            part.remove(key, &scalars(&record.value, field));
        }
    }
    part
}

/// Updates the index over `field` for `changed`, and adds the values that entered or left it to
/// `moved`.
fn reindex(
    index: &mut FieldIndex,
    field: &FieldPath,
    changed: &[(Key, Served)],
    mut moved: Option<&mut Vec<Scalar>>,
) {
    let read = |record: &Option<Arc<Record>>| {
        record.as_ref().map(|record| scalars(&record.value, field)).unwrap_or_default()
    };
    if index.is_empty() && changed.len() >= MANY {
        *index = FieldIndex::of(changed.iter().map(|(key, served)| (key, read(&served.after))));
        if let Some(moved) = moved {
            moved.extend(index.values().map(|(scalar, _)| scalar.clone()));
        }
        return;
    }
    for (key, Served { before, after }) in changed {
        let (old, new) = (read(before), read(after));
        if old != new {
            index.remove(key, &old);
            if let Some(moved) = &mut moved {
                let is_new = |scalar: &&Scalar| index.get(scalar).is_none();
                moved.extend(old.iter().chain(&new).filter(is_new).cloned());
            }
            index.insert(key, &new);
        }
    }
}

/// The changes to the sums over the records, hidden and other.
#[derive(Clone, Default)]
struct Sums {
    shown: LtHash,
    hidden: LtHash,
}

impl Sums {
    fn add_up(&mut self, spec: &SheetSpec, changed: &[(Key, Served)]) {
        for (key, Served { before, after }) in changed {
            let (name, key) = (spec.name.as_str().as_bytes(), key.as_str().as_bytes());
            if let Some(Record { value, .. }) = before.as_deref() {
                self.of(spec, value).remove(&[name, key, value.as_str().as_bytes()]);
            }
            if let Some(Record { value, .. }) = after.as_deref() {
                self.of(spec, value).add(&[name, key, value.as_str().as_bytes()]);
            }
        }
    }

    fn of(&mut self, spec: &SheetSpec, value: &Value) -> &mut LtHash {
        if hides(spec, value) { &mut self.hidden } else { &mut self.shown }
    }
}

/// Returns the changes as whoever does not see hidden records sees them.
fn without_hidden(spec: &SheetSpec, changed: &[(Key, Served)]) -> Vec<(Key, Served)> {
    let shown =
        |record: &Option<Arc<Record>>| record.clone().filter(|record| !hides(spec, &record.value));
    let changes = changed.iter().map(|(key, Served { before, after })| {
        (key.clone(), Served { before: shown(before), after: shown(after) })
    });
    changes.filter(|(_, served)| served.before.is_some() || served.after.is_some()).collect()
}

/// Updates `keys` for changes in key order.
fn follow(keys: &mut OrdSet<Key>, changed: &[(Key, Served)]) {
    if keys.is_empty() && changed.len() >= MANY {
        let served = changed.iter().filter(|(_, served)| served.after.is_some());
        *keys = packed(served.map(|(key, _)| key.clone())).collect();
        return;
    }
    for (key, served) in changed {
        match served.after {
            Some(_) => drop(keys.insert(key.clone())),
            None => drop(keys.remove(key)),
        }
    }
}
