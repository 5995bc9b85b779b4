//! The parameters that operations share.
//!
//! None has a `default`: clients that are generated send it, and parameters exclude each other.

use headwater_engine::query::{DEFAULT_PAGE, MAX_PAGE};
use headwater_engine::search::{MAX_QUERY_BYTES, Matching};
use serde_json::{Value, json};

/// Returns the parameters that select the state of a read.
pub(super) fn selector() -> impl Iterator<Item = Value> {
    ["at", "atHeader"].map(parameter).into_iter().chain(present())
}

/// Returns the parameters of a read of the present state.
pub(super) fn present() -> impl Iterator<Item = Value> {
    ["minCommit", "patience"].map(parameter).into_iter()
}

/// Returns all shared parameters, by the names that operations use to refer to them.
pub(super) fn shared() -> Value {
    let query = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "query", "description": description, "schema": schema });
    let header = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "header", "description": description, "schema": schema });
    let size = || json!({ "type": "integer", "minimum": 1, "maximum": MAX_PAGE });
    let by_default = |description: &str| format!("{description}; {DEFAULT_PAGE} by default.");
    json!({
        "key": {
            "name": "key",
            "in": "path",
            "required": true,
            "description": "The key. A `/` in it may be sent as it is, or as `%2F`.",
            "schema": schema("Key"),
        },
        "page": query(
            "page",
            "The page, from 1. A page past the end has no items.",
            json!({ "type": "integer", "minimum": 1 }),
        ),
        "perPage": query("perPage", &by_default("The size of a page"), size()),
        "limit": query("limit", &by_default("How many items, when paging by `cursor`"), size()),
        "cursor": query(
            "cursor",
            "The `next` of the previous part of a list in the same order. Works with `limit`, \
             not with `page` and `perPage`.",
            json!({ "type": "string", "minLength": 1 }),
        ),
        "q": query(
            "q",
            "Words, all of which must occur; `\"a phrase\"`, `-word` or `NOT word` to exclude, `field:word`, `OR`, `AND` \
             and brackets, `pre*` for a prefix, `word~` for similar spellings. Without `sort` the best \
             matches come first.",
            json!({ "type": "string", "maxLength": MAX_QUERY_BYTES }),
        ),
        "match": query(
            "match",
            "How many of the words must occur: `all`, `any`, or `auto`, which adds records with some of \
             them if fewer than ten have all, and sets `relaxed`.",
            json!({ "type": "string", "enum": Matching::names().collect::<Vec<_>>() }),
        ),
        "prefix": query(
            "prefix",
            "Whether the last word also matches words that begin with it, after those with the \
             word itself, if fewer than ten records match; `on` by default.",
            json!({ "type": "string", "enum": ["on", "off"] }),
        ),
        "filter": query(
            "filter",
            "A condition in CEL, the Common Expression Language, in which the fields are variables: \
             `size(tags) > 1 && !(\"archived\" in tags)`.",
            json!({ "type": "string", "maxLength": 4_096 }),
        ),
        "now": query(
            "now",
            "What `now` stands for in a condition: a date, or a date and a time.",
            json!({ "type": "string", "minLength": 4 }),
        ),
        "ifNoneMatch": header(
            "If-None-Match",
            "The tags of the versions that the caller has: the answer is 304 if one is current.",
            json!({ "type": "string" }),
        ),
        "range": header(
            "Range",
            "A part of the file: `bytes=first-last`, `bytes=first-` or `bytes=-length`.",
            json!({ "type": "string" }),
        ),
        "ifRange": header(
            "If-Range",
            "The part only if this is still the tag of the file; otherwise all of it.",
            json!({ "type": "string" }),
        ),
        "at": query(
            "at",
            "The commit to read from: its hash or seven or more of its digits, a tag, or a branch. With \
             a full hash the answer never changes.",
            json!({ "type": "string", "minLength": 1 }),
        ),
        "atHeader": header(
            "X-Headwater-At",
            "The same as `at`.",
            json!({ "type": "string", "minLength": 1 }),
        ),
        "minCommit": header(
            "X-Headwater-Min-Commit",
            "A commit that the served state must contain, such as one just pushed, or what a replay made of it. \
             The answer waits for it for the time of `Prefer: wait`.",
            json!({ "type": "string", "pattern": HASH }),
        ),
        "patience": header(
            "Prefer",
            "`wait=<seconds>`, with `X-Headwater-Min-Commit`.",
            json!({ "type": "string" }),
        ),
        "push": query(
            "push",
            "Whether the answer waits for the push: `sync` waits for the time of `Prefer: wait`. It is 202 at \
             once if too many requests of the token wait.",
            json!({ "type": "string", "enum": ["sync", "background"] }),
        ),
        "dryRun": query(
            "dryRun",
            "Writes nothing, and answers what the write would do. Not together with `push`. One runs at \
             a time for each token.",
            json!({ "type": "boolean", "enum": [true] }),
        ),
        "ifMatch": header(
            "If-Match",
            "Only if the record is still this version, or with `*` if it exists. Not together with \
             `If-None-Match`.",
            json!({ "type": "string" }),
        ),
        "ifAbsent": header(
            "If-None-Match",
            "Only if the record does not exist.",
            json!({ "type": "string", "enum": ["*"] }),
        ),
        "idempotencyKey": header(
            "Idempotency-Key",
            "A repeated request gets the result of the first. Each token has its own keys.",
            json!({ "type": "string", "pattern": "^[!-~]{1,255}$" }),
        ),
        "prefer": header(
            "Prefer",
            "`wait=<seconds>`, with `push=sync`.",
            json!({ "type": "string" }),
        ),
        "author": header(
            "X-Headwater-Author",
            "The author of the commit, for tokens that may name one.",
            json!({ "type": "string", "pattern": "^[^<>]*[^<>\\s][^<>]*<\\s*[^<>\\s]+\\s*>\\s*$" }),
        ),
        "summary": header(
            "X-Headwater-Summary",
            "The message of the commit. Its first line is the `summary` of the histories.",
            json!({ "type": "string", "maxLength": 1000 }),
        ),
    })
}
use super::shared_refs::{HASH, parameter, schema};
