//! One file of one commit, streamed.
//!
//! A program of its own reads it: a pack that somebody cuts short would take down a process that
//! has mapped it, and a file may be larger than memory should hold.

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::process::ChildStdout;

use super::Mirror;
use super::child::Pipes;
use super::git::{GitCommand, GitError, GitRun, Running};
use crate::id::{BlobId, CommitId};

/// A file that is read. Dropped, its program is killed.
#[derive(Debug)]
pub struct OpenFile {
    id: BlobId,
    size: u64,
    left: u64,
    stdout: BufReader<ChildStdout>,
    _running: Running,
}

impl Mirror {
    /// Opens the file at `path` (segments joined by `/`) in `commit`; `None` where there is none.
    ///
    /// Costs the start of a process, and nothing for what is not read.
    ///
    /// # Errors
    ///
    /// When the program cannot be started, or does not answer.
    pub fn open_file(&self, commit: CommitId, path: &str) -> Result<Option<OpenFile>, GitError> {
        // The program is asked line by line.
        if path.is_empty() || path.chars().any(char::is_control) {
            return Ok(None);
        }
        let mut run = GitRun::on(self, GitCommand::CatFile)?;
        run.command.arg("--batch");
        let (running, Pipes { mut stdin, stdout }) = run.start()?;
        let failed = |error: io::Error| GitError::Failed {
            command: "cat-file".into(),
            message: error.to_string(),
        };
        stdin.write_all(format!("{commit}:{path}\n").as_bytes()).map_err(failed)?;
        drop(stdin);
        let mut stdout = BufReader::with_capacity(64 << 10, stdout);
        let mut head = String::new();
        stdout.read_line(&mut head).map_err(failed)?;
        // `<id> <kind> <size>`, or `<name> missing`, which may have spaces, too.
        let mut words = head.trim_end().rsplitn(3, ' ');
        let (Some(size), Some("blob"), Some(id)) = (words.next(), words.next(), words.next())
        else {
            return Ok(None);
        };
        match (id.parse(), size.parse()) {
            (Ok(id), Ok(size)) => {
                Ok(Some(OpenFile { id, size, left: size, stdout, _running: running }))
            }
            _ => Ok(None),
        }
    }
}

impl OpenFile {
    /// Returns the id of its blob.
    pub fn id(&self) -> BlobId {
        self.id
    }

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
            let mut file = mirror.open_file(commit, path).unwrap()?;
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
}
