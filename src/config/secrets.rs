//! The secrets that open one door.

use std::path::Path;

use super::{ConfigError, Secret};

/// The secrets that open one door; several at once while one is being replaced.
#[derive(Clone, Default)]
pub struct Secrets(Vec<Secret>);

impl Secrets {
    /// Collects the secret given directly, if any, and those of a file with one in each line.
    ///
    /// # Errors
    /// When the file can't be read or is empty, or a secret is too short.
    pub fn read(
        setting: &str,
        direct: Option<&str>,
        file: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let mut secrets = Vec::new();
        if let Some(text) = direct {
            secrets.push(Secret::new(setting, text)?);
        }
        if let Some(path) = file {
            let setting = format!("{setting}_file");
            let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
                setting: setting.clone(),
                path: path.to_owned(),
                source,
            })?;
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            let before = secrets.len();
            for line in lines {
                secrets.push(Secret::new(&setting, line)?);
            }
            if secrets.len() == before {
                return Err(ConfigError::ShortSecret { setting });
            }
        }
        Ok(Self(secrets))
    }

    /// Says whether `given` is one of them. Every one is compared, so the time does not tell which.
    pub fn accept(&self, given: &[u8]) -> bool {
        self.0.iter().fold(false, |found, secret| found | secret.matches(given))
    }

    /// Goes through them.
    pub fn iter(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter()
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the first, which is the one to send.
    pub fn first(&self) -> Option<&Secret> {
        self.0.first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_one_secret_a_line_and_refuses_to_be_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets");
        std::fs::write(&path, "the-current-secret\n\nthe-previous-secret\n").unwrap();
        let secrets = Secrets::read("s", None, Some(&path)).unwrap();
        assert!(secrets.accept(b"the-current-secret") && secrets.accept(b"the-previous-secret"));
        assert!(!secrets.accept(b"the-current-secret\n\nthe-previous-secret"));
        std::fs::write(&path, "\n").unwrap();
        assert!(Secrets::read("s", None, Some(&path)).is_err());
    }
}
