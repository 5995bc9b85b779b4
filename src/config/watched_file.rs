//! A file of settings that may change at any time; it is read again at each use.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::error::ConfigError;
use crate::exit::chain;

/// How long a changed text must stay the same before it is used.
#[derive(Debug, Clone, Copy)]
struct Settling {
    /// In another file than before: whoever replaces a file writes the new one first.
    replaced: Duration,
    /// In the same file. Whoever writes into it may pause, and a text that ends early may grant
    /// more than the whole one.
    rewritten: Duration,
}

const SETTLING: Settling =
    Settling { replaced: Duration::from_millis(50), rewritten: Duration::from_secs(1) };

/// How often a changing file is read before its last good version is used.
const LOOKS: usize = 3;

/// How long a caller waits for the file, which may be on a network.
const PATIENCE: Duration = Duration::from_secs(2);

/// Parses the text of a file.
type Parse<T> = Box<dyn Fn(&str) -> Result<T, ConfigError> + Send + Sync>;

/// The current value of a file.
///
/// The file is small, so reading it is cheaper than finding out for certain that it is unchanged.
/// If the file becomes unusable, its last good value stays in place, so that a mistake during a
/// rotation locks nobody out; the log reports that once. A file that is being written may look like
/// a shorter valid one, so a text is used only after it has stayed the same for a moment.
///
/// One look is taken at a time, however many callers wait for it, so an old text never comes back,
/// and a file that hangs holds one thread.
///
/// Clones share the value.
pub struct Watched<T>(Arc<Source<T>>);

struct Source<T> {
    /// The setting that names the file.
    setting: String,
    path: PathBuf,
    parse: Parse<T>,
    settling: Settling,
    last: Mutex<Last<T>>,
    /// Held while somebody looks at the file.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// How many looks have begun.
    looks: AtomicU64,
}

/// A file, however it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

/// What is in the file now.
#[derive(Debug, PartialEq, Eq)]
struct Content {
    file: FileId,
    text: String,
}

/// What is known of the file.
struct Last<T> {
    value: Arc<T>,
    /// The hash of the last text, good or not; `None` if there was none.
    seen: Option<blake3::Hash>,
    /// The file that the last text was in.
    file: Option<FileId>,
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
        let content = Content::read(path).map_err(|source| unreadable(setting, path, source))?;
        let value = Arc::new(parse(&content.text)?);
        let seen = Some(content.hash());
        let last = Last { value, seen, file: Some(content.file), trouble: None };
        Ok(Self(Arc::new(Source {
            setting: setting.to_owned(),
            path: path.to_owned(),
            parse: Box::new(parse),
            settling: SETTLING,
            last: Mutex::new(last),
            turn: Arc::default(),
            looks: AtomicU64::new(0),
        })))
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

impl<T: Send + Sync + 'static> Watched<T> {
    /// Returns the value of the file now, or its last one if the file takes long to read.
    pub async fn current(&self) -> Arc<T> {
        let source = &self.0;
        let before = source.looks.load(Ordering::SeqCst);
        let turn = timeout(PATIENCE, source.turn.clone().lock_owned()).await;
        // A look that began after this call is as good as one of its own.
        if let Ok(turn) = turn
            && source.looks.load(Ordering::SeqCst) == before
        {
            source.looks.fetch_add(1, Ordering::SeqCst);
            let source = source.clone();
            // The look outlives its caller, so that nobody else looks meanwhile.
            let look = tokio::spawn(async move {
                let content = source.settled().await;
                source.renew(content).await;
                drop(turn);
            });
            let _ = timeout(PATIENCE, look).await;
        }
        self.last()
    }
}

impl Content {
    fn read(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let meta = file.metadata()?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        Ok(Self { file: FileId { device: meta.dev(), inode: meta.ino() }, text })
    }

    fn hash(&self) -> blake3::Hash {
        blake3::hash(self.text.as_bytes())
    }
}

impl<T: Send + Sync + 'static> Source<T> {
    /// Reads the file. Reads a changed one again until it has been the same for a while.
    async fn settled(&self) -> io::Result<Content> {
        let mut content = self.read().await?;
        for _ in 0..LOOKS {
            let (seen, file) = {
                let last = self.lock();
                (last.seen, last.file)
            };
            if seen == Some(content.hash()) {
                return Ok(content);
            }
            let Settling { replaced, rewritten } = self.settling;
            sleep(if file == Some(content.file) { rewritten } else { replaced }).await;
            let later = self.read().await?;
            if later == content {
                return Ok(content);
            }
            content = later;
        }
        Err(io::Error::other("it is still being written"))
    }

    async fn read(&self) -> io::Result<Content> {
        let path = self.path.clone();
        spawn_blocking(move || Content::read(&path)).await.map_err(io::Error::other)?
    }

    /// Uses what was read, if it is another text than before. It is parsed away from the threads
    /// that answer, and without the lock, because it may take long.
    async fn renew(self: &Arc<Self>, content: io::Result<Content>) {
        let seen = content.as_ref().ok().map(Content::hash);
        let file = content.as_ref().ok().map(|content| content.file);
        let parsed = match content {
            Ok(_) if seen == self.lock().seen => None,
            Ok(content) => {
                let source = self.clone();
                let parsed = spawn_blocking(move || (source.parse)(&content.text)).await;
                Some(parsed.map_err(io::Error::other))
            }
            Err(error) => Some(Err(error)),
        };
        let mut last = self.lock();
        last.file = file.or(last.file);
        let Some(parsed) = parsed else { return };
        last.seen = seen;
        let unreadable = |source| unreadable(&self.setting, &self.path, source);
        match parsed.map_err(unreadable).flatten() {
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
}

impl<T> Source<T> {
    fn lock(&self) -> MutexGuard<'_, Last<T>> {
        // Each value is replaced as a whole, so a poisoned lock holds a usable one.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unreadable(setting: &str, path: &Path, source: io::Error) -> ConfigError {
    ConfigError::Unreadable { setting: setting.to_owned(), path: path.to_owned(), source }
}

/// Replaces the file at `path`, as an editor does that writes a new one first.
#[cfg(test)]
pub(crate) fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(&beside, path).unwrap();
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::process::Command;

    use tempfile::TempDir;

    use super::*;

    /// A watched file of text, and its folder.
    fn watched(settling: Settling) -> (TempDir, PathBuf, Watched<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "old\n").unwrap();
        let parse = |text: &str| Ok(text.to_owned());
        let mut watched = Watched::read("s", &path, parse).unwrap();
        Arc::get_mut(&mut watched.0).unwrap().settling = settling;
        (folder, path, watched)
    }

    #[tokio::test]
    async fn a_file_that_is_being_written_is_never_taken_for_a_shorter_one() {
        let rewritten = Duration::from_millis(500);
        let (_folder, path, watched) = watched(Settling { rewritten, ..SETTLING });
        let writing = std::thread::spawn(move || {
            let mut file = File::create(&path).unwrap();
            for piece in ["first\n", "second\n", "third\n"] {
                std::thread::sleep(Duration::from_millis(100));
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

    #[tokio::test]
    async fn a_file_that_is_replaced_is_used_without_the_wait_for_a_slow_writer() {
        let rewritten = Duration::from_secs(3_600);
        let (_folder, path, watched) = watched(Settling { rewritten, ..SETTLING });
        replace(&path, "new\n");
        assert_eq!(*watched.current().await, "new\n");
        fs::write(&path, "rewritten\n").unwrap();
        assert_eq!(*watched.current().await, "new\n");
    }

    #[tokio::test]
    async fn while_a_file_is_parsed_its_last_value_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "old\n").unwrap();
        let (begins, mut begun) = tokio::sync::mpsc::unbounded_channel();
        let (finish, may_finish) = std::sync::mpsc::channel::<()>();
        let may_finish = Mutex::new(may_finish);
        let parse = move |text: &str| {
            if text == "new\n" {
                begins.send(()).unwrap();
                let may_finish = may_finish.lock().unwrap();
                may_finish.recv_timeout(Duration::from_secs(30)).unwrap();
            }
            Ok(text.to_owned())
        };
        let watched = Watched::read("s", &path, parse).unwrap();
        replace(&path, "new\n");
        let looking = tokio::spawn({
            let watched = watched.clone();
            async move { watched.current().await }
        });
        begun.recv().await.unwrap();
        assert_eq!((&*watched.last(), watched.trouble()), (&"old\n".to_owned(), None));
        finish.send(()).unwrap();
        looking.await.unwrap();
        assert_eq!(*watched.current().await, "new\n");
    }

    #[tokio::test]
    async fn many_callers_share_a_look_and_a_file_that_hangs_holds_none_of_them() {
        let (_folder, path, watched) = watched(SETTLING);
        let callers = |count: usize| {
            let calls = (0..count).map(|_| {
                let watched = watched.clone();
                tokio::spawn(async move { watched.current().await })
            });
            calls.collect::<Vec<_>>()
        };
        for call in callers(100) {
            assert_eq!(*call.await.unwrap(), "old\n");
        }
        assert!(watched.0.looks.load(Ordering::SeqCst) <= 3);
        fs::remove_file(&path).unwrap();
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let before = watched.0.looks.load(Ordering::SeqCst);
        for call in callers(100) {
            assert_eq!(*call.await.unwrap(), "old\n");
        }
        assert_eq!(watched.0.looks.load(Ordering::SeqCst), before + 1);
        // The look goes on once there is a writer, and finds the file that has replaced the pipe.
        let mut pipe = File::options().write(true).open(&path).unwrap();
        replace(&path, "new\n");
        pipe.write_all(b"from the pipe\n").unwrap();
        drop(pipe);
        assert_eq!(*watched.current().await, "new\n");
    }
}
