//! Contracts: schemas that are vendored in `.gitsheets/contracts` and that a sheet implements.

use std::cell::Cell;

use serde_json::Value;

use crate::decode::toml_1_0;

use super::DefinitionFile;
use super::file_name::UNSTORABLE;

const FOLDER: &str = ".gitsheets/contracts/";

/// The most bytes of contracts that all sheets may implement together. A contract counts for each
/// sheet that implements it, because each has a copy of it in its schema.
const IMPLEMENTED: usize = 16 << 20;

/// What the name of a contract counts, in addition to its bytes.
const NAME: usize = 1 << 10;

/// The contract documents of a commit.
pub(super) struct Contracts<'f> {
    files: &'f [DefinitionFile],
    /// The bytes of contracts that may still be implemented.
    left: Cell<usize>,
}

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

impl<'f> Contracts<'f> {
    pub(super) fn new(files: &'f [DefinitionFile]) -> Self {
        Self { files, left: Cell::new(IMPLEMENTED) }
    }

    /// Returns the schema of the contract `name` and adds its bytes to `hasher`, since it is part
    /// of the definition.
    pub(super) fn schema(&self, name: &str, hasher: &mut blake3::Hasher) -> Result<Value, String> {
        let file = self.files.iter().find(|file| {
            let below = file.path.strip_prefix(FOLDER);
            below.and_then(|below| below.strip_suffix(".toml")) == Some(name)
        });
        let file = file.ok_or_else(|| format!("the contract {name} is not vendored"))?;
        let left = self.left.get().checked_sub(file.bytes.len() + NAME);
        self.left.set(left.ok_or_else(|| {
            format!("the contracts that sheets implement, up to {name}, have more than 16 MiB")
        })?);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contract_counts_for_each_sheet_that_implements_it() {
        let large = format!("\"$id\" = \"https://x.org/a\"\ntitle = \"{}\"\n", "a".repeat(1 << 20));
        let file = |name: &str, text: &str| DefinitionFile {
            path: format!("{FOLDER}{name}.toml"),
            bytes: text.into(),
        };
        let files = [file("x.org/a", &large), file("x.org/b", "\"$id\" = \"https://x.org/b\"\n")];
        let contracts = Contracts::new(&files);
        let read = |name: &str| contracts.schema(name, &mut blake3::Hasher::new());
        for _ in 0..15 {
            read("x.org/a").unwrap();
        }
        let error = read("x.org/a").unwrap_err();
        assert!(error.contains("x.org/a") && error.contains("16 MiB"), "{error}");
        read("x.org/b").unwrap();
        let error = std::iter::repeat_with(|| read("x.org/b")).take(2_000).find_map(Result::err);
        assert!(error.unwrap().contains("16 MiB"));
    }
}
