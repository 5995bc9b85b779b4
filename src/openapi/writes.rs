//! The operations that need a token.

use serde_json::{Map, Value, json};

use super::error_responses::Refusals;
use super::operation::{Answer, Operation};
use super::shared_refs::{JSON, parameter, schema};
use super::sheet_fields::Described;

/// The headers of every answer to a write, with or without a body.
const HEADERS: &[&str] = &["X-Headwater-Commit", "X-Headwater-Pushed", "Location"];

/// `POST /api/<sheet>`
pub(super) fn create(sheet: &Described) -> Operation {
    let new = answer("The record is new.").headers(&["ETag"]);
    write(&sheet.name, "create", format!("Adds a record to {}", sheet.sheet_name()))
        .described("The key follows from the fields, by the path template of the sheet.")
        .body(&[(JSON, sheet.record())])
        .answers(201, new)
}

/// `PUT /api/<sheet>/<key>`
pub(super) fn put(sheet: &Described) -> Operation {
    on_record(sheet, "put", "Sets a record of")
        .body(&[(JSON, sheet.record())])
        .answers(201, answer("The record is new.").headers(&["ETag"]))
        .answers(204, minimal())
}

/// `PATCH /api/<sheet>/<key>`
pub(super) fn patch(sheet: &Described) -> Operation {
    let changes = || json!({ "type": "object" });
    on_record(sheet, "patch", "Changes fields of a record of")
        .described("By RFC 7396: `null` removes a field.")
        .body(&[("application/merge-patch+json", changes()), (JSON, changes())])
        .answers(204, minimal())
}

/// `DELETE /api/<sheet>/<key>`
pub(super) fn delete(sheet: &Described) -> Operation {
    on_record(sheet, "delete", "Deletes a record of")
        .answers(204, Answer::empty("The record was deleted.").headers(HEADERS))
}

fn on_record(sheet: &Described, verb: &str, what: &str) -> Operation {
    write(&sheet.name, verb, format!("{what} {}", sheet.sheet_name()))
        .takes(["key", "ifMatch", "ifAbsent"].map(parameter))
}

/// `POST /api/_transact`
pub(super) fn transact(sheets: &[Described]) -> Operation {
    let done = || Answer::json("All operations were done.", schema("Transacted")).headers(HEADERS);
    common("writes", "transact", "Does several operations as one commit, or none".to_owned())
        .body(&[(JSON, transaction(sheets))])
        .answers(200, done())
        .answers(202, done())
        .answers(204, minimal())
}

fn transaction(sheets: &[Described]) -> Value {
    let names: Vec<_> = sheets.iter().map(Described::sheet_name).collect();
    let operation = |op: &str, key: bool, value: bool| {
        let mut properties = Map::new();
        let mut required = vec!["op", "sheet"];
        properties.insert("op".into(), json!({ "const": op }));
        // Private sheets may be written to, but are not named here.
        properties.insert("sheet".into(), json!({ "type": "string", "examples": names }));
        if key {
            required.push("key");
            properties.insert("key".into(), schema("Key"));
            let as_header = "The same as the header `If-Match`.";
            let tag = json!({ "type": ["string", "null"], "description": as_header });
            properties.insert("ifMatch".into(), tag);
        }
        if value {
            required.push("value");
            properties.insert("value".into(), json!({ "type": "object" }));
        }
        json!({
            "type": "object", "required": required, "properties": properties,
            "additionalProperties": false,
        })
    };
    let operations = [
        operation("put", true, true),
        operation("create", false, true),
        operation("patch", true, true),
        operation("delete", true, false),
    ];
    json!({
        "type": "object",
        "required": ["operations"],
        "additionalProperties": false,
        "properties": {
            "operations": {
                "type": "array", "minItems": 1, "maxItems": 1000, "items": { "oneOf": operations },
            },
            "summary": { "type": ["string", "null"], "maxLength": 1000 },
        },
    })
}

/// Returns an operation that is one commit, or none if it changes nothing.
fn write(tag: &str, verb: &str, summary: String) -> Operation {
    common(tag, verb, summary)
        .answers(200, answer("Written and published."))
        .answers(202, answer("Written and published, but not pushed in time."))
}

pub(super) fn common(tag: &str, verb: &str, summary: String) -> Operation {
    let shared = ["push", "idempotencyKey", "prefer", "author", "summary"].map(parameter);
    Operation::new(tag, verb, summary).for_writers().takes(shared).refuses(Refusals::Write)
}

pub(super) fn answer(description: &str) -> Answer {
    Answer::json(description, schema("Written")).headers(HEADERS)
}

pub(super) fn minimal() -> Answer {
    Answer::empty("Written; `Prefer: return=minimal` requested no body.").headers(HEADERS)
}
