//! The newest register that a replica has seen, on its disk, in Headwater's own folder of the mirror.
//!
//! Whoever can write to the bus can put back what the cluster signed earlier. A replica that runs knows
//! better. One that starts reads here what it knew, so that it is not taken back, and sends nobody to a
//! leader of the past.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;

use super::register::Value;
use super::seal::{DIGITS, Kind, LIMIT, Seal};

/// The name of the file. Its text is sealed as in the register.
const FILE: &str = "headwater/register";

/// The name of the file while it is written. The next one replaces what a crash leaves.
const UNFINISHED: &str = "headwater/register-unfinished";

/// The shortest time between two writes: a leader may publish hundreds of times a second.
const PAUSE: Duration = Duration::from_secs(1);

/// The newest register on the disk of one replica.
#[derive(Clone)]
pub struct Remembered {
    git_dir: PathBuf,
    seal: Seal,
}

impl Remembered {
    /// Returns that of the replica with this repository.
    pub fn of(repo: &Path, seal: Seal) -> Self {
        let git = repo.join(".git");
        let git_dir = if git.is_dir() { git } else { repo.to_owned() };
        Self { git_dir, seal }
    }

    /// Reads it. A file that is damaged, or that another cluster signed, is as good as none.
    pub fn read(&self) -> Option<Value> {
        let path = self.git_dir.join(FILE);
        // A pipe would be read for ever.
        let metadata = std::fs::symlink_metadata(&path).ok()?;
        if !metadata.is_file() || metadata.len() > (LIMIT + DIGITS + 1) as u64 {
            return None;
        }
        let text = std::fs::read(&path).ok()?;
        let value = self.seal.open(Kind::Register, &text).ok().map(Value::parse);
        let value = value.and_then(Result::ok);
        if value.is_none() {
            tracing::warn!(path = %path.display(), "the register that was remembered is not ours, or damaged");
        }
        value
    }

    /// Writes it, if there is a mirror. A power loss may take the newest one away.
    fn write(&self, value: &Value) -> io::Result<()> {
        if !self.git_dir.join("HEAD").is_file() {
            return Ok(());
        }
        let text = self.seal.close(Kind::Register, &value.to_text()).map_err(io::Error::other)?;
        let unfinished = self.git_dir.join(UNFINISHED);
        if let Some(folder) = unfinished.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&unfinished, text)?;
        std::fs::rename(unfinished, self.git_dir.join(FILE))
    }

    /// Writes each value that comes, the last one last, until no more come.
    pub async fn keep(self, mut values: watch::Receiver<Option<Value>>) {
        let mut is_failing = false;
        while values.changed().await.is_ok() {
            let Some(value) = values.borrow_and_update().clone() else { continue };
            let this = self.clone();
            let written = tokio::task::spawn_blocking(move || this.write(&value)).await;
            let failed = written.map_err(io::Error::other).and_then(|written| written).err();
            if let Some(error) = failed.as_ref().filter(|_| !is_failing) {
                tracing::warn!(folder = %self.git_dir.display(), %error, "the register cannot be remembered");
            }
            is_failing = failed.is_some();
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::register::tests::value;
    use crate::config::Secrets;

    fn seal(name: &str) -> Seal {
        Seal::new(Arc::new(Secrets::parse("s", "the-secret-of-the-cluster").unwrap()), name)
    }

    #[test]
    fn a_register_is_remembered_where_there_is_a_mirror_and_by_its_own_cluster() {
        for git in ["", ".git"] {
            let folder = tempfile::tempdir().unwrap();
            let git_dir = folder.path().join(git);
            std::fs::create_dir_all(&git_dir).unwrap();
            let remembered = || Remembered::of(folder.path(), seal("data"));
            remembered().write(&value()).unwrap();
            assert_eq!(std::fs::read_dir(&git_dir).unwrap().count(), 0, "there is no mirror yet");
            assert_eq!(remembered().read(), None);
            std::fs::write(git_dir.join("HEAD"), "ref: refs/heads/main\n").unwrap();
            remembered().write(&value()).unwrap();
            remembered().write(&value().renewed()).unwrap();
            assert_eq!(remembered().read(), Some(value().renewed()));
            assert_eq!(Remembered::of(folder.path(), seal("other")).read(), None);
            assert_eq!(std::fs::read_dir(git_dir.join("headwater")).unwrap().count(), 1);
            let path = git_dir.join(FILE);
            let text = std::fs::read(&path).unwrap();
            std::fs::write(&path, &text[..text.len() - 1]).unwrap();
            assert_eq!(remembered().read(), None, "half of it says nothing");
            std::fs::write(&path, vec![b'a'; LIMIT + 100]).unwrap();
            assert_eq!(remembered().read(), None);
        }
    }

    #[test]
    fn the_last_of_many_values_is_kept() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("HEAD"), "").unwrap();
        let remembered = Remembered::of(folder.path(), seal("data"));
        let last = runtime.block_on(async {
            let (values, coming) = watch::channel(None);
            let keeping = tokio::spawn(remembered.clone().keep(coming));
            let mut last = value();
            for _ in 0..100 {
                last = last.renewed();
                values.send_replace(Some(last.clone()));
                tokio::task::yield_now().await;
            }
            drop(values);
            keeping.await.unwrap();
            last
        });
        assert_eq!(remembered.read(), Some(last));
    }
}
