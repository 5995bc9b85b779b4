//! The sample: a remote repository with the embedded records.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::changes::Change;
use super::records::FILES;
use crate::exit::{Exit, Failure};

/// The branch of the sample.
pub(super) const BRANCH: &str = "published";

/// A bare repository that serves as the remote.
pub(super) struct Sample {
    path: PathBuf,
    /// The number of pushed changes. The lock is held during a push, so that each is made on top of
    /// the last.
    pushed: Mutex<u64>,
}

impl Sample {
    /// Creates the repository in `folder` with one commit of all files.
    pub(super) fn create(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join("remote.git");
        let mut init = git(folder);
        init.args(["init", "--quiet", "--bare", "--initial-branch", BRANCH]).arg(&path);
        run(&mut init, &[])?;
        let sample = Self { path, pushed: Mutex::default() };
        let files = FILES.iter().map(|(path, bytes)| (*path, Some(bytes.to_vec())));
        sample.commit("The sample", false, files)?;
        Ok(sample)
    }

    /// Returns the folder of the repository.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Commits the next change on top of the branch, as a push would; returns its message.
    pub(super) fn push(&self) -> Result<String, Failure> {
        let mut pushed = self.pushed.lock().unwrap_or_else(PoisonError::into_inner);
        let Change { message, files } = Change::nth(*pushed);
        self.commit(&message, true, files.into_iter())?;
        *pushed += 1;
        Ok(message)
    }

    fn commit<'a>(
        &self,
        message: &str,
        continues: bool,
        files: impl Iterator<Item = (&'a str, Option<Vec<u8>>)>,
    ) -> Result<(), Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut stream = Vec::new();
        // Writing to a vector cannot fail.
        let _ = write!(
            stream,
            "commit refs/heads/{BRANCH}\ncommitter Demo <demo@example.org> {now} +0000\n\
             data {}\n{message}\n",
            message.len()
        );
        if continues {
            let _ = writeln!(stream, "from refs/heads/{BRANCH}^0");
        }
        for (path, bytes) in files {
            let Some(bytes) = bytes else {
                let _ = writeln!(stream, "D {path}");
                continue;
            };
            let _ = writeln!(stream, "M 100644 inline {path}\ndata {}", bytes.len());
            stream.extend_from_slice(&bytes);
            stream.push(b'\n');
        }
        let mut import = git(&self.path);
        import.args(["fast-import", "--quiet"]);
        run(&mut import, &stream)
    }
}

fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    // The demonstration works the same whatever the user has configured.
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(name);
    }
    command
}

fn run(command: &mut Command, input: &[u8]) -> Result<(), Failure> {
    let failed = |told: String| {
        Failure::new(Exit::Unavailable, format!("the demonstration needs git: {told}"))
    };
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // If git ends early, its message explains more than the broken pipe.
        let _ = stdin.write_all(input);
    }
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}
