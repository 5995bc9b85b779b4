//! Replaces a file of settings, so that a server that reads it sees the old text or the new one.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::exit::{Exit, Failure};

/// Replaces the text of the file at `path` by what `edit` makes of it; `None` if there is no file
/// yet. A new file is private; another one keeps its owner, its group and its mode, so that whoever
/// could read it still can.
///
/// Commands that edit one file at the same time take turns, and none undoes another one's work.
///
/// # Errors
/// Fails if `edit` fails, or if the file cannot be read or replaced. It is then as it was.
pub(super) fn replace(
    path: &Path,
    mut edit: impl FnMut(Option<&str>) -> Result<String, Failure>,
) -> Result<(), Failure> {
    // A symbolic link goes on pointing to the file.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    loop {
        match File::open(path) {
            Ok(old) => {
                old.lock().map_err(|error| failed("lock", path, &error))?;
                // Whoever had the turn before may have put another file here.
                if is_at(&old, path) {
                    return replace_old(path, &old, edit);
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let new = written(path, &edit(None)?)?;
                match new.persist_noclobber(path) {
                    Ok(_) => return Ok(()),
                    Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(failed("write", path, &error.error)),
                }
            }
            Err(error) => return Err(failed("read", path, &error)),
        }
    }
}

/// Replaces the file `old` at `path`, which is locked until it is closed.
fn replace_old(
    path: &Path,
    mut old: &File,
    mut edit: impl FnMut(Option<&str>) -> Result<String, Failure>,
) -> Result<(), Failure> {
    let mut text = String::new();
    old.read_to_string(&mut text).map_err(|error| failed("read", path, &error))?;
    let new = written(path, &edit(Some(&text))?)?;
    let keep = || {
        let meta = old.metadata()?;
        fchown(new.as_file(), Some(meta.uid()), Some(meta.gid()))?;
        // After the owner: a change of the owner may take bits of the mode away.
        new.as_file().set_permissions(meta.permissions())
    };
    keep().map_err(|error| failed("keep the owner of", path, &error))?;
    new.persist(path).map_err(|error| failed("write", path, &error.error))?;
    Ok(())
}

/// Writes a private file beside `path`.
fn written(path: &Path, text: &str) -> Result<NamedTempFile, Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let write = || {
        let mut file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    write().map_err(|error| failed("write", path, &error))
}

fn is_at(file: &File, path: &Path) -> bool {
    let id = |meta: fs::Metadata| (meta.dev(), meta.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(there)) => id(open) == id(there),
        _ => false,
    }
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Config, format!("cannot {what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn edits_at_the_same_time_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::thread::scope(|scope| {
            for n in 0..16 {
                let path = &path;
                let edit = move |text: Option<&str>| Ok(format!("{}{n}\n", text.unwrap_or("")));
                scope.spawn(move || assert!(replace(path, edit).is_ok()));
            }
        });
        let text = fs::read_to_string(&path).unwrap();
        let mut lines: Vec<usize> = text.lines().map(|line| line.parse().unwrap()).collect();
        lines.sort_unstable();
        assert_eq!(lines, (0..16).collect::<Vec<_>>());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_replaced_file_keeps_its_owner_its_group_and_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        // Only root may give a file away; everybody else checks their own ids.
        let given = std::os::unix::fs::chown(&path, Some(65_534), Some(65_533)).is_ok();
        let before = fs::metadata(&path).unwrap();
        assert!(!given || before.uid() == 65_534);
        assert!(replace(&path, |_| Ok("new".to_owned())).is_ok());
        let after = fs::metadata(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        let facts = |meta: &fs::Metadata| (meta.uid(), meta.gid(), meta.mode());
        assert_eq!(facts(&after), facts(&before));
        assert_ne!(after.ino(), before.ino());
    }

    #[test]
    fn an_edit_that_fails_leaves_the_file_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let refuse = |_: Option<&str>| Err(Failure::new(Exit::Data, "no"));
        assert!(replace(&path, refuse).is_err() && !path.exists());
        fs::write(&path, "old").unwrap();
        assert!(replace(&path, refuse).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
