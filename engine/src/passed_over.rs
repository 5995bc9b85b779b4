//! What of a commit is no record, and why: files, links and submodules that are passed over.
//!
//! Where nothing is declared, everybody may know, and the counts are a part of the state, kept in step
//! by the difference. Where sheets are declared, the owner is told by a walk over the tree.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::layout::Layout;
use crate::mirror::{EntryMode, PathChange};

/// The longest ending that is one; what is longer is a name with a dot in it.
const LONGEST: usize = 16;

/// Why something is passed over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It is in this folder, whose name begins with `.` or `_`.
    Folder(Box<str>),
    /// Its name ends in this, without the dot, as that of no record does; empty where it has no ending.
    Ending(Box<str>),
    /// Its name ends as that of a record, and its path is not what the template says.
    Path,
    /// It is in the folder of no sheet, with a name that ends in this.
    NoSheet(Box<str>),
    /// It is a symbolic link.
    Link,
    /// It is a submodule.
    Submodule,
}

/// How much is passed over, by the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PassedOver(Arc<BTreeMap<Reason, u64>>);

impl Reason {
    /// Returns why what is at `path` is passed over; `None` where it is a record or an attachment, or
    /// defines sheets. Costs a look at each sheet for each folder on the way.
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
        // What is wrong with a definition is told by itself, and attachments are no records.
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

/// Returns what the name of a file ends in.
fn ending(path: &[u8]) -> Box<str> {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let ending = name.iter().rposition(|byte| *byte == b'.').map(|dot| &name[dot + 1..]);
    let is_one = |ending: &&[u8]| {
        ending.len() <= LONGEST && ending.iter().all(|byte| byte.is_ascii_alphanumeric())
    };
    let ending = ending.filter(is_one).unwrap_or_default();
    String::from_utf8_lossy(ending).into()
}

/// By how much the counts change.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shift(BTreeMap<Reason, i64>);

impl Shift {
    /// Takes into account what is at a path now, and what was before.
    pub(crate) fn add(&mut self, layout: &Layout, change: &PathChange) {
        for (entry, one) in [(change.old, -1), (change.new, 1)] {
            let reason = entry.and_then(|entry| Reason::of(layout, &change.path, entry.mode));
            if let Some(reason) = reason {
                *self.0.entry(reason).or_default() += one;
            }
        }
    }
}

impl PassedOver {
    /// Counts what is passed over in a tree, whose `paths` are all that it holds.
    pub fn of(layout: &Layout, paths: &[PathChange]) -> Self {
        let mut shift = Shift::default();
        paths.iter().for_each(|change| shift.add(layout, change));
        Self::default().after(&shift)
    }

    /// Returns the counts as they are shifted.
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

    /// Returns the reasons, in order, each with how many files, links or submodules it is of.
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
