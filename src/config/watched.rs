//! A file of settings that may change at any time: it is read again at each use.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::ConfigError;
use crate::exit::chain;

/// How long a changed text has to stay the same before it is taken.
const SETTLES: Duration = Duration::from_millis(50);

/// How often a file that goes on changing is looked at before what was good last is used.
const LOOKS: usize = 20;

/// Turns the text of a file into what it stands for.
type Parse<T> = Box<dyn Fn(&str) -> Result<T, ConfigError> + Send + Sync>;

/// What a file stands for at the moment.
///
/// The file is small, so reading it is cheaper than to find out for certain that it is the same. A
/// file that can't be used any more leaves what was good last in place, so that a mistake during a
/// rotation shuts nobody out; the log tells of it once. A file that is being written may read as a
/// shorter one that is good: a text is taken when it has stayed the same for a moment.
pub struct Watched<T> {
    /// The setting that names it.
    setting: String,
    path: PathBuf,
    parse: Parse<T>,
    settles: Duration,
    last: Mutex<Last<T>>,
}

/// What is known of the file.
struct Last<T> {
    value: Arc<T>,
    /// The hash of the text that was read last, good or not; `None` where there was none.
    seen: Option<blake3::Hash>,
    /// Why the file could not be used when it was read last.
    trouble: Option<String>,
}

impl<T> Watched<T> {
    /// Reads the file. `setting` names the place in errors.
    ///
    /// # Errors
    /// When the file can't be read, or `parse` refuses it.
    pub fn read(
        setting: &str,
        path: &Path,
        parse: impl Fn(&str) -> Result<T, ConfigError> + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|source| unreadable(setting, path, source))?;
        let value = Arc::new(parse(&text)?);
        let seen = Some(blake3::hash(text.as_bytes()));
        let last = Mutex::new(Last { value, seen, trouble: None });
        let (setting, path) = (setting.to_owned(), path.to_owned());
        Ok(Self { setting, path, parse: Box::new(parse), settles: SETTLES, last })
    }

    /// Returns what the file stands for now.
    pub async fn current(&self) -> Arc<T> {
        self.renew(self.settled().await);
        self.last()
    }

    /// Reads the file, and a changed one again until it has been the same for a while.
    async fn settled(&self) -> io::Result<String> {
        let mut text = tokio::fs::read_to_string(&self.path).await?;
        for _ in 0..LOOKS {
            if self.lock().seen == Some(blake3::hash(text.as_bytes())) {
                return Ok(text);
            }
            tokio::time::sleep(self.settles).await;
            let later = tokio::fs::read_to_string(&self.path).await?;
            if later == text {
                return Ok(text);
            }
            text = later;
        }
        Err(io::Error::other("it is still being written"))
    }

    /// Returns what the file stood for when it was read last.
    pub fn last(&self) -> Arc<T> {
        self.lock().value.clone()
    }

    fn renew(&self, text: io::Result<String>) {
        let mut last = self.lock();
        let read = text.map_err(|source| unreadable(&self.setting, &self.path, source));
        let seen = read.as_ref().ok().map(|text| blake3::hash(text.as_bytes()));
        if seen.is_some() && seen == last.seen {
            return;
        }
        last.seen = seen;
        match read.and_then(|text| (self.parse)(&text)) {
            Ok(new) => {
                tracing::info!(setting = self.setting, "the file has changed");
                (last.value, last.trouble) = (Arc::new(new), None);
            }
            Err(error) => {
                let trouble = chain(&error);
                if last.trouble.as_ref() != Some(&trouble) {
                    tracing::warn!(error = trouble, "keeping the last good one");
                }
                last.trouble = Some(trouble);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Last<T>> {
        // Each value is put in place whole, so a poisoned lock holds a usable one.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unreadable(setting: &str, path: &Path, source: io::Error) -> ConfigError {
    ConfigError::Unreadable { setting: setting.to_owned(), path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[tokio::test]
    async fn a_file_that_is_being_written_is_never_taken_for_a_shorter_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "old\n").unwrap();
        let parse = |text: &str| Ok(text.to_owned());
        let mut watched = Watched::read("s", &path, parse).unwrap();
        watched.settles = Duration::from_millis(500);
        let writing = std::thread::spawn(move || {
            let mut file = std::fs::File::create(&path).unwrap();
            for piece in ["first\n", "second\n", "third\n"] {
                std::thread::sleep(Duration::from_millis(20));
                file.write_all(piece.as_bytes()).unwrap();
            }
        });
        let whole = "first\nsecond\nthird\n";
        loop {
            let current = watched.current().await;
            assert!(["old\n", whole].contains(&current.as_str()), "{current:?}");
            if *current == whole {
                break;
            }
        }
        writing.join().unwrap();
    }
}
