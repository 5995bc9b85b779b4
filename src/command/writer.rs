//! The engine of the commands that write: opened with the lock, and closed at the end.

use std::io::Write;
use std::sync::Arc;

use headwater_engine::engine::{Engine, EngineConfig, EngineStatus, Ledger, Mark};
use headwater_engine::id::{CommitId, SheetName};
use headwater_engine::mirror::{Identity, Mirror, Objects};
use headwater_engine::snapshot::Snapshot;
use headwater_engine::write::{Action, Batch, Committed, Condition, Operation, WriteError};
use serde_json::{Map, Value};

use super::messages::count;
use crate::cli::WriteArgs;
use crate::config::{self, ConfigError, Environment, Layers};
use crate::exit::{Exit, Failure};

/// A repository that is written to.
pub(super) struct Writer {
    engine: Engine,
    author: Identity,
    message: Option<String>,
    is_json: bool,
}

impl Writer {
    /// Opens the repository with the settings that a server would use, and takes its lock.
    ///
    /// # Errors
    /// Fails if a setting is wrong, the repository has a work tree or is that of a replica, or somebody
    /// else holds its lock.
    pub(super) fn open(
        arguments: &WriteArgs,
        environment: &dyn Environment,
    ) -> Result<Self, Failure> {
        let (mut config, committer) = settings(arguments, environment)
            .map_err(|error| Failure::caused_by(Exit::Config, &error))?;
        refuse_work_tree(&config)?;
        let author = match &arguments.author {
            Some(name) => Identity::parse(name)
                .map_err(|error| Failure::new(Exit::Usage, format!("--author: {error}")))?,
            None => committer.clone(),
        };
        config.writes = Some(committer);
        let engine = Engine::open(config, Arc::new(Ledger::new()))
            .map_err(|error| Failure::caused_by((&error).into(), &error))?;
        let (message, is_json) = (arguments.message.clone(), arguments.json);
        let writer = Self { engine, author, message, is_json };
        writer.refuse_replica()?;
        Ok(writer)
    }

    /// Refuses the repository of a replica: the others would never hear of a commit that is made here.
    fn refuse_replica(&self) -> Result<(), Failure> {
        let branch = self.engine.status().branch;
        let mark = Mark::Followed.of(&branch);
        let marked = self.objects()?.reference(&mark);
        let marked = marked.map_err(|error| Failure::caused_by(Exit::Config, &error))?;
        let Some(_) = marked else { return Ok(()) };
        let repo = self.engine.mirror().git_dir().display();
        let message = format!(
            "{repo} belongs to a replica of a cluster, and what is written into it reaches no other: write \
             through the API of any replica, or into another clone. If it is no replica any more, \
             `git --git-dir {repo} update-ref -d {mark}` makes it an ordinary repository"
        );
        Err(Failure::new(Exit::Config, message))
    }

    /// Returns the records as they are.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.engine.snapshot()
    }

    /// Opens the objects of the repository.
    pub(super) fn objects(&self) -> Result<Objects, Failure> {
        let objects = self.engine.mirror().objects();
        objects.map_err(|error| Failure::caused_by(Exit::Config, &error))
    }

    /// Returns whether the result is reported as JSON.
    pub(super) fn is_json(&self) -> bool {
        self.is_json
    }

    /// Writes `operations` as one commit, or none of them. The default message is `otherwise`.
    pub(super) fn commit(
        &self,
        operations: Vec<Operation>,
        otherwise: &str,
    ) -> Result<Committed, WriteError> {
        let message = self.message.clone().unwrap_or_else(|| otherwise.to_owned());
        // The user who runs the command may use all memory of the machine.
        let limit = usize::MAX;
        let batch = Batch { limit, ..Batch::new(self.author.clone(), message, operations) };
        let done = self.engine.commit(batch)?;
        // Each command adds a pack, and perhaps nobody else ever merges them.
        self.engine.settle();
        Ok(done)
    }

    /// Reports the result: as a line, or as JSON with the further facts.
    pub(super) fn tell(
        &self,
        commit: CommitId,
        is_changed: bool,
        summary: &str,
        facts: Map<String, Value>,
        out: &mut (dyn Write + Send),
    ) -> Result<(), Failure> {
        let status = self.engine.status();
        let unpushed = self.unpushed(&status, commit);
        if self.is_json {
            let mut body = Map::new();
            body.insert("commit".into(), commit.to_string().into());
            body.insert("changed".into(), is_changed.into());
            body.insert("unpushed".into(), unpushed.into());
            body.extend(facts);
            writeln!(out, "{}", Value::Object(body))?;
            return Ok(());
        }
        let done = if is_changed { format!("commit {commit}") } else { "nothing changed".into() };
        let behind = match (&status.remote, unpushed) {
            (None, _) | (_, Some(0)) => String::new(),
            (Some(_), Some(1)) => "; 1 commit is not pushed".to_owned(),
            (Some(_), Some(many)) => format!("; {} are not pushed", count(many, "commit")),
            (Some(_), None) if is_changed => "; it is not pushed".to_owned(),
            (Some(_), None) => String::new(),
        };
        writeln!(out, "{summary}: {done}{behind}")?;
        Ok(())
    }

    /// Counts the commits that the remote lacks, as far as its state is known.
    fn unpushed(&self, status: &EngineStatus, commit: CommitId) -> Option<usize> {
        status.remote.as_ref()?;
        let objects = self.objects().ok()?;
        // A clone made by hand has no mark, but a tracking branch.
        let tracking = format!("refs/remotes/origin/{}", status.branch);
        let seen = [Mark::Synced.of(&status.branch), tracking];
        let seen = seen.iter().find_map(|name| objects.reference(name).ok().flatten())?;
        objects.count_between(seen, commit).ok()
    }
}

/// Returns an operation without a condition.
pub(super) fn operation(sheet: &SheetName, action: Action) -> Operation {
    Operation { sheet: sheet.clone(), action, condition: Condition::Any }
}

/// Reads the branch to write and its settings from the arguments and the environment.
fn settings(
    arguments: &WriteArgs,
    environment: &dyn Environment,
) -> Result<(EngineConfig, Identity), ConfigError> {
    use crate::config::settings::BRANCH;
    let mut flags = arguments.repo.flags();
    flags.extend(arguments.branch.clone().map(|branch| (BRANCH.flag, branch)));
    let layers = Layers::new(&flags, environment, arguments.repo.config.as_deref())?;
    Ok((config::engine(&layers)?, config::committer(&layers)?))
}

/// Refuses a repository whose files would not follow its branch.
fn refuse_work_tree(config: &EngineConfig) -> Result<(), Failure> {
    let (repo, safe) = (&config.repo, &config.safe_directories);
    let facts =
        Mirror::inspect(repo, safe).map_err(|error| Failure::caused_by(Exit::Config, &error))?;
    if facts.bare {
        return Ok(());
    }
    let path = std::fs::canonicalize(repo).unwrap_or_else(|_| repo.to_owned());
    let path = path.display();
    let hint = "has a work tree, whose files a commit would not change: write to a bare clone \
                of it, created by";
    let message = format!("{path} {hint} `git clone --bare {path} {path}.git`");
    Err(Failure::new(Exit::Config, message))
}
