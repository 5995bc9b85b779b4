//! The components that operations share: schemas, headers and the token.

use std::collections::BTreeSet;

use headwater_engine::problem::Rule;
use headwater_engine::query::MAX_PAGE;
use serde_json::{Map, Value, json};

use super::shared_refs::{HASH, WRITER, schema};

/// At most a hundred values, separated by commas, as in `[in]`.
const LIST: &str = r"^(?:[^,\\]|\\[\s\S])*(?:,(?:[^,\\]|\\[\s\S])*){0,99}\\?$";

/// Returns the headers of answers.
pub(super) fn headers() -> Value {
    let header = |description: &str, required: bool, schema: Value| json!({ "description": description, "required": required, "schema": schema });
    let text = || json!({ "type": "string" });
    json!({
        "X-Headwater-Commit": header(
            "The commit that the answer was built from.",
            true,
            json!({ "type": "string", "pattern": HASH }),
        ),
        "ETag": header(
            "The version of the answer: two answers with the same tag have the same bytes.",
            true,
            json!({ "type": "string", "pattern": "^\"[0-9a-f]{32}(-(zstd|br|gzip))?\"$" }),
        ),
        "Link": header(
            "The addresses of the other parts of the list (RFC 8288): `first`, `prev`, `next` and `last`.",
            false,
            text(),
        ),
        "Location": header("The address of the record.", false, text()),
        "Retry-After": header(
            "How many seconds to wait before the next attempt.",
            false,
            json!({ "type": "integer", "minimum": 0 }),
        ),
        "WWW-Authenticate": header("The request.", true, json!({ "const": "Bearer" })),
        "Accept-Ranges": header("The unit of ranges.", true, json!({ "const": "bytes" })),
        "Content-Range": header(
            "The first and the last byte, and the total number.",
            true,
            json!({ "type": "string", "pattern": "^bytes [0-9]+-[0-9]+/[0-9]+$" }),
        ),
        "Allow": header("The allowed methods.", false, text()),
        "X-Headwater-Pushed": header(
            "Whether the remote has the commit; absent without a remote.",
            false,
            json!({ "type": "string", "enum": ["true", "false"] }),
        ),
        "X-Headwater-Safe": header(
            "Whether the commit is in two places; absent if the server does not wait for that.",
            false,
            json!({ "type": "string", "enum": ["true", "false"] }),
        ),
    })
}

/// Returns the security scheme of callers that may write.
pub(super) fn security() -> Value {
    json!({ WRITER: {
        "type": "http",
        "scheme": "bearer",
        "description": "A write token, which may cover only some sheets.",
    } })
}

/// Returns the schemas that do not depend on the sheets.
pub(super) fn schemas() -> Map<String, Value> {
    let rules: Vec<_> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
    let all = json!({
        "Problem": {
            "description": "Why a request failed (RFC 9457).",
            "type": "object",
            "required": ["type", "title", "status", "code", "traceId"],
            "properties": {
                "type": { "type": "string", "pattern": "^urn:headwater:problem:" },
                "title": { "type": "string", "description": "The fixed text of the code." },
                "status": { "type": "integer" },
                "detail": { "type": "string", "description": "The problem of this request." },
                "code": { "type": "string", "description": "The stable name of the error." },
                "traceId": {
                    "type": "string",
                    "pattern": "^[0-9a-f]{32}$",
                    "description": "Finds the request in the log.",
                },
                "errors": { "type": "array", "items": schema("ProblemError") },
            },
        },
        "ProblemError": {
            "description": "One of several errors.",
            "type": "object",
            "required": ["detail"],
            "properties": {
                "parameter": { "type": "string", "description": "The parameter in question." },
                "pointer": { "type": "string", "description": "A JSON Pointer into the record." },
                "detail": { "type": "string" },
            },
        },
        "Key": {
            "description": "The key of a record: the segments of its path, joined by `/`.",
            "type": "string",
            "minLength": 1,
        },
        "Filter": {
            "description": "A value that the field has, or conditions, all of which must be met.",
            "anyOf": [{ "type": "string" }, schema("Conditions")],
        },
        "Conditions": {
            "description": "Conditions on a field, all of which must be met. A literal takes the \
                            type of the stored value; ranges match only values of the \
                            literal's type.",
            "type": "object",
            "additionalProperties": false,
            "minProperties": 1,
            "properties": {
                "eq": { "type": "string", "description": "Has this value, or is an array that contains it." },
                "ne": { "type": "string" },
                "gt": { "type": "string" },
                "gte": { "type": "string" },
                "lt": { "type": "string" },
                "lte": { "type": "string" },
                "in": {
                    "type": "string",
                    "pattern": LIST,
                    "description": "One of several, separated by commas; a comma in a value \
                                    follows a backslash.",
                },
                "nin": {
                    "type": "string",
                    "pattern": LIST,
                    "description": "None of several, in the syntax of `in`.",
                },
                "prefix": {
                    "type": "string",
                    "description": "Begins with this, regardless of case and accents.",
                },
                "contains": {
                    "type": "string",
                    "description": "Contains this, regardless of case and accents.",
                },
                "exists": { "type": "boolean", "description": "Whether the field is present." },
            },
        },
        "Facets": {
            "description": "For each requested field, how many items have each value. A range is \
                            represented by its conditions, and values of another kind by null.",
            "type": "object",
            "additionalProperties": { "type": "array", "items": {
                "type": "object",
                "required": ["value", "count"],
                "properties": { "value": {}, "count": { "type": "integer", "minimum": 1 } },
            } },
        },
        "Groups": {
            "description": "Groups of items with equal values in the fields of `groupBy`.",
            "type": "array",
            "maxItems": MAX_PAGE,
            "items": {
                "type": "object",
                "required": ["by", "count"],
                "properties": {
                    "by": { "type": "object", "additionalProperties": true },
                    "count": { "type": "integer", "minimum": 1 },
                    "stats": schema("Stats"),
                },
            },
        },
        "Stats": {
            "description": "Figures over the values of each requested field.",
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["count", "distinct", "min", "max", "sum", "mean"],
                "properties": {
                    "count": { "type": "integer", "minimum": 0 },
                    "distinct": { "type": "integer", "minimum": 0 },
                    "min": {},
                    "max": {},
                    "sum": { "type": ["number", "null"] },
                    "mean": { "type": ["number", "null"] },
                },
            },
        },
        "More": {
            "description": "For each facet that does not list all values, how many more there are.",
            "type": "object",
            "additionalProperties": { "type": "integer", "minimum": 1 },
        },
        "Corrected": {
            "description": "For each word of the query that occurs nowhere, the words that replaced it.",
            "type": "object",
            "additionalProperties": { "type": "array", "items": { "type": "string" } },
        },
        "Included": {
            "description": "The referenced records, by sheet and key.",
            "type": "object",
            "additionalProperties": { "type": "object", "additionalProperties": true },
        },
        "IncludedCut": {
            "description": "True if there are more records than shown; otherwise absent.",
            "type": "boolean",
        },
        "Hits": {
            "type": "object",
            "required": ["items", "total"],
            "properties": {
                "items": { "type": "array", "items": {
                    "type": "object",
                    "required": ["sheet", "key", "score", "value", "highlights"],
                    "properties": {
                        "sheet": { "type": "string" },
                        "key": schema("Key"),
                        "score": { "type": "number" },
                        "value": {},
                        "highlights": {
                            "description": "For each field that matches, but at most 8, its texts, \
                                            HTML-escaped, with `<mark>` around what matches. \
                                            They end with the one that brings them to 4 KiB.",
                            "type": "object",
                            "additionalProperties": {
                                "type": "array", "items": { "type": "string" },
                            },
                        },
                    },
                } },
                "total": { "type": "integer", "minimum": 0 },
                "skipped": {
                    "description": "For how many matches `filter` has no value; they are left out.",
                    "type": "integer", "minimum": 0,
                },
                "now": {
                    "description": "What `now` stands for, if `filter` names it.",
                    "type": "string",
                },
                "included": schema("Included"),
                "includedCut": schema("IncludedCut"),
                "relaxed": schema("Relaxed"),
                "corrected": schema("Corrected"),
            },
        },
        "Relaxed": {
            "description": "True if fewer than ten records have all words, so that those with some of \
                            them follow; otherwise absent.",
            "type": "boolean",
        },
        "Sheets": {
            "type": "object",
            "required": ["items"],
            "properties": {
                "items": { "type": "array", "items": {
                    "type": "object",
                    "required": ["name", "root", "format", "records", "problems", "fields", "indexed", "fieldStats"],
                    "properties": {
                        "name": { "type": "string" },
                        "root": { "type": "string" },
                        "format": { "enum": ["toml", "json", "yaml", "markdown", "mdx", "csv", "tsv", "ndjson", "mixed"] },
                        "records": { "type": "integer", "minimum": 0 },
                        "problems": { "type": "integer", "minimum": 0 },
                        "fields": { "type": "array", "items": { "type": "string" } },
                        "indexed": { "type": "array", "items": { "type": "string" } },
                        "references": referring_fields(),
                        "fieldStats": field_stats(),
                    },
                } },
                "skipped": {
                    "description": "The folders that inference skips.",
                    "type": "array", "items": { "type": "string" },
                },
                "passedOver": {
                    "description": "The files that are not records, if nothing is declared: how \
                                    many are in each skipped folder, have another extension, or \
                                    are links or submodules.",
                    "type": "array", "items": {
                        "type": "object",
                        "required": ["reason", "count"],
                        "properties": {
                            "reason": { "enum": ["folder", "ending", "link", "submodule", "path", "no_sheet", "other"] },
                            "name": {
                                "description": "The folder or the extension that is the reason.",
                                "type": "string",
                            },
                            "count": { "type": "integer", "minimum": 1 },
                        },
                    },
                },
            },
        },
        "Problems": {
            "type": "object",
            "required": ["items", "total", "next"],
            "properties": {
                "items": { "type": "array", "items": {
                    "type": "object",
                    "required": ["sheet", "path", "rule", "message"],
                    "properties": {
                        "sheet": { "type": ["string", "null"] },
                        "key": {
                            "type": "string",
                            "description": "The key of the record, unless the file holds many.",
                        },
                        "path": { "type": "string" },
                        "line": { "type": "integer", "minimum": 1 },
                        "column": { "type": "integer", "minimum": 1 },
                        "pointer": { "type": "string" },
                        "rule": { "enum": rules },
                        "message": { "type": "string" },
                    },
                } },
                "total": {
                    "type": "integer", "minimum": 0,
                    "description": "The number of problems on all pages.",
                },
                "next": {
                    "type": ["string", "null"],
                    "description": "The cursor of the next page; null on the last one.",
                },
            },
        },
        "Status": status(),
        "Written": written(current()),
        "Transacted": transacted(),
    });
    let all =
        [all, super::attachments::schemas(), super::history::schemas(), super::changes::schemas()];
    all.into_iter().filter_map(|part| part.as_object().cloned()).flatten().collect()
}

/// The cluster in the state of a server.
fn field_stats() -> Value {
    json!({
        "description": "What is known about each field.",
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "required": ["records", "types", "list"],
            "properties": {
                "records": {
                    "description": "How many records have the field; its value may be null.",
                    "type": "integer", "minimum": 1,
                },
                "types": {
                    "description": "The types of its values. A list is its elements.",
                    "type": "array",
                    "items": { "enum": ["boolean", "number", "text", "date", "table"] },
                },
                "list": {
                    "description": "Whether it is a list in some record.",
                    "type": "boolean",
                },
            },
        },
    })
}

fn cluster() -> Value {
    let count = || json!({ "type": "integer", "minimum": 0 });
    json!({
        "description": "The cluster that this server is a replica of.",
        "type": "object",
        "required": [
            "role", "name", "leader", "epoch", "seq", "servingSeq", "behindSeconds", "safe",
            "unsafeSeconds", "replicas",
        ],
        "properties": {
            "role": { "enum": ["leading", "following", "orphaned"] },
            "name": { "type": "string" },
            "leader": { "type": ["string", "null"] },
            "epoch": count(),
            "seq": count(),
            "servingSeq": count(),
            "behindSeconds": count(),
            "safe": {
                "type": ["string", "null"],
                "description": "The last head that is in two places.",
            },
            "unsafeSeconds": count(),
            "missing": {
                "type": "string",
                "description": "The head that no replica has; otherwise absent.",
            },
            "replicas": {
                "description": "The other replicas that were heard lately.",
                "type": "array",
                "items": {
                    "type": "object",
                    "required": [
                        "name", "version", "servingSeq", "commit", "digest", "orphaned",
                    ],
                    "properties": {
                        "name": { "type": "string" },
                        "version": { "type": "string" },
                        "servingSeq": count(),
                        "commit": { "type": "string" },
                        "digest": { "enum": ["equal", "differs", "unknown"] },
                        "orphaned": { "type": "boolean" },
                    },
                },
            },
        },
    })
}

/// Returns the schema of the fields of a sheet that refer to records.
fn referring_fields() -> Value {
    json!({
        "description": "The fields that refer to records of other sheets; \
                        absent if there are none.",
        "type": "array", "items": {
            "type": "object",
            "required": ["field", "sheet"],
            "properties": {
                "field": { "type": "string" },
                "sheet": { "type": "string" },
                "target": {
                    "description": "The field with the same value; absent \
                                    if it is the key.",
                    "type": "string",
                },
            },
        },
    })
}

fn status() -> Value {
    let commit = || json!({ "type": "string", "pattern": HASH });
    let time = || json!({ "type": "string", "format": "date-time" });
    let count = || json!({ "type": "integer", "minimum": 0 });
    json!({
        "type": "object",
        "required": [
            "commit", "digest", "branch", "publishedAt", "ageSeconds", "records", "sheets",
            "problems", "degraded", "branchMissing", "ahead", "pinned", "lag",
        ],
        "properties": {
            "commit": commit(),
            "digest": { "type": "string", "pattern": "^[0-9a-f]{64}$" },
            "branch": { "type": "string" },
            "headBranch": {
                "description": "The branch that HEAD of a local repository names now, if HEAD \
                                selected the served branch and now names another one.",
                "type": "string",
            },
            "publishedAt": time(),
            "ageSeconds": count(),
            "records": count(),
            "sheets": {
                "description": "How many records each sheet has.",
                "type": "object", "additionalProperties": count(),
            },
            "writable": {
                "description": "Those of the sheets that the caller may write; absent if writes \
                                are off.",
                "type": "array", "items": { "type": "string" },
            },
            "problems": count(),
            "degraded": { "type": "boolean" },
            "branchMissing": { "type": "boolean" },
            "ahead": count(),
            "push": {
                "description": "The state of the pushes to the remote.",
                "type": "object",
                "required": ["unpushed", "failures"],
                "properties": {
                    "unpushed": count(),
                    "unpushedSince": time(),
                    "pushedAt": time(),
                    "failure": { "type": "string" },
                    "failures": count(),
                    "nextTryAt": time(),
                },
            },
            "pinned": {
                "description": "The pinned commit, which is served whatever is pushed.",
                "type": ["object", "null"],
                "required": ["commit", "since"],
                "properties": { "commit": commit(), "since": time() },
            },
            "held": {
                "description": "The held push. A replica that follows its leader does not tell the number of its problems.",
                "type": "object",
                "required": ["id", "commit", "reason", "since"],
                "properties": {
                    "id": { "type": "string" },
                    "commit": commit(),
                    "reason": {
                        "enum": ["diverged", "refused", "over_limit", "push_limit", "pinned"],
                    },
                    "since": time(),
                    "problemsTotal": count(),
                },
            },
            "cluster": cluster(),
            "lag": {
                "description": "How far the state lags behind the remote, as last seen.",
                "type": "object",
                "required": ["seconds"],
                "properties": {
                    "remoteHead": commit(),
                    "fetchedAt": time(),
                    "behindSince": time(),
                    "seconds": count(),
                },
            },
            "last": schema("Reload"),
            "sourceUrl": {
                "description": "The address of a line of a file at the forge, with `{commit}`, `{path}` and `{line}`, if `--source-url` has it.",
                "type": "string",
            },
            "demo": {
                "type": "boolean",
                "description": "True in the demonstration, in which everybody may push; otherwise absent.",
            },
        },
    })
}

/// The members of every answer to a write.
fn told() -> Value {
    json!({
        "commit": {
            "type": ["string", "null"],
            "pattern": HASH,
            "description": "The commit with the change, or the served one if nothing changed; null if \
                            that is the commit of others, and the caller reads nothing.",
        },
        "changed": { "type": "boolean", "description": "Whether the request made a commit." },
        "pushed": {
            "type": ["boolean", "null"],
            "description": "Whether the remote has it; null without a remote.",
        },
        "safe": {
            "type": "boolean",
            "description": "Whether it is in two places: on the disks of two replicas, or on the \
                            remote; absent if the server does not wait for that.",
        },
        "dryRun": {
            "type": "boolean",
            "description": "True if nothing was written, because `dryRun` asked what would be; \
                            `commit` is then the served one. Otherwise absent.",
        },
        "repeated": {
            "type": "boolean",
            "description": "True if an earlier request with the same idempotency key did it; \
                            otherwise absent.",
        },
    })
}

/// Returns the schema of a record of any sheet.
fn current() -> Value {
    json!({ "description": "The current record." })
}

fn record(value: Value) -> Value {
    json!({
        "sheet": { "type": "string" },
        "key": schema("Key"),
        "movedFrom": schema("Key"),
        "ifMatch": {
            "type": "string",
            "description": "In a dry run: the version that the record has, for `If-Match`. Absent \
                            if it does not exist.",
        },
        "value": value,
    })
}

/// Returns the schema of the answer to a write of one record, which has the schema `value`. If an
/// earlier request did it, the answer has no record.
pub(super) fn written(value: Value) -> Value {
    let mut written = json!({
        "type": "object",
        "required": ["commit", "changed", "pushed"],
        "properties": told(),
    });
    merge(&mut written["properties"], record(value));
    written
}

fn transacted() -> Value {
    let mut transacted = json!({
        "type": "object",
        "required": ["commit", "changed", "pushed"],
        "properties": told(),
    });
    transacted["properties"]["results"] = json!({
        "description": "The result of each operation.",
        "type": "array",
        "items": {
            "type": "object", "required": ["sheet", "key"], "properties": record(current()),
        },
    });
    transacted
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

/// Returns the components that `paths` refers to, directly or indirectly.
pub(super) fn used(mut components: Value, paths: &Value) -> Value {
    let mut found = BTreeSet::new();
    let mut new = BTreeSet::new();
    references(paths, &mut new);
    while let Some(reference) = new.pop_first() {
        if found.insert(reference.clone())
            && let Some(component) = components.pointer(&reference)
        {
            references(component, &mut new);
        }
    }
    for (kind, components) in components.as_object_mut().into_iter().flatten() {
        let Value::Object(components) = components else { continue };
        // Security schemes are referred to only by name.
        components.retain(|name, _| {
            kind == "securitySchemes" || found.contains(&format!("/{kind}/{name}"))
        });
    }
    if let Value::Object(kinds) = &mut components {
        kinds.retain(|_, components| components.as_object().is_some_and(|all| !all.is_empty()));
    }
    components
}

/// Collects each `$ref` to a component, as a pointer to the whole of it below `/components`.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        Value::Object(members) => {
            let target = members.get("$ref").and_then(Value::as_str);
            if let Some(below) = target.and_then(|target| target.strip_prefix("#/components/")) {
                let whole: Vec<_> = below.split('/').take(2).collect();
                found.insert(format!("/{}", whole.join("/")));
            }
            members.values().for_each(|value| references(value, found));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_refers_to_is_left_out() {
        let components = json!({
            "schemas": {
                "a": { "items": { "$ref": "#/components/schemas/b/$defs/x" } },
                "b": {}, "c": { "$ref": "#/components/schemas/c" },
            },
            "headers": { "h": {} },
        });
        let paths = json!({ "/": [{ "$ref": "#/components/schemas/a" }] });
        let used = used(components, &paths);
        assert_eq!(
            used,
            json!({ "schemas": {
            "a": { "items": { "$ref": "#/components/schemas/b/$defs/x" } }, "b": {},
        } })
        );
    }

    #[test]
    fn what_is_shared_refers_to_what_is_there() {
        let mut found = BTreeSet::new();
        references(&schemas().into(), &mut found);
        for reference in found {
            let name = reference.strip_prefix("/schemas/").unwrap();
            assert!(schemas().contains_key(name), "{reference}");
        }
    }
}
