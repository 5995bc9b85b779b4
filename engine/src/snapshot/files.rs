//! The files that a state is made from, and the state without some of them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Draft, Snapshot, digest, version};
use crate::changes::{Change, ChangeSet, PathState};
use crate::id::{Key, SheetName};
use crate::layout::Layout;
use crate::record::Record;
use crate::sheet::{Claimant, Content, Sheet, Slot, SlotUpdate};
use crate::skipped_files::PassedOver;

/// A file that a sheet claims.
#[derive(Debug)]
pub(crate) struct SheetFile<'a> {
    sheet: &'a Sheet,
    name: Name<'a>,
}

#[derive(Debug)]
enum Name<'a> {
    /// It decodes, and may be served under its key.
    Record(&'a Arc<Record>),
    /// It is broken.
    Broken(&'a Key, &'a str),
    /// Its name prevents it from being a record.
    Misnamed(&'a [u8]),
    /// It is a list, and each of its records counts as a separate file.
    List(&'a str),
}

impl SheetFile<'_> {
    /// Returns its path, byte for byte.
    pub(crate) fn path(&self) -> Cow<'_, [u8]> {
        match self.name {
            Name::Record(record) => record.path().into_bytes().into(),
            Name::Broken(_, path) | Name::List(path) => path.as_bytes().into(),
            Name::Misnamed(path) => path.into(),
        }
    }

    /// Returns its record, if it holds one.
    pub(crate) fn record(&self) -> Option<&Arc<Record>> {
        if let Name::Record(record) = self.name { Some(record) } else { None }
    }

    /// Returns the change that removes the file.
    pub(crate) fn removal(self) -> Change {
        let claims = |key: &Key, path: String| {
            PathState::Claims(SlotUpdate { key: key.clone(), path: path.into(), content: None })
        };
        let now = match self.name {
            Name::Record(record) => claims(&record.key, record.path()),
            Name::Broken(key, path) => claims(key, path.to_owned()),
            Name::Misnamed(path) => PathState::Misnamed { path: path.into(), problem: None },
            Name::List(path) => PathState::Lists { path: path.into(), table: None },
        };
        Change { sheet: self.sheet.spec().clone(), now }
    }
}

impl Sheet {
    /// Returns the files that claim no key themselves: those whose names prevent it, and those of many
    /// records.
    pub(crate) fn files_without_key(&self) -> impl Iterator<Item = SheetFile<'_>> {
        let names = self.misnamed().map(Name::Misnamed);
        let names = names.chain(self.tables().map(|(path, _)| Name::List(path)));
        names.map(|name| SheetFile { sheet: self, name })
    }

    /// Returns the files that claim `key`.
    pub(crate) fn files_of(&self, key: &str) -> impl Iterator<Item = SheetFile<'_>> {
        let slots = self.entry(key).into_iter();
        let names = slots.flat_map(|(key, slot)| in_slot(key, slot));
        names.map(|name| SheetFile { sheet: self, name })
    }
}

fn in_slot<'a>(key: &'a Key, slot: &'a Slot) -> impl Iterator<Item = Name<'a>> {
    let (one, several) = match slot {
        Slot::One(record) => (Some(record), &[][..]),
        Slot::Contested(claimants) => (None, &claimants[..]),
    };
    let several = several.iter().map(move |Claimant { path, content }| match content {
        Content::Record(record) => Name::Record(record),
        Content::Broken(_) => Name::Broken(key, path),
    });
    one.into_iter().map(Name::Record).chain(several)
}

impl Snapshot {
    /// Returns this state as if its commit lacked the files named in `removals`, and as if the sheets
    /// in `private` were, whose files must all be in `removals`. What is next to a record that is
    /// removed is kept back with it, and references tell nothing that `now` does not. The result is
    /// for reading only and must not be carried to other commits.
    pub(crate) fn without(
        &self,
        removals: Vec<Change>,
        private: &BTreeSet<SheetName>,
        now: &Layout,
    ) -> Draft {
        let removed: Vec<(SheetName, Key)> = removals.iter().filter_map(Change::keyed).collect();
        let removals = ChangeSet::of(removals);
        let mut draft = self.apply(self.commit, self.layout.clone(), removals);
        let state = &mut draft.snapshot;
        state.layout = state.layout.disclosed(private, now);
        for told in state.layout.sheets() {
            let sheet = state.sheets.get(&told.name);
            if let Some(sheet) = sheet.filter(|sheet| !Arc::ptr_eq(sheet.spec(), told)) {
                state.sheets.insert(told.name.clone(), Arc::new(sheet.seen_as(told.clone())));
            }
        }
        for (name, key) in removed {
            if let Some(sheet) = state.sheets.get_mut(&name) {
                Arc::make_mut(sheet).withdraw(key);
            }
        }
        state.digest = digest(&state.layout, &state.sheets);
        state.version = version(&state.sheets);
        state.passed_over = PassedOver::default();
        draft
    }

    /// Returns the approximate size in bytes of the sheets that this state does not share with
    /// `base` because their definitions differ. Walks their records.
    pub(crate) fn redefined_weight(&self, base: &Self) -> u64 {
        let redefined = base.layout.redefined(&self.layout).unwrap_or_default();
        let sheets = redefined.iter().filter_map(|name| self.sheets.get(name));
        sheets.flat_map(|sheet| sheet.decoded()).map(|record| weight(record)).sum()
    }

    /// Returns the approximate size of the state in bytes, if it shares nothing with another. Walks
    /// the records.
    pub(crate) fn weight(&self) -> u64 {
        self.sheets().flat_map(|sheet| sheet.decoded()).map(|record| weight(record)).sum()
    }
}

/// What a record takes besides its value: its entries in the maps of its sheet.
const FRAME: u64 = 512;

/// How many times the contents of a record are held: in its value, in the indexes and in the text
/// index.
const COPIES: u64 = 3;

/// Returns the approximate number of bytes that a state holds for `record`.
pub(crate) fn weight(record: &Record) -> u64 {
    FRAME + COPIES * record.value.as_str().len() as u64
}
