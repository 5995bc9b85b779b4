//! A sheet: the records of one folder in key order, with their indexes, problems and digest.
//!
//! Every map is persistent, so a clone costs a few pointers, and a change costs only what it
//! touches.

mod dangling;
mod derive;
mod fields;
mod list_membership;
mod reference_changes;
mod problems;
mod references;
mod shown_lookup;
mod shown_records;
mod slot;
mod confusable_keys;
mod problem_cache;
mod visited_holders;
mod withheld_files;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use im::ordmap::DiffItem;
use im::{OrdMap, OrdSet};
use serde_json::Value as Json;

use crate::digest::{LtHash, hash_part};
use crate::encode::path_of;
use crate::id::Key;
use crate::index::FieldIndex;
use crate::layout::{RenderError, SheetSpec};
use crate::problem::{Problem, Rule};
use crate::record::Record;
use crate::scalar::Scalar;
use crate::search::DocName;
use crate::tables::Table;
use crate::value::{FieldPath, Value};

use dangling::Dangling;

pub(crate) use confusable_keys::others as spellings;
pub use fields::FieldCounts;
use problem_cache::ProblemCache;
pub(crate) use reference_changes::Moved;
pub(crate) use references::Link;
use shown_records::ShownRecords;
pub use slot::{Claimant, Content, Slot, SlotUpdate};
pub(crate) use visited_holders::VisitedHolders;

/// The number of changed records from which starting more threads pays off.
const MANY: usize = 500;

/// The number of files that determine the usual format of a folder.
const NEAR: usize = 1000;

/// The state of one sheet at one commit.
#[derive(Debug, Clone)]
pub struct Sheet {
    spec: Arc<SheetSpec>,
    slots: OrdMap<Key, Slot>,
    served: usize,
    /// The keys of the served records that are hidden.
    hidden: OrdSet<Key>,
    /// The keys whose records an earlier state had and the present one keeps back.
    withdrawn: OrdSet<Key>,
    /// The indexes over all served records.
    indexes: Vec<(FieldPath, FieldIndex)>,
    /// What the public reads, if the sheet hides records; otherwise that is everything.
    shown: Option<ShownRecords>,
    /// The slots that have problems, with the problems.
    problems: OrdMap<Key, Arc<[Problem]>>,
    /// The references that match no record.
    dangling: Dangling,
    /// Files whose names prevent them from being records, whatever they contain, by the bytes of
    /// their paths.
    misnamed: OrdMap<Box<[u8]>, Problem>,
    /// The files of many records, by path.
    tables: OrdMap<Box<str>, Arc<Table>>,
    /// How many pieces of these files are not records.
    unread: usize,
    /// The fields of the served records that are not hidden.
    fields: FieldCounts,
    /// The fields of the hidden ones.
    hidden_fields: FieldCounts,
    /// The sum over the served records that are not hidden.
    shown_sum: LtHash,
    /// The sum over the served records that are hidden.
    hidden_sum: LtHash,
    /// The sum over the problems of slots and references.
    problems_sum: LtHash,
    /// What was found out about the problems since the last change.
    problem_cache: ProblemCache,
}

/// The effect of a change on the record served under a key.
#[derive(Debug, Clone)]
pub struct Served {
    /// The record that was served before.
    pub before: Option<Arc<Record>>,
    /// The record that is served now.
    pub after: Option<Arc<Record>>,
}

impl Served {
    /// Returns whether the served value changed. A record that moved to another file or blob with
    /// the same value looks the same to every reader.
    pub fn differs(&self) -> bool {
        let text =
            |record| Option::as_ref(record).map(|record: &Arc<Record>| record.value.as_str());
        text(&self.before) != text(&self.after)
    }

    /// Returns whether the value, or the fields from its path, changed.
    fn is_other(&self) -> bool {
        let value = |record| Option::as_ref(record).map(|record: &Arc<Record>| &record.value);
        value(&self.before) != value(&self.after)
    }
}

impl Sheet {
    /// Returns an empty sheet.
    pub fn new(spec: Arc<SheetSpec>) -> Self {
        let fields = spec.indexed().into_iter();
        Self {
            dangling: Dangling::new(spec.refs.len()),
            shown: ShownRecords::none_of(&spec),
            spec,
            slots: OrdMap::new(),
            served: 0,
            hidden: OrdSet::new(),
            withdrawn: OrdSet::new(),
            indexes: fields.map(|field| (field, FieldIndex::default())).collect(),
            problems: OrdMap::new(),
            misnamed: OrdMap::new(),
            tables: OrdMap::new(),
            unread: 0,
            fields: FieldCounts::default(),
            hidden_fields: FieldCounts::default(),
            shown_sum: LtHash::new(),
            hidden_sum: LtHash::new(),
            problems_sum: LtHash::new(),
            problem_cache: ProblemCache::default(),
        }
    }

    /// Adopts the definition of a later commit, which must read every path like the current one.
    pub(crate) fn follow(&mut self, spec: Arc<SheetSpec>) {
        self.spec = spec;
        self.problem_cache = ProblemCache::default();
    }

    /// Returns this sheet as the same commit would have it with the definition `spec`, which reads
    /// every path alike but may be public or hide nothing. Linear in the fields of hidden records.
    pub(crate) fn seen_as(&self, spec: Arc<SheetSpec>) -> Self {
        let mut sheet = self.clone();
        if spec.hidden.is_none() {
            sheet.hidden = OrdSet::new();
            sheet.shown = None;
            sheet.shown_sum.merge(&self.hidden_sum);
            sheet.hidden_sum = LtHash::new();
            sheet.fields.merge(&self.hidden_fields);
            sheet.hidden_fields = FieldCounts::default();
        }
        sheet.follow(spec);
        sheet
    }

    /// Keeps back what was next to the record `key`, which is gone from this state.
    pub(crate) fn withdraw(&mut self, key: Key) {
        if !self.slots.contains_key(&key) {
            self.withdrawn.insert(key);
        }
    }

    /// Adds to `moved` everything by which references match records of this sheet, since the sheet
    /// is rebuilt.
    pub(crate) fn leave(&self, moved: &mut Moved) {
        for target in &self.spec.referenced {
            match target {
                None => {
                    moved.add(
                        None,
                        self.records().map(|record| Scalar::string(record.key.as_str())),
                    );
                }
                Some(field) => {
                    let values =
                        self.index(field.as_str()).into_iter().flat_map(FieldIndex::values);
                    moved.add(Some(field), values.map(|(value, _)| value.clone()));
                }
            }
        }
    }

    /// Names the served records as the text index names them.
    pub(crate) fn doc_names(&self) -> impl Iterator<Item = DocName> {
        let name = |record: &Arc<Record>| DocName {
            sheet: self.spec.name.clone(),
            key: record.key.clone(),
        };
        self.records().map(name)
    }

    /// Returns the definition of the sheet.
    pub fn spec(&self) -> &Arc<SheetSpec> {
        &self.spec
    }

    /// Returns the number of served records, including hidden ones.
    pub fn len(&self) -> usize {
        self.served
    }

    /// Returns whether no record is served.
    pub fn is_empty(&self) -> bool {
        self.served == 0
    }

    /// Returns the number of keys, misnamed files and pieces of files without a key, served or not.
    pub fn claimed(&self) -> usize {
        self.slots.len() + self.misnamed.len() + self.unread
    }

    /// Returns the record served under `key`, hidden or not. Logarithmic.
    pub fn record(&self, key: &str) -> Option<&Arc<Record>> {
        self.slots.get(key).and_then(Slot::served)
    }

    /// Returns the record that `key` means: the one served under it or, if there is none, the only
    /// `admitted` record whose key is the same text in another Unicode normalization. Logarithmic.
    pub fn meant(&self, key: &str, admitted: impl Fn(&Record) -> bool) -> Option<&Arc<Record>> {
        let admits = |record: &&Arc<Record>| admitted(record);
        if let Some(record) = self.record(key).filter(admits) {
            return Some(record);
        }
        let spellings = confusable_keys::others(key);
        let mut found = spellings.iter().filter_map(|key| self.record(key)).filter(admits);
        found.next().filter(|_| found.next().is_none())
    }

    /// Returns the path where a new record is stored, as [`path_of`] does.
    ///
    /// In a sheet that accepts any format, the record takes the format of most files in its folder
    /// or, if the folder has none, in the sheet; TOML if the sheet is empty too. Checks a thousand
    /// files.
    ///
    /// # Errors
    ///
    /// See [`path_of`].
    pub fn path_for(&self, record: &Json, key: Option<&Key>) -> Result<String, RenderError> {
        match key {
            Some(key) if self.spec.template.is_every_file() => {
                let extension = self.usual_extension(key.as_str());
                self.spec.file_path(key.as_str(), extension.as_deref())
            }
            key => path_of(&self.spec, record, key),
        }
    }

    /// Returns the extension that most files have in the folder of `key`, or in the sheet.
    fn usual_extension(&self, key: &str) -> Option<String> {
        let folder = key.rfind('/').map_or("", |slash| &key[..=slash]);
        [folder, ""].into_iter().find_map(|folder| {
            let from = (Bound::Included(folder), Bound::Unbounded);
            let slots = self.slots.range::<_, str>(from);
            let near = slots.take_while(|(key, _)| key.as_str().starts_with(folder)).take(NEAR);
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            let files = near.filter_map(|(_, slot)| slot.served());
            for record in files.filter(|record| !record.is_in_list()) {
                if let Some((_, extension)) = record.path().rsplit_once('.') {
                    *counts.entry(extension.to_owned()).or_default() += 1;
                }
            }
            let most = counts.values().copied().max()?;
            counts.into_iter().find(|(_, count)| *count == most).map(|(extension, _)| extension)
        })
    }

    /// Returns everything that claims `key`. Logarithmic.
    pub(crate) fn slot(&self, key: &str) -> Option<&Slot> {
        self.slots.get(key)
    }

    /// Returns everything that claims a key, in key order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (&Key, &Slot)> {
        self.slots.iter()
    }

    /// Returns everything that claims `key`, with the key. Logarithmic.
    pub(crate) fn entry(&self, key: &str) -> Option<(&Key, &Slot)> {
        self.slots.get_key_value(key)
    }

    /// Returns the paths of the files whose names prevent them from being records.
    pub(crate) fn misnamed(&self) -> impl Iterator<Item = &[u8]> {
        self.misnamed.keys().map(|path| &**path)
    }

    /// Returns the served records in key order, including hidden ones.
    pub fn records(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.slots.values().filter_map(Slot::served)
    }

    /// Returns the keys that files claim, in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.slots.keys()
    }

    /// Returns those of the keys whose slots are not the same in `before`, in order. Parts that both
    /// share cost nothing.
    pub(crate) fn differing_keys<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a Key> {
        before.slots.diff(&self.slots).map(|item| match item {
            DiffItem::Add(key, _) | DiffItem::Remove(key, _) => key,
            DiffItem::Update { new: (key, _), .. } => key,
        })
    }

    /// Returns every file that decodes, in key order, served or not.
    pub fn decoded(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.slots.values().flat_map(Slot::decoded)
    }

    /// Returns whether the public sees `record`, which this sheet serves: the sheet is public and
    /// the record is not hidden.
    pub fn shows(&self, record: &Record) -> bool {
        self.spec.public && !self.hidden.contains(&record.key)
    }

    /// Returns the number of records that the public sees. Constant time.
    pub fn shown(&self) -> usize {
        if self.spec.public { self.served - self.hidden.len() } else { 0 }
    }

    /// Returns the keys of the served records that are hidden.
    pub fn hidden(&self) -> &OrdSet<Key> {
        &self.hidden
    }

    /// Returns the index over `field` of all served records, if the sheet declares one.
    pub fn index(&self, field: &str) -> Option<&FieldIndex> {
        self.indexes.iter().find(|(name, _)| name.as_str() == field).map(|(_, index)| index)
    }

    /// Returns the fields of the served records that are not hidden, with the number of records that
    /// have each.
    pub fn fields(&self) -> &FieldCounts {
        &self.fields
    }

    /// Returns the problems of the files of this sheet and those between its records, in order.
    /// Problems of its definition are not included.
    pub fn problems(&self) -> Vec<Problem> {
        let slots = self.problems.iter();
        let slots = slots.flat_map(|(key, list)| list.iter().map(move |problem| (key, problem)));
        let of_records = slots.chain(self.dangling.problems(|_, _| true));
        let of_records = of_records.map(|(key, problem)| (key.clone(), problem.clone()));
        let mut all = self.with_lines(of_records.chain(self.duplicates(|_| true)));
        all.extend(self.unkeyed_problems().cloned());
        all.sort_unstable();
        all
    }

    /// Returns the problems of files and pieces of files that have no key.
    fn unkeyed_problems(&self) -> impl Iterator<Item = &Problem> {
        let pieces = self.tables.values().flat_map(|table| table.problems());
        self.misnamed.values().chain(pieces)
    }

    /// Adds line numbers to problems of records in files of many: the lines where the records
    /// begin. Linear in the files with such problems.
    fn with_lines(&self, found: impl Iterator<Item = (Key, Problem)>) -> Vec<Problem> {
        let (keys, mut problems): (Vec<Key>, Vec<Problem>) = found.unzip();
        let mut unplaced: BTreeMap<&str, BTreeMap<&Key, Vec<usize>>> = BTreeMap::new();
        for (at, (key, problem)) in keys.iter().zip(&problems).enumerate() {
            if problem.line.is_none()
                && let Some((path, _)) = self.tables.get_key_value(problem.path.as_str())
            {
                unplaced.entry(path).or_default().entry(key).or_default().push(at);
            }
        }
        for (path, places) in unplaced {
            for (key, line) in self.tables.get(path).iter().flat_map(|table| table.lines()) {
                let of_key = places.get(key).into_iter().flatten();
                of_key.for_each(|at| problems[*at].line = Some(line));
            }
        }
        problems
    }

    /// Returns the problems that the public may see, in order. Hidden data neither causes nor
    /// changes any. In a sheet that hides records, an unreadable file may be a hidden record, and
    /// so may the target of a reference into such a sheet. A line in a list of such a sheet would
    /// count the hidden records above it, so it is left out.
    pub fn public_problems(&self) -> Vec<Problem> {
        if !self.spec.public {
            return Vec::new();
        }
        let own = self.public_record_problems();
        let own = own.map(|(key, problem)| (key.clone(), problem.clone()));
        let found = own.chain(self.public_duplicates());
        let mut all: Vec<Problem> = match self.spec.hidden {
            None => self.with_lines(found),
            Some(_) => found.map(|(_, problem)| problem).collect(),
        };
        all.extend(self.public_unkeyed_problems().cloned());
        all.sort_unstable();
        all
    }

    /// Returns the public problems that are not between two records of this sheet, with their keys.
    fn public_record_problems(&self) -> impl Iterator<Item = (&Key, &Problem)> {
        let slots = self.problems.iter().filter(|(key, _)| self.is_known_to_be_shown(key));
        let slots = slots.flat_map(|(key, list)| list.iter().map(move |problem| (key, problem)));
        let is_open = |at: usize| self.spec.refs.get(at).is_some_and(|refer| refer.is_open);
        let is_shown = |key: &Key| !self.hidden.contains(key);
        slots.chain(self.dangling.problems(move |key, at| is_shown(key) && is_open(at)))
    }

    fn public_unkeyed_problems(&self) -> impl Iterator<Item = &Problem> {
        self.unkeyed_problems().filter(|_| self.spec.hidden.is_none())
    }

    fn public_duplicates(&self) -> impl Iterator<Item = (Key, Problem)> {
        self.duplicates(|key| !self.hidden.contains(key))
    }

    /// Returns whether the record served under `key` is hidden or withdrawn, or could be hidden if
    /// it were readable. What else claims the key does not matter, as for a read of the record.
    pub(crate) fn may_hide(&self, key: &Key) -> bool {
        match self.slots.get(key).map(Slot::served) {
            None => self.withdrawn.contains(key),
            Some(Some(_)) => self.hidden.contains(key),
            Some(None) => self.spec.hidden.is_some(),
        }
    }

    /// Returns whether nothing that claims `key` is hidden, or could be if it were readable.
    fn is_known_to_be_shown(&self, key: &Key) -> bool {
        let shows = |record: &Arc<Record>| !hides(&self.spec, &record.value);
        self.spec.hidden.is_none()
            || self.slots.get(key).is_some_and(|slot| slot.is_sound() && slot.decoded().all(shows))
    }

    /// Applies all `claims`. Returns the keys that now serve another value, in order, with the
    /// effect on their records. If two claims name the same path, the later one wins.
    ///
    /// Costs the logarithm of the sheet for each, times its indexes; many are spread over the
    /// cores.
    pub fn put_all(&mut self, claims: Vec<SlotUpdate>) -> Vec<(Key, Served)> {
        self.put_noting(claims, &mut Moved::default())
    }

    /// Does the same, and adds to `moved` the changes that references of any sheet must follow.
    pub(crate) fn put_noting(
        &mut self,
        mut claims: Vec<SlotUpdate>,
        moved: &mut Moved,
    ) -> Vec<(Key, Served)> {
        self.problem_cache = ProblemCache::default();
        claims.sort_by(|a, b| a.key.cmp(&b.key));
        let mut changed = Vec::with_capacity(claims.len());
        // Slots arrive in order, so those of an empty sheet need no lookup.
        let mut first = self.slots.is_empty().then(Vec::new);
        let mut claims = claims.into_iter().peekable();
        while let Some(SlotUpdate { key, path, content }) = claims.next() {
            let old = self.slots.get(&key).cloned();
            let before = old.as_ref().and_then(Slot::served).cloned();
            let mut slot = Slot::with(&self.spec, old, path, content);
            while let Some(SlotUpdate { path, content, .. }) =
                claims.next_if(|next| next.key == key)
            {
                slot = Slot::with(&self.spec, slot, path, content);
            }
            let after = slot.as_ref().and_then(Slot::served).cloned();
            self.replace_problems(&key, slot.as_ref());
            if !self.spec.refs.is_empty() {
                moved.touched.push(key.clone());
            }
            match (slot, &mut first) {
                (Some(slot), Some(first)) => first.push((key.clone(), slot)),
                (Some(slot), None) => drop(self.slots.insert(key.clone(), slot)),
                (None, _) => drop(self.slots.remove(&key)),
            }
            let served = Served { before, after };
            if served.is_other() {
                changed.push((key, served));
            }
        }
        self.derive(&changed, first.unwrap_or_default(), moved);
        changed
    }

    /// Records that the name of the file at `path` prevents it from being a record, or that the
    /// file is gone.
    pub fn put_misnamed(&mut self, path: &[u8], problem: Option<Problem>) {
        self.problem_cache = ProblemCache::default();
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

    /// Records how the file at `path` is cut, or that it is no longer a file of many records. Its
    /// records arrive as claims.
    pub fn put_table(&mut self, path: &str, table: Option<Arc<Table>>) {
        self.problem_cache = ProblemCache::default();
        // One of nothing is as good as none: a sheet that is inferred is there only while it holds
        // something, and a table that went with it would not come back with it.
        let table = table.filter(|table| !table.is_empty());
        let old = match &table {
            Some(table) => self.tables.insert(path.into(), table.clone()),
            None => self.tables.remove(path),
        };
        if let Some(old) = old {
            self.unread -= old.unread();
            old.problems().for_each(|p| fold_problem(&mut self.problems_sum, p, LtHash::remove));
        }
        if let Some(new) = table {
            self.unread += new.unread();
            new.problems().for_each(|p| fold_problem(&mut self.problems_sum, p, LtHash::add));
        }
    }

    /// Returns the files of many records by path, and how they are cut.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &Arc<Table>)> {
        self.tables.iter().map(|(path, table)| (&**path, table))
    }

    /// Returns how the file of many records at `path` is cut. Logarithmic.
    pub fn table(&self, path: &str) -> Option<&Arc<Table>> {
        self.tables.get(path)
    }

    /// Returns the record that the file at `path` has under `key`, served or not. Logarithmic.
    pub(crate) fn held(&self, key: &str, path: &str) -> Option<&Arc<Record>> {
        self.slots.get(key)?.decoded().find(|record| record.is_at(path))
    }

    /// Returns a hash of everything that a list of this sheet depends on: its definition and the
    /// records that are not hidden. Problems and other sheets are not included.
    pub fn version(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hash_part(&mut hasher, self.spec.name.as_str().as_bytes());
        hash_part(&mut hasher, &self.spec.id);
        self.shown_sum.hash_into(&mut hasher);
        *hasher.finalize().as_bytes()
    }

    /// Adds everything of this sheet that a reader can see to `hasher`.
    pub(crate) fn hash_into(&self, hasher: &mut blake3::Hasher) {
        let mut records = self.shown_sum.clone();
        records.merge(&self.hidden_sum);
        records.hash_into(hasher);
        self.problems_sum.hash_into(hasher);
        let duplicates = self.duplicates(|_| true).map(|(_, problem)| problem);
        sum_of_problems(duplicates).hash_into(hasher);
    }

    /// Does the same for what the public can see. Walks the problems the first time.
    pub(crate) fn hash_public_into(&self, hasher: &mut blake3::Hasher) {
        self.shown_sum.hash_into(hasher);
        self.hash_public_problems_into(hasher);
    }

    /// Writes everything that this sheet holds, so that two states can be compared line by line.
    pub(crate) fn dump(&self, out: &mut Vec<String>) {
        // A new field does not compile until it is handled here.
        let Self {
            spec,
            slots,
            served,
            hidden,
            withdrawn,
            indexes,
            shown,
            problems,
            dangling,
            misnamed,
            tables,
            unread,
            fields,
            hidden_fields,
            shown_sum,
            hidden_sum,
            problems_sum,
            problem_cache: _,
        } = self;
        let name = &spec.name;
        out.push(format!(
            "sheet {name} served {served} hidden {hidden:?} withdrawn {withdrawn:?} {shown_sum:?} {hidden_sum:?} \
             {problems_sum:?} unread {unread}"
        ));
        out.extend(slots.iter().map(|(key, slot)| format!("{name} slot {key} {slot:?}")));
        out.extend(problems.iter().map(|(key, list)| format!("{name} problems {key} {list:?}")));
        out.extend(dangling.dump().map(|line| format!("{name} dangling {line}")));
        out.extend(misnamed.values().map(|problem| format!("{name} misnamed {problem:?}")));
        out.extend(tables.iter().map(|(path, table)| format!("{name} table {path} {table:?}")));
        out.extend(indexes.iter().map(|(field, index)| format!("{name} index {field} {index:?}")));
        out.push(format!("{name} fields {fields:?} hidden {hidden_fields:?}"));
        out.push(format!("{name} shown {shown:?}"));
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

    /// Finds duplicate values in the fields declared unique: one problem for each record but the
    /// first, so that it disappears when any of them changes. Ignores records that are not `shown`.
    /// Each problem comes with the key of its record.
    fn duplicates<'a>(
        &'a self,
        shown: impl Fn(&Key) -> bool + Copy + 'a,
    ) -> impl Iterator<Item = (Key, Problem)> + 'a {
        let unique = self.spec.unique.iter();
        let indexes = unique.filter_map(|field| Some((field, self.index(field.as_str())?)));
        indexes.flat_map(move |(field, index)| {
            index.duplicates().flat_map(move |(_, keys)| {
                let mut keys = keys.iter().filter(move |key| shown(key));
                let first = keys.next();
                keys.filter_map(move |key| {
                    let first = self.record(first?.as_str())?;
                    let record = self.record(key.as_str())?;
                    let message = format!(
                        "the value of `{field}` must be unique, and {} has it",
                        first.path()
                    );
                    let problem =
                        Problem::new(&self.spec.name, record.path(), Rule::NotUnique, message);
                    let problem = problem.pointing_to(record.value.pointer(field));
                    Some((record.key.clone(), problem))
                })
            })
        })
    }
}

/// Returns whether the field that hides records is set, in a list too. Null and `false` count as
/// unset.
pub(crate) fn hides(spec: &SheetSpec, value: &Value) -> bool {
    spec.hidden.as_ref().is_some_and(|field| value.is_set(field))
}

fn sum_of_problems(problems: impl Iterator<Item = Problem>) -> LtHash {
    let mut sum = LtHash::new();
    problems.for_each(|problem| fold_problem(&mut sum, &problem, LtHash::add));
    sum
}

fn fold_problem(sum: &mut LtHash, problem: &Problem, fold: fn(&mut LtHash, &[&[u8]])) {
    let Problem { sheet, path, line, column, pointer, rule, message } = problem;
    let sheet = sheet.as_ref().map_or("", |sheet| sheet.as_str());
    let place = [line.unwrap_or(0).to_le_bytes(), column.unwrap_or(0).to_le_bytes()].concat();
    let pointer = pointer.as_deref().unwrap_or_default();
    let parts = [sheet, path, pointer, rule.as_str(), message].map(str::as_bytes);
    fold(sum, &[&parts[..], &[&place[..]]].concat());
}
