//! Which paths a sheet may be written in, beyond the files that are its records.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Layout, SheetSpec};

/// The file that declares sheets.
const DECLARATIONS: &str = "headwater.toml";

/// Says whether no write may touch `path`: its first name begins with a dot, or is that of the file
/// that declares sheets. What lies there says how files are read, or is read by other programs, such
/// as the workflows of a forge.
pub(crate) fn is_reserved(path: &[u8]) -> bool {
    let first = path.split(|byte| *byte == b'/').next().unwrap_or_default();
    // A file system that ignores case takes another spelling for it.
    first.starts_with(b".") || first.eq_ignore_ascii_case(DECLARATIONS.as_bytes())
}

impl Layout {
    /// Returns the sheets that `path` belongs to: those that claim it as a record, and where none
    /// does those of the innermost folder of attachments around it. Such a folder belongs to its
    /// sheets whether the record is there or not. Nobody holds what is reserved.
    ///
    /// Costs a look at each sheet for each folder on the way.
    pub fn holders(&self, path: &[u8]) -> SmallVec<[Arc<SheetSpec>; 1]> {
        if is_reserved(path) {
            return SmallVec::new();
        }
        let claims = self.claims(path);
        if !claims.is_empty() {
            return claims.into_iter().map(|claim| claim.sheet).collect();
        }
        let slashes = (0..path.len()).rev().filter(|at| path[*at] == b'/');
        let folders = slashes.filter_map(|at| std::str::from_utf8(&path[..at]).ok());
        for folder in folders {
            let sound = self.sheets().filter(|sheet| sheet.problems.is_empty());
            let holders: SmallVec<_> = sound.filter(|s| s.attaches_in(folder)).cloned().collect();
            if !holders.is_empty() {
                return holders;
            }
        }
        SmallVec::new()
    }

    /// Returns the path of the attachment `name` of the record of `sheet` at `path`; `None` where it
    /// cannot have one of that name: what another sheet holds or takes for a record, and what is
    /// reserved, is no attachment of it.
    pub fn attachment_of(&self, sheet: &SheetSpec, path: &str, name: &str) -> Option<String> {
        let attachment = format!("{}/{name}", sheet.attachments_of(path)?);
        let fits = !name.contains('/')
            && super::name::fault(attachment.as_bytes()).is_none()
            && self.claims(attachment.as_bytes()).is_empty()
            && self.holders(attachment.as_bytes()).iter().any(|holder| holder.name == sheet.name);
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
            // A recursive sheet has no attachments, so this is beside the record `docs` of the index.
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

    #[test]
    fn only_what_stands_at_the_root_is_reserved() {
        for path in [".x", ".x/y", "headwater.toml", "HEADWATER.toml"] {
            assert!(is_reserved(path.as_bytes()), "{path}");
        }
        for path in ["x/.y", "x/headwater.toml", "headwater", "headwater.toml.md", "x."] {
            assert!(!is_reserved(path.as_bytes()), "{path}");
        }
    }
}
