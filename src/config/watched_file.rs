//! A file of settings that may change at any time; it is read again at each use.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::ConfigError;
use crate::exit::chain;

/// How long a changed text must stay the same before it is used.
const SETTLES: Duration = Duration::from_millis(50);

/// How often a changing file is read before its last good version is used.
const LOOKS: usize = 20;

/// Parses the text of a file.
type Parse<T> = Box<dyn Fn(&str) -> Result<T, ConfigError> + Send + Sync>;

/// The current value of a file.
///
/// The file is small, so reading it is cheaper than finding out for certain that it is unchanged.
/// If the file becomes unusable, its last good value stays in place, so that a mistake during a
/// rotation locks nobody out; the log reports that once. A file that is being written may look like
/// a shorter valid one, so a text is used only after it has stayed the same for a moment.
///
/// Clones share the value.
pub struct Watched<T>(Arc<File<T>>);

struct File<T> {
    /// The setting that names the file.
    setting: String,
    path: PathBuf,
    parse: Parse<T>,
    settles: Duration,
    last: Mutex<Last<T>>,
}

/// What is known of the file.
struct Last<T> {
    value: Arc<T>,
    /// The hash of the last text, good or not; `None` if there was none.
    seen: Option<blake3::Hash>,
    /// Why the file could not be used when it was last read.
    trouble: Option<String>,
}

impl<T> Clone for Watched<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Watched<T> {
    /// Reads the file. `setting` names the place in errors.
    ///
    /// # Errors
    /// Fails if the file cannot be read, or if `parse` refuses it.
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
        let parse = Box::new(parse);
        Ok(Self(Arc::new(File { setting, path, parse, settles: SETTLES, last })))
    }

    /// Returns the current value of the file.
    pub async fn current(&self) -> Arc<T> {
        self.0.renew(self.0.settled().await);
        self.last()
    }

    /// Returns the value of the file when it was last read.
    pub fn last(&self) -> Arc<T> {
        self.0.lock().value.clone()
    }

    /// Returns why the file could not be used when it was last read, if it could not be.
    pub fn trouble(&self) -> Option<String> {
        self.0.lock().trouble.clone()
    }

    /// Returns the setting that names the file, as it was given.
    pub fn setting(&self) -> &str {
        &self.0.setting
    }
}

impl<T> File<T> {
    /// Reads the file. Reads a changed one again until it has been the same for a while.
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
                    tracing::warn!(
                        error = trouble,
                        "the file cannot be used; keeping its last good version"
                    );
                }
                last.trouble = Some(trouble);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Last<T>> {
        // Each value is replaced as a whole, so a poisoned lock holds a usable one.
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
        Arc::get_mut(&mut watched.0).unwrap().settles = Duration::from_millis(500);
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
