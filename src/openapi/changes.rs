//! The operations on changes and reloads.

use serde_json::{Value, json};

use super::error_responses::Refusals;
use super::operation::{Answer, Operation};
use super::parameters;
use super::shared_refs::{HASH, schema};
use super::sheet_fields::{self, Described};

/// Returns the schemas of the answers.
pub(super) fn schemas() -> Value {
    let commit = || json!({ "type": "string", "pattern": HASH });
    json!({
        "Changes": {
            "type": "object",
            "required": ["from", "to", "resync", "items"],
            "properties": {
                "from": commit(),
                "to": commit(),
                "resync": {
                    "type": "boolean",
                    "description": "Whether the client must read everything again.",
                },
                "items": { "type": "array", "items": {
                    "type": "object",
                    "required": ["sheet", "key", "change", "value"],
                    "properties": {
                        "sheet": { "type": "string" },
                        "key": schema("Key"),
                        "change": { "enum": ["enter", "change", "leave"] },
                        "value": { "description": "The current record; null if it left." },
                        "fields": { "type": "array", "items": { "type": "string" } },
                    },
                } },
            },
        },
        "Reload": reload(),
        "Reloads": {
            "type": "object",
            "required": ["items"],
            "properties": { "items": { "type": "array", "items": schema("Reload") } },
        },
    })
}

fn reload() -> Value {
    let commit = || json!({ "type": "string", "pattern": HASH });
    let milliseconds = || json!({ "type": "number", "minimum": 0 });
    json!({
        "description": "The result of a reload.",
        "type": "object",
        "required": [
            "id", "at", "trigger", "ok", "outcome", "oldCommit", "newCommit", "durationMs", "changed",
        ],
        "properties": {
            "id": { "type": "string" },
            "at": { "type": "string", "format": "date-time" },
            "trigger": { "enum": ["boot", "webhook", "poll", "audit", "operator", "push", "write", "watch"] },
            "ok": { "type": "boolean" },
            "outcome": { "enum": ["unchanged", "applied", "rebuilt", "held", "failed"] },
            "reason": { "type": "string" },
            "code": { "type": "string", "description": "The stable name of the error." },
            "oldCommit": commit(),
            "newCommit": commit(),
            "durationMs": milliseconds(),
            "timings": {
                "description": "The time of each stage.",
                "type": "object",
                "additionalProperties": milliseconds(),
            },
            "changed": {
                "description": "How many records changed in each sheet.",
                "type": "object",
                "additionalProperties": schema("Counts"),
            },
        },
    })
}

/// `GET /api/_changes`
pub(super) fn operation(sheets: &[Described]) -> Operation {
    let since = json!({
        "name": "since", "in": "query",
        "description": "The commit to start from. Without it the answer names the served commit.",
        "schema": { "type": "string", "pattern": HASH },
    });
    let wait = json!({
        "name": "wait", "in": "query",
        "description": "How many seconds the answer may wait for a change.",
        "schema": { "type": "integer", "minimum": 0, "maximum": 300 },
    });
    let answer =
        Answer::json("The net change.", schema("Changes")).headers(&["X-Headwater-Commit"]);
    Operation::new("history", "changes", "Returns the changes since a commit")
        .described(
            "With one sheet, the filters of its list apply: records enter and leave. With `Accept: \
             text/event-stream`, the answer is a stream of Server-Sent Events: `changes` with the \
             same JSON, whose id is the commit; `resync` with a commit if history was rewritten or \
             the reader is too far behind. An id precedes every event, and `Last-Event-ID` resumes.",
        )
        .takes([since, sheet_fields::narrowing(sheets), wait])
        .takes(parameters::present())
        .answers(200, answer)
        .refuses(Refusals::State)
}

/// `GET /api/_reloads`
pub(super) fn reloads() -> Operation {
    let limit = json!({
        "name": "limit", "in": "query", "description": "The number of reloads; 100 by default.",
        "schema": { "type": "integer", "minimum": 1, "maximum": 256 },
    });
    Operation::new("state", "reloads", "Returns the last reloads")
        .takes([limit])
        .takes(parameters::present())
        .answers_tagged(Answer::json("Newest first.", schema("Reloads")))
        .refuses(Refusals::State)
}
