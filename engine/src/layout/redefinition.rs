//! Finds the sheets whose definitions differ between two commits.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Layout, SheetSpec};
use crate::id::SheetName;

impl Layout {
    /// Returns the sheets that `next` defines differently: those that exist in only one of the
    /// layouts, those whose rules differ, and those that lose files to an unusable definition or
    /// get them back. Every other sheet reads every path as before.
    ///
    /// Returns `None` if no sheet can be compared, because only one of the layouts declares any, or
    /// a folder takes the name of a collection. If nothing is declared, no sheet is redefined,
    /// whatever other folders are added or removed.
    pub fn redefined(&self, next: &Self) -> Option<BTreeSet<SheetName>> {
        if Arc::ptr_eq(&self.0, &next.0) {
            return Some(BTreeSet::new());
        }
        match (self.0.inferred, next.0.inferred) {
            (true, true) => {
                let alike = self.0.folders.taken == next.0.folders.taken;
                return alike.then(BTreeSet::new);
            }
            (false, false) => {}
            _ => return None,
        }
        let reads_alike = |old: &SheetSpec, new: &SheetSpec| {
            old.reads_alike(new) && self.taken_from(old).eq(next.taken_from(new))
        };
        let differs =
            |name: &&SheetName| match (self.sheet(name.as_str()), next.sheet(name.as_str())) {
                (Some(old), Some(new)) => !reads_alike(old, new),
                _ => true,
            };
        let names = self.0.sheets.keys().chain(next.0.sheets.keys());
        Some(names.filter(differs).cloned().collect())
    }
}

impl SheetSpec {
    /// Returns whether files below the roots of both become the same records with the same indexes,
    /// texts and references. What the public may see of them can still differ.
    fn reads_alike(&self, other: &Self) -> bool {
        let refs = |spec: &Self| -> Vec<_> {
            let refs = spec.refs.iter();
            refs.map(|r| (r.field.clone(), r.sheet.clone(), r.target.clone())).collect()
        };
        self.id == other.id
            && self.problems.is_empty() == other.problems.is_empty()
            && self.referenced == other.referenced
            && refs(self) == refs(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{DefinitionFile, DefinitionFiles, RootEntry};

    fn declared(text: &str) -> Layout {
        let headwater =
            Some(DefinitionFile { path: "headwater.toml".into(), bytes: text.as_bytes().into() });
        Layout::read(&DefinitionFiles { headwater, ..DefinitionFiles::default() })
    }

    const BASE: &str = "[sheets.all]\nroot = '.'\n[sheets.people]\nunique = ['id']\n\
                        [sheets.tags]\n[sheets.teams]\nrefs = { lead = 'people' }\n";

    #[test]
    fn only_the_sheets_whose_rules_differ_are_defined_otherwise() {
        for (edit, expected) in [
            (("", ""), &[][..]),
            // A comment only shifts the lines of the others.
            (("[sheets.people]", "# who\n[sheets.people]"), &[]),
            (("[sheets.tags]", "[sheets.tags]\nindex = ['n']"), &["tags"]),
            (("[sheets.tags]", "[sheets.tags]\npublic = false"), &["tags"]),
            (("[sheets.tags]", "[sheets.labels]"), &["labels", "tags"]),
            (("[sheets.tags]\n", ""), &["tags"]),
            // A sheet has an index for each field by which others refer to it.
            (("'people'", "'people.id'"), &["people", "teams"]),
            (("'people'", "'tags'"), &["people", "tags", "teams"]),
            // What the public may see of a reference does not change what dangles.
            (("unique = ['id']", "unique = ['id']\nhidden = 'gone'"), &["people"]),
            // An unusable definition takes its files from the enclosing sheets.
            (("[sheets.tags]", "[sheets.tags]\npolicy = 1"), &["all", "tags"]),
            // References to it are left out, since it is empty.
            (("unique = ['id']", "unique = 1"), &["all", "people", "teams"]),
        ] {
            let (old, new) = (declared(BASE), declared(&BASE.replace(edit.0, edit.1)));
            for (from, to) in [(&old, &new), (&new, &old)] {
                let redefined = from.redefined(to).unwrap();
                let names: Vec<_> = redefined.iter().map(SheetName::as_str).collect();
                assert_eq!(names, expected, "{edit:?}");
            }
        }
    }

    #[test]
    fn where_nothing_is_declared_on_one_side_or_a_name_is_taken_nothing_can_be_compared() {
        let inferred = |name: &str| {
            let root = vec![RootEntry { name: name.into(), is_folder: true }];
            Layout::read(&DefinitionFiles { root, ..DefinitionFiles::default() })
        };
        assert_eq!(inferred("a").redefined(&inferred("b")), Some(BTreeSet::new()));
        assert_eq!(inferred("a").redefined(&inferred("content.b")), None);
        assert_eq!(inferred("people").redefined(&declared(BASE)), None);
        assert_eq!(declared(BASE).redefined(&inferred("people")), None);
    }
}
