//! Contracts: schemas that are vendored in `.gitsheets/contracts` and that a sheet implements.

use serde_json::Value;

use crate::decode::toml_1_0;

use super::DefinitionFile;
use super::file_name::UNSTORABLE;

const FOLDER: &str = ".gitsheets/contracts/";

/// The contract documents of a commit.
pub(super) struct Contracts<'f>(pub(super) &'f [DefinitionFile]);

/// Returns whether `name` is `<host>/<segment>[/…]`.
pub(super) fn is_contract_name(name: &str) -> bool {
    let mut segments = name.split('/');
    let host = segments.next().unwrap_or_default();
    let is_host = !host.is_empty()
        && host.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-'));
    let mut rest = segments.peekable();
    let fit = |segment: &str| {
        let forbidden = |c: char| c < ' ' || c == ':' || UNSTORABLE.contains(&c);
        !segment.is_empty() && segment != "." && segment != ".." && !segment.contains(forbidden)
    };
    is_host && rest.peek().is_some() && rest.all(fit)
}

impl Contracts<'_> {
    /// Returns the schema of the contract `name` and adds its bytes to `hasher`, since it is part
    /// of the definition.
    pub(super) fn schema(&self, name: &str, hasher: &mut blake3::Hasher) -> Result<Value, String> {
        let file = self.0.iter().find(|file| {
            let below = file.path.strip_prefix(FOLDER);
            below.and_then(|below| below.strip_suffix(".toml")) == Some(name)
        });
        let file = file.ok_or_else(|| format!("the contract {name} is not vendored"))?;
        hasher.update(name.as_bytes()).update(b"\0").update(&file.bytes);
        let invalid = |what: &str| format!("the contract {name} is not valid: {what}");
        let schema = toml_1_0(&file.bytes).map_err(|flaw| invalid(&flaw.message))?;
        if !is_canonical(&file.bytes) {
            return Err(invalid("its bytes are not canonical"));
        }
        if schema.get("$id").and_then(Value::as_str) != Some(&format!("https://{name}")) {
            return Err(invalid("its $id is not its name"));
        }
        if closes_objects(&schema) {
            return Err(invalid("it forbids additional properties"));
        }
        Ok(schema)
    }
}

/// Returns whether a document is formatted as gitsheets formats it.
fn is_canonical(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes).ok();
    let table = text.and_then(|text| text.parse::<toml_v08::Table>().ok());
    let written = table.and_then(|table| toml_v08::to_string(&table).ok());
    written.is_some_and(|written| written.as_bytes() == bytes)
}

fn closes_objects(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            members.get("additionalProperties") == Some(&Value::Bool(false))
                || members.values().any(closes_objects)
        }
        Value::Array(values) => values.iter().any(closes_objects),
        _ => false,
    }
}
