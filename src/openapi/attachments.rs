//! The path of the files next to records.

use serde_json::{Value, json};

use super::error_responses::Refusals;
use super::operation::{Answer, Operation};
use super::options::Offer;
use super::shared_refs::parameter;
use super::sheet_fields::Described;
use super::{parameters, writes};

/// Their path.
pub(super) const PATH: &str = "/api/_attachments/{sheet}/{key}/{name}";

/// Returns the operations on them; `None` if no sheet has any.
pub(super) fn path(offer: &Offer, sheets: &[Described]) -> Option<Value> {
    let names = sheets.iter().filter(|sheet| sheet.has_attachments()).map(Described::sheet_name);
    let names: Vec<_> = names.collect();
    if names.is_empty() {
        return None;
    }
    let named = |name: &str, schema: Value| json!({ "name": name, "in": "path", "required": true, "schema": schema });
    let mut path = json!({
        "parameters": [
            named("sheet", json!({ "type": "string", "enum": names })),
            parameter("key"),
            named("name", json!({ "type": "string", "minLength": 1 })),
        ],
        "get": show().into_value(),
    });
    if offer.writes {
        path["put"] = put().into_value();
        path["delete"] = delete().into_value();
    }
    Some(path)
}

fn show() -> Operation {
    Operation::new("attachments", "get", "Returns a file next to a record")
        .described("The file in the served commit, with the media type of its extension.")
        .takes(parameters::selector())
        .takes(["range", "ifRange"].map(parameter))
        .answers_tagged(file("The file.").headers(&["Accept-Ranges"]))
        .answers(
            206,
            file("The requested part.").headers(&["X-Headwater-Commit", "ETag", "Content-Range"]),
        )
        .refuses(Refusals::File)
}

fn file(description: &str) -> Answer {
    Answer::empty(description).content("*/*", json!({}))
}

fn put() -> Operation {
    change("put", "Sets a file next to a record")
        .body("*/*", json!({}))
        .answers(201, writes::answer("The file is new.").headers(&["ETag"]))
}

fn delete() -> Operation {
    change("delete", "Deletes a file next to a record")
        .answers(204, writes::deleted("The file was deleted."))
}

fn change(verb: &str, summary: &str) -> Operation {
    writes::common("attachments", verb, summary.to_owned())
        .takes(["ifMatch", "ifAbsent"].map(parameter))
        .answers(200, writes::answer("Written and published."))
        .answers(
            202,
            writes::answer("Written and published, but not in two places, or not pushed, in time."),
        )
}
