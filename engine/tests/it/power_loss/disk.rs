//! Files as a trace of system calls shows them at any time: what readers saw, and which part of it
//! was certainly on disk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// A file, whatever its current name is.
#[derive(Debug, Default, Clone)]
struct Inode {
    /// The first bytes written to it, if they are few and readable.
    text: Option<String>,
    /// Its final path, if it still exists.
    last: Option<PathBuf>,
}

/// An operation on the files, in order.
#[derive(Debug, Clone)]
enum Event {
    /// A name for a file or folder, replacing any other with that name; it may have had a different
    /// name before.
    Named {
        path: PathBuf,
        inode: Option<usize>,
        from: Option<PathBuf>,
    },
    Removed {
        path: PathBuf,
    },
    /// Bytes were added to a file, or it was truncated to zero.
    Written {
        inode: usize,
        bytes: u64,
    },
    Emptied {
        inode: usize,
    },
    /// The changes to a file, or to the names in a folder, are on disk.
    Synced {
        inode: usize,
    },
    SyncedFolder {
        path: PathBuf,
    },
    /// A caller was told that this is durable.
    Acknowledged(String),
}

/// The contents of the trace.
pub(super) struct Disk {
    root: PathBuf,
    /// A copy of the same folder from before the trace.
    base: PathBuf,
    inodes: Vec<Inode>,
    events: Vec<Event>,
}

impl Disk {
    /// Reads the trace of a process that wrote below `root`, of which `base` is an earlier copy,
    /// and that reported in `acks` what is durable.
    pub(super) fn read(trace: &str, root: &Path, base: &Path, acks: &Path) -> Self {
        let (root, base) = (root.to_owned(), base.to_owned());
        let mut disk = Self { root, base, inodes: vec![], events: vec![] };
        let mut live: HashMap<PathBuf, usize> = HashMap::new();
        for call in calls(trace) {
            disk.note(&call, acks, &mut live);
        }
        for (path, inode) in live {
            disk.inodes[inode].last = Some(path);
        }
        disk
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// Returns what had been acknowledged before the event `at`.
    pub(super) fn acknowledged(&self, at: usize) -> Vec<String> {
        let told = self.events[..at].iter().filter_map(|event| match event {
            Event::Acknowledged(key) => Some(key.clone()),
            _ => None,
        });
        told.collect()
    }

    fn note(&mut self, call: &Call, acks: &Path, live: &mut HashMap<PathBuf, usize>) {
        let within = |path: &Path| path.starts_with(&self.root);
        match call.name.as_str() {
            "openat" if call.arguments.contains("O_CREAT") => {
                let Some(path) = call.strings.first().map(PathBuf::from) else { return };
                if !within(&path) {
                    return;
                }
                match live.get(&path) {
                    Some(inode) if call.arguments.contains("O_TRUNC") => {
                        self.events.push(Event::Emptied { inode: *inode });
                    }
                    Some(_) => {}
                    // One from before the trace keeps its name and its content.
                    None if self
                        .base
                        .join(path.strip_prefix(&self.root).unwrap_or(&path))
                        .exists() => {}
                    None => {
                        let inode = self.inodes.len();
                        self.inodes.push(Inode::default());
                        live.insert(path.clone(), inode);
                        self.events.push(Event::Named { path, inode: Some(inode), from: None });
                    }
                }
            }
            "write" | "pwrite64" => {
                let Some(path) = &call.descriptor else { return };
                if path == acks {
                    let keys = call.strings.first().map(String::as_str).unwrap_or_default();
                    let keys = keys.split("\\n").filter(|key| !key.is_empty());
                    self.events.extend(keys.map(|key| Event::Acknowledged(key.to_owned())));
                } else if let Some(inode) = live.get(path) {
                    let text = call.strings.first().map(|text| text.replace("\\n", "\n"));
                    let file = &mut self.inodes[*inode];
                    file.text = file.text.take().or(text);
                    self.events.push(Event::Written { inode: *inode, bytes: call.result });
                }
            }
            "fsync" | "fdatasync" => {
                let Some(path) = &call.descriptor else { return };
                match live.get(path) {
                    Some(inode) => self.events.push(Event::Synced { inode: *inode }),
                    None if within(path) => {
                        self.events.push(Event::SyncedFolder { path: path.clone() });
                    }
                    None => {}
                }
            }
            "mkdir" | "mkdirat" => {
                if let Some(path) = call.strings.first().map(PathBuf::from).filter(|p| within(p)) {
                    self.events.push(Event::Named { path, inode: None, from: None });
                }
            }
            "rename" | "renameat" | "renameat2" | "link" | "linkat" => {
                let [from, path] = &call.strings[..] else { return };
                let (from, path) = (PathBuf::from(from), PathBuf::from(path));
                if !within(&path) {
                    return;
                }
                let inode = match call.name.starts_with("link") {
                    true => live.get(&from).copied(),
                    false => live.remove(&from),
                };
                live.extend(inode.map(|inode| (path.clone(), inode)));
                let from = (!call.name.starts_with("link")).then_some(from);
                self.events.push(Event::Named { path, inode, from });
            }
            "unlink" | "unlinkat" | "rmdir" => {
                let path = call.strings.first().map(PathBuf::from);
                let base = call.descriptor.as_ref();
                // Folders are emptied relative to their descriptors.
                let path = match (path, base) {
                    (Some(path), Some(base)) if path.is_relative() => Some(base.join(path)),
                    (path, _) => path,
                };
                if let Some(path) = path.filter(|path| within(path)) {
                    live.remove(&path);
                    self.events.push(Event::Removed { path });
                }
            }
            _ => {}
        }
    }

    /// Turns `left`, a copy of the files before the trace, into what a crash at the event `at`
    /// could leave: of the names in each folder, the synced ones and possibly some of the later
    /// changes, in order; of each file, the synced part and possibly more of it.
    pub(super) fn leave(&self, at: usize, left: &Path, dice: &mut dyn FnMut(u64) -> u64) {
        let events = &self.events[..at];
        let mut written: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
        // The names that are not synced yet, by folder.
        let mut pending: BTreeMap<PathBuf, Vec<usize>> = BTreeMap::new();
        let mut lasting = BTreeSet::new();
        for (number, event) in events.iter().enumerate() {
            match event {
                Event::Named { path, .. } | Event::Removed { path } => {
                    let folder = path.parent().unwrap_or(path).to_owned();
                    pending.entry(folder).or_default().push(number);
                }
                Event::SyncedFolder { path } => {
                    lasting.extend(pending.remove(path).unwrap_or_default());
                }
                Event::Written { inode, bytes } => written.entry(*inode).or_default().0 += bytes,
                Event::Emptied { inode } => *written.entry(*inode).or_default() = (0, 0),
                Event::Synced { inode } => {
                    let sizes = written.entry(*inode).or_default();
                    sizes.1 = sizes.0;
                }
                Event::Acknowledged(_) => {}
            }
        }
        for names in pending.into_values() {
            let kept = dice(names.len() as u64 + 1) as usize;
            lasting.extend(names.into_iter().take(kept));
        }
        let here = |path: &Path| left.join(path.strip_prefix(&self.root).unwrap_or(path));
        for number in lasting {
            match &events[number] {
                Event::Named { path, inode: None, from: None } => {
                    let _ = std::fs::create_dir_all(here(path));
                }
                Event::Named { path, inode: None, from: Some(from) } => {
                    let _ = std::fs::rename(here(from), here(path));
                }
                Event::Named { path, inode: Some(inode), from } => {
                    if let Some(from) = from {
                        let _ = std::fs::remove_file(here(from));
                    }
                    let (size, synced) = written.get(inode).copied().unwrap_or_default();
                    let size = synced + dice(size - synced + 1);
                    // A part may have been written twice, so the count may be too large.
                    let mut content = self.content(*inode);
                    content.truncate(size as usize);
                    // Without its folder it does not exist.
                    let _ = std::fs::write(here(path), content);
                }
                Event::Removed { path } => {
                    let path = here(path);
                    let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir(&path));
                }
                _ => {}
            }
        }
    }

    /// Returns the whole content of a file, as far as it is known.
    fn content(&self, inode: usize) -> Vec<u8> {
        let Inode { text, last } = &self.inodes[inode];
        let found = last.as_ref().and_then(|path| std::fs::read(path).ok());
        found.or_else(|| text.clone().map(String::into_bytes)).unwrap_or_default()
    }
}

/// A successful system call.
struct Call {
    name: String,
    arguments: String,
    /// The strings among its arguments, as strace writes them.
    strings: Vec<String>,
    /// The path of the leading descriptor.
    descriptor: Option<PathBuf>,
    result: u64,
}

/// Parses the calls in the order in which they ended.
fn calls(trace: &str) -> Vec<Call> {
    let mut begun: HashMap<&str, String> = HashMap::new();
    let mut calls = Vec::new();
    for line in trace.lines() {
        let Some((process, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        let whole = if let Some(begin) = rest.strip_suffix(" <unfinished ...>") {
            begun.insert(process, begin.to_owned());
            continue;
        } else if let Some((_, end)) = rest.split_once(" resumed>") {
            let Some(begin) = begun.remove(process) else { continue };
            begin + end
        } else {
            rest.to_owned()
        };
        calls.extend(parse(&whole));
    }
    calls
}

fn parse(line: &str) -> Option<Call> {
    let (name, rest) = line.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let result = result.split(['<', ' ']).next()?.parse().ok()?;
    let first = arguments.split_once(", ").map_or(arguments, |(first, _)| first);
    let descriptor = first.split_once('<').and_then(|(_, path)| path.split_once('>'));
    let mut parts = arguments.split('"');
    parts.next();
    let strings: Vec<String> = parts.step_by(2).map(str::to_owned).collect();
    Some(Call {
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        strings,
        descriptor: descriptor.map(|(path, _)| path.into()),
        result,
    })
}
