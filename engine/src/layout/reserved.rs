//! Paths that no write may touch.

use super::file_name;

/// The file that declares sheets.
const DECLARATIONS: &str = "headwater.toml";

/// Returns whether no write may touch `path`: its first name begins with a dot or is that of the
/// file that declares sheets, or some file system may treat it as such a name. These files define
/// how others are read, or belong to other programs, such as the workflows of a forge.
pub(crate) fn is_reserved(path: &[u8]) -> bool {
    let first = path.split(|byte| *byte == b'/').next().unwrap_or_default();
    let first = String::from_utf8_lossy(first);
    let folded = file_name::folded(&first);
    folded.starts_with('.') || folded == DECLARATIONS || file_name::is_short(&folded)
}

/// Returns whether `path` is below the folder `root`; everything is below the empty one.
pub(super) fn lies_below(path: &str, root: &str) -> bool {
    root.is_empty() || path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'))
}
