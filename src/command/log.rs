//! `headwater log`: lists the commits of a branch, or those that touched a record.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use headwater_engine::commits::{Line, Walk};
use headwater_engine::disclosure::Disclosure;
use headwater_engine::id::{BlobId, CommitId, Key, SheetName, TreeId};
use headwater_engine::layout::{RenderError, SheetSpec};
use headwater_engine::mirror::{BlobContent, CommitFacts, ObjectError, TreeEntry};
use headwater_engine::options::LoadOptions;
use headwater_engine::report::Counts;
use headwater_engine::scalar::Timestamp;
use headwater_engine::snapshot::Snapshot;
use headwater_engine::tables::{LookupResult, seek};
use serde_json::{Map, json};

use super::messages::{printable, printable_json, sheet_of};
use super::repository::Repository;
use crate::cli::{LogArgs, RecordPlace};
use crate::config::Environment;
use crate::exit::{Exit, Failure};
use crate::wire::time_of;

/// Writes the first parents of a commit, newest first: hash, time, author and subject, and on request
/// what each changed by sheet. For a record, only those whose file differs from that of the first parent.
///
/// # Errors
/// Fails if the commit cannot be read, or if no commit ever had the record.
pub fn log(
    arguments: &LogArgs,
    environment: &dyn Environment,
    out: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let (repository, rev) = Repository::at(&arguments.read, environment)?;
    let head = repository.resolve(&rev)?;
    let Some(Line { from, above }) = line_of(&repository, head, arguments)? else {
        return Ok(Exit::Success);
    };
    let file = match &arguments.place {
        Some(place) => Some(RecordFile::of(&repository.load(&rev)?, place)?),
        None => None,
    };
    let limit = arguments.limit.unwrap_or(usize::MAX);
    let objects = &repository.objects;
    // Many commits may leave the record alone.
    let walked = if file.is_some() { usize::MAX } else { limit };
    // The parent of the last one is compared with it.
    let line = objects.first_parents(from, walked.saturating_add(1)).map_err(unreadable)?;
    let counted = arguments.changes.then(|| -> Result<_, Failure> {
        Ok((repository.load(&rev)?, repository.load(&from.to_string())?))
    });
    let counted = counted.transpose()?;
    let mut walk = counted.as_ref().map(|(present, newest)| {
        Walk::from(objects, newest, Disclosure::by(present), &repository.options)
    });
    let mut told = 0;
    for (at, commit) in line.iter().enumerate() {
        if told == limit || above == Some(*commit) {
            break;
        }
        let facts = objects.commit(*commit).map_err(unreadable)?;
        let parent = line.get(at + 1);
        if let Some(file) = &file
            && !file.is_touched(&repository, facts.tree, parent).map_err(unreadable)?
        {
            continue;
        }
        let changed = walk.as_mut().map(|walk| walk.back_to(parent.copied())).transpose();
        let changed = changed.map_err(|error| Failure::caused_by(Exit::Data, &error))?;
        let author = objects.author(*commit).map_err(unreadable)?;
        let entry = Entry { commit: *commit, facts, author, changed };
        writeln!(out, "{}", if arguments.json { entry.json() } else { entry.line() })?;
        told += 1;
    }
    match (&arguments.place, told) {
        (Some(RecordPlace { sheet, key }), 0) if limit > 0 => {
            let message = format!("no commit has touched {key} in {sheet}");
            Err(Failure::new(Exit::Data, message))
        }
        _ => Ok(Exit::Success),
    }
}

/// The place of a record.
struct RecordFile {
    spec: Arc<SheetSpec>,
    key: String,
    /// Its file: the one it is read from, or the one it would be in.
    path: String,
    /// The key that the path claims, if the record is one of many in the file.
    list: Option<Key>,
}

impl RecordFile {
    fn of(snapshot: &Snapshot, place: &RecordPlace) -> Result<Self, Failure> {
        let sheet = sheet_of(snapshot, &place.sheet)?;
        let spec = sheet.spec().clone();
        let refused = |error: RenderError| Failure::caused_by(Exit::Data, &error);
        let Some(record) = sheet.meant(&place.key, |_| true) else {
            let path = spec.file_path(&place.key, None).map_err(refused)?;
            return Ok(Self { spec, key: place.key.clone(), path, list: None });
        };
        let path = record.path();
        let claims = snapshot.layout().claims(path.as_bytes()).into_iter();
        let claim = claims.filter(|_| record.is_in_list()).find(|c| c.sheet.name == spec.name);
        let (key, list) = (record.key.to_string(), claim.map(|claim| claim.key));
        Ok(Self { spec, key, path, list })
    }

    /// Returns whether the record differs between `tree` and the parent: its file, or its part of
    /// the file.
    fn is_touched(
        &self,
        repository: &Repository,
        tree: TreeId,
        parent: Option<&CommitId>,
    ) -> Result<bool, ObjectError> {
        let objects = &repository.objects;
        let file = |tree| objects.entry_at(tree, self.path.as_bytes());
        let before = match parent {
            Some(parent) => {
                let before = objects.commit(*parent)?.tree;
                if before == tree {
                    return Ok(false);
                }
                file(before)?
            }
            None => None,
        };
        let after = file(tree)?;
        if after == before {
            return Ok(false);
        }
        let Some(list) = &self.list else { return Ok(true) };
        let sought = |entry: Option<TreeEntry>| {
            let blob = entry.map(|entry| BlobId::from_bytes(entry.id));
            blob.map_or(Ok(LookupResult::Nothing), |blob| self.seek(repository, list, blob))
        };
        Ok(sought(before)? != sought(after)?)
    }

    fn seek(
        &self,
        repository: &Repository,
        list: &Key,
        blob: BlobId,
    ) -> Result<LookupResult, ObjectError> {
        let LoadOptions { record_limit, file_limit, .. } = repository.options;
        let place = (&*self.spec, self.path.as_str());
        repository.objects.read_blob(blob, file_limit, |content| match content {
            BlobContent::Bytes(bytes) => seek(place, (list, &self.key), bytes, record_limit),
            BlobContent::TooLarge(_) => LookupResult::Unread,
        })
    }
}

/// Returns the requested commits; `None` if there are none.
fn line_of(
    repository: &Repository,
    head: CommitId,
    arguments: &LogArgs,
) -> Result<Option<Line>, Failure> {
    let objects = &repository.objects;
    let named = |name: &String| last_called(repository, head, name);
    let Some(from) = arguments.until.as_ref().map_or(Ok(Some(head)), named)? else {
        return Ok(None);
    };
    let since = arguments.since.as_ref().map(named).transpose()?.flatten();
    let above = since.map(|since| objects.fork_point(from, since)).transpose();
    Ok(Some(Line { from, above: above.map_err(unreadable)?.flatten() }))
}

/// Returns the commit of this name, or the last one at or before this time.
fn last_called(
    repository: &Repository,
    head: CommitId,
    name: &str,
) -> Result<Option<CommitId>, Failure> {
    let commit = repository.resolve(name);
    let Some(moment) = Timestamp::beginning(name).filter(|_| commit.is_err()) else {
        return commit.map(Some);
    };
    let line = repository.objects.first_parents_above(head, None).map_err(unreadable)?;
    let last = line.made.iter().find(|made| made.seconds <= moment.seconds());
    Ok(last.map(|made| made.commit))
}

/// A commit as it is printed.
struct Entry {
    commit: CommitId,
    facts: CommitFacts,
    author: String,
    /// What it changed by sheet, if that is counted.
    changed: Option<BTreeMap<SheetName, Counts>>,
}

impl Entry {
    fn json(&self) -> String {
        let Self { commit, facts, author, changed } = self;
        let time = time_of(facts.author_time);
        let mut entry = json!({
            "commit": commit.to_string(), "time": time, "author": author, "subject": facts.subject,
        });
        if let Some(changed) = changed {
            let counts = |counts: &Counts| {
                let Counts { added, modified, removed } = *counts;
                json!({ "added": added, "modified": modified, "removed": removed })
            };
            let by_sheet = changed.iter().map(|(sheet, n)| (sheet.to_string(), counts(n)));
            entry["changed"] = by_sheet.collect::<Map<_, _>>().into();
        }
        printable_json(&entry.to_string())
    }

    fn line(&self) -> String {
        let Self { commit, facts, author, changed } = self;
        let (time, subject) = (time_of(facts.author_time), printable(&facts.subject));
        let author = printable(author);
        let changed = changed.iter().flatten().map(|(sheet, counts)| {
            format!("  {sheet} +{} ~{} -{}", counts.added, counts.modified, counts.removed)
        });
        format!("{commit} {time} {author}  {subject}{}", changed.collect::<String>())
    }
}

fn unreadable(error: ObjectError) -> Failure {
    Failure::caused_by(Exit::Data, &error)
}
