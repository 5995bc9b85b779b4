//! The search in all sheets.

use serde_json::json;

use super::error_responses::Refusals;
use super::operation::{Answer, Operation};
use super::parameters;
use super::shared_refs::{parameter, schema};
use super::sheet_fields::{self, Described};

/// `GET /api/_search`
pub(super) fn operation(sheets: &[Described]) -> Operation {
    let q = json!({
        "name": "q", "in": "query", "required": true,
        "description": "Words; `\"a phrase\"`, `-word` or `NOT word` to exclude, `field:word`, `OR`, `AND` and \
                        brackets, `pre*` for a prefix, `word~` for similar spellings.",
        "schema": { "type": "string", "minLength": 1, "maxLength": 512 },
    });
    let names = |name: &str, description: &str| {
        json!({
            "name": name, "in": "query", "style": "form", "explode": false,
            "description": description,
            "schema": { "type": "array", "minItems": 1, "items": { "type": "string" } },
        })
    };
    let fields =
        names("fields", "Only these fields of each value; each is one of a searched sheet.");
    let include = names("include", "The references whose records are shown with the matches.");
    Operation::new("search", "all", "Searches all sheets")
        .described(
            "The best matches first, up to match 10,000. Every searched sheet must know every name in \
             `filter`.",
        )
        .takes([q, sheet_fields::narrowing(sheets), parameter("match"), parameter("prefix")])
        .takes([parameter("filter"), parameter("now"), fields, include])
        .takes([parameter("page"), parameter("perPage")])
        .takes(parameters::selector())
        .answers_tagged(Answer::json("A page of matches.", schema("Hits")))
        .refuses(Refusals::Query)
}
