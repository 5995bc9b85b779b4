//! `headwater log`: lists the commits of a branch, or those that touched a record.

use std::io::Write;
use std::sync::Arc;

use headwater_engine::id::{BlobId, CommitId, Key, TreeId};
use headwater_engine::layout::{RenderError, SheetSpec};
use headwater_engine::mirror::{BlobContent, CommitFacts, ObjectError, TreeEntry};
use headwater_engine::options::LoadOptions;
use headwater_engine::snapshot::Snapshot;
use headwater_engine::tables::{Sought, seek};
use serde_json::json;

use super::messages::sheet_of;
use super::repository::Repository;
use crate::cli::{LogArgs, RecordPlace};
use crate::config::Environment;
use crate::exit::{Exit, Failure};
use crate::wire::time_of;

/// Writes the first parents of a commit, newest first: hash, time, author and subject. For a
/// record, only those whose file differs from that of the first parent.
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
    let file = match &arguments.place {
        Some(place) => Some(RecordFile::of(&repository.load(&rev)?, place)?),
        None => None,
    };
    let limit = arguments.limit.unwrap_or(usize::MAX);
    let objects = &repository.objects;
    // Many commits may leave the record alone.
    let walked = if file.is_some() { usize::MAX } else { limit };
    let line = objects.first_parents(head, walked).map_err(unreadable)?;
    let mut told = 0;
    for (at, commit) in line.iter().enumerate() {
        if told == limit {
            break;
        }
        let facts = objects.commit(*commit).map_err(unreadable)?;
        let parent = line.get(at + 1);
        if let Some(file) = &file
            && !file.is_touched(&repository, facts.tree, parent).map_err(unreadable)?
        {
            continue;
        }
        let author = objects.author(*commit).map_err(unreadable)?;
        writeln!(out, "{}", entry(*commit, &facts, &author, arguments.json))?;
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
            blob.map_or(Ok(Sought::Nothing), |blob| self.seek(repository, list, blob))
        };
        Ok(sought(before)? != sought(after)?)
    }

    fn seek(
        &self,
        repository: &Repository,
        list: &Key,
        blob: BlobId,
    ) -> Result<Sought, ObjectError> {
        let LoadOptions { record_limit, file_limit, .. } = repository.options;
        let place = (&*self.spec, self.path.as_str());
        repository.objects.read_blob(blob, file_limit, |content| match content {
            BlobContent::Bytes(bytes) => seek(place, (list, &self.key), bytes, record_limit),
            BlobContent::TooLarge(_) => Sought::Unread,
        })
    }
}

fn entry(commit: CommitId, facts: &CommitFacts, author: &str, is_json: bool) -> String {
    let time = time_of(facts.author_time);
    let subject = &facts.subject;
    if is_json {
        let commit = commit.to_string();
        json!({ "commit": commit, "time": time, "author": author, "subject": subject }).to_string()
    } else {
        format!("{commit} {time} {author}  {subject}")
    }
}

fn unreadable(error: ObjectError) -> Failure {
    Failure::caused_by(Exit::Data, &error)
}
