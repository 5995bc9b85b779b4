//! A proposal as the text of a `headwater.toml`.

use super::proposal::Proposal;
use super::schema::schema;
use super::survey::MOST;
use super::toml::{key, list, text};

/// The most names that a comment lists.
const LISTED: usize = 20;

/// Writes the definition of `proposal`, one of `all`.
pub(super) fn definition(
    proposal: &Proposal<'_>,
    all: &[Proposal<'_>],
    with_schema: bool,
) -> String {
    let Proposal { name, group, survey, .. } = proposal;
    let mut lines = vec![format!("[sheets.{}]", key(name))];
    match &group.file {
        Some(file) => lines.push(format!("file = {}", text(file))),
        None => lines.push(format!("root = {}", text(&group.root))),
    }
    lines.push(format!("format = {}", text(group.format)));
    if group.is_flat {
        let path = format!("${{{{ {} }}}}", proposal.stem_field());
        lines.push(format!("path = {}  # deeper files are another sheet", text(&path)));
    }
    if group.is_list {
        if matches!(group.format, "toml" | "json" | "yaml") {
            lines.push("records = \"each\"  # of the list in a file".to_owned());
        }
        match proposal.key_field() {
            Some(field) => lines.push(format!("key = {}", text(&format!("${{{{ {field} }}}}")))),
            None => lines.push("# key = \"${{ … }}\": no field identifies all records".to_owned()),
        }
        for column in proposal.mixed_columns() {
            lines.push(format!(
                "# types = {{ {} = \"string\" }}  # some of its cells look like numbers",
                key(column)
            ));
        }
    }
    lines.extend(group.remarks.iter().map(|remark| format!("# {remark}")));
    lines
        .push("policy = \"quarantine\"  # or \"refuse\": a push with a new problem is held".into());
    lines.extend(fields(proposal, all));
    if !survey.is_whole {
        lines.push(format!("# Only the first {MOST} records were examined for these proposals;"));
        lines.push("# unique, refs and a schema would need all of them.".to_owned());
    }
    let mut told = lines.join("\n") + "\n";
    if with_schema && survey.is_whole {
        match schema(name, &group.records) {
            Some(schema) => told.push_str(&schema),
            None => told.push_str("# no schema: the records are lists, or have too many fields\n"),
        }
    }
    told
}

/// Writes the proposals for the fields.
fn fields(proposal: &Proposal<'_>, all: &[Proposal<'_>]) -> Vec<String> {
    let mut lines = Vec::new();
    let (unique, references) = (proposal.unique(), proposal.references(all));
    let is_told = |name: &str| {
        unique.contains(&name) || references.iter().any(|reference| reference.field == name)
    };
    let indexable = proposal.survey.indexable().into_iter().filter(|name| !is_told(name));
    let indexable: Vec<_> = indexable.collect();
    if !indexable.is_empty() {
        lines.push(format!("index = {}  # to filter, sort and count by", list(indexable)));
    } else if let Some(name) = usual(proposal).filter(|name| !is_told(name)) {
        let index = list([name]);
        lines.push(format!("# index = {index}  # the fields to filter, sort and count by"));
    }
    let others = proposal.survey.unique().into_iter();
    let others: Vec<_> = others.filter(|name| !unique.contains(name)).collect();
    if !unique.is_empty() {
        lines.push(format!("unique = {}", list(unique)));
    }
    if !others.is_empty() {
        lines.push(format!("# also unique so far: {}", some(&others)));
    }
    if !references.is_empty() {
        let references = references.iter().map(|refers| {
            let to = match refers.target {
                Some(target) => format!("{}.{target}", refers.sheet),
                None => refers.sheet.to_owned(),
            };
            format!("{} = {}", key(refers.field), text(&to))
        });
        let references: Vec<_> = references.collect();
        lines.push(format!("refs = {{ {} }}", references.join(", ")));
    }
    let names: Vec<_> = proposal.survey.fields.keys().map(String::as_str).collect();
    if !names.is_empty() {
        lines.push(format!("# fields: {}", some(&names)));
    }
    lines
}

/// Returns the field that is most likely worth an index: one that most records have, and that is
/// neither a table nor the body.
fn usual<'p>(proposal: &'p Proposal<'_>) -> Option<&'p str> {
    let fields = proposal.survey.fields.iter();
    let fields = fields.filter(|(name, field)| *name != "body" && field.values.is_some());
    // Of equals, the first.
    fields.min_by_key(|(_, field)| std::cmp::Reverse(field.present)).map(|(name, _)| name.as_str())
}

/// Lists the first of some names, and how many more there are.
fn some(names: &[&str]) -> String {
    let listed = names.iter().take(LISTED).map(|name| text(name));
    let listed = listed.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => listed,
        more => format!("{listed}, and {more} more"),
    }
}
