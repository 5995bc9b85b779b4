//! A sheet: the records of one folder in key order, with their indexes, problems and digest.
//!
//! Every map is persistent, so a clone costs a few pointers and a change costs what it touches.

mod fields;
mod slot;

use std::sync::Arc;

use im::{OrdMap, OrdSet};

use crate::digest::LtHash;
use crate::id::Key;
use crate::index::{FieldIndex, scalars};
use crate::layout::SheetSpec;
use crate::problem::{Problem, Rule};
use crate::record::Record;
use crate::value::{FieldPath, Kind};

pub use fields::FieldCounts;
pub use slot::{Claimant, Content, Slot};

/// The state of one sheet at one commit.
#[derive(Debug, Clone)]
pub struct Sheet {
    spec: Arc<SheetSpec>,
    slots: OrdMap<Key, Slot>,
    served: usize,
    /// The keys of the served records that are hidden.
    hidden: OrdSet<Key>,
    indexes: Vec<(FieldPath, FieldIndex)>,
    /// The slots that have problems, with them.
    problems: OrdMap<Key, Arc<[Problem]>>,
    /// Files whose names make them no record whatever they hold, by the bytes of their paths.
    misnamed: OrdMap<Box<[u8]>, Problem>,
    fields: FieldCounts,
    /// The sum over the served records.
    records_sum: LtHash,
    /// The sum over the problems of the slots.
    problems_sum: LtHash,
}

/// What a change did to the record that a key serves.
#[derive(Debug, Clone)]
pub struct Served {
    /// The record that was served before.
    pub before: Option<Arc<Record>>,
    /// The record that is served now.
    pub after: Option<Arc<Record>>,
}

impl Served {
    /// Says whether the value that is served is another one. A record that moved to another file
    /// or blob with the same value is the same to every reader.
    pub fn differs(&self) -> bool {
        let value = |record| Option::as_ref(record).map(|record: &Arc<Record>| &record.value);
        value(&self.before) != value(&self.after)
    }
}

impl Sheet {
    /// Returns a sheet that holds nothing yet.
    pub fn new(spec: Arc<SheetSpec>) -> Self {
        let mut fields: Vec<_> = spec.index.iter().chain(&spec.unique).cloned().collect();
        fields.sort_unstable();
        fields.dedup();
        Self {
            spec,
            slots: OrdMap::new(),
            served: 0,
            hidden: OrdSet::new(),
            indexes: fields.into_iter().map(|field| (field, FieldIndex::default())).collect(),
            problems: OrdMap::new(),
            misnamed: OrdMap::new(),
            fields: FieldCounts::default(),
            records_sum: LtHash::new(),
            problems_sum: LtHash::new(),
        }
    }

    /// Returns the definition.
    pub fn spec(&self) -> &Arc<SheetSpec> {
        &self.spec
    }

    /// Returns how many records are served, hidden ones included.
    pub fn len(&self) -> usize {
        self.served
    }

    /// Says whether no record is served.
    pub fn is_empty(&self) -> bool {
        self.served == 0
    }

    /// Returns how many keys and misnamed files there are, served or not.
    pub fn claimed(&self) -> usize {
        self.slots.len() + self.misnamed.len()
    }

    /// Returns the record served under `key`, hidden or not. Logarithmic.
    pub fn record(&self, key: &str) -> Option<&Arc<Record>> {
        self.slots.get(key).and_then(Slot::served)
    }

    /// Returns the served records in key order, hidden ones included.
    pub fn records(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.slots.values().filter_map(Slot::served)
    }

    /// Returns the served records whose keys come behind `after`, in key order.
    pub fn records_behind(&self, after: &str) -> impl Iterator<Item = &Arc<Record>> {
        use std::ops::Bound;
        let behind = (Bound::Excluded(after), Bound::Unbounded);
        self.slots.range::<_, str>(behind).filter_map(|(_, slot)| slot.served())
    }

    /// Says whether the public sees `record`: the sheet is public and the record not hidden.
    pub fn shows(&self, record: &Record) -> bool {
        self.spec.public && !self.hides(record)
    }

    /// Returns how many records the public sees. Constant time.
    pub fn shown(&self) -> usize {
        if self.spec.public { self.served - self.hidden.len() } else { 0 }
    }

    /// Returns the keys of the served records that are hidden.
    pub fn hidden(&self) -> &OrdSet<Key> {
        &self.hidden
    }

    /// Says whether the field that hides records is set. Null and `false` leave it unset.
    fn hides(&self, record: &Record) -> bool {
        let field = self.spec.hidden.as_ref().and_then(|field| record.value.at(field));
        field.is_some_and(|json| json.kind() != Kind::Bool || json.text() == "true")
    }

    /// Returns the index over `field`, if the sheet declares one.
    pub fn index(&self, field: &str) -> Option<&FieldIndex> {
        self.indexes.iter().find(|(name, _)| name.as_str() == field).map(|(_, index)| index)
    }

    /// Returns the fields that occur in the served records, with how many records have each.
    pub fn fields(&self) -> &FieldCounts {
        &self.fields
    }

    /// Returns the problems of the files of this sheet and those between its records, in order.
    /// Those of its definition are not among them.
    pub fn problems(&self) -> Vec<Problem> {
        self.problems_of(&|_| true)
    }

    /// Returns the problems that the public may know of: none that names a hidden record.
    pub fn public_problems(&self) -> Vec<Problem> {
        if self.spec.public { self.problems_of(&|key| !self.hidden.contains(key)) } else { vec![] }
    }

    fn problems_of(&self, shown: &dyn Fn(&Key) -> bool) -> Vec<Problem> {
        let files = self.problems.iter().filter(|(key, _)| shown(key));
        let files = files.flat_map(|(_, problems)| problems.iter().cloned());
        let names = self.misnamed.values().cloned();
        let mut all: Vec<_> = files.chain(names).chain(self.duplicates(shown)).collect();
        all.sort_unstable();
        all
    }

    /// Puts `content` where the file at `path` claims `key`, or takes the claim away, and returns
    /// what that did to the served record. Costs the logarithm of the sheet, times its indexes.
    pub fn put(&mut self, key: &Key, path: &str, content: Option<Content>) -> Served {
        let old = self.slots.get(key);
        let before = old.and_then(Slot::served).cloned();
        let new = Slot::with(old, path, content);
        let after = new.as_ref().and_then(Slot::served).cloned();
        self.replace_problems(key, new.as_ref());
        match new {
            Some(slot) => self.slots.insert(key.clone(), slot),
            None => self.slots.remove(key),
        };
        self.replace_record(key, before.as_deref(), after.as_deref());
        Served { before, after }
    }

    /// Notes that the file at `path` has a name that makes it no record, or that it is gone.
    pub fn put_misnamed(&mut self, path: &[u8], problem: Option<Problem>) {
        let old = match &problem {
            Some(problem) => self.misnamed.insert(path.into(), problem.clone()),
            None => self.misnamed.remove(path),
        };
        if let Some(old) = old {
            fold_problem(&mut self.problems_sum, &old, LtHash::remove);
        }
        if let Some(new) = problem {
            fold_problem(&mut self.problems_sum, &new, LtHash::add);
        }
    }

    /// Feeds everything of this sheet that a reader can tell apart into `hasher`.
    pub(crate) fn hash_into(&self, hasher: &mut blake3::Hasher) {
        self.records_sum.hash_into(hasher);
        self.problems_sum.hash_into(hasher);
        let mut between = LtHash::new();
        self.duplicates(&|_| true)
            .for_each(|problem| fold_problem(&mut between, &problem, LtHash::add));
        between.hash_into(hasher);
    }

    /// Writes everything this sheet holds, so that two states can be compared line by line.
    pub(crate) fn dump(&self, out: &mut Vec<String>) {
        // A new field does not compile until somebody decides how it is compared.
        let Self {
            spec,
            slots,
            served,
            hidden,
            indexes,
            problems,
            misnamed,
            fields,
            records_sum,
            problems_sum,
        } = self;
        let name = &spec.name;
        out.push(format!(
            "sheet {name} served {served} hidden {hidden:?} {records_sum:?} {problems_sum:?}"
        ));
        out.extend(slots.iter().map(|(key, slot)| format!("{name} slot {key} {slot:?}")));
        out.extend(problems.iter().map(|(key, list)| format!("{name} problems {key} {list:?}")));
        out.extend(misnamed.values().map(|problem| format!("{name} misnamed {problem:?}")));
        out.extend(indexes.iter().map(|(field, index)| format!("{name} index {field} {index:?}")));
        out.push(format!("{name} fields {fields:?}"));
    }

    fn replace_problems(&mut self, key: &Key, slot: Option<&Slot>) {
        let new = slot.map(|slot| slot.problems(&self.spec.name, key)).unwrap_or_default();
        if let Some(old) = self.problems.remove(key) {
            old.iter().for_each(|p| fold_problem(&mut self.problems_sum, p, LtHash::remove));
        }
        if !new.is_empty() {
            new.iter().for_each(|p| fold_problem(&mut self.problems_sum, p, LtHash::add));
            self.problems.insert(key.clone(), new.into());
        }
    }

    fn replace_record(&mut self, key: &Key, before: Option<&Record>, after: Option<&Record>) {
        if before.map(|record| &record.value) == after.map(|record| &record.value) {
            return;
        }
        let name = self.spec.name.clone();
        let element = |record: &Record, sum: &mut LtHash, fold: fn(&mut LtHash, &[&[u8]])| {
            let value = record.value.as_str().as_bytes();
            fold(sum, &[name.as_str().as_bytes(), key.as_str().as_bytes(), value]);
        };
        if let Some(before) = before {
            element(before, &mut self.records_sum, LtHash::remove);
            self.fields.remove(&before.value);
            self.served -= 1;
            self.hidden.remove(key);
        }
        if let Some(after) = after {
            element(after, &mut self.records_sum, LtHash::add);
            self.fields.add(&after.value);
            self.served += 1;
            if self.hides(after) {
                self.hidden.insert(key.clone());
            }
        }
        for (field, index) in &mut self.indexes {
            let read = |record: Option<&Record>| record.map(|record| scalars(&record.value, field));
            let (old, new) = (read(before).unwrap_or_default(), read(after).unwrap_or_default());
            if old != new {
                index.remove(key, &old);
                index.insert(key, &new);
            }
        }
    }

    /// Finds values held twice in the fields declared unique: one problem for each record but the
    /// first, so that it heals when any of them changes. Left out are those that name a record
    /// which is not `shown`.
    fn duplicates(&self, shown: &dyn Fn(&Key) -> bool) -> impl Iterator<Item = Problem> {
        let unique = self.spec.unique.iter();
        let indexes = unique.filter_map(|field| Some((field, self.index(field.as_str())?)));
        indexes.flat_map(move |(field, index)| {
            index.duplicates().flat_map(move |(_, keys)| {
                let mut keys = keys.iter();
                let first = keys.next().filter(|key| shown(key));
                keys.filter(|key| shown(key)).filter_map(move |key| {
                    let first = self.record(first?.as_str())?;
                    let record = self.record(key.as_str())?;
                    let message =
                        format!("the value of `{field}` is unique and {} has it", first.path);
                    let pointer = format!("/{}", field.segments().collect::<Vec<_>>().join("/"));
                    let problem =
                        Problem::new(&self.spec.name, &*record.path, Rule::NotUnique, message);
                    Some(problem.pointing_to(pointer))
                })
            })
        })
    }
}

fn fold_problem(sum: &mut LtHash, problem: &Problem, fold: fn(&mut LtHash, &[&[u8]])) {
    let Problem { sheet, path, line, column, pointer, rule, message } = problem;
    let sheet = sheet.as_ref().map_or("", |sheet| sheet.as_str());
    let place = [line.unwrap_or(0).to_le_bytes(), column.unwrap_or(0).to_le_bytes()].concat();
    let pointer = pointer.as_deref().unwrap_or_default();
    let parts = [sheet, path, pointer, rule.as_str(), message].map(str::as_bytes);
    fold(sum, &[&parts[..], &[&place[..]]].concat());
}
