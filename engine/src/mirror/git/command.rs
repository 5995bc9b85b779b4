//! The commands of the git program.

/// The commands of git that are run. There are no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mirror) enum GitCommand {
    /// Reads objects, for files and their old versions.
    CatFile,
    /// Walks through the history of a record.
    Log,
    /// Brings commits to the remote; a remote on this machine takes them with `receive-pack`.
    Push,
    /// Puts packs together.
    Repack,
    /// Serves a remote on this machine. The one command that runs in the repository itself, whose
    /// refs it tells.
    UploadPack,
    /// Tells the version of the program.
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

    /// Says whether it is run only for a mirror of ours, which it changes or speaks for.
    pub(super) fn writes(self) -> bool {
        matches!(self, Self::Push | Self::Repack)
    }
}
