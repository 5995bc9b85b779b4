//! The files, links and submodules of a commit that are not records, and the reasons why.
//!
//! If nothing is declared, anyone may see the counts: they are part of the state and updated by
//! differences. If sheets are declared, the counts are only for the owner and come from a walk over
//! the tree.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::layout::Layout;
use crate::mirror::{EntryMode, PathChange};

/// The maximum length of a file ending; anything longer is a name with a dot in it.
const LONGEST: usize = 16;

/// The reason why an entry is passed over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It is in this folder, whose name begins with `.` or `_`.
    Folder(Box<str>),
    /// Its name has this ending, given without the dot, which no record has; empty if it has no
    /// ending.
    Ending(Box<str>),
    /// Its name ends like that of a record, but its path does not match the template.
    Path,
    /// It is in no sheet's folder, and its name has this ending.
    NoSheet(Box<str>),
    /// It is a symbolic link.
    Link,
    /// It is a submodule.
    Submodule,
}

/// The number of entries passed over, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PassedOver(Arc<BTreeMap<Reason, u64>>);

impl Reason {
    /// Returns why the entry at `path` is passed over, or `None` if it is a record or an
    /// attachment, or defines sheets. Visits each sheet for each folder of the path.
    pub fn of(layout: &Layout, path: &[u8], mode: EntryMode) -> Option<Self> {
        if let Some(folder) = layout.skipped_folder(path) {
            return Some(Self::Folder(folder.into()));
        }
        match mode {
            EntryMode::Symlink => return Some(Self::Link),
            EntryMode::Submodule => return Some(Self::Submodule),
            _ => {}
        }
        let defines = path.starts_with(b".gitsheets/") || path == b"headwater.toml";
        if defines || !layout.claims(path).is_empty() {
            return None;
        }
        if layout.is_inferred() {
            return Some(Self::Ending(ending(path)));
        }
        // An invalid definition is reported separately, and attachments are not records.
        if layout.is_unsettled(path) || !layout.beside(path).is_empty() {
            return None;
        }
        let text = String::from_utf8_lossy(path);
        let around = || layout.sheets().filter(|sheet| sheet.is_around(&text));
        Some(match around().next() {
            None => Self::NoSheet(ending(path)),
            Some(_) if around().any(|sheet| sheet.format_of(&text).is_some()) => Self::Path,
            Some(_) => Self::Ending(ending(path)),
        })
    }
}

/// Returns the ending of a file name.
fn ending(path: &[u8]) -> Box<str> {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let ending = name.iter().rposition(|byte| *byte == b'.').map(|dot| &name[dot + 1..]);
    let is_one = |ending: &&[u8]| {
        ending.len() <= LONGEST && ending.iter().all(|byte| byte.is_ascii_alphanumeric())
    };
    let ending = ending.filter(is_one).unwrap_or_default();
    String::from_utf8_lossy(ending).into()
}

/// The changes to the counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shift(BTreeMap<Reason, i64>);

impl Shift {
    /// Accounts for a changed path: its entry before, and its entry now.
    pub(crate) fn add(&mut self, layout: &Layout, change: &PathChange) {
        for (entry, one) in [(change.old, -1), (change.new, 1)] {
            let reason = entry.and_then(|entry| Reason::of(layout, &change.path, entry.mode));
            if let Some(reason) = reason {
                *self.0.entry(reason).or_default() += one;
            }
        }
    }

    /// Accounts for the changes of other paths, too.
    pub(crate) fn merge(&mut self, other: Self) {
        for (reason, by) in other.0 {
            *self.0.entry(reason).or_default() += by;
        }
    }
}

impl PassedOver {
    /// Counts what is passed over in a tree, given all its paths.
    pub fn of(layout: &Layout, paths: &[PathChange]) -> Self {
        let mut shift = Shift::default();
        paths.iter().for_each(|change| shift.add(layout, change));
        Self::default().after(&shift)
    }

    /// Returns the counts after the changes.
    pub(crate) fn after(&self, shift: &Shift) -> Self {
        if shift.0.values().all(|by| *by == 0) {
            return self.clone();
        }
        let mut counts = BTreeMap::clone(&self.0);
        for (reason, by) in &shift.0 {
            let count = counts.entry(reason.clone()).or_default();
            *count = count.saturating_add_signed(*by);
        }
        counts.retain(|_, count| *count > 0);
        Self(Arc::new(counts))
    }

    /// Returns the reasons in order, each with its number of files, links or submodules.
    pub fn iter(&self) -> impl Iterator<Item = (&Reason, u64)> {
        self.0.iter().map(|(reason, count)| (reason, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::BlobId;
    use crate::layout::{DefinitionFile, DefinitionFiles};
    use crate::mirror::FileEntry;

    fn declared(text: &str) -> Layout {
        let file = DefinitionFile { path: "headwater.toml".into(), bytes: text.into() };
        Layout::read(&DefinitionFiles { headwater: Some(file), ..Default::default() })
    }

    #[test]
    fn what_is_no_record_has_a_reason() {
        let inferred = Layout::empty();
        let sheets =
            "[sheets.people]\npath = \"${{ slug }}\"\n[sheets.docs]\nformat = \"markdown\"\n";
        let declared = declared(sheets);
        let (file, link) = (EntryMode::Regular, EntryMode::Symlink);
        for (layout, path, mode, reason) in [
            (&inferred, "people/ada.toml", file, None),
            (&inferred, "_posts/a.md", file, Some(Reason::Folder("_posts".into()))),
            (&inferred, "content/_x/a.md", file, Some(Reason::Folder("content/_x".into()))),
            (&inferred, ".github/a.yml", link, Some(Reason::Folder(".github".into()))),
            (&inferred, "people/ada.png", file, Some(Reason::Ending("png".into()))),
            (&inferred, "LICENSE", file, Some(Reason::Ending("".into()))),
            (&inferred, "a/v1.2-and then some", file, Some(Reason::Ending("".into()))),
            (&inferred, "people/ada.toml", link, Some(Reason::Link)),
            (&inferred, "part", EntryMode::Submodule, Some(Reason::Submodule)),
            (&declared, "headwater.toml", file, None),
            (&declared, ".gitsheets/x.toml", file, None),
            (&declared, "people/ada.toml", file, None),
            (&declared, "people/ada/photo.jpg", file, None),
            (&declared, "people/a/b/c.toml", file, None),
            (&declared, "people/photo.jpg", file, Some(Reason::Ending("jpg".into()))),
            (&declared, "docs/a.toml", file, Some(Reason::Ending("toml".into()))),
            (&declared, "_posts/a.md", file, Some(Reason::NoSheet("md".into()))),
            (&declared, "docs/a.md", link, Some(Reason::Link)),
        ] {
            assert_eq!(Reason::of(layout, path.as_bytes(), mode), reason, "{path}");
        }
        let deep = "[sheets.people]\npath = \"${{ year }}/${{ slug }}\"\n";
        let reason = |path: &str| Reason::of(&self::declared(deep), path.as_bytes(), file);
        assert_eq!(reason("people/ada.toml"), Some(Reason::Path));
    }

    #[test]
    fn counts_follow_the_difference() {
        let entry = |mode| Some(FileEntry { id: BlobId::from_bytes([1; 20]), mode });
        let change = |path: &str, old, new| PathChange { path: path.into(), old, new };
        let (file, link) = (entry(EntryMode::Regular), entry(EntryMode::Symlink));
        let layout = Layout::empty();
        let first = PassedOver::of(
            &layout,
            &[
                change("a.png", None, file),
                change("b.png", None, file),
                change("_x/a.md", None, file),
                change("x/a.md", None, file),
            ],
        );
        let mut shift = Shift::default();
        for change in [
            change("a.png", file, None),
            change("b.png", file, link),
            change("_x/a.md", file, file),
            change("x/a.md", file, link),
            change("c.txt", None, file),
        ] {
            shift.add(&layout, &change);
        }
        let next = first.after(&shift);
        let told: Vec<_> = next.iter().map(|(reason, count)| (reason.clone(), count)).collect();
        let of_txt = (Reason::Ending("txt".into()), 1);
        assert_eq!(told, [(Reason::Folder("_x".into()), 1), of_txt, (Reason::Link, 2)]);
        assert_eq!(first.after(&Shift::default()), first);
    }
}
