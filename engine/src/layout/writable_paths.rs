//! The paths that a sheet may be written in, beyond the files that are its records.
//!
//! An unusable definition leaves it unknown to whom the files below its root belong, and whether
//! they are public. Until it is repaired, they belong to no sheet.

use std::sync::Arc;

use smallvec::SmallVec;

use super::reserved::{is_reserved, lies_below};
use super::{Layout, PathClaim, SheetSpec, file_name};
use crate::id::Key;

impl Layout {
    /// Returns the sheets that `path` belongs to: those that claim it as a record or, if there are
    /// none, those of the innermost folder of attachments around it. Such a folder belongs to its
    /// sheets whether the record exists or not. Reserved paths, and paths below the root of an
    /// unusable definition, belong to none.
    ///
    /// Visits each sheet for each folder in the path.
    pub fn holders(&self, path: &[u8]) -> SmallVec<[Arc<SheetSpec>; 1]> {
        if is_reserved(path) || self.is_unsettled(path) {
            return SmallVec::new();
        }
        let mut claims = self.claims(path);
        if claims.is_empty() {
            claims = self.beside(path);
        }
        claims.into_iter().map(|claim| claim.sheet).collect()
    }

    /// Returns the records that the file at `path` is an attachment of, in each of the sheets that
    /// hold it, whether these records exist or not. A record is not an attachment, and neither is a
    /// file that no sheet holds.
    ///
    /// Costs a look at each sheet for each folder on the way.
    pub fn beside(&self, path: &[u8]) -> SmallVec<[PathClaim; 1]> {
        if is_reserved(path) || self.is_unsettled(path) || !self.claims(path).is_empty() {
            return SmallVec::new();
        }
        let slashes = (0..path.len()).rev().filter(|at| path[*at] == b'/');
        let folders = slashes.filter_map(|at| std::str::from_utf8(&path[..at]).ok());
        let beside = |folder| -> SmallVec<[PathClaim; 1]> {
            let sound = self.sheets().filter(|sheet| sheet.problems.is_empty());
            let claim = |sheet: &Arc<SheetSpec>| {
                let key = Key::new(sheet.key_beside(folder)?);
                Some(PathClaim { sheet: sheet.clone(), key, fault: None })
            };
            sound.filter_map(claim).collect()
        };
        folders.map(beside).find(|records| !records.is_empty()).unwrap_or_default()
    }

    /// Lists the sheets that could hold files below `folder`, whether there are any or not.
    pub(crate) fn reaching_below(&self, folder: &str) -> impl Iterator<Item = &Arc<SheetSpec>> {
        self.sheets().filter(move |sheet| sheet.reaches_below(folder))
    }

    /// Returns whether `path` is below the root of an unusable definition.
    pub(crate) fn is_unsettled(&self, path: &[u8]) -> bool {
        let is_below = |root: &String| {
            let rest = path.strip_prefix(root.as_bytes());
            root.is_empty() || rest.is_some_and(|rest| rest.starts_with(b"/"))
        };
        self.0.unsettled.iter().any(is_below)
    }

    /// Returns whether anything below `folder` is below the root of an unusable definition.
    pub(crate) fn is_unsettled_below(&self, folder: &str) -> bool {
        let reaches = |root: &String| root == folder || lies_below(root, folder);
        self.is_unsettled(folder.as_bytes()) || self.0.unsettled.iter().any(reaches)
    }

    /// Returns whether `path` is kept from `sheet`, because it is below the root of an unusable
    /// definition inside the sheet's own root. A sheet with the same root, or with one further
    /// inside, declares by itself that it shows its files.
    pub(super) fn is_kept_from(&self, sheet: &SheetSpec, path: &str) -> bool {
        self.taken_from(sheet).any(|root| lies_below(path, root))
    }

    /// Returns the roots of unusable definitions inside the root of `sheet`.
    pub(super) fn taken_from<'a>(
        &'a self,
        sheet: &'a SheetSpec,
    ) -> impl Iterator<Item = &'a String> {
        let is_inside = |root: &&String| **root != sheet.root && lies_below(root, &sheet.root);
        self.0.unsettled.iter().filter(is_inside)
    }

    /// Returns the path of the attachment `name` of the record of `sheet` at `path`, or `None` if
    /// it cannot have that name: a path that another sheet holds or reads as a record, or that is
    /// reserved, cannot be an attachment.
    pub fn attachment_of(&self, sheet: &SheetSpec, path: &str, name: &str) -> Option<String> {
        let attachment = format!("{}/{name}", sheet.attachments_of(path)?);
        let fits = !name.contains('/')
            && file_name::fault(attachment.as_bytes()).is_none()
            && self.beside(attachment.as_bytes()).iter().any(|of| of.sheet.name == sheet.name);
        fits.then_some(attachment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{DefinitionFile, DefinitionFiles};

    fn layout() -> Layout {
        let sheet = |name: &str, root: &str, path: &str| DefinitionFile {
            path: format!(".gitsheets/{name}.toml"),
            bytes: format!("[gitsheet]\nroot = \"{root}\"\npath = \"{path}\"\n").into_bytes(),
        };
        let gitsheets = vec![
            sheet("index", ".", "${{ slug }}"),
            sheet("notes", "people", "${{ person }}/${{ id }}"),
            sheet("people", "people", "${{ slug }}"),
            sheet("staff", "people", "${{ slug }}"),
            sheet("tree", "docs", "${{ p/** }}"),
        ];
        Layout::read(&DefinitionFiles { gitsheets, ..DefinitionFiles::default() })
    }

    #[test]
    fn a_path_belongs_to_those_who_claim_it_or_to_the_innermost_record_that_it_is_beside() {
        let layout = layout();
        for (path, holders) in [
            ("home.toml", &["index"][..]),
            ("home/photo.jpg", &["index"]),
            ("home/deep/photo.jpg", &["index"]),
            ("people/ada.toml", &["people", "staff"]),
            ("people/ada/photo.jpg", &["people", "staff"]),
            ("people/ada/1.toml", &["notes"]),
            ("people/ada/1/scan.png", &["notes"]),
            ("docs/a/b.toml", &["tree"]),
            // A recursive sheet has no attachments, so this is next to the record `docs` of the
            // index.
            ("docs/a/b.jpg", &["index"]),
            ("readme.md", &[]),
            (".gitsheets.toml", &[]),
            (".gitsheets/people.toml", &[]),
            (".github/workflows/ci.yml", &[]),
            ("headwater.toml", &[]),
            ("Headwater.TOML/x.toml", &[]),
        ] {
            let found = layout.holders(path.as_bytes());
            let found: Vec<_> = found.iter().map(|sheet| sheet.name.as_str()).collect();
            assert_eq!(found, holders, "{path}");
        }
        assert_eq!(layout.holders(b"people/ada/\xff.jpg").len(), 2, "names need not be text");
    }

    fn declared(text: &str) -> Layout {
        let headwater =
            Some(DefinitionFile { path: "headwater.toml".into(), bytes: text.as_bytes().into() });
        Layout::read(&DefinitionFiles { headwater, ..DefinitionFiles::default() })
    }

    #[test]
    fn below_the_root_of_a_definition_that_cannot_be_used_nothing_is_anybodys() {
        let outer = "[sheets.all]\nroot = '.'\n[sheets.index]\nroot = '.'\npath = '${{ slug }}'\n\
                     [sheets.tags]\nroot = 'people/tags'\npath = '${{ slug }}'\n";
        let people = "[sheets.people]\npath = '${{ slug }}'\n";
        let sound = declared(&format!("{outer}{people}"));
        let unsound = declared(&format!("{outer}{people}language = 'xx'\n"));
        let claims = |layout: &Layout, path: &str| -> Vec<String> {
            layout.claims(path.as_bytes()).iter().map(|c| c.sheet.name.to_string()).collect()
        };
        for (path, before, behind) in [
            ("people/ada.toml", &["all", "people"][..], &[][..]),
            ("people/a/b.toml", &["all"], &[]),
            ("people/tags/x.toml", &["all", "tags"], &["tags"]),
            ("people.toml", &["all", "index"], &["all", "index"]),
            ("peoples/x.toml", &["all"], &["all"]),
        ] {
            assert_eq!(claims(&sound, path), before, "{path}");
            assert_eq!(claims(&unsound, path), behind, "{path}");
        }
        for path in ["people/ada.toml", "people/ada.json", "people/tags/x.toml", "people/x/y.jpg"] {
            assert!(unsound.holders(path.as_bytes()).is_empty(), "{path}");
            assert!(unsound.beside(path.as_bytes()).is_empty(), "{path}");
            assert!(!sound.holders(path.as_bytes()).is_empty(), "{path}");
        }
        assert!(unsound.is_unsettled_below("people") && unsound.is_unsettled_below("people/ada"));
        assert!(!unsound.is_unsettled_below("peoples") && !sound.is_unsettled_below("people"));
        assert!(!sound.reads_alike(&unsound));
        for unknown in ["[sheets.p]\nroot = 1\n", "[sheets]\np = 1\n", "[sheets", "sheets = 1"] {
            assert!(declared(unknown).is_unsettled(b"x/y"), "{unknown}");
        }
    }

    #[test]
    fn a_definition_that_is_passed_over_keeps_its_root_and_layouts_tell_it_apart() {
        let read = |root: &str| {
            let text = format!("[sheets.people]\nroot = '{root}'\npublic = false\n");
            let people = "[gitsheet]\nroot = 'people'\npath = '${{ slug }}'\n";
            let file = |path: &str, text: &str| DefinitionFile {
                path: path.into(),
                bytes: text.as_bytes().into(),
            };
            Layout::read(&DefinitionFiles {
                gitsheets: vec![file(".gitsheets/people.toml", people)],
                headwater: Some(file("headwater.toml", &text)),
                ..DefinitionFiles::default()
            })
        };
        assert!(read("staff").is_unsettled(b"staff/a.toml"));
        assert!(!read("staff").is_unsettled(b"people/a.toml"));
        assert!(!read("staff").reads_alike(&read("crew")));
    }

    #[test]
    fn a_sheet_reaches_below_a_folder_by_its_definition_alone() {
        let layout = layout();
        for (folder, sheets) in [
            ("people", &["index", "notes", "people", "staff"][..]),
            ("people/ada", &["notes", "people", "staff"]),
            ("people/ada/1", &["notes"]),
            ("people/ada/1/x", &[]),
            ("docs/a/b/c", &["tree"]),
            ("home", &["index"]),
        ] {
            let found: Vec<_> = layout.reaching_below(folder).map(|s| s.name.as_str()).collect();
            assert_eq!(found, sheets, "{folder}");
        }
    }

    #[test]
    fn only_what_stands_at_the_root_is_reserved() {
        for path in [
            ".x",
            ".x/y",
            "headwater.toml",
            "HEADWATER.toml",
            // Names that HFS+ and NTFS treat as one of these.
            "\u{200c}.gitsheets/x",
            "headwater\u{200c}.toml",
            "headwater.toml. ",
            "GITSHE~1/x.toml",
            "githu~12/workflows/x.yml",
            "HEADWA~1.TOM",
            "GI1A2B~1",
        ] {
            assert!(is_reserved(path.as_bytes()), "{path}");
        }
        for path in [
            "x/.y",
            "x/headwater.toml",
            "headwater",
            "headwater.toml.md",
            "x.",
            "a~b",
            "notes-of-july~1",
        ] {
            assert!(!is_reserved(path.as_bytes()), "{path}");
        }
    }
}
