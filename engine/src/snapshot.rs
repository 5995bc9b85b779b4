//! A snapshot: everything that a reader can see at one commit. It is immutable.

mod commit_counts;
mod files;
mod problems;
mod cached_index;
mod references;
mod trial;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use im::OrdMap;

use crate::budget::Budget;
use crate::changes::{ChangeSet, ClaimedFileCounts, PathState};
use crate::digest::{Digest, hash_part};
use crate::document::{field_texts, slots, texts};
use crate::id::{CommitId, Key, SheetName};
use crate::layout::Layout;
use crate::mirror::TreeSize;
use crate::problem::Problem;
use crate::record::Record;
use crate::report::Counts;
use crate::search::{
    DocName, Hits, Query, Scope, SearchError, Slot, Slots, Source, Spelling, TextIndex,
};
use crate::sheet::{Moved, Served, Sheet, SlotUpdate, VisitedHolders};
use crate::skipped_files::PassedOver;
use crate::view::ByView;

pub(crate) use commit_counts::ChangedBySheet;
use commit_counts::CommitCounts;
pub(crate) use files::{SheetFile, weight};

/// The state of a branch at one commit: records, indexes, problems and the text index.
///
/// A snapshot is a pure function of its commit. Cloning it costs a few pointers.
#[derive(Debug, Clone)]
pub struct Snapshot {
    commit: CommitId,
    layout: Layout,
    sheets: OrdMap<SheetName, Arc<Sheet>>,
    /// The texts of the records that the public sees.
    text: TextIndex,
    /// The texts of the others. Only views that show more read it.
    private_text: TextIndex,
    digest: Digest,
    version: [u8; 32],
    /// The files that are not records, if nothing is declared.
    passed_over: PassedOver,
    /// The size of the commit's tree.
    tree_size: TreeSize,
    /// How many files each sheet claims, records or not.
    files: ClaimedFileCounts,
    /// This state as others than the public see it.
    views: ByView<Arc<Snapshot>>,
    /// What commits changed of what this state discloses.
    commit_counts: CommitCounts,
}

impl Snapshot {
    /// Returns the state of the empty tree, from which every rebuild starts.
    pub fn empty() -> Self {
        let layout = Layout::empty();
        let text = TextIndex::new(Slots::new(std::iter::empty()), std::iter::empty());
        let sheets = OrdMap::new();
        let (digest, version) = (digest(&layout, &sheets), version(&sheets));
        Self {
            commit: CommitId::ZERO,
            layout,
            sheets,
            private_text: text.clone(),
            text,
            digest,
            version,
            passed_over: PassedOver::default(),
            tree_size: TreeSize::default(),
            files: ClaimedFileCounts::default(),
            views: ByView::default(),
            commit_counts: CommitCounts::default(),
        }
    }

    /// Returns the commit of the snapshot, which is all zeros for an empty repository.
    pub fn commit(&self) -> CommitId {
        self.commit
    }

    /// Returns the digest of everything in this state, including hidden records and sheets that are
    /// not public. It is for operators only: whoever knows nearly all of the state can guess the
    /// rest and check the guess against the digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the digest of everything that the public can see. It equals [`Self::digest`] if
    /// nothing is hidden. Visits each sheet, and walks the public problems of a sheet the first
    /// time.
    pub fn public_digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        for (name, id) in told_ids(&self.layout, &self.sheets) {
            if self.layout.sheet(name).is_some_and(|spec| spec.public) {
                hash_part(&mut hasher, name.as_bytes());
                hash_part(&mut hasher, &id);
            }
        }
        for (name, sheet) in self.sheets.iter().filter(|(_, sheet)| sheet.spec().public) {
            hash_part(&mut hasher, name.as_str().as_bytes());
            sheet.hash_public_into(&mut hasher);
        }
        for problem in self.public_layout_problems() {
            hash_part(&mut hasher, format!("{problem:?}").as_bytes());
        }
        Digest::from_bytes(*hasher.finalize().as_bytes())
    }

    /// Returns a hash of everything that public lists and searches depend on: the definitions of
    /// the public sheets, and their records that are not hidden. Constant time.
    pub fn version(&self) -> [u8; 32] {
        self.version
    }

    /// Returns how many files each sheet claims.
    pub(crate) fn claimed_files(&self) -> &ClaimedFileCounts {
        &self.files
    }

    /// Returns the size of the commit's tree.
    pub(crate) fn tree_size(&self) -> TreeSize {
        self.tree_size
    }

    /// Returns the files that were passed over, if nothing is declared, and otherwise nothing.
    pub fn passed_over(&self) -> &PassedOver {
        &self.passed_over
    }

    /// Returns the rules that turn paths into records.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns the sheets by name. An inferred sheet without contents is absent.
    pub fn sheets(&self) -> impl Iterator<Item = &Arc<Sheet>> {
        self.sheets.values()
    }

    /// Returns the sheet called `name`.
    pub fn sheet(&self, name: &str) -> Option<&Arc<Sheet>> {
        self.sheets.get(name)
    }

    /// Returns what commits changed, as far as it is known of what this state discloses.
    pub(crate) fn commit_counts(&self) -> &CommitCounts {
        &self.commit_counts
    }

    /// Takes over what is known of commits from `before`, if both states disclose the same of every
    /// other: where sheets are declared and hide no records, the definitions alone decide that.
    pub(crate) fn take_commit_counts(&self, before: &Self) {
        let hides = |layout: &Layout| layout.sheets().any(|spec| spec.hidden.is_some());
        if !self.layout.is_inferred()
            && self.layout.view() == before.layout.view()
            && self.layout.reads_alike(&before.layout)
            && !hides(&self.layout)
        {
            self.commit_counts.share(&before.commit_counts);
        }
    }

    /// Returns the record that the public sees under `key`, in any Unicode normalization, or
    /// `None`. Logarithmic.
    pub fn visible(&self, sheet: &str, key: &str) -> Option<&Arc<Record>> {
        let sheet = self.sheets.get(sheet)?;
        sheet.meant(key, |record| sheet.shows(record))
    }

    /// Returns the text index of the same commit: of the records that [the public](Sheet::shows)
    /// sees.
    pub fn text(&self) -> &TextIndex {
        &self.text
    }

    /// Returns the text index of all other records.
    pub(crate) fn private_text(&self) -> &TextIndex {
        &self.private_text
    }

    /// Returns the number of served records, including hidden ones.
    pub fn records(&self) -> usize {
        self.sheets.values().map(|sheet| sheet.len()).sum()
    }

    /// Returns the number of keys and misnamed files in all sheets.
    pub fn claimed(&self) -> usize {
        self.sheets.values().map(|sheet| sheet.claimed()).sum()
    }

    /// Returns every problem, in order: of definitions, of files, and between records.
    pub fn problems(&self) -> Vec<Problem> {
        let mut all: Vec<_> = self.layout.problems().cloned().collect();
        all.extend(self.sheets.values().flat_map(|sheet| sheet.problems()));
        all.sort_unstable();
        all
    }

    /// Returns the problems that the public may see: none of a sheet that is not public, none of a
    /// record that is or may be hidden, and none that depends on such a record.
    pub fn public_problems(&self) -> Vec<Problem> {
        let mut all: Vec<_> = self.public_layout_problems().cloned().collect();
        all.extend(self.sheets.values().flat_map(|sheet| sheet.public_problems()));
        all.sort_unstable();
        all
    }

    pub(crate) fn public_layout_problems(&self) -> impl Iterator<Item = &Problem> {
        self.layout.problems().filter(|problem| {
            let spec = problem.sheet.as_ref().and_then(|name| self.layout.sheet(name.as_str()));
            spec.is_none_or(|spec| spec.public)
        })
    }

    /// Returns the best matches of `query` in `scope`, as [`TextIndex::search`] does. Words may be
    /// restricted to a field.
    ///
    /// # Errors
    ///
    /// As [`TextIndex::search`].
    pub fn search(
        &self,
        query: &Query,
        scope: Scope<'_>,
        offset: usize,
        limit: usize,
        budget: &Budget,
    ) -> Result<Hits, SearchError> {
        let fields = |name: &DocName, field: &str, emit: &mut dyn FnMut(Slot, &str)| {
            self.texts_of(name, field, emit);
        };
        self.text.search_in(query, Source { scope, fields: &fields }, offset, limit, budget)
    }

    /// Returns the same of the records that `admits` lets pass alone, as
    /// [`TextIndex::search_among`] does.
    ///
    /// # Errors
    ///
    /// As [`TextIndex::search`].
    pub fn search_among(
        &self,
        query: &Query,
        scope: Scope<'_>,
        admits: &dyn Fn(&SheetName, &Arc<Record>) -> bool,
        page: (usize, usize),
        budget: &Budget,
    ) -> Result<Hits, SearchError> {
        let fields = |name: &DocName, field: &str, emit: &mut dyn FnMut(Slot, &str)| {
            self.texts_of(name, field, emit);
        };
        let mut is_admitted = |name: &DocName| {
            let record = self.sheets.get(&name.sheet).and_then(|it| it.record(name.key.as_str()));
            record.is_some_and(|record| admits(&name.sheet, record))
        };
        let source = Source { scope, fields: &fields };
        self.text.search_among(query, source, &mut is_admitted, page, budget)
    }

    /// Reports the texts of one field of a record.
    fn texts_of(&self, name: &DocName, field: &str, emit: &mut dyn FnMut(Slot, &str)) {
        if let Some(sheet) = self.sheets.get(&name.sheet)
            && let Some(record) = sheet.record(name.key.as_str())
        {
            field_texts(sheet.spec(), record, field, self.text.slots(), emit);
        }
    }

    /// Reports what the text index reads of a record: nothing unless the public sees it.
    pub(crate) fn searched_texts(&self, name: &DocName, emit: &mut dyn FnMut(Slot, &str)) {
        self.texts_if(name, |sheet, record| sheet.shows(record), emit);
    }

    /// Reports what the other text index reads of a record: nothing if the public sees it.
    pub(crate) fn private_texts(&self, name: &DocName, emit: &mut dyn FnMut(Slot, &str)) {
        self.texts_if(name, |sheet, record| !sheet.shows(record), emit);
    }

    fn texts_if(
        &self,
        name: &DocName,
        admits: fn(&Sheet, &Record) -> bool,
        emit: &mut dyn FnMut(Slot, &str),
    ) {
        let Some(sheet) = self.sheets.get(&name.sheet) else { return };
        if let Some(record) = sheet.record(name.key.as_str()).filter(|it| admits(sheet, it)) {
            texts(sheet.spec(), record, self.text.slots(), emit);
        }
    }

    /// Returns a replacement word as spelled in a record that contains it. Linear in the texts of
    /// that record.
    pub fn spelled(&self, spelling: &Spelling) -> String {
        let mut written = None;
        self.searched_texts(spelling.document(), &mut |_, text| {
            if written.is_none() {
                written = spelling.written_in(text);
            }
        });
        written.unwrap_or_else(|| spelling.stem().to_owned())
    }

    /// Returns this state with other text indexes over the same documents.
    pub(crate) fn with_texts(&self, text: TextIndex, private_text: TextIndex) -> Self {
        Self { text, private_text, ..self.clone() }
    }

    /// Returns this state without its texts: others can be built next to it, and nothing can be searched in
    /// them.
    pub(crate) fn without_texts(&self) -> Self {
        let empty = |text: &TextIndex| text.empty().restamped(self.commit);
        self.with_texts(empty(&self.text), empty(&self.private_text))
    }

    /// Returns those of `names` that the index of private texts has or needs. Nearly always none.
    fn private_names(&self, names: &[DocName]) -> Vec<DocName> {
        let is_private = |name: &&DocName| {
            let sheet = self.sheets.get(&name.sheet);
            sheet.is_some_and(|it| !it.spec().public || it.hidden().contains(&name.key))
                || self.private_text.contains(name)
        };
        names.iter().filter(is_private).cloned().collect()
    }

    /// Lists the served records that differ from those of `before`, by sheet and key. Parts that both
    /// share cost nothing.
    pub fn differences(&self, before: &Self) -> Vec<RecordChange> {
        let names: BTreeSet<_> = self.sheets.keys().chain(before.sheets.keys()).collect();
        let mut found = Vec::new();
        for name in names {
            let (old, new) = (before.sheets.get(name), self.sheets.get(name));
            compare(name, old.map(Arc::as_ref), new.map(Arc::as_ref), &mut found);
        }
        found
    }

    /// Returns the state after `changes`; this state is unchanged.
    ///
    /// Costs what the changes cost. Where a record that others refer to appears or disappears, the
    /// records that refer to it add to the cost. A sheet whose definition in `layout` differs is
    /// rebuilt, so `changes` must hold every file of it; the other sheets are shared. Where nothing
    /// can be compared, see [`Layout::redefined`], this must be the empty snapshot.
    pub fn apply(&self, commit: CommitId, layout: Layout, changes: ChangeSet) -> Draft {
        self.apply_visiting(commit, layout, changes, &mut VisitedHolders::all())
    }

    /// Does the same, but of the references to records that appear or disappear only for those that
    /// `visited` chooses. If they are not all, the result is not the state of the commit.
    fn apply_visiting(
        &self,
        commit: CommitId,
        layout: Layout,
        changes: ChangeSet,
        visited: &mut VisitedHolders,
    ) -> Draft {
        let fresh = self.sheets.is_empty();
        let redefined = self.layout.redefined(&layout).unwrap_or_default();
        let mut sheets: BTreeMap<SheetName, (Sheet, Vec<SlotUpdate>)> = BTreeMap::new();
        for spec in redefined.iter().filter_map(|name| layout.sheet(name.as_str())) {
            sheets.insert(spec.name.clone(), (Sheet::new(spec.clone()), Vec::new()));
        }
        let passed_over = self.passed_over.after(changes.passed_over());
        let tree_size = self.tree_size.after(changes.growth());
        let files = self.files.after(&redefined, changes.files());
        for change in changes.into_changes() {
            let name = &change.sheet.name;
            let (sheet, claims) = match sheets.get_mut(name) {
                Some(sheet) => sheet,
                None => sheets.entry(name.clone()).or_insert_with(|| {
                    let old = self.sheets.get(name);
                    let new = || Sheet::new(change.sheet.clone());
                    (old.map_or_else(new, |old| Sheet::clone(old)), Vec::new())
                }),
            };
            match change.now {
                PathState::Misnamed { path, problem } => sheet.put_misnamed(&path, problem),
                PathState::Lists { path, table } => sheet.put_table(&path, table),
                PathState::Claims(claim) => claims.push(claim),
            }
        }
        let mut all = self.sheets.clone();
        let mut changed = Vec::new();
        let mut moved = BTreeMap::new();
        for (name, (mut sheet, claims)) in sheets {
            let mut of_sheet = Moved::default();
            let served = sheet.put_noting(claims, &mut of_sheet).into_iter();
            match self.sheets.get(&name).filter(|_| redefined.contains(&name)) {
                Some(old) => {
                    old.leave(&mut of_sheet);
                    compare(&name, Some(old), Some(&sheet), &mut changed);
                }
                None => {
                    let change = |(key, served)| RecordChange { sheet: name.clone(), key, served };
                    changed.extend(served.map(change));
                }
            }
            moved.insert(name.clone(), of_sheet);
            // An inferred sheet exists only while it has contents.
            if sheet.claimed() == 0 && layout.is_inferred() {
                all.remove(&name);
            } else {
                all.insert(name, Arc::new(sheet));
            }
        }
        for name in redefined.iter().filter(|name| layout.sheet(name.as_str()).is_none()) {
            compare(name, all.get(name).map(Arc::as_ref), None, &mut changed);
            all.remove(name);
        }
        if !redefined.is_empty() {
            changed.sort_by(|a, b| (&a.sheet, &a.key).cmp(&(&b.sheet, &b.key)));
        }
        if !layout.is_inferred() {
            for spec in layout.sheets() {
                match all.get_mut(&spec.name) {
                    // What the public may know of a sheet can depend on other sheets.
                    Some(sheet) if Arc::ptr_eq(sheet.spec(), spec) => {}
                    Some(sheet) => Arc::make_mut(sheet).follow(spec.clone()),
                    None => drop(all.insert(spec.name.clone(), Arc::new(Sheet::new(spec.clone())))),
                }
            }
        }
        references::relate(&mut all, &layout, &moved, fresh, visited);
        let slots = slots(layout.sheets().map(Arc::as_ref));
        let languages = || layout.sheets().map(|spec| (spec.name.clone(), spec.language));
        let next = |index: &TextIndex| match fresh || !redefined.is_empty() {
            false => index.clone(),
            true if fresh || slots != *index.slots() => TextIndex::new(slots.clone(), languages()),
            true => index.with_languages(languages()),
        };
        let (text, private_text) = (next(&self.text), next(&self.private_text));
        let reindexed = match text.slots() == self.text.slots() {
            _ if fresh => Vec::new(),
            true => names(&self.sheets, &redefined).chain(names(&all, &redefined)).collect(),
            // The slots differ from those before, so every text is indexed again.
            false => all.values().flat_map(|sheet| sheet.doc_names()).collect(),
        };
        let (digest, version) = (digest(&layout, &all), version(&all));
        let snapshot = Self {
            commit,
            layout,
            sheets: all,
            text,
            private_text,
            digest,
            version,
            passed_over,
            tree_size,
            files,
            views: ByView::default(),
            commit_counts: CommitCounts::default(),
        };
        Draft { snapshot, changed: Arc::new(changed), indexed: Vec::new(), reindexed }
    }

    /// Writes everything that this state holds, so that two states can be compared line by line.
    ///
    /// This defines "equal" in the law: records, problems, indexes, text and digest. Two states
    /// with the same dump answer every request alike. Walks everything.
    pub fn dump(&self) -> Vec<String> {
        // A new field does not compile until it is handled here.
        let Self {
            commit,
            layout,
            sheets,
            text,
            private_text,
            digest,
            version,
            passed_over,
            tree_size,
            files,
            views: _,
            commit_counts: _,
        } = self;
        let mut out = vec![format!("commit {commit} digest {digest} version {version:02x?}")];
        out.extend(layout.ids().map(|(name, id)| format!("definition {name} {id:02x?}")));
        out.extend(layout.skipped().iter().map(|name| format!("skipped {name}")));
        out.push(format!("passed over {passed_over:?}"));
        out.push(format!("{tree_size:?} {files:?}"));
        out.extend(self.problems().iter().map(|problem| format!("problem {problem:?}")));
        sheets.values().for_each(|sheet| sheet.dump(&mut out));
        out.push(format!("text {} {:?}", text.stamp(), text.digest()));
        out.push(format!("private text {} {:?}", private_text.stamp(), private_text.digest()));
        out
    }
}

/// Adds the records that the sheet `name` serves differently in two states, by key. Walks both.
fn compare(
    name: &SheetName,
    before: Option<&Sheet>,
    after: Option<&Sheet>,
    found: &mut Vec<RecordChange>,
) {
    let keys: Vec<&Key> = match (before, after) {
        (Some(before), Some(after)) => after.differing_keys(before).collect(),
        (one, other) => one.or(other).into_iter().flat_map(Sheet::keys).collect(),
    };
    for key in keys {
        let record = |sheet: Option<&Sheet>| sheet?.record(key.as_str()).cloned();
        let served = Served { before: record(before), after: record(after) };
        if served.differs() {
            found.push(RecordChange { sheet: name.clone(), key: key.clone(), served });
        }
    }
}

/// Names the records that the sheets in `some` serve, as the text index names them.
fn names<'a>(
    sheets: &'a OrdMap<SheetName, Arc<Sheet>>,
    some: &'a BTreeSet<SheetName>,
) -> impl Iterator<Item = DocName> + 'a {
    some.iter().filter_map(|name| sheets.get(name)).flat_map(|sheet| sheet.doc_names())
}

/// A record that is served differently at two commits.
#[derive(Debug, Clone)]
pub struct RecordChange {
    /// Its sheet.
    pub sheet: SheetName,
    /// Its key.
    pub key: Key,
    /// What was served before, and what is served now.
    pub served: Served,
}

/// Counts changes by sheet, leaving out sheets without any.
pub fn count(changes: &[RecordChange]) -> BTreeMap<SheetName, Counts> {
    let mut counted: BTreeMap<SheetName, Counts> = BTreeMap::new();
    for change in changes {
        let counts = counted.entry(change.sheet.clone()).or_default();
        match (&change.served.before, &change.served.after) {
            (None, _) => counts.added += 1,
            (Some(_), None) => counts.removed += 1,
            (Some(_), Some(_)) => counts.modified += 1,
        }
    }
    counted
}

/// A state with finished maps, whose text index is still that of its base.
///
/// Finish it with [`Draft::index`]; dropping it leaves no trace.
#[must_use]
#[derive(Debug)]
pub struct Draft {
    snapshot: Snapshot,
    changed: Arc<Vec<RecordChange>>,
    /// Which of them the text index already covers, if any.
    indexed: Vec<bool>,
    /// The records whose texts are indexed again, whether they differ or not, because other words
    /// of theirs are searched, or in another language.
    reindexed: Vec<DocName>,
}

impl Draft {
    /// Returns the state for admission. Its text index must not be searched yet.
    pub fn state(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Lists the served records that differ from the base, by sheet and key.
    pub fn changed(&self) -> &Arc<Vec<RecordChange>> {
        &self.changed
    }

    /// Builds the text index from the old one and returns the finished state.
    ///
    /// # Errors
    ///
    /// Fails if the text index rejects a document; the base is untouched.
    pub fn index(self) -> Result<Snapshot, SearchError> {
        let Self { mut snapshot, changed, indexed, reindexed } = self;
        let name = |(change, indexed): (&RecordChange, bool)| {
            let RecordChange { sheet, key, .. } = change;
            (!indexed).then(|| DocName { sheet: sheet.clone(), key: key.clone() })
        };
        let indexed = indexed.into_iter().chain(std::iter::repeat(false));
        let names: Vec<DocName> =
            changed.iter().zip(indexed).filter_map(name).chain(reindexed).collect();
        // Dropped before the texts are indexed, since it holds the old records.
        drop(changed);
        let private = snapshot.private_names(&names);
        let texts = |name: &DocName, emit: &mut dyn FnMut(Slot, &str)| {
            snapshot.searched_texts(name, emit);
        };
        let text = snapshot.text.apply(snapshot.commit, names, &texts)?;
        let texts = |name: &DocName, emit: &mut dyn FnMut(Slot, &str)| {
            snapshot.private_texts(name, emit);
        };
        snapshot.private_text = snapshot.private_text.apply(snapshot.commit, private, &texts)?;
        snapshot.text = text;
        Ok(snapshot)
    }
}

/// Hashes what public lists depend on, sheet by sheet.
fn version(sheets: &OrdMap<SheetName, Arc<Sheet>>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let public = sheets.values().filter(|sheet| sheet.spec().public);
    for sheet in public {
        hasher.update(&sheet.version());
    }
    *hasher.finalize().as_bytes()
}

/// Returns each sheet's name and the id of its definition. A folder that is not declared and holds
/// nothing itself is no sheet: whoever does not see what is in folders of it must not learn of it.
fn told_ids<'a>(
    layout: &'a Layout,
    sheets: &'a OrdMap<SheetName, Arc<Sheet>>,
) -> impl Iterator<Item = (&'a str, [u8; 32])> {
    layout.ids().filter(|(name, _)| !layout.is_inferred() || sheets.contains_key(*name))
}

/// Hashes everything that a reader can see: definitions, records and problems, sheet by sheet.
fn digest(layout: &Layout, sheets: &OrdMap<SheetName, Arc<Sheet>>) -> Digest {
    let mut hasher = blake3::Hasher::new();
    for (name, id) in told_ids(layout, sheets) {
        hash_part(&mut hasher, name.as_bytes());
        hash_part(&mut hasher, &id);
    }
    for (name, sheet) in sheets {
        hash_part(&mut hasher, name.as_str().as_bytes());
        sheet.hash_into(&mut hasher);
    }
    for problem in layout.problems() {
        hash_part(&mut hasher, format!("{problem:?}").as_bytes());
    }
    Digest::from_bytes(*hasher.finalize().as_bytes())
}
