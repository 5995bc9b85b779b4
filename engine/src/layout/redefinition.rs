//! Which sheets another commit defines otherwise.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Layout, SheetSpec};
use crate::id::SheetName;

impl Layout {
    /// Returns the sheets that `next` defines otherwise: those that only one of the layouts has,
    /// those whose rules differ, and those that lose files to a definition that cannot be used, or
    /// get them back. Every other sheet reads every path as before.
    ///
    /// Returns `None` where no sheet can be compared, because only one of the layouts declares any, or
    /// a folder takes the name that a collection has. Where nothing is declared no sheet is defined
    /// otherwise, whatever other folders come and go.
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
    /// Says whether files below the roots of both become the same records with the same indexes,
    /// texts and references. What the public may know of these can still differ.
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
            // A comment moves the lines of the others.
            (("[sheets.people]", "# who\n[sheets.people]"), &[]),
            (("[sheets.tags]", "[sheets.tags]\nindex = ['n']"), &["tags"]),
            (("[sheets.tags]", "[sheets.tags]\npublic = false"), &["tags"]),
            (("[sheets.tags]", "[sheets.labels]"), &["labels", "tags"]),
            (("[sheets.tags]\n", ""), &["tags"]),
            // What refers to a sheet by another field is indexed there.
            (("'people'", "'people.id'"), &["people", "teams"]),
            (("'people'", "'tags'"), &["people", "tags", "teams"]),
            // What the public may know of a reference does not change what dangles.
            (("unique = ['id']", "unique = ['id']\nhidden = 'gone'"), &["people"]),
            // A definition that cannot be used takes its files from the sheets around it.
            (("[sheets.tags]", "[sheets.tags]\npolicy = 1"), &["all", "tags"]),
            // The references to it are left out, for it is empty.
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
