//! The sample: a remote repository with the embedded records.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::exit::{Exit, Failure};

/// The branch of the sample.
pub(super) const BRANCH: &str = "published";

/// The record that the demonstration changes.
pub(super) const CHANGED: &str = "projects/tree-census.toml";

/// The embedded files with their paths.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/sample.rs"));

/// A bare repository that plays the remote.
pub(super) struct Sample {
    path: PathBuf,
}

impl Sample {
    /// Makes the repository in `folder` with one commit of all files.
    pub(super) fn create(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join("remote.git");
        let mut init = git(folder);
        init.args(["init", "--quiet", "--bare", "--initial-branch", BRANCH]).arg(&path);
        run(&mut init, &[])?;
        let sample = Self { path };
        let files = FILES.iter().map(|(path, bytes)| (*path, bytes.to_vec()));
        sample.commit("The sample", false, files)?;
        Ok(sample)
    }

    /// Returns the folder of the repository.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Commits another summary of [`CHANGED`] on top of the branch, as a push would.
    pub(super) fn change(&self, summary: &str) -> Result<(), Failure> {
        let record = FILES.iter().find(|(path, _)| *path == CHANGED).map(|(_, bytes)| *bytes);
        let text = String::from_utf8_lossy(record.unwrap_or_default());
        let line = format!("summary = {}", toml::Value::from(summary));
        let lines: Vec<_> = text
            .lines()
            .map(|old| if old.starts_with("summary = ") { line.as_str() } else { old })
            .collect();
        let bytes = (lines.join("\n") + "\n").into_bytes();
        self.commit("Change a summary", true, [(CHANGED, bytes)].into_iter())
    }

    fn commit<'a>(
        &self,
        message: &str,
        continues: bool,
        files: impl Iterator<Item = (&'a str, Vec<u8>)>,
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
        Failure::new(Exit::Unavailable, format!("the demonstration needs the git program: {told}"))
    };
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // When git ends early, its message says more than the broken pipe.
        let _ = stdin.write_all(input);
    }
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}
