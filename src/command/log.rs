//! `headwater log`: the commits of a branch, or those that touched a record.

use std::io::Write;

use headwater_engine::id::{CommitId, TreeId};
use headwater_engine::layout::RenderError;
use headwater_engine::mirror::{CommitFacts, ObjectError, Objects};
use headwater_engine::snapshot::Snapshot;
use serde_json::json;

use super::place::sheet_of;
use super::repository::Repository;
use crate::cli::{LogArgs, RecordPlace};
use crate::config::Environment;
use crate::exit::{Exit, Failure};
use crate::wire::time_of;

/// Writes the first parents of a commit, newest first: hash, time, author and subject. With a
/// record, those whose file differs from that of the first parent.
///
/// # Errors
/// When the commit can't be read, or no commit ever had the record.
pub fn log(
    arguments: &LogArgs,
    environment: &dyn Environment,
    out: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let (repository, rev) = Repository::at(&arguments.read, environment)?;
    let head = repository.resolve(&rev)?;
    let path = match &arguments.place {
        Some(place) => Some(path_of(&repository.load(&rev)?, place)?),
        None => None,
    };
    let limit = arguments.limit.unwrap_or(usize::MAX);
    let objects = &repository.objects;
    // Not every commit of the line need touch the record.
    let walked = if path.is_some() { usize::MAX } else { limit };
    let line = objects.first_parents(head, walked).map_err(unreadable)?;
    let mut told = 0;
    for (at, commit) in line.iter().enumerate() {
        if told == limit {
            break;
        }
        let facts = objects.commit(*commit).map_err(unreadable)?;
        let parent = line.get(at + 1);
        if let Some(path) = &path
            && !touches(objects, facts.tree, parent, path).map_err(unreadable)?
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

/// Returns the file of a record: the one it is read from, or the one it would be in.
fn path_of(snapshot: &Snapshot, place: &RecordPlace) -> Result<String, Failure> {
    let sheet = sheet_of(snapshot, &place.sheet)?;
    let refused = |error: RenderError| Failure::caused_by(Exit::Data, &error);
    match sheet.meant(&place.key, |_| true) {
        Some(record) => Ok(record.path()),
        None => sheet.spec().file_path(&place.key, None).map_err(refused),
    }
}

/// Says whether the file at `path` is another one in `tree` than in the parent.
fn touches(
    objects: &Objects,
    tree: TreeId,
    parent: Option<&CommitId>,
    path: &str,
) -> Result<bool, ObjectError> {
    let file = |tree| objects.entry_at(tree, path.as_bytes());
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
    Ok(file(tree)? != before)
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
