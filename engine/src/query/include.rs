//! The records that the records of a list refer to.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::budget::{Budget, STEP, TooCostly};
use crate::id::{Key, SheetName};
use crate::layout::Reference;
use crate::query::limits::MAX_FIELDS;
use crate::query::matches::{READING, reading};
use crate::query::{MAX_PAGE, QueryProblem};
use crate::record::Record;
use crate::scalar::{Scalar, Stored};
use crate::sheet::Sheet;
use crate::snapshot::Snapshot;
use crate::value::Paths;

/// The maximum number of records included with a list: all that a page refers to, unless it
/// contains lists of references.
const MAX_INCLUDED: usize = MAX_PAGE * MAX_FIELDS;

/// The maximum total size of their keys and values in bytes.
pub(crate) const MAX_BYTES: usize = 16 << 20;

/// The records that the records of a list refer to, each once.
#[derive(Debug, Clone, Default)]
pub struct Included {
    /// By sheet and key.
    pub records: BTreeMap<SheetName, BTreeMap<Key, Arc<Record>>>,
    /// Whether there were too many, or too large ones, so that some are missing.
    pub is_cut: bool,
    /// The total size of their keys and values in bytes.
    pub bytes: usize,
}

impl Included {
    /// Parses the parameter `include`: reference fields of `sheet`, separated by commas.
    ///
    /// # Errors
    ///
    /// Returns a problem for each name that is not a reference into a public sheet.
    pub fn parse(names: &str, sheet: &Sheet) -> Result<Vec<Reference>, Vec<QueryProblem>> {
        let (mut references, mut problems) = (Vec::<Reference>::new(), Vec::new());
        let spec = sheet.spec();
        for name in names.split(',').take(MAX_FIELDS + 1) {
            match spec.reference(name).filter(|reference| reference.is_public) {
                Some(reference) if references.contains(reference) => {}
                Some(reference) => references.push(reference.clone()),
                None => problems.push(format!("`{name}` is not a reference of {}", spec.name)),
            }
        }
        if names.split(',').nth(MAX_FIELDS).is_some() {
            problems.push(format!("names more than {MAX_FIELDS} fields"));
        }
        let told = |message| QueryProblem { parameter: "include".to_owned(), message };
        if problems.is_empty() {
            Ok(references)
        } else {
            Err(problems.into_iter().map(told).collect())
        }
    }

    /// Returns the records that `records` refer to by `references` and that the public sees. If a
    /// value is not unique, the first record by key is returned.
    ///
    /// Costs a lookup for each reference.
    ///
    /// # Errors
    ///
    /// [`TooCostly`] if `budget` is used up.
    pub fn of<'r>(
        snapshot: &Snapshot,
        references: &[Reference],
        records: impl IntoIterator<Item = &'r Arc<Record>>,
        budget: &Budget,
    ) -> Result<Self, TooCostly> {
        // Several elements of one record are often adjacent.
        let mut records: Vec<&Arc<Record>> = records.into_iter().collect();
        records.dedup_by(|a, b| Arc::ptr_eq(a, b));
        let (mut included, mut count) = (Self::default(), 0);
        for (reference, values) in references.iter().zip(values(references, &records, budget)) {
            let Some(sheet) = snapshot.sheet(reference.sheet.as_str()) else { continue };
            let found = included.records.entry(reference.sheet.clone()).or_default();
            for value in values.into_iter().take_while(|_| budget.spend(STEP * READING)) {
                let Some(record) = sheet.referred_to(reference.target.as_ref(), &value) else {
                    continue;
                };
                if found.contains_key(&record.key) {
                    continue;
                }
                if count == MAX_INCLUDED {
                    included.is_cut = true;
                    return budget.check().map(|()| included);
                }
                let bytes = record.key.as_str().len() + record.value.as_str().len();
                if included.bytes + bytes > MAX_BYTES {
                    included.is_cut = true;
                    return budget.check().map(|()| included);
                }
                found.insert(record.key.clone(), record.clone());
                included.bytes += bytes;
                count += 1;
            }
        }
        budget.check()?;
        Ok(included)
    }
}

/// Returns the values of each of `references` in the records, which are read once for all of them,
/// ordered by record and then as in the record.
fn values(references: &[Reference], records: &[&Arc<Record>], budget: &Budget) -> Vec<Vec<Scalar>> {
    let paths = Paths::new(references.iter().map(|reference| &reference.field));
    let mut all = vec![Vec::new(); references.len()];
    for record in records.iter().take_while(|record| budget.spend(reading(record))) {
        let mut held = vec![Vec::new(); references.len()];
        paths.visit(&record.value, &mut |place, json| held[place].extend(Stored::read(json)));
        for (all, mut held) in all.iter_mut().zip(held) {
            held.sort_unstable();
            held.dedup();
            all.extend(held.iter().map(Stored::to_scalar));
        }
    }
    all
}
