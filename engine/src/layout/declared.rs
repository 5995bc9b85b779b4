//! Definitions in `headwater.toml`, for sheets that do not use the gitsheets format.
//!
//! ```toml
//! [sheets.advisories]
//! root   = "vulns"        # default: the name of the sheet
//! format = "yaml"         # toml (1.1), json, yaml, markdown, mdx, csv, tsv or ndjson
//! path   = "${{ year }}/${{ id }}"    # default: every file below the root
//! body   = "details"      # of Markdown; default: body
//! schema = { type = "object", required = ["id"] }
//! records = "each"        # of files of many: each element of a list, "map", or a JSON Pointer
//! key    = "${{ id }}"    # what one of these is called; file and types
//! index  = ["severity"]   # and search, language, unique, refs, hidden, public, policy
//! ```

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::decode::{Format, toml_1_1};
use crate::id::SheetName;
use crate::problem::{Problem, Rule};

use super::file_shape::INFERRED;
use super::schema::{Room, Schema};
use super::settings::SettingError;
use super::spec::SheetSpec;
use super::template::Template;
use super::{DefinitionFile, records_settings, settings};

/// Reads the sheets of a `headwater.toml`, or the problems that prevent it from being read at all.
pub(super) fn read(file: &DefinitionFile, room: &Room) -> Result<Vec<SheetSpec>, Vec<Problem>> {
    let problem = |message| Problem {
        sheet: None,
        ..Problem::new(&SheetName::new(""), &*file.path, Rule::Definition, message)
    };
    let table = toml_1_1(&file.bytes)
        .map_err(|flaw| vec![problem(flaw.message).at(flaw.line, flaw.column)])?;
    let unknown = table.as_object().into_iter().flatten().find(|(key, _)| *key != "sheets");
    if let Some((key, _)) = unknown {
        return Err(vec![problem(format!("unknown key {key:?}: sheets are [sheets.<name>]"))]);
    }
    match table.get("sheets") {
        None => Ok(Vec::new()),
        Some(Value::Object(sheets)) => {
            Ok(sheets.iter().map(|(name, sheet)| read_sheet(file, name, sheet, room)).collect())
        }
        Some(_) => Err(vec![problem("sheets must be a table of sheets".into())]),
    }
}

fn read_sheet(file: &DefinitionFile, name: &str, sheet: &Value, room: &Room) -> SheetSpec {
    let mut spec = SheetSpec::bare(SheetName::new(name), name.to_owned());
    spec.definition = Some(file.path.clone());
    let id = format!("headwater.toml\0{name}\0{sheet}");
    spec.id = *blake3::hash(id.as_bytes()).as_bytes();
    let wrong = match sheet {
        Value::Object(sheet) => fill(&mut spec, sheet, room),
        _ => {
            spec.root.clear();
            vec!["a sheet must be a table".into()]
        }
    };
    let told = |wrong: SettingError| {
        let message = format!("sheets.{name}: {}", wrong.message);
        SettingError { message, ..wrong }.into_problem(&spec, file, &["sheets", name])
    };
    spec.problems = wrong.into_iter().map(told).collect();
    spec
}

fn fill(spec: &mut SheetSpec, sheet: &Map<String, Value>, room: &Room) -> Vec<SettingError> {
    let others =
        [&["root", "format", "path", "body", "schema"][..], &records_settings::KEYS].concat();
    let mut wrong = settings::unknown_keys(sheet, &others);
    if spec.name.as_str().starts_with('_') || spec.name.as_str().is_empty() {
        wrong.push("the name of a sheet must not be empty or begin with `_`".into());
    }
    let mut text = |key: &str| match sheet.get(key) {
        None => None,
        Some(Value::String(text)) => Some(text.as_str()),
        Some(_) => {
            wrong.push(format!("{key} must be a string").into());
            None
        }
    };
    let (root, format) = (text("root"), text("format"));
    let (path, body) = (text("path"), text("body"));
    if sheet.contains_key("root") {
        // A root that is not a string could mean any folder, so the whole repository is assumed.
        let root = settings::root(root.unwrap_or_default());
        spec.root = root.unwrap_or_else(|error| {
            wrong.push(error);
            String::new()
        });
    }
    let file = sheet.get("file").and_then(Value::as_str);
    match formats(format.or_else(|| file.and_then(format_of)).unwrap_or("toml")) {
        Some(formats) => spec.formats = formats,
        None => {
            wrong.push("format must be toml, json, yaml, markdown, mdx, csv, tsv or ndjson".into())
        }
    }
    match path.map(Template::parse) {
        None => {}
        Some(Ok(template)) => {
            spec.bundles = template.of_folders();
            spec.template = template;
        }
        Some(Err(error)) => wrong.push(format!("path: {error}").into()),
    }
    if let Some(body) = body {
        spec.body = body.to_owned();
    }
    match sheet.get("schema") {
        None => {}
        Some(schema @ Value::Object(_)) => {
            match Schema::compile(std::slice::from_ref(schema), room) {
                Ok(schema) => spec.schema = Some(Arc::new(schema)),
                Err(error) => wrong.push(format!("schema: {error}").into()),
            }
        }
        Some(_) => wrong.push("schema must be a table".into()),
    }
    wrong.extend(records_settings::fill(spec, sheet));
    wrong.extend(settings::apply(sheet, spec).err().unwrap_or_default());
    wrong
}

fn formats(name: &str) -> Option<Arc<[(&'static str, Format)]>> {
    Some(match name {
        "toml" => Arc::new([("toml", Format::Toml11)]),
        "json" => Arc::new([("json", Format::Json)]),
        "yaml" => Arc::new([("yaml", Format::Yaml), ("yml", Format::Yaml)]),
        "markdown" => Arc::new([("md", Format::Markdown), ("markdown", Format::Markdown)]),
        "mdx" => Arc::new([("mdx", Format::Mdx)]),
        "csv" => Arc::new([("csv", Format::Csv)]),
        "tsv" => Arc::new([("tsv", Format::Tsv)]),
        "ndjson" | "jsonl" => {
            Arc::new([("ndjson", Format::JsonLines), ("jsonl", Format::JsonLines)])
        }
        _ => return None,
    })
}

/// Returns the format of a file by its extension.
fn format_of(file: &str) -> Option<&'static str> {
    let (_, extension) = file.rsplit_once('.')?;
    let known = INFERRED.iter().find(|(known, _)| *known == extension);
    known.map(|(_, format)| format.name())
}
