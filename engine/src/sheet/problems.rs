//! The problems of a sheet: their number, a shared list of the public ones, and those that an
//! earlier state lacks.

use std::collections::BTreeMap;
use std::sync::Arc;

use im::ordmap::DiffItem;

use super::problem_cache::PublicProblems;
use super::{Sheet, sum_of_problems};
use crate::id::Key;
use crate::problem::Problem;

impl Sheet {
    /// Returns the number of [`Self::problems`]. Linear in them the first time.
    pub fn problem_count(&self) -> usize {
        *self.problem_cache.count.get_or_init(|| {
            let keyed: usize = self.problems.values().map(|list| list.len()).sum();
            let dangling = self.dangling.problems(|_, _| true).count();
            let duplicates = self.duplicates(|_| true).count();
            keyed + dangling + duplicates + self.unkeyed_problems().count()
        })
    }

    /// Returns the number of [`Self::public_problems`]. Linear in them the first time.
    pub fn public_problem_count(&self) -> usize {
        if self.spec.public { self.public().count } else { 0 }
    }

    /// Returns the [`Self::public_problems`], which are sorted once and then shared.
    pub fn public_problem_list(&self) -> Arc<[Problem]> {
        self.problem_cache.public_list.get_or_init(|| self.public_problems().into()).clone()
    }

    /// Adds what the public can see to `hasher`.
    pub(super) fn hash_public_problems_into(&self, hasher: &mut blake3::Hasher) {
        let PublicProblems { sum, duplicates, .. } = self.public();
        sum.hash_into(hasher);
        duplicates.hash_into(hasher);
    }

    fn public(&self) -> &PublicProblems {
        self.problem_cache.public.get_or_init(|| {
            let of_records = || self.public_record_problems().map(|(_, problem)| problem);
            let all = || of_records().chain(self.public_unkeyed_problems());
            let is_open = self.spec.hidden.is_none() && self.spec.refs.iter().all(|it| it.is_open);
            let sum = match is_open {
                // All are public.
                true => self.problems_sum.clone(),
                false => sum_of_problems(all().cloned()),
            };
            let duplicates = sum_of_problems(self.public_duplicates().map(|(_, problem)| problem));
            let count = all().count() + self.public_duplicates().count();
            PublicProblems { count, sum, duplicates }
        })
    }

    /// Lists the problems that an earlier state of this sheet does not have, in order. Costs what
    /// differs, and a visit to every duplicate value.
    pub(crate) fn problems_since(&self, before: &Self) -> Vec<Problem> {
        let mut keyed: Vec<(Key, Problem)> = Vec::new();
        for (key, old, new) in changes(&before.problems, &self.problems) {
            let is_new = |problem: &&Problem| !old.is_some_and(|old| old.contains(problem));
            keyed.extend(new.iter().filter(is_new).map(|problem| (key.clone(), problem.clone())));
        }
        for (key, old, new) in changes(&before.dangling.problems, &self.dangling.problems) {
            let is_new = |(_, problem): &&(usize, Problem)| {
                !old.is_some_and(|old| old.iter().any(|(_, known)| known == problem))
            };
            keyed.extend(new.iter().filter(is_new).map(|(_, it)| (key.clone(), it.clone())));
        }
        let mut twice: Vec<_> = before.duplicates(|_| true).collect();
        twice.sort_unstable();
        let is_new = |found: &(Key, Problem)| twice.binary_search(found).is_err();
        keyed.extend(self.duplicates(|_| true).filter(is_new));
        let mut found = self.with_lines(keyed.into_iter());
        let misnamed = changes(&before.misnamed, &self.misnamed);
        found.extend(misnamed.map(|(_, _, problem)| problem.clone()));
        for (path, table) in &self.tables {
            let old = before.tables.get(path);
            if !old.is_some_and(|old| Arc::ptr_eq(old, table)) {
                // A problem that only moved to another line is the same.
                let mut known: BTreeMap<Problem, usize> = BTreeMap::new();
                for problem in old.iter().flat_map(|old| old.problems()) {
                    *known.entry(unplaced(problem)).or_default() += 1;
                }
                let is_new = |problem: &&Problem| match known.get_mut(&unplaced(problem)) {
                    Some(left) if *left > 0 => {
                        *left -= 1;
                        false
                    }
                    _ => true,
                };
                found.extend(table.problems().filter(is_new).cloned());
            }
        }
        found.sort_unstable();
        found
    }
}

/// Returns a problem without its position in the file.
fn unplaced(problem: &Problem) -> Problem {
    Problem { line: None, column: None, ..problem.clone() }
}

/// Lists the entries of `after` that are not in `before`, each with its previous value. Shared
/// parts cost nothing.
fn changes<'a, K: Ord, V: PartialEq>(
    before: &'a im::OrdMap<K, V>,
    after: &'a im::OrdMap<K, V>,
) -> impl Iterator<Item = (&'a K, Option<&'a V>, &'a V)> {
    before.diff(after).filter_map(|item| match item {
        DiffItem::Add(key, new) => Some((key, None, new)),
        DiffItem::Update { old: (_, old), new: (key, new) } => Some((key, Some(old), new)),
        DiffItem::Remove(..) => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::id::BlobId;
    use crate::layout::{DefinitionFile, DefinitionFiles, Layout};
    use crate::problem::Rule;
    use crate::record::{Frame, Record};
    use crate::sheet::{Content, SlotUpdate};
    use crate::value::Value;

    #[test]
    fn what_is_new_is_what_the_earlier_state_does_not_have() {
        let bytes = b"[sheets.s]\nunique = ['u']\n";
        let file = DefinitionFile { path: "headwater.toml".into(), bytes: bytes[..].into() };
        let files = DefinitionFiles { headwater: Some(file), ..Default::default() };
        let spec = Layout::read(&files).sheet("s").unwrap().clone();
        let broken = |path: &str, message: &str| {
            Problem::new(&spec.name, path, Rule::Malformed, message.to_owned())
        };
        let claim = |key: &str, path: &str, content: Option<Content>| SlotUpdate {
            key: Key::new(key),
            path: path.into(),
            content,
        };
        let record = |key: &str, path: &str, u: u32| {
            let record = Record {
                key: Key::new(key),
                frame: Arc::new(Frame::around(key, path)),
                blob: BlobId::ZERO,
                value: Value::new(&json!({ "u": u })),
            };
            claim(key, path, Some(Content::Record(Arc::new(record))))
        };
        let wrong = |key: &str, path: &str, message: &str| {
            claim(key, path, Some(Content::Broken([broken(path, message)].into())))
        };
        let mut sheet = Sheet::new(spec.clone());
        let mut states = vec![sheet.clone()];
        for claims in [
            vec![record("a", "s/a.toml", 1), wrong("b", "s/b.toml", "one")],
            vec![record("c", "s/c.toml", 1)],
            vec![wrong("b", "s/b.toml", "two"), record("a", "s/a.yaml", 7)],
            vec![record("a", "s/a.toml", 2), record("d", "s/d.toml", 2)],
            vec![claim("a", "s/a.yaml", None), record("b", "s/b.toml", 2)],
        ] {
            sheet.put_all(claims);
            states.push(sheet.clone());
        }
        for (path, problem) in [("s/x", Some("bad")), ("s/y", Some("bad")), ("s/x", None)] {
            sheet.put_misnamed(path.as_bytes(), problem.map(|text| broken(path, text)));
            states.push(sheet.clone());
        }
        assert!(states.iter().filter(|state| !state.problems().is_empty()).count() > 5);
        for (from, before) in states.iter().enumerate() {
            let known = before.problems();
            assert_eq!(before.problem_count(), known.len());
            assert_eq!(*before.public_problem_list(), before.public_problems());
            for (to, after) in states.iter().enumerate() {
                let mut new = after.problems();
                new.retain(|problem| !known.contains(problem));
                assert_eq!(after.problems_since(before), new, "{from} to {to}");
            }
        }
    }
}
