//! Notices about a commit that are not problems of any record: sheets that claim no file, links and
//! submodules where records would be, ignored files, and a commit without a record.
//!
//! A notice is not part of a state. It is reported where somebody looks: by `check`, by `init` and,
//! if something is empty, at the start of a server.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::id::SheetName;
use crate::layout::{Layout, SheetSpec};
use crate::mirror::{EntryMode, ObjectError, Objects, PathChange};
use crate::skipped_files::{PassedOver, Reason};
use crate::snapshot::Snapshot;
use crate::suggestion::{did_you_mean, nearest};

/// The number of kinds of files that a notice names.
const NAMED: usize = 5;

/// Something worth mentioning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A declared sheet claims no file.
    NoFile {
        /// The sheet.
        sheet: SheetName,
        /// The reason.
        reason: Unclaimed,
    },
    /// Something that is not a file is where a record would be.
    NotAFile {
        /// Its path, with what is not UTF-8 replaced.
        path: String,
        /// Its kind.
        what: &'static str,
    },
    /// No file of the commit is a record.
    NoRecord {
        /// The folders that are ignored because of their names.
        folders: Vec<String>,
        /// The existing files, by extension.
        files: Endings,
    },
    /// A folder is ignored because its name begins with `.` or `_`.
    SkippedFolder {
        /// The folder.
        folder: String,
        /// The number of files in it.
        files: u64,
    },
    /// Files do not have the extension of records: if sheets are declared, that of the sheet in
    /// whose folder they are.
    OtherEndings {
        /// The files.
        files: Endings,
    },
    /// Files have the extension of records, but do not match the path template of their sheet.
    OtherPaths {
        /// The number of files.
        files: u64,
    },
    /// Files are not in the folder of any sheet.
    NoSheet {
        /// The files.
        files: Endings,
    },
    /// Links and submodules are not records, wherever they are.
    NotFollowed {
        /// The number of symbolic links.
        links: u64,
        /// The number of submodules.
        submodules: u64,
    },
}

/// Why a sheet claims no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unclaimed {
    /// Its folder does not exist.
    NoFolder {
        /// The folder.
        root: String,
        /// The folder that may be meant.
        nearest: Option<String>,
    },
    /// Its folder has no file with the extension of its records.
    OtherEndings {
        /// The folder; empty for the whole repository.
        root: String,
        /// The existing files.
        files: Endings,
        /// The extensions of its records.
        wanted: Vec<&'static str>,
    },
    /// Files have the extension of its records, but do not match its path template.
    OtherPaths {
        /// The folder; empty for the whole repository.
        root: String,
        /// The number of files.
        files: u64,
    },
}

/// The numbers of files by extension; the empty extension is that of a name without one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endings(BTreeMap<String, u64>);

/// Returns the notices about the commit of `snapshot` that may indicate a mistake.
///
/// Walks its tree.
///
/// # Errors
///
/// Fails only on a damaged repository.
pub fn notices(objects: &Objects, snapshot: &Snapshot) -> Result<Vec<Notice>, ObjectError> {
    Ok(doubtful(snapshot, &paths_of(objects, snapshot)?))
}

/// Returns these notices, and those about all other ignored files of the commit, with the reasons.
///
/// # Errors
///
/// As [`notices`].
pub fn all_notices(objects: &Objects, snapshot: &Snapshot) -> Result<Vec<Notice>, ObjectError> {
    let paths = paths_of(objects, snapshot)?;
    let mut notices = doubtful(snapshot, &paths);
    // If nothing is a record, one notice covers everything.
    if snapshot.claimed() > 0 {
        notices.extend(passed_over(&PassedOver::of(snapshot.layout(), &paths)));
    }
    Ok(notices)
}

/// Lists everything in the tree of the commit.
fn paths_of(objects: &Objects, snapshot: &Snapshot) -> Result<Vec<PathChange>, ObjectError> {
    let commit = snapshot.commit();
    match commit.is_zero() {
        true => Ok(Vec::new()),
        false => objects.diff(None, Some(objects.commit(commit)?.tree)),
    }
}

/// Returns the notices about ignored files, by reason.
fn passed_over(counts: &PassedOver) -> Vec<Notice> {
    let (mut folders, mut others) = (Vec::new(), Vec::new());
    let (mut endings, mut outside) = (Endings::default(), Endings::default());
    let (mut files, mut links, mut submodules) = (0, 0, 0);
    for (reason, count) in counts.iter() {
        match reason {
            Reason::Folder(folder) => {
                folders.push(Notice::SkippedFolder { folder: folder.to_string(), files: count });
            }
            Reason::Ending(ending) => endings.add(ending, count),
            Reason::NoSheet(ending) => outside.add(ending, count),
            Reason::Path => files = count,
            Reason::Link => links = count,
            Reason::Submodule => submodules = count,
        }
    }
    if !endings.0.is_empty() {
        others.push(Notice::OtherEndings { files: endings });
    }
    if files > 0 {
        others.push(Notice::OtherPaths { files });
    }
    if !outside.0.is_empty() {
        others.push(Notice::NoSheet { files: outside });
    }
    if links + submodules > 0 {
        others.push(Notice::NotFollowed { links, submodules });
    }
    folders.into_iter().chain(others).collect()
}

/// Returns the notices that may indicate a mistake.
fn doubtful(snapshot: &Snapshot, paths: &[PathChange]) -> Vec<Notice> {
    let layout = snapshot.layout();
    let empty = snapshot.sheets().filter(|sheet| sheet.claimed() == 0).map(|sheet| sheet.spec());
    let empty = empty.filter(|spec| spec.definition.is_some() && spec.problems.is_empty());
    let mut notices: Vec<Notice> = empty
        .map(|spec| Notice::NoFile { sheet: spec.name.clone(), reason: unclaimed(spec, paths) })
        .collect();
    notices.extend(paths.iter().filter_map(|change| not_a_file(layout, change)));
    if snapshot.claimed() == 0 {
        let folders = layout.skipped().to_vec();
        let is_read = |path: &&str| !folders.iter().any(|folder| is_below(folder, path));
        let files = Endings::of(files(paths).filter(is_read));
        notices.push(Notice::NoRecord { folders, files });
    }
    notices
}

/// Returns whether a commit may have notices to report at the start: some sheet is empty.
pub fn is_bare(snapshot: &Snapshot) -> bool {
    snapshot.claimed() == 0 || snapshot.sheets().any(|sheet| sheet.claimed() == 0)
}

fn not_a_file(layout: &Layout, change: &PathChange) -> Option<Notice> {
    let what = match change.new?.mode {
        EntryMode::Symlink => "a symbolic link",
        EntryMode::Submodule => "a submodule",
        _ => return None,
    };
    let is_claimed = !layout.claims(&change.path).is_empty();
    let path = String::from_utf8_lossy(&change.path).into_owned();
    is_claimed.then_some(Notice::NotAFile { path, what })
}

fn unclaimed(spec: &SheetSpec, paths: &[PathChange]) -> Unclaimed {
    let root = spec.root.clone();
    let below: Vec<&str> = files(paths).filter(|path| is_below(&root, path)).collect();
    if below.is_empty() && !root.is_empty() {
        let folders: BTreeSet<&str> = files(paths).flat_map(folders_of).collect();
        let nearest = nearest(&root, folders).map(str::to_owned);
        return Unclaimed::NoFolder { root, nearest };
    }
    let fitting = below.iter().filter(|path| spec.format_of(path).is_some()).count();
    if fitting > 0 {
        return Unclaimed::OtherPaths { root, files: fitting as u64 };
    }
    let wanted = spec.formats.iter().map(|(ending, _)| *ending).collect();
    Unclaimed::OtherEndings { root, files: Endings::of(below.into_iter()), wanted }
}

/// Returns the files whose names are text.
fn files(paths: &[PathChange]) -> impl Iterator<Item = &str> {
    let is_file = |change: &&PathChange| {
        change
            .new
            .is_some_and(|entry| matches!(entry.mode, EntryMode::Regular | EntryMode::Executable))
    };
    paths.iter().filter(is_file).filter_map(|change| std::str::from_utf8(&change.path).ok())
}

/// Returns the folders that contain a file.
fn folders_of(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| &path[..end])
}

fn is_below(folder: &str, path: &str) -> bool {
    let below = path.strip_prefix(folder);
    folder.is_empty() || below.is_some_and(|below| below.starts_with('/'))
}

impl Notice {
    /// Returns the stable name of its kind.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NoFile { .. } => "no_file",
            Self::NotAFile { .. } => "not_a_file",
            Self::NoRecord { .. } => "no_record",
            Self::SkippedFolder { .. } => "skipped_folder",
            Self::OtherEndings { .. } => "other_endings",
            Self::OtherPaths { .. } => "other_paths",
            Self::NoSheet { .. } => "no_sheet",
            Self::NotFollowed { .. } => "not_followed",
        }
    }

    /// Returns the sheet that it concerns.
    pub fn sheet(&self) -> Option<&SheetName> {
        match self {
            Self::NoFile { sheet, .. } => Some(sheet),
            _ => None,
        }
    }

    /// Returns the path that it concerns.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::NotAFile { path, .. } | Self::SkippedFolder { folder: path, .. } => Some(path),
            _ => None,
        }
    }

    /// Returns the number of files, links and submodules that it concerns, if it counts them.
    pub fn count(&self) -> Option<u64> {
        match self {
            Self::SkippedFolder { files, .. } | Self::OtherPaths { files } => Some(*files),
            Self::OtherEndings { files } | Self::NoSheet { files } => Some(files.count()),
            Self::NotFollowed { links, submodules } => Some(links + submodules),
            Self::NoFile { .. } | Self::NotAFile { .. } | Self::NoRecord { .. } => None,
        }
    }

    /// Returns whether it may indicate a mistake, rather than just how many repositories look.
    pub fn is_doubtful(&self) -> bool {
        self.count().is_none() || matches!(self, Self::OtherPaths { .. })
    }
}

impl Endings {
    fn of<'p>(paths: impl Iterator<Item = &'p str>) -> Self {
        let mut endings = BTreeMap::new();
        for path in paths {
            let name = path.rsplit('/').next().unwrap_or(path);
            let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
            *endings.entry(ending.to_owned()).or_default() += 1;
        }
        Self(endings)
    }

    fn add(&mut self, ending: &str, files: u64) {
        *self.0.entry(ending.to_owned()).or_default() += files;
    }

    /// Returns the number of files.
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }
}

impl fmt::Display for Endings {
    /// Writes the most frequent first: `3 files that end in .txt, 1 file without an ending`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut endings: Vec<_> = self.0.iter().collect();
        endings.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let all = endings.len();
        let told = endings.into_iter().take(NAMED).map(|(ending, count)| {
            match (ending.as_str(), counted(*count)) {
                ("", files) => format!("{files} without an ending"),
                (ending, files) if *count == 1 => format!("{files} that ends in .{ending}"),
                (ending, files) => format!("{files} that end in .{ending}"),
            }
        });
        f.write_str(&told.collect::<Vec<_>>().join(", "))?;
        if all > NAMED { f.write_str(", and others") } else { Ok(()) }
    }
}

fn counted(files: u64) -> String {
    number(files, "file")
}

fn number(count: u64, of: &str) -> String {
    if count == 1 { format!("1 {of}") } else { format!("{count} {of}s") }
}

impl fmt::Display for Unclaimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |root: &str| match root {
            "" => "the repository".to_owned(),
            root => root.to_owned(),
        };
        match self {
            Self::NoFolder { root, nearest } => {
                write!(f, "there is no folder {root}{}", did_you_mean(nearest.as_deref()))
            }
            Self::OtherEndings { root, files, wanted } => {
                let wanted: Vec<_> = wanted.iter().map(|ending| format!(".{ending}")).collect();
                write!(f, "its records end in {}", wanted.join(" or "))?;
                match files.0.is_empty() {
                    true => write!(f, ", and {} has no file", place(root)),
                    false => write!(f, ", and {} has {files}", place(root)),
                }
            }
            Self::OtherPaths { root, files } => {
                let files = counted(*files);
                write!(
                    f,
                    "{} has {files} of its format, but none at a path of the sheet",
                    place(root)
                )
            }
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFile { sheet, reason } => {
                write!(f, "the sheet {sheet} claims no file: {reason}")
            }
            Self::NotAFile { path, what } => write!(f, "{path} is {what}, not a record"),
            Self::SkippedFolder { folder, files } => {
                let files = counted(*files);
                write!(f, "the folder {folder} is skipped, with {files}: its name begins with ")?;
                f.write_str(if folder.rsplit('/').next().is_some_and(|it| it.starts_with('_')) {
                    "_"
                } else {
                    "a dot"
                })
            }
            Self::OtherEndings { files } => {
                let (all, are) = (counted(files.count()), are(files.count()));
                write!(f, "{all} {are} skipped because records have other extensions: {files}")
            }
            Self::OtherPaths { files } => {
                let (all, are) = (counted(*files), are(*files));
                write!(f, "{all} {are} skipped: not at a path of the sheet")
            }
            Self::NoSheet { files } => {
                let (all, are) = (counted(files.count()), are(files.count()));
                write!(f, "{all} {are} not in the folder of any sheet: {files}")
            }
            Self::NotFollowed { links, submodules } => {
                let all = [(*links, "symbolic link"), (*submodules, "submodule")];
                let told = all.iter().filter(|(count, _)| *count > 0);
                let told: Vec<_> = told.map(|(count, of)| number(*count, of)).collect();
                let are = are(links + submodules);
                write!(f, "{} {are} skipped: only files are read", told.join(" and "))
            }
            Self::NoRecord { folders, files } => {
                f.write_str("no file is a record")?;
                if folders.is_empty() && files.0.is_empty() {
                    return f.write_str(": there are no files");
                }
                f.write_str("; skipped: ")?;
                if !folders.is_empty() {
                    let s = if folders.len() == 1 { "" } else { "s" };
                    write!(f, "the folder{s} {}", folders.join(", "))?;
                }
                match files.0.is_empty() {
                    true => Ok(()),
                    false if folders.is_empty() => write!(f, "{files}"),
                    false => write!(f, ", and {files}"),
                }
            }
        }
    }
}

fn are(count: u64) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::load;
    use crate::mirror::testing::TestRepository;
    use crate::options::LoadOptions;

    fn told(files: &[(&str, &str)]) -> Vec<String> {
        let repository = TestRepository::bare();
        let commit = repository.commit_files("main", files);
        let objects = repository.objects();
        let snapshot = load(&objects, commit, &LoadOptions::default()).unwrap();
        notices(&objects, &snapshot).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_passed_over_is_told_with_its_reason() {
        let repository = TestRepository::bare();
        let declared = "[sheets.people]\nformat = \"json\"\npath = \"${{ slug }}\"\n\
                        [sheets.docs]\nformat = \"markdown\"\npath = \"${{ a }}/${{ b }}\"\n";
        let told = |files: &[(&str, &str)]| -> Vec<String> {
            let commit = repository.commit_files("main", files);
            let objects = repository.objects();
            let snapshot = load(&objects, commit, &LoadOptions::default()).unwrap();
            let notices = all_notices(&objects, &snapshot).unwrap();
            notices.iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            told(&[
                ("a/b.json", "{}"),
                ("a/b.png", ""),
                ("a/c.png", ""),
                ("LICENSE", ""),
                ("_posts/x.md", ""),
                ("content/.x/y/z.md", ""),
            ]),
            [
                "the folder _posts is skipped, with 1 file: its name begins with _",
                "the folder content/.x is skipped, with 1 file: its name begins with a dot",
                "3 files are skipped because records have other extensions: 2 files that end in .png, 1 \
                 file without an ending",
            ]
        );
        assert_eq!(
            told(&[
                ("headwater.toml", declared),
                ("people/ada.json", "{}"),
                ("people/ada/photo.jpg", ""),
                ("people/readme.txt", ""),
                ("docs/a.md", ""),
                ("docs/a/b.md", ""),
                ("src/main.rs", ""),
            ]),
            [
                "1 file is skipped because records have other extensions: 1 file that ends in .txt",
                "1 file is skipped: not at a path of the sheet",
                "1 file is not in the folder of any sheet: 1 file that ends in .rs",
            ]
        );
    }

    fn sheet(root: &str, format: &str) -> String {
        format!("[sheets.people]\nroot = \"{root}\"\nformat = \"{format}\"\n")
    }

    #[test]
    fn a_sheet_that_claims_no_file_is_told_with_the_reason() {
        let file = ("people/ada.json", "{}");
        for (root, format, expected) in [
            (
                "poeple",
                "json",
                "the sheet people claims no file: there is no folder poeple; did you mean people?",
            ),
            (
                "people",
                "yaml",
                "the sheet people claims no file: its records end in .yaml or .yml, and people \
                 has 1 file that ends in .json",
            ),
            ("nowhere", "json", "the sheet people claims no file: there is no folder nowhere"),
        ] {
            let definition = sheet(root, format);
            let found = told(&[file, ("headwater.toml", &definition)]);
            assert_eq!(found.first().map(String::as_str), Some(expected));
        }
        assert!(told(&[file, ("headwater.toml", &sheet("people", "json"))]).is_empty());
        let deeper = "[gitsheet]\nroot = \"people\"\npath = \"${{ year }}/${{ slug }}\"\n";
        let found = told(&[(".gitsheets/people.toml", deeper), ("people/ada.toml", "a = 1\n")]);
        let expected = "the sheet people claims no file: people has 1 file of its format, but none at a path of the sheet";
        assert_eq!(found[0], expected);
    }

    #[test]
    fn a_commit_without_a_record_says_what_was_passed_over() {
        assert_eq!(
            told(&[("a/b.txt", "1"), ("a/c.txt", "1"), ("LICENSE", "1"), ("_drafts/a.json", "{}")]),
            ["no file is a record; skipped: the folder _drafts, and 2 files that end in \
                 .txt, 1 file without an ending"]
        );
        assert!(told(&[("a/b.json", "{}"), ("LICENSE", "1")]).is_empty());
    }

    #[test]
    fn an_empty_repository_has_no_record() {
        let repository = TestRepository::bare();
        let empty = notices(&repository.objects(), &Snapshot::empty()).unwrap();
        assert_eq!(empty[0].to_string(), "no file is a record: there are no files");
        assert!(is_bare(&Snapshot::empty()));
    }

    #[test]
    fn a_link_where_a_record_would_be_is_told() {
        let repository = TestRepository::bare();
        let [blob, commit] = [*repository.write_blob(b"v2.json").as_bytes(), [7; 20]];
        let folder = repository.write_raw_tree(&[
            ("120000", &b"latest.json"[..], blob),
            ("120000", &b"other"[..], blob),
            ("160000", &b"part.json"[..], commit),
            ("100644", &b"v2.json"[..], *repository.write_blob(b"{}").as_bytes()),
        ]);
        let tree = repository.write_raw_tree(&[("40000", &b"d"[..], *folder.as_bytes())]);
        let commit = repository.commit_tree(tree, &[]);
        let objects = repository.objects();
        let snapshot = load(&objects, commit, &LoadOptions::default()).unwrap();
        let found = notices(&objects, &snapshot).unwrap();
        let told: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "d/latest.json is a symbolic link, not a record",
                "d/part.json is a submodule, not a record"
            ]
        );
        let all = all_notices(&objects, &snapshot).unwrap();
        let last = "2 symbolic links and 1 submodule are skipped: only files are read";
        assert_eq!(all.last().map(ToString::to_string).as_deref(), Some(last));
        assert_eq!(all.last().and_then(Notice::count), Some(3));
    }
}
