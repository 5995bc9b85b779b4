//! One repository with two branches that start at the same commit: Headwater writes `published`,
//! gitsheets writes `oracle`, and afterwards both have the same tree.

use std::sync::Arc;

use headwater_engine::encode::{EncodeError, path_of};
use headwater_engine::engine::{Engine, EngineConfig, Ledger};
use headwater_engine::id::{Key, SheetName};
use headwater_engine::layout::RenderError;
use headwater_engine::mirror::Identity;
use headwater_engine::write::{
    Action, Batch, Condition, MOST_WRITTEN, Operation, Scope, WriteError, WritesClosed,
};
use headwater_testkit::{Upstream, git};
use serde_json::{Value as Json, json};

use crate::oracle::{Oracle, tell};
use crate::random_records;

/// The definition of the sheet in most cases.
pub(crate) const PEOPLE: &str = "[gitsheet]\nroot = \"people\"\npath = \"${{ slug }}\"\n";
/// The path of that definition.
pub(crate) const PEOPLE_FILE: &str = ".gitsheets/people.toml";
/// The most writes that wait at the same time.
const WAITING: usize = 500;

/// The result of a step: the blob it made, or the code of the error.
pub(crate) type Outcome = Result<Option<String>, String>;

/// One change of one record.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Stores a record; with a key, the record had that key before.
    Upsert(String, Option<String>, Json),
    /// Deletes a record.
    Delete(String, String),
}

/// Returns the step that stores a person.
pub(crate) fn person(record: Json) -> Step {
    Step::Upsert("people".to_owned(), None, record)
}

/// Returns the step that deletes a person.
pub(crate) fn no_person(key: &str) -> Step {
    Step::Delete("people".to_owned(), key.to_owned())
}

/// A repository with two branches, and the programs that write them.
pub(crate) struct Twins {
    _case: Option<Case>,
    pub(crate) upstream: Upstream,
    pub(crate) engine: Engine,
    pub(crate) oracle: Oracle,
}

/// Begins a case from the description of the format, with people.
pub(crate) fn case(number: u8) -> Option<Twins> {
    case_with(number, &[(PEOPLE_FILE, PEOPLE)])
}

/// Begins a case in a repository with these files.
pub(crate) fn case_with(number: u8, files: &[(&str, &str)]) -> Option<Twins> {
    let mut upstream = Upstream::new();
    let mut commit = upstream.commit("first");
    for (path, content) in files {
        commit = commit.put(*path, *content);
    }
    commit.push();
    let mut twins = Twins::of(upstream)?;
    twins._case = Some(Case(number));
    Some(twins)
}

impl Twins {
    /// Creates the second branch of a repository, and starts both programs.
    pub(crate) fn of(upstream: Upstream) -> Option<Self> {
        let oracle = Oracle::start()?;
        git(upstream.path(), ["branch", "oracle", upstream.branch()]);
        let engine = engine(&upstream, upstream.branch());
        Some(Self { _case: None, upstream, engine, oracle })
    }

    /// Runs git in the repository.
    pub(crate) fn git<const N: usize>(&self, args: [&str; N]) -> String {
        git(self.upstream.path(), args)
    }

    /// Performs one step with both, which must produce the same result, down to the tree.
    #[track_caller]
    pub(crate) fn agree(&mut self, step: Step) {
        let outcomes = self.agree_on_all(&[step]);
        assert!(outcomes[0].is_ok(), "both refuse: {outcomes:?}");
    }

    /// Performs many steps with both, which must produce the same result for each, and returns the
    /// results.
    #[track_caller]
    pub(crate) fn agree_on_all(&mut self, steps: &[Step]) -> Vec<Outcome> {
        let (ours, theirs) = (self.ours(steps), self.theirs(steps));
        self.compare(steps, &ours, &theirs);
        ours
    }

    /// Compares the results of each step, prints both files of the first that differs, and compares
    /// the trees.
    #[track_caller]
    pub(crate) fn compare(&self, steps: &[Step], ours: &[Outcome], theirs: &[Outcome]) {
        let show = |outcome: &Outcome| match outcome {
            Ok(Some(blob)) => format!("{:?}", self.git(["cat-file", "blob", blob])),
            other => format!("{other:?}"),
        };
        assert_eq!((ours.len(), theirs.len()), (steps.len(), steps.len()));
        for (step, (ours, theirs)) in steps.iter().zip(ours.iter().zip(theirs)) {
            assert!(
                ours == theirs,
                "seed {}: {step:?}\n== Headwater\n{}\n== gitsheets\n{}",
                random_records::seed(),
                show(ours),
                show(theirs),
            );
        }
        self.have_one_tree();
    }

    /// Performs one step with both and compares the file at `path` with the expected one.
    #[track_caller]
    pub(crate) fn write(&mut self, step: Step, path: &str, expected: &str) {
        self.agree(step);
        assert_eq!(self.file(path).as_deref(), Some(expected), "{path}");
    }

    /// Performs one step with both, which must refuse it for the same reason and change nothing.
    #[track_caller]
    pub(crate) fn refuse(&mut self, step: Step, code: &str) {
        let (before, steps) = (self.heads(), [step]);
        let expected = [Err(code.to_owned())];
        assert_eq!(self.theirs(&steps), expected, "gitsheets");
        assert_eq!(self.ours(&steps), expected, "Headwater");
        assert_eq!(self.heads(), before, "a refused step makes no commit");
    }

    /// Performs one step with both, of which neither makes a commit.
    #[track_caller]
    pub(crate) fn change_nothing(&mut self, step: Step) {
        let before = self.heads();
        self.agree(step);
        assert_eq!(self.heads(), before);
    }

    /// Returns the file at `path` in Headwater's branch.
    pub(crate) fn file(&self, path: &str) -> Option<String> {
        let bytes = self.upstream.read(self.upstream.branch(), path)?;
        Some(String::from_utf8(bytes).unwrap())
    }

    /// Returns the paths of all files but the definitions in Headwater's branch.
    pub(crate) fn files(&self) -> Vec<String> {
        let listed = self.git(["ls-tree", "-r", "--name-only", self.upstream.branch()]);
        listed.lines().filter(|path| !path.starts_with('.')).map(str::to_owned).collect()
    }

    #[track_caller]
    pub(crate) fn have_one_tree(&self) {
        let range = [self.upstream.branch(), "oracle"];
        let differences = self.git(["diff", "--text", range[0], range[1]]);
        assert!(differences.is_empty(), "from Headwater to gitsheets:\n{differences}");
        let tree = |branch| self.git(["rev-parse", &format!("{branch}^{{tree}}")]);
        assert_eq!(tree(range[0]), tree(range[1]));
    }

    pub(crate) fn heads(&self) -> String {
        self.git(["rev-parse", self.upstream.branch(), "oracle"])
    }

    /// Performs the steps with Headwater, each as a separate commit.
    pub(crate) fn ours(&self, steps: &[Step]) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for steps in steps.chunks(WAITING) {
            let (sender, receiver) = std::sync::mpsc::channel();
            for (at, step) in steps.iter().enumerate() {
                let sender = sender.clone();
                let batch = batch([self.operation(step)]);
                let done = move |result| sender.send((at, result)).unwrap();
                self.engine.write(batch, Box::new(done));
            }
            drop(sender);
            let mut results: Vec<_> = receiver.into_iter().collect();
            results.sort_unstable_by_key(|(at, _)| *at);
            outcomes.extend(results.into_iter().map(|(_, result)| {
                let written = &result.map_err(|error| code(&error))?.written[0];
                let snapshot = self.engine.snapshot();
                let sheet = snapshot.sheet(written.sheet.as_str());
                let record = sheet.and_then(|sheet| sheet.record(written.key.as_str()));
                Ok(record.map(|record| record.blob.to_string()))
            }));
        }
        outcomes
    }

    /// Performs the steps with gitsheets, all in one commit.
    pub(crate) fn theirs(&mut self, steps: &[Step]) -> Vec<Outcome> {
        let steps: Vec<Json> = steps.iter().map(Step::told).collect();
        let (_, outcomes) = self.transact(&json!({ "steps": steps })).unwrap();
        outcomes
    }

    /// Runs a transaction of gitsheets on its branch, and returns whether it made a commit and the
    /// result of each step.
    pub(crate) fn transact(&mut self, request: &Json) -> Result<(bool, Vec<Outcome>), Json> {
        let mut request = request.clone();
        for (name, value) in [("do", "write"), ("branch", "oracle"), ("repo", &self.repo())] {
            request[name] = value.into();
        }
        let answer = self.oracle.ask(&request)?;
        let outcome = |result: &Json| match result["error"].as_str() {
            Some(code) => Err(code.to_owned()),
            None => Ok(result["blob"].as_str().map(str::to_owned)),
        };
        let outcomes = answer["results"].as_array().unwrap().iter().map(outcome);
        Ok((!answer["commit"].is_null(), outcomes.collect()))
    }

    /// Returns the records of a sheet as gitsheets reads them.
    pub(crate) fn their_records(&mut self, sheet: &str) -> Json {
        let request = json!({"do": "query", "repo": self.repo(), "tree": "oracle", "sheet": sheet});
        self.oracle.ask(&request).unwrap()["records"].clone()
    }

    /// Returns the records of a sheet as Headwater reads them.
    pub(crate) fn our_records(&self, sheet: &str) -> Json {
        let snapshot = self.engine.snapshot();
        let records = snapshot.sheet(sheet).into_iter().flat_map(|sheet| sheet.records());
        let of = |value: &str| serde_json::from_str::<Json>(value).unwrap();
        records.map(|it| (it.key.to_string(), of(it.value.as_str()))).collect()
    }

    pub(crate) fn repo(&self) -> String {
        self.upstream.path().to_str().unwrap().to_owned()
    }

    /// Returns the step as an operation of Headwater. A record that is not explicitly moved stays
    /// where its fields put it.
    fn operation(&self, step: &Step) -> Operation {
        let (sheet, action) = match step {
            Step::Delete(sheet, key) => (sheet, Action::Delete(Key::new(key.as_str()))),
            Step::Upsert(sheet, Some(key), record) => {
                (sheet, Action::Put(Key::new(key.as_str()), record.clone()))
            }
            Step::Upsert(sheet, None, record) => {
                let snapshot = self.engine.snapshot();
                let spec = snapshot.layout().sheet(sheet).cloned();
                let path = spec.as_ref().and_then(|spec| path_of(spec, record, None).ok());
                let key = path.zip(spec).and_then(|(path, spec)| {
                    let below = path.strip_prefix(&format!("{}/", spec.root))?;
                    Some(below.rsplit_once('.')?.0.to_owned())
                });
                // A record without a path is refused for that reason, under any key.
                let key = key.unwrap_or_else(|| "nowhere".to_owned());
                (sheet, Action::Put(Key::new(key), record.clone()))
            }
        };
        Operation { sheet: SheetName::new(sheet.as_str()), action, condition: Condition::Any }
    }
}

/// The number of a case; when dropped, it reports that the case passed.
struct Case(u8);

impl Drop for Case {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            tell(&format!("case {} agrees", self.0));
        }
    }
}

impl Step {
    fn told(&self) -> Json {
        match self {
            Self::Upsert(sheet, key, record) => {
                json!({"step": "upsert", "sheet": sheet, "key": key, "record": record})
            }
            Self::Delete(sheet, key) => json!({"step": "delete", "sheet": sheet, "key": key}),
        }
    }
}

/// Opens the repository with an engine that writes to it.
pub(crate) fn engine(upstream: &Upstream, branch: &str) -> Engine {
    let config = EngineConfig {
        branch: Some(branch.to_owned()),
        cache: false,
        writes: Some(Identity::parse("Headwater <headwater@localhost>").unwrap()),
        ..EngineConfig::of(upstream.path(), None)
    };
    Engine::open(config, Arc::new(Ledger::new())).unwrap()
}

/// Returns the operations as one commit.
pub(crate) fn batch(operations: impl IntoIterator<Item = Operation>) -> Batch {
    Batch {
        operations: operations.into_iter().collect(),
        actor: "ada".into(),
        author: Identity::parse("Ada <ada@example.org>").unwrap(),
        scope: Scope::Every,
        view: headwater_engine::view::View::PUBLIC,
        message: "change".to_owned(),
        trailers: Vec::new(),
        repeat: None,
        limit: MOST_WRITTEN,
    }
}

/// Returns gitsheets' code for Headwater's error, or the name of Python's exception if there is no
/// code.
fn code(error: &WriteError) -> String {
    let code = match error {
        WriteError::NotFound { .. } => "record_not_found",
        WriteError::NotOfSheet { .. } | WriteError::Unsettled { .. } => "config_invalid",
        WriteError::Path { source: RenderError::Character { .. }, .. } => "path_invalid_chars",
        WriteError::Path { source: RenderError::Field { .. }, .. } => "path_render_failed",
        WriteError::Closed(WritesClosed::OutOfStep) => "parent_moved",
        WriteError::Encode { source, .. } => match source {
            EncodeError::NullInList { .. } => "ValueError",
            EncodeError::IntegerTooLarge { .. } => "OverflowError",
            EncodeError::BodyMissing { .. }
            | EncodeError::BodyNotText { .. }
            | EncodeError::TitleDisagrees { .. }
            | EncodeError::Invalid { .. } => "validation_failed",
            other => return format!("{other:?}"),
        },
        other => return format!("{other:?}"),
    };
    code.to_owned()
}
