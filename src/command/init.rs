//! `headwater init`: the sheet definitions that inference arrives at, as a `headwater.toml` to
//! edit.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

use headwater_engine::sheet::Sheet;

use super::place::count;
use super::repository::Repository;
use crate::cli::ReadArgs;
use crate::config::Environment;
use crate::exit::{Exit, Failure};

/// What the names of records end in, where nothing is declared.
const ENDINGS: &str =
    ".toml, .json, .yaml, .yml, .md, .markdown, .mdx, .csv, .tsv, .ndjson or .jsonl";

/// How many field names a comment lists.
const LISTED: usize = 20;

/// Writes one definition for each inferred sheet.
///
/// # Errors
/// When the commit declares its sheets already, or can't be read.
pub fn init(
    arguments: &ReadArgs,
    environment: &dyn Environment,
    out: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let (repository, rev) = Repository::at(arguments, environment)?;
    let snapshot = repository.load(&rev)?;
    if !snapshot.layout().is_inferred() {
        let commit = snapshot.commit();
        return Err(Failure::new(Exit::Data, format!("{commit} already declares its sheets")));
    }
    writeln!(out, "# Sheets of this repository, as Headwater infers them. Save this as")?;
    writeln!(out, "# headwater.toml in the root of the repository and edit it.")?;
    for sheet in snapshot.sheets() {
        write!(out, "\n{}", definition(sheet))?;
    }
    if snapshot.claimed() == 0 {
        for notice in repository.notices(&snapshot)? {
            writeln!(out, "# Note: {notice}.")?;
        }
        writeln!(out, "# Records are files that end in {ENDINGS}.")?;
    }
    Ok(Exit::Success)
}

fn definition(sheet: &Sheet) -> String {
    let outside = sheet.records().filter(|record| !record.path().contains('/')).count();
    if outside > 0 {
        let files = count(outside, "record");
        let said = format!(
            "# {files} in the root of the repository would be left out: a sheet has a\n\
             # folder, and these are in none\n"
        );
        return if outside == sheet.len() { said } else { said + &of_folder(sheet) };
    }
    of_folder(sheet)
}

/// Returns the definition of those records that are in a folder.
fn of_folder(sheet: &Sheet) -> String {
    let spec = sheet.spec();
    let mut formats = formats(sheet).into_iter();
    let ((format, is_list), _) = formats.next().unwrap_or((("toml", false), 0));
    let mut text = format!("[sheets.{}]\n", toml_key(spec.name.as_str()));
    // Writing to a string cannot fail.
    let _ = writeln!(text, "root = {}", toml_text(&spec.root));
    let _ = writeln!(text, "format = {}", toml_text(format));
    if is_list && matches!(format, "toml" | "json" | "yaml") {
        text.push_str("records = \"each\"  # of the list that a file is\n");
    }
    for ((other, is_other_list), records) in formats {
        let records = count(records, "record");
        let what = match (other == format, is_other_list) {
            (true, true) => format!("lists of {other}"),
            (true, false) => format!("{other} files of one each"),
            (false, _) => other.to_owned(),
        };
        let _ = writeln!(text, "# {records} in {what} would be left out: a sheet has one format");
    }
    text.push_str("policy = \"quarantine\"  # or \"refuse\": a push with a new problem is held\n");
    let fields: Vec<_> =
        sheet.fields().iter().take(LISTED).map(|(name, _)| toml_text(name)).collect();
    if !fields.is_empty() {
        let _ = writeln!(text, "# fields: {}", fields.join(", "));
    }
    if let Some(name) = indexable(sheet) {
        let name = toml_text(name);
        let _ = writeln!(text, "# index = [{name}]  # the fields to filter, sort and count by");
    }
    text
}

/// Returns the field that is most likely worth an index: one of its own that most records have, and
/// neither a table nor the body.
fn indexable(sheet: &Sheet) -> Option<&str> {
    let fields = sheet.fields();
    let is_table = |name: &str| {
        let below = format!("{name}.");
        fields.iter().any(|(other, _)| other.starts_with(&below))
    };
    let own = fields.iter().filter(|(name, _)| !name.contains('.') && *name != "body");
    let own = own.filter(|(name, _)| !is_table(name));
    // The first of those that as many have.
    own.min_by_key(|(_, count)| std::cmp::Reverse(*count)).map(|(name, _)| name)
}

/// Returns the formats by the extensions of the files, and whether these are lists of records; the
/// most frequent first.
fn formats(sheet: &Sheet) -> Vec<((&'static str, bool), usize)> {
    let mut counts: BTreeMap<(&'static str, bool), usize> = BTreeMap::new();
    for record in sheet.records() {
        let path = record.path();
        if path.contains('/') {
            let format = sheet.spec().format_of(&path).map_or("toml", |format| format.name());
            *counts.entry((format, record.is_in_list())).or_default() += 1;
        }
    }
    let mut formats: Vec<_> = counts.into_iter().collect();
    formats.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    formats
}

fn toml_text(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn toml_key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { toml_text(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_quoted_only_where_it_must_be() {
        assert_eq!(toml_key("blog-posts"), "blog-posts");
        assert_eq!(toml_key("büro"), "\"büro\"");
    }
}
