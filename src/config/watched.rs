//! A file of settings that may change at any time: it is read again at each use.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ConfigError;
use crate::exit::chain;

/// Turns the text of a file into what it stands for.
type Parse<T> = Box<dyn Fn(&str) -> Result<T, ConfigError> + Send + Sync>;

/// What a file stands for at the moment.
///
/// The file is small, so reading it is cheaper than to find out for certain that it is the same. A
/// file that can't be used any more leaves what was good last in place, so that a mistake during a
/// rotation shuts nobody out; the log tells of it once.
pub struct Watched<T> {
    /// The setting that names it.
    setting: String,
    path: PathBuf,
    parse: Parse<T>,
    last: Mutex<Last<T>>,
}

/// What is known of the file.
struct Last<T> {
    value: Arc<T>,
    /// The hash of the text that it was read from.
    text: blake3::Hash,
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
        let last = Last { value, text: blake3::hash(text.as_bytes()), trouble: None };
        let (setting, path) = (setting.to_owned(), path.to_owned());
        Ok(Self { setting, path, parse: Box::new(parse), last: Mutex::new(last) })
    }

    /// Returns what the file stands for now.
    pub async fn current(&self) -> Arc<T> {
        let text = tokio::fs::read_to_string(&self.path).await;
        self.renew(text);
        self.last()
    }

    /// Returns what the file stood for when it was read last.
    pub fn last(&self) -> Arc<T> {
        self.lock().value.clone()
    }

    fn renew(&self, text: io::Result<String>) {
        let mut last = self.lock();
        let text = text.map_err(|source| unreadable(&self.setting, &self.path, source));
        let read = text.and_then(|text| {
            let hash = blake3::hash(text.as_bytes());
            let is_same = hash == last.text;
            Ok((hash, if is_same { None } else { Some((self.parse)(&text)?) }))
        });
        match read {
            Ok((hash, new)) => {
                if let Some(new) = new {
                    tracing::info!(setting = self.setting, "the file has changed");
                    (last.value, last.text) = (Arc::new(new), hash);
                } else if last.trouble.is_some() {
                    tracing::info!(setting = self.setting, "the file is as it was again");
                }
                last.trouble = None;
            }
            Err(error) => {
                let trouble = chain(&error);
                if last.trouble.as_ref() != Some(&trouble) {
                    tracing::warn!(error = trouble, "keeping what was good last");
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
