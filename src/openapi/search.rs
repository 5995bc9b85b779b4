//! The search in all sheets.

use serde_json::{Value, json};

use super::operation::{Answer, Operation, parameter, schema};
use super::problems::Refusals;
use super::sheets::Described;

/// `GET /api/_search`
pub(super) fn operation(sheets: &[Described]) -> Operation {
    let names: Vec<Value> = sheets.iter().map(|sheet| sheet.sheet_name().into()).collect();
    let mut items = json!({ "type": "string" });
    if !names.is_empty() {
        items["enum"] = names.into();
    }
    let q = json!({
        "name": "q", "in": "query", "required": true,
        "description": "Words, all of which must occur; `\"a phrase\"`, `-word` to exclude, `pre*` \
                        for a prefix.",
        "schema": { "type": "string", "minLength": 1, "maxLength": 512 },
    });
    let sheet = json!({
        "name": "sheet", "in": "query", "description": "Only in these sheets.",
        "schema": { "type": "array", "items": items },
    });
    Operation::new("search", "all", "Searches all sheets")
        .described("The best matches first, up to match 10,000.")
        .takes([q, sheet, parameter("page"), parameter("perPage")])
        .answers(
            200,
            Answer::json("A page of matches.", schema("Hits")).headers(&["X-Headwater-Commit"]),
        )
        .refuses(Refusals::Query)
}
