//! How a layout of the past reads the files that may hold a record.

use smallvec::SmallVec;

use super::subject::Subject;
use super::whereabouts::Whereabouts;
use crate::disclosure::Rules;
use crate::layout::{Layout, PathClaim, Shape, SheetSpec};

/// The rules of some commits, which have the same definitions.
#[derive(Debug)]
pub(super) struct EarlierRules {
    /// Their relation to the present rules.
    pub(super) rules: Rules,
    /// For each place of the record, what public sheets made of it; nothing if the rules are the same.
    claims: Vec<SmallVec<[EarlierClaim; 1]>>,
}

/// What a public sheet of a layout of the past made of a file.
#[derive(Debug)]
pub(super) struct EarlierClaim {
    /// The sheet, and the key that the path claimed.
    pub(super) claim: PathClaim,
    /// The key that the record had there.
    pub(super) key: String,
    /// Whether it was one of several records of the file.
    pub(super) is_row: bool,
    /// Whether the sheet is that of the record, and read every path as it does now.
    pub(super) is_alike: bool,
    /// The files that took the key from this one, if records were hidden or are now.
    pub(super) rivals: Vec<Rival>,
}

/// A file of the same key that comes first.
#[derive(Debug)]
pub(super) struct Rival {
    /// Its path.
    pub(super) path: String,
    /// The key that it claims.
    pub(super) claim: PathClaim,
}

impl EarlierRules {
    /// Compares `then` with the present rules of `subject`.
    pub(super) fn of(then: &Layout, subject: &Subject<'_>) -> Self {
        let rules = subject.now.rules_between(then);
        let claims = match rules {
            Rules::Same => Vec::new(),
            Rules::Other { .. } => {
                let claims = |at| EarlierClaim::all(then, subject, &rules, at);
                subject.paths.iter().map(claims).collect()
            }
        };
        Self { rules, claims }
    }

    /// Returns what public sheets made of the file at a place.
    pub(super) fn claims(&self, place: usize) -> &[EarlierClaim] {
        self.claims.get(place).map_or(&[], |claims| &claims[..])
    }

    /// Returns whether what is shown of the file at a place depends on the other files of a commit.
    pub(super) fn has_rivals(&self, place: usize) -> bool {
        self.claims(place).iter().any(|claim| !claim.rivals.is_empty())
    }
}

impl EarlierClaim {
    /// Returns the claims of public sheets to the file `at`, those of sheets that hid nothing first.
    /// A sheet that read another part of the file, or less than the record has now, did not show it.
    fn all(
        then: &Layout,
        subject: &Subject<'_>,
        rules: &Rules,
        at: &Whereabouts,
    ) -> SmallVec<[Self; 1]> {
        let spec = subject.spec;
        let now = subject.now.now().layout().claims(at.path.as_bytes());
        let hides = now.iter().any(|claim| claim.sheet.hidden.is_some());
        let claims = then.claims(at.path.as_bytes()).into_iter();
        let public = claims.filter(|claim| claim.sheet.public && claim.fault.is_none());
        let around = public.filter(|claim| claim.sheet.part().covers(spec.part()));
        let mut all: SmallVec<[Self; 1]> = around
            .map(|claim| {
                let list = claim.key.as_str();
                let is_its_part = claim.sheet.part() == spec.part();
                let name = spec.element_name(at.list.as_str(), &at.key).filter(|_| is_its_part);
                let shape = claim.sheet.shape_of(&at.path);
                let key = match (shape, name) {
                    (Shape::Record, _) | (Shape::Either, None) => list.to_owned(),
                    (Shape::List | Shape::Either, Some(name)) => {
                        claim.sheet.element_key(list, name)
                    }
                    // It is more than one row, so a row of its name must not stand for it.
                    (Shape::List, None) => format!("{list}\u{1}"),
                };
                let is_row = match shape {
                    Shape::Record => false,
                    Shape::List => true,
                    Shape::Either => key != claim.key.as_str(),
                };
                let is_alike = claim.sheet.name == spec.name && rules.read_alike(&spec.name);
                // Those of a sheet that hides records now are known.
                let is_known = is_alike && spec.hidden.is_some();
                let rivals = match (hides || claim.sheet.hidden.is_some()) && !is_known {
                    true => Rival::all(then, &claim.sheet, &key, &at.path),
                    false => Vec::new(),
                };
                Self { claim, key, is_row, is_alike, rivals }
            })
            .collect();
        all.sort_by_key(|claim| claim.claim.sheet.hidden.is_some());
        all
    }
}

impl Rival {
    fn all(then: &Layout, spec: &SheetSpec, key: &str, path: &str) -> Vec<Self> {
        let rank = |path: &str| (spec.precedence(path), path.to_owned());
        let own = rank(path);
        let before = spec.paths_of(key).into_iter().filter(|other| rank(other) < own);
        let rival = |path: String| {
            let claims = then.claims(path.as_bytes()).into_iter();
            let mut claims = claims.filter(|claim| claim.sheet.name == spec.name);
            claims.next().map(|claim| Self { path, claim })
        };
        before.filter_map(rival).collect()
    }
}
