//! What is shown of records from several sheets, such as those that a search finds.

use std::borrow::Cow;

use crate::budget::{Budget, TooCostly};
use crate::document::KEY_FIELD;
use crate::id::SheetName;
use crate::layout::Reference;
use crate::query::include::MAX_BYTES;
use crate::query::limits::MAX_FIELDS;
use crate::query::{Included, Projection, QueryProblem};
use crate::search::{Hit, Query};
use crate::sheet::Sheet;
use crate::snapshot::Snapshot;
use crate::value::{FieldPath, Value};

/// What is shown of records from several sheets.
#[derive(Debug, Clone, Default)]
pub struct Across {
    fields: Option<Projection>,
    include: Vec<(SheetName, Vec<Reference>)>,
}

impl Across {
    /// Parses the parameters `fields` and `include`, lists of names separated by commas. A field
    /// after a `-` is not shown. A name is valid if one of `sheets` knows it.
    ///
    /// # Errors
    ///
    /// Returns a problem for each name that none of them knows.
    pub fn parse<'a>(
        fields: Option<&str>,
        include: Option<&str>,
        sheets: impl Iterator<Item = &'a Sheet> + Clone,
    ) -> Result<Self, Vec<QueryProblem>> {
        let mut problems = Vec::new();
        let mut problem = |parameter: &str, message: String| {
            problems.push(QueryProblem { parameter: parameter.to_owned(), message });
        };
        let names = |list: &str| -> Vec<String> { list.split(',').map(str::to_owned).collect() };
        let (shown, wanted) = (fields.map(names), include.map(names));
        for (parameter, names) in [("fields", &shown), ("include", &wanted)] {
            if names.as_ref().is_some_and(|names| names.len() > MAX_FIELDS) {
                problem(parameter, format!("names more than {MAX_FIELDS} fields"));
                return Err(problems);
            }
        }
        for name in shown.iter().flatten().map(|name| name.strip_prefix('-').unwrap_or(name)) {
            if !sheets.clone().any(|sheet| knows(sheet, name)) {
                problem("fields", format!("`{name}` is not a known field of any searched sheet"));
            }
        }
        let mut references: Vec<(SheetName, Vec<Reference>)> = Vec::new();
        for name in wanted.iter().flatten() {
            let mut is_known = false;
            for spec in sheets.clone().map(Sheet::spec) {
                let Some(reference) = spec.reference(name).filter(|one| one.is_public) else {
                    continue;
                };
                is_known = true;
                match references.iter_mut().find(|(sheet, _)| *sheet == spec.name) {
                    Some((_, known)) if known.contains(reference) => {}
                    Some((_, known)) => known.push(reference.clone()),
                    None => references.push((spec.name.clone(), vec![reference.clone()])),
                }
            }
            if !is_known {
                problem("include", format!("`{name}` is not a reference of any searched sheet"));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let projection = |names: Vec<String>| {
            let (without, shown): (Vec<_>, Vec<_>) =
                names.iter().partition(|name| name.starts_with('-'));
            let path = |name: &String| FieldPath::new(name.trim_start_matches('-'));
            let shown: Vec<_> = shown.into_iter().map(path).collect();
            let without = without.into_iter().map(path).collect();
            Projection::new((!shown.is_empty()).then_some(shown), without)
        };
        let fields = shown.map(projection);
        Ok(Self { fields, include: references })
    }

    /// Returns the JSON text of the shown part of a value.
    pub fn value<'v>(&self, value: &'v Value) -> Cow<'v, str> {
        match &self.fields {
            Some(fields) => fields.apply(value).into(),
            None => value.as_str().into(),
        }
    }

    /// Returns the records that those in `hits` refer to, or `None` if they are not requested.
    ///
    /// # Errors
    ///
    /// [`TooCostly`] if `budget` is used up.
    pub fn included(
        &self,
        snapshot: &Snapshot,
        hits: &[Hit],
        budget: &Budget,
    ) -> Result<Option<Included>, TooCostly> {
        if self.include.is_empty() {
            return Ok(None);
        }
        let mut all = Included::default();
        for (name, references) in &self.include {
            let Some(sheet) = snapshot.sheet(name.as_str()) else { continue };
            let here = hits.iter().filter(|hit| hit.name.sheet == *name);
            let records = here.filter_map(|hit| sheet.record(hit.name.key.as_str()).cloned());
            let records: Vec<_> = records.collect();
            let more = Included::of(snapshot, references, &records, budget)?;
            if all.bytes + more.bytes > MAX_BYTES {
                all.is_cut = true;
                break;
            }
            for (sheet, records) in more.records {
                all.records.entry(sheet).or_default().extend(records);
            }
            all.bytes += more.bytes;
            all.is_cut |= more.is_cut;
        }
        Ok(Some(all))
    }
}

/// Returns the problems with fields that words of `query` are restricted to but that none of
/// `sheets` searches.
pub fn unsearched<'a>(
    query: &Query,
    sheets: impl Iterator<Item = &'a Sheet> + Clone,
) -> Vec<QueryProblem> {
    let is_searched = |sheet: &Sheet, name: &str| match &sheet.spec().search {
        _ if name == KEY_FIELD => true,
        Some(fields) => fields.iter().any(|(field, _)| field.as_str() == name),
        None => knows(sheet, name),
    };
    let unknown = query.fields().filter(|name| !sheets.clone().any(|one| is_searched(one, name)));
    let told = unknown.map(|name| QueryProblem {
        parameter: "q".to_owned(),
        message: format!(
            "`{name}` is not a field that is searched; in quotation marks, `\"{name}:…\"` is text"
        ),
    });
    told.collect()
}

/// Returns whether a sheet has a field.
fn knows(sheet: &Sheet, name: &str) -> bool {
    let spec = sheet.spec();
    spec.known_fields().contains(name) || spec.is_open() && sheet.fields().contains(name)
}
