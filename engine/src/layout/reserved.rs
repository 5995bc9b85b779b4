//! Paths that no write may touch.

use super::name;

/// The file that declares sheets.
const DECLARATIONS: &str = "headwater.toml";

/// Says whether no write may touch `path`: its first name begins with a dot, or is that of the file
/// that declares sheets, or some file system may take it for such a name. What lies there says how
/// files are read, or is read by other programs, such as the workflows of a forge.
pub(crate) fn is_reserved(path: &[u8]) -> bool {
    let first = path.split(|byte| *byte == b'/').next().unwrap_or_default();
    let first = String::from_utf8_lossy(first);
    let folded = name::folded(&first);
    folded.starts_with('.') || folded == DECLARATIONS || name::is_short(&folded)
}

/// Says whether `path` lies below the folder `root`; everything lies below the empty one.
pub(super) fn lies_below(path: &str, root: &str) -> bool {
    root.is_empty() || path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'))
}
