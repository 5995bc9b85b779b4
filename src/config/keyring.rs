//! The current secrets of one role.

use std::path::Path;
use std::sync::Arc;

use super::error::ConfigError;
use super::role_secrets::Secrets;
use super::secret::Secret;
use super::watched_file::Watched;

/// The secrets of one role: one given directly, more in a file that may change at any time.
pub struct Keyring(Kind);

/// A value with the name of its setting, for errors.
pub struct NamedValue<'a, T: ?Sized> {
    /// The setting, as it was given.
    pub name: &'a str,
    /// Its value.
    pub value: &'a T,
}

enum Kind {
    Fixed(Arc<Secrets>),
    Watched(Watched<Secrets>),
}

impl Keyring {
    /// Collects the secret given directly, if any, and those of a file with one per line.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is empty, or if a secret is too short or malformed.
    pub fn read(
        direct: Option<NamedValue<'_, str>>,
        file: Option<NamedValue<'_, Path>>,
    ) -> Result<Self, ConfigError> {
        let direct =
            direct.map(|NamedValue { name, value }| Secret::new(name, value)).transpose()?;
        let Some(NamedValue { name, value: path }) = file else {
            return Ok(Self(Kind::Fixed(Arc::new(Secrets::default().after(direct)))));
        };
        let setting = name.to_owned();
        let parse = move |text: &str| Ok(Secrets::parse(&setting, text)?.after(direct.clone()));
        Watched::read(name, path, parse).map(|watched| Self(Kind::Watched(watched)))
    }

    /// Returns secrets that never change.
    pub fn fixed(secrets: Secrets) -> Self {
        Self(Kind::Fixed(Arc::new(secrets)))
    }

    /// Returns the current secrets.
    pub async fn current(&self) -> Arc<Secrets> {
        match &self.0 {
            Kind::Fixed(secrets) => secrets.clone(),
            Kind::Watched(file) => file.current().await,
        }
    }

    /// Returns the secrets as they were last read.
    pub fn last(&self) -> Arc<Secrets> {
        match &self.0 {
            Kind::Fixed(secrets) => secrets.clone(),
            Kind::Watched(file) => file.last(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::watched_file::replace;

    const ENVIRONMENT: &str = "the-secret-of-the-environment";

    fn read(direct: Option<&str>, file: Option<&Path>) -> Result<Keyring, ConfigError> {
        let direct = direct.map(|value| NamedValue { name: "s", value });
        Keyring::read(direct, file.map(|value| NamedValue { name: "f", value }))
    }

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
            let keyring = read(Some(ENVIRONMENT), Some(&path)).unwrap();
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
            replace(&house.path, text);
            assert_eq!(house.number("the-previous-secret").await, Some(2), "{text:?}");
            assert_eq!(house.number("the-current-secret").await, None, "{text:?}");
        }
        std::fs::remove_file(&house.path).unwrap();
        assert_eq!(house.number("the-previous-secret").await, Some(2));
        replace(&house.path, "the-current-secret\n");
        assert_eq!(house.number("the-current-secret").await, Some(2));
        assert_eq!(house.number("the-previous-secret").await, None);
    }

    #[test]
    fn at_the_start_the_file_must_be_good() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets");
        assert!(read(Some(ENVIRONMENT), Some(&path)).is_err());
        std::fs::write(&path, "\n").unwrap();
        assert!(read(Some(ENVIRONMENT), Some(&path)).is_err());
        assert!(read(None, None).unwrap().last().is_empty());
    }
}
