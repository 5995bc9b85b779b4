//! The commands of the git program.

/// The git commands that are run. There are no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mirror) enum GitCommand {
    /// Reads objects, for files and their old versions.
    CatFile,
    /// Walks through the history of a record.
    Log,
    /// Sends commits to the remote; a remote on this machine takes them with `receive-pack`.
    Push,
    /// Merges packs.
    Repack,
    /// Serves a remote on this machine, and the mirror to other replicas. The only command that runs
    /// in the repository itself, whose refs it lists.
    UploadPack,
    /// Prints the version of the program.
    Version,
}

impl GitCommand {
    #[cfg(test)]
    pub(super) const ALL: [Self; 6] =
        [Self::CatFile, Self::Log, Self::Push, Self::Repack, Self::UploadPack, Self::Version];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::CatFile => "cat-file",
            Self::Log => "log",
            Self::Push => "push",
            Self::Repack => "repack",
            Self::UploadPack => "upload-pack",
            Self::Version => "version",
        }
    }

    /// Returns whether it runs only on Headwater's own mirrors, which it changes or acts for.
    pub(super) fn writes(self) -> bool {
        matches!(self, Self::Push | Self::Repack)
    }
}
