//! Checks that links have targets.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::Page;

/// Returns the fault of `link` in `file`; both are below `root`. Links to other hosts are not
/// followed.
pub(super) fn fault(
    root: &Path,
    pages: &BTreeMap<PathBuf, Page>,
    file: &Path,
    link: &str,
) -> Option<&'static str> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => file.to_owned(),
        path => resolved(&file.parent()?.join(path))?,
    };
    // The book has only the files in its folder.
    if file.starts_with("docs") && !target.starts_with("docs") {
        return Some("leads out of the book");
    }
    if !root.join(&target).exists() {
        return Some("is not there");
    }
    let known = |page: &Page| page.anchors.iter().any(|known| known == anchor);
    match pages.get(&target) {
        Some(page) if !anchor.is_empty() && !known(page) => Some("has no such heading"),
        None if !anchor.is_empty() => Some("has no headings"),
        _ => None,
    }
}

/// Resolves `..` in a path. Returns `None` if it leads out of the repository.
fn resolved(path: &Path) -> Option<PathBuf> {
    let mut resolved = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => resolved.pop().then_some(())?,
            Component::Normal(name) => resolved.push(name),
            _ => {}
        }
    }
    Some(resolved)
}
