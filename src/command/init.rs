//! `headwater init`: prints the sheet definitions that an owner would write, as a `headwater.toml`
//! to edit.

mod definition;
mod grouping;
mod proposal;
mod schema;
mod survey;
mod toml;

use std::collections::BTreeSet;
use std::io::Write;

use self::definition::definition;
use self::grouping::{Group, groups};
use self::proposal::Proposal;
use super::messages::count;
use super::repository::Repository;
use crate::cli::ReadArgs;
use crate::config::Environment;
use crate::exit::{Exit, Failure};

/// The extensions of record files, if nothing is declared.
const ENDINGS: &str =
    ".toml, .json, .yaml, .yml, .md, .markdown, .mdx, .csv, .tsv, .ndjson or .jsonl";

/// The most files that a comment lists.
const LISTED: usize = 10;

/// Writes definitions that cover the records of the inferred sheets, with what their values suggest
/// for the fields. A comment names whatever has no definition.
///
/// # Errors
/// Fails if the commit declares its sheets already, or cannot be read.
pub fn init(
    arguments: &ReadArgs,
    with_schema: bool,
    environment: &dyn Environment,
    out: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let (repository, rev) = Repository::at(arguments, environment)?;
    let snapshot = repository.load(&rev)?;
    if !snapshot.layout().is_inferred() {
        let commit = snapshot.commit();
        return Err(Failure::new(Exit::Data, format!("{commit} already declares its sheets")));
    }
    writeln!(out, "# The sheets of this repository, inferred from its records. Save this as")?;
    writeln!(out, "# headwater.toml in the root of the repository and edit it.")?;
    let (mut proposals, mut outside) = (Vec::new(), Vec::new());
    let mut taken: BTreeSet<String> =
        snapshot.sheets().map(|sheet| sheet.spec().name.to_string()).collect();
    for sheet in snapshot.sheets() {
        let groups = groups(sheet);
        outside.extend(groups.outside);
        let own = sheet.spec().name.as_str();
        for (at, group) in groups.groups.into_iter().enumerate() {
            let name = match at {
                0 if group.file.is_none() && group.above.is_empty() => own.to_owned(),
                _ => name(&group, &taken),
            };
            taken.insert(name.clone());
            proposals.push(Proposal::new(name, group));
        }
    }
    for proposal in &proposals {
        write!(out, "\n{}", definition(proposal, &proposals, with_schema))?;
    }
    if !outside.is_empty() {
        let files = count(outside.len(), "record");
        writeln!(
            out,
            "\n# {files} in the root of the repository would be left out: a sheet needs a"
        )?;
        writeln!(out, "# folder, and these are in none: {}", first(&outside))?;
    }
    let notices = repository.notices(&snapshot)?;
    if !notices.is_empty() {
        writeln!(out)?;
    }
    for notice in notices {
        writeln!(out, "# Note: {notice}.")?;
    }
    if snapshot.claimed() == 0 {
        writeln!(out, "# Records are files that end in {ENDINGS}.")?;
    }
    Ok(Exit::Success)
}

/// Returns a name that no sheet has: that of the folder or the file, the whole path, or one of
/// these with the format and a number.
fn name(group: &Group<'_>, taken: &BTreeSet<String>) -> String {
    let path = match &group.file {
        Some(file) => file.rsplit_once('.').map_or(file.as_str(), |(stem, _)| stem),
        None => &group.root,
    };
    let dotted = path.replace('/', ".");
    let last = path.rsplit('/').next().unwrap_or(path).to_owned();
    let with_format = format!("{last}-{}", group.format);
    let mut names = [last, dotted, with_format.clone()].into_iter();
    let is_free = |name: &String| !taken.contains(name) && !name.starts_with('_');
    let free = names.find(|name| is_free(name) && !name.is_empty());
    let numbered = || (2..).map(|n| format!("{}-{n}", with_format.trim_start_matches('_')));
    free.or_else(|| numbered().find(is_free)).unwrap_or(with_format)
}

/// Lists the first of some paths.
fn first(paths: &[String]) -> String {
    let listed = paths[..paths.len().min(LISTED)].join(", ");
    match paths.len().saturating_sub(LISTED) {
        0 => listed,
        more => format!("{listed}, and {more} more"),
    }
}
