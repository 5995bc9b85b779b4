//! The measured repository: a generated corpus, or any other that receives pushes.

use std::path::Path;

use headwater_engine::id::CommitId;
use headwater_engine::load::load;
use headwater_engine::mirror::{Mirror, MirrorOptions};
use headwater_engine::options::LoadOptions;
use headwater_engine::snapshot::Snapshot;
use headwater_testkit::corpus::{self, Civic};
use headwater_testkit::{Upstream, git};

use crate::rewrite::Rewrites;

/// With this many files or more, a commit is made through an index, which is then faster.
const MANY: usize = 2_000;

/// A remote that receives pushes.
pub struct Source {
    /// The remote.
    pub upstream: Upstream,
    name: String,
    records: Records,
    rounds: u64,
    /// Whether the tags are declared to be in English.
    is_english: bool,
}

/// The source of the changed records of a push.
enum Records {
    Civic(Civic),
    Found(Rewrites),
}

impl Source {
    /// Creates a remote with the corpus `civic`.
    ///
    /// # Panics
    /// Panics if git fails, as everything here does: without it there is nothing to measure.
    pub fn civic(civic: Civic) -> Self {
        let name = match civic.people() {
            people if people.is_multiple_of(1_000) => format!("civic-{}k", people / 1_000),
            people => format!("civic-{people}"),
        };
        let mut upstream = Upstream::new();
        civic.write_to(&mut upstream);
        Self { upstream, name, records: Records::Civic(civic), rounds: 0, is_english: false }
    }

    /// Creates a remote with the corpus civic-N of `people` in one flat folder.
    pub fn flat(people: usize) -> Self {
        Self::civic(corpus::civic(people))
    }

    /// Creates a remote with the branch of HEAD of the repository in `dir`, which stays unchanged.
    ///
    /// Its pushes rewrite a word in existing records.
    pub fn repository(dir: &Path) -> Self {
        let branch = git(dir, ["symbolic-ref", "--short", "HEAD"]);
        let upstream = Upstream::with_branch(&branch);
        let dir = dir.canonicalize().unwrap_or_else(|error| panic!("{dir:?}: {error}"));
        let url = format!("file://{}", dir.display());
        git(upstream.path(), ["fetch", "--quiet", &url, &format!("+{branch}:{branch}")]);
        let name = dir.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let rewrites = Rewrites::of(&loaded(&upstream), upstream.path());
        Self { upstream, name, records: Records::Found(rewrites), rounds: 0, is_english: false }
    }

    /// Packs the remote, as its host would; nothing is removed. Without packs a clone would walk
    /// all trees.
    pub fn repack(&self) {
        git(self.upstream.path(), ["repack", "-a", "-b", "-q"]);
    }

    /// Copies the remote to `dir`, an empty folder, as a bare repository.
    pub fn copy_to(&self, dir: &Path) {
        let url = format!("file://{}", self.upstream.path().display());
        git(dir, ["clone", "--quiet", "--bare", &url, "."]);
    }

    /// Returns the name of the corpus or of the repository.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether this is the corpus of the absolute goals.
    pub fn has_goals(&self) -> bool {
        matches!(&self.records, Records::Civic(civic) if *civic == corpus::civic(32_000))
    }

    /// Returns how many records a push can change.
    pub fn changeable(&self) -> usize {
        match &self.records {
            Records::Civic(civic) => civic.people(),
            Records::Found(rewrites) => rewrites.len(),
        }
    }

    /// Returns the head of the branch.
    pub fn head(&self) -> CommitId {
        id(&self.upstream.head().expect("the branch is born"))
    }

    /// Pushes a change of `records` records and returns the new head.
    pub fn push(&mut self, records: usize) -> CommitId {
        let edits = self.edits(records);
        id(&match records {
            0..MANY => self.upstream.commit("edit").put_all(edits).push(),
            _ => self.upstream.commit_stream("edit", edits),
        })
    }

    /// Pushes another definition of the sheet of 200 tags, in English every other time, and returns
    /// the new head. Returns `None` if the definitions are not known.
    pub fn redefine(&mut self) -> Option<CommitId> {
        let Records::Civic(civic) = &self.records else { return None };
        let (path, text) = civic.files().find(|(path, _)| path == ".gitsheets/tags.toml")?;
        self.is_english = !self.is_english;
        let more = if self.is_english { "language = \"en\"\n" } else { "" };
        let text = [&text, more.as_bytes()].concat();
        Some(id(&self.upstream.commit("define").put(path, text).push()))
    }

    /// Writes `pushes` commits of one record each; [`Upstream::reset_to`] pushes them one by one.
    pub fn series(&mut self, pushes: usize) -> Vec<String> {
        let commits: Vec<_> = (0..pushes).map(|_| self.edits(1)).collect();
        self.upstream.series(commits)
    }

    fn edits(&mut self, records: usize) -> Vec<(String, Vec<u8>)> {
        self.rounds += 1;
        match &self.records {
            Records::Civic(civic) => civic.edits(records, self.rounds).collect(),
            Records::Found(rewrites) => rewrites.edits(records, self.rounds),
        }
    }

    /// Opens the remote itself, for measurements that need no fetch.
    pub fn mirror(&self) -> Mirror {
        open(&self.upstream)
    }

    /// Loads the head, in this process.
    pub fn snapshot(&self) -> Snapshot {
        loaded(&self.upstream)
    }
}

fn open(upstream: &Upstream) -> Mirror {
    let mirror = Mirror::open(upstream.path(), MirrorOptions::default());
    mirror.unwrap_or_else(|error| panic!("the remote cannot be opened: {error}"))
}

fn loaded(upstream: &Upstream) -> Snapshot {
    let head = id(&upstream.head().expect("the branch is born"));
    let objects = open(upstream).objects().unwrap_or_else(|error| panic!("no handle: {error}"));
    load(&objects, head, &LoadOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn id(text: &str) -> CommitId {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}
