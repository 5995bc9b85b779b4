//! What a caller shows, and the file that says who it is.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use headwater::access::{AccessFile, Authenticator};
use headwater::config::AccessFilePath;
use tokio::runtime::{Builder, Runtime};

/// Parses an access file. An error is one line, which names the file.
pub fn access_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match AccessFile::parse(Path::new("access.toml"), text) {
        Ok(file) => {
            let writes = file.tokens().iter().any(|token| !token.write.is_nothing());
            assert!(!writes || file.grants_writes());
        }
        Err(error) => {
            let told = error.to_string();
            assert!(told.starts_with("access.toml:") && !told.contains('\n'), "{told}");
        }
    }
}

/// Shows the bytes as a credential where nobody has a right one.
pub fn bearer(bytes: &[u8]) {
    static DOOR: LazyLock<Option<Door>> = LazyLock::new(Door::open);
    let door = DOOR.as_ref().expect("the access file beside the corpora can be read");
    let reader = door.authenticator.reader(Some(bytes));
    assert!(door.runtime.block_on(reader).is_err(), "a credential out of nothing");
}

/// An access file of this crate.
struct Door {
    authenticator: Authenticator,
    runtime: Runtime,
}

impl Door {
    fn open() -> Option<Self> {
        let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/access/access.toml"));
        let file = AccessFilePath { setting: "fuzz".to_owned(), path };
        let authenticator = Authenticator::read(Some(file), None).ok()?;
        let runtime = Builder::new_current_thread().enable_all().build().ok()?;
        Some(Self { authenticator, runtime })
    }
}
