//! The files that a layout is read from.

/// The sheet of the files directly in the root, if nothing is declared.
pub(super) const ROOT: &str = "root";

/// A file that defines sheets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionFile {
    /// Its path in the tree, or another description of its source.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// An entry directly in the root of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootEntry {
    /// Its name, which need not be UTF-8.
    pub name: Vec<u8>,
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// Everything in a commit that its layout depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DefinitionFiles {
    /// The files directly in `.gitsheets` that end in `.toml`.
    pub gitsheets: Vec<DefinitionFile>,
    /// The files below `.gitsheets/contracts`.
    pub contracts: Vec<DefinitionFile>,
    /// `headwater.toml`, or its replacement.
    pub headwater: Option<DefinitionFile>,
    /// The entries directly in the root.
    pub root: Vec<RootEntry>,
    /// The folders in `content` and `src/content`, which are sheets of their own if nothing is
    /// declared.
    pub collections: Vec<Vec<u8>>,
    /// The paths with a symlink, a submodule or a folder where a definition would be a file, or
    /// anything but a folder where `.gitsheets` would be. Their definitions are unknown.
    pub no_files: Vec<String>,
    /// The first path above what may define sheets in number or bytes. Then no definition was read.
    pub too_much_at: Option<String>,
}
