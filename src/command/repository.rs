//! The repository of the commands that read, with the settings that a server would use.

use headwater_engine::engine::{OpenError, choose_branch};
use headwater_engine::id::CommitId;
use headwater_engine::load::{LoadError, load};
use headwater_engine::mirror::{Mirror, Objects, ResolveError};
use headwater_engine::notice::{Notice, all_notices};
use headwater_engine::options::LoadOptions;
use headwater_engine::snapshot::Snapshot;

use crate::cli::{ReadArgs, RepoArgs};
use crate::config::{Environment, Flags, Layers, ReadSettings};
use crate::exit::{Exit, Failure};

/// An open repository, and how its records are read.
pub(super) struct Repository {
    pub(super) objects: Objects,
    pub(super) options: LoadOptions,
    reading: ReadSettings,
}

impl Repository {
    /// Opens the repository of a command that names its commits.
    ///
    /// # Errors
    /// Fails if a setting is wrong, or if the repository cannot be opened.
    pub(super) fn open(
        arguments: &RepoArgs,
        environment: &dyn Environment,
    ) -> Result<Self, Failure> {
        Self::with(&arguments.flags(), arguments, environment)
    }

    /// Opens the repository of a command that reads one commit, and returns the name of that
    /// commit.
    ///
    /// # Errors
    /// As [`Self::open`]; also fails if the branch is not known.
    pub(super) fn at(
        arguments: &ReadArgs,
        environment: &dyn Environment,
    ) -> Result<(Self, String), Failure> {
        let repository = Self::with(&arguments.flags(), &arguments.repo, environment)?;
        let rev = match &arguments.rev {
            Some(rev) => rev.clone(),
            None => repository.head()?,
        };
        Ok((repository, rev))
    }

    fn with(
        flags: &Flags,
        arguments: &RepoArgs,
        environment: &dyn Environment,
    ) -> Result<Self, Failure> {
        let layers = Layers::new(flags, environment, arguments.config.as_deref());
        let reading = layers.and_then(|layers| ReadSettings::resolve(&layers));
        let reading = reading.map_err(|error| Failure::caused_by(Exit::Config, &error))?;
        let options = reading.load_options();
        let options = options.map_err(|error| Failure::caused_by(Exit::Config, &error))?;
        let objects = Mirror::open(&reading.repo, reading.mirror_options())
            .and_then(|mirror| mirror.objects())
            .map_err(|error| Failure::caused_by(Exit::Config, &error))?;
        Ok(Self { objects, options, reading })
    }

    /// Returns the name of the head of the branch that a server would serve: the configured one,
    /// that of HEAD, or the only one.
    fn head(&self) -> Result<String, Failure> {
        if let Some(branch) = &self.reading.branch {
            return Ok(format!("refs/heads/{branch}"));
        }
        if self.objects.resolve("HEAD").is_ok() {
            return Ok("HEAD".to_owned());
        }
        let facts = Mirror::inspect(&self.reading.repo, &self.reading.safe_directories)
            .map_err(|error| Failure::caused_by(Exit::Config, &error))?;
        let branch = choose_branch(&facts);
        let branch =
            branch.map_err(|error: OpenError| Failure::caused_by((&error).into(), &error))?;
        Ok(format!("refs/heads/{branch}"))
    }

    pub(super) fn resolve(&self, rev: &str) -> Result<CommitId, Failure> {
        self.objects.resolve(rev).map_err(|error| {
            let error = match error {
                ResolveError::Unknown { .. } => self.objects.why_unknown(rev),
                error => error,
            };
            Failure::caused_by(Exit::Data, &error)
        })
    }

    /// Lists the notices about a loaded commit, including those about files that it ignores.
    pub(super) fn notices(&self, snapshot: &Snapshot) -> Result<Vec<Notice>, Failure> {
        all_notices(&self.objects, snapshot).map_err(|error| Failure::caused_by(Exit::Data, &error))
    }

    pub(super) fn load(&self, rev: &str) -> Result<Snapshot, Failure> {
        let commit = self.resolve(rev)?;
        load(&self.objects, commit, &self.options).map_err(|error| unreadable(&error))
    }
}

/// Reports a commit that cannot be read at all, which bad records never cause.
pub(super) fn unreadable(error: &LoadError) -> Failure {
    Failure::caused_by(Exit::Data, error)
}
