//! How many sheets a commit may define, and how many of them may read one file.
//!
//! A file is a record of each sheet that claims it. Without a limit, a thousand sheets of one folder
//! with a thousand files would be a million records, all from a few kilobytes.

use std::collections::BTreeMap;

use super::reserved::lies_below;
use super::spec::SheetSpec;
use crate::id::SheetName;
use crate::problem::{Problem, Rule};

/// The most sheets of a commit. The layout asks each of them for each path.
pub(super) const SHEETS: usize = 1_000;

/// The most folders that are sheets by themselves. The layout finds these by their names.
pub(super) const FOLDERS: usize = 10_000;

/// The most sheets that may read one file.
const READERS: usize = 250;

/// Adds a problem to each sheet whose folder more than [`READERS`] sheets read. The others then
/// claim no path more often than that.
pub(super) fn limit(specs: &mut BTreeMap<SheetName, SheetSpec>) {
    let sound = || specs.values().filter(|spec| spec.problems.is_empty());
    let reads =
        |spec: &SheetSpec, place: &str| spec.place() == place || lies_below(place, spec.place());
    let readers = |place: &str| sound().filter(|spec| reads(spec, place)).count();
    let crowded: Vec<_> = sound()
        .filter(|spec| readers(spec.place()) > READERS)
        .map(|spec| spec.name.clone())
        .collect();
    for name in crowded {
        let Some(spec) = specs.get_mut(&name) else { continue };
        let place = if spec.place().is_empty() { "." } else { spec.place() };
        let message = format!("sheet {name}: more than {READERS} sheets read {place:?}");
        let path = spec.definition.clone().unwrap_or_default();
        spec.problems.push(Problem::new(&name, path, Rule::Definition, message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{DefinitionFile, DefinitionFiles, Layout, RootEntry};

    fn declared(sheets: impl Iterator<Item = (String, &'static str)>) -> Layout {
        let text: String =
            sheets.map(|(name, root)| format!("[sheets.{name}]\nroot = \"{root}\"\n")).collect();
        let path = "headwater.toml".into();
        let headwater = Some(DefinitionFile { path, bytes: text.into_bytes() });
        Layout::read(&DefinitionFiles { headwater, ..DefinitionFiles::default() })
    }

    #[test]
    fn so_many_sheets_may_read_one_file_and_where_there_are_more_none_of_them_does() {
        let of = |count: usize, root| (0..count).map(move |n| (format!("{root}{n}"), root));
        let full = declared(of(READERS, "x").chain(of(READERS, "y")));
        assert_eq!(full.problems().count(), 0);
        assert_eq!(full.claims(b"x/a.toml").len(), READERS);
        let crowded = declared(of(READERS + 1, "x").chain(of(1, "y")));
        assert_eq!(crowded.problems().count(), READERS + 1);
        let problem = crowded.problems().next().unwrap();
        assert_eq!(problem.path, "headwater.toml");
        assert_eq!(problem.message, "sheet x0: more than 250 sheets read \"x\"");
        assert_eq!(crowded.claims(b"x/a.toml").len(), 0);
        assert_eq!(crowded.claims(b"y/a.toml").len(), 1);
        // A sheet inside the folder of others is one more that reads its files.
        let nested = declared(of(READERS, "x").chain([("inner".into(), "x/y")]));
        assert_eq!(nested.problems().count(), 1);
        assert_eq!(nested.claims(b"x/y/a.toml").len(), 0);
        assert_eq!(nested.claims(b"x/a.toml").len(), READERS);
    }

    #[test]
    fn a_commit_has_so_many_sheets_and_with_more_it_has_none() {
        let many = |count: usize| {
            let names = (0..count).map(|n| format!("[sheets.s{n}]\n")).collect::<String>();
            let path = "headwater.toml".into();
            let headwater = Some(DefinitionFile { path, bytes: names.into_bytes() });
            Layout::read(&DefinitionFiles { headwater, ..DefinitionFiles::default() })
        };
        assert_eq!(many(SHEETS).sheets().count(), SHEETS);
        let excess = many(SHEETS + 1);
        assert_eq!((excess.sheets().count(), excess.problems().count()), (0, 1));
        assert!(excess.is_unsettled(b"s1/a.toml") && !excess.is_inferred());

        let folder = |n: usize| RootEntry { name: format!("f{n}").into_bytes(), is_folder: true };
        let folders = |count: usize| {
            let root = (0..count).map(folder).collect();
            Layout::read(&DefinitionFiles { root, ..DefinitionFiles::default() })
        };
        assert_eq!(folders(FOLDERS).sheets().count(), FOLDERS);
        let excess = folders(FOLDERS + 1);
        assert_eq!((excess.sheets().count(), excess.problems().count()), (0, 1));
        assert!(excess.claims(b"f1/a.toml").is_empty());
    }
}
