//! The repository that `check`, `diff`, `init` and `verify` read.

use headwater_engine::id::CommitId;
use headwater_engine::load::{LoadError, load};
use headwater_engine::mirror::{Mirror, Objects};
use headwater_engine::options::LoadOptions;
use headwater_engine::snapshot::Snapshot;

use crate::cli::RepoArgs;
use crate::exit::{Exit, Failure};
use crate::serve::load_options;

/// The largest file that is read as a record, as `serve` has it by default.
const RECORD_LIMIT: u64 = 1 << 20;

/// An open repository and how its records are read.
pub(super) struct Repository {
    pub(super) objects: Objects,
    pub(super) options: LoadOptions,
}

impl Repository {
    pub(super) fn open(arguments: &RepoArgs) -> Result<Self, Failure> {
        let options = load_options(arguments.sheets.as_deref(), RECORD_LIMIT)?;
        let objects = Mirror::open(&arguments.repo, arguments.mirror_options())
            .and_then(|mirror| mirror.objects())
            .map_err(|error| Failure::caused_by(Exit::Config, &error))?;
        Ok(Self { objects, options })
    }

    pub(super) fn resolve(&self, rev: &str) -> Result<CommitId, Failure> {
        self.objects.resolve(rev).map_err(|error| Failure::caused_by(Exit::Data, &error))
    }

    pub(super) fn load(&self, rev: &str) -> Result<Snapshot, Failure> {
        let commit = self.resolve(rev)?;
        load(&self.objects, commit, &self.options).map_err(|error| unreadable(&error))
    }
}

/// A commit that can't be read at all, which bad records never cause.
pub(super) fn unreadable(error: &LoadError) -> Failure {
    Failure::caused_by(Exit::Data, error)
}
