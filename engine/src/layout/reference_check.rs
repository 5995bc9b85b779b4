//! Checks the references of sheets against the sheets that they refer to.

use std::collections::{BTreeMap, BTreeSet};

use super::DefinitionFiles;
use super::reference::Reference;
use super::schema::Kinds;
use super::settings::SettingError;
use super::spec::SheetSpec;
use crate::id::SheetName;
use crate::value::FieldPath;

/// Checks the references of all sheets against the sheets that they refer to, and records in those
/// sheets which fields are referred to.
///
/// An impossible reference is a problem of its definition. A reference into a sheet with an
/// unusable definition is left out: that sheet is empty, and its own problem gives the reason.
pub(super) fn link(specs: &mut BTreeMap<SheetName, SheetSpec>, files: &DefinitionFiles) {
    resolve(specs);
    let mut flaws = Vec::new();
    for spec in specs.values() {
        let wrong = spec.refs.iter().filter_map(|reference| flaw(spec, reference, specs));
        flaws.extend(wrong.map(|message| (spec.name.clone(), message)));
    }
    for (name, message) in flaws {
        let Some(spec) = specs.get_mut(&name) else { continue };
        let is_declared = !spec.is_gitsheets();
        let message = if is_declared { format!("sheets.{name}: {message}") } else { message };
        let declared = ["sheets", name.as_str()];
        let keys = if is_declared { &declared[..] } else { &["headwater"] };
        let mut files = files.gitsheets.iter().chain(&files.headwater);
        let file = files.find(|file| spec.definition.as_ref() == Some(&file.path));
        let wrong = SettingError::at("refs", message);
        let problem = file.map(|file| wrong.into_problem(spec, file, keys));
        spec.problems.extend(problem);
    }
    let those = |test: fn(&SheetSpec) -> bool| -> BTreeSet<SheetName> {
        specs.values().filter(|spec| test(spec)).map(|spec| spec.name.clone()).collect()
    };
    let usable = those(|spec| spec.problems.is_empty());
    let public = those(|spec| spec.public);
    let hiding = those(|spec| spec.hidden.is_some());
    let mut named = Vec::new();
    for spec in specs.values_mut() {
        spec.refs.retain(|reference| usable.contains(&reference.sheet));
        for reference in &mut spec.refs {
            reference.is_public = public.contains(&reference.sheet);
            reference.is_open = reference.is_public && !hiding.contains(&reference.sheet);
            named.push((reference.sheet.clone(), reference.target.clone()));
        }
    }
    for (name, target) in named {
        if let Some(spec) = specs.get_mut(&name)
            && !spec.referenced.contains(&target)
        {
            spec.referenced.push(target);
        }
    }
}

/// Resolves each reference to the sheet with the longest name, since names may contain dots.
fn resolve(specs: &mut BTreeMap<SheetName, SheetSpec>) {
    let names: BTreeSet<SheetName> = specs.keys().cloned().collect();
    for reference in specs.values_mut().flat_map(|spec| &mut spec.refs) {
        let Some(target) = &reference.target else { continue };
        let text = format!("{}.{target}", reference.sheet);
        let mut ends = text.match_indices('.').map(|(end, _)| end).chain([text.len()]);
        if let Some(end) = ends.rfind(|end| names.contains(&text[..*end])) {
            reference.sheet = SheetName::new(&text[..end]);
            reference.target = text.get(end + 1..).map(FieldPath::new);
        }
    }
}

/// Returns the reason why no record of `spec` can ever have this reference, if there is one. It
/// does not mention the other sheet, which may not be public.
fn flaw(
    spec: &SheetSpec,
    reference: &Reference,
    specs: &BTreeMap<SheetName, SheetSpec>,
) -> Option<String> {
    let Reference { field, sheet, target, .. } = reference;
    let Some(to) = specs.get(sheet) else {
        return Some(format!("refs: {field} refers to a sheet that does not exist"));
    };
    // A field from the path exists whatever the schema requires of the file.
    let forbids = |spec: &SheetSpec, field: &FieldPath| {
        spec.schema.as_ref().is_some_and(|schema| schema.forbids(field))
            && spec.template.told().all(|told| told != field.as_str())
    };
    if forbids(spec, field) {
        return Some(format!("refs: the schema has no field {field}"));
    }
    if target.as_ref().is_some_and(|target| forbids(to, target)) {
        return Some(format!("refs: {field} refers to a field that is not in the schema there"));
    }
    let kinds = |spec: &SheetSpec, field: &FieldPath| match &spec.schema {
        Some(schema) if !schema.forbids(field) => schema.kinds(field),
        _ => Kinds::ALL,
    };
    let theirs = target.as_ref().map_or(Kinds::STRING, |target| kinds(to, target));
    (!kinds(spec, field).intersects(theirs))
        .then(|| format!("refs: {field} has another type than the field it refers to"))
}
