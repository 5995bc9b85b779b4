//! The history of one record, and the comparison of two commits.

use serde_json::{Value, json};

use super::error_responses::Refusals;
use super::operation::{Answer, Operation};
use super::parameters;
use super::shared_refs::{HASH, parameter, schema};
use super::sheet_fields::Described;

/// The path of the history of a record.
pub(super) const PATH: &str = "/api/_history/{sheet}/{key}";

/// Returns the schemas of the answers.
pub(super) fn schemas() -> Value {
    let commit = || json!({ "type": "string", "pattern": HASH });
    let fields = json!({
        "description": "JSON Pointers to the changed fields.",
        "type": "array", "items": { "type": "string" },
    });
    json!({
        "History": {
            "type": "object",
            "required": ["items", "next"],
            "properties": {
                "items": { "type": "array", "items": {
                    "type": "object",
                    "required": ["commit", "time", "author", "summary", "change", "fields"],
                    "properties": {
                        "commit": commit(),
                        "time": { "type": "string", "format": "date-time" },
                        "author": { "type": "string" },
                        "summary": { "type": "string" },
                        "change": { "enum": ["added", "modified", "removed", "broken"] },
                        "fields": fields,
                    },
                } },
                "next": { "type": ["string", "null"] },
            },
        },
        "Commits": {
            "type": "object",
            "required": ["items", "next"],
            "properties": {
                "items": { "type": "array", "items": {
                    "type": "object",
                    "required": ["commit", "time", "author", "summary", "changed"],
                    "properties": {
                        "commit": commit(),
                        "time": { "type": "string", "format": "date-time" },
                        "author": { "type": "string" },
                        "summary": { "type": "string" },
                        "changed": {
                            "description": "How many records changed, by sheet.",
                            "type": "object",
                            "additionalProperties": schema("Counts"),
                        },
                    },
                } },
                "next": { "type": ["string", "null"] },
            },
        },
        "Diff": {
            "type": "object",
            "required": ["from", "to", "items", "counts", "total", "next"],
            "properties": {
                "from": commit(),
                "to": commit(),
                "items": { "type": "array", "items": {
                    "type": "object",
                    "required": ["sheet", "key", "change"],
                    "properties": {
                        "sheet": { "type": "string" },
                        "key": schema("Key"),
                        "change": { "enum": ["added", "modified", "removed"] },
                        "fields": {
                            "description": "The changed fields of a modified record.",
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["pointer"],
                                "properties": {
                                    "pointer": { "type": "string" }, "before": {}, "after": {},
                                },
                            },
                        },
                        "value": { "description": "The value of an added or removed record." },
                    },
                } },
                "counts": { "type": "object", "additionalProperties": schema("Counts") },
                "total": { "type": "integer", "minimum": 0 },
                "next": {
                    "description": "The cursor of the next page; null on the last one.",
                    "type": ["string", "null"],
                },
            },
        },
        "Counts": {
            "type": "object",
            "required": ["added", "modified", "removed"],
            "properties": {
                "added": { "type": "integer", "minimum": 0 },
                "modified": { "type": "integer", "minimum": 0 },
                "removed": { "type": "integer", "minimum": 0 },
            },
        },
    })
}

/// The operations on the history of a record.
pub(super) fn history(sheets: &[Described]) -> Value {
    let names: Vec<_> = sheets.iter().map(Described::sheet_name).collect();
    let cursor = text("cursor", "The `next` of the previous part.");
    let answer = Answer::json("Newest first.", schema("History"));
    let operation = Operation::new("history", "record", "Returns the history of a record")
        .described(
            "The commits that touched the record. A version is listed if both today's rules and those \
             of its commit show it.",
        )
        .takes([limit(20, 100), cursor])
        .takes(parameters::selector())
        .answers_tagged(answer)
        .refuses(Refusals::Read);
    json!({
        "parameters": [
            {
                "name": "sheet", "in": "path", "required": true,
                "schema": { "type": "string", "enum": names },
            },
            parameter("key"),
        ],
        "get": operation.into_value(),
    })
}

fn text(name: &str, description: &str) -> Value {
    json!({
        "name": name, "in": "query", "required": false, "description": description,
        "schema": { "type": "string", "minLength": 1 },
    })
}

/// A sheet that no longer exists is allowed, too.
fn sheet() -> Value {
    json!({
        "name": "sheet", "in": "query", "description": "Only in these sheets.",
        "schema": { "type": "array", "items": { "type": "string" } },
    })
}

/// `GET /api/_commits`
pub(super) fn commits() -> Operation {
    Operation::new("history", "commits", "Lists the commits of the branch")
        .described(
            "By first parents, newest first, with the number of records that each changed by sheet. \
             Records that are private now are not counted.",
        )
        .takes([
            text("since", "List the commits after this commit or time."),
            text("until", "List the commits up to this commit or time; by default the present one."),
            sheet(),
            limit(20, 100),
            text("cursor", "The `next` of the previous part, instead of `since` and `until`."),
        ])
        .takes(parameters::present())
        .answers_tagged(Answer::json("Newest first.", schema("Commits")))
        .refuses(Refusals::Query)
}

/// `GET /api/_diff`
pub(super) fn diff() -> Operation {
    let cursor = text("cursor", "The `next` of the previous page, instead of `from` and `to`.");
    let answer = Answer::json("The differences, up to 16 MiB.", schema("Diff"));
    Operation::new("history", "diff", "Returns the differences between two commits")
        .takes([
            text("from", "A commit, by its hash or a name. Required without a cursor."),
            text("to", "Another commit; by default the served one."),
            sheet(),
            limit(100, 1000),
            cursor,
        ])
        .takes(parameters::present())
        .answers_tagged(answer)
        .refuses(Refusals::Query)
}

fn limit(default: usize, most: usize) -> Value {
    json!({
        "name": "limit", "in": "query", "description": format!("How many; {default} by default."),
        "schema": { "type": "integer", "minimum": 1, "maximum": most },
    })
}
