//! Everything derived from the served records of a sheet and kept up to date with them: the
//! indexes, the digest, the hidden keys, what the public reads, and the counts of fields.

use std::sync::Arc;

use super::fields::Tally;
use super::reference_changes::Moved;
use super::shown_index::ShownIndex;
use super::shown_records;
use super::{MANY, Served, Sheet, hides};
use crate::digest::LtHash;
use crate::id::Key;
use crate::index::{FieldIndex, scalars};
use crate::layout::SheetSpec;
use crate::record::Record;
use crate::scalar::Scalar;
use crate::value::{FieldPath, Value};
use crate::workers;

/// How many records one thread sums at a time.
const CHUNK: usize = 4_096;

impl Sheet {
    /// Updates everything derived from the served records for `changed`. The parts are independent,
    /// so large changes are processed in parallel.
    pub(super) fn derive(&mut self, changed: &[(Key, Served)], moved: &mut Moved) {
        let Self { spec, served, hidden, indexes, shown, fields, hidden_fields, .. } = self;
        let (keys, of_shown) = match shown {
            Some(ShownIndex { keys, indexes }) => (Some(keys), &mut indexes[..]),
            None => (None, &mut [][..]),
        };
        let seen = match keys {
            Some(_) => shown_records::without_hidden(spec, changed),
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
        if let Some(keys) = keys {
            tasks.push(Box::new(|| shown_records::follow(keys, &seen)));
        }
        let mut of_shown = of_shown.iter_mut();
        for ((field, index), moved) in indexes.iter_mut().zip(&mut moved.values) {
            let (field, seen) = (&*field, &seen);
            if let Some(of_shown) = of_shown.next() {
                tasks.push(Box::new(move || reindex(of_shown, field, seen, None)));
            }
            tasks.push(Box::new(move || reindex(index, field, changed, moved.as_mut())));
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
