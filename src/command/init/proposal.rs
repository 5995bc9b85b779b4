//! Sheets as they would be declared, with what the values of their fields suggest.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use headwater_engine::record::Record;
use headwater_engine::value::Kind;

use super::grouping::Group;
use super::survey::Survey;

/// The fields that name records. For any other field, distinct values prove little.
const NAMES: [&str; 13] = [
    "id", "_id", "slug", "key", "code", "uuid", "guid", "handle", "isbn", "doi", "sku", "email",
    "uri",
];

/// The fields that may be the key of the records in a list, the best first.
const KEYS: [&str; 5] = ["id", "slug", "key", "code", "name"];

/// The names that a path template may give the file name.
const STEMS: [&str; 6] = ["slug", "id", "key", "name", "file", "file_name"];

/// A sheet as it would be declared.
pub(super) struct Proposal<'s> {
    pub(super) name: String,
    pub(super) group: Group<'s>,
    pub(super) survey: Survey<'s>,
    /// The keys of its records, as JSON texts.
    keys: HashSet<String>,
}

/// A field that refers to the records of a sheet.
pub(super) struct Refers<'p> {
    pub(super) field: &'p str,
    pub(super) sheet: &'p str,
    /// The field in that sheet; `None` is the key.
    pub(super) target: Option<&'static str>,
}

impl<'s> Proposal<'s> {
    pub(super) fn new(name: String, group: Group<'s>) -> Self {
        let survey = Survey::of(&group.records);
        let keys = group.records.iter().take(survey.records).map(|record| key(&group, record));
        let keys = keys.map(|key| serde_json::Value::from(key).to_string()).collect();
        Self { name, group, survey, keys }
    }

    /// Lists the fields that name its records.
    pub(super) fn unique(&self) -> Vec<&str> {
        let mut names = self.survey.unique();
        names.retain(|name| NAMES.contains(name));
        names
    }

    /// Returns the field that is the key of all elements of its lists, if there is one.
    pub(super) fn key_field(&self) -> Option<&'static str> {
        let group = &self.group;
        let is_called_by = |field: &str, record: &Record| {
            let path = record.path();
            let stem = path.rsplit_once('.').map_or("", |(stem, _)| stem);
            let list = match group.file {
                Some(_) => String::new(),
                None => format!("{}/", stem.strip_prefix(&*group.root).unwrap_or(stem)),
            };
            let element = key(group, record);
            let element = element.strip_prefix(list.trim_start_matches('/'));
            element.is_some() && element == text(record, field).as_deref()
        };
        let mut fields = KEYS.into_iter().filter(|field| self.survey.fields.contains_key(*field));
        fields.find(|field| group.records.iter().all(|record| is_called_by(field, record)))
    }

    /// Returns the name for the file name in the path template of files that are directly in the
    /// folder: a field that equals the file name in every record that has it.
    pub(super) fn stem_field(&self) -> &'static str {
        let is_fit = |field: &&str| {
            self.group.records.iter().all(|record| match record.value.json().member(field) {
                None => true,
                Some(_) => text(record, field).as_deref() == Some(key(&self.group, record)),
            })
        };
        let mut stems = STEMS.into_iter().filter(|_| !self.group.is_list);
        stems.find(is_fit).unwrap_or("path_name")
    }

    /// Lists the fields whose values are all keys of another sheet, or names of its records. Each
    /// is paired with the sheet of a similar name, or otherwise the smallest.
    pub(super) fn references<'p>(&'p self, all: &'p [Self]) -> Vec<Refers<'p>> {
        let mut found = Vec::new();
        for (name, field) in &self.survey.fields {
            let values = field.values.as_ref().filter(|values| !values.is_empty());
            let Some(values) = values.filter(|_| self.survey.is_whole) else { continue };
            let others =
                all.iter().filter(|other| other.survey.is_whole && other.survey.records > 1);
            let fits = others.flat_map(|other| {
                let by_key = other.has_names().then_some(None);
                let by_field = other.unique().into_iter();
                let by_field = by_field.filter_map(|name| NAMES.into_iter().find(|it| *it == name));
                by_key.into_iter().chain(by_field.map(Some)).map(move |target| (other, target))
            });
            let fits = fits.filter(|(other, target)| {
                let is_like = is_called_like(name, &other.name);
                let is_own = std::ptr::eq(*other, self);
                // The name of a record is not a reference, and neither are a few numbers.
                let is_name =
                    is_own && (NAMES.contains(&name.as_str()) || !is_like && values.len() < 3);
                let is_text = values.keys().all(|text| text.starts_with('"'));
                let is_some =
                    is_like || is_text && values.len() > 1 && !NAMES.contains(&name.as_str());
                is_some && !is_name && values.keys().all(|value| other.has(*target, value))
            });
            let best = fits.min_by_key(|(other, target)| {
                (!is_called_like(name, &other.name), other.survey.records, target.is_some())
            });
            found.extend(best.map(|(other, target)| Refers {
                field: name,
                sheet: &other.name,
                target,
            }));
        }
        found
    }

    /// Returns whether its keys are more than positions.
    fn has_names(&self) -> bool {
        !self.group.is_list || self.key_field().is_some()
    }

    fn has(&self, target: Option<&str>, value: &str) -> bool {
        match target {
            None => self.keys.contains(value),
            Some(field) => self.survey.fields.get(field).is_some_and(|field| {
                field.values.as_ref().is_some_and(|values| values.contains_key(value))
            }),
        }
    }

    /// Lists the columns of a table in which some cells look like numbers and others do not.
    pub(super) fn mixed_columns(&self) -> BTreeSet<&str> {
        let is_table = matches!(self.group.format, "csv" | "tsv");
        let mut kinds: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
        for (name, field) in self.survey.fields.iter().filter(|_| is_table) {
            for text in field.values.iter().flat_map(|values| values.keys()) {
                let kind = kinds.entry(name).or_default();
                *(if text.starts_with('"') { &mut kind.0 } else { &mut kind.1 }) = true;
            }
        }
        kinds.retain(|_, (texts, others)| *texts && *others);
        kinds.into_keys().collect()
    }
}

/// Returns the key that a record would have.
fn key<'r>(group: &Group<'_>, record: &'r Record) -> &'r str {
    let key = record.key.as_str();
    key.strip_prefix(&*group.above).unwrap_or(key)
}

/// Returns text or a number as it would be in a key.
fn text(record: &Record, field: &str) -> Option<String> {
    let json = record.value.json().member(field)?;
    match json.kind() {
        Kind::String => json.as_string().map(|text| text.into_owned()),
        Kind::Number => Some(json.text().to_owned()),
        _ => None,
    }
}

/// Returns whether a field is named after a sheet: `author`, `authors`, `authorId` or `author_id`
/// for the sheet `authors`.
fn is_called_like(field: &str, sheet: &str) -> bool {
    let folded = |name: &str| -> String {
        let name = name.rsplit(['.', '/']).next().unwrap_or(name).to_lowercase();
        let name = name.trim_end_matches("id").trim_end_matches(['_', '-']);
        let stem = name.strip_suffix("ies").map(|stem| format!("{stem}y"));
        stem.unwrap_or_else(|| name.trim_end_matches('s').to_owned())
    };
    let (field, sheet) = (folded(field), folded(sheet));
    !field.is_empty() && field == sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_called_like_a_sheet() {
        for (field, sheet) in [
            ("author", "authors"),
            ("authorId", "authors"),
            ("author_id", "author"),
            ("tags", "tags"),
            ("category", "categories"),
            ("country", "content.countries"),
        ] {
            assert!(is_called_like(field, sheet), "{field} {sheet}");
        }
        assert!(!is_called_like("id", "authors") && !is_called_like("title", "authors"));
    }
}
