//! Headwater's own settings of a sheet: the same keys in a `[headwater]` table and in
//! `headwater.toml`.

use serde_json::{Map, Value};

use crate::decode;
use crate::id::SheetName;
use crate::language::Language;
use crate::problem::{Problem, Rule};
use crate::suggestion::{did_you_mean, nearest};
use crate::value::FieldPath;

use super::DefinitionFile;
use super::hidden_field;
use super::reference::Reference;
use super::spec::{Policy, SheetSpec};

/// The keys, and the values that each accepts.
const KEYS: [(&str, &str); 8] = [
    ("search", "a table of fields and their boosts, each greater than zero"),
    (
        "language",
        "the ISO 639-1 code of a language, one of ar, da, de, el, en, es, fi, fr, hu, it, nl, no, \
         pt, ro, ru, sv, ta and tr, or \"none\"",
    ),
    ("index", "a list of fields"),
    ("unique", "a list of fields"),
    ("refs", "a table of fields, each with the sheet that it refers to, or sheet.field"),
    ("hidden", "the name of a field"),
    ("public", "true or false"),
    ("policy", "\"refuse\" or \"quarantine\""),
];

/// The table of these settings in a definition of gitsheets.
const OURS: &str = "headwater";

/// Common names for settings, and their names here.
const SYNONYMS: [(&[&str], &str); 7] = [
    (&["folder", "dir", "directory", "prefix"], "root"),
    (&["type", "extension", "ext"], "format"),
    (&["files", "pattern", "glob", "template", "key"], "path"),
    (&["content", "markdown"], "body"),
    (&["fields", "validate", "jsonschema", "json_schema"], "schema"),
    (&["indexes", "indices", "indexed", "filter", "filters"], "index"),
    (&["references", "relations", "foreign_keys"], "refs"),
];

/// An error in a definition.
pub(super) struct SettingError {
    /// The affected setting, if it is one of these.
    pub(super) setting: Option<String>,
    /// The tables around that, if they are not those of the settings.
    pub(super) tables: Option<Vec<String>>,
    /// What is wrong, in a sentence without a full stop.
    pub(super) message: String,
}

impl<M: Into<String>> From<M> for SettingError {
    fn from(message: M) -> Self {
        Self { setting: None, tables: None, message: message.into() }
    }
}

impl SettingError {
    pub(super) fn at(setting: &str, message: String) -> Self {
        Self { setting: Some(setting.to_owned()), tables: None, message }
    }

    /// Returns it as a problem of the definition of `spec`, whose settings are in the table at
    /// `keys`.
    pub(super) fn into_problem(
        self,
        spec: &SheetSpec,
        file: &DefinitionFile,
        keys: &[&str],
    ) -> Problem {
        let problem = Problem::new(&spec.name, &*file.path, Rule::Definition, self.message);
        let place = self.setting.and_then(|setting| {
            let tables = self.tables.as_ref().map(|it| it.iter().map(String::as_str).collect());
            let mut keys: Vec<&str> = tables.unwrap_or_else(|| keys.to_vec());
            keys.push(&setting);
            decode::place_of(&file.bytes, &keys)
        });
        problem.at(place.map(|(line, _)| line), place.map(|(_, column)| column))
    }
}

/// Returns whether `key` is one of these settings.
pub(super) fn is_setting(key: &str) -> bool {
    KEYS.iter().any(|(name, _)| *name == key)
}

/// Applies the settings in `table` to `spec`; keys that are not settings are ignored.
///
/// # Errors
///
/// Returns an error for each setting that cannot be used.
pub(super) fn apply(
    table: &Map<String, Value>,
    spec: &mut SheetSpec,
) -> Result<(), Vec<SettingError>> {
    let mut wrong = Vec::new();
    for (key, takes) in KEYS {
        if let Some(value) = table.get(key)
            && set(spec, key, value).is_none()
        {
            wrong.push(SettingError::at(key, format!("{key} must be {takes}")));
        }
    }
    // A column may have any name, and holds no list.
    let is_table = spec.formats.iter().any(|(_, format)| format.is_table());
    let field = spec.hidden.as_ref().filter(|_| !is_table);
    let flaw = field.and_then(|field| hidden_field::flaw(field.as_str()));
    wrong.extend(flaw.map(|message| SettingError::at("hidden", message)));
    if let Some(schema) = &spec.schema {
        let containers = schema.containers();
        let bad = spec.unique.iter().filter(|field| containers.contains(field.as_str()));
        wrong.extend(bad.map(|field| {
            let field = field.as_str();
            let message = format!("unique: the schema makes {field:?} an array or a table");
            SettingError::at("unique", message)
        }));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// Parses the root of a sheet: a path without the empty segments and the `.` that joining paths
/// drops.
///
/// # Errors
///
/// Rejects `..`, since different programs resolve it differently.
pub(super) fn root(text: &str) -> Result<String, SettingError> {
    let segments: Vec<&str> =
        text.split('/').filter(|segment| !segment.is_empty() && *segment != ".").collect();
    match segments.contains(&"..") {
        true => Err(SettingError::at("root", "root must not contain `..`".into())),
        false => Ok(segments.join("/")),
    }
}

/// Returns the settings where they would have no effect in a definition of gitsheets, which takes
/// no notice of keys that it does not know: outside of all tables, in those of gitsheets that have
/// no names of fields, and in one that is called nearly as ours.
pub(super) fn misplaced(definition: &Map<String, Value>) -> Vec<SettingError> {
    let mut wrong = Vec::new();
    look_in(definition, &[], &mut wrong);
    if let Some(Value::Object(sheet)) = definition.get("gitsheet") {
        look_in(sheet, &["gitsheet"], &mut wrong);
        if let Some(Value::Object(format)) = sheet.get("format") {
            tell(format, &["gitsheet", "format"], &mut wrong);
        }
    }
    wrong
}

/// Adds the settings in `table`, which is at `tables`, and those in tables of it that are called
/// nearly `headwater`.
fn look_in(table: &Map<String, Value>, tables: &[&str], wrong: &mut Vec<SettingError>) {
    tell(table, tables, wrong);
    for (name, inner) in table {
        let is_ours = tables.is_empty() && name == OURS;
        if !is_ours && (name == OURS || nearest(name, [OURS]).is_some()) {
            let tables = [tables, &[name.as_str()]].concat();
            match inner {
                Value::Object(inner) => tell(inner, &tables, wrong),
                Value::Array(list) => {
                    list.iter()
                        .filter_map(Value::as_object)
                        .for_each(|it| tell(it, &tables, wrong));
                }
                _ => {}
            }
        }
    }
}

/// Adds the settings in `table`, which is at `tables`.
fn tell(table: &Map<String, Value>, tables: &[&str], wrong: &mut Vec<SettingError>) {
    wrong.extend(table.keys().filter(|key| is_setting(key)).map(|key| SettingError {
        setting: Some(key.clone()),
        tables: Some(tables.iter().map(|&table| table.to_owned()).collect()),
        message: format!("{key:?} belongs in the table [{OURS}]"),
    }));
}

/// Returns the unknown keys of a `[headwater]` table, so that a typo does not go unnoticed.
pub(super) fn unknown_keys(table: &Map<String, Value>, others: &[&str]) -> Vec<SettingError> {
    let known = || others.iter().copied().chain(KEYS.iter().map(|(name, _)| *name));
    let unknown = table.keys().filter(|key| known().all(|name| name != *key));
    let told = |key: &String| {
        let meant = SYNONYMS.iter().find(|(names, _)| names.contains(&key.as_str()));
        let meant = meant.map(|(_, name)| *name).filter(|meant| known().any(|name| name == *meant));
        let meant = did_you_mean(meant.or_else(|| nearest(key, known())));
        SettingError::at(key, format!("{key:?} is not a setting of a sheet{meant}"))
    };
    unknown.map(told).collect()
}

fn set(spec: &mut SheetSpec, key: &str, value: &Value) -> Option<()> {
    match key {
        "search" => {
            let boost = |value: &Value| {
                let boost = value.as_f64()? as f32;
                (boost.is_normal() && boost.is_sign_positive()).then_some(boost)
            };
            let fields = value.as_object()?.iter();
            let fields: Option<Vec<_>> =
                fields.map(|(name, value)| Some((field(name)?, boost(value)?))).collect();
            spec.search = Some(fields?);
        }
        "language" => spec.language = Language::of_code(value.as_str()?)?,
        "index" => spec.index = fields(value)?,
        "unique" => spec.unique = fields(value)?,
        "refs" => {
            let refs = value.as_object()?.iter();
            let refs: Option<Vec<_>> =
                refs.map(|(name, to)| reference(field(name)?, to.as_str()?)).collect();
            spec.refs = refs?;
        }
        "hidden" => spec.hidden = Some(field(value.as_str()?)?),
        "public" => spec.public = value.as_bool()?,
        _ => {
            spec.policy = match value.as_str()? {
                "refuse" => Policy::Refuse,
                "quarantine" => Policy::Quarantine,
                _ => return None,
            };
        }
    }
    Some(())
}

fn fields(value: &Value) -> Option<Vec<FieldPath>> {
    value.as_array()?.iter().map(|name| field(name.as_str()?)).collect()
}

fn field(name: &str) -> Option<FieldPath> {
    (!name.is_empty() && !FieldPath::has_too_many_parts(name)).then(|| FieldPath::new(name))
}

/// Parses the target of the reference `field`: `sheet` or `sheet.field`.
fn reference(name: FieldPath, to: &str) -> Option<Reference> {
    let (sheet, target) = match to.split_once('.') {
        Some((sheet, target)) => (sheet, Some(field(target)?)),
        None => (to, None),
    };
    let sheet = (!sheet.is_empty()).then(|| SheetName::new(sheet))?;
    Some(Reference { field: name, sheet, target, is_public: false, is_open: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_nobody_knows_is_told_with_the_one_that_is_meant() {
        let told = |key: &str, others: &[&str]| {
            let table = [(key.to_owned(), Value::Null)].into_iter().collect();
            unknown_keys(&table, others).remove(0).message
        };
        let own = ["root", "format", "path", "body", "schema"];
        for (key, meant) in [
            ("polcy", "policy"),
            ("Index", "index"),
            ("indexes", "index"),
            ("folder", "root"),
            ("files", "path"),
            ("shema", "schema"),
        ] {
            let expected = format!("{key:?} is not a setting of a sheet; did you mean {meant}?");
            assert_eq!(told(key, &own), expected);
        }
        assert_eq!(told("colour", &own), "\"colour\" is not a setting of a sheet");
        // A gitsheets sheet defines its root elsewhere.
        assert_eq!(told("folder", &[]), "\"folder\" is not a setting of a sheet");
    }

    #[test]
    fn the_languages_that_are_told_are_those_that_are_known() {
        let (_, takes) = KEYS.iter().find(|(key, _)| *key == "language").unwrap();
        let told: Vec<_> = takes.split(|c: char| !c.is_lowercase()).collect();
        assert!(Language::codes().all(|code| told.contains(&code)), "{takes}");
    }
}
