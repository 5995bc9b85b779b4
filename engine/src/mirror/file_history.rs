//! Finds the commits that touched some files, and reads old versions of files.
//!
//! The git program walks and reads: it knows how to skip irrelevant parts of a history with merges,
//! and a truncated pack would crash a process that has mapped it.

use std::cell::Cell;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::time::Duration;

use smallvec::SmallVec;

use super::child::Pipes;
use super::git::{GitCommand, GitError, GitRun};
use super::transport::{Budget, watched};
use super::{FetchLimits, Mirror};
use crate::id::{BlobId, CommitId};

/// How long a walk through the history may take.
const WALK_TIME: Duration = Duration::from_secs(10);
/// The most bytes that a walk prints. A commit takes two hundred bytes plus the length of its
/// paths.
const WALK_BYTES: u64 = 4 << 20;

/// What the modes of files begin with. A link, a submodule and a folder are no files.
const FILE: &str = "100";

/// How long reading versions may take.
const READ_TIME: Duration = Duration::from_secs(10);

/// The limits for reading files.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    /// The largest file that is read, in bytes.
    pub largest: u64,
    /// Once the earlier files together have this many bytes, no further one is read.
    pub most: u64,
    /// The number of files that are read regardless of their size.
    pub least: usize,
}

/// A commit that touched some of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// The commit.
    pub commit: CommitId,
    /// What those that it touched held before, in the order of their places.
    pub before: Files,
    /// What those that it touched hold after it, in the same order.
    pub after: Files,
}

impl Touch {
    /// Returns whether there was no file before, nor after: a link or a submodule was changed.
    pub fn is_of_no_file(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }
}

/// The contents of some of several files.
pub type Files = SmallVec<[File; 1]>;

/// The content of one of several files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct File {
    /// Which of the files, by its index in their list.
    pub place: usize,
    /// The content.
    pub blob: BlobId,
}

impl Mirror {
    /// Lists the commits in the history of `from` that touched one of `paths`, newest first: at
    /// most `limit`, after skipping the first `skip`.
    ///
    /// Side branches that made no difference are skipped, as in `git log`. Walks the history until
    /// there are enough.
    ///
    /// # Errors
    ///
    /// If the program cannot be started, fails, or takes longer than ten seconds.
    pub fn touched(
        &self,
        from: CommitId,
        paths: &[String],
        skip: usize,
        limit: usize,
    ) -> Result<Vec<Touch>, GitError> {
        let mut run = GitRun::on(self, GitCommand::Log)?;
        let command = &mut run.command;
        command.args(["-z", "--format=%H", "--raw", "--no-abbrev"]);
        // A merge is listed if it gives the file a content that neither side had.
        command.args(["--no-renames", "--diff-merges=combined"]);
        command.arg(format!("--max-count={limit}")).arg(format!("--skip={skip}"));
        command.arg(from.to_string()).arg("--").args(paths);
        let ended = run.output(WALK_TIME, WALK_BYTES)?;
        if !ended.succeeded {
            let (command, message) = ("log".into(), ended.message);
            let is_lacking = LACKING.iter().any(|words| message.contains(words));
            return Err(match is_lacking {
                true => self.lacking(command, message),
                false => GitError::Failed { command, message },
            });
        }
        Ok(read_log(&String::from_utf8_lossy(&ended.stdout), paths))
    }

    /// Reads files in order, as many of the first ones as `reading` allows. A file that is too
    /// large, or that is not a file, is `None`.
    ///
    /// # Errors
    ///
    /// If the program cannot be started, does not answer, or takes longer than ten seconds;
    /// [`GitError::Lacking`] if a file is missing.
    pub fn files(
        &self,
        ids: &[BlobId],
        reading: ReadLimits,
    ) -> Result<Vec<Option<Vec<u8>>>, GitError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut run = GitRun::on(self, GitCommand::CatFile)?;
        run.command.arg("--batch");
        let (running, Pipes { mut stdin, stdout }) = run.start()?;
        let failed = |error: io::Error| GitError::Failed {
            command: "cat-file".into(),
            message: error.to_string(),
        };
        let mut stdout = BufReader::new(stdout);
        let told = Cell::new(0);
        // One request and one answer in turn: neither pipe ever fills up.
        let mut ask = |id: &BlobId| -> io::Result<Answer> {
            stdin.write_all(format!("{id}\n").as_bytes())?;
            let mut head = String::new();
            stdout.read_line(&mut head)?;
            let mut words = head.split_ascii_whitespace().skip(1);
            let (Some(kind), Some(Ok(size))) = (words.next(), words.next().map(str::parse::<u64>))
            else {
                let is_answer = !head.is_empty();
                return is_answer.then_some(Answer::Missing).ok_or(UNEXPECTED_END.into());
            };
            told.set(told.get() + size);
            if kind != "blob" || size > reading.largest {
                io::copy(&mut stdout.by_ref().take(size + 1), &mut io::sink())?;
                return Ok(Answer::NoFile);
            }
            let mut bytes = Vec::new();
            stdout.by_ref().take(size + 1).read_to_end(&mut bytes)?;
            // The line break after the file.
            bytes.pop();
            let is_whole = bytes.len() as u64 == size;
            if is_whole { Ok(Answer::File(bytes)) } else { Err(UNEXPECTED_END.into()) }
        };
        let limits = FetchLimits { timeout: READ_TIME, stall: READ_TIME, ..FetchLimits::default() };
        let budget = Budget::new(&limits);
        let read = watched(
            &budget,
            || running.kill(),
            || {
                let mut files = Vec::new();
                for id in ids {
                    match ask(id)? {
                        Answer::File(bytes) => files.push(Some(bytes)),
                        Answer::NoFile => files.push(None),
                        Answer::Missing => return Ok(Err(*id)),
                    }
                    if files.len() >= reading.least && told.get() >= reading.most {
                        break;
                    }
                }
                Ok(Ok(files))
            },
        );
        match budget.overrun() {
            Some(_) => Err(GitError::Killed { command: "cat-file".into() }),
            None => read
                .map_err(failed)?
                .map_err(|missing| self.lacking("cat-file".into(), missing.to_string())),
        }
    }

    /// Records that an object is missing, and returns the error.
    pub(super) fn lacking(&self, command: String, message: String) -> GitError {
        self.note_gap();
        GitError::Lacking { command, message }
    }
}

/// What the messages of the git program say of a commit or a tree that is missing.
const LACKING: [&str; 3] = ["unable to read tree", "Could not read", "bad object"];

const UNEXPECTED_END: io::ErrorKind = io::ErrorKind::UnexpectedEof;

/// What the git program says to the id of a file.
enum Answer {
    File(Vec<u8>),
    /// It is too large, or not a file.
    NoFile,
    Missing,
}

/// Parses the output of `git log -z --format=%H --raw`: a hash, followed for each file by a colon
/// per parent, the modes in the parents and now, the ids in the parents and now, and the path.
fn read_log(text: &str, paths: &[String]) -> Vec<Touch> {
    let mut touches: Vec<Touch> = Vec::new();
    let mut words = text.split('\0').map(|word| word.trim_start_matches('\n'));
    while let Some(word) = words.next() {
        let parents = word.bytes().take_while(|byte| *byte == b':').count();
        if parents == 0 {
            let commit = word.parse().ok();
            let (before, after) = (Files::new(), Files::new());
            touches.extend(commit.map(|commit| Touch { commit, before, after }));
            continue;
        }
        let path = words.next().unwrap_or_default();
        let place = paths.iter().position(|known| known == path);
        let (Some(touch), Some(place)) = (touches.last_mut(), place) else { continue };
        let words: Vec<&str> = word.trim_start_matches(':').split(' ').collect();
        let (modes, ids) = words.split_at(words.len().min(parents + 1));
        let file = |at: usize| {
            modes.get(at).filter(|mode| mode.starts_with(FILE))?;
            Some(File { place, blob: ids.get(at)?.parse().ok()? })
        };
        touch.before.extend(file(0));
        touch.after.extend(file(parents));
    }
    // The program sorts by path.
    for Touch { before, after, .. } in &mut touches {
        before.sort_unstable();
        after.sort_unstable();
    }
    touches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::testing::TestRepository;

    fn places(files: &[File]) -> Vec<usize> {
        files.iter().map(|file| file.place).collect()
    }

    fn up_to(largest: u64) -> ReadLimits {
        ReadLimits { largest, most: 1 << 20, least: 1 }
    }

    #[test]
    fn the_commits_that_touched_a_file_are_listed_with_what_it_held() {
        let repository = TestRepository::bare();
        let added = repository.commit_files("main", &[("a b/[x].toml", "1"), ("c", "1")]);
        repository.commit_files("main", &[("a b/[x].toml", "1"), ("c", "2")]);
        let changed = repository.commit_files("main", &[("a b/[x].toml", "2"), ("c", "2")]);
        let removed = repository.commit_files("main", &[("c", "2")]);
        let mirror = repository.mirror();
        let paths = ["a b/[x].toml".to_owned(), "a b/[x].yaml".to_owned()];
        let touches = mirror.touched(removed, &paths, 0, 10).unwrap();
        let commits: Vec<_> = touches.iter().map(|touch| touch.commit).collect();
        assert_eq!(commits, [removed, changed, added]);
        let read = |files: &[File]| {
            let id: Vec<BlobId> = files.iter().map(|file| file.blob).collect();
            let file = mirror.files(&id, up_to(100)).unwrap().pop()?;
            Some(String::from_utf8(file.unwrap()).unwrap())
        };
        let held: Vec<_> =
            touches.iter().map(|touch| (read(&touch.before), read(&touch.after))).collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(held, [(text("2"), None), (text("1"), text("2")), (None, text("1"))]);
        let part = mirror.touched(removed, &paths, 1, 1).unwrap();
        assert_eq!(part, touches[1..2]);
        let none = mirror.touched(removed, &["nothing".to_owned()], 0, 10).unwrap();
        assert_eq!(none, []);

        let moved = repository.commit_files("main", &[("a b/[x].yaml", "1"), ("c", "2")]);
        let last = &mirror.touched(moved, &paths, 0, 1).unwrap()[0];
        assert_eq!(places(&last.after), [1], "the file is reported");
    }

    #[test]
    fn each_of_the_files_that_a_commit_touched_is_told_and_a_link_is_none() {
        let repository = TestRepository::bare();
        let both = repository.commit_files("main", &[("a.x", "1"), ("a/b.x", "2"), ("c", "1")]);
        let mirror = repository.mirror();
        let paths = ["a/b.x".to_owned(), "nothing".to_owned(), "a.x".to_owned()];
        let touched = |at| mirror.touched(at, &paths, 0, 1).unwrap().pop().unwrap();
        let touch = touched(both);
        assert_eq!((places(&touch.before), places(&touch.after)), (vec![], vec![0, 2]));
        let one = repository.commit_files("main", &[("a.x", "3"), ("a/b.x", "2")]);
        let touch = touched(one);
        assert_eq!((places(&touch.before), places(&touch.after)), (vec![2], vec![2]));

        let blob = repository.git(["rev-parse", "main:a.x"]);
        let linked = format!("120000,{},a.x", blob.trim());
        repository.git(["read-tree", "main"]);
        repository.git(["update-index", "--add", "--cacheinfo", &linked]);
        let tree = repository.git(["write-tree"]);
        let arguments = ["commit-tree", "-m", "link", "-p", &one.to_string(), tree.trim()];
        let link: CommitId = repository.git(arguments).trim().parse().unwrap();
        let touch = touched(link);
        assert_eq!((places(&touch.before), places(&touch.after)), (vec![2], vec![]));
    }

    #[test]
    fn files_that_are_too_large_are_left_out_and_missing_ones_are_an_error() {
        let repository = TestRepository::bare();
        let commit = repository.commit_files("main", &[("a.x", "12345"), ("b.x", "1")]);
        let mirror = repository.mirror();
        let touched = |path: &str| mirror.touched(commit, &[path.to_owned()], 0, 1).unwrap();
        let id = |path: &str| touched(path)[0].after[0].blob;
        let mut ids = vec![id("a.x"), id("b.x")];
        assert_eq!(mirror.files(&ids, up_to(4)).unwrap(), [None, Some(b"1".to_vec())]);
        ids.push(BlobId::from_bytes([7; 20]));
        let error = mirror.files(&ids, up_to(4)).unwrap_err();
        assert!(matches!(error, GitError::Lacking { .. }), "{error}");
    }

    #[test]
    fn a_history_that_lacks_a_tree_is_told_from_a_program_that_fails() {
        let repository = TestRepository::bare();
        let tips: Vec<_> =
            (0..3).map(|n| repository.commit_files("main", &[("a", &n.to_string())])).collect();
        let tree = repository.tree_of("main~1").to_string();
        std::fs::remove_file(repository.path().join("objects").join(&tree[..2]).join(&tree[2..]))
            .unwrap();
        let error = repository.mirror().touched(tips[2], &["a".into()], 0, 9).unwrap_err();
        assert!(matches!(error, GitError::Lacking { .. }), "{error}");
        let error = repository.mirror().touched(CommitId::ZERO, &["a".into()], 0, 9).unwrap_err();
        assert!(matches!(error, GitError::Lacking { .. }), "{error}");
    }

    #[test]
    fn files_are_read_until_they_are_so_many_bytes_and_some_in_any_case() {
        let repository = TestRepository::bare();
        let commit = repository.commit_files("main", &[("a.x", "12345"), ("b.x", "1")]);
        let mirror = repository.mirror();
        let id =
            |path: &str| mirror.touched(commit, &[path.to_owned()], 0, 1).unwrap()[0].after[0].blob;
        let ids = [id("b.x"), id("a.x"), id("b.x"), id("b.x")];
        let count = |most: u64, least: usize| {
            mirror.files(&ids, ReadLimits { most, least, ..up_to(100) }).unwrap().len()
        };
        let told = [(0, 1), (0, 2), (2, 1), (7, 1), (100, 1), (0, 9)].map(|(m, l)| count(m, l));
        assert_eq!(told, [1, 2, 2, 3, 4, 4]);
        let large = mirror.files(&ids, ReadLimits { largest: 4, most: 7, least: 1 }).unwrap();
        assert_eq!(large.len(), 3, "the program builds skipped files, too");
    }

    #[test]
    fn what_a_merge_brings_is_told_by_the_commits_it_merges() {
        let repository = TestRepository::bare();
        let base = repository.commit_files("main", &[("a.x", "1"), ("b", "1")]);
        repository.git(["branch", "side", "main"]);
        let side = repository.commit_files("side", &[("a.x", "2"), ("b", "1")]);
        let main = repository.commit_files("main", &[("a.x", "1"), ("b", "2")]);
        let tree = repository.git(["merge-tree", "--write-tree", "main", "side"]);
        let (main, side_name) = (main.to_string(), side.to_string());
        let arguments = ["commit-tree", "-m", "merge", "-p", &main, "-p", &side_name, tree.trim()];
        let merge: CommitId = repository.git(arguments).trim().parse().unwrap();
        let commits = |of: CommitId| -> Vec<CommitId> {
            let touches = repository.mirror().touched(of, &["a.x".to_owned()], 0, 10).unwrap();
            touches.iter().map(|touch| touch.commit).collect()
        };
        assert_eq!(commits(merge), [side, base]);

        // A merge that resolves a conflict is a change itself.
        let other = repository.commit_files("main", &[("a.x", "3"), ("b", "2")]);
        let settled = repository.commit_files("settled", &[("a.x", "4"), ("b", "2")]);
        let tree = format!("{settled}^{{tree}}");
        let other = other.to_string();
        let arguments = ["commit-tree", "-m", "m", "-p", &other, "-p", &side_name, &tree];
        let merge: CommitId = repository.git(arguments).trim().parse().unwrap();
        let touches = repository.mirror().touched(merge, &["a.x".to_owned()], 0, 1).unwrap();
        let told = &touches[0];
        assert_eq!((told.commit, told.before.len()), (merge, 1));
        assert_ne!(told.before, told.after);
    }
}
