//! The secrets of one door as they are at the moment: their file is read again at each use.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{ConfigError, Secret, Secrets};
use crate::exit::chain;

/// The secrets of one door: one given directly, more in a file that may change at any time.
///
/// The file is small, so reading it is cheaper than to find out for certain that it is the same. A
/// file that can't be used any more leaves the last good secrets in place, so that a mistake during
/// a rotation shuts nobody out; the log tells of it once.
pub struct Keyring {
    direct: Option<Secret>,
    file: Option<File>,
    last: Mutex<Last>,
}

struct File {
    /// The setting that names it.
    setting: String,
    path: PathBuf,
}

/// What is known of the secrets.
#[derive(Default)]
struct Last {
    secrets: Arc<Secrets>,
    /// The hash of the text that they were read from.
    text: Option<blake3::Hash>,
    /// Why the file could not be used when it was read last.
    trouble: Option<String>,
}

impl Keyring {
    /// Collects the secret given directly, if any, and those of a file with one in each line.
    /// `setting` names the place in errors.
    ///
    /// # Errors
    /// When the file can't be read or is empty, or a secret is too short or malformed.
    pub fn read(
        setting: &str,
        direct: Option<&str>,
        file: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let direct = direct.map(|text| Secret::new(setting, text)).transpose()?;
        let file =
            file.map(|path| File { setting: format!("{setting}_file"), path: path.to_owned() });
        let last = match &file {
            Some(file) => file.parse(std::fs::read_to_string(&file.path), direct.clone())?,
            None => Last::new(Secrets::default().after(direct.clone()), None),
        };
        Ok(Self { direct, file, last: Mutex::new(last) })
    }

    /// Returns the secrets that hold now.
    pub async fn current(&self) -> Arc<Secrets> {
        if let Some(file) = &self.file {
            let text = tokio::fs::read_to_string(&file.path).await;
            self.renew(file, text);
        }
        self.last()
    }

    /// Returns the secrets as they were read last.
    pub fn last(&self) -> Arc<Secrets> {
        self.lock().secrets.clone()
    }

    fn renew(&self, file: &File, text: io::Result<String>) {
        let mut last = self.lock();
        match file.parse(text, self.direct.clone()) {
            Ok(new) => {
                if new.text != last.text {
                    let secrets = new.secrets.numbered().count();
                    tracing::info!(setting = file.setting, secrets, "secrets have changed");
                } else if last.trouble.is_some() {
                    tracing::info!(setting = file.setting, "the file of secrets is back");
                }
                *last = new;
            }
            Err(error) => {
                let trouble = chain(&error);
                if last.trouble.as_ref() != Some(&trouble) {
                    tracing::warn!(error = trouble, "keeping the last good secrets");
                }
                last.trouble = Some(trouble);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Last> {
        // Each value is put in place whole, so a poisoned lock holds a usable one.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl File {
    fn parse(&self, text: io::Result<String>, first: Option<Secret>) -> Result<Last, ConfigError> {
        let text = text.map_err(|source| ConfigError::Unreadable {
            setting: self.setting.clone(),
            path: self.path.clone(),
            source,
        })?;
        let secrets = Secrets::parse(&self.setting, &text)?.after(first);
        Ok(Last::new(secrets, Some(blake3::hash(text.as_bytes()))))
    }
}

impl Last {
    fn new(secrets: Secrets, text: Option<blake3::Hash>) -> Self {
        Self { secrets: Arc::new(secrets), text, trouble: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENVIRONMENT: &str = "the-secret-of-the-environment";

    struct House {
        keyring: Keyring,
        path: PathBuf,
        _folder: tempfile::TempDir,
    }

    impl House {
        fn new(text: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("secrets");
            std::fs::write(&path, text).unwrap();
            let keyring = Keyring::read("s", Some(ENVIRONMENT), Some(&path)).unwrap();
            Self { keyring, path, _folder: folder }
        }

        /// Returns the number of the secret `text`, if it is one.
        async fn number(&self, text: &str) -> Option<usize> {
            let current = self.keyring.current().await;
            let mut found = current.numbered().filter(|(_, one)| one.matches(text.as_bytes()));
            found.next().map(|(number, _)| number)
        }
    }

    #[tokio::test]
    async fn a_changed_file_holds_from_the_next_use_on() {
        let house = House::new("the-previous-secret\n");
        assert_eq!(house.number(ENVIRONMENT).await, Some(1));
        assert_eq!(house.number("the-previous-secret").await, Some(2));
        // As long as the text before it, and perhaps within the same tick of the file system.
        std::fs::write(&house.path, "the--current-secret\n").unwrap();
        assert_eq!(house.number("the--current-secret").await, Some(2));
        assert_eq!(house.number("the-previous-secret").await, None);
        assert_eq!(house.number(ENVIRONMENT).await, Some(1));
    }

    #[tokio::test]
    async fn a_file_that_is_replaced_is_read_as_well() {
        let house = House::new("the-previous-secret\n");
        let other = house.path.with_extension("new");
        std::fs::write(&other, "the-current-secret\nthe-previous-secret\n").unwrap();
        std::fs::rename(&other, &house.path).unwrap();
        assert_eq!(house.number("the-current-secret").await, Some(2));
        assert_eq!(house.number("the-previous-secret").await, Some(3));
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_used_leaves_the_last_good_secrets() {
        let house = House::new("the-previous-secret\n");
        for text in ["", "short\n", "the-current-secret\nshort\n", "whsec_%\n"] {
            std::fs::write(&house.path, text).unwrap();
            assert_eq!(house.number("the-previous-secret").await, Some(2), "{text:?}");
            assert_eq!(house.number("the-current-secret").await, None, "{text:?}");
        }
        std::fs::remove_file(&house.path).unwrap();
        assert_eq!(house.number("the-previous-secret").await, Some(2));
        std::fs::write(&house.path, "the-current-secret\n").unwrap();
        assert_eq!(house.number("the-current-secret").await, Some(2));
        assert_eq!(house.number("the-previous-secret").await, None);
    }

    #[test]
    fn at_the_start_the_file_must_be_good() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets");
        assert!(Keyring::read("s", Some(ENVIRONMENT), Some(&path)).is_err());
        std::fs::write(&path, "\n").unwrap();
        assert!(Keyring::read("s", Some(ENVIRONMENT), Some(&path)).is_err());
        assert!(Keyring::read("s", None, None).unwrap().last().is_empty());
    }
}
