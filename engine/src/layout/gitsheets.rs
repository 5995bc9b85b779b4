//! Definitions in the gitsheets format: `.gitsheets/<sheet>.toml`.
//!
//! Definitions are read as gitsheets reads them: unknown keys are ignored, and TOML is 1.0.
//! JavaScript is not evaluated; an expression in a path template matches anything.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::decode::{Flaw, Format, toml_1_0};
use crate::id::SheetName;
use crate::problem::{Problem, Rule};

use super::contract::{Contracts, is_contract_name};
use super::schema::{Room, Schema};
use super::settings::SettingError;
use super::spec::SheetSpec;
use super::template::Template;
use super::{DefinitionFile, settings, sort};

/// Reads one definition. This never fails: errors become problems of the sheet.
pub(super) fn read(file: &DefinitionFile, contracts: &Contracts<'_>, room: &Room) -> SheetSpec {
    let name = file.path.strip_prefix(".gitsheets/").unwrap_or(&file.path);
    let name = SheetName::new(name.strip_suffix(".toml").unwrap_or(name));
    let mut spec = SheetSpec::bare(name.clone(), String::new());
    spec.definition = Some(file.path.clone());
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"gitsheets\0").update(&file.bytes);
    let wrong = match toml_1_0(&file.bytes) {
        Err(Flaw { message, line, column, .. }) => {
            let problem = Problem::new(&name, &*file.path, Rule::Definition, message);
            vec![problem.at(line, column)]
        }
        Ok(table) => {
            let mut wrong = fill(&mut spec, &table, contracts, room, &mut hasher);
            if name.as_str().starts_with('_') {
                wrong.insert(0, "the name of a sheet must not begin with `_`".into());
            }
            wrong.into_iter().map(|wrong| wrong.into_problem(&spec, file, &["headwater"])).collect()
        }
    };
    spec.problems = wrong;
    spec.id = *hasher.finalize().as_bytes();
    spec
}

fn fill(
    spec: &mut SheetSpec,
    table: &Value,
    contracts: &Contracts<'_>,
    room: &Room,
    hasher: &mut blake3::Hasher,
) -> Vec<SettingError> {
    let Some(sheet) = table.get("gitsheet").and_then(Value::as_object) else {
        return vec!["the table [gitsheet] is missing".into()];
    };
    let mut wrong: Vec<SettingError> = Vec::new();
    match sheet.get("root") {
        None => {}
        Some(Value::String(root)) => match settings::root(root) {
            Ok(root) => spec.root = root,
            Err(error) => wrong.push(error),
        },
        Some(_) => wrong.push("gitsheet.root must be a string".into()),
    }
    match sheet.get("path").and_then(Value::as_str).filter(|path| !path.is_empty()) {
        None => wrong.push("gitsheet.path must be a string that is not empty".into()),
        Some(path) => match Template::parse(path) {
            Ok(template) => spec.template = template,
            Err(error) => wrong.push(format!("gitsheet.path: {error}").into()),
        },
    }
    wrong.extend(format(spec, sheet).err().map(SettingError::from));
    match sort::rules(sheet) {
        Ok(rules) => spec.sorts = rules,
        Err(sentences) => wrong.extend(sentences.into_iter().map(SettingError::from)),
    }
    match schemas(sheet, contracts, hasher) {
        Ok(parts) if parts.is_empty() => {}
        Ok(parts) => match Schema::compile(&parts, room) {
            Ok(schema) => spec.schema = Some(Arc::new(schema)),
            Err(error) => wrong.push(format!("gitsheet.schema: {error}").into()),
        },
        Err(message) => wrong.push(message.into()),
    }
    // These keys have no other meaning there, so they are meant for Headwater.
    wrong.extend(table.as_object().map(settings::misplaced).unwrap_or_default());
    match table.get("headwater") {
        None => {}
        Some(Value::Object(own)) => {
            wrong.extend(settings::unknown_keys(own, &[]));
            wrong.extend(settings::apply(own, spec).err().unwrap_or_default());
        }
        Some(_) => wrong.push("headwater must be a table".into()),
    }
    wrong
}

fn format(spec: &mut SheetSpec, sheet: &Map<String, Value>) -> Result<(), String> {
    let none = Map::new();
    let format = match sheet.get("format") {
        None => &none,
        Some(Value::Object(format)) => format,
        Some(_) => return Err("gitsheet.format must be a table".into()),
    };
    // gitsheets treats a type that is not a string as TOML.
    let kind = format.get("type").and_then(Value::as_str).unwrap_or("toml");
    let body = format.get("body").and_then(Value::as_str);
    match format.get("normalize") {
        None => {}
        Some(Value::Bool(normalize)) => spec.normalize = *normalize,
        Some(_) => return Err("gitsheet.format.normalize must be true or false".into()),
    }
    spec.formats = match kind {
        "toml" => Arc::new([("toml", Format::Toml10)]),
        "markdown" => Arc::new([("md", Format::Markdown)]),
        "mdx" => Arc::new([("mdx", Format::Mdx)]),
        other => return Err(format!("gitsheet.format.type {other:?} is unknown")),
    };
    match (kind, body) {
        ("toml", None) => Ok(()),
        ("toml", Some(_)) => Err("gitsheet.format.body is not for a sheet of TOML".into()),
        (_, None) => Err("gitsheet.format.body must name the field of the body".into()),
        (_, Some(body)) if spec.template.fields().iter().any(|field| field.as_str() == body) => {
            Err(format!("gitsheet.format.body: {body:?} is a field of the path"))
        }
        (_, Some(body)) => {
            spec.body = body.to_owned();
            spec.title = format.get("title").and_then(Value::as_str).map(str::to_owned);
            Ok(())
        }
    }
}

/// Returns the schemas that every value must meet: contracts first, then the sheet's own.
fn schemas(
    sheet: &Map<String, Value>,
    contracts: &Contracts<'_>,
    hasher: &mut blake3::Hasher,
) -> Result<Vec<Value>, String> {
    let mut parts = Vec::new();
    let names = match sheet.get("implements") {
        None => &[][..],
        Some(Value::Array(names)) => &names[..],
        Some(_) => return Err("gitsheet.implements must be a list of contracts".into()),
    };
    for name in names {
        let name = name.as_str().filter(|name| is_contract_name(name));
        let name = name.ok_or("gitsheet.implements names something that is not a contract")?;
        parts.push(contracts.schema(name, hasher)?);
    }
    match sheet.get("schema") {
        None => {}
        Some(schema @ Value::Object(_)) => parts.push(schema.clone()),
        Some(_) => return Err("gitsheet.schema must be a table".into()),
    }
    Ok(parts)
}
