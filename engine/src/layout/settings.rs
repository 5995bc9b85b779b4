//! Headwater's own settings of a sheet: the same keys in a `[headwater]` table and in
//! `headwater.toml`.

use serde_json::{Map, Value};

use crate::value::FieldPath;

use super::spec::{Policy, SheetSpec};

/// The keys, and what each takes.
const KEYS: [(&str, &str); 6] = [
    ("search", "a table of fields and their boosts, each greater than zero"),
    ("index", "a list of fields"),
    ("unique", "a list of fields"),
    ("hidden", "the name of a field"),
    ("public", "true or false"),
    ("policy", "\"refuse\" or \"quarantine\""),
];

/// Says whether `key` is one of these settings.
pub(super) fn is_setting(key: &str) -> bool {
    KEYS.iter().any(|(name, _)| *name == key)
}

/// Puts the settings in `table` into `spec`; keys that are no settings are passed over.
///
/// # Errors
///
/// Returns one sentence for each setting that cannot be used.
pub(super) fn apply(table: &Map<String, Value>, spec: &mut SheetSpec) -> Result<(), Vec<String>> {
    let mut wrong = Vec::new();
    for (key, takes) in KEYS {
        if let Some(value) = table.get(key)
            && set(spec, key, value).is_none()
        {
            wrong.push(format!("{key} takes {takes}"));
        }
    }
    if let Some(schema) = &spec.schema {
        let containers = schema.containers();
        let bad = spec.unique.iter().filter(|field| containers.contains(field.as_str()));
        wrong.extend(bad.map(|field| {
            format!("unique: the schema makes {:?} an array or a table", field.as_str())
        }));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// Returns the keys of a `[headwater]` table that nobody knows: a slip must not pass unseen.
pub(super) fn unknown_keys(table: &Map<String, Value>, others: &[&str]) -> Vec<String> {
    let unknown = table.keys().filter(|key| !is_setting(key) && !others.contains(&key.as_str()));
    unknown.map(|key| format!("{key:?} is no setting of a sheet")).collect()
}

fn set(spec: &mut SheetSpec, key: &str, value: &Value) -> Option<()> {
    match key {
        "search" => {
            let boost = |value: &Value| {
                let boost = value.as_f64()? as f32;
                (boost.is_normal() && boost > 0.0).then_some(boost)
            };
            let fields = value.as_object()?.iter();
            let fields: Option<Vec<_>> =
                fields.map(|(name, value)| Some((field(name)?, boost(value)?))).collect();
            spec.search = Some(fields?);
        }
        "index" => spec.index = fields(value)?,
        "unique" => spec.unique = fields(value)?,
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
    (!name.is_empty() && name.split('.').all(|part| !part.is_empty())).then(|| FieldPath::new(name))
}
