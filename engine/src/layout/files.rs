//! What a layout is read from.

/// The sheet of the files directly in the root, where nothing is declared.
pub(super) const ROOT: &str = "root";

/// A file that defines sheets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionFile {
    /// Its path in the tree, or where else it came from.
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
    /// `headwater.toml`, or what stands in its place.
    pub headwater: Option<DefinitionFile>,
    /// What is directly in the root.
    pub root: Vec<RootEntry>,
    /// The paths of the folders that are sheets of their own below the top, should nothing be
    /// declared: those in `content` and `src/content`.
    pub collections: Vec<Vec<u8>>,
    /// The paths at which there is a symlink, a submodule or a folder where a definition would be a
    /// file, or something else where `.gitsheets` would be a folder. What they define is not known.
    pub no_files: Vec<String>,
}
