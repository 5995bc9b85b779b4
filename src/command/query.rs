//! `headwater query`: prints the records of a list, as the server would.

use std::io::Write;

use headwater_engine::budget::Budget;
use headwater_engine::query::{Included, Item, ListParameter, ListQuery, Projection, Within};

use super::messages::sheet_of;
use super::repository::Repository;
use crate::cli::QueryArgs;
use crate::config::Environment;
use crate::exit::{Exit, Failure};
use crate::wire::{group, page};

/// Writes the records of a list: all of them, unless a parameter asks for a part.
///
/// # Errors
/// Fails if a parameter is wrong, or if the sheet is not public, so that no list has it.
pub fn query(
    arguments: &QueryArgs,
    environment: &dyn Environment,
    out: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let (repository, rev) = Repository::at(&arguments.read, environment)?;
    let snapshot = repository.load(&rev)?;
    let sheet = sheet_of(&snapshot, &arguments.sheet)?;
    let pairs = pairs(&arguments.parameters)?;
    let given = pairs.iter().filter_map(|(name, _)| ListParameter::of(name)).collect::<Vec<_>>();
    // The figures belong to the groups.
    let is_grouped = given.contains(&ListParameter::GroupBy);
    let of_groups =
        |it: &ListParameter| matches!(it, ListParameter::Stats | ListParameter::FacetSort);
    let beside = given.iter().filter(|it| !(is_grouped && of_groups(it)));
    let beside = beside.clone().find(|parameter| parameter.is_beside());
    if let Some(name) = beside.map(|parameter| parameter.name()).filter(|_| !arguments.page) {
        let message = format!("{name}: is only printed with --page");
        return Err(Failure::new(Exit::Usage, message));
    }
    if given.contains(&ListParameter::Format) {
        let message = "format: is for lists over HTTP; `headwater export` writes a table";
        return Err(Failure::new(Exit::Usage, message));
    }
    if !sheet.spec().public {
        let name = &arguments.sheet;
        let message = format!("the sheet {name} is not public, so it has no lists: export it");
        return Err(Failure::new(Exit::Data, message));
    }
    let query = ListQuery::parse(&pairs, Within::of(&snapshot, sheet)).map_err(|problems| {
        let told = problems.iter().map(|problem| match &*problem.parameter {
            "" => problem.message.clone(),
            parameter => format!("{parameter}: {}", problem.message),
        });
        Failure::new(Exit::Usage, told.collect::<Vec<_>>().join("\n"))
    })?;
    let wants_part = given.iter().any(|parameter| parameter.is_paging());
    let query = if wants_part || arguments.page { query } else { query.whole(sheet) };
    // The user who runs the command pays for it.
    let budget = Budget::unlimited();
    let part = query.run(sheet, snapshot.text(), &budget);
    let part = part.map_err(|error| Failure::caused_by(Exit::Usage, &error))?;
    if arguments.page {
        let wanted = Some(query.include()).filter(|include| !include.is_empty());
        let records = part.items.iter().map(|item| &item.record);
        let included = wanted.map(|include| Included::of(&snapshot, include, records, &budget));
        let included =
            included.transpose().map_err(|error| Failure::caused_by(Exit::Usage, &error))?;
        let text = page(&snapshot, &query, &part, included.as_ref(), &budget);
        writeln!(out, "{}", text.map_err(|error| Failure::caused_by(Exit::Usage, &error))?)?;
        return Ok(Exit::Success);
    }
    if let Some(skipped) = part.skipped.filter(|skipped| *skipped > 0) {
        tracing::warn!("`filter` has no value for {skipped} records, which are not listed");
    }
    if let Some(groups) = &part.groups {
        let texts = groups.iter().map(|counted| {
            let mut text = String::new();
            group(&query, counted, &mut text);
            text
        });
        lines(texts, arguments.array, out)?;
        return Ok(Exit::Success);
    }
    let texts = part.items.iter().map(|item| shown(query.fields(), item));
    lines(texts, arguments.array, out)?;
    Ok(Exit::Success)
}

fn shown(fields: Option<&Projection>, item: &Item) -> String {
    match fields {
        Some(projection) => item.shown(projection),
        None => item.value().text().to_owned(),
    }
}

/// Writes JSON texts, one per line, or as one array.
pub(super) fn lines(
    texts: impl Iterator<Item = String>,
    is_array: bool,
    out: &mut (dyn Write + Send),
) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(out);
    if !is_array {
        for text in texts {
            writeln!(out, "{text}")?;
        }
        return out.flush();
    }
    out.write_all(b"[")?;
    for (at, text) in texts.enumerate() {
        write!(out, "{}{text}", if at == 0 { "\n" } else { ",\n" })?;
    }
    writeln!(out, "\n]")?;
    out.flush()
}

fn pairs(parameters: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => {
            let message = format!("{text:?} must be NAME=VALUE, or a comparison: NAME[gt]=VALUE");
            Err(Failure::new(Exit::Usage, message))
        }
    };
    parameters.iter().map(pair).collect()
}
