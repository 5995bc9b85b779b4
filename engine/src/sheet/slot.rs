//! A slot: everything that claims one key.

use std::sync::Arc;

use crate::id::{Key, SheetName};
use crate::layout::SheetSpec;
use crate::problem::{Problem, Rule};
use crate::record::Record;

/// The outcome of reading a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The file decodes.
    Record(Arc<Record>),
    /// The file cannot be a record.
    Broken(Arc<[Problem]>),
}

/// The key that a file claims, and its current content.
#[derive(Debug, Clone)]
pub struct SlotUpdate {
    /// The key.
    pub key: Key,
    /// The path of the file.
    pub path: Box<str>,
    /// Its content, or `None` if the file no longer exists.
    pub content: Option<Content>,
}

/// A file that claims a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimant {
    /// Its path; bytes that are not UTF-8 are written as `%XX`.
    pub path: Box<str>,
    /// The outcome of reading it.
    pub content: Content,
}

impl Claimant {
    fn record(&self) -> Option<&Arc<Record>> {
        if let Content::Record(record) = &self.content { Some(record) } else { None }
    }
}

/// Everything that claims one key, sorted by the precedence of the files and then by path. It is
/// never empty.
///
/// The first claimant that decodes is served. Keeping the others makes the slot a function of the
/// files alone: when the served one disappears, the next takes its place without reading the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    /// One file that decodes, as in nearly every slot.
    One(Arc<Record>),
    /// Several files, or one that is broken.
    Contested(Arc<[Claimant]>),
}

impl Slot {
    /// Returns the record served under the key.
    pub fn served(&self) -> Option<&Arc<Record>> {
        match self {
            Self::One(record) => Some(record),
            Self::Contested(claimants) => claimants.iter().find_map(Claimant::record),
        }
    }

    /// Returns the path of the first file, if none of them decodes.
    pub(crate) fn broken_at(&self) -> Option<&str> {
        match self {
            Self::Contested(claimants) if self.served().is_none() => Some(&claimants.first()?.path),
            _ => None,
        }
    }

    /// Returns whether every file decodes.
    pub(super) fn is_sound(&self) -> bool {
        match self {
            Self::One(_) => true,
            Self::Contested(claimants) => claimants.iter().all(|claim| claim.record().is_some()),
        }
    }

    /// Returns every file that decodes, ordered by path.
    pub(super) fn decoded(&self) -> impl Iterator<Item = &Arc<Record>> {
        let (one, several) = match self {
            Self::One(record) => (Some(record), None),
            Self::Contested(claimants) => (None, Some(claimants.iter())),
        };
        let several = several.into_iter().flatten().filter_map(Claimant::record);
        one.into_iter().chain(several)
    }

    /// Returns `old`, of the sheet `spec`, with the claim of `path` set to `content`, or removed if
    /// that is `None`. Returns `None` if nothing claims the key any more.
    pub(super) fn with(
        spec: &SheetSpec,
        old: Option<Self>,
        path: Box<str>,
        content: Option<Content>,
    ) -> Option<Self> {
        let mut claimants = match old {
            // Nearly every slot has one claimant before and after.
            None if let Some(Content::Record(record)) = content => return Some(Self::One(record)),
            None => Vec::new(),
            Some(Self::One(record)) if record.is_at(&path) => {
                return Self::with(spec, None, path, content);
            }
            Some(Self::One(record)) => {
                vec![Claimant { path: record.path().into(), content: Content::Record(record) }]
            }
            Some(Self::Contested(claimants)) => {
                claimants.iter().filter(|claimant| claimant.path != path).cloned().collect()
            }
        };
        if let Some(content) = content {
            claimants.push(Claimant { path, content });
            claimants.sort_by_cached_key(|one| (spec.precedence(&one.path), one.path.clone()));
        }
        match &claimants[..] {
            [] => None,
            [Claimant { content: Content::Record(record), .. }] => Some(Self::One(record.clone())),
            _ => Some(Self::Contested(claimants.into())),
        }
    }

    /// Lists the problems of the files that are not served.
    pub(super) fn problems(&self, sheet: &SheetName, key: &Key) -> Vec<Problem> {
        let Self::Contested(claimants) = self else { return Vec::new() };
        let mut problems = Vec::new();
        let mut served: Option<&Record> = None;
        for claimant in claimants.iter() {
            match (&claimant.content, served) {
                (Content::Broken(own), _) => problems.extend(own.iter().cloned()),
                (Content::Record(record), None) => served = Some(record),
                (Content::Record(record), Some(first)) => {
                    let message =
                        format!("the key {:?} is taken by {}", key.as_str(), first.path());
                    problems.push(Problem::new(sheet, record.path(), Rule::KeyTaken, message));
                }
            }
        }
        problems
    }
}
