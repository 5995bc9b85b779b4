//! Callers and their access file, for tests.

use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

use super::admission::Admission;
use super::authenticator::Authenticator;
use crate::config::AccessFilePath;
use crate::config::watched_file::replace;

/// A file with one token, which reads a sheet.
pub(crate) const FILE: &str = "anonymous = { read = [\"*\"] }\n\
                    [[token]]\nname = \"reader\"\nsecret = \"the-secret-of-the-reader\"\n\
                    read = [\"team\"]\n";

/// The secret of the token.
pub(crate) const READER: &[u8] = b"the-secret-of-the-reader";

/// Callers and their access file.
pub(crate) struct Door {
    pub(crate) callers: Arc<Authenticator>,
    path: PathBuf,
    _folder: TempDir,
}

impl Door {
    pub(crate) fn open(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.toml");
        std::fs::write(&path, text).unwrap();
        let setting = "--access-file".to_owned();
        let file = AccessFilePath { setting, path: path.clone() };
        let callers = Authenticator::read(Some(file), None).unwrap_or_else(|e| panic!("{e}"));
        Self { callers: Arc::new(callers), path, _folder: folder }
    }

    /// Lets somebody in.
    pub(crate) async fn admit(&self, credential: Option<&[u8]>) -> Admission {
        let caller = self.callers.reader(credential).await.unwrap();
        Admission::of(&self.callers, credential, caller.grants.view.clone())
    }

    /// Replaces the file, and has it read.
    pub(crate) async fn change(&self, text: &str) {
        replace(&self.path, text);
        self.callers.refresh().await;
    }
}
