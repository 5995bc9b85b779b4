//! One file of one commit, streamed.
//!
//! A separate process reads it: a pack that is truncated would crash a process that has mapped it,
//! and a file may be larger than memory should hold.

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::process::{ChildStdin, ChildStdout};

use super::child::Pipes;
use super::git::{GitCommand, GitError, GitRun, Running};
use super::{EntryMode, Mirror, TreeEntry};
use crate::id::{BlobId, CommitId};

/// The size from which a file that is stored whole in its pack is read piece by piece. The program
/// builds smaller files, and those stored as deltas, in memory.
const STREAMED: &str = "[core]\n\tbigFileThreshold = 1m\n";

/// A file that exists and has not been read yet.
#[derive(Debug)]
pub struct FoundFile {
    id: BlobId,
    size: u64,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    running: Running,
}

/// A file that is being read. Dropping it kills its program.
#[derive(Debug)]
pub struct OpenFile {
    size: u64,
    left: u64,
    stdout: BufReader<ChildStdout>,
    _running: Running,
}

impl Mirror {
    /// Finds the file at `path` (segments joined by `/`) in `commit`, or `None` if there is none.
    ///
    /// Starts a process, which reads the path to the file and none of its content.
    ///
    /// # Errors
    ///
    /// If the program cannot be started or does not answer; [`GitError::Lacking`] if the commit has
    /// the file and the repository does not.
    pub fn find_file(&self, commit: CommitId, path: &str) -> Result<Option<FoundFile>, GitError> {
        // The program takes one request per line.
        if path.is_empty() || path.chars().any(char::is_control) {
            return Ok(None);
        }
        let mut run = GitRun::with_settings(self, GitCommand::CatFile, STREAMED)?;
        run.command.arg("--batch-command");
        let (running, Pipes { mut stdin, stdout }) = run.start()?;
        let mut stdout = BufReader::with_capacity(64 << 10, stdout);
        let told = ask(&mut stdin, &mut stdout, &format!("info {commit}:{path}"))?;
        if told.is_none() && self.lacks_file(commit, path) {
            return Err(self.lacking("cat-file".into(), format!("{commit}:{path}")));
        }
        Ok(told.map(|BlobHeader { id, size }| FoundFile { id, size, stdin, stdout, running }))
    }
}

impl Mirror {
    /// Returns whether the commit has a file at `path` that the repository does not have, or a folder
    /// above it that is missing.
    fn lacks_file(&self, commit: CommitId, path: &str) -> bool {
        let Ok(objects) = self.objects() else { return false };
        let found =
            objects.commit(commit).and_then(|facts| objects.entry_at(facts.tree, path.as_bytes()));
        match found {
            Ok(Some(TreeEntry { mode: EntryMode::Folder | EntryMode::Submodule, .. }) | None) => {
                false
            }
            Ok(Some(TreeEntry { id, .. })) => !objects.contains(&id),
            Err(error) => error.is_missing(),
        }
    }
}

/// The program's description of a file.
struct BlobHeader {
    id: BlobId,
    size: u64,
}

/// Asks for a file and reads the line that describes it; `None` if there is no such file.
fn ask(
    stdin: &mut ChildStdin,
    stdout: &mut BufReader<ChildStdout>,
    question: &str,
) -> Result<Option<BlobHeader>, GitError> {
    let failed = |error: io::Error| GitError::Failed {
        command: "cat-file".into(),
        message: error.to_string(),
    };
    stdin.write_all(format!("{question}\n").as_bytes()).map_err(failed)?;
    let mut head = String::new();
    stdout.read_line(&mut head).map_err(failed)?;
    // `<id> <kind> <size>`, or `<name> missing`, where the name may contain spaces.
    let mut words = head.trim_end().rsplitn(3, ' ');
    let (Some(size), Some("blob"), Some(id)) = (words.next(), words.next(), words.next()) else {
        return Ok(None);
    };
    Ok(id.parse().ok().zip(size.parse().ok()).map(|(id, size)| BlobHeader { id, size }))
}

impl FoundFile {
    /// Returns the id of its blob.
    pub fn id(&self) -> BlobId {
        self.id
    }

    /// Returns its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Starts reading the file, or returns `None` if it has disappeared since.
    ///
    /// The program may keep the whole file in memory while it is read.
    ///
    /// # Errors
    ///
    /// If the program does not answer.
    pub fn open(self) -> Result<Option<OpenFile>, GitError> {
        let Self { id, mut stdin, mut stdout, running, .. } = self;
        let told = ask(&mut stdin, &mut stdout, &format!("contents {id}"))?;
        let file =
            |BlobHeader { size, .. }| OpenFile { size, left: size, stdout, _running: running };
        Ok(told.map(file))
    }
}

impl OpenFile {
    /// Returns its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl Read for OpenFile {
    /// Reads on. An end before [`size`](OpenFile::size) bytes is an error.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        let read = self.stdout.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::testing::TestRepository;

    #[test]
    fn a_file_is_read_as_it_is_in_its_commit() {
        let repository = TestRepository::bare();
        let long = "x".repeat(300_000);
        let commit = repository.commit_files("main", &[("a b/c d", &long), ("e", "")]);
        repository.commit_files("main", &[("e", "later")]);
        let mirror = repository.mirror();
        let read = |path: &str| {
            let found = mirror.find_file(commit, path).unwrap()?;
            let size = found.size();
            let mut file = found.open().unwrap()?;
            assert_eq!(file.size(), size);
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            assert_eq!(file.size(), text.len() as u64);
            Some(text)
        };
        assert_eq!(read("a b/c d"), Some(long));
        assert_eq!(read("e").as_deref(), Some(""));
        for none in ["a b", "f", "", "e\nHEAD:e", "../e"] {
            assert_eq!(read(none), None, "{none:?}");
        }
    }

    #[test]
    fn what_a_file_holds_is_not_read_until_it_is_opened() {
        let repository = TestRepository::bare();
        let content: String = (0..100_000).map(|n: u32| format!("{n} ")).collect();
        let commit = repository.commit_files("main", &[("a", &content)]);
        // Truncated after its beginning, which holds the size.
        let id = repository.git(["rev-parse", &format!("{commit}:a")]);
        let (folder, name) = id.trim().split_at(2);
        let object = repository.path().join("objects").join(folder).join(name);
        let bytes = std::fs::read(&object).unwrap();
        std::fs::remove_file(&object).unwrap();
        std::fs::write(&object, &bytes[..bytes.len() / 2]).unwrap();
        let mirror = repository.mirror();
        let found = mirror.find_file(commit, "a").unwrap().unwrap();
        assert_eq!(
            (found.size(), found.id().to_string()),
            (content.len() as u64, id.trim().to_owned())
        );
        let read = found.open().unwrap().map(|mut file| io::copy(&mut file, &mut io::sink()));
        assert!(!matches!(read, Some(Ok(_))), "it is incomplete");
    }
}
