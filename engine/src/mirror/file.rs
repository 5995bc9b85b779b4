//! One file of one commit, streamed.
//!
//! A program of its own reads it: a pack that somebody cuts short would take down a process that
//! has mapped it, and a file may be larger than memory should hold.

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::process::{ChildStdin, ChildStdout};

use super::Mirror;
use super::child::Pipes;
use super::git::{GitCommand, GitError, GitRun, Running};
use crate::id::{BlobId, CommitId};

/// From which size on a file that stands whole in its pack is read piece by piece. Smaller ones, and
/// those that are told by their difference to others, are made whole by the program.
const STREAMED: &str = "[core]\n\tbigFileThreshold = 1m\n";

/// A file that is there, and of which nothing is read yet.
#[derive(Debug)]
pub struct FoundFile {
    id: BlobId,
    size: u64,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    running: Running,
}

/// A file that is read. Dropped, its program is killed.
#[derive(Debug)]
pub struct OpenFile {
    size: u64,
    left: u64,
    stdout: BufReader<ChildStdout>,
    _running: Running,
}

impl Mirror {
    /// Finds the file at `path` (segments joined by `/`) in `commit`; `None` where there is none.
    ///
    /// Costs the start of a process, which reads the way to the file and nothing of its content.
    ///
    /// # Errors
    ///
    /// When the program cannot be started, or does not answer.
    pub fn find_file(&self, commit: CommitId, path: &str) -> Result<Option<FoundFile>, GitError> {
        // The program is asked line by line.
        if path.is_empty() || path.chars().any(char::is_control) {
            return Ok(None);
        }
        let mut run = GitRun::with_settings(self, GitCommand::CatFile, STREAMED)?;
        run.command.arg("--batch-command");
        let (running, Pipes { mut stdin, stdout }) = run.start()?;
        let mut stdout = BufReader::with_capacity(64 << 10, stdout);
        let told = ask(&mut stdin, &mut stdout, &format!("info {commit}:{path}"))?;
        Ok(told.map(|Told { id, size }| FoundFile { id, size, stdin, stdout, running }))
    }
}

/// What the program says of a file.
struct Told {
    id: BlobId,
    size: u64,
}

/// Asks for a file, and reads the line that tells of it; `None` where there is none.
fn ask(
    stdin: &mut ChildStdin,
    stdout: &mut BufReader<ChildStdout>,
    question: &str,
) -> Result<Option<Told>, GitError> {
    let failed = |error: io::Error| GitError::Failed {
        command: "cat-file".into(),
        message: error.to_string(),
    };
    stdin.write_all(format!("{question}\n").as_bytes()).map_err(failed)?;
    let mut head = String::new();
    stdout.read_line(&mut head).map_err(failed)?;
    // `<id> <kind> <size>`, or `<name> missing`, which may have spaces, too.
    let mut words = head.trim_end().rsplitn(3, ' ');
    let (Some(size), Some("blob"), Some(id)) = (words.next(), words.next(), words.next()) else {
        return Ok(None);
    };
    Ok(id.parse().ok().zip(size.parse().ok()).map(|(id, size)| Told { id, size }))
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

    /// Begins to read it; `None` where it is gone since.
    ///
    /// The program may keep all of it in memory while it is read.
    ///
    /// # Errors
    ///
    /// When the program does not answer.
    pub fn open(self) -> Result<Option<OpenFile>, GitError> {
        let Self { id, mut stdin, mut stdout, running, .. } = self;
        let told = ask(&mut stdin, &mut stdout, &format!("contents {id}"))?;
        let file = |Told { size, .. }| OpenFile { size, left: size, stdout, _running: running };
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
    /// Reads on; fewer bytes than [`size`](OpenFile::size) says are an error.
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
        // Cut short behind its beginning, which tells the size.
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
        assert!(!matches!(read, Some(Ok(_))), "there is not all of it");
    }
}
