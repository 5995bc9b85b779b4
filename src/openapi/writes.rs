//! The operations that need a token.

use serde_json::{Map, Value, json};

use super::error_responses::Refusals;
use super::name::{PATCH, WRITTEN, component};
use super::operation::{Answer, Operation};
use super::shared_refs::{JSON, parameter, schema};
use super::sheet_fields::Described;

/// The headers of every answer to a write, with or without a body.
const HEADERS: &[&str] =
    &["X-Headwater-Commit", "X-Headwater-Pushed", "X-Headwater-Safe", "Location"];

/// `POST /api/<sheet>`
pub(super) fn create(sheet: &Described) -> Operation {
    on_sheet(sheet, "create", format!("Adds a record to {}", sheet.sheet_name()))
        .described("The key follows from the fields, by the path template of the sheet.")
        .body(JSON, sheet.record())
        .answers(201, written(sheet, "The record is new.").headers(&["ETag"]))
}

/// `PUT /api/<sheet>/<key>`
pub(super) fn put(sheet: &Described) -> Operation {
    on_sheet(sheet, "put", format!("Sets a record of {}", sheet.sheet_name()))
        .takes(on_condition())
        .body(JSON, sheet.record())
        .answers(201, written(sheet, "The record is new.").headers(&["ETag"]))
}

/// `PATCH /api/<sheet>/<key>`
pub(super) fn patch(sheet: &Described) -> Operation {
    on_sheet(sheet, "patch", format!("Changes fields of a record of {}", sheet.sheet_name()))
        .described(
            "By RFC 7396: `null` removes a field. `application/merge-patch+json` is accepted, too.",
        )
        .takes(on_condition())
        .body(JSON, schema(&component(&sheet.name, PATCH)))
}

/// `DELETE /api/<sheet>/<key>`
pub(super) fn delete(sheet: &Described) -> Operation {
    common(&sheet.name, "delete", format!("Deletes a record of {}", sheet.sheet_name()))
        .takes(on_condition())
        .answers(
            200,
            written(
                sheet,
                "A dry run, or a request with the same idempotency key deleted it before.",
            ),
        )
        .answers(
            202,
            deleted("Deleted and published, but not in two places, or not pushed, in time."),
        )
        .answers(204, deleted("The record was deleted."))
}

/// Returns the parameters of a write of one record.
fn on_condition() -> impl Iterator<Item = Value> {
    ["key", "ifMatch", "ifAbsent"].map(parameter).into_iter()
}

/// Returns an operation on one record, which is one commit, or none if it changes nothing.
fn on_sheet(sheet: &Described, verb: &str, summary: String) -> Operation {
    common(&sheet.name, verb, summary)
        .answers(200, written(sheet, "Written and published."))
        .answers(
            202,
            written(sheet, "Written and published, but not in two places, or not pushed, in time."),
        )
}

fn written(sheet: &Described, description: &str) -> Answer {
    Answer::json(description, schema(&component(&sheet.name, WRITTEN))).headers(HEADERS)
}

/// `POST /api/_transact`
pub(super) fn transact() -> Operation {
    let done = || Answer::json("All operations were done.", schema("Transacted")).headers(HEADERS);
    common("writes", "transact", "Does several operations as one commit, or none".to_owned())
        .body(JSON, transaction())
        .answers(200, done())
        .answers(202, done())
}

/// The schemas of the operations of a transaction. Each has a name, because generators of clients
/// give several schemas without one the same name.
const OPERATIONS: [TransactedOperation; 4] = [
    TransactedOperation { schema: "PutOperation", op: "put", has_key: true, has_value: true },
    TransactedOperation {
        schema: "CreateOperation",
        op: "create",
        has_key: false,
        has_value: true,
    },
    TransactedOperation { schema: "PatchOperation", op: "patch", has_key: true, has_value: true },
    TransactedOperation {
        schema: "DeleteOperation",
        op: "delete",
        has_key: true,
        has_value: false,
    },
];

struct TransactedOperation {
    schema: &'static str,
    op: &'static str,
    has_key: bool,
    has_value: bool,
}

impl TransactedOperation {
    fn schema(&self, sheets: &[&str]) -> Value {
        let mut properties = Map::new();
        let mut required = vec!["op", "sheet"];
        // Not every generator understands `const`.
        properties.insert("op".into(), json!({ "type": "string", "enum": [self.op] }));
        // Private sheets may be written to, but are not named here.
        properties.insert("sheet".into(), json!({ "type": "string", "examples": sheets }));
        if self.has_key {
            required.push("key");
            properties.insert("key".into(), schema("Key"));
            let as_header = "The same as the header `If-Match`.";
            let tag = json!({ "type": ["string", "null"], "description": as_header });
            properties.insert("ifMatch".into(), tag);
        }
        if self.op == "put" {
            let absent = "Only if the record does not exist. Not together with `ifMatch`.";
            let star = json!({
                "type": ["string", "null"], "enum": ["*", null], "description": absent,
            });
            properties.insert("ifNoneMatch".into(), star);
        }
        if self.has_value {
            required.push("value");
            let value = json!({ "type": "object", "additionalProperties": true });
            properties.insert("value".into(), value);
        }
        json!({
            "type": "object", "required": required, "properties": properties,
            "additionalProperties": false,
        })
    }
}

/// Returns the names of the schemas of [`schemas`].
pub(super) fn schema_names() -> impl Iterator<Item = String> {
    OPERATIONS.iter().map(|operation| operation.schema.to_owned())
}

/// Returns the schemas of the operations of a transaction.
pub(super) fn schemas(sheets: &[Described]) -> impl Iterator<Item = (String, Value)> {
    let names: Vec<_> = sheets.iter().map(Described::sheet_name).collect();
    schema_names().zip(OPERATIONS).map(move |(name, operation)| (name, operation.schema(&names)))
}

fn transaction() -> Value {
    // Without a discriminator, from which generators would write a second `op`.
    let operation = json!({ "oneOf": OPERATIONS.map(|operation| schema(operation.schema)) });
    json!({
        "type": "object",
        "required": ["operations"],
        "additionalProperties": false,
        "properties": {
            "operations": { "type": "array", "minItems": 1, "maxItems": 1000, "items": operation },
            "summary": { "type": ["string", "null"], "maxLength": 1000 },
        },
    })
}

pub(super) fn common(tag: &str, verb: &str, summary: String) -> Operation {
    let shared = ["push", "dryRun", "idempotencyKey", "prefer", "author", "summary"].map(parameter);
    Operation::new(tag, verb, summary).for_writers().takes(shared).refuses(Refusals::Write)
}

pub(super) fn answer(description: &str) -> Answer {
    Answer::json(description, schema("Written")).headers(HEADERS)
}

/// Returns an answer without a body.
pub(super) fn deleted(description: &str) -> Answer {
    Answer::empty(description).headers(HEADERS)
}
